//! Opening and centre at each station, by maximum likelihood around what is known.
//!
//! Each station has four unknowns: background level and slope, centre, opening. The background is
//! eliminated (Schur complement), what is left is a 2 × 2 information on (centre, opening). As for
//! the front, neighbouring stations share the change against what is known, and not the values.

use super::columns::{Columns, Shape, UNKNOWNS, UNKNOWNS_OF_STATION, dot};
use super::{Crack, Known};
use crate::gauge::View;
use crate::gauge::smooth::smooth_columns;

/// Background on each side beyond the opening and the point spread, px.
const FLANK: f32 = 7.0;
/// A round that moves no station further than this was the last but one, px.
const SETTLED_PX: f32 = 0.1;
/// Newton rounds; fewer leave depth and point spread behind the openings.
const ROUNDS: usize = 4;
/// What exceeds the camera's noise is texture, and correlated over some pixels: it counts for
/// more than white noise of the same variance would.
const TEXTURE_LENGTH: f64 = 4.0;
/// Narrowest opening that the iteration may pass through, px (the model is even in w).
const OPENING_LEAST: f32 = -4.0;

/// What one frame says of the crack; NaN where a station could not be measured.
pub struct Profile {
    /// Centre across the path, px from the region's edge, reference coordinates.
    pub centre: Vec<f32>,
    pub centre_error: Vec<f32>,
    /// Opening perpendicular to the path, px.
    pub opening: Vec<f32>,
    pub opening_error: Vec<f32>,
    /// 1/variance of each station's opening by itself, 1/px².
    pub information: Vec<f32>,
    pub depth: f32,
    pub psf_px: f32,
    /// 1/variance that this frame adds on depth and point spread.
    pub depth_information: f32,
    pub psf_information: f32,
    /// One sigma of the depth over the depth, with all that was known before.
    pub depth_doubt: f32,
    /// Median squared residual over what noise explains.
    pub excess: f32,
}

/// One station's sums.
#[derive(Clone, Copy, Default)]
struct Station {
    /// Information on (centre, opening): cc, cw, ww.
    information: [f64; 3],
    /// Score of (centre, opening).
    score: [f64; 2],
    chi2: f64,
    pixels: u32,
    /// Score and information of (depth, point spread), free of the station's own unknowns.
    shared_score: [f64; 2],
    /// dd, dp, pp.
    shared_information: [f64; 3],
}

/// Fits all stations near what is known.
pub fn fit(crack: &Crack, view: &View<'_>, known: &Known) -> Profile {
    let count = crack.lines.count;
    let fraction = crack.lines.fraction(view) as f32;
    let start: Vec<(f32, f32)> =
        known.centre.iter().zip(&known.opening).map(|(c, w)| (c + fraction, *w)).collect();
    let cosine = cosines(&known.centre);
    // Along the line a sloping crack is wider: w / cos θ.
    let start: Vec<(f32, f32)> =
        start.iter().zip(&cosine).map(|((c, w), cos)| (*c, w / cos)).collect();
    let windows = Windows::cut(crack, view, &start, known.psf_px);
    let mut guess = start.clone();
    let (mut depth, mut psf) = (known.depth, known.psf_px);
    let mut stations = vec![Station::default(); count];
    let (mut shapes, mut columns) = (Vec::new(), Columns::default());
    let smooth = crack.config.smooth_stations;
    let mut settled = false;
    for round in 0..ROUNDS {
        let last = settled || round + 1 == ROUNDS;
        // Depth and point spread change little from frame to frame: two steps of them are enough.
        columns.unknowns = if round <= 1 || last { UNKNOWNS } else { UNKNOWNS_OF_STATION };
        for (line, station) in stations.iter_mut().enumerate() {
            let wide = psf / cosine[line];
            let scratch = (&mut shapes, &mut columns);
            *station = windows.station(crack, line, guess[line], depth, wide, scratch);
        }
        if last {
            break;
        }
        let before = guess.clone();
        let moved = shared_change(&stations, &guess, &start, smooth);
        for ((guess, start), moved) in guess.iter_mut().zip(&start).zip(&moved) {
            let most = crack.config.max_width_px as f32;
            guess.0 = start.0 + moved[0].clamp(-4.0, 4.0);
            guess.1 = (start.1 + moved[1].clamp(-6.0, 6.0)).clamp(OPENING_LEAST, most);
        }
        // Where nothing is open there is nothing to settle.
        settled = guess.iter().zip(&before).filter(|(now, _)| now.1 > psf).all(|(now, before)| {
            (now.0 - before.0).abs().max((now.1 - before.1).abs()) < SETTLED_PX
        });
        if round <= 1 {
            (depth, psf) = refine_shared(crack, &stations, &guess, known, (depth, psf));
        }
    }
    profile(&stations, &guess, &cosine, fraction, known, (depth, psf), crack)
}

/// cos θ of the path's slope at each station.
fn cosines(centre: &[f32]) -> Vec<f32> {
    let n = centre.len();
    (0..n)
        .map(|k| {
            let (a, b) = (k.saturating_sub(4), (k + 4).min(n - 1));
            let slope = if a == b { 0.0 } else { (centre[b] - centre[a]) / (b - a) as f32 };
            1.0 / (1.0 + slope * slope).sqrt()
        })
        .collect()
}

/// The window of each station, cut out once.
struct Windows {
    start: Vec<usize>,
    width: Vec<usize>,
    /// Where each window begins in the lists.
    at: Vec<usize>,
    signal: Vec<f32>,
    weight: Vec<f32>,
}

impl Windows {
    fn cut(crack: &Crack, view: &View<'_>, start: &[(f32, f32)], psf: f32) -> Windows {
        let length = crack.lines.length;
        let mut out = Windows {
            start: Vec::with_capacity(start.len()),
            width: Vec::with_capacity(start.len()),
            at: Vec::with_capacity(start.len()),
            signal: Vec::new(),
            weight: Vec::new(),
        };
        let noise = view.noise();
        let (offset, gain) = (noise.offset_counts as f32, noise.gain_counts_per_electron as f32);
        let dark = noise.variance(noise.offset_counts) as f32;
        let mut line_pixels = vec![0.0f32; length];
        for (line, (centre, opening)) in start.iter().enumerate() {
            let half = (opening.max(0.0) / 2.0 + 3.5 * psf + FLANK).ceil();
            let first = (centre.round() - half).clamp(0.0, length as f32 - 1.0) as usize;
            let end = ((centre.round() + half) as i64 + 1).clamp(first as i64 + 1, length as i64);
            let width = end as usize - first;
            let pixels = &mut line_pixels[..width];
            crack.lines.read(view, line, first, pixels);
            out.start.push(first);
            out.width.push(width);
            out.at.push(out.signal.len());
            // Means of three pixels tell the variance without following each pixel's own noise.
            for k in 0..width {
                let (a, b) = (k.saturating_sub(1), (k + 2).min(width));
                let around = pixels[a..b].iter().sum::<f32>() / (b - a) as f32 - offset;
                let seen = pixels[k].is_finite() && around.is_finite();
                out.signal.push(if seen { pixels[k] - offset } else { 0.0 });
                out.weight.push(if seen { 1.0 / (dark + gain * around.max(0.0)) } else { 0.0 });
            }
        }
        out
    }

    /// The sums of one station at a guess of (centre, opening along the line).
    fn station(
        &self,
        crack: &Crack,
        line: usize,
        (centre, opening): (f32, f32),
        depth: f32,
        psf: f32,
        (shapes, columns): (&mut Vec<Shape>, &mut Columns),
    ) -> Station {
        let range = self.at[line]..self.at[line] + self.width[line];
        let (signal, weight) = (&self.signal[range.clone()], &self.weight[range]);
        let middle = centre - self.start[line] as f32;
        shapes.clear();
        shapes.extend((0..signal.len()).map(|k| {
            let d = k as f32 - middle;
            let (tl, tr) = ((d + opening / 2.0) / psf, (d - opening / 2.0) / psf);
            let (left, left_density) = crack.step.at(tl);
            let (right, right_density) = crack.step.at(tr);
            Shape {
                open: left - right,
                by_centre: -(left_density - right_density) / psf,
                by_opening: 0.5 * (left_density + right_density) / psf,
                by_psf: -(tl * left_density - tr * right_density) / psf,
                along: d,
            }
        }));
        match background(signal, weight, shapes, depth) {
            Some(background) => sums(signal, weight, shapes, depth, background, columns),
            None => Station::default(),
        }
    }
}

/// Level and slope of the background under the present shape (linear least squares).
fn background(signal: &[f32], weight: &[f32], shapes: &[Shape], depth: f32) -> Option<(f64, f64)> {
    let (mut aa, mut ab, mut bb, mut ya, mut yb) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((value, weight), shape) in signal.iter().zip(weight).zip(shapes) {
        let through = f64::from(1.0 - depth * shape.open);
        let (a, b) = (through, through * f64::from(shape.along));
        let (w, v) = (f64::from(*weight), f64::from(*value));
        aa += w * a * a;
        ab += w * a * b;
        bb += w * b * b;
        ya += w * a * v;
        yb += w * b * v;
    }
    let determinant = aa * bb - ab * ab;
    if !(determinant > 1e-9 * aa * bb) {
        return None;
    }
    let level = (bb * ya - ab * yb) / determinant;
    let slope = (aa * yb - ab * ya) / determinant;
    (level > 0.0).then_some((level, slope))
}

fn sums(
    signal: &[f32],
    weight: &[f32],
    shapes: &[Shape],
    depth: f32,
    (level, slope): (f64, f64),
    columns: &mut Columns,
) -> Station {
    columns.fill(signal, weight, shapes, depth, (level as f32, slope as f32));
    // Rows and columns: level, slope, centre, opening, depth, point spread.
    let mut normal = [[0.0f64; 6]; 6];
    let mut score = [0.0f64; 6];
    for i in 0..columns.unknowns {
        score[i] = f64::from(dot(&columns.weighted[i], &columns.residual));
        for j in 0..=i {
            normal[i][j] = f64::from(dot(&columns.weighted[i], &columns.slopes[j]));
            normal[j][i] = normal[i][j];
        }
    }
    let chi2 = f64::from(dot(&columns.weighted_residual, &columns.residual));
    let pixels = weight.iter().filter(|weight| **weight > 0.0).count() as u32;
    // Without the two of the background.
    for pivot in 0..2 {
        if !eliminate(&mut normal, &mut score, pivot) {
            return Station::default();
        }
    }
    let mut station = Station {
        information: [normal[2][2], normal[2][3], normal[3][3]],
        score: [score[2], score[3]],
        chi2,
        pixels,
        ..Station::default()
    };
    // What the station says of depth and point spread once its own opening is free.
    if columns.unknowns == UNKNOWNS
        && eliminate(&mut normal, &mut score, 2)
        && eliminate(&mut normal, &mut score, 3)
    {
        station.shared_score = [score[4], score[5]];
        station.shared_information = [normal[4][4], normal[4][5], normal[5][5]];
    }
    station
}

/// Takes one unknown out of the normal equations; false when they say nothing of it.
fn eliminate(normal: &mut [[f64; 6]; 6], score: &mut [f64; 6], pivot: usize) -> bool {
    let lead = normal[pivot];
    if lead[pivot] <= 0.0 {
        return false;
    }
    for row in pivot + 1..6 {
        let factor = normal[row][pivot] / lead[pivot];
        for column in 0..6 {
            normal[row][column] -= factor * lead[column];
        }
        score[row] -= factor * score[pivot];
    }
    true
}

/// Change of (centre, opening) of each station from the start, shared with its neighbours.
fn shared_change(
    stations: &[Station],
    guess: &[(f32, f32)],
    start: &[(f32, f32)],
    smooth: f64,
) -> Vec<[f32; 2]> {
    let rows: Vec<[f64; 5]> = stations
        .iter()
        .zip(guess.iter().zip(start))
        .map(|(station, (guess, start))| {
            let [cc, cw, ww] = station.information;
            let (dc, dw) = (f64::from(guess.0 - start.0), f64::from(guess.1 - start.1));
            let (sc, sw) = (station.score[0], station.score[1]);
            [cc, cw, ww, cc * dc + cw * dw + sc, cw * dc + ww * dw + sw]
        })
        .collect();
    smooth_columns(&rows, smooth)
        .iter()
        .map(|[cc, cw, ww, yc, yw]| {
            // A trace of inertia: where nothing is open the centre cannot be seen.
            let (cc, ww) = (cc + 1e-4 * (cc + ww) + 1e-6, ww + 1e-9);
            let determinant = cc * ww - cw * cw;
            if !(determinant > 0.0) {
                return [0.0; 2];
            }
            let c = (ww * yc - cw * yw) / determinant;
            let w = (cc * yw - cw * yc) / determinant;
            [c as f32, w as f32]
        })
        .collect()
}

/// What all stations that are open say of depth and point spread: score and information (dd, dp,
/// pp), with the texture taken for the noise that it is.
fn shared(stations: &[Station], guess: &[(f32, f32)], psf: f32) -> ([f64; 2], [f64; 3]) {
    let (mut score, mut information) = ([0.0; 2], [0.0; 3]);
    for (station, _) in stations.iter().zip(guess).filter(|(_, guess)| guess.1 > psf) {
        for (sum, part) in score.iter_mut().zip(station.shared_score) {
            *sum += part;
        }
        for (sum, part) in information.iter_mut().zip(station.shared_information) {
            *sum += part;
        }
    }
    let excess = excess(stations);
    (score.map(|v| v / excess), information.map(|v| v / excess))
}

/// One Newton step of depth and point spread, from this frame and what is known of them.
fn refine_shared(
    crack: &Crack,
    stations: &[Station],
    guess: &[(f32, f32)],
    known: &Known,
    (depth, psf): (f32, f32),
) -> (f32, f32) {
    let (mut score, [mut dd, dp, mut pp]) = shared(stations, guess, psf);
    let (before_d, before_p) =
        (f64::from(known.depth_information), f64::from(known.psf_information));
    dd += before_d;
    pp += before_p;
    score[0] += before_d * f64::from(known.depth - depth);
    score[1] += before_p * f64::from(known.psf_px - psf);
    let (free_depth, free_psf) = (crack.config.depth.is_none(), crack.config.psf_px.is_none());
    let determinant = dd * pp - dp * dp;
    let (change_d, change_p) = match (free_depth, free_psf) {
        (true, true) if determinant > 0.0 => (
            (pp * score[0] - dp * score[1]) / determinant,
            (dd * score[1] - dp * score[0]) / determinant,
        ),
        (true, false) => (score[0] / dd, 0.0),
        (false, true) => (0.0, score[1] / pp),
        _ => (0.0, 0.0),
    };
    let size = (depth + change_d.clamp(-0.15, 0.15) as f32).abs().clamp(0.02, 1.0);
    (size * crack.sign(), (psf + change_p.clamp(-0.3, 0.3) as f32).clamp(0.4, 6.0))
}

/// How much more than noise the residuals scatter; at least 1.
fn excess(stations: &[Station]) -> f64 {
    let mut ratios: Vec<f64> = stations
        .iter()
        .filter(|station| station.pixels > 8)
        .map(|station| station.chi2 / (f64::from(station.pixels) - 4.0))
        .collect();
    ratios.sort_by(f64::total_cmp);
    let excess = ratios.get(ratios.len() / 2).copied().unwrap_or(1.0).max(1.0);
    1.0 + TEXTURE_LENGTH * (excess - 1.0)
}

fn profile(
    stations: &[Station],
    guess: &[(f32, f32)],
    cosine: &[f32],
    fraction: f32,
    known: &Known,
    (depth, psf): (f32, f32),
    crack: &Crack,
) -> Profile {
    let smooth = crack.config.smooth_stations;
    let excess = excess(stations);
    let (_, [dd, dp, pp]) = shared(stations, guess, psf);
    // Each with the other free.
    let of_depth = (dd - dp * dp / (pp + f64::from(known.psf_information))).max(0.0) as f32;
    let of_psf = (pp - dp * dp / (dd + f64::from(known.depth_information))).max(0.0) as f32;
    let depth_doubt = match crack.config.depth {
        Some(_) => 0.0,
        None => 1.0 / (of_depth + known.depth_information).sqrt() / depth.abs(),
    };
    let rows: Vec<[f64; 3]> = stations.iter().map(|station| station.information).collect();
    let power = 1.0 / (2.0 * std::f64::consts::PI.sqrt() * smooth);
    let count = guess.len();
    let nan = || vec![f32::NAN; count];
    let mut out = Profile {
        centre: nan(),
        centre_error: nan(),
        opening: nan(),
        opening_error: nan(),
        information: vec![0.0; count],
        depth,
        psf_px: psf,
        depth_information: of_depth,
        psf_information: of_psf,
        depth_doubt,
        excess: excess as f32,
    };
    for (line, [cc, cw, ww]) in smooth_columns(&rows, smooth).into_iter().enumerate() {
        let cos = f64::from(cosine[line]);
        let determinant = cc * ww - cw * cw;
        if stations[line].pixels < 12 || !(ww > 0.0) {
            continue;
        }
        let scale = power * excess;
        // Where nothing is open the centre says nothing of the opening.
        let opening_variance =
            if determinant > 1e-6 * cc * ww { cc / determinant } else { 1.0 / ww };
        out.opening[line] = guess[line].1 * cosine[line];
        out.opening_error[line] = ((scale * opening_variance).sqrt() * cos) as f32;
        out.information[line] = (stations[line].information[2] / excess / (cos * cos)) as f32;
        if determinant > 0.0 {
            out.centre[line] = guess[line].0 - fraction;
            out.centre_error[line] = (scale * ww / determinant).sqrt() as f32;
        }
    }
    out
}

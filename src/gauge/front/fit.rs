//! The edge's place in each line, by maximum likelihood around an expected contour.
//!
//! At the current guess each line gives a score s and an information F (sums over its window of
//! `w g r` and `w g²`: weight, slope of the model, residual). A line alone is noisy; neighbouring
//! lines share the displacement from the expected contour, smoothed by a Gaussian across the
//! lines: `d = K∗(F·z) / K∗F`, z being each line's own estimate. What is smoothed is the
//! displacement and not the contour, so the shape that is already known stays sharp.

use super::config::Lithium;
use super::{Front, Hints};
use crate::gauge::View;
use crate::gauge::smooth::smooth_columns;

/// Half of the window about the expected edge, px; more in a first search.
const WINDOW: usize = 12;
const WINDOW_FIRST: usize = 20;
const ROUNDS: usize = 3;
const ROUNDS_FIRST: usize = 8;
/// Lines (one sigma) over which brightness and contrast are shared.
const LEVEL_LINES: f64 = 24.0;
/// The step must stand this many sigma above the noise.
const STEP_SIGNIFICANCE: f32 = 4.0;
/// What exceeds the camera's noise is texture, and correlated over some pixels: it counts for
/// more than white noise of the same variance would.
const TEXTURE_LENGTH: f32 = 4.0;
/// An edge less certain than this is none, px.
const ERROR_MOST: f32 = 2.5;

/// What one frame says of the contour.
pub struct Contour {
    /// Edge of each line, px from the starting edge in reference coordinates, smoothed across
    /// neighbours; NaN where there is none.
    pub position: Vec<f32>,
    /// Their one sigma (neighbours are correlated).
    pub error: Vec<f32>,
    /// Each line's own information (1/px²), neighbours apart, for means over all lines.
    pub information: Vec<f32>,
    /// Edge width that fits best.
    pub sigma_px: f32,
    /// Median squared residual over what noise explains.
    pub excess: f32,
    /// Lines whose edge stands at the end of its window.
    pub at_limit: usize,
}

impl Contour {
    /// No edge anywhere.
    pub fn nothing(lines: usize) -> Contour {
        Contour {
            position: vec![f32::NAN; lines],
            error: vec![f32::NAN; lines],
            information: vec![0.0; lines],
            sigma_px: f32::NAN,
            excess: f32::NAN,
            at_limit: 0,
        }
    }

    /// Share of the lines that have an edge.
    pub fn share_found(&self) -> f64 {
        let found = self.position.iter().filter(|p| p.is_finite()).count();
        found as f64 / self.position.len().max(1) as f64
    }
}

/// The window of each line, cut out once.
struct Windows {
    /// First pixel of each line's window.
    start: Vec<usize>,
    width: usize,
    /// Counts above the camera's offset, over the texture where it is known.
    signal: Vec<f32>,
    /// 1 / variance of those numbers; 0 outside the field of view.
    weight: Vec<f32>,
}

/// Brightness before (lithium) and behind (bare) the edge of each line.
struct Levels {
    lithium: Vec<f32>,
    bare: Vec<f32>,
    significance: Vec<f32>,
}

/// Fits the contour near `expected` (px from the starting edge, reference coordinates).
pub fn fit(front: &Front, view: &View<'_>, expected: &[f32], hints: &Hints) -> Contour {
    let first = hints.contour.is_none();
    let half = if first { WINDOW_FIRST } else { WINDOW };
    let fraction = front.lines.fraction(view) as f32;
    // In the view, everything stands `fraction` further than in reference coordinates.
    let known: Vec<f32> = expected.iter().map(|p| p + fraction).collect();
    let sigma = hints.sigma_px.unwrap_or(front.config.edge_sigma_px as f32);
    let windows = Windows::cut(front, view, &known, half, hints);
    let slope = slopes(&known);
    let mut guess = known.clone();
    let mut sums = LineSums::default();
    let smooth = front.config.smooth_lines;
    let rounds = if first { ROUNDS_FIRST } else { ROUNDS };
    let reach = half as f32 - 2.0 * sigma;
    for _ in 0..rounds {
        let levels = Levels::of(&windows, &guess, sigma);
        sums = LineSums::of(front, &windows, &levels, &guess, &slope, sigma);
        let moved = sums.displacement(&guess, &known, smooth);
        for ((guess, known), moved) in guess.iter_mut().zip(&known).zip(&moved) {
            *guess = known + moved.clamp(-reach, reach);
        }
    }
    let at_limit =
        guess.iter().zip(&known).filter(|(p, known)| (*p - *known).abs() > 0.8 * reach).count();
    Contour { at_limit, ..sums.contour(front, &guess, fraction, sigma, smooth) }
}

impl Windows {
    fn cut(front: &Front, view: &View<'_>, known: &[f32], half: usize, hints: &Hints) -> Windows {
        let lines = &front.lines;
        let width = (2 * half + 1).min(lines.length);
        let last = lines.length - width;
        let start: Vec<usize> = known
            .iter()
            .map(|p| (p.round() as i64 - half as i64).clamp(0, last as i64) as usize)
            .collect();
        let mut signal = vec![0.0f32; width * lines.count];
        let mut weight = vec![0.0f32; width * lines.count];
        let offset = view.noise().offset_counts as f32;
        let gain = view.noise().gain_counts_per_electron as f32;
        let dark = view.noise().variance(view.noise().offset_counts) as f32;
        for (line, (signal, weight)) in
            signal.chunks_exact_mut(width).zip(weight.chunks_exact_mut(width)).enumerate()
        {
            lines.read(view, line, start[line], signal);
            // The line's mean, not each pixel's own count, tells the variance: weights that
            // follow the noise would pull towards dark pixels.
            let mean = mean_finite(signal) - offset;
            let variance = dark + gain * mean.max(0.0);
            for (value, weight) in signal.iter_mut().zip(weight.iter_mut()) {
                let seen = value.is_finite();
                *value = if seen { *value - offset } else { 0.0 };
                *weight = if seen { 1.0 / variance } else { 0.0 };
            }
            if let Some(texture) = &hints.texture {
                let at = line * lines.length + start[line];
                flatten(signal, weight, &texture[at..at + width]);
            }
        }
        Windows { start, width, signal, weight }
    }
}

/// Divides by the relative brightness of the bare specimen, where it is known.
fn flatten(signal: &mut [f32], weight: &mut [f32], texture: &[f32]) {
    for ((value, weight), relative) in signal.iter_mut().zip(weight).zip(texture) {
        if relative.is_finite() {
            *value /= relative;
            *weight *= relative * relative;
        }
    }
}

fn mean_finite(values: &[f32]) -> f32 {
    let (mut sum, mut count) = (0.0, 0);
    for value in values.iter().filter(|v| v.is_finite()) {
        sum += value;
        count += 1;
    }
    if count > 0 { sum / count as f32 } else { 0.0 }
}

/// How steeply the contour runs across the lines: a sloping edge is wider along a line.
fn slopes(contour: &[f32]) -> Vec<f32> {
    let n = contour.len();
    (0..n)
        .map(|k| {
            let (a, b) = (k.saturating_sub(2), (k + 2).min(n - 1));
            if a == b { 0.0 } else { (contour[b] - contour[a]) / (b - a) as f32 }
        })
        .collect()
}

impl Levels {
    fn of(windows: &Windows, guess: &[f32], sigma: f32) -> Levels {
        let lines = guess.len();
        // Weighted sums of brightness on both sides, for each line, then shared.
        let mut sums = vec![[0.0f64; 4]; lines];
        for (line, sum) in sums.iter_mut().enumerate() {
            let at = line * windows.width;
            let edge = guess[line] - windows.start[line] as f32;
            for k in 0..windows.width {
                let distance = k as f32 - edge;
                let (value, weight) = (windows.signal[at + k], windows.weight[at + k]);
                let side = if distance < -2.5 * sigma {
                    0
                } else if distance > 2.5 * sigma {
                    2
                } else {
                    continue;
                };
                sum[side] += f64::from(weight * value);
                sum[side + 1] += f64::from(weight);
            }
        }
        let shared = smooth_columns(&sums, LEVEL_LINES);
        let mut levels = Levels { lithium: vec![], bare: vec![], significance: vec![] };
        for [behind, w_behind, ahead, w_ahead] in shared {
            let (lithium, bare) = (behind / w_behind, ahead / w_ahead);
            // The sums are means over about 3.5 smoothing lengths of lines.
            let lines = 3.5 * LEVEL_LINES.min(lines as f64 / 3.5);
            let error = (1.0 / (w_behind * lines) + 1.0 / (w_ahead * lines)).sqrt();
            levels.lithium.push(lithium as f32);
            levels.bare.push(bare as f32);
            levels.significance.push(((bare - lithium) / error) as f32);
        }
        levels
    }
}

/// Sums over the window of each line, at the current guess.
#[derive(Default)]
struct LineSums {
    score: Vec<f32>,
    information: Vec<f32>,
    /// χ² of the residuals and the number of pixels.
    residual: Vec<(f32, u32)>,
    /// Score and information of the edge width, over all lines.
    width: (f64, f64),
    significant: Vec<bool>,
}

impl LineSums {
    fn of(
        front: &Front,
        windows: &Windows,
        levels: &Levels,
        guess: &[f32],
        slope: &[f32],
        sigma: f32,
    ) -> LineSums {
        let lines = guess.len();
        let mut out = LineSums {
            score: vec![0.0; lines],
            information: vec![0.0; lines],
            residual: vec![(0.0, 0); lines],
            width: (0.0, 0.0),
            significant: vec![false; lines],
        };
        let sign = if front.config.lithium == Lithium::Dark { 1.0 } else { -1.0 };
        for line in 0..lines {
            let (lithium, bare) = (levels.lithium[line], levels.bare[line]);
            let step = bare - lithium;
            if !(levels.significance[line] * sign > STEP_SIGNIFICANCE) {
                continue;
            }
            out.significant[line] = true;
            let wide = sigma * (1.0 + slope[line] * slope[line]).sqrt();
            let edge = guess[line] - windows.start[line] as f32;
            let at = line * windows.width;
            let signal = &windows.signal[at..at + windows.width];
            let weight = &windows.weight[at..at + windows.width];
            let (mut score, mut information, mut chi2) = (0.0f32, 0.0f32, 0.0f32);
            let mut pixels = 0;
            for (k, (value, weight)) in signal.iter().zip(weight).enumerate() {
                let u = (k as f32 - edge) / wide;
                let (risen, density) = front.step.at(u);
                let residual = value - (lithium + step * risen);
                let along = -step * density / wide;
                score += weight * along * residual;
                information += weight * along * along;
                chi2 += weight * residual * residual;
                pixels += u32::from(*weight > 0.0);
                let by_width = along * u;
                out.width.0 += f64::from(weight * by_width * residual);
                out.width.1 += f64::from(weight * by_width * by_width);
            }
            out.score[line] = score;
            out.information[line] = information;
            out.residual[line] = (chi2, pixels);
        }
        out
    }

    /// Displacement of each line from the known contour, shared with its neighbours.
    fn displacement(&self, guess: &[f32], known: &[f32], smooth: f64) -> Vec<f32> {
        let sums: Vec<[f64; 2]> = (0..guess.len())
            .map(|k| {
                let f = f64::from(self.information[k]);
                // F · z with z = guess + s / F − known
                let moved = f64::from(guess[k] - known[k]);
                [f * moved + f64::from(self.score[k]), f]
            })
            .collect();
        smooth_columns(&sums, smooth)
            .iter()
            .map(|[moved, f]| if *f > 0.0 { (moved / f) as f32 } else { 0.0 })
            .collect()
    }

    fn contour(
        &self,
        front: &Front,
        guess: &[f32],
        fraction: f32,
        sigma: f32,
        smooth: f64,
    ) -> Contour {
        let mut ratios: Vec<f32> = self
            .residual
            .iter()
            .filter(|(_, pixels)| *pixels > 4)
            .map(|(chi2, pixels)| chi2 / (*pixels as f32 - 3.0))
            .collect();
        ratios.sort_by(f32::total_cmp);
        let excess = ratios.get(ratios.len() / 2).copied().unwrap_or(f32::NAN).max(1.0);
        let excess = 1.0 + TEXTURE_LENGTH * (excess - 1.0);
        let sums: Vec<[f64; 1]> = self.information.iter().map(|f| [f64::from(*f)]).collect();
        let shared = smooth_columns(&sums, smooth);
        // ΣK² of a normalised Gaussian of this sigma.
        let power = 1.0 / (2.0 * std::f64::consts::PI.sqrt() * smooth.max(0.3));
        let length = front.lines.length as f32;
        let mut out = Contour::nothing(guess.len());
        for line in 0..guess.len() {
            let f = shared[line][0];
            let error = (power * f64::from(excess) / f).sqrt() as f32;
            let inside = guess[line] > 1.0 && guess[line] < length - 2.0;
            if self.significant[line] && inside && error < ERROR_MOST {
                out.position[line] = guess[line] - fraction;
                out.error[line] = error;
                out.information[line] = self.information[line] / excess;
            }
        }
        // One Newton step of the width, kept within what is plausible.
        let change = if self.width.1 > 0.0 { (self.width.0 / self.width.1) as f32 } else { 0.0 };
        out.sigma_px = (sigma + change.clamp(-0.3, 0.3) * 0.5).clamp(0.5, 8.0);
        out.excess = excess;
        out
    }
}

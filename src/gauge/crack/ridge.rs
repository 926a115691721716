//! How much every pixel looks like a piece of a crack: ridge detection in scale space, in any
//! direction.
//!
//! On each level of a pyramid the region is smoothed, averaged along lines of many directions, and
//! each line compared with its two flanks: the second derivative across the line of C. Steger (IEEE
//! PAMI 20, 113, 1998) as a difference, with the averaging along it that weak cracks need. An edge is
//! no ridge: by how much the flanks differ beyond their noise is taken off. All is in sigma of the
//! noise, or of the texture where that is more.

use multiversion::multiversion;

use super::Crack;
use crate::frame::Region;
use crate::gauge::View;

/// Directions that are tried, over half a turn.
pub const DIRECTIONS: usize = 16;
/// One sigma of the averages along the line on each level, px of the level: weak cracks are narrow
/// and need a long one, wide ones may bend within it.
const ALONG: [&[f32]; 3] = [&[7.0, 3.0], &[3.5], &[2.5]];
/// One sigma of the smoothing before, px of the level.
const BEFORE: f32 = 0.9;
/// Distance of the flanks from the line, px of the level.
const FLANK: f32 = 3.6;
/// Points of the average along the line to each side, and how far they go, sigma.
const POINTS: i32 = 7;
const REACH: f32 = 2.0;
/// Flanks may differ by so many sigma of their noise.
const UNEVEN: f32 = 2.0;

/// The most significant ridge at each pixel of a region, row-major.
pub struct Ridge {
    pub region: Region,
    /// In sigma; 0 where there is none.
    pub merit: Vec<f32>,
    /// Direction along the ridge: k · 180° / [`DIRECTIONS`] from +x towards +y.
    pub direction: Vec<u8>,
    /// Level: the ridge is about 1 to 4 px · 2^level wide.
    pub level: Vec<u8>,
}

/// Unit vector along a direction.
pub fn along(direction: usize) -> (f32, f32) {
    let angle = std::f32::consts::PI * direction as f32 / DIRECTIONS as f32;
    (angle.cos(), angle.sin())
}

impl Ridge {
    /// Looks over the whole region.
    pub fn find(crack: &Crack, view: &View<'_>) -> Ridge {
        let region = crack.config.region;
        let mut pixels = Vec::new();
        view.read_region(region, &mut pixels);
        let offset = view.noise().offset_counts as f32;
        let mut plane = Plane::new(region.width, region.height, &pixels, offset);
        let count = region.width * region.height;
        let mut out = Ridge {
            region,
            merit: vec![0.0; count],
            direction: vec![0; count],
            level: vec![0; count],
        };
        let noise = view.noise();
        for level in 0..6u8 {
            let pixels = f64::from(1u32 << (2 * level)) as f32;
            let dark = noise.variance(noise.offset_counts) as f32 / pixels;
            let gain = noise.gain_counts_per_electron as f32 / pixels;
            for sigma in ALONG[usize::from(level).min(ALONG.len() - 1)] {
                let seen = plane.ridges(crack.sign(), *sigma, dark, gain);
                out.take(level, &plane, &seen);
            }
            let next = plane.halved();
            let widest = 4.0 * (1u32 << level) as f32;
            if widest > crack.config.max_width_px as f32
                || next.width.min(next.height) < 4 * FLANK as usize
            {
                break;
            }
            plane = next;
        }
        out
    }

    fn take(&mut self, level: u8, plane: &Plane, seen: &[(f32, u8)]) {
        let Region { width, height, .. } = self.region;
        if level == 0 {
            let best = self.merit.iter_mut().zip(&mut self.direction);
            for (((merit, direction), level), seen) in best.zip(&mut self.level).zip(seen) {
                if seen.0 > *merit {
                    (*merit, *direction, *level) = (seen.0, seen.1, 0);
                }
            }
            return;
        }
        let size = (1usize << level) as f32;
        for y in 0..height {
            // Between the level's pixels linearly, so that a ridge has one crest.
            let v = ((y as f32 + 0.5) / size - 0.5).clamp(0.0, plane.height as f32 - 1.0);
            let (v0, fv) = (v as usize, v.fract());
            let v1 = (v0 + 1).min(plane.height - 1);
            for x in 0..width {
                let u = ((x as f32 + 0.5) / size - 0.5).clamp(0.0, plane.width as f32 - 1.0);
                let (u0, fu) = (u as usize, u.fract());
                let u1 = (u0 + 1).min(plane.width - 1);
                let at = |u: usize, v: usize| seen[v * plane.width + u].0;
                let merit = (1.0 - fv) * ((1.0 - fu) * at(u0, v0) + fu * at(u1, v0))
                    + fv * ((1.0 - fu) * at(u0, v1) + fu * at(u1, v1));
                let place = y * width + x;
                if merit > self.merit[place] {
                    self.merit[place] = merit;
                    let near = (v.round() as usize) * plane.width + u.round() as usize;
                    self.direction[place] = seen[near].1;
                    self.level[place] = level;
                }
            }
        }
    }
}

/// One level of the pyramid: counts above the offset.
struct Plane {
    width: usize,
    height: usize,
    signal: Vec<f32>,
}

/// What one direction averages over, in whole pixels: offset and weight.
struct Line {
    taps: Vec<(i32, i32, f32)>,
    /// From the line to one flank.
    flank: (i32, i32),
    /// Variance of line − mean of flanks, and of half the flanks' difference, over a pixel's.
    noise: f32,
    uneven_noise: f32,
}

impl Plane {
    /// Pixels that were not seen take the mean of the others.
    fn new(width: usize, height: usize, pixels: &[f32], offset: f32) -> Plane {
        let (sum, count) = pixels
            .iter()
            .filter(|value| value.is_finite())
            .fold((0.0f64, 0.0f64), |(sum, n), value| (sum + f64::from(*value), n + 1.0));
        let mean = (sum / count.max(1.0)) as f32;
        let signal = pixels
            .iter()
            .map(|value| if value.is_finite() { *value - offset } else { mean - offset })
            .collect();
        Plane { width, height, signal }
    }

    /// Means of 2 × 2 pixels.
    fn halved(&self) -> Plane {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut signal = Vec::with_capacity(width * height);
        for y in 0..height {
            let (a, b) =
                (&self.signal[2 * y * self.width..], &self.signal[(2 * y + 1) * self.width..]);
            signal.extend(
                (0..width).map(|x| 0.25 * (a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1])),
            );
        }
        Plane { width, height, signal }
    }

    /// The best direction at each pixel: significance and number.
    fn ridges(&self, sign: f32, long: f32, dark: f32, gain: f32) -> Vec<(f32, u8)> {
        let count = self.width * self.height;
        let smooth = blurred(&self.signal, self.width, self.height, BEFORE);
        // One sigma of a pixel, and its inverse.
        let sigma: Vec<f32> =
            smooth.iter().map(|s| (dark + gain * s.max(0.0)).sqrt().max(1e-9)).collect();
        let mut best = vec![(0.0f32, 0u8); count];
        let mut line_mean = vec![0.0f32; count];
        let mut merit = vec![0.0f32; count];
        for direction in 0..DIRECTIONS {
            let line = Line::new(direction, long);
            self.average(&smooth, &line, &mut line_mean);
            self.contrast(&line_mean, &sigma, &line, sign, &mut merit);
            // Where texture exceeds the noise, it is what a ridge has to stand out from.
            let scale = 1.0 / typical(&merit).max(1.0);
            for (best, merit) in best.iter_mut().zip(&merit) {
                let found = merit * scale;
                if found > best.0 {
                    *best = (found, direction as u8);
                }
            }
        }
        best
    }

    fn average(&self, smooth: &[f32], line: &Line, out: &mut [f32]) {
        // Row by row, so that a row's sums stay in the nearest memory.
        for (y, out) in out.chunks_exact_mut(self.width).enumerate() {
            out.fill(0.0);
            for (dx, dy, tap) in &line.taps {
                let from = (y as i32 + dy).clamp(0, self.height as i32 - 1) as usize;
                let row = &smooth[from * self.width..(from + 1) * self.width];
                let inner = inside(self.width, *dx);
                for out in &mut out[..inner.start] {
                    *out += tap * row[0];
                }
                if !inner.is_empty() {
                    let from = (inner.start as i32 + dx) as usize;
                    add_scaled(&mut out[inner.clone()], &row[from..from + inner.len()], *tap);
                }
                for out in &mut out[inner.end..] {
                    *out += tap * row[self.width - 1];
                }
            }
        }
    }

    fn contrast(&self, mean: &[f32], sigma: &[f32], line: &Line, sign: f32, out: &mut [f32]) {
        let (fx, fy) = line.flank;
        let (width, height) = (self.width, self.height);
        let row = |y: i32| {
            let y = y.clamp(0, height as i32 - 1) as usize;
            &mean[y * width..(y + 1) * width]
        };
        let factors = Factors {
            sign,
            uneven: UNEVEN * line.uneven_noise.sqrt(),
            scale: 1.0 / line.noise.sqrt(),
        };
        let far = fx.unsigned_abs() as usize;
        let (mut left, mut right) = (vec![0.0; width], vec![0.0; width]);
        for y in 0..height {
            shifted(row(y as i32 - fy), -fx, far, &mut left);
            shifted(row(y as i32 + fy), fx, far, &mut right);
            let range = y * width..(y + 1) * width;
            let middle = &mean[range.clone()];
            significance(&left, &right, middle, &sigma[range.clone()], &factors, &mut out[range]);
        }
    }
}

impl Line {
    fn new(direction: usize, long: f32) -> Line {
        let (ux, uy) = along(direction);
        let mut taps: Vec<(i32, i32, f32)> = (-POINTS..=POINTS)
            .map(|k| {
                let far = REACH * long * k as f32 / POINTS as f32;
                let tap = (-0.5 * (far / long).powi(2)).exp();
                ((far * ux).round() as i32, (far * uy).round() as i32, tap)
            })
            .collect();
        let total: f32 = taps.iter().map(|tap| tap.2).sum();
        taps.iter_mut().for_each(|tap| tap.2 /= total);
        let flank = ((-FLANK * uy).round() as i32, (FLANK * ux).round() as i32);
        // The noise of the three line means, which overlap a little, from their kernels.
        let side = 61usize;
        let half = side as i32 / 2;
        let mut spot = vec![0.0; side * side];
        spot[(half as usize) * side + half as usize] = 1.0;
        let spot = blurred(&spot, side, side, BEFORE);
        let plane = Plane { width: side, height: side, signal: Vec::new() };
        let mut line = Line { taps, flank, noise: 1.0, uneven_noise: 1.0 };
        let mut mean = vec![0.0; side * side];
        plane.average(&spot, &line, &mut mean);
        let at = |x: i32, y: i32| {
            let inside = (0..side as i32).contains(&x) && (0..side as i32).contains(&y);
            if inside { mean[(y * side as i32 + x) as usize] } else { 0.0 }
        };
        let (mut noise, mut uneven) = (0.0, 0.0);
        for y in 0..side as i32 {
            for x in 0..side as i32 {
                let (left, right) = (at(x - flank.0, y - flank.1), at(x + flank.0, y + flank.1));
                noise += (at(x, y) - 0.5 * (left + right)).powi(2);
                uneven += (0.5 * (left - right)).powi(2);
            }
        }
        line.noise = noise;
        line.uneven_noise = uneven;
        line
    }
}

/// `from` moved by `dx` columns, at most `far`; the border is continued.
fn shifted(from: &[f32], dx: i32, far: usize, out: &mut [f32]) {
    let last = from.len() - 1;
    for (x, out) in out.iter_mut().enumerate() {
        if x >= far && x + far <= last {
            continue;
        }
        *out = from[(x as i32 + dx).clamp(0, last as i32) as usize];
    }
    if from.len() > 2 * far {
        let start = (far as i32 + dx) as usize;
        let count = from.len() - 2 * far;
        out[far..far + count].copy_from_slice(&from[start..start + count]);
    }
}

/// What turns a contrast into sigma.
struct Factors {
    sign: f32,
    uneven: f32,
    scale: f32,
}

/// The contrast of a row of lines against their flanks, less what these differ, in sigma.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn significance(
    left: &[f32],
    right: &[f32],
    middle: &[f32],
    sigma: &[f32],
    factors: &Factors,
    out: &mut [f32],
) {
    let flanks = left.iter().zip(right);
    for ((out, (left, right)), (middle, sigma)) in
        out.iter_mut().zip(flanks).zip(middle.iter().zip(sigma))
    {
        let contrast = factors.sign * (0.5 * (left + right) - middle);
        let uneven = 0.5 * (left - right).abs() - factors.uneven * sigma;
        let uneven = if uneven > 0.0 { uneven } else { 0.0 };
        *out = (contrast - uneven) * factors.scale / sigma;
    }
}

/// The columns whose neighbour at `dx` is inside.
fn inside(width: usize, dx: i32) -> std::ops::Range<usize> {
    let from = (-dx).clamp(0, width as i32) as usize;
    let to = (width as i32 - dx).clamp(from as i32, width as i32) as usize;
    from..to
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn add_scaled(out: &mut [f32], from: &[f32], tap: f32) {
    for (out, from) in out.iter_mut().zip(from) {
        *out += tap * from;
    }
}

/// A robust sigma of values that are mostly noise about zero.
fn typical(values: &[f32]) -> f32 {
    let mut sizes: Vec<f32> = values.iter().step_by(31).map(|v| v.abs()).collect();
    if sizes.is_empty() {
        return 1.0;
    }
    // Texture has more of the large than noise has: a tenth is beyond 1.645 sigma.
    let place = sizes.len() * 9 / 10;
    let (_, high, _) = sizes.select_nth_unstable_by(place, f32::total_cmp);
    *high / 1.645
}

/// Gaussian smoothing; the border is continued by its pixels.
fn blurred(image: &[f32], width: usize, height: usize, sigma: f32) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as i32;
    let mut taps: Vec<f32> =
        (-reach..=reach).map(|k| (-0.5 * (k as f32 / sigma).powi(2)).exp()).collect();
    let total: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= total);
    let plane = Plane { width, height, signal: Vec::new() };
    let line = |taps: &[f32], dx: i32, dy: i32| Line {
        taps: taps.iter().zip(-reach..).map(|(tap, k)| (k * dx, k * dy, *tap)).collect(),
        flank: (0, 0),
        noise: 1.0,
        uneven_noise: 1.0,
    };
    let (mut rows, mut out) = (vec![0.0; image.len()], vec![0.0; image.len()]);
    plane.average(image, &line(&taps, 1, 0), &mut rows);
    plane.average(&rows, &line(&taps, 0, 1), &mut out);
    out
}

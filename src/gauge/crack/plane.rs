//! One level of the pyramid in which ridges are looked for: averages along lines of many directions,
//! and each line against its two flanks.

use multiversion::multiversion;

use super::ridge::{DIRECTIONS, along};
use super::shape::Scatter;

/// One sigma of the smoothing before, px of the level.
const BEFORE: f32 = 0.9;
/// Distance of the flanks from the line, px of the level.
pub const FLANK: f32 = 3.6;
/// Points of the average along the line to each side, and how far they go, sigma.
const POINTS: i32 = 7;
const REACH: f32 = 2.0;
/// Flanks may differ by so many sigma of their noise.
const UNEVEN: f32 = 2.0;
/// Places from which the unit of the merit is taken.
const SAMPLES: usize = 6000;
/// What a direction shows may exceed the lower quartile of all directions by this factor.
const ONE_SIDED: f32 = 1.4;

/// The most significant ridge at each pixel of a level, row-major.
pub struct Seen {
    /// In sigma; 0 where there is none.
    pub merit: Vec<f32>,
    /// Number of the direction along it.
    pub direction: Vec<u8>,
}

/// One level of the pyramid: counts above the offset.
pub struct Plane {
    pub width: usize,
    pub height: usize,
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
    pub fn new(width: usize, height: usize, pixels: &[f32], offset: f32) -> Plane {
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
    pub fn halved(&self) -> Plane {
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

    /// The best direction at each pixel; `long`: one sigma of the averages along the line, px.
    pub fn ridges(&self, sign: f32, long: &[f32], noise: &Scatter) -> Seen {
        let count = self.width * self.height;
        let smooth = blurred(&self.signal, self.width, self.height, BEFORE);
        let sigma: Vec<f32> = smooth.iter().map(|signal| one_sigma(noise, *signal)).collect();
        let mut out = Seen { merit: vec![0.0; count], direction: vec![0; count] };
        let mut mean = vec![0.0f32; count];
        for spots in self.spots(&smooth, sign, long, noise) {
            for (direction, spot) in spots.iter().enumerate() {
                self.average(&smooth, &spot.line, &mut mean);
                self.contrast(&mean, &sigma, spot, direction as u8, &mut out);
            }
        }
        out
    }

    /// The same only where `hints` are more than `least`, and only near their direction.
    pub fn ridges_near(
        &self,
        hints: &Seen,
        least: f32,
        sign: f32,
        long: &[f32],
        noise: &Scatter,
    ) -> Seen {
        let count = self.width * self.height;
        let smooth = blurred(&self.signal, self.width, self.height, BEFORE);
        let mut out = Seen { merit: vec![0.0; count], direction: vec![0; count] };
        for spots in self.spots(&smooth, sign, long, noise) {
            for place in (0..count).filter(|place| hints.merit[*place] > least) {
                let best = usize::from(hints.direction[place]);
                for turn in [DIRECTIONS - 1, 0, 1] {
                    let direction = (best + turn) % DIRECTIONS;
                    let found = spots[direction].merit(&smooth, place);
                    if found > out.merit[place] {
                        (out.merit[place], out.direction[place]) = (found, direction as u8);
                    }
                }
            }
        }
        out
    }

    /// All directions for each of the lengths, with the units in which they count: the noise, or the
    /// texture where that is more. Texture has no direction, and cracks have: what some directions
    /// show far beyond the others are lines, however many.
    fn spots<'a>(
        &'a self,
        smooth: &[f32],
        sign: f32,
        long: &[f32],
        noise: &Scatter,
    ) -> Vec<Vec<Spot<'a>>> {
        let count = self.width * self.height;
        // Odd, so that no column is left out.
        let step = (count / SAMPLES) | 1;
        long.iter()
            .map(|long| {
                let mut spots: Vec<Spot<'_>> = Line::all(*long)
                    .into_iter()
                    .map(|line| Spot::new(self, line, sign, *noise))
                    .collect();
                let units: Vec<f32> = spots
                    .iter()
                    .map(|spot| typical((0..count).step_by(step).map(|k| spot.merit(smooth, k))))
                    .collect();
                let mut sorted = units.clone();
                sorted.sort_by(f32::total_cmp);
                let most = ONE_SIDED * sorted[DIRECTIONS / 4];
                for (spot, unit) in spots.iter_mut().zip(&units) {
                    spot.factors.scale /= unit.min(most).max(1.0);
                }
                spots
            })
            .collect()
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

    fn contrast(
        &self,
        mean: &[f32],
        sigma: &[f32],
        spot: &Spot<'_>,
        direction: u8,
        out: &mut Seen,
    ) {
        let (fx, fy) = spot.line.flank;
        let (width, height) = (self.width, self.height);
        let row = |y: i32| {
            let y = y.clamp(0, height as i32 - 1) as usize;
            &mean[y * width..(y + 1) * width]
        };
        let far = fx.unsigned_abs() as usize;
        let (mut left, mut right) = (vec![0.0; width], vec![0.0; width]);
        for y in 0..height {
            shifted(row(y as i32 - fy), -fx, far, &mut left);
            shifted(row(y as i32 + fy), fx, far, &mut right);
            let range = y * width..(y + 1) * width;
            keep_best(
                (&left, &mean[range.clone()], &right),
                &sigma[range.clone()],
                &spot.factors,
                direction,
                (&mut out.merit[range.clone()], &mut out.direction[range]),
            );
        }
    }
}

impl Line {
    /// All directions; `long`: one sigma of the average, px.
    fn all(long: f32) -> Vec<Line> {
        // The noise of the three line means, which overlap a little, from their kernels.
        let half = (REACH * long + 2.0 * FLANK + 6.0) as usize;
        let side = 2 * half + 1;
        let mut spot = vec![0.0; side * side];
        spot[half * side + half] = 1.0;
        let spot = blurred(&spot, side, side, BEFORE);
        (0..DIRECTIONS).map(|direction| Line::new(direction, long, &spot, side)).collect()
    }

    fn new(direction: usize, long: f32, spot: &[f32], side: usize) -> Line {
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
        let plane = Plane { width: side, height: side, signal: Vec::new() };
        let mut line = Line { taps, flank, noise: 1.0, uneven_noise: 1.0 };
        let mut mean = vec![0.0; side * side];
        plane.average(spot, &line, &mut mean);
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

/// One direction at single pixels.
struct Spot<'a> {
    plane: &'a Plane,
    line: Line,
    factors: Factors,
    noise: Scatter,
    /// How far the line and its flanks reach, px.
    reach: (usize, usize),
}

impl<'a> Spot<'a> {
    fn new(plane: &'a Plane, line: Line, sign: f32, noise: Scatter) -> Spot<'a> {
        let furthest = |of: fn(&(i32, i32, f32)) -> i32| {
            line.taps.iter().map(|tap| of(tap).unsigned_abs()).max().unwrap_or(0)
        };
        let reach = (
            (furthest(|tap| tap.0) + line.flank.0.unsigned_abs()) as usize,
            (furthest(|tap| tap.1) + line.flank.1.unsigned_abs()) as usize,
        );
        let factors = Factors {
            sign,
            uneven: UNEVEN * line.uneven_noise.sqrt(),
            scale: 1.0 / line.noise.sqrt(),
        };
        Spot { plane, factors, line, noise, reach }
    }

    /// The contrast at one pixel, as [`Plane::contrast`] has it.
    fn merit(&self, smooth: &[f32], place: usize) -> f32 {
        let (width, height) = (self.plane.width, self.plane.height);
        let (x, y) = (place % width, place / width);
        let (fx, fy) = self.line.flank;
        let inside = x >= self.reach.0
            && y >= self.reach.1
            && x + self.reach.0 < width
            && y + self.reach.1 < height;
        let mut means = [0.0f32; 3];
        if inside {
            let flank = fy as isize * width as isize + fx as isize;
            for (dx, dy, tap) in &self.line.taps {
                let at = place as isize + *dy as isize * width as isize + *dx as isize;
                means[0] += tap * smooth[(at - flank) as usize];
                means[1] += tap * smooth[at as usize];
                means[2] += tap * smooth[(at + flank) as usize];
            }
        } else {
            for (mean, side) in means.iter_mut().zip([-1, 0, 1]) {
                // The border is continued, first beside the line and then along it.
                let middle_x = (x as i32 + side * fx).clamp(0, width as i32 - 1);
                let middle_y = (y as i32 + side * fy).clamp(0, height as i32 - 1);
                for (dx, dy, tap) in &self.line.taps {
                    let u = (middle_x + dx).clamp(0, width as i32 - 1) as usize;
                    let v = (middle_y + dy).clamp(0, height as i32 - 1) as usize;
                    *mean += tap * smooth[v * width + u];
                }
            }
        }
        let sigma = one_sigma(&self.noise, smooth[place]);
        self.factors.significance(means[0], means[2], means[1], sigma)
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

impl Factors {
    /// The contrast of a line against its flanks, less what these differ, in sigma.
    #[inline(always)]
    fn significance(&self, left: f32, right: f32, middle: f32, sigma: f32) -> f32 {
        let contrast = self.sign * (0.5 * (left + right) - middle);
        let uneven = 0.5 * (left - right).abs() - self.uneven * sigma;
        let uneven = if uneven > 0.0 { uneven } else { 0.0 };
        (contrast - uneven) * self.scale / sigma
    }
}

/// Keeps a direction where it is the best of a row: left flanks, lines and right flanks, one sigma of
/// each pixel; merit and number of the best so far.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn keep_best(
    (left, middle, right): (&[f32], &[f32], &[f32]),
    sigma: &[f32],
    factors: &Factors,
    direction: u8,
    (merit, number): (&mut [f32], &mut [u8]),
) {
    let flanks = left.iter().zip(right);
    let best = merit.iter_mut().zip(number);
    for (((merit, number), (left, right)), (middle, sigma)) in
        best.zip(flanks).zip(middle.iter().zip(sigma))
    {
        let found = factors.significance(*left, *right, *middle, *sigma);
        let better = found > *merit;
        *merit = if better { found } else { *merit };
        *number = if better { direction } else { *number };
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
fn typical(values: impl Iterator<Item = f32>) -> f32 {
    let mut sizes: Vec<f32> = values.map(f32::abs).collect();
    if sizes.is_empty() {
        return 1.0;
    }
    // Texture has more of the large than noise has: a tenth is beyond 1.645 sigma.
    let place = sizes.len() * 9 / 10;
    let (_, high, _) = sizes.select_nth_unstable_by(place, f32::total_cmp);
    *high / 1.645
}

/// One sigma of a pixel.
fn one_sigma(noise: &Scatter, signal: f32) -> f32 {
    (noise.dark + noise.gain * signal.max(0.0)).sqrt().max(1e-9)
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

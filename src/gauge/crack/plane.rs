//! One level of the pyramid in which ridges are looked for: averages along lines of many directions,
//! each against its two flanks, and the unit in which they count.

use multiversion::multiversion;

use super::direction::{Line, Spot, keep_best, one_sigma};
use super::ridge::DIRECTIONS;
use super::shape::Scatter;
use crate::frame::Region;
use crate::gauge::View;

/// What is compared, px of the level: the distance of the flanks from the line, one sigma of the smoothing before,
/// and one sigma of the average along the line. And how many times as many directions as [`DIRECTIONS`] are tried: a
/// long line leaves the crack where its direction is off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kernel {
    pub flank: f32,
    pub before: f32,
    pub long: f32,
    pub finer: usize,
}

/// Places from which the unit of the merit is taken.
/// Of the pixels, one in so many at most.
const APART: usize = 5;
const SAMPLES: usize = 6000;
/// Where what a direction shows exceeds the lower quartile of all directions by more than this factor, there are lines.
const LINED: f32 = 1.4;

/// The most significant ridge at each pixel of a level, row-major.
pub struct Seen {
    /// In sigma; 0 where there is none.
    pub merit: Vec<f32>,
    /// Number of the direction along it.
    pub direction: Vec<u8>,
}

impl Kernel {
    /// The nearest of [`DIRECTIONS`] to one of its own.
    fn nearest(&self, direction: usize) -> u8 {
        (((direction + self.finer / 2) / self.finer) % DIRECTIONS) as u8
    }
}

/// One level of the pyramid: counts above the offset.
pub struct Plane {
    pub width: usize,
    pub height: usize,
    pub signal: Vec<f32>,
}

impl Plane {
    /// The pixels of a region; those that were not seen take the mean of the others.
    pub fn read(view: &View<'_>, region: Region) -> Plane {
        let mut pixels = Vec::new();
        view.read_region(region, &mut pixels);
        let offset = view.noise().offset_counts as f32;
        let (sum, count) = pixels
            .iter()
            .filter(|value| value.is_finite())
            .fold((0.0f64, 0.0f64), |(sum, n), value| (sum + f64::from(*value), n + 1.0));
        let mean = (sum / count.max(1.0)) as f32;
        let signal = pixels
            .iter()
            .map(|value| if value.is_finite() { *value - offset } else { mean - offset })
            .collect();
        Plane { width: region.width, height: region.height, signal }
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

    /// The best direction at each pixel.
    pub fn ridges(&self, sign: f32, kernels: &[Kernel], noise: &Scatter) -> Seen {
        let mut out = self.nothing();
        for (smooth, kernels) in self.smoothed(kernels) {
            let sigma: Vec<f32> = smooth.iter().map(|signal| one_sigma(noise, *signal)).collect();
            for kernel in kernels {
                let (spots, _) = self.spots(&smooth, sign, kernel, noise);
                self.keep_all(&smooth, &sigma, kernel, &spots, &mut out);
            }
        }
        out
    }

    /// The same of one kernel; nothing where texture exceeds the noise in most directions by less than so much, as a
    /// factor of sigma.
    pub fn ridges_on_texture(
        &self,
        sign: f32,
        kernel: &Kernel,
        noise: &Scatter,
        least: f32,
    ) -> Option<Seen> {
        let smooth = blurred(&self.signal, self.width, self.height, kernel.before);
        let (spots, texture) = self.spots(&smooth, sign, kernel, noise);
        if texture < least {
            return None;
        }
        let sigma: Vec<f32> = smooth.iter().map(|signal| one_sigma(noise, *signal)).collect();
        let mut out = self.nothing();
        self.keep_all(&smooth, &sigma, kernel, &spots, &mut out);
        Some(out)
    }

    fn nothing(&self) -> Seen {
        let count = self.width * self.height;
        Seen { merit: vec![0.0; count], direction: vec![0; count] }
    }

    /// What all directions of one kernel show, where that is more.
    fn keep_all(
        &self,
        smooth: &[f32],
        sigma: &[f32],
        kernel: &Kernel,
        spots: &[Spot<'_>],
        out: &mut Seen,
    ) {
        let mut mean = vec![0.0f32; smooth.len()];
        for (direction, spot) in spots.iter().enumerate() {
            self.average(smooth, &spot.line, &mut mean);
            self.contrast(&mean, sigma, spot, kernel.nearest(direction), out);
        }
    }

    /// The same only where `hints` are more than `least`, and only near their direction.
    pub fn ridges_near(
        &self,
        hints: &Seen,
        least: f32,
        sign: f32,
        kernels: &[Kernel],
        noise: &Scatter,
    ) -> Seen {
        let count = self.width * self.height;
        let mut out = self.nothing();
        for (smooth, kernels) in self.smoothed(kernels) {
            for kernel in kernels {
                let (spots, _) = self.spots(&smooth, sign, kernel, noise);
                for place in (0..count).filter(|place| hints.merit[*place] > least) {
                    let best = usize::from(hints.direction[place]);
                    for turn in 0..=2 * kernel.finer {
                        let direction =
                            ((best + DIRECTIONS - 1) * kernel.finer + turn) % spots.len();
                        let found = spots[direction].merit(&smooth, place);
                        if found > out.merit[place] {
                            let number = kernel.nearest(direction);
                            (out.merit[place], out.direction[place]) = (found, number);
                        }
                    }
                }
            }
        }
        out
    }

    /// The signal, smoothed as kernels ask for it, with those that follow each other and ask for the same.
    fn smoothed<'k>(
        &self,
        kernels: &'k [Kernel],
    ) -> impl Iterator<Item = (Vec<f32>, &'k [Kernel])> {
        // Of such there is one at least in each.
        let same = kernels.chunk_by(|a, b| a.before == b.before);
        same.map(|same| (blurred(&self.signal, self.width, self.height, same[0].before), same))
    }

    /// All directions, with the units in which they count: the noise, or the texture where that is more. Texture
    /// has no direction, and cracks have: what some directions show far beyond the others are lines, however
    /// many; but for curtains, which are darker and brighter alike. And by how much texture exceeds the noise.
    fn spots<'a>(
        &'a self,
        smooth: &[f32],
        sign: f32,
        kernel: &Kernel,
        noise: &Scatter,
    ) -> (Vec<Spot<'a>>, f32) {
        let count = self.width * self.height;
        // Neighbours say the same again. Odd, so that no column is left out.
        let step = (count / SAMPLES).max(APART) | 1;
        let mut spots: Vec<Spot<'_>> =
            Line::all(kernel).into_iter().map(|line| Spot::new(self, line, sign, *noise)).collect();
        // Directions between these are alike.
        let merits = |spot: &Spot<'_>| -> Vec<f32> {
            (0..count).step_by(step).map(|k| spot.merit(smooth, k)).collect()
        };
        let some = || spots.iter().step_by(kernel.finer);
        let mut units: Vec<f32> = some().map(|spot| typical(merits(spot))).collect();
        let mut sorted = units.clone();
        sorted.sort_by(f32::total_cmp);
        let quartile = sorted[DIRECTIONS / 4];
        let most = LINED * quartile;
        for (unit, spot) in units.iter_mut().zip(some()).filter(|(unit, _)| **unit > most) {
            *unit = unit.min(most.max(typical_of_one_side(merits(&spot.opposite()))));
        }
        for (direction, spot) in spots.iter_mut().enumerate() {
            spot.factors.scale /= units[usize::from(kernel.nearest(direction))].max(1.0);
        }
        (spots, quartile.max(1.0))
    }

    pub fn average(&self, smooth: &[f32], line: &Line, out: &mut [f32]) {
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
fn typical(mut values: Vec<f32>) -> f32 {
    values.iter_mut().for_each(|value| *value = value.abs());
    // Texture has more of the large than noise has: a tenth is beyond 1.645 sigma.
    within(values, 90) / 1.645
}

/// The same by those above zero alone.
fn typical_of_one_side(values: Vec<f32>) -> f32 {
    within(values, 95) / 1.645
}

/// What so many percent of the values are below; where there are none, what noise of one sigma has beyond a tenth.
fn within(mut values: Vec<f32>, percent: usize) -> f32 {
    let place = values.len() * percent / 100;
    if place >= values.len() {
        return 1.645;
    }
    *values.select_nth_unstable_by(place, f32::total_cmp).1
}

/// Gaussian smoothing; the border is continued by its pixels.
pub fn blurred(image: &[f32], width: usize, height: usize, sigma: f32) -> Vec<f32> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 200;
    const NOISE: Scatter = Scatter { dark: 0.25, gain: 1.0 };

    /// 50 counts with noise, under curtains along y of this strength (r.m.s.), and a dark line along them in the middle.
    fn curtained(strength: f32, line: f32) -> Plane {
        let mut state = 1u32;
        let mut uniform = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1u32 << 24) as f32
        };
        let waves: Vec<(f32, f32)> =
            (0..24).map(|_| (4.0 + 36.0 * uniform(), 6.3 * uniform())).collect();
        let stripe = |x: usize| -> f32 {
            let sum: f32 = waves
                .iter()
                .map(|(period, phase)| (std::f32::consts::TAU * x as f32 / period + phase).sin())
                .sum();
            1.0 + strength * sum * (2.0f32 / 24.0).sqrt()
        };
        let columns: Vec<f32> = (0..SIZE).map(stripe).collect();
        let mut signal = Vec::with_capacity(SIZE * SIZE);
        for _ in 0..SIZE {
            for (x, stripe) in columns.iter().enumerate() {
                let dark = if x.abs_diff(SIZE / 2) < 2 { 1.0 - line } else { 1.0 };
                let noise: f32 = (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
                let mean = 50.0 * stripe * dark;
                signal.push(mean + mean.max(1.0).sqrt() * noise);
            }
        }
        Plane { width: SIZE, height: SIZE, signal }
    }

    /// The merit of most of the pixels of a column, and the most of all others.
    fn merits(plane: &Plane) -> (f32, f32) {
        let kernel = Kernel { flank: 3.6, before: 0.9, long: 7.0, finer: 1 };
        let seen = plane.ridges(1.0, &[kernel], &NOISE);
        let inside = |x: usize, y: usize| (20..180).contains(&x) && (20..180).contains(&y);
        let (mut line, mut most) = (Vec::new(), 0.0f32);
        for y in 0..SIZE {
            for x in (0..SIZE).filter(|x| inside(*x, y)) {
                let merit = seen.merit[y * SIZE + x];
                match x.abs_diff(SIZE / 2) {
                    0 => line.push(merit),
                    1..8 => {}
                    _ => most = most.max(merit),
                }
            }
        }
        (within(line, 50), most)
    }

    #[test]
    fn curtains_are_texture_and_a_crack_along_them_is_none() {
        for strength in [0.0, 0.03, 0.1] {
            let (line, most) = merits(&curtained(strength, 0.7));
            assert!(line > 2.0 * most, "a crack of {line} sigma, {most} elsewhere at {strength}");
            let (_, most) = merits(&curtained(strength, 0.0));
            assert!(most < 6.0, "{most} sigma where nothing is but curtains of {strength}");
        }
    }
}

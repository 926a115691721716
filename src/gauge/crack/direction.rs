//! One direction in which ridges are looked for: the line that is averaged along, its two flanks, and
//! what turns their contrast into sigma.

use multiversion::multiversion;

use super::plane::{Kernel, Plane, blurred};
use super::ridge::{DIRECTIONS, along_of};
use super::shape::Scatter;

/// Points of the average along the line to each side, at most 2 px apart, and how far they go, sigma.
const POINTS: i32 = 7;
const REACH: f32 = 2.0;
/// Flanks may differ by so many sigma of their noise.
const UNEVEN: f32 = 2.0;

/// What one direction averages over, in whole pixels: offset and weight.
#[derive(Clone)]
pub struct Line {
    pub taps: Vec<(i32, i32, f32)>,
    /// From the line to one flank.
    pub flank: (i32, i32),
    /// Variance of line − mean of flanks, and of half the flanks' difference, over a pixel's.
    pub noise: f32,
    pub uneven_noise: f32,
}

impl Line {
    /// All directions.
    pub fn all(kernel: &Kernel) -> Vec<Line> {
        // The noise of the three line means, which overlap a little, from their kernels.
        let half = (REACH * kernel.long + 2.0 * kernel.flank + 6.0) as usize;
        let side = 2 * half + 1;
        let mut spot = vec![0.0; side * side];
        spot[half * side + half] = 1.0;
        let spot = blurred(&spot, side, side, kernel.before);
        (0..DIRECTIONS * kernel.finer)
            .map(|direction| Line::new(direction, kernel, &spot, side))
            .collect()
    }

    fn new(direction: usize, kernel: &Kernel, spot: &[f32], side: usize) -> Line {
        let (ux, uy) = along_of(direction, DIRECTIONS * kernel.finer);
        let (flank, long) = (kernel.flank, kernel.long);
        let points = POINTS.max((0.5 * REACH * long).ceil() as i32);
        let mut taps: Vec<(i32, i32, f32)> = (-points..=points)
            .map(|k| {
                let far = REACH * long * k as f32 / points as f32;
                let tap = (-0.5 * (far / long).powi(2)).exp();
                ((far * ux).round() as i32, (far * uy).round() as i32, tap)
            })
            .collect();
        let total: f32 = taps.iter().map(|tap| tap.2).sum();
        taps.iter_mut().for_each(|tap| tap.2 /= total);
        let flank = ((-flank * uy).round() as i32, (flank * ux).round() as i32);
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
pub struct Spot<'a> {
    plane: &'a Plane,
    pub line: Line,
    pub factors: Factors,
    noise: Scatter,
    /// How far the line and its flanks reach, px.
    reach: (usize, usize),
}

impl<'a> Spot<'a> {
    pub fn new(plane: &'a Plane, line: Line, sign: f32, noise: Scatter) -> Spot<'a> {
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

    /// The same of lines of the other contrast.
    pub fn opposite(&self) -> Spot<'a> {
        let factors = Factors { sign: -self.factors.sign, ..self.factors };
        Spot { line: self.line.clone(), factors, ..*self }
    }

    /// The contrast at one pixel, as [`Plane::contrast`] has it.
    pub fn merit(&self, smooth: &[f32], place: usize) -> f32 {
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

/// What turns a contrast into sigma.
#[derive(Clone, Copy)]
pub struct Factors {
    sign: f32,
    uneven: f32,
    pub scale: f32,
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
pub fn keep_best(
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

/// One sigma of a pixel.
pub fn one_sigma(noise: &Scatter, signal: f32) -> f32 {
    (noise.dark + noise.gain * signal.max(0.0)).sqrt().max(1e-9)
}

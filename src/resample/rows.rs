//! Values between the pixels of a frame, along two ways that give the same numbers.
//!
//! A pure translation has the same weights for every pixel: one pass along x, one along y, each a
//! filter of 17 taps whose rows stay in the cache. Any other map weighs 17 × 17 pixels anew for
//! each of its own, from a table of taps by phase. Beyond its edges a frame is continued by
//! reflection at the outermost pixel centres.

use std::ops::Range;

use multiversion::multiversion;

use super::kernel::{Kernel, REACH, filter_column, filter_row};
use super::map::{Affine, overlap};
use crate::frame::Image;

/// Taps of the kernel.
const TAPS: usize = 2 * REACH + 1;
/// The same, filled up to whole vector registers.
const LANES: usize = 24;
/// Steps of the table from phase −0.5 to 0.5; between them it is interpolated linearly, which errs
/// by less than 5e-5 of a wave's amplitude.
const STEPS: usize = 128;

/// Taps that sample at `pixel − phase`. Their sum is 1, so that a flat image stays flat.
pub fn taps(phase: f64) -> Kernel {
    let mut kernel = Kernel::derivative(0, phase, 0.0);
    let sum: f64 = kernel.taps.iter().map(|tap| f64::from(*tap)).sum();
    kernel.taps.iter_mut().for_each(|tap| *tap = (f64::from(*tap) / sum) as f32);
    kernel
}

/// The pixel of a line of `size` pixels that stands at `at` after reflection.
fn reflect(at: i64, size: usize) -> usize {
    let last = size as i64 - 1;
    if last == 0 {
        return 0;
    }
    let turn = at.rem_euclid(2 * last);
    turn.min(2 * last - turn) as usize
}

/// Writes a row into `out`, which has `REACH` more pixels on the left and at least as many on the
/// right; these become the row's reflection.
fn read_padded(image: &Image, y: usize, out: &mut [f32]) {
    let width = image.width;
    image.read_row(y, 0, &mut out[REACH..REACH + width]);
    for k in 1..=REACH as i64 {
        out[REACH - k as usize] = out[REACH + reflect(-k, width)];
    }
    for k in width..out.len() - REACH {
        out[REACH + k] = out[REACH + reflect(k as i64, width)];
    }
}

/// Buffers of one thread.
#[derive(Default)]
pub struct Resampler {
    padded: Vec<f32>,
    ring: Vec<f32>,
    line: Vec<f32>,
    table: Vec<[f32; LANES]>,
}

impl Resampler {
    /// The rows `rows` of the frame in reference coordinates, top to bottom: `emit` gets y, the
    /// columns of `columns` that the frame covers, and their values.
    pub fn rows(
        &mut self,
        image: &Image,
        map: &Affine,
        (columns, rows): (Range<usize>, Range<usize>),
        mut emit: impl FnMut(usize, Range<usize>, &[f32]),
    ) {
        let size = (image.width, image.height);
        let covered = |y| overlap(&columns, &map.covered(y, size));
        match map.as_translation() {
            Some(shift) => self.translate(image, shift, rows, covered, &mut emit),
            None => self.warp(image, map, rows, covered, &mut emit),
        }
    }

    fn translate(
        &mut self,
        image: &Image,
        (x, y): (f64, f64),
        rows: Range<usize>,
        covered: impl Fn(usize) -> Range<usize>,
        emit: &mut impl FnMut(usize, Range<usize>, &[f32]),
    ) {
        let (whole_x, whole_y) = (x.round(), y.round());
        let along_x = (whole_x != x).then(|| taps(whole_x - x));
        let along_y = (whole_y != y).then(|| taps(whole_y - y));
        let (whole_x, whole_y) = (whole_x as i64, whole_y as i64);
        let stride = image.width + 2 * REACH;
        self.padded.resize(stride, 0.0);
        self.line.resize(image.width, 0.0);
        // Frame rows filtered along x: row r, reflected rows included, lies in slot r modulo TAPS.
        self.ring.resize(TAPS * stride, 0.0);
        let slot = |row: i64| row.rem_euclid(TAPS as i64) as usize * stride;
        let mut next = i64::MIN;
        let reach = if along_y.is_some() { REACH as i64 } else { 0 };
        for y in rows {
            let columns = covered(y);
            if columns.is_empty() {
                emit(y, columns, &[]);
                continue;
            }
            let middle = y as i64 + whole_y;
            next = next.max(middle - reach);
            while next <= middle + reach {
                read_padded(image, reflect(next, image.height), &mut self.padded);
                let out = &mut self.ring[slot(next)..slot(next) + stride];
                match &along_x {
                    Some(kernel) => filter_row(kernel, &self.padded, out),
                    None => out.copy_from_slice(&self.padded),
                }
                next += 1;
            }
            let from = (columns.start as i64 + whole_x) as usize + REACH;
            let segment = |row: i64| &self.ring[slot(row) + from..slot(row) + from + columns.len()];
            match &along_y {
                Some(kernel) => {
                    let around: [&[f32]; TAPS] =
                        std::array::from_fn(|k| segment(middle - REACH as i64 + k as i64));
                    let line = &mut self.line[..columns.len()];
                    filter_column(kernel, &around, line);
                    emit(y, columns, line);
                }
                None => emit(y, columns.clone(), segment(middle)),
            }
        }
    }

    fn warp(
        &mut self,
        image: &Image,
        map: &Affine,
        rows: Range<usize>,
        covered: impl Fn(usize) -> Range<usize>,
        emit: &mut impl FnMut(usize, Range<usize>, &[f32]),
    ) {
        if self.table.is_empty() {
            self.table = (0..=STEPS + 1).map(table_entry).collect();
        }
        let stride = image.width + LANES;
        self.padded.resize(stride * (image.height + 2 * REACH), 0.0);
        for (k, row) in self.padded.chunks_exact_mut(stride).enumerate() {
            let y = reflect(k as i64 - REACH as i64, image.height);
            read_padded(image, y, row);
        }
        self.line.resize(image.width, 0.0);
        let frame = Padded { samples: &self.padded, stride };
        for y in rows {
            let columns = covered(y);
            let line = &mut self.line[..columns.len()];
            let start = map.apply(columns.start as f64, y as f64);
            let step = (map.matrix[0][0], map.matrix[1][0]);
            warp_row(frame, &self.table, start, step, line);
            emit(y, columns, line);
        }
    }
}

/// The taps at step `k` of the table, filled up with zeros. One entry lies beyond the end, for
/// the phase 0.5 itself.
fn table_entry(k: usize) -> [f32; LANES] {
    let kernel = taps(k as f64 / STEPS as f64 - 0.5);
    std::array::from_fn(|tap| kernel.taps.get(tap).copied().unwrap_or(0.0))
}

/// A whole frame with its reflected border.
#[derive(Clone, Copy)]
struct Padded<'a> {
    samples: &'a [f32],
    stride: usize,
}

/// Samples at `start + k · step` for each k of `out`, all on the frame.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn warp_row(
    frame: Padded<'_>,
    table: &[[f32; LANES]],
    start: (f64, f64),
    step: (f64, f64),
    out: &mut [f32],
) {
    for (k, out) in out.iter_mut().enumerate() {
        let (u, v) = (start.0 + k as f64 * step.0, start.1 + k as f64 * step.1);
        // Positions on the frame are not negative but for rounding, and half a pixel more never is.
        let (column, row) = ((u + 0.5) as usize, (v + 0.5) as usize);
        let weights = |position: f64, pixel: usize| {
            let place = (pixel as f64 - position + 0.5).max(0.0) * STEPS as f64;
            let entry = (place as usize).min(STEPS);
            let share = (place - entry as f64) as f32;
            let (low, high) = (&table[entry], &table[entry + 1]);
            let mut taps = [0.0f32; LANES];
            for ((tap, low), high) in taps.iter_mut().zip(low).zip(high) {
                *tap = low + share * (high - low);
            }
            taps
        };
        let (along_x, along_y) = (weights(u, column), weights(v, row));
        let mut sums = [0.0f32; LANES];
        for (tap, weight) in along_y.iter().take(TAPS).enumerate() {
            let from = (row + tap) * frame.stride + column;
            let row = frame.samples.get(from..).and_then(<[f32]>::first_chunk::<LANES>);
            let Some(samples) = row else { continue };
            for lane in 0..LANES {
                sums[lane] += weight * samples[lane];
            }
        }
        let mut total = [0.0f32; 8];
        for (k, (sum, tap)) in sums.iter().zip(&along_x).enumerate() {
            total[k % 8] += sum * tap;
        }
        *out = total.iter().sum();
    }
}

/// What every resampled value is, written as its definition: the scalar twin of both ways.
///
/// # Panics
/// When the image has no pixels.
pub fn sample(image: &Image, (u, v): (f64, f64)) -> f64 {
    let weights = |position: f64| {
        let pixel = (position + 0.5).floor();
        let phase = pixel - position;
        let taps = if phase == 0.0 { Vec::new() } else { taps(phase).taps };
        (pixel as i64, taps)
    };
    let ((column, along_x), (row, along_y)) = (weights(u), weights(v));
    let line = |y: usize| -> f64 {
        if along_x.is_empty() {
            return f64::from(image.at(reflect(column, image.width), y));
        }
        along_x
            .iter()
            .zip(column - REACH as i64..)
            .map(|(tap, x)| f64::from(*tap) * f64::from(image.at(reflect(x, image.width), y)))
            .sum()
    };
    if along_y.is_empty() {
        return line(reflect(row, image.height));
    }
    along_y
        .iter()
        .zip(row - REACH as i64..)
        .map(|(tap, y)| f64::from(*tap) * line(reflect(y, image.height)))
        .sum()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

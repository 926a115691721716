//! Finding the specimen again after a jump: correlation over the whole field, by FFT.
//!
//! The cross-power spectrum of binned frame and template is weighted by 1 / (S + N), the noise
//! together with the specimen's own power, and by Wiener's S / (S + N) for the noisy template;
//! low frequencies (illumination) are left out. Full whitening would let a camera's fixed pattern
//! answer (0, 0); no whitening at all gives broad peaks. C. D. Kuglin and D. C. Hines, Proc. IEEE
//! Conf. Cybernetics and Society, 163 (1975).

use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

/// Displacements at which this part of the template's structure meets itself are periods of it.
const PERIOD: f32 = 0.6;
/// Periods shorter than this many binned pixels are below what the coarse steps can tell apart.
const PERIOD_LEAST_PX: i64 = 3;
/// So many periods are remembered, the shortest.
const PERIODS: usize = 8;
/// For periodic specimens: features larger than this many binned pixels (one sigma) tell where.
const BROAD_PX: f32 = 3.0;

/// Features larger than this many binned pixels (one sigma) count as illumination.
const ILLUMINATION_PX: f32 = 8.0;
/// Peaks closer than this are one.
const PEAK_APART_PX: i64 = 2;

/// Plans for one size.
struct Plan {
    width: usize,
    height: usize,
    /// Columns of the half spectrum.
    columns: usize,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    down: Arc<dyn Fft<f32>>,
    up: Arc<dyn Fft<f32>>,
}

/// A template, ready to be searched for.
pub struct Search {
    plan: Plan,
    /// conj(template) times the weights.
    filter: Vec<Complex32>,
    /// The same for broad features alone, where the template is periodic.
    broad: Option<Vec<Complex32>>,
    /// Displacements at which the template looks like itself, binned pixels.
    periods: Vec<(i64, i64)>,
    /// Pixels of a frame that show the specimen, and not what is burned in.
    shown: Vec<bool>,
}

/// Work space of one thread.
#[derive(Default)]
pub struct SearchScratch {
    real: Vec<f32>,
    spectrum: Vec<Complex32>,
    turned: Vec<Complex32>,
}

impl Search {
    /// Prepares a binned template: mean counts and which pixels may be used.
    /// `noise_variance` is that of one binned frame's pixel, at the mean brightness; `shown` tells
    /// which pixels of a frame show the specimen.
    pub fn new(
        counts: &[f32],
        usable: &[bool],
        width: usize,
        height: usize,
        frames: f64,
        noise_variance: f64,
        shown: Vec<bool>,
    ) -> Search {
        let plan = Plan::new(good_size(width), good_size(height));
        let mut scratch = SearchScratch::default();
        let masked = mask(counts, usable, width, height);
        plan.transform(&masked, width, &mut scratch);
        let pixels = usable.iter().filter(|usable| **usable).count();
        let noise = (noise_variance * pixels as f64) as f32;
        let rings = plan.ring_mean(&scratch.spectrum);
        let filter = scratch
            .spectrum
            .iter()
            .enumerate()
            .map(|(k, value)| {
                let power = rings[plan.ring(k)];
                let signal = (power - noise / frames as f32).max(0.0);
                let high_pass = 1.0 - (-0.5 * (plan.frequency(k) * ILLUMINATION_PX).powi(2)).exp();
                let weight = signal / power.max(f32::MIN_POSITIVE) / (signal + noise)
                    * high_pass
                    * high_pass;
                value.conj() * weight
            })
            .collect();
        let spectrum = scratch.spectrum.clone();
        let periods = periods(&plan, &mut scratch, noise / frames as f32);
        // What repeats itself has most of its power in a few fine waves; where it is, the broad and
        // weak features tell.
        let broad = (!periods.is_empty()).then(|| {
            let low_pass = |k: usize| (-0.5 * (plan.frequency(k) * BROAD_PX).powi(2)).exp();
            let waves = |k: usize| plan.frequency(k) * plan.width.min(plan.height) as f32;
            let weight = |k: usize| if waves(k) < 10.0 { 0.0 } else { low_pass(k) };
            spectrum.iter().enumerate().map(|(k, value)| value.conj() * weight(k)).collect()
        });
        Search { plan, filter, broad, periods, shown }
    }

    /// Displacements at which the template looks like itself, binned pixels; none for most
    /// specimens.
    pub fn periods(&self) -> &[(i64, i64)] {
        &self.periods
    }

    /// The `count` most likely displacements in binned pixels, the best first.
    pub fn find(
        &self,
        binned: &[f32],
        width: usize,
        height: usize,
        count: usize,
        scratch: &mut SearchScratch,
    ) -> Vec<(i64, i64)> {
        let tapered = mask(binned, &self.shown, width, height);
        self.plan.transform(&tapered, width, scratch);
        let spectrum = self.broad.is_some().then(|| scratch.spectrum.clone());
        let mut found = self.places(&self.filter, count, scratch);
        if let (Some(broad), Some(spectrum)) = (&self.broad, spectrum) {
            scratch.spectrum = spectrum;
            found.extend(self.places(broad, count, scratch));
        }
        found
    }

    fn places(
        &self,
        filter: &[Complex32],
        count: usize,
        scratch: &mut SearchScratch,
    ) -> Vec<(i64, i64)> {
        for (value, filter) in scratch.spectrum.iter_mut().zip(filter) {
            *value *= filter;
        }
        self.plan.back(scratch);
        peaks(&scratch.real, self.plan.width, self.plan.height, count)
    }
}

/// The shortest displacements at which the template's autocorrelation has another peak that is
/// nearly as high as the first.
fn periods(plan: &Plan, scratch: &mut SearchScratch, noise: f32) -> Vec<(i64, i64)> {
    for (k, value) in scratch.spectrum.iter_mut().enumerate() {
        let high_pass = 1.0 - (-0.5 * (plan.frequency(k) * ILLUMINATION_PX).powi(2)).exp();
        let power = (value.norm_sqr() - noise).max(0.0) * high_pass * high_pass;
        *value = Complex32::new(power, 0.0);
    }
    plan.back(scratch);
    let (width, height) = (plan.width as i64, plan.height as i64);
    let at = |x: i64, y: i64| {
        scratch.real[(y.rem_euclid(height) * width + x.rem_euclid(width)) as usize]
    };
    let whole = at(0, 0);
    let mut found = Vec::new();
    let farthest = width.min(height) / 4;
    for y in -farthest..=farthest {
        for x in -farthest..=farthest {
            let value = at(x, y);
            if x * x + y * y < PERIOD_LEAST_PX * PERIOD_LEAST_PX || value < PERIOD * whole {
                continue;
            }
            let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
            if around.into_iter().all(|(dx, dy)| at(x + dx, y + dy) <= value) {
                found.push((x, y));
            }
        }
    }
    found.sort_by_key(|(x, y)| x * x + y * y);
    found.truncate(PERIODS);
    found
}

/// The image less its mean, faded out over a sixteenth of each side, 0 where not usable.
fn mask(counts: &[f32], usable: &[bool], width: usize, height: usize) -> Vec<f32> {
    let (mut sum, mut number) = (0.0f64, 0usize);
    for (value, _) in counts.iter().zip(usable).filter(|(_, usable)| **usable) {
        sum += f64::from(*value);
        number += 1;
    }
    let mean = (sum / number.max(1) as f64) as f32;
    let fade = |at: usize, size: usize| {
        let edge = (size / 16).max(1) as f32;
        let from_border = (at.min(size - 1 - at) as f32 + 0.5) / edge;
        (from_border.min(1.0) * std::f32::consts::FRAC_PI_2).sin().powi(2)
    };
    let along_x: Vec<f32> = (0..width).map(|x| fade(x, width)).collect();
    let mut out = Vec::with_capacity(counts.len());
    for (y, (row, usable)) in counts.chunks_exact(width).zip(usable.chunks_exact(width)).enumerate()
    {
        let along_y = fade(y, height);
        for ((value, usable), along_x) in row.iter().zip(usable).zip(&along_x) {
            out.push(if *usable { (value - mean) * along_x * along_y } else { 0.0 });
        }
    }
    out
}

/// The next even number with no prime factor above 5.
fn good_size(size: usize) -> usize {
    let smooth = |mut n: usize| {
        for factor in [2, 3, 5] {
            while n.is_multiple_of(factor) {
                n /= factor;
            }
        }
        n == 1
    };
    (size.max(2)..).find(|n| n % 2 == 0 && smooth(*n)).unwrap_or(size)
}

impl Plan {
    fn new(width: usize, height: usize) -> Plan {
        let mut real = RealFftPlanner::<f32>::new();
        let mut complex = FftPlanner::<f32>::new();
        Plan {
            width,
            height,
            columns: width / 2 + 1,
            forward: real.plan_fft_forward(width),
            inverse: real.plan_fft_inverse(width),
            down: complex.plan_fft_forward(height),
            up: complex.plan_fft_inverse(height),
        }
    }

    /// Image (of `width` columns, padded with zeros) to `scratch.spectrum`, stored column by
    /// column.
    fn transform(&self, image: &[f32], width: usize, scratch: &mut SearchScratch) {
        scratch.real.resize(self.width, 0.0);
        scratch.turned.resize(self.columns, Complex32::default());
        scratch.spectrum.clear();
        scratch.spectrum.resize(self.columns * self.height, Complex32::default());
        for (y, row) in image.chunks_exact(width).enumerate() {
            scratch.real.resize(self.width, 0.0);
            scratch.real[..width].copy_from_slice(row);
            scratch.real[width..].fill(0.0);
            let Ok(()) = self.forward.process(&mut scratch.real, &mut scratch.turned) else {
                unreachable!("both buffers have the sizes of the plan");
            };
            for (x, value) in scratch.turned.iter().enumerate() {
                scratch.spectrum[x * self.height + y] = *value;
            }
        }
        self.down.process(&mut scratch.spectrum);
    }

    /// `scratch.spectrum` back to `scratch.real`, an image of the plan's size.
    fn back(&self, scratch: &mut SearchScratch) {
        self.up.process(&mut scratch.spectrum);
        scratch.real.resize(self.width * self.height, 0.0);
        scratch.turned.resize(self.columns, Complex32::default());
        for (y, row) in scratch.real.chunks_exact_mut(self.width).enumerate() {
            for (x, value) in scratch.turned.iter_mut().enumerate() {
                *value = scratch.spectrum[x * self.height + y];
            }
            // A real image's spectrum is real at these two; rounding leaves a trace.
            scratch.turned[0].im = 0.0;
            scratch.turned[self.columns - 1].im = 0.0;
            let Ok(()) = self.inverse.process(&mut scratch.turned, row) else {
                unreachable!("both buffers have the sizes of the plan, and the ends are real");
            };
        }
    }

    /// Radians per binned pixel of the k-th value of a spectrum.
    fn frequency(&self, k: usize) -> f32 {
        let (x, y) = (k / self.height, k % self.height);
        let y = y.min(self.height - y);
        let tau = 2.0 * std::f32::consts::PI;
        (tau * x as f32 / self.width as f32).hypot(tau * y as f32 / self.height as f32)
    }

    fn ring(&self, k: usize) -> usize {
        (self.frequency(k) * 32.0) as usize
    }

    fn ring_mean(&self, spectrum: &[Complex32]) -> Vec<f32> {
        let mut sums = vec![(0.0f64, 0usize); 160];
        for (k, value) in spectrum.iter().enumerate() {
            let sum = &mut sums[self.ring(k)];
            sum.0 += f64::from(value.norm_sqr());
            sum.1 += 1;
        }
        sums.iter().map(|(sum, count)| (sum / (*count).max(1) as f64) as f32).collect()
    }
}

/// The highest values of a periodic image that stand apart from each other, as signed shifts.
fn peaks(image: &[f32], width: usize, height: usize, count: usize) -> Vec<(i64, i64)> {
    let (w, h) = (width as i64, height as i64);
    let apart = |a: i64, b: i64, n: i64| {
        let d = (a - b).rem_euclid(n);
        d.min(n - d)
    };
    let mut found: Vec<(i64, i64)> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut best: Option<(f32, i64, i64)> = None;
        for (k, value) in image.iter().enumerate() {
            if best.is_none_or(|best| *value > best.0) {
                let (x, y) = ((k % width) as i64, (k / width) as i64);
                let new = found.iter().all(|(fx, fy)| {
                    apart(x, *fx, w) > PEAK_APART_PX || apart(y, *fy, h) > PEAK_APART_PX
                });
                if new {
                    best = Some((*value, x, y));
                }
            }
        }
        let Some((_, x, y)) = best else { break };
        found.push((x, y));
    }
    let signed = |v: i64, n: i64| if v > n / 2 { v - n } else { v };
    found.iter().map(|(x, y)| (signed(*x, w), signed(*y, h))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shifted_pattern_is_found() {
        let (width, height) = (100, 90);
        let pattern = |x: f32, y: f32| {
            let blobs = [(40.0, 45.0), (55.0, 30.0), (62.0, 60.0), (30.0, 62.0), (50.0, 50.0)];
            let blob = |(bx, by): &(f32, f32)| (-((x - bx).powi(2) + (y - by).powi(2)) / 6.0).exp();
            blobs.iter().map(blob).sum::<f32>() * 50.0
        };
        let image = |dx: f32, dy: f32| -> Vec<f32> {
            (0..width * height)
                .map(|k| pattern((k % width) as f32 - dx, (k / width) as f32 - dy))
                .collect()
        };
        let all = vec![true; width * height];
        let template = image(0.0, 0.0);
        let search = Search::new(&template, &all, width, height, 1.0, 0.1, all.clone());
        let mut scratch = SearchScratch::default();
        let found = search.find(&image(17.0, -9.0), width, height, 2, &mut scratch);
        assert_eq!(found[0], (17, -9));
    }
}

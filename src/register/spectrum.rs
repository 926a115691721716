//! How much to smooth the template's gradient: as little as its signal-to-noise ratio allows.
//!
//! With weights proportional to a filtered gradient, the information on a shift is
//! `(Σ k² h S)² / Σ k² h² (S + N)` over spatial frequencies, S being the specimen's power, N the
//! noise of the template, h the filter (the Schwarz inequality makes h = S / (S + N), Wiener's
//! filter, the best). S and N are estimated from the mean periodogram of small windows
//! (P. D. Welch, IEEE Trans. Audio Electroacoust. 15, 70, 1967); the best Gaussian is taken.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex32;

use super::level::Template;

const WINDOW: usize = 64;
/// Windows that are looked at, at most.
const WINDOWS: usize = 96;
/// Standard deviations to choose from, in pixels.
const CANDIDATES: [f64; 8] = [0.0, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0];

/// The template's own noise may make up this part of the slope at most.
const OWN_NOISE: f64 = 0.7;

/// How to smooth a template's gradient.
#[derive(Clone, Copy, Debug)]
pub struct Smoothing {
    /// The best of [`CANDIDATES`].
    pub sigma_px: f64,
    /// The part of the information on the shift that the template's noise costs, 0 to 1.
    pub cost: f64,
}

/// The best smoothing. `weight` is 1 / variance of a single frame's pixel, 0 where not usable.
pub fn best_smoothing(template: &Template<'_>, weight: &[f32]) -> Smoothing {
    let Some((power, noise)) = whitened_power(template, weight) else {
        return Smoothing { sigma_px: CANDIDATES[3], cost: 0.0 };
    };
    let information = |sigma_px: f64| {
        let (mut slope, mut variance) = (0.0, 0.0);
        for (k, value) in power.iter().enumerate() {
            let (row, column) = (frequency(k / WINDOW), frequency(k % WINDOW));
            let k2 = row * row + column * column;
            let signal = (value - noise).max(0.0);
            let h = (-0.5 * k2 * sigma_px * sigma_px).exp();
            slope += k2 * h * signal;
            variance += k2 * h * h * value.max(noise);
        }
        slope * slope / variance.max(f64::MIN_POSITIVE)
    };
    // What of the slope is the template's noise meeting itself is subtracted, as well as the noise
    // is known; it must not be most of it.
    let is_sound = |sigma_px: f64| {
        let (mut slope, mut own) = (0.0, 0.0);
        for (k, value) in power.iter().enumerate() {
            let (row, column) = (frequency(k / WINDOW), frequency(k % WINDOW));
            let k2 = row * row + column * column;
            let h = (-0.5 * k2 * sigma_px * sigma_px).exp();
            slope += k2 * h * (value - noise).max(0.0);
            own += k2 * h * noise;
        }
        own < OWN_NOISE * slope
    };
    let broadest = CANDIDATES[CANDIDATES.len() - 1];
    let mut best = (information(broadest), broadest);
    for sigma_px in CANDIDATES.into_iter().filter(|sigma_px| is_sound(*sigma_px)) {
        let found = information(sigma_px);
        if found > best.0 {
            best = (found, sigma_px);
        }
    }
    let all: f64 = power
        .iter()
        .enumerate()
        .map(|(k, value)| {
            let (row, column) = (frequency(k / WINDOW), frequency(k % WINDOW));
            (row * row + column * column) * (value - noise).max(0.0)
        })
        .sum();
    Smoothing { sigma_px: best.1, cost: 1.0 - best.0 / all.max(f64::MIN_POSITIVE) }
}

/// Radians per pixel of the k-th frequency.
fn frequency(k: usize) -> f64 {
    let signed = if k <= WINDOW / 2 { k as f64 } else { k as f64 - WINDOW as f64 };
    2.0 * std::f64::consts::PI * signed / WINDOW as f64
}

/// Mean power of the template over its noise's standard deviation, smoothed over rings of equal
/// frequency, and the noise's own power in the same units.
fn whitened_power(template: &Template<'_>, weight: &[f32]) -> Option<(Vec<f64>, f64)> {
    let corners = windows(template, weight);
    if corners.is_empty() {
        return None;
    }
    let taper: Vec<f32> = (0..WINDOW)
        .map(|i| {
            let angle = std::f32::consts::PI * (i as f32 + 0.5) / WINDOW as f32;
            angle.sin() * angle.sin()
        })
        .collect();
    let taper_power: f64 = taper.iter().map(|t| f64::from(t * t)).sum::<f64>().powi(2);
    let fft = FftPlanner::new().plan_fft_forward(WINDOW);
    let mut power = vec![0.0f64; WINDOW * WINDOW];
    for &(left, top) in &corners {
        let mut patch = whitened_patch(template, weight, left, top, &taper);
        for row in patch.chunks_exact_mut(WINDOW) {
            fft.process(row);
        }
        let mut column = vec![Complex32::default(); WINDOW];
        for x in 0..WINDOW {
            for (y, value) in column.iter_mut().enumerate() {
                *value = patch[y * WINDOW + x];
            }
            fft.process(&mut column);
            for (y, value) in column.iter().enumerate() {
                power[y * WINDOW + x] += f64::from(value.norm_sqr());
            }
        }
    }
    let scale = 1.0 / (taper_power * corners.len() as f64);
    power.iter_mut().for_each(|value| *value *= scale);
    Some((ring_mean(&power), 1.0 / template.frames))
}

/// Up to [`WINDOWS`] corners of windows that are wholly usable, spread over the image.
fn windows(template: &Template<'_>, weight: &[f32]) -> Vec<(usize, usize)> {
    if template.width < WINDOW || template.height < WINDOW {
        return Vec::new();
    }
    let step = WINDOW / 2;
    let mut corners = Vec::new();
    for top in (0..=template.height - WINDOW).step_by(step) {
        for left in (0..=template.width - WINDOW).step_by(step) {
            // Corners, edges' middles and centre tell enough of a rectangle's masking.
            let probes = [0, WINDOW / 2, WINDOW - 1];
            let usable = probes.iter().all(|dy| {
                probes.iter().all(|dx| weight[(top + dy) * template.width + left + dx] > 0.0)
            });
            if usable {
                corners.push((left, top));
            }
        }
    }
    let step = corners.len().div_ceil(WINDOWS).max(1);
    corners.into_iter().step_by(step).collect()
}

fn whitened_patch(
    template: &Template<'_>,
    weight: &[f32],
    left: usize,
    top: usize,
    taper: &[f32],
) -> Vec<Complex32> {
    let at = |y: usize, x: usize| (top + y) * template.width + left + x;
    let mut mean = 0.0;
    for y in 0..WINDOW {
        for x in 0..WINDOW {
            mean += f64::from(template.counts[at(y, x)]);
        }
    }
    let mean = (mean / (WINDOW * WINDOW) as f64) as f32;
    let mut patch = Vec::with_capacity(WINDOW * WINDOW);
    for y in 0..WINDOW {
        for x in 0..WINDOW {
            let whitened = (template.counts[at(y, x)] - mean) * weight[at(y, x)].sqrt();
            patch.push(Complex32::new(whitened * taper[y] * taper[x], 0.0));
        }
    }
    patch
}

fn ring_mean(power: &[f64]) -> Vec<f64> {
    let ring = |k: usize| {
        let (row, column) = (frequency(k / WINDOW), frequency(k % WINDOW));
        (row.hypot(column) * WINDOW as f64 / (2.0 * std::f64::consts::PI)).round() as usize
    };
    let mut sums = vec![(0.0, 0.0); WINDOW];
    for (k, value) in power.iter().enumerate() {
        sums[ring(k)].0 += value;
        sums[ring(k)].1 += 1.0;
    }
    (0..power.len()).map(|k| sums[ring(k)].0 / f64::max(sums[ring(k)].1, 1.0)).collect()
}

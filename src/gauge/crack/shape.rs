//! The model of one station and its derivatives, summed over the station's pixels.
//!
//! At a distance u from the centre line the expected signal is
//! `(a + b u) (1 − D [Φ((u − c + w/2)/σ) − Φ((u − c − w/2)/σ)])`: a background, and a box of the
//! opening w convolved with a Gaussian point spread σ. Weights are those of the model, not of the
//! counts: weights that scatter with the counts would bias weak signals.

use multiversion::multiversion;

use crate::frame::lanes::{LANES, totals};
use crate::noise::CameraModel;

/// Level a, slope b, centre c, opening w, depth D, point spread σ.
pub const UNKNOWNS: usize = 6;
/// The upper triangle of the normal equations row by row, the score, and the squared residuals.
pub const SUMS: usize = UNKNOWNS * (UNKNOWNS + 1) / 2 + UNKNOWNS + 1;

/// Where the model is evaluated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guess {
    /// Counts above the offset.
    pub level: f32,
    /// Per px.
    pub slope: f32,
    /// px.
    pub centre: f32,
    pub opening: f32,
    /// Share of the brightness that is taken away; negative for a bright crack.
    pub depth: f32,
    pub psf_px: f32,
}

/// Variance of a pixel: `dark + gain · signal`.
#[derive(Clone, Copy, Debug)]
pub struct Scatter {
    pub dark: f32,
    pub gain: f32,
}

impl Scatter {
    /// That of a camera, in counts above its offset.
    pub fn of(noise: &CameraModel) -> Scatter {
        Scatter {
            dark: noise.variance(noise.offset_counts) as f32,
            gain: noise.gain_counts_per_electron as f32,
        }
    }
}

/// Sums over the pixels of one station: `signal` above the offset, `distance` from the centre
/// line, `valid` 1 or 0. All of the same length, a multiple of [`LANES`]: stations are filled up with
/// pixels of no weight.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn sums(
    signal: &[f32],
    distance: &[f32],
    valid: &[f32],
    guess: &Guess,
    scatter: &Scatter,
) -> [f32; SUMS] {
    let mut lanes = [[0.0f32; LANES]; SUMS];
    let half = 0.5 * guess.opening;
    let narrow = 1.0 / guess.psf_px;
    let blocks = |pixels| <[f32]>::as_chunks::<LANES>(pixels).0;
    let (signal, distance, valid) = (blocks(signal), blocks(distance), blocks(valid));
    let mut terms = Terms::default();
    let parts = signal.chunks(AT_ONCE).zip(distance.chunks(AT_ONCE).zip(valid.chunks(AT_ONCE)));
    for (signal, (distance, valid)) in parts {
        for (block, ((signal, distance), valid)) in
            signal.iter().zip(distance).zip(valid).enumerate()
        {
            let mut plain = [[0.0f32; LANES]; UNKNOWNS + 1];
            let mut weights = [0.0f32; LANES];
            for lane in 0..LANES {
                let along = distance[lane] - guess.centre;
                let (tl, tr) = ((along + half) * narrow, (along - half) * narrow);
                let (left, left_density) = normal(tl);
                let (right, right_density) = normal(tr);
                let open = left - right;
                let through = 1.0 - guess.depth * open;
                let ground = guess.level + guess.slope * along;
                let dip = ground * guess.depth * narrow;
                let model = ground * through;
                let seen = if model > 0.0 { model } else { 0.0 };
                weights[lane] = valid[lane] / (scatter.dark + scatter.gain * seen);
                plain[0][lane] = through;
                plain[1][lane] = through * along;
                plain[2][lane] = dip * (left_density - right_density);
                plain[3][lane] = -0.5 * dip * (left_density + right_density);
                plain[4][lane] = -ground * open;
                plain[5][lane] = dip * (tl * left_density - tr * right_density);
                plain[UNKNOWNS][lane] = signal[lane] - model;
            }
            for (n, plain) in plain.iter().enumerate() {
                for lane in 0..LANES {
                    terms.weighted[n][block][lane] = weights[lane] * plain[lane];
                }
                terms.plain[n][block] = *plain;
            }
        }
        // Each sum by itself: all of them together have no room in the registers.
        let count = signal.len();
        let mut sum = 0;
        for i in 0..UNKNOWNS {
            for j in i..UNKNOWNS {
                add_products(&terms.weighted[i][..count], &terms.plain[j], &mut lanes[sum]);
                sum += 1;
            }
        }
        for i in 0..=UNKNOWNS {
            let residual = &terms.plain[UNKNOWNS];
            add_products(&terms.weighted[i][..count], residual, &mut lanes[sum + i]);
        }
    }
    totals(&lanes)
}

/// Blocks of pixels whose terms are kept at once.
const AT_ONCE: usize = 4;

/// The slopes by each unknown and the residual, of some pixels, and their products with the weights.
#[derive(Default)]
struct Terms {
    plain: [[[f32; LANES]; AT_ONCE]; UNKNOWNS + 1],
    weighted: [[[f32; LANES]; AT_ONCE]; UNKNOWNS + 1],
}

#[inline(always)]
fn add_products(a: &[[f32; LANES]], b: &[[f32; LANES]], lanes: &mut [f32; LANES]) {
    let mut own = *lanes;
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            own[lane] += a[lane] * b[lane];
        }
    }
    *lanes = own;
}

/// Φ(u) to 1e-6 and its density (M. Abramowitz and I. Stegun, 26.2.17), without branches.
#[inline(always)]
pub fn normal(u: f32) -> (f32, f32) {
    let size = u.abs();
    let density = 0.398_942_3 * power_of_two(-0.721_347_5 * u * u);
    let t = 1.0 / (1.0 + 0.231_641_9 * size);
    let series = t
        * (0.319_381_53
            + t * (-0.356_563_78 + t * (1.781_477_9 + t * (-1.821_255_9 + t * 1.330_274_5))));
    let tail = density * series;
    (if u >= 0.0 { 1.0 - tail } else { tail }, density)
}

/// 2^x for x ≤ 0, to 2e-7 of its value; never below 2^−40: products of two smaller ones are
/// subnormal numbers, with which processors are slow.
#[inline(always)]
fn power_of_two(x: f32) -> f32 {
    let x = if x < -40.0 { -40.0 } else { x };
    // Adding 1.5 · 2^23 leaves the nearest whole number in the low bits.
    let shifted = x + 12_582_912.0;
    let whole = shifted - 12_582_912.0;
    let f = (x - whole) * std::f32::consts::LN_2;
    let series = 1.0
        + f * (1.0
            + f * (0.5
                + f * (0.166_666_67 + f * (0.041_666_67 + f * (0.008_333_34 + f * 0.001_388_9)))));
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    series * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_the_normal_distribution() {
        for (u, value) in
            [(0.0, 0.5), (1.0, 0.841_345), (-2.0, 0.022_750), (6.0, 1.0), (-30.0, 0.0)]
        {
            assert!((normal(u).0 - value).abs() < 1e-6, "Φ({u}) = {}", normal(u).0);
        }
        assert!((normal(0.7).1 - 0.312_254).abs() < 1e-6);
    }

    #[test]
    fn derivatives_are_those_of_the_model_and_sums_those_of_a_plain_loop() {
        let guess =
            Guess { level: 50.0, slope: 0.3, centre: 0.4, opening: 2.2, depth: 0.6, psf_px: 1.3 };
        let scatter = Scatter { dark: 0.4, gain: 1.0 };
        let distance: Vec<f32> = (0..32).map(|k| k as f32 * 0.7 - 11.0).collect();
        let model = |g: &Guess, u: f32| {
            let along = u - g.centre;
            let box_at = |e: f32| normal((along + 0.5 * e * g.opening) / g.psf_px).0;
            (g.level + g.slope * along) * (1.0 - g.depth * (box_at(1.0) - box_at(-1.0)))
        };
        let signal: Vec<f32> =
            distance.iter().map(|u| model(&guess, *u) + (u * 3.0).sin()).collect();
        let found = sums(&signal, &distance, &[1.0; 32], &guess, &scatter);
        let nudged = |k: usize, h: f32| {
            let mut g = guess;
            match k {
                0 => g.level += h,
                1 => g.slope += h,
                2 => g.centre += h,
                3 => g.opening += h,
                4 => g.depth += h,
                _ => g.psf_px += h,
            }
            g
        };
        for k in [0, 3, 4, 5] {
            let (mut score, h) = (0.0f64, 0.01);
            for (u, seen) in distance.iter().zip(&signal) {
                let slope = (model(&nudged(k, h), *u) - model(&nudged(k, -h), *u)) / (2.0 * h);
                let mean = model(&guess, *u);
                let weight = 1.0 / (scatter.dark + scatter.gain * mean);
                score += f64::from(weight * slope * (seen - mean));
            }
            let at = f64::from(found[SUMS - 1 - UNKNOWNS + k]);
            assert!((at - score).abs() < 0.02 * (1.0 + score.abs()), "unknown {k}: {at}, {score}");
        }
    }
}

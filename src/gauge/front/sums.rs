//! Sums over the windows' pixels, the only loops that touch them: brightness of both sides, evidence
//! for each place of the edge, score and information of the erf edge.
//!
//! The edge of a line is `μ(x) = (1 − Φ)·a·(1 + α T) + Φ·b·(1 + β T)`, Φ = Φ((x − p)/s): brightness
//! `a` of lithium and `b` of the bare specimen, T the specimen's learned texture, of which each side
//! shows its own share. Lanes are fixed in number, so that every instruction set adds in the same
//! order and gives the same bits.

// A clamp checks its bounds, which keeps loops from being vectorised.
#![allow(clippy::manual_clamp)]

use multiversion::multiversion;

use super::levels::Levels;
use super::windows::{Line, Windows};
use crate::frame::lanes::{LANES, totals};

/// A side begins this many sigma from the edge.
const CLEAR: f32 = 2.5;
/// The edge's derivative is looked for this many sigma to either side of the edge, to see what
/// score arises where there is no edge.
const BESIDE: f32 = 3.5;
/// One pixel says no more than this for or against a side (log-likelihood).
const SAYS_MOST: f32 = 3.0;
/// Residuals beyond this many sigma are cut: particles, broken pixels.
const RESIDUAL_MOST: f32 = 4.0;

/// Of one side of one line: number of pixels, Σ signal, Σ T, Σ T·signal, Σ T², Σ signal².
pub type SideSums = [f32; 6];

/// Score, information, χ², pixels, and score and information of the edge's width.
#[derive(Clone, Copy, Debug, Default)]
pub struct EdgeSums {
    pub score: f32,
    pub information: f32,
    pub chi2: f32,
    pub pixels: f32,
    pub width_score: f32,
    pub width_information: f32,
}

/// Score and information of an edge that is not there, beside the true one: on lithium, on bare.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullSums {
    pub score: [f32; 2],
    pub information: [f32; 2],
}

/// The normal density and distribution (M. Abramowitz and I. Stegun, 26.2.17, to 1e-6 with the
/// exponential below), without branches.
#[inline(always)]
fn normal(u: f32) -> (f32, f32) {
    let u = u.max(-6.0).min(6.0);
    let density = 0.398_942_3 * exp(-0.5 * u * u);
    let t = 1.0 / (1.0 + 0.231_641_9 * u.abs());
    let series = t
        * (0.319_381_53
            + t * (-0.356_563_78 + t * (1.781_477_9 + t * (-1.821_256 + t * 1.330_274_4))));
    let tail = density * series;
    (density, if u >= 0.0 { 1.0 - tail } else { tail })
}

/// eˣ for −20 ≤ x ≤ 0: a power of two and a polynomial over half an octave to either side, to 2e-7.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 · 2²³ rounds to whole numbers and leaves them in the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    let y = x * std::f32::consts::LOG2_E;
    let shifted = y + ROUNDING;
    let f = (y - (shifted - ROUNDING)) * std::f32::consts::LN_2;
    let series = 1.0
        + f * (1.0
            + f * (0.5
                + f * (0.166_666_67 + f * (0.041_666_67 + f * (0.008_333_33 + f * 0.001_388_89)))));
    series * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// Blocks of as many pixels as there are lanes; their length is known, so that no access is checked.
#[inline(always)]
fn blocks<'a>(
    signal: &'a [f32],
    seen: &'a [f32],
    texture: &'a [f32],
) -> impl Iterator<Item = ((&'a [f32; LANES], &'a [f32; LANES]), &'a [f32; LANES])> {
    let of = |pixels: &'a [f32]| pixels.as_chunks::<LANES>().0.iter();
    of(signal).zip(of(seen)).zip(of(texture))
}

/// The edge of one line in its window, all but its place.
struct Model {
    a: f32,
    b: f32,
    shares: (f32, f32),
    dark: f32,
    gain: f32,
    /// The largest residual that counts, in sigma of the camera's noise.
    most: f32,
}

/// What one pixel says beside the model.
struct Pixel {
    /// The normal density at the pixel.
    density: f32,
    /// Lithium's brightness over the bare specimen's there, counts.
    step: f32,
    residual: f32,
    /// Inverse variance; 0 where nothing was seen.
    weight: f32,
}

impl Model {
    fn of(windows: &Windows, levels: &Levels, line: usize, scatter: f32) -> Model {
        Model {
            a: levels.lithium[line],
            b: levels.bare[line],
            shares: levels.texture_share,
            dark: windows.dark,
            gain: windows.gain,
            most: RESIDUAL_MOST * scatter,
        }
    }

    /// A pixel `u` widths beyond the edge.
    #[inline(always)]
    fn pixel(&self, u: f32, signal: f32, seen: f32, texture: f32) -> Pixel {
        let (a, b) = (self.a, self.b);
        let (density, risen) = normal(u);
        let (ta, tb) = (a + a * self.shares.0 * texture, b + b * self.shares.1 * texture);
        let variance = self.dark + self.gain * (a + (b - a) * risen).max(0.0);
        let limit = self.most * variance.sqrt();
        let residual = (signal - (ta + (tb - ta) * risen)).max(-limit).min(limit);
        Pixel { density, step: ta - tb, residual, weight: seen / variance }
    }
}

/// Both sides of each line (lithium, bare), clear of the edges `edge` (px in the window) of the
/// widths `wide`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn sides(windows: &Windows, edge: &[f32], wide: &[f32], out: &mut Vec<[SideSums; 2]>) {
    out.clear();
    for (line, (edge, wide)) in edge.iter().zip(wide).enumerate() {
        let Line { signal, seen, texture } = windows.line(line);
        let (last, first) = (edge - CLEAR * wide, edge + CLEAR * wide);
        let mut lanes = [[0.0f32; LANES]; 12];
        for (block, ((signal, seen), texture)) in blocks(signal, seen, texture).enumerate() {
            for k in 0..LANES {
                let x = (block * LANES + k) as f32;
                let behind = if x < last { seen[k] } else { 0.0 };
                let ahead = if x > first { seen[k] } else { 0.0 };
                let (s, t) = (signal[k], texture[k]);
                let terms = [1.0, s, t, t * s, t * t, s * s];
                for (j, term) in terms.into_iter().enumerate() {
                    lanes[j][k] += behind * term;
                    lanes[6 + j][k] += ahead * term;
                }
            }
        }
        let sums = totals(&lanes);
        let mut sides = [[0.0; 6]; 2];
        sides[0].copy_from_slice(&sums[..6]);
        sides[1].copy_from_slice(&sums[6..]);
        out.push(sides);
    }
}

/// What each pixel says for the bare specimen and against lithium: the log of its likelihoods'
/// ratio over `excess`, line after line.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn evidence(windows: &Windows, levels: &Levels, excess: f32, out: &mut Vec<f32>) {
    out.resize(windows.signal.len(), 0.0);
    for (line, out) in out.chunks_exact_mut(windows.width).enumerate() {
        let Line { signal, seen, texture } = windows.line(line);
        let (a, b) = (levels.lithium[line], levels.bare[line]);
        let (share_a, share_b) = levels.texture_share;
        let variance = windows.dark + windows.gain * (0.5 * (a + b)).max(0.0);
        let scale = 1.0 / (variance * excess);
        let pixels = signal.iter().zip(seen).zip(texture);
        for (out, ((signal, seen), texture)) in out.iter_mut().zip(pixels) {
            let (ta, tb) = (a + a * share_a * texture, b + b * share_b * texture);
            let ratio = (tb - ta) * (signal - 0.5 * (ta + tb)) * scale;
            *out = seen * ratio.max(-SAYS_MOST).min(SAYS_MOST);
        }
    }
}

/// Score and information of each line's edge at `edge` (px in the window).
///
/// `scatter` is how much wider than the camera's noise residuals are, one sigma over one sigma.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn edges(
    windows: &Windows,
    levels: &Levels,
    edge: &[f32],
    wide: &[f32],
    scatter: f32,
    out: &mut Vec<EdgeSums>,
) {
    out.clear();
    for (line, (edge, wide)) in edge.iter().zip(wide).enumerate() {
        let Line { signal, seen, texture } = windows.line(line);
        let model = Model::of(windows, levels, line, scatter);
        let inverse = 1.0 / wide;
        let mut lanes = [[0.0f32; LANES]; 6];
        for (block, ((signal, seen), texture)) in blocks(signal, seen, texture).enumerate() {
            for k in 0..LANES {
                let u = ((block * LANES + k) as f32 - edge) * inverse;
                let Pixel { density, step, residual, weight } =
                    model.pixel(u, signal[k], seen[k], texture[k]);
                let along = step * density * inverse;
                let by_width = along * u;
                lanes[0][k] += weight * along * residual;
                lanes[1][k] += weight * along * along;
                lanes[2][k] += weight * residual * residual;
                lanes[3][k] += seen[k];
                lanes[4][k] += weight * by_width * residual;
                lanes[5][k] += weight * by_width * by_width;
            }
        }
        let [score, information, chi2, pixels, width_score, width_information] = totals(&lanes);
        out.push(EdgeSums { score, information, chi2, pixels, width_score, width_information });
    }
}

/// Scores of edges that are not there, to either side of those that are.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn nulls(
    windows: &Windows,
    levels: &Levels,
    edge: &[f32],
    wide: &[f32],
    scatter: f32,
    out: &mut Vec<NullSums>,
) {
    out.clear();
    for (line, (edge, wide)) in edge.iter().zip(wide).enumerate() {
        let Line { signal, seen, texture } = windows.line(line);
        let model = Model::of(windows, levels, line, scatter);
        let inverse = 1.0 / wide;
        let fits = edge - 6.0 * wide >= 0.0 && edge + 6.0 * wide <= windows.width as f32 - 1.0;
        if !fits {
            out.push(NullSums::default());
            continue;
        }
        let mut lanes = [[0.0f32; LANES]; 4];
        for (block, ((signal, seen), texture)) in blocks(signal, seen, texture).enumerate() {
            for k in 0..LANES {
                let u = ((block * LANES + k) as f32 - edge) * inverse;
                let Pixel { residual, weight, .. } = model.pixel(u, signal[k], seen[k], texture[k]);
                for (j, centre) in [-BESIDE, BESIDE].into_iter().enumerate() {
                    let (density, _) = normal(u - centre);
                    let along = (model.a - model.b) * density * inverse;
                    lanes[2 * j][k] += weight * along * residual;
                    lanes[2 * j + 1][k] += weight * along * along;
                }
            }
        }
        let [score_a, information_a, score_b, information_b] = totals(&lanes);
        out.push(NullSums {
            score: [score_a, score_b],
            information: [information_a, information_b],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_the_normal_distribution() {
        for (u, value) in [(0.0, 0.5), (1.0, 0.841_344_7), (-2.0, 0.022_750_1), (6.0, 1.0)] {
            assert!((normal(u).1 - value).abs() < 2e-6, "at {u}: {}", normal(u).1);
        }
        for k in 0..=600 {
            let u = k as f32 * 0.01;
            let exact = (-0.5 * f64::from(u) * f64::from(u)).exp() / std::f64::consts::TAU.sqrt();
            assert!((f64::from(normal(u).0) - exact).abs() < 1e-6, "density at {u}");
        }
    }
}

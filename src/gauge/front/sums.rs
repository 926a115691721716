//! Sums over the windows' pixels, the only loops that touch them: brightness of both sides, evidence
//! for each place of the edge, score and information of the erf edge.
//!
//! The edge of a line is `μ(x) = (1 − Φ)·a·(1 + α T) + Φ·b·(1 + β T)`, Φ = Φ((x − p)/s): brightness
//! `a` of lithium and `b` of the bare specimen, T the specimen's learned texture, of which each side
//! shows its own share. Each lane is a line, whose pixels are added in their order, so that every instruction
//! set gives the same bits.

// A clamp checks its bounds, which keeps loops from being vectorised.
#![allow(clippy::manual_clamp)]

use std::ops::Range;

use multiversion::multiversion;

use super::levels::Levels;
use super::normal::{LEVEL, density, normal};
use super::windows::{Pixel, Windows};
use crate::frame::lanes::LANES;

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

/// A number of each line, for as many as there are lanes: those of one block, and `beyond` after the last.
#[inline(always)]
fn of_block(of_lines: &[f32], block: usize, beyond: f32) -> [f32; LANES] {
    std::array::from_fn(|lane| of_lines.get(block * LANES + lane).copied().unwrap_or(beyond))
}

/// Sums that each line has several of, lanes side by side.
type Sums<const N: usize> = [[f32; LANES]; N];

/// Hands the sums of each line of a block on; `count` lines there are.
#[inline(always)]
fn each_line<const N: usize>(
    sums: &Sums<N>,
    block: usize,
    count: usize,
    mut take: impl FnMut([f32; N]),
) {
    for lane in 0..LANES.min(count - block * LANES) {
        take(std::array::from_fn(|k| sums[k][lane]));
    }
}

/// The edges of a block's lines in their windows.
struct Edges {
    place: [f32; LANES],
    /// Inverse widths.
    inverse: [f32; LANES],
    a: [f32; LANES],
    b: [f32; LANES],
    shares: (f32, f32),
    dark: f32,
    gain: f32,
    /// The largest residual that counts, in sigma of the camera's noise.
    most: f32,
}

/// The model at one pixel of each line, without texture.
#[derive(Clone, Copy)]
struct Profile {
    /// The normal density at the pixel.
    density: [f32; LANES],
    /// How much of the step has been taken.
    risen: [f32; LANES],
    /// Inverse standard deviation of the camera's noise, 1/counts.
    sharp: [f32; LANES],
    /// The largest residual that counts, counts.
    limit: [f32; LANES],
}

/// What one pixel says beside the model.
struct Seen {
    /// Lithium's brightness over the bare specimen's there, counts.
    step: f32,
    residual: f32,
    /// Inverse variance; 0 where nothing was seen.
    weight: f32,
}

impl Edges {
    #[inline(always)]
    fn of(
        windows: &Windows,
        levels: &Levels,
        block: usize,
        (edge, wide): (&[f32], &[f32]),
        scatter: f32,
    ) -> Edges {
        Edges {
            place: of_block(edge, block, 0.0),
            inverse: of_block(wide, block, 1.0).map(|wide| 1.0 / wide),
            a: of_block(&levels.lithium, block, 1.0),
            b: of_block(&levels.bare, block, 1.0),
            shares: levels.texture_share,
            dark: windows.dark,
            gain: windows.gain,
            most: RESIDUAL_MOST * scatter,
        }
    }

    /// Widths from the edge of the pixel at `x` in the window of one lane.
    #[inline(always)]
    fn away(&self, lane: usize, x: usize) -> f32 {
        (x as f32 - self.place[lane]) * self.inverse[lane]
    }

    /// The pixels, of so many, that lie less than [`LEVEL`] widths from `centre` widths beside the edge in any of the
    /// lines: elsewhere nothing changes from pixel to pixel.
    #[inline(always)]
    fn about(&self, centre: f32, pixels: usize) -> Range<usize> {
        let (mut first, mut last) = (f32::INFINITY, f32::NEG_INFINITY);
        for lane in 0..LANES {
            let wide = 1.0 / self.inverse[lane];
            first = first.min(self.place[lane] + (centre - LEVEL) * wide);
            last = last.max(self.place[lane] + (centre + LEVEL) * wide);
        }
        // One more on each side: the last bits of the places may differ from those of the widths.
        let first = ((first - 1.0).max(0.0) as usize).min(pixels);
        first..((last + 2.0).max(0.0) as usize).clamp(first, pixels)
    }

    /// The profile so many widths from the edges.
    #[inline(always)]
    fn profile(&self, away: impl Fn(usize) -> f32) -> Profile {
        const NOTHING: [f32; LANES] = [0.0; LANES];
        let mut out = Profile { density: NOTHING, risen: NOTHING, sharp: NOTHING, limit: NOTHING };
        for lane in 0..LANES {
            let (density, risen) = normal(away(lane));
            let (a, b) = (self.a[lane], self.b[lane]);
            let variance = self.dark + self.gain * (a + (b - a) * risen).max(0.0);
            let sharp = 1.0 / variance.sqrt();
            (out.density[lane], out.risen[lane]) = (density, risen);
            (out.sharp[lane], out.limit[lane]) = (sharp, self.most * variance * sharp);
        }
        out
    }

    /// A pixel in the window of one lane, where the profile is this.
    #[inline(always)]
    fn see(&self, lane: usize, profile: &Profile, pixel: &Pixel) -> Seen {
        let (a, b, texture) = (self.a[lane], self.b[lane], pixel.texture[lane]);
        let (ta, tb) = (a + a * self.shares.0 * texture, b + b * self.shares.1 * texture);
        let (sharp, limit) = (profile.sharp[lane], profile.limit[lane]);
        let expected = ta + (tb - ta) * profile.risen[lane];
        let residual = (pixel.signal[lane] - expected).max(-limit).min(limit);
        Seen { step: ta - tb, residual, weight: pixel.seen[lane] * sharp * sharp }
    }
}

/// Both sides of each line (lithium, bare), clear of the edges `edge` (px in the window) of the
/// widths `wide`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn sides(windows: &Windows, edge: &[f32], wide: &[f32], out: &mut Vec<[SideSums; 2]>) {
    out.clear();
    for (block, pixels) in windows.blocks().enumerate() {
        let (edges, wides) = (of_block(edge, block, 0.0), of_block(wide, block, 1.0));
        let ends: [f32; LANES] = std::array::from_fn(|k| edges[k] - CLEAR * wides[k]);
        let begins: [f32; LANES] = std::array::from_fn(|k| edges[k] + CLEAR * wides[k]);
        // Beyond these no line has any of that side.
        let end = (ends.into_iter().fold(0.0, f32::max).ceil() as usize).min(pixels.len());
        let begin =
            (begins.into_iter().fold(f32::INFINITY, f32::min).max(0.0) as usize).min(pixels.len());
        // One side after the other: sums of both would not fit into the registers.
        let [lithium, bare] = [true, false].map(|lithium| {
            let mut sums: Sums<6> = [[0.0; LANES]; 6];
            let part = if lithium { &pixels[..end] } else { &pixels[begin..] };
            let first = if lithium { 0 } else { begin };
            for (k, pixel) in part.iter().enumerate() {
                let x = (first + k) as f32;
                for lane in 0..LANES {
                    let inside = if lithium { x < ends[lane] } else { x > begins[lane] };
                    let seen = if inside { pixel.seen[lane] } else { 0.0 };
                    let (s, t) = (seen * pixel.signal[lane], seen * pixel.texture[lane]);
                    sums[0][lane] += seen;
                    sums[1][lane] += s;
                    sums[2][lane] += t;
                    sums[3][lane] += t * s;
                    sums[4][lane] += t * t;
                    sums[5][lane] += s * s;
                }
            }
            sums
        });
        let both: Sums<12> = std::array::from_fn(|k| if k < 6 { lithium[k] } else { bare[k - 6] });
        each_line(&both, block, edge.len(), |sums| {
            let mut sides = [[0.0; 6]; 2];
            sides[0].copy_from_slice(&sums[..6]);
            sides[1].copy_from_slice(&sums[6..]);
            out.push(sides);
        });
    }
}

/// What the pixels before each place of a window say together for the bare specimen and against lithium, the log of
/// their likelihoods' ratio over `excess`: line after line, one number more than a window has pixels.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn evidence(windows: &Windows, levels: &Levels, excess: f32, out: &mut Vec<f32>) {
    let (places, count) = (windows.width + 1, windows.start.len());
    out.resize(places * count, 0.0);
    let (share_a, share_b) = levels.texture_share;
    for (block, pixels) in windows.blocks().enumerate() {
        let a = of_block(&levels.lithium, block, 1.0);
        let b = of_block(&levels.bare, block, 1.0);
        let lines = &mut out[block * LANES * places..];
        let scale: [f32; LANES] = std::array::from_fn(|lane| {
            let between = (0.5 * (a[lane] + b[lane])).max(0.0);
            1.0 / ((windows.dark + windows.gain * between) * excess)
        });
        let mut sum = [0.0; LANES];
        for (x, pixel) in pixels.iter().enumerate() {
            for lane in 0..LANES {
                let (a, b, texture) = (a[lane], b[lane], pixel.texture[lane]);
                let (ta, tb) = (a + a * share_a * texture, b + b * share_b * texture);
                let ratio = (tb - ta) * (pixel.signal[lane] - 0.5 * (ta + tb)) * scale[lane];
                sum[lane] += pixel.seen[lane] * ratio.max(-SAYS_MOST).min(SAYS_MOST);
            }
            for (line, sum) in lines.chunks_exact_mut(places).zip(sum) {
                line[x + 1] = sum;
            }
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
    for (block, pixels) in windows.blocks().enumerate() {
        let edges = Edges::of(windows, levels, block, (edge, wide), scatter);
        let (before, after) = (edges.profile(|_| -LEVEL), edges.profile(|_| LEVEL));
        let near = edges.about(0.0, pixels.len());
        let mut sums: Sums<6> = [[0.0; LANES]; 6];
        for x in 0..near.start {
            add_edges(&edges, x, &before, &pixels[x], &mut sums);
        }
        for x in near.clone() {
            let profile = edges.profile(|lane| edges.away(lane, x));
            add_edges(&edges, x, &profile, &pixels[x], &mut sums);
        }
        for x in near.end..pixels.len() {
            add_edges(&edges, x, &after, &pixels[x], &mut sums);
        }
        each_line(&sums, block, edge.len(), |sums| {
            let [score, information, chi2, pixels, width_score, width_information] = sums;
            out.push(EdgeSums { score, information, chi2, pixels, width_score, width_information });
        });
    }
}

/// Adds one pixel of each line.
#[inline(always)]
fn add_edges(edges: &Edges, x: usize, profile: &Profile, pixel: &Pixel, sums: &mut Sums<6>) {
    for lane in 0..LANES {
        let Seen { step, residual, weight } = edges.see(lane, profile, pixel);
        let along = step * profile.density[lane] * edges.inverse[lane];
        let by_width = along * edges.away(lane, x);
        sums[0][lane] += weight * along * residual;
        sums[1][lane] += weight * along * along;
        sums[2][lane] += weight * residual * residual;
        sums[3][lane] += pixel.seen[lane];
        sums[4][lane] += weight * by_width * residual;
        sums[5][lane] += weight * by_width * by_width;
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
    for (block, pixels) in windows.blocks().enumerate() {
        let edges = Edges::of(windows, levels, block, (edge, wide), scatter);
        let (before, after) = (edges.profile(|_| -LEVEL), edges.profile(|_| LEVEL));
        let near = edges.about(0.0, pixels.len());
        let beside = [-BESIDE, BESIDE].map(|centre| (centre, edges.about(centre, pixels.len())));
        let mut sums: Sums<4> = [[0.0; LANES]; 4];
        for (x, pixel) in pixels.iter().enumerate() {
            let profile = if x < near.start {
                before
            } else if x < near.end {
                edges.profile(|lane| edges.away(lane, x))
            } else {
                after
            };
            let mut densities = [before.density; 2];
            for ((centre, about), densities) in beside.iter().zip(&mut densities) {
                if about.contains(&x) {
                    for lane in 0..LANES {
                        densities[lane] = density(edges.away(lane, x) - centre);
                    }
                }
            }
            for lane in 0..LANES {
                let Seen { residual, weight, .. } = edges.see(lane, &profile, pixel);
                let step = (edges.a[lane] - edges.b[lane]) * edges.inverse[lane];
                for k in 0..2 {
                    let along = step * densities[k][lane];
                    sums[2 * k][lane] += weight * along * residual;
                    sums[2 * k + 1][lane] += weight * along * along;
                }
            }
        }
        each_line(&sums, block, edge.len(), |[score_a, information_a, score_b, information_b]| {
            out.push(NullSums {
                score: [score_a, score_b],
                information: [information_a, information_b],
            });
        });
    }
    let last = windows.width as f32 - 1.0;
    for ((null, edge), wide) in out.iter_mut().zip(edge).zip(wide) {
        let fits = edge - 6.0 * wide >= 0.0 && edge + 6.0 * wide <= last;
        if !fits {
            *null = NullSums::default();
        }
    }
}

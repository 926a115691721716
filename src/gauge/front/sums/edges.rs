//! Score and information of each line's edge, and of edges that are not there.
//!
//! The edge of a line is `μ(x) = (1 − Φ)·a·(1 + α T) + Φ·b·(1 + β T)`, Φ = Φ((x − p)/s): brightness
//! `a` of lithium and `b` of the bare specimen, T the specimen's learned texture, of which each side
//! shows its own share.

use std::ops::Range;

use multiversion::multiversion;

use super::{Sums, each_line, of_block};
use crate::frame::lanes::LANES;
use crate::gauge::front::levels::Levels;
use crate::gauge::front::normal::{LEVEL, density, normal};
use crate::gauge::front::windows::{Pixel, Windows};

/// The edge's derivative is looked for this many sigma to either side of the edge, to see what
/// score arises where there is no edge.
const BESIDE: f32 = 3.5;
/// Residuals beyond this many sigma are cut: particles, broken pixels.
const RESIDUAL_MOST: f32 = 4.0;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gauge::front::levels::Levels;

    const WIDTH: usize = 32;
    const LINES: usize = LANES + 3;
    const DARK: f64 = 4.0;
    const GAIN: f64 = 1.5;
    const SHARES: (f32, f32) = (0.3, 0.9);

    /// A number from 0 to 1 of a line's pixel, as good as random.
    fn random(line: usize, x: usize) -> f64 {
        ((line * 7919 + x * 104_729 + 13) as f64 * 0.618_033_988_75).fract()
    }

    fn place(line: usize) -> f64 {
        15.0 + 2.0 * random(line, 99)
    }

    fn texture(line: usize, x: usize) -> f64 {
        0.2 * (random(line + 50, x) - 0.5)
    }

    /// Counts: a step from 40 to 70 with noise; one pixel that sees something else, and some that see nothing.
    fn signal(line: usize, x: usize) -> f64 {
        let below = if (x as f64) < place(line) { 40.0 } else { 70.0 };
        if (line, x) == (2, 5) { 400.0 } else { below + 8.0 * (random(line, x) - 0.5) }
    }

    fn seen(line: usize, x: usize) -> f64 {
        if line == 3 && x > 25 { 0.0 } else { 1.0 }
    }

    fn setting() -> (Windows, Levels, Vec<f32>, Vec<f32>) {
        let windows = Windows::of(WIDTH, LINES, (DARK as f32, GAIN as f32), |line, x| {
            [signal(line, x), seen(line, x), texture(line, x)].map(|value| value as f32)
        });
        let levels = Levels {
            lithium: vec![40.0; LINES],
            bare: vec![70.0; LINES],
            texture_share: SHARES,
            ..Levels::default()
        };
        let edge = (0..LINES).map(|line| place(line) as f32 + 0.4).collect();
        (windows, levels, edge, (0..LINES).map(|line| 1.2 + 0.1 * (line % 3) as f32).collect())
    }

    /// Of one pixel in double precision: what remains of it, its variance, and the step there.
    fn model(line: usize, x: usize, u: f64, scatter: f64) -> (f64, f64, f64) {
        let risen = 0.5 * (1.0 + crate::simulate::erf(u / std::f64::consts::SQRT_2));
        let (a, b) = (40.0, 70.0);
        let variance = DARK + GAIN * (a + (b - a) * risen);
        let t = texture(line, x);
        let (ta, tb) = (a * (1.0 + f64::from(SHARES.0) * t), b * (1.0 + f64::from(SHARES.1) * t));
        let limit = f64::from(RESIDUAL_MOST) * scatter * variance.sqrt();
        let residual = (signal(line, x) - (ta + (tb - ta) * risen)).clamp(-limit, limit);
        (residual, variance, ta - tb)
    }

    fn normal_density(u: f64) -> f64 {
        (-0.5 * u * u).exp() / std::f64::consts::TAU.sqrt()
    }

    fn assert_near(what: &str, line: usize, found: f32, expected: f64, scale: f64) {
        let off = (f64::from(found) - expected).abs();
        assert!(off < 2e-3 * scale.abs() + 1e-4, "{what} of line {line}: {found}, not {expected}");
    }

    #[test]
    fn an_edge_is_the_sum_of_its_pixels() {
        let (windows, levels, edge, wide) = setting();
        let mut out = Vec::new();
        edges(&windows, &levels, &edge, &wide, 1.1, &mut out);
        assert_eq!(out.len(), LINES);
        for (line, found) in out.iter().enumerate() {
            let (mut sums, mut size) = ([0.0; 6], [0.0; 6]);
            for x in (0..WIDTH).filter(|x| seen(line, *x) > 0.0) {
                let s = f64::from(wide[line]);
                let u = (x as f64 - f64::from(edge[line])) / s;
                let (residual, variance, step) = model(line, x, u, 1.1);
                let along = step * normal_density(u) / s;
                let of_pixel = [
                    along * residual / variance,
                    along * along / variance,
                    residual * residual / variance,
                    1.0,
                    along * u * residual / variance,
                    along * u * along * u / variance,
                ];
                for k in 0..6 {
                    sums[k] += of_pixel[k];
                    size[k] += of_pixel[k].abs();
                }
            }
            let EdgeSums { score, information, chi2, pixels, width_score, width_information } =
                *found;
            let found = [score, information, chi2, pixels, width_score, width_information];
            for (k, found) in found.into_iter().enumerate() {
                assert_near(&format!("sum {k}"), line, found, sums[k], size[k]);
            }
        }
    }

    #[test]
    fn an_edge_that_is_not_there_is_summed_beside_the_true_one() {
        let (windows, levels, edge, wide) = setting();
        let mut out = Vec::new();
        nulls(&windows, &levels, &edge, &wide, 1.1, &mut out);
        for (line, found) in out.iter().enumerate() {
            for (side, centre) in [-f64::from(BESIDE), f64::from(BESIDE)].into_iter().enumerate() {
                let (mut score, mut information, mut size) = (0.0, 0.0, 0.0);
                for x in (0..WIDTH).filter(|x| seen(line, *x) > 0.0) {
                    let s = f64::from(wide[line]);
                    let u = (x as f64 - f64::from(edge[line])) / s;
                    let (residual, variance, _) = model(line, x, u, 1.1);
                    let along = (40.0 - 70.0) * normal_density(u - centre) / s;
                    score += along * residual / variance;
                    size += (along * residual / variance).abs();
                    information += along * along / variance;
                }
                assert_near("score", line, found.score[side], score, size);
                assert_near("information", line, found.information[side], information, information);
            }
        }
    }

    #[test]
    fn nothing_is_summed_beside_an_edge_near_its_windows_end() {
        let (windows, levels, _, wide) = setting();
        let mut out = Vec::new();
        nulls(&windows, &levels, &[6.0; LINES], &wide, 1.0, &mut out);
        assert!(out.iter().all(|null| null.information == [0.0; 2] && null.score == [0.0; 2]));
    }
}

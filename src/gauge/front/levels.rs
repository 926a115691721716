//! Brightness of lithium and of the bare specimen beside each line's edge, shared among neighbouring
//! lines, and how much of the learned texture each side shows.

use multiversion::multiversion;

use super::sums::SideSums;

/// Lines (one sigma) over which brightness is shared; where that shows no step, more.
const SHARED_LINES: f64 = 24.0;
const SHARED_WIDELY: f64 = 96.0;
/// The step must stand this many sigma above the noise in the near lines, or this many in the far
/// ones and a little in the near.
const SIGNIFICANCE: f32 = 4.0;
const SIGNIFICANCE_WIDE: f32 = 6.0;
const SIGNIFICANCE_LITTLE: f32 = 0.5;
/// A line of its own varies in brightness with the texture, and neighbours vary alike.
const ALIKE_LINES: f64 = 3.0;
/// A side that differs from its neighbours' by more than this many sigma shows something else: a
/// particle.
const STRANGE: f64 = 5.0;
/// How freely a line's contrast differs from what the frames before had, as a share of it.
const CONTRAST_FREEDOM: f64 = 0.3;

/// Brightness beside each line's edge, counts above the offset.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    pub lithium: Vec<f32>,
    pub bare: Vec<f32>,
    /// Whether there is a step of the right sign.
    pub significant: Vec<bool>,
    /// Share of the learned texture that lithium and the bare specimen show.
    pub texture_share: (f32, f32),
    /// Lithium's brightness over the bare specimen's, less 1, over all lines; and its one sigma.
    pub contrast: (f64, f64),
}

impl Levels {
    /// From the sides' sums. `sign` is 1 where lithium is darker, −1 where it is brighter;
    /// `expected` the contrast of earlier frames; `noise` the variance (dark, per count).
    pub fn of(
        sides: &[[SideSums; 2]],
        sign: f32,
        expected: Option<(f64, f64)>,
        noise: (f32, f32),
    ) -> Levels {
        let share = |side: usize| texture_share(sides, side);
        let texture_share = (share(0), share(1));
        let rows: Vec<[f64; 4]> = sides
            .iter()
            .map(|[a, b]| {
                // What the side would add up to at brightness 1.
                let unit = |s: &SideSums, share: f32| f64::from(s[0] + share * s[2]);
                [
                    f64::from(a[1]),
                    unit(a, texture_share.0),
                    f64::from(b[1]),
                    unit(b, texture_share.1),
                ]
            })
            .collect();
        let count = rows.len();
        let near = shared(&rows, SHARED_LINES);
        let levels = levels(&near);
        let scatter = [0, 1].map(|side| line_scatter(sides, &levels, side));
        let noise = Noise { camera: [noise.0, noise.1].map(f64::from), scatter, lines: count };
        let errors = noise.of_steps(&near, &levels, SHARED_LINES);
        let contrast = overall(&rows, &noise);
        let mut out = Levels { texture_share, contrast, ..Levels::default() };
        out.significant.reserve(count);
        out.lithium.reserve(count);
        out.bare.reserve(count);
        // Only weak steps are looked for in more lines.
        let mut far: Option<Vec<[f64; 4]>> = None;
        for (line, near) in near.iter().enumerate() {
            let ([a, b], sigma) = (levels[line], errors[line]);
            let sign = f64::from(sign);
            let here = (sign * (b - a) / sigma) as f32;
            let strange = [(0, a), (1, b)].into_iter().any(|(side, level)| {
                let [pixels, sum, ..] = sides[line][side].map(f64::from);
                pixels >= 3.0 && (sum / pixels - level).powi(2) > STRANGE * STRANGE * scatter[side]
            });
            let step = here > SIGNIFICANCE
                || here > SIGNIFICANCE_LITTLE && {
                    let far = &far.get_or_insert_with(|| shared(&rows, SHARED_WIDELY))[line];
                    let [a, b] = level(far);
                    let sigma = noise.of_step(far, [a, b], noise.lines_in(SHARED_WIDELY));
                    sign * (b - a) > f64::from(SIGNIFICANCE_WIDE) * sigma
                };
            out.significant.push(step && !strange);
            let (a, b) = match expected {
                Some((contrast, its_error)) if a.is_finite() && b.is_finite() => {
                    let free =
                        ((CONTRAST_FREEDOM * contrast).powi(2) + its_error * its_error).sqrt() * b;
                    towards((a, b), contrast, sigma, free, near[1] / (near[1] + near[3]))
                }
                _ => (a, b),
            };
            out.lithium.push(if a.is_finite() { a as f32 } else { 0.0 });
            out.bare.push(if b.is_finite() { b as f32 } else { 0.0 });
        }
        out
    }
}

/// Moves both levels so that their step lies between what was seen and what was expected, each by
/// its certainty; their weighted mean stays.
fn towards((a, b): (f64, f64), contrast: f64, sigma: f64, free: f64, share_a: f64) -> (f64, f64) {
    let (seen, expected) = (a - b, contrast * b);
    let trust = free * free / (free * free + sigma * sigma);
    let step = trust * seen + (1.0 - trust) * expected;
    let mean = share_a * a + (1.0 - share_a) * b;
    (mean + (1.0 - share_a) * step, mean - share_a * step)
}

/// By least squares over all lines: how much of the texture a side shows. Where the texture is known
/// badly the share is small by itself, as it should be.
fn texture_share(sides: &[[SideSums; 2]], side: usize) -> f32 {
    let (mut pixels, mut signal) = (0.0f64, 0.0f64);
    for sums in sides {
        pixels += f64::from(sums[side][0]);
        signal += f64::from(sums[side][1]);
    }
    let level = signal / pixels.max(1.0);
    let (mut with, mut power) = (0.0f64, 0.0f64);
    for sums in sides {
        let [n, s, t, ts, tt, _] = sums[side].map(f64::from);
        if n > 0.0 {
            // Each line about its own mean: shading is no texture.
            with += ts - t * s / n;
            power += tt - t * t / n;
        }
    }
    if power > 0.0 && level > 0.0 { (with / (level * power)).clamp(0.0, 1.5) as f32 } else { 0.0 }
}

/// Brightness of both sides of a row of their sums.
#[inline(always)]
fn level(row: &[f64; 4]) -> [f64; 2] {
    [row[0] / row[1], row[2] / row[3]]
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn levels(rows: &[[f64; 4]]) -> Vec<[f64; 2]> {
    let mut out = vec![[0.0; 2]; rows.len()];
    for (out, row) in out.iter_mut().zip(rows) {
        *out = level(row);
    }
    out
}

/// Variance of a line's own mean about the shared level, counts².
fn line_scatter(sides: &[[SideSums; 2]], levels: &[[f64; 2]], side: usize) -> f64 {
    let mut squares: Vec<f64> = sides
        .iter()
        .zip(levels)
        .filter(|(sums, _)| sums[side][0] >= 3.0)
        .map(|(sums, level)| (f64::from(sums[side][1] / sums[side][0]) - level[side]).powi(2))
        .collect();
    if squares.is_empty() {
        return f64::INFINITY;
    }
    let middle = squares.len() / 2;
    // The median of a squared normal number is 0.455 of its variance.
    *squares.select_nth_unstable_by(middle, f64::total_cmp).1 / 0.455
}

/// What shared levels err by: the noise of their pixels, and their texture.
struct Noise {
    /// Variance without signal, counts², and per count.
    camera: [f64; 2],
    /// Variance of a line's own mean on each side, counts².
    scatter: [f64; 2],
    /// All lines.
    lines: usize,
}

impl Noise {
    /// So many lines a mean over neighbours of this sigma is worth.
    fn lines_in(&self, sigma: f64) -> f64 {
        (3.5 * sigma).min(self.lines as f64)
    }

    /// One sigma of the step of both levels (counts) of one row's sums, shared by so many lines.
    #[inline(always)]
    fn of_step(&self, row: &[f64; 4], level: [f64; 2], lines: f64) -> f64 {
        let mut variance = [0.0; 2];
        for side in 0..2 {
            let counts = level[side].max(0.0);
            let pixels = row[2 * side + 1] * lines;
            let white = (self.camera[0] + self.camera[1] * counts) / pixels;
            variance[side] = white.max(ALIKE_LINES * self.scatter[side] / lines);
        }
        (variance[0] + variance[1]).sqrt()
    }

    fn of_steps(&self, rows: &[[f64; 4]], levels: &[[f64; 2]], sigma: f64) -> Vec<f64> {
        of_steps(self, rows, levels, self.lines_in(sigma))
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn of_steps(noise: &Noise, rows: &[[f64; 4]], levels: &[[f64; 2]], lines: f64) -> Vec<f64> {
    let mut out = vec![0.0; rows.len()];
    for (out, (row, level)) in out.iter_mut().zip(rows.iter().zip(levels)) {
        *out = noise.of_step(row, *level, lines);
    }
    out
}

/// Contrast over all lines, and its one sigma.
fn overall(rows: &[[f64; 4]], noise: &Noise) -> (f64, f64) {
    let mut sum = [0.0; 4];
    for row in rows {
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += value;
        }
    }
    let [a, b] = level(&sum);
    let mean = sum.map(|value| value / rows.len() as f64);
    let error = noise.of_step(&mean, level(&mean), noise.lines_in(rows.len() as f64));
    (a / b - 1.0, error / b)
}

/// Three running means, nearly a Gaussian of this sigma; numbers that are summed stay comparable,
/// since all columns are treated alike.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn shared(rows: &[[f64; 4]], sigma: f64) -> Vec<[f64; 4]> {
    // The variance of a mean over 2r + 1 is r(r + 1)/3.
    let radius = ((sigma * sigma + 0.25).sqrt() - 0.5).round().max(1.0) as usize;
    let of_all = 1.0 / (2 * radius + 1) as f64;
    let (count, reach) = (rows.len(), radius.min(rows.len()));
    let mut from = rows.to_vec();
    let mut sums = vec![[0.0; 4]; count + 1];
    for _ in 0..3 {
        let mut sum = [0.0; 4];
        for (sums, row) in sums[1..].iter_mut().zip(&from) {
            (0..4).for_each(|j| sum[j] += row[j]);
            *sums = sum;
        }
        let inside = reach..count.saturating_sub(radius).max(reach);
        let ends = sums[(2 * radius + 1).min(count + 1)..].as_flattened();
        let pairs = ends.iter().zip(sums.as_flattened());
        for (out, (end, first)) in from[inside.clone()].as_flattened_mut().iter_mut().zip(pairs) {
            *out = (end - first) * of_all;
        }
        for k in (0..inside.start).chain(inside.end..count) {
            let (first, end) = (k.saturating_sub(radius), (k + radius + 1).min(count));
            let share = 1.0 / (end - first) as f64;
            from[k] = std::array::from_fn(|j| (sums[end][j] - sums[first][j]) * share);
        }
    }
    from
}

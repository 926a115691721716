//! Finding a crack that runs along an image axis: the path along which the contrast of a ridge is greatest (dynamic
//! programming, after A. A. Amini, T. E. Weymouth and R. C. Jain, IEEE PAMI 12, 855, 1990).

use multiversion::multiversion;

use super::Crack;
use super::curve::Curve;
use crate::gauge::View;
use crate::gauge::lines::Lines;

/// Stations that are averaged before the search.
const AVERAGE: usize = 9;
/// Widths of the ridge that are tried, px.
const WIDTHS: [usize; 4] = [3, 5, 9, 17];
/// Flanks that tell the background, px.
const FLANK: usize = 8;
/// The path moves at most this far from station to station.
const STEP_MOST: usize = 2;
/// What a step sideways costs, in sigma of contrast.
const STEP_COST: f32 = 0.35;
/// One sigma of the smoothing of the found path, stations.
const SMOOTH: f64 = 6.0;

/// The path, a node for each line, and about half the opening at each, px.
pub fn search(crack: &Crack, lines: &Lines, view: &View<'_>) -> (Curve, Vec<f32>) {
    let (count, length) = (lines.count, lines.length);
    let image = averaged(&lines.read_all(view), count, length);
    let mut merit = vec![0.0f32; count * length];
    let mut wide = vec![0u8; count * length];
    let noise = view.noise();
    let scatter = Scatter {
        offset: noise.offset_counts,
        dark: noise.variance(noise.offset_counts),
        gain: noise.gain_counts_per_electron,
    };
    let mut sums = Vec::new();
    for (line, (merit, wide)) in
        merit.chunks_exact_mut(length).zip(wide.chunks_exact_mut(length)).enumerate()
    {
        prefix_sums(&image[line * length..(line + 1) * length], &mut sums);
        ridge(&sums, f64::from(crack.sign()), &scatter, merit, wide);
    }
    let path = best_path(&merit, count, length);
    let rows: Vec<[f64; 1]> = path.iter().map(|u| [*u as f64]).collect();
    let region = crack.config.region;
    let points = crate::gauge::smooth::smooth_columns(&rows, SMOOTH)
        .iter()
        .zip(lines.across())
        .map(|([u], along)| {
            if lines.is_along_x() {
                [*u as f32 + region.x as f32, along]
            } else {
                [along, *u as f32 + region.y as f32]
            }
        })
        .collect();
    let half = path
        .iter()
        .enumerate()
        .map(|(line, u)| 0.5 * f32::from(wide[line * length + u]).max(1.0))
        .collect();
    (Curve { points }, half)
}

/// Running means over the stations.
fn averaged(image: &[f32], count: usize, length: usize) -> Vec<f32> {
    let mut out = vec![0.0; image.len()];
    for line in 0..count {
        let from = line.saturating_sub(AVERAGE / 2);
        let to = (line + AVERAGE / 2 + 1).min(count);
        let row = &mut out[line * length..(line + 1) * length];
        for other in from..to {
            for (sum, value) in row.iter_mut().zip(&image[other * length..(other + 1) * length]) {
                *sum += value;
            }
        }
        row.iter_mut().for_each(|value| *value /= (to - from) as f32);
    }
    out
}

/// Noise of means over pixels, counts.
struct Scatter {
    offset: f64,
    /// Variance of a pixel without signal, and per count of it.
    dark: f64,
    gain: f64,
}

impl Scatter {
    /// Variance of a mean over so many pixels. A mean over texture scatters by some percent, however
    /// many electrons there are.
    #[inline(always)]
    fn variance(&self, counts: f64, pixels: f64) -> f64 {
        let signal = counts - self.offset;
        let texture = 0.03 * signal;
        (self.dark + self.gain * signal.max(0.0)) / pixels + texture * texture
    }
}

/// Sums of the pixels before each; what was not seen counts nothing.
fn prefix_sums(row: &[f32], sums: &mut Vec<f64>) {
    sums.clear();
    sums.push(0.0);
    let mut sum = 0.0;
    for value in row {
        sum += f64::from(if value.is_finite() { *value } else { 0.0 });
        sums.push(sum);
    }
}

/// For each place, the most significant contrast of a ridge there, in sigma, and its width.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn ridge(sums: &[f64], sign: f64, scatter: &Scatter, merit: &mut [f32], wide: &mut [u8]) {
    for width in WIDTHS {
        let half = width / 2;
        let reach = half + 1 + FLANK;
        let places = merit.len().saturating_sub(2 * reach);
        if places == 0 {
            continue;
        }
        // From the first place on: the sums at the borders of both flanks and of what is between.
        let at = |border: usize| &sums[border..border + places];
        let (left, inside) = ([at(0), at(FLANK)], [at(FLANK + 1), at(FLANK + 1 + width)]);
        let right = [at(FLANK + 2 + width), at(2 * FLANK + 2 + width)];
        let flank = 1.0 / FLANK as f64;
        let pixels = (AVERAGE * width) as f64;
        let own = merit[reach..reach + places].iter_mut().zip(&mut wide[reach..reach + places]);
        for (k, (merit, wide)) in own.enumerate() {
            let middle = (inside[1][k] - inside[0][k]) / width as f64;
            let (a, b) = ((left[1][k] - left[0][k]) * flank, (right[1][k] - right[0][k]) * flank);
            // The flank that is nearer to the inside decides: an edge is no ridge.
            let (near_a, near_b) = (sign * (a - middle), sign * (b - middle));
            let contrast = if near_a < near_b { near_a } else { near_b };
            let found = (contrast / scatter.variance(0.5 * (a + b), pixels).sqrt()) as f32;
            let better = found > *merit;
            *merit = if better { found } else { *merit };
            *wide = if better { width as u8 } else { *wide };
        }
    }
}

fn best_path(merit: &[f32], count: usize, length: usize) -> Vec<usize> {
    // Beyond this a place is certain; a single bright spot must not bend the whole path.
    let value = |line: usize, u: usize| merit[line * length + u].min(12.0);
    let mut total: Vec<f32> = (0..length).map(|u| value(0, u)).collect();
    let mut from = vec![0u32; count * length];
    for line in 1..count {
        let mut next = vec![f32::NEG_INFINITY; length];
        for u in 0..length {
            for j in u.saturating_sub(STEP_MOST)..(u + STEP_MOST + 1).min(length) {
                let candidate = total[j] - STEP_COST * j.abs_diff(u) as f32;
                if candidate > next[u] {
                    next[u] = candidate;
                    from[line * length + u] = j as u32;
                }
            }
            next[u] += value(line, u);
        }
        total = next;
    }
    let mut at = (0..length).max_by(|a, b| total[*a].total_cmp(&total[*b])).unwrap_or(0);
    let mut path = vec![at; count];
    for line in (1..count).rev() {
        at = from[line * length + at] as usize;
        path[line - 1] = at;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn most_evident(row: &[f32]) -> Option<(usize, u8)> {
        let (mut sums, scatter) = (Vec::new(), Scatter { offset: 0.0, dark: 1.0, gain: 1.0 });
        let (mut merit, mut wide) = (vec![0.0; row.len()], vec![0; row.len()]);
        prefix_sums(row, &mut sums);
        ridge(&sums, 1.0, &scatter, &mut merit, &mut wide);
        let best = (0..row.len()).max_by(|a, b| merit[*a].total_cmp(&merit[*b]))?;
        (merit[best] > 0.0).then_some((best, wide[best]))
    }

    #[test]
    fn a_ridge_is_found_with_its_width_and_none_where_there_is_no_room() {
        let mut row = vec![50.0; 80];
        row[31..36].fill(10.0);
        assert_eq!(most_evident(&row), Some((33, 5)));
        for narrow in 0..24 {
            assert_eq!(most_evident(&row[..narrow]), None, "a row of {narrow}");
        }
    }
}

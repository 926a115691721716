//! Finding a crack that runs along an image axis: the path along which the contrast of a ridge is greatest (dynamic
//! programming, after A. A. Amini, T. E. Weymouth and R. C. Jain, IEEE PAMI 12, 855, 1990).

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
    for (line, (merit, wide)) in
        merit.chunks_exact_mut(length).zip(wide.chunks_exact_mut(length)).enumerate()
    {
        let row = &image[line * length..(line + 1) * length];
        ridge(row, crack.sign(), merit, wide, |counts, pixels| {
            // A mean over texture scatters by some percent, however many electrons there are.
            let texture = 0.03 * (counts - view.noise().offset_counts);
            view.noise().variance(counts) / pixels as f64 + texture * texture
        });
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

/// For each place, the most significant contrast of a ridge there, in sigma, and its width.
fn ridge(
    row: &[f32],
    sign: f32,
    merit: &mut [f32],
    wide: &mut [u8],
    variance: impl Fn(f64, usize) -> f64,
) {
    let mut sums = vec![0.0f64; row.len() + 1];
    for (k, value) in row.iter().enumerate() {
        sums[k + 1] = sums[k] + f64::from(if value.is_finite() { *value } else { 0.0 });
    }
    let mean = |from: usize, to: usize| (sums[to] - sums[from]) / (to - from) as f64;
    for width in WIDTHS {
        let half = width / 2;
        let reach = half + 1 + FLANK;
        for u in reach..row.len().saturating_sub(reach) {
            let inside = mean(u - half, u + half + 1);
            let left = mean(u - reach, u - half - 1);
            let right = mean(u + half + 2, u + reach + 1);
            // The flank that is nearer to the inside decides: an edge is no ridge.
            let contrast =
                (f64::from(sign) * (left - inside)).min(f64::from(sign) * (right - inside));
            let level = 0.5 * (left + right);
            let noise = variance(level, AVERAGE * width);
            let found = (contrast / noise.sqrt()) as f32;
            if found > merit[u] {
                merit[u] = found;
                wide[u] = width as u8;
            }
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

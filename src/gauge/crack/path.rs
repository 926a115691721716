//! Finding the crack: the path along which the contrast of a ridge is greatest (dynamic
//! programming, after A. A. Amini, T. E. Weymouth and R. C. Jain, IEEE PAMI 12, 855, 1990).

use super::{Crack, Known};
use crate::gauge::View;

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

/// The path in reference coordinates, with a first guess of opening and depth.
pub fn search(crack: &Crack, view: &View<'_>) -> Known {
    let (count, length) = (crack.lines.count, crack.lines.length);
    let image = averaged(&crack.lines.read_all(view), count, length);
    let offset = view.noise().offset_counts as f32;
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
    let centre: Vec<f32> =
        crate::gauge::smooth::smooth_columns(&rows, SMOOTH).iter().map(|[u]| *u as f32).collect();
    let psf_px = crack.config.psf_px.unwrap_or(1.2) as f32;
    let depth = crack.config.depth.map_or_else(
        || deepest(&image, &path, &wide, length, offset, crack.sign()),
        |depth| depth as f32,
    );
    let opening = path
        .iter()
        .enumerate()
        .map(|(line, u)| {
            let row = &image[line * length..(line + 1) * length];
            integrated(row, *u, usize::from(wide[line * length + u]), offset, crack.sign()) / depth
        })
        .map(|opening| opening.clamp(0.2, crack.config.max_width_px as f32))
        .collect();
    Known {
        centre,
        opening,
        depth: depth * crack.sign(),
        psf_px,
        // What a search says of both is a guess.
        depth_information: 0.2f32.powi(-2),
        psf_information: 0.3f32.powi(-2),
    }
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

/// The brightness that is lacking (or more, with sign −1) about `u`, as a length of full depth.
fn integrated(row: &[f32], u: usize, width: usize, offset: f32, sign: f32) -> f32 {
    let half = width / 2 + 2;
    let (from, to) = (u.saturating_sub(half), (u + half + 1).min(row.len()));
    let flank = |a: usize, b: usize| -> f32 {
        let part = &row[a.min(row.len())..b.min(row.len())];
        part.iter().sum::<f32>() / part.len().max(1) as f32
    };
    let left = flank(from.saturating_sub(FLANK), from);
    let right = flank(to, to + FLANK);
    let background = match (from > 0, to < row.len()) {
        (true, true) => 0.5 * (left + right),
        (true, false) => left,
        _ => right,
    } - offset;
    if !(background > 0.0) {
        return 0.0;
    }
    row[from..to].iter().map(|v| sign * (1.0 - (v - offset) / background)).sum()
}

/// The depth of the crack's widest part: the contrast of its middle against its flanks.
fn deepest(
    image: &[f32],
    path: &[usize],
    wide: &[u8],
    length: usize,
    offset: f32,
    sign: f32,
) -> f32 {
    let mut depths: Vec<f32> = path
        .iter()
        .enumerate()
        .filter_map(|(line, u)| {
            let row = &image[line * length..(line + 1) * length];
            let half = usize::from(wide[line * length + u]) / 2 + 3;
            let (left, right) = (u.checked_sub(half + FLANK)?, u + half + FLANK);
            let flank = (row.get(left..u - half)?.iter().sum::<f32>()
                + row.get(u + half..right)?.iter().sum::<f32>())
                / (2 * FLANK) as f32
                - offset;
            let middle = row.get(u.checked_sub(1)?..u + 2)?.iter().sum::<f32>() / 3.0 - offset;
            (flank > 0.0).then_some(sign * (1.0 - middle / flank))
        })
        .filter(|depth| depth.is_finite())
        .collect();
    depths.sort_by(f32::total_cmp);
    let high = depths.get(depths.len() * 9 / 10).copied().unwrap_or(0.5);
    // A narrow crack never shows its depth; a guess from below would make it too wide.
    high.clamp(0.5, 1.0)
}

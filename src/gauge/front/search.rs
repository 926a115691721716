//! Finding the front anywhere in the region: the best split of each band of lines into a lithium
//! side and a bare side, under continuity from band to band (dynamic programming).

use super::Front;
use super::config::Lithium;
use crate::gauge::View;

/// Lines that are averaged to a band.
const BAND: usize = 8;
/// Log-likelihood that one pixel of jump between bands costs.
const JUMP_COST: f64 = 0.6;
/// Farthest jump between two bands, px.
const JUMP_MOST: usize = 48;
/// A split must be this much likelier than none, for the average band.
const EVIDENCE_LEAST: f64 = 12.0;
/// Pixels at either end of a line in which no split is looked for.
const END: usize = 4;

/// A coarse contour, px from the starting edge for each line; nothing when there is no front.
pub fn search(front: &Front, view: &View<'_>) -> Option<Vec<f32>> {
    let lines = &front.lines;
    let bands = lines.count.div_ceil(BAND);
    let mut evidence = Vec::with_capacity(bands);
    let mut sum = vec![0.0f32; lines.length];
    let mut line_pixels = vec![0.0f32; lines.length];
    for band in 0..bands {
        sum.fill(0.0);
        let members = band * BAND..((band + 1) * BAND).min(lines.count);
        for line in members.clone() {
            lines.read(view, line, 0, &mut line_pixels);
            for (sum, value) in sum.iter_mut().zip(&line_pixels) {
                *sum += value;
            }
        }
        let count = members.len() as f32;
        sum.iter_mut().for_each(|value| *value /= count);
        evidence.push(splits(&sum, count, front.config.lithium, view));
    }
    let path = best_path(&evidence)?;
    Some(spread(&path, lines.count))
}

/// For each place of a split, how much likelier it is than no split at all.
fn splits(profile: &[f32], lines: f32, lithium: Lithium, view: &View<'_>) -> Vec<f64> {
    let n = profile.len();
    let finite: Vec<f64> = profile
        .iter()
        .map(|v| f64::from(*v))
        .scan(f64::NAN, |last, value| {
            // What is out of view repeats what is in view, and so speaks for no split.
            if value.is_finite() {
                *last = value;
            }
            Some(*last)
        })
        .collect();
    let first = finite.iter().copied().find(|v| v.is_finite()).unwrap_or(0.0);
    let value = |k: usize| if finite[k].is_finite() { finite[k] } else { first };
    let total: f64 = (0..n).map(value).sum();
    let mean = total / n as f64;
    // Texture scatters beyond the camera's noise; a tenth of the mean is usual.
    let signal = mean - view.noise().offset_counts;
    let variance = view.noise().variance(mean) / f64::from(lines) + (0.07 * signal).powi(2);
    let mut behind = 0.0;
    let mut out = vec![f64::NEG_INFINITY; n];
    for k in 1..n {
        behind += value(k - 1);
        let (n1, n2) = (k as f64, (n - k) as f64);
        let step = (total - behind) / n2 - behind / n1;
        let right_sign = match lithium {
            Lithium::Dark => step > 0.0,
            Lithium::Bright => step < 0.0,
        };
        if k >= END && k + END <= n {
            let likelier = n1 * n2 / n as f64 * step * step / (2.0 * variance);
            // Neighbouring pixels of texture are not independent.
            out[k] = if right_sign { likelier / 4.0 } else { 0.0 };
        }
    }
    out
}

/// The likeliest continuous sequence of splits.
fn best_path(evidence: &[Vec<f64>]) -> Option<Vec<usize>> {
    let length = evidence.first()?.len();
    let mut total = evidence[0].clone();
    let mut from: Vec<Vec<usize>> = Vec::with_capacity(evidence.len());
    for band in &evidence[1..] {
        let mut next = vec![f64::NEG_INFINITY; length];
        let mut origin = vec![0; length];
        for k in 0..length {
            let reach = k.saturating_sub(JUMP_MOST)..(k + JUMP_MOST + 1).min(length);
            for j in reach {
                let value = total[j] - JUMP_COST * j.abs_diff(k) as f64;
                if value > next[k] {
                    next[k] = value;
                    origin[k] = j;
                }
            }
            next[k] += band[k];
        }
        from.push(origin);
        total = next;
    }
    let mut at = (0..length).max_by(|a, b| total[*a].total_cmp(&total[*b]))?;
    if total[at] < EVIDENCE_LEAST * evidence.len() as f64 {
        return None;
    }
    let mut path = vec![at];
    for origin in from.iter().rev() {
        at = origin[at];
        path.push(at);
    }
    path.reverse();
    Some(path)
}

/// From bands to lines, linearly between the bands' middles.
fn spread(path: &[usize], count: usize) -> Vec<f32> {
    (0..count)
        .map(|line| {
            let place =
                ((line as f32 + 0.5) / BAND as f32 - 0.5).clamp(0.0, (path.len() - 1) as f32);
            let k = (place as usize).min(path.len() - 1);
            let next = (k + 1).min(path.len() - 1);
            let share = place - k as f32;
            // A split between the pixels k − 1 and k stands at k − 0.5.
            path[k] as f32 + share * (path[next] as f32 - path[k] as f32) - 0.5
        })
        .collect()
}

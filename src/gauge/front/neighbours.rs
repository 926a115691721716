//! What lines take over from those beside them.

use super::contour::TEAR_PX;

/// Gaussian means over neighbouring lines of the same piece: a piece ends where the contour is torn.
pub fn smoothed(values: &[f32], contour: &[f32], sigma: f64) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as usize;
    let taps: Vec<f32> =
        (0..=reach).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp() as f32).collect();
    let mut out = Vec::with_capacity(values.len());
    let mut first = 0;
    while first < values.len() {
        let torn = |k: &usize| (contour[*k] - contour[*k - 1]).abs() > TEAR_PX;
        let end = (first + 1..values.len()).find(torn).unwrap_or(values.len());
        for k in first..end {
            let (mut sum, mut total) = (0.0, 0.0);
            for j in first.max(k.saturating_sub(reach))..end.min(k + reach + 1) {
                let tap = taps[j.abs_diff(k)];
                sum += tap * values[j];
                total += tap;
            }
            out.push(sum / total);
        }
        first = end;
    }
    out
}

/// Of some lines, in order, those next to `line` before and after it.
pub fn nearest(known: &[usize], line: usize) -> (Option<usize>, Option<usize>) {
    let next = known.partition_point(|k| *k < line);
    (next.checked_sub(1).map(|at| known[at]), known.get(next).copied())
}

/// Lines without an edge take that of the nearest line that has one.
pub fn fill_gaps(contour: &mut [f32]) {
    let known: Vec<usize> = (0..contour.len()).filter(|k| contour[*k].is_finite()).collect();
    for k in 0..contour.len() {
        if contour[k].is_nan() {
            let nearest = match nearest(&known, k) {
                (Some(before), Some(after)) if k - before <= after - k => Some(before),
                (before, after) => after.or(before),
            };
            contour[k] = nearest.map_or(0.0, |nearest| contour[nearest]);
        }
    }
}

//! What lines take over from those beside them.

use super::contour::TEAR_PX;

/// The power of a Gaussian mean over lines of this sigma; so many lines, inversely, err alike then.
pub fn power(lines: f64) -> f32 {
    0.282 / lines as f32
}

/// Gaussian means over neighbouring lines of the same piece: a piece ends where the contour is torn.
pub fn means(values: &[f32], contour: &[f32], sigma: f64) -> Vec<f32> {
    over_neighbours(values, contour, sigma, |seen, _| seen.sum / seen.total)
}

/// The same of something that slopes. Beside its piece's end a mean would be that of a place further inside: it is the
/// value of the straight line through the lines on the one side (J. Fan and I. Gijbels, *Local Polynomial Modelling*,
/// 1996).
pub fn smoothed(values: &[f32], contour: &[f32], sigma: f64) -> Vec<f32> {
    over_neighbours(values, contour, sigma, |seen, at_end| {
        if !at_end {
            return seen.sum / seen.total;
        }
        let scale = seen.total * seen.square - seen.way * seen.way;
        (seen.square * seen.sum - seen.way * seen.sum_way) / scale
    })
}

/// Weighted sums over the lines about one: of the weights, values, distances, their products and squares.
#[derive(Default)]
struct Sums {
    total: f32,
    sum: f32,
    way: f32,
    sum_way: f32,
    square: f32,
}

/// What `of` makes of each line's sums, and of whether it stands beside an end of a piece that has lines enough for a
/// slope.
fn over_neighbours(
    values: &[f32],
    contour: &[f32],
    sigma: f64,
    of: impl Fn(&Sums, bool) -> f32,
) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as usize;
    let taps: Vec<f32> =
        (0..=reach).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp() as f32).collect();
    let mut out = Vec::with_capacity(values.len());
    let mut first = 0;
    while first < values.len() {
        let torn = |k: &usize| (contour[*k] - contour[*k - 1]).abs() > TEAR_PX;
        let end = (first + 1..values.len()).find(torn).unwrap_or(values.len());
        for k in first..end {
            let lines = first.max(k.saturating_sub(reach))..end.min(k + reach + 1);
            let mut seen = Sums::default();
            for j in lines.clone() {
                let (tap, way) = (taps[j.abs_diff(k)], j as f32 - k as f32);
                seen.total += tap;
                seen.sum += tap * values[j];
                seen.way += tap * way;
                seen.sum_way += tap * way * values[j];
                seen.square += tap * way * way;
            }
            out.push(of(&seen, lines.len() > reach && lines.len() < 2 * reach + 1));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_goes_on_to_the_end() {
        let slope: Vec<f32> = (0..100).map(|k| 0.3 * k as f32).collect();
        for (found, true_value) in smoothed(&slope, &slope, 4.0).iter().zip(&slope) {
            assert!((found - true_value).abs() < 1e-3, "{found}, not {true_value}");
        }
        assert!(means(&slope, &slope, 4.0)[0] > 0.8);
    }

    #[test]
    fn nothing_is_shared_over_a_tear() {
        let wall: Vec<f32> = (0..60).map(|k| if k < 30 { 10.0 } else { 50.0 }).collect();
        let smooth = smoothed(&wall, &wall, 4.0);
        assert!(smooth.iter().zip(&wall).all(|(a, b)| (a - b).abs() < 1e-3));
    }
}

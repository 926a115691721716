//! What lines take over from those beside them.

use std::ops::Range;

use multiversion::multiversion;

use super::contour::TEAR_PX;
use crate::frame::lanes::LANES;

/// The power of a Gaussian mean over lines of this sigma; so many lines, inversely, err alike then.
pub fn power(lines: f64) -> f32 {
    0.282 / lines as f32
}

/// The power of a Gaussian mean's parabola, which [`smoothed`] takes.
pub fn power_smoothed(lines: f64) -> f32 {
    0.476 / lines as f32
}

/// Gaussian means over neighbouring lines of the same piece: a piece ends where the contour is torn.
pub fn means(values: &[f32], contour: &[f32], sigma: f64) -> Vec<f32> {
    over_neighbours(values, contour, sigma, |seen, _| seen.sum / seen.total)
}

/// The same of something that slopes and bends (J. Fan and I. Gijbels, *Local Polynomial Modelling*, 1996): the value
/// of the parabola through the lines to both sides, since a mean would cut a finger's tip short by `σ²/2` times its
/// curvature; beside its piece's end, of the straight line through those on the one side.
pub fn smoothed(values: &[f32], contour: &[f32], sigma: f64) -> Vec<f32> {
    over_neighbours(values, contour, sigma, |seen, sides| match sides {
        Sides::Both => {
            let scale = seen.total * seen.fourth - seen.square * seen.square;
            (seen.fourth * seen.sum - seen.square * seen.sum_square) / scale
        }
        Sides::One => seen.on_a_line(),
        Sides::Few => seen.sum / seen.total,
    })
}

/// The same without its bends, which are noise in what was searched for by cells: means, and beside an end straight lines.
pub fn straightened(values: &[f32], contour: &[f32], sigma: f64) -> Vec<f32> {
    over_neighbours(values, contour, sigma, |seen, sides| match sides {
        Sides::One => seen.on_a_line(),
        Sides::Both | Sides::Few => seen.sum / seen.total,
    })
}

/// Weighted sums over the lines about one: of the weights, of values, and of distances and their powers.
#[derive(Clone, Copy, Default)]
struct Sums {
    total: f32,
    sum: f32,
    way: f32,
    sum_way: f32,
    square: f32,
    sum_square: f32,
    fourth: f32,
}

impl Sums {
    /// The value of the straight line through all.
    fn on_a_line(&self) -> f32 {
        let scale = self.total * self.square - self.way * self.way;
        (self.square * self.sum - self.way * self.sum_way) / scale
    }
}

/// Where a line stands in its piece: all that lie near enough are there, or those of one side, or fewer.
enum Sides {
    Both,
    One,
    Few,
}

/// Gaussian weights by distance.
struct Kernel {
    reach: usize,
    /// Of all lines within reach, first to last: their weight, and that times the distance and its square.
    weights: Vec<[f32; 3]>,
    /// What the sums have that do not depend on values, where all lines within reach are there.
    whole: Sums,
}

impl Kernel {
    fn new(sigma: f64) -> Kernel {
        let reach = (3.0 * sigma).ceil() as usize;
        let weights = (0..=2 * reach).map(|j| {
            let tap = (-0.5 * (j.abs_diff(reach) as f64 / sigma).powi(2)).exp() as f32;
            let way = j as f32 - reach as f32;
            [tap, tap * way, tap * (way * way)]
        });
        let mut kernel = Kernel { reach, weights: weights.collect(), whole: Sums::default() };
        kernel.whole = kernel.sums(&vec![0.0; 2 * reach + 1], reach, 0..2 * reach + 1);
        kernel
    }

    /// The sums about line `k` over these `lines`.
    fn sums(&self, values: &[f32], k: usize, lines: Range<usize>) -> Sums {
        let mut seen = Sums::default();
        for j in lines {
            let [one, way, square] = self.weights[j + self.reach - k];
            let apart = j as f32 - k as f32;
            seen.total += one;
            seen.sum += one * values[j];
            seen.way += way;
            seen.sum_way += way * values[j];
            seen.square += square;
            seen.sum_square += square * values[j];
            seen.fourth += square * (apart * apart);
        }
        seen
    }
}

/// The sums of values for as many neighbouring lines as there are lanes, all within reach of each of them: the same bits
/// as line by line. `values` begin with the first that the first line reaches.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn sums_inside(values: &[f32], weights: &[[f32; 3]]) -> [[f32; LANES]; 3] {
    let mut sums = [[0.0; LANES]; 3];
    for (values, weights) in values.windows(LANES).zip(weights) {
        for lane in 0..LANES {
            for (sums, weight) in sums.iter_mut().zip(weights) {
                sums[lane] += weight * values[lane];
            }
        }
    }
    sums
}

/// What `of` makes of each line's sums.
fn over_neighbours(
    values: &[f32],
    contour: &[f32],
    sigma: f64,
    of: impl Fn(&Sums, &Sides) -> f32,
) -> Vec<f32> {
    let kernel = Kernel::new(sigma);
    let reach = kernel.reach;
    let mut out = vec![0.0; values.len()];
    let mut first = 0;
    while first < values.len() {
        let torn = |k: &usize| (contour[*k] - contour[*k - 1]).abs() > TEAR_PX;
        let end = (first + 1..values.len()).find(torn).unwrap_or(values.len());
        let mut k = first;
        while k < end {
            let lines = first.max(k.saturating_sub(reach))..end.min(k + reach + 1);
            if lines.len() == 2 * reach + 1 && k + reach + LANES <= end {
                let [sum, sum_way, sum_square] =
                    sums_inside(&values[k - reach..k + reach + LANES], &kernel.weights);
                for lane in 0..LANES {
                    let (sum, sum_way, sum_square) = (sum[lane], sum_way[lane], sum_square[lane]);
                    let seen = Sums { sum, sum_way, sum_square, ..kernel.whole };
                    out[k + lane] = of(&seen, &Sides::Both);
                }
                k += LANES;
                continue;
            }
            let sides = match lines.len() {
                all if all == 2 * reach + 1 => Sides::Both,
                some if some > reach => Sides::One,
                _ => Sides::Few,
            };
            out[k] = of(&kernel.sums(values, k, lines), &sides);
            k += 1;
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

/// A contour that goes straight on, between lines that have an edge, where it is covered and where it has none.
pub fn straight_beneath(contour: &[f32], covered: &[bool]) -> Vec<f32> {
    let is_seen = |k: &usize| !covered[*k] && contour[*k].is_finite();
    let seen: Vec<usize> = (0..contour.len()).filter(is_seen).collect();
    let at = |k: usize| match nearest(&seen, k) {
        (Some(a), Some(b)) => {
            contour[a] + (contour[b] - contour[a]) * (k - a) as f32 / (b - a).max(1) as f32
        }
        (one, other) => one.or(other).map_or(0.0, |one| contour[one]),
    };
    (0..contour.len()).map(at).collect()
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
    fn a_finger_keeps_its_tip() {
        let finger: Vec<f32> =
            (0..100).map(|k| 100.0 * (-0.5 * ((k as f32 - 50.0) / 14.0).powi(2)).exp()).collect();
        let tip = smoothed(&finger, &finger, 4.0)[50];
        assert!((tip - 100.0).abs() < 0.3, "{tip}, not 100");
        // A line's share in each of the others, squared, is what its noise leaves there.
        let alone: Vec<f32> = (0..100).map(|k| f32::from(u8::from(k == 50))).collect();
        let left: f32 = smoothed(&alone, &[0.0; 100], 4.0).iter().map(|share| share * share).sum();
        assert!((left / power_smoothed(4.0) - 1.0).abs() < 0.05, "{left}");
    }

    #[test]
    fn lines_summed_side_by_side_have_the_bits_of_those_summed_alone() {
        let values: Vec<f32> = (0..100).map(|k| (k as f32 * 0.7).sin() * 30.0).collect();
        for (k, found) in smoothed(&values, &[0.0; 100], 4.0).iter().enumerate().take(88).skip(12) {
            let seen = Kernel::new(4.0).sums(&values, k, k - 12..k + 13);
            let scale = seen.total * seen.fourth - seen.square * seen.square;
            let alone = (seen.fourth * seen.sum - seen.square * seen.sum_square) / scale;
            assert_eq!(*found, alone, "line {k}");
        }
    }

    #[test]
    fn nothing_is_shared_over_a_tear() {
        let wall: Vec<f32> = (0..60).map(|k| if k < 30 { 10.0 } else { 50.0 }).collect();
        let smooth = smoothed(&wall, &wall, 4.0);
        assert!(smooth.iter().zip(&wall).all(|(a, b)| (a - b).abs() < 1e-3));
    }
}

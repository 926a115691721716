//! Sharing between neighbouring lines.

use multiversion::multiversion;

/// Rows that are smoothed at a time, so that they stay in the nearest memory.
const ROWS: usize = 64;

/// Gaussian means over neighbouring lines, column by column; the ends share with those inside.
pub fn smooth_columns<const N: usize>(rows: &[[f64; N]], sigma: f64) -> Vec<[f64; N]> {
    let reach = (3.0 * sigma).ceil() as usize;
    let taps: Vec<f64> = (0..=reach).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp()).collect();
    let mut out = vec![[0.0; N]; rows.len()];
    let mut totals = [0.0; ROWS];
    for (block, out) in out.chunks_mut(ROWS).enumerate() {
        let (first, end) = (block * ROWS, block * ROWS + out.len());
        totals.fill(0.0);
        // From the rows before the block to those after it.
        for (j, tap) in taps.iter().rev().chain(&taps[1..]).enumerate() {
            // Of the block's row k, the row k + j − reach has this tap.
            let from = (first + j).max(reach) - j;
            let to = end.min((rows.len() + reach).saturating_sub(j));
            if from >= to {
                continue;
            }
            let shared = &rows[from + j - reach..to + j - reach];
            let own = from - first..to - first;
            add_scaled(out[own.clone()].as_flattened_mut(), shared.as_flattened(), *tap);
            totals[own].iter_mut().for_each(|total| *total += tap);
        }
        for (row, total) in out.iter_mut().zip(&totals) {
            row.iter_mut().for_each(|value| *value /= total);
        }
    }
    out
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn add_scaled(out: &mut [f64], from: &[f64], tap: f64) {
    for (out, from) in out.iter_mut().zip(from) {
        *out += tap * from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_the_gaussian_mean_of_those_about_it() {
        for count in [1, 5, 63, 64, 65, 200] {
            let rows: Vec<[f64; 3]> =
                (0..count).map(|k| [1.0, f64::from(k), (f64::from(k) * 0.37).sin()]).collect();
            let smooth = smooth_columns(&rows, 4.5);
            for (k, row) in smooth.iter().enumerate() {
                let (mut sum, mut total) = ([0.0; 3], 0.0);
                for (j, other) in rows.iter().enumerate().filter(|(j, _)| j.abs_diff(k) <= 14) {
                    let tap = (-0.5 * (j.abs_diff(k) as f64 / 4.5).powi(2)).exp();
                    total += tap;
                    (0..3).for_each(|n| sum[n] += tap * other[n]);
                }
                for n in 0..3 {
                    assert!((row[n] - sum[n] / total).abs() < 1e-12, "row {k} of {count}");
                }
            }
        }
    }
}

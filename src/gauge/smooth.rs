//! Sharing between neighbouring lines.

/// Gaussian means over neighbouring lines, column by column; the ends share with those inside.
pub fn smooth_columns<const N: usize>(rows: &[[f64; N]], sigma: f64) -> Vec<[f64; N]> {
    let reach = (3.0 * sigma).ceil() as usize;
    let taps: Vec<f64> = (0..=reach).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp()).collect();
    (0..rows.len())
        .map(|k| {
            let mut out = [0.0; N];
            let mut total = 0.0;
            let from = k.saturating_sub(reach);
            for (j, row) in rows.iter().enumerate().take(k + reach + 1).skip(from) {
                let tap = taps[j.abs_diff(k)];
                total += tap;
                for (sum, value) in out.iter_mut().zip(row) {
                    *sum += tap * value;
                }
            }
            out.map(|sum| sum / total)
        })
        .collect()
}

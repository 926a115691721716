//! One-dimensional filters for the template: a band-limited signal's value and derivatives
//! between the pixels, with or without Gaussian smoothing.
//!
//! The taps are the least-squares approximation to the ideal response over the band in which an
//! image carries information (T. W. Parks and C. S. Burrus, *Digital Filter Design*, ch. 3, 1987).

use multiversion::multiversion;

/// Half-width of the filters without smoothing, in pixels.
pub const REACH: usize = 8;

/// A filter with taps at the offsets `-radius ..= radius`:
/// `out(x) = Σ taps[o + radius] · in(x + o)`.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub taps: Vec<f32>,
}

impl Kernel {
    /// The half-width.
    pub fn radius(&self) -> usize {
        self.taps.len() / 2
    }

    /// Samples the derivative of `order` at `x − phase` for every pixel x, after Gaussian
    /// smoothing with standard deviation `sigma_px` (0: none).
    pub fn derivative(order: usize, phase: f64, sigma_px: f64) -> Kernel {
        let plain = design(order, phase);
        let taps = if sigma_px > 0.0 { convolve(&plain, &gaussian(sigma_px)) } else { plain };
        Kernel { taps: taps.iter().map(|v| *v as f32).collect() }
    }

    /// A normalised Gaussian.
    pub fn gaussian(sigma_px: f64) -> Kernel {
        Kernel { taps: gaussian(sigma_px).iter().map(|v| *v as f32).collect() }
    }

    /// `Σ a(o) · b(o − lag)`: what two filters of one signal have in common at a distance.
    pub fn correlation(&self, other: &Kernel, lag: i64) -> f64 {
        let (a, b) = (self.radius() as i64, other.radius() as i64);
        let (first, last) = ((-a).max(lag - b), a.min(lag + b));
        (first..=last)
            .map(|o| {
                f64::from(self.taps[(o + a) as usize])
                    * f64::from(other.taps[(o - lag + b) as usize])
            })
            .sum()
    }
}

fn gaussian(sigma_px: f64) -> Vec<f64> {
    let reach = (3.5 * sigma_px).ceil() as i64;
    let taps: Vec<f64> =
        (-reach..=reach).map(|o| (-0.5 * (o as f64 / sigma_px).powi(2)).exp()).collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|v| v / sum).collect()
}

fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; a.len() + b.len() - 1];
    for (i, va) in a.iter().enumerate() {
        for (j, vb) in b.iter().enumerate() {
            out[i + j] += va * vb;
        }
    }
    out
}

/// The taps whose frequency response is nearest to `(iω)ⁿ e^(−iω·phase)` up to 0.8 of the Nyquist
/// frequency, by weighted least squares. Low frequencies, where a specimen's power is, weigh more.
fn design(order: usize, phase: f64) -> Vec<f64> {
    const SAMPLES: usize = 400;
    let band = 0.8 * std::f64::consts::PI;
    let count = 2 * REACH + 1;
    // Σ weight cos(ω lag): the matrix depends on the distance of two taps alone.
    let mut by_distance = vec![0.0; count];
    let mut right = vec![0.0; count];
    for k in 0..SAMPLES {
        let omega = band * (k as f64 + 0.5) / SAMPLES as f64;
        let weight = 1.0 / (omega * omega + 0.02) / (1.0 + omega.powi(2 * order as i32));
        // From tap to tap the angle grows by ω: one multiplication of unit vectors.
        let step = omega.sin_cos();
        let turned =
            |(sin, cos): (f64, f64)| (sin * step.1 + cos * step.0, cos * step.1 - sin * step.0);
        let mut angle = (0.0, 1.0);
        for sum in &mut by_distance {
            *sum += weight * angle.1;
            angle = turned(angle);
        }
        // iⁿ turns the phase by a quarter for each order.
        let quarters = order as f64 * std::f64::consts::FRAC_PI_2;
        let amplitude = omega.powi(order as i32);
        let mut angle = (omega * (phase - REACH as f64) - quarters).sin_cos();
        for sum in &mut right {
            *sum += weight * amplitude * angle.1;
            angle = turned(angle);
        }
    }
    let mut matrix: Vec<Vec<f64>> = (0..count)
        .map(|row| {
            (0..count).map(|column| by_distance[row.abs_diff(column)]).chain([right[row]]).collect()
        })
        .collect();
    // A trace of noise keeps the equations solvable and the taps small.
    let ridge = 1e-9 * matrix[0][0];
    for (k, row) in matrix.iter_mut().enumerate() {
        row[k] += ridge;
    }
    solve(matrix)
}

/// Gauss elimination with pivots; the matrix carries its right side as the last column.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|a, b| rows[*a][k].abs().total_cmp(&rows[*b][k].abs()));
        rows.swap(k, pivot.unwrap_or(k));
        let (upper, lower) = rows.split_at_mut(k + 1);
        let lead = &upper[k];
        for row in lower {
            let factor = row[k] / lead[k];
            for (value, lead) in row[k..].iter_mut().zip(&lead[k..]) {
                *value -= factor * lead;
            }
        }
    }
    let mut out = vec![0.0; n];
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| rows[k][j] * out[j]).sum();
        out[k] = (rows[k][n] - known) / rows[k][k];
    }
    out
}

/// Samples that are filtered together: their sums stay in registers while the taps go by.
const BLOCK: usize = 64;

/// Filters one row along x; pixels nearer than the radius to an end are 0.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn filter_row(kernel: &Kernel, input: &[f32], out: &mut [f32]) {
    let radius = kernel.radius();
    let width = input.len();
    if width <= 2 * radius {
        out.fill(0.0);
        return;
    }
    out[..radius].fill(0.0);
    out[width - radius..].fill(0.0);
    let inner = &mut out[radius..width - radius];
    let blocks = inner.len() / BLOCK * BLOCK;
    for (block, out) in inner.chunks_exact_mut(BLOCK).enumerate() {
        let mut sums = [0.0f32; BLOCK];
        for (o, tap) in kernel.taps.iter().enumerate() {
            let from = &input[block * BLOCK + o..block * BLOCK + o + BLOCK];
            for (sum, value) in sums.iter_mut().zip(from) {
                *sum += tap * value;
            }
        }
        out.copy_from_slice(&sums);
    }
    for (x, out) in inner.iter_mut().enumerate().skip(blocks) {
        let mut sum = 0.0;
        for (tap, value) in kernel.taps.iter().zip(&input[x..]) {
            sum += tap * value;
        }
        *out = sum;
    }
}

/// Filters along y: `rows` are `2 · radius + 1` rows around the wanted one. Rows that lie a power of
/// two of bytes apart contend for the same few places of the first cache: callers pad them.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn filter_column(kernel: &Kernel, rows: &[&[f32]], out: &mut [f32]) {
    let blocks = out.len() / BLOCK * BLOCK;
    for (block, out) in out.chunks_exact_mut(BLOCK).enumerate() {
        let from = block * BLOCK;
        let mut sums = [0.0f32; BLOCK];
        for (tap, row) in kernel.taps.iter().zip(rows) {
            let values = &row[from..from + BLOCK];
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += tap * value);
        }
        out.copy_from_slice(&sums);
    }
    let rest = &mut out[blocks..];
    rest.fill(0.0);
    for (tap, row) in kernel.taps.iter().zip(rows) {
        rest.iter_mut().zip(&row[blocks..]).for_each(|(sum, value)| *sum += tap * value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_and_derivatives_of_a_wave_are_right_between_the_pixels() {
        // 0.38 cycles per pixel is 0.76 of the Nyquist frequency.
        for frequency in [0.02, 0.1, 0.25, 0.38] {
            let omega = 2.0 * std::f64::consts::PI * frequency;
            let wave: Vec<f32> = (0..64).map(|x| (omega * x as f64).sin() as f32).collect();
            let mut out = vec![0.0; 64];
            for phase in [-0.25, 0.0, 0.4] {
                let x = 32.0 - phase;
                let truth = [
                    (omega * x).sin(),
                    omega * (omega * x).cos(),
                    -omega * omega * (omega * x).sin(),
                    -omega.powi(3) * (omega * x).cos(),
                ];
                for (order, truth) in truth.iter().enumerate() {
                    filter_row(&Kernel::derivative(order, phase, 0.0), &wave, &mut out);
                    let error = (f64::from(out[32]) - truth).abs();
                    let bound = 1e-3 + 2e-2 * omega.powi(order as i32);
                    assert!(
                        error < bound,
                        "order {order}, {frequency} cycles/px, phase {phase}: error {error} > {bound}"
                    );
                }
            }
        }
    }
}

//! Cramér–Rao bounds: no unbiased estimator scatters less.
//!
//! For independent pixels with mean μ(θ) and variance v, the Fisher information is
//! `F = Σ (∂μ/∂θ)(∂μ/∂θ)ᵀ / v`, and the covariance of any unbiased estimate is at least F⁻¹
//! (S. M. Kay, *Fundamentals of Statistical Signal Processing: Estimation Theory*, § 3.9, 1993).
//! The variance's own dependence on θ adds `(∂v/∂θ)²/2v²`, which is left out: it is below a
//! percent above ten counts.

use super::CameraModel;

/// One sigma of the shift (x, y), in px, of a known scene whose expected counts are given, over
/// the pixels where `usable` (all, when empty).
pub fn drift_bound(
    expected: &[f32],
    usable: &[bool],
    width: usize,
    camera: &CameraModel,
) -> (f64, f64) {
    let height = expected.len() / width;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for y in 2..height.saturating_sub(2) {
        for x in 2..width.saturating_sub(2) {
            if !usable.is_empty() && !usable[y * width + x] {
                continue;
            }
            let [gx, gy] = slopes(expected, width, x, y);
            let weight = 1.0 / camera.variance(f64::from(expected[y * width + x]));
            xx += weight * gx * gx;
            xy += weight * gx * gy;
            yy += weight * gy * gy;
        }
    }
    invert(xx, xy, yy)
}

/// The same from squares of `side` px alone, whose upper left corners (x, y) are given, each of
/// unknown brightness and contrast. The squares stand two pixels or more off the field's edges.
pub fn drift_bound_by_squares(
    expected: &[f32],
    width: usize,
    corners: impl Iterator<Item = (usize, usize)>,
    side: usize,
    camera: &CameraModel,
) -> (f64, f64) {
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (left, top) in corners {
        // Shift along x and y, brightness, contrast.
        let mut fisher = vec![vec![0.0; 4]; 4];
        for y in top..top + side {
            for x in left..left + side {
                let [gx, gy] = slopes(expected, width, x, y);
                let counts = f64::from(expected[y * width + x]);
                add(&mut fisher, &[gx, gy, 1.0, counts], camera.variance(counts));
            }
        }
        eliminate(&mut fisher, 2);
        xx += fisher[0][0];
        xy += fisher[0][1];
        yy += fisher[1][1];
    }
    invert(xx, xy, yy)
}

/// Fourth-order central differences, counts per px: right to a percent for features of 1.2 px sigma.
fn slopes(expected: &[f32], width: usize, x: usize, y: usize) -> [f64; 2] {
    let at = |x: usize, y: usize| f64::from(expected[y * width + x]);
    [
        (8.0 * (at(x + 1, y) - at(x - 1, y)) - at(x + 2, y) + at(x - 2, y)) / 12.0,
        (8.0 * (at(x, y + 1) - at(x, y - 1)) - at(x, y + 2) + at(x, y - 2)) / 12.0,
    ]
}

/// One sigma of both of two parameters from their Fisher information.
fn invert(xx: f64, xy: f64, yy: f64) -> (f64, f64) {
    let determinant = xx * yy - xy * xy;
    ((yy / determinant).sqrt(), (xx / determinant).sqrt())
}

/// One sigma of the position, in px, of one edge `base + step · Φ((x − p)/sigma)` along a line of
/// `pixels` pixels with the edge in the middle, base and step being unknown as well.
pub fn edge_bound(base: f64, step: f64, sigma_px: f64, pixels: usize, camera: &CameraModel) -> f64 {
    let middle = (pixels as f64 - 1.0) / 2.0;
    let mut fisher = vec![vec![0.0; 3]; 3];
    for x in 0..pixels {
        let u = (x as f64 - middle) / sigma_px;
        let slope = (-0.5 * u * u).exp() / (sigma_px * (2.0 * std::f64::consts::PI).sqrt());
        let risen = normal_distribution(u);
        let counts = base + step * risen;
        add(&mut fisher, &[-step * slope, 1.0, risen], camera.variance(counts));
    }
    first_error(fisher)
}

/// Fisher information (1/px²) of the position of one edge of known heights, `sigma_px` wide along
/// its line: the inverse variance of [`edge_bound`] where base and step are shared by many lines.
pub fn edge_information(base: f64, step: f64, sigma_px: f64, camera: &CameraModel) -> f64 {
    let reach = (6.0 * sigma_px).ceil() as i64;
    (-reach..=reach)
        .map(|x| {
            let u = x as f64 / sigma_px;
            let slope = (-0.5 * u * u).exp() / (sigma_px * (2.0 * std::f64::consts::PI).sqrt());
            let counts = base + step * normal_distribution(u);
            (step * slope).powi(2) / camera.variance(counts)
        })
        .sum()
}

/// One sigma of each line's edge, in px, when lines of the given information (1/px²) are joined by a
/// curve whose second differences are normal with the inverse variance `stiffness` (1/px²): the
/// posterior bound of H. L. van Trees (*Detection, Estimation, and Modulation Theory* I, § 2.4,
/// 1968), the inverse of information and prior together.
pub fn contour_bound(information: &[f64], stiffness: &[f64]) -> Vec<f64> {
    let n = information.len();
    // Columns k, k + 1, k + 2 of each row of the normal matrix, and then of its Cholesky factor.
    let mut rows: Vec<[f64; 3]> = information.iter().map(|f| [f + 1e-9, 0.0, 0.0]).collect();
    for k in 1..n.saturating_sub(1) {
        let s = stiffness[k];
        for (at, [main, next, second]) in
            [(k - 1, [1.0, -2.0, 1.0]), (k, [4.0, -2.0, 0.0]), (k + 1, [1.0, 0.0, 0.0])]
        {
            rows[at][0] += s * main;
            rows[at][1] += s * next;
            rows[at][2] += s * second;
        }
    }
    for k in 0..n {
        for before in 1..=2.min(k) {
            let row = rows[k - before];
            for (j, value) in rows[k].iter_mut().enumerate() {
                *value -= row[before] * row.get(before + j).copied().unwrap_or(0.0);
            }
        }
        let pivot = rows[k][0].sqrt();
        rows[k].iter_mut().for_each(|value| *value /= pivot);
    }
    // Each column of the inverse factor, whose squares add up to the variance of its line.
    (0..n)
        .map(|line| {
            let mut column = vec![0.0; n];
            let mut variance = 0.0;
            for k in line..n {
                let mut value = if k == line { 1.0 } else { 0.0 };
                for before in 1..=2.min(k - line) {
                    value -= rows[k - before][before] * column[k - before];
                }
                column[k] = value / rows[k][0];
                variance += column[k] * column[k];
            }
            variance.sqrt()
        })
        .collect()
}

/// One sigma of the opening, in px, of one crack profile
/// `base · (1 − depth · box(width) ∗ Gaussian(sigma))` with centre and base unknown, and the depth
/// too unless `depth_known`.
pub fn opening_bound(
    base: f64,
    depth: f64,
    width_px: f64,
    sigma_px: f64,
    pixels: usize,
    depth_known: bool,
    camera: &CameraModel,
) -> f64 {
    let middle = (pixels as f64 - 1.0) / 2.0;
    let signal = base - camera.offset_counts;
    let size = if depth_known { 3 } else { 4 };
    let mut fisher = vec![vec![0.0; size]; size];
    let density = |u: f64| (-0.5 * u * u).exp() / (sigma_px * (2.0 * std::f64::consts::PI).sqrt());
    for x in 0..pixels {
        let d = x as f64 - middle;
        let (left, right) = ((d + width_px / 2.0) / sigma_px, (d - width_px / 2.0) / sigma_px);
        let open = normal_distribution(left) - normal_distribution(right);
        let along_width = -signal * depth * 0.5 * (density(left) + density(right));
        let along_centre = signal * depth * (density(left) - density(right));
        let slopes = [along_width, along_centre, 1.0 - depth * open, -signal * open];
        let counts = camera.offset_counts + signal * (1.0 - depth * open);
        add(&mut fisher, &slopes[..size], camera.variance(counts));
    }
    first_error(fisher)
}

fn add(fisher: &mut [Vec<f64>], slopes: &[f64], variance: f64) {
    for (row, a) in fisher.iter_mut().zip(slopes) {
        for (sum, b) in row.iter_mut().zip(slopes) {
            *sum += a * b / variance;
        }
    }
}

/// √(F⁻¹)₀₀ by elimination.
fn first_error(mut fisher: Vec<Vec<f64>>) -> f64 {
    eliminate(&mut fisher, 1);
    1.0 / fisher[0][0].sqrt()
}

/// Takes out all but the first `kept` parameters, from the last on (Schur complements). What the
/// data do not tell at all (a flat square's contrast) costs nothing.
fn eliminate(fisher: &mut [Vec<f64>], kept: usize) {
    let alone: Vec<f64> = (0..fisher.len()).map(|k| fisher[k][k]).collect();
    for k in (kept..fisher.len()).rev() {
        let pivot = fisher[k].clone();
        if !(pivot[k] > 1e-9 * alone[k]) {
            continue;
        }
        for row in fisher.iter_mut().take(k) {
            let factor = row[k] / pivot[k];
            for (value, from) in row.iter_mut().zip(&pivot) {
                *value -= factor * from;
            }
        }
    }
}

/// The cumulative normal distribution to 1e-7 (M. Abramowitz and I. Stegun, 26.2.17).
fn normal_distribution(u: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * u.abs());
    const C: [f64; 5] =
        [0.319_381_53, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let series = t * C.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let tail = (-0.5 * u * u).exp() / (2.0 * std::f64::consts::PI).sqrt() * series;
    if u >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_crack_is_two_edges() {
        let camera = CameraModel::default();
        // Both edges of a wide, fully known box err independently: √2 of one edge with known
        // heights, at the mean brightness of its pixels.
        let wide = opening_bound(1000.0, 0.3, 30.0, 1.5, 121, true, &camera);
        let edge = edge_bound(700.0, 300.0, 1.5, 61, &camera);
        let ratio = wide / (edge * std::f64::consts::SQRT_2);
        assert!((0.85..1.1).contains(&ratio), "ratio {ratio}");
    }

    #[test]
    fn a_joined_line_is_known_as_the_equivalent_kernel_says() {
        let camera = CameraModel::default();
        let f = edge_information(700.0, 300.0, 1.5, &camera);
        let alone = edge_bound(700.0, 300.0, 1.5, 61, &camera);
        assert!((f.sqrt() * alone - 1.0).abs() < 0.2, "{} {alone}", 1.0 / f.sqrt());
        // Silverman's kernel of the width h = (stiffness / f)^¼ is √2/4 / h in its middle, which
        // is the posterior variance times f.
        let stiffness = vec![f * 4096.0; 201];
        let joined = contour_bound(&vec![f; 201], &stiffness)[100];
        let expected = (2.0f64.sqrt() / 4.0 / 8.0 / f).sqrt();
        assert!((joined / expected - 1.0).abs() < 0.02, "{joined}, not {expected}");
    }

    #[test]
    fn unknown_brightness_and_contrast_cost_a_wave_little_and_a_ramp_everything() {
        let camera = CameraModel::default();
        let image = |of: &dyn Fn(f64) -> f64| -> Vec<f32> {
            (0..128 * 128)
                .map(|k| (100.0 + of((k % 128) as f64) + of((k / 128) as f64)) as f32)
                .collect()
        };
        let corners = || (0..9).map(|k| (16 + 32 * (k % 3), 16 + 32 * (k / 3)));
        let by_squares =
            |image: &[f32]| drift_bound_by_squares(image, 128, corners(), 32, &camera).0;
        let usable: Vec<bool> = (0..128 * 128)
            .map(|k| [k % 128, k / 128].iter().all(|v| (16..112).contains(v)))
            .collect();
        let wave = image(&|x| 10.0 * (x * 0.9).sin());
        let cost = by_squares(&wave) / drift_bound(&wave, &usable, 128, &camera).0;
        assert!((1.0..1.02).contains(&cost), "{cost}");
        let ramp = image(&|x| 0.1 * x);
        let cost = by_squares(&ramp) / drift_bound(&ramp, &usable, 128, &camera).0;
        assert!(!(cost < 10.0), "{cost}");
    }

    #[test]
    fn unknown_depth_costs_most_where_the_crack_is_narrow() {
        let camera = CameraModel::default();
        let cost = |width| {
            opening_bound(1000.0, 0.5, width, 1.5, 61, false, &camera)
                / opening_bound(1000.0, 0.5, width, 1.5, 61, true, &camera)
        };
        assert!(cost(1.0) > 5.0 && cost(12.0) < 1.2, "{} {}", cost(1.0), cost(12.0));
    }
}

//! The normal distribution, written so that loops over lanes of lines are vectorised, and every instruction set gives
//! the same bits.

// A clamp checks its bounds, which keeps loops from being vectorised.
#![allow(clippy::manual_clamp)]

/// So many sigma from the middle, and further, density and distribution are taken as level.
pub const LEVEL: f32 = 6.0;

/// The normal density and distribution (M. Abramowitz and I. Stegun, 26.2.17, to 1e-6 with the
/// exponential below), without branches.
#[inline(always)]
pub fn normal(u: f32) -> (f32, f32) {
    let u = u.max(-LEVEL).min(LEVEL);
    let density = density(u);
    let t = 1.0 / (1.0 + 0.231_641_9 * u.abs());
    let series = t
        * (0.319_381_53
            + t * (-0.356_563_78 + t * (1.781_477_9 + t * (-1.821_256 + t * 1.330_274_4))));
    let tail = density * series;
    (density, if u >= 0.0 { 1.0 - tail } else { tail })
}

/// The normal density alone.
#[inline(always)]
pub fn density(u: f32) -> f32 {
    let u = u.max(-LEVEL).min(LEVEL);
    0.398_942_3 * exp(-0.5 * u * u)
}

/// eˣ for −20 ≤ x ≤ 0: a power of two and a polynomial over half an octave to either side, to 2e-7.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 · 2²³ rounds to whole numbers and leaves them in the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    let y = x * std::f32::consts::LOG2_E;
    let shifted = y + ROUNDING;
    let f = (y - (shifted - ROUNDING)) * std::f32::consts::LN_2;
    let series = 1.0
        + f * (1.0
            + f * (0.5
                + f * (0.166_666_67 + f * (0.041_666_67 + f * (0.008_333_33 + f * 0.001_388_89)))));
    series * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_the_normal_distribution() {
        for (u, value) in [(0.0, 0.5), (1.0, 0.841_344_7), (-2.0, 0.022_750_1), (6.0, 1.0)] {
            assert!((normal(u).1 - value).abs() < 2e-6, "at {u}: {}", normal(u).1);
        }
        for k in 0..=600 {
            let u = k as f32 * 0.01;
            let exact = (-0.5 * f64::from(u) * f64::from(u)).exp() / std::f64::consts::TAU.sqrt();
            assert!((f64::from(normal(u).0) - exact).abs() < 1e-6, "density at {u}");
        }
    }
}

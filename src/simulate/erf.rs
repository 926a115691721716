//! The error function, for edges seen through a Gaussian point spread.

/// erf(x) to 1.2e-7 (W. H. Press et al., *Numerical Recipes*, 3rd ed., § 6.2.2, Chebyshev fit of
/// erfc).
pub fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.5 * x.abs());
    const C: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let polynomial = C.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let tail = t * (-x * x + polynomial).exp();
    if x >= 0.0 { 1.0 - tail } else { tail - 1.0 }
}

/// A step from 0 to 1 at `distance` 0, blurred by a Gaussian of standard deviation `sigma`.
pub fn step(distance: f64, sigma: f64) -> f64 {
    0.5 * (1.0 + erf(distance / (sigma * std::f64::consts::SQRT_2)))
}

/// [`step`], without the work where it is 0 or 1 to better than 1e-14.
pub fn quick_step(distance: f64, sigma: f64) -> f64 {
    if distance > 8.0 * sigma {
        1.0
    } else if distance < -8.0 * sigma {
        0.0
    } else {
        step(distance, sigma)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_values() {
        for (x, value) in [(0.0, 0.0), (0.5, 0.520_499_877_8), (-1.0, -0.842_700_792_9)] {
            assert!((super::erf(x) - value).abs() < 2e-7, "erf({x})");
        }
    }
}

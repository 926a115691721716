//! The noise of the template: how strong, and how neighbouring pixels share it.
//!
//! A frame's noise is white, but folding interpolates it, so the template's is not. Its
//! autocorrelation follows from the filters alone, and with it the part of a comparison that is
//! only the template's noise meeting itself.

use super::footprint::Footprint;
use crate::resample::{Kernel, REACH};

/// Noise reaches this far from pixel to pixel.
const LAG: i64 = 2 * REACH as i64;
const SIDE: usize = 2 * LAG as usize + 1;

/// The autocorrelation of the template's noise, in units of one frame's variance.
#[derive(Clone, Debug)]
pub struct Grain {
    /// Row by row, from lag (−LAG, −LAG).
    at: Vec<f64>,
}

impl Grain {
    /// White noise of this share of a single frame's variance.
    pub fn white(share: f64) -> Grain {
        let mut at = vec![0.0; SIDE * SIDE];
        at[SIDE * SIDE / 2] = share;
        Grain { at }
    }

    /// What remains after a frame, filtered by `x` and `y`, came into the mean with `weight`; its
    /// noise has `share` of the usual variance.
    pub fn fold(&mut self, x: &Kernel, y: &Kernel, weight: f64, share: f64) {
        let correlations = |kernel: &Kernel| -> Vec<f64> {
            (-LAG..=LAG).map(|lag| kernel.correlation(kernel, lag)).collect()
        };
        let (along_x, along_y) = (correlations(x), correlations(y));
        for (row, along_y) in self.at.chunks_exact_mut(SIDE).zip(&along_y) {
            for (value, along_x) in row.iter_mut().zip(&along_x) {
                *value =
                    (1.0 - weight).powi(2) * *value + weight * weight * share * along_x * along_y;
            }
        }
    }

    /// The same where a part `share` of a frame's variance is a pattern fixed to the camera, which
    /// does not average as noise does but by where the frames were: `pattern` is its
    /// autocorrelation in the template.
    pub fn with_pattern(&self, share: f64, pattern: &Footprint) -> Grain {
        let mut at = Vec::with_capacity(self.at.len());
        for (row, y) in self.at.chunks_exact(SIDE).zip(-LAG..=LAG) {
            for (value, x) in row.iter().zip(-LAG..=LAG) {
                at.push((1.0 - share) * value + share * f64::from(pattern.at(x, y)));
            }
        }
        Grain { at }
    }

    /// The expected product of the noise after the separable filter (`ax`, `ay`) with the noise
    /// after (`bx`, `by`).
    pub fn overlap(&self, [ax, ay]: [&Kernel; 2], [bx, by]: [&Kernel; 2]) -> f64 {
        let along_x: Vec<f64> = (-LAG..=LAG).map(|lag| ax.correlation(bx, lag)).collect();
        let mut sum = 0.0;
        for (row, lag) in self.at.chunks_exact(SIDE).zip(-LAG..=LAG) {
            let inner: f64 = row.iter().zip(&along_x).map(|(r, c)| r * c).sum();
            sum += inner * ay.correlation(by, lag);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_noise_overlaps_by_the_filters_inner_product() {
        let (a, b) = (Kernel::derivative(1, 0.25, 1.0), Kernel::derivative(0, 0.1, 0.0));
        let found = Grain::white(0.5).overlap([&a, &b], [&b, &b]);
        let expected = 0.5 * a.correlation(&b, 0) * b.correlation(&b, 0);
        assert!((found - expected).abs() < 1e-12, "{found} against {expected}");
    }

    #[test]
    fn frames_at_whole_pixels_average_as_white_noise() {
        let whole = Kernel::derivative(0, 0.0, 0.0);
        let mut grain = Grain::white(1.0);
        for k in 2..=16 {
            grain.fold(&whole, &whole, 1.0 / f64::from(k), 1.0);
        }
        let middle = grain.at[SIDE * SIDE / 2];
        assert!((middle - 1.0 / 16.0).abs() < 1e-3, "variance {middle}, not a sixteenth");
    }
}

//! What earlier frames say of the contour's shape, as an estimate of each line beside its own.
//!
//! At a few counts per pixel one frame tells a line's place to several pixels, and its neighbours together to one;
//! where it was expected is known as well as that. Of the whole contour's place it says nothing: that is what a frame
//! is measured for, and all lines speed up together.

use super::path::join;

/// A share of the lines' information that is not worth the time.
const LITTLE: f64 = 0.02;
/// A line is elsewhere, and its expectation counts less and less, from so many sigma on.
const ELSEWHERE: f64 = 2.0;

/// How well the expected shape is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShapePrior {
    /// Of each line, 1/px²: as if lines erred each by itself.
    pub information: f32,
    /// Variance of a line, px².
    pub variance: f32,
}

impl ShapePrior {
    /// Whether it says something beside lines of this information (1/px²).
    pub fn counts_beside(&self, f: &[f64]) -> bool {
        let total: f64 = f.iter().sum();
        let little = LITTLE * total / f.len() as f64;
        f64::from(self.information) > little && total > 0.0 && self.variance > 0.0
    }

    /// Lines' displacements from the expected contour (px) and their information (1/px²) with that of the
    /// expectation, which is one of the shape: the displacement of all lines together is free. Nothing where the
    /// lines say far more.
    pub fn joined_to(
        &self,
        z: &[f64],
        f: &[f64],
        stiffness: &[f64],
    ) -> Option<(Vec<f64>, Vec<f64>)> {
        if !self.counts_beside(f) {
            return None;
        }
        let (prior, variance) = (f64::from(self.information), f64::from(self.variance));
        let total: f64 = f.iter().sum();
        let curve = join(z, f, stiffness);
        let common = f.iter().zip(&curve).map(|(f, at)| f * at).sum::<f64>() / total;
        let lines = z.iter().zip(f).zip(&curve).map(|((z, f), at)| {
            let off = (at - common).powi(2) / (ELSEWHERE * ELSEWHERE * variance);
            let prior = prior / (1.0 + off).powi(2);
            ((f * z + prior * common) / (f + prior), f + prior)
        });
        Some(lines.unzip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: ShapePrior = ShapePrior { information: 0.5, variance: 1.0 };

    fn with_prior(z: &[f64]) -> Vec<f64> {
        let (f, stiffness) = (vec![0.5; z.len()], vec![100.0; z.len()]);
        PRIOR.joined_to(z, &f, &stiffness).expect("it counts").0
    }

    #[test]
    fn lines_lean_on_the_expected_shape_and_all_together_go_where_they_are_seen() {
        let z: Vec<f64> = (0..100).map(|k| 3.0 + if k % 2 == 0 { 1.0 } else { -1.0 }).collect();
        for (found, seen) in with_prior(&z).iter().zip(&z) {
            assert!((found - (3.0 + 0.5 * (seen - 3.0))).abs() < 0.05, "{found} of {seen}");
        }
    }

    #[test]
    fn a_finger_that_has_gone_further_than_expected_is_not_held_back() {
        let z: Vec<f64> =
            (0..100).map(|k| if (40..60).contains(&k) { 12.0 } else { 0.0 }).collect();
        assert!(with_prior(&z)[50] > 11.7, "{}", with_prior(&z)[50]);
    }

    #[test]
    fn sharp_lines_are_left_alone() {
        assert!(PRIOR.joined_to(&[0.0; 8], &[100.0; 8], &[1.0; 8]).is_none());
    }
}

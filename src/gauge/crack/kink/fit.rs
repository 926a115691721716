//! Weighted least squares for the pixels about a turn, by Gauss–Newton: how well the path explains them as
//! it is, or two arms, which are then where they explain them best.

use super::pixels::Around;
use super::strips::{ALIKE, Arms, UNKNOWNS, expected};

/// Gauss–Newton rounds.
const ROUNDS: usize = 6;
/// The furthest that the corner or an end moves in a round, px.
const STEP: f64 = 2.0;

/// One sigma of where the arms' ends are about the path, px: there it is straight, and was seen.
const END: f64 = 1.0;

/// What is left unexplained.
#[derive(Clone, Copy)]
pub struct Misfit {
    /// Of the residuals alone.
    pub chi2: f64,
    /// −2 ln of the likelihood: the variance is the model's.
    pub likelihood: f64,
}

impl Around {
    /// How well the path as it is explains the pixels, or else two arms, and where these then are.
    pub fn fit(&self, arms: Option<Arms>) -> Option<(Misfit, Option<Arms>)> {
        let count = if arms.is_some() { UNKNOWNS } else { ALIKE };
        let far = self.pixels.iter().filter(|p| p.distance > 0.5 * self.opening + self.psf);
        let (sum, n) = far.fold((0.0, 0.0), |(sum, n), p| (sum + p.signal, n + 1.0));
        let level = sum / n;
        if !(level > 0.0) {
            return None;
        }
        let mut at = [0.0; UNKNOWNS];
        at[..ALIKE].copy_from_slice(&[level, 0.0, 0.0, self.depth, self.opening, self.opening]);
        if let Some(arms) = &arms {
            at[ALIKE..ALIKE + 2].copy_from_slice(&arms.corner);
        }
        let mut best: Option<(Misfit, Option<Arms>)> = None;
        for _ in 0..=ROUNDS {
            let placed = arms.map(|arms| arms.at(&at));
            let (misfit, sums) = self.sums(&at, placed.as_ref(), count);
            let change = sums.solved(count)?;
            if best.as_ref().is_none_or(|(best, _)| misfit.likelihood < best.likelihood) {
                best = Some((misfit, placed));
            }
            for (k, (at, by)) in at.iter_mut().zip(change).enumerate().take(count) {
                // Where it is far from linear, small steps.
                let most = if k < ALIKE { f64::INFINITY } else { STEP };
                *at += by.clamp(-most, most);
            }
            for opening in &mut at[4..6] {
                *opening = opening.max(0.1 * self.opening);
            }
        }
        best.filter(|(misfit, _)| misfit.likelihood.is_finite())
    }

    fn sums(&self, at: &[f64; UNKNOWNS], arms: Option<&Arms>, count: usize) -> (Misfit, Sums) {
        let prior = self.depth_sigma.powi(-2);
        let off = self.depth - at[3];
        let mut out = Sums::default();
        let (mut chi2, mut logarithms) = (off * off * prior, 0.0);
        (out.information[3][3], out.score[3]) = (prior, off * prior);
        if arms.is_some() {
            for end in ALIKE + 2..UNKNOWNS {
                chi2 += (at[end] / END).powi(2);
                (out.information[end][end], out.score[end]) =
                    (END.powi(-2), -at[end] / END.powi(2));
            }
        }
        let (dark, gain) = (f64::from(self.scatter.dark), f64::from(self.scatter.gain));
        for pixel in &self.pixels {
            let (signal, slopes) = expected(pixel, at, arms, self.psf);
            let variance = dark + gain * signal.max(0.0);
            let residual = pixel.signal - signal;
            chi2 += residual * residual / variance;
            logarithms += variance.ln();
            for i in 0..count {
                let weighted = slopes[i] / variance;
                out.score[i] += weighted * residual;
                for j in 0..=i {
                    out.information[i][j] += weighted * slopes[j];
                }
            }
        }
        (Misfit { chi2, likelihood: chi2 + logarithms }, out)
    }
}

/// Normal equations, of which the lower triangle, and their score.
#[derive(Default)]
struct Sums {
    information: [[f64; UNKNOWNS]; UNKNOWNS],
    score: [f64; UNKNOWNS],
}

impl Sums {
    /// Solves the lower triangle of normal equations by Cholesky factors.
    fn solved(&self, count: usize) -> Option<[f64; UNKNOWNS]> {
        let (mut m, mut y) = (self.information, self.score);
        for i in 0..count {
            for j in 0..=i {
                let sum = m[i][j] - (0..j).map(|k| m[i][k] * m[j][k]).sum::<f64>();
                if i == j {
                    if !(sum > 1e-12 * m[i][i].abs()) {
                        return None;
                    }
                    m[i][i] = sum.sqrt();
                } else {
                    m[i][j] = sum / m[j][j];
                }
            }
            y[i] = (y[i] - (0..i).map(|k| m[i][k] * y[k]).sum::<f64>()) / m[i][i];
        }
        for i in (0..count).rev() {
            y[i] = (y[i] - (i + 1..count).map(|k| m[k][i] * y[k]).sum::<f64>()) / m[i][i];
        }
        Some(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_equations_are_solved_by_what_they_were_made_of() {
        let mut sums = Sums::default();
        let truth = [2.0, -1.0, 0.5];
        let matrix = [[4.0, 1.0, 0.5], [1.0, 3.0, -0.2], [0.5, -0.2, 2.0]];
        for i in 0..3 {
            sums.score[i] = (0..3).map(|j| matrix[i][j] * truth[j]).sum();
            sums.information[i][..3].copy_from_slice(&matrix[i]);
        }
        let found = sums.solved(3).expect("it is definite");
        for (found, truth) in found.iter().zip(truth) {
            assert!((found - truth).abs() < 1e-12, "{found}, not {truth}");
        }
        assert!(Sums::default().solved(3).is_none(), "nothing says nothing");
    }
}

//! What one frame says of the crack, from the solved equations of its stations.

use super::fit::{Rounds, sharing};
use super::scatter::{Alone, excess, lasting};
use super::shape::Guess;
use super::shared::Shared;

/// Stations to each side of the opening over which a bend is felt, and the turn by which an even
/// curve does not yet err, per station.
const BEND_WITHIN: f32 = 4.0;
const BEND_EVEN: f32 = 0.03;

/// What one frame says of the crack, station by station; NaN where one could not be measured.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Distance of the centre from the known line, px, reference coordinates, and its one sigma.
    pub centre: Vec<f32>,
    pub centre_error: Vec<f32>,
    /// Opening perpendicular to the path, px, and its one sigma from the camera's noise alone.
    pub opening: Vec<f32>,
    pub noise_error: Vec<f32>,
    /// What the model errs by where the path bends within the opening, px.
    pub bend_error: Vec<f32>,
    /// Variance that neighbouring stations show, over what the noise explains, at least 1: of this frame
    /// and those before, and of this one by itself.
    pub excess: Vec<f32>,
    pub excess_seen: Vec<f32>,
    /// One sigma of the opening from depth and point spread, common to all stations, px.
    pub common_error: Vec<f32>,
    /// The same by the station's own pixels, shared with no other.
    pub opening_alone: Vec<f32>,
    pub alone_error: Vec<f32>,
    /// Depth at the station, and its one sigma.
    pub depth: Vec<f32>,
    pub depth_error: Vec<f32>,
    /// The same by this frame alone, with nothing known before.
    pub depth_seen: Vec<f32>,
    pub depth_seen_error: Vec<f32>,
    /// Background, counts above the offset.
    pub level: Vec<f32>,
    /// Of the whole crack.
    pub shared: Shared,
    /// Largest sharing of the stations' noise: the variance of one over that of a mean of two far
    /// apart ones; 2√π times the stations that share.
    pub sharing: f32,
}

impl Rounds<'_> {
    /// What the frame says, once the rounds are done with `guess`; `fraction` is the drift's.
    pub(super) fn profile(
        &self,
        guess: &[Guess],
        mut shared: Shared,
        fraction: (f32, f32),
    ) -> Profile {
        let slots = guess.len();
        let sharing = sharing(self.crack);
        // The station's own opening. What was expected of it holds the texture's errors already.
        let alone: Alone = self
            .stations
            .iter()
            .zip(&self.solved)
            .zip(&self.guess)
            .map(|((station, solved), guess)| {
                let [_, row, _] = solved.covariance;
                let own: f64 = (0..3).map(|k| row[k] * station.score[k]).sum();
                (station.seen && row[1] > 0.0)
                    .then(|| (f64::from(guess.opening) + own, row[1].sqrt()))
            })
            .collect();
        let excess_seen = excess(self.geometry, &alone, sharing, |k| self.past[k].was_open());
        let excess = lasting(&excess_seen, self.past);
        let typical = {
            let known: Vec<f32> = excess.iter().copied().filter(|e| e.is_finite()).collect();
            known.iter().sum::<f32>() / known.len().max(1) as f32
        };
        if self.crack.config.depth.is_none() {
            let opening = |k: usize| self.guess[k].opening;
            shared.learn_fill(self.geometry, &self.solved, opening, (typical, sharing));
        }
        shared.soften(typical);
        let nan = || vec![f32::NAN; slots];
        let mut out = Profile {
            centre: nan(),
            centre_error: nan(),
            opening: nan(),
            noise_error: nan(),
            bend_error: nan(),
            common_error: nan(),
            opening_alone: nan(),
            alone_error: nan(),
            depth: nan(),
            depth_error: nan(),
            depth_seen: nan(),
            depth_seen_error: nan(),
            level: nan(),
            excess,
            excess_seen,
            shared,
            sharing: sharing as f32,
        };
        for k in 0..slots {
            let solved = &self.solved[k];
            if !self.stations[k].seen || !(solved.variance[1] > 0.0) {
                continue;
            }
            let [nx, ny] = self.geometry.normal[k];
            out.centre[k] = guess[k].centre - nx * fraction.0 - ny * fraction.1;
            out.centre_error[k] = (solved.variance[0] * f64::from(typical)).sqrt() as f32;
            out.opening[k] = guess[k].opening;
            out.noise_error[k] = solved.variance[1].sqrt() as f32;
            out.bend_error[k] = self.bend_error(k, guess[k].opening);
            let by_depth = solved.by_depth as f32 * self.fill[k].by_crack * shared.depth_error();
            let by_psf = solved.by_psf as f32 * shared.psf_error();
            out.common_error[k] = by_depth.hypot(by_psf);
            if let Some((opening, sigma)) = alone[k] {
                (out.opening_alone[k], out.alone_error[k]) = (opening as f32, sigma as f32);
            }
            let (seen, variance) = solved.own_depth;
            (out.depth_seen[k], out.depth_seen_error[k]) = (seen as f32, variance.sqrt() as f32);
            out.depth[k] = guess[k].depth;
            out.depth_error[k] = solved.variance[2].sqrt() as f32;
            out.level[k] = guess[k].level;
        }
        out
    }

    /// Where the path turns by α within an opening w, its walls are no longer parallel: inner and
    /// outer wall stand w (1/cos(α/2) − 1) apart from where parallel ones would. A sharp kink is in the
    /// distances already, with a round outer corner; a pointed one has (w/2)² (tan(α/2) − α/2) px²
    /// more, and which of both it is, is not known.
    fn bend_error(&self, k: usize, opening: f32) -> f32 {
        let far = (0.5 * opening.max(0.0) + BEND_WITHIN) as usize;
        let Some(branch) = self.geometry.branches.iter().find(|b| b.stations().contains(&k)) else {
            return 0.0;
        };
        let range = branch.stations();
        let (a, b) = (k.saturating_sub(far).max(range.start), (k + far).min(range.end - 1));
        let ([ax, ay], [bx, by]) = (self.geometry.normal[a], self.geometry.normal[b]);
        let half = 0.5 * opening.max(0.0);
        let even = BEND_EVEN * (b - a) as f32;
        let kink = self.geometry.kink[a..=b].iter().copied().fold(0.0, f32::max);
        let cosine = (ax * bx + ay * by).clamp(-1.0, 1.0);
        // Most stations; the series is no less than cos(even).
        let squared = even * even;
        if kink == 0.0 && cosine >= 1.0 - squared * (0.5 - squared / 24.0) {
            return 0.0;
        }
        let turn = (cosine.acos() - kink - even).clamp(0.0, 2.0);
        let corner = half * half * ((0.5 * kink).tan() - 0.5 * kink);
        let pointed = 0.5 * corner / sharing(self.crack) as f32;
        pointed.hypot(2.0 * half * (1.0 / (0.5 * turn).cos() - 1.0))
    }
}

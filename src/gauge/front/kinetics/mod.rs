//! Velocity of one number, and the time until it reaches another.
//!
//! A Kalman filter of position and velocity under white acceleration is, in its steady state, a low-pass of second order
//! (Butterworth) with the cut-off frequency (q / r)^¼ / 2π, q being the acceleration's spectral density and r that of the
//! measurement; here the frequency is fixed and q follows from it, so that the bandwidth of a steady motion is stated and
//! does not depend on the dose. Beside it the number may accelerate or have turned (`motions.rs`); the velocity is the mean
//! over all of these, and its error what noise leaves of each and how far they are apart.

mod eta;
mod motion;
mod motions;

pub use eta::Eta;

use eta::Standing;
use motions::{Motions, Step};

/// The cut-off frequency, where it is not configured, as a share of the frame rate.
pub const BANDWIDTH: f64 = 1.0 / 64.0;
/// Frames before a velocity is given.
const FRAMES_LEAST: u32 = 4;
/// Frames (about) over which what is seen is compared with what is expected of it, and the most that one counts for.
const MEMORY: f64 = 24.0;
const SURPRISE_MOST: f64 = 9.0;
/// A velocity of less than so many sigma is none.
const MOVING: f64 = 3.0;

/// The filter's state; px and s.
pub struct Kinetics {
    bandwidth_hz: Option<f64>,
    /// The last value and its variance.
    last: (f64, f64),
    last_s: f64,
    interval_s: f64,
    taken: u32,
    motions: Option<Motions>,
    /// Mean squared innovation over what noise explains.
    surprise: f64,
    /// Frames whose errors are alike, on average.
    alike: f64,
    standing: Standing,
}

impl Kinetics {
    /// Nothing seen; `bandwidth_hz` is the cut-off frequency.
    pub fn new(bandwidth_hz: Option<f64>) -> Kinetics {
        Kinetics {
            bandwidth_hz,
            last: (f64::NAN, f64::NAN),
            last_s: f64::NAN,
            interval_s: f64::NAN,
            taken: 0,
            motions: None,
            surprise: 1.0,
            alike: 1.0,
            standing: Standing::default(),
        }
    }

    /// Takes a value with its one sigma, which so many frames that follow each other have alike; NaN is left out.
    pub fn take(&mut self, time_s: f64, value: f64, error: f64, alike: f64) {
        if !(value.is_finite() && error.is_finite() && error > 0.0) {
            return;
        }
        let r = error * error;
        self.alike += (alike - self.alike) / MEMORY;
        let passed_s = time_s - self.last_s;
        if self.taken == 0 || !(passed_s > 0.0) {
            (self.taken, self.motions) = (1, None);
            self.standing.restart(time_s);
        } else if let Some(motions) = &mut self.motions {
            self.interval_s += 0.1 * (passed_s.min(4.0 * self.interval_s) - self.interval_s);
            let omega = omega(self.bandwidth_hz, self.interval_s);
            let frames = passed_s / self.interval_s;
            // Errors that are alike in some frames look like a motion: half of what they add to the velocity's variance is
            // taken for noise when motions are told from each other.
            let surprise = self.surprise.max(1.0) * 0.5 * (1.0 + self.alike);
            let step = Step { passed_s, frames, omega, value, variance: r, surprise };
            let (squared, straight) = motions.take(&step);
            self.surprise += straight * (squared.min(SURPRISE_MOST) - self.surprise) / MEMORY;
            self.taken += 1;
        } else {
            self.interval_s = passed_s;
            let (before, its_r) = self.last;
            let omega = omega(self.bandwidth_hz, passed_s);
            self.motions = Some(Motions::new([before, value], [its_r, r], passed_s, omega));
            self.taken += 1;
        }
        (self.last, self.last_s) = ((value, r), time_s);
        let (velocity, its_error) = self.velocity();
        if velocity.abs() > MOVING * its_error {
            self.standing.restart(time_s);
        }
        self.standing.take(time_s, value, error);
    }

    /// px/s and one sigma, enlarged where the number moves less evenly than its errors say; NaN in the first frames.
    pub fn velocity(&self) -> (f64, f64) {
        match &self.motions {
            Some(motions) if self.taken >= FRAMES_LEAST => {
                motions.velocity(self.alike * self.surprise.max(1.0))
            }
            _ => (f64::NAN, f64::NAN),
        }
    }

    /// When `gap` (px, with one sigma) is closed at the present velocity.
    pub fn time_to_close(&self, gap: f64, gap_error: f64) -> Eta {
        Eta::new((gap, gap_error), self.velocity(), self.standing.fastest())
    }
}

/// The cut-off as an angular frequency, rad/s.
fn omega(bandwidth_hz: Option<f64>, interval_s: f64) -> f64 {
    std::f64::consts::TAU * bandwidth_hz.unwrap_or(BANDWIDTH / interval_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(k: u32) -> f64 {
        // Twelve uniform numbers, less their mean, are nearly normal.
        let uniform =
            |k: u32| f64::from(k.wrapping_mul(2_654_435_761) >> 8) / f64::from(1u32 << 24);
        (0..12).map(|j| uniform(uniform_seed(k, j))).sum::<f64>() - 6.0
    }

    /// Turns back after 5 s.
    fn turning(time: f64) -> f64 {
        20.0 - (time - 5.0).abs()
    }

    fn uniform_seed(k: u32, j: u32) -> u32 {
        (k * 12 + j).wrapping_mul(2_246_822_519) ^ 0x9e37_79b9
    }

    #[test]
    fn a_steady_velocity_is_found_within_its_error() {
        let mut pull = 0.0;
        for run in 0..40 {
            let mut kinetics = Kinetics::new(None);
            for k in 0..200 {
                let time = f64::from(k) * 0.05;
                kinetics.take(time, 10.0 + 3.0 * time + 0.2 * noise(run * 1000 + k), 0.2, 1.0);
            }
            let (velocity, error) = kinetics.velocity();
            pull += ((velocity - 3.0) / error).powi(2) / 40.0;
        }
        // Less than 1: it might have accelerated or turned, and has not.
        assert!((0.2..1.3).contains(&pull), "squared pull {pull}");
    }

    #[test]
    fn an_acceleration_is_followed_without_lagging_behind() {
        let mut kinetics = Kinetics::new(None);
        for k in 0..200 {
            let time = f64::from(k) * 0.05;
            kinetics.take(time, 3.0 * time + 2.0 * time * time + 0.1 * noise(k), 0.1, 1.0);
        }
        // A filter of position and velocity would be 2.9 px/s behind.
        let (velocity, error) = kinetics.velocity();
        let truth = 3.0 + 4.0 * 199.0 * 0.05;
        assert!((velocity - truth).abs() < 1.0, "{velocity} ± {error}, not {truth}");
        assert!((velocity - truth).abs() < 3.0 * error, "{velocity} ± {error}, not {truth}");
    }

    #[test]
    fn a_stop_is_followed_as_soon_as_it_can_be_seen() {
        let mut kinetics = Kinetics::new(None);
        for k in 0..110 {
            let time = f64::from(k) * 0.05;
            kinetics.take(time, 20.0 * time.min(5.0) + 0.1 * noise(k), 0.1, 1.0);
        }
        // Ten frames later.
        let (velocity, error) = kinetics.velocity();
        assert!(velocity.abs() < 1.0, "{velocity} ± {error}, not 0");
        assert!(velocity.abs() < 3.0 * error && error < 1.0, "{velocity} ± {error}, not 0");
    }

    #[test]
    fn a_number_that_jumps_in_every_frame_has_velocities() {
        let mut kinetics = Kinetics::new(None);
        for k in 0..1000 {
            let there = if k % 400 < 200 { 1e4 * noise(k) } else { 0.0 };
            kinetics.take(f64::from(k) * 0.05, there, 1e-3, 1.0);
            let (velocity, error) = kinetics.velocity();
            assert!(
                k < 8 || velocity.is_finite() && error > 0.0,
                "frame {k}: {velocity} ± {error}"
            );
        }
        let (velocity, error) = kinetics.velocity();
        assert!(velocity.abs() < 1e-3 + 3.0 * error, "{velocity} ± {error}, not 0");
    }

    #[test]
    fn a_reversal_is_in_the_error_at_once() {
        let mut kinetics = Kinetics::new(None);
        for k in 0..160 {
            let time = f64::from(k) * 0.05;
            kinetics.take(time, turning(time) + 0.002 * noise(k), 0.002, 1.0);
            let (velocity, error) = kinetics.velocity();
            // Frame 100 is the turn itself.
            let truth = if k > 100 { -1.0 } else { 1.0 };
            let off = (velocity - truth).abs() / error;
            assert!(k < 8 || off < 5.0, "frame {k}: {velocity} ± {error}, not {truth}");
        }
        let (velocity, error) = kinetics.velocity();
        assert!((velocity + 1.0).abs() < 0.05 && error < 0.05, "{velocity} ± {error}");
    }

    #[test]
    fn a_frame_that_sees_little_takes_no_reversal_back() {
        let mut kinetics = Kinetics::new(None);
        for k in 0..110 {
            let time = f64::from(k) * 0.05;
            let error = if k > 105 { 2.0 } else { 0.002 };
            kinetics.take(time, turning(time) + error * noise(k), error, 1.0);
        }
        let (velocity, error) = kinetics.velocity();
        assert!((velocity + 1.0).abs() < 3.0 * error, "{velocity} ± {error}, not -1");
    }

    #[test]
    fn the_lower_limit_of_a_front_that_stands_still_grows() {
        let mut kinetics = Kinetics::new(None);
        let mut limits = Vec::new();
        for k in 0..400 {
            kinetics.take(f64::from(k) * 0.05, 10.0 + 0.2 * noise(k), 0.2, 1.0);
            if k % 100 == 99 {
                limits.push(kinetics.time_to_close(100.0, 0.2));
            }
        }
        let low: Vec<f64> = limits.iter().map(|eta| eta.low_s).collect();
        assert!(low.windows(2).all(|pair| pair[1] > pair[0]), "{low:?}");
    }

    #[test]
    fn a_time_to_close_has_both_limits() {
        let mut kinetics = Kinetics::new(Some(1.0));
        for k in 0..200 {
            kinetics.take(
                f64::from(k) * 0.05,
                3.0 * f64::from(k) * 0.05 + 0.02 * noise(k),
                0.02,
                1.0,
            );
        }
        let eta = kinetics.time_to_close(30.0, 0.1);
        assert!((eta.s - 10.0).abs() < 4.0 * eta.error_s, "{} ± {}", eta.s, eta.error_s);
        assert!(eta.low_s < eta.s && eta.s < eta.high_s && eta.high_s < 20.0);
    }
}

//! Velocity of one number, and the time until it reaches another.
//!
//! A Kalman filter of position and velocity under white acceleration. In the steady state it is a
//! low-pass of second order (Butterworth) with the cut-off frequency (q / r)^¼ / 2π, q being the
//! acceleration's spectral density and r that of the measurement; here the frequency is fixed and q
//! follows from it, so that the bandwidth is stated and does not depend on the dose. Its error is what
//! the measurement's noise leaves of it, what it lags behind under the acceleration that its
//! innovations show, and how far it is from the slopes over a few frames where these contradict it: a
//! front that turns back does so at once.

use std::collections::VecDeque;

/// The cut-off frequency, where it is not configured, as a share of the frame rate.
pub const BANDWIDTH: f64 = 1.0 / 64.0;
/// Frames before a velocity is given.
const FRAMES_LEAST: u32 = 4;
/// Frames (about) over which the filter's innovations are compared with what it expects of them.
const MEMORY: f64 = 24.0;
/// Frames over which slopes are compared with the velocity, and the sigma beyond which they
/// contradict it.
const SHORT: [usize; 4] = [1, 2, 4, 8];
const CONTRADICTS: f64 = 3.0;
/// What contradicted it does so until a slope does not that would show as much with so many sigma: a frame in which
/// little is seen of it takes nothing back.
const SHOWS: f64 = 2.0;
/// A mean innovation of so many sigma is an acceleration.
const ACCELERATES: f64 = 1.4;
/// One-sided and two-sided 95 % of a normal distribution, in sigma.
const ONE_SIDED: f64 = 1.645;
const TWO_SIDED: f64 = 1.96;
/// Beyond this relative error a velocity says nothing of a time: no log-normal fits.
const RELATIVE_MOST: f64 = 0.5;
/// A velocity of less than so many sigma is none.
const MOVING: f64 = 3.0;

/// The filter's state; px and s.
pub struct Kinetics {
    bandwidth_hz: Option<f64>,
    at: f64,
    velocity: f64,
    /// Covariance under the acceleration that the bandwidth stands for: what the gains follow from.
    variance: [f64; 3],
    /// Covariance by the measurement's noise alone.
    noise: [f64; 3],
    last_s: f64,
    interval_s: f64,
    taken: u32,
    /// Mean squared innovation, its mean apart, over what noise explains.
    surprise: f64,
    /// Mean innovation, and its variance if nothing accelerates.
    lag: (f64, f64),
    /// The last values: s, px, and variance.
    recent: VecDeque<[f64; 3]>,
    /// How far the velocity is from the slopes that contradict it, px/s.
    contradicted: f64,
    omega: f64,
    /// Frames whose errors are alike, on average.
    alike: f64,
    standing: Standing,
}

/// The straight line through all values since the number last moved.
#[derive(Default)]
struct Standing {
    count: f64,
    time: f64,
    at: f64,
    time_time: f64,
    time_at: f64,
    at_at: f64,
    error: f64,
    from_s: f64,
}

impl Kinetics {
    /// Nothing seen; `bandwidth_hz` is the cut-off frequency.
    pub fn new(bandwidth_hz: Option<f64>) -> Kinetics {
        Kinetics {
            bandwidth_hz,
            at: f64::NAN,
            velocity: 0.0,
            variance: [0.0; 3],
            noise: [0.0; 3],
            last_s: f64::NAN,
            interval_s: f64::NAN,
            taken: 0,
            surprise: 1.0,
            lag: (0.0, 0.0),
            recent: VecDeque::new(),
            contradicted: 0.0,
            omega: 0.0,
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
        let passed = time_s - self.last_s;
        if self.taken == 0 || !(passed > 0.0) {
            (self.at, self.velocity, self.last_s) = (value, 0.0, time_s);
            (self.variance, self.taken) = ([r, 0.0, f64::INFINITY], 1);
            self.recent.clear();
            self.recent.push_back([time_s, value, r]);
            self.standing.restart(time_s);
            self.standing.take(time_s, value, error);
            return;
        }
        if self.taken == 1 {
            self.interval_s = passed;
            self.velocity = (value - self.at) / passed;
            let v = (self.variance[0] + r) / (passed * passed);
            (self.variance, self.at) = ([r, r / passed, v], value);
            self.noise = self.variance;
        } else {
            self.interval_s += 0.1 * (passed.min(4.0 * self.interval_s) - self.interval_s);
            self.filter(passed, value, r);
        }
        self.compare_slopes(time_s, value, r);
        self.last_s = time_s;
        self.taken += 1;
        let (velocity, its_error) = self.velocity();
        if velocity.abs() > MOVING * its_error {
            self.standing.restart(time_s);
        }
        self.standing.take(time_s, value, error);
    }

    fn filter(&mut self, t: f64, value: f64, r: f64) {
        let omega =
            std::f64::consts::TAU * self.bandwidth_hz.unwrap_or(BANDWIDTH / self.interval_s);
        let q = r * self.interval_s * omega.powi(4);
        let [p, c, v] = self.variance;
        let p = p + t * (2.0 * c + t * v) + q * t.powi(3) / 3.0;
        let c = c + t * v + q * t * t / 2.0;
        let v = v + q * t;
        let innovation = value - (self.at + self.velocity * t);
        let expected = p + r;
        let (gain, gain_rate) = (p / expected, c / expected);
        self.at += self.velocity * t + gain * innovation;
        self.velocity += gain_rate * innovation;
        self.variance = [p * (1.0 - gain), c * (1.0 - gain), v - gain_rate * c];
        let [p, c, v] = self.noise;
        let (p, c) = (p + t * (2.0 * c + t * v), c + t * v);
        let explained = p + r;
        self.noise = [
            (1.0 - gain).powi(2) * p + gain * gain * r,
            (1.0 - gain) * (c - gain_rate * p) + gain * gain_rate * r,
            v - 2.0 * gain_rate * c + gain_rate * gain_rate * explained,
        ];
        let share = (omega * t).min(1.0);
        if self.contradicted == 0.0 {
            let squared = ((innovation - self.lag.0).powi(2) / explained).min(100.0);
            self.surprise += (squared - self.surprise) / MEMORY;
        }
        self.lag.0 += share * (innovation - self.lag.0);
        self.lag.1 = (1.0 - share).powi(2) * self.lag.1 + share * share * explained;
        self.omega = omega;
    }

    /// Whether the slopes over the last frames say something else than the filter.
    fn compare_slopes(&mut self, time_s: f64, value: f64, r: f64) {
        let excess = self.surprise.max(1.0);
        let mut contradicted = 0.0f64;
        let mut held = self.contradicted;
        for frames in SHORT {
            let Some([then, before, its_r]) =
                self.recent.len().checked_sub(frames).map(|at| self.recent[at])
            else {
                break;
            };
            let passed = time_s - then;
            let apart = (value - before) / passed - self.velocity;
            let variance = excess * ((r + its_r) / (passed * passed) + self.noise[2]);
            if apart * apart > CONTRADICTS * CONTRADICTS * variance {
                contradicted = contradicted.max((apart * apart - variance).sqrt());
            } else if held * held > SHOWS * SHOWS * variance {
                held = 0.0;
            }
        }
        self.contradicted = if contradicted > 0.0 { contradicted } else { held };
        if self.recent.len() == SHORT[SHORT.len() - 1] {
            self.recent.pop_front();
        }
        self.recent.push_back([time_s, value, r]);
    }

    /// px/s and one sigma, enlarged where the number moves less evenly than its errors say, by what
    /// the filter lags behind when it accelerates, and where it has just changed; NaN in the first
    /// frames.
    pub fn velocity(&self) -> (f64, f64) {
        if self.taken < FRAMES_LEAST {
            return (f64::NAN, f64::NAN);
        }
        // Under a steady acceleration a the innovations are a/ω² on average, and the velocity is
        // late by √2 a/ω.
        let (mean, variance) = self.lag;
        let is_late = mean * mean > ACCELERATES * ACCELERATES * variance;
        let late = if is_late { mean * mean - variance } else { 0.0 };
        let late = 2.0 * self.omega.powi(2) * late;
        let late = late.max(self.contradicted.powi(2));
        (self.velocity, (self.noise[2] * self.alike * self.surprise.max(1.0) + late).sqrt())
    }

    /// When `gap` (px, with one sigma) is closed at the present velocity.
    pub fn time_to_close(&self, gap: f64, gap_error: f64) -> Eta {
        let (velocity, error) = self.velocity();
        if gap.is_nan() || velocity.is_nan() {
            return Eta { s: f64::NAN, error_s: f64::NAN, low_s: f64::NAN, high_s: f64::NAN };
        }
        if gap <= 0.0 {
            let error_s = gap_error / velocity.abs().max(f64::MIN_POSITIVE);
            return Eta { s: 0.0, error_s, low_s: 0.0, high_s: 0.0 };
        }
        // The fastest that the number may be: by the filter, or by all since it last moved.
        let fastest = (velocity + ONE_SIDED * error).min(self.standing.fastest());
        let soonest = (gap - ONE_SIDED * gap_error).max(0.0) / fastest;
        let soonest = if fastest > 0.0 { soonest } else { f64::INFINITY };
        // Within one sigma of standing still is not advancing.
        if velocity <= error {
            let none = f64::INFINITY;
            return Eta { s: none, error_s: f64::NAN, low_s: soonest, high_s: none };
        }
        let s = gap / velocity;
        let relative = (gap_error / gap).hypot(error / velocity);
        if relative > RELATIVE_MOST {
            return Eta { s, error_s: s * relative, low_s: soonest, high_s: f64::INFINITY };
        }
        // The logarithm of a quotient of two well known numbers is nearly normal.
        let factor = (TWO_SIDED * relative).exp();
        Eta { s, error_s: s * relative, low_s: s / factor, high_s: s * factor }
    }
}

/// A time to come, s, with one sigma and the limits between which it lies with 95 % probability
/// (where the upper one is infinite, it lies above the lower one with 95 %).
pub struct Eta {
    pub s: f64,
    pub error_s: f64,
    pub low_s: f64,
    pub high_s: f64,
}

impl Standing {
    fn restart(&mut self, time_s: f64) {
        *self = Standing { from_s: time_s, ..Standing::default() };
    }

    fn take(&mut self, time_s: f64, value: f64, error: f64) {
        let t = time_s - self.from_s;
        self.count += 1.0;
        self.time += t;
        self.at += value;
        self.time_time += t * t;
        self.time_at += t * value;
        self.at_at += value * value;
        self.error = self.error.max(error);
    }

    /// The upper 95 % limit of the slope; infinite while there is too little of it.
    fn fastest(&self) -> f64 {
        let n = self.count;
        let tt = self.time_time - self.time * self.time / n;
        if n < 8.0 || !(tt > 0.0) {
            return f64::INFINITY;
        }
        let ta = self.time_at - self.time * self.at / n;
        let slope = ta / tt;
        let scatter = ((self.at_at - self.at * self.at / n - slope * ta) / (n - 2.0)).max(0.0);
        // Texture and drift err alike in neighbouring frames, so that the ends err by the whole of it.
        let ends = self.error * (2.0 * tt / n).recip().sqrt() * 0.5;
        (slope.max(0.0) + ONE_SIDED * (scatter / tt).sqrt().hypot(ends)).max(f64::MIN_POSITIVE)
    }
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
        assert!((0.5..1.6).contains(&pull), "squared pull {pull}");
    }

    #[test]
    fn a_reversal_is_in_the_error_at_once() {
        let mut kinetics = Kinetics::new(None);
        for k in 0..160 {
            let time = f64::from(k) * 0.05;
            let there = 20.0 - (time - 5.0).abs();
            kinetics.take(time, there + 0.002 * noise(k), 0.002, 1.0);
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
            let there = 20.0 - (time - 5.0).abs();
            let error = if k > 105 { 2.0 } else { 0.002 };
            kinetics.take(time, there + error * noise(k), error, 1.0);
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

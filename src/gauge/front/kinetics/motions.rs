//! The ways in which a number may move, and how likely each is: steadily, with an acceleration, or with a velocity that
//! has changed a few frames ago.
//!
//! Steady and accelerating motions exchange what they know (interacting multiple models: H. Blom and Y. Bar-Shalom
//! 1988). A velocity may change at once by as much as it is, and one such change is assumed at every frame (R. Adams and
//! D. MacKay 2007). These are not mixed into the others before one is far likelier, or old enough to be judged: what
//! is assumed and did not happen costs a steady motion nothing then.

use super::motion::{Disturbed, Motion};

/// Probabilities, in one frame, that a steady motion accelerates, that one is steady again, and that the velocity
/// changes at once.
const ACCELERATES: f64 = 1.0 / 2000.0;
const STEADIES: f64 = 1.0 / 1000.0;
const TURNS: f64 = 1.0 / 2000.0;
/// One sigma of an acceleration: half of the velocity in the time 1/ω, and so many times the noise's part.
const ACCELERATION_SHARE: f64 = 0.5;
const ACCELERATION_NOISE: f64 = 2.0;
/// One sigma of a turn: the velocity itself, and so many σω.
const TURN_NOISE: f64 = 2.0;
/// A turn is believed when it is as likely as this, or after so many frames the likeliest; it is forgotten then, or when
/// it is as unlikely as that.
const BELIEVED: f64 = 0.9;
const JUDGED_AFTER: u32 = 16;
const FORGOTTEN: f64 = 1e-9;
/// Nothing is less likely than this: what was nearly impossible for many frames may be so again.
const POSSIBLE: f64 = 1e-30;
/// Turns that are together less likely than this are no part of the error: that of a steady motion would be theirs.
const UNLIKELY: f64 = 0.003;
/// The chance that a motion accelerates which has just turned, or begun to be seen.
const ACCELERATES_FIRST: f64 = 0.3;
/// No value says more than this against a motion, as a log-likelihood.
const AGAINST_MOST: f64 = 40.0;

/// All ways, of probability 1 together.
pub struct Motions {
    steady: Motion,
    accelerating: Motion,
    /// By when their velocity changed, the latest last.
    turned: Vec<Motion>,
}

/// The step from one frame to the next.
pub struct Step {
    /// Since the last value, s, and as a number of frames.
    pub passed_s: f64,
    pub frames: f64,
    /// Of the cut-off, rad/s.
    pub omega: f64,
    pub value: f64,
    pub variance: f64,
    /// The variance of what is seen over that, where it tells motions from each other.
    pub surprise: f64,
}

impl Motions {
    /// From the first two values and their variances.
    pub fn new(values: [f64; 2], variances: [f64; 2], passed_s: f64, omega: f64) -> Motions {
        let [before, r] = variances;
        let covariance = [
            [r, r / passed_s, 0.0],
            [r / passed_s, (before + r) / (passed_s * passed_s), 0.0],
            [0.0; 3],
        ];
        let state = [values[1], (values[1] - values[0]) / passed_s, 0.0];
        let motion = Motion { state, covariance, noise: covariance, probability: 1.0, frames: 0 };
        Motions::from(motion, omega)
    }

    /// This motion, which goes on steadily or accelerates from now on.
    fn from(mut steady: Motion, omega: f64) -> Motions {
        let mut accelerating = steady.clone();
        let variance = acceleration(steady.state[1], steady.covariance[0][0], omega);
        accelerating.covariance[2][2] = variance;
        accelerating.noise[2][2] = variance;
        steady.probability = 1.0 - ACCELERATES_FIRST;
        accelerating.probability = ACCELERATES_FIRST;
        Motions { steady, accelerating, turned: Vec::new() }
    }

    /// Takes a value; the square of how far it is from where it was expected over what noise explains, and the
    /// probability that no turn does.
    pub fn take(&mut self, step: &Step) -> (f64, f64) {
        self.exchange(step);
        let (mut turn, change) = self.turn(step);
        let (t, r, w) = (step.passed_s, step.variance, step.omega);
        let frame_s = t / step.frames;
        let steadily = Disturbed::Velocity(r * frame_s * w.powi(4));
        let accelerating = Disturbed::Acceleration(r * frame_s * w.powi(6));
        let steady = self.steady.judge(step, steadily, step.surprise);
        let accelerated = self.accelerating.judge(step, accelerating, step.surprise);
        for motion in &mut self.turned {
            motion.judge(step, steadily, 1.0);
        }
        turn.judge(step, Disturbed::Once(change), 1.0);
        self.turned.push(turn);
        self.normalise();
        let surprise = if self.steady.probability > self.accelerating.probability {
            steady
        } else {
            accelerated
        };
        let straight = 1.0 - self.turning();
        self.settle(w);
        (surprise, straight)
    }

    /// Velocity and one sigma, px/s, where the noise of the value is so many times its variance.
    pub fn velocity(&self, excess: f64) -> (f64, f64) {
        let mean: f64 = self.all().map(|motion| motion.probability * motion.state[1]).sum();
        let turning = self.turning();
        let counted = turning / (turning + UNLIKELY);
        let (mut sum, mut weight) = (0.0, 0.0);
        let straight = [(1.0, &self.steady), (1.0, &self.accelerating)];
        let turned = self.turned.iter().map(|motion| (counted, motion));
        for (counted, motion) in straight.into_iter().chain(turned) {
            let apart = motion.state[1] - mean;
            let share = counted * motion.probability;
            sum += share * (excess * motion.noise[1][1] + apart * apart);
            weight += share;
        }
        (mean, (sum / weight).sqrt())
    }

    fn all(&self) -> impl Iterator<Item = &Motion> {
        [&self.steady, &self.accelerating].into_iter().chain(&self.turned)
    }

    fn turning(&self) -> f64 {
        self.turned.iter().map(|motion| motion.probability).sum()
    }

    /// A steady motion may accelerate from now on, and one that accelerates may be steady.
    fn exchange(&mut self, step: &Step) {
        let starts = (ACCELERATES * step.frames).min(0.5);
        let ends = (STEADIES * step.frames).min(0.5);
        let (steady, accelerating) = (&self.steady, &self.accelerating);
        let (p, a) = (steady.probability, accelerating.probability);
        let mut now_steady =
            Motion::mixed(&[(p * (1.0 - starts), steady), (a * ends, accelerating)]);
        now_steady.forget_acceleration();
        let mut now_accelerating =
            Motion::mixed(&[(p * starts, steady), (a * (1.0 - ends), accelerating)]);
        let new = p * starts / now_accelerating.probability;
        let variance = acceleration(now_steady.state[1], step.variance, step.omega);
        now_accelerating.covariance[2][2] += new * variance;
        now_accelerating.noise[2][2] += new * variance;
        (self.steady, self.accelerating) = (now_steady, now_accelerating);
    }

    /// The likeliest motion, whose velocity changes now, and by what variance.
    fn turn(&self, step: &Step) -> (Motion, f64) {
        let mut motion = likeliest(self.all()).unwrap_or(&self.steady).clone();
        motion.forget_acceleration();
        motion.frames = 0;
        motion.probability = (TURNS * step.frames).min(0.1);
        let noise = TURN_NOISE * step.omega;
        let variance = motion.state[1].powi(2) + noise * noise * step.variance;
        (motion, variance)
    }

    /// Believes a turn, or forgets it.
    fn settle(&mut self, omega: f64) {
        let others = self.steady.probability + self.accelerating.probability;
        if let Some(turn) = likeliest(self.turned.iter())
            && (turn.probability > BELIEVED
                || turn.frames >= JUDGED_AFTER && turn.probability > others)
        {
            *self = Motions::from(turn.clone(), omega);
            return;
        }
        self.turned.retain(|turn| turn.frames < JUDGED_AFTER && turn.probability > FORGOTTEN);
        self.normalise();
    }

    fn normalise(&mut self) {
        let total: f64 = self.all().map(|motion| motion.probability).sum();
        let all = [&mut self.steady, &mut self.accelerating].into_iter().chain(&mut self.turned);
        all.for_each(|motion| motion.probability = (motion.probability / total).max(POSSIBLE));
    }
}

impl Motion {
    /// Follows a value and asks how likely it was; the square of how far it is from what was expected over what noise
    /// explains.
    fn judge(&mut self, step: &Step, disturbed: Disturbed, surprise: f64) -> f64 {
        self.predict(step.passed_s, disturbed);
        let of_motion = surprise * self.noise[0][0];
        let (innovation, explained) = self.update(step.value, step.variance);
        let variance = of_motion + step.surprise * step.variance;
        let against = 0.5 * innovation * innovation / variance;
        self.probability *= (-against.min(AGAINST_MOST)).exp() / variance.sqrt();
        innovation * innovation / explained
    }
}

fn likeliest<'a>(motions: impl Iterator<Item = &'a Motion>) -> Option<&'a Motion> {
    motions.max_by(|a, b| a.probability.total_cmp(&b.probability))
}

/// Variance of an acceleration that sets in, px²/s⁴.
fn acceleration(velocity: f64, variance: f64, omega: f64) -> f64 {
    let of_velocity = ACCELERATION_SHARE * velocity * omega;
    of_velocity * of_velocity + ACCELERATION_NOISE * omega.powi(4) * variance
}

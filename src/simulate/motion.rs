//! Where the specimen stands in each frame: a random walk with a slow drift, and jumps; a walk of
//! rotation and scale; and, in a scanned frame, everything between two frames.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::config::SceneConfig;
use super::event::Conditions;
use super::pose::Pose;
use super::seed::{Purpose, stream};

/// The motion of a recording. Frame k's numbers hold at the moment of its middle row.
pub struct Motion {
    /// Jumps of events included.
    pub drift: Vec<(f64, f64)>,
    /// The part of the drift that comes at once, from one frame to the next.
    pub sudden: Vec<(f64, f64)>,
    pub rotation_rad: Vec<f64>,
    pub scale: Vec<f64>,
    /// By refocusing; sudden as well.
    pub magnification: Vec<f64>,
}

impl Motion {
    /// The walk `drift`, with all that the configuration and its events add.
    pub fn new(mut drift: Vec<(f64, f64)>, config: &SceneConfig) -> Motion {
        let frames = drift.len();
        let events: Vec<Conditions> =
            (0..frames).map(|frame| Conditions::of(&config.events, frame)).collect();
        let sudden: Vec<(f64, f64)> = events.iter().map(|now| now.jump).collect();
        for (drift, jump) in drift.iter_mut().zip(&sudden) {
            *drift = (drift.0 + jump.0, drift.1 + jump.1);
        }
        let (turn, grow) = (config.rotation_velocity_rad, config.scale_velocity);
        let rng = |purpose| stream(config.seed, purpose);
        let rotation_rad =
            wander(frames, 0.0, turn, config.rotation_step_rad, &mut rng(Purpose::Rotation));
        let scale = wander(frames, 1.0, grow, config.scale_step, &mut rng(Purpose::Scale));
        let magnification = events.iter().map(|now| now.magnification).collect();
        Motion { drift, sudden, rotation_rad, scale, magnification }
    }

    /// The pose `later` frames (a fraction, either sign) after frame `index`'s middle row, linear
    /// between the frames' numbers, moved by `jitter_px` along x; what is sudden belongs to the
    /// whole frame.
    pub fn pose(&self, index: usize, later: f64, jitter_px: f64, size: (usize, usize)) -> Pose {
        let magnification = self.magnification[index];
        let (first, share) = self.segment(index, later);
        if share == 0.0 && first == index {
            let scale = self.scale[index] * magnification;
            let (x, y) = self.drift[index];
            return Pose::new((x + jitter_px, y), self.rotation_rad[index], scale, size);
        }
        let between = |value: &dyn Fn(usize) -> f64| {
            value(first) + share * (value((first + 1).min(self.drift.len() - 1)) - value(first))
        };
        let drift = (
            between(&|k| self.drift[k].0 - self.sudden[k].0) + self.sudden[index].0 + jitter_px,
            between(&|k| self.drift[k].1 - self.sudden[k].1) + self.sudden[index].1,
        );
        let scale = between(&|k| self.scale[k]) * magnification;
        Pose::new(drift, between(&|k| self.rotation_rad[k]), scale, size)
    }

    /// The frame before the moment, and how far on it is; the ends go on as they came.
    fn segment(&self, index: usize, later: f64) -> (usize, f64) {
        let at = index as f64 + later;
        let last = self.drift.len().saturating_sub(2) as f64;
        let first = if later == 0.0 { index as f64 } else { at.floor().clamp(0.0, last) };
        (first as usize, at - first)
    }
}

/// Drift (x, y) of each frame in pixels, the first 0, 0. `step_px` is one sigma of the walk per
/// frame and axis; a jump of about `jump_px` happens at evenly spread frames.
pub fn walk(
    frames: usize,
    step_px: f64,
    velocity_px: (f64, f64),
    jumps: usize,
    jump_px: f64,
    rng: &mut ChaCha8Rng,
) -> Vec<(f64, f64)> {
    let mut normal = || -> f64 { StandardNormal.sample(rng) };
    let mut at = (0.0, 0.0);
    let mut jump_at: Vec<usize> = (1..=jumps).map(|k| k * frames / (jumps + 1)).collect();
    jump_at.retain(|frame| *frame > 0);
    (0..frames)
        .map(|frame| {
            let here = at;
            at.0 += velocity_px.0 + step_px * normal();
            at.1 += velocity_px.1 + step_px * normal();
            if jump_at.contains(&(frame + 1)) {
                // Back across the start, so that many jumps do not leave the field.
                at.0 -= at.0.signum() * jump_px + 0.3 * normal();
                at.1 -= at.1.signum() * 0.7 * jump_px + 0.3 * normal();
            }
            here
        })
        .collect()
}

/// A number of each frame that starts at `start` and walks: `velocity` and one sigma `step` per
/// frame.
pub fn wander(
    frames: usize,
    start: f64,
    velocity: f64,
    step: f64,
    rng: &mut ChaCha8Rng,
) -> Vec<f64> {
    let mut walked = 0.0;
    (0..frames)
        .map(|frame| {
            let here = start + velocity * frame as f64 + walked;
            let normal: f64 = StandardNormal.sample(rng);
            walked += step * normal;
            here
        })
        .collect()
}

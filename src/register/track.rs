//! The in-order half of the registration: what drift to report, what to predict, and which frames
//! make the template better.

use super::Drift;
use super::observe::{DriftObservation, Prediction};
use super::template::Placement;

/// What the tracker decides after one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    pub drift: Drift,
    /// For the frame a fixed number of frames later.
    pub prediction: Prediction,
    /// The version of the reference for the same frame.
    pub version: u32,
    /// How to fold this frame into the template; nothing when it is not wanted.
    pub fold: Option<Fold>,
}

/// An order to make the template better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fold {
    pub placement: Placement,
    /// Frames that the mean remembers, this one included.
    pub memory: u32,
    /// The version to build once the frame is in, when the template has grown enough.
    pub build: Option<u32>,
}

/// Memory of the registration.
#[derive(Clone, Debug)]
pub struct Tracker {
    anchor: u64,
    max_shift_px: f64,
    lag_frames: u64,
    last: Option<(u64, f64, f64)>,
    /// Pixels per frame, smoothed.
    velocity: (f64, f64),
    folded: u32,
    /// Frames that the template remembers.
    memory: u32,
    seen: u64,
    version: u32,
}

/// Frames over which the velocity is smoothed.
const VELOCITY_FRAMES: f64 = 32.0;
/// Once the template is full, every so many frames one is folded in.
const REFRESH_EVERY: u64 = 8;
/// Frames that a template remembers: few, so that it follows slow change, but more where its
/// noise still costs accuracy.
const MEMORY_LEAST: u32 = 64;
const MEMORY_MOST: u32 = 1024;
/// Less than this part of the information is not worth a longer memory.
const COST: f64 = 0.03;

impl Tracker {
    /// A tracker whose template is the anchor frame alone; `anchor` is its row in the ledger.
    pub fn new(anchor: u64, max_shift_px: f64, lag_frames: u64) -> Tracker {
        Tracker {
            anchor,
            max_shift_px,
            lag_frames,
            last: Some((anchor, 0.0, 0.0)),
            velocity: (0.0, 0.0),
            folded: 1,
            memory: MEMORY_LEAST,
            seen: 1,
            version: 0,
        }
    }

    /// Takes the next frame's observation; `None` for a frame without pixels.
    pub fn track(&mut self, index: u64, observation: Option<&DriftObservation>) -> Decision {
        let drift = observation.map_or(Drift::UNKNOWN, |seen| Self::judge(seen, self.max_shift_px));
        let mut fold = None;
        // The anchor is in the template from the start.
        let later = observation.filter(|_| drift.locked && index != self.anchor);
        if let Some(seen) = later {
            self.follow(index, seen.x, seen.y);
            fold = self.fold(seen);
        }
        Decision { drift, prediction: self.prediction(index), version: self.version, fold }
    }

    /// What is reported of an observation: pure, so that an observer comes to the same verdict.
    pub fn judge(seen: &DriftObservation, max_shift_px: f64) -> Drift {
        let near = seen.x.abs() <= max_shift_px && seen.y.abs() <= max_shift_px;
        let quality = seen.likeness.clamp(0.0, 1.0) as f32;
        // A drift that is not trusted is no number: it would be believed.
        if !seen.locked || !near {
            return Drift { quality, ..Drift::UNKNOWN };
        }
        Drift {
            x: seen.x,
            y: seen.y,
            x_error: seen.x_error,
            y_error: seen.y_error,
            quality,
            locked: true,
            keyframe: 0,
        }
    }

    fn follow(&mut self, index: u64, x: f64, y: f64) {
        if let Some((last, last_x, last_y)) = self.last {
            let frames = index.saturating_sub(last).max(1) as f64;
            let step = ((x - last_x) / frames, (y - last_y) / frames);
            // A jump is no velocity.
            if step.0.hypot(step.1) < 4.0 {
                let share = (frames / VELOCITY_FRAMES).min(1.0);
                self.velocity.0 += share * (step.0 - self.velocity.0);
                self.velocity.1 += share * (step.1 - self.velocity.1);
            }
        }
        self.last = Some((index, x, y));
    }

    fn prediction(&self, index: u64) -> Prediction {
        let Some((last, x, y)) = self.last else { return Prediction::default() };
        let ahead = index.saturating_sub(last) + self.lag_frames;
        let ahead = ahead.min(4 * self.lag_frames) as f64;
        Prediction { x: x + self.velocity.0 * ahead, y: y + self.velocity.1 * ahead }
    }

    fn fold(&mut self, seen: &DriftObservation) -> Option<Fold> {
        self.seen += 1;
        if self.folded >= self.memory && self.memory < MEMORY_MOST && seen.template_cost > COST {
            self.memory = self.folded + 1;
        }
        let growing = self.folded < self.memory;
        let good = seen.likeness > 0.7 && (0.2..5.0).contains(&seen.gain);
        if !good || !(growing || self.seen.is_multiple_of(REFRESH_EVERY)) {
            return None;
        }
        self.folded = self.folded.saturating_add(1);
        let due = self.folded.is_power_of_two() || self.folded.is_multiple_of(MEMORY_LEAST);
        let build = due.then(|| {
            self.version += 1;
            self.version
        });
        let placement = Placement { x: seen.x, y: seen.y, gain: seen.gain };
        Some(Fold { placement, memory: self.memory, build })
    }
}

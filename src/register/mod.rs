//! Drift: where the specimen stands in each frame, against a running template.
//!
//! [`observe`] compares a frame with a [`Reference`] (pure, any thread); [`Tracker`] decides in
//! frame order what is reported, what is predicted, and which frames grow the template
//! ([`Accumulator`]), from which the next version of the reference is built.

mod bin;
mod coarse;
mod compare;
mod expand;
mod grain;
pub(crate) mod kernel;
mod level;
mod observe;
mod reference;
mod sequence;
mod solve;
mod spectrum;
mod template;
mod track;

pub use observe::{DriftObservation, Prediction, Scratch, observe};
pub use reference::{Reference, StaticMask};
pub use sequence::Sequence;
pub use template::{Accumulator, Placement};
pub use track::{Decision, Fold, Tracker};

/// The displacement of the specimen in one frame: a feature at (x0, y0) in the reference stands
/// at (x0 + x, y0 + y) in the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// Pixels, to the right; NaN when nothing could be found.
    pub x: f64,
    /// Pixels, downward; NaN when nothing could be found.
    pub y: f64,
    /// One sigma, pixels.
    pub x_error: f64,
    /// One sigma, pixels.
    pub y_error: f64,
    /// 0 (nothing in common with the template) to 1 (all that the noise allows).
    pub quality: f32,
    /// True when the registration is trusted.
    pub locked: bool,
    /// Which keyframe was the reference.
    pub keyframe: u32,
}

impl Drift {
    /// The drift of a frame that was not registered.
    pub const UNKNOWN: Drift = Drift {
        x: f64::NAN,
        y: f64::NAN,
        x_error: f64::NAN,
        y_error: f64::NAN,
        quality: 0.0,
        locked: false,
        keyframe: 0,
    };
}

#[cfg(test)]
mod tests;

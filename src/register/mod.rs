//! Drift: where the specimen stands in each frame, against a running template.
//!
//! [`observe`] compares a frame with a [`Reference`] (pure, any thread); [`Tracker`] decides in
//! frame order what is reported, what is predicted, and which frames grow the template
//! ([`Accumulator`]), from which the next version of the reference is built.

mod acquire;
mod agreement;
mod bin;
mod brightness;
mod clearance;
mod coarse;
mod compare;
mod evidence;
mod expand;
mod footprint;
mod grain;
mod group;
pub(crate) mod level;
mod monomials;
mod motion;
mod normal;
mod observation;
mod observe;
mod origin;
mod outliers;
mod pattern;
mod reference;
mod scan;
mod scatter;
mod sequence;
mod slope;
mod small;
mod solve;
mod spectrum;
mod template;
#[cfg(test)]
mod test_noise;
mod tone;
mod track;

pub use motion::{Freedom, Motion};
pub use observation::{DriftObservation, Prediction};
pub use observe::{Scratch, observe};
pub use reference::{Reference, StaticMask};
pub use sequence::Sequence;
pub use template::{Accumulator, Placement};
pub use track::{Decision, Fold, Settings, Told, Tracker};

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
    /// The same with its linear part: where all points of the field stand in the raster.
    pub motion: Motion,
    /// 0 (nothing in common with the template) to 1 (all that the noise allows).
    pub quality: f32,
    /// True when the registration is trusted.
    pub locked: bool,
    /// Which keyframe was the reference.
    pub keyframe: u32,
}

impl Drift {
    /// The same, told of another place than the field's centre: a point at (`u`, `v`) px from it.
    pub fn at(&self, u: f64, v: f64) -> Drift {
        let (x, y) = self.motion.at(u, v);
        Drift { x, y, ..*self }
    }

    /// The drift of a frame that was not registered.
    pub const UNKNOWN: Drift = Drift {
        x: f64::NAN,
        y: f64::NAN,
        x_error: f64::NAN,
        y_error: f64::NAN,
        motion: Motion { x: f64::NAN, y: f64::NAN, matrix: [0.0; 4] },
        quality: 0.0,
        locked: false,
        keyframe: 0,
    };
}

#[cfg(test)]
mod tests;

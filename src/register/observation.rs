//! What the observers are told of the frames to come, and what they tell of one.

use std::sync::Arc;

use super::level::Grid;
use super::motion::{Freedom, Motion};
use super::origin::{AnchorPlace, Origin};
use super::pattern::PatternShare;
use super::reference::Reference;

/// A template of fewer frames may have noise that was taken for structure,
pub(super) const YOUNG_FRAMES: f64 = 16.0;
/// where a frame shows less than this of its structure.
const CONTRAST_LEAST: f64 = 0.3;
/// Where a binned frame, in which noise counts for less, is as like the template as this, it is the specimen
/// whose fine structure has changed.
const LIKENESS_CLEAR: f64 = 0.8;

/// What the tracker knows of the frames to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Where the frame is expected, in the template.
    pub motion: Motion,
    /// Where a drift of 0 stands there.
    pub origin: Origin,
    /// Drift per frame, px.
    pub velocity: (f64, f64),
    /// What may vary from frame to frame.
    pub freedom: Freedom,
    /// The frames' structure over the template's: 1 for the same focus and contrast.
    pub contrast: f64,
    /// The likeness of the last frames.
    pub likeness: f64,
    /// How well the squares' brightness has agreed with the template's of late; 1: as the noise
    /// allows.
    pub misfit: f64,
    /// Squares of the full-resolution grid in which something of its own moves; none when empty.
    pub masked: Arc<[bool]>,
    /// Whether the contrast is to be measured even when nothing seems to have changed.
    pub measure_contrast: bool,
    /// The share of the noise that stands still on the camera, once that is known.
    pub pattern: Option<f64>,
    /// Whether to measure it.
    pub measure_pattern: bool,
}

impl Default for Prediction {
    fn default() -> Self {
        Prediction {
            motion: Motion::default(),
            origin: Origin::default(),
            velocity: (0.0, 0.0),
            freedom: Freedom::default(),
            contrast: 1.0,
            likeness: 1.0,
            misfit: 1.0,
            masked: Arc::from([]),
            measure_contrast: false,
            pattern: None,
            measure_pattern: false,
        }
    }
}

impl Prediction {
    /// A drift that is expected, and nothing more known.
    pub fn at(x: f64, y: f64) -> Prediction {
        Prediction { motion: Motion::shift(x, y), ..Prediction::default() }
    }

    /// The same, `frames` later than the tracker's last frame.
    pub fn ahead(&self, frames: f64) -> Prediction {
        let mut later = self.clone();
        later.motion.x += frames * self.velocity.0;
        later.motion.y += frames * self.velocity.1;
        later
    }
}

/// What one square of the grid leaves over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellResidual {
    pub cell: u32,
    /// Measured less promised sums, x and y.
    pub residual: [f32; 2],
    /// Their variance: xx, xy, yy.
    pub variance: [f32; 3],
}

/// What one frame says of its drift.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftObservation {
    /// Place in the template; NaN when nothing could be found.
    pub motion: Motion,
    /// Where a drift of 0 stands there, as it was told, and where the anchor was found in this template.
    pub origin: Origin,
    pub anchor: Option<AnchorPlace>,
    /// One sigma of the shift, px.
    pub x_error: f64,
    pub y_error: f64,
    /// The frame's brightness against the template's.
    pub gain: f64,
    /// The frame's structure over the template's, beyond brightness, and one sigma; nothing when
    /// it was not measured.
    pub contrast: Option<(f64, f64)>,
    /// Likeness to the template at binned resolution: 1 when all structure is there.
    pub likeness: f64,
    /// Variance of the noise over that of the camera model, as the squares' residuals show it.
    pub noise_scale: f64,
    /// Misfit of the squares' brightness: 1 when only noise differs.
    pub misfit: f64,
    /// True when the numbers can be trusted.
    pub locked: bool,
    /// True when the whole field had to be searched.
    pub searched: bool,
    /// The frame is the anchor once more, pixel for pixel, as where a film begins with a still: its noise is no
    /// noise of its own.
    pub repeats: bool,
    /// The part of the squares that agree, of those in the frame.
    pub agreeing: f64,
    /// The part of the information that the template's noise cost, 0 to 1: a reason to average
    /// more frames.
    pub template_cost: f64,
    /// The part of the residuals' variance that is the template's own noise.
    pub template_share: f64,
    /// Frames that the template stood for.
    pub template_frames: f64,
    /// Which keyframe the reference belongs to.
    pub keyframe: u32,
    /// What stands still on the camera, where the specimen has moved far enough to tell.
    pub pattern: Option<PatternShare>,
    pub grid: Option<Grid>,
    pub residuals: Vec<CellResidual>,
}

impl DriftObservation {
    /// The anchor frame: it defines the coordinates, so its drift is 0 exactly.
    pub const ANCHOR: DriftObservation = DriftObservation {
        motion: Motion { x: 0.0, y: 0.0, matrix: [0.0; 4] },
        origin: Origin { x: 0.0, y: 0.0 },
        anchor: None,
        x_error: 0.0,
        y_error: 0.0,
        gain: 1.0,
        contrast: None,
        likeness: 1.0,
        noise_scale: 1.0,
        misfit: 1.0,
        locked: true,
        searched: false,
        repeats: false,
        agreeing: 1.0,
        template_cost: 0.0,
        template_share: 0.0,
        template_frames: 1.0,
        keyframe: 0,
        pattern: None,
        grid: None,
        residuals: Vec::new(),
    };

    /// The anchor frame, with the noise that it shows.
    pub fn of_anchor(reference: &Reference) -> DriftObservation {
        DriftObservation { noise_scale: reference.noise_scale, ..DriftObservation::ANCHOR }
    }

    /// A frame in which nothing was found, `likeness` as far as it was seen.
    pub(super) fn lost(keyframe: u32, likeness: f64) -> DriftObservation {
        const NAN: f64 = f64::NAN;
        DriftObservation {
            motion: Motion::shift(NAN, NAN),
            x_error: NAN,
            y_error: NAN,
            gain: NAN,
            likeness,
            noise_scale: NAN,
            misfit: NAN,
            locked: false,
            searched: true,
            agreeing: 0.0,
            keyframe,
            ..DriftObservation::ANCHOR
        }
    }

    /// Whether what a young template promises is its own noise, of which the frame shows nothing.
    pub(super) fn shows_noise(&self) -> bool {
        self.template_frames < YOUNG_FRAMES
            && self.likeness < LIKENESS_CLEAR
            && self.contrast.is_some_and(|(contrast, _)| contrast < CONTRAST_LEAST)
    }
}

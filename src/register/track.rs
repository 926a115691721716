//! The in-order half of the registration: what drift to report, what to predict, and which frames
//! make the template better.

use std::sync::Arc;

use super::Drift;
use super::evidence::Evidence;
use super::motion::{Freedom, Motion};
use super::observation::{DriftObservation, Prediction, YOUNG_FRAMES};
use super::origin::Origin;
use super::pattern::PatternMemory;
use super::scan::Scan;
use super::template::Placement;

/// What the tracker decides after one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub drift: Drift,
    /// For the frames to come.
    pub prediction: Prediction,
    /// The version of the reference for the same frames.
    pub version: u32,
    /// How to fold this frame into the template; nothing when it is not wanted.
    pub fold: Option<Fold>,
}

/// An order to make the template better.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    pub placement: Placement,
    /// Frames that the mean remembers, this one included.
    pub memory: u32,
    /// Variance of the noise over that of the camera model.
    pub noise_scale: f64,
    /// The part of it that is a pattern fixed to the camera, 0 while that is not known.
    pub pattern: f64,
    /// Whether this frame begins a new keyframe.
    pub restart: bool,
    /// The frame does not come in; its noise alone has told something.
    pub only_noise: bool,
    /// The version to build once the frame is in, when the template has grown enough.
    pub build: Option<u32>,
    /// Squares that move by themselves.
    pub masked: Arc<[bool]>,
}

/// How the registration is asked to work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Larger drift is not trusted, px.
    pub max_shift_px: f64,
    /// What an observer is told is this old, once the run is under way.
    pub lag_frames: u64,
    /// Rotation and magnification may vary.
    pub similarity: bool,
    /// The time of a line over that from frame to frame; nothing where a frame is exposed at once.
    pub line_share: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { max_shift_px: 64.0, lag_frames: 16, similarity: false, line_share: None }
    }
}

impl Settings {
    fn freedom(&self) -> Freedom {
        Freedom { similarity: self.similarity, scan: self.line_share.is_some() }
    }
}

/// Memory of the registration.
#[derive(Clone, Debug)]
pub struct Tracker {
    anchor: u64,
    settings: Settings,
    last: Option<(u64, Motion)>,
    /// Pixels per frame, smoothed.
    velocity: (f64, f64),
    /// Structure over the template's, smoothed.
    contrast: f64,
    contrast_variance: f64,
    likeness: f64,
    misfit: f64,
    /// Frames of the template that the contrast was told against.
    compared: f64,
    noise_scale: f64,
    /// Frames that told of it.
    noise_seen: f64,
    evidence: Evidence,
    /// Where a drift of 0 stands in the template.
    origin: Origin,
    /// Squares that were masked as the last version was built.
    masked_built: usize,
    scan: Option<Scan>,
    pattern: PatternMemory,
    /// A pattern was found, and a template built that allows for it.
    pattern_built: bool,
    folded: u32,
    /// Frames that the template remembers.
    memory: u32,
    seen: u64,
    /// Frames in a row that look different from the template.
    different: u64,
    /// The keyframe that is being grown, and that of the last observation.
    keyframe: u32,
    seen_keyframe: u32,
    version: u32,
}

/// Frames over which the velocity is smoothed.
const VELOCITY_FRAMES: f64 = 32.0;
/// Faster than this is a jump and no velocity, px per frame.
const JUMP_PX: f64 = 4.0;
/// Once the template is full, every so many frames one is folded in.
const REFRESH_EVERY: u64 = 8;
/// Frames that a template remembers: few, so that it follows slow change, but more where its
/// noise still costs accuracy.
const MEMORY_LEAST: u32 = 64;
const MEMORY_MOST: u32 = 1024;
/// Less than this part of the information is not worth a longer memory, nor is a drift that is known
/// better than so, px.
const COST: f64 = 0.03;
const KNOWN_WELL_PX: f64 = 0.003;
/// A template that has its least frames takes so many pixels of each further one on average: of large
/// frames, which cost much to fold in, it takes only some.
const GROWTH_PIXELS: usize = 2 << 20;
/// Likeness and contrast are smoothed over this many frames.
const LOOK_FRAMES: f64 = 8.0;
/// The scale of the noise is averaged over so many frames, and kept in this range.
const NOISE_FRAMES: f64 = 64.0;
/// Only templates whose own noise is a smaller part than this tell of it.
const NOISE_SHARE: f64 = 0.1;
const NOISE_SCALE: std::ops::Range<f64> = 0.2..20.0;
/// Where an anchor's noise passed for structure, it is at least this many times what was thought. Neighbouring
/// pixels of a scintillator or of a scaled image share theirs, which a single frame cannot tell.
const LOUDER: f64 = 2.0;
/// A young template that has grown by this factor looks different.
const GROWN: f64 = 1.4;
/// Every so many frames the contrast is measured even when nothing seems to have changed.
const CONTRAST_EVERY: u64 = 16;
/// How much the contrast may change from one measurement to the next, one sigma.
const CONTRAST_DRIFT: f64 = 0.002;
/// Likeness or contrast outside this range for [`DIFFERENT_FRAMES`] begins a new keyframe.
const ALIKE: std::ops::Range<f64> = 0.85..1.18;
const DIFFERENT_FRAMES: u64 = 24;
/// When this part of the field is masked anew, the anchor is looked for in the template at once.
const MASKED_ANEW: f64 = 0.05;
/// A new keyframe's template takes over once it has this many frames.
const TAKE_OVER: u32 = 32;

impl Tracker {
    /// A tracker whose template is the anchor frame alone; `anchor` is its row in the ledger.
    pub fn new(anchor: u64, settings: Settings) -> Tracker {
        Tracker {
            anchor,
            settings,
            last: Some((anchor, Motion::default())),
            velocity: (0.0, 0.0),
            contrast: 1.0,
            contrast_variance: 0.0,
            likeness: 1.0,
            misfit: 1.0,
            compared: 1.0,
            noise_scale: 1.0,
            noise_seen: 4.0,
            evidence: Evidence::default(),
            origin: Origin::default(),
            masked_built: 0,
            scan: settings.line_share.map(Scan::new),
            pattern: PatternMemory::default(),
            pattern_built: false,
            folded: 1,
            memory: MEMORY_LEAST,
            seen: 1,
            different: 0,
            keyframe: 0,
            seen_keyframe: 0,
            version: 0,
        }
    }

    /// Takes the next frame's observation; `None` for a frame without pixels.
    pub fn track(&mut self, index: u64, observation: Option<&DriftObservation>) -> Decision {
        let mut drift = observation
            .map_or(Drift::UNKNOWN, |seen| Self::judge(seen, self.settings.max_shift_px));
        let mut fold = None;
        if index == self.anchor
            && let Some(seen) = observation
        {
            self.noise_scale = seen.noise_scale;
        }
        // The anchor is in the template from the start.
        let later = observation.filter(|_| drift.locked && index != self.anchor);
        if let Some(seen) = later {
            if let Some(scan) = &mut self.scan {
                let (x, y) = scan.unscan(index, &seen.motion);
                (drift.x, drift.y) = (x - seen.origin.x, y - seen.origin.y);
            }
            self.follow(index, seen.motion);
        }
        if let Some(seen) = later.filter(|seen| !seen.repeats) {
            if seen.keyframe != self.seen_keyframe {
                self.seen_keyframe = seen.keyframe;
                self.evidence.clear();
                // These are told against a template of another look.
                self.likeness = seen.likeness;
                self.misfit = seen.misfit;
                self.contrast = seen.contrast.map_or(1.0, |(contrast, _)| contrast);
                self.contrast_variance = seen.contrast.map_or(0.0, |(_, sigma)| sigma * sigma);
                self.different = 0;
            }
            self.look(seen);
            self.find_origin(index, seen);
            self.pattern.take(seen.pattern);
            if let Some(grid) = &seen.grid {
                self.evidence.take(grid, &seen.residuals, seen.template_share);
            }
            fold = self.fold(index, seen);
        } else if let Some(seen) = observation.filter(|_| index != self.anchor) {
            fold = self.hear_noise(seen);
        }
        Decision { drift, prediction: self.prediction(index), version: self.version, fold }
    }

    /// What is reported of an observation: pure, so that an observer comes to the same verdict.
    pub fn judge(seen: &DriftObservation, max_shift_px: f64) -> Drift {
        let motion = seen.origin.of(&seen.motion);
        let Motion { x, y, .. } = motion;
        let near = x.abs() <= max_shift_px && y.abs() <= max_shift_px;
        let quality = seen.likeness.clamp(0.0, 1.0) as f32;
        // A drift that is not trusted is no number: it would be believed.
        if !seen.locked || !near {
            return Drift { quality, keyframe: seen.keyframe, ..Drift::UNKNOWN };
        }
        Drift {
            x,
            y,
            x_error: seen.x_error,
            y_error: seen.y_error,
            motion,
            quality,
            locked: true,
            keyframe: seen.keyframe,
        }
    }

    fn follow(&mut self, index: u64, motion: Motion) {
        if let Some((last, before)) = self.last {
            let frames = index.saturating_sub(last).max(1) as f64;
            let step = ((motion.x - before.x) / frames, (motion.y - before.y) / frames);
            if step.0.hypot(step.1) < JUMP_PX.max(4.0 * self.velocity.0.hypot(self.velocity.1))
                || index < self.anchor + 4
            {
                // The first frames are all that is known of the velocity.
                let known = (index - self.anchor.min(index)) as f64;
                let share = (frames / VELOCITY_FRAMES.min(known.max(1.0))).min(1.0);
                self.velocity.0 += share * (step.0 - self.velocity.0);
                self.velocity.1 += share * (step.1 - self.velocity.1);
            }
        }
        self.last = Some((index, motion));
    }

    /// Where the anchor was found, once squares were masked after which frames may have been drawn before.
    fn find_origin(&mut self, index: u64, seen: &DriftObservation) {
        let Some(anchor) = &seen.anchor else { return };
        let before = self.origin;
        self.origin = before.with(anchor);
        if self.origin != before {
            tracing::info!(
                frame = index,
                x_px = self.origin.x - before.x,
                y_px = self.origin.y - before.y,
                "the drift had been drawn after something that moves by itself; by so much it is told better from now on"
            );
        }
    }

    /// How the frame looks, against the template.
    fn look(&mut self, seen: &DriftObservation) {
        self.likeness += (seen.likeness.min(2.0) - self.likeness) / LOOK_FRAMES;
        self.misfit += (seen.misfit - self.misfit) / LOOK_FRAMES;
        // A young template's noise meets itself in the residuals, and hides what they scatter.
        let telling = seen.template_share < NOISE_SHARE && seen.agreeing > 0.6;
        if telling && seen.noise_scale.is_finite() {
            self.noise_seen += 1.0;
            let known = self.noise_seen.min(NOISE_FRAMES);
            let scale = seen.noise_scale.clamp(NOISE_SCALE.start, NOISE_SCALE.end);
            self.noise_scale += (scale - self.noise_scale) / known;
        }
        if self.compared < YOUNG_FRAMES && seen.template_frames > GROWN * self.compared {
            // What the template's noise, or one frame's own look, made of the contrast holds no longer.
            (self.contrast, self.contrast_variance) = (1.0, 0.0);
            (self.likeness, self.misfit) = (seen.likeness, seen.misfit);
        }
        self.compared = seen.template_frames;
        if let Some((contrast, sigma)) = seen.contrast {
            let off = (contrast - self.contrast).abs();
            if off > 4.0 * sigma && off > 0.05 {
                self.contrast = contrast.clamp(0.2, 5.0);
                self.contrast_variance = sigma * sigma;
                // Both tell the same look.
                self.likeness = seen.likeness.min(2.0);
            } else {
                let before = self.contrast_variance + CONTRAST_DRIFT * CONTRAST_DRIFT;
                let share = before / (before + sigma * sigma);
                self.contrast += share * (contrast - self.contrast);
                self.contrast_variance = (1.0 - share) * before;
            }
        }
        let alike = ALIKE.contains(&seen.likeness) && ALIKE.contains(&self.contrast);
        // While a new keyframe grows, frames are still told against the old one.
        let settled = seen.keyframe == self.keyframe;
        self.different = if alike || !settled { 0 } else { self.different + 1 };
    }

    /// 1 unless the contrast is known to be another: its error would scale each displacement.
    fn known_contrast(&self) -> f64 {
        let sigma = self.contrast_variance.sqrt();
        if (self.contrast - 1.0).abs() > 3.0 * sigma { self.contrast } else { 1.0 }
    }

    /// The look is about to be another, or a template of the new look still grows: what that takes up
    /// of the contrast's error stays.
    fn is_changing(&self) -> bool {
        self.different > 0 || self.keyframe != self.seen_keyframe
    }

    fn prediction(&self, index: u64) -> Prediction {
        let (last, motion) = self.last.unwrap_or((index, Motion::default()));
        let prediction = Prediction {
            motion,
            origin: self.origin,
            velocity: self.velocity,
            freedom: self.settings.freedom(),
            contrast: self.known_contrast(),
            likeness: self.likeness,
            misfit: self.misfit,
            masked: self.evidence.masked(),
            measure_contrast: index.is_multiple_of(CONTRAST_EVERY) || self.is_changing(),
            pattern: self.pattern.share(),
            measure_pattern: self.pattern.is_wanted(index, &motion),
        };
        // Lost for long: the velocity of then says nothing of now.
        let ahead = index.saturating_sub(last).min(4 * self.settings.lag_frames) as f64;
        prediction.ahead(ahead)
    }

    fn fold(&mut self, index: u64, seen: &DriftObservation) -> Option<Fold> {
        self.seen += 1;
        let restart = self.different >= DIFFERENT_FRAMES;
        if restart {
            self.begin_keyframe(index, seen);
        }
        let wants_more =
            seen.template_cost > COST && seen.x_error.max(seen.y_error) > KNOWN_WELL_PX;
        if self.folded >= self.memory && self.memory < MEMORY_MOST && wants_more {
            self.memory = self.folded + 1;
        }
        let growing = self.folded < MEMORY_LEAST
            || self.folded < self.memory && self.seen.is_multiple_of(growth_every(seen));
        let steady = seen.likeness > 0.7 * self.likeness && seen.agreeing > 0.4;
        let good = steady && (0.2..5.0).contains(&seen.gain);
        if !good || !(growing || restart || self.seen.is_multiple_of(REFRESH_EVERY)) {
            return None;
        }
        self.folded = self.folded.saturating_add(1);
        let found = !self.pattern_built && self.pattern.share().is_some_and(|share| share > 0.0);
        let masked = self.evidence.masked();
        let masks = masked.iter().filter(|masked| **masked).count();
        let drawn = self.keyframe == 0
            && masks as f64 > self.masked_built as f64 + MASKED_ANEW * masked.len() as f64;
        let told_more = (found || drawn) && self.keyframe == seen.keyframe;
        let build = (self.is_build_due() || told_more).then(|| {
            self.pattern_built |= found;
            self.masked_built = masks;
            self.version += 1;
            self.version
        });
        let placement = Placement { motion: seen.motion, gain: seen.gain };
        let noise_scale = self.noise_scale;
        let pattern = self.pattern.share().unwrap_or(0.0);
        let memory = self.memory;
        Some(Fold {
            placement,
            memory,
            noise_scale,
            pattern,
            restart,
            only_noise: false,
            build,
            masked,
        })
    }

    /// An anchor whose noise passes for structure lets no frame lock; a frame that shows the noise makes it
    /// a better one.
    fn hear_noise(&mut self, seen: &DriftObservation) -> Option<Fold> {
        let heard = seen.noise_scale.clamp(NOISE_SCALE.start, NOISE_SCALE.end);
        let louder = heard > LOUDER * self.noise_scale && seen.agreeing > 0.6;
        if self.folded > 1 || self.keyframe > 0 || !(louder && seen.shows_noise()) {
            return None;
        }
        self.noise_scale = heard;
        self.version += 1;
        Some(Fold {
            placement: Placement { motion: Motion::default(), gain: 1.0 },
            memory: self.memory,
            noise_scale: self.noise_scale,
            pattern: 0.0,
            restart: false,
            only_noise: true,
            build: Some(self.version),
            masked: Arc::from([]),
        })
    }

    /// The scene looks different, but its place is known: the template begins anew in the same
    /// coordinates. Until it has grown, the old one is used.
    fn begin_keyframe(&mut self, index: u64, seen: &DriftObservation) {
        tracing::info!(
            frame = index,
            likeness = seen.likeness,
            contrast = self.contrast,
            "the scene looks different (focus, contrast): a new keyframe begins"
        );
        self.different = 0;
        self.keyframe += 1;
        self.folded = 0;
        self.memory = MEMORY_LEAST;
    }

    /// Versions are built as the number of frames grows by a third to a half; once the mean takes no
    /// more than it remembers, so that it follows slow change.
    fn is_build_due(&self) -> bool {
        let n = self.folded;
        let grown =
            n.is_power_of_two() || (n > 32 && n.is_multiple_of(3) && (n / 3).is_power_of_two());
        let takes_over = self.keyframe == 0 || n >= TAKE_OVER;
        let full = n > self.memory && n.is_multiple_of(MEMORY_LEAST);
        takes_over && (grown || full)
    }
}

/// Once the template has its least frames, one of so many comes in.
fn growth_every(seen: &DriftObservation) -> u64 {
    let pixels = seen.grid.map_or(0, |grid| grid.cells() * grid.side * grid.side);
    pixels.div_ceil(GROWTH_PIXELS).clamp(1, REFRESH_EVERY as usize) as u64
}

/// What an observer is told, with the version of the reference that goes with it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub prediction: Prediction,
    pub version: u32,
    /// Row after which this was known.
    pub row: u64,
}

impl Told {
    /// The prediction for a later row.
    pub fn for_row(&self, index: u64) -> Prediction {
        self.prediction.ahead(index.saturating_sub(self.row) as f64)
    }
}

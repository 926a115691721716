//! One frame against the reference: pure, and on any thread.
//!
//! From the prediction, whole-pixel steps at binned resolution; when the frame there does not
//! look as it should, a search ([`acquire`](super::acquire)); then one pass at full resolution.
//! The frame is trusted (locked) when the template's structure is in it and both resolutions
//! agree.

use super::acquire::{acquire, approach, as_expected, is_beaten, is_like};
use super::bin::bin;
use super::coarse::SearchScratch;
use super::compare::{Shared, TileSums, compare};
use super::level::{Level, Tile};
use super::motion::{Freedom, Motion};
use super::observation::{CellResidual, DriftObservation, Prediction};
use super::pattern::{APART_PX, PatternShare, SEEN_SIGMA, compare_patterns};
use super::reference::Reference;
use super::slope::contrast;
use super::solve::{Ask, Fit, SolveSpace, solve};
use crate::frame::Image;

/// Work space of one thread.
pub struct Scratch {
    pub(super) binned: Image,
    pub(super) sums: Vec<TileSums>,
    pub(super) search: SearchScratch,
    pub(super) solve: SolveSpace,
    /// Squares of the coarse grid that are left out.
    pub(super) coarse_masked: Vec<bool>,
    /// The noise that the frame has in common with the template.
    pub(super) shared: Shared,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            binned: Image::zeros_f32(0, 0),
            sums: Vec::new(),
            search: SearchScratch::default(),
            solve: SolveSpace::default(),
            coarse_masked: Vec::new(),
            shared: Shared::default(),
        }
    }
}

/// At least this part of the tiles must agree with the fit.
pub const TILES_AGREE: f64 = 0.35;
/// A brightness that agrees worse than the usual one by this factor is that of another place.
const MISFIT: f64 = 2.5;
/// One sigma of a contrast that had to be foreseen, where the frame looks otherwise than the last ones did.
const CONTRAST_SIGMA: f64 = 0.1;
/// A frame's structure over that of a template whose noise passed for structure may be very small.
const CONTRASTS: std::ops::Range<f64> = 0.02..5.0;
/// A pattern holds a frame that is found further off than this once it is allowed for, px and sigma.
const HELD_PX: f64 = 0.25;
const HELD_SIGMA: f64 = 4.0;
/// How far beyond the phases of the full resolution the polynomials are trusted, px.
const BEYOND_PHASE_PX: f64 = 0.35;

/// Measures the drift of `image`.
pub fn observe(
    image: &Image,
    reference: &Reference,
    prediction: &Prediction,
    scratch: &mut Scratch,
) -> DriftObservation {
    if repeats(&reference.full, image, &reference.probe) {
        let anchor = DriftObservation::of_anchor(reference);
        let motion = Motion::shift(prediction.origin.x, prediction.origin.y);
        let origin = prediction.origin;
        return DriftObservation {
            motion,
            origin,
            repeats: true,
            keyframe: reference.keyframe,
            ..anchor
        };
    }
    let found = observe_in_template(image, reference, prediction, scratch);
    DriftObservation { origin: prediction.origin, anchor: reference.anchor, ..found }
}

/// The anchor frame itself, against a template of which it is a part.
pub(super) fn observe_anchor(
    reference: &Reference,
    prediction: &Prediction,
    scratch: &mut Scratch,
) -> DriftObservation {
    scratch.shared = Shared { pattern: reference.pattern, own: reference.anchor_share };
    observe_allowing(&reference.probe, reference, prediction, scratch)
}

/// The same of a frame that is not the anchor.
fn observe_in_template(
    image: &Image,
    reference: &Reference,
    prediction: &Prediction,
    scratch: &mut Scratch,
) -> DriftObservation {
    let seen = prediction
        .measure_pattern
        .then(|| compare_patterns(&reference.full, image, &reference.probe, &prediction.masked));
    let seen = seen.flatten();
    let is_apart =
        |found: &DriftObservation| found.locked && found.motion.x.hypot(found.motion.y) > APART_PX;
    // A template of several frames allows for the pattern only when it was known as it was built.
    let alone = reference.full.frames < 1.5;
    let of_all = |share: f64| share * reference.rough_share;
    let known = if alone { prediction.pattern.map(of_all) } else { Some(reference.pattern) };
    scratch.shared = Shared { pattern: known.unwrap_or(0.0), own: 0.0 };
    if known.is_none()
        && let Some(PatternShare { share, sigma }) = seen
        && share > SEEN_SIGMA * sigma
    {
        // A pattern, unless it is the specimen that has not moved: then it is not found elsewhere.
        scratch.shared.pattern = of_all(share);
        let found = observe_allowing(image, reference, prediction, scratch);
        if is_apart(&found) {
            return DriftObservation { pattern: seen, ..found };
        }
        scratch.shared.pattern = 0.0;
        return undecided(found, observe_allowing(image, reference, prediction, scratch));
    }
    let found = observe_allowing(image, reference, prediction, scratch);
    DriftObservation { pattern: seen.filter(|_| is_apart(&found)), ..found }
}

/// Whether a frame is the anchor, pixel for pixel, in all squares of the level; frames that differ do so in the
/// first pixels. A blank one shows no place.
fn repeats(level: &Level, image: &Image, anchor: &Image) -> bool {
    let side = level.shape.tile;
    let alike = |tile: &Tile| image.is_same(anchor, (tile.x, tile.y), side);
    (image.width, image.height) == (anchor.width, anchor.height)
        && !level.tiles.is_empty()
        && level.tiles.iter().all(alike)
        && !image.is_even()
}

/// What stands still may be a pattern, or the specimen itself: of a frame that was measured `allowing` for the one
/// and as the other. A drift on which both agree is told, and how far they are apart; else nothing holds.
fn undecided(allowing: DriftObservation, plain: DriftObservation) -> DriftObservation {
    let (x, y) = (allowing.motion.x - plain.motion.x, allowing.motion.y - plain.motion.y);
    let apart = x.hypot(y);
    if apart > HELD_PX && apart > HELD_SIGMA * plain.x_error.hypot(plain.y_error) {
        return DriftObservation { locked: false, ..allowing };
    }
    // One of them may have found nothing.
    let (x, y) = if apart.is_finite() { (0.5 * x, 0.5 * y) } else { (0.0, 0.0) };
    DriftObservation { x_error: plain.x_error.hypot(x), y_error: plain.y_error.hypot(y), ..plain }
}

/// The same, where the share of a pattern is known (`scratch.shared`).
fn observe_allowing(
    image: &Image,
    reference: &Reference,
    prediction: &Prediction,
    scratch: &mut Scratch,
) -> DriftObservation {
    let factor = reference.factor as f64;
    bin(image, reference.factor, &mut scratch.binned);
    mask_coarse(reference, &prediction.masked, &mut scratch.coarse_masked);
    let expected = prediction.motion.binned(factor);
    let tracked = approach(&reference.coarse, expected, prediction.freedom, scratch);
    // On a periodic specimen all places look alike but for what is broader than a tile.
    let periodic = !reference.periods.is_empty();
    let usual = prediction.misfit.max(1.0);
    let in_place = |fit: &Fit| !periodic || fit.brightness.misfit < MISFIT * usual;
    let beyond_chance = |fit: &Fit| 1.0 + 5.0 * (2.0 / fit.brightness.tiles.max(1) as f64).sqrt();
    let fine_enough = |fit: &Fit| {
        is_like(&reference.coarse, fit, false)
            && as_expected(fit, prediction.likeness)
            && (!periodic || fit.brightness.misfit < usual * beyond_chance(fit))
    };
    let searched = !tracked.is_some_and(|fit| fine_enough(&fit));
    let found = match tracked {
        Some(fit) if !searched => stay(reference, fit, prediction, scratch),
        _ => acquire(reference, tracked, prediction, scratch),
    };
    let Some(coarse) = found.filter(in_place) else {
        let likeness = tracked.map_or(0.0, |fit| fit.likeness.clamp(0.0, 1.0));
        return DriftObservation::lost(reference.keyframe, likeness);
    };
    let refined = refine(image, reference, &coarse, prediction, searched, scratch);
    let Some(Refined { fit: fine, contrast, read }) = refined else {
        return DriftObservation::lost(reference.keyframe, coarse.likeness);
    };
    let template_noise = 1.0 / reference.full.frames;
    let seen = DriftObservation {
        motion: fine.motion,
        x_error: fine.covariance[0].sqrt().hypot(read.0),
        y_error: fine.covariance[2].sqrt().hypot(read.1),
        gain: fine.gain,
        contrast,
        likeness: coarse.likeness,
        noise_scale: reference.noise_scale * fine.excess,
        misfit: coarse.brightness.misfit,
        locked: agree(&coarse, &fine, factor)
            && fine.tiles as f64 >= TILES_AGREE * fine.tiles_in_frame as f64,
        searched,
        repeats: false,
        agreeing: fine.tiles as f64 / fine.tiles_in_frame.max(1) as f64,
        template_cost: reference.full.noise_cost,
        template_share: template_noise / (1.0 / fine.gain + template_noise),
        template_frames: reference.full.frames,
        keyframe: reference.keyframe,
        pattern: None,
        grid: Some(reference.full.grid),
        residuals: residuals(&scratch.solve),
        ..DriftObservation::ANCHOR
    };
    DriftObservation { locked: seen.locked && !seen.shows_noise(), ..seen }
}

/// On a periodic specimen a jump by a period looks nearly as good as none. Where a place a period
/// away is clearly better, the specimen is there; where none is, continuity decides.
fn stay(
    reference: &Reference,
    fit: Fit,
    prediction: &Prediction,
    scratch: &mut Scratch,
) -> Option<Fit> {
    if reference.periods.is_empty() || !is_beaten(reference, &fit, scratch) {
        return Some(fit);
    }
    acquire(reference, Some(fit), prediction, scratch)
}

fn residuals(space: &SolveSpace) -> Vec<CellResidual> {
    let cells = space.locals.iter().map(|local| CellResidual {
        cell: local.cell as u32,
        residual: local.residual.map(|r| r as f32),
        variance: local.variance.map(|v| v as f32),
    });
    cells.collect()
}

/// A coarse square is left out when half of what it covers is.
fn mask_coarse(reference: &Reference, masked: &[bool], out: &mut Vec<bool>) {
    out.clear();
    if !masked.iter().any(|masked| *masked) {
        return;
    }
    let (coarse, fine, factor) = (&reference.coarse.grid, &reference.full.grid, reference.factor);
    out.extend((0..coarse.cells()).map(|cell| {
        let (x, y) = coarse.corner(cell);
        let quarters = [(1, 1), (3, 1), (1, 3), (3, 3)];
        let hit = |(i, j): &(usize, usize)| {
            let probe = |at: usize, quarter: usize| (at + quarter * coarse.side / 4) * factor;
            fine.cell_at(probe(x, *i), probe(y, *j))
                .is_some_and(|cell| masked.get(cell).is_some_and(|masked| *masked))
        };
        quarters.iter().filter(|quarter| hit(quarter)).count() >= 2
    }));
}

/// True when the two resolutions tell the same drift, within their errors and half a binned pixel.
fn agree(coarse: &Fit, fine: &Fit, factor: f64) -> bool {
    let within = |coarse_at: f64, fine_at: f64, variance: f64| {
        (coarse_at * factor - fine_at).abs() < 0.5 * factor + 4.0 * factor * variance.sqrt()
    };
    within(coarse.motion.x, fine.motion.x, coarse.covariance[0])
        && within(coarse.motion.y, fine.motion.y, coarse.covariance[2])
}

/// A frame at full resolution.
struct Refined {
    fit: Fit,
    /// The contrast with one sigma, where it had to be measured.
    contrast: Option<(f64, f64)>,
    /// By how much the displacement from the weights may have been read wrongly, x and y, px.
    read: (f64, f64),
}

/// One pass at full resolution, repeated only when the first guess of shift and phase was off.
fn refine(
    image: &Image,
    reference: &Reference,
    coarse: &Fit,
    prediction: &Prediction,
    searched: bool,
    scratch: &mut Scratch,
) -> Option<Refined> {
    const PASSES: usize = 4;
    const LONGEST_STEP_PX: f64 = 2.0;
    let level = &reference.full;
    let between = 0.5 / level.shape.phases.len() as f64;
    // A frame that had to be searched for may be turned or magnified against the last.
    let turned = searched && !coarse.motion.is_shift();
    let freedom =
        Freedom { similarity: prediction.freedom.similarity || turned, ..prediction.freedom };
    let changed = coarse.likeness / prediction.likeness;
    let unusual = searched || !(0.95..1.05).contains(&changed);
    let mut ask = Ask {
        start: Motion {
            x: coarse.motion.x * reference.factor as f64,
            y: coarse.motion.y * reference.factor as f64,
            matrix: coarse.motion.matrix,
        },
        freedom,
        contrast: prediction.contrast * if unusual { changed.clamp(0.3, 3.0) } else { 1.0 },
        reach: between + BEYOND_PHASE_PX,
        masked: &prediction.masked,
    };
    let mut measured = None;
    let mut asked = !(unusual || prediction.measure_contrast);
    let mut last = None;
    for _ in 0..PASSES {
        compare(level, image, &ask.start, scratch.shared, &mut scratch.sums);
        let mut fit = solve(level, &scratch.sums, &ask, &mut scratch.solve)?;
        // A little beyond the border of two phases both are as good; do not swing between them.
        let near = farthest(level, &scratch.sums, &fit.motion) < between + 0.1;
        if near && !asked {
            asked = true;
            measured = contrast(level, image, &fit, &ask, scratch);
            if let Some((contrast, sigma)) = measured
                && (contrast - ask.contrast).abs() > 4.0 * sigma
            {
                ask.contrast = contrast.clamp(CONTRASTS.start, CONTRASTS.end);
                fit = solve(level, &scratch.sums, &ask, &mut scratch.solve)?;
            }
        }
        last = Some(fit);
        if near && farthest(level, &scratch.sums, &fit.motion) < between + 0.1 {
            break;
        }
        let step = |from: f64, to: f64| from + (to - from).clamp(-LONGEST_STEP_PX, LONGEST_STEP_PX);
        ask.start = Motion {
            x: step(ask.start.x, fit.motion.x),
            y: step(ask.start.y, fit.motion.y),
            matrix: fit.motion.matrix,
        };
    }
    let fit = last?;
    let unsure = match measured {
        Some((contrast, sigma)) => sigma / contrast.abs().max(CONTRASTS.start),
        None if unusual => CONTRAST_SIGMA,
        None => 0.0,
    };
    let at = scratch.sums.first().map_or((fit.motion.x, fit.motion.y), |sum| sum.at);
    let read = (unsure * (fit.motion.x - at.0), unsure * (fit.motion.y - at.1));
    Some(Refined { fit, contrast: measured, read })
}

/// How far the motion lies from where a tile's weights stood, at most, px.
fn farthest(level: &Level, sums: &[TileSums], motion: &Motion) -> f64 {
    let distance = |sum: &TileSums| {
        let (u, v) = level.offset_of(&level.tiles[sum.tile]);
        let (x, y) = motion.at(u, v);
        (x - sum.at.0).abs().max((y - sum.at.1).abs())
    };
    if motion.is_shift() {
        sums.first().map_or(0.0, distance)
    } else {
        sums.iter().map(distance).fold(0.0, f64::max)
    }
}

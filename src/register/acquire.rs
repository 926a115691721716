//! Finding the specimen at binned resolution: from a prediction by whole-pixel steps, and when the
//! frame there does not look as it should, by a search over the whole field.
//!
//! The search offers several places. Each is climbed to its top and judged by the structure that
//! the template promises there. When two places are equally good, as on a periodic lattice, the
//! frame is not trusted at either. When none is good, the frame may be magnified or turned, as
//! after refocusing: a few small magnifications and rotations are tried.

use super::compare::compare;
use super::level::Level;
use super::motion::{Freedom, Motion};
use super::observe::{Scratch, TILES_AGREE};
use super::reference::Reference;
use super::solve::{Ask, Fit, solve};
use crate::frame::Samples;

/// Less of the template's structure than this is not the same scene.
const LIKENESS_LEAST: f64 = 0.3;
/// Structure must stand this many sigma above the noise: where it was expected, and where it was
/// found by trying ten thousands of places.
const SIGNIFICANCE_EXPECTED: f64 = 5.0;
const SIGNIFICANCE_SEARCHED: f64 = 8.0;
/// At least this part of the tiles must lie in the frame.
const TILES_IN_FRAME: f64 = 0.1;
/// Places of the whole-field search that are looked at closely.
const CANDIDATES: usize = 6;
/// The best place must be better than any other by this many sigma, and by this factor.
const APART_SIGMA: f64 = 5.0;
const APART_FACTOR: f64 = 1.03;
/// Places closer than this are one, px of the level.
const SAME_PLACE_PX: f64 = 1.5;
/// A likeness this much below the usual one, beyond its error, is a reason to look elsewhere.
const USUAL: f64 = 0.93;

/// Magnifications and rotations (rad) that are tried when a frame cannot be found otherwise.
const POSES: [(f64, f64); 10] = [
    (1.01, 0.0),
    (0.99, 0.0),
    (1.02, 0.0),
    (0.98, 0.0),
    (1.03, 0.0),
    (0.97, 0.0),
    (1.0, 0.01),
    (1.0, -0.01),
    (1.0, 0.02),
    (1.0, -0.02),
];

/// Whether the frame shows the template's scene at a place.
pub fn is_like(level: &Level, fit: &Fit, searched: bool) -> bool {
    let significance = if searched { SIGNIFICANCE_SEARCHED } else { SIGNIFICANCE_EXPECTED };
    fit.likeness >= LIKENESS_LEAST
        && fit.significance >= significance
        && fit.tiles as f64 >= TILES_AGREE * fit.tiles_in_frame as f64
        && fit.tiles_in_frame as f64 >= TILES_IN_FRAME * level.tiles.len() as f64
}

/// Whether a frame is as like the template as the last ones were.
pub fn as_expected(fit: &Fit, usual: f64) -> bool {
    let sigma = fit.likeness / fit.significance;
    fit.likeness + 5.0 * sigma > USUAL * usual
}

/// Whole-pixel steps until the rest is below a pixel; px of the level.
pub fn approach(
    level: &Level,
    start: Motion,
    freedom: Freedom,
    scratch: &mut Scratch,
) -> Option<Fit> {
    const STEPS: usize = 8;
    const LONGEST_STEP_PX: f64 = 2.0;
    let mut at = start;
    let mut contrast = 1.0;
    let mut best: Option<Fit> = None;
    for _ in 0..STEPS {
        compare(level, &scratch.binned, &at, &mut scratch.sums);
        let mut ask =
            Ask { start: at, freedom, contrast, reach: 0.75, masked: &scratch.coarse_masked };
        let mut fit = solve(level, &scratch.sums, &ask, &mut scratch.solve)?;
        // A frame of another contrast would be read as displaced by another amount.
        if fit.significance > SIGNIFICANCE_SEARCHED && !(0.9..1.1).contains(&fit.likeness) {
            contrast = (contrast * fit.likeness).clamp(0.3, 3.0);
            ask.contrast = contrast;
            fit = solve(level, &scratch.sums, &ask, &mut scratch.solve)?;
        }
        fit.likeness *= contrast;
        if best.is_none_or(|best| fit.likeness > best.likeness) {
            best = Some(fit);
        }
        let step = |from: f64, to: f64| (to - from).clamp(-LONGEST_STEP_PX, LONGEST_STEP_PX);
        let (x, y) = (step(at.x, fit.motion.x), step(at.y, fit.motion.y));
        let next = Motion { x: at.x + x, y: at.y + y, matrix: fit.motion.matrix };
        let stands = next.x.round() == at.x.round()
            && next.y.round() == at.y.round()
            && (next.matrix == at.matrix || x.hypot(y) < 0.1);
        if stands {
            return Some(fit);
        }
        at = next;
    }
    best
}

/// Looks everywhere; `tracked` is what the prediction led to. Nothing when the frame shows nothing
/// that can be trusted.
pub fn acquire(reference: &Reference, tracked: Option<Fit>, scratch: &mut Scratch) -> Option<Fit> {
    let level = &reference.coarse;
    let mut places: Vec<Fit> = tracked.into_iter().collect();
    for (x, y) in candidates(reference, scratch) {
        let start = Motion::shift(x as f64, y as f64);
        places.extend(approach(level, start, Freedom::default(), scratch));
    }
    if let Some(best) = choose(level, &mut places) {
        return best;
    }
    // Where it was expected, less is enough than where it was looked for.
    if let Some(tracked) = tracked.filter(|fit| is_like(level, fit, false)) {
        return Some(tracked);
    }
    let freedom = Freedom { similarity: true, scan: false };
    let starts: Vec<Motion> = places.iter().take(2).map(|fit| fit.motion).collect();
    let mut posed = Vec::new();
    for (magnification, rotation) in POSES {
        let pose = Motion::of_similarity(magnification, rotation);
        for start in &starts {
            let start = Motion { matrix: pose.matrix, ..*start };
            posed.extend(approach(level, start, freedom, scratch));
        }
    }
    posed.retain(|fit| fit.motion.matrix.iter().all(|m| m.abs() < 0.06));
    choose(level, &mut posed).flatten()
}

fn candidates(reference: &Reference, scratch: &mut Scratch) -> Vec<(i64, i64)> {
    let Samples::F32(binned) = &scratch.binned.samples else {
        unreachable!("binning writes f32 samples");
    };
    let (width, height) = (scratch.binned.width, scratch.binned.height);
    reference.search.find(binned, width, height, CANDIDATES, &mut scratch.search)
}

/// Sorts the places, the best first, and takes the best when it shows the scene: nothing when it
/// does not, `Some(None)` when another is as good.
fn choose(level: &Level, places: &mut [Fit]) -> Option<Option<Fit>> {
    places.sort_by(|a, b| b.significance.total_cmp(&a.significance));
    let best = places.first().filter(|fit| is_like(level, fit, true))?;
    let elsewhere = places.iter().find(|other| {
        let apart =
            (other.motion.x - best.motion.x).abs().max((other.motion.y - best.motion.y).abs());
        apart > SAME_PLACE_PX
    });
    let sure = elsewhere.is_none_or(|other| {
        best.significance - other.significance > APART_SIGMA
            && best.significance > APART_FACTOR * other.significance
    });
    Some(sure.then_some(*best))
}

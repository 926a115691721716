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
use super::observation::Prediction;
use super::observe::{Scratch, TILES_AGREE};
use super::reference::{Period, Reference};
use super::solve::{Ask, Fit, solve};
use crate::frame::{Image, Samples};

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
/// Places with less than this part of the best one's significance are not compared with it.
const ENOUGH_IN_VIEW: f64 = 0.6;
/// So many tiles at least tell a place by their brightness.
const TILES_TELL: f64 = 12.0;
/// The best place must be better than any other by this many sigma.
const APART_SIGMA: f64 = 8.0;
/// How far the polynomials of the binned resolution are trusted, px of the level.
const REACH_PX: f64 = 0.75;
/// Less than this is no difference in likeness: the template is not more exact.
const LEAD_LEAST: f64 = 0.003;
/// Steps from period to period towards the best place.
const PERIOD_STEPS: usize = 24;
/// Places closer than this are one, px of the level.
const SAME_PLACE_PX: f64 = 1.5;
/// A likeness this much below the usual one, beyond its error, is a reason to look elsewhere.
const USUAL: f64 = 0.93;

/// A frame whose likeness is below this part of the usual one may be turned or magnified; it is
/// taken to be when that makes it more alike by this factor.
const ALTERED: f64 = 0.8;
const POSED_GAIN: f64 = 1.1;
/// A template of fewer frames has too much of their noise to tell that one is turned.
const TURNS_FRAMES: f64 = 3.0;
/// Linear parts beyond this are none that refocusing makes.
const STEEPEST: f64 = 0.06;

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

/// Displacements at which the template looks like itself.
pub fn periods(level: &Level, binned: &[f32], candidates: &[(i64, i64)]) -> Vec<Period> {
    if candidates.is_empty() {
        return Vec::new();
    }
    let (width, height) = (level.width, level.height);
    let image = Image { width, height, samples: Samples::F32(binned.to_vec()) };
    let mut scratch = Scratch { binned: image, ..Scratch::default() };
    let whole = approach(level, Motion::default(), Freedom::default(), &mut scratch);
    let Some(whole) = whole else { return Vec::new() };
    let found = candidates.iter().filter_map(|(x, y)| {
        let start = Motion::shift(*x as f64, *y as f64);
        let fit = approach(level, start, Freedom::default(), &mut scratch)?;
        let alike = fit.likeness_of_all / whole.likeness_of_all;
        let Motion { x, y, .. } = fit.motion;
        (alike > LIKENESS_LEAST && !is_same_place(&whole, &fit)).then_some(Period { x, y })
    });
    found.collect()
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
        compare(level, &scratch.binned, &at, scratch.shared, &mut scratch.sums);
        let mut ask =
            Ask { start: at, freedom, contrast, reach: REACH_PX, masked: &scratch.coarse_masked };
        let mut fit = solve(level, &scratch.sums, &ask, &mut scratch.solve)?;
        // A frame of another contrast would be read as displaced by another amount.
        if fit.significance > SIGNIFICANCE_SEARCHED && !(0.9..1.1).contains(&fit.likeness) {
            contrast = (contrast * fit.likeness).clamp(0.3, 3.0);
            ask.contrast = contrast;
            fit = solve(level, &scratch.sums, &ask, &mut scratch.solve)?;
        }
        fit.likeness *= contrast;
        fit.likeness_of_all *= contrast;
        // What lies beyond the polynomials' reach only points the way.
        let off = (fit.motion.x - at.x.round()).abs().max((fit.motion.y - at.y.round()).abs());
        if off < REACH_PX && best.is_none_or(|best| fit.likeness > best.likeness) {
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

/// Looks everywhere; `tracked` is what the prediction led to. Nothing when the frame shows nothing that can be trusted.
pub fn acquire(
    reference: &Reference,
    tracked: Option<Fit>,
    prediction: &Prediction,
    scratch: &mut Scratch,
) -> Option<Fit> {
    let (level, matrix) = (&reference.coarse, prediction.motion.matrix);
    let may_turn = reference.full.frames >= TURNS_FRAMES;
    let mut places: Vec<Fit> = tracked.into_iter().collect();
    for (x, y) in candidates(reference, scratch) {
        let start = Motion { x: x as f64, y: y as f64, matrix };
        places.extend(approach(level, start, Freedom::default(), scratch));
    }
    match choose(level, &mut places) {
        Some(Some(best)) if may_turn && best.likeness < ALTERED * prediction.likeness => {
            // The place may be right and the frame turned or magnified.
            let posed = pose(level, &[best.motion], scratch).flatten();
            let better = |posed: &Fit| posed.likeness > POSED_GAIN * best.likeness;
            settle(reference, posed.filter(better).unwrap_or(best), scratch)
        }
        Some(best) => best.and_then(|best| settle(reference, best, scratch)),
        // Where it was expected, less is enough than where it was looked for.
        None if tracked.is_some_and(|fit| is_like(level, &fit, false)) => tracked,
        None if !may_turn => None,
        None => {
            let starts: Vec<Motion> = places.iter().take(2).map(|fit| fit.motion).collect();
            pose(level, &starts, scratch).flatten()
        }
    }
}

/// Tries the [`POSES`] at some places.
fn pose(level: &Level, starts: &[Motion], scratch: &mut Scratch) -> Option<Option<Fit>> {
    let freedom = Freedom { similarity: true, scan: false };
    let mut posed = Vec::new();
    for (magnification, rotation) in POSES {
        let turned = Motion::of_similarity(magnification, rotation).matrix;
        for start in starts {
            let matrix = std::array::from_fn(|k| start.matrix[k] + turned[k]);
            posed.extend(approach(level, Motion { matrix, ..*start }, freedom, scratch));
        }
    }
    posed.retain(|fit| fit.motion.matrix.iter().all(|m| m.abs() < STEEPEST));
    choose(level, &mut posed)
}

fn candidates(reference: &Reference, scratch: &mut Scratch) -> Vec<(i64, i64)> {
    let Samples::F32(binned) = &scratch.binned.samples else {
        unreachable!("binning writes f32 samples");
    };
    let (width, height) = (scratch.binned.width, scratch.binned.height);
    reference.search.find(binned, width, height, CANDIDATES, &mut scratch.search)
}

/// On a periodic specimen: the best of the places a period apart, walked to step by step; nothing
/// when two of them are as good. Anywhere else, the place itself.
pub fn settle(reference: &Reference, place: Fit, scratch: &mut Scratch) -> Option<Fit> {
    if reference.periods.is_empty() {
        return Some(place);
    }
    let mut best = place;
    for _ in 0..PERIOD_STEPS {
        let here = best;
        let mut unsure = false;
        for other in a_period_away(reference, here, scratch) {
            if evidence(&other, &best) > 0.0 {
                best = other;
            }
            unsure |= !is_better(&here, &other);
        }
        if is_same_place(&best, &here) {
            return (!unsure).then_some(here);
        }
    }
    None
}

/// Whether the frame is clearly more alike a period away.
pub fn is_beaten(reference: &Reference, here: &Fit, scratch: &mut Scratch) -> bool {
    a_period_away(reference, *here, scratch).any(|other| is_better(&other, here))
}

/// The other places, a period away, that show the scene too.
fn a_period_away<'a>(
    reference: &'a Reference,
    here: Fit,
    scratch: &'a mut Scratch,
) -> impl Iterator<Item = Fit> + 'a {
    let level = &reference.coarse;
    reference.periods.iter().filter_map(move |Period { x, y }| {
        let Motion { x: here_x, y: here_y, matrix } = here.motion;
        let start = Motion { x: here_x + x, y: here_y + y, matrix };
        approach(level, start, Freedom::default(), scratch)
            .filter(|other| is_like(level, other, false) && !is_same_place(&here, other))
    })
}

fn is_same_place(a: &Fit, b: &Fit) -> bool {
    (a.motion.x - b.motion.x).abs().max((a.motion.y - b.motion.y).abs()) <= SAME_PLACE_PX
}

/// Whether the frame shows one place and not another, beyond chance.
fn is_better(best: &Fit, other: &Fit) -> bool {
    evidence(best, other) > APART_SIGMA * APART_SIGMA
}

/// Log-likelihood of one place over another: from the structure, whose noise both places share,
/// and from the brightness of the tiles, in which is seen what is broader than a tile.
fn evidence(a: &Fit, b: &Fit) -> f64 {
    let lead = a.likeness_of_all - b.likeness_of_all;
    let lead = if lead.abs() < LEAD_LEAST { 0.0 } else { lead };
    // With all of the structure (likeness 1), the significance is the square root of its power.
    let power = (a.significance / a.likeness).powi(2);
    let tiles = a.brightness.tiles.min(b.brightness.tiles) as f64;
    // Uneven light that the camera or the beam brings differs at all places.
    let scale = a.brightness.misfit.min(b.brightness.misfit).max(1.0);
    let brighter = 0.5 * tiles * (b.brightness.misfit - a.brightness.misfit) / scale;
    power * lead + if tiles >= TILES_TELL { brighter } else { 0.0 }
}

/// Takes the best of the places when it shows the scene: nothing when it does not, `Some(None)` when
/// another is as good. The places are sorted, the most significant first.
fn choose(level: &Level, places: &mut [Fit]) -> Option<Option<Fit>> {
    places.sort_by(|a, b| b.significance.total_cmp(&a.significance));
    let most = places.first()?.significance;
    // A place at the border has little to show, and may look alike by chance.
    let end = places.partition_point(|fit| fit.significance > ENOUGH_IN_VIEW * most);
    let likely = || places[..end].iter().filter(|fit| is_like(level, fit, true));
    let first = likely().next()?;
    let best = likely().fold(first, |best, fit| if evidence(fit, best) > 0.0 { fit } else { best });
    let others = places.iter().filter(|other| !is_same_place(best, other));
    let sure = others.into_iter().all(|other| is_better(best, other));
    Some(sure.then_some(*best))
}

//! One frame against the reference: pure, and on any thread.
//!
//! From the prediction, whole-pixel steps at binned resolution; when the frame there does not
//! look like the template, a search over the whole field; then one pass at full resolution. The
//! frame is trusted (locked) when the template's structure is in it and both resolutions agree.

use super::bin::bin;
use super::coarse::SearchScratch;
use super::compare::{TileSums, compare};
use super::level::Level;
use super::reference::Reference;
use super::solve::{Fit, solve};
use crate::frame::Image;

/// Where the tracker expects the frame, in pixels of drift.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prediction {
    pub x: f64,
    pub y: f64,
}

/// What one frame says of its drift.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriftObservation {
    pub x: f64,
    pub y: f64,
    pub x_error: f64,
    pub y_error: f64,
    /// The frame's brightness against the template's.
    pub gain: f64,
    /// Likeness to the template at binned resolution: 1 when all structure is there.
    pub likeness: f64,
    /// True when the numbers can be trusted.
    pub locked: bool,
    /// True when the whole field had to be searched.
    pub searched: bool,
    /// The part of the information that the template's noise cost, 0 to 1: a reason to average
    /// more frames.
    pub template_cost: f64,
}

impl DriftObservation {
    /// The anchor frame: it defines the coordinates, so its drift is 0 exactly.
    pub const ANCHOR: DriftObservation = DriftObservation {
        x: 0.0,
        y: 0.0,
        x_error: 0.0,
        y_error: 0.0,
        gain: 1.0,
        likeness: 1.0,
        locked: true,
        searched: false,
        template_cost: 0.0,
    };

    const LOST: DriftObservation = DriftObservation {
        x: f64::NAN,
        y: f64::NAN,
        x_error: f64::NAN,
        y_error: f64::NAN,
        gain: f64::NAN,
        likeness: 0.0,
        locked: false,
        searched: true,
        template_cost: 0.0,
    };
}

/// Work space of one thread.
pub struct Scratch {
    binned: Image,
    sums: Vec<TileSums>,
    search: SearchScratch,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            binned: Image::zeros_f32(0, 0),
            sums: Vec::new(),
            search: SearchScratch::default(),
        }
    }
}

/// Less of the template's structure than this is not the same scene.
const LIKENESS_LEAST: f64 = 0.5;
/// Structure must stand this many sigma above the noise.
const SIGNIFICANCE_LEAST: f64 = 8.0;
/// At least this part of the tiles must agree with the fit, and lie in the frame.
const TILES_AGREE: f64 = 0.35;
const TILES_IN_FRAME: f64 = 0.1;
/// Candidates of the whole-field search that are looked at closely.
const CANDIDATES: usize = 3;

/// Measures the drift of `image`.
pub fn observe(
    image: &Image,
    reference: &Reference,
    prediction: Prediction,
    scratch: &mut Scratch,
) -> DriftObservation {
    let factor = reference.factor as f64;
    // The centre of a binned pixel stands between full pixels; a shift only scales.
    let start = ((prediction.x / factor).round() as i64, (prediction.y / factor).round() as i64);
    bin(image, reference.factor, &mut scratch.binned);
    let mut coarse = approach(&reference.coarse, &scratch.binned, start, &mut scratch.sums);
    let searched = !coarse.is_some_and(|fit| is_like(&reference.coarse, &fit));
    if searched {
        coarse = search(reference, scratch).or(coarse);
    }
    let Some(coarse) = coarse else { return DriftObservation::LOST };
    let near = (coarse.x * factor, coarse.y * factor);
    let Some(fine) = refine(&reference.full, image, near, &mut scratch.sums) else {
        return DriftObservation { likeness: coarse.likeness, ..DriftObservation::LOST };
    };
    DriftObservation {
        x: fine.x,
        y: fine.y,
        x_error: fine.covariance[0].sqrt(),
        y_error: fine.covariance[2].sqrt(),
        gain: fine.gain,
        likeness: coarse.likeness,
        locked: is_like(&reference.coarse, &coarse)
            && agree(&coarse, &fine, factor)
            && fine.tiles as f64 >= TILES_AGREE * fine.tiles_in_frame as f64,
        searched,
        template_cost: reference.full.noise_cost,
    }
}

/// Whole-pixel steps until the rest is below a pixel; coordinates of the level.
fn approach(
    level: &Level,
    image: &Image,
    start: (i64, i64),
    sums: &mut Vec<TileSums>,
) -> Option<Fit> {
    const STEPS: usize = 8;
    const LONGEST_STEP_PX: f64 = 2.0;
    let mut shift = start;
    let mut best: Option<Fit> = None;
    for _ in 0..STEPS {
        compare(level, 0, image, shift, sums);
        let fit = solve(level, 0, (0.0, 0.0), sums, 0.75)?;
        let placed = Fit { x: shift.0 as f64 + fit.x, y: shift.1 as f64 + fit.y, ..fit };
        if best.is_none_or(|best| placed.likeness > best.likeness) {
            best = Some(placed);
        }
        let step = |d: f64| d.clamp(-LONGEST_STEP_PX, LONGEST_STEP_PX).round() as i64;
        let next = (shift.0 + step(fit.x), shift.1 + step(fit.y));
        if next == shift {
            return Some(placed);
        }
        shift = next;
    }
    best
}

fn search(reference: &Reference, scratch: &mut Scratch) -> Option<Fit> {
    let crate::frame::Samples::F32(binned) = &scratch.binned.samples else {
        unreachable!("binning writes f32 samples");
    };
    let (width, height) = (scratch.binned.width, scratch.binned.height);
    let found = reference.search.find(binned, width, height, CANDIDATES, &mut scratch.search);
    let mut best: Option<Fit> = None;
    for candidate in found {
        let fit = approach(&reference.coarse, &scratch.binned, candidate, &mut scratch.sums);
        if let Some(fit) = fit
            && best.is_none_or(|best| fit.significance > best.significance)
        {
            best = Some(fit);
        }
    }
    best
}

fn is_like(level: &Level, fit: &Fit) -> bool {
    fit.likeness >= LIKENESS_LEAST
        && fit.significance >= SIGNIFICANCE_LEAST
        && fit.tiles as f64 >= TILES_AGREE * fit.tiles_in_frame as f64
        && fit.tiles_in_frame as f64 >= TILES_IN_FRAME * level.tiles.len() as f64
}

/// True when the two resolutions tell the same drift, within their errors and half a binned pixel.
fn agree(coarse: &Fit, fine: &Fit, factor: f64) -> bool {
    let within = |coarse_at: f64, fine_at: f64, variance: f64| {
        (coarse_at * factor - fine_at).abs() < 0.5 * factor + 4.0 * factor * variance.sqrt()
    };
    within(coarse.x, fine.x, coarse.covariance[0]) && within(coarse.y, fine.y, coarse.covariance[2])
}

/// One pass at full resolution, repeated only when the first guess of shift and phase was off.
fn refine(level: &Level, image: &Image, near: (f64, f64), sums: &mut Vec<TileSums>) -> Option<Fit> {
    const PASSES: usize = 4;
    let phases = level.shape.phases;
    let reach = 0.5 / phases.len() as f64;
    let mut at = near;
    let mut last = None;
    for _ in 0..PASSES {
        let shift = (at.0.round(), at.1.round());
        let (column, phase_x) = nearest(phases, at.0 - shift.0);
        let (row, phase_y) = nearest(phases, at.1 - shift.1);
        let phase = row * phases.len() + column;
        compare(level, phase, image, (shift.0 as i64, shift.1 as i64), sums);
        let fit = solve(level, phase, (phase_x, phase_y), sums, reach + 0.35)?;
        let placed = Fit { x: shift.0 + fit.x, y: shift.1 + fit.y, ..fit };
        let beyond = (fit.x - phase_x).abs().max((fit.y - phase_y).abs());
        last = Some(placed);
        // A little beyond the border of two phases both are as good; do not swing between them.
        if beyond < reach + 0.1 {
            return last;
        }
        at = (at.0 + (placed.x - at.0).clamp(-2.0, 2.0), at.1 + (placed.y - at.1).clamp(-2.0, 2.0));
    }
    last
}

fn nearest(phases: &[f64], fraction: f64) -> (usize, f64) {
    let mut best = (0, phases[0]);
    for (index, phase) in phases.iter().enumerate() {
        if (phase - fraction).abs() < (best.1 - fraction).abs() {
            best = (index, *phase);
        }
    }
    best
}

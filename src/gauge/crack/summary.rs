//! The crack over time: widths, length, tip, rates, and what the next frames should expect.

use std::sync::Arc;

use super::fit::Profile;
use super::geometry::Geometry;
use super::judge::{Judge, Verdict};
use super::known::Known;
use super::opened::{BELIEVED_SIGMA, Open, STATIONS_LEAST, open_parts, own_error, significance};
use super::schema;
use super::shared::Shared;
use super::tip::{self, Tip};
use super::{Crack, Errand, Hints, Observation};
use crate::frame::Stamp;
use crate::gauge::Measurement;
use crate::gauge::smooth::smooth_columns;
use crate::gauge::trend::Trend;

/// Frames that rates look back on.
const TREND_FRAMES: usize = 32;
/// Frames (about) over which path and point spread are smoothed; an opening is expected sooner.
const MEMORY: f32 = 16.0;
const OPENING_SHARE: f32 = 0.2;
/// The path is looked for again after so many frames, where a crack is known and where none is.
const SEARCH_AGAIN: u64 = 64;
const SEARCH_FIRST: u64 = 8;
/// A tip that is open this far into the straight continuation asks for a search, stations.
const AHEAD_OPEN: usize = 3;
/// Stations over which the widest place is averaged.
const WIDEST_OVER: f64 = 4.0;
/// The texture errs the same way in every frame: of each frame's information on the depth and the
/// point spread only this share is new, and never more than this is known of them.
const NEW_INFORMATION: f32 = 0.05;
const INFORMATION_MOST: f32 = 2500.0;
/// Openings and lines are followed where the centre is this well known, px.
const CENTRE_ERROR: f32 = 0.7;
/// In a marked frame a number may differ by this many sigma from what was expected.
const FOLLOWS: f64 = 4.0;
/// Frames whose mean is what a marked frame is compared with.
const EXPECTED_OVER: f64 = 6.0;

/// What the tracker remembers.
#[derive(Default)]
pub struct Summary {
    known: Option<Known>,
    judge: Judge,
    /// Frames measured since the crack is known.
    seen: u32,
    /// Frame at hand, and when a search was asked for.
    frame: u64,
    asked: Option<u64>,
    /// The tip is at the end of what is looked at.
    outgrown: bool,
    opening: Option<Trend>,
    length: Option<Trend>,
    /// Which end of the crack is its tip.
    forward: Option<bool>,
    /// Expected mean width and length with their scatter, from frames that were not marked.
    expected: [Option<(f64, f64)>; 2],
}

impl Summary {
    /// Nothing seen yet.
    pub fn new() -> Summary {
        Summary {
            opening: Some(Trend::new(TREND_FRAMES)),
            length: Some(Trend::new(TREND_FRAMES)),
            ..Summary::default()
        }
    }

    /// Takes one frame and fills the measurement.
    pub fn take(
        &mut self,
        crack: &Crack,
        stamp: &Stamp,
        observation: Observation,
        out: &mut Measurement,
    ) {
        self.frame = stamp.index;
        if observation.searched {
            self.asked = None;
        }
        let Some((seen, profile)) = observation.seen else {
            if observation.searched && self.known.is_none() {
                no_crack(out, 0.2);
            }
            return;
        };
        if profile.opening.iter().all(|w| w.is_nan()) {
            return;
        }
        let profile = match &self.known {
            None => {
                let is_open = open_parts(&seen.geometry, &profile)
                    .iter()
                    .flatten()
                    .any(|part| significance(&profile, *part) > BELIEVED_SIGMA);
                if !is_open && crack.layout.along.is_none() {
                    no_crack(out, 0.2);
                    return;
                }
                self.known = Some((*seen).clone());
                profile
            }
            Some(known) => match onto(&profile, &seen.geometry, &known.geometry) {
                Some(profile) => profile,
                None => return,
            },
        };
        let Some(known) = &mut self.known else { return };
        let geometry = Arc::clone(&known.geometry);
        let verdict = self.judge.judge(&geometry, &profile);
        let mut profile = profile;
        for k in &verdict.blind {
            profile.opening[*k] = f32::NAN;
        }
        let parts = open_parts(&geometry, &profile);
        follow(known, &profile, &parts, &verdict, &mut self.seen);
        let centre = known.centre.clone();
        self.report(
            crack,
            stamp,
            &geometry,
            (&profile, &parts),
            &centre,
            &verdict,
            &observation.drift_error,
            out,
        );
        if let Some(renewed) = observation.renewed {
            self.adopt(&seen, &renewed);
        }
    }

    /// What the observer of a frame some frames later should expect.
    pub fn hints(&mut self, crack: &Crack) -> Hints {
        let every = match &self.known {
            Some(_) if crack.layout.along.is_some() => SEARCH_AGAIN / 2,
            // A weak crack is pieced together from what several frames show.
            Some(_) if self.seen < SEARCH_AGAIN as u32 => SEARCH_FIRST,
            Some(_) => SEARCH_AGAIN,
            None => SEARCH_FIRST,
        };
        // A search is asked for in one frame, and heard of some frames later.
        let patience = 2 * crack.lag as u64 + 4;
        let waiting = self.asked.is_some_and(|asked| self.frame - asked < patience);
        let due = self.frame.is_multiple_of(every) || self.outgrown;
        let errand = if due && !waiting { Errand::Search } else { Errand::None };
        if errand == Errand::Search {
            self.asked = Some(self.frame);
        }
        Hints { known: self.known.clone().map(Arc::new), errand }
    }

    /// Takes the lines of a search, if they follow from those of today.
    fn adopt(&mut self, seen: &Known, renewed: &Known) {
        let Some(known) = &mut self.known else { return };
        if !Arc::ptr_eq(&seen.geometry, &known.geometry) {
            return;
        }
        let (before, after) = (&known.geometry, &renewed.geometry);
        let mut opening = renewed.opening.clone();
        let mut centre = vec![0.0; opening.len()];
        if Arc::ptr_eq(&before.root, &after.root) {
            let place_moved = |k: usize| {
                let ([ax, ay], [bx, by]) = (before.at[k], after.at[k]);
                // Not a number where a station is new.
                !((ax - bx).hypot(ay - by) < 1.5)
            };
            for k in 0..opening.len() {
                if !place_moved(k) {
                    opening[k] = known.opening[k];
                    let ([ax, ay], [bx, by]) = (before.at[k], after.at[k]);
                    let [nx, ny] = after.normal[k];
                    centre[k] = known.centre[k] + (ax - bx) * nx + (ay - by) * ny;
                }
            }
            self.judge.forget((0..opening.len()).filter(|k| place_moved(*k)));
        } else {
            self.judge.forget(0..opening.len());
            self.seen = 0;
        }
        known.geometry = Arc::clone(after);
        known.opening = opening;
        known.centre = centre;
        self.outgrown = false;
    }

    #[allow(clippy::too_many_arguments)]
    fn report(
        &mut self,
        crack: &Crack,
        stamp: &Stamp,
        geometry: &Geometry,
        (profile, parts): (&Profile, &[Option<Open>]),
        centre: &[f32],
        verdict: &Verdict,
        drift_error: &(f64, f64),
        out: &mut Measurement,
    ) {
        lists(geometry, profile, parts, centre, out);
        let own: usize = geometry.branches.iter().map(|b| b.own).sum();
        let measured = geometry
            .branches
            .iter()
            .flat_map(|b| b.first..b.first + b.own)
            .filter(|k| profile.opening[*k].is_finite())
            .count() as f32;
        let scatter = typical(&profile.excess).powf(0.25);
        let quality = (measured / own.max(1) as f32 / scatter * verdict.trust).clamp(0.0, 1.0);
        out.quality = quality;
        let mut set = |field: usize, (value, error): (f64, f64)| {
            out.values[field] = value;
            out.errors[field] = error;
        };
        set(
            schema::DEPTH,
            (f64::from(profile.shared.depth.abs()), f64::from(profile.shared.depth_error())),
        );
        set(schema::PSF, (f64::from(profile.shared.psf_px), f64::from(profile.shared.psf_error())));
        // The crack is the first line; where that has closed, the longest open one.
        let longest = parts.iter().flatten().max_by_key(|part| part.last - part.first);
        let Some(open) = parts.first().copied().flatten().or(longest.copied()) else {
            if !verdict.marked {
                no_crack(out, 0.2 * quality);
            }
            return;
        };
        let Some(tip) = tip::find(crack, geometry, profile, centre, open, self.forward) else {
            return;
        };
        self.forward = Some(tip.forward);
        let mean = mean(geometry, profile, open);
        let (opening_trend, length_trend) = (&mut self.opening, &mut self.length);
        let length = (tip.length, tip.length_error);
        let follows = expected_still(&self.expected, [mean, length]);
        if !verdict.marked || follows {
            if let Some(trend) = opening_trend {
                trend.push(stamp.time_s, mean.0, mean_noise(profile, open));
            }
            if let Some(trend) = length_trend {
                trend.push(stamp.time_s, length.0, length.1);
            }
        }
        if !verdict.marked {
            for (expected, (value, error)) in self.expected.iter_mut().zip([mean, length]) {
                let (before, _) = expected.unwrap_or((value, error));
                *expected = Some((before + (value - before) / EXPECTED_OVER, error));
            }
            if let Some(branch) =
                geometry.branches.iter().find(|b| b.stations().contains(&open.last))
            {
                self.outgrown = open.last + 1 >= branch.first + branch.own + AHEAD_OPEN;
            }
        }
        if verdict.renewed {
            self.expected = [None, None];
            self.opening = Some(Trend::new(TREND_FRAMES));
            self.length = Some(Trend::new(TREND_FRAMES));
        }
        if verdict.marked && !follows {
            // The frame looks different and says something new: one of both is wrong.
            return;
        }
        let slope =
            |trend: &Option<Trend>| trend.as_ref().map_or((f64::NAN, f64::NAN), Trend::slope);
        set(schema::WIDTH_MEAN, mean);
        set(schema::WIDTH_MAX, widest(profile, open));
        set(schema::LENGTH, length);
        let (dx, dy) = *drift_error;
        let (tx, ty) = tip.tangent;
        let place = |drift: f64, along: f64, across: f64| {
            drift.hypot(along * tip.along_error).hypot(across * tip.across_error)
        };
        set(schema::TIP_X, (tip.x, place(dx, tx, ty)));
        set(schema::TIP_Y, (tip.y, place(dy, ty, tx)));
        set(schema::OPENING_RATE, slope(&self.opening));
        set(schema::PROPAGATION_RATE, slope(&self.length));
        let (total, lines, area) = totals(geometry, profile, parts, &tip);
        set(schema::LENGTH_TOTAL, total);
        set(schema::LINES, (lines, 0.0));
        set(schema::AREA, area);
    }
}

/// No crack: its length is known to be 0, everything else is not there.
fn no_crack(out: &mut Measurement, quality: f32) {
    for field in [schema::LENGTH, schema::LENGTH_TOTAL] {
        out.values[field] = 0.0;
        out.errors[field] = STATIONS_LEAST as f64;
    }
    out.values[schema::LINES] = 0.0;
    out.errors[schema::LINES] = 0.0;
    out.quality = quality;
}

/// A profile in the stations of another geometry; nothing where they have nothing in common.
fn onto(profile: &Profile, from: &Arc<Geometry>, to: &Arc<Geometry>) -> Option<Profile> {
    if Arc::ptr_eq(from, to) {
        return Some(profile.clone());
    }
    let same = Arc::ptr_eq(&from.root, &to.root);
    let slots = to.slots();
    let mut source = vec![usize::MAX; slots];
    for branch in &to.branches {
        for k in branch.stations() {
            let near = if same || from.branches.iter().all(|b| b.own == branch.own) {
                (k < from.slots()).then_some(k)
            } else {
                let places = from.branches.iter().flat_map(|b| b.first..b.first + b.own);
                super::curve::nearest(places.map(|k| (k, from.at[k])), to.at[k]).map(|(k, _)| k)
            };
            if let Some(near) = near
                && (from.at[near][0] - to.at[k][0]).hypot(from.at[near][1] - to.at[k][1]) < 3.0
            {
                source[k] = near;
            }
        }
    }
    if source.iter().all(|k| *k == usize::MAX) {
        return None;
    }
    let take = |list: &[f32]| -> Vec<f32> {
        source.iter().map(|k| if *k == usize::MAX { f32::NAN } else { list[*k] }).collect()
    };
    let mut centre = take(&profile.centre);
    for (k, centre) in centre.iter_mut().enumerate() {
        if source[k] != usize::MAX {
            let ([ax, ay], [bx, by]) = (from.at[source[k]], to.at[k]);
            let [nx, ny] = to.normal[k];
            *centre += (ax - bx) * nx + (ay - by) * ny;
        }
    }
    Some(Profile {
        centre,
        centre_error: take(&profile.centre_error),
        opening: take(&profile.opening),
        noise_error: take(&profile.noise_error),
        bend_error: take(&profile.bend_error),
        excess: take(&profile.excess),
        common_error: take(&profile.common_error),
        depth: take(&profile.depth),
        depth_error: take(&profile.depth_error),
        level: take(&profile.level),
        shared: profile.shared,
        sharing: profile.sharing,
    })
}

/// Learns from a frame what the next ones should expect.
fn follow(
    known: &mut Known,
    profile: &Profile,
    parts: &[Option<Open>],
    verdict: &Verdict,
    seen: &mut u32,
) {
    if verdict.marked && !verdict.renewed {
        return;
    }
    *seen += 1;
    let share = (1.0 / *seen as f32).max(1.0 / MEMORY);
    for part in parts.iter().flatten() {
        for k in part.stations() {
            let centre = profile.centre[k];
            // The path moves only where the crack is seen to be.
            if profile.centre_error[k] < CENTRE_ERROR && centre.is_finite() {
                known.centre[k] += share * (centre - known.centre[k]);
            }
        }
    }
    for (known, opening) in known.opening.iter_mut().zip(&profile.opening) {
        if opening.is_finite() {
            // Openings grow; the expectation must not lag far behind.
            *known += share.max(OPENING_SHARE) * (opening - *known);
        }
    }
    let new = &profile.shared;
    let shared = &mut known.shared;
    if verdict.renewed {
        *shared = Shared {
            depth_information: (0.3 * new.depth).powi(-2).min(shared.depth_information),
            psf_information: 0.4f32.powi(-2).min(shared.psf_information),
            ..*new
        };
        return;
    }
    let more = |known: f32, new: f32| {
        if known < INFORMATION_MOST {
            (known + NEW_INFORMATION * new).min(INFORMATION_MOST)
        } else {
            known
        }
    };
    shared.depth += share * (new.depth - shared.depth);
    shared.psf_px += share * (new.psf_px - shared.psf_px);
    shared.fill += share * (new.fill - shared.fill);
    shared.depth_information = more(shared.depth_information, new.new_depth_information);
    shared.psf_information = more(shared.psf_information, new.new_psf_information);
}

/// Writes what belongs to the stations.
fn lists(
    geometry: &Geometry,
    profile: &Profile,
    parts: &[Option<Open>],
    centre: &[f32],
    out: &mut Measurement,
) {
    let mut path = vec![f32::NAN; 2 * geometry.slots()];
    let mut numbers = vec![f32::NAN; geometry.slots()];
    for (number, (branch, part)) in geometry.branches.iter().zip(parts).enumerate() {
        for k in branch.stations() {
            let is_open = part.is_some_and(|part| part.stations().contains(&k));
            out.arrays[schema::WIDTH][k] = profile.opening[k].max(0.0);
            out.array_errors[schema::WIDTH][k] =
                own_error(profile, k).hypot(profile.common_error[k]);
            if profile.opening[k].is_nan() {
                out.arrays[schema::WIDTH][k] = f32::NAN;
                out.array_errors[schema::WIDTH][k] = f32::NAN;
            }
            if out.arrays.len() > schema::OPEN {
                out.arrays[schema::OPEN][k] = f32::from(u8::from(is_open));
                out.array_errors[schema::OPEN][k] = 0.0;
                // Without an opening there is nothing whose depth could be seen.
                if is_open && profile.opening[k] > profile.shared.psf_px {
                    out.arrays[schema::LOCAL_DEPTH][k] = profile.depth[k].abs();
                    out.array_errors[schema::LOCAL_DEPTH][k] =
                        profile.depth_error[k] * profile.excess[k].sqrt();
                }
            }
            let ([x, y], [nx, ny]) = (geometry.at[k], geometry.normal[k]);
            path[2 * k] = x + centre[k] * nx;
            path[2 * k + 1] = y + centre[k] * ny;
            numbers[k] = number as f32;
        }
    }
    out.constants.push((schema::PATH, path));
    out.constants.push((schema::BRANCH, numbers));
}

/// Whether numbers are what the frames before lead to expect.
fn expected_still(expected: &[Option<(f64, f64)>; 2], now: [(f64, f64); 2]) -> bool {
    expected.iter().zip(now).all(|(expected, (value, error))| {
        expected
            .is_none_or(|(before, sigma)| (value - before).abs() < FOLLOWS * error.min(2.0 * sigma))
    })
}

fn mean(geometry: &Geometry, profile: &Profile, open: Open) -> (f64, f64) {
    let (mut sum, mut weight, mut variance, mut common) = (0.0, 0.0, 0.0, 0.0);
    for k in open.stations().filter(|k| profile.opening[*k].is_finite()) {
        let step = f64::from(geometry.step[k]);
        sum += step * f64::from(profile.opening[k]);
        variance += step * step * f64::from(own_error(profile, k)).powi(2);
        common += step * f64::from(profile.common_error[k]);
        weight += step;
    }
    // Neighbours share their errors.
    let own = (variance * f64::from(profile.sharing)).sqrt() / weight;
    (sum / weight, own.hypot(common / weight))
}

/// One sigma of the mean from the camera's noise alone, which is new in every frame.
fn mean_noise(profile: &Profile, open: Open) -> f64 {
    let (mut variance, mut count) = (0.0, 0.0);
    for k in open.stations().filter(|k| profile.opening[*k].is_finite()) {
        variance += f64::from(profile.noise_error[k]).powi(2);
        count += 1.0;
    }
    (variance * f64::from(profile.sharing)).sqrt() / count
}

/// The largest mean opening over neighbouring stations: a maximum of single ones would be the
/// maximum of their noise.
fn widest(profile: &Profile, open: Open) -> (f64, f64) {
    let rows: Vec<[f64; 1]> = profile.opening[open.first..=open.last]
        .iter()
        .map(|w| [if w.is_finite() { f64::from(*w) } else { 0.0 }])
        .collect();
    let smooth = smooth_columns(&rows, WIDEST_OVER);
    let best = (0..smooth.len()).max_by(|a, b| smooth[*a][0].total_cmp(&smooth[*b][0]));
    best.map_or((f64::NAN, f64::NAN), |k| {
        let error = own_error(profile, open.first + k).hypot(profile.common_error[open.first + k]);
        (smooth[k][0], f64::from(error))
    })
}

/// Length of all open parts, their number, and the opened area.
fn totals(
    geometry: &Geometry,
    profile: &Profile,
    parts: &[Option<Open>],
    tip: &Tip,
) -> ((f64, f64), f64, (f64, f64)) {
    let (mut length, mut lines, mut area, mut variance) = (0.0, 0.0f64, 0.0, 0.0);
    for part in parts.iter().flatten() {
        length += tip::along(geometry, part.first, part.last as f64);
        lines += 1.0;
        let (mean, error) = mean(geometry, profile, *part);
        let covered: f64 = part.stations().map(|k| f64::from(geometry.step[k])).sum();
        area += mean * covered;
        variance += (error * covered).powi(2);
    }
    // The first part's length goes to its tip.
    if let Some(first) = parts.first().copied().flatten() {
        length += tip.length - tip::along(geometry, first.first, first.last as f64);
    }
    ((length, tip.length_error * lines.sqrt()), lines, (area, variance.sqrt()))
}

fn typical(excess: &[f32]) -> f32 {
    let (sum, count) = excess
        .iter()
        .filter(|e| e.is_finite())
        .fold((0.0, 0.0f32), |(sum, n), e| (sum + e, n + 1.0));
    if count > 0.0 { sum / count } else { 1.0 }
}

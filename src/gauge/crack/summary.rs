//! The crack over time: widths, length, tip, rates, and what the next frames should expect.

use std::collections::VecDeque;
use std::sync::Arc;

use super::carried::Carried;
use super::expected::Expected;
use super::geometry::Geometry;
use super::judge::{Judge, Verdict};
use super::known::{AHEAD, AHEAD_MOST, Known, Past};
use super::learn::{follow, onto};
use super::opened::{Open, believed_sigma, open_parts, significance};
use super::profile::Profile;
use super::rate::OpeningRate;
use super::report::{MeanOpening, lists, mean_noise, no_crack, totals, typical, widest};
use super::schema;
use super::tip;
use super::{Crack, Errand, Found, Hints, Observation};
use crate::frame::{SEARCH_ROWS, Stamp};
use crate::gauge::Measurement;
use crate::gauge::trend::Trend;

/// Frames that rates look back on.
const TREND_FRAMES: usize = 32;
/// The path is looked for again after so many frames; while it is not known for as long, more often: a
/// weak crack is pieced together from what several frames show.
const SEARCH_AGAIN: u64 = 64;
const SEARCH_FIRST: u64 = 8;
/// Of the way that a tip goes until it is looked for, the part by which it may be elsewhere.
const TURNED: f64 = 0.4;
/// A tip that goes 1 px a frame or more has turned for so long until it is seen, px.
const TURN_SEEN_PX: f64 = 5.0;
/// Near its ends when the tip has gone so far, px, within these numbers of frames: a look there costs
/// several times what a measurement does.
const ENDS_AFTER_PX: f64 = 6.0;
const ENDS_FRAMES: std::ops::RangeInclusive<u64> = 4..=32;
/// Between two looks near an end, and until what they found is known.
const GROWN_FRAMES: f64 = 32.0;
/// A tip that is open this far into the straight continuation asks for a search, stations.
const AHEAD_OPEN: usize = 3;
/// Frames that are remembered until a search of them is heard of.
const PLAIN_MOST: usize = 64;

/// What the tracker remembers.
#[derive(Default)]
pub struct Summary {
    known: Option<Known>,
    judge: Judge,
    /// Frames measured since the crack is known.
    seen: u32,
    /// Frame at hand, when something was asked for that has not come, and when the last search was.
    frame: u64,
    asked: Option<u64>,
    searched: u64,
    /// Searched in vain, where no crack is known; to be told with the next frame.
    found_nothing: bool,
    /// The last frames that were measured and looked as those before.
    plain: VecDeque<u64>,
    /// The tip is at the end of what is looked at.
    outgrown: bool,
    opening: Option<OpeningRate>,
    length: Option<Trend>,
    /// When the tip was last seen, s, and how far it then went from one frame to the next, px.
    before: Option<f64>,
    pace_px: f64,
    /// Frame in which a look near the ends was last asked for.
    looked: u64,
    /// Which end of the crack is its tip.
    forward: Option<bool>,
    expected: Expected,
}

impl Summary {
    /// Nothing seen yet.
    pub fn new() -> Summary {
        Summary {
            opening: Some(OpeningRate::new(TREND_FRAMES)),
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
            self.searched = stamp.index;
        }
        let nothing_there = std::mem::take(&mut self.found_nothing) || observation.searched;
        let Some((seen, profile)) = observation.seen else {
            if nothing_there && self.known.is_none() {
                no_crack(out, 0.2);
            }
            return;
        };
        if profile.opening.iter().all(|w| w.is_nan()) {
            return;
        }
        let mut looked = seen.looked;
        let mut before = None;
        let mut profile = match &self.known {
            None => {
                if !self.begin(crack, stamp.index, (&seen, &profile)) {
                    no_crack(out, 0.2);
                    return;
                }
                profile
            }
            // Where the observer saw the lines go on.
            Some(known) if observation.looked_on && known.goes_on_in(&seen) => {
                let carried = known.carried_to(&seen);
                before = self.go_on_with(carried);
                looked = stamp.index;
                profile
            }
            Some(known) => match onto(&profile, &seen.geometry, &known.geometry) {
                Some(profile) => profile,
                None => return,
            },
        };
        let Some(known) = &mut self.known else { return };
        let verdict = self.judge.judge(known, &profile);
        // What a changed frame shows is no new path.
        if verdict.marked
            && let Some(before) = before
        {
            let Some(again) = onto(&profile, &seen.geometry, &before.geometry) else { return };
            (profile, looked, *known) = (again, seen.looked, before);
        }
        for k in &verdict.blind {
            profile.opening[*k] = f32::NAN;
        }
        let parts = open_parts(known, &profile);
        follow(known, &profile, &parts, &verdict, &mut self.seen);
        let known = known.clone();
        self.report(
            crack,
            stamp,
            &known,
            (&profile, &parts),
            &verdict,
            (looked, observation.drift_error),
            out,
        );
        if !verdict.marked {
            self.plain.push_back(stamp.index);
        }
        if self.plain.len() > PLAIN_MOST {
            self.plain.pop_front();
        }
    }

    /// Takes what the search of a row found.
    pub fn hear(&mut self, crack: &Crack, row: u64, found: Found) {
        self.asked = None;
        // What a changed frame shows is no new path.
        let plain = self.plain.contains(&row);
        if plain && let Some(known) = &mut self.known {
            known.looked = row;
        }
        match found {
            Found::Renewed(seen, renewed) if plain => self.adopt(&seen, &renewed),
            Found::First(seen, profile) if self.known.is_none() => {
                self.found_nothing = !self.begin(crack, row, (&seen, &profile));
            }
            Found::Nothing => self.found_nothing = true,
            Found::Renewed(..) | Found::First(..) => {}
        }
    }

    /// Follows what was found from now on, if it is a crack.
    fn begin(&mut self, crack: &Crack, row: u64, (seen, profile): (&Known, &Profile)) -> bool {
        let parts = open_parts(seen, profile);
        let least = believed_sigma(seen);
        let is_open = parts.iter().flatten().any(|part| significance(profile, *part) > least);
        let begins = is_open || crack.layout.along.is_some();
        if begins {
            self.known = Some(Known { looked: row, ..seen.clone() });
        }
        begins
    }

    /// What the observer of a frame some frames later should expect. One search is asked for at a
    /// time.
    pub fn hints(&mut self, crack: &Crack) -> Hints {
        let every = match &self.known {
            Some(_) if crack.layout.along.is_some() => SEARCH_AGAIN / 2,
            Some(_) if self.seen >= SEARCH_AGAIN as u32 => SEARCH_AGAIN,
            _ => SEARCH_FIRST,
        };
        // It is asked for in one frame, made some frames later, and heard of some more later.
        let patience = 2 * crack.lag as u64 + SEARCH_ROWS + 4;
        let waiting = self.asked.is_some_and(|asked| self.frame - asked < patience);
        // One that no frame could make is asked for again.
        let lost = self.asked == Some(self.searched);
        let due = self.frame >= self.searched + every || self.outgrown || lost;
        let has_ends = self.known.is_some() && crack.layout.along.is_none();
        let errand = match (due, has_ends && self.frame >= self.looked + self.ends_every()) {
            _ if waiting => Errand::None,
            (true, _) => Errand::Search,
            (false, true) => Errand::Ends,
            (false, false) => Errand::None,
        };
        match errand {
            Errand::First | Errand::Search => {
                (self.asked, self.searched) = (Some(self.frame), self.frame);
            }
            Errand::Ends => (self.asked, self.looked) = (Some(self.frame), self.frame),
            Errand::None => {}
        }
        let mut known = self.known.clone();
        // Until it is looked for again, and until that is heard of by the tracker and by observers.
        let ahead = self.pace_px.abs() * (2 * crack.lag as u64 + SEARCH_ROWS) as f64;
        if let Some(known) = &mut known {
            known.ahead = (AHEAD + ahead as usize).min(AHEAD_MOST);
            for (k, past) in known.past.iter_mut().enumerate() {
                past.ground = self.judge.ground(k);
            }
        }
        Hints { known: known.map(Arc::new), errand }
    }

    /// Takes the lines of a search, if they follow from those of today.
    fn adopt(&mut self, seen: &Known, renewed: &Known) {
        let Some(known) = &self.known else { return };
        if Arc::ptr_eq(&seen.geometry, &known.geometry) || known.goes_on_in(renewed) {
            let carried = known.carried_to(renewed);
            self.outgrown = false;
            self.go_on_with(carried);
        }
    }

    /// Follows what is known on new lines from now on; what was known on those before.
    fn go_on_with(&mut self, carried: Carried) -> Option<Known> {
        let Carried { known: after, moved, anew } = carried;
        let before = self.known.replace(after)?;
        let after = self.known.as_ref()?;
        // Longer than the crack can have grown since: it was there, and has been found only now. What
        // was measured of the shorter one says nothing of rates.
        let grown = AHEAD as f64 + self.pace_px.abs() * GROWN_FRAMES;
        let found_more = own_stations(&after.geometry) > own_stations(&before.geometry) + grown;
        self.judge.forget(moved.into_iter());
        if !Arc::ptr_eq(&before.geometry.root, &after.geometry.root) {
            self.seen = 0;
            self.opening = Some(OpeningRate::new(TREND_FRAMES));
        } else if let Some(rate) = &mut self.opening {
            anew.into_iter().for_each(|k| rate.forget(k));
        }
        if found_more {
            self.begin_length();
        }
        Some(before)
    }

    /// The rate of the length, and what is expected of a marked frame, begin anew.
    fn begin_length(&mut self) {
        self.expected = Expected::default();
        self.length = Some(Trend::new(TREND_FRAMES));
    }

    /// Frames from one look near the ends to the next.
    fn ends_every(&self) -> u64 {
        let frames = ENDS_AFTER_PX / self.pace_px.abs();
        // No pace makes no end of frames, which is the most of them.
        (frames as u64).clamp(*ENDS_FRAMES.start(), *ENDS_FRAMES.end())
    }

    /// How far the tip goes from one frame to the next, px; 0 where that is not known yet.
    fn see_pace(&mut self, stamp: &Stamp) -> f64 {
        let since = self.before.replace(stamp.time_s).map_or(0.0, |before| stamp.time_s - before);
        let (rate, error) = self.length.as_ref().map_or((f64::NAN, f64::NAN), Trend::slope);
        // What is left of a rate that is no more than its error is none.
        let pace = rate * (1.0 - (error / rate).powi(2)).max(0.0) * since;
        self.pace_px = if pace.is_finite() { pace } else { 0.0 };
        self.pace_px
    }

    #[allow(clippy::too_many_arguments)]
    fn report(
        &mut self,
        crack: &Crack,
        stamp: &Stamp,
        known: &Known,
        (profile, parts): (&Profile, &[Option<Open>]),
        verdict: &Verdict,
        (looked, drift_error): (u64, (f64, f64)),
        out: &mut Measurement,
    ) {
        let (geometry, centre) = (&*known.geometry, &known.centre[..]);
        lists(known, profile, parts, out);
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
            // A crack that was open does not close from one frame to the next: this one is not seen.
            if !verdict.marked && !known.past.iter().any(Past::was_open) {
                no_crack(out, 0.2 * quality);
            }
            return;
        };
        let Some(tip) = tip::find(crack, geometry, profile, centre, open, self.forward) else {
            return;
        };
        self.forward = Some(tip.forward);
        // Since it was last looked for where the tip goes, it may have turned off the line; and what has just
        // turned is too short to be seen.
        let pace = self.see_pace(stamp).abs();
        let way = pace * stamp.index.saturating_sub(looked) as f64;
        let turned = TURNED * (way + pace.min(1.0) * TURN_SEEN_PX);
        let tip = tip::Tip {
            along_error: tip.along_error.hypot(turned),
            length_error: tip.length_error.hypot(turned),
            ..tip
        };
        let length = (tip.length, tip.length_error);
        let mean_opening = MeanOpening::of(known, profile, open, &tip);
        let opening = mean_opening.with_ends(&tip, 0.0);
        let expected_before = self.expected;
        let follows = expected_before.is_still(opening, length);
        if !verdict.marked || follows {
            if let Some(rate) = &mut self.opening {
                rate.push(stamp.time_s, &profile.opening, mean_noise(profile, open));
            }
            if let Some(trend) = &mut self.length
                && !tip.hidden
            {
                trend.push(stamp.time_s, length.0, length.1);
            }
        }
        if !verdict.marked {
            self.expected.take(opening, length);
            if !tip.hidden
                && let Some(branch) =
                    geometry.branches.iter().find(|b| b.stations().contains(&open.last))
            {
                self.outgrown = open.last + 1 >= branch.first + branch.own + AHEAD_OPEN;
            }
        }
        if verdict.renewed {
            let expected = self.expected;
            self.begin_length();
            self.opening = Some(OpeningRate::new(TREND_FRAMES));
            if follows {
                self.expected = expected;
            }
        }
        // An end that is judged here and there says less of where it is than any frame by itself.
        let excess = self.length.as_ref().map_or(1.0, Trend::excess);
        let unseen = expected_before.unseen(length);
        let tip = tip::Tip {
            along_error: excess * tip.along_error,
            length_error: (excess * tip.length_error).hypot(unseen),
            ..tip
        };
        let length = (tip.length, tip.length_error);
        if verdict.marked && !follows {
            // The frame looks different and says something new: one of both is wrong.
            return;
        }
        let unknown = (f64::NAN, f64::NAN);
        set(schema::WIDTH_MEAN, mean_opening.with_ends(&tip, unseen));
        set(schema::WIDTH_MAX, widest(known, profile, open));
        set(
            schema::OPENING_RATE,
            self.opening.as_ref().map_or(unknown, |rate| rate.slope(open.stations())),
        );
        set(schema::PROPAGATION_RATE, self.length.as_ref().map_or(unknown, Trend::slope));
        let (total, lines, area) = totals(known, profile, parts, &tip);
        set(schema::LINES, (lines, 0.0));
        set(schema::AREA, area);
        if tip.hidden {
            return;
        }
        set(schema::LENGTH, length);
        set(schema::LENGTH_TOTAL, total);
        let (dx, dy) = drift_error;
        let (tx, ty) = tip.tangent;
        let place = |drift: f64, along: f64, across: f64| {
            drift.hypot(along * tip.along_error).hypot(across * tip.across_error)
        };
        set(schema::TIP_X, (tip.x, place(dx, tx, ty)));
        set(schema::TIP_Y, (tip.y, place(dy, ty, tx)));
    }
}

/// Stations of the crack itself.
fn own_stations(geometry: &Geometry) -> f64 {
    geometry.branches.first().map_or(0, |branch| branch.own) as f64
}

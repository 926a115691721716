//! Which stations are open: the longest stretch of each line whose opening stands out of its error.

use std::ops::Range;

use super::geometry::{Branch, by_branch};
use super::known::{Known, Past};
use super::profile::Profile;

/// A mean opening this many sigma above zero is open.
const OPEN_SIGMA: f64 = 3.6;
/// Where it was open in most of the frames before, this is enough.
const STILL_OPEN_SIGMA: f64 = 1.4;
/// Stations (one sigma) over which openness is judged, beyond those that share a change.
const JUDGED_OVER: f64 = 8.0;
/// The same of a faint line of which no frame has told yet, and which would be believed: texture hides a narrow
/// crack from shorter means.
const JUDGED_FIRST: f64 = 24.0;
/// What a station shows at least of the mean about it, if that is not its neighbours' alone: this
/// share, within so many of its own sigma.
const LENT_SHARE: f64 = 0.5;
const LENT_SIGMA: f32 = 2.0;
/// The ends go back to where a station by itself is this many sigma open.
const END_SIGMA: f32 = 1.5;
/// And to this share of the largest opening within so many stations.
const END_SHARE: f32 = 0.5;
pub const END_WITHIN: usize = 16;
/// Closed stations that an open stretch may bridge.
const BRIDGE: usize = 12;
/// The same between two stretches each of which would be believed by itself: where a crack kinks, the
/// line may cut the corner.
const BRIDGE_SURE: usize = 40;
/// A further line is believed when its mean opening is this many sigma: among all that looks like a
/// line it was chosen for standing out. So is the crack, when it is seen for the first time.
const BELIEVED_SIGMA: f64 = 7.0;
/// The same of a faint one: nothing in texture alone seems to be such a line.
const BELIEVED_FAINT_SIGMA: f64 = 5.0;
/// Frames over which an expected opening is a mean, about.
const EXPECTED_OVER: f32 = 9.0;
/// Open stations that make a crack.
pub const STATIONS_LEAST: usize = 10;

/// The connected open part of one line: places of its first and last station.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Open {
    pub first: usize,
    pub last: usize,
    /// That an end was not seen in this frame: it is where it was before.
    pub first_hidden: bool,
    pub last_hidden: bool,
}

impl Open {
    fn between(first: usize, last: usize) -> Open {
        Open { first, last, first_hidden: false, last_hidden: false }
    }

    /// Goes on over stations that were not measured and were open before.
    fn over_hidden(&mut self, stations: Range<usize>, profile: &Profile, past: &[Past]) {
        let hidden = |k: &usize| profile.opening[*k].is_nan();
        let open = |k: &usize| past[*k].was_open();
        let after = (self.last + 1..stations.end).take_while(hidden).filter(open).last();
        let before = (stations.start..self.first).rev().take_while(hidden).filter(open).last();
        if let Some(last) = after {
            (self.last, self.last_hidden) = (last, true);
        }
        if let Some(first) = before {
            (self.first, self.first_hidden) = (first, true);
        }
    }

    /// Ends where stations that were never open follow on some whose background has changed: what hides these, a
    /// deposit, may well be what seems open beyond them.
    fn not_beyond_hidden(&mut self, profile: &Profile, past: &[Past]) {
        let (first, last) = (self.first, self.last);
        let was_open = |k: &usize| past[*k].was_open();
        // What was not looked at has no background.
        let hidden = |k: &usize| profile.opening[*k].is_nan() && profile.level[*k].is_finite();
        if let Some(end) = (first..=last).rev().find(was_open)
            && (end + 1..=last).any(|k| hidden(&k))
        {
            (self.last, self.last_hidden) = (end, true);
        }
        if let Some(end) = (first..=last).find(was_open)
            && (first..end).any(|k| hidden(&k))
        {
            (self.first, self.first_hidden) = (end, true);
        }
    }

    /// The same with the stations that were open more often than not in the frames before.
    pub fn with(mut self, past: &[Past], stations: Range<usize>) -> Open {
        let was_open = |k: &usize| past[*k].was_open();
        let (first, last) = (stations.clone().find(was_open), stations.rev().find(was_open));
        self.first = first.map_or(self.first, |first| first.min(self.first));
        self.last = last.map_or(self.last, |last| last.max(self.last));
        self
    }

    /// Its places.
    pub fn stations(&self) -> std::ops::RangeInclusive<usize> {
        self.first..=self.last
    }
}

/// One sigma of a station's opening by what differs from station to station, px.
pub fn own_error(profile: &Profile, k: usize) -> f32 {
    (profile.noise_error[k] * profile.excess[k].sqrt()).hypot(profile.bend_error[k])
}

/// The open part of each line. Where stations beyond an end were not measured, it goes on over those
/// that were open in the frames before.
pub fn open_parts(known: &Known, profile: &Profile) -> Vec<Option<Open>> {
    let (geometry, past) = (&*known.geometry, &known.past[..]);
    let rows: Vec<[f64; 2]> = (0..profile.opening.len())
        .map(|k| {
            let (opening, error) =
                (f64::from(profile.opening[k]), f64::from(own_error(profile, k)));
            let weight = if opening.is_finite() && error > 0.0 { error.powi(-2) } else { 0.0 };
            [if weight > 0.0 { weight * opening } else { 0.0 }, weight]
        })
        .collect();
    let judged = Judged::over(known, profile, &rows, JUDGED_OVER);
    let mut over_more = None;
    geometry
        .branches
        .iter()
        .enumerate()
        .map(|(line, branch)| {
            let is_new = || branch.stations().all(|k| past[k].frames == 0.0);
            if known.faint && is_new() {
                let judged = over_more
                    .get_or_insert_with(|| Judged::over(known, profile, &rows, JUDGED_FIRST));
                let part = judged.open_part(branch).filter(|open| judged.believes(*open));
                if part.is_some() {
                    return part;
                }
            }
            judged.open_part(branch).filter(|open| line == 0 || judged.believes(*open))
        })
        .collect()
}

/// Mean openings, by which stations are judged.
struct Judged<'a> {
    known: &'a Known,
    profile: &'a Profile,
    /// Of each station, about it: weighted sum of openings, and of weights.
    smooth: Vec<[f64; 2]>,
    /// One sigma of such a mean over that of a station that shares its changes.
    share: f64,
}

impl<'a> Judged<'a> {
    /// By means over so many stations (one sigma); `rows`: weighted openings and weights.
    fn over(known: &'a Known, profile: &'a Profile, rows: &[[f64; 2]], sigma: f64) -> Judged<'a> {
        let smooth = by_branch(&known.geometry, rows, sigma);
        // Of a mean over more stations than share a change, the error is less.
        let shared = f64::from(profile.sharing);
        let over = shared.hypot(2.0 * std::f64::consts::PI.sqrt() * sigma);
        Judged { known, profile, smooth, share: (shared / over).sqrt() }
    }

    fn believes(&self, open: Open) -> bool {
        let least = believed_sigma(self.known);
        significance(self.profile, open) > least || lasting(self.known, self.profile, open) > least
    }

    /// The open part of a line.
    fn open_part(&self, branch: &Branch) -> Option<Open> {
        let (profile, past) = (self.profile, &self.known.past[..]);
        let stands_out = |k: usize| {
            let [sum, weight] = self.smooth[k];
            // A mean over stations reaches beyond the end of a wide part: there the station
            // itself shows far less.
            let own = f64::from(profile.opening[k] + LENT_SIGMA * own_error(profile, k));
            if own < LENT_SHARE * sum / weight {
                return false;
            }
            let least = if past[k].was_open() { STILL_OPEN_SIGMA } else { OPEN_SIGMA };
            weight > 0.0 && sum / weight > least * self.share / weight.sqrt()
        };
        let places = branch.stations().filter(|k| profile.opening[*k].is_finite()).enumerate();
        let seen: Vec<(usize, usize)> = places.collect();
        // What was not measured is no gap: gaps are counted in measured stations.
        let places = seen.iter().filter(|(_, k)| stands_out(*k)).map(|(n, _)| *n);
        let sure =
            |first: usize, last: usize| self.believes(Open::between(seen[first].1, seen[last].1));
        let part = longest(places, sure)?;
        let mut open = Open::between(seen[part.0].1, seen[part.1].1);
        // What stations share reaches beyond an end that stands wide open.
        let inside = |k: usize| {
            let near =
                k.saturating_sub(END_WITHIN).max(open.first)..(k + END_WITHIN).min(open.last + 1);
            profile.opening[near].iter().copied().fold(0.0, f32::max)
        };
        let ended = |k: usize| {
            let least = (END_SIGMA * own_error(profile, k)).max(END_SHARE * inside(k));
            !(profile.opening[k] > least)
        };
        let ended: Vec<bool> = open.stations().map(ended).collect();
        let (first, last) =
            (ended.iter().position(|ended| !ended)?, ended.iter().rposition(|ended| !ended)?);
        open = Open::between(open.first + first, open.first + last);
        open.not_beyond_hidden(profile, past);
        open.over_hidden(branch.stations(), profile, past);
        (open.last + 1 - open.first >= STATIONS_LEAST).then_some(open)
    }
}

/// A line is believed when its mean opening is so many sigma.
pub fn believed_sigma(known: &Known) -> f64 {
    if known.faint { BELIEVED_FAINT_SIGMA } else { BELIEVED_SIGMA }
}

/// The mean opening of a part over its error by what differs from station to station.
pub fn significance(profile: &Profile, open: Open) -> f64 {
    let (mut sum, mut variance, mut count) = (0.0, 0.0, 0.0);
    for k in open.stations().filter(|k| profile.opening[*k].is_finite()) {
        sum += f64::from(profile.opening[k]);
        variance += f64::from(own_error(profile, k)).powi(2);
        count += 1.0;
    }
    // Neighbours share their errors.
    let error = (variance * f64::from(profile.sharing).min(count)).sqrt();
    if error > 0.0 { sum / error } else { 0.0 }
}

/// The same of the openings that the last frames led to expect: noise averages out over these, and
/// texture does not.
fn lasting(known: &Known, profile: &Profile, open: Open) -> f64 {
    let (mut sum, mut variance, mut count) = (0.0, 0.0, 0.0);
    for k in open.stations().filter(|k| profile.opening[*k].is_finite()) {
        let frames = known.past[k].frames.min(EXPECTED_OVER);
        if frames < EXPECTED_OVER {
            // What it was chosen by is not forgotten yet.
            return 0.0;
        }
        sum += f64::from(known.opening[k]);
        let share = 1.0 / frames + (profile.excess[k] - 1.0);
        variance += f64::from(profile.noise_error[k]).powi(2) * f64::from(share)
            + f64::from(profile.bend_error[k]).powi(2);
        count += 1.0;
    }
    let error = (variance * f64::from(profile.sharing).min(count)).sqrt();
    if error > 0.0 { sum / error } else { 0.0 }
}

/// First and last of the longest stretch of ascending places, bridging short gaps, and longer ones
/// between stretches that are `sure`.
fn longest(
    places: impl Iterator<Item = usize>,
    sure: impl Fn(usize, usize) -> bool,
) -> Option<(usize, usize)> {
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    for k in places {
        match stretches.last_mut() {
            Some((_, last)) if k - *last <= BRIDGE => *last = k,
            _ => stretches.push((k, k)),
        }
    }
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for (first, last) in stretches {
        match joined.last_mut() {
            Some((start, end))
                if first - *end <= BRIDGE_SURE && sure(*start, *end) && sure(first, last) =>
            {
                *end = last;
            }
            _ => joined.push((first, last)),
        }
    }
    // Of equally long ones the first.
    joined.into_iter().rev().max_by_key(|(first, last)| last - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_gaps_are_bridged_and_the_longest_stretch_wins() {
        let places = || (0..20).chain(26..60).chain(90..120);
        assert_eq!(longest(places(), |_, _| false), Some((0, 59)));
        assert_eq!(longest(places(), |_, _| true), Some((0, 119)));
        assert_eq!(longest(std::iter::empty(), |_, _| true), None);
    }

    #[test]
    fn nothing_opens_beyond_what_a_deposit_hides() {
        let was = Past { openness: 1.0, ..Past::NONE };
        let past: Vec<Past> = (0..60).map(|k| if k < 40 { was } else { Past::NONE }).collect();
        let profile = |hidden: usize, level: f32| {
            let mut profile =
                Profile { opening: vec![2.0; 60], level: vec![50.0; 60], ..Profile::default() };
            (profile.opening[hidden], profile.level[hidden]) = (f32::NAN, level);
            profile
        };
        let found = |profile: &Profile| {
            let mut open = Open::between(5, 52);
            open.not_beyond_hidden(profile, &past);
            open
        };
        let open = found(&profile(44, 30.0));
        assert_eq!((open.last, open.last_hidden, open.first), (39, true, 5));
        assert_eq!(found(&profile(30, 30.0)), Open::between(5, 52), "within what was open");
        assert_eq!(found(&profile(44, f32::NAN)), Open::between(5, 52), "not looked at");
    }
}

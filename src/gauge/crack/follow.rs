//! Following a crack: where it has gone on, and what branches off it since.
//!
//! What was seen open stays where it is, so that a station means the same place for the whole run;
//! a search only adds stations beyond the ends and further lines, and replaces what was never open.

use std::sync::Arc;

use super::Crack;
use super::ahead::go_ahead;
use super::curve::{Curve, distance, nearest};
use super::ends::{self, leaves};
use super::fit::fit;
use super::geometry::Branch;
use super::kink;
use super::known::{AHEAD, Known, Past, at_border};
use super::opened::{END_WITHIN, Open, open_parts};
use super::profile::Profile;
use super::rough;
use crate::frame::Region;
use crate::gauge::View;

/// A traced line goes on from an end that it passes this near, px beyond half the opening.
const NEAR: f32 = 4.0;
/// It must agree in direction: cosine of the angle.
const AGREES: f32 = 0.5;
/// Nodes before the end from which it may go on, too.
const LOOK_BACK: [usize; 4] = [0, 8, 16, 24];
/// Closed nodes at the start that a line may be given anew.
const HEAD_MOST: usize = 30;
/// A line that stays this far from all others, px beyond half the opening, is a new one, and needs
/// this length.
const APART: f32 = 6.0;
const LENGTH_LEAST: usize = 24;
/// Shorter continuations are noise of the trace, px.
const CONTINUED_LEAST: usize = 4;

/// Where it seems this many times as wide as the crack at its end, it is something else: a deposit in front
/// of a tip looks like a ridge, too. A narrow crack seems to have this half width, px.
const WIDER: f32 = 4.0;
const NARROW: f32 = 2.2;

/// Half the side of the square about an end in which is looked for where it goes on, px.
pub const WINDOW: usize = 48;
/// A node that lies this far from where it was is a new one, px, and moves to the centre where that is
/// so well known, px.
const NEW: f32 = 1.0;
const CENTRE_ERROR: f32 = 0.6;
/// A continuation lies elsewhere when it is this far from the line that is known, px.
const ELSEWHERE: f32 = 2.0;

/// What is known, with the lines that a search found; nothing when it found nothing new to say.
pub fn renewed(
    crack: &Crack,
    view: &View<'_>,
    known: &Known,
    profile: &Profile,
    lines: Vec<(Curve, Vec<f32>)>,
) -> Option<Known> {
    let parts = open_parts(known, profile);
    let was_open = known.past.iter().any(Past::was_open);
    if parts.iter().all(Option::is_none) && !was_open && crack.layout.along.is_none() {
        // What was known has closed, or never was.
        return (!lines.is_empty()).then(|| Known::first(crack, view, lines, false).0);
    }
    let mut branches = known.moved(crack, &known.centre);
    let mut half_width = half_widths(known);
    if crack.layout.along.is_some() {
        replace_closed(&mut branches, &parts, &lines);
    } else {
        for (branch, part) in branches.iter_mut().zip(&parts) {
            if let Some(part) = part {
                go_on(crack, branch, part.with(&known.past, branch.stations()), known, &lines);
            }
        }
        add_new(crack, &mut branches, &known.opening, &lines, &mut half_width);
    }
    Some(laid_out(crack, view, known, (branches, &half_width), &parts))
}

/// What is known, with lines that go on where a search near their ends saw them, so many px to each side;
/// nothing when they lie as they did.
pub fn continued(
    crack: &Crack,
    view: &View<'_>,
    known: &Known,
    profile: &Profile,
    within: usize,
) -> Option<Known> {
    let geometry = &*known.geometry;
    let parts = open_parts(known, profile);
    let mut branches = known.moved(crack, &known.centre);
    let mut changed = false;
    for (branch, part) in branches.iter_mut().zip(&parts) {
        let Some(part) = part.filter(|part| !part.last_hidden) else { continue };
        let Some(window) = window(crack, geometry.at[part.last], within) else { continue };
        let lines = crack.traced(view, window, 1);
        let mut new = branch.clone();
        let part = part.with(&known.past, branch.stations());
        go_on(crack, &mut new, part, known, &lines);
        let places = branch.stations().skip(part.last.saturating_sub(branch.first));
        let elsewhere = places.zip(&new.curve.points[(part.last - branch.first).min(new.own)..]);
        let elsewhere = elsewhere
            .filter(|(_, at)| branch.curve.nearest(**at).is_some_and(|(_, far)| far > ELSEWHERE));
        let goes_on = new.own > branch.own + CONTINUED_LEAST;
        if new.first == branch.first
            && (goes_on
                || new.own > part.last - branch.first + CONTINUED_LEAST
                    && elsewhere.count() > CONTINUED_LEAST)
        {
            *branch = new;
            changed = true;
        }
    }
    let half_width = half_widths(known);
    changed.then(|| laid_out(crack, view, known, (branches, &half_width), &parts))
}

/// Half the width that each station is expected to have, px.
fn half_widths(known: &Known) -> Vec<f32> {
    known.opening.iter().map(|w| (0.5 * w).max(2.0)).collect()
}

/// The surroundings of an end that lies inside the region, so many px to each side.
fn window(crack: &Crack, at: [f32; 2], within: usize) -> Option<Region> {
    let all = crack.config.region;
    let side = |at: f32, start: usize, size: usize| {
        let from = (at as usize).saturating_sub(within).max(start);
        let to = (at as usize + within).min(start + size);
        (from, to.saturating_sub(from))
    };
    let ((x, width), (y, height)) = (side(at[0], all.x, all.width), side(at[1], all.y, all.height));
    let inside = !at_border(at, crack) && width.min(height) > within;
    inside.then_some(Region { x, y, width, height })
}

/// New lines with the stations that they have in common with what is known.
fn laid_out(
    crack: &Crack,
    view: &View<'_>,
    known: &Known,
    (branches, half_width): (Vec<Branch>, &[f32]),
    parts: &[Option<Open>],
) -> Known {
    let root = Arc::clone(&known.geometry.root);
    let (mut opening, shared) =
        rough::openings(crack, view, &root, &branches, half_width, Some(known.shared));
    for part in parts.iter().flatten() {
        for k in part.stations() {
            opening[k] = known.opening[k];
        }
    }
    let mut out = Known::laid_out(crack, &root, branches, opening, shared);
    out.ahead = known.ahead;
    if crack.layout.along.is_some() {
        return out;
    }
    let seen = fit(crack, view, &out);
    let branches = centred_where_new(crack, known, &out, &seen);
    out = Known::laid_out(crack, &root, branches, out.opening, out.shared);
    if let Some((branches, opening)) = kink::sharpened(crack, view, &out) {
        out = Known::laid_out(crack, &root, branches, opening, out.shared);
    }
    out
}

/// The lines with those nodes that were not there before moved to where the fit sees the crack: a trace
/// is right to a pixel.
fn centred_where_new(crack: &Crack, known: &Known, new: &Known, seen: &Profile) -> Vec<Branch> {
    let centre: Vec<f32> = (0..new.opening.len())
        .map(|k| {
            let ([ax, ay], [bx, by]) = (known.geometry.at[k], new.geometry.at[k]);
            match (ax - bx).hypot(ay - by) < NEW {
                true => 0.0,
                false if seen.centre_error[k] < CENTRE_ERROR => seen.centre[k],
                false => f32::NAN,
            }
        })
        .collect();
    new.moved(crack, &centre)
}

/// Where each station has a line of its own, closed stations take what the search found on theirs.
fn replace_closed(branches: &mut [Branch], parts: &[Option<Open>], lines: &[(Curve, Vec<f32>)]) {
    let (Some(branch), Some((found, _))) = (branches.first_mut(), lines.first()) else { return };
    let part = parts.first().copied().flatten();
    for (k, (point, found)) in branch.curve.points.iter_mut().zip(&found.points).enumerate() {
        if !part.is_some_and(|part| part.stations().contains(&(branch.first + k))) {
            *point = *found;
        }
    }
}

/// Continues a line beyond the ends of its open part.
fn go_on(
    crack: &Crack,
    branch: &mut Branch,
    part: Open,
    known: &Known,
    lines: &[(Curve, Vec<f32>)],
) {
    let (opening, ahead) = (&known.opening[..], known.ahead);
    let room = crack.layout.room_of(branch.first);
    branch.curve.points.truncate(branch.own);
    let first = branch.first;
    let last = (part.last - first).min(branch.own.saturating_sub(1));
    let near = NEAR + 0.5 * opening[part.last].max(0.0);
    // A line that was traced while it was short may end in a hook: from a little before its end it
    // may go on better.
    // What was never seen open is no part of the line.
    let (mut from, mut tail) = (last, Vec::new());
    let wide = opening[part.last];
    let psf = known.shared.psf_px;
    let end_width = widest_near(opening, part.last);
    for back in LOOK_BACK {
        let Some(start) = last.checked_sub(back) else { break };
        let Some(other) = beyond(&branch.curve, start, lines, near, wide) else { continue };
        if !leaves(&other, &branch.curve, last, (end_width, psf)) {
            continue;
        }
        // Nodes that were measured are given up only for a line that goes further.
        let least = if back == 0 { 0 } else { CONTINUED_LEAST };
        if start + other.len() > from + tail.len() + least {
            (from, tail) = (start, other);
        }
    }
    branch.curve.points.truncate(from + 1);
    branch.curve.join(tail);
    let head = (part.first - first).min(branch.own.saturating_sub(1));
    if head < HEAD_MOST && first > room.start {
        let turned = branch.curve.reversed();
        let at = turned.points.len() - 1 - head;
        let near = NEAR + 0.5 * opening[part.first].max(0.0);
        let end_width = widest_near(opening, part.first);
        let leaving = |lead: &Vec<[f32; 2]>| leaves(lead, &turned, at, (end_width, psf));
        if let Some(lead) = beyond(&turned, at, lines, near, opening[part.first]).filter(leaving) {
            let kept = branch.curve.points.split_off(head);
            let mut turned = Curve { points: kept.into_iter().rev().collect() };
            let before = turned.points.len();
            turned.join(lead);
            let most = before + first - room.start + head;
            turned.points.truncate(most);
            let count = turned.points.len() - before;
            branch.curve = turned.reversed();
            branch.first = first + head - count;
        }
    }
    branch.curve.points.truncate(room.end - branch.first);
    branch.own = branch.curve.points.len();
    go_ahead(&mut branch.curve, crack, ahead);
    branch.curve.points.truncate(room.end - branch.first);
}

/// The widest opening about an end, px: what stations share makes an end that stands wide open look narrower.
fn widest_near(opening: &[f32], end: usize) -> f32 {
    let near = end.saturating_sub(END_WITHIN)..(end + END_WITHIN + 1).min(opening.len());
    opening[near].iter().copied().fold(0.0, f32::max)
}

/// The nodes of a traced line beyond node `end` of a curve; nothing when none goes on there.
fn beyond(
    curve: &Curve,
    end: usize,
    lines: &[(Curve, Vec<f32>)],
    near: f32,
    opening: f32,
) -> Option<Vec<[f32; 2]>> {
    let at = *curve.points.get(end)?;
    let from = curve.points[end.saturating_sub(10)];
    let long = distance(from, at);
    if long == 0.0 {
        return None;
    }
    let along = [(at[0] - from[0]) / long, (at[1] - from[1]) / long];
    let mut best: Option<Vec<[f32; 2]>> = None;
    let widest = WIDER * (0.5 * opening).max(NARROW);
    for (line, half) in lines {
        let turned: Vec<f32> = half.iter().rev().copied().collect();
        for (line, half) in [(line.clone(), half), (line.reversed(), &turned)] {
            let Some((node, far)) = line.nearest(at) else { continue };
            let ahead = line.points[(node + 8).min(line.points.len() - 1)];
            let behind = line.points[node.saturating_sub(4)];
            let step = distance(behind, ahead);
            let agrees = step > 0.0
                && (ahead[0] - behind[0]) * along[0] + (ahead[1] - behind[1]) * along[1]
                    > AGREES * step;
            if far > near || !agrees {
                continue;
            }
            let past = |p: &&[f32; 2]| (p[0] - at[0]) * along[0] + (p[1] - at[1]) * along[1] >= 0.8;
            let skipped = line.points[node..].iter().position(|p| past(&p));
            let Some(skipped) = skipped else { continue };
            let start = node + skipped;
            let like = half[start..].iter().take_while(|half| **half <= widest).count();
            let tail = line.points[start..start + like].to_vec();
            let Some(tail) = ends::leaving(tail, at, along, opening) else { continue };
            let longer = best.as_ref().is_none_or(|best| tail.len() > best.len());
            if tail.len() >= CONTINUED_LEAST && longer {
                best = Some(tail);
            }
        }
    }
    best
}

/// Gives lines that no known one covers a place, while there is room.
fn add_new(
    crack: &Crack,
    branches: &mut Vec<Branch>,
    opening: &[f32],
    lines: &[(Curve, Vec<f32>)],
    half_width: &mut [f32],
) {
    for (line, half) in lines {
        let covered = |at: [f32; 2]| {
            branches.iter().any(|branch| {
                nearest(branch.curve.points.iter().copied().enumerate(), at).is_some_and(
                    |(node, far)| far < APART + 0.5 * opening[branch.first + node].max(0.0),
                )
            })
        };
        let free: Vec<bool> = line.points.iter().map(|at| !covered(*at)).collect();
        let Some((from, to)) = longest_run(&free) else { continue };
        if to - from < LENGTH_LEAST {
            continue;
        }
        let taken = |k: usize| {
            crack
                .layout
                .room(k)
                .is_some_and(|room| branches.iter().any(|branch| room.contains(&branch.first)))
        };
        let Some(room) =
            (1..=crack.layout.branches).find(|k| !taken(*k)).and_then(|k| crack.layout.room(k))
        else {
            break;
        };
        let mut curve = Curve { points: line.points[from..to].to_vec() };
        let mut half = half[from..to].to_vec();
        // Outward from where it touches what was known.
        if from == 0 && to < line.points.len() {
            curve = curve.reversed();
            half.reverse();
        }
        curve.points.truncate(room.len());
        let own = curve.points.len();
        for (place, half) in room.clone().zip(&half) {
            half_width[place] = *half;
        }
        go_ahead(&mut curve, crack, AHEAD);
        curve.points.truncate(room.len());
        branches.push(Branch { curve, first: room.start, own });
    }
}

/// The longest run of true: from and to.
fn longest_run(free: &[bool]) -> Option<(usize, usize)> {
    let (mut best, mut from) = (None::<(usize, usize)>, None);
    for (k, is_free) in free.iter().copied().chain([false]).enumerate() {
        match (is_free, from) {
            (true, None) => from = Some(k),
            (false, Some(start)) => {
                if best.is_none_or(|(a, b)| k - start > b - a) {
                    best = Some((start, k));
                }
                from = None;
            }
            _ => {}
        }
    }
    best
}

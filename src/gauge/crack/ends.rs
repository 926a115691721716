//! Ends of wide cracks: where the line must not go round them.
//!
//! About the blunt end of a crack that is wider than the point spread, its wall looks like a ridge, and
//! a traced line turns into that and runs round the end. From half an opening before its end such a line
//! goes straight on, as the crack beside it does; a continuation that comes back behind the end, or
//! never leaves it, is none.

use super::Crack;
use super::ahead::go_ahead;
use super::curve::{Curve, distance};
use super::known::{Known, at_border};
use super::opened::open_parts;
use super::profile::Profile;

/// An end is wide from so many point spreads on.
const WIDE: f32 = 4.0;
/// Nodes that tell the direction in which it goes straight on.
const DIRECTION: usize = 24;
/// Stations that tell its opening, beyond what an end bends.
const OPENING: usize = 16;
/// A continuation leaves an end by half the opening and this, px.
const LEAVES: f32 = 4.0;
/// Ahead of an end is within this cosine of the line's direction.
const AHEAD: f32 = 0.5;

impl Known {
    /// The same with lines that go straight on from before their wide ends; nothing where they do.
    pub fn straight_ended(&self, crack: &Crack, profile: &Profile) -> Option<Known> {
        let mut branches = self.geometry.branches.clone();
        let mut changed = false;
        for (branch, part) in branches.iter_mut().zip(open_parts(self, profile)) {
            let Some(part) = part else { continue };
            let points = &branch.curve.points;
            let own = branch.own;
            let (first, last) = (part.first - branch.first, part.last - branch.first);
            let opening = |from: usize, to: usize| mean_opening(profile, branch.first, from, to);
            let inside = (last - first) / 3;
            let tail = opening(last.saturating_sub(OPENING + inside.min(OPENING)), last)
                .filter(|wide| *wide > WIDE * self.shared.psf_px)
                .and_then(|wide| straight(&points[..own.min(last + 1)], wide));
            let lead = opening(first, first + OPENING + inside.min(OPENING))
                .filter(|wide| *wide > WIDE * self.shared.psf_px)
                .and_then(|wide| {
                    let turned: Vec<[f32; 2]> = points[first..own].iter().rev().copied().collect();
                    straight(&turned, wide)
                });
            if let Some(tail) = tail
                && !at_border(points[last.min(own - 1)], crack)
            {
                branch.curve.points = tail;
                branch.own = branch.curve.points.len();
                go_ahead(&mut branch.curve, crack, self.ahead);
                changed = true;
            }
            if let Some(lead) = lead
                && !at_border(branch.curve.points[first], crack)
            {
                // Nodes keep their places; those before the end are no part of the line.
                let count = lead.len().min(DIRECTION + OPENING);
                for (node, at) in (first..).zip(lead.iter().rev().take(count)) {
                    branch.curve.points[node] = *at;
                }
                branch.curve.points.drain(..first);
                branch.first += first;
                branch.own -= first;
                changed = true;
            }
        }
        let room = |first: usize| crack.layout.room_of(first).end - first;
        branches.iter_mut().for_each(|b| b.curve.points.truncate(room(b.first)));
        changed.then(|| {
            let root = &self.geometry.root;
            Known::laid_out(crack, root, branches, self.opening.clone(), self.shared)
        })
    }
}

/// Mean of the openings from one node to another that were measured.
fn mean_opening(profile: &Profile, first: usize, from: usize, to: usize) -> Option<f32> {
    let seen: Vec<f32> = (first + from..=first + to)
        .filter_map(|k| profile.opening.get(k).copied())
        .filter(|w| w.is_finite())
        .collect();
    (!seen.is_empty()).then(|| seen.iter().sum::<f32>() / seen.len() as f32)
}

/// The line with its last half opening straightened; nothing where there is too little of it.
fn straight(points: &[[f32; 2]], opening: f32) -> Option<Vec<[f32; 2]>> {
    let cut = points.len().checked_sub(opening.ceil() as usize)?;
    let from = points[cut.checked_sub(DIRECTION)?];
    let at = points[cut];
    let long = distance(from, at);
    if long == 0.0 {
        return None;
    }
    let step = [(at[0] - from[0]) / long, (at[1] - from[1]) / long];
    let mut out = points[..=cut].to_vec();
    for k in 1..points.len() - cut {
        out.push([at[0] + k as f32 * step[0], at[1] + k as f32 * step[1]]);
    }
    Some(out)
}

/// The nodes of a continuation up to where it comes back behind the place that it goes on from; nothing
/// where these never leave it.
pub fn leaving(
    mut tail: Vec<[f32; 2]>,
    at: [f32; 2],
    along: [f32; 2],
    opening: f32,
) -> Option<Vec<[f32; 2]>> {
    let ahead = |p: &[f32; 2]| (p[0] - at[0]) * along[0] + (p[1] - at[1]) * along[1];
    let count = tail.iter().position(|p| ahead(p) < 0.0).unwrap_or(tail.len());
    tail.truncate(count);
    let furthest = tail.iter().map(|p| distance(*p, at)).fold(0.0, f32::max);
    (furthest > 0.5 * opening.max(0.0) + LEAVES).then_some(tail)
}

/// Whether a continuation that may begin before a line's end leaves that end, which stands so wide open, px,
/// ahead: the walls about a wide end never do, nor what looks like a ridge beside its corners.
pub fn leaves(tail: &[[f32; 2]], line: &Curve, end: usize, (opening, psf_px): (f32, f32)) -> bool {
    if opening < WIDE * psf_px {
        return true;
    }
    let at = line.points[end];
    let from = line.points[end.saturating_sub(DIRECTION)];
    let long = distance(from, at).max(1.0);
    let along = [(at[0] - from[0]) / long, (at[1] - from[1]) / long];
    tail.iter().any(|p| {
        let far = distance(*p, at);
        let ahead = (p[0] - at[0]) * along[0] + (p[1] - at[1]) * along[1];
        ahead > AHEAD * far && far > 0.5 * opening + LEAVES
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_about_a_wide_end_does_not_leave_it() {
        let line = Curve { points: (0..60).map(|k| [50.0, k as f32]).collect() };
        let towards = |x: f32, y: f32| -> Vec<[f32; 2]> {
            (1..=24).map(|k| [50.0 + x * k as f32, 59.0 + y * k as f32]).collect()
        };
        let wall: Vec<[f32; 2]> =
            (0..26).map(|k| [50.0 + 0.4 * k as f32, 36.0 + k as f32]).collect();
        let wide = (20.0, 1.2);
        assert!(!leaves(&wall, &line, 59, wide), "from before the end to its corner");
        assert!(!leaves(&towards(1.0, 0.2), &line, 59, wide), "beside its corner");
        assert!(leaves(&towards(0.3, 1.0), &line, 59, wide), "ahead");
        assert!(leaves(&towards(1.0, 0.2), &line, 59, (2.0, 1.2)), "of a narrow one");
    }
}

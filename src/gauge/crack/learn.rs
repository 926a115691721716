//! From frame to frame: what a frame's profile says in the stations of today, and what the next
//! frames should expect of it.

use std::sync::Arc;

use super::geometry::Geometry;
use super::judge::Verdict;
use super::known::Known;
use super::opened::Open;
use super::profile::Profile;
use super::scatter;
use super::shared::Shared;

/// Frames (about) over which path and point spread are smoothed; an opening is expected sooner.
const MEMORY: f32 = 16.0;
pub const OPENING_SHARE: f32 = 0.2;
/// The texture errs the same way in every frame: of each frame's information on the depth and the
/// point spread only this share is new, and never more than this is known of them.
const NEW_INFORMATION: f32 = 0.05;
const INFORMATION_MOST: f32 = 2500.0;
/// Openings and lines are followed where the centre is this well known, px.
const CENTRE_ERROR: f32 = 0.7;

/// A profile in the stations of another geometry; nothing where they have nothing in common.
pub fn onto(profile: &Profile, from: &Arc<Geometry>, to: &Arc<Geometry>) -> Option<Profile> {
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
        excess_seen: take(&profile.excess_seen),
        common_error: take(&profile.common_error),
        opening_alone: take(&profile.opening_alone),
        alone_error: take(&profile.alone_error),
        depth: take(&profile.depth),
        depth_error: take(&profile.depth_error),
        depth_seen: take(&profile.depth_seen),
        depth_seen_error: take(&profile.depth_seen_error),
        level: take(&profile.level),
        shared: profile.shared,
        sharing: profile.sharing,
    })
}

/// Learns from a frame what the next ones should expect.
pub fn follow(
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
                let past = &mut known.past[k];
                past.centred += 1.0;
                let share = (1.0 / past.centred).max(1.0 / MEMORY);
                known.centre[k] += share * (centre - known.centre[k]);
            }
        }
    }
    for (k, past) in known.past.iter_mut().enumerate() {
        if profile.opening[k].is_finite() {
            let is_open = parts.iter().flatten().any(|part| part.stations().contains(&k));
            past.frames += 1.0;
            past.openness += (1.0 / past.frames).max(1.0 / MEMORY)
                * (f32::from(u8::from(is_open)) - past.openness);
            let share = (1.0 / past.frames).max(1.0 / scatter::MEMORY);
            past.excess += share * (profile.excess_seen[k] - past.excess);
            past.fill(profile, k);
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
    shared.fill_along += share * (new.fill_along - shared.fill_along);
    shared.depth_information = more(shared.depth_information, new.new_depth_information);
    shared.psf_information = more(shared.psf_information, new.new_psf_information);
}

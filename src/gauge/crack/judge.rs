//! What must not be read as growth: whether a frame looks as the frames before it did.
//!
//! The background beside each station is remembered, over many frames. A station whose background
//! has changed against the others' (a shadow, a flash, a deposit) is not measured. When the
//! brightness of all, the focus, the contrast or the scatter has changed at once, the frame is
//! marked: its quality falls, and numbers that do not follow from the frames before are withheld,
//! until the new state has lasted.

use super::known::{Known, Past};
use super::profile::Profile;
use crate::gauge::median::median;

/// Frames over which a background is remembered: longer than what passes by.
const MEMORY: f32 = 200.0;
/// Frames over which the whole brightness and the scatter are.
const SHORT_MEMORY: f32 = 12.0;
/// ln of a change of one station's background against the others'.
const LOCAL: f32 = 0.35;
/// A level's own noise is far less, once it has been seen in more frames than these.
const SEEN_LEAST: f32 = 3.0;
/// Beside a station whose background has changed so many to each side are not trusted either.
const BLIND_BESIDE: usize = 6;
/// ln of a change of all.
const GLOBAL: f32 = 0.15;
/// Share of stations that may fail before the frame is marked.
const SHARE: f32 = 0.03;
/// Factor by which the scatter may grow, and from where it counts: a tip that passes adds some.
const SCATTER: f32 = 8.0;
const SCATTER_LEAST: f32 = 2.0;
/// Frames after which a new state is the state; later, and at most so many, where openings seem other
/// than they were, by this factor's ln: a change of the look opens nothing.
const LASTING: u32 = 24;
const LASTING_MOST: u32 = 48;
const LIKE: f32 = 0.25;
/// Openings that this is told by, px.
const OPEN: f32 = 1.0;

/// What is remembered.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// Background of each station over the typical one; NaN where it was never seen.
    relative: Vec<f32>,
    /// Frames that each has been seen.
    seen: Vec<f32>,
    /// Typical background, counts, and typical excess.
    brightness: Option<f32>,
    scatter: Option<f32>,
    /// Marked frames one after the other.
    marked: u32,
}

/// What is wrong with a frame.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Stations that were not measured after all.
    pub blind: Vec<usize>,
    /// 1 where all is as it was; less the more has changed.
    pub trust: f32,
    /// Numbers that do not follow from the frames before are withheld.
    pub marked: bool,
    /// The state has changed for good: what was known of depth and point spread is void.
    pub renewed: bool,
}

impl Judge {
    /// Judges the next frame of what is known.
    pub fn judge(&mut self, known: &Known, profile: &Profile) -> Verdict {
        let geometry = &*known.geometry;
        let mut out = Verdict { trust: 1.0, ..Verdict::default() };
        let own: Vec<usize> = geometry
            .branches
            .iter()
            .flat_map(|branch| branch.first..branch.first + branch.own)
            .filter(|k| profile.level[*k] > 0.0)
            .collect();
        self.relative.resize(profile.level.len(), f32::NAN);
        self.seen.resize(profile.level.len(), 0.0);
        let ratios = own.iter().filter(|k| self.relative[**k].is_finite());
        let brightness = median(ratios.map(|k| profile.level[*k] / self.relative[*k]))
            .or_else(|| median(own.iter().map(|k| profile.level[*k])));
        let Some(brightness) = brightness else { return out };
        for k in 0..profile.level.len() {
            let change = (profile.level[k] / brightness / self.relative[k]).ln();
            if change.abs() > LOCAL && self.seen[k] > SEEN_LEAST {
                out.blind.push(k);
            }
        }
        let excess = typical(profile, &own);
        let before = *self.brightness.get_or_insert(brightness);
        let scattered = *self.scatter.get_or_insert(excess);
        let dimmed = (brightness / before).ln().abs();
        let blind = out.blind.len() as f32 / own.len().max(1) as f32;
        let mut changes = 0;
        for changed in [
            dimmed > GLOBAL,
            profile.shared.psf_jump > 0.0,
            profile.shared.depth_jump > 0.0,
            blind > SHARE,
            excess > SCATTER * scattered.max(SCATTER_LEAST),
        ] {
            changes += u32::from(changed);
        }
        out.marked = changes > 0;
        out.trust = 0.4f32.powi(changes.min(3) as i32) * (1.0 - blind.min(1.0));
        self.marked = if out.marked { self.marked + 1 } else { 0 };
        let opened = own.iter().filter(|k| known.opening[**k] > OPEN);
        let opened = median(opened.map(|k| profile.opening[*k] / known.opening[*k]));
        let is_like = opened.is_none_or(|factor| factor.ln().abs() < LIKE);
        if self.marked >= LASTING && (is_like || self.marked >= LASTING_MOST) {
            out.renewed = true;
            self.marked = 0;
            (self.brightness, self.scatter) = (Some(brightness), Some(excess));
            self.relative.fill(f32::NAN);
        } else if !out.marked {
            let share = 1.0 / SHORT_MEMORY;
            self.brightness = Some(before + share * (brightness - before));
            self.scatter = Some(scattered + share * (excess - scattered));
        }
        if !out.marked || out.renewed {
            self.remember(profile, brightness);
        }
        out
    }

    fn remember(&mut self, profile: &Profile, brightness: f32) {
        for (k, level) in profile.level.iter().enumerate() {
            let now = level / brightness;
            if !(now > 0.0) {
                continue;
            }
            if self.relative[k].is_nan() {
                (self.relative[k], self.seen[k]) = (now, 0.0);
            }
            self.seen[k] += 1.0;
            let share = (1.0 / self.seen[k]).max(1.0 / MEMORY);
            self.relative[k] += share * (now - self.relative[k]);
        }
    }

    /// Background of a station over the typical one, where it is known well enough to be relied on.
    pub fn ground(&self, station: usize) -> f32 {
        match (self.relative.get(station), self.seen.get(station)) {
            (Some(relative), Some(seen)) if *seen > SEEN_LEAST => *relative,
            _ => f32::NAN,
        }
    }

    /// Where the lines have moved, backgrounds are learnt anew.
    pub fn forget(&mut self, stations: impl Iterator<Item = usize>) {
        for k in stations {
            if let (Some(relative), Some(seen)) = (self.relative.get_mut(k), self.seen.get_mut(k)) {
                (*relative, *seen) = (f32::NAN, 0.0);
            }
        }
    }
}

/// Stations whose background has changed against the others', with their neighbours.
pub fn blind(levels: &[f32], past: &[Past]) -> Vec<bool> {
    let ratios = levels.iter().zip(past).map(|(level, past)| level / past.ground);
    let ratios: Vec<f32> = ratios.collect();
    let mut out = vec![false; levels.len()];
    let Some(brightness) = median(ratios.iter().copied()) else { return out };
    for (k, ratio) in ratios.iter().enumerate() {
        if (ratio / brightness).ln().abs() > LOCAL {
            out[k.saturating_sub(BLIND_BESIDE)..(k + BLIND_BESIDE + 1).min(levels.len())]
                .fill(true);
        }
    }
    out
}

fn typical(profile: &Profile, own: &[usize]) -> f32 {
    median(own.iter().map(|k| profile.excess_seen[*k])).unwrap_or(1.0)
}

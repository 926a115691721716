//! How deep each station is expected to be: a station is filled as its neighbours are.
//!
//! A station's depth over the crack's is taken for an Ornstein–Uhlenbeck process along the line, of
//! mean 1, variance `fill²`, and a correlation that falls by e within `fill_along`; what a station
//! has shown in the frames before is seen of it. One pass along the line and one back give what all
//! stations together say of each (a Kalman filter and its mirror image: D. C. Fraser and J. E.
//! Potter, IEEE Trans. Autom. Control 14, 387, 1969). So a narrow tip, whose depth nobody sees, is
//! as deep as the crack beside it, and is not known better than that.

use super::geometry::Geometry;
use super::known::Past;
use super::profile::Profile;
use super::shared::Shared;
use super::station::Solved;

/// Least and largest share of the depth by which stations differ.
const FILL_LEAST: f64 = 0.02;
const FILL_MOST: f64 = 0.5;
/// Stations whose depth is known worse than this share say nothing of how depths differ.
const KNOWN: f64 = 0.2;
/// Of the squared difference of far stations, neighbours show these shares at least and at most.
const APART: std::ops::RangeInclusive<f64> = 0.05..=0.9;

/// What is expected of a station's depth.
#[derive(Clone, Copy, Debug)]
pub struct Filling {
    /// Over the crack's.
    pub share: f32,
    /// Of that share.
    pub variance: f64,
    /// How much of a change of the crack's depth the station's follows: 1 where nothing else is
    /// known of it.
    pub by_crack: f32,
}

impl Filling {
    /// A depth that was told holds everywhere.
    const TOLD: Filling = Filling { share: 1.0, variance: 1e-12, by_crack: 1.0 };
}

/// What is expected of each station; `sharing` is how many of them share what each has shown.
pub fn expected(
    geometry: &Geometry,
    past: &[Past],
    shared: &Shared,
    told: bool,
    sharing: f64,
) -> Vec<Filling> {
    let mut out = vec![Filling::TOLD; past.len()];
    if told {
        return out;
    }
    let alike = f64::from(shared.fill).powi(2);
    let kept = (-1.0 / f64::from(shared.fill_along)).exp();
    // 1/variance of what a station has shown, and that times how far it is from the crack's.
    let shown = |k: usize| {
        let information = f64::from(past[k].depth_information) / sharing;
        (information, information * f64::from(past[k].depth - 1.0))
    };
    // Information on a station from those on one side of it, one step on.
    let on = |(information, sum): (f64, f64)| {
        let variance = kept * kept / information + (1.0 - kept * kept) * alike;
        (1.0 / variance, kept * sum / information / variance)
    };
    for branch in &geometry.branches {
        let stations = branch.stations();
        let nothing = (1.0 / alike, 0.0);
        let mut before = Vec::with_capacity(stations.len());
        let mut at = nothing;
        for k in stations.clone() {
            before.push(at);
            let (information, sum) = shown(k);
            at = on((at.0 + information, at.1 + sum));
        }
        let mut after = nothing;
        for (k, before) in stations.zip(before).rev() {
            let (information, sum) = shown(k);
            let own = (after.0 + information, after.1 + sum);
            // Both sides hold what is known of all stations.
            let total = before.0 + own.0 - nothing.0;
            out[k] = Filling {
                share: (1.0 + (before.1 + own.1) / total) as f32,
                variance: 1.0 / total,
                by_crack: (nothing.0 / total) as f32,
            };
            after = on(own);
        }
    }
    out
}

impl Shared {
    /// How much the depths of wide stations differ beyond their errors, and over which distance;
    /// `excess` multiplies these errors' variance, `sharing` stations share them.
    pub fn learn_fill(
        &mut self,
        geometry: &Geometry,
        solved: &[Solved],
        opening: impl Fn(usize) -> f32,
        (excess, sharing): (f32, f64),
    ) {
        let depth = f64::from(self.depth);
        let seen = |k: usize| {
            let (seen, variance) = solved[k].own_depth;
            let variance = variance * f64::from(excess) / (depth * depth);
            let is_known = opening(k) > self.psf_px && variance < KNOWN * KNOWN;
            is_known.then(|| (seen / depth - 1.0, variance))
        };
        // Stations so far apart share no noise.
        let lag = (2.0 * sharing).round() as usize;
        let (mut all, mut near) = (Mean::default(), Mean::default());
        for branch in &geometry.branches {
            let stations = branch.stations();
            for k in stations.clone() {
                let Some((change, variance)) = seen(k) else { continue };
                all.add(change * change, variance);
                let other = Some(k + lag).filter(|other| stations.contains(other)).and_then(seen);
                if let Some((other, with)) = other {
                    near.add((change - other).powi(2), variance + with);
                }
            }
        }
        let Some(squared) = all.beyond_noise() else { return };
        self.fill = squared.sqrt().clamp(FILL_LEAST, FILL_MOST) as f32;
        if let Some(apart) = near.beyond_noise() {
            let share = (apart / (2.0 * squared.max(FILL_LEAST * FILL_LEAST)))
                .clamp(*APART.start(), *APART.end());
            self.fill_along = (-(lag as f64) / (1.0 - share).ln()) as f32;
        }
    }
}

/// A mean of squares less the variance that noise gives them; what is known well counts for more.
#[derive(Default)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, square: f64, variance: f64) {
        let tap = 1.0 / (variance + 0.05 * 0.05);
        self.sum += tap * (square - variance);
        self.weight += tap;
    }

    fn beyond_noise(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| (self.sum / self.weight).max(0.0))
    }
}

impl Past {
    /// Learns by how much a station's depth differs from the crack's.
    pub fn fill(&mut self, profile: &Profile, k: usize) {
        /// One sigma by which a station's filling changes in a frame, over the depth.
        const FILLING: f32 = 0.01;
        let depth = profile.shared.depth;
        let (seen, error) = (profile.depth_seen[k] / depth, profile.depth_seen_error[k] / depth);
        let known = self.depth_information;
        let before = known / (1.0 + known * FILLING * FILLING);
        self.depth_information = before;
        let new = 1.0 / (error * error * profile.excess[k]);
        if !(seen.is_finite() && new.is_finite()) {
            return;
        }
        // What texture adds is the same in every frame, and never averages out.
        let most = 1.0 / (error * error * (profile.excess[k] - 1.0).max(0.02));
        let sum = before + new;
        self.depth += new / sum * (seen.clamp(0.0, 2.0) - self.depth);
        self.depth_information = sum.min(most.max(new));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Region;
    use crate::gauge::crack::curve::Curve;
    use crate::gauge::crack::geometry::{Branch, Root};
    use std::sync::Arc;

    #[test]
    fn a_station_that_shows_nothing_is_as_deep_as_those_beside_it_and_less_well_known() {
        let curve = Curve { points: vec![[5.0, 5.0], [5.0, 304.0]] }.resampled();
        let own = curve.points.len();
        let branch = Branch { curve, first: 0, own };
        let region = Region { x: 0, y: 0, width: 10, height: 310 };
        let geometry = Geometry::new(Arc::new(Root), vec![branch], own, region, |_| 2.0);
        let shared = Shared { fill: 0.3, fill_along: 100.0, ..Shared::default() };
        // Half as deep in the first two hundred stations; nothing is seen beyond.
        let half = Past { depth: 0.5, depth_information: 1000.0, ..Past::NONE };
        let past: Vec<Past> = (0..own).map(|k| if k < 200 { half } else { Past::NONE }).collect();
        let found = expected(&geometry, &past, &shared, false, 16.0);
        let close = |a: f32, b: f32| (a - b).abs() < 0.02;
        assert!(close(found[100].share, 0.5) && close(found[205].share, 0.54), "{:?}", found[205]);
        // Far from both ends √(q r) / 2, with the step's variance q and that of one observation r.
        let (step, one) = (0.09 * (1.0 - (-0.02f64).exp()), 16.0 / 1000.0);
        let steady = 0.5 * (step * one).sqrt();
        assert!((found[100].variance / steady - 1.0).abs() < 0.05, "{:?}, {steady}", found[100]);
        // A hundred stations on it is known as e says.
        let far = found[299];
        assert!(close(far.share, 1.0 - 0.5 * (-1.0f32).exp()), "{far:?}");
        let variance = 0.09 * (1.0 - (-2.0f64).exp());
        assert!((far.variance / variance - 1.0).abs() < 0.03, "{far:?}, not {variance}");
        assert!(found[100].by_crack < 0.05 && far.by_crack > 0.8, "{:?} {far:?}", found[100]);
        let alone = expected(&geometry, &vec![Past::NONE; own], &shared, false, 16.0);
        assert!(alone.iter().all(|f| close(f.share, 1.0) && close(f.by_crack, 1.0)));
    }
}

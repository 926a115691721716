//! What is known of a crack between frames, and how it begins: from traced lines to stations with a
//! first opening (`rough`).

use std::sync::Arc;

use super::ahead::go_ahead;
use super::curve::Curve;
use super::fit::fit;
use super::geometry::by_branch;
use super::geometry::{Branch, Geometry, Root};
use super::kink;
use super::opened::open_parts;
use super::profile::Profile;
use super::rough;
use super::shared::Shared;
use super::{Crack, Layout};
use crate::gauge::View;

/// Background on each side beyond the opening and the point spread, px.
pub const FLANK: f32 = 7.0;
/// Stations of the line's continuation, where the tip may go next: so many, and as far as it goes until
/// what a search finds is heard of, but at most so many.
pub const AHEAD: usize = 24;
pub const AHEAD_MOST: usize = 128;
/// A crack that comes this near to the region's border goes on outside, px.
pub const BORDER: f32 = 6.0;
/// Rounds in which a traced line is brought to where the fit sees the centre.
const CENTRING: usize = 2;

/// What is expected of the next frames.
#[derive(Clone, Debug)]
pub struct Known {
    pub geometry: Arc<Geometry>,
    /// Of each station: distance of the centre from the line, and opening, px.
    pub centre: Vec<f32>,
    pub opening: Vec<f32>,
    pub past: Vec<Past>,
    pub shared: Shared,
    /// Stations of straight continuation that lines are to have.
    pub ahead: usize,
    /// Row in which it was last looked for where the lines go on.
    pub looked: u64,
    /// Found by what only long lines show, on a textured specimen.
    pub faint: bool,
}

/// What a station has shown in the frames before.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    /// Its depth over the crack's, by what it showed itself, and 1/variance of that.
    pub depth: f32,
    pub depth_information: f32,
    /// How much more than the noise it scattered, as a factor of the variance.
    pub excess: f32,
    /// Frames in which it was measured, and the share of the last ones in which it was open.
    pub frames: f32,
    pub openness: f32,
    /// Frames in which its centre was followed.
    pub centred: f32,
    /// Its background over the crack's typical one; NaN where that is not known yet.
    pub ground: f32,
}

impl Past {
    /// Of a station that was never seen.
    pub const NONE: Past = Past {
        depth: 1.0,
        depth_information: 0.0,
        excess: 1.0,
        frames: 0.0,
        openness: 0.0,
        centred: 0.0,
        ground: f32::NAN,
    };

    /// True when it was open more often than not.
    pub fn was_open(&self) -> bool {
        self.openness > 0.5
    }
}

impl Known {
    /// Stations on traced lines, each with half the width that it seems to have, px; and what the
    /// frame says of them. `faint`: only long lines showed them.
    pub fn first(
        crack: &Crack,
        view: &View<'_>,
        lines: Vec<(Curve, Vec<f32>)>,
        faint: bool,
    ) -> (Known, Profile) {
        let root = Arc::new(Root);
        let mut lines = lines;
        let (branches, half_width) = crack.layout.place(&lines, crack);
        let mut known = Known::rough(crack, view, &root, branches, &half_width, None);
        known.faint = faint;
        let seen = fit(crack, view, &known);
        if crack.layout.along.is_none() && known.opens_towards_its_end(&seen, crack) {
            if let Some((curve, half)) = lines.first_mut() {
                *curve = curve.reversed();
                half.reverse();
            }
            let (branches, half_width) = crack.layout.place(&lines, crack);
            known = Known::rough(crack, view, &root, branches, &half_width, None);
        }
        let mut profile = fit(crack, view, &known);
        if crack.layout.along.is_none()
            && let Some(straight) = known.straight_ended(crack, &profile)
        {
            known = straight;
            profile = fit(crack, view, &known);
        }
        for _ in 0..CENTRING {
            known = known.centred(crack, &profile);
            profile = fit(crack, view, &known);
        }
        if let Some((branches, opening)) = kink::sharpened(crack, view, &known) {
            known = Known::laid_out(crack, &root, branches, opening, known.shared);
            profile = fit(crack, view, &known);
        }
        known.faint = faint;
        (known, profile)
    }

    /// Whether the first line has its mouth at its last station: the end at the region's border, or
    /// else the wider one; of equal ones the upper, then the left.
    fn opens_towards_its_end(&self, seen: &Profile, crack: &Crack) -> bool {
        let Some(open) = open_parts(self, seen).first().copied().flatten() else {
            return false;
        };
        let (first, last) = (self.geometry.at[open.first], self.geometry.at[open.last]);
        match (at_border(first, crack), at_border(last, crack)) {
            (true, false) => false,
            (false, true) => true,
            _ => {
                let third = ((open.last - open.first) / 3).max(1);
                let sum = |from: usize| {
                    let part = &seen.opening[from..from + third];
                    part.iter().filter(|w| w.is_finite()).sum::<f32>()
                };
                let (head, tail) = (sum(open.first), sum(open.last + 1 - third));
                let alike = (tail - head).abs() < 0.1 * (tail + head);
                if alike { (last[1], last[0]) < (first[1], first[0]) } else { tail > head }
            }
        }
    }

    /// Lines with openings from the deficit of brightness; depth and point spread too, unless they are given.
    fn rough(
        crack: &Crack,
        view: &View<'_>,
        root: &Arc<Root>,
        branches: Vec<Branch>,
        half_width: &[f32],
        shared: Option<Shared>,
    ) -> Known {
        let (opening, shared) = rough::openings(crack, view, root, &branches, half_width, shared);
        Known::laid_out(crack, root, branches, opening, shared)
    }

    /// The same with its lines where a profile saw the centres, and openings as it saw them.
    fn centred(&self, crack: &Crack, profile: &Profile) -> Known {
        let seen: Vec<f32> = (0..profile.centre.len())
            .map(|k| if profile.centre_error[k] < 0.6 { profile.centre[k] } else { f32::NAN })
            .collect();
        let branches = self.moved(crack, &seen);
        let rows: Vec<[f64; 2]> = profile
            .opening
            .iter()
            .map(|w| if w.is_finite() { [f64::from(*w), 1.0] } else { [0.0, 0.0] })
            .collect();
        let opening: Vec<f32> = by_branch(&self.geometry, &rows, crack.config.smooth_stations)
            .iter()
            .map(|[sum, n]| if *n > 0.0 { (sum / n) as f32 } else { 0.0 })
            .collect();
        let shared =
            Shared { new_depth_information: 0.0, new_psf_information: 0.0, ..profile.shared };
        Known::laid_out(crack, &self.geometry.root, branches, opening, shared)
    }

    /// Lines with openings as they are expected, and no past.
    pub fn laid_out(
        crack: &Crack,
        root: &Arc<Root>,
        branches: Vec<Branch>,
        opening: Vec<f32>,
        shared: Shared,
    ) -> Known {
        let geometry = Geometry::new(
            Arc::clone(root),
            branches,
            opening.len(),
            crack.config.region,
            reach(&opening, shared.psf_px),
        );
        Known {
            geometry: Arc::new(geometry),
            centre: vec![0.0; opening.len()],
            past: vec![Past::NONE; opening.len()],
            opening,
            shared,
            ahead: AHEAD,
            looked: 0,
            faint: false,
        }
    }

    /// The lines with their nodes moved across by `centre`, px; NaN moves as the neighbours do.
    pub fn moved(&self, crack: &Crack, centre: &[f32]) -> Vec<Branch> {
        let rows: Vec<[f64; 2]> = centre
            .iter()
            .map(|c| if c.is_finite() { [f64::from(*c), 1.0] } else { [0.0, 0.03] })
            .collect();
        let shift = by_branch(&self.geometry, &rows, 2.0);
        let along = crack.layout.along;
        let mut branches = self.geometry.branches.clone();
        for branch in &mut branches {
            let own = branch.own;
            for (k, point) in branch.curve.points.iter_mut().enumerate() {
                let place = branch.first + k;
                let by = (shift[place][0] / shift[place][1]) as f32;
                let [nx, ny] = self.geometry.normal[place];
                if !by.is_finite() {
                    continue;
                }
                // Where each station has its own line of pixels, it stays on that.
                match along {
                    Some(super::config::Along::Y) if nx.abs() > 0.1 => point[0] += by / nx,
                    Some(super::config::Along::X) if ny.abs() > 0.1 => point[1] += by / ny,
                    _ => *point = [point[0] + by * nx, point[1] + by * ny],
                }
            }
            if along.is_none() {
                branch.curve.points.truncate(own);
                go_ahead(&mut branch.curve, crack, self.ahead);
                branch.curve.points.truncate(crack.layout.room_of(branch.first).end - branch.first);
            }
        }
        branches
    }
}

/// How far each station looks: over the opening, the point spread, and some background.
pub fn reach(opening: &[f32], psf: f32) -> impl Fn(usize) -> f32 {
    // Neighbours bring the width of a tip that opens soon.
    let near = move |k: usize| {
        let part = &opening[k.saturating_sub(4)..(k + 5).min(opening.len())];
        part.iter().copied().fold(0.0f32, f32::max)
    };
    move |k| (0.5 * near(k) + 3.5 * psf + FLANK).ceil()
}

impl Layout {
    /// Gives each line its stations; the first one is the crack. What finds no place is left out.
    fn place(&self, lines: &[(Curve, Vec<f32>)], crack: &Crack) -> (Vec<Branch>, Vec<f32>) {
        let mut half_width = vec![2.0; self.slots];
        let mut branches = Vec::new();
        for (k, (curve, half)) in lines.iter().enumerate() {
            let Some(room) = self.room(k) else { break };
            let mut curve = curve.clone();
            curve.points.truncate(room.len());
            let own = curve.points.len();
            let starts_inside = curve.points.first().is_some_and(|at| !at_border(*at, crack));
            let free = room.len().saturating_sub(own + AHEAD);
            let lead = if k == 0 && self.along.is_none() && starts_inside { free / 8 } else { 0 };
            if self.along.is_none() {
                go_ahead(&mut curve, crack, AHEAD);
            }
            curve.points.truncate(room.len() - lead);
            let own = own.min(curve.points.len());
            let first = room.start + lead;
            for (place, half) in (first..first + own).zip(half) {
                half_width[place] = *half;
            }
            branches.push(Branch { curve, first, own });
        }
        (branches, half_width)
    }
}

/// True when a point is so near to the region's border that the crack goes on outside.
pub fn at_border(at: [f32; 2], crack: &Crack) -> bool {
    let region = crack.config.region;
    let (left, top) = (at[0] - region.x as f32, at[1] - region.y as f32);
    let (right, bottom) = (region.width as f32 - 1.0 - left, region.height as f32 - 1.0 - top);
    left.min(top).min(right).min(bottom) < BORDER
}

//! How much every pixel looks like a piece of a crack: ridge detection in scale space, in any
//! direction.
//!
//! On each level of a pyramid the region is smoothed, averaged along lines of many directions, and
//! each line compared with its two flanks: the second derivative across the line of C. Steger (IEEE
//! PAMI 20, 113, 1998) as a difference, with the averaging along it that weak cracks need. An edge is
//! no ridge: by how much the flanks differ beyond their noise is taken off. All is in sigma of the
//! noise, or of the texture where that is more.
//!
//! The coarsest level comes first. The finest, which holds most of the pixels, is looked at only
//! where the next one hints at a ridge: a line a point spread wide loses little by being binned.

use super::Crack;
use super::plane::{Kernel, Plane, Seen};
use super::shape::Scatter;
use crate::frame::Region;
use crate::gauge::View;

/// Directions that are tried, over half a turn.
pub const DIRECTIONS: usize = 16;
/// One sigma of the averages along the line on each level, px of the level: weak cracks are narrow
/// and need a long one, wide ones may bend within it.
const ALONG: [&[f32]; 4] = [&[7.0, 3.0], &[7.0, 3.5], &[3.5], &[2.5]];
/// Distance of the flanks from the line and one sigma of the smoothing before, px of the level.
const FLANK: f32 = 3.6;
const BEFORE: f32 = 0.9;
/// What a coarser level hints at, sigma: less than what a crest needs.
const HINT: f32 = 2.4;
/// Narrower levels tell nothing of finer ones, px.
const TELLING: usize = 32;

/// The most significant ridge at each pixel of a region, row-major.
pub struct Ridge {
    pub region: Region,
    /// In sigma; 0 where there is none.
    pub merit: Vec<f32>,
    /// Direction along the ridge: k · 180° / [`DIRECTIONS`] from +x towards +y.
    pub direction: Vec<u8>,
    /// Level: the ridge is about 1 to 4 px · 2^level wide.
    pub level: Vec<u8>,
}

/// Unit vector along a direction.
pub fn along(direction: usize) -> (f32, f32) {
    along_of(direction, DIRECTIONS)
}

/// The same of so many directions over half a turn.
pub fn along_of(direction: usize, directions: usize) -> (f32, f32) {
    let angle = std::f32::consts::PI * direction as f32 / directions as f32;
    (angle.cos(), angle.sin())
}

impl Ridge {
    /// Looks over a region.
    pub fn find(crack: &Crack, view: &View<'_>, region: Region) -> Ridge {
        let mut planes = vec![Plane::read(view, region)];
        for level in 1..6 {
            let next = planes[level - 1].halved();
            let widest = 2.0 * (1u32 << level) as f32;
            let too_wide = level > 1 && widest > crack.config.max_width_px as f32;
            if too_wide || next.width.min(next.height) < 4 * FLANK as usize {
                break;
            }
            planes.push(next);
        }
        let camera = Scatter::of(view.noise());
        let mut coarse: Option<Levels> = None;
        for (level, plane) in planes.iter().enumerate().rev() {
            let pixels = f64::from(1u32 << (2 * level)) as f32;
            let scatter = Scatter { dark: camera.dark / pixels, gain: camera.gain / pixels };
            let kernel =
                |long: &f32| Kernel { flank: FLANK, before: BEFORE, long: *long, finer: 1 };
            let kernels: Vec<Kernel> =
                ALONG[level.min(ALONG.len() - 1)].iter().map(kernel).collect();
            let hints = coarse.map(|coarse| coarse.finer(plane.width, plane.height));
            let seen = match &hints {
                Some(hints) if level == 0 && plane.width.min(plane.height) >= 2 * TELLING => {
                    plane.ridges_near(&hints.seen, HINT, crack.sign(), &kernels, &scatter)
                }
                _ => plane.ridges(crack.sign(), &kernels, &scatter),
            };
            coarse = Some(match hints {
                Some(hints) => hints.with(&seen, level as u8),
                None => Levels::of(seen, plane, level as u8),
            });
        }
        let (seen, level) = coarse.map_or_else(
            || (Seen { merit: vec![], direction: vec![] }, vec![]),
            |levels| (levels.seen, levels.level),
        );
        Ridge { region, merit: seen.merit, direction: seen.direction, level }
    }
}

/// The best of some levels, in the pixels of the finest of these.
struct Levels {
    width: usize,
    height: usize,
    seen: Seen,
    level: Vec<u8>,
}

impl Levels {
    fn of(seen: Seen, plane: &Plane, level: u8) -> Levels {
        let level = vec![level; seen.merit.len()];
        Levels { width: plane.width, height: plane.height, seen, level }
    }

    /// In pixels of half the size: the merit between pixels linearly, so that a ridge has one crest.
    fn finer(&self, width: usize, height: usize) -> Levels {
        let mut merit = vec![0.0f32; width * height];
        let (mut direction, mut level) = (Vec::new(), Vec::new());
        direction.reserve(width * height);
        level.reserve(width * height);
        let row = |v: usize| &self.seen.merit[v * self.width..(v + 1) * self.width];
        let mut mixed = vec![0.0f32; self.width];
        for (y, out) in merit.chunks_exact_mut(width).enumerate() {
            let near = (y / 2).min(self.height - 1);
            let far =
                if y % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(self.height - 1) };
            for ((mixed, near), far) in mixed.iter_mut().zip(row(near)).zip(row(far)) {
                *mixed = 0.75 * near + 0.25 * far;
            }
            for (x, out) in out.iter_mut().enumerate() {
                let near = (x / 2).min(self.width - 1);
                let far = if x % 2 == 0 {
                    near.saturating_sub(1)
                } else {
                    (near + 1).min(self.width - 1)
                };
                *out = 0.75 * mixed[near] + 0.25 * mixed[far];
            }
            let places = |x: usize| near * self.width + (x / 2).min(self.width - 1);
            direction.extend((0..width).map(|x| self.seen.direction[places(x)]));
            level.extend((0..width).map(|x| self.level[places(x)]));
        }
        Levels { width, height, seen: Seen { merit, direction }, level }
    }

    /// With what a finer level saw better.
    fn with(mut self, seen: &Seen, number: u8) -> Levels {
        let own = self.seen.merit.iter_mut().zip(&mut self.seen.direction).zip(&mut self.level);
        for (((merit, direction), level), (new, new_direction)) in
            own.zip(seen.merit.iter().zip(&seen.direction))
        {
            if new > merit {
                (*merit, *direction, *level) = (*new, *new_direction, number);
            }
        }
        self
    }
}

//! The pixels about a turn, with their places along the path and their distances from it.

use super::strips::UNKNOWNS;
use super::turns::Turn;
use crate::frame::Region;
use crate::gauge::View;
use crate::gauge::crack::Crack;
use crate::gauge::crack::geometry::Branch;
use crate::gauge::crack::known::Known;
use crate::gauge::crack::shape::Scatter;

/// Background on each side, point spreads and px.
const BESIDE: (f32, f32) = (3.0, 3.0);
/// One sigma of the depth about the crack's, as a share of it.
const DEPTH: f64 = 0.3;

/// A pixel near a kink: its place from the corner that is guessed, px, and its signal.
pub struct Pixel {
    pub at: [f64; 2],
    pub signal: f64,
    /// Distance from the path as it is, and how far along the arms that is, 0 to 1.
    pub distance: f64,
    pub along: f64,
}

/// The surroundings of a turn.
pub struct Around {
    pub pixels: Vec<Pixel>,
    /// The path's nodes from the end of one arm to the end of the other, from the guessed corner.
    pub path: Vec<[f64; 2]>,
    /// From one end of it to where the arms seem to meet and to the other end.
    pub arms: [[f64; 2]; 3],
    pub origin: [f64; 2],
    pub opening: f64,
    /// A kink that is known lies within an arm.
    pub beside: bool,
    pub depth: f64,
    pub depth_sigma: f64,
    pub psf: f64,
    pub scatter: Scatter,
}

impl Around {
    /// Of a turn of line number `line`; nothing where too few pixels are seen.
    pub fn of(
        crack: &Crack,
        view: &View<'_>,
        known: &Known,
        branches: &[Branch],
        line: usize,
        kink: &Turn,
    ) -> Option<Around> {
        let points = &branches[line].curve.points[kink.from..=kink.to];
        let psf = known.shared.psf_px;
        let reach = 0.5 * kink.opening + BESIDE.0 * psf + BESIDE.1;
        let corner = kink.corner.map(|at| at as f32);
        let places = points.iter().copied().chain([corner]);
        let window = window(places, reach, crack.config.region)?;
        let mut seen = Vec::new();
        view.read_region(window, &mut seen);
        let (noise, (fx, fy)) = (view.noise(), view.fraction());
        let origin = points[points.len() / 2].map(f64::from);
        let from_origin = |at: [f64; 2]| [at[0] - origin[0], at[1] - origin[1]];
        let path: Vec<[f64; 2]> = points.iter().map(|at| from_origin(at.map(f64::from))).collect();
        let arms = [path[0], from_origin(kink.corner), path[path.len() - 1]];
        // No other node is nearer to one of the pixels than the path.
        let (low, high) = (
            [window.x as f32 - reach, window.y as f32 - reach],
            [(window.x + window.width) as f32 + reach, (window.y + window.height) as f32 + reach],
        );
        let others = branches.iter().enumerate().filter(|(k, _)| *k != line);
        let beside: Vec<[f32; 2]> = others
            .flat_map(|(_, branch)| branch.curve.points.iter().copied())
            .filter(|at| (0..2).all(|k| (low[k]..=high[k]).contains(&at[k])))
            .collect();
        let mut pixels = Vec::new();
        for (k, value) in seen.iter().enumerate() {
            let x = (window.x + k % window.width) as f64 - fx;
            let y = (window.y + k / window.width) as f64 - fy;
            let at = [x - origin[0], y - origin[1]];
            let from_arms = foot(&arms, at).0;
            if from_arms > f64::from(reach) && is_far(&path, at, f64::from(reach)) {
                continue;
            }
            let (far, along) = foot(&path, at);
            let nearest = far.min(from_arms);
            // Beyond the arms' ends the path is as it was.
            let beyond = !(0.05..=0.95).contains(&along);
            if nearest > f64::from(reach) || beyond || !value.is_finite() {
                continue;
            }
            // What is nearer to another line is that one's.
            let is_other = beside
                .iter()
                .any(|[ax, ay]| (f64::from(*ax) - x).hypot(f64::from(*ay) - y) < nearest);
            if !is_other {
                let signal = f64::from(*value) - noise.offset_counts;
                pixels.push(Pixel { at, signal, distance: far, along });
            }
        }
        let depth = f64::from(known.shared.depth);
        let told = crack.config.depth.is_some();
        (pixels.len() > 4 * UNKNOWNS).then_some(Around {
            pixels,
            path,
            arms,
            origin,
            opening: f64::from(kink.opening),
            beside: kink.beside,
            depth,
            depth_sigma: if told { 1e-4 } else { DEPTH * depth.abs() },
            psf: f64::from(psf),
            scatter: Scatter::of(noise),
        })
    }
}

/// The bounding box of a path with what is beside it, within the region.
fn window(
    points: impl Iterator<Item = [f32; 2]> + Clone,
    reach: f32,
    region: Region,
) -> Option<Region> {
    let side = |axis: usize, start: usize, size: usize| {
        let values = points.clone().map(|at| at[axis]);
        let low = values.clone().fold(f32::INFINITY, f32::min) - reach;
        let high = values.fold(f32::NEG_INFINITY, f32::max) + reach;
        let end = (start + size) as f32;
        let from = low.floor().clamp(start as f32, end) as usize;
        (from, (high.ceil().clamp(start as f32, end) as usize).saturating_sub(from))
    };
    let ((x, width), (y, height)) =
        (side(0, region.x, region.width), side(1, region.y, region.height));
    (width > 0 && height > 0).then_some(Region { x, y, width, height })
}

/// Whether a pixel is surely further from a path than `reach`, told by some of its nodes, 1 px apart.
fn is_far(path: &[[f64; 2]], at: [f64; 2], reach: f64) -> bool {
    const EVERY: usize = 8;
    // About a kink nodes are up to twice as far apart.
    let most = (reach + 2.0 * EVERY as f64).powi(2);
    path.iter().step_by(EVERY).all(|p| (p[0] - at[0]).powi(2) + (p[1] - at[1]).powi(2) > most)
}

/// Distance from a path, and how far along it its nearest point is, 0 to 1.
pub fn foot(path: &[[f64; 2]], at: [f64; 2]) -> (f64, f64) {
    let mut best = (f64::INFINITY, 0.0);
    for (k, pair) in path.windows(2).enumerate() {
        let (far, share, _) = nearest(pair[0], pair[1], at);
        if far < best.0 {
            best = (far, (k as f64 + share) / (path.len() - 1) as f64);
        }
    }
    best
}

/// Distance from a straight piece, the share of the way along it to the nearest point, and the unit
/// vector from there.
pub fn nearest(a: [f64; 2], b: [f64; 2], at: [f64; 2]) -> (f64, f64, [f64; 2]) {
    let (ux, uy) = (b[0] - a[0], b[1] - a[1]);
    let squared = (ux * ux + uy * uy).max(1e-12);
    let share = (((at[0] - a[0]) * ux + (at[1] - a[1]) * uy) / squared).clamp(0.0, 1.0);
    let (dx, dy) = (at[0] - a[0] - share * ux, at[1] - a[1] - share * uy);
    let far = dx.hypot(dy);
    let scale = 1.0 / far.max(1e-9);
    (far, share, [dx * scale, dy * scale])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_foot_of_a_pixel_is_the_nearest_point_of_the_path() {
        let path = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]];
        let (far, along) = foot(&path, [4.0, 3.0]);
        assert!((far - 3.0).abs() < 1e-12 && (along - 0.2).abs() < 1e-12, "{far} {along}");
        // Outside of the corner it is the corner.
        let (far, along) = foot(&path, [13.0, -4.0]);
        assert!((far - 5.0).abs() < 1e-12 && (along - 0.5).abs() < 1e-12, "{far} {along}");
        let (far, share, unit) = nearest([0.0, 0.0], [0.0, 8.0], [-2.0, 6.0]);
        assert!((far - 2.0).abs() < 1e-12 && (share - 0.75).abs() < 1e-12, "{far} {share}");
        assert!((unit[0] + 1.0).abs() < 1e-12 && unit[1].abs() < 1e-12, "{unit:?}");
    }

    #[test]
    fn no_pixel_within_reach_is_passed_over() {
        let path: Vec<[f64; 2]> =
            (0..60).map(|k| [f64::from(k), 0.02 * f64::from(k * k)]).collect();
        let reach = 9.0;
        let (mut near, mut passed) = (0, 0);
        for k in 0..120 * 100 {
            let at = [f64::from(k % 120) - 30.0, f64::from(k / 120) - 20.0];
            if is_far(&path, at, reach) {
                passed += 1;
                assert!(foot(&path, at).0 > reach, "{at:?} is within reach");
            } else {
                near += 1;
            }
        }
        assert!(near > 0 && passed > near / 2, "{near} near, {passed} passed over");
    }
}

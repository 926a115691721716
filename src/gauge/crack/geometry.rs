//! Where the stations of a crack lie, and which pixels each of them looks at.
//!
//! Every pixel near the centre line belongs to the station whose foot point is nearest, at a signed
//! distance perpendicular to the line. So a crack may run in any direction and bend: no pixel is
//! interpolated, none counts twice, and its noise stays independent. A pixel that is nearer to
//! another branch belongs to that one.

use std::ops::Range;
use std::sync::Arc;

use super::curve::Curve;
use crate::frame::Region;
use crate::frame::lanes::LANES;
use crate::gauge::smooth::smooth_columns;

/// A pixel that fills up a station and is not looked at.
pub const NO_PIXEL: [u16; 2] = [u16::MAX; 2];

/// A line that turns by this from one node to the next has a kink there, rad.
pub const SHARP: f32 = 0.2;

/// A centre line and the places of its stations in the gauge's lists.
#[derive(Clone, Debug)]
pub struct Branch {
    pub curve: Curve,
    /// The place of its first station.
    pub first: usize,
    /// Stations of its own; those after them are the line's continuation, where the tip
    /// may go next.
    pub own: usize,
}

impl Branch {
    /// Its places in the lists.
    pub fn stations(&self) -> Range<usize> {
        self.first..self.first + self.curve.points.len()
    }
}

/// Marks geometries whose stations mean the same places.
#[derive(Debug)]
pub struct Root;

/// All stations and their pixels.
#[derive(Debug)]
pub struct Geometry {
    pub root: Arc<Root>,
    /// The crack itself first, then those that leave it.
    pub branches: Vec<Branch>,
    /// Reference px; NaN where no station is.
    pub at: Vec<[f32; 2]>,
    /// Unit vector across the line, in the direction of positive distances.
    pub normal: Vec<[f32; 2]>,
    /// Length of the line that a station stands for, px; 0 where none is.
    pub step: Vec<f32>,
    /// By how much the line turns there, rad; 0 where that is no kink.
    pub kink: Vec<f32>,
    /// Where the pixels of each station begin; one more than stations.
    pub begin: Vec<u32>,
    /// Reference px, (x, y).
    pub pixels: Vec<[u16; 2]>,
    /// Distance of each from the line, px.
    pub distance: Vec<f32>,
}

impl Geometry {
    /// Places `branches` in lists of `slots` stations; `reach` says how far from the line each
    /// station (by its place) looks, px.
    pub fn new(
        root: Arc<Root>,
        branches: Vec<Branch>,
        slots: usize,
        region: Region,
        reach: impl Fn(usize) -> f32,
    ) -> Geometry {
        let mut at = vec![[f32::NAN; 2]; slots];
        let mut normal = vec![[0.0; 2]; slots];
        let mut step = vec![0.0; slots];
        let mut kink = vec![0.0; slots];
        for branch in &branches {
            let points = &branch.curve.points;
            for (k, tangent) in branch.curve.tangents().into_iter().enumerate() {
                let place = branch.first + k;
                at[place] = points[k];
                normal[place] = [-tangent[1], tangent[0]];
                let (a, b) = (points[k.saturating_sub(1)], points[(k + 1).min(points.len() - 1)]);
                let pieces = if k == 0 || k + 1 == points.len() { 1.0 } else { 2.0 };
                step[place] = super::curve::distance(a, b) / pieces;
                let turn = branch.curve.turn(k);
                if turn > SHARP {
                    kink[place] = turn;
                    step[place] = 0.5
                        * (super::curve::distance(a, points[k])
                            + super::curve::distance(points[k], b));
                }
            }
        }
        let mut painter = Painter::new(surroundings(&branches, region, &reach));
        for branch in &branches {
            painter.paint(branch, &reach);
        }
        let (begin, pixels, distance) = painter.sorted(slots);
        Geometry { root, branches, at, normal, step, kink, begin, pixels, distance }
    }

    /// The places of all stations that are used.
    pub fn stations(&self) -> impl Iterator<Item = usize> + use<'_> {
        self.branches.iter().flat_map(Branch::stations)
    }

    /// Number of stations in the lists, used or not.
    pub fn slots(&self) -> usize {
        self.at.len()
    }
}

/// Smoothed along each branch by itself.
pub fn by_branch<const N: usize>(
    geometry: &Geometry,
    rows: &[[f64; N]],
    sigma: f64,
) -> Vec<[f64; N]> {
    let mut out = vec![[0.0; N]; rows.len()];
    for branch in &geometry.branches {
        let range = branch.stations();
        out[range.clone()].copy_from_slice(&smooth_columns(&rows[range], sigma));
    }
    out
}

/// The part of a region that the lines look at: of a large one it is little.
fn surroundings(branches: &[Branch], region: Region, reach: &impl Fn(usize) -> f32) -> Region {
    let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
    for branch in branches {
        // A piece looks as far as the further of its two stations.
        let far = branch.stations().map(reach).fold(0.0, f32::max);
        for axis in 0..2 {
            let places = branch.curve.points.iter().map(|at| at[axis]);
            low[axis] = places.clone().fold(low[axis], |low, at| low.min(at - far));
            high[axis] = places.fold(high[axis], |high, at| high.max(at + far));
        }
    }
    let x = span(low[0], high[0], region.x, region.width);
    let y = span(low[1], high[1], region.y, region.height);
    Region { x: x.start, y: y.start, width: x.len(), height: y.len() }
}

/// The nearest line of each pixel so far.
struct Painter {
    region: Region,
    /// Station and signed distance; `u32::MAX` where there is none.
    nearest: Vec<(u32, f32)>,
    /// Of each row of pixels the columns in which there may be some.
    bands: Vec<Range<usize>>,
}

impl Painter {
    fn new(region: Region) -> Painter {
        let nearest = vec![(u32::MAX, f32::INFINITY); region.width * region.height];
        Painter { region, nearest, bands: vec![0..0; region.height] }
    }

    fn paint(&mut self, branch: &Branch, reach: &impl Fn(usize) -> f32) {
        let points = &branch.curve.points;
        for k in 0..points.len().saturating_sub(1) {
            let far = reach(branch.first + k).max(reach(branch.first + k + 1));
            let turns = (branch.curve.turn(k), branch.curve.turn(k + 1));
            let ends = (k == 0, k + 2 == points.len());
            self.paint_piece((points[k], points[k + 1]), (ends, turns), branch.first + k, far);
        }
    }

    fn paint_piece(
        &mut self,
        (a, b): ([f32; 2], [f32; 2]),
        (ends, turns): ((bool, bool), (f32, f32)),
        station: usize,
        far: f32,
    ) {
        let (ux, uy) = (b[0] - a[0], b[1] - a[1]);
        let squared = ux * ux + uy * uy;
        if squared == 0.0 {
            return;
        }
        let long = squared.sqrt();
        let columns =
            span(a[0].min(b[0]) - far, a[0].max(b[0]) + far, self.region.x, self.region.width);
        let rows =
            span(a[1].min(b[1]) - far, a[1].max(b[1]) + far, self.region.y, self.region.height);
        // Beyond the line's ends half a station is looked at, and nothing more; outside of a bend the
        // node between two pieces is the nearest point of a whole wedge.
        let beyond = |is_end: bool, turn: f32| {
            if is_end { 0.5 / long } else { (far * (0.5 * turn).sin() / long).max(1.0) }
        };
        let (low, high) = (-beyond(ends.0, turns.0), 1.0 + beyond(ends.1, turns.1));
        for y in rows {
            let py = y as f32 - a[1];
            // The columns between both ends, and one more.
            let (from, to) = (low * squared - py * uy, high * squared - py * uy);
            let between = if ux.abs() > 0.01 * long {
                let (from, to) = (from / ux, to / ux);
                let (left, right) = (a[0] + from.min(to) - 1.0, a[0] + from.max(to) + 1.0);
                let all = span(left, right, self.region.x, self.region.width);
                all.start.max(columns.start)..all.end.min(columns.end)
            } else if from - long < 0.0 && to + long > 0.0 {
                columns.clone()
            } else {
                continue;
            };
            if between.is_empty() {
                continue;
            }
            let band = &mut self.bands[y - self.region.y];
            let (from, to) = (between.start - self.region.x, between.end - self.region.x);
            *band = if band.start == band.end {
                from..to
            } else {
                band.start.min(from)..band.end.max(to)
            };
            for x in between {
                let px = x as f32 - a[0];
                let share = (px * ux + py * uy) / squared;
                if !(low..=high).contains(&share) {
                    continue;
                }
                let across = (ux * py - uy * px) / long;
                let inside = share.clamp(0.0, 1.0);
                let (dx, dy) = (px - inside * ux, py - inside * uy);
                let distance = (dx * dx + dy * dy).sqrt();
                let place = (y - self.region.y) * self.region.width + x - self.region.x;
                if distance <= far && distance < self.nearest[place].1.abs() {
                    let station = station + usize::from(share > 0.5);
                    self.nearest[place] = (station as u32, distance.copysign(across));
                }
            }
        }
    }

    /// The pixels by station, each filled up to whole blocks.
    fn sorted(self, slots: usize) -> (Vec<u32>, Vec<[u16; 2]>, Vec<f32>) {
        let width = self.region.width;
        // Most pixels of the surroundings are far from all lines.
        let places = || {
            self.bands
                .iter()
                .enumerate()
                .flat_map(|(y, band)| band.clone().map(move |x| y * width + x))
        };
        let mut counts = vec![0usize; slots];
        for place in places() {
            if let (station, _) = self.nearest[place]
                && station != u32::MAX
            {
                counts[station as usize] += 1;
            }
        }
        let mut begin = Vec::with_capacity(slots + 1);
        let mut total = 0;
        for count in &counts {
            begin.push(total as u32);
            total += count.next_multiple_of(LANES);
        }
        begin.push(total as u32);
        let (mut pixels, mut distance) = (vec![NO_PIXEL; total], vec![0.0; total]);
        let mut next: Vec<usize> = begin.iter().map(|at| *at as usize).collect();
        for place in places() {
            let (station, across) = self.nearest[place];
            if station == u32::MAX {
                continue;
            }
            let to = &mut next[station as usize];
            let (x, y) = (place % width, place / width);
            // Frames are far smaller than 65,535 px.
            pixels[*to] = [(x + self.region.x) as u16, (y + self.region.y) as u16];
            distance[*to] = across;
            *to += 1;
        }
        (begin, pixels, distance)
    }
}

/// Whole pixels from `low` to `high` within a side of the region.
fn span(low: f32, high: f32, start: usize, size: usize) -> Range<usize> {
    let end = (start + size) as f32;
    let first = low.ceil().clamp(start as f32, end) as usize;
    let last = (high.floor() + 1.0).clamp(start as f32, end) as usize;
    first..last.max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pixel_near_a_slanted_line_belongs_to_one_station_at_its_distance() {
        let region = Region { x: 10, y: 20, width: 60, height: 60 };
        let curve = Curve { points: vec![[20.0, 30.0], [60.0, 70.0]] }.resampled();
        let stations = curve.points.len();
        let branch = Branch { curve, first: 3, own: stations };
        let geometry = Geometry::new(Arc::new(Root), vec![branch], stations + 10, region, |_| 6.0);
        let mut seen = std::collections::BTreeSet::new();
        for k in 0..geometry.slots() {
            for at in geometry.begin[k] as usize..geometry.begin[k + 1] as usize {
                let [x, y] = geometry.pixels[at];
                if [x, y] == NO_PIXEL {
                    continue;
                }
                assert!(seen.insert((x, y)), "pixel {x}, {y} counts twice");
                // The line is y = x + 10.
                let across = (f32::from(y) - f32::from(x) - 10.0) / 2.0f32.sqrt();
                assert!((geometry.distance[at] - across).abs() < 1e-3);
            }
        }
        let area = 56.57 * 12.0;
        assert!((seen.len() as f32 - area).abs() < 0.05 * area, "{} pixels", seen.len());
        assert!(geometry.at[2][0].is_nan() && geometry.at[3] == [20.0, 30.0]);
    }
}

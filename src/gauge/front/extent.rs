//! Lithium as an area, for shapes that no single edge a line describes: dendrites that fold over,
//! moss. Each cell's brightness between that of the bare specimen (0) and lithium's (1), smoothed
//! only as far as its scatter asks for, is cut at one half; what hangs together with the starting
//! edge is lithium. Crossings and perimeter are interpolated between cells (W. E. Lorensen and
//! H. E. Cline, Comput. Graph. 21, 163, 1987, in two dimensions). The brightness of both sides is that
//! beside the contour or, where there is no contour, what tells the cells apart best.

use super::cells::{CELL, Cells, binomial, centre, over_rows};
use super::classes::tell_apart;
use super::config::Lithium;
use super::neighbours::fill_gaps;
use super::particles::{self, Hidden, Spot};
use super::pieces::keep_connected;
use super::rows::{Row, between, perimeter};
use crate::gauge::View;
use crate::gauge::lines::Lines;

/// Smoothed until a cell's scatter is below this share of the step, if some passes can do it.
const SCATTER_MOST: f32 = 0.15;
const PASSES_MOST: usize = 5;
/// Furthest edges of neighbouring rows are joined where a line's lies no further from its row's, px.
const REACH_JOINED_PX: f32 = 16.0;
/// A wall is where neighbouring rows of cells reach so differently, px; how far from an edge pixels are
/// lithium or bare alone, how many of them tell, and how far from either a line in the wall is.
pub const WALL_PX: f32 = 32.0;
const CLEAR_PX: f32 = 3.0;
const SURE_PX: usize = 4;
const IN_WALL: f32 = 0.3;
/// Lines beside a wall that may end at its rim.
const BESIDE_WALL: usize = 3;
/// Without a gap of so much, px, lithium is one piece along a line.
const ONE_PIECE_PX: f32 = 1.0;
/// So many cells to either side of the contour the brightness is that of one side, however much the cells were smoothed.
const STEP_CELLS: f32 = 1.75;
/// Without a contour: branches are broken where they are thin or dim, over gaps of so many cells; so
/// much of all that is as bright as lithium hangs together with the starting edge, and so many times
/// more than with the other end. A texture, or particles, would do so with both alike.
const BROKEN_CELLS: usize = 2;
const ROOTED_LEAST: f64 = 0.2;
const ROOTED_MORE: usize = 4;
/// Lithium that is thinner, cells, is in cells that are partly bare: its own brightness is not among them.
const THICK_LEAST: f32 = 3.0;
/// What grows out of a smaller part of the starting edge is a thing that lies there.
const SEEN_LEAST: f32 = 0.4;

/// What one frame says of lithium's area. One entry a line, px from the starting edge.
pub struct Extent {
    /// Lithium along the line.
    pub length: Vec<f32>,
    /// The furthest edge; NaN where there is no lithium.
    pub reach: Vec<f32>,
    /// The same of each row of cells, the last of which counts for the lines beyond it too.
    pub rows: Vec<f32>,
    /// True where a wall of lithium runs along the line, or too near to tell on which side.
    pub at_wall: Vec<bool>,
    /// True where lithium ends more than once along the line.
    pub folded: Vec<bool>,
    /// Length of lithium's edge, px.
    pub perimeter: f64,
    /// One sigma of a cell over the step between lithium and bare specimen.
    pub scatter: f32,
    /// True where the cells alone told lithium from the bare specimen.
    pub alone: bool,
    /// One sigma of an edge's place by the cells' noise, across the edge, px.
    pub noise_px: f32,
    /// What looks like a particle.
    pub spots: Vec<Spot>,
    /// Those of them that lie over the contour.
    pub over: Vec<Spot>,
    /// How much more lithium is seen just before the contour than just behind it: 1 at a front that nothing lies over;
    /// NaN where there is no contour.
    pub steps: Vec<f32>,
}

impl Extent {
    /// What cells above one half say.
    fn of(shares: &Cells, rows: &[Row], lines: usize, scatter: f32) -> Extent {
        let line = |line: usize| &rows[(line / CELL).min(rows.len() - 1)];
        let reach = |k: usize| {
            let (own, joined) = (line(k).reach, between(rows, k, |row| row.reach));
            // Over a wall there is nothing between.
            if (joined - own).abs() < REACH_JOINED_PX { joined } else { own }
        };
        Extent {
            length: (0..lines).map(|k| between(rows, k, |row| row.length)).collect(),
            reach: (0..lines).map(reach).collect(),
            rows: rows.iter().map(|row| row.reach).collect(),
            at_wall: vec![false; lines],
            folded: (0..lines).map(|k| line(k).folded).collect(),
            perimeter: perimeter(shares),
            scatter,
            alone: false,
            noise_px: 0.0,
            spots: Vec::new(),
            over: Vec::new(),
            steps: vec![f32::NAN; lines],
        }
    }

    /// Where a row of cells reaches much further than the next, a wall runs along the lines somewhere
    /// in both: each of their lines reaches as far as the one or the other, by what its own pixels
    /// show behind the further edge. `share` is that of lithium in the pixels from one to another.
    fn place_walls(&mut self, rows: &[Row], mut share: impl FnMut(usize, usize, usize) -> f32) {
        for (row, pair) in rows.windows(2).enumerate() {
            let (near, far) = if pair[0].reach < pair[1].reach {
                (&pair[0], &pair[1])
            } else {
                (&pair[1], &pair[0])
            };
            if !(far.reach - near.reach > WALL_PX) {
                continue;
            }
            // The far row's last piece of lithium, clear of its ends.
            let from = (far.entered.max(near.reach) + CLEAR_PX).max(0.0) as usize;
            let end = (far.reach - CLEAR_PX).max(0.0) as usize;
            let lines = row * CELL..((row + 2) * CELL).min(self.reach.len());
            if end < from + SURE_PX {
                // Too thin a piece to tell.
                self.at_wall[lines].fill(true);
                continue;
            }
            let mut before = None;
            for line in lines {
                let share = share(line, from, end);
                let is_far = share > 0.5;
                self.reach[line] = if is_far { far.reach } else { near.reach };
                // A line in the wall itself ends nowhere.
                self.at_wall[line] |= (share - 0.5).abs() < IN_WALL;
                // Nor is it sure of those beside it where they end: its rim is round, so that they may cross less
                // of it than this.
                if before.is_some_and(|before| before != is_far) {
                    let beside = if is_far { (BESIDE_WALL, 1) } else { (1, BESIDE_WALL) };
                    let end = (line + beside.1).min(self.at_wall.len());
                    self.at_wall[line.saturating_sub(beside.0)..end].fill(true);
                }
                before = Some(is_far);
            }
        }
    }

    /// Whether lithium is as long along a line as it reaches, and no wall is near.
    pub fn is_one_piece(&self, line: usize) -> bool {
        let gap = self.reach[line] + 0.5 - self.length[line];
        !self.at_wall[line] && gap.abs() < ONE_PIECE_PX
    }

    /// Share of the lines along which lithium folds.
    pub fn share_folded(&self) -> f64 {
        self.folded.iter().filter(|folded| **folded).count() as f64 / self.folded.len() as f64
    }

    /// The furthest edge that two neighbouring rows of cells have, px; −∞ without lithium.
    pub fn furthest(&self) -> f64 {
        let pairs = self.reach.iter().zip(self.reach.iter().skip(CELL));
        pairs.map(|(a, b)| f64::from(a.min(*b))).fold(f64::NEG_INFINITY, f64::max)
    }

    /// One sigma of the furthest edge along a line, px: where the edge slopes, what is little across it is much
    /// along the line.
    pub fn error(&self, line: usize) -> f32 {
        EDGE_PX.hypot(self.noise_px) * self.obliquity(line)
    }

    /// An edge that was followed so far along a line from the one that the area sees is another one, px.
    pub fn elsewhere(&self, line: usize) -> f32 {
        ELSEWHERE_PX + ELSEWHERE_SIGMA * self.noise_px * self.obliquity(line)
    }

    /// How much further something is along a line than across its edge.
    fn obliquity(&self, line: usize) -> f32 {
        let last = self.reach.len() - 1;
        let (before, after) = (line.saturating_sub(2), (line + 2).min(last));
        let slope = (self.reach[after] - self.reach[before]) / (after - before).max(1) as f32;
        1f32.hypot(if slope.is_finite() { slope } else { 0.0 })
    }

    /// One sigma of the whole area, px²: the level of one half errs with the brightness of both
    /// sides, along the whole edge, and the edge's shape with a cell's scatter.
    pub fn area_error(&self) -> f64 {
        let cells = self.perimeter / CELL as f64;
        let shape = f64::from(self.scatter) * (CELL * CELL) as f64 * cells.sqrt();
        shape.hypot(LEVEL_PX * self.perimeter)
    }
}

/// Edges so far apart, px and sigma of the cells' noise, are two.
pub const ELSEWHERE_PX: f32 = 8.0;
const ELSEWHERE_SIGMA: f32 = 3.0;

/// One sigma of an edge that the area tells, across the edge, px.
pub const EDGE_PX: f32 = 1.0;
/// How far the cut at one half strays from the edge, px.
const LEVEL_PX: f64 = 0.3;

/// Finds lithium by the brightness of both sides (lithium, bare); nothing where they do not differ
/// enough to be told apart. Under what is hidden, lithium ends at the contour.
pub fn see(
    cells: &Cells,
    contour: &[f32],
    (lithium, bare): (f32, f32),
    hidden: Option<(&Hidden, &[f32])>,
    lines: &Lines,
    view: &View<'_>,
) -> Option<Extent> {
    let step = bare - lithium;
    let mut scatter = cells.scatter() / step.abs();
    if !scatter.is_finite() || cells.across < 3 || cells.along < 4 {
        return None;
    }
    let mut shares = of_lithium(cells, bare, step);
    // A particle that moves shows in the texture where it was, so that is left in.
    let mut with_texture = cells.as_seen().map(|cells| of_lithium(&cells, bare, step));
    let mut blur = 0.0f32;
    for _ in 0..PASSES_MOST {
        if scatter < SCATTER_MOST {
            break;
        }
        smooth(&mut shares);
        if let Some(cells) = &mut with_texture {
            smooth(cells);
        }
        blur = blur.hypot(SMOOTHED);
        scatter = shares.scatter();
    }
    if scatter > 2.0 * SCATTER_MOST {
        return None;
    }
    let as_seen = with_texture.as_ref().unwrap_or(&shares);
    let mut spots = particles::find(as_seen);
    let over = particles::find_over(&shares, as_seen, contour);
    spots.retain(|spot| !over.iter().any(|over| over.is_at((spot.along, spot.across))));
    spots.extend(over.iter().cloned());
    let steps = steps_at(contour, &shares);
    if let Some((hidden, contour)) = hidden {
        hidden.fill(&mut shares, contour);
    }
    keep_connected(&mut shares, 0);
    let rows = Row::all(&shares);
    // A step that is blurred with a sigma b rises by 1/(√(2π) b) a pixel.
    let noise_px = scatter * std::f32::consts::TAU.sqrt() * blur * CELL as f32;
    let mut extent =
        Extent { spots, over, noise_px, steps, ..Extent::of(&shares, &rows, lines.count, scatter) };
    let offset = view.noise().offset_counts as f32;
    let mut pixels = Vec::new();
    extent.place_walls(&rows, |line, from, end| {
        pixels.resize(end - from, 0.0);
        lines.read(view, line, from, &mut pixels);
        let seen = pixels.iter().filter(|value| value.is_finite());
        let (sum, count) = seen.fold((0.0, 0.0f32), |s, v| (s.0 + v, s.1 + 1.0));
        (bare - (sum / count - offset)) / step
    });
    Some(extent)
}

/// How much more lithium the cells show just before a contour than just behind it; lines without an edge take it where
/// their neighbours have one.
fn steps_at(contour: &[f32], shares: &Cells) -> Vec<f32> {
    let mut contour = contour.to_vec();
    fill_gaps(&mut contour);
    let last = (shares.along - 1) as f32;
    let at = |row: &[f32], cell: f32| {
        let cell = cell.clamp(0.0, last);
        let (k, share) = (cell as usize, cell.fract());
        row[k] + share * (row[(k + 1).min(shares.along - 1)] - row[k])
    };
    let step = |(line, contour): (usize, &f32)| {
        let row = shares.row((line / CELL).min(shares.across - 1));
        let cell = (contour - centre(0.0)) / CELL as f32;
        at(row, cell - STEP_CELLS) - at(row, cell + STEP_CELLS)
    };
    contour.iter().enumerate().map(step).collect()
}

/// Finds lithium where no contour tells its brightness; nothing where one brightness explains the
/// region about as well as two, or what is as bright as lithium does not grow from the starting
/// edge. `noise` is the variance of a cell by the camera's noise alone.
pub fn see_alone(cells: &Cells, lithium: Lithium, noise: f32, lines: usize) -> Option<Extent> {
    if cells.across < 3 || cells.along < 4 {
        return None;
    }
    let classes = tell_apart(&cells.value, lithium, noise)?;
    // One half is the cut. Nothing is smoothed: branches are as thin as a cell.
    let step = 2.0 * (classes.bare - classes.cut);
    let mut shares = of_lithium(cells, classes.bare, step);
    let kept = keep_connected(&mut shares, BROKEN_CELLS);
    let rooted = kept.near as f64 >= ROOTED_LEAST * kept.all as f64;
    if !rooted || kept.near < ROOTED_MORE * kept.far {
        return None;
    }
    let rows = Row::all(&shares);
    let (sum, count) = rows
        .iter()
        .filter(|row| row.length > 0.0)
        .fold((0.0, 0.0f32), |s, row| (s.0 + row.length, s.1 + 1.0));
    let is_thick = sum >= THICK_LEAST * CELL as f32 * count;
    if !is_thick || count < SEEN_LEAST * rows.len() as f32 {
        return None;
    }
    let scatter = cells.scatter() / step.abs();
    Some(Extent { alone: true, ..Extent::of(&shares, &rows, lines, scatter) })
}

/// Each cell between the bare specimen (0) and lithium (1).
fn of_lithium(cells: &Cells, bare: f32, step: f32) -> Cells {
    let share = |v: &f32| if v.is_finite() { (bare - v) / step } else { 0.0 };
    let value = cells.value.iter().map(share).collect();
    Cells::of((cells.across, cells.along), value)
}

/// One sigma of the blur that [`smooth`] is, cells.
const SMOOTHED: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// A binomial mean over three by three cells; the ends share with those inside.
fn smooth(cells: &mut Cells) {
    let along = cells.along;
    let mut half = vec![0.0; cells.value.len()];
    for (from, to) in cells.value.chunks_exact(along).zip(half.chunks_exact_mut(along)) {
        let last = along - 1;
        to[0] = binomial(from[0], from[0], from[1.min(last)]);
        to[last] = binomial(from[last.saturating_sub(1)], from[last], from[last]);
        let inside = to.iter_mut().skip(1).zip(from.windows(3));
        inside.for_each(|(to, three)| *to = binomial(three[0], three[1], three[2]));
    }
    over_rows(&half, along, &mut cells.value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_particle_over_the_front_leaves_its_step_and_lithium_that_is_further_none() {
        // The front stands at 80 px. In the rows 4 to 7 a particle from 60 to 108 px takes 0.3 of what is below; in the
        // rows 8 to 11 lithium is 28 px further.
        let (rows, columns) = (12, 60);
        let value = |at: usize| {
            let (row, column) = (at / columns, at % columns);
            let end = if row >= 8 { 27 } else { 20 };
            let below = if column < end { 65.0 } else { 100.0 };
            let covered = (4..8).contains(&row) && (15..27).contains(&column);
            if covered { 0.7 * below } else { below }
        };
        let cells = Cells::of((rows, columns), (0..rows * columns).map(value).collect());
        let steps = steps_at(&vec![79.5; rows * CELL], &of_lithium(&cells, 100.0, 35.0));
        for (lines, step) in [(0..16, 1.0), (16..32, 0.7), (32..48, 0.0)] {
            let off = |line: &usize| (steps[*line] - step).abs() > 0.01;
            assert_eq!(lines.clone().find(off), None, "{lines:?}: {steps:?}");
        }
    }

    /// Brightness 60 in a disc and a strip along the starting edge, 100 elsewhere.
    fn scene(joined: bool) -> Cells {
        let (across, along) = (60, 60);
        let value = (0..across * along)
            .map(|k| {
                let centre = |k: usize| (k * CELL) as f32 + 1.5;
                let (x, y) = (centre(k % along), centre(k / along));
                let disc = 40.0 - (x - 120.0).hypot(y - 120.0);
                let neck = if joined { (10.0 - (y - 120.0).abs()).min(120.0 - x) } else { -9.0 };
                let inside = disc.max(neck).max(20.0 - x);
                100.0 - 40.0 * (0.5 + inside / CELL as f32).clamp(0.0, 1.0)
            })
            .collect();
        Cells::of((across, along), value)
    }

    fn seen(cells: &Cells) -> Extent {
        let mut shares = of_lithium(cells, 100.0, 40.0);
        keep_connected(&mut shares, 0);
        Extent::of(&shares, &Row::all(&shares), 240, 0.0)
    }

    #[test]
    fn a_wall_stands_between_two_lines() {
        let value = (0..90).map(|k| f32::from(u8::from(k % 30 < if k < 30 { 25 } else { 5 })));
        let shares = Cells::of((3, 30), value.collect());
        let rows = Row::all(&shares);
        let mut extent = Extent::of(&shares, &rows, 12, 0.0);
        // Lithium's wall is seen in the line 2 of the first row.
        extent.place_walls(&rows, |line, from, end| {
            assert!(from > 19 && end < 99, "{from} to {end} is not clear of both edges");
            (2.7 - line as f32).clamp(0.0, 1.0)
        });
        assert!(extent.reach[..2].iter().all(|reach| (reach - 99.5).abs() < 0.1));
        assert!(extent.reach[3..].iter().all(|reach| (reach - 19.5).abs() < 0.1));
        let at: Vec<usize> = (0..12).filter(|line| extent.at_wall[*line]).collect();
        assert_eq!(at, [2, 3, 4, 5]);
    }

    #[test]
    fn a_disc_has_its_area_and_perimeter() {
        let extent = seen(&scene(true));
        let strip = 20.5 * 240.0;
        let neck = 20.0 * (80.0 - 20.0);
        let area: f64 = extent.length.iter().map(|length| f64::from(*length)).sum();
        let expected = strip + neck + std::f64::consts::PI * 1600.0;
        assert!((area / expected - 1.0).abs() < 0.02, "area {area}, not {expected}");
        let edge = 240.0 - 20.0 + 2.0 * 60.0 + std::f64::consts::TAU * 40.0 - 20.0;
        assert!((extent.perimeter / edge - 1.0).abs() < 0.05, "{} not {edge}", extent.perimeter);
        assert!((extent.reach[120] - 160.0).abs() < 1.0, "reach {}", extent.reach[120]);
        assert!(extent.folded[90] && !extent.folded[120] && !extent.folded[20]);
    }

    #[test]
    fn what_does_not_touch_the_front_is_no_part_of_it() {
        let extent = seen(&scene(false));
        assert!(extent.reach.iter().all(|reach| (reach - 20.0).abs() < 1.0));
    }
}

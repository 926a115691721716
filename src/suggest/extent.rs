//! The regions around what a front swept: the gauge's, and all that lithium may cover.

use std::ops::Range;

use super::front::Direction;
use super::grid::{Mask, quantile};
use super::overlay::bounds;
use super::sample::Sample;
use crate::frame::Region;

/// A line belongs to the front when it was swept over this share of the median line's length; on
/// one side of a nucleus over the second share, since beside it the front runs along the lines.
const LINE_SHARE: f64 = 0.25;
const LINE_SHARE_OF_ROUND: f64 = 0.6;
/// Room before the first and after the last front, of the length that was swept, and in px.
const BEFORE: f64 = 0.12;
const AHEAD: f64 = 0.25;
const MARGIN_PX: usize = 28;
/// Cells beside lithium that are left out of the drift: of a front, and of nuclei, whose boxes are made
/// of blocks of so many.
const APART_OF_EDGE: usize = 4;
const APART: usize = 3;
const BLOCK: usize = 16;

/// What a front swept, and which way.
pub struct Sweep<'a> {
    grows: Direction,
    sample: &'a Sample,
    /// Around all that was swept, cells.
    all: Region,
    /// The lines across the growth.
    lines: Range<usize>,
    /// Along the growth, cells.
    swept: Range<usize>,
    /// The middle of the nucleus along the growth, cells; none for a front that comes from the edge.
    nucleus: Option<usize>,
}

impl<'a> Sweep<'a> {
    /// From all cells that were swept, and those on one side of a nucleus.
    pub fn new(
        mask: &Mask,
        part: &[usize],
        quarter: Option<&[usize]>,
        grows: Direction,
        sample: &'a Sample,
    ) -> Sweep<'a> {
        let along = |cell: &usize| {
            let (x, y) = mask.place(*cell);
            if grows.is_along_x() { x } else { y }
        };
        let nucleus = quarter.map(|_| part.iter().map(along).sum::<usize>() / part.len().max(1));
        let (lines, swept) = match quarter {
            None => extent(mask, grows, LINE_SHARE),
            Some(cells) => {
                let quarter = Mask::of(mask.width, mask.height, cells);
                extent(&quarter, grows, LINE_SHARE_OF_ROUND)
            }
        };
        Sweep { grows, sample, all: bounds(mask, part), lines, swept, nucleus }
    }

    /// How far the front came, px.
    pub fn length_px(&self) -> usize {
        self.swept.len() * self.sample.factor
    }

    /// The gauge's region, px: the lines, but for a margin so that each has an edge, from before the
    /// first front (but not from beyond the middle of a nucleus) to ahead of the last.
    pub fn region(&self) -> Region {
        let factor = self.sample.factor;
        let (width, height) = self.sample.size;
        let side = if self.grows.is_along_x() { width } else { height };
        let swept = self.length_px() as f64;
        let before = ((BEFORE * swept) as usize).max(MARGIN_PX);
        let ahead = ((AHEAD * swept) as usize).max(MARGIN_PX);
        let (first, last) = (self.swept.start * factor, (self.swept.end * factor).min(side));
        let (start, end) = match self.grows {
            Direction::Right | Direction::Down => {
                let start = first.saturating_sub(before);
                let nucleus = self.nucleus.map_or(start, |cell| (cell * factor).min(first));
                (start.max(nucleus), (last + ahead).min(side))
            }
            Direction::Left | Direction::Up => {
                let end = (last + before).min(side);
                let nucleus = self.nucleus.map_or(end, |cell| ((cell + 1) * factor).max(last));
                (first.saturating_sub(ahead), end.min(nucleus))
            }
        };
        let trim = if self.lines.len() > 12 { 3 } else { 0 };
        let (from, to) = ((self.lines.start + trim) * factor, (self.lines.end - trim) * factor);
        match self.grows.is_along_x() {
            true => Region { x: start, y: from, width: end - start, height: to - from },
            false => Region { x: from, y: start, width: to - from, height: end - start },
        }
    }

    /// All that lithium covers or may cover soon, px: over all lines that were swept at all and a
    /// margin, from the edge of the field that the growth comes from to the end of the gauge's
    /// region. Around nuclei, boxes over all that `changed` and what lies within it: a single one
    /// would leave nothing for the drift.
    pub fn lithium(&self, changed: &Mask) -> Vec<Region> {
        let factor = self.sample.factor;
        let (width, height) = self.sample.size;
        if self.nucleus.is_some() {
            let boxes = boxes(&changed.without_holes().grown(APART));
            return boxes.into_iter().map(|cells| in_px(cells, self.sample)).collect();
        }
        let region = self.region();
        let margin = APART_OF_EDGE * factor;
        let Region { x, y, width: w, height: h } = self.all;
        let (left, top) =
            ((x * factor).saturating_sub(margin), (y * factor).saturating_sub(margin));
        let right = ((x + w) * factor + margin).min(width);
        let bottom = ((y + h) * factor + margin).min(height);
        let (left, top, right, bottom) = match self.grows {
            Direction::Right => (0, top, region.x + region.width, bottom),
            Direction::Left => (region.x, top, width, bottom),
            Direction::Down => (left, 0, right, region.y + region.height),
            Direction::Up => (left, region.y, right, height),
        };
        vec![Region { x: left, y: top, width: right - left, height: bottom - top }]
    }
}

/// Blocks of the grid that hold cells of a mask, joined to rectangles; cells.
fn boxes(mask: &Mask) -> Vec<Region> {
    let mut boxes: Vec<Region> = Vec::new();
    for y in (0..mask.height).step_by(BLOCK) {
        let rows = y..(y + BLOCK).min(mask.height);
        let holds = |x: usize| {
            let columns = x..(x + BLOCK).min(mask.width);
            rows.clone().any(|v| columns.clone().any(|u| mask.cells[v * mask.width + u]))
        };
        let mut x = 0;
        while x < mask.width {
            let from = x;
            while x < mask.width && holds(x) {
                x += BLOCK;
            }
            if x > from {
                let width = x.min(mask.width) - from;
                let above = boxes.iter_mut().find(|other| {
                    other.x == from && other.width == width && other.y + other.height == y
                });
                match above {
                    Some(above) => above.height += rows.len(),
                    None => boxes.push(Region { x: from, y, width, height: rows.len() }),
                }
            }
            x += BLOCK;
        }
    }
    boxes
}

/// To the border of the field where the cells end there.
fn in_px(cells: Region, sample: &Sample) -> Region {
    let factor = sample.factor;
    let grid = &sample.frames[0];
    let end = |from: usize, length: usize, cells: usize, px: usize| {
        if from + length == cells { px } else { (from + length) * factor }
    };
    let (x, y) = (cells.x * factor, cells.y * factor);
    let right = end(cells.x, cells.width, grid.width, sample.size.0);
    let bottom = end(cells.y, cells.height, grid.height, sample.size.1);
    Region { x, y, width: right - x, height: bottom - y }
}

/// The longest run of lines across the growth that were swept, and from where to where along it.
fn extent(mask: &Mask, grows: Direction, line_share: f64) -> (Range<usize>, Range<usize>) {
    let along_x = grows.is_along_x();
    let (count, length) =
        if along_x { (mask.height, mask.width) } else { (mask.width, mask.height) };
    let on = |line: usize, at: usize| {
        mask.cells[if along_x { line * mask.width + at } else { at * mask.width + line }]
    };
    let swept: Vec<usize> =
        (0..count).map(|line| (0..length).filter(|at| on(line, *at)).count()).collect();
    let usual = quantile(swept.iter().filter(|n| **n > 0).map(|n| *n as f32), 0.5);
    let enough = |line: usize| swept[line] as f64 >= line_share * f64::from(usual);
    let (mut best, mut start) = (0..0, None);
    for line in 0..=count {
        if line < count && enough(line) {
            start.get_or_insert(line);
        } else if let Some(from) = start.take()
            && line - from > best.len()
        {
            best = from..line;
        }
    }
    let places = || best.clone().flat_map(|line| (0..length).filter(move |at| on(line, *at)));
    let first = places().min().unwrap_or(0);
    let last = places().max().unwrap_or(0);
    (best, first..last + 1)
}

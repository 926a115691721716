//! The lithium front: an area whose cells step to another brightness one after the other, at times
//! that grow along one axis of the image.

use std::ops::Range;

use super::Sureness;
use super::crack::Crack;
use super::grid::{Mask, Part, quantile};
use super::overlay::bounds;
use super::sample::{Aligned, Sample};
use super::steps::Steps;
use crate::frame::Region;

/// Thinner areas are cracks, cells.
const THIN: usize = 3;
/// A front sweeps at least this share of the field.
const SHARE_AT_LEAST: f64 = 0.006;
/// A step must change the counts by this share; the camera's offset is part of them.
const CHANGE_AT_LEAST: f32 = 0.01;
/// Correlation of arrival with place from which an axis is that of the growth, and is sure.
const ORDER_AT_LEAST: f64 = 0.4;
const ORDER_SURE: f64 = 0.65;
/// Times of arrival that must differ: one sudden change is no front.
const ARRIVALS_AT_LEAST: usize = 4;
/// A line belongs to the front when it was swept over this share of the median line's length.
const LINE_SHARE: f64 = 0.25;
/// Room before the first and after the last front, of the length that was swept, and in px.
const BEFORE: f64 = 0.12;
const AHEAD: f64 = 0.25;
const MARGIN_PX: usize = 28;

/// The growth, by the configuration's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Right,
    Left,
    Down,
    Up,
}

impl Direction {
    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Right => "right",
            Direction::Left => "left",
            Direction::Down => "down",
            Direction::Up => "up",
        }
    }

    fn is_along_x(self) -> bool {
        matches!(self, Direction::Right | Direction::Left)
    }
}

/// A front that was found; regions in px of the first frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Front {
    pub region: Region,
    pub grows: Direction,
    pub lithium_is_dark: bool,
    /// All that lithium covers now or may cover soon.
    pub lithium: Region,
    /// Share of the field that was swept.
    pub swept: f64,
    /// How far the front came along the growth, px.
    pub length_px: usize,
    /// Change of the brightness, relative.
    pub change: f64,
    /// Correlation of the time of arrival with the place along the growth.
    pub order: f64,
    pub sureness: Sureness,
}

/// Finds the front and the cells that it swept, or says why there is none.
pub fn find(
    steps: &Steps,
    aligned: &Aligned,
    blocked: &Mask,
    sample: &Sample,
) -> Result<(Front, Mask), String> {
    let (width, height) = (blocked.width, blocked.height);
    if aligned.frames.len() < 2 * ARRIVALS_AT_LEAST {
        return Err(format!(
            "only {} frames could be aligned, too few to see a front move",
            aligned.frames.len()
        ));
    }
    let clear = |cell: usize| aligned.covered.cells[cell] && !blocked.cells[cell];
    let swept_by = |sign: f32| {
        let stepped = steps.stepped(sign);
        let strong = stepped.same(|cell| {
            stepped.cells[cell] && clear(cell) && steps.change.cells[cell].abs() > CHANGE_AT_LEAST
        });
        strong.opened(THIN).parts().into_iter().next().map(|part| (sign, part))
    };
    let largest = [-1.0, 1.0].into_iter().filter_map(swept_by).max_by_key(|(_, part)| part.len());
    let field = (width * height) as f64;
    let Some((sign, part)) =
        largest.filter(|(_, part)| part.len() as f64 >= SHARE_AT_LEAST * field)
    else {
        return Err("no area of the specimen changes its brightness for good".to_owned());
    };
    let mask = Mask::of(width, height, &part);
    let share = 100.0 * part.len() as f64 / field;
    if arrivals(steps, &part) < ARRIVALS_AT_LEAST {
        return Err(format!(
            "{share:.1} % of the field changes, but all at once, as no front does"
        ));
    }
    let (along_x, along_y) = order(steps, &mask, &part);
    let strongest = if along_x.abs() >= along_y.abs() { along_x } else { along_y };
    let grows = match (along_x.abs() >= along_y.abs(), strongest > 0.0) {
        (true, true) => Direction::Right,
        (true, false) => Direction::Left,
        (false, true) => Direction::Down,
        (false, false) => Direction::Up,
    };
    let order = strongest.abs();
    if !(order >= ORDER_AT_LEAST) {
        return Err(format!(
            "{share:.1} % of the field changes, but in no order along an axis (correlation of time \
             and place {along_x:.2} along x, {along_y:.2} along y)"
        ));
    }
    let (lines, first, last) = extent(&mask, grows);
    let region = region(&lines, first, last, grows, sample);
    let change = f64::from(quantile(part.iter().map(|cell| steps.change.cells[*cell]), 0.5));
    let sureness = match (order >= ORDER_SURE, share >= 2.0) {
        (true, true) => Sureness::Sure,
        (true, false) | (false, true) => Sureness::Likely,
        (false, false) => Sureness::Guess,
    };
    let front = Front {
        region,
        grows,
        lithium_is_dark: sign < 0.0,
        lithium: lithium(region, &mask, &part, grows, sample),
        swept: part.len() as f64 / field,
        length_px: (last - first) * sample.factor,
        change,
        order,
        sureness,
    };
    Ok((front, mask))
}

impl Front {
    /// The region's end along the growth, px.
    pub fn far_end_px(&self) -> f64 {
        let Region { x, y, width, height } = self.region;
        match self.grows {
            Direction::Right => (x + width) as f64,
            Direction::Left => x as f64,
            Direction::Down => (y + height) as f64,
            Direction::Up => y as f64,
        }
    }

    /// Ends before a crack that lies ahead.
    pub fn beside(mut self, crack: Option<&Crack>) -> Front {
        let Some(crack) = crack.map(|crack| crack.region) else { return self };
        let across = |a: Region, b: Region| match self.grows.is_along_x() {
            true => a.y < b.y + b.height && b.y < a.y + a.height,
            false => a.x < b.x + b.width && b.x < a.x + a.width,
        };
        if !across(self.region, crack) {
            return self;
        }
        let cut = |front: &mut Region, grows: Direction| match grows {
            Direction::Right if crack.x > front.x => {
                front.width = front.width.min(crack.x - front.x);
            }
            Direction::Down if crack.y > front.y => {
                front.height = front.height.min(crack.y - front.y);
            }
            Direction::Left if crack.x + crack.width < front.x + front.width => {
                let start = front.x.max(crack.x + crack.width);
                front.width -= start - front.x;
                front.x = start;
            }
            Direction::Up if crack.y + crack.height < front.y + front.height => {
                let start = front.y.max(crack.y + crack.height);
                front.height -= start - front.y;
                front.y = start;
            }
            _ => {}
        };
        cut(&mut self.region, self.grows);
        cut(&mut self.lithium, self.grows);
        self
    }
}

/// Frames that at least a hundredth of the cells step at.
fn arrivals(steps: &Steps, part: &Part) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    for cell in part {
        *counts.entry(steps.arrival[*cell]).or_insert(0usize) += 1;
    }
    counts.values().filter(|count| **count * 100 >= part.len()).count()
}

/// Correlation of the time of arrival with x and y.
fn order(steps: &Steps, mask: &Mask, part: &Part) -> (f64, f64) {
    let of = |value: &dyn Fn(usize) -> f64| {
        let mean = part.iter().map(|cell| value(*cell)).sum::<f64>() / part.len() as f64;
        part.iter().map(|cell| value(*cell) - mean).collect::<Vec<f64>>()
    };
    let time = of(&|cell| f64::from(steps.arrival[cell]));
    let x = of(&|cell| mask.place(cell).0 as f64);
    let y = of(&|cell| mask.place(cell).1 as f64);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let with = |place: &[f64]| dot(&time, place) / (dot(&time, &time) * dot(place, place)).sqrt();
    (with(&x), with(&y))
}

/// The lines across the growth that were swept, and the first and last cell along it.
fn extent(mask: &Mask, grows: Direction) -> (Range<usize>, usize, usize) {
    let along_x = grows.is_along_x();
    let (count, length) =
        if along_x { (mask.height, mask.width) } else { (mask.width, mask.height) };
    let on = |line: usize, at: usize| {
        mask.cells[if along_x { line * mask.width + at } else { at * mask.width + line }]
    };
    let swept: Vec<usize> =
        (0..count).map(|line| (0..length).filter(|at| on(line, *at)).count()).collect();
    let usual = quantile(swept.iter().filter(|n| **n > 0).map(|n| *n as f32), 0.5);
    let enough = |line: usize| swept[line] as f64 >= LINE_SHARE * f64::from(usual);
    // The longest run of lines.
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
    let (first, last) = (places().min().unwrap_or(0), places().max().unwrap_or(0));
    (best, first, last + 1)
}

/// The gauge's region, px: the lines, but for a margin so that each has an edge, from before the
/// first front to ahead of the last.
fn region(
    lines: &Range<usize>,
    first: usize,
    last: usize,
    grows: Direction,
    sample: &Sample,
) -> Region {
    let factor = sample.factor;
    let (width, height) = sample.size;
    let side = if grows.is_along_x() { width } else { height };
    let swept = ((last - first) * factor) as f64;
    let before = ((BEFORE * swept) as usize).max(MARGIN_PX);
    let ahead = ((AHEAD * swept) as usize).max(MARGIN_PX);
    let (first, last) = (first * factor, (last * factor).min(side));
    let (start, end) = match grows {
        Direction::Right | Direction::Down => {
            (first.saturating_sub(before), (last + ahead).min(side))
        }
        Direction::Left | Direction::Up => (first.saturating_sub(ahead), (last + before).min(side)),
    };
    let trim = if lines.len() > 12 { 3 } else { 0 };
    let (from, to) = ((lines.start + trim) * factor, (lines.end - trim) * factor);
    match grows.is_along_x() {
        true => Region { x: start, y: from, width: end - start, height: to - from },
        false => Region { x: from, y: start, width: to - from, height: end - start },
    }
}

/// From the edge of the field that the growth comes from to the end of the region, over all lines
/// that were swept at all and a margin.
fn lithium(region: Region, mask: &Mask, part: &Part, grows: Direction, sample: &Sample) -> Region {
    let factor = sample.factor;
    let (width, height) = sample.size;
    let cells = bounds(mask, part);
    let margin = 4 * factor;
    let (from, to) = match grows.is_along_x() {
        true => (cells.y * factor, ((cells.y + cells.height) * factor + margin).min(height)),
        false => (cells.x * factor, ((cells.x + cells.width) * factor + margin).min(width)),
    };
    let from = from.saturating_sub(margin);
    match grows {
        Direction::Right => {
            Region { x: 0, y: from, width: region.x + region.width, height: to - from }
        }
        Direction::Left => {
            Region { x: region.x, y: from, width: width - region.x, height: to - from }
        }
        Direction::Down => {
            Region { x: from, y: 0, width: to - from, height: region.y + region.height }
        }
        Direction::Up => {
            Region { x: from, y: region.y, width: to - from, height: height - region.y }
        }
    }
}

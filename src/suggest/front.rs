//! The lithium front: an area whose cells step to another brightness one after the other, at times
//! that grow along one axis of the image, or outwards from a nucleus.

use super::align::Aligned;
use super::crack::Crack;
use super::extent::Sweep;
use super::grid::{Mask, Part, axis_of, quantile};
use super::sample::Sample;
use super::steps::Steps;
use super::{Sureness, sector};
use crate::frame::Region;

/// Thinner areas are cracks, cells.
const THIN: usize = 3;
/// What is narrower, cells, and so many times as long may be a line.
const LINE_WIDTH: f64 = 10.0;
const LINE_SLENDER: f64 = 4.0;
/// A front sweeps at least this share of the field.
const SHARE_AT_LEAST: f64 = 0.006;
/// A step must change the counts by this share; the camera's offset is part of them.
const CHANGE_AT_LEAST: f32 = 0.01;
/// Correlation of arrival with place from which an axis is that of the growth, and is sure.
const ORDER_AT_LEAST: f64 = 0.4;
const ORDER_SURE: f64 = 0.65;
/// Of a nucleus, the sides that are taken are at least this share of the largest.
const SHARE_OF_LARGEST: f64 = 0.5;
/// Frames in which it must be seen, and times of arrival that must differ: one sudden change is no
/// front. Short recordings have fewer.
const FRAMES_AT_LEAST: usize = 5;
const ARRIVALS_AT_LEAST: usize = 4;
/// Of all area that changes, either way, the front's: where much changes in many places, as by
/// diffraction contrast, nothing grows.
const SHARE_OF_CHANGES: f64 = 0.4;

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

    pub fn is_along_x(self) -> bool {
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
    pub lithium: Vec<Region>,
    /// Share of the field that was swept.
    pub swept: f64,
    /// How far the front came along the growth, px.
    pub length_px: usize,
    /// Change of the brightness, relative.
    pub change: f64,
    /// Correlation of the time of arrival with the place along the growth.
    pub order: f64,
    /// It grows from a nucleus; this is the side of the most regular growth.
    pub is_round: bool,
    /// It went back afterwards.
    pub went_back: bool,
    pub sureness: Sureness,
}

/// Finds the front and the cells that it swept (around nuclei, that all of them did), or says why there
/// is none.
pub fn find(
    steps: &Steps,
    aligned: &Aligned,
    blocked: &Mask,
    sample: &Sample,
) -> Result<(Front, Mask), String> {
    let (width, height) = (blocked.width, blocked.height);
    if steps.frames < FRAMES_AT_LEAST {
        return Err(format!(
            "only {} frames could be aligned, too few to see a front move",
            steps.frames
        ));
    }
    let (sign, part) = swept(steps, aligned, blocked)?;
    let field = (width * height) as f64;
    let mask = Mask::of(width, height, &part);
    let share = 100.0 * part.len() as f64 / field;
    if arrivals(steps, &part) < arrivals_at_least(steps) {
        return Err(format!(
            "{share:.1} % of the field changes, but all at once, as no front does"
        ));
    }
    if is_line(steps, &mask, &part) {
        return Err(format!(
            "{share:.1} % of the field changes, as a narrow line that becomes longer: a crack, perhaps"
        ));
    }
    let went_back = went_back(steps, &part).map_err(|()| {
        format!("a body passed over {share:.1} % of the field, and nothing stayed")
    })?;
    let Growth { grows, order, quarter } = growth(steps, &mask, &part)?;
    let is_round = quarter.is_some();
    let changed = changed(steps);
    let sweep = Sweep::new(&mask, &part, quarter.as_deref(), grows, sample);
    let change = f64::from(quantile(part.iter().map(|cell| steps.change.cells[*cell]), 0.5));
    let sureness = match (order >= ORDER_SURE && !went_back, share >= 2.0) {
        (true, true) => Sureness::Sure,
        (true, false) | (false, true) => Sureness::Likely,
        (false, false) => Sureness::Guess,
    };
    let front = Front {
        region: sweep.region(),
        grows,
        lithium_is_dark: sign < 0.0,
        lithium: sweep.lithium(&changed),
        swept: part.len() as f64 / field,
        length_px: sweep.length_px(),
        change,
        order,
        is_round,
        went_back,
        sureness,
    };
    // Where nuclei meet, lines appear that are no cracks.
    let swept =
        if is_round { mask.same(|cell| mask.cells[cell] || changed.cells[cell]) } else { mask };
    Ok((front, swept))
}

/// The largest area that becomes darker (`-1.0`) or brighter (`1.0`), wider than a crack.
fn swept(steps: &Steps, aligned: &Aligned, blocked: &Mask) -> Result<(f32, Part), String> {
    let clear = |cell: usize| aligned.covered.cells[cell] && !blocked.cells[cell];
    let mut all = Vec::new();
    for sign in [-1.0, 1.0] {
        let stepped = steps.stepped(sign);
        let strong = stepped.same(|cell| {
            stepped.cells[cell] && clear(cell) && steps.change.cells[cell].abs() > CHANGE_AT_LEAST
        });
        all.extend(strong.opened(THIN).parts().into_iter().map(|part| (sign, part)));
    }
    let field = (blocked.width * blocked.height) as f64;
    let changed = all.iter().map(|(_, part)| part.len()).sum::<usize>() as f64;
    let patches = all.len();
    let largest = all.into_iter().max_by_key(|(_, part)| part.len());
    let Some((sign, part)) =
        largest.filter(|(_, part)| part.len() as f64 >= SHARE_AT_LEAST * field)
    else {
        return Err("no area of the specimen changes its brightness for good".to_owned());
    };
    if (part.len() as f64) < SHARE_OF_CHANGES * changed {
        return Err(format!(
            "{:.1} % of the field changes, but in {patches} patches all over it, darker and \
             brighter: no one area grows",
            100.0 * changed / field
        ));
    }
    Ok((sign, part))
}

/// All that changed, darker or brighter, wider than single cells.
fn changed(steps: &Steps) -> Mask {
    let (darker, brighter) = (steps.stepped(-1.0), steps.stepped(1.0));
    let either = darker.same(|cell| {
        let much = steps.change.cells[cell].abs() > CHANGE_AT_LEAST;
        (darker.cells[cell] || brighter.cells[cell]) && much
    });
    either.opened(1)
}

/// Frames that at least a hundredth of the cells step at.
fn arrivals(steps: &Steps, part: &[usize]) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    for cell in part {
        *counts.entry(steps.arrival[*cell]).or_insert(0usize) += 1;
    }
    counts.values().filter(|count| **count * 100 >= part.len()).count()
}

fn arrivals_at_least(steps: &Steps) -> usize {
    ARRIVALS_AT_LEAST.min(steps.frames - 2)
}

/// Whether what was swept is narrow and grew lengthwise; a front that went but a little way is narrow
/// too, but grew sideways.
fn is_line(steps: &Steps, mask: &Mask, part: &[usize]) -> bool {
    let along = axis_of(mask, part);
    let values = |of: &dyn Fn(f64, f64) -> f64| {
        let place = |cell: &usize| {
            let (x, y) = mask.place(*cell);
            of(x as f64, y as f64)
        };
        part.iter().map(place).collect::<Vec<f64>>()
    };
    let lengthwise = values(&|x, y| x * along.0 + y * along.1);
    let sideways = values(&|x, y| y * along.0 - x * along.1);
    let ends = |values: &[f64]| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        1.0 + most - least
    };
    let length = ends(&lengthwise);
    if part.len() as f64 > LINE_WIDTH * length || LINE_WIDTH * LINE_SLENDER > length {
        return false;
    }
    let time: Vec<f64> = part.iter().map(|cell| f64::from(steps.arrival[*cell])).collect();
    // Without any order it is a line that opens along all of its length.
    !(correlation(&time, &sideways).abs() > correlation(&time, &lengthwise).abs())
}

/// Whether most of what was swept came back, the last of it first, as what is stripped does; an error
/// where the first of it came back first, as behind a body that passes.
fn went_back(steps: &Steps, part: &[usize]) -> Result<bool, ()> {
    let ended = |cell: &&usize| usize::from(steps.departure[**cell]) < steps.frames;
    let ended: Vec<usize> = part.iter().filter(ended).copied().collect();
    if 2 * ended.len() < part.len() {
        return Ok(false);
    }
    let of = |times: &[u16]| ended.iter().map(|cell| f64::from(times[*cell])).collect::<Vec<f64>>();
    match correlation(&of(&steps.arrival), &of(&steps.departure)) < 0.0 {
        true => Ok(true),
        false => Err(()),
    }
}

/// How what was swept grew.
struct Growth {
    grows: Direction,
    order: f64,
    /// The cells on one side, where it grew from a nucleus.
    quarter: Option<Part>,
}

/// The axis along which the times of arrival grow, over all of it or on one side of a nucleus.
fn growth(steps: &Steps, mask: &Mask, part: &Part) -> Result<Growth, String> {
    let (along_x, along_y) = order(steps, mask, part);
    let (is_along_x, strongest) =
        if along_x.abs() >= along_y.abs() { (true, along_x) } else { (false, along_y) };
    if strongest.abs() >= ORDER_AT_LEAST {
        let grows = match (is_along_x, strongest > 0.0) {
            (true, true) => Direction::Right,
            (true, false) => Direction::Left,
            (false, true) => Direction::Down,
            (false, false) => Direction::Up,
        };
        return Ok(Growth { grows, order: strongest.abs(), quarter: None });
    }
    let quarters = sector::quarters(steps, mask);
    let field = (mask.width * mask.height) as f64;
    let largest = quarters.iter().map(|(_, part)| part.len()).max().unwrap_or(0) as f64;
    let least = (SHARE_AT_LEAST * field).max(SHARE_OF_LARGEST * largest);
    // Of those that are large enough the one that grew most regularly: none of its lines met
    // another nucleus.
    let ordered = quarters.into_iter().filter_map(|(grows, quarter)| {
        if (quarter.len() as f64) < least || arrivals(steps, &quarter) < arrivals_at_least(steps) {
            return None;
        }
        let (along_x, along_y) = order(steps, mask, &quarter);
        let order = match grows {
            Direction::Right => along_x,
            Direction::Left => -along_x,
            Direction::Down => along_y,
            Direction::Up => -along_y,
        };
        (order >= ORDER_AT_LEAST).then_some(Growth { grows, order, quarter: Some(quarter) })
    });
    if let Some(growth) = ordered.max_by(|a, b| a.order.total_cmp(&b.order)) {
        return Ok(growth);
    }
    Err(format!(
        "{:.1} % of the field changes, but in no order along an axis (correlation of time and place \
         {along_x:.2} along x, {along_y:.2} along y) nor outwards from a nucleus",
        100.0 * part.len() as f64 / field
    ))
}

/// Correlation of the time of arrival with x and y.
fn order(steps: &Steps, mask: &Mask, part: &[usize]) -> (f64, f64) {
    let of = |value: &dyn Fn(usize) -> f64| part.iter().map(|c| value(*c)).collect::<Vec<f64>>();
    let time = of(&|cell| f64::from(steps.arrival[cell]));
    let x = of(&|cell| mask.place(cell).0 as f64);
    let y = of(&|cell| mask.place(cell).1 as f64);
    (correlation(&time, &x), correlation(&time, &y))
}

/// Pearson's; NaN where one does not vary.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        (aa, bb, ab) = (aa + a * a, bb + b * b, ab + a * b);
    }
    ab / (aa * bb).sqrt()
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
        // Around nuclei a crack ahead is as good as any other place.
        if self.is_round || !across(self.region, crack) {
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
        self.lithium.iter_mut().for_each(|lithium| cut(lithium, self.grows));
        self
    }
}

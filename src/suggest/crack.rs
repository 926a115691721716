//! The crack: a thin ridge of the specimen as it is at the end, which was not there, or fainter, at
//! the start; or many of them.
//!
//! A ridge has a large second derivative across it and a small one along it: the larger eigenvalue
//! of the Hessian at the scale of a narrow line (C. Steger, IEEE Trans. Pattern Anal. Mach. Intell.
//! 20, 113, 1998), in deviations of what the specimen's texture has everywhere. What that has gained
//! from the first frames to the last is a crack that opened: edges and grain boundaries cancel. Where
//! as many ridges vanish as appear, the texture itself moves, and nothing has cracked.

use super::Sureness;
use super::align::Aligned;
use super::grid::{Map, Mask, Part, axis_of, quantile};
use super::overlay::bounds;
use super::sample::Sample;
use crate::frame::Region;

/// One sigma of the line's scale, cells: narrow lines first, then wider ones.
const SCALES: [f64; 2] = [1.5, 3.0];
/// A ridge grows from cells that have gained so much to those that have gained so much, in the
/// texture's deviations.
const SEED: f32 = 8.0;
const REST: f32 = 4.0;
/// Of the field's shorter side.
const LENGTH_AT_LEAST: f64 = 0.08;
const LENGTH_SURE: f64 = 0.2;
/// Cells of width for each of length.
const WIDTH_AT_MOST: f64 = 0.15;
/// Cells that became ridges for each that ceased to be one.
const APPEARED: usize = 3;
/// The strongest ridge's share of all, below which there are as many cracks as ridges.
const ALONE: f32 = 0.5;
const MANY: usize = 4;
/// Each of many cracks is about so long, of the field's shorter side, and so wide, cells.
const ONE_OF_MANY: (f64, f64) = (0.1, 3.0);
/// Of the field, a region of many at most.
const SHARE_OF_MANY: f64 = 0.4;
/// A line of the width w is seen best by the scale w/√12 (Steger); the crack gauge takes what is not
/// wider than this by itself.
const WIDEST: f64 = 3.464;
const USUAL_MAX_WIDTH_PX: f64 = 40.0;
/// A crack that runs within this of an axis, as a tangent, is looked for along it.
const ALONG_AXIS: f64 = 0.5;
/// Cells around the front and at the border that are no crack.
const APART: usize = 6;
/// Room beside the crack and, of its length, beyond its ends.
const BESIDE_PX: usize = 34;
const BEYOND: f64 = 0.25;

/// The image axis that a crack follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    X,
    Y,
}

/// A crack that was found; px of the first frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Crack {
    pub region: Region,
    pub is_dark: bool,
    /// None where it runs across both, and where there are many.
    pub along: Option<Axis>,
    /// Of one of many, the longest.
    pub length_px: usize,
    /// About how many there are.
    pub lines: usize,
    /// Of many, what is wider is none of them, where that is less than the gauge would take.
    pub max_width_px: Option<f64>,
    /// What it gained, in the texture's deviations.
    pub strength: f64,
    /// Share of it that was no ridge at all in the first frames.
    pub is_new: f64,
    pub sureness: Sureness,
}

/// A connected ridge.
struct Ridge {
    part: Part,
    cells: Region,
    length: f64,
    /// Sum of what its cells gained.
    sum: f32,
}

/// What became a ridge of one shade.
struct Gain {
    is_dark: bool,
    /// One sigma of the scale, cells.
    scale: f64,
    /// At the start, and what was gained until the end, in the texture's deviations.
    before: Map,
    gained: Map,
    ridges: Vec<Ridge>,
}

/// Finds the ridges that open, or says why there are none.
pub fn find(
    aligned: &Aligned,
    blocked: &Mask,
    swept: Option<&Mask>,
    sample: &Sample,
) -> Result<Crack, String> {
    if aligned.frames.len() < 2 {
        return Err("no frame could be aligned with the first".to_owned());
    }
    let (early, late) = (aligned.early(), aligned.late());
    let grown = swept.map(|swept| swept.grown(APART));
    let free = aligned.covered.shrunk(APART);
    let blocked = blocked.grown(2);
    let free = free.same(|cell| {
        free.cells[cell]
            && !blocked.cells[cell]
            && !grown.as_ref().is_some_and(|grown| grown.cells[cell])
    });
    let mut moves = false;
    for scale in SCALES {
        let mut best: Option<(f32, Gain)> = None;
        for is_dark in [true, false] {
            match gain(&early, &late, &free, is_dark, scale) {
                Some(gain) if !gain.ridges.is_empty() => {
                    let sum = gain.ridges.iter().map(|ridge| ridge.sum).sum();
                    if best.as_ref().is_none_or(|(other, _)| sum > *other) {
                        best = Some((sum, gain));
                    }
                }
                Some(_) => {}
                None => moves = true,
            }
        }
        if let Some(crack) = best.and_then(|(sum, gain)| crack(&gain, sum, &early, sample)) {
            return Ok(crack);
        }
    }
    Err(match (moves, unchanged(&late, &free)) {
        (true, _) => {
            "thin lines come and go all over, as where the specimen itself moves or is seen \
                      differently"
                .to_owned()
        }
        (false, Some(cells)) => format!(
            "the strongest thin line, at {}, does not change during the recording: an edge or a \
             grain boundary, perhaps",
            region(cells, sample)
        ),
        (false, None) => "no thin line stands out of the specimen's texture".to_owned(),
    })
}

/// What has become ridges; none where as many have vanished.
fn gain(early: &Map, late: &Map, free: &Mask, is_dark: bool, scale: f64) -> Option<Gain> {
    let (before, after) = (curvature(early, is_dark, scale), curvature(late, is_dark, scale));
    let places = || (0..before.cells.len()).filter(|cell| free.cells[*cell]);
    let usual = quantile(places().map(|cell| before.cells[cell]), 0.5);
    let deviation = 1.48 * quantile(places().map(|cell| (before.cells[cell] - usual).abs()), 0.5);
    let none =
        Gain { is_dark, scale, before: before.clone(), gained: before.clone(), ridges: Vec::new() };
    if !(deviation > 0.0) {
        return Some(none);
    }
    let over = |map: &Map| map.same(|cell| (map.cells[cell] - usual) / deviation);
    let (before, after) = (over(&before), over(&after));
    let more = |from: &Map, to: &Map| from.same(|cell| to.cells[cell] - from.cells[cell].max(0.0));
    let (gained, lost) = (more(&before, &after), more(&after, &before));
    let rest = |change: &Map, level: &Map| {
        change
            .same(|cell| free.cells[cell] && change.cells[cell] > REST && level.cells[cell] > REST)
    };
    let (appeared, vanished) = (rest(&gained, &after), rest(&lost, &before));
    let shorter = early.width.min(early.height) as f64;
    let ridges: Vec<Ridge> = ridges(&appeared, &gained)
        .into_iter()
        .filter(|ridge| ridge.length >= LENGTH_AT_LEAST * shorter)
        .collect();
    if !ridges.is_empty() && appeared.count() < APPEARED * vanished.count() {
        return None;
    }
    Some(Gain { ridges, before, gained, ..none })
}

/// The larger eigenvalue of the Hessian, positive on lines of this shade.
fn curvature(image: &Map, is_dark: bool, scale: f64) -> Map {
    let second = |order| image.gaussian(scale, order);
    let (xx, yy, xy) = (second((2, 0)), second((0, 2)), second((1, 1)));
    let sign = if is_dark { 1.0 } else { -1.0 };
    image.same(|cell| {
        let (xx, yy, xy) = (sign * xx.cells[cell], sign * yy.cells[cell], xy.cells[cell]);
        0.5 * (xx + yy) + (0.25 * (xx - yy).powi(2) + xy * xy).sqrt()
    })
}

/// The connected parts that hold a seed, the strongest first.
fn ridges(rest: &Mask, strength: &Map) -> Vec<Ridge> {
    let parts = rest.parts().into_iter();
    let seeded = parts.filter(|part| part.iter().any(|cell| strength.cells[*cell] > SEED));
    let mut ridges: Vec<Ridge> = seeded
        .map(|part| {
            let cells = bounds(rest, &part);
            let length = (cells.width as f64).hypot(cells.height as f64);
            let sum = part.iter().map(|cell| strength.cells[*cell]).sum();
            Ridge { part, cells, length, sum }
        })
        .collect();
    ridges.sort_by(|a, b| b.sum.total_cmp(&a.sum));
    ridges
}

/// One crack, or all of many.
fn crack(gain: &Gain, sum: f32, image: &Map, sample: &Sample) -> Option<Crack> {
    let shorter = image.width.min(image.height) as f64;
    let thin =
        |ridge: &Ridge| ridge.part.len() as f64 <= WIDTH_AT_MOST * ridge.length * ridge.length;
    let strongest = gain.ridges.first()?;
    let is_many = gain.ridges.len() >= MANY && strongest.sum < ALONE * sum;
    let chosen: Vec<&Ridge> = match is_many {
        true => network(&gain.ridges),
        false => gain.ridges.iter().find(|ridge| thin(ridge)).into_iter().collect(),
    };
    let longest = chosen.iter().max_by(|a, b| a.length.total_cmp(&b.length))?;
    let parts = || chosen.iter().flat_map(|ridge| ridge.part.iter());
    let count = parts().count() as f64;
    let strength = parts().map(|cell| f64::from(gain.gained.cells[*cell])).sum::<f64>() / count;
    let new = parts().filter(|cell| gain.before.cells[**cell] < REST).count() as f64 / count;
    let cells: Vec<usize> = parts().copied().collect();
    let around = bounds(image, &cells);
    let lines = match is_many {
        true => (count / (ONE_OF_MANY.0 * shorter * ONE_OF_MANY.1)).ceil() as usize,
        false => 1,
    };
    Some(Crack {
        region: if is_many { middle(around, sample) } else { region(around, sample) },
        is_dark: gain.is_dark,
        along: if is_many { None } else { axis(image, &longest.part) },
        length_px: (longest.length * sample.factor as f64) as usize,
        lines: lines.max(chosen.len()),
        max_width_px: Some(WIDEST * gain.scale * sample.factor as f64)
            .filter(|most| is_many && *most < USUAL_MAX_WIDTH_PX),
        strength,
        is_new: new,
        sureness: match (strength > f64::from(SEED), longest.length > LENGTH_SURE * shorter) {
            (true, true) => Sureness::Sure,
            (true, false) | (false, true) => Sureness::Likely,
            (false, false) => Sureness::Guess,
        },
    })
}

/// The strongest ridge and those within or across the box around it, and so on, where most of them hang
/// together so: not what lies beyond a clamp or an edge. Else all.
fn network(ridges: &[Ridge]) -> Vec<&Ridge> {
    let mut around = ridges[0].cells;
    let mut chosen = vec![&ridges[0]];
    let mut left: Vec<&Ridge> = ridges[1..].iter().collect();
    loop {
        let (inside, outside): (Vec<&Ridge>, Vec<&Ridge>) =
            left.into_iter().partition(|ridge| ridge.cells.meets(&around));
        if inside.is_empty() {
            let sum = |ridges: &[&Ridge]| ridges.iter().map(|ridge| ridge.sum).sum::<f32>();
            if sum(&chosen) < sum(&outside) {
                chosen.extend(outside);
            }
            return chosen;
        }
        for Region { x, y, width, height } in inside.iter().map(|ridge| ridge.cells) {
            let right = (around.x + around.width).max(x + width);
            let bottom = (around.y + around.height).max(y + height);
            let (left, top) = (around.x.min(x), around.y.min(y));
            around = Region { x: left, y: top, width: right - left, height: bottom - top };
        }
        chosen.extend(inside);
        left = outside;
    }
}

/// The axis of the image that a ridge follows.
fn axis(image: &Map, part: &[usize]) -> Option<Axis> {
    let (along_x, along_y) = axis_of(image, part);
    match (along_x.abs(), along_y.abs()) {
        (x, y) if y <= ALONG_AXIS * x => Some(Axis::X),
        (x, y) if x <= ALONG_AXIS * y => Some(Axis::Y),
        _ => None,
    }
}

/// The strongest thin line of the last frames, for the reason.
fn unchanged(late: &Map, free: &Mask) -> Option<Region> {
    let shorter = late.width.min(late.height) as f64;
    let strongest = |is_dark: bool| {
        let level = curvature(late, is_dark, SCALES[0]);
        let places = || (0..level.cells.len()).filter(|cell| free.cells[*cell]);
        let usual = quantile(places().map(|cell| level.cells[cell]), 0.5);
        let deviation = 1.48 * quantile(places().map(|c| (level.cells[c] - usual).abs()), 0.5);
        let level = level.same(|cell| (level.cells[cell] - usual) / deviation);
        let found = level.same(|cell| free.cells[cell] && level.cells[cell] > REST);
        ridges(&found, &level).into_iter().find(|ridge| ridge.length >= LENGTH_SURE * shorter)
    };
    let both = [true, false].into_iter().filter_map(strongest);
    both.max_by(|a, b| a.sum.total_cmp(&b.sum)).map(|ridge| ridge.cells)
}

/// The region of many, px: of those that fill the field its middle, since the drift is found from what
/// lies around it.
fn middle(cells: Region, sample: &Sample) -> Region {
    let factor = sample.factor as f64;
    let (width, height) = (cells.width as f64 * factor, cells.height as f64 * factor);
    let share = width * height / (sample.size.0 * sample.size.1) as f64;
    let shrunk = (SHARE_OF_MANY / share).sqrt().min(1.0);
    let start = |from: usize, length: f64| from as f64 * factor + 0.5 * (1.0 - shrunk) * length;
    Region {
        x: start(cells.x, width) as usize,
        y: start(cells.y, height) as usize,
        width: (shrunk * width) as usize,
        height: (shrunk * height) as usize,
    }
}

/// The gauge's region, px: the ridge with room beside it, and beyond its ends where it may grow.
fn region(cells: Region, sample: &Sample) -> Region {
    let factor = sample.factor;
    let upright = cells.height >= cells.width;
    let beyond = (BEYOND * (cells.height.max(cells.width) * factor) as f64) as usize;
    let (dx, dy) = if upright { (BESIDE_PX, beyond) } else { (beyond, BESIDE_PX) };
    let (width, height) = sample.size;
    let x = (cells.x * factor).saturating_sub(dx);
    let y = (cells.y * factor).saturating_sub(dy);
    let right = ((cells.x + cells.width) * factor + dx).min(width);
    let bottom = ((cells.y + cells.height) * factor + dy).min(height);
    Region { x, y, width: right - x, height: bottom - y }
}

//! The crack: a thin ridge of the specimen as it is at the end, which was not there, or fainter, at
//! the start.
//!
//! A ridge has a large second derivative across it and a small one along it: the larger eigenvalue
//! of the Hessian at the scale of a narrow line (C. Steger, IEEE Trans. Pattern Anal. Mach. Intell.
//! 20, 113, 1998), against what the specimen's texture has everywhere.

use super::Sureness;
use super::grid::{Map, Mask, Part, quantile};
use super::overlay::bounds;
use super::sample::{Aligned, Sample};
use super::steps::{SIGNIFICANT, Steps};
use crate::frame::Region;

/// One sigma of the line's scale, cells.
const SCALE: f64 = 1.5;
/// A ridge grows from cells this far above the texture to those that far, in its deviations.
const SEED: f32 = 8.0;
const REST: f32 = 4.0;
/// Of the field's shorter side.
const LENGTH_AT_LEAST: f64 = 0.12;
/// Cells of width for each of length.
const WIDTH_AT_MOST: f64 = 0.15;
/// Share of the ridge that must have changed.
const CHANGED: f64 = 0.25;
/// Cells around the front and at the border that are no crack.
const APART: usize = 6;
/// Room beside the crack and, of its length, beyond its ends.
const BESIDE_PX: usize = 34;
const BEYOND: f64 = 0.25;

/// A crack that was found; px of the first frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Crack {
    pub region: Region,
    pub is_dark: bool,
    /// Along y; else along x.
    pub is_upright: bool,
    pub length_px: usize,
    /// Strength over that of the texture, in its deviations.
    pub strength: f64,
    /// Share of its length that has changed during the recording.
    pub changed: f64,
    pub sureness: Sureness,
}

struct Ridge {
    part: Part,
    is_dark: bool,
    /// Sum and mean over its cells, in deviations of the texture.
    sum: f32,
    strength: f32,
}

/// Finds the strongest ridge that changes, or says why there is none.
pub fn find(
    steps: &Steps,
    aligned: &Aligned,
    blocked: &Mask,
    swept: Option<&Mask>,
    sample: &Sample,
) -> Result<Crack, String> {
    let late = aligned.late();
    let grown = swept.map(|swept| swept.grown(APART));
    let free = aligned.covered.shrunk(APART);
    let blocked = blocked.grown(2);
    let free = free.same(|cell| {
        free.cells[cell]
            && !blocked.cells[cell]
            && !grown.as_ref().is_some_and(|grown| grown.cells[cell])
    });
    let mut found: Vec<Ridge> = ridges(&late, &free, true);
    found.extend(ridges(&late, &free, false));
    found.sort_by(|a, b| b.sum.total_cmp(&a.sum));
    let shorter = late.width.min(late.height) as f64;
    let mut unchanged = None;
    for ridge in found {
        let cells = bounds(&late, &ridge.part);
        let length =
            (cells.width.max(cells.height) as f64).hypot(cells.width.min(cells.height) as f64);
        let width = ridge.part.len() as f64 / length;
        if length < LENGTH_AT_LEAST * shorter || width > WIDTH_AT_MOST * length {
            continue;
        }
        let sign = if ridge.is_dark { -1.0 } else { 1.0 };
        let stepped = |cell: &&usize| steps.significance.cells[**cell] * sign > SIGNIFICANT / 2.0;
        let changed = ridge.part.iter().filter(stepped).count() as f64 / ridge.part.len() as f64;
        if changed < CHANGED {
            unchanged.get_or_insert((cells, ridge.strength));
            continue;
        }
        let strength = f64::from(ridge.strength);
        return Ok(Crack {
            region: region(cells, sample),
            is_dark: ridge.is_dark,
            is_upright: cells.height >= cells.width,
            length_px: length as usize * sample.factor,
            strength,
            changed,
            sureness: match (strength > 7.0, changed > 0.5) {
                (true, true) => Sureness::Sure,
                (true, false) | (false, true) => Sureness::Likely,
                (false, false) => Sureness::Guess,
            },
        });
    }
    Err(match unchanged {
        Some((cells, _)) => format!(
            "the strongest thin line, at {}, does not change during the recording: an edge or a \
             grain boundary, perhaps",
            region(cells, sample)
        ),
        None => "no thin line stands out of the specimen's texture".to_owned(),
    })
}

/// The connected ridges of the free area.
fn ridges(image: &Map, free: &Mask, is_dark: bool) -> Vec<Ridge> {
    let second = |order| image.gaussian(SCALE, order);
    let (xx, yy, xy) = (second((2, 0)), second((0, 2)), second((1, 1)));
    let sign = if is_dark { 1.0 } else { -1.0 };
    let curved = image.same(|cell| {
        let (xx, yy, xy) = (sign * xx.cells[cell], sign * yy.cells[cell], xy.cells[cell]);
        0.5 * (xx + yy) + (0.25 * (xx - yy).powi(2) + xy * xy).sqrt()
    });
    let places = || (0..curved.cells.len()).filter(|cell| free.cells[*cell]);
    let usual = quantile(places().map(|cell| curved.cells[cell]), 0.5);
    let deviation = 1.48 * quantile(places().map(|cell| (curved.cells[cell] - usual).abs()), 0.5);
    if !(deviation > 0.0) {
        return Vec::new();
    }
    let over = curved.same(|cell| (curved.cells[cell] - usual) / deviation);
    let rest = over.same(|cell| free.cells[cell] && over.cells[cell] > REST);
    let parts = rest.parts().into_iter();
    let seeded = parts.filter(|part| part.iter().any(|cell| over.cells[*cell] > SEED));
    seeded
        .map(|part| {
            let sum = part.iter().map(|cell| over.cells[*cell]).sum::<f32>();
            Ridge { strength: sum / part.len() as f32, part, is_dark, sum }
        })
        .collect()
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

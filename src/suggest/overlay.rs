//! What was drawn into the frames: banners, scale bars, text. Its pixels never change, while those
//! of the specimen have noise and drift.

use super::grid::{Grid, Mask, quantile};
use super::sample::Sample;
use crate::frame::Region;

/// Above this share of the field, pixels are constant for another reason (hardly any electrons).
const SHARE_AT_MOST: f64 = 0.6;
/// Constant pixels of something that was drawn.
const PIXELS_AT_LEAST: usize = 60;
/// Letters of one text, and the digits that change among them, are this near, of the field.
const NEAR: f64 = 0.02;
/// A box that spans so much of a side is a banner over all of it.
const BANNER: f64 = 0.8;

/// Shares of an area's pixels that have one value, and of its edge's that lie in one line.
const ONE_VALUE: f64 = 0.97;
const STRAIGHT: f64 = 0.8;

/// Something that was drawn into the frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    pub region: Region,
    pub is_banner: bool,
}

/// A long straight bar among it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaleBar {
    pub region: Region,
}

/// Finds what was drawn, and the scale bar.
pub fn find(sample: &Sample) -> (Vec<Overlay>, Option<ScaleBar>) {
    let constant = &sample.constant;
    let (width, height) = sample.size;
    if constant.count() as f64 > SHARE_AT_MOST * (width * height) as f64 {
        return (Vec::new(), None);
    }
    let near = ((NEAR * width.min(height) as f64) as usize).max(4);
    let mut boxes: Vec<(Region, usize)> = constant
        .parts()
        .iter()
        .map(|part| (part, bounds(constant, part)))
        .filter(|(part, region)| !is_clipped(sample, part, *region))
        .map(|(part, region)| (region, part.len()))
        .collect();
    let bars = sample.white.parts().into_iter().map(|part| (bounds(constant, &part), part.len()));
    let bar = bars
        .filter(|(region, pixels)| is_bar(region, *pixels, width))
        .max_by_key(|(_, pixels)| *pixels)
        .map(|(region, _)| ScaleBar { region });
    // Crumbs cannot hold a letter together with others; there may be very many.
    boxes.retain(|(_, pixels)| *pixels >= 8);
    boxes.truncate(400);
    merge(&mut boxes, near);
    boxes.retain(|(_, pixels)| *pixels >= PIXELS_AT_LEAST);
    let drawn = boxes.iter().map(|(region, _)| widened(*region, near / 2, sample.size));
    (drawn.collect(), bar)
}

/// The cells that these regions cover.
pub fn mask(drawn: &[Region], sample: &Sample) -> Mask {
    let (width, height) = (sample.frames[0].width, sample.frames[0].height);
    let mut mask = Mask::filled(width, height, false);
    for region in drawn {
        let (columns, rows) = sample.cells(*region);
        for y in rows {
            mask.cells[y * width + columns.start..y * width + columns.end].fill(true);
        }
    }
    mask
}

/// The smallest rectangle around some cells.
pub fn bounds<T: Clone>(grid: &Grid<T>, part: &[usize]) -> Region {
    let places = || part.iter().map(|cell| grid.place(*cell));
    let x = places().map(|(x, _)| x).min().unwrap_or(0);
    let y = places().map(|(_, y)| y).min().unwrap_or(0);
    let right = places().map(|(x, _)| x + 1).max().unwrap_or(0);
    let bottom = places().map(|(_, y)| y + 1).max().unwrap_or(0);
    Region { x, y, width: right - x, height: bottom - y }
}

/// True of an area along a side that has one value everywhere and no straight edge: what lies beside
/// the specimen, where the camera clips. A banner ends in one row or column.
fn is_clipped(sample: &Sample, part: &[usize], region: Region) -> bool {
    let (width, height) = sample.size;
    let (upright, far) = match region {
        Region { x: 0, .. } if region.height == height => (true, true),
        Region { x, .. } if region.height == height && x + region.width == width => (true, false),
        Region { y: 0, .. } if region.width == width => (false, true),
        Region { y, .. } if region.width == width && y + region.height == height => (false, false),
        _ => return false,
    };
    let mut row = vec![0.0; width];
    let mut at = usize::MAX;
    let mut value = |pixel: usize| {
        if at != pixel / width {
            at = pixel / width;
            sample.first.read_row(at, 0, &mut row);
        }
        row[pixel % width]
    };
    let mut sorted = part.to_vec();
    sorted.sort_unstable();
    let usual = quantile(sorted.iter().map(|pixel| value(*pixel)), 0.5);
    let alike = sorted.iter().filter(|pixel| value(**pixel) == usual).count();
    if (alike as f64) < ONE_VALUE * part.len() as f64 {
        return false;
    }
    // The innermost pixel of each line across the edge.
    let mut edge = vec![None; if upright { height } else { width }];
    for pixel in sorted {
        let (x, y) = (pixel % width, pixel / width);
        let (line, place) = if upright { (y, x) } else { (x, y) };
        let inner: &mut Option<usize> = &mut edge[line];
        *inner = Some(match *inner {
            Some(inner) if far => inner.max(place),
            Some(inner) => inner.min(place),
            None => place,
        });
    }
    let mut places: Vec<usize> = edge.into_iter().flatten().collect();
    places.sort_unstable();
    let usual = places.get(places.len() / 2).copied().unwrap_or(0);
    let straight = places.iter().filter(|place| place.abs_diff(usual) <= 1).count();
    (straight as f64) < STRAIGHT * places.len() as f64
}

fn is_bar(region: &Region, pixels: usize, width: usize) -> bool {
    region.width >= 40
        && (region.width as f64) < BANNER * width as f64
        && region.width >= 6 * region.height
        && pixels as f64 >= 0.9 * (region.width * region.height) as f64
}

/// Joins boxes that are less than `near` apart, until none are.
fn merge(boxes: &mut Vec<(Region, usize)>, near: usize) {
    let mut k = 0;
    while k < boxes.len() {
        let (one, pixels) = boxes[k];
        let other = (k + 1..boxes.len()).find(|other| {
            let two = boxes[*other].0;
            one.x <= two.x + two.width + near
                && two.x <= one.x + one.width + near
                && one.y <= two.y + two.height + near
                && two.y <= one.y + one.height + near
        });
        let Some(other) = other else {
            k += 1;
            continue;
        };
        let (two, more) = boxes.swap_remove(other);
        let (x, y) = (one.x.min(two.x), one.y.min(two.y));
        let right = (one.x + one.width).max(two.x + two.width);
        let bottom = (one.y + one.height).max(two.y + two.height);
        boxes[k] = (Region { x, y, width: right - x, height: bottom - y }, pixels + more);
        // It has grown, and may touch what it did not before.
        k = 0;
    }
}

/// The box with a margin; over the whole side and to the nearest edge when it nearly spans it.
fn widened(region: Region, margin: usize, (width, height): (usize, usize)) -> Overlay {
    let (mut left, mut top) = (region.x.saturating_sub(margin), region.y.saturating_sub(margin));
    let mut right = (region.x + region.width + margin).min(width);
    let mut bottom = (region.y + region.height + margin).min(height);
    let spans = |length: usize, side: usize| length as f64 >= BANNER * side as f64;
    let wide = spans(region.width, width);
    let tall = spans(region.height, height);
    if wide {
        (left, right) = (0, width);
        if top < height - bottom { top = 0 } else { bottom = height }
    } else if tall {
        (top, bottom) = (0, height);
        if left < width - right { left = 0 } else { right = width }
    }
    let region = Region { x: left, y: top, width: right - left, height: bottom - top };
    Overlay { region, is_banner: wide || tall }
}

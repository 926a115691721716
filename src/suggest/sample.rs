//! Some frames of a recording, binned.

use std::ops::Range;

use super::SuggestError;
use super::grid::{Mask, quantile};
use crate::format::Recording;
use crate::frame::{Image, Normalised, Region, Samples, blank_for, normalise};

/// Frames that are looked at, and below which nothing can be told.
const FRAMES: usize = 40;
const FRAMES_AT_LEAST: usize = 2;
/// Frames below which pixels may be the same in all of them by chance.
const FRAMES_OF_DRAWN: usize = 4;
/// Frames are binned to at most so many cells on their shorter side, and more than half of it.
const CELLS: usize = 260;
const SMALLEST_PX: usize = 128;
/// Brightness over that of most frames, or the reverse, from which one is left out.
const OUTLYING: f32 = 2.5;
/// A pixel at this share of the recording's largest value in every frame was drawn white.
const WHITE: f32 = 0.97;

/// Binned frames as they were recorded.
pub struct Sample {
    /// Pixels of a cell, along both axes.
    pub factor: usize,
    /// Pixels of a frame.
    pub size: (usize, usize),
    /// Mean counts of the cells, in the order of time.
    pub frames: Vec<Image>,
    /// Their places in the recording.
    pub indices: Vec<usize>,
    /// Pixels (not cells) that never change, and are not alone in it.
    pub constant: Mask,
    /// Those of them that are white.
    pub white: Mask,
    /// The first of them, before binning.
    pub first: Image,
}

impl Sample {
    /// Reads frames that are spread evenly over the recording.
    pub fn read(
        recording: &dyn Recording,
        mut progress: impl FnMut(),
    ) -> Result<Sample, SuggestError> {
        let info = recording.info();
        let (width, height) = (info.width, info.height);
        if width.min(height) < SMALLEST_PX {
            return Err(SuggestError::TooSmall { width, height });
        }
        if info.frames < FRAMES_AT_LEAST {
            return Err(SuggestError::TooShort { frames: info.frames });
        }
        let factor = width.min(height).div_ceil(CELLS);
        let mut image = blank_for(info.pixel_type, width, height);
        let mut low = vec![f32::INFINITY; width * height];
        let mut high = vec![f32::NEG_INFINITY; width * height];
        let (mut row, mut bytes) = (vec![0.0; width], Vec::new());
        let (mut frames, mut indices) = (Vec::new(), Vec::new());
        let (mut first, mut problem) = (None, None);
        let tried = info.frames.min(FRAMES);
        for place in 0..tried {
            let index = place * (info.frames - 1) / (tried - 1);
            progress();
            if let Err(error) = read_frame(recording, index, &mut bytes, &mut image) {
                problem.get_or_insert(error);
                continue;
            }
            indices.push(index);
            let mut binned = Image::zeros_f32(width / factor, height / factor);
            for y in 0..height {
                image.read_row(y, 0, &mut row);
                let pixels = y * width..(y + 1) * width;
                let limits = low[pixels.clone()].iter_mut().zip(&mut high[pixels]);
                for ((low, high), value) in limits.zip(&row) {
                    (*low, *high) = (low.min(*value), high.max(*value));
                }
                add_row(&mut binned, &row, y, factor);
            }
            frames.push(binned);
            first.get_or_insert_with(|| image.clone());
        }
        let Some(first) = first.filter(|_| frames.len() >= FRAMES_AT_LEAST) else {
            let first = problem.unwrap_or_else(|| "none".to_owned());
            return Err(SuggestError::Unreadable { read: frames.len(), tried, first });
        };
        let (frames, indices) = without_outliers(frames, indices);
        let (constant, white) = match frames.len() < FRAMES_OF_DRAWN {
            true => {
                let none = Mask::filled(width, height, false);
                (none.clone(), none)
            }
            false => constant(width, height, &low, &high),
        };
        Ok(Sample { factor, size: (width, height), frames, indices, constant, white, first })
    }

    /// A region in cells: columns and rows, widened to whole ones.
    pub fn cells(&self, region: Region) -> (Range<usize>, Range<usize>) {
        let range = |from: usize, length: usize, cells: usize| {
            let end = (from + length).div_ceil(self.factor).min(cells);
            (from / self.factor).min(end)..end
        };
        let (width, height) = (self.frames[0].width, self.frames[0].height);
        (range(region.x, region.width, width), range(region.y, region.height, height))
    }

    pub fn in_cells(&self, region: Region) -> Region {
        let (x, y) = self.cells(region);
        Region { x: x.start, y: y.start, width: x.len(), height: y.len() }
    }
}

/// Without frames whose brightness above the darkest is far from that of most: flashes, and the dark of
/// a blanked beam. The first stays, which defines the coordinates.
fn without_outliers(frames: Vec<Image>, indices: Vec<usize>) -> (Vec<Image>, Vec<usize>) {
    let mut row = vec![0.0f32; frames[0].width];
    let mut lowest = f32::INFINITY;
    let mut means = Vec::with_capacity(frames.len());
    for frame in &frames {
        let mut sum = 0.0f64;
        for y in 0..frame.height {
            frame.read_row(y, 0, &mut row);
            lowest = row.iter().copied().fold(lowest, f32::min);
            sum += row.iter().map(|value| f64::from(*value)).sum::<f64>();
        }
        means.push((sum / (frame.width * frame.height) as f64) as f32);
    }
    let usual = quantile(means.iter().copied(), 0.5) - lowest;
    let limits = usual / OUTLYING..=usual * OUTLYING;
    let kept = frames.into_iter().zip(indices).zip(means).enumerate();
    kept.filter(|(place, (_, mean))| *place == 0 || limits.contains(&(mean - lowest)))
        .map(|(_, (frame, _))| frame)
        .unzip()
}

/// Reads one frame as counts; the reason where it cannot be used.
pub fn read_frame(
    recording: &dyn Recording,
    index: usize,
    bytes: &mut Vec<u8>,
    image: &mut Image,
) -> Result<(), String> {
    let pixels = recording.read(index, bytes).map_err(|error| error.to_string())?;
    match normalise(pixels, recording.info().pixel_type, image) {
        Normalised::Useless(_) => Err("too many pixels are no numbers".to_owned()),
        _ => Ok(()),
    }
}

/// Adds a row of pixels to the means of its cells; what fills no whole cell is left out.
fn add_row(binned: &mut Image, row: &[f32], y: usize, factor: usize) {
    let (width, height) = (binned.width, binned.height);
    let Samples::F32(cells) = &mut binned.samples else { return };
    if y / factor >= height {
        return;
    }
    let cells = &mut cells[y / factor * width..(y / factor + 1) * width];
    let share = 1.0 / (factor * factor) as f32;
    for (cell, pixels) in cells.iter_mut().zip(row.chunks_exact(factor)) {
        *cell += share * pixels.iter().sum::<f32>();
    }
}

/// Pixels that are the same in all frames, or white in all, with most of their neighbours (single
/// ones are the camera's dead pixels); and the white ones alone.
fn constant(width: usize, height: usize, low: &[f32], high: &[f32]) -> (Mask, Mask) {
    let limit = WHITE * high.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let white = Mask::filled(width, height, false);
    let white = white.same(|pixel| low[pixel] >= limit && limit > 0.0);
    let same = white.same(|pixel| low[pixel] == high[pixel] || white.cells[pixel]);
    let constant = same.same(|pixel| {
        let (x, y) = same.place(pixel);
        let columns = x.saturating_sub(1)..(x + 2).min(width);
        let rows = y.saturating_sub(1)..(y + 2).min(height);
        let around = rows.flat_map(|v| columns.clone().map(move |u| v * width + u));
        same.cells[pixel] && around.filter(|other| same.cells[*other]).count() >= 4
    });
    (constant, white)
}

//! Some frames of a recording, binned, and the same brought to the first one's coordinates.

use std::ops::Range;

use super::SuggestError;
use super::grid::{Map, Mask, quantile};
use crate::config::CameraConfig;
use crate::format::Recording;
use crate::frame::{Image, Normalised, Region, Samples, blank_for, normalise};
use crate::noise::{self, CameraModel};
use crate::register::{Sequence, Settings, StaticMask};
use crate::resample::{Affine, Resampler};

/// Frames that are looked at, and below which nothing can be told.
const FRAMES: usize = 40;
const FRAMES_AT_LEAST: usize = 4;
/// Frames are binned to at most so many cells on their shorter side, and more than half of it.
const CELLS: usize = 260;
const SMALLEST_PX: usize = 128;
/// The share of the pixels below which single ones may be broken.
const LOWEST: f64 = 0.001;
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
    /// Pixels (not cells) that never change, and are not alone in it.
    pub constant: Mask,
    /// Those of them that are white.
    pub white: Mask,
    /// The first of them, before binning.
    first: Image,
}

/// Binned frames in the coordinates of the first, at one brightness.
pub struct Aligned {
    pub frames: Vec<Map>,
    /// Cells that every frame covers.
    pub covered: Mask,
    /// Largest drift, cells.
    pub reach: f64,
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
        let (mut frames, mut first, mut problem) = (Vec::new(), None, None);
        let tried = info.frames.min(FRAMES);
        for place in 0..tried {
            let index = place * (info.frames - 1) / (tried - 1);
            progress();
            let read = recording.read(index, &mut bytes).map_err(|error| error.to_string());
            let read =
                read.and_then(|pixels| match normalise(pixels, info.pixel_type, &mut image) {
                    Normalised::Useless(_) => Err("too many pixels are no numbers".to_owned()),
                    _ => Ok(()),
                });
            if let Err(error) = read {
                problem.get_or_insert(error);
                continue;
            }
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
        let (constant, white) = constant(width, height, &low, &high);
        Ok(Sample { factor, size: (width, height), frames, constant, white, first })
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

    fn in_cells(&self, region: Region) -> Region {
        let (x, y) = self.cells(region);
        Region { x: x.start, y: y.start, width: x.len(), height: y.len() }
    }

    /// The camera's noise, from the first frame but for these regions (px); and whether the run's own
    /// estimate would differ. Counts do not lie below the offset, so it is not above the lowest of
    /// them, however even the specimen is.
    pub fn camera(&self, drawn: &[Region]) -> (CameraModel, bool) {
        let free = without(&self.first, drawn);
        let found = noise::estimate(&free, &CameraConfig::default(), &[]);
        let mut row = vec![0.0; free.width];
        let mut values = Vec::new();
        for y in 0..free.height {
            free.read_row(y, 0, &mut row);
            values.extend_from_slice(&row);
        }
        let lowest = f64::from(quantile(values, LOWEST));
        let differs = drawn.iter().any(|region| self.is_banner(*region));
        if !(found.offset_counts > lowest) {
            return (found, differs);
        }
        let known = CameraConfig { offset_counts: Some(lowest), ..CameraConfig::default() };
        (noise::estimate(&free, &known, &[]), true)
    }

    fn is_banner(&self, region: Region) -> bool {
        region.width == self.size.0 || region.height == self.size.1
    }

    /// Finds the drift without looking at `masked`, and takes it out; `drawn` are those of them that
    /// are no specimen either, px.
    pub fn align(&self, masked: &[Region], drawn: &[Region]) -> Aligned {
        let camera = self.camera(drawn).0.binned(self.factor);
        let aligned = self.align_with(masked, &camera);
        if 4 * aligned.frames.len() >= 3 * self.frames.len() {
            return aligned;
        }
        // Not all recordings have the noise of electrons (negatives, contrast that was stretched):
        // one of equal noise everywhere may still be aligned.
        let first = self.frames[0].clone();
        let even = camera.variance(f64::from(quantile(map(&first).cells, 0.5))).sqrt();
        let even = CameraModel { gain_counts_per_electron: 0.0, read_noise_counts: even, ..camera };
        let again = self.align_with(masked, &even);
        if again.frames.len() > aligned.frames.len() { again } else { aligned }
    }

    fn align_with(&self, masked: &[Region], camera: &CameraModel) -> Aligned {
        let first = &self.frames[0];
        let (width, height) = (first.width, first.height);
        let masked: Vec<Region> = masked.iter().map(|region| self.in_cells(*region)).collect();
        let mask = StaticMask::new(width, height, &masked);
        let max_shift_px = width.min(height) as f64 / 3.0;
        let settings = Settings { max_shift_px, lag_frames: 1, ..Settings::default() };
        let mut sequence = Sequence::new(first, mask, *camera, settings);
        let mut resampler = Resampler::default();
        let mut covered = Mask::filled(width, height, true);
        let (mut frames, mut reach) = (vec![map(first)], 0.0f64);
        for frame in &self.frames[1..] {
            let drift = sequence.push(frame);
            if !(drift.locked && drift.x.is_finite() && drift.y.is_finite()) {
                continue;
            }
            reach = reach.max(drift.x.hypot(drift.y));
            let mut moved = Map::filled(width, height, f32::NAN);
            let to = Affine::translation(drift.x, drift.y);
            resampler.rows(frame, &to, (0..width, 0..height), |y, columns, values| {
                moved.cells[y * width + columns.start..y * width + columns.end]
                    .copy_from_slice(&values[..columns.len()]);
            });
            let seen = covered.cells.iter_mut().zip(&moved.cells);
            seen.for_each(|(covered, value)| *covered &= value.is_finite());
            frames.push(moved);
        }
        let mut aligned = Aligned { frames, covered, reach };
        aligned.level();
        aligned
    }
}

impl Aligned {
    /// Brings all frames to the brightness of the first, and fills what some do not cover.
    fn level(&mut self) {
        let first = self.frames[0].clone();
        for frame in &mut self.frames {
            let places = (0..first.cells.len()).filter(|cell| self.covered.cells[*cell]);
            let ratios = places.step_by(3).map(|cell| frame.cells[cell] / first.cells[cell]);
            let gain = quantile(ratios, 0.5);
            let gain = if gain.is_finite() && gain > 0.0 { gain } else { 1.0 };
            for (value, fill) in frame.cells.iter_mut().zip(&first.cells) {
                *value = if value.is_finite() { *value / gain } else { *fill };
            }
        }
    }

    /// The mean of the last quarter of the frames.
    pub fn late(&self) -> Map {
        let count = self.frames.len().div_ceil(4);
        let last = &self.frames[self.frames.len() - count..];
        last[0].same(|cell| last.iter().map(|frame| frame.cells[cell]).sum::<f32>() / count as f32)
    }
}

fn map(image: &Image) -> Map {
    let mut map = Map::filled(image.width, image.height, 0.0);
    for (y, row) in map.cells.chunks_exact_mut(image.width).enumerate() {
        image.read_row(y, 0, row);
    }
    map
}

/// The frame without the rows, or columns, that banners take; smaller boxes change little.
fn without(image: &Image, drawn: &[Region]) -> Image {
    let (width, height) = (image.width, image.height);
    let (wide, tall): (Vec<&Region>, Vec<&Region>) = drawn
        .iter()
        .filter(|region| region.width == width || region.height == height)
        .partition(|region| region.width == width);
    let rows: Vec<usize> =
        (0..height).filter(|y| !wide.iter().any(|r| (r.y..r.y + r.height).contains(y))).collect();
    let left = tall.iter().filter(|r| r.x == 0).map(|r| r.width).max().unwrap_or(0);
    let right = tall.iter().filter(|r| r.x > 0).map(|r| r.x).min().unwrap_or(width);
    if rows.is_empty() || left >= right || (rows.len() == height && right - left == width) {
        return image.clone();
    }
    let mut part = match image.samples {
        Samples::U16(_) => Image::zeros_u16(right - left, rows.len()),
        Samples::F32(_) => Image::zeros_f32(right - left, rows.len()),
    };
    let from = |at: usize| {
        let (x, y) = (left + at % (right - left), rows[at / (right - left)]);
        y * width + x
    };
    match (&mut part.samples, &image.samples) {
        (Samples::U16(to), Samples::U16(all)) => {
            to.iter_mut().enumerate().for_each(|(at, value)| *value = all[from(at)]);
        }
        (Samples::F32(to), Samples::F32(all)) => {
            to.iter_mut().enumerate().for_each(|(at, value)| *value = all[from(at)]);
        }
        _ => {}
    }
    part
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

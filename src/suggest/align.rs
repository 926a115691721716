//! The binned frames brought to the first one's coordinates.
//!
//! The registration follows the whole series at first. Where it does not trust what it finds, because
//! much of the field changes, each frame is compared with the one before it, which looks more alike
//! (the errors add up, but stay far below a cell over some ten frames); and at last the frames before
//! binning are taken, whose finest structure may be all that does not change.

use super::grid::{Map, Mask, quantile};
use super::sample::{Sample, read_frame};
use crate::config::CameraConfig;
use crate::format::Recording;
use crate::frame::{Image, Region};
use crate::noise::{self, CameraModel};
use crate::register::{Sequence, Settings, StaticMask};
use crate::resample::{Affine, Resampler};

/// One sigma of what is finer than texture's coarsest, and of its surroundings, cells.
const FINE: f64 = 2.0;
const AROUND: f64 = 2.5;

/// Binned frames in the coordinates of the first, at one brightness.
pub struct Aligned {
    pub frames: Vec<Map>,
    /// Cells that every frame covers.
    pub covered: Mask,
    /// Largest drift, cells.
    pub reach: f64,
}

/// Where each frame stands against the first, cells; none where it is not trusted.
type Drifts = Vec<Option<(f64, f64)>>;

impl Aligned {
    /// Finds the drift without looking at `masked`, and takes it out; `drawn` are those of them that
    /// are no specimen either, px.
    pub fn find(
        sample: &Sample,
        recording: &dyn Recording,
        masked: &[Region],
        drawn: &[Region],
    ) -> Aligned {
        let unbinned = noise::estimate(&sample.first, &CameraConfig::default(), drawn);
        let camera = unbinned.binned(sample.factor);
        // Not all recordings have the noise of electrons (negatives, contrast that was stretched):
        // one of equal noise everywhere may still be aligned.
        let usual = f64::from(quantile(map(&sample.frames[0]).cells, 0.5));
        let even = CameraModel {
            gain_counts_per_electron: 0.0,
            read_noise_counts: camera.variance(usual).sqrt(),
            ..camera
        };
        let first = &sample.frames[0];
        let in_cells: Vec<Region> = masked.iter().map(|region| sample.in_cells(*region)).collect();
        let mask = StaticMask::new(first.width, first.height, &in_cells);
        let found = |drifts: &Drifts| drifts.iter().flatten().count();
        let is_enough = |drifts: &Drifts| 4 * found(drifts) >= 3 * sample.frames.len();
        let mut best = whole(&sample.frames, &mask, camera);
        let mut noise = camera;
        let take = |drifts: Drifts, best: &mut Drifts| {
            let is_better = found(&drifts) > found(best);
            if is_better {
                *best = drifts;
            }
            is_better
        };
        if !is_enough(&best) && take(whole(&sample.frames, &mask, even), &mut best) {
            noise = even;
        }
        if !is_enough(&best) {
            take(stepwise(&sample.frames, &mask, noise), &mut best);
        }
        if !is_enough(&best) && sample.factor > 1 {
            take(unbinned_drifts(sample, recording, masked, unbinned), &mut best);
        }
        Aligned::moved(&sample.frames, &best, camera.offset_counts as f32)
    }

    /// The frames whose drift is known, without it.
    fn moved(images: &[Image], drifts: &[Option<(f64, f64)>], offset: f32) -> Aligned {
        let (width, height) = (images[0].width, images[0].height);
        let mut resampler = Resampler::default();
        let mut covered = Mask::filled(width, height, true);
        let (mut frames, mut reach) = (vec![map(&images[0])], 0.0f64);
        for (image, drift) in images.iter().zip(drifts).skip(1) {
            let Some((x, y)) = *drift else { continue };
            reach = reach.max(x.hypot(y));
            let mut moved = Map::filled(width, height, f32::NAN);
            let to = Affine::translation(x, y);
            resampler.rows(image, &to, (0..width, 0..height), |y, columns, values| {
                moved.cells[y * width + columns.start..y * width + columns.end]
                    .copy_from_slice(&values[..columns.len()]);
            });
            let seen = covered.cells.iter_mut().zip(&moved.cells);
            seen.for_each(|(covered, value)| *covered &= value.is_finite());
            frames.push(moved);
        }
        let mut aligned = Aligned { frames, covered, reach };
        aligned.level(offset);
        aligned
    }

    /// Brings all frames to the brightness of the first, above the camera's offset, and fills what some
    /// do not cover.
    fn level(&mut self, offset: f32) {
        let first = self.frames[0].clone();
        for frame in &mut self.frames {
            let places = (0..first.cells.len()).filter(|cell| self.covered.cells[*cell]);
            let above = |map: &Map, cell: usize| map.cells[cell] - offset;
            let ratios = places.step_by(3).map(|cell| above(frame, cell) / above(&first, cell));
            let gain = quantile(ratios, 0.5);
            let gain = if gain.is_finite() && gain > 0.0 { gain } else { 1.0 };
            for (value, fill) in frame.cells.iter_mut().zip(&first.cells) {
                *value = if value.is_finite() { offset + (*value - offset) / gain } else { *fill };
            }
        }
    }

    /// How rough each place is, instead of how bright: the r.m.s. of what is finer than some cells,
    /// relative to the brightness.
    pub fn roughness(&self) -> Aligned {
        let frames = self.frames.iter().map(|frame| {
            let smooth = frame.gaussian(FINE, (0, 0));
            let power = frame.same(|cell| (frame.cells[cell] - smooth.cells[cell]).powi(2));
            let power = power.gaussian(AROUND, (0, 0));
            frame.same(|cell| power.cells[cell].sqrt() / smooth.cells[cell].max(f32::MIN_POSITIVE))
        });
        Aligned { frames: frames.collect(), covered: self.covered.clone(), reach: self.reach }
    }

    /// The usual of the first quarter of the frames.
    pub fn early(&self) -> Map {
        middle(&self.frames[..self.frames.len().div_ceil(4)])
    }

    /// The usual of the last quarter of the frames.
    pub fn late(&self) -> Map {
        middle(&self.frames[self.frames.len() - self.frames.len().div_ceil(4)..])
    }
}

/// The mean of the middle half of each cell's values: what is there in few of the frames, as a flash,
/// leaves nothing.
fn middle(frames: &[Map]) -> Map {
    let aside = frames.len() / 4;
    let mut values = vec![0.0f32; frames.len()];
    frames[0].same(|cell| {
        values.iter_mut().zip(frames).for_each(|(value, frame)| *value = frame.cells[cell]);
        values.sort_unstable_by(f32::total_cmp);
        let kept = &values[aside..values.len() - aside];
        kept.iter().sum::<f32>() / kept.len() as f32
    })
}

/// Against a template that grows with the series.
fn whole(frames: &[Image], mask: &StaticMask, camera: CameraModel) -> Drifts {
    let mut sequence = sequence(&frames[0], mask, camera);
    let mut drifts = vec![Some((0.0, 0.0))];
    for frame in &frames[1..] {
        let drift = sequence.push(frame);
        drifts.push(drift.locked.then_some((drift.x, drift.y)));
    }
    drifts
}

/// Each against the last one that was found.
fn stepwise(frames: &[Image], mask: &StaticMask, camera: CameraModel) -> Drifts {
    let mut drifts = vec![Some((0.0, 0.0))];
    let (mut last, mut stands) = (&frames[0], (0.0, 0.0));
    for frame in &frames[1..] {
        let seen = sequence(last, mask, camera).look(frame);
        let now = (stands.0 + seen.motion.x, stands.1 + seen.motion.y);
        drifts.push(seen.locked.then_some(now));
        if seen.locked {
            (last, stands) = (frame, now);
        }
    }
    drifts
}

/// As [`whole`], of the frames before binning.
fn unbinned_drifts(
    sample: &Sample,
    recording: &dyn Recording,
    masked: &[Region],
    camera: CameraModel,
) -> Drifts {
    let mask = StaticMask::new(sample.size.0, sample.size.1, masked);
    let mut sequence = sequence(&sample.first, &mask, camera);
    let mut image = sample.first.clone();
    let (mut bytes, mut drifts) = (Vec::new(), vec![Some((0.0, 0.0))]);
    let cell = sample.factor as f64;
    for index in &sample.indices[1..] {
        // What could be read once may be gone now; then it is one frame less.
        let read = read_frame(recording, *index, &mut bytes, &mut image);
        let drift = read.ok().map(|()| sequence.push(&image)).filter(|drift| drift.locked);
        drifts.push(drift.map(|drift| (drift.x / cell, drift.y / cell)));
    }
    drifts
}

fn sequence(first: &Image, mask: &StaticMask, camera: CameraModel) -> Sequence {
    let max_shift_px = first.width.min(first.height) as f64 / 3.0;
    let settings = Settings { max_shift_px, lag_frames: 1, ..Settings::default() };
    Sequence::new(first, mask.clone(), camera, settings)
}

fn map(image: &Image) -> Map {
    let mut map = Map::filled(image.width, image.height, 0.0);
    for (y, row) in map.cells.chunks_exact_mut(image.width).enumerate() {
        image.read_row(y, 0, row);
    }
    map
}

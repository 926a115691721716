//! The running template: frames averaged in reference coordinates.
//!
//! A single noisy reference costs √2 in every drift; the mean of many costs nothing. The mean runs
//! over the last frames that were folded in, so that it follows slow change.

use std::sync::Arc;

use multiversion::multiversion;

use super::footprint::Footprint;
use super::grain::Grain;
use super::group::{Group, open_at_most};
use super::motion::Motion;
use super::reference::StaticMask;
use super::track::Fold;
use crate::frame::Image;
use crate::noise::{CameraModel, observed_share};
use crate::resample::{Kernel, REACH, Resampler, filter_column, filter_row};

/// The mean of the frames so far, in reference coordinates.
pub struct Accumulator {
    pub width: usize,
    pub height: usize,
    /// Mean counts.
    pub mean: Vec<f32>,
    /// Frames that cover each pixel, no more than the mean remembers.
    coverage: Vec<u16>,
    frames: u32,
    /// Counts the restarts.
    keyframe: u32,
    /// The noise of the mean.
    pub(super) grain: Grain,
    /// Where on the camera the frames of the mean were seen.
    pub(super) footprint: Footprint,
    /// The part of the mean that is the first frame.
    pub(super) anchor_share: f64,
    /// The part of a frame's noise that is a pattern of the camera, as far as that is known.
    pub(super) pattern: f64,
    /// The first frame as the camera saw it.
    pub(super) probe: Arc<Image>,
    /// Variance of the noise over that of the camera model, as the frames show it, and as what is roughest in the
    /// first of them does: a pattern's share is told of that.
    pub(super) noise_scale: f64,
    rough_scale: f64,
    /// Frames that are not in the mean yet, those longest open first, and buffers for more.
    groups: Vec<Group>,
    buffers: Vec<Vec<f32>>,
}

/// How a frame lies on the template.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Motion of the specimen in the frame, px.
    pub motion: Motion,
    /// Brightness of the frame against the template.
    pub gain: f64,
}

impl Accumulator {
    /// Starts with the first frame, which defines the coordinates.
    pub fn new(first: &Image, camera: &CameraModel, mask: &StaticMask) -> Accumulator {
        let (width, height) = (first.width, first.height);
        let mut mean = vec![0.0; width * height];
        for (y, row) in mean.chunks_exact_mut(width).enumerate() {
            first.read_row(y, 0, row);
        }
        let rough_scale = observed_share(first, camera, mask.regions());
        Accumulator {
            width,
            height,
            mean,
            coverage: vec![1; width * height],
            frames: 1,
            keyframe: 0,
            grain: Grain::white(1.0),
            footprint: Footprint::at_origin(),
            anchor_share: 1.0,
            pattern: 0.0,
            probe: Arc::new(first.clone()),
            noise_scale: rough_scale,
            rough_scale,
            groups: Vec::new(),
            buffers: Vec::new(),
        }
    }

    /// How often the mean was begun anew.
    pub fn keyframe(&self) -> u32 {
        self.keyframe
    }

    /// Forgets all frames but keeps the coordinates: the next frame begins a new keyframe. Where
    /// that frame does not reach, the old mean stays as it is.
    fn restart(&mut self) {
        self.keyframe += 1;
        self.frames = 0;
        self.coverage.fill(0);
        self.footprint.clear();
        self.anchor_share = 0.0;
    }

    /// The noise of the mean, and of the mean binned by `factor`. What neighbours share of noise
    /// lies within a binned pixel; a pattern of the camera may reach further.
    pub(super) fn grains(&self, factor: usize) -> (Grain, Grain) {
        const PATTERN_REACH_PX: usize = 24;
        let white = Grain::white(1.0 / f64::from(self.frames.max(1)));
        if self.pattern <= 0.0 {
            return (self.grain.clone(), white);
        }
        let pattern = self.footprint.autocorrelation(PATTERN_REACH_PX);
        let binned = white.with_pattern(self.pattern, &pattern.binned(factor));
        (self.grain.with_pattern(self.pattern, &pattern), binned)
    }

    /// The variance of what is roughest in the noise over that of all, as far as both are known.
    pub(super) fn rough_share(&self) -> f64 {
        self.rough_scale / self.noise_scale
    }

    /// Frames that the mean stands for.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// True where at least half of the frames contributed.
    pub fn is_covered(&self, at: usize) -> bool {
        u32::from(self.coverage[at]) * 2 >= self.frames
    }

    /// Follows an order of the tracker.
    pub fn take(&mut self, image: &Image, order: &Fold, offset_counts: f64) {
        if order.restart {
            self.settle(offset_counts);
            self.restart();
        }
        self.noise_scale = order.noise_scale;
        self.pattern = order.pattern * self.rough_share();
        if !order.only_noise {
            self.add(image, order.placement, order.memory, offset_counts);
        }
        if order.build.is_some() {
            self.settle(offset_counts);
        }
    }

    /// Adds a frame; the mean then remembers `memory` frames. It is not in [`mean`](Self::mean)
    /// before [`settle`](Self::settle).
    pub fn add(&mut self, image: &Image, placement: Placement, memory: u32, offset_counts: f64) {
        if !placement.motion.is_shift() {
            self.settle(offset_counts);
            self.fold_mapped(image, placement, memory, offset_counts);
            return;
        }
        let motion = &placement.motion;
        let at = match self.groups.iter().position(|group| group.takes(motion)) {
            Some(at) => at,
            None => {
                if self.groups.len() >= open_at_most(self.mean.len()) {
                    self.close(0, offset_counts);
                }
                let buffer = self.buffers.pop().unwrap_or_default();
                self.groups.push(Group::at(image, motion, buffer));
                self.groups.len() - 1
            }
        };
        self.groups[at].add(image, placement, memory, offset_counts);
        if self.groups[at].is_full() {
            self.close(at, offset_counts);
        }
    }

    /// Brings the frames that were added into the mean. Their pixels are interpolated to reference
    /// coordinates; the border that the interpolation cannot reach keeps its value.
    pub fn settle(&mut self, offset_counts: f64) {
        while !self.groups.is_empty() {
            self.close(0, offset_counts);
        }
    }

    fn close(&mut self, at: usize, offset_counts: f64) {
        let group = self.groups.remove(at);
        self.fold(&group, offset_counts);
        self.buffers.push(group.sum);
    }

    fn fold(&mut self, group: &Group, offset_counts: f64) {
        let most = limit(group.memory);
        let (width, height) = (self.width, self.height);
        let (whole_x, whole_y) = group.whole();
        let [kernel_x, mut kernel_y] = group.kernels();
        let reach = REACH as i64;
        self.frames = (self.frames + group.frames).min(u32::from(most));
        // Reference columns and rows whose surroundings lie within the frame.
        let span = |whole: i64, size: usize| {
            let first = (reach - whole).clamp(0, size as i64) as usize;
            let end = (size as i64 - reach - whole).clamp(0, size as i64) as usize;
            first..end.max(first)
        };
        let (columns, rows) = (span(whole_x, width), span(whole_y, height));
        if columns.is_empty() || rows.is_empty() {
            return;
        }
        let weight = (f64::from(group.frames) / f64::from(self.frames)).min(1.0);
        self.grain.fold(&kernel_x, &kernel_y, weight, group.variance());
        self.footprint.fold((whole_x, whole_y), &kernel_x, &kernel_y, weight);
        self.anchor_share *= 1.0 - weight;
        let from = (columns.start as i64 + whole_x) as usize;
        let count = columns.len();
        // From the sum of the frames to their mean.
        kernel_y.taps.iter_mut().for_each(|tap| *tap /= group.frames as f32);
        // Rows filtered along x, of which only those around the present one are kept: row r of
        // the frame lies in slot r modulo their number.
        let slots = 2 * REACH + 1;
        // Rows a power of two apart would all want the same lines of the cache.
        let stride = width + 48;
        let mut filtered = vec![0.0f32; slots * stride];
        let mut line = vec![0.0f32; count];
        let mut next = (rows.start as i64 + whole_y) as usize - REACH;
        for y in rows {
            let middle = (y as i64 + whole_y) as usize;
            while next <= middle + REACH {
                let row = &group.sum[next * width..(next + 1) * width];
                let slot = next % slots * stride;
                filter_row(&kernel_x, row, &mut filtered[slot..slot + width]);
                next += 1;
            }
            let around: [&[f32]; 2 * REACH + 1] = std::array::from_fn(|k| {
                let slot = (middle - REACH + k) % slots * stride + from;
                &filtered[slot..slot + count]
            });
            filter_column(&kernel_y, &around, &mut line);
            let at = y * width + columns.start;
            let frames = Frames { many: group.frames as u16, most };
            let scale = Brightness { offset: 0.0, scale: 1.0, plus: offset_counts as f32 };
            self.average(at, &line, frames, scale);
        }
    }

    /// The same along any map. The noise of what lies between pixels is that of all phases alike.
    fn fold_mapped(
        &mut self,
        image: &Image,
        placement: Placement,
        memory: u32,
        offset_counts: f64,
    ) {
        let (width, height, most) = (self.width, self.height, limit(memory));
        self.frames = (self.frames + 1).min(u32::from(most));
        let between = Kernel::derivative(0, TYPICAL_PHASE, 0.0);
        let weight = 1.0 / f64::from(self.frames);
        self.grain.fold(&between, &between, weight, 1.0 / placement.gain);
        self.footprint.fade(weight);
        self.anchor_share *= 1.0 - weight;
        let offset = offset_counts as f32;
        let scale = Brightness { offset, scale: (1.0 / placement.gain) as f32, plus: offset };
        let map = placement.motion.affine(width, height);
        let mut resampler = Resampler::default();
        resampler.rows(image, &map, (0..width, 0..height), |y, columns, values| {
            // A row that the frame does not cover has no columns, wherever they begin.
            if !columns.is_empty() {
                let frames = Frames { many: 1, most };
                self.average(y * width + columns.start, values, frames, scale);
            }
        });
    }

    /// Brings values into the mean from pixel `at` on.
    fn average(&mut self, at: usize, values: &[f32], frames: Frames, brightness: Brightness) {
        let at = at..at + values.len();
        average(&mut self.mean[at.clone()], &mut self.coverage[at], values, frames, brightness);
    }
}

/// Frames that values stand for, and that the mean remembers.
#[derive(Clone, Copy)]
struct Frames {
    many: u16,
    most: u16,
}

/// From values to counts at the template's brightness.
#[derive(Clone, Copy)]
struct Brightness {
    offset: f32,
    scale: f32,
    plus: f32,
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn average(
    mean: &mut [f32],
    coverage: &mut [u16],
    values: &[f32],
    Frames { many, most }: Frames,
    Brightness { offset, scale, plus }: Brightness,
) {
    let least = many.min(most);
    for ((mean, coverage), value) in mean.iter_mut().zip(coverage).zip(values) {
        *coverage = coverage.saturating_add(many).min(most);
        let counts = (value - offset) * scale + plus;
        *mean += (counts - *mean) * (f32::from(least) / f32::from(*coverage));
    }
}

/// Frames that the mean remembers, as they are counted in each pixel.
fn limit(memory: u32) -> u16 {
    u16::try_from(memory.max(1)).unwrap_or(u16::MAX)
}

/// A phase whose interpolation leaves as much noise as the mean over all phases.
const TYPICAL_PHASE: f64 = 0.29;

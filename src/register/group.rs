//! Frames that show the specimen at nearly the same place, added up as they are: a sum costs a
//! fraction of an interpolation, and a specimen often stays where it is, or comes back to it.
//!
//! The mean of such frames is the specimen blurred by where it stood. A scatter of the variance s²
//! about the mean place adds `½ s² ∂²T` to the template T; the filters that interpolate the mean
//! take that out again.

use multiversion::multiversion;

use super::motion::Motion;
use super::template::Placement;
use crate::frame::{Image, Samples};
use crate::resample::Kernel;

/// Places within a pixel, along each axis, whose frames are added up together. An even number, so
/// that all frames of a place lie next to the same whole pixel.
const PLACES_PER_PX: f64 = 4.0;
/// Frames of a group, so that those of one place come into the mean before it has moved on.
const FRAMES_MOST: u32 = 16;
/// Groups that are open at a time, and memory for their sums: as many as that allows, but one at
/// least.
const OPEN_MOST: usize = 16;
const OPEN_BYTES: usize = 64 << 20;

/// How many groups may be open for frames of `pixels` pixels.
pub fn open_at_most(pixels: usize) -> usize {
    (OPEN_BYTES / (pixels * size_of::<f32>()).max(1)).clamp(1, OPEN_MOST)
}

/// A sum of frames that were displaced alike.
pub struct Group {
    /// Counts above the camera's offset at the template's brightness, row-major, where the camera
    /// saw them.
    pub sum: Vec<f32>,
    pub frames: u32,
    /// In steps of a place.
    place: (i64, i64),
    x: Along,
    y: Along,
    /// Sum of the frames' variances over that of a frame as bright as the template.
    variance: f64,
    /// Frames that the mean remembers, as the last of the group was told.
    pub memory: u32,
}

/// Sums of the displacements along one axis, px from the whole pixel.
#[derive(Clone, Copy)]
struct Along {
    whole: f64,
    sum: f64,
    squares: f64,
}

impl Along {
    fn add(&mut self, displacement: f64) {
        let part = displacement - self.whole;
        self.sum += part;
        self.squares += part * part;
    }

    /// Interpolates the sum of the frames, and takes out by how much they scatter.
    fn kernel(&self, frames: u32) -> Kernel {
        let frames = f64::from(frames);
        let mean = self.sum / frames;
        let scatter = (self.squares / frames - mean * mean).max(0.0);
        let mut kernel = Kernel::derivative(0, -mean, 0.0);
        if scatter > 0.0 {
            let second = Kernel::derivative(2, -mean, 0.0);
            for (tap, second) in kernel.taps.iter_mut().zip(&second.taps) {
                *tap -= 0.5 * scatter as f32 * second;
            }
        }
        kernel
    }
}

fn place_of(motion: &Motion) -> (i64, i64) {
    let step = |displacement: f64| (displacement * PLACES_PER_PX).floor() as i64;
    (step(motion.x), step(motion.y))
}

impl Group {
    /// A group without frames for those that stand where this one does; `sum` is a buffer to use
    /// again.
    pub fn at(image: &Image, motion: &Motion, mut sum: Vec<f32>) -> Group {
        // The first frame overwrites what an earlier group left there.
        sum.resize(image.width * image.height, 0.0);
        // Where a place ends, so that rounding does not part its frames.
        let along = |displacement: f64| Along {
            whole: ((displacement * PLACES_PER_PX).floor() / PLACES_PER_PX + 0.5).floor(),
            sum: 0.0,
            squares: 0.0,
        };
        let (x, y) = (along(motion.x), along(motion.y));
        Group { sum, frames: 0, place: place_of(motion), x, y, variance: 0.0, memory: 1 }
    }

    /// Whether a frame with this motion stands where this group's frames do.
    pub fn takes(&self, motion: &Motion) -> bool {
        motion.is_shift() && place_of(motion) == self.place
    }

    /// Adds a frame that the group takes.
    pub fn add(&mut self, image: &Image, placement: Placement, memory: u32, offset_counts: f64) {
        let (offset, scale) = (offset_counts as f32, (1.0 / placement.gain) as f32);
        let first = self.frames == 0;
        match &image.samples {
            Samples::U16(counts) => add_u16(&mut self.sum, counts, (offset, scale), first),
            Samples::F32(counts) => add_f32(&mut self.sum, counts, (offset, scale), first),
        }
        self.frames += 1;
        self.x.add(placement.motion.x);
        self.y.add(placement.motion.y);
        self.variance += 1.0 / placement.gain;
        self.memory = memory;
    }

    /// True when the group takes no more.
    pub fn is_full(&self) -> bool {
        self.frames >= FRAMES_MOST
    }

    /// The whole pixels of the frames' displacement.
    pub fn whole(&self) -> (i64, i64) {
        (self.x.whole as i64, self.y.whole as i64)
    }

    /// The filters, along x and along y, of the frames' mean at the reference's pixels.
    pub fn kernels(&self) -> [Kernel; 2] {
        [self.x, self.y].map(|along| along.kernel(self.frames))
    }

    /// The variance of the group's mean over that of one frame as bright as the template.
    pub fn variance(&self) -> f64 {
        self.variance / f64::from(self.frames).powi(2)
    }
}

macro_rules! add {
    ($name:ident, $sample:ty, $to_f32:expr) => {
        /// Adds counts, or puts them in the place of what is there.
        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
        fn $name(sum: &mut [f32], counts: &[$sample], (offset, scale): (f32, f32), first: bool) {
            let pairs = sum.iter_mut().zip(counts);
            match first {
                true => pairs.for_each(|(sum, count)| *sum = ($to_f32(*count) - offset) * scale),
                false => pairs.for_each(|(sum, count)| *sum += ($to_f32(*count) - offset) * scale),
            }
        }
    };
}

add!(add_u16, u16, f32::from);
add!(add_f32, f32, std::convert::identity);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::CameraModel;
    use crate::register::{Accumulator, StaticMask};

    /// A wave of 8 px along both axes, displaced by (x, y).
    fn wave(x: f64, y: f64) -> Image {
        let value = |k: usize, d: f64| (0.785 * (k as f64 - d)).sin();
        let counts = |k: usize| 1000.0 + 100.0 * value(k % 64, x) * value(k / 64, y);
        let samples = Samples::F32((0..64 * 64).map(|k| counts(k) as f32).collect());
        Image { width: 64, height: 64, samples }
    }

    fn worst_error_of_the_mean_of(shifts: &[(f64, f64)]) -> f32 {
        let (first, camera) = (wave(0.0, 0.0), CameraModel::default());
        let mask = StaticMask::new(64, 64, &[]);
        let mut accumulator = Accumulator::new(&first, &camera, &mask);
        for (x, y) in shifts {
            let placement = Placement { motion: Motion::shift(*x, *y), gain: 1.0 };
            accumulator.add(&wave(*x, *y), placement, 64, camera.offset_counts);
        }
        accumulator.settle(camera.offset_counts);
        assert_eq!(accumulator.frames() as usize, shifts.len() + 1);
        let Samples::F32(truth) = &first.samples else { unreachable!("a wave is f32") };
        (0..64 * 64)
            .filter(|k| [k % 64, k / 64].iter().all(|at| (20..44).contains(at)))
            .map(|k| (accumulator.mean[k] - truth[k]).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn frames_that_are_added_up_before_they_are_interpolated_blur_nothing() {
        // Two ends of one place: without the correction the amplitude of 100 would lose 0.2.
        let ends = [(0.01, 0.01), (0.16, 0.01), (0.16, 0.16), (0.01, 0.16)];
        let error = worst_error_of_the_mean_of(&ends);
        assert!(error < 0.03, "{error}");
    }

    #[test]
    fn frames_of_many_places_come_in_at_theirs() {
        let walk: Vec<_> =
            (0..60).map(|k| (3.0 * (0.1 * f64::from(k)).sin(), 0.07 * f64::from(k))).collect();
        let error = worst_error_of_the_mean_of(&walk);
        assert!(error < 0.05, "{error}");
    }

    #[test]
    fn a_place_lies_next_to_one_whole_pixel() {
        for k in -60..60 {
            let x = f64::from(k) / 24.0 + 1e-9;
            let group = Group::at(&Image::zeros_u16(1, 1), &Motion::shift(x, -x), Vec::new());
            assert_eq!(group.whole(), (x.round() as i64, (-x).round() as i64), "at {x}");
        }
    }
}

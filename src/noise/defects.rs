//! Pixels of the camera that are broken: dead ones and hot ones, alone among neighbours that
//! agree. They stand still while the specimen drifts, and a few hot ones outshine all of it, so
//! they are found in the first frame and replaced by their neighbours in every frame.
//!
//! A feature of the specimen is seen through the point spread and so never one pixel wide: a pixel
//! counts as broken only when it sticks out of all of its neighbours.

use super::CameraModel;
use crate::frame::{Image, Samples};

/// A broken pixel sticks out of its neighbours' median by this many sigma: upward, where electrons
/// come in bunches now and then, and downward, where they cannot.
const HOT: f64 = 8.0;
const DEAD: f64 = 5.0;
/// Neighbours of a real feature stick out too; more than this many sigma, and it is one.
const FEATURE: f64 = 3.5;
/// When more than this share of the pixels sticks out, the noise model is wrong and none is broken.
const SHARE_AT_MOST: f64 = 0.01;

/// The broken pixels of a camera.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defects {
    /// Indices, row-major, ascending.
    pixels: Vec<usize>,
    width: usize,
}

impl Defects {
    /// Finds them in one frame whose noise is known.
    pub fn find(image: &Image, noise: &CameraModel) -> Defects {
        let (width, height) = (image.width, image.height);
        let mut pixels = Vec::new();
        let at = |x: usize, y: usize| f64::from(image.at(x, y));
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let value = at(x, y);
                // Four neighbours tell most pixels apart from broken ones, at little cost.
                let beside = [at(x - 1, y), at(x + 1, y), at(x, y - 1), at(x, y + 1)];
                let near = FEATURE * noise.variance(value.min(beside[0])).sqrt();
                if beside.iter().filter(|other| (value - **other).abs() < near).count() > 1 {
                    continue;
                }
                let mut around = [
                    beside[0],
                    beside[1],
                    beside[2],
                    beside[3],
                    at(x - 1, y - 1),
                    at(x + 1, y - 1),
                    at(x - 1, y + 1),
                    at(x + 1, y + 1),
                ];
                around.sort_by(f64::total_cmp);
                if is_alone(value, &around, noise) {
                    pixels.push(y * width + x);
                }
            }
        }
        if pixels.len() as f64 > SHARE_AT_MOST * (width * height) as f64 {
            pixels.clear();
        }
        Defects { pixels, width }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pixels.len()
    }

    /// Their indices, row-major, ascending; none when images of this width have none.
    pub fn pixels(&self, width: usize) -> &[usize] {
        if width == self.width { &self.pixels } else { &[] }
    }

    /// Replaces them by the mean of their neighbours that are not broken.
    pub fn repair(&self, image: &mut Image) {
        if image.width != self.width {
            return;
        }
        for &pixel in &self.pixels {
            let neighbours = self.neighbours(pixel);
            match &mut image.samples {
                Samples::U16(samples) => {
                    let values = neighbours.iter().flatten().map(|k| u32::from(samples[*k]));
                    let sum: u32 = values.sum();
                    let count = neighbours.iter().flatten().count().max(1) as u32;
                    // A mean of u16 is one.
                    samples[pixel] = ((sum + count / 2) / count) as u16;
                }
                Samples::F32(samples) => {
                    let sum: f32 = neighbours.iter().flatten().map(|k| samples[*k]).sum();
                    samples[pixel] = sum / neighbours.iter().flatten().count().max(1) as f32;
                }
            }
        }
    }

    /// The four nearest pixels, those that are not broken; all four when all are.
    fn neighbours(&self, pixel: usize) -> [Option<usize>; 4] {
        let all = [pixel - 1, pixel + 1, pixel - self.width, pixel + self.width];
        let whole = all.map(|k| self.pixels.binary_search(&k).is_err().then_some(k));
        if whole.iter().any(Option::is_some) { whole } else { all.map(Some) }
    }
}

/// Whether a pixel sticks out of its sorted neighbours and none of them does so with it.
fn is_alone(value: f64, around: &[f64; 8], noise: &CameraModel) -> bool {
    let median = 0.5 * (around[3] + around[4]);
    let sigma = noise.variance(median).sqrt();
    let least = if value > median { HOT } else { DEAD };
    if (value - median).abs() < least * sigma {
        return false;
    }
    let nearest = if value > median { around[6] } else { around[1] };
    (nearest - median).abs() < FEATURE * sigma
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hot_and_dead_pixels_are_replaced_and_small_particles_are_not() {
        let (width, height) = (32, 32);
        let mut samples = vec![100u16; width * height];
        samples[5 * width + 7] = 4000;
        samples[5 * width + 8] = 4000;
        samples[20 * width + 3] = 0;
        for (dy, dx, value) in [(0, 0, 400), (0, 1, 300), (1, 0, 300), (1, 1, 240), (0, 2, 160)] {
            samples[(12 + dy) * width + 12 + dx] = value;
        }
        let before = Image { width, height, samples: Samples::U16(samples) };
        let noise = CameraModel { read_noise_counts: 3.0, ..CameraModel::default() };
        let defects = Defects::find(&before, &noise);
        let mut after = before.clone();
        defects.repair(&mut after);
        assert_eq!(after.at(7, 5), 100.0);
        assert_eq!(after.at(8, 5), 100.0);
        assert_eq!(after.at(3, 20), 100.0);
        assert_eq!(after.at(12, 12), 400.0, "a particle is no broken pixel");
        assert_eq!(defects.count(), 3);
    }
}

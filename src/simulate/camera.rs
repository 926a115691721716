//! The camera: Poisson electrons, gain, read noise, offset, rounding; and pixels that differ.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson, StandardNormal};

use crate::noise::CameraModel;

/// How the pixels differ, in camera coordinates: none of it drifts.
pub struct Pattern {
    /// Relative gain of each pixel; empty where all are alike. A dead pixel has 0.
    gain: Vec<f32>,
    /// Pixels that always read saturated.
    hot: Vec<usize>,
}

impl Pattern {
    /// `spread` is the standard deviation of the gains; `dead` and `hot` are shares of all pixels.
    pub fn new(pixels: usize, spread: f64, dead: f64, hot: f64, rng: &mut ChaCha8Rng) -> Pattern {
        if spread == 0.0 && dead == 0.0 && hot == 0.0 {
            return Pattern { gain: Vec::new(), hot: Vec::new() };
        }
        let mut hot_pixels = Vec::new();
        let gain = (0..pixels)
            .map(|pixel| {
                let normal: f64 = StandardNormal.sample(rng);
                let chance = rng.random::<f64>();
                if chance < dead {
                    return 0.0;
                }
                if chance > 1.0 - hot {
                    hot_pixels.push(pixel);
                }
                (1.0 + spread * normal).max(0.0) as f32
            })
            .collect();
        Pattern { gain, hot: hot_pixels }
    }

    /// Multiplies what each pixel sees.
    pub fn shade(&self, seen: &mut [f32]) {
        for (value, gain) in seen.iter_mut().zip(&self.gain) {
            *value *= gain;
        }
    }

    /// Sets the hot pixels.
    pub fn heat<T: Copy>(&self, counts: &mut [T], saturated: T) {
        for pixel in &self.hot {
            counts[*pixel] = saturated;
        }
    }
}

/// Expected counts to counted ones, no more than `most`.
pub fn expose(
    expected: &[f32],
    camera: &CameraModel,
    most: u16,
    rng: &mut ChaCha8Rng,
    out: &mut [u16],
) {
    for (to, mean) in out.iter_mut().zip(expected) {
        let electrons = (f64::from(*mean) - camera.offset_counts) / camera.gain_counts_per_electron;
        let caught = match Poisson::new(electrons) {
            Ok(poisson) => poisson.sample(rng),
            // No electrons expected: none come.
            Err(_) => 0.0,
        };
        let read = if camera.read_noise_counts > 0.0 {
            let normal: f64 = StandardNormal.sample(rng);
            camera.read_noise_counts * normal
        } else {
            0.0
        };
        let counts = camera.offset_counts + camera.gain_counts_per_electron * caught + read;
        *to = counts.round().clamp(0.0, f64::from(most)) as u16;
    }
}

//! The camera: Poisson electrons, gain, read noise, offset, rounding.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson, StandardNormal};

use crate::noise::CameraModel;

/// Expected counts to counted ones.
pub fn expose(expected: &[f32], camera: &CameraModel, rng: &mut ChaCha8Rng, out: &mut [u16]) {
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
        *to = counts.round().clamp(0.0, f64::from(u16::MAX)) as u16;
    }
}

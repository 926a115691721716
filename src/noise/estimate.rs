//! The camera's noise from one frame, where the configuration does not tell it.
//!
//! The image is cut into small patches. In each, the mean is the brightness and the variance of
//! what a second difference along both axes leaves is the noise: the operator (J. Immerkær,
//! Comput. Vis. Image Underst. 64, 300, 1996) takes out planes and most texture. Texture can only
//! add, so in each class of brightness a low quantile of the patches' variances is compared with
//! what noise alone would give there. A line through the classes gives gain and offset noise.
//!
//! Limits: what is rougher than a few pixels everywhere passes for noise; offset and read noise
//! cannot be told apart from one frame, so the offset is taken as the dimmest patch, or the lowest
//! count where the specimen is even, unless known.

use crate::config::CameraConfig;
use crate::frame::{Image, Region, Samples};
use crate::noise::CameraModel;

const PATCH: usize = 16;
/// The norm of the operator (1 −2 1)ᵀ(1 −2 1), squared.
const OPERATOR_POWER: f64 = 36.0;
/// Below this part of a camera model's variance a frame contradicts the model.
const CLEARLY_LESS: f64 = 0.9;
/// A frame that is clipped nearly everywhere still has some noise.
const SHARE_LEAST: f64 = 0.02;

/// Estimates what `known` leaves open, outside of the `excluded` regions (banners, burned-in text).
pub fn estimate(image: &Image, known: &CameraConfig, excluded: &[Region]) -> CameraModel {
    let patches = patches(image, excluded);
    let lowest = lowest_count(&patches);
    let quantum = if matches!(image.samples, Samples::U16(_)) { 1.0 } else { 0.0 };
    let darkest = patches.iter().map(|p| p.mean).fold(f64::INFINITY, f64::min);
    let darkest = if darkest.is_finite() { darkest } else { 0.0 };
    let total = typical_variance(&patches);
    let mean = patches.iter().map(|p| p.mean).sum::<f64>() / patches.len().max(1) as f64;
    let rounding = quantum * quantum / 12.0;

    let offset = known.offset_counts.unwrap_or_else(|| {
        // A camera that counts from zero has an offset near zero; one with a pedestal never
        // comes near it.
        match known.gain_counts_per_electron {
            Some(gain) => mean - (total - rounding).max(0.0) / gain,
            // No pixel counts less than the offset, however even the specimen is.
            None => darkest.min(slope_offset(&patches).unwrap_or(darkest)).min(lowest),
        }
    });
    let read = known.read_noise_counts.unwrap_or(0.0);
    let gain = known.gain_counts_per_electron.unwrap_or_else(|| {
        let signal = (mean - offset).max(f64::MIN_POSITIVE);
        ((total - read * read - rounding) / signal).max(0.0)
    });
    // Without signal above the offset all noise is read noise.
    let explained = gain * (mean - offset).max(0.0) + read * read + rounding;
    let read = if known.read_noise_counts.is_none() && explained < total {
        (total - explained + read * read).sqrt()
    } else {
        read
    };
    CameraModel {
        offset_counts: offset,
        gain_counts_per_electron: gain,
        read_noise_counts: read.max(1e-6 * mean.abs()),
        quantum_counts: quantum,
    }
}

/// The variance that a frame's own pixels show, over that of a camera model; at most 1, since
/// texture adds to it. Less than 1 where the model does not hold: in clipped or smoothed frames.
pub fn observed_share(image: &Image, camera: &CameraModel, excluded: &[Region]) -> f64 {
    let mut shares: Vec<f64> = patches(image, excluded)
        .into_iter()
        .map(|patch| patch.variance / camera.variance(patch.mean).max(f64::MIN_POSITIVE))
        .collect();
    if shares.is_empty() {
        return 1.0;
    }
    shares.sort_by(f64::total_cmp);
    let share = quiet_quantile(&shares);
    // The estimate's own error is no reason to doubt a model that was told.
    if share < CLEARLY_LESS { share.max(SHARE_LEAST) } else { 1.0 }
}

/// What a patch shows, in counts.
#[derive(Clone, Copy)]
struct Patch {
    mean: f64,
    /// Of the noise.
    variance: f64,
    lowest: f64,
}

/// The lowest count that is no dead pixel's; infinite where there are no patches.
fn lowest_count(patches: &[Patch]) -> f64 {
    let mut lowest: Vec<f64> = patches.iter().map(|p| p.lowest).collect();
    lowest.sort_by(f64::total_cmp);
    lowest.get(lowest.len() / 50).copied().unwrap_or(f64::INFINITY)
}

/// Cuts the image into patches.
fn patches(image: &Image, excluded: &[Region]) -> Vec<Patch> {
    let is_excluded = |left: usize, top: usize| {
        let size = PATCH + 2;
        excluded
            .iter()
            .any(|region| region.meets(&Region { x: left, y: top, width: size, height: size }))
    };
    let mut rows = vec![0.0f32; image.width * (PATCH + 2)];
    let mut out = Vec::new();
    if image.height < PATCH + 2 || image.width < PATCH + 2 {
        return out;
    }
    for top in (0..image.height - PATCH - 1).step_by(PATCH) {
        for (k, row) in rows.chunks_exact_mut(image.width).enumerate() {
            image.read_row(top + k, 0, row);
        }
        for left in (0..image.width - PATCH - 1).step_by(PATCH) {
            if !is_excluded(left, top) {
                out.push(patch(&rows, image.width, left));
            }
        }
    }
    out
}

fn patch(rows: &[f32], width: usize, left: usize) -> Patch {
    let at = |y: usize, x: usize| f64::from(rows[y * width + left + x]);
    let (mut sum, mut power, mut lowest) = (0.0, 0.0, f64::INFINITY);
    for y in 1..=PATCH {
        for x in 1..=PATCH {
            sum += at(y, x);
            lowest = lowest.min(at(y, x));
            let second = |y: usize| at(y, x - 1) - 2.0 * at(y, x) + at(y, x + 1);
            let left_over = second(y - 1) - 2.0 * second(y) + second(y + 1);
            power += left_over * left_over;
        }
    }
    let pixels = (PATCH * PATCH) as f64;
    Patch { mean: sum / pixels, variance: power / pixels / OPERATOR_POWER, lowest }
}

/// The variance at the mean brightness: a low quantile, since texture only adds.
fn typical_variance(patches: &[Patch]) -> f64 {
    let mut variances: Vec<f64> = patches.iter().map(|p| p.variance).collect();
    variances.sort_by(f64::total_cmp);
    quiet_quantile(&variances)
}

/// What the lower quarter of sorted variances tells of noise alone.
fn quiet_quantile(sorted: &[f64]) -> f64 {
    // A patch has about 256 · 0.3 independent values; its variance scatters by 16 %.
    sorted.get(sorted.len() / 4).copied().unwrap_or(1.0) / 0.9
}

/// Where the line of variance against brightness meets zero, from the dim and the bright third;
/// nothing when they hardly differ.
fn slope_offset(patches: &[Patch]) -> Option<f64> {
    let mut sorted = patches.to_vec();
    sorted.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    let third = sorted.len() / 3;
    let class = |part: &[Patch]| {
        let mean = part.iter().map(|p| p.mean).sum::<f64>() / part.len() as f64;
        (mean, typical_variance(part))
    };
    if third < 8 {
        return None;
    }
    let (dim, bright) = (class(&sorted[..third]), class(&sorted[sorted.len() - third..]));
    let slope = (bright.1 - dim.1) / (bright.0 - dim.0);
    let offset = dim.0 - dim.1 / slope;
    let certain = slope.is_finite() && slope > 0.0 && bright.1 > 1.15 * dim.1;
    certain.then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Scene, SceneConfig};

    #[test]
    fn variance_is_right_within_a_fifth_at_every_dose() {
        for dose in [3.0, 20.0, 100.0, 1000.0] {
            let scene = Scene::new(SceneConfig {
                width: 256,
                height: 256,
                frames: 1,
                dose_counts_per_px: dose,
                front: false,
                crack: false,
                ..SceneConfig::default()
            });
            let mut image = Image::zeros_u16(0, 0);
            scene.render(0, &mut image);
            let found = estimate(&image, &CameraConfig::default(), &[]);
            let ratio = found.variance(100.0 + dose) / scene.config.camera.variance(100.0 + dose);
            assert!((0.8..1.25).contains(&ratio), "{dose} counts/px: {ratio}, {found:?}");
            let share = observed_share(&image, &scene.config.camera, &[]);
            assert!((share - 1.0).abs() < 0.1, "{dose} counts/px: share {share}");
        }
    }

    #[test]
    fn a_frame_that_clips_shows_less_noise_than_its_camera_makes() {
        let scene = Scene::new(SceneConfig {
            width: 256,
            height: 256,
            frames: 1,
            dose_counts_per_px: 10.0,
            saturation_counts: Some(112.0),
            front: false,
            crack: false,
            ..SceneConfig::default()
        });
        let mut image = Image::zeros_u16(0, 0);
        scene.render(0, &mut image);
        let share = observed_share(&image, &scene.config.camera, &[]);
        assert!((0.1..0.75).contains(&share), "{share}");
    }
}

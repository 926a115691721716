//! How much more than the camera's noise the openings of neighbouring stations scatter.
//!
//! Texture of the specimen and a rough wall err alike in neighbouring pixels and in every frame, so
//! neither the pixels' residuals nor repetition tell how much they add. Neighbouring stretches of
//! the crack do: means over as many stations as share a change are compared by their second
//! difference, which a smooth opening leaves at zero. Its variance is that of the error itself,
//! whatever the error comes from.

use super::geometry::Geometry;

/// For each station the deviation of its own estimate, in sigma of the noise; nothing where it was
/// not measured.
pub type Deviations = Vec<Option<f64>>;

/// One sigma of the stretch of path over which the excess is averaged, px.
const OVER_PX: f64 = 60.0;
/// Stations that are given the same excess.
const EVERY: usize = 12;
/// Second differences that the crack's mean excess counts for at each place.
const MEAN_COUNTS: f64 = 3.0;
/// A single difference counts for no more than this many times what is typical: something stands
/// beside the crack there.
const MOST: f64 = 9.0;
/// Median and mean, after this clipping, of the square of a normal variate.
const MEDIAN: f64 = 0.455;
const CLIPPED_MEAN: f64 = 0.98;

/// Excess variance at each station, at least 1; `sharing` is how many stations share a change.
pub fn excess(geometry: &Geometry, deviations: &Deviations, sharing: f64) -> Vec<f32> {
    let block = (sharing.round() as usize).max(2);
    let mut found: Vec<(usize, f64)> = Vec::new();
    for branch in &geometry.branches {
        // Where the line only goes on straight there is no crack to tell from.
        let own = &deviations[branch.first..branch.first + branch.own];
        second_differences(own, block, |place, squared| {
            found.push((branch.first + place, squared))
        });
    }
    let mut sorted: Vec<f64> = found.iter().map(|(_, v)| *v).collect();
    sorted.sort_by(f64::total_cmp);
    let most = MOST / MEDIAN * sorted.get(sorted.len() / 2).copied().unwrap_or(1.0);
    found.iter_mut().for_each(|(_, v)| *v = v.min(most) / CLIPPED_MEAN);
    let mean = found.iter().map(|(_, v)| v).sum::<f64>() / found.len().max(1) as f64;
    let mean = if found.is_empty() { 1.0 } else { mean };
    let mut out = vec![f32::NAN; deviations.len()];
    for branch in &geometry.branches {
        let stations = branch.stations();
        let near: Vec<(usize, f64)> =
            found.iter().copied().filter(|(place, _)| stations.contains(place)).collect();
        // It changes slowly along the path: every so many stations are enough.
        for from in stations.clone().step_by(EVERY) {
            let (mut sum, mut weight) = (MEAN_COUNTS * mean, MEAN_COUNTS);
            for (place, value) in &near {
                let far = (*place as f64 - from as f64) / OVER_PX;
                let tap = (-0.5 * far * far).exp();
                sum += tap * value;
                weight += tap;
            }
            out[from..(from + EVERY).min(stations.end)].fill((sum / weight).max(1.0) as f32);
        }
    }
    out
}

/// Squared second differences of block means, over their variance if each deviation had one sigma.
fn second_differences(own: &[Option<f64>], block: usize, mut found: impl FnMut(usize, f64)) {
    let mean = |from: usize| -> Option<f64> {
        let sum: Option<f64> = own[from..from + block].iter().copied().sum();
        sum.map(|sum| sum / block as f64)
    };
    let step = (block / 2).max(1);
    for from in (0..(own.len() + 1).saturating_sub(3 * block)).step_by(step) {
        if let (Some(a), Some(b), Some(c)) =
            (mean(from), mean(from + block), mean(from + 2 * block))
        {
            let squared = (a - 2.0 * b + c).powi(2) * block as f64 / 6.0;
            found(from + 3 * block / 2, squared);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Region;
    use crate::gauge::crack::curve::Curve;
    use crate::gauge::crack::geometry::{Branch, Root};
    use rand::{Rng, SeedableRng};
    use std::sync::Arc;

    #[test]
    fn errors_that_neighbours_share_count_for_more_than_noise() {
        let curve = Curve { points: vec![[5.0, 5.0], [5.0, 2005.0]] }.resampled();
        let own = curve.points.len();
        let branch = Branch { curve, first: 0, own };
        let region = Region { x: 0, y: 0, width: 10, height: 2010 };
        let geometry = Geometry::new(Arc::new(Root), vec![branch], own, region, |_| 2.0);
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let noise: Vec<f64> = (0..own + 4).map(|_| normal()).collect();
        let white: Deviations = noise[..own].iter().map(|v| Some(*v)).collect();
        // Means of five of unit variance: five times the variance in a long mean.
        let rough: Deviations =
            (0..own).map(|k| Some(noise[k..k + 5].iter().sum::<f64>() / 5.0f64.sqrt())).collect();
        let mean = |all: Vec<f32>| all.iter().sum::<f32>() / all.len() as f32;
        let (white, rough) =
            (mean(excess(&geometry, &white, 16.0)), mean(excess(&geometry, &rough, 16.0)));
        assert!((0.9..1.4).contains(&white), "of noise alone {white}");
        // Blocks of 16 see 4.2 of the 5, and some forty of them scatter by a fifth.
        assert!((3.0..5.5).contains(&rough), "of shared errors {rough}");
    }
}

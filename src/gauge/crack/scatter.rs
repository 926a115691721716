//! How much more than the camera's noise the openings of neighbouring stations scatter.
//!
//! Texture of the specimen and a rough wall err alike in neighbouring pixels and in every frame, so
//! neither the pixels' residuals nor repetition tell how much they add. Neighbouring stretches of
//! the crack do: means over as many stations as share a change are compared by their second
//! difference, which a smooth opening leaves at zero. Its variance is that of the error itself,
//! whatever the error comes from.

use std::ops::Range;

use super::geometry::Geometry;
use super::known::Past;

/// For each station its own estimate and the noise's one sigma of it, px; nothing where it was not
/// measured. Not their ratio: one sigma jumps where a filling begins, and the opening does not.
pub type Alone = Vec<Option<(f64, f64)>>;

/// One sigma of the stretch of path over which the excess is averaged, px.
const OVER_PX: f64 = 60.0;
/// Stations that are given the same excess.
const EVERY: usize = 12;
/// Second differences that the crack's mean excess counts for at each place.
const MEAN_COUNTS: f64 = 3.0;
/// A single difference counts for no more than this many times what is typical: something stands
/// beside the crack there.
const MOST: f64 = 9.0;
/// Frames over which the excess is a mean, and the factor by which one that is of another state differs.
pub const MEMORY: f32 = 16.0;
const CHANGED: f32 = 4.0;
/// Median and mean, after this clipping, of the square of a normal variate.
const MEDIAN: f64 = 0.455;
const CLIPPED_MEAN: f64 = 0.98;

/// Excess variance at each station, at least 1; `sharing` is how many stations share a change, and
/// `is_open` whether a station belongs to what was open before: where that ends, the opening is not
/// smooth.
pub fn excess(
    geometry: &Geometry,
    alone: &Alone,
    sharing: f64,
    is_open: impl Fn(usize) -> bool,
) -> Vec<f32> {
    let block = (sharing.round() as usize).max(2);
    let mut found: Vec<(usize, f64)> = Vec::new();
    for branch in &geometry.branches {
        // Where the line only goes on straight there is no crack to tell from.
        let own = &alone[branch.first..branch.first + branch.own];
        second_differences(own, block, |part, squared| {
            let within = branch.first + part.start..branch.first + part.end;
            let open = within.clone().filter(|k| is_open(*k)).count();
            if open == 0 || open == within.len() {
                found.push(((within.start + within.end) / 2, squared));
            }
        });
    }
    let mut sorted: Vec<f64> = found.iter().map(|(_, v)| *v).collect();
    sorted.sort_by(f64::total_cmp);
    let most = MOST / MEDIAN * sorted.get(sorted.len() / 2).copied().unwrap_or(1.0);
    found.iter_mut().for_each(|(_, v)| *v = v.min(most) / CLIPPED_MEAN);
    let mean = found.iter().map(|(_, v)| v).sum::<f64>() / found.len().max(1) as f64;
    let mean = if found.is_empty() { 1.0 } else { mean };
    let mut out = vec![f32::NAN; alone.len()];
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

/// The same with what was seen in the frames before: texture is the same in every frame, and one frame's
/// few differences scatter. A frame that scatters far more than those before is of another state, and
/// stands for itself.
pub fn lasting(seen: &[f32], past: &[Past]) -> Vec<f32> {
    let (mut now, mut before) = (0.0, 0.0);
    for (seen, past) in
        seen.iter().zip(past).filter(|(seen, past)| past.frames > 0.0 && seen.is_finite())
    {
        now += seen;
        before += past.excess;
    }
    if now > CHANGED * before {
        return seen.to_vec();
    }
    let share = |past: &Past| 1.0 / (past.frames + 1.0).min(MEMORY);
    seen.iter()
        .zip(past)
        .map(|(seen, past)| past.excess + share(past) * (seen - past.excess))
        .collect()
}

/// Squared second differences of block means over their variance by the noise, and the stations that
/// each is of.
fn second_differences(
    own: &[Option<(f64, f64)>],
    block: usize,
    mut found: impl FnMut(Range<usize>, f64),
) {
    let mean = |from: usize| -> Option<(f64, f64)> {
        let (mut sum, mut variance) = (0.0, 0.0);
        for station in &own[from..from + block] {
            let (value, sigma) = (*station)?;
            sum += value;
            variance += sigma * sigma;
        }
        let count = block as f64;
        Some((sum / count, variance / (count * count)))
    };
    let step = (block / 2).max(1);
    for from in (0..(own.len() + 1).saturating_sub(3 * block)).step_by(step) {
        if let (Some((a, va)), Some((b, vb)), Some((c, vc))) =
            (mean(from), mean(from + block), mean(from + 2 * block))
        {
            found(from..from + 3 * block, (a - 2.0 * b + c).powi(2) / (va + 4.0 * vb + vc));
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
        let white: Alone = noise[..own].iter().map(|v| Some((*v, 1.0))).collect();
        // Means of five of unit variance: five times the variance in a long mean.
        let rough: Alone = (0..own)
            .map(|k| Some((noise[k..k + 5].iter().sum::<f64>() / 5.0f64.sqrt(), 1.0)))
            .collect();
        // Open by 6 px up to its middle, and three times better known over a quarter of that.
        let open = |k: usize| k < own / 2;
        let partly: Alone = (0..own)
            .map(|k| {
                let sigma = if k < own / 8 { 0.3 } else { 1.0 };
                Some((if open(k) { 6.0 } else { 0.0 } + sigma * noise[k], sigma))
            })
            .collect();
        let mean = |all: &Alone| {
            let all = excess(&geometry, all, 16.0, open);
            all.iter().sum::<f32>() / all.len() as f32
        };
        let (white, rough, partly) = (mean(&white), mean(&rough), mean(&partly));
        assert!((0.9..1.4).contains(&white), "of noise alone {white}");
        // Blocks of 16 see 4.2 of the 5, and some forty of them scatter by a fifth.
        assert!((0.9..1.4).contains(&partly), "of a filled part and an end {partly}");
        assert!((3.0..5.5).contains(&rough), "of shared errors {rough}");
    }
}

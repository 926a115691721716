//! The pixels of all stations in one frame, and what they say without a model.

use multiversion::multiversion;

use super::geometry::Geometry;
use super::geometry::by_branch;
use super::known::Known;
use super::shape::Scatter;
use crate::frame::lanes::{LANES, totals};
use crate::gauge::View;

/// One sigma of the stretch of path over which backgrounds are shared, stations.
const LEVEL_SHARED: f64 = 3.0;

/// The pixels of all stations in one frame.
pub struct Pixels {
    /// Above the offset, counts.
    pub signal: Vec<f32>,
    /// 1 where a pixel is seen.
    pub valid: Vec<f32>,
    pub scatter: Scatter,
}

impl Pixels {
    /// Reads them.
    pub fn read(geometry: &Geometry, view: &View<'_>) -> Pixels {
        let noise = view.noise();
        let mut signal = Vec::new();
        view.read_pixels(&geometry.pixels, &mut signal);
        let mut valid = vec![0.0; signal.len()];
        part_unseen(&mut signal, &mut valid, noise.offset_counts as f32);
        Pixels { signal, valid, scatter: Scatter::of(noise) }
    }

    /// Of each station: the mean signal beside the opening, shared with some neighbours, and how many
    /// pixels were seen.
    pub fn levels(&self, geometry: &Geometry, known: &Known) -> (Vec<f32>, Vec<f32>) {
        let mut seen = vec![0.0; geometry.slots()];
        let mut rows = vec![[0.0f64; 2]; geometry.slots()];
        for (k, (row, seen)) in rows.iter_mut().zip(&mut seen).enumerate() {
            if geometry.begin[k] == geometry.begin[k + 1] {
                continue;
            }
            let inner = 0.5 * known.opening[k].max(0.0) + 2.0 * known.shared.psf_px;
            let range = geometry.begin[k] as usize..geometry.begin[k + 1] as usize;
            let valid = &self.valid[range.clone()];
            let [sum, count, all] =
                beside(&self.signal[range.clone()], &geometry.distance[range], valid, inner);
            (*row, *seen) = ([f64::from(sum), f64::from(count)], all);
        }
        let mean = |[sum, count]: &[f64; 2]| match *count > 0.0 {
            true => (sum / count).max(1e-3) as f32,
            false => f32::NAN,
        };
        (by_branch(geometry, &rows, LEVEL_SHARED).iter().map(mean).collect(), seen)
    }
}

/// From counts, not finite where nothing was seen, to what is above the offset and what is valid.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn part_unseen(signal: &mut [f32], valid: &mut [f32], offset: f32) {
    for (value, valid) in signal.iter_mut().zip(valid) {
        let seen = value.is_finite();
        *value = if seen { *value - offset } else { 0.0 };
        *valid = if seen { 1.0 } else { 0.0 };
    }
}

/// Σ signal and number of pixels further than `inner` from the line, and number of all that are valid.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn beside(signal: &[f32], distance: &[f32], valid: &[f32], inner: f32) -> [f32; 3] {
    let mut lanes = [[0.0f32; LANES]; 3];
    let blocks =
        signal.chunks_exact(LANES).zip(distance.chunks_exact(LANES).zip(valid.chunks_exact(LANES)));
    for (signal, (distance, valid)) in blocks {
        for lane in 0..LANES {
            let counts = if distance[lane].abs() > inner { valid[lane] } else { 0.0 };
            lanes[0][lane] += counts * signal[lane];
            lanes[1][lane] += counts;
            lanes[2][lane] += valid[lane];
        }
    }
    totals(&lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_counts_nowhere_and_the_opening_not_for_the_level() {
        let mut signal: Vec<f32> = (0..2 * LANES).map(|k| 100.0 + k as f32).collect();
        (signal[3], signal[20]) = (f32::NAN, f32::INFINITY);
        let distance: Vec<f32> = (0..2 * LANES).map(|k| k as f32 - 16.0).collect();
        let mut valid = vec![0.5; 2 * LANES];
        part_unseen(&mut signal, &mut valid, 40.0);
        let seen = |k: &usize| *k != 3 && *k != 20;
        let outside = |k: &usize| distance[*k].abs() > 5.5;
        let expected: f32 =
            (0..2 * LANES).filter(seen).filter(outside).map(|k| 60.0 + k as f32).sum();
        let found = beside(&signal, &distance, &valid, 5.5);
        // Eleven lie within 5.5 px, one of which was not seen; so was one beyond.
        assert_eq!(found, [expected, 20.0, 30.0]);
        assert_eq!((signal[3], signal[4]), (0.0, 64.0));
    }
}

//! How fast a crack opens: what the openings of its stations have in common in their course over time.
//!
//! The mean over the open part is a mean over other places whenever a search finds more of the crack,
//! its end is judged elsewhere, or a part of it is hidden; read as a course over time, each of that is a
//! step, and no growth. So every station is compared with itself only: each has a level of its own, and
//! all those that are open now one slope (least squares with fixed effects, Y. Mundlak, Econometrica
//! 46, 69, 1978). A station on a line that was laid anew begins anew.

use std::collections::VecDeque;

/// Frames in which a slope is told.
const FRAMES_LEAST: usize = 4;

/// The last openings of all stations.
#[derive(Clone, Debug)]
pub struct OpeningRate {
    frames: VecDeque<Frame>,
    most: usize,
}

/// One frame: openings, px, NaN where a station was not seen, and one sigma of their mean by the noise.
#[derive(Clone, Debug)]
struct Frame {
    time_s: f64,
    opening: Vec<f32>,
    noise: f64,
}

impl OpeningRate {
    /// Looks back on `most` frames.
    pub fn new(most: usize) -> OpeningRate {
        OpeningRate { frames: VecDeque::with_capacity(most), most }
    }

    /// Takes the openings of a frame, px, whose mean has the one sigma `noise`; NaN is left out.
    pub fn push(&mut self, time_s: f64, opening: &[f32], noise: f64) {
        if !(noise > 0.0 && noise.is_finite()) {
            return;
        }
        let mut places = Vec::new();
        if self.frames.len() == self.most
            && let Some(oldest) = self.frames.pop_front()
        {
            places = oldest.opening;
            places.clear();
        }
        places.extend_from_slice(opening);
        self.frames.push_back(Frame { time_s, opening: places, noise });
    }

    /// What was seen of a station says nothing of what is there now.
    pub fn forget(&mut self, station: usize) {
        for frame in &mut self.frames {
            if let Some(opening) = frame.opening.get_mut(station) {
                *opening = f32::NAN;
            }
        }
    }

    /// Slope per second that these stations share, px/s, and its one sigma, enlarged where the frames
    /// scatter more than their noise; NaN where less than four frames tell.
    pub fn slope(&self, stations: std::ops::RangeInclusive<usize>) -> (f64, f64) {
        let unknown = (f64::NAN, f64::NAN);
        let Some(now) = self.frames.back().map(|frame| frame.time_s) else { return unknown };
        // Of each station: frames, and the sums of their times and openings.
        let mut own = vec![[0.0f64; 3]; stations.clone().count()];
        for frame in &self.frames {
            for (own, opening) in own.iter_mut().zip(seen(frame, &stations)) {
                if opening.is_finite() {
                    own[0] += 1.0;
                    own[1] += frame.time_s - now;
                    own[2] += f64::from(*opening);
                }
            }
        }
        let count = own.iter().filter(|own| own[0] > 0.0).count() as f64;
        // Of each frame, over its stations: how far it is from their mean time and their mean opening,
        // and 1/variance.
        let mut rows: Vec<[f64; 3]> = Vec::with_capacity(self.frames.len());
        for frame in &self.frames {
            let (mut n, mut time, mut opened) = (0.0, 0.0, 0.0);
            for ([frames, times, openings], opening) in own.iter().zip(seen(frame, &stations)) {
                if opening.is_finite() {
                    n += 1.0;
                    time += frame.time_s - now - times / frames;
                    opened += f64::from(*opening) - openings / frames;
                }
            }
            if n > 0.0 {
                rows.push([time / n, opened / n, n / count * frame.noise.powi(-2)]);
            }
        }
        if rows.len() < FRAMES_LEAST {
            return unknown;
        }
        let (mut tt, mut tw) = (0.0, 0.0);
        for [time, opened, weight] in &rows {
            tt += weight * time * time;
            tw += weight * time * opened;
        }
        if !(tt > 0.0) {
            return unknown;
        }
        let slope = tw / tt;
        let chi2: f64 =
            rows.iter().map(|[time, opened, w]| w * (opened - slope * time).powi(2)).sum();
        let excess = (chi2 / (rows.len() - 2) as f64).max(1.0);
        (slope, (excess / tt).sqrt())
    }
}

/// Openings of some stations in a frame.
fn seen<'a>(frame: &'a Frame, stations: &std::ops::RangeInclusive<usize>) -> &'a [f32] {
    frame.opening.get(stations.clone()).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    /// Openings of 60 stations that taper to nothing and open by `rate` a second, ten frames a second.
    fn opening(k: usize, frame: usize, rate: f64) -> f64 {
        8.0 - 0.12 * k as f64 + rate * 0.1 * frame as f64
    }

    #[test]
    fn stations_that_are_won_lost_or_hidden_change_no_rate() {
        for rate in [0.0, 0.7] {
            let mut seen = OpeningRate::new(32);
            for frame in 0..32 {
                let mut row: Vec<f32> = (0..60).map(|k| opening(k, frame, rate) as f32).collect();
                // The narrow half is found only in frame 16, and some wide ones are hidden before.
                if frame < 16 {
                    row[30..].fill(f32::NAN);
                } else if frame < 24 {
                    row[..8].fill(f32::NAN);
                }
                seen.push(0.1 * frame as f64, &row, 0.05);
            }
            let (slope, error) = seen.slope(0..=59);
            assert!((slope - rate).abs() < 1e-5, "{slope}, not {rate}");
            assert!(error > 0.0 && error < 0.05, "one sigma {error}");
        }
    }

    #[test]
    fn a_line_that_is_laid_anew_is_no_growth() {
        let mut seen = OpeningRate::new(32);
        for frame in 0..20 {
            seen.push(0.1 * f64::from(frame), &[4.0; 40], 0.05);
        }
        (10..40).for_each(|k| seen.forget(k));
        for frame in 20..32 {
            let mut row = [6.0; 40];
            row[..10].fill(4.0);
            seen.push(0.1 * f64::from(frame), &row, 0.05);
        }
        let (slope, _) = seen.slope(0..=39);
        assert!(slope.abs() < 1e-9, "{slope}");
    }

    #[test]
    fn errors_are_true_for_noise() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let (mut pull, runs) = (0.0, 60);
        for _ in 0..runs {
            let mut seen = OpeningRate::new(32);
            for frame in 0..32 {
                let row: Vec<f32> =
                    (0..50).map(|k| (opening(k, frame, 0.3) + 0.4 * normal()) as f32).collect();
                seen.push(0.1 * frame as f64, &row, 0.4 / 50.0f64.sqrt());
            }
            let (slope, error) = seen.slope(0..=49);
            pull += ((slope - 0.3) / error).powi(2) / f64::from(runs);
        }
        assert!((0.7..1.25).contains(&pull.sqrt()), "pull {:.2}", pull.sqrt());
    }
}

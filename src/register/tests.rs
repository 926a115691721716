//! The whole registration on a texture whose place is known exactly.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson, Uniform};

use super::*;
use crate::frame::{Image, Samples};
use crate::noise::CameraModel;

/// Gaussian blobs, evaluated at any displacement without interpolation.
struct Texture {
    size: usize,
    dose: f64,
    /// x, y, sigma, amplitude.
    blobs: Vec<[f64; 4]>,
}

impl Texture {
    fn new(size: usize, dose: f64, seed: u64) -> Texture {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let unit = Uniform::new(0.0f64, 1.0).expect("0 < 1");
        let margin = 80.0;
        let span = size as f64 + 2.0 * margin;
        let blobs = (0..(span * span / 120.0) as usize)
            .map(|_| {
                let mut next = || unit.sample(&mut rng);
                let sigma = 1.3 + 2.5 * next() * next();
                [next() * span - margin, next() * span - margin, sigma, 0.8 * next() - 0.4]
            })
            .collect();
        Texture { size, dose, blobs }
    }

    fn expected(&self, dx: f64, dy: f64) -> Vec<f64> {
        let n = self.size;
        let mut image = vec![0.0; n * n];
        for [x, y, sigma, amplitude] in &self.blobs {
            let (cx, cy) = (x + dx, y + dy);
            let reach = 5.0 * sigma;
            let span = |c: f64| {
                let first = (c - reach).ceil().clamp(0.0, n as f64) as usize;
                let end = ((c + reach).floor() + 1.0).clamp(0.0, n as f64) as usize;
                first..end.max(first)
            };
            let profile = |at: usize, c: f64| (-0.5 * ((at as f64 - c) / sigma).powi(2)).exp();
            let along_x: Vec<f64> = span(cx).map(|x| profile(x, cx)).collect();
            for y in span(cy) {
                let factor = amplitude * profile(y, cy);
                let start = y * n + span(cx).start;
                for (value, along_x) in image[start..].iter_mut().zip(&along_x) {
                    *value += factor * along_x;
                }
            }
        }
        image.iter().map(|v| self.dose * (1.0 + v).max(0.05)).collect()
    }

    fn frame(&self, dx: f64, dy: f64, seed: u64) -> Image {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let counts = self
            .expected(dx, dy)
            .iter()
            .map(|mean| Poisson::new(*mean).expect("the mean is positive").sample(&mut rng) as u16)
            .collect();
        Image { width: self.size, height: self.size, samples: Samples::U16(counts) }
    }

    /// Cramér–Rao bound of the shift of a known texture, one axis, px.
    fn bound(&self) -> f64 {
        let (a, b) = (self.expected(0.01, 0.0), self.expected(-0.01, 0.0));
        let middle = self.expected(0.0, 0.0);
        let information: f64 = a
            .iter()
            .zip(&b)
            .zip(&middle)
            .map(|((a, b), mean)| ((a - b) / 0.02).powi(2) / (mean + 1.0 / 12.0))
            .sum();
        1.0 / information.sqrt()
    }
}

/// Each frame's drift.
fn follow(frames: &[Image], noise: CameraModel) -> Vec<Drift> {
    let mask = StaticMask::new(frames[0].width, frames[0].height, &[]);
    let mut sequence = Sequence::new(&frames[0], mask, noise, Settings::default());
    let first = Tracker::judge(&DriftObservation::ANCHOR, 1.0);
    std::iter::once(first).chain(frames[1..].iter().map(|frame| sequence.push(frame))).collect()
}

/// A walk with a step of 0.3 px and jumps.
fn walk(frames: usize) -> Vec<(f64, f64)> {
    let mut at = (0.0, 0.0);
    (0..frames)
        .map(|k| {
            let here = at;
            let angle = k as f64 * 2.399;
            at.0 += 0.31 * angle.cos() + 0.05;
            at.1 += 0.29 * angle.sin() - 0.03;
            if k == 40 {
                at = (at.0 + 17.3, at.1 - 11.6);
            }
            here
        })
        .collect()
}

#[test]
fn drift_is_within_reach_of_the_bound_at_every_dose() {
    for dose in [3.0, 20.0, 300.0] {
        let texture = Texture::new(384, dose, 5);
        let truth = walk(140);
        let frames: Vec<Image> = truth
            .iter()
            .enumerate()
            .map(|(k, (x, y))| texture.frame(*x, *y, 1000 + k as u64))
            .collect();
        let drifts = follow(&frames, CameraModel::default());
        let errors: Vec<(f64, f64)> =
            drifts.iter().zip(&truth).map(|(d, t)| (d.x - t.0, d.y - t.1)).collect();
        let unlocked = drifts.iter().filter(|d| !d.locked).count();
        assert_eq!(unlocked, 0, "{unlocked} frames not locked at {dose} counts per px");
        let late = &errors[40..];
        let n = late.len() as f64;
        let mean = late.iter().fold((0.0, 0.0), |s, e| (s.0 + e.0 / n, s.1 + e.1 / n));
        let rms = |of: &dyn Fn(&(f64, f64)) -> f64| {
            (late.iter().map(|e| of(e).powi(2)).sum::<f64>() / n).sqrt()
        };
        let (x, y) = (rms(&|e| e.0 - mean.0), rms(&|e| e.1 - mean.1));
        let bound = texture.bound();
        let pull: f64 = (late
            .iter()
            .zip(&drifts[40..])
            .map(|(e, d)| ((e.0 - mean.0) / d.x_error).powi(2))
            .sum::<f64>()
            / n)
            .sqrt();
        println!(
            "{dose} counts/px: rms {x:.4} {y:.4} px, bound {bound:.4}, ratio {:.2} {:.2}, \
             mean error {:.4} {:.4}, normalised error {pull:.2}",
            x / bound,
            y / bound,
            mean.0,
            mean.1
        );
        assert!(x < 1.6 * bound && y < 1.6 * bound, "{dose}: {x} {y} against bound {bound}");
        assert!((0.75..1.3).contains(&pull), "{dose}: normalised error {pull}");
    }
}

#[test]
fn an_unrelated_or_empty_frame_is_not_locked() {
    let texture = Texture::new(256, 50.0, 1);
    let other = Texture::new(256, 50.0, 2);
    let blank = Image::zeros_u16(256, 256);
    let frames = [texture.frame(0.0, 0.0, 1), other.frame(0.0, 0.0, 2), blank];
    let drifts = follow(&frames, CameraModel::default());
    assert!(!drifts[1].locked && drifts[1].x.is_nan(), "unrelated: {:?}", drifts[1]);
    assert!(!drifts[2].locked && drifts[2].x.is_nan(), "blank: {:?}", drifts[2]);
}

/// Frames whose noise neighbouring pixels share, as behind a scintillator or in a scaled film, on a camera with a
/// pattern of its own.
fn films(truth: &[(f64, f64)]) -> Vec<Image> {
    const SIDE: usize = 256;
    let texture = Texture::new(SIDE, 400.0, 21);
    let mut rng = ChaCha8Rng::seed_from_u64(22);
    let normal = |rng: &mut ChaCha8Rng, sigma: f64| -> Vec<f64> {
        let normal = rand_distr::Normal::new(0.0, sigma).expect("sigma is positive");
        (0..SIDE * SIDE).map(|_| normal.sample(rng)).collect()
    };
    let pattern = normal(&mut rng, 40.0);
    let one = |(x, y): &(f64, f64)| {
        let noise = normal(&mut rng, 110.0);
        let at = |x: i64, y: i64| {
            let side = SIDE as i64;
            noise[(y.rem_euclid(side) * side + x.rem_euclid(side)) as usize]
        };
        let shared = |x: i64, y: i64| {
            let row = |y: i64| 0.12 * at(x - 1, y) + 0.76 * at(x, y) + 0.12 * at(x + 1, y);
            0.12 * row(y - 1) + 0.76 * row(y) + 0.12 * row(y + 1)
        };
        let expected = texture.expected(*x, *y);
        let counts = expected.iter().enumerate().map(|(k, mean)| {
            let noise = shared((k % SIDE) as i64, (k / SIDE) as i64);
            (1000.0 + mean + noise + pattern[k]).clamp(0.0, 65535.0) as u16
        });
        Image { width: SIDE, height: SIDE, samples: Samples::U16(counts.collect()) }
    };
    truth.iter().map(one).collect()
}

#[test]
fn noise_that_neighbours_share_and_a_pattern_of_the_camera_hold_no_frame() {
    let truth: Vec<(f64, f64)> =
        (0..16).map(|k| (-0.9 * f64::from(k), -0.6 * f64::from(k))).collect();
    let frames = films(&truth);
    let camera = crate::noise::estimate(&frames[0], &crate::config::CameraConfig::default(), &[]);
    let found = follow(&frames, camera);
    let locked: Vec<usize> = (1..found.len()).filter(|k| found[*k].locked).collect();
    assert!(locked.len() >= 12, "only frames {locked:?} are locked");
    for k in locked {
        let off = [
            (found[k].x - truth[k].0) / found[k].x_error,
            (found[k].y - truth[k].1) / found[k].y_error,
        ];
        assert!(off.iter().all(|off| off.abs() < 5.0), "frame {k}: {:?}, {off:?} sigma", found[k]);
    }
}

#[test]
fn a_still_at_the_start_of_a_film_is_no_second_look() {
    let mut truth: Vec<(f64, f64)> = vec![(0.0, 0.0); 4];
    truth.extend((1..12).map(|k| (1.3 * f64::from(k), -0.8 * f64::from(k))));
    let mut frames = films(&truth);
    for k in 1..4 {
        frames[k] = frames[0].clone();
    }
    let camera = crate::noise::estimate(&frames[0], &crate::config::CameraConfig::default(), &[]);
    let found = follow(&frames, camera);
    for k in 1..4 {
        assert_eq!((found[k].x, found[k].y, found[k].locked), (0.0, 0.0, true), "frame {k}");
    }
    let locked: Vec<usize> = (4..found.len()).filter(|k| found[*k].locked).collect();
    assert!(locked.len() >= 8, "only frames {locked:?} are locked");
    for k in locked {
        let off = (found[k].x - truth[k].0).hypot(found[k].y - truth[k].1);
        assert!(off < 5.0 * found[k].x_error.hypot(found[k].y_error), "frame {k}: {off} px off");
    }
    let even = Image { width: 64, height: 64, samples: Samples::U16(vec![7; 64 * 64]) };
    let found = follow(&[even.clone(), even], CameraModel::default());
    assert!(!found[1].locked, "a blank frame shows no place");
}

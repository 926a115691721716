//! The camera's fixed pattern (uneven gain that was not corrected, a frozen grain), by what two
//! frames of a displaced specimen still have in common at the same place on the camera.
//!
//! The second difference along both axes lets through what is near the corner of the frequency
//! plane, where optics leave no specimen. The correlation of what is left of two frames, at the
//! same pixels, is then the pattern's share of the noise. A specimen that shows there is found out
//! by what it has in common at other pixels too.

use multiversion::multiversion;

use super::level::Level;
use super::motion::Motion;
use crate::frame::Image;
use crate::frame::lanes::{LANES, totals};

/// What two frames say of the pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatternShare {
    /// Variance of the pattern over that of all that is random in one frame, of what is roughest in both.
    pub share: f64,
    /// One sigma.
    pub sigma: f64,
}

/// Pixels that are looked at, at most: enough for a share of 0.02.
const PIXELS: usize = 1 << 18;
/// The displacement of the specimen from which a pattern can be told from it, px.
pub const APART_PX: f64 = 1.0;
/// A pattern is seen from so many sigma on.
pub const SEEN_SIGMA: f64 = 6.0;
/// Σ r² of the operator's autocorrelation r along one axis, for the error.
const SHARED: f64 = 1.0 + 2.0 * (16.0 + 1.0) / 36.0;
/// Other displacements, beyond the operator's reach.
const ELSEWHERE: [(i64, i64); 6] = [(3, 0), (0, 3), (3, 3), (-3, 3), (4, 1), (-1, 4)];
/// How far [`ELSEWHERE`] reaches, px.
const REACH: usize = 4;
/// What is found there may be this part of what is found at the same pixels.
const ELSEWHERE_MOST: f64 = 0.3;

/// What the frames so far say.
#[derive(Clone, Debug, Default)]
pub struct PatternMemory {
    frames: f64,
    mean: f64,
    /// Mean square of the frames' scatter about it.
    scatter: f64,
}

impl PatternMemory {
    /// So many frames tell the share well enough; afterwards it is looked at now and then.
    const FRAMES: f64 = 16.0;
    const EVERY: u64 = 16;
    const FIRST: u64 = 8;
    /// The mean must stand this many of its own sigma above nothing.
    const CERTAIN_SIGMA: f64 = 4.0;

    /// Takes what a frame shows.
    pub fn take(&mut self, seen: Option<PatternShare>) {
        let Some(PatternShare { share, sigma }) = seen else { return };
        self.frames = (self.frames + 1.0).min(4.0 * Self::FRAMES);
        let off = share - self.mean;
        self.mean += off / self.frames;
        let scatter = if self.frames > 1.0 { off * (share - self.mean) } else { 0.0 };
        self.scatter += (scatter.max(sigma * sigma) - self.scatter) / self.frames;
    }

    /// The share: 0 where there is none, nothing where no frame could tell.
    pub fn share(&self) -> Option<f64> {
        let sigma = (self.scatter / self.frames.max(1.0)).sqrt();
        let certain = self.mean > Self::CERTAIN_SIGMA * sigma;
        (self.frames > 0.0).then_some(if certain { self.mean } else { 0.0 })
    }

    /// Whether the frames to come should tell it.
    pub fn is_wanted(&self, index: u64, motion: &Motion) -> bool {
        let tells = index < Self::FIRST || motion.x.hypot(motion.y) > APART_PX;
        tells && (self.frames < Self::FRAMES || index.is_multiple_of(Self::EVERY))
    }
}

/// Compares a frame with an earlier one, `probe`, at the same pixels of the camera, inside the
/// level's tiles where neither is masked.
pub fn compare_patterns(
    level: &Level,
    image: &Image,
    probe: &Image,
    masked: &[bool],
) -> Option<PatternShare> {
    if (image.width, image.height) != (probe.width, probe.height) {
        return None;
    }
    let side = level.shape.tile;
    let usable: Vec<_> = level
        .tiles
        .iter()
        .filter(|tile| tile.brightness.is_finite() && !masked.get(tile.cell).is_some_and(|m| *m))
        .filter(|tile| inside(tile.x, side, image.width) && inside(tile.y, side, image.height))
        .collect();
    let step = (usable.len() * side * side).div_ceil(PIXELS).max(1);
    let around = side + 2 * REACH;
    let (mut here, mut there) = (vec![0.0; side * side], vec![0.0; around * around]);
    let mut samples = Vec::new();
    let (mut own, mut others, mut powers, mut pixels) = (0.0, [0.0; ELSEWHERE.len()], [0.0; 2], 0);
    for tile in usable.into_iter().step_by(step) {
        roughness(image, (tile.x, tile.y), side, &mut samples, &mut here);
        roughness(probe, (tile.x - REACH, tile.y - REACH), around, &mut samples, &mut there);
        let [power_here, power_there, meeting, elsewhere @ ..] = meetings(&here, &there, side);
        own += f64::from(meeting);
        for (sum, elsewhere) in others.iter_mut().zip(elsewhere) {
            *sum += f64::from(elsewhere);
        }
        powers[0] += f64::from(power_here);
        powers[1] += f64::from(power_there);
        pixels += side * side;
    }
    let power = (powers[0] * powers[1]).sqrt();
    if !(power > 0.0) {
        return None;
    }
    let sigma = SHARED / (pixels as f64).sqrt();
    let most = others.iter().fold(0.0f64, |most, other| most.max(other.abs()));
    let elsewhere = most > ELSEWHERE_MOST * own.abs() && most > SEEN_SIGMA * sigma * power;
    (!elsewhere).then_some(PatternShare { share: own / power, sigma })
}

/// Whether a tile leaves room for the operator around it.
fn inside(at: usize, side: usize, size: usize) -> bool {
    at >= 6 && at + side + 6 <= size
}

/// (1 −2 1)ᵀ(1 −2 1) over a square with its corner at `at`; `samples` is work space.
fn roughness(
    image: &Image,
    at: (usize, usize),
    side: usize,
    samples: &mut Vec<f32>,
    out: &mut [f32],
) {
    let width = side + 2;
    samples.resize(width * width, 0.0);
    for (row, samples) in samples.chunks_exact_mut(width).enumerate() {
        image.read_row(at.1 - 1 + row, at.0 - 1, samples);
    }
    second_differences(samples, side, out);
}

/// Of a square of `side`, with one more pixel all round in `samples`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn second_differences(samples: &[f32], side: usize, out: &mut [f32]) {
    let width = side + 2;
    for (row, out) in out.chunks_exact_mut(side).enumerate() {
        let line = |k: usize| &samples[(row + k) * width..(row + k + 1) * width];
        let (above, here, below) = (line(0), line(1), line(2));
        for (x, out) in out.iter_mut().enumerate() {
            let along_y = |x: usize| above[x] - 2.0 * here[x] + below[x];
            *out = along_y(x) - 2.0 * along_y(x + 1) + along_y(x + 2);
        }
    }
}

/// Σ here², Σ there², Σ here · there at the same pixels, and at each of [`ELSEWHERE`]. `there` is a square
/// with [`REACH`] more pixels all round than `here`, of `side`, a multiple of [`LANES`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn meetings(here: &[f32], there: &[f32], side: usize) -> [f32; 3 + ELSEWHERE.len()] {
    let around = side + 2 * REACH;
    let mut lanes = [[0.0f32; LANES]; 3 + ELSEWHERE.len()];
    for (row, here) in here.chunks_exact(side).enumerate() {
        for (block, here) in here.chunks_exact(LANES).enumerate() {
            let at = |(x, y): (i64, i64)| {
                let start = ((REACH + row) as i64 + y) as usize * around
                    + ((REACH + block * LANES) as i64 + x) as usize;
                &there[start..start + LANES]
            };
            let same = at((0, 0));
            for lane in 0..LANES {
                lanes[0][lane] += here[lane] * here[lane];
                lanes[1][lane] += same[lane] * same[lane];
                lanes[2][lane] += here[lane] * same[lane];
            }
            for (lanes, away) in lanes[3..].iter_mut().zip(ELSEWHERE) {
                let there = at(away);
                for lane in 0..LANES {
                    lanes[lane] += here[lane] * there[lane];
                }
            }
        }
    }
    totals(&lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meetings_are_those_of_a_plain_loop() {
        let side = 2 * LANES;
        let around = side + 2 * REACH;
        let made = |count: usize, by: usize| -> Vec<f32> {
            (0..count).map(|k| ((k * by) % 211) as f32 / 105.0 - 1.0).collect()
        };
        let (here, there) = (made(side * side, 7919), made(around * around, 104_729));
        let plain = |(dx, dy): (i64, i64)| {
            let places = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
            let product = |(x, y): (usize, usize)| {
                let (row, column) = ((REACH + y) as i64 + dy, (REACH + x) as i64 + dx);
                f64::from(here[y * side + x])
                    * f64::from(there[row as usize * around + column as usize])
            };
            places.map(product).sum::<f64>()
        };
        let found = meetings(&here, &there, side);
        let expected = [(0, 0)].into_iter().chain(ELSEWHERE).map(plain);
        for (found, expected) in found[2..].iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-2, "{found}, {expected}");
        }
    }
}

//! The camera's fixed pattern (uneven gain that was not corrected, a frozen grain), by what two
//! frames of a displaced specimen still have in common at the same place on the camera.
//!
//! The second difference along both axes lets through what is near the corner of the frequency
//! plane, where optics leave no specimen. The correlation of what is left of two frames, at the
//! same pixels, is then the pattern's share of the noise. A specimen that shows there is found out
//! by what it has in common at other pixels too.

use super::expand::inner_product;
use super::level::Level;
use super::motion::Motion;
use crate::frame::Image;

/// What two frames say of the pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatternShare {
    /// Variance of the pattern over that of all that is random in one frame.
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
    let reach = 4;
    let (mut here, mut there) = (vec![0.0; side * side], vec![0.0; (side + 2 * reach).pow(2)]);
    let mut rows = Rows::default();
    let (mut own, mut others, mut powers, mut pixels) = (0.0, [0.0; ELSEWHERE.len()], [0.0; 2], 0);
    for tile in usable.into_iter().step_by(step) {
        rows.roughness(image, (tile.x, tile.y), side, &mut here);
        let around = side + 2 * reach;
        rows.roughness(probe, (tile.x - reach, tile.y - reach), around, &mut there);
        let product = |(x, y): (i64, i64)| {
            let start = (reach as i64 + y) as usize * around + (reach as i64 + x) as usize;
            let lines = here.chunks_exact(side).zip(there[start..].chunks(around));
            lines.map(|(a, b)| inner_product(a, &b[..side])).sum::<f64>()
        };
        own += product((0, 0));
        for (sum, at) in others.iter_mut().zip(ELSEWHERE) {
            *sum += product(at);
        }
        powers[0] += inner_product(&here, &here);
        let inner = there.chunks_exact(around).skip(reach).take(side);
        powers[1] += inner
            .map(|row| inner_product(&row[reach..reach + side], &row[reach..reach + side]))
            .sum::<f64>();
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

/// Work space for the second differences.
#[derive(Default)]
struct Rows {
    samples: Vec<f32>,
}

impl Rows {
    /// (1 −2 1)ᵀ(1 −2 1) over a square with its corner at `at`.
    fn roughness(&mut self, image: &Image, at: (usize, usize), side: usize, out: &mut [f32]) {
        let width = side + 2;
        self.samples.resize(width * width, 0.0);
        for (row, samples) in self.samples.chunks_exact_mut(width).enumerate() {
            image.read_row(at.1 - 1 + row, at.0 - 1, samples);
        }
        for (row, out) in out.chunks_exact_mut(side).enumerate() {
            let line = |k: usize| &self.samples[(row + k) * width..(row + k + 1) * width];
            let (above, here, below) = (line(0), line(1), line(2));
            for (x, out) in out.iter_mut().enumerate() {
                let along_y = |x: usize| above[x] - 2.0 * here[x] + below[x];
                *out = along_y(x) - 2.0 * along_y(x + 1) + along_y(x + 2);
            }
        }
    }
}

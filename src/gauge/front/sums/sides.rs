//! Brightness of both sides, and what each pixel says for the one or the other.

use multiversion::multiversion;

use super::{Sums, each_line, of_block};
use crate::frame::lanes::LANES;
use crate::gauge::front::levels::Levels;
use crate::gauge::front::windows::Windows;

/// A side begins this many sigma from the edge.
const CLEAR: f32 = 2.5;
/// One pixel says no more than this for or against a side (log-likelihood).
const SAYS_MOST: f32 = 3.0;

/// Of one side of one line: number of pixels, Σ signal, Σ T, Σ T·signal, Σ T², Σ signal².
pub type SideSums = [f32; 6];

/// Both sides of each line (lithium, bare), clear of the edges `edge` (px in the window) of the
/// widths `wide`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn sides(windows: &Windows, edge: &[f32], wide: &[f32], out: &mut Vec<[SideSums; 2]>) {
    out.clear();
    for (block, pixels) in windows.blocks().enumerate() {
        let (edges, wides) = (of_block(edge, block, 0.0), of_block(wide, block, 1.0));
        let ends: [f32; LANES] = std::array::from_fn(|k| edges[k] - CLEAR * wides[k]);
        let begins: [f32; LANES] = std::array::from_fn(|k| edges[k] + CLEAR * wides[k]);
        // Beyond these no line has any of that side.
        let end = (ends.into_iter().fold(0.0, f32::max).ceil() as usize).min(pixels.len());
        let begin =
            (begins.into_iter().fold(f32::INFINITY, f32::min).max(0.0) as usize).min(pixels.len());
        // One side after the other: sums of both would not fit into the registers.
        let [lithium, bare] = [true, false].map(|lithium| {
            let mut sums: Sums<6> = [[0.0; LANES]; 6];
            let part = if lithium { &pixels[..end] } else { &pixels[begin..] };
            let first = if lithium { 0 } else { begin };
            for (k, pixel) in part.iter().enumerate() {
                let x = (first + k) as f32;
                for lane in 0..LANES {
                    let inside = if lithium { x < ends[lane] } else { x > begins[lane] };
                    let seen = if inside { pixel.seen[lane] } else { 0.0 };
                    let (s, t) = (seen * pixel.signal[lane], seen * pixel.texture[lane]);
                    sums[0][lane] += seen;
                    sums[1][lane] += s;
                    sums[2][lane] += t;
                    sums[3][lane] += t * s;
                    sums[4][lane] += t * t;
                    sums[5][lane] += s * s;
                }
            }
            sums
        });
        let both: Sums<12> = std::array::from_fn(|k| if k < 6 { lithium[k] } else { bare[k - 6] });
        each_line(&both, block, edge.len(), |sums| {
            let mut sides = [[0.0; 6]; 2];
            sides[0].copy_from_slice(&sums[..6]);
            sides[1].copy_from_slice(&sums[6..]);
            out.push(sides);
        });
    }
}

/// What the pixels before each place of a line's window say together for the bare specimen and against lithium: the log of
/// their likelihoods' ratio, by which an edge is unlikely to be there.
#[derive(Default)]
pub struct Evidence {
    /// One more than a window has pixels.
    places: usize,
    /// Line after line.
    against: Vec<f32>,
}

impl Evidence {
    /// Against each place of a line's window, first to last.
    pub fn of_line(&self, line: usize) -> &[f32] {
        &self.against[line * self.places..][..self.places]
    }

    /// Against one place, or the nearest that the window has.
    pub fn at(&self, line: usize, place: i64) -> f32 {
        self.of_line(line)[place.clamp(0, self.places as i64 - 1) as usize]
    }

    #[cfg(test)]
    pub fn of(places: usize, lines: usize, against: impl Fn(usize, usize) -> f32) -> Evidence {
        let all = (0..places * lines).map(|k| against(k / places, k % places));
        Evidence { places, against: all.collect() }
    }
}

/// What all pixels say; each says `excess` times less than its noise would let it.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn evidence(windows: &Windows, levels: &Levels, excess: f32) -> Evidence {
    let (places, count) = (windows.width + 1, windows.start.len());
    let mut against = vec![0.0; places * count];
    let (share_a, share_b) = levels.texture_share;
    for (block, pixels) in windows.blocks().enumerate() {
        let a = of_block(&levels.lithium, block, 1.0);
        let b = of_block(&levels.bare, block, 1.0);
        let lines = &mut against[block * LANES * places..];
        let scale: [f32; LANES] = std::array::from_fn(|lane| {
            let between = (0.5 * (a[lane] + b[lane])).max(0.0);
            1.0 / ((windows.dark + windows.gain * between) * excess)
        });
        let mut sum = [0.0; LANES];
        for (x, pixel) in pixels.iter().enumerate() {
            for lane in 0..LANES {
                let (a, b, texture) = (a[lane], b[lane], pixel.texture[lane]);
                let (ta, tb) = (a + a * share_a * texture, b + b * share_b * texture);
                let ratio = (tb - ta) * (pixel.signal[lane] - 0.5 * (ta + tb)) * scale[lane];
                sum[lane] += pixel.seen[lane] * ratio.max(-SAYS_MOST).min(SAYS_MOST);
            }
            for (line, sum) in lines.chunks_exact_mut(places).zip(sum) {
                line[x + 1] = sum;
            }
        }
    }
    Evidence { places, against }
}

//! One pass over a frame's pixels: the weighted sums of each tile.

use multiversion::multiversion;

use super::level::Level;
use super::motion::Motion;
use crate::frame::lanes::{LANES, totals};
use crate::frame::{Image, Samples};

/// What one tile of a frame adds up to, at a whole-pixel shift.
#[derive(Clone, Copy, Debug, Default)]
pub struct TileSums {
    /// Index into the level's tiles.
    pub tile: usize,
    /// Index into the level's phases.
    pub phase: usize,
    /// Where the weights stood: whole-pixel shift and phase together, px.
    pub at: (f64, f64),
    /// `Σ w gx (I − offset)`, the same for gy, `Σ w structure I` (0 where the level has no structure).
    pub sums: [f64; 3],
    /// `Σ (I − offset)`.
    pub brightness: f64,
}

/// The noise that a frame has in common with the template, as shares of its variance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shared {
    /// The pattern that stands still on the camera.
    pub pattern: f64,
    /// All of it, by the part of the template that is this very frame, where it came in unmoved: the anchor.
    pub own: f64,
}

/// Sums all tiles that lie within the frame when each is displaced by `motion` (px of the level),
/// rounded to whole pixels and the nearest phase. What the noise that it has in common with the template brings into
/// the sums is taken out.
pub fn compare(
    level: &Level,
    image: &Image,
    motion: &Motion,
    shared: Shared,
    out: &mut Vec<TileSums>,
) {
    out.clear();
    let (side, channels) = (level.shape.tile, level.shape.channels());
    let per_tile = side * side * channels;
    for (index, tile) in level.tiles.iter().enumerate() {
        let (u, v) = level.offset_of(tile);
        let (x, y) = motion.at(u, v);
        let (shift_x, shift_y) = (x.round(), y.round());
        let (left, top) = (tile.x as i64 + shift_x as i64, tile.y as i64 + shift_y as i64);
        let inside = left >= 0
            && top >= 0
            && left + side as i64 <= image.width as i64
            && top + side as i64 <= image.height as i64;
        if !inside {
            continue;
        }
        let phase = level.nearest_phase(x - shift_x, y - shift_y);
        let prepared = &level.phases[phase];
        let weights = &prepared.weights[index * per_tile..(index + 1) * per_tile];
        let start = top as usize * image.width + left as usize;
        let sums = match &image.samples {
            Samples::U16(samples) => {
                tile_u16(&samples[start..], image.width, weights, side, channels)
            }
            Samples::F32(samples) => {
                tile_f32(&samples[start..], image.width, weights, side, channels)
            }
        };
        let units = prepared.units[index];
        let mut known = [0, 1, 2].map(|k| f64::from(sums[k]) * f64::from(units[k]));
        for (sum, pedestal) in known.iter_mut().zip(prepared.pedestals[index]) {
            *sum -= level.offset_counts * pedestal;
        }
        let parts = [(shared.pattern, &prepared.meetings), (shared.own, &prepared.of_anchor)];
        for (share, meetings) in parts.into_iter().filter(|(share, _)| *share > 0.0) {
            for (sum, meeting) in known.iter_mut().zip(meetings) {
                *sum -= share * tile.pixels * meeting.at(shift_x as i64, shift_y as i64);
            }
        }
        out.push(TileSums {
            tile: index,
            phase,
            at: (shift_x + prepared.at.0, shift_y + prepared.at.1),
            sums: known,
            brightness: f64::from(sums[3]) - level.offset_counts * (side * side) as f64,
        });
    }
}

macro_rules! tile_sums {
    ($name:ident, $sample:ty, $to_f32:expr) => {
        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
        fn $name(
            samples: &[$sample],
            stride: usize,
            weights: &[i16],
            side: usize,
            channels: usize,
        ) -> [f32; 4] {
            let mut lanes = [[0.0f32; LANES]; 4];
            for row in 0..side {
                let pixels = &samples[row * stride..row * stride + side];
                let weights = &weights[row * side * channels..(row + 1) * side * channels];
                let (wx, rest) = weights.split_at(side);
                let (wy, ws) = rest.split_at(side);
                let blocks = pixels
                    .chunks_exact(LANES)
                    .zip(wx.chunks_exact(LANES).zip(wy.chunks_exact(LANES)));
                for (pixels, (wx, wy)) in blocks {
                    for lane in 0..LANES {
                        let value = $to_f32(pixels[lane]);
                        lanes[0][lane] += f32::from(wx[lane]) * value;
                        lanes[1][lane] += f32::from(wy[lane]) * value;
                        lanes[3][lane] += value;
                    }
                }
                for (pixels, ws) in pixels.chunks_exact(LANES).zip(ws.chunks_exact(LANES)) {
                    for lane in 0..LANES {
                        lanes[2][lane] += f32::from(ws[lane]) * $to_f32(pixels[lane]);
                    }
                }
            }
            totals(&lanes)
        }
    };
}

tile_sums!(tile_u16, u16, f32::from);
tile_sums!(tile_f32, f32, std::convert::identity);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_sums_agree_with_plain_ones() {
        let (side, stride) = (32, 50);
        let samples: Vec<u16> = (0..side * stride).map(|k| ((k * 7919) % 4096) as u16).collect();
        let weights: Vec<i16> = (0..side * side * 3)
            .map(|k| ((k * 104_729) % 60_000) as i32 - 30_000)
            .map(|w| w as i16)
            .collect();
        let fast = tile_u16(&samples, stride, &weights, side, 3);
        let mut plain = [0.0f64; 4];
        for row in 0..side {
            for column in 0..side {
                let value = f64::from(samples[row * stride + column]);
                for channel in 0..3 {
                    plain[channel] +=
                        f64::from(weights[(row * 3 + channel) * side + column]) * value;
                }
                plain[3] += value;
            }
        }
        for (fast, plain) in fast.iter().zip(plain) {
            let error = (f64::from(*fast) - plain).abs();
            assert!(error < 1e-7 * 30_000.0 * 4096.0 * 1024.0, "sum {fast} against {plain}");
        }
    }
}

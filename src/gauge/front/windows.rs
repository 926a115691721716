//! The pixels about the expected contour: one window of a fixed width a line, cut out once, in which
//! all else is done. Counts are above the camera's offset; a pixel outside the field of view has no
//! weight.

use super::Hints;
use crate::frame::lanes::LANES;
use crate::gauge::View;
use crate::gauge::lines::Lines;

/// Half of the window about the expected edge, px; with a blurred edge, at few counts, or in a first search, more.
const HALF: usize = 16;
const HALF_WIDE: usize = 32;
/// So many lines are asked of memory at a time.
const TOUCHED: usize = 64;
/// Edges blurrier than this need the wide window, px.
const SIGMA_SHARP: f32 = 2.0;

/// All windows. As many lines as there are lanes lie side by side, pixel after pixel: sums over a window then run
/// down the lanes, and none is added up across them.
pub struct Windows {
    /// Pixels of a window.
    pub width: usize,
    /// First pixel of each line's window.
    pub start: Vec<usize>,
    /// Variance without signal, counts².
    pub dark: f32,
    /// Variance per count of signal, counts.
    pub gain: f32,
    blocks: Vec<Pixel>,
}

/// The same pixel of the windows of neighbouring lines; beyond the last line nothing is seen.
#[derive(Clone, Copy)]
pub struct Pixel {
    /// Counts above the offset; 0 where nothing was seen.
    pub signal: [f32; LANES],
    /// 1 where a pixel was seen, else 0.
    pub seen: [f32; LANES],
    /// The specimen's brightness, as it was learned, over its mean, less 1; 0 where it is unknown.
    pub texture: [f32; LANES],
}

impl Pixel {
    /// Nothing seen.
    const NOTHING: Pixel =
        Pixel { signal: [0.0; LANES], seen: [0.0; LANES], texture: [0.0; LANES] };
}

impl Windows {
    /// Cuts windows about `known` (px from the starting edge, in the view).
    pub fn cut(
        lines: &Lines,
        view: &View<'_>,
        known: &[f32],
        sigma: f32,
        wide: bool,
        hints: &Hints,
    ) -> Windows {
        let half = if wide || sigma > SIGMA_SHARP { HALF_WIDE } else { HALF };
        // A region shorter than the window is padded with what was not seen.
        let width = 2 * half;
        let last = lines.length.saturating_sub(width);
        let inside = width.min(lines.length);
        let noise = view.noise();
        let mut windows = Windows {
            width,
            start: Vec::with_capacity(lines.count),
            dark: noise.variance(noise.offset_counts) as f32,
            gain: noise.gain_counts_per_electron as f32,
            blocks: Vec::with_capacity(width * lines.count.div_ceil(LANES)),
        };
        let starts = known.iter().map(|p| p.round() as i64 - half as i64);
        windows.start.extend(starts.map(|start| start.clamp(0, last as i64) as usize));
        let offset = noise.offset_counts as f32;
        let mut read = vec![0.0; inside];
        for (line, start) in windows.start.iter().copied().enumerate() {
            if line % TOUCHED == 0 {
                let end = lines.count.min(line + TOUCHED);
                touch(lines, view, line, &windows.start[line..end], inside, hints);
            }
            let (block, lane) = (line / LANES * width, line % LANES);
            if lane == 0 {
                windows.blocks.resize(block + width, Pixel::NOTHING);
            }
            let pixels = &mut windows.blocks[block..block + width];
            lines.read(view, line, start, &mut read);
            for (pixel, value) in pixels.iter_mut().zip(&read) {
                let known = value.is_finite();
                pixel.signal[lane] = if known { value - offset } else { 0.0 };
                pixel.seen[lane] = f32::from(u8::from(known));
            }
            if let Some(hidden) = &hints.hidden {
                for hidden in hidden.pixels(line, start, inside) {
                    pixels[hidden].iter_mut().for_each(|pixel| {
                        (pixel.signal[lane], pixel.seen[lane]) = (0.0, 0.0);
                    });
                }
            }
            if let Some(texture) = &hints.texture {
                let from = line * lines.length + start;
                for (pixel, texture) in pixels.iter_mut().zip(&texture[from..from + inside]) {
                    pixel.texture[lane] = *texture;
                }
            }
        }
        windows
    }

    /// Windows of so many lines that begin with their first pixel, whose pixels (signal, seen, texture) are told.
    #[cfg(test)]
    pub fn of(
        width: usize,
        lines: usize,
        (dark, gain): (f32, f32),
        pixel: impl Fn(usize, usize) -> [f32; 3],
    ) -> Windows {
        let mut blocks = vec![Pixel::NOTHING; width * lines.div_ceil(LANES)];
        for line in 0..lines {
            let (block, lane) = (line / LANES * width, line % LANES);
            for (x, to) in blocks[block..block + width].iter_mut().enumerate() {
                [to.signal[lane], to.seen[lane], to.texture[lane]] = pixel(line, x);
            }
        }
        Windows { width, start: vec![0; lines], dark, gain, blocks }
    }

    /// The windows of neighbouring lines, as many as there are lanes: their pixels in order.
    pub fn blocks(&self) -> impl Iterator<Item = &[Pixel]> {
        self.blocks.chunks_exact(self.width)
    }

    /// How far an edge may be followed from the middle of its window, px.
    pub fn reach(&self) -> f32 {
        self.width as f32 / 2.0 - 3.0
    }
}

/// Asks for the ends of some lines' windows, from line `first` on, and of the texture there, before any is read whole:
/// memory brings what is asked for side by side, and would bring it one by one where each window waits for the one
/// before. Of all lines at once it would not be kept: pixels of one column share few places in a cache.
fn touch(
    lines: &Lines,
    view: &View<'_>,
    first: usize,
    start: &[usize],
    inside: usize,
    hints: &Hints,
) {
    if !lines.is_along_x() || inside == 0 {
        return;
    }
    let places = start
        .iter()
        .enumerate()
        .flat_map(|(k, start)| [*start, start + inside - 1].map(|at| lines.place(first + k, at)));
    let places: Vec<[u16; 2]> = places.collect();
    let mut pixels = Vec::with_capacity(places.len());
    view.read_pixels(&places, &mut pixels);
    std::hint::black_box(&pixels);
    if let Some(texture) = &hints.texture {
        let mut sum = 0.0;
        let of_lines = texture[first * lines.length..].chunks_exact(lines.length);
        for (texture, start) in of_lines.zip(start) {
            let window = &texture[*start..start + inside];
            sum += window[0] + window[inside / 2] + window[inside - 1];
        }
        std::hint::black_box(sum);
    }
}

//! The pixels about the expected contour: one window of a fixed width a line, cut out once, in which
//! all else is done. Counts are above the camera's offset; a pixel outside the field of view has no
//! weight.

use super::Hints;
use crate::gauge::View;
use crate::gauge::lines::Lines;

/// Half of the window about the expected edge, px; with a blurred edge, or in a first search, more.
const HALF: usize = 16;
const HALF_WIDE: usize = 32;
/// Edges blurrier than this need the wide window, px.
const SIGMA_SHARP: f32 = 2.0;

/// All windows, line after line.
pub struct Windows {
    /// Pixels of a window; a multiple of 16.
    pub width: usize,
    /// First pixel of each line's window.
    pub start: Vec<usize>,
    /// Counts above the offset; 0 where nothing was seen.
    pub signal: Vec<f32>,
    /// 1 where a pixel was seen, else 0.
    pub seen: Vec<f32>,
    /// The specimen's brightness, as it was learned, over its mean, less 1; 0 where it is unknown.
    pub texture: Vec<f32>,
    /// Variance without signal, counts².
    pub dark: f32,
    /// Variance per count of signal, counts.
    pub gain: f32,
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
            signal: vec![0.0; width * lines.count],
            seen: vec![0.0; width * lines.count],
            texture: vec![0.0; width * lines.count],
            dark: noise.variance(noise.offset_counts) as f32,
            gain: noise.gain_counts_per_electron as f32,
        };
        let offset = noise.offset_counts as f32;
        for (line, p) in known.iter().enumerate() {
            let start = (p.round() as i64 - half as i64).clamp(0, last as i64) as usize;
            windows.start.push(start);
            let at = line * width..line * width + inside;
            let signal = &mut windows.signal[at.clone()];
            lines.read(view, line, start, signal);
            for (value, seen) in signal.iter_mut().zip(&mut windows.seen[at.clone()]) {
                let known = value.is_finite();
                *value = if known { *value - offset } else { 0.0 };
                *seen = f32::from(u8::from(known));
            }
            if let Some(hidden) = &hints.hidden {
                for pixels in hidden.pixels(line, start, inside) {
                    windows.seen[line * width..][pixels].fill(0.0);
                }
            }
            if let Some(texture) = &hints.texture {
                let from = line * lines.length + start;
                windows.texture[at].copy_from_slice(&texture[from..from + inside]);
            }
        }
        windows
    }

    /// The pixels of one line's window.
    pub fn line(&self, line: usize) -> Line<'_> {
        let at = line * self.width..(line + 1) * self.width;
        Line {
            signal: &self.signal[at.clone()],
            seen: &self.seen[at.clone()],
            texture: &self.texture[at],
        }
    }

    /// How far an edge may be followed from the middle of its window, px.
    pub fn reach(&self) -> f32 {
        self.width as f32 / 2.0 - 3.0
    }
}

/// One line's window.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    pub signal: &'a [f32],
    pub seen: &'a [f32],
    pub texture: &'a [f32],
}

//! The bare specimen, as the mean of the frames in which it lay ahead of the front.

use std::sync::Arc;

use super::cells::Cells;
use super::contour::Contour;
use super::particles::Hidden;
use crate::gauge::lines::Lines;

/// Frames from which it is first learned; afterwards one frame of so many keeps it up to date.
const FIRST: u64 = 24;
const EVERY: u64 = 16;
/// A pixel's memory, frames: contamination grows.
const MEMORY: f32 = 64.0;
/// The specimen is bare so many pixels ahead of the front.
const CLEAR_PX: f32 = 6.0;
/// Pixels that were seen in fewer frames are unknown.
const SEEN_LEAST: f32 = 8.0;

/// Sums over the frames so far.
pub struct Texture {
    sum: Vec<f32>,
    count: Vec<f32>,
    learned: u64,
}

/// Relative brightness less 1, over pixels and over cells.
#[derive(Clone)]
pub struct Learned {
    pub pixels: Arc<Vec<f32>>,
    pub cells: Arc<Vec<f32>>,
}

/// Whether the frame after so many is wanted for learning.
pub fn is_wanted(frames: u64) -> bool {
    frames < FIRST || frames.is_multiple_of(EVERY)
}

impl Texture {
    /// Nothing seen of a region of so many pixels.
    pub fn new(pixels: usize) -> Texture {
        Texture { sum: vec![0.0; pixels], count: vec![0.0; pixels], learned: 0 }
    }

    /// Forgets what was seen where particles were.
    pub fn forget(&mut self, hidden: &Hidden, lines: &Lines) {
        for line in 0..lines.count {
            for pixels in hidden.pixels(line, 0, lines.length) {
                self.sum[line * lines.length..][pixels.clone()].fill(0.0);
                self.count[line * lines.length..][pixels].fill(0.0);
            }
        }
    }

    /// Adds a frame (counts, line by line) where it is bare and not hidden, and gives what is known
    /// when that has changed.
    pub fn learn(
        &mut self,
        region: &[f32],
        contour: &Contour,
        hidden: Option<&Hidden>,
        offset: f32,
        lines: &Lines,
    ) -> Option<Learned> {
        let bare = contour.brightness.1;
        if !(bare > 0.0) {
            return None;
        }
        for (line, edge) in contour.position.iter().enumerate() {
            if !edge.is_finite() {
                continue;
            }
            let first = (edge + CLEAR_PX).clamp(0.0, lines.length as f32) as usize;
            let is_hidden = |at: usize| hidden.is_some_and(|hidden| hidden.hides(line, at as f32));
            for k in line * lines.length + first..(line + 1) * lines.length {
                if region[k].is_finite() && !is_hidden(k - line * lines.length) {
                    if self.count[k] >= MEMORY {
                        self.sum[k] *= 0.5;
                        self.count[k] *= 0.5;
                    }
                    self.sum[k] += (region[k] - offset) / bare;
                    self.count[k] += 1.0;
                }
            }
        }
        self.learned += 1;
        (self.learned >= FIRST).then(|| self.relative(lines))
    }

    fn relative(&self, lines: &Lines) -> Learned {
        let known = |count: f32| count >= SEEN_LEAST;
        let (mut total, mut number) = (0.0f64, 0.0f64);
        for (sum, count) in self.sum.iter().zip(&self.count).filter(|(_, count)| known(**count)) {
            total += f64::from(sum / count);
            number += 1.0;
        }
        let mean = (total / number.max(1.0)) as f32;
        let pixels: Vec<f32> = self
            .sum
            .iter()
            .zip(&self.count)
            .map(
                |(sum, count)| {
                    if known(*count) { (sum / count / mean - 1.0).clamp(-0.8, 4.0) } else { 0.0 }
                },
            )
            .collect();
        let cells = Cells::means(lines, &pixels);
        Learned { pixels: Arc::new(pixels), cells: Arc::new(cells) }
    }
}

//! The whole region in square cells of a few pixels: where the front is looked for, and where
//! lithium is told from the bare specimen when it folds over itself.

use super::Hints;
use crate::gauge::View;
use crate::gauge::lines::Lines;

/// Side of a cell, px.
pub const CELL: usize = 4;

/// The middle of a cell, px from the region's edge; also between two of them.
pub fn centre(cell: f32) -> f32 {
    cell * CELL as f32 + 0.5 * (CELL as f32 - 1.0)
}

/// The binomial mean of three values.
pub fn binomial(before: f32, at: f32, after: f32) -> f32 {
    0.25 * (before + 2.0 * at + after)
}

/// Binomial means over three rows of `along` cells; the ends share with those inside.
pub fn over_rows(from: &[f32], along: usize, to: &mut [f32]) {
    let last = (from.len() / along).saturating_sub(1);
    let row = |k: usize| &from[k * along..(k + 1) * along];
    for (k, to) in to.chunks_exact_mut(along).enumerate() {
        let (before, at, after) = (row(k.saturating_sub(1)), row(k), row((k + 1).min(last)));
        for (to, ((before, at), after)) in to.iter_mut().zip(before.iter().zip(at).zip(after)) {
            *to = binomial(*before, *at, *after);
        }
    }
}

/// Mean counts above the offset in each cell, row after row of cells; a row lies along the growth.
pub struct Cells {
    pub across: usize,
    pub along: usize,
    /// Over the learned texture, where it is known; NaN where nothing was seen.
    pub value: Vec<f32>,
    /// How much of the learned texture each cell shows; empty where none is known.
    texture: Vec<f32>,
}

impl Cells {
    /// Reads the region.
    pub fn read(lines: &Lines, view: &View<'_>, hints: &Hints) -> Cells {
        let (across, along) = (lines.count / CELL, lines.length / CELL);
        let mut value = Vec::with_capacity(across * along);
        let mut pixels = vec![0.0f32; lines.length];
        let offset = view.noise().offset_counts as f32;
        let share = hints.texture_share.unwrap_or(0.0);
        for row in 0..across {
            let mut sums = vec![0.0f32; along];
            for line in row * CELL..(row + 1) * CELL {
                lines.read(view, line, 0, &mut pixels);
                for (sum, pixels) in sums.iter_mut().zip(pixels.chunks_exact(CELL)) {
                    *sum += pixels.iter().sum::<f32>();
                }
            }
            value.extend(sums.iter().map(|sum| sum / (CELL * CELL) as f32 - offset));
        }
        let mut texture = Vec::new();
        if let Some(learned) = hints.cell_texture.as_ref().filter(|_| share > 0.0) {
            texture.extend(learned.iter().map(|texture| 1.0 + share * texture));
            for (value, texture) in value.iter_mut().zip(&texture) {
                *value /= texture;
            }
        }
        Cells { across, along, value, texture }
    }

    /// Cells of these values without a texture.
    pub fn of((across, along): (usize, usize), value: Vec<f32>) -> Cells {
        Cells { across, along, value, texture: Vec::new() }
    }

    /// The cells as they were seen, the texture in them; nothing where none is known.
    pub fn as_seen(&self) -> Option<Cells> {
        let pairs = self.value.iter().zip(&self.texture);
        let value = pairs.map(|(value, texture)| value * texture).collect();
        (!self.texture.is_empty()).then(|| Cells::of((self.across, self.along), value))
    }

    /// A map over all pixels (line after line) as means over cells.
    pub fn means(lines: &Lines, map: &[f32]) -> Vec<f32> {
        let (across, along) = (lines.count / CELL, lines.length / CELL);
        let mut out = vec![0.0f32; across * along];
        for (row, out) in out.chunks_exact_mut(along).enumerate() {
            for line in row * CELL..(row + 1) * CELL {
                let pixels = &map[line * lines.length..][..along * CELL];
                for (sum, pixels) in out.iter_mut().zip(pixels.chunks_exact(CELL)) {
                    *sum += pixels.iter().sum::<f32>() / (CELL * CELL) as f32;
                }
            }
        }
        out
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.value[row * self.along..(row + 1) * self.along]
    }

    /// Variance of a cell by the camera's noise alone, at the mean brightness, counts².
    pub fn noise(&self, view: &View<'_>) -> f32 {
        let seen = self.value.iter().filter(|value| value.is_finite());
        let (sum, count) = seen.fold((0.0f64, 0.0), |s, v| (s.0 + f64::from(*v), s.1 + 1.0));
        let noise = view.noise();
        let counts = noise.offset_counts + sum / f64::max(count, 1.0);
        (noise.variance(counts) / (CELL * CELL) as f64) as f32
    }

    /// One sigma of a cell about a smooth brightness, noise and texture together, by cells of a row
    /// that lie three apart (median absolute difference).
    pub fn scatter(&self) -> f32 {
        // A median of so many is known to a percent.
        const ENOUGH: usize = 16_384;
        let mut apart: Vec<f32> = (0..self.across)
            .step_by((self.value.len() / ENOUGH).max(1))
            .flat_map(|row| self.row(row).windows(4).map(|four| (four[3] - four[0]).abs()))
            .filter(|apart| apart.is_finite())
            .collect();
        if apart.is_empty() {
            return f32::NAN;
        }
        let middle = apart.len() / 2;
        let median = *apart.select_nth_unstable_by(middle, f32::total_cmp).1;
        1.482_6 * median / std::f32::consts::SQRT_2
    }
}

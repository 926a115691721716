//! What the squares of the field left over in the last frames: the memory of which parts of the
//! field move by themselves.
//!
//! A body that moves slowly shows in no single frame. Its residuals point the same way frame after
//! frame, so their decayed sum grows while noise averages out; the template's own noise does not
//! average, and is counted in. Squares whose sum sticks out, by themselves or with their
//! neighbours, are masked until it has long been quiet.

use std::sync::Arc;

use super::level::Grid;
use super::observation::CellResidual;
use super::outliers::{Table, chi2, excess};

/// Each frame keeps this part of the sum: a memory of 24 frames.
const DECAY: f64 = 1.0 - 1.0 / 24.0;
/// Frames between two judgements.
const JUDGE_EVERY: u64 = 4;
/// χ² (two degrees of freedom) at which a square is masked, and below which it is free again.
const MASK: f64 = 16.0;
const FREE: f64 = 5.0;
/// No more than this part of the squares is ever masked: a drift that has lost the specimen would
/// make all of them stick out.
const MOST: f64 = 0.65;

/// Memory of the squares' residuals.
#[derive(Clone, Debug)]
pub struct Evidence {
    grid: Option<Grid>,
    cells: Vec<Cell>,
    masked: Arc<[bool]>,
    frames: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// Decayed sum of the residuals.
    residual: [f64; 2],
    /// Variance of that sum from the frames' noise.
    variance: [f64; 3],
    /// Variance of the template's share in a single residual.
    template: [f64; 3],
    /// Decayed number of frames.
    weight: f64,
}

impl Cell {
    fn total_variance(&self) -> [f64; 3] {
        let square = self.weight * self.weight;
        std::array::from_fn(|k| self.variance[k] + square * self.template[k])
    }
}

impl Default for Evidence {
    fn default() -> Self {
        Evidence { grid: None, cells: Vec::new(), masked: Arc::from([]), frames: 0 }
    }
}

impl Evidence {
    /// Takes the residuals of a trusted frame.
    pub fn take(&mut self, grid: &Grid, residuals: &[CellResidual], template_share: f64) {
        if self.grid != Some(*grid) {
            *self = Evidence { grid: Some(*grid), ..Evidence::default() };
            self.cells.resize(grid.cells(), Cell::default());
        }
        for cell in &mut self.cells {
            cell.residual = cell.residual.map(|r| r * DECAY);
            cell.variance = cell.variance.map(|v| v * DECAY * DECAY);
            cell.weight *= DECAY;
        }
        for seen in residuals {
            let Some(cell) = self.cells.get_mut(seen.cell as usize) else { continue };
            for (sum, residual) in cell.residual.iter_mut().zip(seen.residual) {
                *sum += f64::from(residual);
            }
            for k in 0..3 {
                let variance = f64::from(seen.variance[k]);
                cell.variance[k] += (1.0 - template_share) * variance;
                cell.template[k] = template_share * variance;
            }
            cell.weight += 1.0;
        }
        self.frames += 1;
        if self.frames.is_multiple_of(JUDGE_EVERY) {
            self.judge(grid);
        }
    }

    /// Squares that move by themselves; none when empty.
    pub fn masked(&self) -> Arc<[bool]> {
        Arc::clone(&self.masked)
    }

    /// Forgets everything, as after a new keyframe.
    pub fn clear(&mut self) {
        self.cells.fill(Cell::default());
    }

    fn judge(&mut self, grid: &Grid) {
        let mut table = Table::default();
        let mut worst = vec![0.0f64; self.cells.len()];
        for radius in 0..3 {
            table.begin(grid);
            for (index, cell) in self.cells.iter().enumerate() {
                // What sticks out by itself must not pull its neighbours out.
                if cell.weight > 0.0 && worst[index] < MASK {
                    table.put(grid, index, cell.residual, cell.total_variance());
                }
            }
            table.finish();
            let found: Vec<f64> = (0..self.cells.len())
                .map(|index| {
                    let (residual, variance) = table.around(grid, index, radius);
                    if self.cells[index].weight > 0.0 { chi2(residual, variance) } else { 0.0 }
                })
                .collect();
            // Imperfections of the template are no motion.
            let mut seen: Vec<f64> = found.iter().copied().filter(|value| *value > 0.0).collect();
            let scale = excess(&mut seen).unwrap_or(1.0).max(1.0);
            for (worst, found) in worst.iter_mut().zip(&found) {
                *worst = worst.max(found / scale);
            }
        }
        let before = |index: usize| self.masked.get(index).is_some_and(|masked| *masked);
        let mut next: Vec<bool> = worst
            .iter()
            .enumerate()
            .map(|(index, chi2)| *chi2 > if before(index) { FREE } else { MASK })
            .collect();
        let limit =
            (MOST * self.cells.iter().filter(|cell| cell.weight > 0.0).count() as f64) as usize;
        if next.iter().filter(|masked| **masked).count() > limit {
            next.clear();
        }
        if next.iter().any(|masked| *masked) || self.masked.iter().any(|masked| *masked) {
            self.masked = Arc::from(next);
        }
    }
}

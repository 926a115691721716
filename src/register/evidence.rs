//! What the squares of the field left over in the last frames: the memory of which parts of the
//! field move by themselves.
//!
//! A body that moves slowly shows in no single frame. Its residuals point the same way frame after
//! frame, so their decayed sum grows while noise averages out; the template's own noise does not
//! average, and is counted in. Squares whose sum sticks out, by themselves or with their
//! neighbours, are masked until it has long been quiet.
//!
//! A body that tells as much as all else, being brighter or rougher, draws the drift half after it: then
//! all squares stick out, to one side or the other, and none by more than the others. So they are judged against
//! what most of the field has in common, place for place, where that leaves less.

use std::sync::Arc;

use super::agreement::{Equations, agreed_shift};
use super::level::Grid;
use super::observation::CellResidual;
use super::outliers::{DRAWN, Table, chi2, excess};

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
    /// Decayed sum of the residuals' variance: what they change with a shift is in proportion to it.
    information: [f64; 3],
    /// Variance of the template's share in a single residual.
    template: [f64; 3],
    /// Decayed number of frames.
    weight: f64,
}

impl Cell {
    /// Its residuals, where all had been displaced by `common`.
    fn beyond(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [xx, xy, yy] = self.information;
        [self.residual[0] - xx * x - xy * y, self.residual[1] - xy * x - yy * y]
    }

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
            cell.information = cell.information.map(|i| i * DECAY);
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
                cell.information[k] += variance;
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
        let known = self.cells.iter().filter(|cell| cell.weight > 0.0).count() as f64;
        let (mut worst, scale) = self.stick_out(grid, [0.0; 2]);
        if scale > DRAWN
            && let Some(common) = self.common(grid)
        {
            let (against_common, with_common) = self.stick_out(grid, common);
            if with_common < scale / DRAWN {
                worst = against_common;
            }
        }
        let before = |index: usize| self.masked.get(index).is_some_and(|masked| *masked);
        let mut next: Vec<bool> = worst
            .iter()
            .enumerate()
            .map(|(index, chi2)| *chi2 > if before(index) { FREE } else { MASK })
            .collect();
        let limit = (MOST * known) as usize;
        if next.iter().filter(|masked| **masked).count() > limit {
            next.clear();
        }
        if next.iter().any(|masked| *masked) || self.masked.iter().any(|masked| *masked) {
            self.masked = Arc::from(next);
        }
    }

    /// By how much each square sticks out, by itself or with its neighbours, of what all have in `common`; and by
    /// how much more than the noise the quieter neighbourhoods scatter.
    fn stick_out(&self, grid: &Grid, common: [f64; 2]) -> (Vec<f64>, f64) {
        let mut table = Table::default();
        let mut worst = vec![0.0f64; self.cells.len()];
        let mut quiet = 1.0;
        for radius in [0, 1, 2, 4] {
            table.begin(grid);
            for (index, cell) in self.cells.iter().enumerate() {
                // What sticks out by itself must not pull its neighbours out.
                if cell.weight > 0.0 && worst[index] < MASK {
                    table.put(grid, index, cell.beyond(common), cell.total_variance());
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
            quiet = scale;
            for (worst, found) in worst.iter_mut().zip(&found) {
                *worst = worst.max(found / scale);
            }
        }
        (worst, quiet)
    }

    /// The shift, in units of residuals over information, on which most of the field agrees.
    fn common(&self, grid: &Grid) -> Option<[f64; 2]> {
        let known = self.cells.iter().enumerate().filter(|(_, cell)| cell.weight > 0.0);
        let squares = known.map(|(index, cell)| {
            let [xx, xy, yy] = cell.information;
            let (residual, slope) = (cell.residual, [xx, xy, xy, yy]);
            (index, Equations { residual, slope, variance: cell.total_variance() })
        });
        agreed_shift(grid, squares).map(|(x, y)| [x, y])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::test_noise::noise;

    #[test]
    fn a_body_that_draws_the_drift_half_after_it_is_masked_and_not_the_specimen() {
        let grid = Grid { left: 0, top: 0, side: 32, columns: 24, rows: 24 };
        // A third of the field tells twice as much and moves by 0.4 px: the drift goes half the way.
        let is_body = |cell: usize| cell % 24 < 8;
        let mut evidence = Evidence::default();
        for frame in 0..48 {
            let seen = |cell: usize| {
                let (variance, off) = if is_body(cell) { (2.0, 0.2) } else { (1.0f64, -0.2) };
                let k = frame * 1000 + cell;
                let x = variance * off + variance.sqrt() * noise(k);
                let y = variance.sqrt() * noise(k + 500_000);
                let residual = [x as f32, y as f32];
                let variance = [variance as f32, 0.0, variance as f32];
                CellResidual { cell: cell as u32, residual, variance }
            };
            let residuals: Vec<CellResidual> = (0..grid.cells()).map(seen).collect();
            evidence.take(&grid, &residuals, 0.01);
        }
        let masked = evidence.masked();
        let of = |body: bool| {
            let cells = (0..grid.cells()).filter(|cell| is_body(*cell) == body);
            let (all, out) = cells.fold((0, 0), |(all, out), cell| {
                (all + 1, out + usize::from(masked.get(cell).is_some_and(|masked| *masked)))
            });
            f64::from(out as u32) / f64::from(all as u32)
        };
        assert!(of(true) > 0.8, "{} of the body is masked", of(true));
        assert!(of(false) < 0.15, "{} of the specimen is masked", of(false));
    }
}

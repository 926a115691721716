//! Tiles in which something of its own moves: found by what a fit leaves over, in single tiles and
//! in neighbourhoods of them.
//!
//! The residual sums r of tiles that stand still scatter with their known variance V, so
//! `rᵀ V⁻¹ r` is χ² with two degrees of freedom. A body that moves by a little shows in no tile by
//! itself but in the sum over many that lie together; so squares of 3 × 3, 5 × 5 and 9 × 9 tiles are
//! judged too, after the tiles that stick out by themselves are gone.

use super::level::Grid;
use super::solve::Local;

/// A χ² beyond this multiple of what noise gives is left out. Chance alone does that once in 150,
/// which costs less than what hides below a higher limit.
const LIMIT: f64 = 10.0;
/// The 30 % quantile of χ² with two degrees of freedom. A low quantile, so that as much as half of
/// the field may move without spoiling the scale.
const QUANTILE: f64 = 0.3;
const CHI2_QUANTILE: f64 = 0.713_349_887_877_465;

/// By how much the scatter of the quieter tiles exceeds the noise; 1: as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Excess {
    pub tiles: f64,
    pub neighbourhoods: f64,
}

/// Where even the quieter tiles scatter by so much more than the noise, and by so much less about another place,
/// the solution was drawn after something: a body that tells as much as all else hides among tiles that are all off.
pub const DRAWN: f64 = 2.0;

impl Excess {
    /// Whether the solution may have been drawn.
    pub fn is_much(&self) -> bool {
        self.tiles.max(self.neighbourhoods) > DRAWN
    }

    /// Whether this is so much less than `before` that it is the better place.
    pub fn is_clearly_less(&self, before: &Excess) -> bool {
        self.tiles < before.tiles / DRAWN || self.neighbourhoods < before.neighbourhoods / DRAWN
    }
}

/// Judges tiles; keeps its work space.
#[derive(Default)]
pub struct Outliers {
    /// One for each local: leave it out.
    out: Vec<bool>,
    chi2: Vec<f64>,
    sorted: Vec<f64>,
    table: Table,
}

impl Outliers {
    /// Looks for tiles that disagree, and returns by how much the scatter of the quieter ones exceeds the noise
    /// (1: as it should be): that of single tiles, and that of the widest neighbourhoods.
    pub fn judge(&mut self, grid: &Grid, locals: &[Local]) -> Excess {
        self.out.clear();
        self.out.resize(locals.len(), false);
        self.chi2.clear();
        self.chi2.extend(locals.iter().map(|local| chi2(local.residual, local.variance)));
        let tiles = self.mark(locals);
        let mut neighbourhoods = tiles;
        for radius in [1, 2, 4] {
            self.table.fill(grid, locals, &self.out);
            for (local, chi2) in locals.iter().zip(&mut self.chi2) {
                let (residual, variance) = self.table.around(grid, local.cell, radius);
                *chi2 = self::chi2(residual, variance);
            }
            neighbourhoods = self.mark(locals);
        }
        Excess { tiles, neighbourhoods }
    }

    /// Marks what sticks out of the present χ²; returns the scale of the rest.
    fn mark(&mut self, locals: &[Local]) -> f64 {
        self.sorted.clear();
        let judged = locals.iter().zip(&self.chi2).zip(&self.out);
        self.sorted.extend(
            judged.filter(|((local, _), out)| !local.masked && !**out).map(|((_, chi2), _)| *chi2),
        );
        let Some(excess) = excess(&mut self.sorted) else { return 1.0 };
        let limit = LIMIT * excess.max(1.0);
        for (out, chi2) in self.out.iter_mut().zip(&self.chi2) {
            *out |= *chi2 > limit;
        }
        excess
    }

    /// How many tiles would stay.
    pub fn kept(&self, locals: &[Local]) -> usize {
        locals.iter().zip(&self.out).filter(|(local, out)| !local.masked && !**out).count()
    }

    /// Leaves out what was found; true when that changes which tiles are used.
    pub fn apply(&self, locals: &mut [Local]) -> bool {
        let mut changed = false;
        for (local, out) in locals.iter_mut().zip(&self.out) {
            let used = !local.masked && !out;
            changed |= used != local.used;
            local.used = used;
        }
        changed
    }
}

/// By how much the quieter of these χ² exceed what noise gives; reorders them. Nothing when there
/// are none.
pub fn excess(chi2: &mut [f64]) -> Option<f64> {
    if chi2.is_empty() {
        return None;
    }
    let at = (chi2.len() as f64 * QUANTILE) as usize;
    let (_, low, _) = chi2.select_nth_unstable_by(at, f64::total_cmp);
    Some((*low / CHI2_QUANTILE).max(f64::MIN_POSITIVE))
}

/// χ² of one tile's residual; 0 where it carries no information.
pub fn chi2([x, y]: [f64; 2], [xx, xy, yy]: [f64; 3]) -> f64 {
    let determinant = xx * yy - xy * xy;
    if determinant > 1e-9 * xx * yy {
        (yy * x * x - 2.0 * xy * x * y + xx * y * y) / determinant
    } else {
        0.0
    }
}

/// Sums over rectangles of tiles in constant time. F. C. Crow, SIGGRAPH Comput. Graph. 18, 207
/// (1984).
#[derive(Default)]
pub struct Table {
    stride: usize,
    /// Residual x, y; variance xx, xy, yy: sums over all squares above and to the left.
    sums: Vec<[f64; 5]>,
}

impl Table {
    /// Takes the tiles that are neither masked nor out.
    fn fill(&mut self, grid: &Grid, locals: &[Local], out: &[bool]) {
        self.begin(grid);
        for (local, _) in locals.iter().zip(out).filter(|(local, out)| !local.masked && !**out) {
            self.put(grid, local.cell, local.residual, local.variance);
        }
        self.finish();
    }

    /// Empties the table.
    pub fn begin(&mut self, grid: &Grid) {
        self.stride = grid.columns + 1;
        self.sums.clear();
        self.sums.resize(self.stride * (grid.rows + 1), [0.0; 5]);
    }

    /// Enters one square.
    pub fn put(&mut self, grid: &Grid, cell: usize, [x, y]: [f64; 2], [xx, xy, yy]: [f64; 3]) {
        let at = (cell / grid.columns + 1) * self.stride + cell % grid.columns + 1;
        self.sums[at] = [x, y, xx, xy, yy];
    }

    /// Sums up; afterwards [`around`](Table::around) may be asked.
    pub fn finish(&mut self) {
        let stride = self.stride;
        for row in 1..self.sums.len() / stride {
            let mut along = [0.0; 5];
            for column in 1..stride {
                let at = row * stride + column;
                for k in 0..5 {
                    along[k] += self.sums[at][k];
                    self.sums[at][k] = along[k] + self.sums[at - stride][k];
                }
            }
        }
    }

    /// Residual and variance of the square of (2 · radius + 1)² tiles around a cell.
    pub fn around(&self, grid: &Grid, cell: usize, radius: usize) -> ([f64; 2], [f64; 3]) {
        let (column, row) = (cell % grid.columns, cell / grid.columns);
        let (left, top) = (column.saturating_sub(radius), row.saturating_sub(radius));
        let right = (column + radius + 1).min(grid.columns);
        let bottom = (row + radius + 1).min(grid.rows);
        let at = |row: usize, column: usize| &self.sums[row * self.stride + column];
        let (a, b, c, d) = (at(top, left), at(top, right), at(bottom, left), at(bottom, right));
        let sum: [f64; 5] = std::array::from_fn(|k| d[k] - b[k] - c[k] + a[k]);
        ([sum[0], sum[1]], [sum[2], sum[3], sum[4]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::test_noise::noise;

    fn local(cell: usize, residual: [f64; 2]) -> Local {
        Local {
            cell,
            residual,
            slope: [1.0, 0.0, 0.0, 1.0],
            variance: [1.0, 0.0, 1.0],
            used: true,
            masked: false,
        }
    }

    #[test]
    fn a_body_that_moves_too_little_for_single_tiles_is_found_in_the_neighbourhood() {
        let grid = Grid { left: 0, top: 0, side: 32, columns: 24, rows: 24 };
        let moves = |cell: usize| cell % 24 < 8;
        let locals: Vec<Local> = (0..grid.cells())
            .map(|cell| {
                let own = if moves(cell) { 1.8 } else { 0.0 };
                local(cell, [own + noise(cell), noise(cell + 10_000)])
            })
            .collect();
        let mut outliers = Outliers::default();
        outliers.judge(&grid, &locals);
        let inside = (0..grid.cells()).filter(|cell| cell % 24 < 7);
        let found = inside.clone().filter(|cell| outliers.out[*cell]).count();
        assert!(found * 10 > inside.count() * 9, "{found} tiles of the body were found");
        let beyond = (0..grid.cells()).filter(|cell| cell % 24 > 10);
        let wrong = beyond.clone().filter(|cell| outliers.out[*cell]).count();
        assert!(wrong <= 2, "{wrong} tiles that stand still were left out");
    }
}

//! What neighbouring tiles have in common beyond noise: a specimen that deforms, lines of a scan that are off.
//!
//! The variance of a shift from the noise alone holds when each tile errs by itself. Where the specimen
//! strains, whole quarters of the field agree on another shift; where the beam flickers from line to line,
//! whole rows err alike. With z the part of the shift that the tiles of a cluster contribute at the solution
//! (they sum to zero), `K / (K − 1) Σ z²` over K clusters is the variance whatever the tiles of a cluster have in
//! common (K.-Y. Liang, S. L. Zeger, Biometrika 73, 13, 1986). From a handful of clusters it is known poorly,
//! so it counts only where it exceeds the noise's by more than chance does.
//!
//! Tiles that disagree are left out. Where a body moves before a specimen that stands still, that is right; where
//! all of the specimen deforms, which of it is left out is a choice, and what it changes is an error.

use super::level::{Grid, Level};
use super::motion::Freedom;
use super::normal::Normal;
use super::solve::Local;

/// What one tile adds to the shift at the solution, and the variance of that by the noise, x and y.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contribution {
    pub cell: usize,
    pub shift: [f64; 2],
    pub variance: [f64; 2],
}

/// Beyond chance by so many sigma.
const SIGMAS: f64 = 4.0;
/// Fewer clusters tell nothing.
const CLUSTERS_LEAST: f64 = 3.0;

/// Where even the quieter tiles scatter by so many times the noise's variance, the specimen deforms throughout.
const DEFORMS: f64 = 4.0;
/// The part of what the tiles that are left out would move the drift by that counts as one sigma.
const LEFT_OUT: f64 = 0.5;

/// How tiles are clustered.
#[derive(Clone, Copy)]
enum Clusters {
    /// So many along each side of the field.
    Squares(usize),
    /// Each row of tiles.
    Rows,
}

const KINDS: [Clusters; 3] = [Clusters::Squares(2), Clusters::Squares(4), Clusters::Rows];

impl Clusters {
    fn of(self, grid: &Grid, cell: usize) -> usize {
        let (column, row) = (cell % grid.columns, cell / grid.columns);
        match self {
            Clusters::Squares(side) => side * row / grid.rows * side + side * column / grid.columns,
            Clusters::Rows => row,
        }
    }

    fn count(self, grid: &Grid) -> usize {
        match self {
            Clusters::Squares(side) => side * side,
            Clusters::Rows => grid.rows,
        }
    }
}

/// By how much the variance of the shift exceeds that by the noise, x and y: 1 where neighbours have nothing
/// in common. The noise is `excess` times what the contributions say, where that is more.
pub fn beyond_noise(grid: &Grid, excess: f64, contributions: &[Contribution]) -> [f64; 2] {
    let of_kind = |kind| beyond_noise_in(grid, kind, excess.max(1.0), contributions);
    let of_kinds = KINDS.map(of_kind);
    let largest = |axis: usize| of_kinds.iter().map(|kind| kind[axis]).fold(1.0, f64::max);
    [largest(0), largest(1)]
}

fn beyond_noise_in(
    grid: &Grid,
    kind: Clusters,
    excess: f64,
    contributions: &[Contribution],
) -> [f64; 2] {
    let mut clusters = vec![Contribution::default(); kind.count(grid)];
    for tile in contributions {
        let cluster = &mut clusters[kind.of(grid, tile.cell)];
        for axis in [0, 1] {
            cluster.shift[axis] += tile.shift[axis];
            cluster.variance[axis] += tile.variance[axis];
        }
    }
    [0, 1].map(|axis| {
        let (mut found, mut noise, mut of_squares) = (0.0, 0.0, 0.0);
        for cluster in &clusters {
            found += cluster.shift[axis].powi(2);
            noise += cluster.variance[axis];
            of_squares += cluster.variance[axis].powi(2);
        }
        // Clusters of the same weight that would scatter as these.
        let equal = noise * noise / of_squares;
        if !(equal >= CLUSTERS_LEAST) {
            return 1.0;
        }
        let ratio = found / (excess * noise) * equal / (equal - 1.0);
        if ratio > 1.0 + SIGMAS * (2.0 / (equal - 1.0)).sqrt() { ratio } else { 1.0 }
    })
}

/// The variance, px², that is in leaving tiles out of a specimen that deforms throughout: there they differ from
/// the others by degree and not in kind, so that the drift may as well be what all of them say. 0 where the others
/// scatter as the noise does: then what is left out moves by itself.
pub fn of_left_out(
    level: &Level,
    freedom: Freedom,
    reach: f64,
    excess: f64,
    locals: &[Local],
) -> [f64; 2] {
    if !(excess > DEFORMS) {
        return [0.0; 2];
    }
    let all: Vec<Local> =
        locals.iter().map(|local| Local { used: !local.masked, ..*local }).collect();
    let Some(moved) = Normal::of(level, freedom, reach, &all, &[]).step() else { return [0.0; 2] };
    [moved[0], moved[1]].map(|moved| (1.0 - DEFORMS / excess) * (LEFT_OUT * moved).powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::test_noise::noise;

    const GRID: Grid = Grid { left: 0, top: 0, side: 32, columns: 24, rows: 24 };

    /// Tiles that err by their noise and by `common(column, row)`, less the mean of all.
    fn tiles(common: impl Fn(f64, f64) -> [f64; 2]) -> Vec<Contribution> {
        let shift = |cell: usize| {
            let [x, y] = common((cell % 24) as f64, (cell / 24) as f64);
            [x + noise(cell), y + noise(cell + 10_000)]
        };
        let cells = GRID.columns * GRID.rows;
        let mean = (0..cells).map(shift).fold([0.0; 2], |sum, [x, y]| [sum[0] + x, sum[1] + y]);
        let tile = |cell| {
            let [x, y] = shift(cell);
            let shift = [x - mean[0] / cells as f64, y - mean[1] / cells as f64];
            Contribution { cell, shift, variance: [1.0; 2] }
        };
        (0..cells).map(tile).collect()
    }

    #[test]
    fn tiles_that_err_by_themselves_leave_the_variance_as_it_is() {
        assert_eq!(beyond_noise(&GRID, 1.0, &tiles(|_, _| [0.0; 2])), [1.0, 1.0]);
    }

    #[test]
    fn strain_enters_the_variance_of_its_own_axis() {
        // ±1 sigma of a tile at the borders: each half of the field is off by half a sigma.
        let [x, y] = beyond_noise(&GRID, 1.0, &tiles(|column, _| [(column - 11.5) / 11.5, 0.0]));
        let quarters = 4.0 / 3.0 * 4.0 * (144.0 * 0.5f64).powi(2) / 576.0;
        assert!((x / quarters - 1.0).abs() < 0.2, "{x} of {quarters}");
        assert_eq!(y, 1.0);
    }

    #[test]
    fn rows_that_err_alike_enter_the_variance() {
        let off = |row: f64| if (row as usize).is_multiple_of(3) { 0.7 } else { -0.35 };
        let [x, y] = beyond_noise(&GRID, 1.0, &tiles(|_, row| [0.0, off(row)]));
        assert_eq!(x, 1.0);
        // A row of 24 tiles: 1 + 24 · 0.245.
        assert!((5.0..9.0).contains(&y), "{y} of 6.9");
    }
}

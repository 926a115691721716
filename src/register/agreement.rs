//! The place on which most of the field agrees.
//!
//! Blocks of squares vote for a shift, each block the same however much it tells: a body that is brighter or
//! rougher than the specimen has the better part of the information, and of the field only its area. Where the
//! votes are densest is the place (K. Fukunaga, L. D. Hostetler, IEEE Trans. Inf. Theory 21, 32, 1975). A mean
//! or a median of them lies between the specimen and the body as long as noise is not small against what is between
//! these.

use super::level::Grid;

/// Squares along a side of a block.
const BLOCK: usize = 4;
/// More than half of the votes must lie so many usual sigma about the densest place.
const NEAR: f64 = 3.0;
/// Fewer votes decide nothing.
const VOTES_LEAST: usize = 8;
/// Votes from which the densest place is looked for, and steps from each.
const STARTS: usize = 16;
const STEPS: usize = 12;

/// The equations of one square or of several: `residual = slope · shift`, but for noise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Equations {
    pub residual: [f64; 2],
    /// x with x, x with y, y with x, y with y.
    pub slope: [f64; 4],
    /// Of the residual: xx, xy, yy.
    pub variance: [f64; 3],
}

impl Equations {
    fn add(&mut self, other: &Equations) {
        let add = |sums: &mut [f64], parts: &[f64]| {
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        };
        add(&mut self.residual, &other.residual);
        add(&mut self.slope, &other.slope);
        add(&mut self.variance, &other.variance);
    }

    /// The shift that they ask for.
    fn vote(&self) -> Option<Vote> {
        let [a, b, c, d] = self.slope;
        let determinant = a * d - b * c;
        if !(determinant.abs() > 1e-3 * (a * a + b * b + c * c + d * d)) {
            return None;
        }
        let [x, y] = self.residual;
        let [xx, _, yy] = self.variance;
        let variance = (d * d * xx + b * b * yy + a * a * yy + c * c * xx) / determinant.powi(2);
        let vote = Vote {
            x: (d * x - b * y) / determinant,
            y: (a * y - c * x) / determinant,
            sigma: (0.5 * variance).sqrt(),
        };
        (vote.sigma > 0.0 && vote.x.is_finite() && vote.y.is_finite()).then_some(vote)
    }
}

/// A shift and its one sigma.
#[derive(Clone, Copy, Debug)]
struct Vote {
    x: f64,
    y: f64,
    sigma: f64,
}

/// The shift on which most blocks agree, of these squares with their equations; nothing when there are too few.
pub fn agreed_shift(
    grid: &Grid,
    squares: impl Iterator<Item = (usize, Equations)>,
) -> Option<(f64, f64)> {
    let columns = grid.columns.div_ceil(BLOCK);
    let mut blocks = vec![Equations::default(); columns * grid.rows.div_ceil(BLOCK)];
    for (cell, equations) in squares {
        let (column, row) = (cell % grid.columns, cell / grid.columns);
        blocks[row / BLOCK * columns + column / BLOCK].add(&equations);
    }
    let votes: Vec<Vote> = blocks.iter().filter_map(Equations::vote).collect();
    (votes.len() >= VOTES_LEAST).then(|| densest(&votes).unwrap_or_else(|| median(&votes)))
}

/// Where votes are densest, seen through a kernel as wide as their usual sigma; nothing where most lie elsewhere, as
/// they do in a specimen that strains.
fn densest(votes: &[Vote]) -> Option<(f64, f64)> {
    let mut sigmas: Vec<f64> = votes.iter().map(|vote| vote.sigma).collect();
    let middle = sigmas.len() / 2;
    let usual = *sigmas.select_nth_unstable_by(middle, f64::total_cmp).1;
    let mut best = ((0.0, 0.0), 0.0);
    for vote in votes.iter().step_by(votes.len().div_ceil(STARTS)) {
        let mut at = (vote.x, vote.y);
        let mut density = 0.0;
        for _ in 0..STEPS {
            let mut sum = (0.0, 0.0, 0.0);
            density = 0.0;
            for vote in votes {
                let off = ((vote.x - at.0).powi(2) + (vote.y - at.1).powi(2)) / (usual * usual);
                let kernel = 1.0 / (1.0 + 0.5 * off);
                density += kernel * kernel;
                let weight = kernel * kernel * kernel;
                sum = (sum.0 + weight * vote.x, sum.1 + weight * vote.y, sum.2 + weight);
            }
            at = (sum.0 / sum.2, sum.1 / sum.2);
        }
        if density > best.1 {
            best = (at, density);
        }
    }
    let ((x, y), _) = best;
    let is_near = |vote: &&Vote| (vote.x - x).hypot(vote.y - y) < NEAR * usual;
    let near = votes.iter().filter(is_near).count();
    (2 * near > votes.len()).then_some((x, y))
}

/// The point with the least sum of distances from the votes, each over its sigma (E. Weiszfeld, Tohoku Math. J. 43,
/// 355, 1937).
fn median(votes: &[Vote]) -> (f64, f64) {
    const ITERATIONS: usize = 30;
    let mut at = (0.0, 0.0);
    for _ in 0..ITERATIONS {
        let mut sum = (0.0, 0.0, 0.0);
        for Vote { x, y, sigma } in votes {
            let distance = ((x - at.0).hypot(y - at.1) / sigma).max(1e-3);
            let weight = 1.0 / (distance * sigma * sigma);
            sum = (sum.0 + weight * x, sum.1 + weight * y, sum.2 + weight);
        }
        at = (sum.0 / sum.2, sum.1 / sum.2);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::test_noise::noise;

    const GRID: Grid = Grid { left: 0, top: 0, side: 32, columns: 32, rows: 32 };

    /// A body over the left 30 % of the field, at `apart` in x, whose squares tell `much` times as much as the
    /// others; one sigma of a block of those is 0.25.
    fn with_body(apart: f64, much: f64) -> (f64, f64) {
        let square = |cell: usize| {
            let (own, information) = if cell % 32 < 10 { (apart, much) } else { (0.0, 1.0) };
            let sigma = information.sqrt();
            let residual = [information * own + sigma * noise(cell), sigma * noise(cell + 10_000)];
            let slope = [information, 0.0, 0.0, information];
            (cell, Equations { residual, slope, variance: [information, 0.0, information] })
        };
        agreed_shift(&GRID, (0..GRID.cells()).map(square)).expect("there are blocks")
    }

    #[test]
    fn a_body_over_a_third_of_the_field_does_not_draw_it() {
        let (x, y) = with_body(10.0, 1.0);
        assert!(x.abs() < 0.1 && y.abs() < 0.1, "{x}, {y}");
    }

    #[test]
    fn nor_one_that_tells_more_than_all_else_and_is_as_near_as_the_noise_is_wide() {
        // The mean of all, by what they tell, is half the way.
        let (x, y) = with_body(0.75, 2.5);
        assert!(x.abs() < 0.1 && y.abs() < 0.1, "{x}, {y}");
    }

    #[test]
    fn a_specimen_that_strains_stands_in_its_middle() {
        let square = |cell: usize| {
            let own = 0.5 * ((cell % 32) as f64 - 15.5);
            let residual = [own + noise(cell), noise(cell + 10_000)];
            let slope = [1.0, 0.0, 0.0, 1.0];
            (cell, Equations { residual, slope, variance: [1.0, 0.0, 1.0] })
        };
        let (x, y) = agreed_shift(&GRID, (0..GRID.cells()).map(square)).expect("there are blocks");
        assert!(x.abs() < 0.4 && y.abs() < 0.3, "{x}, {y}");
    }

    #[test]
    fn too_few_blocks_decide_nothing() {
        let small = Grid { columns: 8, rows: 4, ..GRID };
        let one =
            Equations { slope: [1.0, 0.0, 0.0, 1.0], variance: [1.0; 3], ..Default::default() };
        assert_eq!(agreed_shift(&small, (0..32).map(|cell| (cell, one))), None);
    }
}

//! The growth of a round nucleus, cut into its four sides.
//!
//! Lithium that grows from a nucleus arrives later the further out, whichever way one looks; along no
//! axis does the time of arrival grow over all that was swept. So what was swept is cut into four by
//! the direction in which the smoothed time of arrival grows; each connected quarter has an axis.

use super::front::Direction;
use super::grid::{Mask, Part};
use super::steps::Steps;

/// One sigma of the smoothing of the times of arrival, cells.
const SMOOTH: f64 = 2.0;
/// Thinner parts are corners of the other quarters, cells.
const THIN: usize = 2;

/// The largest connected part of each of the four, with the way it grew.
pub fn quarters(steps: &Steps, mask: &Mask) -> Vec<(Direction, Part)> {
    // Averages over what was swept alone: outside, there is no time of arrival.
    let weight = mask.same(|cell| if mask.cells[cell] { 1.0f32 } else { 0.0 });
    let time = mask.same(|cell| weight.cells[cell] * f32::from(steps.arrival[cell]));
    let (weight, time) = (weight.gaussian(SMOOTH, (0, 0)), time.gaussian(SMOOTH, (0, 0)));
    let time = mask.same(|cell| time.cells[cell] / weight.cells[cell].max(1e-6));
    let (width, height) = (mask.width, mask.height);
    let towards = |cell: usize| {
        let (x, y) = mask.place(cell);
        let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
        let (above, below) = (y.saturating_sub(1), (y + 1).min(height - 1));
        let along_x = time.cells[y * width + right] - time.cells[y * width + left];
        let along_y = time.cells[below * width + x] - time.cells[above * width + x];
        if along_x.abs() >= along_y.abs() {
            if along_x >= 0.0 { Direction::Right } else { Direction::Left }
        } else if along_y >= 0.0 {
            Direction::Down
        } else {
            Direction::Up
        }
    };
    [Direction::Right, Direction::Left, Direction::Down, Direction::Up]
        .into_iter()
        .filter_map(|direction| {
            let quarter = mask.same(|cell| mask.cells[cell] && towards(cell) == direction);
            quarter.opened(THIN).parts().into_iter().next().map(|part| (direction, part))
        })
        .collect()
}

//! A frame's contour once more, about where all frames before expect it.
//!
//! An observer is told where the front was expected some frames ahead. A finger that has sped up or turned back is
//! pixels further by then, and what a line's score says of that saturates at two. When the frame's turn has come all
//! frames before it are known, and it is expected to one.

use super::{AT_LIMIT, Fit, ROUNDS, bends, in_view};
use crate::gauge::front::contour::Contour;
use crate::gauge::front::corners::Corners;
use crate::gauge::front::prior::ShapePrior;

/// Lines that are known so well by themselves (1/px²) are found as well where they were expected no further off than
/// this, px.
const SURE: f64 = 1.5;
const NEAR_PX: f32 = 1.0;

impl Fit {
    /// The contour near another expectation (px from the starting edge, reference coordinates) with these corners, whose
    /// shape is known so well, whose finer part has this variance (px²), and whose lines the frames before have these
    /// `suspicions` of. Where lithium is `folded` edges beyond their
    /// windows stay where they were found: another fold may be there. Nothing where that would change nothing: lines that
    /// are known well by themselves, and were expected near there.
    pub fn again(
        mut self,
        expected: &[f32],
        corners: &Corners,
        shape: ShapePrior,
        variance: f32,
        suspicions: &[f32],
        folded: bool,
    ) -> Option<Contour> {
        let known = in_view(expected, self.fraction, self.across);
        let told = self.own.1.iter().sum::<f64>() / self.own.1.len() as f64;
        let near = known.iter().zip(&self.known).all(|(a, b)| (a - b).abs() < NEAR_PX);
        if told > SURE && near && !folded {
            return None;
        }
        self.known = known;
        if folded {
            self.stay_beyond_windows();
        }
        (self.slope, self.stiffness) = bends(&self.known, corners, self.smooth_lines);
        self.guess.clone_from(&self.known);
        self.shape = shape;
        self.expected_variance = f64::from(variance);
        self.suspicions = suspicions.to_vec();
        Some(self.settle(ROUNDS))
    }

    /// Edges that are expected beyond their windows are expected where they were found, if anything was.
    fn stay_beyond_windows(&mut self) {
        let (middle, reach) = (self.windows.width as f32 / 2.0, self.windows.reach());
        for line in 0..self.known.len() {
            let from_middle = |at: f32| (at - self.windows.start[line] as f32 - middle).abs();
            let (known, guess) = (self.known[line], self.guess[line]);
            let seen = self.levels.significant[line] && from_middle(guess) < AT_LIMIT * reach;
            if seen && from_middle(known) >= reach {
                self.known[line] = guess;
            }
        }
    }
}

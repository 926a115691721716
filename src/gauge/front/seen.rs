//! One frame's contour as it is believed, line by line: which lines are told, and how well each is known.

use super::contour::{ERROR_MOST, TEAR_PX};
use super::extent::{EDGE_PX, Extent};
use super::fields::Numbers;
use super::folds::Folds;
use super::follow::Follower;
use super::shape::Told;
use crate::gauge::Measurement;
use crate::gauge::median::median;

/// A contour that bends by so much from line to line, px, within so many lines, or that ends so near, has a wall there:
/// where that stands is known to a line, and the place along a line as poorly as it bends.
const KINK_PX: f32 = 0.5;
const NEAR_WALL: usize = 2;
const BESIDE_WALL_PX: f32 = 1.3;

/// Lines that err by more than this, px, and by so many times what half of them do, are not told: twice that is gross.
const POOR_PX: f32 = 1.5;
const POOR_TIMES: f32 = 2.0;
/// A line beside these is known to so many lines across.
const END_LINES: f32 = 0.35;

/// So many neighbouring lines are elsewhere to the same side, if they are.
const TOGETHER_LINES: usize = 32;

/// One frame's contour as it is believed.
pub struct Seen<'a> {
    /// NaN where no edge was seen; px from the starting edge.
    pub position: Vec<f32>,
    pub error: Vec<f32>,
    /// Who told each line's place.
    pub told: Vec<Told>,
    /// Each line's own edge.
    pub own: &'a [(f32, f32)],
    /// One sigma of the mean over the lines that have an edge, px.
    pub mean_error: f64,
    /// What may be a particle over each line moves it so far, px; empty where there are none.
    pub covered: &'a [f32],
    /// How far each line may be elsewhere with those beside it, px, beside its error.
    pub doubt: &'a [f32],
    pub extent: Option<&'a Extent>,
    pub folded: bool,
    pub folds: &'a Folds,
    /// One sigma of the drift along the growth axis, px.
    pub drift_error: f64,
    /// The counter electrode, px from the starting edge.
    pub counter: Option<f64>,
    pub frame_s: f64,
    /// Share of the edges' variance that is texture's.
    pub textured: f64,
    /// The frames before say more of its shape than this one.
    pub leans: bool,
}

impl Seen<'_> {
    /// The lines on both sides of a wall see some of what is beyond it, and are none of the contour.
    pub fn leave_walls(&mut self) {
        let torn: Vec<usize> = (1..self.position.len())
            .filter(|k| (self.position[*k] - self.position[k - 1]).abs() > TEAR_PX)
            .collect();
        for line in torn.into_iter().flat_map(|k| [k - 1, k]) {
            (self.position[line], self.error[line]) = (f32::NAN, f32::NAN);
        }
    }

    /// Beside a wall lines see some of it. An area by itself is cut as coarsely everywhere.
    pub fn doubt_walls(&mut self) {
        if self.extent.is_some_and(|extent| extent.alone) {
            return;
        }
        let count = self.position.len();
        let kinks: Vec<f32> = (0..count)
            .map(|k| match (k.checked_sub(1), k + 1 < count) {
                (Some(before), true) => {
                    let [a, b, c] = [before, k, k + 1].map(|k| self.position[k]);
                    (a - 2.0 * b + c).abs()
                }
                _ => 0.0,
            })
            .collect();
        let doubts: Vec<f32> = (0..count)
            .map(|k| {
                let near = k.saturating_sub(NEAR_WALL)..(k + NEAR_WALL + 1).min(count);
                let kink = kinks[near.clone()].iter().copied().fold(0.0, f32::max);
                let ends = self.folded && self.position[near].iter().any(|at| at.is_nan());
                let beside = if ends { BESIDE_WALL_PX } else { 0.0 };
                if kink > KINK_PX { kink.max(beside) } else { beside }
            })
            .collect();
        for (line, doubt) in doubts.into_iter().enumerate() {
            self.error[line] = self.error[line].hypot(doubt);
            if self.error[line] > ERROR_MOST {
                (self.position[line], self.error[line]) = (f32::NAN, f32::NAN);
            }
        }
    }

    /// Lines that are known far worse than the others are told of no one; all else still counts them. On a flank the last
    /// that is told beside these is known to a part of a line across.
    pub fn tell_lines(&self, out: &mut Measurement) {
        let typical = median(self.error.iter().copied()).unwrap_or(ERROR_MOST);
        let most = (POOR_TIMES * typical).max(POOR_PX);
        let count = self.position.len();
        let errors: Vec<f32> =
            self.error.iter().zip(self.doubt).map(|(error, doubt)| error.hypot(*doubt)).collect();
        let is_poor = |line: usize| !(errors[line] <= most);
        for line in 0..count {
            let (before, after) = (line.saturating_sub(1), (line + 1).min(count - 1));
            let mut error = errors[line];
            if is_poor(before) || is_poor(after) {
                let inside = if is_poor(before) { after } else { before };
                let rise = (self.position[inside] - self.position[line]).abs();
                error = error.hypot(if rise.is_finite() { END_LINES * rise } else { 0.0 });
            }
            let told =
                if error <= most { (self.position[line], error) } else { (f32::NAN, f32::NAN) };
            (out.arrays[0][line], out.array_errors[0][line]) = told;
        }
    }

    /// A particle moves lines alike, and the mean with them.
    pub fn allow_for_particles(&mut self) {
        for (error, covered) in self.error.iter_mut().zip(self.covered) {
            *error = error.hypot(*covered);
        }
        self.mean_error = self.mean_error.hypot(self.in_mean(self.covered));
    }

    /// Lines that may be elsewhere are so together with those beside them.
    pub fn doubt_means(&self, tip_line: usize, numbers: &mut Numbers) {
        for together in self.doubt.chunks(TOGETHER_LINES) {
            numbers.position.1 = numbers.position.1.hypot(self.in_mean(together));
        }
        numbers.tip.1 = numbers.tip.1.hypot(f64::from(self.doubt[tip_line]));
    }

    /// How far lines that are off to one side by so much, px, move the mean.
    fn in_mean(&self, off: &[f32]) -> f64 {
        off.iter().map(|off| f64::from(*off)).sum::<f64>() / self.position.len() as f64
    }

    /// Where no edge was seen it is where it was expected, less certainly: a line that drops out must
    /// not move the mean. By the region alone, a line without lithium ends at the starting edge.
    pub fn fill_gaps(&mut self, follower: &Follower) {
        let alone = self.extent.is_some_and(|extent| extent.alone);
        for line in 0..self.position.len() {
            if self.position[line].is_finite() {
                continue;
            }
            let (at, variance) =
                if alone { (-0.5, EDGE_PX * EDGE_PX) } else { follower.position(line) };
            // What the area or its own edge say of it is as likely, where it is not believed.
            let apart = match alone {
                true => 0.0,
                false => self.folds.apart(line, at).max(follower.disputed(line)),
            };
            (self.position[line], self.error[line]) = (at, variance.sqrt().hypot(apart));
            self.told[line] = if alone { Told::Region } else { Told::Expected };
        }
    }
}

//! Where the rounds of a fit start: at the most probable path, and apart where the curve has cut a corner.

use super::Fit;
use crate::gauge::front::corners;
use crate::gauge::front::levels::Levels;
use crate::gauge::front::path::most_probable;
use crate::gauge::front::sums;

/// A line's start is the mean of the path over so many lines to either side, where the path is no further from that, px.
const BESIDE: usize = 16;
const OFF_MEAN_PX: f32 = 3.0;

impl Fit {
    /// Moves the guess to the most probable path.
    pub(super) fn find_path(&mut self, searches: bool) {
        let half = self.windows.width as f32 / 2.0;
        // The outer parts of the windows, which the edge has hardly reached: 2.5 widths from the
        // middle.
        let far = vec![half * 0.5 / 2.5; self.guess.len()];
        let edge = self.in_windows();
        sums::sides(&self.windows, &edge, &far, &mut self.sides);
        self.levels = Levels::of(&self.sides, self.sign, self.contrast, self.noise());
        self.evidence = sums::evidence(&self.windows, &self.levels, self.excess.max(1.0));
        let moved =
            most_probable(&self.windows, &self.evidence, &self.known, &self.slope, searches);
        // A band's place is one of whole pixels, and strays as its few lines do: neighbours' mean is a better start.
        let mut sums = vec![0.0f32; moved.len() + 1];
        for (k, moved) in moved.iter().enumerate() {
            sums[k + 1] = sums[k] + moved;
        }
        for (k, (guess, known)) in self.guess.iter_mut().zip(&self.known).enumerate() {
            let (first, end) = (k.saturating_sub(BESIDE), (k + BESIDE + 1).min(moved.len()));
            let mean = (sums[end] - sums[first]) / (end - first) as f32;
            *guess = known + if (moved[k] - mean).abs() < OFF_MEAN_PX { mean } else { moved[k] };
        }
    }

    /// Parts the curve at the corners that it cuts; whether there are any.
    pub(super) fn part_at_corners(&mut self) -> bool {
        let against = |line: usize, by: f32| {
            let place = self.guess[line] + by - self.windows.start[line] as f32;
            self.evidence.at(line, place.round() as i64)
        };
        let found = corners::find(&self.edges, self.excess, &self.rigid, against);
        for corner in &found {
            (self.stiffness[corner.line - 1], self.stiffness[corner.line]) = (0.0, 0.0);
            let about = &mut self.guess[corner.first..];
            about.iter_mut().zip(&corner.off).for_each(|(guess, off)| *guess += off);
        }
        self.corners = found.iter().map(|corner| corner.line).collect();
        !found.is_empty()
    }
}

//! Corners of the contour: a finger that leaves the front has one at each side of its foot. A smooth curve, or a mean over
//! neighbours, would cut them; so the contour is parted there.

mod find;

pub use find::find;

/// Corners that are nearer to each other are one, lines.
const SAME_LINES: usize = 8;
/// A corner lasts while the contour steps there by so much more over three lines than over those before and after, px.
const STEP_PX: f32 = 5.0;
/// Beyond any jump that the contour could be thought to make in one piece, px.
const PARTED_PX: f32 = 1e4;

/// Those that the frames so far have shown: each is just before its line.
#[derive(Clone, Default)]
pub struct Corners {
    lines: Vec<usize>,
}

impl Corners {
    /// Takes the corners that a frame shows, and its contour (px; where it is NaN nothing is known of a step).
    pub fn take(&mut self, found: &[usize], contour: &[f32]) {
        let last = contour.len() - 1;
        let step = |from: usize, to: usize| contour[to.min(last)] - contour[from.min(last)];
        let stands = |line: usize| {
            let near = line.saturating_sub(2);
            let before = step(line.saturating_sub(5), near);
            let (here, after) = (step(near, line + 1), step(line + 1, line + 4));
            let beyond = here - 0.5 * (before + after);
            beyond.is_nan() || beyond.abs() > STEP_PX
        };
        self.lines.retain(|line| {
            stands(*line) && found.iter().all(|other| other.abs_diff(*line) >= SAME_LINES)
        });
        self.lines.extend(found);
    }

    /// The contour with the pieces between corners so far from each other that nothing takes them for one.
    pub fn parted(&self, contour: &[f32]) -> Vec<f32> {
        let mut parted = contour.to_vec();
        for line in &self.lines {
            parted[*line..].iter_mut().for_each(|at| *at += PARTED_PX);
        }
        parted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gauge::front::neighbours::smoothed;

    fn step(line: usize) -> f32 {
        if line < 30 { 40.0 } else { 50.0 }
    }

    #[test]
    fn nothing_is_shared_over_a_corner() {
        let mut corners = Corners::default();
        let contour: Vec<f32> = (0..60).map(step).collect();
        corners.take(&[30], &contour);
        let shared = smoothed(&contour, &corners.parted(&contour), 4.0);
        for (line, shared) in shared.iter().enumerate() {
            assert!((shared - step(line)).abs() < 0.01, "line {line}: {shared}");
        }
    }

    #[test]
    fn a_corner_lasts_while_the_contour_steps_there_or_is_not_seen() {
        let mut corners = Corners::default();
        let contour: Vec<f32> = (0..60).map(step).collect();
        corners.take(&[30], &contour);
        corners.take(&[], &contour);
        corners.take(&[], &[f32::NAN; 60]);
        assert_eq!(corners.lines, [30]);
        corners.take(&[33], &contour);
        assert_eq!(corners.lines, [33]);
        let slope: Vec<f32> = (0..60).map(|line| 4.0 * line as f32).collect();
        corners.take(&[], &slope);
        assert!(corners.lines.is_empty());
    }
}

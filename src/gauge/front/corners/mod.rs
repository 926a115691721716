//! Corners of the contour: a finger that leaves the front has one at each side of its foot. A smooth curve, or a mean over
//! neighbours, would cut them; so the contour is parted there.

mod find;

pub use find::find;

/// Corners so near to a new one are that one, lines.
const SAME_LINES: usize = 8;
/// A corner lasts while the contour steps by more than this over so many lines, px.
const STEP_PX: f32 = 5.0;
const STEP_LINES: usize = 3;
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
        let stands = |line: usize| {
            let before = line.saturating_sub(STEP_LINES - 1);
            let step = contour[(line + 1).min(contour.len() - 1)] - contour[before];
            step.is_nan() || step.abs() > STEP_PX
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
        corners.take(&[], &[45.0; 60]);
        assert!(corners.lines.is_empty());
    }
}

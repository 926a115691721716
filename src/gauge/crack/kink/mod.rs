//! Kinks: where a crack turns within less than its path is smoothed over.
//!
//! A traced path is a mean over some 10 px and cuts the corner of a kink; distances from it are then
//! wrong by up to a pixel, and openings with them. Where a path turns between two straight arms
//! (`turns`), the corner itself is fitted to the pixels there (`pixels`): two straight strips
//! (`strips`), by weighted least squares (`fit`). Where the corner explains the pixels better than the
//! path does, the path takes it (`corner`).

mod corner;
mod fit;
mod pixels;
mod strips;
mod turns;

use super::Crack;
use super::geometry::Branch;
use super::known::Known;
use crate::gauge::View;
use pixels::Around;
use turns::{astray, turns};

/// Stations at the end of each arm that the corner does not reach.
const ARM_END: usize = 8;

/// The lines of `known` with their kinks sharp, and what openings to expect there; nothing where there is
/// none to sharpen. Nodes keep their numbers: about a kink they stand a little further apart.
pub fn sharpened(crack: &Crack, view: &View<'_>, known: &Known) -> Option<(Vec<Branch>, Vec<f32>)> {
    if crack.layout.along.is_some() {
        return None;
    }
    let mut branches = known.geometry.branches.clone();
    let mut opening = known.opening.clone();
    let mut changed = false;
    for line in 0..branches.len() {
        for candidates in [astray, turns] {
            for kink in candidates(&branches[line], &opening) {
                let around = Around::of(crack, view, known, &branches, line, &kink);
                let Some(nodes) = around.and_then(|around| around.corner()) else { continue };
                let from = kink.from;
                branches[line].curve.points[from..from + nodes.len()].copy_from_slice(&nodes);
                // Where the line cut the corner, the openings along it were wrong.
                let first = branches[line].first + from;
                bridge(&mut opening[first..first + nodes.len()], ARM_END);
                changed = true;
            }
        }
    }
    changed.then_some((branches, opening))
}

/// Straight from the mean of the first values to that of the last ones, so many of each.
fn bridge(values: &mut [f32], ends: usize) {
    let count = values.len();
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    let (from, to) = (mean(&values[..ends]), mean(&values[count - ends..]));
    let long = (count - ends) as f32;
    for (k, value) in values.iter_mut().enumerate().take(count - ends).skip(ends) {
        let share = (k as f32 - 0.5 * (ends - 1) as f32) / long;
        *value = from + share * (to - from);
    }
}

#[cfg(test)]
mod tests {
    use super::bridge;

    #[test]
    fn what_was_wrong_about_a_corner_goes_straight_from_arm_to_arm() {
        let truth: Vec<f32> = (0..60).map(|k| 8.0 - 0.05 * k as f32).collect();
        let mut values = truth.clone();
        values[20..40].iter_mut().for_each(|value| *value += 0.6);
        bridge(&mut values, 8);
        for (k, (value, truth)) in values.iter().zip(&truth).enumerate() {
            assert!((value - truth).abs() < 1e-4, "{k}: {value}, not {truth}");
        }
    }
}

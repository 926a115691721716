//! The line beyond its end, where the tip may go next: straight on, or round the bend that it is in.

use std::f32::consts::{PI, TAU};

use super::Crack;
use super::curve::{Curve, distance};
use super::geometry::SHARP;
use super::known::at_border;

/// Nodes that a straight line's direction is taken from: as many as follow, but at least and at most so many.
const DIRECTION: (usize, usize) = (20, 40);
/// Nodes that a bend is taken from, and the fewest.
const BEND: usize = 40;
const BEND_LEAST: usize = 16;
/// A bend is one beyond so many sigma; neighbouring nodes err alike over so many.
const SIGMAS: f32 = 5.0;
const ALIKE: f32 = 8.0;
/// A line turns no further than this beyond what was seen, rad.
const TURN_MOST: f32 = 1.0;

/// Adds `ahead` nodes beyond the end, within the region.
pub fn go_ahead(curve: &mut Curve, crack: &Crack, ahead: usize) {
    let end = curve.points.last().copied().filter(|end| !at_border(*end, crack));
    let Some((end, course)) = end.zip(Course::of(curve, ahead)) else { return };
    let region = crack.config.region;
    let mut at = end;
    for k in 1..=ahead {
        // Half a node further, the chord of the arc.
        let turned = ((k as f32 - 0.5) * course.bend).clamp(-TURN_MOST, TURN_MOST);
        let heading = course.heading + turned;
        at = [at[0] + heading.cos(), at[1] + heading.sin()];
        let inside = at[0] >= region.x as f32
            && at[1] >= region.y as f32
            && at[0] <= (region.x + region.width - 1) as f32
            && at[1] <= (region.y + region.height - 1) as f32;
        if !inside {
            break;
        }
        curve.points.push(at);
    }
}

/// Where a line goes at its end: an angle from x towards y, rad, and how fast that changes, rad/px.
#[derive(Clone, Copy, Debug)]
struct Course {
    heading: f32,
    bend: f32,
}

impl Course {
    fn of(curve: &Curve, ahead: usize) -> Option<Course> {
        let points = &curve.points;
        let end = *points.last()?;
        let bent = Course::bent(curve);
        if bent.is_some() {
            return bent;
        }
        let from = points[points.len().saturating_sub(ahead.clamp(DIRECTION.0, DIRECTION.1))];
        let straight = Course { heading: (end[1] - from[1]).atan2(end[0] - from[0]), bend: 0.0 };
        (distance(from, end) > 0.0).then_some(straight)
    }

    /// By the last nodes, since the last kink; nothing where they do not clearly bend.
    fn bent(curve: &Curve) -> Option<Course> {
        let all = curve.points.len();
        let last = (all.saturating_sub(BEND)..all).rev();
        let first = last.take_while(|node| curve.turn(*node) < SHARP).last()?;
        let nodes = &curve.points[first..];
        if nodes.len() < BEND_LEAST {
            return None;
        }
        let (arc, bend_error) = Course::of_arc(nodes)?;
        (arc.bend.abs() > SIGMAS * bend_error).then_some(arc)
    }

    /// That of the arc through nodes 1 px apart, and one sigma of its bend, by the headings from node to node. With
    /// these weights the arc has the least squares of its nodes' places.
    fn of_arc(nodes: &[[f32; 2]]) -> Option<(Course, f32)> {
        let mut headings = Vec::with_capacity(nodes.len());
        for pair in nodes.windows(2) {
            let heading = (pair[1][1] - pair[0][1]).atan2(pair[1][0] - pair[0][0]);
            let before = headings.last().copied().unwrap_or(heading);
            let turn = (heading - before + PI).rem_euclid(TAU) - PI;
            headings.push(before + turn);
        }
        let n = headings.len() as f32;
        // The middle of each piece, from that of all.
        let place = |k: usize| k as f32 + 0.5 - 0.5 * n;
        let weight = |k: usize| (k + 1) as f32 * (n - k as f32);
        let (mut sum, mut mean, mut with, mut square) = (0.0, 0.0, 0.0, 0.0);
        for (k, heading) in headings.iter().enumerate() {
            let (w, x) = (weight(k), place(k));
            (sum, mean) = (sum + w, mean + w * heading);
            (with, square) = (with + w * x * heading, square + w * x * x);
        }
        if !(square > 0.0 && n > 4.0) {
            return None;
        }
        let (mean, bend) = (mean / sum, with / square);
        // How far the nodes stray from the arc: the sum of what the headings are off.
        let mut off = 0.0;
        let strays: Vec<f32> = headings
            .iter()
            .enumerate()
            .map(|(k, heading)| {
                off += heading - mean - bend * place(k);
                off
            })
            .collect();
        let middle = strays.iter().sum::<f32>() / n;
        let variance = strays.iter().map(|at| (at - middle).powi(2)).sum::<f32>() / (n - 3.0);
        // That of twice the square term of a parabola through so many places.
        let bend_error = (ALIKE * 720.0 * variance / n.powi(5)).sqrt();
        Some((Course { heading: mean + bend * 0.5 * n, bend }, bend_error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of so many nodes with the curvature `bend`, off by up to 0.05 px to either side in turn.
    fn line(nodes: usize, bend: f32) -> Curve {
        let mut at = [100.0, 100.0];
        let points = (0..nodes).map(|k| {
            let heading = 0.4 + k as f32 * bend;
            at = [at[0] + heading.cos(), at[1] + heading.sin()];
            let off = 0.05 * (1.1 * k as f32).sin();
            [at[0] - off * heading.sin(), at[1] + off * heading.cos()]
        });
        Curve { points: points.collect() }
    }

    #[test]
    fn an_arc_goes_on_as_an_arc_and_a_straight_line_straight() {
        let course = Course::of(&line(60, 0.025), 24).expect("a course");
        assert!((course.bend - 0.025).abs() < 0.003, "{course:?}");
        assert!((course.heading - (0.4 + 60.0 * 0.025)).abs() < 0.06, "{course:?}");
        let course = Course::of(&line(60, 0.0), 24).expect("a course");
        assert!(course.bend == 0.0 && (course.heading - 0.4).abs() < 0.02, "{course:?}");
    }

    #[test]
    fn a_kink_is_no_bend() {
        let mut curve = line(40, 0.0);
        let end = curve.points[39];
        curve.points.extend((1..24).map(|k| [end[0], end[1] + k as f32]));
        let course = Course::of(&curve, 20).expect("a course");
        assert_eq!(course.bend, 0.0);
        assert!((course.heading - std::f32::consts::FRAC_PI_2).abs() < 0.05, "{course:?}");
    }
}

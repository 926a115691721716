//! The line beyond its end, where the tip may go next: straight on, or round the bend that it is in.

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
const SIGMAS: f64 = 3.0;
const ALIKE: f64 = 8.0;
/// A line turns no further than this beyond what was seen, rad.
const TURN_MOST: f32 = 1.0;

/// Adds `ahead` nodes beyond the end, within the region.
pub fn go_ahead(curve: &mut Curve, crack: &Crack, ahead: usize) {
    let Some(end) = curve.points.last().copied() else { return };
    let Some(course) = Course::of(curve, ahead) else { return };
    if at_border(end, crack) {
        return;
    }
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

    /// The parabola through the last nodes, since the last kink; nothing where it does not clearly bend.
    fn bent(curve: &Curve) -> Option<Course> {
        let all = curve.points.len();
        let kinks = (all.saturating_sub(BEND)..all).rev();
        let first = kinks.take_while(|node| curve.turn(*node) < SHARP).last()?;
        let nodes = &curve.points[first..];
        if nodes.len() < BEND_LEAST {
            return None;
        }
        let (from, end) = (nodes[0], nodes[nodes.len() - 1]);
        let long = f64::from(distance(from, end));
        if !(long > 0.0) {
            return None;
        }
        let (ux, uy) = (f64::from(end[0] - from[0]) / long, f64::from(end[1] - from[1]) / long);
        let places = nodes.iter().map(|at| {
            let (x, y) = (f64::from(at[0] - end[0]), f64::from(at[1] - end[1]));
            (x * ux + y * uy, y * ux - x * uy)
        });
        let Parabola { slope, bend, bend_error } = Parabola::through(places)?;
        (bend.abs() > SIGMAS * bend_error).then(|| Course {
            heading: (uy.atan2(ux) + slope.atan()) as f32,
            bend: (bend / (1.0 + slope * slope).powf(1.5)) as f32,
        })
    }
}

/// y = a + slope · x + ½ bend · x², by least squares.
#[derive(Clone, Copy, Debug)]
struct Parabola {
    slope: f64,
    bend: f64,
    bend_error: f64,
}

impl Parabola {
    fn through(places: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Parabola> {
        // Sums of 1, x, x², x³, x⁴, and of y, xy, x²y.
        let (mut powers, mut right) = ([0.0; 5], [0.0; 3]);
        for (x, y) in places.clone() {
            let terms = [1.0, x, x * x, x * x * x, x * x * x * x];
            powers.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            right.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term * y);
        }
        let [n, s1, s2, s3, s4] = powers;
        // What of x and x² is orthogonal to all before.
        let mean = s1 / n;
        let xx = s2 - s1 * mean;
        let along = (s3 - s2 * mean) / xx;
        let square = s2 / n;
        let qq = s4 - s2 * square - along * along * xx;
        if !(xx > 0.0 && qq > 0.0) {
            return None;
        }
        let first = (right[1] - mean * right[0]) / xx;
        let second = (right[2] - square * right[0] - along * (right[1] - mean * right[0])) / qq;
        let slope = first - along * second;
        let level = right[0] / n - slope * mean - second * square;
        let squares: f64 =
            places.map(|(x, y)| (y - level - slope * x - second * x * x).powi(2)).sum();
        let variance = squares / (n - 3.0) / qq;
        Some(Parabola { slope, bend: 2.0 * second, bend_error: 2.0 * (ALIKE * variance).sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of so many nodes with the curvature `bend`, and noise of 0.1 px that changes from node to node.
    fn line(nodes: usize, bend: f32) -> Curve {
        let mut at = [100.0, 100.0];
        let points = (0..nodes).map(|k| {
            let heading = 0.4 + k as f32 * bend;
            at = [at[0] + heading.cos(), at[1] + heading.sin()];
            let off = 0.1 * ((k * 7919 % 101) as f32 / 50.0 - 1.0);
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

    #[test]
    fn a_parabola_is_found_again() {
        let places = (0..20).map(|k| {
            let x = f64::from(k) - 19.0;
            (x, 3.0 - 0.2 * x + 0.01 * x * x)
        });
        let found = Parabola::through(places).expect("a parabola");
        assert!((found.slope + 0.2).abs() < 1e-9 && (found.bend - 0.02).abs() < 1e-9, "{found:?}");
        assert!(found.bend_error < 1e-9);
    }
}

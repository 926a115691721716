//! Where a line may have a kink: it turns between two straight arms.

use std::ops::Range;

use super::pixels::foot;
use crate::gauge::crack::geometry::{Branch, SHARP};

/// Nodes of an arm beyond half the opening: the smoothing of the path reaches some 12.
const ARM: f32 = 20.0;
/// A kink turns by this, rad, and by so many times what its arms bend.
pub const TURN_LEAST: f32 = 0.35;
const STRAIGHTER: f32 = 2.5;
/// Narrower cracks show no corner, px.
const OPENING_LEAST: f32 = 0.2;
/// Averages along a weak crack reach beyond its kink, by twice their sigma, and the trace with them: so many nodes
/// to each side of it may be elsewhere, and then those of an arm that is straight.
const ASTRAY: [f32; 2] = [22.0, 14.0];
const STRAIGHT: f32 = 16.0;
/// A path that is nowhere further from its arms is none that went astray, px: one that cuts a corner is not.
const ASTRAY_LEAST: f64 = 1.5;
/// And one that shows nowhere less than this share of what its arms show is none either.
const CLOSED_SHARE: f32 = 0.5;

/// A turn that may be a kink.
pub struct Turn {
    /// Nodes from the end of one arm to the end of the other.
    pub from: usize,
    pub to: usize,
    /// Where the arms' straight continuations meet, reference px.
    pub corner: [f64; 2],
    pub opening: f32,
    /// A kink that is known lies within an arm.
    pub beside: bool,
}

/// How far a turn reaches.
#[derive(Clone, Copy)]
enum Extent {
    /// Over what a path is smoothed over.
    Smoothed,
    /// So many nodes to each side went astray.
    Astray(f32),
}

impl Extent {
    /// Nodes from the middle to where the arms are straight, and to their ends.
    fn nodes(self, wide: f32) -> (usize, usize) {
        match self {
            Extent::Smoothed => {
                let arm = (ARM + 0.5 * wide) as usize;
                (arm / 3, arm)
            }
            Extent::Astray(by) => {
                let near = (by + 0.5 * wide) as usize;
                (near, near + STRAIGHT as usize)
            }
        }
    }
}

/// The turns of a line whose stations have these openings, px, in the order of its nodes.
pub fn turns(branch: &Branch, opening: &[f32]) -> Vec<Turn> {
    found(branch, opening, Extent::Smoothed)
}

/// Where it went astray between two straight arms that meet elsewhere; the widest such places first.
pub fn astray(branch: &Branch, opening: &[f32]) -> Vec<Turn> {
    ASTRAY.iter().flat_map(|by| found(branch, opening, Extent::Astray(*by))).collect()
}

fn found(branch: &Branch, opening: &[f32], extent: Extent) -> Vec<Turn> {
    let points = &branch.curve.points[..branch.own];
    let direction = |a: usize, b: usize| {
        let ([ax, ay], [bx, by]) = (points[a], points[b]);
        (by - ay).atan2(bx - ax)
    };
    let turn = |a: f32, b: f32| {
        let by = (b - a).rem_euclid(std::f32::consts::TAU);
        by.min(std::f32::consts::TAU - by)
    };
    let mut found: Vec<(f32, usize, Turn)> = Vec::new();
    for node in 0..points.len() {
        let wide = opening[branch.first + node].max(0.0);
        let (near, far) = extent.nodes(wide);
        if node < far || node + far >= points.len() {
            continue;
        }
        let middle = (near + far) / 2;
        let before = direction(node - far, node - near);
        let after = direction(node + near, node + far);
        let turned = turn(before, after);
        let bent =
            turn(direction(node - far, node - middle), direction(node - middle, node - near))
                + turn(direction(node + near, node + middle), direction(node + middle, node + far));
        if turned < TURN_LEAST || turned < STRAIGHTER * bent {
            continue;
        }
        let is_sharp = |mut nodes: Range<usize>| nodes.any(|k| branch.curve.turn(k) > SHARP);
        let at = |k: usize| points[k].map(f64::from);
        let ends = [at(node - far), at(node - near), at(node + far), at(node + near)];
        let Some(corner) = meeting(ends) else { continue };
        let (wide, is_one) = match extent {
            Extent::Smoothed => {
                (wide, wide >= OPENING_LEAST && !is_sharp(node - near..node + near + 1))
            }
            Extent::Astray(_) => {
                // There nothing is open, between two arms that are.
                let open =
                    |nodes: Range<usize>| nodes.map(move |k| opening[branch.first + k].max(0.0));
                let mean =
                    |nodes: Range<usize>| open(nodes.clone()).sum::<f32>() / nodes.len() as f32;
                let arms = mean(node - far..node - near).min(mean(node + near + 1..node + far + 1));
                let least = open(node - near..node + near + 1).fold(f32::INFINITY, f32::min);
                let bent = [ends[0], corner, ends[2]];
                let off = |k: usize| foot(&bent, at(k)).0;
                let is_one = arms >= OPENING_LEAST
                    && least < CLOSED_SHARE * arms
                    && (node - near..=node + near).any(|k| off(k) > ASTRAY_LEAST);
                (arms, is_one)
            }
        };
        if !is_one {
            continue;
        }
        // Of those near each other the one that turns most.
        let beside = is_sharp(node - far..node - near) || is_sharp(node + near + 1..node + far + 1);
        let (from, to) = (node - far, node + far);
        let candidate = Turn { from, to, corner, opening: wide, beside };
        match found.last_mut() {
            Some((most, last, kept)) if node - *last < far => {
                if turned > *most {
                    (*most, *last, *kept) = (turned, node, candidate);
                }
            }
            _ => found.push((turned, node, candidate)),
        }
    }
    found.into_iter().map(|(_, _, candidate)| candidate).collect()
}

/// Where two straight lines meet, each through two points: the first two, and the other two.
pub fn meeting([a, b, c, d]: [[f64; 2]; 4]) -> Option<[f64; 2]> {
    let (u, v) = ([b[0] - a[0], b[1] - a[1]], [d[0] - c[0], d[1] - c[1]]);
    let cross = u[0] * v[1] - u[1] * v[0];
    if cross.abs() < 1e-6 {
        return None;
    }
    let share = ((c[0] - a[0]) * v[1] - (c[1] - a[1]) * v[0]) / cross;
    Some([a[0] + share * u[0], a[1] + share * u[1]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gauge::crack::curve::Curve;

    /// The turns of a line through these points, as smooth as a traced one.
    fn found(points: Vec<[f32; 2]>) -> Vec<Turn> {
        let curve = Curve { points }.resampled().smoothed(4.0);
        let own = curve.points.len();
        turns(&Branch { curve, first: 5, own }, &vec![3.0; own + 5])
    }

    #[test]
    fn a_rounded_corner_is_one_turn_and_an_even_curve_is_none() {
        let corner = [80.0, 60.0];
        let turns = found(vec![[10.0, 20.0], corner, [60.0, 130.0]]);
        assert_eq!(turns.len(), 1, "one kink");
        let [x, y] = turns[0].corner.map(|v| v as f32);
        assert!((x - corner[0]).hypot(y - corner[1]) < 2.0, "it is at {x}, {y}");
        let arc = |radius: f32| {
            (0..60)
                .map(|k| 0.03 * k as f32)
                .map(|by| [100.0 - radius * by.cos(), 100.0 + radius * by.sin()])
                .collect()
        };
        assert!(found(arc(70.0)).is_empty(), "an arc has no kink");
        assert!(found(vec![[10.0, 20.0], [150.0, 110.0]]).is_empty(), "a straight line has none");
    }

    #[test]
    fn a_line_that_went_on_straight_past_a_kink_and_came_back_went_astray_there() {
        let corner = [80.0, 60.0];
        let points = vec![[10.0, 20.0], corner, [91.0, 66.3], [76.0, 74.0], [60.0, 130.0]];
        let curve = Curve { points }.resampled().smoothed(2.0);
        let own = curve.points.len();
        let branch = Branch { curve: curve.clone(), first: 0, own };
        // What was seen open: all that lies on the two arms.
        let arms = [[10.0, 20.0], [80.0, 60.0], [60.0, 130.0]];
        let off = |at: &[f32; 2]| foot(&arms, at.map(f64::from)).0;
        let seen: Vec<f32> =
            curve.points.iter().map(|at| if off(at) < 1.5 { 0.6 } else { 0.0 }).collect();
        let found = astray(&branch, &seen);
        assert!(!found.is_empty(), "it went astray");
        for turn in &found {
            let ends = [turn.from, turn.to].map(|k| off(&curve.points[k]));
            assert!(
                ends.iter().all(|off| *off < 1.0),
                "its arms end on the crack, not {ends:?} px off"
            );
        }
        assert!(astray(&branch, &vec![0.6; own]).is_empty(), "what is open there is no way astray");
    }

    #[test]
    fn two_lines_meet_where_their_continuations_do() {
        assert_eq!(meeting([[0.0, 0.0], [1.0, 0.0], [3.0, 5.0], [3.0, 4.0]]), Some([3.0, 0.0]));
        assert_eq!(meeting([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), None);
    }
}

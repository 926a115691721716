//! Where a line may have a kink: it turns between two straight arms.

use crate::gauge::crack::geometry::{Branch, SHARP};

/// Nodes of an arm beyond half the opening: the smoothing of the path reaches some 12.
const ARM: f32 = 20.0;
/// A kink turns by this, rad, and by so many times what its arms bend.
pub const TURN_LEAST: f32 = 0.35;
const STRAIGHTER: f32 = 2.5;
/// Narrower cracks show no corner, px.
const OPENING_LEAST: f32 = 0.2;

/// A turn that may be a kink.
pub struct Turn {
    pub node: usize,
    /// Nodes to each side.
    pub arm: usize,
    pub opening: f32,
    /// A kink that is known lies within an arm.
    pub beside: bool,
}

/// The turns of a line whose stations have these openings, px, in the order of its nodes.
pub fn turns(branch: &Branch, opening: &[f32]) -> Vec<Turn> {
    let points = &branch.curve.points[..branch.own];
    let direction = |a: usize, b: usize| {
        let ([ax, ay], [bx, by]) = (points[a], points[b]);
        (by - ay).atan2(bx - ax)
    };
    let turn = |a: f32, b: f32| {
        let by = (b - a).rem_euclid(std::f32::consts::TAU);
        by.min(std::f32::consts::TAU - by)
    };
    let mut found: Vec<(f32, Turn)> = Vec::new();
    for node in 0..points.len() {
        let wide = opening[branch.first + node].max(0.0);
        let arm = (ARM + 0.5 * wide) as usize;
        if node < arm || node + arm >= points.len() {
            continue;
        }
        let (near, far) = (arm / 3, arm);
        let middle = (near + far) / 2;
        let before = direction(node - far, node - near);
        let after = direction(node + near, node + far);
        let turned = turn(before, after);
        let bent =
            turn(direction(node - far, node - middle), direction(node - middle, node - near))
                + turn(direction(node + near, node + middle), direction(node + middle, node + far));
        if turned < TURN_LEAST || turned < STRAIGHTER * bent || wide < OPENING_LEAST {
            continue;
        }
        let is_sharp =
            |within: usize| (node - within..=node + within).any(|k| branch.curve.turn(k) > SHARP);
        if is_sharp(near) {
            continue;
        }
        // Of those near each other the one that turns most.
        let candidate = Turn { node, arm, opening: wide, beside: is_sharp(arm) };
        match found.last_mut() {
            Some((most, last)) if node - last.node < arm => {
                if turned > *most {
                    (*most, *last) = (turned, candidate);
                }
            }
            _ => found.push((turned, candidate)),
        }
    }
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gauge::crack::curve::Curve;

    /// The turns of a line through these points, as smooth as a traced one.
    fn found(points: Vec<[f32; 2]>) -> (Vec<Turn>, Curve) {
        let curve = Curve { points }.resampled().smoothed(4.0);
        let own = curve.points.len();
        let branch = Branch { curve: curve.clone(), first: 5, own };
        (turns(&branch, &vec![3.0; own + 5]), curve)
    }

    #[test]
    fn a_rounded_corner_is_one_turn_and_an_even_curve_is_none() {
        let corner = [80.0, 60.0];
        let (turns, curve) = found(vec![[10.0, 20.0], corner, [60.0, 130.0]]);
        assert_eq!(turns.len(), 1, "one kink");
        let [x, y] = curve.points[turns[0].node];
        assert!((x - corner[0]).hypot(y - corner[1]) < 4.0, "it is at {x}, {y}");
        let arc = |radius: f32| {
            (0..60)
                .map(|k| 0.03 * k as f32)
                .map(|by| [100.0 - radius * by.cos(), 100.0 + radius * by.sin()])
                .collect()
        };
        assert!(found(arc(70.0)).0.is_empty(), "an arc has no kink");
        assert!(found(vec![[10.0, 20.0], [150.0, 110.0]]).0.is_empty(), "a straight line has none");
    }
}

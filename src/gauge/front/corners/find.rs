//! Corners that a frame shows, where no curve that is stiff enough for few counts bends to them.

use super::SAME_LINES;
use crate::gauge::front::sums::EdgeSums;

/// How far a smooth curve strays beside a corner: so much at the corner itself, px, and less and less over so many lines.
const STRAYS_PX: [f32; 7] = [2.0, 3.5, 5.0, 7.0, 9.0, 12.0, 15.0];
const OVER_LINES: [usize; 2] = [6, 12];
/// Log-likelihood that a corner must bring, and each of its sides.
const LIKELIER: f32 = 12.0;
const LIKELIER_SIDE: f32 = 2.0;
/// Only where the scores of both sides, over the fewest of these lines, ask for opposite ways by more than this is it
/// looked for (squared sigma): what they say of a line that is far off saturates.
const ASKED_LINES: usize = OVER_LINES[0];
const ASKED: f32 = 6.0;

/// A corner that the curve cuts.
pub struct Corner {
    /// It is just before this line.
    pub line: usize,
    /// How far the edge is from the curve in the lines about it, px, from line `first` on.
    pub first: usize,
    pub off: Vec<f32>,
    likelier: f32,
}

/// What of one side of a corner is likeliest.
#[derive(Clone, Copy)]
struct Side {
    likelier: f32,
    /// How far the edge is from the curve at the corner, px.
    off: f32,
}

/// Corners that the contour's curve cuts: places where the lines of both sides are likelier to be off it in opposite
/// ways. `against` is how unlikely it is (log-likelihood) that a line is off by so much, px; `edges` are the sums of the
/// lines at the curve, whose scores vary by `excess` more than noise explains. None near lines that are `rigid`, of which
/// no entry means none: a particle has corners, too.
pub fn find(
    edges: &[EdgeSums],
    excess: f32,
    rigid: &[bool],
    against: impl Fn(usize, f32) -> f32,
) -> Vec<Corner> {
    let lines = edges.len();
    let mut sums = vec![(0.0f32, 0.0f32); lines + 1];
    for (k, edge) in edges.iter().enumerate() {
        sums[k + 1] = (sums[k].0 + edge.score, sums[k].1 + edge.information);
    }
    let asks = |line: usize| {
        let [first, middle, end] =
            [line - ASKED_LINES, line, line + ASKED_LINES].map(|line| sums[line]);
        let apart = (middle.0 - first.0) - (end.0 - middle.0);
        apart * apart > ASKED * excess * (end.1 - first.1)
    };
    let gain = |line: usize, by: f32| against(line, 0.0) - against(line, by);
    let mut found = Vec::new();
    for over in OVER_LINES {
        for line in over..(lines + 1).saturating_sub(over) {
            let (first, end) = (line - over, line + over);
            if !asks(line) || (first..end).any(|line| rigid.get(line) == Some(&true)) {
                continue;
            }
            for sign in [1.0, -1.0] {
                let before = Side::best(sign, over, |step, off| gain(line - 1 - step, off));
                if before.likelier < LIKELIER_SIDE {
                    continue;
                }
                let after = Side::best(-sign, over, |step, off| gain(line + step, off));
                let likelier = before.likelier + after.likelier;
                if after.likelier < LIKELIER_SIDE || likelier < LIKELIER {
                    continue;
                }
                let before = (0..over).rev().map(|step| before.off * share(step, over));
                let off = before.chain((0..over).map(|step| after.off * share(step, over)));
                found.push(Corner { line, first, off: off.collect(), likelier });
            }
        }
    }
    found.sort_by(|a, b| b.likelier.total_cmp(&a.likelier));
    let mut kept: Vec<Corner> = Vec::new();
    for corner in found {
        if kept.iter().all(|other| other.line.abs_diff(corner.line) >= SAME_LINES) {
            kept.push(corner);
        }
    }
    kept
}

impl Side {
    /// By what each line, so many steps from the corner, gains where it is off by so much; to the side of `sign`.
    fn best(sign: f32, over: usize, gain: impl Fn(usize, f32) -> f32) -> Side {
        let mut best = Side { likelier: 0.0, off: 0.0 };
        for stray in STRAYS_PX {
            let off = sign * stray;
            let likelier = (0..over).map(|step| gain(step, off * share(step, over))).sum();
            if likelier > best.likelier {
                best = Side { likelier, off };
            }
        }
        best
    }
}

/// How much of its stray at the corner a curve has so many steps from it.
fn share(step: usize, over: usize) -> f32 {
    1.0 - step as f32 / over as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Corners of a curve that lines are `off` by, where a pixel says `said` and an edge is known to 2 px.
    fn of(off: impl Fn(usize) -> f32, said: f32, rigid: &[bool]) -> Vec<Corner> {
        let edge = |line: usize| EdgeSums {
            score: 0.25 * off(line).clamp(-2.0, 2.0),
            information: 0.25,
            ..EdgeSums::default()
        };
        let edges: Vec<EdgeSums> = (0..100).map(edge).collect();
        find(&edges, 1.0, rigid, |line, by| said * (off(line) - by).abs())
    }

    /// What a smooth curve leaves of a step of 14 px before line 40.
    fn corner(line: usize) -> f32 {
        let steps = if line < 40 { 39 - line } else { line - 40 };
        let off = 7.0 * (-(steps as f32) / 6.0).exp();
        if line < 40 { -off } else { off }
    }

    #[test]
    fn a_corner_that_the_curve_cuts_is_found() {
        let found = of(corner, 0.3, &[]);
        assert_eq!(found.iter().map(|corner| corner.line).collect::<Vec<_>>(), [40]);
        for (line, off) in (found[0].first..).zip(&found[0].off) {
            assert!((off - corner(line)).abs() < 2.5, "line {line}: {off}, not {}", corner(line));
        }
    }

    #[test]
    fn what_says_little_or_may_be_a_particle_is_none() {
        assert!(of(corner, 0.05, &[]).is_empty());
        assert!(of(corner, 0.3, &[true; 100]).is_empty());
    }

    #[test]
    fn lines_that_are_off_to_one_side_are_no_corner() {
        assert!(of(|line| corner(line).abs(), 0.3, &[]).is_empty());
    }
}

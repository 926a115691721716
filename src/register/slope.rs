//! How steep a frame is against its template: the factor by which refocusing or a change of
//! contrast scales the frame's structure.
//!
//! Where the frame's contrast is c, the measured sums are c times what the template promises, and
//! a displacement from the phase would be read c times too large. The sums at a second place, the
//! next phase, tell c: the difference of the two over the promised difference. It holds for any
//! symmetric blur, since only the slope counts.

use super::compare::{TileSums, compare};
use super::level::Level;
use super::motion::Motion;
use super::observe::Scratch;
use super::solve::{Ask, Fit, promised};
use crate::frame::Image;

/// Weights that stand further than this from the motion are beyond the polynomials' reach, px.
const FARTHEST_PX: f64 = 0.7;

/// Contrast and one sigma, from the sums in `scratch` and those of a second pass; the sums and
/// residuals of the fit are left as they were. Nothing when the template promises no difference.
pub fn contrast(
    level: &Level,
    image: &Image,
    fit: &Fit,
    ask: &Ask<'_>,
    scratch: &mut Scratch,
) -> Option<(f64, f64)> {
    let apart = 1.0 / level.shape.phases.len() as f64;
    let first = scratch.sums.first()?.at;
    // The weights on the other side of the motion: both then stand within their reach of it.
    let other = |at: f64, weights: f64| weights + if at >= weights { apart } else { -apart };
    let second = if fit.motion.is_shift() {
        Motion { x: other(fit.motion.x, first.0), y: other(fit.motion.y, first.1), ..fit.motion }
    } else {
        Motion { x: fit.motion.x + apart, y: fit.motion.y + apart, ..fit.motion }
    };
    let here = std::mem::take(&mut scratch.sums);
    compare(level, image, &second, scratch.shared, &mut scratch.sums);
    let there = std::mem::replace(&mut scratch.sums, here);
    let mut used = vec![false; level.tiles.len()];
    for (sum, local) in scratch.sums.iter().zip(&scratch.solve.locals) {
        used[sum.tile] = local.used;
    }
    let (mut found, mut expected, mut variance) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    let mut partners = there.iter().peekable();
    for sum in &scratch.sums {
        while partners.next_if(|other| other.tile < sum.tile).is_some() {}
        let Some(other) = partners.next_if(|other| other.tile == sum.tile) else { continue };
        let (u, v) = level.offset_of(&level.tiles[sum.tile]);
        let at = fit.motion.at(u, v);
        let far = (at.0 - other.at.0).abs().max((at.1 - other.at.1).abs()) > FARTHEST_PX;
        if !used[sum.tile] || far {
            continue;
        }
        let (a, b) = (
            promised(level, sum, &fit.motion, ask.reach),
            promised(level, other, &fit.motion, ask.reach),
        );
        // What the tile's mean adds has no part in it, in the template and in the frame.
        let mean = |sum: &TileSums| level.phases[sum.phase].means[sum.tile];
        let pedestal =
            |sum: &TileSums, axis: usize| level.phases[sum.phase].pedestals[sum.tile][axis];
        let (here, there) = (mean(sum), mean(other));
        let (here_now, there_now) = (fit.tone.mean(here), fit.tone.mean(there));
        for axis in 0..2 {
            let (near, far) = (pedestal(sum, axis), pedestal(other, axis));
            let now = near * here_now - far * there_now;
            found[axis] += (sum.sums[axis] - other.sums[axis]) / fit.gain - now;
            expected[axis] += a[axis] - b[axis] - (near * here - far * there);
            let one = |phase: usize| level.phases[phase].variance[sum.tile][2 * axis];
            variance[axis] += (one(sum.phase) + one(other.phase)) / fit.gain;
        }
    }
    let size = expected[0].powi(2) + expected[1].powi(2);
    let product = found[0] * expected[0] + found[1] * expected[1];
    let scatter = variance[0] * expected[0].powi(2) + variance[1] * expected[1].powi(2);
    let (contrast, sigma) = (product / size, scatter.sqrt() / size);
    (contrast.is_finite() && sigma.is_finite()).then_some((contrast, sigma))
}

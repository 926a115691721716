//! Where the specimen stands in each frame: a random walk with a slow drift, and jumps.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Drift (x, y) of each frame in pixels, the first 0, 0. `step_px` is one sigma of the walk per
/// frame and axis; a jump of about `jump_px` happens at evenly spread frames.
pub fn walk(
    frames: usize,
    step_px: f64,
    velocity_px: (f64, f64),
    jumps: usize,
    jump_px: f64,
    rng: &mut ChaCha8Rng,
) -> Vec<(f64, f64)> {
    let mut normal = || -> f64 { StandardNormal.sample(rng) };
    let mut at = (0.0, 0.0);
    let mut jump_at: Vec<usize> = (1..=jumps).map(|k| k * frames / (jumps + 1)).collect();
    jump_at.retain(|frame| *frame > 0);
    (0..frames)
        .map(|frame| {
            let here = at;
            at.0 += velocity_px.0 + step_px * normal();
            at.1 += velocity_px.1 + step_px * normal();
            if jump_at.contains(&(frame + 1)) {
                // Back across the start, so that many jumps do not leave the field.
                at.0 -= at.0.signum() * jump_px + 0.3 * normal();
                at.1 -= at.1.signum() * 0.7 * jump_px + 0.3 * normal();
            }
            here
        })
        .collect()
}

//! Bias and current of a symmetric cell that is plated until it shorts.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// One row of the cell's log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellRow {
    pub test_time_s: f64,
    pub voltage_v: f64,
    /// Positive charges.
    pub current_a: f64,
}

/// Rows per second.
pub const RATE_HZ: f64 = 10.0;

/// The log from 0 to a little beyond `duration_s`; the cell shorts at `short_s`.
///
/// The overpotential (about 120 mV) falls slowly as the gap narrows, dips for moments at a time
/// (soft shorts) shortly before, and collapses to a few millivolts at the short; the current
/// source is switched off by its own limit a second later.
pub fn log(duration_s: f64, short_s: f64, rng: &mut ChaCha8Rng) -> Vec<CellRow> {
    let mut normal = || -> f64 { StandardNormal.sample(rng) };
    let rows = ((duration_s + 1.0) * RATE_HZ).ceil() as usize;
    (0..rows)
        .map(|k| {
            let time = k as f64 / RATE_HZ;
            let progress = (time / short_s).min(1.0);
            let shorted = time >= short_s;
            let soft = progress > 0.9 && (k / 2) % 5 == 0;
            let voltage = if shorted {
                0.003
            } else if soft {
                0.062
            } else {
                0.120 - 0.035 * progress * progress
            };
            let current = if time >= short_s + 1.0 { 0.0 } else { 2e-6 };
            CellRow {
                test_time_s: time,
                voltage_v: voltage + 0.0005 * normal(),
                current_a: current + 5e-9 * normal(),
            }
        })
        .collect()
}

//! Where the brightness steps once and for good, and when: the best single step in each cell's
//! series of values, by least squares.
//!
//! With `k` frames before the step and `m` after it, the step explains `d²·k·m/(k + m)` of the
//! squares, `d` being the difference of the means; its significance is that over the variance
//! which is left.

use super::grid::{Map, Mask, quantile};
use super::sample::Aligned;

/// One sigma of the smoothing before, cells.
const SMOOTH: f64 = 1.3;
/// A step counts from this significance on, sigma.
pub const SIGNIFICANT: f32 = 8.0;
/// Frames that must stand before and after a step.
const BESIDE: usize = 2;

/// The best step of each cell.
pub struct Steps {
    /// Sigma; negative where it becomes darker.
    pub significance: Map,
    /// The first frame after the step.
    pub arrival: Vec<u16>,
    /// Change relative to the brightness before.
    pub change: Map,
}

impl Steps {
    /// Fits every cell.
    pub fn find(aligned: &Aligned) -> Steps {
        let frames: Vec<Map> =
            aligned.frames.iter().map(|frame| frame.gaussian(SMOOTH, (0, 0))).collect();
        let count = frames.len();
        let first = &frames[0];
        let mut steps = Steps {
            significance: first.same(|_| 0.0),
            arrival: vec![0; first.cells.len()],
            change: first.same(|_| 0.0),
        };
        let mut left = first.same(|_| 0.0f32);
        let mut series = vec![0.0f64; count];
        for cell in 0..first.cells.len() {
            for (value, frame) in series.iter_mut().zip(&frames) {
                *value = f64::from(frame.cells[cell]);
            }
            let total: f64 = series.iter().sum();
            let mean = total / count as f64;
            let squares: f64 = series.iter().map(|value| (value - mean).powi(2)).sum();
            let (mut before, mut best, mut change) = (0.0, 0.0, 0.0);
            for k in 1..count {
                before += series[k - 1];
                if k < BESIDE || count - k < BESIDE {
                    continue;
                }
                let (n, m) = (k as f64, (count - k) as f64);
                let step = (total - before) / m - before / n;
                let explained = step * step * n * m / (n + m);
                if explained > best {
                    best = explained;
                    change = step / (before / n).abs().max(f64::MIN_POSITIVE);
                    steps.arrival[cell] = k as u16;
                }
            }
            steps.change.cells[cell] = change as f32;
            steps.significance.cells[cell] = (best.sqrt() * change.signum()) as f32;
            left.cells[cell] = ((squares - best).max(0.0) / count.max(3) as f64) as f32;
        }
        // A cell whose own values happen to agree is no more significant than its neighbours.
        let usual = quantile(left.cells.iter().copied(), 0.5).max(f32::MIN_POSITIVE);
        for (significance, left) in steps.significance.cells.iter_mut().zip(&left.cells) {
            *significance /= left.max(usual).sqrt();
        }
        steps
    }

    /// Cells that become darker (`-1.0`) or brighter (`1.0`) significantly.
    pub fn stepped(&self, sign: f32) -> Mask {
        let found = &self.significance;
        found.same(|cell| found.cells[cell] * sign > SIGNIFICANT)
    }
}

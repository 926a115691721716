//! Where the brightness changes, when, and for how long: the interval of time in which each cell's
//! values differ most from the others, by least squares.
//!
//! With `m` of `n` frames inside the interval, it explains `d²·m·(n − m)/n` of the squares, `d` being
//! the difference of the means; its significance is that over the variance which is left. An interval
//! that reaches the last frame is a step for good: what a front leaves behind. One that ends earlier
//! is taken only where it explains clearly more: a front that went back, or a body that passed.

use super::align::Aligned;
use super::grid::{Map, Mask, quantile};

/// One sigma of the smoothing before, cells.
const SMOOTH: f64 = 1.3;
/// A step counts from this significance on, sigma.
pub const SIGNIFICANT: f32 = 8.0;
/// Frames that must stand before, in and after an interval; in shorter recordings one is enough.
const BESIDE: usize = 2;
const SHORT: usize = 8;
/// Frames from which on an interval may end before the last.
const ENDS_FROM: usize = 12;
/// It must leave less than this share of what a step leaves.
const CLEARLY_LESS: f64 = 0.5;

/// The interval of each cell.
pub struct Steps {
    /// Sigma; negative where it is darker.
    pub significance: Map,
    /// The first frame of the interval.
    pub arrival: Vec<u16>,
    /// The first frame after it; the number of frames where it lasts.
    pub departure: Vec<u16>,
    /// Change relative to the brightness outside of it.
    pub change: Map,
    /// Frames of the series.
    pub frames: usize,
}

/// One cell's best interval.
#[derive(Clone, Copy, Default)]
struct Interval {
    from: usize,
    until: usize,
    explained: f64,
    change: f64,
}

impl Steps {
    /// Fits every cell; with intervals that end, or only with such as last.
    pub fn find(aligned: &Aligned, may_end: bool) -> Steps {
        let frames: Vec<Map> =
            aligned.frames.iter().map(|frame| frame.gaussian(SMOOTH, (0, 0))).collect();
        let count = frames.len();
        let beside = if count < SHORT { 1 } else { BESIDE };
        let first = &frames[0];
        let mut steps = Steps {
            significance: first.same(|_| 0.0),
            arrival: vec![0; first.cells.len()],
            departure: vec![count as u16; first.cells.len()],
            change: first.same(|_| 0.0),
            frames: count,
        };
        let mut left = first.same(|_| 0.0f32);
        let mut sums = vec![0.0f64; count + 1];
        for cell in 0..first.cells.len() {
            let mut squares = 0.0;
            // About the first value, for the sake of the squares' last digits.
            let about = f64::from(first.cells[cell]);
            for (k, frame) in frames.iter().enumerate() {
                let value = f64::from(frame.cells[cell]) - about;
                sums[k + 1] = sums[k] + value;
                squares += value * value;
            }
            squares -= sums[count] * sums[count] / count as f64;
            let mut best = lasting(&sums, about, beside);
            if may_end && count >= ENDS_FROM {
                let ended = ending(&sums, about, beside);
                if squares - ended.explained < CLEARLY_LESS * (squares - best.explained) {
                    best = ended;
                }
            }
            steps.arrival[cell] = best.from as u16;
            steps.departure[cell] = best.until as u16;
            steps.change.cells[cell] = best.change as f32;
            steps.significance.cells[cell] = (best.explained.sqrt() * best.change.signum()) as f32;
            left.cells[cell] = ((squares - best.explained).max(0.0) / count.max(3) as f64) as f32;
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

/// The best interval that reaches the last frame, from the running sums of a cell's values above
/// `about`.
fn lasting(sums: &[f64], about: f64, beside: usize) -> Interval {
    let count = sums.len() - 1;
    let mut best = Interval { until: count, ..Interval::default() };
    for from in beside..=count.saturating_sub(beside) {
        take_better(&mut best, sums, about, (from, count));
    }
    best
}

/// The best interval that ends before.
fn ending(sums: &[f64], about: f64, beside: usize) -> Interval {
    let count = sums.len() - 1;
    let mut best = Interval { until: count, ..Interval::default() };
    for from in beside..count.saturating_sub(2 * beside) {
        for until in from + beside..=count - beside {
            take_better(&mut best, sums, about, (from, until));
        }
    }
    best
}

fn take_better(best: &mut Interval, sums: &[f64], about: f64, (from, until): (usize, usize)) {
    let count = sums.len() - 1;
    let (inside, outside) = ((until - from) as f64, (count - until + from) as f64);
    if inside <= 0.0 || outside <= 0.0 {
        return;
    }
    let within = sums[until] - sums[from];
    let beyond = (sums[count] - within) / outside;
    let step = within / inside - beyond;
    let explained = step * step * inside * outside / count as f64;
    if explained > best.explained {
        let before = (about + beyond).abs().max(f64::MIN_POSITIVE);
        *best = Interval { from, until, explained, change: step / before };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(values: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0];
        for value in values {
            sums.push(sums[sums.len() - 1] + value - values[0]);
        }
        sums
    }

    #[test]
    fn a_step_lasts_and_a_visit_ends() {
        let step: Vec<f64> = (0..20).map(|k| if k < 7 { 10.0 } else { 6.0 }).collect();
        let found = lasting(&sums(&step), step[0], 2);
        assert_eq!((found.from, found.until), (7, 20));
        assert!((found.change + 0.4).abs() < 1e-9, "{}", found.change);
        let visit: Vec<f64> =
            (0..20).map(|k| if (5..14).contains(&k) { 8.0 } else { 10.0 }).collect();
        let found = ending(&sums(&visit), visit[0], 2);
        assert_eq!((found.from, found.until), (5, 14));
        assert!((found.change + 0.2).abs() < 1e-9, "{}", found.change);
        assert!(found.explained > 1.5 * lasting(&sums(&visit), visit[0], 2).explained);
    }
}

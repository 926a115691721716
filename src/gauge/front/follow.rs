//! Each line's own motion: a Kalman filter of position and velocity, whose prediction tells the
//! observer of a later frame where to look (R. E. Kalman, J. Basic Eng. 82, 35, 1960).

use super::fit::TEAR_PX;

/// One sigma of a line's acceleration, px per frame².
const ACCELERATION: f32 = 0.02;
/// A line that seems to have moved further than this since its prediction is followed only so far.
const SURPRISE_MOST: f32 = 8.0;
/// The errors of neighbouring lines and of frames are not independent: a line is known this well at
/// best, px.
const KNOWN_LEAST: f32 = 0.02;
/// A line that is not seen goes on with less and less of its velocity.
const COASTING: f32 = 0.97;
/// Lines (one sigma) that share their velocity in predictions.
const RATE_LINES: f64 = 8.0;

/// All lines.
pub struct Follower {
    /// Position (px), velocity (px per frame), and their covariance; NaN where never seen.
    lines: Vec<Line>,
    last_index: u64,
    /// Frames taken.
    pub seen: u64,
}

#[derive(Clone, Copy)]
struct Line {
    at: f32,
    rate: f32,
    variance: [f32; 3],
}

impl Follower {
    /// Nothing seen yet.
    pub fn new(lines: usize) -> Follower {
        let unseen = Line { at: f32::NAN, rate: 0.0, variance: [0.0; 3] };
        Follower { lines: vec![unseen; lines], last_index: 0, seen: 0 }
    }

    /// Takes a contour (px, NaN where there is none) with its one sigma.
    pub fn take(&mut self, index: u64, position: &[f32], error: &[f32]) {
        let frames = index.saturating_sub(self.last_index).max(1) as f32;
        self.last_index = index;
        self.seen += 1;
        for ((line, position), error) in self.lines.iter_mut().zip(position).zip(error) {
            line.predict(frames);
            if position.is_finite() {
                line.update(*position, error.max(KNOWN_LEAST).powi(2));
            } else {
                line.rate *= COASTING;
            }
        }
    }

    /// Puts lines where something else saw them, standing still.
    pub fn place(&mut self, line: usize, at: f32) {
        self.lines[line] = Line { at, rate: 0.0, variance: [4.0, 0.0, 0.25] };
    }

    /// Each line's position and its variance; NaN where never seen.
    pub fn position(&self, line: usize) -> (f32, f32) {
        (self.lines[line].at, self.lines[line].variance[0])
    }

    /// Mean velocity over some lines, px per frame, and its one sigma; NaN where none was seen.
    pub fn velocity(&self, lines: std::ops::Range<usize>) -> (f32, f32) {
        let seen: Vec<&Line> =
            self.lines[lines].iter().filter(|line| line.at.is_finite()).collect();
        let count = seen.len() as f32;
        let rate = seen.iter().map(|line| line.rate).sum::<f32>() / count;
        // Neighbours err alike.
        let variance = seen.iter().map(|line| line.variance[2]).sum::<f32>() / count;
        (rate, variance.sqrt())
    }

    /// Where each line should stand some frames later, smoothed over `smooth` lines (one sigma) but
    /// not over tears; nothing before anything was seen.
    pub fn predicted(&self, frames: f32, smooth: f64, length: usize) -> Option<Vec<f32>> {
        let mut at: Vec<f32> = self.lines.iter().map(|line| line.at).collect();
        if !at.iter().any(|at| at.is_finite()) {
            return None;
        }
        fill_gaps(&mut at);
        let rates: Vec<f32> = self.lines.iter().map(|line| line.rate).collect();
        let rates = smoothed(&rates, &at, RATE_LINES);
        let ahead: Vec<f32> = at.iter().zip(&rates).map(|(at, rate)| at + rate * frames).collect();
        let mut expected = smoothed(&ahead, &at, smooth);
        let last = length as f32 - 2.0;
        expected.iter_mut().for_each(|p| *p = p.clamp(1.0, last));
        Some(expected)
    }
}

impl Line {
    fn predict(&mut self, frames: f32) {
        let [p, c, v] = self.variance;
        let q = ACCELERATION * ACCELERATION * frames;
        self.at += self.rate * frames;
        self.variance = [
            p + frames * (2.0 * c + frames * v) + q * frames * frames / 3.0,
            c + frames * v + q * frames / 2.0,
            v + q,
        ];
    }

    fn update(&mut self, position: f32, variance: f32) {
        if self.at.is_nan() {
            *self = Line { at: position, rate: 0.0, variance: [variance, 0.0, 1.0] };
            return;
        }
        let [p, c, v] = self.variance;
        let (gain, gain_rate) = (p / (p + variance), c / (p + variance));
        let surprise = (position - self.at).clamp(-SURPRISE_MOST, SURPRISE_MOST);
        self.at += gain * surprise;
        self.rate += gain_rate * surprise;
        self.variance = [p * (1.0 - gain), c * (1.0 - gain), v - gain_rate * c];
    }
}

/// Gaussian means over neighbouring lines of the same piece: a piece ends where the contour is torn.
pub fn smoothed(values: &[f32], contour: &[f32], sigma: f64) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as usize;
    let taps: Vec<f32> =
        (0..=reach).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp() as f32).collect();
    let mut out = Vec::with_capacity(values.len());
    let mut first = 0;
    while first < values.len() {
        let torn = |k: &usize| (contour[*k] - contour[*k - 1]).abs() > TEAR_PX;
        let end = (first + 1..values.len()).find(torn).unwrap_or(values.len());
        for k in first..end {
            let (mut sum, mut total) = (0.0, 0.0);
            for j in first.max(k.saturating_sub(reach))..end.min(k + reach + 1) {
                let tap = taps[j.abs_diff(k)];
                sum += tap * values[j];
                total += tap;
            }
            out.push(sum / total);
        }
        first = end;
    }
    out
}

/// Lines without an edge take that of the nearest line that has one.
fn fill_gaps(contour: &mut [f32]) {
    let known: Vec<usize> = (0..contour.len()).filter(|k| contour[*k].is_finite()).collect();
    for k in 0..contour.len() {
        if contour[k].is_nan() {
            let at = known.partition_point(|j| *j < k);
            let before = at.checked_sub(1).map(|at| known[at]);
            let after = known.get(at).copied();
            let nearest = match (before, after) {
                (Some(before), Some(after)) if k - before <= after - k => Some(before),
                (before, after) => after.or(before),
            };
            contour[k] = nearest.map_or(0.0, |nearest| contour[nearest]);
        }
    }
}

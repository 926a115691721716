//! All lines' motion: each has a filter of position and velocity ([`line`](super::line)), beside the motion that all
//! share, whose prediction tells the observer of a later frame where to look.

use super::cells::CELL;
use super::contour::joined_lines;
use super::corners::Corners;
use super::line::{KNOWN_LEAST, Line, RATE_OWN, TURN_FRAMES, UNSEEN, predicted, turns, updated};
use super::neighbours::{fill_gaps, nearest, power, power_smoothed, smoothed};
use super::prior::ShapePrior;
use super::together::{Shown, Together};
use crate::gauge::median::median;

/// One sigma of the acceleration of all lines together and of a line's own beside it, px per frame².
const ACCELERATION_COMMON: f32 = 0.02;
const ACCELERATION_OWN: f32 = 0.012;
/// What is known of the velocity of all lines together before anything was seen, px per frame (one sigma).
const RATE_COMMON: f32 = 1.0;
/// A line that seems to have jumped further than this and so many sigma from one frame to the next
/// sees something else: a particle, a scratch.
const JUMP_PX: f32 = 3.0;
const JUMP_SIGMA: f32 = 4.0;
/// It is believed after some frames when it goes on in the same direction, px per frame at least, as
/// a dendrite does; else after many.
const GROWING_AFTER: u8 = 3;
const GROWING_PX: f32 = 1.5;
const BELIEVED_AFTER: u8 = 60;
/// Predictions share position and velocity among neighbouring lines (one sigma). As shares of the
/// lines that the contour joins: little of the position, since its shape must not wear off; of the
/// velocity, whose noise grows with the lag, twice as many lines, if that are few.
const SHARED_POSITION: f64 = 0.25;
const SHARED_POSITION_LEAST: f64 = 2.0;
const SHARED_VELOCITY: f64 = 0.5;
const SHARED_VELOCITY_FEW: f64 = 2.0;
const FEW: f64 = 6.0;
/// As a share of the same lines, over how many (one sigma) neighbours are looked at together.
const TOGETHER: f64 = 0.5;
/// Frames before a velocity is known well enough to predict with it.
const SEEN_LEAST: u64 = 4;
/// Neighbouring lines err alike: so many count as one.
const ALIKE_LINES: f32 = 16.0;

/// All lines.
pub struct Follower {
    lines: Vec<Line>,
    /// Covariance of the motion that all lines share.
    common: [f32; 3],
    together: Together,
    /// How far each line, with those beside it, is from where it is expected, px, as far as that is sure; and how much its
    /// place leans on what is expected.
    away: Vec<f32>,
    leaning: f32,
    /// By how much all lines were elsewhere, where that was more than expected, px.
    surprise: f32,
    last_index: u64,
    /// One sigma of a typical line's own edge, px, and lines that the contour joins, about.
    typical: f32,
    joined: f64,
    /// Each line's position, shared with its neighbours.
    shared: Vec<f32>,
    smooth_lines: f64,
    corners: Corners,
    /// Frames taken.
    pub seen: u64,
}

impl Follower {
    /// Nothing seen yet.
    pub fn new(lines: usize, smooth_lines: f64) -> Follower {
        Follower {
            lines: vec![UNSEEN; lines],
            common: [0.0, 0.0, RATE_COMMON * RATE_COMMON],
            together: Together::new(lines),
            away: vec![0.0; lines],
            leaning: 0.0,
            surprise: 0.0,
            last_index: 0,
            typical: f32::NAN,
            joined: smooth_lines,
            shared: vec![f32::NAN; lines],
            smooth_lines,
            corners: Corners::default(),
            seen: 0,
        }
    }

    /// Takes a contour (px, NaN where there is none) with its one sigma, and each line's own edge.
    /// These move the lines: the joined contour knows of what was expected of it, and must not be
    /// taken for news. Lines that see something else become NaN. Where there are particles, whatever neighbours are elsewhere
    /// together may be one, and those that `particles` are near to are not followed; there are none if that is empty.
    pub fn take(
        &mut self,
        index: u64,
        position: &mut [f32],
        error: &[f32],
        own: &[(f32, f32)],
        particles: &[bool],
    ) {
        let frames = self.frames_to(index).max(1.0);
        self.last_index = index;
        self.seen += 1;
        self.common = predicted(self.common, frames, ACCELERATION_COMMON);
        for line in &mut self.lines {
            line.at += line.rate * frames;
            line.variance = predicted(line.variance, frames, ACCELERATION_OWN);
        }
        let moved = self.lines.iter().zip(&*position).map(|(line, position)| position - line.at);
        let seen = moved.clone().filter(|moved| moved.is_finite()).count();
        let (mut shift, mut turn) = (0.0, 0.0);
        if let Some(common) = median(moved) {
            let typical = median(error.iter().copied()).unwrap_or(f32::INFINITY);
            let independent = (seen as f32 / ALIKE_LINES).max(1.0);
            let variance = (typical * typical / independent).max(KNOWN_LEAST * KNOWN_LEAST);
            let [p, c, v] = self.common;
            if turns(&mut self.surprise, common, p + variance) {
                let passed = TURN_FRAMES * frames;
                let turn = (common / passed).powi(2);
                self.common = [p + turn * passed * passed, c + turn * passed, v + turn];
            }
            let gains;
            (gains, self.common) = updated(self.common, variance);
            (shift, turn) = (gains[0] * common, gains[1] * common);
        }
        for line in &mut self.lines {
            (line.at, line.rate) = (line.at + shift, line.rate + turn);
        }
        let seen = position.iter().zip(error);
        for (k, (line, (position, error))) in self.lines.iter_mut().zip(seen).enumerate() {
            if line.allow_for_turn(*position, error.max(KNOWN_LEAST).powi(2), frames) {
                self.together.forget(k);
            }
        }
        self.find_jumps(position, error);
        let believed = |(own, position): (&(f32, f32), &f32)| {
            if position.is_nan() { (f32::NAN, f32::NAN) } else { *own }
        };
        let believed: Vec<(f32, f32)> = own.iter().zip(&*position).map(believed).collect();
        let typical = median(own.iter().map(|own| own.1));
        self.move_neighbours(frames, &believed, typical, particles);
        let others = self.rates_of_seen(position);
        for (line, ((own, error), others)) in self.lines.iter_mut().zip(believed.iter().zip(others))
        {
            line.take(*own, error.max(KNOWN_LEAST).powi(2), others);
        }
        self.share(typical);
    }

    /// Each line's velocity, px per frame, or where it has no position that of the nearest lines to
    /// both sides that have one.
    fn rates_of_seen(&self, position: &[f32]) -> Vec<f32> {
        let seen: Vec<usize> = (0..position.len()).filter(|k| position[*k].is_finite()).collect();
        let mut rates: Vec<f32> = self.lines.iter().map(|line| line.rate).collect();
        for line in (0..rates.len()).filter(|k| position[*k].is_nan()) {
            rates[line] = match nearest(&seen, line) {
                (Some(a), Some(b)) => {
                    let share = (line - a) as f32 / (b - a) as f32;
                    rates[a] + share * (rates[b] - rates[a])
                }
                (Some(one), None) | (None, Some(one)) => rates[one],
                (None, None) => 0.0,
            };
        }
        rates
    }

    /// Takes each line's own edge where it is believed; a typical one errs by so much, px.
    fn move_neighbours(
        &mut self,
        frames: f32,
        own: &[(f32, f32)],
        typical: Option<f32>,
        particles: &[bool],
    ) {
        self.away.fill(0.0);
        let Some(error) = typical else { return };
        let at: Vec<f32> = self.lines.iter().map(|line| line.at).collect();
        let variance = self.mean_variances().map_or(0.0, |(p, _)| p);
        let (of_line, of_shape) = (1.0 / (error * error), self.shape_prior(frames).information);
        self.leaning = of_shape / (of_shape + of_line);
        let lines = (TOGETHER * self.joined).max(SHARED_POSITION_LEAST);
        let parted = self.corners.parted(&at);
        let shown = Shown { at: &at, parted: &parted, own, error, variance, lines };
        let moved = self.together.take(frames, &shown);
        for (k, (line, moved)) in self.lines.iter_mut().zip(moved).enumerate() {
            self.away[k] = moved.away;
            if particles.get(k) != Some(&true) {
                (line.at, line.rate) = (line.at + moved.further, line.rate + moved.faster);
            }
        }
    }

    fn share(&mut self, typical: Option<f32>) {
        if let Some(typical) = typical {
            self.typical = typical;
            self.joined = joined_lines(f64::from(typical), self.smooth_lines);
        }
        let mut at: Vec<f32> = self.lines.iter().map(|line| line.at).collect();
        if at.iter().any(|at| at.is_finite()) {
            fill_gaps(&mut at);
            self.shared = smoothed(&at, &self.corners.parted(&at), self.shared_lines().0);
        }
    }

    /// Lines (one sigma) that share position and velocity.
    fn shared_lines(&self) -> (f64, f64) {
        let few = (SHARED_VELOCITY_FEW * self.joined).min(FEW);
        (
            (SHARED_POSITION * self.joined).max(SHARED_POSITION_LEAST),
            (SHARED_VELOCITY * self.joined).max(few).max(1.0),
        )
    }

    /// Variance of a prediction so many frames ahead, of what in it is finer than the lines that
    /// the contour joins and is not corrected by these, px².
    pub fn expected_variance(&self, frames: f32) -> f32 {
        let Some((p, v)) = self.mean_variances() else { return 0.0 };
        let (position, velocity) = self.shared_lines();
        // The part that is fine; with the power of a parabola the bench finds errors told a twentieth too large.
        let fine = |lines: f64| (1.0 / (1.0 + (2.0 * lines / self.joined).powi(2))) as f32;
        p * power(position) * fine(position)
            + frames * frames * v * power(velocity) * fine(velocity)
    }

    /// How well the shape of a prediction so many frames ahead is known.
    pub fn shape_prior(&self, frames: f32) -> ShapePrior {
        let Some((p, v)) = self.mean_variances().filter(|_| self.seen >= SEEN_LEAST) else {
            return ShapePrior::default();
        };
        let (position, velocity) = self.shared_lines();
        let told = p * power_smoothed(position) + frames * frames * v * power_smoothed(velocity);
        // What lines do meanwhile by themselves.
        let own = ACCELERATION_OWN * ACCELERATION_OWN * frames.powi(3) / 3.0;
        let variance = told + own;
        let alike = 1.0 / power_smoothed(position.max(velocity));
        ShapePrior { information: 1.0 / (variance * alike), variance }
    }

    /// Means over the lines of the variances of position and velocity; nothing where none was seen.
    fn mean_variances(&self) -> Option<(f32, f32)> {
        let seen = self.lines.iter().filter(|line| line.at.is_finite());
        let (mut p, mut v, mut count) = (0.0f32, 0.0f32, 0.0f32);
        for line in seen {
            (p, v, count) = (p + line.variance[0], v + line.variance[2], count + 1.0);
        }
        (count > 0.0).then(|| (p / count, v / count))
    }

    fn find_jumps(&mut self, position: &mut [f32], error: &[f32]) {
        let far = |line: &Line, position: f32, error: f32| {
            let sigma = (line.variance[0] + error * error).sqrt();
            (position - line.at).abs() > JUMP_PX + JUMP_SIGMA * sigma
        };
        for ((line, position), error) in self.lines.iter_mut().zip(position).zip(error) {
            if !far(line, *position, *error) {
                line.jumped = 0;
                continue;
            }
            if line.jumped == 0 {
                line.jumped_to = *position;
            }
            line.jumped = line.jumped.saturating_add(1);
            let went = (*position - line.jumped_to) / f32::from(line.jumped.max(2) - 1);
            let outward = (line.jumped_to - line.at).signum();
            let grows = line.jumped >= GROWING_AFTER && went * outward > GROWING_PX;
            if grows || line.jumped >= BELIEVED_AFTER {
                let rate = if grows { went } else { line.rate };
                *line = Line { rate, ..UNSEEN };
            } else {
                *position = f32::NAN;
            }
        }
    }

    /// Puts lines where something else saw them, standing still.
    pub fn place(&mut self, line: usize, at: f32) {
        let variance = [1.0, 0.0, RATE_OWN * RATE_OWN];
        self.lines[line] = Line { at, variance, ..UNSEEN };
        self.together.forget(line);
        self.shared[line] = at;
    }

    /// Knows nothing of a line any more.
    pub fn forget(&mut self, line: usize) {
        self.lines[line] = UNSEEN;
        self.together.forget(line);
    }

    /// One sigma of a typical line's own edge, px; NaN before any was seen.
    pub fn typical_error(&self) -> f32 {
        self.typical
    }

    /// Frames from the last one taken to this one.
    pub fn frames_to(&self, index: u64) -> f32 {
        index.saturating_sub(self.last_index) as f32
    }

    /// The contour's corners.
    pub fn corners(&self) -> &Corners {
        &self.corners
    }

    /// Takes the corners that a frame's contour (px) shows, before its lines.
    pub fn take_corners(&mut self, found: &[usize], contour: &[f32]) {
        self.corners.take(found, contour);
    }

    /// Number of lines.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Each line's position, shared with its neighbours, and its variance; NaN where none was seen.
    pub fn position(&self, line: usize) -> (f32, f32) {
        (self.shared[line], self.lines[line].variance[0] + self.common[0])
    }

    /// How far each line is, with those beside it, from where it is expected, px.
    pub fn away(&self) -> &[f32] {
        &self.away
    }

    /// The share of a line's place that follows from what is expected, and not from its own edge.
    pub fn leaning(&self) -> f32 {
        self.leaning
    }

    /// How far from where it is followed a line seems to be, which is not believed yet, px; 0 where it is.
    pub fn disputed(&self, line: usize) -> f32 {
        let Line { at, jumped, jumped_to, .. } = self.lines[line];
        if jumped > 0 { (jumped_to - at).abs() } else { 0.0 }
    }

    /// The furthest that two lines a cell apart seem to be, which is not believed yet, px; −∞ where all are.
    pub fn furthest_disputed(&self) -> f32 {
        let seems = |line: &Line| if line.jumped > 0 { line.jumped_to } else { f32::NEG_INFINITY };
        let pairs = self.lines.iter().zip(self.lines.iter().skip(CELL));
        pairs.map(|(a, b)| seems(a).min(seems(b))).fold(f32::NEG_INFINITY, f32::max)
    }

    /// Mean velocity over some lines, px per frame, and its one sigma; NaN where none was seen.
    pub fn velocity(&self, lines: std::ops::Range<usize>) -> (f32, f32) {
        let seen: Vec<&Line> =
            self.lines[lines].iter().filter(|line| line.at.is_finite()).collect();
        let count = seen.len() as f32;
        let rate = seen.iter().map(|line| line.rate).sum::<f32>() / count;
        // Neighbours err alike.
        let variance = seen.iter().map(|line| line.variance[2]).sum::<f32>() / count;
        (rate, (variance + self.common[2]).sqrt())
    }

    /// Where each line should stand in a frame; NaN where never seen.
    pub fn expected_at(&self, index: u64) -> Vec<f32> {
        let frames = self.frames_to(index);
        let pairs = self.shared.iter().zip(&self.lines);
        pairs.map(|(at, line)| at + frames * line.rate).collect()
    }

    /// Where each line should stand some frames later; nothing before its velocity is known.
    pub fn predicted(&self, frames: f32, length: usize) -> Option<Vec<f32>> {
        if self.seen < SEEN_LEAST {
            return None;
        }
        if !self.shared.iter().any(|at| at.is_finite()) {
            return None;
        }
        let at = &self.shared;
        let rates: Vec<f32> = self.lines.iter().map(|line| line.rate).collect();
        let rates = smoothed(&rates, &self.corners.parted(at), self.shared_lines().1);
        let last = length as f32 - 2.0;
        let ahead = at.iter().zip(&rates).map(|(at, rate)| (at + rate * frames).clamp(1.0, last));
        Some(ahead.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The follower's lines after 40 frames in which each stands where `place` says, known to 0.05 px.
    fn followed(place: impl Fn(u64, usize) -> f32) -> (Follower, usize) {
        let mut follower = Follower::new(64, 16.0);
        let mut lost = 0;
        for index in 0..40 {
            let mut position: Vec<f32> = (0..64).map(|line| place(index, line)).collect();
            let own: Vec<(f32, f32)> = position.iter().map(|at| (*at, 0.1)).collect();
            follower.take(index, &mut position, &[0.05; 64], &own, &[]);
            lost += position.iter().filter(|at| at.is_nan()).count();
        }
        (follower, lost)
    }

    #[test]
    fn a_finger_that_turns_back_is_followed_at_once() {
        // Lines 24 to 39 grow by 1.2 px per frame and retreat as fast from frame 30 on.
        let place = |index: u64, line: usize| {
            let grown = 30.0 - (index as f32 - 30.0).abs();
            if (24..40).contains(&line) { 50.0 + 1.2 * grown } else { 50.0 }
        };
        let (follower, lost) = followed(place);
        assert_eq!(lost, 0, "lines that were not believed");
        let rate = follower.velocity(28..36).0;
        assert!((rate + 1.2).abs() < 0.2, "{rate} px per frame, not -1.2");
    }

    #[test]
    fn lines_that_something_lies_over_are_not_believed() {
        let place = |index: u64, line: usize| {
            if index >= 30 && (24..40).contains(&line) { 60.0 } else { 50.0 }
        };
        let (follower, lost) = followed(place);
        assert_eq!(lost, 160, "lines that were not believed");
        assert!(follower.velocity(28..36).0.abs() < 0.1);
    }
}

//! Neighbours that move together: where a finger speeds up, lines that each err by several pixels are behind by few,
//! for long. Their mean shows it in some frames, and they are followed as fast as that is known.

use super::bend::OUTLYING;
use super::line::{KNOWN_LEAST, RATE_OWN, predicted, updated};
use super::neighbours::{means, power};

/// One sigma of neighbours' acceleration beside that of all lines, px per frame².
const ACCELERATION: f32 = 0.06;
/// They are elsewhere when they are by so many sigma in the mean over frames of which each new one has this share;
/// the further, the surer.
const AWAY_SIGMA: f32 = 2.0;
const NEW: f32 = 0.25;

/// What neighbours have shown of late.
pub struct Together {
    /// Covariance of their position and velocity.
    known: [f32; 3],
    /// By how much those about each line were elsewhere, px.
    away: Vec<f32>,
}

/// What one frame shows of the lines.
pub struct Shown<'a> {
    /// Where each is expected, px from the starting edge; NaN where it was never seen.
    pub at: &'a [f32],
    /// The same with pieces that are no neighbours far from each other.
    pub parted: &'a [f32],
    /// Its own edge and one sigma of that, px; NaN where none was seen or believed.
    pub own: &'a [(f32, f32)],
    /// One sigma of a typical edge, and variance of a typical expectation (px²).
    pub error: f32,
    pub variance: f32,
    /// Lines (one sigma) that count as neighbours.
    pub lines: f64,
}

/// What a line's neighbours together say of it: by how much it is further (px) and faster (px per frame) than was
/// expected, as far as that is sure; and how far from there they are, or were in the mean of late, px.
#[derive(Clone, Copy, Default)]
pub struct Moved {
    pub further: f32,
    pub faster: f32,
    pub away: f32,
}

impl Together {
    /// Nothing seen yet.
    pub fn new(lines: usize) -> Together {
        Together { known: [0.0, 0.0, RATE_OWN * RATE_OWN], away: vec![0.0; lines] }
    }

    /// What was seen of a line does not count any more: it has turned, or is elsewhere.
    pub fn forget(&mut self, line: usize) {
        self.away[line] = 0.0;
    }

    /// Where each line's neighbours are, so many frames after the last.
    pub fn take(&mut self, frames: f32, shown: &Shown<'_>) -> Vec<Moved> {
        let count = shown.at.len();
        let (mut weights, mut off) = (vec![0.0; count], vec![0.0; count]);
        for (line, ((own, error), at)) in shown.own.iter().zip(shown.at).enumerate() {
            let (apart, most) = (own - at, OUTLYING as f32 * error);
            if apart.is_finite() && *error > 0.0 {
                weights[line] = 1.0 / (error * error);
                off[line] = weights[line] * apart.clamp(-most, most);
            }
        }
        let weights = means(&weights, shown.parted, shown.lines);
        let off = means(&off, shown.parted, shown.lines);
        let power = power(shown.lines);
        let variance = (shown.error.powi(2) * power).max(KNOWN_LEAST * KNOWN_LEAST);
        let gains;
        (gains, self.known) = updated(predicted(self.known, frames, ACCELERATION), variance);
        let by_chance = variance * NEW / (2.0 - NEW) + shown.variance * power;
        let lines = self.away.iter_mut().zip(off.iter().zip(&weights));
        lines
            .map(|(away, (off, weight))| {
                if !(*weight > 0.0) {
                    return Moved::default();
                }
                let off = off / weight;
                *away += NEW * (off - *away);
                let surely = (1.0 - AWAY_SIGMA.powi(2) * by_chance / away.powi(2)).max(0.0);
                let off = surely * off;
                let away = off.abs().max(surely * away.abs());
                Moved { further: gains[0] * off, faster: gains[1] * off, away }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rate of line 50 after so many frames in which each line errs by `noise` and those from 40 to 60 speed up.
    fn rate(noise: f32, frames: u32) -> f32 {
        let mut together = Together::new(100);
        let (mut at, mut rates) = (vec![50.0f32; 100], vec![0.0f32; 100]);
        for frame in 1..=frames {
            let own: Vec<(f32, f32)> = (0..100usize)
                .map(|line| {
                    let grown =
                        if (40..=60).contains(&line) { 0.01 * (frame * frame) as f32 } else { 0.0 };
                    let sign = if (line + frame as usize).is_multiple_of(2) { 1.0 } else { -1.0 };
                    (50.0 + grown + sign * noise, noise)
                })
                .collect();
            at.iter_mut().zip(&rates).for_each(|(at, rate)| *at += rate);
            let shown =
                Shown { at: &at, parted: &at, own: &own, error: noise, variance: 0.0, lines: 4.0 };
            let moved = together.take(1.0, &shown);
            for ((at, rate), moved) in at.iter_mut().zip(&mut rates).zip(moved) {
                (*at, *rate) = (*at + moved.further, *rate + moved.faster);
            }
        }
        rates[50]
    }

    #[test]
    fn a_finger_that_speeds_up_is_followed_though_each_line_is_noise() {
        let rate = rate(4.0, 60);
        assert!((0.8..1.3).contains(&rate), "{rate} px per frame, not about 1.2");
    }

    #[test]
    fn lines_that_only_err_stay() {
        assert_eq!(rate(4.0, 4), 0.0);
    }
}

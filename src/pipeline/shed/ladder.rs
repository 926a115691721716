//! The steps of what is left out, and when to take one.
//!
//! A step is chosen by the *utilisation* that it would have: work per frame over the time per frame
//! and thread. One is taken when frames are refused and there is more work than time, so that a
//! pause of the machine, which each frame's own deadline deals with, is not taken for a machine that
//! is too slow. It is taken back when a lower one would have been easy for a while, and later after
//! steps that did not hold.

use std::time::{Duration, Instant};

/// The shares of the frames that may be measured: 63, 62, ... 1 of so many.
const OF: u64 = 64;
/// Utilisation that is aimed at when a step down is taken, and that allows a step back.
const FULL: f64 = 0.9;
const EASY: f64 = 0.8;
/// Trouble is over when no frame was refused, or late, for so long.
const QUIET: Duration = Duration::from_millis(250);
/// Trouble that lasts so long is believed even where the utilisation tells nothing of it.
const LASTING: Duration = Duration::from_millis(750);
/// From step to step, at least.
const SETTLED: Duration = Duration::from_millis(100);
/// How long a step must have been possible before it is taken back, and at most after steps that
/// did not hold.
const CALM: Duration = Duration::from_millis(500);
const CALM_MOST: Duration = Duration::from_secs(30);

/// One step: which frames are measured, and whether with gauges that no alarm needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    keep: u64,
    of: u64,
    pub optional: bool,
}

impl Level {
    /// So many of [`OF`] frames, in the lowest terms.
    fn of(keep: u64) -> Level {
        let common = 1 << keep.trailing_zeros();
        Level { keep: keep / common, of: OF / common, optional: false }
    }

    /// True when this frame is measured; they are evenly spread.
    pub fn measures(self, row: u64) -> bool {
        row % self.of * self.keep % self.of < self.keep
    }

    /// The share of the frames that is measured.
    pub fn share(self) -> f64 {
        self.keep as f64 / self.of as f64
    }

    /// In words.
    pub fn text(self) -> String {
        match (self.keep, self.of) {
            (1, 1) => "every frame".to_owned(),
            (1, 2) => "every 2nd frame".to_owned(),
            (1, of) => format!("every {of}th frame"),
            (keep, of) => format!("{keep} of {of} frames"),
        }
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// The gauges that no alarm needs do not fit into a frame's time; without them it does.
    Gauges,
    /// A frame was refused, or late.
    Frames,
}

/// Where on the ladder the run is.
pub struct Ladder {
    levels: Vec<Level>,
    level: usize,
    /// Of each kind of trouble, since when it is there, and when it was last seen.
    trouble: [Option<(Instant, Instant)>; 2],
    changed: Instant,
    calm_since: Option<Instant>,
    calm: Duration,
    stepped_back: Option<Instant>,
}

impl Ladder {
    /// At its top. `optional`: there are gauges that no alarm needs.
    pub fn new(optional: bool, now: Instant) -> Ladder {
        let all = Level { keep: 1, of: 1, optional: true };
        let without = optional.then_some(Level { optional: false, ..all });
        let shares = (1..OF).rev().map(Level::of);
        let levels = std::iter::once(all).chain(without).chain(shares);
        Ladder {
            levels: levels.collect(),
            level: 0,
            trouble: [None; 2],
            changed: now,
            calm_since: None,
            calm: CALM,
            stepped_back: None,
        }
    }

    /// The step that measures everything.
    pub fn top(&self) -> Level {
        self.levels[0]
    }

    /// The present step, and its number.
    pub fn level(&self) -> (Level, usize) {
        (self.levels[self.level], self.level)
    }

    /// A frame could not be begun as this step asks for, or came late.
    pub fn trouble(&mut self, what: Trouble, now: Instant) {
        let trouble = &mut self.trouble[what as usize];
        let since = trouble.map_or(now, |(since, _)| since);
        *trouble = Some((since, now));
    }

    /// Goes to another step if it is time to; true when it did. `load` is the utilisation at a
    /// step, `possible` the share of the frames that can be measured as seen from outside.
    pub fn step(&mut self, load: impl Fn(Level) -> f64, possible: f64, now: Instant) -> bool {
        let after = |from: Instant| now.saturating_duration_since(from);
        self.trouble = self.trouble.map(|kind| kind.filter(|(_, last)| after(*last) < QUIET));
        let is_trouble = self.trouble.iter().any(Option::is_some);
        let lasts = |what: Trouble| {
            self.trouble[what as usize].is_some_and(|(since, _)| after(since) >= LASTING)
        };
        let last = self.levels.len() - 1;
        let full = load(self.levels[self.level]) > 1.0;
        let (of_gauges, of_frames) = (lasts(Trouble::Gauges), lasts(Trouble::Frames));
        let too_much = of_gauges || of_frames || is_trouble && full;
        if too_much && self.level < last && after(self.changed) >= SETTLED {
            if self.stepped_back.is_some_and(|back| after(back) < 2 * self.calm) {
                self.calm = (self.calm * 2).min(CALM_MOST);
            }
            // What is finished tells what can be, whatever takes the time beside.
            let most = FULL * possible.min(self.levels[self.level].share());
            let level = match full {
                true => self.first(|level| load(level) <= FULL),
                false if !of_frames => self.level + 1,
                false => self.first(|level| !level.optional && level.share() <= most),
            };
            self.change(level.max(self.level + 1), now);
            return true;
        }
        let target = self.target(load);
        if target >= self.level || is_trouble {
            self.calm_since = None;
            return false;
        }
        if after(*self.calm_since.get_or_insert(now)) < self.calm {
            return false;
        }
        if self.stepped_back.is_some_and(|back| after(back) > 8 * self.calm) {
            self.calm = CALM;
        }
        self.stepped_back = Some(now);
        self.change(target, now);
        true
    }

    /// Where a step back leads: to at most twice the frames, for more would be guessed from afar,
    /// and to gauges that were left out only from all frames.
    fn target(&self, load: impl Fn(Level) -> f64) -> usize {
        let now = self.levels[self.level].share();
        let target = self.first(|level| load(level) <= EASY && level.share() <= 2.0 * now);
        let whole = self.first(|level| !level.optional && level.share() == 1.0);
        if self.level > whole { target.max(whole) } else { target }
    }

    /// The first step of which this holds, or the last.
    fn first(&self, holds: impl Fn(Level) -> bool) -> usize {
        let found = self.levels.iter().position(|level| holds(*level));
        found.unwrap_or(self.levels.len() - 1)
    }

    fn change(&mut self, level: usize, now: Instant) {
        self.level = level;
        self.trouble = [None; 2];
        self.changed = now;
        self.calm_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_measures_its_share_evenly() {
        for keep in 1..OF {
            let level = Level::of(keep);
            let rows: Vec<u64> = (0..10 * OF).filter(|row| level.measures(*row)).collect();
            assert_eq!(rows.len() as u64, 10 * keep, "{}", level.text());
            let widest = rows.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
            assert!(widest <= OF.div_ceil(keep), "{}: a gap of {widest}", level.text());
        }
    }
}

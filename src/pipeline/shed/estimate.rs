//! A mean over the last part of a second, with its mean deviation.
//!
//! It is a mean over time and not over a few frames: one frame that the operating system held up
//! for 60 ms must not look like a machine that has become ten times slower, and what is seldom
//! measured must not be remembered for long.

use std::time::Instant;

/// Values that are averaged, at least and at most.
const VALUES: (f64, f64) = (4.0, 1024.0);

/// After so many windows without a value all is forgotten.
const LONG_AGO: f64 = 3.0;

/// A running mean.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub mean: f64,
    /// Mean size of the difference from it.
    pub deviation: f64,
    /// Values so far.
    pub seen: u32,
    /// Those that the mean has not forgotten altogether.
    averaged: u32,
    /// What came longer ago counts little, s.
    window_s: f64,
    last: Option<Instant>,
    /// From value to value, s.
    spacing_s: f64,
}

impl Estimate {
    /// Over about so long.
    pub fn over(window_s: f64) -> Estimate {
        Estimate {
            mean: 0.0,
            deviation: 0.0,
            seen: 0,
            averaged: 0,
            window_s,
            last: None,
            spacing_s: 0.0,
        }
    }

    /// Takes a value that was seen at `now`.
    pub fn take(&mut self, value: f64, now: Instant) {
        // What was last seen long ago says nothing of now.
        if self.last.is_some_and(|last| seconds(last, now) > LONG_AGO * self.window_s) {
            self.averaged = 0;
        }
        self.averaged = self.averaged.saturating_add(1);
        self.seen = self.seen.saturating_add(1);
        // A slow frame comes after a gap of its own making, which must not give it more weight.
        let values = (self.window_s / self.spacing_s.max(1e-6)).clamp(VALUES.0, VALUES.1);
        let weight = 1.0 / values.min(f64::from(self.averaged));
        self.deviation += weight * ((value - self.mean).abs() - self.deviation);
        if self.averaged == 1 {
            self.deviation = value / 4.0;
        }
        self.mean += weight * (value - self.mean);
        if let Some(last) = self.last.replace(now) {
            let since_s = seconds(last, now);
            let weight = if self.seen == 2 || since_s > self.window_s { 0.5 } else { 1.0 / 16.0 };
            self.spacing_s += weight * (since_s - self.spacing_s);
        }
    }

    /// True when values came of late, and some.
    pub fn is_recent(&self, now: Instant) -> bool {
        let last = self.last.is_some_and(|last| seconds(last, now) < self.window_s);
        last && f64::from(self.seen) > VALUES.0
    }
}

/// From one instant to another, s; 0 when the other was before.
pub fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_slow_frame_is_no_slow_machine_and_a_slow_machine_is_seen_soon() {
        let (mut now, mut found) = (Instant::now(), Estimate::over(1.0));
        let mut take = |value: f64, found: &mut Estimate| {
            now += Duration::from_secs_f64(value.max(0.002));
            found.take(value, now);
        };
        (0..1000).for_each(|_| take(0.001, &mut found));
        take(0.06, &mut found);
        assert!(found.mean < 0.0015, "one frame of 60 ms gave a mean of {} s", found.mean);
        (0..100).for_each(|_| take(0.01, &mut found));
        assert!(found.mean > 0.006, "after 1 s of 10 ms the mean is {} s", found.mean);
    }

    #[test]
    fn what_was_seen_long_ago_is_forgotten() {
        let (now, mut found) = (Instant::now(), Estimate::over(0.3));
        (0..4).for_each(|k| found.take(0.03, now + Duration::from_millis(10 * k)));
        found.take(0.001, now + Duration::from_secs(2));
        assert!((found.mean - 0.001).abs() < 1e-9 && found.deviation < 0.0005, "{found:?}");
        assert_eq!(found.seen, 5);
    }
}

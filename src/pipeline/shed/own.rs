//! A gauge's own budget: it is left out while it takes longer, and tried again after a while, later
//! each time that it was still too slow.

use std::time::{Duration, Instant};

use super::estimate::Estimate;

/// Frames before a gauge is judged.
const LEARN: u32 = 16;
/// From leaving it out to the next try, and at most.
const REST: Duration = Duration::from_secs(1);
const REST_MOST: Duration = Duration::from_secs(60);
/// One that stayed within its budget for so many rests is trusted again.
const TRUSTED: u32 = 8;

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Out,
    Back,
}

/// Whether a gauge is left out for its own cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnBudget {
    /// Until when it is left out.
    out_until: Option<Instant>,
    /// Since when it is back.
    back: Option<Instant>,
    rest: Duration,
    /// Frames that it had been measured in when it came back.
    seen: u32,
}

impl OwnBudget {
    /// True while it is left out.
    pub fn is_out(&self) -> bool {
        self.out_until.is_some()
    }

    /// Judges it by what it takes; tells a change.
    pub fn judge(&mut self, cost: &Estimate, allowed_s: f64, now: Instant) -> Option<Turn> {
        if let Some(until) = self.out_until {
            if now < until {
                return None;
            }
            self.out_until = None;
            self.back = Some(now);
            self.seen = cost.seen;
            return Some(Turn::Back);
        }
        if cost.seen - self.seen < LEARN || cost.mean <= allowed_s {
            return None;
        }
        let held = self.back.map(|back| now.saturating_duration_since(back));
        self.rest = match held {
            Some(held) if held < TRUSTED * self.rest => (2 * self.rest).min(REST_MOST),
            _ => REST,
        };
        self.out_until = Some(now + self.rest);
        Some(Turn::Out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_that_stays_too_slow_is_tried_ever_more_rarely() {
        let start = Instant::now();
        let (mut own, mut cost) = (OwnBudget::default(), Estimate::over(0.3));
        let (mut turns, mut measured) = (Vec::new(), 0);
        for frame in 0..6000u64 {
            let now = start + Duration::from_millis(10 * frame);
            // Slow for 30 s, then within its budget of 5 ms.
            let takes_s = if frame < 3000 { 0.008 } else { 0.002 };
            if !own.is_out() {
                cost.take(takes_s, now);
                measured += u64::from(frame < 3000);
            }
            turns.extend(own.judge(&cost, 0.005, now).map(|turn| (frame, turn)));
        }
        assert_eq!(turns.first(), Some(&(15, Turn::Out)), "{turns:?}");
        assert_eq!(turns.last().map(|turn| turn.1), Some(Turn::Back), "{turns:?}");
        assert!(measured < 300, "it was measured in {measured} of 3000 frames: {turns:?}");
        assert!(!own.is_out() && turns.len() < 16, "{turns:?}");
    }
}

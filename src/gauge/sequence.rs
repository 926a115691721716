//! A gauge by itself, one frame after the other on one thread: what the pipeline does with its
//! threads, for scripts, tests and benchmarks. The same lag gives the same numbers.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{AnyFound, AnyGauge, AnyHints, AnyObservation, AnyTracker, Measurement, View};
use crate::frame::{Stamp, is_search_over, lag_at};

/// A sequence of frames that is being measured, in pixels and seconds.
pub struct Sequence {
    gauge: Arc<dyn AnyGauge>,
    tracker: Box<dyn AnyTracker>,
    lag_frames: u64,
    /// Before the first row, and after each of the last ones, the oldest first; how many older ones
    /// were given up.
    hints: VecDeque<AnyHints>,
    gone: u64,
    /// What searches found and the tracker has not heard of yet.
    found: VecDeque<(Stamp, AnyFound)>,
}

impl Sequence {
    /// Before the first frame. `lag_frames`: as the gauge was built with.
    pub fn new(gauge: Arc<dyn AnyGauge>, lag_frames: usize) -> Sequence {
        let tracker = Arc::clone(&gauge).tracker();
        let hints = VecDeque::from([gauge.first_hints()]);
        let lag_frames = lag_frames.max(1) as u64;
        Sequence { gauge, tracker, lag_frames, hints, gone: 0, found: VecDeque::new() }
    }

    /// What the observer of this row is told. Rows come in order, from 0.
    pub fn hints(&mut self, row: u64) -> AnyHints {
        let after = (row + 1).saturating_sub(lag_at(row, self.lag_frames));
        while self.gone < after && self.hints.len() > 1 {
            self.hints.pop_front();
            self.gone += 1;
        }
        self.hints[0].clone()
    }

    /// Takes what was observed in this row, and found.
    pub fn take(
        &mut self,
        stamp: &Stamp,
        observation: AnyObservation,
        found: Option<AnyFound>,
    ) -> Measurement {
        while let Some((searched, found)) = self.found.pop_front() {
            if !is_search_over(&searched, stamp) {
                self.found.push_front((searched, found));
                break;
            }
            self.tracker.found(searched.index, found);
        }
        let mut out = Measurement::blank(self.gauge.schema());
        self.hints.push_back(self.tracker.track(stamp, observation, &mut out));
        self.found.extend(found.map(|found| (*stamp, found)));
        out
    }

    /// Measures the next row.
    pub fn push(&mut self, stamp: &Stamp, view: &View<'_>) -> Measurement {
        let hints = self.hints(stamp.index);
        let observation = self.gauge.observe(view, &hints);
        let found = self.gauge.search(view, &hints);
        self.take(stamp, observation, found)
    }
}

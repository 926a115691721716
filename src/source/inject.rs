//! Faults, put into a recording and into the order and timing in which its frames come, so that a
//! run can be rehearsed. The disk's faults follow [`FaultClock`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Announced, FaultKind, Faults, Source};
use crate::format::{Access, FormatError, Recording, RecordingInfo};
use crate::frame::{Fate, Reason};

/// A recording some of whose frames cannot be decoded, or never come.
pub struct FaultyRecording {
    inner: Arc<dyn Recording>,
    faults: Faults,
}

impl FaultyRecording {
    /// Puts `faults` into `inner`.
    pub fn new(inner: Arc<dyn Recording>, faults: Faults) -> FaultyRecording {
        FaultyRecording { inner, faults }
    }
}

impl Recording for FaultyRecording {
    fn info(&self) -> &RecordingInfo {
        self.inner.info()
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        let hit = |kind| self.faults.hit(kind, index as u64).is_some();
        // A frame that never comes must not become the reference either.
        if hit(FaultKind::Corrupt) || hit(FaultKind::Drop) {
            let what = format!("frame {index} is not readable, as --inject asks");
            return Err(FormatError::Malformed { path: "injected".into(), offset: 0, what });
        }
        self.inner.read(index, scratch)
    }

    fn time_s(&self, index: usize) -> Option<f64> {
        self.inner.time_s(index)
    }

    fn sequence(&self, index: usize) -> u64 {
        self.inner.sequence(index)
    }

    fn lost(&self, index: usize) -> Option<(Fate, Reason)> {
        self.inner.lost(index)
    }

    fn step_s(&self) -> Option<f64> {
        self.inner.step_s()
    }

    fn access(&self) -> Access {
        self.inner.access()
    }
}

/// Tells the disk of the frames that come.
#[derive(Debug, Default)]
pub struct FaultClock(AtomicU64);

impl FaultClock {
    /// Frames announced so far.
    pub fn frames(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A source whose frames are lost, repeated, late, or come in fits and starts.
pub struct FaultySource<'a> {
    inner: &'a mut dyn Source,
    faults: Faults,
    clock: Arc<FaultClock>,
    /// Ready to be taken.
    out: VecDeque<Announced>,
    /// Late frames, with the frames that go before each.
    late: Vec<(u64, Announced)>,
    /// Frames held back, and how many they are to be.
    burst: (Vec<Announced>, usize),
    /// The end of the last stall: nothing could be seen before.
    silent_until: Option<Instant>,
}

impl<'a> FaultySource<'a> {
    /// Puts `faults` between `inner` and whoever takes its frames.
    pub fn new(inner: &'a mut dyn Source, faults: Faults, clock: Arc<FaultClock>) -> Self {
        FaultySource {
            inner,
            faults,
            clock,
            out: VecDeque::new(),
            late: Vec::new(),
            burst: (Vec::new(), 0),
            silent_until: None,
        }
    }

    fn take(&mut self, mut frame: Announced) {
        let number = self.inner.place(&frame);
        self.clock.0.fetch_add(1, Ordering::Relaxed);
        if let Some(pause_ms) = self.faults.hit(FaultKind::Stall, number) {
            std::thread::sleep(Duration::from_millis(pause_ms));
            self.silent_until = Some(Instant::now());
        }
        if let Some(until) = self.silent_until {
            frame.arrival = frame.arrival.max(until);
        }
        if let Some(frames) = self.faults.hit(FaultKind::Burst, number) {
            self.burst.1 = self.burst.1.max(frames as usize);
        }
        let dropped = self.faults.hit(FaultKind::Drop, number).is_some();
        let late = self.faults.hit(FaultKind::Reorder, number);
        match late {
            _ if dropped => {}
            Some(frames) => {
                let after = self.faults.draw(FaultKind::Reorder, number, frames);
                self.late.push((after, frame));
            }
            None => {
                if self.faults.hit(FaultKind::Duplicate, number).is_some() {
                    self.pass(frame.clone());
                }
                self.pass(frame);
            }
        }
        // A late frame waits for the frames that the camera counts, lost or not.
        for (after, frame) in std::mem::take(&mut self.late) {
            match after {
                0 => self.pass(frame),
                more => self.late.push((more - 1, frame)),
            }
        }
    }

    /// Hands a frame on, or holds it back for a burst.
    fn pass(&mut self, frame: Announced) {
        let (held, wanted) = &mut self.burst;
        if *wanted == 0 {
            self.out.push_back(frame);
            return;
        }
        let last = frame.arrival;
        held.push(frame);
        if held.len() >= *wanted {
            let seen = held.iter().fold(last, |last, frame| last.max(frame.arrival));
            self.out.extend(held.drain(..).map(|held| Announced { arrival: seen, ..held }));
            *wanted = 0;
        }
    }

    fn end(&mut self) {
        self.out.extend(self.burst.0.drain(..));
        self.out.extend(self.late.drain(..).map(|(_, frame)| frame));
    }
}

impl Source for FaultySource<'_> {
    fn next(&mut self) -> Option<Announced> {
        loop {
            if let Some(frame) = self.out.pop_front() {
                return Some(frame);
            }
            match self.inner.next() {
                Some(frame) => self.take(frame),
                None => {
                    self.end();
                    return self.out.pop_front();
                }
            }
        }
    }

    fn len_hint(&self) -> Option<usize> {
        self.inner.len_hint()
    }

    fn is_paced(&self) -> bool {
        self.inner.is_paced()
    }

    fn place(&self, frame: &Announced) -> u64 {
        self.inner.place(frame)
    }

    fn first_place(&self) -> Option<u64> {
        self.inner.first_place()
    }

    fn reorder_frames(&self) -> usize {
        let late = self.faults.largest(FaultKind::Reorder).unwrap_or(0) as usize;
        self.inner.reorder_frames() + late
    }
}

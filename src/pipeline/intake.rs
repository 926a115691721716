//! The first station: takes announced frames from the source, gives each the tracker's state of a
//! fixed number of frames ago, and queues it for the observers.
//!
//! Waiting for exactly that state, never for "whatever is newest", is what makes a run
//! reproducible to the bit on any number of threads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::job::{Feedback, Job, Pixels, Seen};
use super::load::load;
use super::run::PipelineError;
use crate::config::Policy;
use crate::format::{Access, Recording};
use crate::frame::{Fate, Pool, Reason};
use crate::noise::Defects;
use crate::register::{Reference, lag_at};
use crate::source::{Announced, Payload, Source};

/// The ends of the channels that the intake holds.
pub struct Intake<'a> {
    pub recording: &'a dyn Recording,
    pub defects: &'a Defects,
    pub pool: Pool,
    pub lag_frames: u64,
    pub policy: Policy,
    /// Frames come with their raw pixels.
    pub keep_raw: bool,
    /// Jobs for the observers; the receiver is a second end, for dropping the oldest.
    pub jobs: Sender<Job>,
    pub waiting: Receiver<Job>,
    /// Frames without pixels go straight to the tracker.
    pub lost: Sender<Seen>,
    /// One from the tracker for each row, in order.
    pub feedback: Receiver<Arc<Feedback>>,
    /// New versions of the reference, in order.
    pub references: Receiver<Arc<Reference>>,
    pub stop: &'a AtomicBool,
}

impl Intake<'_> {
    /// Runs until the source ends or the run is stopped; returns the number of frames announced.
    ///
    /// # Errors
    /// [`PipelineError::QueueFull`] under the policy `fail`.
    pub fn run(
        self,
        source: &mut dyn Source,
        first: Arc<Feedback>,
        anchor: Arc<Reference>,
    ) -> Result<u64, PipelineError> {
        let mut known =
            Known { feedback: (0, VecDeque::from([first])), references: VecDeque::from([anchor]) };
        let mut announced = 0;
        let mut bytes = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let Some(frame) = source.next() else { break };
            announced += 1;
            let Payload::Recorded(index) = frame.payload else {
                self.lose(&frame);
                continue;
            };
            // The tracker hangs up only when the run has failed; its error is the one to report.
            let Some(told) = known.wait_for(&self, frame.stamp.index) else {
                break;
            };
            let blank = self.pool.reserve();
            let pixels = match self.recording.access() {
                Access::Random => Pixels::Reserved { index, blank },
                Access::Sequential => {
                    match load(
                        self.recording,
                        index,
                        blank,
                        self.defects,
                        self.keep_raw,
                        &mut bytes,
                    ) {
                        Ok(loaded) => Pixels::Loaded(loaded),
                        Err(reason) => {
                            let payload = Payload::Lost(Fate::Corrupt, reason);
                            self.lose(&Announced { payload, ..frame });
                            continue;
                        }
                    }
                }
            };
            let job = Job {
                stamp: frame.stamp,
                arrival: frame.arrival,
                pixels,
                drift: told.drift,
                gauges: told.gauges,
                reference: told.reference,
            };
            if !self.enqueue(job)? {
                break;
            }
        }
        Ok(announced)
    }

    fn lose(&self, frame: &Announced) {
        if let Payload::Lost(fate, reason) = frame.payload {
            // A closed channel means that the run has failed; the tracker reports it.
            let _ = self.lost.send(Seen::lost(frame.stamp, frame.arrival, fate, reason));
        }
    }

    /// False when the observers are gone.
    fn enqueue(&self, job: Job) -> Result<bool, PipelineError> {
        if self.policy == Policy::Block {
            return Ok(self.jobs.send(job).is_ok());
        }
        let mut job = job;
        loop {
            match self.jobs.try_send(job) {
                Ok(()) => return Ok(true),
                Err(TrySendError::Disconnected(_)) => return Ok(false),
                Err(TrySendError::Full(back)) => match self.policy {
                    Policy::Fail => {
                        return Err(PipelineError::QueueFull { frame: back.stamp.index });
                    }
                    Policy::DropNewest => {
                        self.drop_job(&back);
                        return Ok(true);
                    }
                    Policy::DropOldest | Policy::Block => {
                        if let Ok(oldest) = self.waiting.try_recv() {
                            self.drop_job(&oldest);
                        }
                        job = back;
                    }
                },
            }
        }
    }

    fn drop_job(&self, job: &Job) {
        let seen = Seen::lost(job.stamp, job.arrival, Fate::Dropped, Reason::ProcessingOverrun);
        let _ = self.lost.send(seen);
    }
}

/// The feedback and references that have arrived so far.
struct Known {
    /// After as many rows as the number says, and one more for each that follows: as far back as
    /// the gauges are told.
    feedback: (u64, VecDeque<Arc<Feedback>>),
    references: VecDeque<Arc<Reference>>,
}

/// What a frame is told.
struct Told {
    drift: Arc<Feedback>,
    gauges: Arc<Feedback>,
    reference: Arc<Reference>,
}

impl Known {
    /// What is known after row `index − lag`, and the reference it asks for: for the gauges the
    /// whole lag, for the drift that of [`lag_at`]. Nothing when the tracker is gone.
    fn wait_for(&mut self, intake: &Intake<'_>, index: u64) -> Option<Told> {
        let rows = |lag: u64| (index + 1).saturating_sub(lag);
        let for_gauges = rows(intake.lag_frames);
        let for_drift = rows(lag_at(index, intake.lag_frames)).max(for_gauges);
        let (oldest, known) = &mut self.feedback;
        while *oldest + (known.len() as u64) <= for_drift {
            known.push_back(intake.feedback.recv().ok()?);
        }
        while *oldest < for_gauges {
            known.pop_front();
            *oldest += 1;
        }
        let gauges = Arc::clone(known.front()?);
        let drift = Arc::clone(known.get((for_drift - *oldest) as usize)?);
        let version = drift.drift.version;
        while self.references.back()?.version < version {
            self.references.push_back(intake.references.recv().ok()?);
        }
        while self.references.front()?.version < version {
            self.references.pop_front();
        }
        let reference = Arc::clone(self.references.front()?);
        Some(Told { drift, gauges, reference })
    }
}

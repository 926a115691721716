//! The first station: takes announced frames from the source in order, gives each the tracker's
//! state of a fixed number of frames ago, and queues it for the observers.
//!
//! Waiting for exactly that state, never for "whatever is newest", is what makes a run
//! reproducible to the bit on any number of threads. Only where a [`Shedder`] keeps a latency
//! budget does the wait end with the next frame; the row of a frame that went on with an older state
//! says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TrySendError};

use super::follower::Result as Outcome;
use super::job::{Feedback, Job, Pixels, Seen};
use super::load::load;
use super::run::PipelineError;
use super::shed::{Report, Shedder, Verdict};
use crate::config::Policy;
use crate::format::{Access, Recording};
use crate::frame::{Blank, Fate, Pool, Reason, lag_at};
use crate::noise::Defects;
use crate::register::Reference;
use crate::source::{Announced, Ordered, Payload};

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
    /// All gauges, one entry for each: what a frame is measured with where nothing is left out.
    pub all_gauges: Arc<[bool]>,
    /// Keeps the budget, where there is one to keep.
    pub shedder: Option<Shedder>,
    /// From the tracker, for the shedder.
    pub reports: Receiver<Report>,
    /// Changes of what is shed, for the storage thread.
    pub results: Sender<Outcome>,
    /// Rows that the source has announced so far.
    pub announced: &'a AtomicU64,
    pub stop: &'a AtomicBool,
}

impl Intake<'_> {
    /// Runs until the source ends or the run is stopped.
    ///
    /// # Errors
    /// [`PipelineError::QueueFull`] under the policy `fail`.
    pub fn run(
        mut self,
        source: &mut Ordered<'_>,
        first: Arc<Feedback>,
        anchor: Arc<Reference>,
    ) -> Result<(), PipelineError> {
        let mut known = Known {
            feedback: (0, VecDeque::from([first])),
            references: VecDeque::from([anchor]),
            given_up: None,
        };
        let mut bytes = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let Some(frame) = source.next_row() else { break };
            let before = self.announced.fetch_add(1, Ordering::Relaxed);
            debug_assert_eq!(frame.stamp.index, before, "rows are consecutive");
            match frame.payload {
                Payload::Lost(fate, reason) => self.lose(&frame, fate, reason),
                Payload::Recorded(index) => {
                    if !self.begin(&frame, index, &mut known, &mut bytes)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Queues a frame, or gives it the fate of one that is not measured; false when the run has
    /// failed elsewhere.
    fn begin(
        &mut self,
        frame: &Announced,
        index: usize,
        known: &mut Known,
        bytes: &mut Vec<u8>,
    ) -> Result<bool, PipelineError> {
        let Verdict::Measure(measured) = self.shed(frame) else {
            self.lose(frame, Fate::Dropped, Reason::FrameShed);
            return Ok(true);
        };
        let shedder = self.shedder.as_ref();
        let patience =
            shedder.and_then(|shedder| shedder.wait_until(frame.arrival, Instant::now()));
        // The tracker hangs up only when the run has failed; its error is the one to report.
        let Some(told) = known.wait_for(self, frame.stamp.index, patience) else {
            return Ok(false);
        };
        let Some(blank) = self.reserve(patience) else {
            self.lose(frame, Fate::Dropped, Reason::ProcessingOverrun);
            return Ok(true);
        };
        let pixels = match self.recording.access() {
            Access::Random => Pixels::Reserved { index, blank },
            Access::Sequential => {
                match load(self.recording, index, blank, self.defects, self.keep_raw, bytes) {
                    Ok(loaded) => Pixels::Loaded(loaded),
                    Err(reason) => {
                        self.lose(frame, Fate::Corrupt, reason);
                        return Ok(true);
                    }
                }
            }
        };
        let job = Job {
            stamp: frame.stamp,
            arrival: frame.arrival,
            pixels,
            told: told.feedback,
            reference: told.reference,
            stale: told.stale,
            measured,
        };
        let Some(shedder) = &mut self.shedder else { return self.enqueue(job) };
        shedder.begun(frame.stamp.index);
        let (Policy::Block, Some(patience)) = (self.policy, patience) else {
            return self.enqueue(job);
        };
        // Observers that hang (on a slow disk, say) must not hold up the frames behind.
        match self.jobs.send_deadline(job, patience) {
            Ok(()) => Ok(true),
            Err(SendTimeoutError::Disconnected(_)) => Ok(false),
            Err(SendTimeoutError::Timeout(job)) => {
                shedder.refuse();
                self.drop_job(&job);
                Ok(true)
            }
        }
    }

    fn shed(&mut self, frame: &Announced) -> Verdict {
        let Some(shedder) = &mut self.shedder else {
            return Verdict::Measure(Arc::clone(&self.all_gauges));
        };
        self.reports.try_iter().for_each(|report| shedder.told(&report));
        let stamp = frame.stamp;
        let (verdict, changes) =
            shedder.decide(stamp.index, stamp.time_s, frame.arrival, Instant::now());
        for change in changes {
            tracing::warn!("from frame {} on: {}", change.frame, change.message);
            // A closed channel means that the run has failed; the storage thread reports it.
            let _ = self.results.send(Outcome::Shedding(change));
        }
        verdict
    }

    fn reserve(&mut self, patience: Option<Instant>) -> Option<Blank> {
        let Some(patience) = patience else { return Some(self.pool.reserve()) };
        let blank = self.pool.reserve_until(patience);
        if let (None, Some(shedder)) = (&blank, &mut self.shedder) {
            shedder.refuse();
        }
        blank
    }

    fn lose(&self, frame: &Announced, fate: Fate, reason: Reason) {
        // A closed channel means that the run has failed; the tracker reports it.
        let _ = self.lost.send(Seen::lost(frame.stamp, frame.arrival, fate, reason));
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
    /// After as many rows as the number says, and one more for each that follows.
    feedback: (u64, VecDeque<Arc<Feedback>>),
    references: VecDeque<Arc<Reference>>,
    /// A version that was waited for until the deadline.
    given_up: Option<u32>,
}

/// What a frame is told.
struct Told {
    feedback: Arc<Feedback>,
    reference: Arc<Reference>,
    /// Something is older than the lag asks for.
    stale: bool,
}

impl Known {
    /// What is known after the row that [`lag_at`] tells, and the reference it asks for; of each, the
    /// newest before it that is there at the deadline. Nothing when the tracker is gone.
    fn wait_for(
        &mut self,
        intake: &Intake<'_>,
        index: u64,
        deadline: Option<Instant>,
    ) -> Option<Told> {
        let rows = (index + 1).saturating_sub(lag_at(index, intake.lag_frames));
        let (oldest, known) = &mut self.feedback;
        let mut stale = false;
        while *oldest + (known.len() as u64) <= rows && !stale {
            match receive(&intake.feedback, deadline) {
                Received::Item(feedback) => known.push_back(feedback),
                Received::TooLate => stale = true,
                Received::Gone => return None,
            }
        }
        while *oldest < rows && known.len() > 1 {
            known.pop_front();
            *oldest += 1;
        }
        let feedback = Arc::clone(known.front()?);
        let version = feedback.drift.version;
        while self.references.back()?.version < version {
            // Whoever follows a frame that waited in vain does not wait again.
            let deadline = match self.given_up == Some(version) {
                true => deadline.map(|_| Instant::now()),
                false => deadline,
            };
            match receive(&intake.references, deadline) {
                Received::Item(reference) => self.references.push_back(reference),
                Received::TooLate => {
                    (self.given_up, stale) = (Some(version), true);
                    break;
                }
                Received::Gone => return None,
            }
        }
        while self.references.front()?.version < version && self.references.len() > 1 {
            self.references.pop_front();
        }
        let reference = Arc::clone(self.references.front()?);
        Some(Told { feedback, reference, stale })
    }
}

enum Received<T> {
    Item(T),
    TooLate,
    Gone,
}

fn receive<T>(channel: &Receiver<T>, deadline: Option<Instant>) -> Received<T> {
    let Some(deadline) = deadline else {
        return channel.recv().map_or(Received::Gone, Received::Item);
    };
    match channel.recv_deadline(deadline) {
        Ok(item) => Received::Item(item),
        Err(error) if error.is_timeout() => Received::TooLate,
        Err(_) => Received::Gone,
    }
}

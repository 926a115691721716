//! Puts the stations together: who runs on which thread, which channel joins whom, and how a run
//! ends.
//!
//! ```text
//! intake ──jobs──> observer × N ──seen──> follower ──results──> storage
//!    ^  ^                                  │  │
//!    │  └───────────── feedback ───────────┘  └──growth──> grower
//!    └──────────────────────── references ────────────────────┘
//! ```
//!
//! What a gauge searches for goes beside that way, from an observer to the searcher and from there to
//! the follower ([`searcher`](super::searcher)).
//!
//! Raw frames that are to be kept leave at the follower ([`keep`](super::keep)).
//!
//! Each channel is bounded. A station ends when those before it have hung up, so a run ends by
//! itself from the front to the back, and everything announced has its row by then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_channel::{bounded, unbounded};

use super::follower::{Ends, Follower, Result as Outcome};
use super::intake::Intake;
use super::keep::{Keeper, Keeping};
use super::observer::Searches;
use super::setup::Setup;
use super::shed::Shedder;
use super::sink::{Sink, SinkError};
use super::{background, grower, observer, searcher};
use crate::alarm::AlarmEngine;
use crate::cell::CellSeries;
use crate::frame::{Ledger, Pool, blank_for};
use crate::register::{Accumulator, Reference};
use crate::source::{Arrivals, Ordered, Source};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(
        "the intake queue was full at frame {frame} and pipeline.policy is \"fail\"; \
         use more threads, a smaller region, or another policy"
    )]
    QueueFull { frame: u64 },
    /// A defect: the ledger does not add up.
    #[error("the ledger does not balance: {0:?}; please report this")]
    Unbalanced(Ledger),
}

/// Rows that wait for the storage thread, at most: alarms wait for it when there are more.
const RESULTS_WAITING: usize = 1024;

/// Memory for frames in flight, beyond what the stations need to keep going.
const POOL_BYTES: usize = 192 << 20;

/// Buffers in the pool: what queue and stations can hold, less when frames are large, but always
/// one for each observer, one for the tracker, two for the template, one for a search and one to read
/// ahead.
fn buffers(queue_frames: usize, threads: usize, frame_bytes: usize) -> usize {
    let wanted = queue_frames.max(1) + 2 * threads + 8;
    wanted.min((POOL_BYTES / frame_bytes.max(1)).max(threads + 5))
}

/// Whether a run of this source leaves work out to keep its budget. It then depends on time, and is
/// not reproducible to the bit; the ledger tells what was left out.
pub fn sheds(setup: &Setup, source: &dyn Source) -> bool {
    let gauges = setup.gauges.iter().map(|gauge| (gauge.name.clone(), false)).collect();
    source.is_paced() && Shedder::new(&setup.config.budget, gauges, 1, Instant::now()).is_some()
}

/// Runs `source` through the pipeline into `sink`, on `threads` observers. Setting `stop` ends the
/// run in an orderly way after the frames that were announced.
///
/// # Errors
/// [`PipelineError`]; what was measured before is in the sink.
pub fn run(
    setup: &Setup,
    source: &mut dyn Source,
    cell: Option<&CellSeries>,
    alarms: AlarmEngine,
    sink: &mut dyn Sink,
    threads: usize,
    stop: &AtomicBool,
) -> Result<Ledger, PipelineError> {
    let config = &setup.config.pipeline;
    let info = setup.recording.info();
    let accumulator = Accumulator::new(&setup.anchor.image, &setup.camera, &setup.mask);
    let anchor = Arc::new(Reference::build(0, &accumulator, &setup.mask, &setup.camera));
    if anchor.is_blind() {
        tracing::warn!(
            "the field outside the gauges' regions has too little structure for drift correction"
        );
    }
    let needed = alarms.needed(setup.gauges.len());
    let named = setup.gauges.iter().zip(needed);
    let named = named.map(|(gauge, needed)| (gauge.name.clone(), needed)).collect();
    let mut follower = Follower::new(setup, cell, alarms);
    let first = follower.first_feedback();
    let cores = std::thread::available_parallelism().map_or(threads, usize::from);
    let shedder = match source.is_paced() {
        true => Shedder::new(&setup.config.budget, named, threads.min(cores), Instant::now()),
        false => None,
    };

    let (jobs, waiting) = bounded(config.queue_frames.max(1));
    let (seen_in, seen) = bounded(config.queue_frames.max(1) + threads);
    // At most a lag of feedback is ever unread; these two never make the tracker wait.
    let (feedback, feedback_out) = unbounded();
    let (references, references_out) = unbounded();
    let (reports, reports_out) = unbounded();
    // Its images come from the pool, which bounds it.
    let (growth, growth_out) = unbounded();
    // A gauge searches one frame at a time, so that nobody waits for this.
    let (orders, orders_out) = bounded(setup.gauges.len().max(1));
    let (found_in, found) = unbounded();
    let (results, results_out) = bounded(RESULTS_WAITING);
    let blank = blank_for(info.pixel_type, info.width, info.height);
    let keeping = sink.keep().map(|keep| Keeping::new(setup, keep, threads, blank.bytes()));
    let held = keeping.as_ref().map_or(0, Keeping::buffers);
    let in_flight = buffers(config.queue_frames, threads, blank.bytes());
    let pool = Pool::growing(in_flight, held, &blank);
    let announced = AtomicU64::new(0);
    let waits = shedder.is_none();
    let reports = shedder.is_some().then_some(reports);
    let intake = Intake {
        recording: &*setup.recording,
        defects: &setup.defects,
        pool,
        lag_frames: config.lag_frames.max(1) as u64,
        policy: config.policy,
        all_gauges: setup.gauges.iter().map(|_| true).collect(),
        keep_raw: setup.keeps_raw(),
        jobs,
        waiting: waiting.clone(),
        lost: seen_in.clone(),
        feedback: feedback_out,
        references: references_out,
        shedder,
        reports: reports_out,
        results: results.clone(),
        announced: &announced,
        stop,
    };
    let gives_way = source.is_paced();
    let mut source = Ordered::new(source);

    let (taken, stored) = std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (waiting, seen_in) = (waiting.clone(), seen_in.clone());
            let searches = Searches { orders: orders.clone(), waits };
            scope.spawn(move || observer::run(setup, &waiting, &searches, &seen_in));
        }
        drop((waiting, seen_in, orders));
        scope.spawn(move || searcher::run(setup, &orders_out, &found_in, gives_way));
        scope.spawn(move || {
            grower::run(setup, accumulator, &growth_out, &references, gives_way);
        });
        let ends = Ends { seen, found, feedback, growth, results, reports };
        let (follower, announced) = (&mut follower, &announced);
        let mut keeper = keeping.map(|keeping| keeping.start(scope, setup));
        scope.spawn(move || {
            background::call_thread(c"tracker");
            follower.run(&ends, announced, keeper.as_mut());
            drop(ends);
            keeper.into_iter().for_each(Keeper::finish);
        });
        let storage = scope.spawn(move || {
            background::call_thread(c"storage");
            let stored = results_out.iter().try_for_each(|result| match result {
                Outcome::Row(row) => sink.row(&row),
                Outcome::Alarm(event) => sink.alarm(&event),
                Outcome::Shedding(change) => sink.shedding(&change),
            });
            if stored.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            (stored, sink)
        });
        let taken = intake.run(&mut source, first, anchor);
        let stored = match storage.join() {
            Ok(stored) => stored,
            Err(defect) => std::panic::resume_unwind(defect),
        };
        (taken, stored)
    });

    let (stored, sink) = stored;
    let arrivals = source.arrivals();
    if arrivals != Arrivals::default() {
        tracing::warn!(
            "the source sent {} frames again and {} too late; the ledger counts each frame once",
            arrivals.repeated,
            arrivals.late
        );
    }
    let mut ledger = follower.ledger;
    ledger.received = announced.into_inner();
    stored?;
    if let Err(error) = taken {
        // The frame that found the queue full has no row.
        ledger.received = ledger.fates();
        sink.close(&ledger)?;
        return Err(error);
    }
    sink.close(&ledger)?;
    if ledger.balances() { Ok(ledger) } else { Err(PipelineError::Unbalanced(ledger)) }
}

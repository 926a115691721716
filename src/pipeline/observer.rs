//! The parallel station: pixels, drift and gauges of one frame, on any thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::background;
use super::job::{Feedback, Job, Pixels, Seen};
use super::load::{Loaded, load};
use super::searcher::Search;
use super::setup::{NamedGauge, Setup};
use crate::frame::{Fate, Image, PooledImage, Reason, Region, Stamp};
use crate::gauge::View;
use crate::register::{Drift, DriftObservation, Scratch, Tracker, observe};

/// Where searches go, and whether a frame waits for those that are under way: else it goes without.
pub struct Searches {
    pub orders: Sender<Search>,
    pub waits: bool,
}

/// Takes jobs until the intake hangs up.
pub fn run(setup: &Setup, jobs: &Receiver<Job>, searches: &Searches, seen: &Sender<Seen>) {
    background::call_thread(c"observer");
    let mut scratch = Scratch::default();
    let mut bytes = Vec::new();
    for job in jobs {
        let (stamp, arrival) = (job.stamp, job.arrival);
        // A defect in an estimator must cost one frame, not the run.
        let result =
            catch_unwind(AssertUnwindSafe(|| one(setup, job, searches, &mut scratch, &mut bytes)));
        let result = result.unwrap_or_else(|_| {
            tracing::error!(frame = stamp.index, "an estimator failed; please report this");
            scratch = Scratch::default();
            Seen::lost(stamp, arrival, Fate::Corrupt, Reason::Undecodable)
        });
        if seen.send(result).is_err() {
            return;
        }
    }
}

fn one(
    setup: &Setup,
    job: Job,
    searches: &Searches,
    scratch: &mut Scratch,
    bytes: &mut Vec<u8>,
) -> Seen {
    let mut clock = Clock { last: job.arrival, latency_ns: Vec::new() };
    clock.lap();
    let Job { stamp, arrival, pixels, told, reference, stale, measured } = job;
    let loaded = match pixels {
        Pixels::Loaded(loaded) => Ok(loaded),
        Pixels::Reserved { index, blank } => {
            load(&*setup.recording, index, blank, &setup.defects, setup.keeps_raw(), bytes)
        }
    };
    let Loaded { image, repaired, raw } = match loaded {
        Ok(loaded) => loaded,
        Err(reason) => return Seen::lost(stamp, arrival, Fate::Corrupt, reason),
    };
    let drift = if stamp.index == setup.anchor.index as u64 {
        DriftObservation::of_anchor(&reference)
    } else {
        observe(&image, &reference, &told.drift.for_row(stamp.index), scratch)
    };
    clock.lap();
    let judged = Tracker::judge(&drift, setup.config.drift.max_shift_px);
    let gauges = setup
        .gauges
        .iter()
        .zip(&told.hints)
        .zip(&*measured)
        .map(|((NamedGauge { gauge, .. }, hints), measured)| {
            if !measured {
                clock.latency_ns.push(0);
                return None;
            }
            let observation = judged
                .locked
                .then(|| gauge.observe(&view(&image, &judged, gauge.region(), setup), hints));
            clock.lap();
            observation
        })
        .collect();
    let searched = match judged.locked {
        true => search(setup, stamp.index, (&told, &measured), (&image, &judged), searches),
        false => Vec::new(),
    };
    let shed = measured.contains(&false);
    let (fate, reason) = match fate_of(&judged, repaired, stamp) {
        (_, Reason::None | Reason::NonFinitePixels) if shed => (Fate::Degraded, Reason::GaugeShed),
        (Fate::Measured, _) if stale => (Fate::Degraded, Reason::StaleFeedback),
        other => other,
    };
    Seen {
        stamp,
        arrival,
        fate,
        reason,
        drift: Some(drift),
        gauges,
        searched,
        image: Some(image),
        raw,
        latency_ns: clock.latency_ns,
    }
}

/// Hands the frame on to the gauges' searches that are asked for.
fn search(
    setup: &Setup,
    row: u64,
    (told, measured): (&Arc<Feedback>, &[bool]),
    (image, drift): (&PooledImage, &Drift),
    searches: &Searches,
) -> Vec<usize> {
    let asked = |gauge: &usize| {
        measured[*gauge] && setup.gauges[*gauge].gauge.searches(&told.hints[*gauge])
    };
    let order = |gauge: &usize| {
        let (image, told) = (image.clone(), Arc::clone(told));
        let order = Search { row, gauge: *gauge, image, drift: *drift, told };
        match searches.waits {
            true => searches.orders.send(order).is_ok(),
            false => searches.orders.try_send(order).is_ok(),
        }
    };
    (0..setup.gauges.len()).filter(asked).filter(order).collect()
}

/// What a gauge sees: its region as it stands in this frame.
pub fn view<'a>(image: &'a Image, drift: &Drift, region: Region, setup: &Setup) -> View<'a> {
    let middle =
        |from: usize, size: usize, field: usize| from as f64 + (size as f64 - field as f64) / 2.0;
    let (u, v) = (
        middle(region.x, region.width, image.width),
        middle(region.y, region.height, image.height),
    );
    View::new(image, drift.at(u, v), setup.camera)
}

fn fate_of(drift: &Drift, repaired: bool, stamp: Stamp) -> (Fate, Reason) {
    if !drift.locked {
        tracing::debug!(frame = stamp.index, "drift correction did not lock");
        (Fate::Degraded, Reason::NotLocked)
    } else if repaired {
        (Fate::Degraded, Reason::NonFinitePixels)
    } else {
        (Fate::Measured, Reason::None)
    }
}

/// Measures one stage after the other.
struct Clock {
    last: Instant,
    latency_ns: Vec<u64>,
}

impl Clock {
    fn lap(&mut self) {
        let now = Instant::now();
        self.latency_ns.push(nanoseconds(self.last, now));
        self.last = now;
    }
}

/// Nanoseconds between two instants.
pub fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}

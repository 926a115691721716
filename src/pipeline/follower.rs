//! The in-order station: puts frames back in order, runs the trackers, decides on alarms, and
//! hands on one row for each frame.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::grower::Growth;
use super::job::{Feedback, Seen};
use super::keep::{Keeper, Kept};
use super::observer::nanoseconds;
use super::setup::Setup;
use super::sink::FrameRow;
use crate::alarm::{AlarmEngine, AlarmEvent, AlarmState};
use crate::cell::{CellSample, CellSeries};
use crate::frame::Ledger;
use crate::gauge::{AnyHints, AnyTracker, Measurement, Schema};
use crate::register::{Told, Tracker};

/// What goes to the storage thread.
pub enum Result {
    Row(Box<FrameRow>),
    Alarm(AlarmEvent),
}

/// The sequential state of a run.
pub struct Follower<'a> {
    setup: &'a Setup,
    registration: Tracker,
    gauges: Vec<Followed<'a>>,
    cell: Option<&'a CellSeries>,
    alarms: AlarmEngine,
    pub ledger: Ledger,
}

struct Followed<'a> {
    schema: &'a Schema,
    tracker: Box<dyn AnyTracker>,
    hints: AnyHints,
}

/// The channels of the in-order station.
pub struct Ends {
    pub seen: Receiver<Seen>,
    pub feedback: Sender<Arc<Feedback>>,
    pub growth: Sender<Growth>,
    pub results: Sender<Result>,
}

impl<'a> Follower<'a> {
    /// A follower that has seen no frame.
    pub fn new(setup: &'a Setup, cell: Option<&'a CellSeries>, alarms: AlarmEngine) -> Self {
        let gauges = setup.gauges.iter().map(|named| Followed {
            schema: named.gauge.schema(),
            tracker: Arc::clone(&named.gauge).tracker(),
            hints: named.gauge.first_hints(),
        });
        Follower {
            setup,
            registration: Tracker::new(setup.anchor.index as u64, setup.registration),
            gauges: gauges.collect(),
            cell,
            alarms,
            ledger: Ledger::default(),
        }
    }

    /// What the observers are told before any frame was tracked.
    pub fn first_feedback(&self) -> Arc<Feedback> {
        Arc::new(Feedback {
            drift: Told::default(),
            hints: self.gauges.iter().map(|gauge| gauge.hints.clone()).collect(),
        })
    }

    /// Runs until all observers and the intake have hung up, or nobody takes the results.
    /// Each frame is offered to `keeper` after its alarms.
    pub fn run(&mut self, ends: &Ends, mut keeper: Option<&mut Keeper>) {
        let mut early = BTreeMap::new();
        let mut next = 0;
        for seen in &ends.seen {
            early.insert(seen.stamp.index, seen);
            while let Some(seen) = early.remove(&next) {
                next += 1;
                if !self.follow(seen, ends, keeper.as_deref_mut()) {
                    return;
                }
            }
        }
    }

    /// One frame, in order; false when the run has failed elsewhere.
    fn follow(&mut self, seen: Seen, ends: &Ends, keeper: Option<&mut Keeper>) -> bool {
        let started = Instant::now();
        self.ledger.enter(seen.fate);
        let decision = self.registration.track(seen.stamp.index, seen.drift.as_ref());
        if let (Some(fold), Some(image)) = (decision.fold, seen.image)
            && ends.growth.send(Growth { image, fold }).is_err()
        {
            return false;
        }
        let measurements = self.measure(seen.stamp, seen.gauges);
        let feedback = Feedback {
            drift: Told {
                prediction: decision.prediction,
                version: decision.version,
                row: seen.stamp.index,
            },
            hints: self.gauges.iter().map(|gauge| gauge.hints.clone()).collect(),
        };
        // The intake may have finished already; then nobody needs the feedback.
        let _ = ends.feedback.send(Arc::new(feedback));
        let cell = self.cell.map_or(CellSample::UNKNOWN, |cell| cell.at(seen.stamp.time_s));
        let mut events = self.alarms.evaluate(&seen.stamp, &decision.drift, &measurements, &cell);
        let decided = Instant::now();
        for event in &mut events {
            event.decision_latency_s = decided.duration_since(seen.arrival).as_secs_f64();
        }
        let mut latency_ns = seen.latency_ns;
        latency_ns.resize(2 + self.gauges.len(), 0);
        latency_ns.push(nanoseconds(started, decided));
        latency_ns.push(nanoseconds(seen.arrival, decided));
        let row = FrameRow {
            stamp: seen.stamp,
            fate: seen.fate,
            reason: seen.reason,
            drift: decision.drift,
            gauges: measurements,
            cell,
            latency_ns,
        };
        let alarm = events.iter().any(|event| event.state == AlarmState::Raised);
        let sent = ends.results.send(Result::Row(Box::new(row))).is_ok()
            && events.into_iter().all(|event| ends.results.send(Result::Alarm(event)).is_ok());
        if let Some(keeper) = keeper {
            let Seen { stamp, fate, reason, raw, .. } = seen;
            keeper.take(Kept { stamp, fate, reason, alarm }, raw);
        }
        sent
    }

    fn measure(
        &mut self,
        stamp: crate::frame::Stamp,
        observations: Vec<Option<crate::gauge::AnyObservation>>,
    ) -> Vec<Measurement> {
        let mut observations = observations.into_iter();
        self.gauges
            .iter_mut()
            .map(|gauge| {
                let mut out = Measurement::blank(gauge.schema);
                if let Some(observation) = observations.next().flatten() {
                    gauge.hints = gauge.tracker.track(&stamp, observation, &mut out);
                    convert(&mut out, gauge.schema, self.setup);
                }
                out
            })
            .collect()
    }
}

/// From pixels and seconds to the units of the file.
fn convert(out: &mut Measurement, schema: &Schema, setup: &Setup) {
    for (k, field) in schema.fields.iter().enumerate() {
        let factor = setup.calibration.factor(field.dimension);
        out.values[k] *= factor;
        out.errors[k] *= factor;
    }
    for (k, array) in schema.arrays.iter().enumerate() {
        let factor = setup.calibration.factor(array.dimension) as f32;
        out.arrays[k].iter_mut().chain(&mut out.array_errors[k]).for_each(|v| *v *= factor);
    }
    for (k, values) in &mut out.constants {
        let factor = setup.calibration.factor(schema.constants[*k].dimension) as f32;
        values.iter_mut().for_each(|v| *v *= factor);
    }
}

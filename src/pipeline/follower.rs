//! The in-order station: puts frames back in order, runs the trackers, decides on alarms, and
//! hands on one row for each frame.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::grower::Growth;
use super::job::{Feedback, Seen};
use super::keep::{Keeper, Kept};
use super::observer::nanoseconds;
use super::searcher::Found;
use super::setup::Setup;
use super::shed::{Report, Shedding, Work};
use super::sink::FrameRow;
use crate::alarm::{AlarmEngine, AlarmEvent, AlarmState};
use crate::cell::{CellSample, CellSeries};
use crate::frame::{Fate, Ledger, Reason, Stamp, is_search_over};
use crate::gauge::{AnyFound, AnyHints, AnyTracker, Measurement, Schema};
use crate::register::{Told, Tracker};

/// What goes to the storage thread.
pub enum Result {
    Row(Box<FrameRow>),
    Alarm(AlarmEvent),
    Shedding(Shedding),
}

/// Frames that wait for the template while there is a budget to keep, at most.
const GROWTH_WAITING: usize = 2;

/// The sequential state of a run.
pub struct Follower<'a> {
    setup: &'a Setup,
    registration: Tracker,
    gauges: Vec<Followed<'a>>,
    cell: Option<&'a CellSeries>,
    alarms: AlarmEngine,
    /// Searches that the gauges have not heard of: rows and gauges, in order, and what they found.
    searched: VecDeque<(Stamp, usize)>,
    found: BTreeMap<(u64, usize), Option<AnyFound>>,
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
    pub found: Receiver<Found>,
    pub feedback: Sender<Arc<Feedback>>,
    pub growth: Sender<Growth>,
    pub results: Sender<Result>,
    /// For the shedder, where there is one.
    pub reports: Option<Sender<Report>>,
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
            searched: VecDeque::new(),
            found: BTreeMap::new(),
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
    /// `announced` counts the rows of the source. Each frame is offered to `keeper` after its alarms.
    pub fn run(&mut self, ends: &Ends, announced: &AtomicU64, mut keeper: Option<&mut Keeper>) {
        let mut early = BTreeMap::new();
        let mut next = 0;
        for seen in &ends.seen {
            let twice = early.insert(seen.stamp.index, seen);
            debug_assert!(twice.is_none(), "a frame has two fates");
            while let Some(seen) = early.remove(&next) {
                next += 1;
                if !self.follow(seen, ends, keeper.as_deref_mut()) {
                    return;
                }
                // Received = the sum of the fates + frames in flight, at every moment.
                let received = announced.load(Ordering::Relaxed);
                debug_assert_eq!(self.ledger.fates(), next, "each row has one fate");
                debug_assert!(self.ledger.fates() + early.len() as u64 <= received);
            }
        }
    }

    /// One frame, in order; false when the run has failed elsewhere.
    fn follow(&mut self, mut seen: Seen, ends: &Ends, keeper: Option<&mut Keeper>) -> bool {
        let started = Instant::now();
        let all_heard = self.hear(&seen.stamp, ends);
        if !all_heard && seen.fate == Fate::Measured {
            (seen.fate, seen.reason) = (Fate::Degraded, Reason::StaleFeedback);
        }
        self.searched.extend(seen.searched.iter().map(|gauge| (seen.stamp, *gauge)));
        self.ledger.enter(seen.fate);
        let decision = self.registration.track(seen.stamp.index, seen.drift.as_ref());
        let measurements = self.measure(seen.stamp, seen.gauges);
        let cell = self.cell.map_or(CellSample::UNKNOWN, |cell| cell.at(seen.stamp.time_s));
        // Alarms come before everything that could make them wait.
        let passed_over = matches!(seen.reason, Reason::FrameShed | Reason::ProcessingOverrun);
        let mut events = match passed_over {
            true => self.alarms.pass_over(&seen.stamp, &measurements, &cell),
            false => self.alarms.evaluate(&seen.stamp, &decision.drift, &measurements, &cell),
        };
        let decided = Instant::now();
        for event in &mut events {
            event.decision_latency_s = decided.duration_since(seen.arrival).as_secs_f64();
        }
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
        let mut latency_ns = seen.latency_ns;
        let observed = !latency_ns.is_empty();
        latency_ns.resize(2 + self.gauges.len(), 0);
        latency_ns.push(nanoseconds(started, decided));
        latency_ns.push(nanoseconds(seen.arrival, decided));
        if let Some(reports) = &ends.reports {
            let gauges_ns = || latency_ns[2..2 + self.gauges.len()].to_vec();
            let report = Report {
                row: seen.stamp.index,
                decided,
                total_ns: nanoseconds(seen.arrival, decided),
                work: observed.then(|| Work { register_ns: latency_ns[1], gauges_ns: gauges_ns() }),
            };
            // As for the feedback.
            let _ = reports.send(report);
        }
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
        let told = ends.results.send(Result::Row(Box::new(row))).is_ok()
            && events.into_iter().all(|event| ends.results.send(Result::Alarm(event)).is_ok());
        let Seen { stamp, fate, reason, image, raw, .. } = seen;
        // The template grows after that, on its own thread; its queue is bounded by the pool alone,
        // so that a slow build never holds up the next frame's alarms.
        let behind = ends.reports.is_some() && ends.growth.len() >= GROWTH_WAITING;
        let grown = match (decision.fold, image) {
            // With a budget to keep, a template that is behind does without this frame, and its
            // buffer goes to one that waits to be measured.
            (Some(fold), _) if behind && fold.build.is_none() && !fold.restart => true,
            (Some(fold), Some(image)) => told && ends.growth.send(Growth { image, fold }).is_ok(),
            _ => true,
        };
        // Whoever keeps raw frames may make a replay wait, so they come last of all.
        if let Some(keeper) = keeper {
            keeper.take(Kept { stamp, fate, reason, alarm }, raw);
        }
        told && grown
    }

    /// Tells the gauges what was found in the searches that are over by now. False when something is
    /// not there yet, and a budget does not allow to wait for it.
    fn hear(&mut self, now: &Stamp, ends: &Ends) -> bool {
        let waits = ends.reports.is_none();
        while let Some((searched, gauge)) = self.searched.front().copied() {
            if !is_search_over(&searched, now) {
                break;
            }
            let place = (searched.index, gauge);
            while !self.found.contains_key(&place) {
                let next = match waits {
                    true => ends.found.recv().ok(),
                    false => ends.found.try_recv().ok(),
                };
                let Some(Found { row, gauge, found }) = next else { return false };
                self.found.insert((row, gauge), found);
            }
            self.searched.pop_front();
            if let Some(found) = self.found.remove(&place).flatten() {
                self.gauges[gauge].tracker.found(searched.index, found);
            }
        }
        true
    }

    fn measure(
        &mut self,
        stamp: Stamp,
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

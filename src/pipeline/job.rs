//! What travels between the stations.

use std::sync::Arc;
use std::time::Instant;

use super::keep::Raw;
use super::load::Loaded;
use crate::frame::{Blank, Fate, PooledImage, Reason, Stamp};
use crate::gauge::{AnyHints, AnyObservation};
use crate::register::{DriftObservation, Reference, Told};

/// What the tracker tells the observers, after one row.
#[derive(Clone)]
pub struct Feedback {
    /// Of the drift, and which version of the reference to use.
    pub drift: Told,
    /// One for each gauge.
    pub hints: Vec<AnyHints>,
}

/// One frame for an observer.
pub struct Job {
    pub stamp: Stamp,
    pub arrival: Instant,
    pub pixels: Pixels,
    /// What registration and gauges are told.
    pub told: Arc<Feedback>,
    pub reference: Arc<Reference>,
    /// Feedback or reference are older than the lag asks for.
    pub stale: bool,
    /// The gauges that it is measured with; the others are left out to keep the budget.
    pub measured: Arc<[bool]>,
}

/// The pixels of a job.
pub enum Pixels {
    /// To be read by the observer, into the buffer that was reserved in frame order.
    Reserved { index: usize, blank: Blank },
    /// Read already, by a recording that must be read in order.
    Loaded(Loaded),
}

/// One frame for the tracker.
pub struct Seen {
    pub stamp: Stamp,
    pub arrival: Instant,
    pub fate: Fate,
    pub reason: Reason,
    /// Nothing for a frame without pixels.
    pub drift: Option<DriftObservation>,
    /// One for each gauge; nothing where it could not be measured.
    pub gauges: Vec<Option<AnyObservation>>,
    /// Numbers of the gauges that search it, too.
    pub searched: Vec<usize>,
    pub image: Option<PooledImage>,
    pub raw: Option<Raw>,
    /// Nanoseconds: queue, register, one for each gauge.
    pub latency_ns: Vec<u64>,
}

impl Seen {
    /// A frame without pixels.
    pub fn lost(stamp: Stamp, arrival: Instant, fate: Fate, reason: Reason) -> Seen {
        Seen {
            stamp,
            arrival,
            fate,
            reason,
            drift: None,
            gauges: Vec::new(),
            searched: Vec::new(),
            image: None,
            raw: None,
            latency_ns: Vec::new(),
        }
    }
}

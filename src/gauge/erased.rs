//! Gauges behind one type, so that the pipeline holds a list of them.

use std::any::Any;
use std::sync::Arc;

use super::{Gauge, Measurement, Schema, View};
use crate::frame::{Region, Stamp};

/// A gauge's hints, whatever their type.
#[derive(Clone)]
pub struct AnyHints(Arc<dyn Any + Send + Sync>);

/// A gauge's observation, whatever its type.
pub struct AnyObservation(Box<dyn Any + Send>);

/// What a gauge's search found, whatever its type.
pub struct AnyFound(Box<dyn Any + Send>);

/// A [`Gauge`] whose types the pipeline need not know.
pub trait AnyGauge: Send + Sync {
    fn schema(&self) -> &Schema;
    fn region(&self) -> Region;
    /// The hints of the first frames.
    fn first_hints(&self) -> AnyHints;
    fn observe(&self, view: &View<'_>, hints: &AnyHints) -> AnyObservation;
    fn searches(&self, hints: &AnyHints) -> bool;
    fn search(&self, view: &View<'_>, hints: &AnyHints) -> Option<AnyFound>;
    /// A tracker that has seen no frame.
    fn tracker(self: Arc<Self>) -> Box<dyn AnyTracker>;
}

/// The in-order half of an [`AnyGauge`].
pub trait AnyTracker: Send {
    fn found(&mut self, row: u64, found: AnyFound);
    fn track(
        &mut self,
        stamp: &Stamp,
        observation: AnyObservation,
        out: &mut Measurement,
    ) -> AnyHints;
}

struct Tracker<G: Gauge> {
    gauge: Arc<G>,
    state: G::State,
}

fn own<G: Gauge>(hints: &AnyHints) -> &G::Hints {
    let Some(hints) = hints.0.downcast_ref::<G::Hints>() else {
        unreachable!("a gauge's hints come from the same gauge's tracker");
    };
    hints
}

impl<G: Gauge> AnyGauge for G {
    fn schema(&self) -> &Schema {
        Gauge::schema(self)
    }

    fn region(&self) -> Region {
        Gauge::region(self)
    }

    fn first_hints(&self) -> AnyHints {
        AnyHints(Arc::new(G::Hints::default()))
    }

    fn observe(&self, view: &View<'_>, hints: &AnyHints) -> AnyObservation {
        AnyObservation(Box::new(Gauge::observe(self, view, own::<G>(hints))))
    }

    fn searches(&self, hints: &AnyHints) -> bool {
        Gauge::searches(self, own::<G>(hints))
    }

    fn search(&self, view: &View<'_>, hints: &AnyHints) -> Option<AnyFound> {
        let found = Gauge::search(self, view, own::<G>(hints))?;
        Some(AnyFound(Box::new(found)))
    }

    fn tracker(self: Arc<Self>) -> Box<dyn AnyTracker> {
        let state = self.start();
        Box::new(Tracker { gauge: self, state })
    }
}

impl<G: Gauge> AnyTracker for Tracker<G> {
    fn found(&mut self, row: u64, found: AnyFound) {
        let Ok(found) = found.0.downcast::<G::Found>() else {
            unreachable!("a tracker is given what its own gauge found");
        };
        self.gauge.found(&mut self.state, row, *found);
    }

    fn track(
        &mut self,
        stamp: &Stamp,
        observation: AnyObservation,
        out: &mut Measurement,
    ) -> AnyHints {
        let Ok(observation) = observation.0.downcast::<G::Observation>() else {
            unreachable!("a tracker is given its own gauge's observations");
        };
        AnyHints(Arc::new(self.gauge.track(&mut self.state, stamp, *observation, out)))
    }
}

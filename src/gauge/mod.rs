//! Gauges: one named measurement in one region of the specimen.
//!
//! [`Gauge`] is the contract. Adding a gauge touches one new file, with its configuration type,
//! and one line in [`registry`].

pub mod crack;
mod erased;
pub mod front;
mod lines;
mod median;
pub mod registry;
mod schema;
mod sequence;
mod smooth;
mod trend;
mod view;

pub use erased::{AnyFound, AnyGauge, AnyHints, AnyObservation, AnyTracker};
pub use schema::{ArrayField, Constant, Field, Measurement, Schema};
pub use sequence::Sequence;
pub use view::View;

use crate::frame::{Region, Stamp};

/// One measurement, split so that all heavy work runs on any thread and all memory is kept in
/// frame order.
///
/// - [`observe`](Gauge::observe) is a pure function of its arguments: the same view and hints
///   give the same observation, bit for bit, on any thread.
/// - [`track`](Gauge::track) runs once per frame, in frame order, and must be cheap
///   (microseconds): filters, velocities, plausibility. It returns the hints that `observe` gets
///   for the frame a fixed number of frames later ([`lag_at`](crate::frame::lag_at)); the first
///   frame gets `Hints::default()`.
/// - [`search`](Gauge::search) is for what takes longer than a frame may, where the hints ask for it.
///   It is as pure as `observe`, sees the same frame, and runs beside it, so that no alarm waits for
///   it; the tracker hears of what it [`found`](Gauge::found) some frames later
///   ([`is_search_over`](crate::frame::is_search_over)).
///
/// All lengths are pixels and all times seconds; the pipeline converts to the units of the file.
/// Coordinates in measurements are reference coordinates: what was found in the frame, minus the
/// drift. A value that could not be measured is NaN with a NaN error, never 0.
pub trait Gauge: Send + Sync + 'static {
    /// What the tracker tells the observer.
    type Hints: Clone + Default + Send + Sync + 'static;
    /// What the observer tells the tracker.
    type Observation: Send + 'static;
    /// What a search tells the tracker.
    type Found: Send + 'static;
    /// What the tracker remembers.
    type State: Send + 'static;

    /// The fields that each measurement carries; fixed for the whole run.
    fn schema(&self) -> &Schema;

    /// Where it looks, in reference coordinates. Registration leaves these pixels out.
    fn region(&self) -> Region;

    /// Measures one frame. Pure; any thread.
    fn observe(&self, view: &View<'_>, hints: &Self::Hints) -> Self::Observation;

    /// Whether these hints ask for a search beside the measurement.
    fn searches(&self, _hints: &Self::Hints) -> bool {
        false
    }

    /// Searches one frame; nothing where there is nothing to tell. Pure; any thread.
    fn search(&self, _view: &View<'_>, _hints: &Self::Hints) -> Option<Self::Found> {
        None
    }

    /// Takes what the search of an earlier row found, before the next frame's `track`.
    fn found(&self, _state: &mut Self::State, _row: u64, _found: Self::Found) {}

    /// The memory before the first frame.
    fn start(&self) -> Self::State;

    /// Takes the next frame's observation in frame order, fills `out` (which comes blank, all
    /// NaN), and says what to look for next. Not called for frames without observation (not
    /// locked, dropped, corrupt); the next call's stamp shows the gap.
    fn track(
        &self,
        state: &mut Self::State,
        stamp: &Stamp,
        observation: Self::Observation,
        out: &mut Measurement,
    ) -> Self::Hints;
}

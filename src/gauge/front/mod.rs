//! The front gauge: where lithium ends along each line of its region.
//!
//! Each line along the growth axis carries an edge `A · (1 − c · Φ((p − u)/σ))`: a step seen
//! through the point spread, over the specimen's own texture A. Its place p is found by maximum
//! likelihood with the camera's noise, together with its neighbours; the texture is learned from
//! the first frames, where the specimen ahead of the front is still bare.

mod config;
mod fit;
mod search;
mod summary;

use std::sync::Arc;

pub use config::FrontConfig;
use fit::{Contour, fit};
use summary::Summary;

use super::lines::Lines;
use super::registry::Kind;
use super::step::Step;
use super::{AnyGauge, Gauge, Measurement, Schema, View};
use crate::config::{ConfigError, GaugeEntry};
use crate::frame::{Region, Stamp};

/// This kind of gauge, for the registry.
pub const KIND: Kind = Kind {
    name: "front",
    keys: &[
        "kind",
        "name",
        "region",
        "grows",
        "lithium",
        "counter_px",
        "edge_sigma_px",
        "smooth_lines",
    ],
    build: |entry: &GaugeEntry, lag_frames| -> Result<Arc<dyn AnyGauge>, ConfigError> {
        Ok(Arc::new(Front::new(FrontConfig::read(entry)?, lag_frames)))
    },
};

/// A front gauge.
pub struct Front {
    config: FrontConfig,
    lines: Lines,
    schema: Schema,
    step: Step,
    /// How many frames ahead the hints look.
    lag_frames: f32,
}

/// So many lines at the end of their windows mean that the edge is beyond.
const LIMIT_LINES: usize = 4;

/// What the tracker tells the observer.
#[derive(Clone, Default)]
pub struct Hints {
    /// Where each line's edge is expected, px from the starting edge; nothing: search for it.
    contour: Option<Arc<Vec<f32>>>,
    /// Relative brightness of the bare specimen, line by line; NaN where it was never seen bare.
    texture: Option<Arc<Vec<f32>>>,
    /// Edge width; nothing: as configured.
    sigma_px: Option<f32>,
    /// The texture is complete: no more frames are wanted for it.
    texture_done: bool,
}

/// What one frame says.
pub struct Observation {
    contour: Contour,
    /// The whole region, line by line, while the texture is being learned.
    region: Option<Vec<f32>>,
    /// One sigma of the drift along the growth axis.
    drift_error: f64,
}

/// What the tracker remembers.
pub struct State {
    summary: Summary,
}

impl Front {
    /// A gauge as configured.
    pub fn new(config: FrontConfig, lag_frames: usize) -> Front {
        let lines = Lines::new(config.region, config.grows);
        let schema = summary::schema(&lines);
        Front { config, lines, schema, step: Step::default(), lag_frames: lag_frames as f32 }
    }
}

impl Gauge for Front {
    type Hints = Hints;
    type Observation = Observation;
    type State = State;

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn region(&self) -> Region {
        self.config.region
    }

    fn observe(&self, view: &View<'_>, hints: &Hints) -> Observation {
        let mut contour = None;
        if let Some(expected) = &hints.contour {
            let found = fit(self, view, expected, hints);
            // When lines have lost the edge or left their windows, it has moved further than
            // expected: look for it everywhere.
            if found.share_found() >= 0.5 && found.at_limit < LIMIT_LINES {
                contour = Some(found);
            }
        }
        let contour = contour.unwrap_or_else(|| match search::search(self, view) {
            Some(coarse) => fit(self, view, &coarse, hints),
            None => Contour::nothing(self.lines.count),
        });
        let region = (!hints.texture_done).then(|| self.lines.read_all(view));
        let (along_x, drift) = (self.lines.is_along_x(), view.drift());
        let drift_error = if along_x { drift.x_error } else { drift.y_error };
        Observation { contour, region, drift_error }
    }

    fn start(&self) -> State {
        State { summary: Summary::new(&self.lines, self.config.smooth_lines) }
    }

    fn track(
        &self,
        state: &mut State,
        stamp: &Stamp,
        observation: Observation,
        out: &mut Measurement,
    ) -> Hints {
        state.summary.take(stamp, &observation, self.config.counter_along(&self.lines), out);
        state.summary.hints(self.lag_frames)
    }
}

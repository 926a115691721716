//! The crack gauge: how wide a crack stands open along its path.
//!
//! Across the path the brightness is `(b₀ + b₁u) · (1 − D · [box of width w ∗ point spread](u − c))`.
//! Opening w and centre c are found at each station by maximum likelihood with the camera's noise;
//! the depth D and the point spread belong to the crack as a whole. Where the crack is narrower
//! than the point spread only the product w · D can be seen, and D comes from its wide part.

mod columns;
mod config;
mod fit;
mod path;
mod summary;

use std::sync::Arc;

pub use config::CrackConfig;
use fit::{Profile, fit};
use summary::Summary;

use super::lines::Lines;
use super::registry::Kind;
use super::step::Step;
use super::{AnyGauge, Gauge, Measurement, Schema, View};
use crate::config::{ConfigError, GaugeEntry};
use crate::frame::{Region, Stamp};

/// This kind of gauge, for the registry.
pub const KIND: Kind = Kind {
    name: "crack",
    keys: &[
        "kind",
        "name",
        "region",
        "contrast",
        "along",
        "psf_px",
        "depth",
        "max_width_px",
        "smooth_stations",
    ],
    build: |entry: &GaugeEntry, _| -> Result<Arc<dyn AnyGauge>, ConfigError> {
        Ok(Arc::new(Crack::new(CrackConfig::read(entry)?)))
    },
};

/// A crack gauge.
pub struct Crack {
    config: CrackConfig,
    /// One line across the crack for each station.
    lines: Lines,
    schema: Schema,
    step: Step,
}

/// What the tracker tells the observer.
#[derive(Clone, Default)]
pub struct Hints {
    /// Centre and opening of each station, px across the path from the region's edge; nothing:
    /// search for the path.
    known: Option<Arc<Known>>,
    /// Look for the path again: where the crack was closed it may have opened elsewhere.
    search: bool,
}

/// What is known of the crack.
#[derive(Clone, Debug)]
pub struct Known {
    pub centre: Vec<f32>,
    pub opening: Vec<f32>,
    pub depth: f32,
    pub psf_px: f32,
    /// 1/variance of depth and of point spread (1/px²), from all frames so far.
    pub depth_information: f32,
    pub psf_information: f32,
}

/// What one frame says.
pub struct Observation {
    profile: Profile,
    /// Centres as the search sees them, reference coordinates, where it was asked for.
    searched: Option<Vec<f32>>,
    /// One sigma of the drift across the path, and along it.
    drift_error: (f64, f64),
    /// The part of the drift that whole-pixel reading left along the path.
    fraction_along: f64,
}

impl Crack {
    /// A gauge as configured.
    pub fn new(config: CrackConfig) -> Crack {
        let lines = Lines::new(config.region, config.across());
        let schema = summary::schema(&lines);
        Crack { config, lines, schema, step: Step::default() }
    }

    /// The sign of the contrast: +1 for a dark crack.
    fn sign(&self) -> f32 {
        match self.config.contrast {
            config::Contrast::Dark => 1.0,
            config::Contrast::Bright => -1.0,
        }
    }
}

impl Gauge for Crack {
    type Hints = Hints;
    type Observation = Observation;
    type State = Summary;

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn region(&self) -> Region {
        self.config.region
    }

    fn observe(&self, view: &View<'_>, hints: &Hints) -> Observation {
        let found = (hints.search || hints.known.is_none()).then(|| path::search(self, view));
        let profile = match (&hints.known, &found) {
            (Some(known), _) => fit(self, view, known),
            (None, Some(found)) => fit(self, view, found),
            (None, None) => unreachable!("without knowledge the path is searched for"),
        };
        let (x, y) = (view.drift().x_error, view.drift().y_error);
        let (fraction_x, fraction_y) = view.fraction();
        let along_y = self.lines.is_along_x();
        Observation {
            profile,
            searched: found.map(|found| found.centre),
            drift_error: if along_y { (x, y) } else { (y, x) },
            fraction_along: if along_y { fraction_y } else { fraction_x },
        }
    }

    fn start(&self) -> Summary {
        Summary::new(self)
    }

    fn track(
        &self,
        state: &mut Summary,
        stamp: &Stamp,
        observation: Observation,
        out: &mut Measurement,
    ) -> Hints {
        state.take(stamp, &observation, out);
        state.hints()
    }
}

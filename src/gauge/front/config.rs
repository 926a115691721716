//! `[[gauge]] kind = "front"`.

use serde::Deserialize;

use crate::config::{ConfigError, GaugeEntry};
use crate::frame::Region;
use crate::gauge::lines::{Grows, Lines};

/// Which side of the front is brighter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lithium {
    Dark,
    Bright,
}

/// The keys of a front gauge.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontConfig {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "name")]
    _name: String,
    /// Reference px.
    pub region: Region,
    pub grows: Grows,
    pub lithium: Lithium,
    /// The counter electrode along the growth axis, reference px; without it there is no gap.
    pub counter_px: Option<f64>,
    /// One sigma of the edge's blur to start from; the gauge refines it.
    #[serde(default = "default_sigma")]
    pub edge_sigma_px: f64,
    /// Neighbouring lines (one sigma) that share an edge's displacement.
    #[serde(default = "default_smooth")]
    pub smooth_lines: f64,
    /// Cut-off frequency of the velocities; without it 1/64 of the frame rate.
    pub bandwidth_hz: Option<f64>,
}

fn default_sigma() -> f64 {
    1.5
}

fn default_smooth() -> f64 {
    4.0
}

impl FrontConfig {
    /// Reads and checks the entry.
    ///
    /// # Errors
    /// [`ConfigError`] with the line of the key.
    pub fn read(entry: &GaugeEntry) -> Result<FrontConfig, ConfigError> {
        let config: FrontConfig = entry.read()?;
        let along = config.grows.length(config.region);
        if along < 24 {
            let what = format!("the region is {along} px long along the growth; use 24 or more");
            return Err(entry.error("region", what));
        }
        if !(0.3..=20.0).contains(&config.edge_sigma_px) {
            let what = "edge_sigma_px must lie between 0.3 and 20 px";
            return Err(entry.error("edge_sigma_px", what.to_owned()));
        }
        if !(0.5..=100.0).contains(&config.smooth_lines) {
            let what = "smooth_lines must lie between 0.5 and 100 lines";
            return Err(entry.error("smooth_lines", what.to_owned()));
        }
        if config.bandwidth_hz.is_some_and(|hz| !(hz > 0.0 && hz.is_finite())) {
            let what =
                "bandwidth_hz must be more than 0 Hz; leave it out for 1/64 of the frame rate";
            return Err(entry.error("bandwidth_hz", what.to_owned()));
        }
        Ok(config)
    }

    /// The counter electrode, px from the starting edge along the growth.
    pub fn counter_along(&self, lines: &Lines) -> Option<f64> {
        self.counter_px.map(|counter| lines.distance_of(counter))
    }
}

//! `[[gauge]] kind = "crack"`.

use serde::Deserialize;

use crate::config::{ConfigError, GaugeEntry};
use crate::frame::Region;
use crate::gauge::lines::Grows;

/// Whether the crack is darker or brighter than its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Contrast {
    Dark,
    Bright,
}

/// The image axis along which the crack runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Along {
    X,
    Y,
}

/// The keys of a crack gauge.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrackConfig {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "name")]
    _name: String,
    /// Reference px.
    pub region: Region,
    pub contrast: Contrast,
    /// With it the crack is looked for along this axis only, with one station for each row (y) or
    /// column (x) of the region; absent: it may run anywhere.
    pub along: Option<Along>,
    /// Stations of the crack, one for each px of its path; absent: 1.5 times the region's longer
    /// side. With `along` there is one for each row or column.
    pub stations: Option<usize>,
    /// Further lines that are measured: what branches off the crack, or stands beside it.
    #[serde(default = "default_branches")]
    pub branches: usize,
    /// One sigma of the point spread; absent: estimated from the wide part of the crack.
    pub psf_px: Option<f64>,
    /// Share of the brightness that a wide opening takes away (adds, when bright); absent:
    /// estimated from the wide part, and free to differ along the crack.
    pub depth: Option<f64>,
    /// Wider openings are not looked for.
    #[serde(default = "default_max_width")]
    pub max_width_px: f64,
    /// Neighbouring stations (one sigma) that share a change of the opening.
    #[serde(default = "default_smooth")]
    pub smooth_stations: f64,
}

fn default_branches() -> usize {
    2
}

fn default_max_width() -> f64 {
    40.0
}

fn default_smooth() -> f64 {
    4.5
}

impl CrackConfig {
    /// Reads and checks the entry.
    ///
    /// # Errors
    /// [`ConfigError`] with the line of the key.
    pub fn read(entry: &GaugeEntry) -> Result<CrackConfig, ConfigError> {
        let config: CrackConfig = entry.read()?;
        let between = |key: &str, value: Option<f64>, low: f64, high: f64| match value {
            Some(value) if !(low..=high).contains(&value) => {
                Err(entry.error(key, format!("{key} is {value}, but must be {low} to {high}")))
            }
            _ => Ok(()),
        };
        between("psf_px", config.psf_px, 0.2, 20.0)?;
        let deepest = if config.contrast == Contrast::Dark { 1.0 } else { 50.0 };
        between("depth", config.depth, 0.01, deepest)?;
        between("max_width_px", Some(config.max_width_px), 1.0, 1000.0)?;
        between("smooth_stations", Some(config.smooth_stations), 0.5, 100.0)?;
        if let Some(stations) = config.stations
            && !(32..=16_384).contains(&stations)
        {
            let what = format!("stations is {stations}, but must be 32 to 16384");
            return Err(entry.error("stations", what));
        }
        if config.branches > 256 {
            let what = format!("branches is {}, but must be 256 or less", config.branches);
            return Err(entry.error("branches", what));
        }
        let across = config.across().length(config.region);
        if across < 24 {
            let what = format!("the region is {across} px wide across the crack; use 24 or more");
            return Err(entry.error("region", what));
        }
        Ok(config)
    }

    /// Stations of the crack.
    pub fn stations(&self) -> usize {
        let (width, height) = (self.region.width, self.region.height);
        match (self.along, self.stations) {
            (Some(Along::X), _) => width,
            (Some(Along::Y), _) => height,
            (None, Some(stations)) => stations,
            (None, None) => width.max(height) * 3 / 2,
        }
    }

    /// The direction of the lines across the crack.
    pub fn across(&self) -> Grows {
        let tall = self.region.height >= self.region.width;
        match self.along {
            Some(Along::Y) => Grows::Right,
            Some(Along::X) => Grows::Down,
            None if tall => Grows::Right,
            None => Grows::Down,
        }
    }
}

//! The front gauge: where lithium ends along each line of its region.
//!
//! Each line along the growth axis carries an edge, a step of unknown heights seen through the point
//! spread, over the specimen's own texture. The most probable path across the lines says which edge
//! it is, maximum likelihood with the camera's noise where it stands, and the scatter of the score
//! beside it how well. Where lithium folds over itself, its area is segmented.
//! `docs/gauges/front.md` has the method with its equations, figures and limits.

mod bend;
mod cells;
mod classes;
mod config;
mod contour;
mod corners;
mod doubt;
mod extent;
mod fields;
mod fit;
mod folds;
mod follow;
mod kinetics;
mod levels;
mod line;
mod measure;
mod neighbours;
mod normal;
mod particles;
mod path;
mod pieces;
mod prior;
mod rows;
mod search;
mod seen;
mod shape;
mod summary;
mod sums;
mod texture;
mod together;
mod windows;

use std::convert::Infallible;
use std::sync::Arc;

use cells::Cells;
pub use config::FrontConfig;
use contour::Contour;
use corners::Corners;
use extent::Extent;
use fit::{Known, fit};
use neighbours::{straight_beneath, straightened};
use particles::Hidden;
use prior::ShapePrior;
use summary::Summary;

use super::lines::Lines;
use super::registry::Kind;
use super::{AnyGauge, Gauge, Measurement, Schema, View};
use crate::config::{ConfigError, GaugeEntry};
use crate::frame::{Region, Stamp, heard_after};

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
        "bandwidth_hz",
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
    /// How many frames ahead the hints look, once the run is no longer young.
    lag_frames: u64,
}

/// So many lines at the end of their windows mean that the edge is beyond.
const LIMIT_LINES: usize = 4;
/// Where it is, wide windows are moved after it so many times: a finger that turned back since its
/// place was predicted is further off than one window reaches.
const FITS_WIDE: usize = 3;
/// A contour of fewer lines is looked for anew.
const FOUND_LEAST: f64 = 0.5;
/// A searched edge that is blurrier than this is a shade, px.
const SIGMA_MOST: f32 = 9.0;

/// What the tracker tells the observer. What is nothing was not learned yet.
#[derive(Clone, Default)]
pub struct Hints {
    /// Where each line's edge is expected, px from the starting edge; nothing: search for it.
    contour: Option<Arc<Vec<f32>>>,
    /// Variance of what in that is finer than the lines that are joined, px².
    expected_variance: f32,
    /// Its corners.
    corners: Corners,
    /// How well its shape is known.
    shape: ShapePrior,
    /// Lines err so much by themselves that it may be far off: it is looked for in wide windows.
    wide: bool,
    /// Brightness of the bare specimen over its mean, less 1, line by line; 0 where unknown.
    texture: Option<Arc<Vec<f32>>>,
    /// The same over cells.
    cell_texture: Option<Arc<Vec<f32>>>,
    /// How much of it the bare specimen shows.
    texture_share: Option<f32>,
    sigma_px: Option<f32>,
    excess: Option<f32>,
    scatter: Option<f32>,
    contrast: Option<(f64, f64)>,
    /// The frame is not wanted for learning the texture.
    no_texture: bool,
    /// Lithium's area is wanted.
    wants_extent: bool,
    /// What drifting particles lie over.
    hidden: Option<Arc<Hidden>>,
    /// Lines that particles are near to: where such are elsewhere together, a particle may be over them. Empty where
    /// there are none.
    particles: Arc<Vec<bool>>,
    /// Of late the contour was found by searching alone: it moves faster than it can be foreseen.
    search: bool,
}

/// What one frame says.
pub struct Observation {
    contour: Contour,
    /// It was not where it was expected.
    searched: bool,
    extent: Option<Extent>,
    /// The whole region in counts, line by line, where the texture is to be learned.
    region: Option<Vec<f32>>,
    /// Counts without signal.
    offset: f32,
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
        let schema = fields::schema(&lines);
        Front { config, lines, schema, lag_frames: lag_frames as u64 }
    }

    /// The contour near where it is expected; nothing when it is not there.
    fn follow(&self, view: &View<'_>, expected: &[f32], hints: &Hints) -> Option<Contour> {
        let is_there =
            |found: &Contour| found.share_found() >= FOUND_LEAST && found.at_limit < LIMIT_LINES;
        let mut found = fit(self, view, expected, Known::Expected, hints);
        let mut known = expected.to_vec();
        for _ in 0..FITS_WIDE {
            if is_there(&found) {
                return Some(found);
            }
            known = found.filled(&known);
            found = fit(self, view, &known, Known::Near, hints);
        }
        is_there(&found).then_some(found)
    }

    /// The contour wherever it is.
    fn find(&self, view: &View<'_>, cells: &Cells, hints: &Hints) -> Option<Contour> {
        let before = if hints.contour.is_some() { Known::Lost } else { Known::Nothing };
        let noise = cells.noise(view);
        let coarse = search::search(cells, self.config.lithium, noise, self.lines.count)?;
        // What is finer than the lines that are joined is noise of the cells, and of the fits before.
        let smooth = self.config.smooth_lines;
        let mut known = straightened(&coarse, &coarse, 2.0 * smooth);
        let mut found = fit(self, view, &known, before, hints);
        for _ in 0..2 {
            known = found.filled(&known);
            known = straightened(&known, &known, smooth);
            found = fit(self, view, &known, before, hints);
        }
        (found.sigma_px < SIGMA_MOST).then_some(found)
    }

    /// A contour that was searched for, beneath what lies over it in the same frame.
    fn find_beneath(
        &self,
        view: &View<'_>,
        cells: &Cells,
        contour: Contour,
        extent: Extent,
        hints: &Hints,
    ) -> (Contour, Option<Extent>) {
        let foreseen = hints.hidden.as_deref().cloned();
        let mut hidden = foreseen.unwrap_or_else(|| Hidden::nothing(self.lines.count));
        for spot in &extent.over {
            hidden.add(spot, (spot.along, spot.across));
        }
        let known = straight_beneath(&contour.position, &hidden.is_near(&contour.position));
        let hints = Hints { hidden: Some(Arc::new(hidden)), ..hints.clone() };
        let found = fit(self, view, &known, Known::Nothing, &hints);
        if found.share_found() < FOUND_LEAST {
            return (contour, Some(extent));
        }
        let hidden = hints.hidden.as_deref().map(|hidden| (hidden, &known[..]));
        let seen = extent::see(cells, &found.position, found.brightness, hidden, &self.lines, view);
        let extent = seen.map(|seen| Extent { spots: extent.spots, over: extent.over, ..seen });
        (found, extent)
    }

    /// Lithium's area, by the brightness beside the contour or, where none was ever followed, by that
    /// of the region alone.
    fn see(
        &self,
        view: &View<'_>,
        cells: &Cells,
        contour: &Contour,
        hints: &Hints,
    ) -> Option<Extent> {
        if contour.share_found() < FOUND_LEAST && hints.contour.is_none() {
            let (lithium, lines) = (self.config.lithium, self.lines.count);
            return extent::see_alone(cells, lithium, cells.noise(view), lines);
        }
        let hidden = hints.hidden.as_deref().zip(hints.contour.as_deref().map(Vec::as_slice));
        extent::see(cells, &contour.position, contour.brightness, hidden, &self.lines, view)
    }
}

impl Gauge for Front {
    type Hints = Hints;
    type Observation = Observation;
    type Found = Infallible;
    type State = State;

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn region(&self) -> Region {
        self.config.region
    }

    fn observe(&self, view: &View<'_>, hints: &Hints) -> Observation {
        let follow = || hints.contour.as_ref().and_then(|known| self.follow(view, known, hints));
        let followed = if hints.search { None } else { follow() };
        let wants_cells = followed.is_none() || hints.wants_extent;
        let cells = wants_cells.then(|| Cells::read(&self.lines, view, hints));
        let found = match (&followed, &cells) {
            (None, Some(cells)) => self.find(view, cells, hints),
            _ => None,
        };
        let searched = found.is_some();
        let contour = followed
            .or(found)
            .or_else(|| if hints.search { follow() } else { None })
            .unwrap_or_else(|| Contour::nothing(self.lines.count));
        let extent = cells.as_ref().and_then(|cells| self.see(view, cells, &contour, hints));
        let (contour, extent) = match (cells, extent) {
            (Some(cells), Some(extent)) if searched && !extent.over.is_empty() => {
                self.find_beneath(view, &cells, contour, extent, hints)
            }
            (_, extent) => (contour, extent),
        };
        let region = (!hints.no_texture).then(|| self.lines.read_all(view));
        let (along_x, drift) = (self.lines.is_along_x(), view.drift());
        let drift_error = if along_x { drift.x_error } else { drift.y_error };
        let offset = view.noise().offset_counts as f32;
        Observation { contour, searched, extent, region, offset, drift_error }
    }

    fn start(&self) -> State {
        State { summary: Summary::new(&self.lines, &self.config) }
    }

    fn track(
        &self,
        state: &mut State,
        stamp: &Stamp,
        observation: Observation,
        out: &mut Measurement,
    ) -> Hints {
        state.summary.take(stamp, observation, self.config.counter_along(&self.lines), out);
        state.summary.hints(heard_after(stamp.index, self.lag_frames))
    }
}

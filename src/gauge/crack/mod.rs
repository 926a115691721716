//! The crack gauge: how wide a crack stands open along its path, wherever that goes.
//!
//! The centre line is found by ridge detection in scale space (`ridge`, `trace`) and followed as
//! the crack propagates and branches (`follow`). Across it the brightness is
//! `(b₀ + b₁u) · (1 − D · [box of width w ∗ point spread](u − c))`: opening w and centre c are found
//! at each station by maximum likelihood with the camera's noise (`fit`); depth D and point spread
//! belong to the crack as a whole. Where the crack is narrower than the point spread only the
//! product w · D can be seen, and D comes from its wide part.

mod across;
mod ahead;
mod carried;
mod config;
mod curve;
mod direction;
mod ends;
mod expected;
mod faint;
mod filling;
mod fit;
mod follow;
mod geometry;
mod judge;
mod kink;
mod known;
mod learn;
mod opened;
mod pixels;
mod plane;
mod profile;
mod rate;
mod report;
mod ridge;
mod rough;
mod scatter;
mod schema;
mod shape;
mod shared;
mod station;
mod summary;
mod tip;
mod trace;

use std::ops::Range;
use std::sync::Arc;

use config::Along;
pub use config::CrackConfig;
use fit::fit;
use known::Known;
use profile::Profile;
use summary::Summary;

use super::lines::Lines;
use super::registry::Kind;
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
        "stations",
        "branches",
        "psf_px",
        "depth",
        "max_width_px",
        "smooth_stations",
    ],
    build: |entry: &GaugeEntry, lag| -> Result<Arc<dyn AnyGauge>, ConfigError> {
        Ok(Arc::new(Crack::new(CrackConfig::read(entry)?, lag)))
    },
};

/// A crack that goes so far until observers hear of it, px, is looked for on beyond its tip in every frame.
const LOOK_ON: usize = 24;
/// Half the side of the square in which is looked, for a tip that has hardly moved, px.
const LOOK_LEAST: usize = 24;

/// A crack gauge.
pub struct Crack {
    config: CrackConfig,
    layout: Layout,
    schema: Schema,
    /// Frames until a hint is heard.
    lag: usize,
}

/// How the lists of stations are shared out.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// With it, station k lies on the region's k-th row (or column), and nothing branches.
    along: Option<Along>,
    /// Stations of the crack, of each further line, and how many of these.
    stations: usize,
    per_branch: usize,
    branches: usize,
    /// All together.
    slots: usize,
}

impl Layout {
    fn new(config: &CrackConfig) -> Layout {
        let stations = config.stations();
        let per_branch = stations / 4;
        let branches = if config.along.is_some() { 0 } else { config.branches };
        Layout {
            along: config.along,
            stations,
            per_branch,
            branches,
            slots: stations + branches * per_branch,
        }
    }

    /// The places of line `k`; nothing when there are none for so many.
    fn room(&self, k: usize) -> Option<Range<usize>> {
        let first = self.stations + k.saturating_sub(1) * self.per_branch;
        match k {
            0 => Some(0..self.stations),
            k if k <= self.branches => Some(first..first + self.per_branch),
            _ => None,
        }
    }
}

impl Layout {
    /// The places of the line that begins at `first`.
    fn room_of(&self, first: usize) -> Range<usize> {
        let line = first.checked_sub(self.stations).map_or(0, |past| 1 + past / self.per_branch);
        self.room(line).unwrap_or(first..first)
    }
}

/// What the tracker tells the observer.
#[derive(Clone, Default)]
pub struct Hints {
    /// Nothing: no crack is known yet.
    known: Option<Arc<Known>>,
    errand: Errand,
}

/// What is to be done beside measuring what is known.
#[derive(Clone, Copy, Default, PartialEq)]
enum Errand {
    /// Look for the path at once: the first frame is to be measured.
    #[default]
    First,
    /// Look for the path, anew or where it has gone on.
    Search,
    /// Look only near the ends that are known, for where they go on.
    Ends,
    /// Nothing: it was looked for a short time ago.
    None,
}

/// What one frame says.
pub struct Observation {
    /// What was measured, and where.
    seen: Option<(Arc<Known>, Profile)>,
    /// The path was looked for at once.
    searched: bool,
    /// It was looked where the lines go on, and they were measured there.
    looked_on: bool,
    /// One sigma of the drift, (x, y).
    drift_error: (f64, f64),
}

/// What a search says.
pub enum Found {
    /// The lines as they should be from now on, instead of these.
    Renewed(Arc<Known>, Arc<Known>),
    /// A crack where none was known, and what the frame says of it.
    First(Arc<Known>, Box<Profile>),
    /// Nothing new.
    Nothing,
}

impl Crack {
    /// A gauge as configured; hints are heard `lag` frames later.
    pub fn new(config: CrackConfig, lag: usize) -> Crack {
        let layout = Layout::new(&config);
        let schema = schema::schema(&config, &layout);
        Crack { config, layout, schema, lag }
    }

    /// The sign of the contrast: +1 for a dark crack.
    fn sign(&self) -> f32 {
        match self.config.contrast {
            config::Contrast::Dark => 1.0,
            config::Contrast::Bright => -1.0,
        }
    }

    /// A crack where none is known.
    fn first(&self, view: &View<'_>) -> Option<(Arc<Known>, Profile)> {
        let mut lines = self.lines(view);
        let faint = lines.is_empty();
        if faint {
            lines = self.faint_lines(view);
        }
        (!lines.is_empty()).then(|| {
            let (known, profile) = Known::first(self, view, lines, faint);
            (Arc::new(known), profile)
        })
    }

    /// What a frame says of a crack that has gone on since what is known was seen, by up to `goes` px: on lines
    /// that go on as this frame shows.
    fn looked_on(&self, view: &View<'_>, known: &Arc<Known>, goes: usize) -> (Arc<Known>, Profile) {
        let profile = fit(self, view, known);
        let within = (LOOK_LEAST + goes / 2).min(follow::WINDOW);
        match follow::continued(self, view, known, &profile, within) {
            Some(on) => {
                let on = known.carried_to(&on).known;
                let profile = fit(self, view, &on);
                (Arc::new(on), profile)
            }
            None => (Arc::clone(known), profile),
        }
    }

    /// The lines that a search finds, and half the widths that they seem to have, px.
    fn lines(&self, view: &View<'_>) -> Vec<(curve::Curve, Vec<f32>)> {
        if self.layout.along.is_some() {
            let lines = Lines::new(self.config.region, self.config.across());
            return vec![across::search(self, &lines, view)];
        }
        self.traced(view, self.config.region, self.layout.branches)
    }

    /// The same in a region, along its ridges, with at most so many branches.
    fn traced(
        &self,
        view: &View<'_>,
        region: Region,
        branches: usize,
    ) -> Vec<(curve::Curve, Vec<f32>)> {
        let ridge = ridge::Ridge::find(self, view, region);
        laid(trace::trace(&ridge, branches, trace::EVIDENCE_OF_CRACK))
    }

    /// The same of what only long lines show, on a textured specimen.
    fn faint_lines(&self, view: &View<'_>) -> Vec<(curve::Curve, Vec<f32>)> {
        let ridge = faint::find(self, view, self.config.region);
        ridge.map_or_else(Vec::new, |ridge| laid(trace::trace(&ridge, 0, faint::EVIDENCE_OF_CRACK)))
    }
}

/// Traced lines with half the widths that they seem to have, px.
fn laid(lines: Vec<trace::Traced>) -> Vec<(curve::Curve, Vec<f32>)> {
    lines.into_iter().map(|line| (line.curve, line.half_width)).collect()
}

impl Gauge for Crack {
    type Hints = Hints;
    type Observation = Observation;
    type Found = Found;
    type State = Summary;

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn region(&self) -> Region {
        self.config.region
    }

    fn observe(&self, view: &View<'_>, hints: &Hints) -> Observation {
        let searched = hints.known.is_none() && hints.errand == Errand::First;
        // So far a crack goes until observers hear of it.
        let goes = hints.known.as_ref().map_or(0, |known| known.ahead.saturating_sub(known::AHEAD));
        let looked_on = self.layout.along.is_none() && goes >= LOOK_ON;
        let seen = match &hints.known {
            Some(known) if looked_on => Some(self.looked_on(view, known, goes)),
            Some(known) => Some((Arc::clone(known), fit(self, view, known))),
            None if searched => self.first(view),
            None => None,
        };
        let drift_error = (view.drift().x_error, view.drift().y_error);
        Observation { seen, searched, looked_on, drift_error }
    }

    fn searches(&self, hints: &Hints) -> bool {
        matches!(hints.errand, Errand::Search | Errand::Ends)
    }

    fn search(&self, view: &View<'_>, hints: &Hints) -> Option<Found> {
        let Some(known) = &hints.known else {
            let first = (hints.errand == Errand::Search).then(|| self.first(view))?;
            let found = first.map(|(known, profile)| Found::First(known, Box::new(profile)));
            return Some(found.unwrap_or(Found::Nothing));
        };
        let profile = || fit(self, view, known);
        let renewed = match hints.errand {
            Errand::Search => follow::renewed(self, view, known, &profile(), self.lines(view)),
            Errand::Ends => follow::continued(self, view, known, &profile(), follow::WINDOW),
            Errand::First | Errand::None => return None,
        };
        let found = renewed.map(|new| Found::Renewed(Arc::clone(known), Arc::new(new)));
        Some(found.unwrap_or(Found::Nothing))
    }

    fn found(&self, state: &mut Summary, row: u64, found: Found) {
        state.hear(self, row, found);
    }

    fn start(&self) -> Summary {
        Summary::new()
    }

    fn track(
        &self,
        state: &mut Summary,
        stamp: &Stamp,
        observation: Observation,
        out: &mut Measurement,
    ) -> Hints {
        state.take(self, stamp, observation, out);
        state.hints(self)
    }
}

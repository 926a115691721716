//! A gauge that is fed a scene frame after frame, its hints late as in the pipeline.

use std::sync::Arc;
use std::time::Instant;

use liwatch::config::Config;
use liwatch::frame::{Image, Stamp};
use liwatch::gauge::{AnyGauge, Measurement, Sequence, View, registry};
use liwatch::register::{Drift, DriftObservation, Motion, Tracker};
use liwatch::simulate::{Scene, SceneConfig, configuration};

use crate::common::LAG;

pub const SIZE: usize = 512;
pub const FRAMES: usize = 120;

pub type Change = fn(&mut SceneConfig);

/// What all scenes start from.
pub fn base(dose: f64) -> SceneConfig {
    SceneConfig {
        width: SIZE,
        height: SIZE,
        frames: FRAMES,
        dose_counts_per_px: dose,
        contrast: 0.0,
        jumps: 0,
        crack: false,
        ..SceneConfig::default()
    }
}

pub struct Run {
    pub scene: Scene,
    pub frame: Image,
    /// Time spent in observing, s.
    pub spent_s: f64,
    /// Columns of the region's starting edge, and of its end.
    pub start: f64,
    pub end: f64,
    gauge: Arc<dyn AnyGauge>,
    sequence: Sequence,
}

impl Run {
    /// One run for each seed of a scene at a dose.
    pub fn seeded(
        change: impl Fn(&mut SceneConfig),
        dose: f64,
        seeds: u64,
    ) -> impl Iterator<Item = Run> {
        (1..=seeds).filter_map(move |seed| {
            let mut config = base(dose);
            config.seed = seed;
            change(&mut config);
            Run::new(Scene::new(config))
        })
    }

    pub fn new(scene: Scene) -> Option<Run> {
        // A specimen without a front has a gauge all the same.
        let with_gauge =
            Scene::new(SceneConfig { front: true, crack: false, ..scene.config.clone() });
        Run::configured(scene, &configuration(&with_gauge))
    }

    pub fn configured(scene: Scene, text: &str) -> Option<Run> {
        let config = Config::parse(text, std::path::Path::new("bench.toml")).ok()?;
        let entry = config.gauges.first()?;
        let gauge = (registry::find(&entry.kind)?.build)(entry, LAG).ok()?;
        let sequence = Sequence::new(Arc::clone(&gauge), LAG);
        let region = scene.layout.front_region;
        let start = region.x as f64;
        let end = start + region.width as f64 - 0.5;
        let frame = Image::zeros_u16(0, 0);
        Some(Run { gauge, scene, frame, sequence, spent_s: 0.0, start, end })
    }

    /// Measures a frame with a drift that is wrong by `off`.
    pub fn measure(&mut self, index: usize, off: f64) -> Measurement {
        self.scene.render(index, &mut self.frame);
        let (x, y) = self.scene.truth(index).drift;
        let x = x + off;
        let anchor = Tracker::judge(&DriftObservation::ANCHOR, 1.0);
        let drift = Drift { x, y, motion: Motion::shift(x, y), ..anchor };
        let view = View::new(&self.frame, drift, self.scene.config.camera);
        let hints = self.sequence.hints(index as u64);
        let began = Instant::now();
        let observation = self.gauge.observe(&view, &hints);
        self.spent_s += began.elapsed().as_secs_f64();
        let stamp = Stamp {
            index: index as u64,
            sequence: index as u64,
            time_s: index as f64 / self.scene.config.frame_rate_hz,
            unix_time_s: f64::NAN,
        };
        let found = self.gauge.search(&view, &hints);
        self.sequence.take(&stamp, observation, found)
    }

    /// The true front of a frame, column by line: lithium that has grown out of the region ends for the
    /// gauge where the region does.
    pub fn front(&self, index: usize) -> Vec<f64> {
        self.scene.truth(index).front.iter().map(|at| at.min(self.end)).collect()
    }

    /// One number of a measurement and its one sigma, px and s.
    pub fn field(&self, out: &Measurement, name: &str) -> (f64, f64) {
        let fields = &self.gauge.schema().fields;
        let at = fields.iter().position(|field| field.name == name);
        at.map_or((f64::NAN, f64::NAN), |at| (out.values[at], out.errors[at]))
    }
}

//! Simulated recordings for tests, run through the whole pipeline into memory.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use liwatch::alarm::{AlarmEngine, AlarmEvent};
use liwatch::cell::CellSeries;
use liwatch::config::Config;
use liwatch::format::Recording;
use liwatch::frame::Ledger;
use liwatch::pipeline::{self, FrameRow, Setup, Shedding, Sink, SinkError};
use liwatch::simulate::{Scene, SceneConfig, SceneRecording};
use liwatch::source::{FrameTimes, Replay, Speed};

/// Everything that a run handed on.
#[derive(Default)]
pub struct Kept {
    pub rows: Vec<FrameRow>,
    pub alarms: Vec<AlarmEvent>,
    pub shedding: Vec<Shedding>,
    pub ledger: Ledger,
}

impl Sink for Kept {
    fn row(&mut self, row: &FrameRow) -> Result<(), SinkError> {
        self.rows.push(row.clone());
        Ok(())
    }

    fn alarm(&mut self, event: &AlarmEvent) -> Result<(), SinkError> {
        self.alarms.push(event.clone());
        Ok(())
    }

    fn shedding(&mut self, change: &Shedding) -> Result<(), SinkError> {
        self.shedding.push(change.clone());
        Ok(())
    }

    fn close(&mut self, ledger: &Ledger) -> Result<(), SinkError> {
        self.ledger = *ledger;
        Ok(())
    }
}

/// A square scene with front, crack and drift.
pub fn standard(size: usize, frames: usize, dose: f64, seed: u64) -> SceneConfig {
    SceneConfig {
        width: size,
        height: size,
        frames,
        seed,
        dose_counts_per_px: dose,
        ..SceneConfig::default()
    }
}

/// A configuration for a scene: its camera, one front, one crack.
pub fn configuration(scene: &Scene) -> Config {
    let text = liwatch::simulate::configuration(scene);
    Config::parse(&text, std::path::Path::new("scene.toml")).expect("the configuration is right")
}

/// The scene's cell log as the pipeline takes it.
pub fn cell(scene: &Scene) -> CellSeries {
    let rows = scene.cell();
    CellSeries {
        test_time_s: rows.iter().map(|row| row.test_time_s).collect(),
        unix_time_s: vec![f64::NAN; rows.len()],
        voltage_v: rows.iter().map(|row| row.voltage_v).collect(),
        current_a: rows.iter().map(|row| row.current_a).collect(),
        max_gap_s: 2.0,
        ..CellSeries::default()
    }
}

/// Runs any recording through the pipeline.
pub fn run(
    recording: Arc<dyn Recording>,
    config: Config,
    cell: Option<&CellSeries>,
    threads: usize,
) -> Kept {
    let setup = Setup::new(Arc::clone(&recording), config).expect("the run can start");
    let gauges: Vec<_> =
        setup.gauges.iter().map(|named| (named.name.clone(), named.gauge.schema())).collect();
    let alarms = AlarmEngine::new(&setup.config.alarms, &gauges, setup.calibration)
        .expect("the rules are right");
    let times = FrameTimes::of(&*recording, None);
    let mut source = Replay::new(&*recording, times, Speed::Max);
    let mut kept = Kept::default();
    let stop = AtomicBool::new(false);
    pipeline::run(&setup, &mut source, cell, alarms, &mut kept, threads, &stop)
        .expect("the run succeeds");
    kept
}

/// Runs a scene with its own configuration and cell.
pub fn run_scene(config: SceneConfig, threads: usize) -> (Scene, Kept) {
    let scene = Scene::new(config.clone());
    let (settings, cell) = (configuration(&scene), cell(&scene));
    let kept =
        run(Arc::new(SceneRecording::new(Scene::new(config))), settings, Some(&cell), threads);
    (scene, kept)
}

/// Root mean square.
pub fn rms(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value * value;
        count += 1.0;
    }
    (sum / f64::max(count, 1.0)).sqrt()
}

/// Median of the finite values; NaN when there are none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut finite: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    finite.sort_by(f64::total_cmp);
    finite.get(finite.len() / 2).copied().unwrap_or(f64::NAN)
}

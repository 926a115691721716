//! The configuration, as `liwatch check` takes it, and the rule of an alarm.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use liwatch::alarm::AlarmEngine;
use liwatch::cell::CellSample;
use liwatch::config::{AlarmConfig, Config, check_regions};
use liwatch::frame::{Calibration, Stamp};
use liwatch::gauge::{AnyGauge, Measurement, registry};
use liwatch::register::Drift;

use super::assert_readable;

const EXAMPLE: &str = include_str!("../../../config/front-and-crack.toml");

/// The text of a configuration, up to where a run would begin.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let config = match Config::parse(text, Path::new("run.toml")) {
        Ok(config) => config,
        Err(error) => return told(&error.to_string()),
    };
    let gauges = match build(&config) {
        Ok(gauges) => gauges,
        Err(error) => return told(&error),
    };
    let schemas: Vec<_> =
        gauges.iter().map(|(name, gauge)| (name.clone(), gauge.schema())).collect();
    if let Err(error) = AlarmEngine::new(&config.alarms, &schemas, Calibration::default()) {
        told(&error.to_string());
    }
    if let Err(error) = check_regions(&config, 1024, 1024) {
        told(&error.to_string());
    }
}

/// An error of a configuration shows the line, with a mark below it.
fn told(error: &str) {
    error.lines().for_each(assert_readable);
}

type Gauges = Vec<(String, Arc<dyn AnyGauge>)>;

fn build(config: &Config) -> Result<Gauges, String> {
    let built = config.gauges.iter().map(|entry| {
        let kind = registry::find(&entry.kind).ok_or("a kind was accepted that is not there")?;
        let gauge = (kind.build)(entry, config.pipeline.lag_frames);
        Ok((entry.name.clone(), gauge.map_err(|error| error.to_string())?))
    });
    built.collect()
}

/// A rule over the gauges of the example configuration, judged on known and unknown numbers.
pub fn rule(bytes: &[u8]) {
    static GAUGES: OnceLock<Gauges> = OnceLock::new();
    let gauges = GAUGES.get_or_init(|| {
        let config = Config::parse(EXAMPLE, Path::new("example.toml")).expect("it is tested");
        build(&config).expect("it is tested")
    });
    let Ok(when) = std::str::from_utf8(bytes) else { return };
    let schemas: Vec<_> =
        gauges.iter().map(|(name, gauge)| (name.clone(), gauge.schema())).collect();
    let alarm = AlarmConfig {
        name: "alarm".to_owned(),
        when: when.to_owned(),
        hold_s: 0.0,
        actions: Vec::new(),
    };
    let mut engine = match AlarmEngine::new(&[alarm], &schemas, Calibration::default()) {
        Ok(engine) => engine,
        Err(error) => return told(&error.to_string()),
    };
    let unknown: Vec<_> = schemas.iter().map(|(_, schema)| Measurement::blank(schema)).collect();
    let mut known = unknown.clone();
    known.iter_mut().for_each(|gauge| gauge.values.fill(100.0));
    let sample = CellSample { voltage_v: 0.01, current_a: -1e-3, ..CellSample::UNKNOWN };
    for (index, (gauges, cell)) in
        [(&unknown, CellSample::UNKNOWN), (&known, sample)].into_iter().enumerate()
    {
        let stamp = Stamp {
            index: index as u64,
            sequence: index as u64,
            time_s: index as f64,
            unix_time_s: 0.0,
        };
        engine.evaluate(&stamp, &Drift::UNKNOWN, gauges, &cell);
    }
}

//! Cracks of many courses, and the gauge run over them.

use std::sync::Arc;

use liwatch::config::Config;
use liwatch::frame::{Image, Stamp};
use liwatch::gauge::{AnyGauge, Measurement, Schema, Sequence, View, registry};
use liwatch::register::{Drift, DriftObservation, Motion, Tracker};
use liwatch::simulate::{Fissure, Scene, SceneConfig};

use crate::common::LAG;

pub const SIZE: usize = 360;
pub const PSF: f64 = 1.2;
pub const DEPTH: f64 = 0.7;

/// A course in the field: its name and its vertices.
pub type Course = (&'static str, Vec<(f64, f64)>);

/// A straight crack through the field's middle, `angle` degrees from the vertical.
pub fn straight(angle: f64) -> Vec<(f64, f64)> {
    let (middle, half) = (SIZE as f64 / 2.0 + 0.37, 0.34 * SIZE as f64);
    let (s, c) = angle.to_radians().sin_cos();
    vec![(middle - half * s, middle - half * c), (middle + half * s, middle + half * c)]
}

pub fn curve() -> Vec<(f64, f64)> {
    let (from, to) = (0.15 * SIZE as f64, 0.85 * SIZE as f64);
    (0..=120)
        .map(|k| {
            let share = f64::from(k) / 120.0;
            let y = from + share * (to - from);
            (0.5 * SIZE as f64 + 40.0 * (std::f64::consts::TAU * share).sin(), y)
        })
        .collect()
}

pub fn kinked() -> Vec<(f64, f64)> {
    [(0.2, 0.15), (0.55, 0.35), (0.45, 0.6), (0.8, 0.8)]
        .map(|(x, y)| (x * SIZE as f64, y * SIZE as f64))
        .to_vec()
}

pub fn all_courses() -> Vec<Course> {
    vec![
        ("vertical", straight(0.0)),
        ("25°", straight(25.0)),
        ("45°", straight(45.0)),
        ("70°", straight(70.0)),
        ("horizontal", straight(90.0)),
        ("curved", curve()),
        ("kinked", kinked()),
    ]
}

/// A scene with one fissure and nothing else, without drift of its own.
pub fn scene(fissure: Fissure, dose: f64, contrast: f64, seed: u64, frames: usize) -> Scene {
    Scene::new(SceneConfig {
        width: SIZE,
        height: SIZE,
        frames,
        seed,
        contrast,
        dose_counts_per_px: dose,
        psf_px: PSF,
        jumps: 0,
        front: false,
        crack: false,
        fissures: vec![fissure],
        ..SceneConfig::default()
    })
}

/// A gauge over all but the field's border.
pub fn gauge(size: usize, keys: &str) -> Arc<dyn AnyGauge> {
    let side = size - 24;
    let text = format!(
        "[[gauge]]\nkind = \"crack\"\nname = \"c\"\nregion = [12, 12, {side}, {side}]\n{keys}\n"
    );
    let config = match Config::parse(&text, std::path::Path::new("bench.toml")) {
        Ok(config) => config,
        Err(error) => fail(&error.to_string()),
    };
    let built = config.gauges.first().and_then(|entry| {
        let kind = registry::find(&entry.kind)?;
        Some((kind.build)(entry, LAG))
    });
    match built {
        Some(Ok(gauge)) => gauge,
        Some(Err(error)) => fail(&error.to_string()),
        None => fail("no such gauge"),
    }
}

pub fn fail(what: &str) -> ! {
    eprintln!("{what}");
    std::process::exit(1);
}

/// Keys of a gauge that is told depth and point spread.
pub fn told(contrast: &str) -> String {
    format!("contrast = \"{contrast}\"\ndepth = {DEPTH}\npsf_px = {PSF}")
}

/// One frame as the gauge reported it.
pub struct Row {
    pub index: usize,
    pub out: Measurement,
    pub path: Vec<(f64, f64)>,
    /// Stations that are said to be open.
    pub open: Vec<bool>,
}

impl Row {
    pub fn value(&self, schema: &Schema, name: &str) -> (f64, f64) {
        let at = schema.fields.iter().position(|field| field.name == name);
        at.map_or((f64::NAN, f64::NAN), |k| (self.out.values[k], self.out.errors[k]))
    }

    pub fn width(&self, station: usize) -> (f64, f64) {
        (f64::from(self.out.arrays[0][station]), f64::from(self.out.array_errors[0][station]))
    }
}

/// The drift as a perfect registration would report it.
pub fn drift(scene: &Scene, index: usize) -> Drift {
    let (x, y) = scene.truth(index).drift;
    let anchor = Tracker::judge(&DriftObservation::ANCHOR, 1.0);
    Drift { x, y, motion: Motion::shift(x, y), ..anchor }
}

/// Runs a gauge over a scene.
pub fn run(gauge: &Arc<dyn AnyGauge>, scene: &Scene) -> Vec<Row> {
    run_altered(gauge, scene, |_, _| {})
}

/// The same with each frame altered before it is looked at.
pub fn run_altered(
    gauge: &Arc<dyn AnyGauge>,
    scene: &Scene,
    alter: impl Fn(usize, &mut Image),
) -> Vec<Row> {
    let mut sequence = Sequence::new(Arc::clone(gauge), LAG);
    let mut image = Image::zeros_u16(0, 0);
    let mut path = Vec::new();
    (0..scene.config.frames)
        .map(|index| {
            scene.render(index, &mut image);
            alter(index, &mut image);
            let view = View::new(&image, drift(scene, index), scene.config.camera);
            let stamp = Stamp {
                index: index as u64,
                sequence: index as u64,
                time_s: index as f64 / scene.config.frame_rate_hz,
                unix_time_s: f64::NAN,
            };
            let out = sequence.push(&stamp, &view);
            for (place, values) in &out.constants {
                if gauge.schema().constants[*place].name == "path" {
                    path = values
                        .chunks_exact(2)
                        .map(|at| (f64::from(at[0]), f64::from(at[1])))
                        .collect();
                }
            }
            let listed = gauge.schema().arrays.iter().position(|array| array.name == "open");
            let open = listed.map_or(vec![], |k| out.arrays[k].iter().map(|o| *o > 0.5).collect());
            Row { index, out, path: path.clone(), open }
        })
        .collect()
}

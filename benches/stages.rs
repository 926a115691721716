//! Each stage by itself, on one thread: ms per frame, frames per second, and the ratio to one read
//! of the frame's memory in the same run. `cargo bench --bench stages`

#[allow(dead_code)] // of what the benches share, some is used here
mod common;

use std::time::Duration;

use common::{median_time, print_line, read_once, scene};
use liwatch::config::Config;
use liwatch::frame::{Image, PixelType, Stamp, blank_for, normalise};
use liwatch::gauge::{Sequence, View, registry};
use liwatch::noise::estimate;
use liwatch::register::{
    Accumulator, Motion, Placement, Prediction, Reference, Scratch, StaticMask, Tracker, observe,
};

const BUDGET: Duration = Duration::from_millis(400);
/// Frames that are tracked in turn: where one lies between the template's phases, it may be compared twice.
const TRACKED: usize = 8;

fn main() {
    for size in [512, 1024, 2048, 4096] {
        let scene = scene(size, 64);
        let mut frames = vec![Image::zeros_u16(0, 0); 1 + TRACKED];
        for (k, frame) in frames.iter_mut().enumerate() {
            scene.render(k, frame);
        }
        let read = read_once(&frames[0]);
        print_line("one read of the frame", size, read, read);
        let bytes: Vec<u8> = match &frames[1].samples {
            liwatch::frame::Samples::U16(all) => all.iter().flat_map(|v| v.to_ne_bytes()).collect(),
            liwatch::frame::Samples::F32(_) => Vec::new(),
        };
        let mut buffer = blank_for(PixelType::U16, size, size);
        let time = median_time(BUDGET, || {
            normalise(&bytes, PixelType::U16, &mut buffer);
        });
        print_line("normalise", size, time, read);

        let text = liwatch::simulate::configuration(&scene);
        let Ok(config) = Config::parse(&text, std::path::Path::new("bench.toml")) else { return };
        let camera = estimate(&frames[0], &config.camera, &[]);
        let regions: Vec<_> = config
            .gauges
            .iter()
            .map(|entry| entry.region)
            .chain(config.drift.exclude.iter().copied())
            .collect();
        let mask = StaticMask::new(size, size, &regions);
        let mut accumulator = Accumulator::new(&frames[0], &camera, &mask);
        let reference = Reference::build(0, &accumulator, &mask, &camera);
        let mut scratch = Scratch::default();
        let near = |frame: usize| {
            let (x, y) = scene.truth(frame).drift;
            Prediction::at(x, y)
        };
        let all: Vec<Prediction> = (1..=TRACKED).map(near).collect();
        let time = median_time(BUDGET, || {
            for (frame, near) in frames[1..].iter().zip(&all) {
                observe(frame, &reference, near, &mut scratch);
            }
        });
        print_line("register, tracking", size, time / TRACKED as u32, read);
        let telling = Prediction { measure_pattern: true, ..near(2) };
        let time = median_time(BUDGET, || {
            observe(&frames[2], &reference, &telling, &mut scratch);
        });
        print_line("register, and pattern", size, time, read);
        let far = Prediction::at(60.0, -50.0);
        let time = median_time(BUDGET, || {
            observe(&frames[2], &reference, &far, &mut scratch);
        });
        print_line("register, re-acquiring", size, time, read);
        let placement = Placement { motion: Motion::shift(0.4, -0.3), gain: 1.0 };
        let time = median_time(BUDGET, || {
            accumulator.add(&frames[1], placement, 64, camera.offset_counts);
            accumulator.settle(camera.offset_counts);
        });
        print_line("fold into the template", size, time, read);
        let time = median_time(BUDGET, || {
            accumulator.add(&frames[1], placement, 64, camera.offset_counts);
        });
        print_line("fold, standing still", size, time, read);
        let time = median_time(BUDGET, || {
            Reference::build(1, &accumulator, &mask, &camera);
        });
        print_line("build a reference", size, time, read);
        gauges(&config, &scene, &frames, camera, size, read);
    }
}

fn gauges(
    config: &Config,
    scene: &liwatch::simulate::Scene,
    frames: &[Image],
    camera: liwatch::noise::CameraModel,
    size: usize,
    read: Duration,
) {
    let seen = observe_drift(scene, 1);
    for entry in &config.gauges {
        let Some(kind) = registry::find(&entry.kind) else { continue };
        let Ok(gauge) = (kind.build)(entry, 1) else { continue };
        let view = View::new(&frames[1], seen, camera);
        let hints = gauge.first_hints();
        let first = median_time(BUDGET, || {
            gauge.observe(&view, &hints);
        });
        print_line(&format!("{}, first search", entry.kind), size, first, read);
        // Thirty frames bring the tracker, and what it learns, to its steady state.
        let mut sequence = Sequence::new(std::sync::Arc::clone(&gauge), 1);
        for index in 0..30u64 {
            let stamp = Stamp {
                index,
                sequence: index,
                time_s: index as f64 * 0.05,
                unix_time_s: f64::NAN,
            };
            sequence.push(&stamp, &view);
        }
        let hints = sequence.hints(30);
        let time = median_time(BUDGET, || {
            gauge.observe(&view, &hints);
        });
        print_line(&format!("{}, tracking", entry.kind), size, time, read);
    }
}

/// The true drift, as the registration would report it.
fn observe_drift(scene: &liwatch::simulate::Scene, index: usize) -> liwatch::register::Drift {
    let (x, y) = scene.truth(index).drift;
    let anchor = Tracker::judge(&liwatch::register::DriftObservation::ANCHOR, 1.0);
    liwatch::register::Drift { x, y, motion: Motion::shift(x, y), ..anchor }
}

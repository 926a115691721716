//! The whole program from a recording in memory to the HDF5 file: drift, one front, one crack, on
//! all cores. `cargo bench --bench end_to_end`, or `-- 1024` for one size.

mod common;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use common::{print_line, read_once, scene};
use liwatch::alarm::AlarmEngine;
use liwatch::config::Config;
use liwatch::format::{FormatError, Recording, RecordingInfo};
use liwatch::frame::{Image, PixelType, Samples};
use liwatch::pipeline::{self, Setup};
use liwatch::source::{FrameTimes, Replay, Speed};
use liwatch::store::{Recorder, StoreOptions};

/// Rendered frames in memory, so that neither disk nor simulator is measured.
struct InMemory {
    frames: Vec<Vec<u8>>,
    info: RecordingInfo,
}

impl Recording for InMemory {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, _: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        Ok(&self.frames[index])
    }
}

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{threads} threads");
    let only: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    for (size, frames) in [(512, 600), (1024, 400), (2048, 120), (4096, 40)] {
        if !only.is_empty() && !only.contains(&size) {
            continue;
        }
        let scene = scene(size, frames);
        let rendered = render(&scene, frames, threads);
        let mut first = Image::zeros_u16(0, 0);
        scene.render(0, &mut first);
        let read = read_once(&first);
        let recording = Arc::new(InMemory {
            frames: rendered,
            info: RecordingInfo {
                format: "memory".to_owned(),
                width: size,
                height: size,
                frames,
                pixel_type: PixelType::U16,
                pixel_size_nm: Some((2.0, 2.0)),
                frame_interval_s: Some(0.05),
                start_unix_time_s: None,
                notes: Vec::new(),
            },
        });
        let mut times: Vec<Duration> = (0..3).map(|_| run(&scene, &recording, threads)).collect();
        times.sort();
        print_line("end to end", size, times[1] / frames as u32, read);
    }
}

fn render(scene: &liwatch::simulate::Scene, frames: usize, threads: usize) -> Vec<Vec<u8>> {
    let mut out = vec![Vec::new(); frames];
    std::thread::scope(|scope| {
        for (k, part) in out.chunks_mut(frames.div_ceil(threads)).enumerate() {
            let first = k * frames.div_ceil(threads);
            scope.spawn(move || {
                for (index, bytes) in part.iter_mut().enumerate() {
                    let mut image = Image::zeros_u16(0, 0);
                    scene.render(first + index, &mut image);
                    if let Samples::U16(samples) = &image.samples {
                        *bytes = samples.iter().flat_map(|v| v.to_ne_bytes()).collect();
                    }
                }
            });
        }
    });
    out
}

fn run(scene: &liwatch::simulate::Scene, recording: &Arc<InMemory>, threads: usize) -> Duration {
    let fail = |what: String| -> ! {
        eprintln!("the benchmark failed: {what}");
        std::process::exit(1)
    };
    let text = liwatch::simulate::configuration(scene);
    let config = Config::parse(&text, std::path::Path::new("bench.toml"))
        .unwrap_or_else(|error| fail(error.to_string()));
    let folder = tempfile::tempdir().unwrap_or_else(|error| fail(error.to_string()));
    let started = Instant::now();
    let setup = Setup::new(recording.clone(), config).unwrap_or_else(|e| fail(e.to_string()));
    let gauges: Vec<_> =
        setup.gauges.iter().map(|named| (named.name.clone(), named.gauge.schema())).collect();
    let alarms = AlarmEngine::new(&setup.config.alarms, &gauges, setup.calibration)
        .unwrap_or_else(|error| fail(error.to_string()));
    let plan = setup.plan("bench", None, threads);
    let path = folder.path().join("run.h5");
    let mut file = Recorder::create(&path, &plan, true, StoreOptions::default())
        .unwrap_or_else(|error| fail(error.to_string()));
    let times = FrameTimes::of(&**recording, None);
    let mut source = Replay::new(&**recording, times, Speed::Max);
    let stop = AtomicBool::new(false);
    if let Err(error) = pipeline::run(&setup, &mut source, None, alarms, &mut file, threads, &stop)
    {
        fail(error.to_string());
    }
    started.elapsed()
}

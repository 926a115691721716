//! Simulated frames in memory, so that neither disk nor simulator is measured.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use liwatch::alarm::AlarmEngine;
use liwatch::config::Config;
use liwatch::format::{FormatError, Recording, RecordingInfo};
use liwatch::frame::{Image, Ledger, PixelType, Samples};
use liwatch::pipeline::{self, RunPlan, Setup, Sink};
use liwatch::simulate::Scene;
use liwatch::source::{FrameTimes, Replay, Speed};

/// Rendered frames.
pub struct InMemory {
    frames: Arc<Vec<Vec<u8>>>,
    info: RecordingInfo,
}

impl InMemory {
    /// All frames of a scene, rendered on so many threads.
    pub fn render(scene: &Scene, threads: usize) -> Arc<InMemory> {
        let config = &scene.config;
        let mut frames = vec![Vec::new(); config.frames];
        let each = config.frames.div_ceil(threads);
        std::thread::scope(|scope| {
            for (k, part) in frames.chunks_mut(each).enumerate() {
                scope.spawn(move || {
                    for (index, bytes) in part.iter_mut().enumerate() {
                        let mut image = Image::zeros_u16(0, 0);
                        scene.render(k * each + index, &mut image);
                        if let Samples::U16(samples) = &image.samples {
                            *bytes = samples.iter().flat_map(|v| v.to_ne_bytes()).collect();
                        }
                    }
                });
            }
        });
        let info = RecordingInfo {
            format: "memory".to_owned(),
            width: config.width,
            height: config.height,
            frames: config.frames,
            pixel_type: PixelType::U16,
            pixel_size_nm: Some((2.0, 2.0)),
            frame_interval_s: Some(0.05),
            start_unix_time_s: None,
            notes: Vec::new(),
        };
        Arc::new(InMemory { frames: Arc::new(frames), info })
    }

    /// The same recording, ended after so many frames.
    #[allow(dead_code, reason = "not every benchmark looks at a part")]
    pub fn first(&self, frames: usize) -> Arc<InMemory> {
        let info = RecordingInfo { frames, ..self.info.clone() };
        Arc::new(InMemory { frames: Arc::clone(&self.frames), info })
    }
}

impl Recording for InMemory {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, _: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        Ok(&self.frames[index])
    }
}

/// Ends the benchmark with a word.
pub fn fail(what: impl std::fmt::Display) -> ! {
    eprintln!("the benchmark failed: {what}");
    std::process::exit(1)
}

/// Measures `recording` with the scene's own configuration and `more` TOML, into the sink that is made
/// for the plan.
pub fn run<S: Sink>(
    scene: &Scene,
    recording: Arc<dyn Recording>,
    (speed, more): (Speed, &str),
    threads: usize,
    make: impl FnOnce(&RunPlan) -> S,
) -> (Ledger, S) {
    let text = liwatch::simulate::configuration(scene) + more;
    let config = Config::parse(&text, Path::new("bench.toml")).unwrap_or_else(|error| fail(error));
    let setup = Setup::new(recording.clone(), config).unwrap_or_else(|error| fail(error));
    let gauges: Vec<_> =
        setup.gauges.iter().map(|named| (named.name.clone(), named.gauge.schema())).collect();
    let alarms = AlarmEngine::new(&setup.config.alarms, &gauges, setup.calibration)
        .unwrap_or_else(|error| fail(error));
    let mut sink = make(&setup.plan("bench", None, threads));
    let times = FrameTimes::of(&*recording, None);
    let mut source = Replay::new(&*recording, times, speed);
    let stop = AtomicBool::new(false);
    let ended = pipeline::run(&setup, &mut source, None, alarms, &mut sink, threads, &stop);
    (ended.unwrap_or_else(|error| fail(error)), sink)
}

//! The whole program from a recording in memory to the HDF5 file: drift, one front, one crack, on
//! all cores. `cargo bench --bench end_to_end`, or `-- 1024` for one size; `-- long` goes on until
//! the start, with its searches and its young template, does not count any more.

mod common;
#[path = "common/memory.rs"]
mod memory;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{print_line, read_once, scene};
use liwatch::format::Recording;
use liwatch::frame::Image;
use liwatch::simulate::Scene;
use liwatch::source::{FrameTimes, RepeatedRecording, Speed};
use liwatch::store::{Recorder, StoreOptions};
use memory::{InMemory, fail};

/// Passes over the frames of a long run.
const LONG: usize = 8;

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{threads} threads");
    let only: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let long = std::env::args().any(|argument| argument == "long");
    for (size, frames) in [(512, 600), (1024, 400), (2048, 120), (4096, 40)] {
        if !only.is_empty() && !only.contains(&size) {
            continue;
        }
        let scene = scene(size, frames);
        let recording = InMemory::render(&scene, threads);
        let mut first = Image::zeros_u16(0, 0);
        scene.render(0, &mut first);
        let read = read_once(&first);
        let mut times: Vec<Duration> =
            (0..3).map(|_| run(&scene, recording.clone(), threads)).collect();
        times.sort();
        print_line("end to end", size, times[1] / frames as u32, read);
        if long {
            let times = FrameTimes::of(&*recording, None);
            let repeated = Arc::new(RepeatedRecording::new(recording, LONG, &times));
            let took = run(&scene, repeated, threads);
            print_line("end to end, sustained", size, took / (LONG * frames) as u32, read);
        }
    }
}

fn run(scene: &Scene, recording: Arc<dyn Recording>, threads: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap_or_else(|error| fail(error));
    let path = folder.path().join("run.h5");
    let started = Instant::now();
    memory::run(scene, recording, (Speed::Max, ""), threads, |plan| {
        Recorder::create(&path, plan, true, StoreOptions::default())
            .unwrap_or_else(|error| fail(error))
    });
    started.elapsed()
}

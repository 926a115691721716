//! The whole program from a recording in memory to the HDF5 file: drift, one front, one crack, on
//! all cores. `cargo bench --bench end_to_end`, or `-- 1024` for one size; `-- long` takes recordings
//! four times as long, and times the last half by itself: there the start, with its searches and its
//! young template, does not count any more. No frame is shown twice: its noise would be known from the
//! template.

#[allow(dead_code)] // of what the benches share, some is used here
mod common;
#[path = "common/memory.rs"]
mod memory;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{print_line, read_once, scene};
use liwatch::frame::Image;
use liwatch::simulate::Scene;
use liwatch::source::Speed;
use liwatch::store::{Recorder, StoreOptions};
use memory::{InMemory, fail};

/// So many times the frames make a long run.
const LONG: usize = 4;

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{threads} threads");
    let only: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let long = std::env::args().any(|argument| argument == "long");
    for (size, frames) in [(512, 600), (1024, 400), (2048, 120), (4096, 40)] {
        if !only.is_empty() && !only.contains(&size) {
            continue;
        }
        let all = if long { LONG * frames } else { frames };
        let scene = scene(size, all);
        let recording = InMemory::render(&scene, threads);
        let mut first = Image::zeros_u16(0, 0);
        scene.render(0, &mut first);
        let read = read_once(&first);
        let time = |frames: usize| {
            let part = recording.first(frames);
            let mut times: Vec<Duration> =
                (0..3).map(|_| run(&scene, Arc::clone(&part), threads)).collect();
            times.sort();
            times[1]
        };
        print_line("end to end", size, time(frames) / frames as u32, read);
        if long {
            let (half, whole) = (time(all / 2), time(all));
            let sustained = whole.saturating_sub(half) / (all - all / 2) as u32;
            print_line("end to end, all", size, whole / all as u32, read);
            print_line("end to end, last half", size, sustained, read);
        }
    }
}

fn run(scene: &Scene, recording: Arc<InMemory>, threads: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap_or_else(|error| fail(error));
    let path = folder.path().join("run.h5");
    let started = Instant::now();
    memory::run(scene, recording, (Speed::Max, ""), threads, |plan| {
        Recorder::create(&path, plan, true, StoreOptions::default())
            .unwrap_or_else(|error| fail(error))
    });
    started.elapsed()
}

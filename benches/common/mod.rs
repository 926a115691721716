//! What both benchmarks share: frames to work on, and the time of one read of a frame's memory,
//! against which everything is put.

use std::hint::black_box;
use std::time::{Duration, Instant};

use liwatch::frame::{Image, Samples};
use liwatch::simulate::{Scene, SceneConfig};

/// Frames of lag, as the pipeline has unless it is told another.
pub const LAG: usize = 16;

/// A scene of this side at 20 counts per pixel.
pub fn scene(size: usize, frames: usize) -> Scene {
    Scene::new(SceneConfig {
        width: size,
        height: size,
        frames,
        dose_counts_per_px: 20.0,
        jumps: 0,
        ..SceneConfig::default()
    })
}

/// The median time of `work`, over about `budget`, at least seven times.
pub fn median_time(budget: Duration, mut work: impl FnMut()) -> Duration {
    let started = Instant::now();
    let mut times = Vec::new();
    while times.len() < 7 || started.elapsed() < budget {
        let before = Instant::now();
        work();
        times.push(before.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

/// One pass over all samples: the sum, which the compiler cannot leave out.
pub fn read_once(image: &Image) -> Duration {
    let Samples::U16(samples) = &image.samples else { return Duration::ZERO };
    median_time(Duration::from_millis(100), || {
        let sum = samples.chunks(4096).fold(0u64, |sum, block| {
            sum + u64::from(block.iter().map(|v| u32::from(*v)).sum::<u32>())
        });
        black_box(sum);
    })
}

/// One line of the table.
pub fn print_line(what: &str, size: usize, per_frame: Duration, read: Duration) {
    let seconds = per_frame.as_secs_f64();
    println!(
        "{what:<26} {size:>5}²  {:>9.3} ms  {:>9.1} frames/s  {:>7.1} × one read",
        seconds * 1e3,
        1.0 / seconds,
        seconds / read.as_secs_f64().max(1e-12)
    );
}

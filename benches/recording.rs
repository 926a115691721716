//! Raw frames: MB/s per core of packing and unpacking at three doses, MB/s from memory to the closed
//! file, and the disk's own limit by a plain write and fsync. `cargo bench --bench recording`;
//! beside h5py and hdf5plugin on the same frames: `python benches/peers/recording.py`
//!
//! `--write FOLDER` leaves the frames there, for the other programs.

use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use liwatch::config::Config;
use liwatch::format::bitshuffle::{Scratch, pack, unpack};
use liwatch::frame::{Fate, Image, Reason, Samples, Stamp};
use liwatch::pipeline::{KeepFrames, Kept, Setup};
use liwatch::simulate::{Scene, SceneConfig, SceneRecording};
use liwatch::store::FramesFile;

const SIZE: usize = 2048;
const DOSES: [f64; 3] = [3.0, 20.0, 200.0];
/// Frames that are written to the disk.
const FRAMES: u64 = 100;

fn fail(what: impl std::fmt::Display) -> ! {
    eprintln!("the benchmark failed: {what}");
    std::process::exit(1)
}

fn scene(dose: f64) -> SceneConfig {
    SceneConfig {
        width: SIZE,
        height: SIZE,
        frames: 2,
        dose_counts_per_px: dose,
        ..SceneConfig::default()
    }
}

/// A simulated frame as the camera sends it.
fn frame(dose: f64) -> Vec<u8> {
    let mut image = Image::zeros_u16(0, 0);
    Scene::new(scene(dose)).render(0, &mut image);
    match image.samples {
        Samples::U16(samples) => samples.iter().flat_map(|count| count.to_ne_bytes()).collect(),
        Samples::F32(_) => fail("the simulator renders counts"),
    }
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--write").skip(1);
    let folder = arguments.next().map(PathBuf::from);
    for dose in DOSES {
        let pixels = frame(dose);
        if let Some(folder) = &folder {
            let path = folder.join(format!("{dose}.raw"));
            std::fs::write(path, &pixels).unwrap_or_else(|error| fail(error));
        }
        codec(dose, &pixels);
    }
    (0..3).for_each(|_| file());
}

fn best(mut work: impl FnMut()) -> f64 {
    let times = (0..9).map(|_| {
        let started = Instant::now();
        work();
        started.elapsed()
    });
    times.min().unwrap_or(Duration::MAX).as_secs_f64()
}

fn codec(dose: f64, pixels: &[u8]) {
    let (mut scratch, mut packed, mut out) = (Scratch::default(), Vec::new(), Vec::new());
    let packing = best(|| pack(black_box(pixels), 2, &mut scratch, &mut packed));
    let unpacking = best(|| {
        unpack(black_box(&packed), pixels.len(), 2, &mut scratch, &mut out)
            .unwrap_or_else(|(at, what)| fail(format!("{at}: {what}")));
    });
    assert!(out == pixels, "other pixels came back");
    let mb = pixels.len() as f64 / 1e6;
    println!(
        "liwatch bitshuffle-LZ4, {dose} counts/px: ratio {:.2}, packs {:.0} MB/s, unpacks {:.0} MB/s",
        pixels.len() as f64 / packed.len() as f64,
        mb / packing,
        mb / unpacking
    );
}

/// One thread that packs and writes, and then the same bytes plainly.
fn file() {
    let here =
        std::env::var_os("LIWATCH_BENCH_FOLDER").map_or_else(|| "target".into(), PathBuf::from);
    let folder = tempfile::tempdir_in(here).unwrap_or_else(|error| fail(error));
    let pixels = frame(20.0);
    let config = Config::parse("[record]\nmode = \"all\"\n", Path::new("bench.toml"))
        .unwrap_or_else(|error| fail(error));
    let recording = Arc::new(SceneRecording::new(Scene::new(scene(20.0))));
    let setup = Setup::new(recording, config).unwrap_or_else(|error| fail(error));
    let plan = setup.plan("bench", None, 1);
    let path = folder.path().join("run.frames.h5");
    let (mut scratch, mut packed) = (Scratch::default(), Vec::new());
    let started = Instant::now();
    let mut file = FramesFile::create(&path, &plan, setup.recording.info(), 0.05)
        .unwrap_or_else(|error| fail(error));
    for index in 0..FRAMES {
        let time_s = index as f64 * 0.05;
        let stamp = Stamp { index, sequence: index, time_s, unix_time_s: f64::NAN };
        let kept = Kept { stamp, fate: Fate::Measured, reason: Reason::None, alarm: false };
        pack(&pixels, 2, &mut scratch, &mut packed);
        file.frame(&kept, Some(&packed));
    }
    let handed_in = started.elapsed().as_secs_f64();
    let told = file.told();
    file.close();
    let closed = started.elapsed().as_secs_f64();
    match told.get() {
        Some(Ok(summary)) if summary.recorded == FRAMES => {}
        other => fail(format!("{other:?}")),
    }
    let raw = FRAMES as f64 * pixels.len() as f64 / 1e6;
    println!(
        "liwatch, one thread, {FRAMES} frames of {SIZE}² u16 to a file: {:.0} MB/s of raw frames, \
         {:.0} MB/s with the fsync at its close",
        raw / handed_in,
        raw / closed
    );
    let bytes = std::fs::read(&path).unwrap_or_else(|error| fail(error));
    let plain = folder.path().join("plain");
    let started = Instant::now();
    let mut file = std::fs::File::create(&plain).unwrap_or_else(|error| fail(error));
    bytes
        .chunks(packed.len())
        .try_for_each(|chunk| file.write_all(chunk))
        .and_then(|()| file.sync_all())
        .unwrap_or_else(|error| fail(error));
    let disk = bytes.len() as f64 / 1e6 / started.elapsed().as_secs_f64();
    println!(
        "the disk: {disk:.0} MB/s by plain write and fsync of the same bytes, which is {:.0} MB/s of \
         raw frames",
        disk * raw / (bytes.len() as f64 / 1e6)
    );
}

//! `[record]`: raw frames that other programs read pixel by pixel, whose replay gives the bits of
//! the run that recorded them, of all frames or around alarms; what a slow disk and a kill leave.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use liwatch::alarm::{AlarmEngine, AlarmEvent};
use liwatch::config::Config;
use liwatch::format::{self, Recording};
use liwatch::frame::{Fate, Ledger, Reason};
use liwatch::pipeline::{self, FrameRow, Keep, KeepFrames, Kept, Setup, Shedding, Sink, SinkError};
use liwatch::simulate::{Scene, SceneRecording};
use liwatch::source::{FrameTimes, Replay, Speed};

use crate::a_full_disk_is_told_and_survived::SmallDisk;
use crate::scenes::standard;
use crate::stored_runs::{contents, python};

const SIZE: usize = 256;

fn liwatch(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liwatch"));
    command.current_dir(folder).args(arguments).output().expect("liwatch starts")
}

fn succeed(folder: &Path, arguments: &[&str]) {
    let output = liwatch(folder, arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "liwatch {arguments:?}: {told}");
}

/// A recording `m.npy`, its configuration with `more` as `NAME.toml` for each, and a log.
fn simulate(folder: &Path, frames: &str, more: &[(&str, &str)]) {
    let size = SIZE.to_string();
    succeed(folder, &["simulate", "--out", "m.npy", "--frames", frames, "--size", &size]);
    let config = std::fs::read_to_string(folder.join("m.toml")).expect("a configuration");
    // Without its own alarm, which would keep frames too.
    let config = config.split("[[alarm]]").next().unwrap_or_default();
    for (name, more) in more {
        std::fs::write(folder.join(name), format!("{config}\n{more}")).expect("room");
    }
}

/// Pixels of an NPY file and the bytes before them.
fn npy(path: &Path) -> (Vec<u8>, Vec<u8>) {
    let bytes = std::fs::read(path).expect("the recording");
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    (bytes[..header].to_vec(), bytes[header..].to_vec())
}

/// Gives the recording hot pixels.
fn heat(path: &Path) {
    let (mut out, mut pixels) = npy(path);
    for frame in pixels.chunks_exact_mut(2 * SIZE * SIZE) {
        for at in [5 * SIZE + 9, 77 * SIZE + 33, 200 * SIZE + 201] {
            frame[2 * at..2 * at + 2].copy_from_slice(&60_000u16.to_le_bytes());
        }
    }
    out.extend(pixels);
    std::fs::write(path, out).expect("room");
}

/// The recording as f32, with one frame of no numbers and one with a few.
fn write_f32(from: &Path, to: &Path) {
    let (_, pixels) = npy(from);
    let frames = pixels.len() / 2 / SIZE / SIZE;
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({frames}, {SIZE}, {SIZE}), }}"
    );
    header += &" ".repeat(63 - (10 + header.len()) % 64);
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    for (at, sample) in pixels.as_chunks::<2>().0.iter().enumerate() {
        let count = f32::from(u16::from_le_bytes(*sample));
        let (frame, pixel) = (at / SIZE / SIZE, at % (SIZE * SIZE));
        let gone = frame == 7 || (frame == 9 && pixel % 1000 == 1);
        out.extend((if gone { f32::NAN } else { count }).to_le_bytes());
    }
    std::fs::write(to, out).expect("room");
}

/// Every dataset that was measured, and the ledger.
fn measured(run: &Path) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    // The listing of the HDF5 crate does not know links that lead out of a file.
    let copy = run.with_extension("copy.h5");
    std::fs::copy(run, &copy).expect("room");
    let file = hdf5::File::open_rw(&copy).expect("the copy opens");
    let detector = file.group("entry/instrument/detector").expect("there is a detector");
    if detector.link_exists("data") {
        detector.unlink("data").expect("the link is there");
    }
    drop((detector, file));
    let mut all = contents(&copy);
    let left_out = ["/entry/latency/", "/entry/instrument/", "/entry/process/", "/entry/data/"];
    let whole = ["/entry/title", "/entry/start_time", "/entry/end_time", "/entry/configuration"];
    all.retain(|(name, _, _)| {
        // How long it took differs from run to run.
        let took = name.ends_with("_latency_s");
        !took
            && !left_out.iter().any(|start| name.starts_with(start))
            && !whole.contains(&name.as_str())
    });
    all
}

#[test]
fn a_replay_of_them_gives_the_bits_of_the_run_that_recorded_them() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    // The time of a line makes the drift depend on the last bit of the frames' interval.
    let line = "[drift]\nline_time_us = 137.7\n";
    simulate(at, "60", &[("none.toml", ""), ("all.toml", "[record]\nmode = \"all\"\n")]);
    let config = std::fs::read_to_string(at.join("none.toml")).expect("a configuration");
    assert!(config.contains("[drift]\n"), "{config}");
    for (name, more) in [("none.toml", ""), ("all.toml", "\n[record]\nmode = \"all\"\n")] {
        let config = config.replacen("[drift]\n", line, 1);
        std::fs::write(at.join(name), format!("{config}{more}")).expect("room");
    }
    heat(&at.join("m.npy"));
    write_f32(&at.join("m.npy"), &at.join("f.npy"));
    for (recording, run, again) in [("m.npy", "m.h5", "m2.h5"), ("f.npy", "f.h5", "f2.h5")] {
        let config = ["--config", "all.toml", "--cell", "m.cell.csv"];
        succeed(at, &[&["replay", recording, "--out", run], &config[..]].concat());
        let frames = run.replace(".h5", ".frames.h5");
        let config = ["--config", "none.toml", "--cell", "m.cell.csv", "--threads", "3"];
        succeed(at, &[&["replay", &frames, "--out", again], &config[..]].concat());
        let (first, second) = (measured(&at.join(run)), measured(&at.join(again)));
        let names = |all: &[(String, Vec<usize>, Vec<u8>)]| {
            all.iter().map(|(name, _, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&first), names(&second));
        assert!(first.len() > 30, "only {:?}", names(&first));
        for (one, two) in first.iter().zip(&second) {
            assert_eq!(one.1, two.1, "{}: {recording}", one.0);
            assert!(one.2 == two.2, "{} of {recording} differs in the replay", one.0);
        }
    }
    let frames = format::open(&at.join("f.frames.h5")).expect("the raw frames open");
    assert_eq!(frames.lost(7), Some((Fate::Corrupt, Reason::MostlyNonFinite)));
    assert_eq!(frames.lost(9), None);
    // The run file leads to them, too.
    let linked = format::open(&at.join("m.h5")).expect("the link is followed");
    assert_eq!(linked.info().frames, 60);
    // The raw frames that are read are not written over.
    let refused = ["replay", "m.frames.h5", "--config", "all.toml", "--out", "m.h5", "--force"];
    let refused = liwatch(at, &refused);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    let Some(python) = python() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/check_raw_frames.py");
    let checked = Command::new(python)
        .current_dir(at)
        .arg(script)
        .args(["m.npy", "m.frames.h5", "f.npy", "f.frames.h5", "m.npy", "m.h5"])
        .output()
        .expect("Python starts");
    print!("{}", String::from_utf8_lossy(&checked.stdout));
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn around_an_alarm_they_are_kept_from_before_it() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    // Frames are 0.05 s apart; the alarms are raised at frames 21 and 24, and clear at once.
    let more = "[record]\nmode = \"triggered\"\nbefore_s = 0.29\nafter_s = 0.21\n\
                [[alarm]]\nname = \"a\"\nwhen = \"time > 1.01 && time < 1.06\"\n\
                [[alarm]]\nname = \"b\"\nwhen = \"time > 1.16 && time < 1.21\"\n";
    simulate(at, "60", &[("box.toml", more)]);
    succeed(at, &["replay", "m.npy", "--config", "box.toml", "--out", "m.h5"]);
    let (_, pixels) = npy(&at.join("m.npy"));
    let frames = format::open(&at.join("m.frames.h5")).expect("the raw frames open");
    let kept: Vec<u64> = (0..frames.info().frames).map(|k| frames.sequence(k)).collect();
    assert_eq!(kept, (16..=28).collect::<Vec<_>>());
    let mut scratch = Vec::new();
    for (k, sequence) in kept.iter().enumerate() {
        let start = *sequence as usize * 2 * SIZE * SIZE;
        let read = frames.read(k, &mut scratch).expect("a frame");
        assert!(read == &pixels[start..start + 2 * SIZE * SIZE], "frame {sequence} differs");
    }
    let file = hdf5::File::open(at.join("m.frames.h5")).expect("the file opens");
    let alarms = file.dataset("entry/frames/alarm").and_then(|set| set.read_raw::<u8>());
    let raised: Vec<u64> = kept
        .iter()
        .zip(alarms.expect("flags"))
        .filter(|(_, on)| *on == 1)
        .map(|(k, _)| *k)
        .collect();
    assert_eq!(raised, [21, 24]);
}

/// Takes its time for each frame.
struct Slow(Duration, Arc<Mutex<Vec<(u64, bool)>>>);

impl KeepFrames for Slow {
    fn frame(&mut self, kept: &Kept, packed: Option<&[u8]>) {
        std::thread::sleep(self.0);
        self.1.lock().expect("no panic").push((kept.stamp.index, packed.is_some()));
    }

    fn idle(&mut self) {}

    fn close(&mut self) {}
}

#[derive(Default)]
struct Counting {
    keep: Option<Keep>,
    rows: u64,
    ledger: Ledger,
    ended: Option<Instant>,
}

impl Sink for Counting {
    fn keep(&mut self) -> Option<Keep> {
        self.keep.take()
    }

    fn row(&mut self, row: &FrameRow) -> Result<(), SinkError> {
        assert_eq!(row.stamp.index, self.rows, "rows come in order");
        self.rows += 1;
        self.ended = Some(Instant::now());
        Ok(())
    }

    fn alarm(&mut self, _event: &AlarmEvent) -> Result<(), SinkError> {
        Ok(())
    }

    fn shedding(&mut self, _change: &Shedding) -> Result<(), SinkError> {
        Ok(())
    }

    fn close(&mut self, ledger: &Ledger) -> Result<(), SinkError> {
        self.ledger = *ledger;
        Ok(())
    }
}

#[test]
fn who_is_slow_at_keeping_them_delays_no_row_and_costs_none() {
    for wait in [false, true] {
        let scene = standard(SIZE, 100, 20.0, 1);
        let text = liwatch::simulate::configuration(&Scene::new(scene.clone()));
        // Memory for four frames.
        let text = format!("{text}\n[record]\nmode = \"all\"\nmemory_mb = 0.6\nthreads = 1\n");
        let config = Config::parse(&text, Path::new("slow.toml")).expect("it is right");
        let recording: Arc<dyn Recording> = Arc::new(SceneRecording::new(Scene::new(scene)));
        let setup = Setup::new(Arc::clone(&recording), config).expect("it can start");
        let alarms = AlarmEngine::new(&[], &[], setup.calibration).expect("no rules");
        let kept = Arc::new(Mutex::new(Vec::new()));
        let pace = Duration::from_millis(if wait { 5 } else { 100 });
        let to = Box::new(Slow(pace, Arc::clone(&kept)));
        let mut sink = Counting { keep: Some(Keep { to, wait }), ..Counting::default() };
        let times = FrameTimes::of(&*recording, None);
        let mut source = Replay::new(&*recording, times, Speed::Max);
        let stop = AtomicBool::new(false);
        let started = Instant::now();
        pipeline::run(&setup, &mut source, None, alarms, &mut sink, 2, &stop).expect("it runs");
        let rows_took = sink.ended.expect("rows came") - started;
        assert_eq!(sink.ledger.received, 100);
        assert_eq!(sink.ledger.dropped, 0, "a row's fate does not depend on its raw frame");
        let kept = kept.lock().expect("no panic").clone();
        assert_eq!(kept.iter().map(|k| k.0).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        let lost = kept.iter().filter(|(_, has)| !has).count();
        if wait {
            assert_eq!(lost, 0, "who may wait loses no frame");
        } else {
            assert!(lost > 20, "only {lost} frames found no memory");
            assert!(rows_took < Duration::from_secs(8), "rows took {rows_took:?}, frames 10 s");
        }
    }
}

#[test]
fn a_kill_leaves_all_that_was_written() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    simulate(at, "300", &[("all.toml", "[record]\nmode = \"all\"\n")]);
    let (_, pixels) = npy(&at.join("m.npy"));
    let mut most = 0;
    for (kill, after_ms) in [600u64, 950, 1300, 1700].into_iter().enumerate() {
        let run = format!("{kill}.h5");
        let arguments = ["replay", "m.npy", "--config", "all.toml", "--speed", "x5", "--out", &run];
        let mut child = Command::new(env!("CARGO_BIN_EXE_liwatch"))
            .current_dir(at)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        std::thread::sleep(Duration::from_millis(after_ms));
        child.kill().expect("it is killed");
        child.wait().expect("it has ended");
        let path = at.join(format!("{kill}.frames.h5"));
        let check = |when: &str| -> usize {
            let frames = match format::open(&path) {
                Ok(frames) => frames,
                // Killed before anything was written.
                Err(error) if error.to_string().contains("0 frames") => return 0,
                Err(error) => panic!("{when}: {error}"),
            };
            let mut scratch = Vec::new();
            for k in 0..frames.info().frames {
                assert_eq!(frames.lost(k), None, "{when}: frame {k}");
                let start = frames.sequence(k) as usize * 2 * SIZE * SIZE;
                let read = frames.read(k, &mut scratch).expect("a frame");
                assert!(read == &pixels[start..start + 2 * SIZE * SIZE], "{when}: frame {k}");
            }
            frames.info().frames
        };
        let before = check("after the kill");
        succeed(at, &["recover", &run]);
        assert_eq!(check("after the recovery"), before);
        // Now it is a file as any other.
        hdf5::File::open(&path).expect("it opens without SWMR");
        println!("killed after {after_ms} ms: {before} frames");
        most = most.max(before);
    }
    assert!(most > 20, "at most {most} frames were there after a kill");
}

#[test]
fn a_disk_that_is_nearly_full_has_room_for_rows_and_not_for_raw_frames() {
    // 272 MB must be free, and a stretch of 20 MB is reserved at once.
    let Some(disk) = SmallDisk::mount(300) else { return };
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    succeed(
        at,
        &["simulate", "--out", "m.npy", "--frames", "150", "--size", "512", "--dose", "200"],
    );
    std::fs::write(at.join("all.toml"), "[record]\nmode = \"all\"\n").expect("room");
    let run = disk.path().join("m.h5").display().to_string();
    let output = liwatch(at, &["replay", "m.npy", "--config", "all.toml", "--out", &run, "--json"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("storage overrun"), "{told}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(summary["frames"]["measured"], 150, "{summary:#}");
    let raw = &summary["raw_frames"];
    assert_eq!(raw["rows"], 150, "{raw}");
    let (recorded, lost) = (raw["recorded"].as_u64(), raw["not_recorded"].as_u64());
    assert_eq!(recorded.zip(lost).map(|(a, b)| a + b), Some(150), "{raw}");
    assert!(recorded > Some(10) && lost > Some(10), "{raw}");
    let frames = format::open(&disk.path().join("m.frames.h5")).expect("the raw frames open");
    let gone: Vec<_> = (0..150).filter_map(|k| frames.lost(k)).collect();
    assert_eq!(gone.len() as u64, lost.unwrap_or(0));
    assert!(gone.iter().all(|lost| *lost == (Fate::Dropped, Reason::StorageOverrun)));
    let (_, pixels) = npy(&at.join("m.npy"));
    let mut scratch = Vec::new();
    for k in (0..150).filter(|k| frames.lost(*k).is_none()) {
        let read = frames.read(k, &mut scratch).expect("a frame");
        assert!(read == &pixels[k * 2 * 512 * 512..(k + 1) * 2 * 512 * 512], "frame {k}");
    }
}

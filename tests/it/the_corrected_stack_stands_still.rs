//! `replay --corrected`: what other programs read from the stack, that it keeps counts, that its
//! drift is gone, and that nothing is left of a stack that could not be written.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use liwatch::correct::{self, Plan, Row, Shift};
use liwatch::format::{self, Access, FormatError, Recording, RecordingInfo};
use liwatch::noise::CameraModel;
use liwatch::resample::Affine;
use liwatch::simulate::{Scene, SceneConfig, SceneRecording};

use crate::the_run_file_is_what_the_layout_says::python;

fn liwatch(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_liwatch"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("liwatch starts")
}

fn replay(folder: &Path, recording: &str, more: &[&str]) -> serde_json::Value {
    let fixed = ["replay", recording, "--config", "cell.toml", "--out", "run.h5", "--force"];
    let arguments: Vec<&str> = fixed.iter().chain(more).chain(&["--json"]).copied().collect();
    let output = liwatch(folder, &arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "liwatch {arguments:?}: {told}");
    serde_json::from_slice(&output.stdout).expect("stdout is one JSON object")
}

fn simulate(folder: &Path) {
    let told = liwatch(
        folder,
        &["simulate", "--out", "cell.npy", "--frames", "20", "--size", "448x384", "--dose", "400"],
    );
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}

/// The recording as f32, with a frame in it that holds no numbers.
fn write_with_a_hole(folder: &Path, frame: usize) {
    let pixels = 448 * 384;
    let bytes = std::fs::read(folder.join("cell.npy")).expect("the recording");
    let frames = &bytes[bytes.len() - 20 * pixels * 2..];
    let mut header =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (20, 384, 448), }".to_owned();
    header += &" ".repeat(63 - (10 + header.len()) % 64);
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    for (at, sample) in frames.as_chunks::<2>().0.iter().enumerate() {
        let value = f32::from(u16::from_le_bytes(*sample));
        let value = if at / pixels == frame { f32::NAN } else { value };
        out.extend(value.to_le_bytes());
    }
    std::fs::write(folder.join("hole.npy"), out).expect("a recording");
}

#[test]
fn tifffile_and_h5py_find_the_drift_gone_and_the_counts_kept() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    simulate(at);
    write_with_a_hole(at, 3);
    let told = replay(at, "hole.npy", &["--corrected", "hole.tif"]);
    assert_eq!(told["corrected"]["frames"], 20, "{told:#}");
    assert_eq!(told["corrected"]["placed"], 19, "{told:#}");
    replay(at, "cell.npy", &["--corrected", "int.tif", "--corrected-shift", "integer"]);
    replay(at, "cell.npy", &["--corrected", "crop.btf", "--corrected-crop"]);
    replay(at, "cell.npy", &["--corrected", "sub.h5", "--threads", "3"]);
    let told = replay(at, "cell.npy", &["--corrected", "sub.tif", "--threads", "1"]);
    assert_eq!(told["corrected"]["pixel_type"], "float32", "{told:#}");
    let bytes = std::fs::metadata(at.join("sub.tif")).expect("a stack").len();
    assert_eq!(told["corrected"]["bytes"], bytes, "{told:#}");

    // liwatch itself reads what it wrote.
    for name in ["sub.tif", "sub.h5", "crop.btf"] {
        let recording = format::open(&at.join(name)).expect("a recording");
        let info = recording.info();
        assert_eq!(info.frames, 20, "{name}");
        let (x, y) = info.pixel_size_nm.expect("a pixel size");
        assert!((x - 2.0).abs() < 1e-9 && (y - 2.0).abs() < 1e-9, "{name}: {x}, {y} nm");
        let step = recording.time_s(1).or(info.frame_interval_s).expect("frame times");
        assert!((step - 0.05).abs() < 1e-9, "{name}: {step} s");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/check_corrected.py");
    let output = Command::new(python).arg(script).arg(at).output().expect("python starts");
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tifffile and h5py found:\n{told}{errors}");
    println!("{told}");
}

/// With the true drift and next to no noise, what is left is what interpolation adds.
#[test]
fn interpolation_adds_no_drift_of_its_own() {
    let config = SceneConfig {
        width: 256,
        height: 256,
        frames: 8,
        dose_counts_per_px: 20_000.0,
        camera: CameraModel {
            offset_counts: 100.0,
            gain_counts_per_electron: 0.01,
            read_noise_counts: 0.5,
            quantum_counts: 1.0,
        },
        front: false,
        crack: false,
        jumps: 0,
        drift_step_px: 0.6,
        ..SceneConfig::default()
    };
    let recording = SceneRecording::new(Scene::new(config));
    let truth = |k: usize| recording.scene().truth(k).drift;
    let rows = (0..8).map(|k| {
        let drift = truth(k);
        let map = Some(Affine::translation(drift.0, drift.1));
        Row { time_s: k as f64, drift, map }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("true.tif");
    let output = correct::Output::reserve(&path, false, &[]).expect("a new file");
    let info = recording.info();
    let names = (String::new(), String::new());
    let plan = Plan::new(info, names, rows.collect(), Shift::Subpixel, true).expect("a plan");
    let written = correct::write(&recording, &plan, output, 2, &AtomicBool::new(false), || {});
    assert_eq!(written.expect("a stack").placed, 8);

    let stack = format::open(&path).expect("a stack");
    let (width, height) = (stack.info().width, stack.info().height);
    let read = |k: usize| -> Vec<f64> {
        let mut scratch = Vec::new();
        let bytes = stack.read(k, &mut scratch).expect("a frame");
        bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_ne_bytes(*b))).collect()
    };
    let frames: Vec<Vec<f64>> = (0..8).map(read).collect();
    for (k, frame) in frames.iter().enumerate().skip(1) {
        let (x, y) = shift_between(&frames[0], frame, (width, height));
        let whole = truth(k);
        println!("frame {k}: drift {:.3}, {:.3} px, residual {x:.5}, {y:.5} px", whole.0, whole.1);
        // The noise of one step over 256² px at this dose is 0.0003 px.
        assert!(x.hypot(y) < 0.001, "frame {k}: residual drift {x}, {y} px");
    }
}

/// A recording that is cheap only in order, as a video is.
struct Stream {
    frames: SceneRecording,
    next: AtomicUsize,
}

impl Recording for Stream {
    fn info(&self) -> &RecordingInfo {
        self.frames.info()
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        let next = self.next.swap(index + 1, Ordering::Relaxed);
        assert!(index >= next, "frame {index} was read after frame {}", next - 1);
        self.frames.read(index, scratch)
    }

    fn access(&self) -> Access {
        Access::Sequential
    }
}

#[test]
fn a_stream_is_read_in_order_and_gives_the_same_file() {
    let scene = || {
        let config = SceneConfig { width: 128, height: 128, frames: 9, ..SceneConfig::default() };
        SceneRecording::new(Scene::new(config))
    };
    let folder = tempfile::tempdir().expect("a folder");
    let write = |recording: &dyn Recording, name: &str, threads: usize| {
        let path = folder.path().join(name);
        let output = correct::Output::reserve(&path, false, &[]).expect("a new file");
        let rows = (0..9).map(|k| {
            let drift = scene().scene().truth(k).drift;
            let map = (k != 4).then(|| Affine::translation(drift.0, drift.1));
            Row { time_s: k as f64, drift, map }
        });
        let (names, shift) = ((String::new(), String::new()), Shift::Subpixel);
        let plan = Plan::new(recording.info(), names, rows.collect(), shift, false);
        let plan = plan.expect("a plan");
        let stop = AtomicBool::new(false);
        let written = correct::write(recording, &plan, output, threads, &stop, || {});
        assert_eq!(written.expect("a stack").placed, 8);
        std::fs::read(path).expect("the stack")
    };
    let stream = Stream { frames: scene(), next: AtomicUsize::new(0) };
    let in_order = write(&stream, "stream.tif", 3);
    assert!(in_order == write(&scene(), "any.tif", 2), "the files differ");
}

/// Least squares on the gradients of the first image, away from its edges.
fn shift_between(first: &[f64], second: &[f64], (width, height): (usize, usize)) -> (f64, f64) {
    let (mut xx, mut xy, mut yy, mut xd, mut yd) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for y in 8..height - 8 {
        for x in 8..width - 8 {
            let at = y * width + x;
            // The mean of both gradients takes the second order out.
            let gradient = |step: usize| {
                let of = |image: &[f64]| (image[at + step] - image[at - step]) / 2.0;
                (of(first) + of(second)) / 2.0
            };
            let (gx, gy, d) = (gradient(1), gradient(width), first[at] - second[at]);
            xx += gx * gx;
            xy += gx * gy;
            yy += gy * gy;
            xd += gx * d;
            yd += gy * d;
        }
    }
    let determinant = xx * yy - xy * xy;
    ((yy * xd - xy * yd) / determinant, (xx * yd - xy * xd) / determinant)
}

#[test]
fn what_cannot_be_written_is_refused_before_the_run_or_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    simulate(at);
    std::fs::write(at.join("old.tif"), "mine").expect("a file");
    let mistakes: [(&str, i32, &[&str]); 5] = [
        ("old.tif", 2, &["old.tif", "exists already", "--force"]),
        ("stack.avi", 2, &["stack.avi", ".tif", ".h5"]),
        ("run.h5", 2, &["run.h5", "the run file"]),
        ("./cell.npy", 2, &["cell.npy"]),
        ("none/stack.tif", 1, &["none/stack.tif", "folder"]),
    ];
    for (name, status, words) in mistakes {
        let output = liwatch(at, &["replay", "cell.npy", "--out", "run.h5", "--corrected", name]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "--corrected {name}: {told}");
        for word in words {
            assert!(told.contains(word), "--corrected {name}: no '{word}' in: {told}");
        }
        assert!(!at.join("run.h5").exists(), "--corrected {name}: the run began");
    }
    assert_eq!(std::fs::read(at.join("old.tif")).expect("the old file"), b"mine");
    let lone = liwatch(at, &["replay", "cell.npy", "--out", "run.h5", "--corrected-crop"]);
    assert_eq!(lone.status.code(), Some(2), "--corrected-crop without a stack");
}

/// A limit on the size of files stands in for a full disk.
#[test]
fn a_full_disk_costs_the_stack_and_not_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    simulate(at);
    for name in ["stack.tif", "stack.h5"] {
        let run = format!("{name}.run.h5");
        let script = format!(
            "trap '' XFSZ; ulimit -f 10000; exec '{}' replay cell.npy --out {run} --corrected {name}",
            env!("CARGO_BIN_EXE_liwatch")
        );
        let output = Command::new("bash").current_dir(at).args(["-c", &script]).output();
        let output = output.expect("bash starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {told}");
        for word in [name, "of 20 could not be written", "the run file is kept"] {
            assert!(told.contains(word), "{name}: no '{word}' in: {told}");
        }
        assert_eq!(told.matches("error:").count(), 1, "{name}: {told}");
        let summary = liwatch::store::RunSummary::read(&at.join(&run)).expect("the run is whole");
        assert_eq!(summary.ledger.received, 20, "{name}");
        assert!(!at.join(name).exists() && !at.join(format!("{name}.part")).exists(), "{name}");
    }
}

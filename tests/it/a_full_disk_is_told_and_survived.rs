//! A full disk: the run goes on measuring and alarming, says what it could not store, and stores
//! again when there is room.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use liwatch::pipeline::Sink;
use liwatch::store::{Recorder, StoreOptions, journal, recover};

use crate::stored_runs::{alarm, contents, ledger, plan, row};

const LINES: usize = 200;

/// A file system of this size, or nothing after a line that says why.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub fn mount(megabytes: usize) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk(folder)),
            _ => {
                println!("SKIPPED: a tmpfs cannot be mounted here (it takes root)");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut megabyte = vec![1u8; 1 << 20];
        let mut file = std::fs::File::create(self.path().join("filler")).expect("room for a name");
        while !megabyte.is_empty() {
            if std::io::Write::write_all(&mut file, &megabyte).is_err() {
                megabyte.truncate(megabyte.len() / 2);
            }
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.path().join("filler")).expect("the filler is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn wait_until(what: &str, mut true_now: impl FnMut() -> bool) {
    let started = Instant::now();
    while !true_now() {
        assert!(started.elapsed() < Duration::from_secs(20), "waited 20 s until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn rows_wait_and_are_stored_when_space_returns() {
    let Some(disk) = SmallDisk::mount(32) else { return };
    let run = disk.path().join("run.h5");
    let mut recorder =
        Recorder::create(&run, &plan(LINES), false, StoreOptions::default()).expect("it begins");
    let push = |recorder: &mut Recorder, rows: std::ops::Range<u64>| {
        let started = Instant::now();
        for index in rows {
            recorder.row(&row(index, LINES, 8)).expect("the row is taken");
        }
        recorder.alarm(&alarm(0)).expect("the alarm is taken");
        let took = started.elapsed();
        assert!(took < Duration::from_secs(1), "the run waited {took:?} for the disk");
    };
    push(&mut recorder, 0..50);
    wait_until("50 rows are stored", || recorder.acknowledged_rows() == 50);
    disk.fill();
    push(&mut recorder, 50..300);
    std::thread::sleep(Duration::from_millis(700));
    let stored = recorder.acknowledged_rows();
    assert!((50..300).contains(&stored), "{stored} rows on a full disk");
    disk.empty();
    wait_until("the rows that waited are stored", || recorder.acknowledged_rows() == 300);
    push(&mut recorder, 300..400);
    recorder.close(&ledger(400)).expect("everything is stored in the end");
    drop(recorder);

    let beside = tempfile::tempdir().expect("a folder for the test");
    let whole = beside.path().join("run.h5");
    let mut recorder =
        Recorder::create(&whole, &plan(LINES), false, StoreOptions::default()).expect("it begins");
    (0..400).for_each(|index| recorder.row(&row(index, LINES, 8)).expect("the row is taken"));
    (0..3).for_each(|_| recorder.alarm(&alarm(0)).expect("the alarm is taken"));
    recorder.close(&ledger(400)).expect("the run can be closed");
    let (found, expected) = (contents(&run), contents(&whole));
    assert_eq!(found.len(), expected.len());
    for ((name, shape, found), (_, expected_shape, expected)) in found.iter().zip(&expected) {
        assert_eq!(shape, expected_shape, "{name}");
        assert!(found == expected || name.ends_with("end_time"), "{name} differs");
    }
}

#[test]
fn a_disk_that_stays_full_ends_in_an_error_that_counts() {
    let Some(disk) = SmallDisk::mount(32) else { return };
    let run = disk.path().join("run.h5");
    let options = StoreOptions { patience: Duration::from_millis(600), ..StoreOptions::default() };
    let mut recorder = Recorder::create(&run, &plan(LINES), false, options).expect("it begins");
    (0..50).for_each(|index| recorder.row(&row(index, LINES, 8)).expect("the row is taken"));
    wait_until("50 rows are stored", || recorder.acknowledged_rows() == 50);
    disk.fill();
    (50..300).for_each(|index| recorder.row(&row(index, LINES, 8)).expect("the row is taken"));
    let told = recorder.close(&ledger(300)).expect_err("not everything is stored").to_string();
    let stored = recorder.acknowledged_rows();
    drop(recorder);
    assert!(told.contains(&format!("{} rows", 300 - stored)), "{stored} are stored: {told}");
    assert!(told.contains("liwatch recover"), "{told}");
    disk.empty();
    let recovery = recover(&run).expect("the run can be recovered");
    assert_eq!(recovery.frames.received, stored, "{recovery:?}");
    assert!(!recovery.closed && recovery.damage.is_empty(), "{recovery:?}");
}

fn liwatch(folder: &Path, limit_kb: Option<u32>, arguments: &[&str]) -> Output {
    let limit = limit_kb.map_or_else(String::new, |kb| format!("trap '' XFSZ; ulimit -f {kb};"));
    Command::new("bash")
        .current_dir(folder)
        .args(["-c", &format!("{limit} exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_liwatch")])
        .args(arguments)
        .output()
        .expect("bash starts")
}

/// A limit on the size of files stands for a full disk where nothing can be mounted; HDF5 meets it
/// in the middle of a write, which it does not survive by itself.
#[test]
fn the_program_goes_on_and_its_status_is_1() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    let simulated = ["simulate", "--out", "m.npy", "--frames", "400", "--size", "256", "--json"];
    assert!(liwatch(at, None, &simulated).status.success());
    let replay = ["replay", "m.npy", "--config", "m.toml", "--cell", "m.cell.csv", "--out", "r.h5"];
    for (limit_kb, words) in [(3300, "the run file is not complete"), (300, "could not be stored")]
    {
        let output = liwatch(at, Some(limit_kb), &replay);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{limit_kb} KB: {:?}: {told}", output.status);
        assert!(told.contains(words), "{limit_kb} KB: {told}");
        assert!(told.contains("alarm=\"near-short\""), "no alarm at {limit_kb} KB: {told}");
        assert!(told.contains("liwatch recover r.h5"), "{limit_kb} KB: {told}");
        let again = liwatch(at, Some(limit_kb / 2), &["recover", "r.h5"]);
        assert_eq!(again.status.code(), Some(1), "{again:?}");
        assert!(journal::path_of(&at.join("r.h5")).exists(), "the journal is gone");
        let recovered = liwatch(at, None, &["recover", "r.h5", "--json"]);
        let told = String::from_utf8_lossy(&recovered.stderr);
        assert!(recovered.status.success(), "{told}");
        let told: serde_json::Value = serde_json::from_slice(&recovered.stdout).expect("JSON");
        let frames = told["frames"]["received"].as_u64().expect("a number");
        assert!(frames >= 30, "{told:#}");
        assert_eq!(frames == 400, limit_kb == 3300, "{told:#}");
        std::fs::remove_file(at.join("r.h5")).expect("the run file is there");
    }
}

/// The same in the middle of a run: the limit is lifted, and the run file is built anew while the
/// run goes on.
#[test]
fn a_run_file_that_failed_is_built_anew_while_the_run_goes_on() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    let simulated = ["simulate", "--out", "m.npy", "--frames", "240", "--size", "256", "--json"];
    assert!(liwatch(at, None, &simulated).status.success());
    let replay = "exec \"$0\" replay m.npy --config m.toml --out r.h5 --speed x1.25 --json";
    let run = Command::new("bash")
        .current_dir(at)
        .args(["-c", &format!("trap '' XFSZ; ulimit -S -f 1000; {replay}")])
        .arg(env!("CARGO_BIN_EXE_liwatch"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("bash starts");
    std::thread::sleep(Duration::from_secs(3));
    let lifted = Command::new("prlimit")
        .args(["--pid", &run.id().to_string(), "--fsize=unlimited"])
        .status();
    let output = run.wait_with_output().expect("the run ends");
    if !lifted.is_ok_and(|status| status.success()) {
        println!("SKIPPED: prlimit of util-linux is absent");
        return;
    }
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("rows could not be written"), "HDF5 met no limit: {told}");
    assert!(told.contains("was built anew from its journal"), "{told}");
    assert!(output.status.success(), "{:?}: {told}", output.status);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["frames"]["received"], 240, "{told:#}");
    assert_eq!(told["closed"], true, "{told:#}");
    assert!(!journal::path_of(&at.join("r.h5")).exists(), "the journal is still there");
}

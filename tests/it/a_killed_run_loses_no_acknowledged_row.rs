//! The real program, killed with SIGKILL at random moments: every acknowledged row is in the
//! recovered file, bit by bit as in a run that was not killed, and h5py opens it.
//!
//! 20 kills by default; 200 with `LIWATCH_LONG_TESTS=1`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use liwatch::store::journal::{self, Content, End, Item, Kind, Reader, decode};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::stored_runs::python;

fn liwatch(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liwatch"));
    command.current_dir(folder).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn succeed(folder: &Path, arguments: &[&str]) {
    let output = liwatch(folder, arguments).output().expect("liwatch starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "liwatch {arguments:?}: {told}");
}

/// Rows that the journal at `path` marks as acknowledged.
fn acknowledged(path: &Path) -> u64 {
    let mut reader = Reader::open(path, End::Final).expect("the journal opens");
    let mut rows = 0;
    while let Some(item) = reader.next_item().expect("the journal can be read") {
        if let Item::Record { header, payload } = item
            && header.kind == Some(Kind::Mark)
            && let Ok(Content::Mark(mark)) = decode(Kind::Mark, payload, None)
        {
            rows = mark.rows;
        }
    }
    rows
}

#[test]
fn at_random_moments() {
    let long = std::env::var_os("LIWATCH_LONG_TESTS").is_some();
    let kills = if long { 200 } else { 20 };
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    succeed(at, &["simulate", "--out", "m.npy", "--frames", "300", "--size", "256", "--json"]);
    let config = std::fs::read_to_string(at.join("m.toml")).expect("there is a configuration");
    // An alarm now and then, and in half of the runs an fsync each 5 ms.
    let alarms = "\n[[alarm]]\nname = \"left\"\nwhen = \"drift.x < 0.0\"\n";
    for (name, store) in [("a.toml", ""), ("b.toml", "\n[store]\nsync_ms = 5.0\n")] {
        std::fs::write(at.join(name), format!("{config}{alarms}{store}")).expect("room");
    }
    let replay = |config: &'static str, out: &str| {
        let fixed = ["replay", "m.npy", "--config", config, "--cell", "m.cell.csv", "--out"];
        fixed.iter().copied().map(str::to_owned).chain([out.to_owned()]).collect::<Vec<_>>()
    };
    let whole = replay("a.toml", "whole.h5");
    succeed(at, &whole.iter().map(String::as_str).collect::<Vec<_>>());

    let mut random = ChaCha8Rng::seed_from_u64(20);
    let (mut expected, mut empty, mut rows, mut cut_short) = (Vec::new(), 0, 0, 0);
    for kill in 0..kills {
        let out = format!("{kill}.h5");
        let arguments = replay(if kill % 2 == 0 { "a.toml" } else { "b.toml" }, &out);
        let mut arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        // At a pace that takes a second; each fourth run as fast as it goes.
        if kill % 4 != 3 {
            arguments.extend(["--speed", "x15"]);
        }
        let mut run = liwatch(at, &arguments).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(random.random_range(0..1000)));
        run.kill().expect("the run is killed");
        run.wait().expect("the run has ended");
        let journal = journal::path_of(&at.join(&out));
        let promised = if journal.exists() {
            cut_short += 1;
            acknowledged(&journal)
        } else if at.join(&out).exists() {
            300
        } else {
            // It was killed before it began.
            empty += 1;
            continue;
        };
        if kill % 3 == 0 {
            // The recovery is killed as well.
            let mut recovery = liwatch(at, &["recover", &out]).spawn().expect("it starts");
            std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
            recovery.kill().expect("the recovery is killed");
            recovery.wait().expect("the recovery has ended");
        }
        succeed(at, &["recover", &out]);
        assert!(!journal.exists(), "kill {kill}: the journal is still there");
        if at.join(&out).exists() {
            expected.push(format!("{out}:{promised}"));
            rows += promised;
        } else {
            assert_eq!(promised, 0, "kill {kill}: the run file is gone");
            empty += 1;
        }
    }
    println!("{kills} kills: {cut_short} runs cut short, {empty} before they began, {rows} rows");
    assert!(cut_short * 2 > kills, "only {cut_short} of {kills} runs were cut short");
    assert!(rows > 10 * kills, "only {rows} rows were acknowledged in all");

    let Some(python) = python() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/check_recovered.py");
    let output = Command::new(python)
        .current_dir(at)
        .arg(script)
        .arg("whole.h5")
        .args(&expected)
        .output()
        .expect("python starts");
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "h5py found:\n{told}{errors}");
    println!("{told}");
}

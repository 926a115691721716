//! h5py follows a run while it is written and sees each row within a second; readers that stall
//! or are killed do not slow the writer.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use liwatch::pipeline::Sink;
use liwatch::store::{Recorder, StoreOptions};

use crate::stored_runs::{ledger, plan, python, row};

const LINES: usize = 200;

fn follow(
    python: &Path,
    run: &Path,
    seconds: &str,
) -> (Child, BufReader<std::process::ChildStdout>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/follow_run.py");
    let mut child = Command::new(python)
        .arg(script)
        .arg(run)
        .arg(seconds)
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe"));
    let mut first = String::new();
    lines.read_line(&mut first).expect("python tells that it is ready");
    assert_eq!(first.trim(), "open", "the reader could not open the run");
    (child, lines)
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.expect("kill starts").success(), "no signal {name}");
}

#[test]
fn within_a_second() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder for the test");
    let run = folder.path().join("run.h5");
    let mut recorder = Recorder::create(&run, &plan(LINES), false, StoreOptions::default())
        .expect("the run can begin");
    let (mut stalled, _stalled_lines) = follow(&python, &run, "60");
    let (mut killed, _killed_lines) = follow(&python, &run, "60");
    let (mut reader, lines) = follow(&python, &run, "4");
    let started = Instant::now();
    let mut took = Vec::new();
    let mut rows = 0;
    while started.elapsed() < Duration::from_secs(5) {
        let mut next = row(rows, LINES, 4);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        next.stamp.unix_time_s = now.as_secs_f64();
        let before = Instant::now();
        recorder.row(&next).expect("the row is taken");
        took.push(before.elapsed());
        rows += 1;
        if rows == 100 {
            signal(&stalled, "-STOP");
            signal(&killed, "-KILL");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let before = Instant::now();
    recorder.close(&ledger(rows)).expect("the run can be closed while a stopped reader has it");
    let close = before.elapsed();
    signal(&stalled, "-KILL");
    for child in [&mut stalled, &mut killed, &mut reader] {
        child.wait().expect("the reader has ended");
    }
    let seen: Vec<(u64, f64)> = lines
        .lines()
        .map(|line| {
            let line = line.expect("python prints text");
            let (rows, age) = line.split_once(' ').expect("two numbers");
            (rows.parse().expect("a number"), age.parse().expect("a number"))
        })
        .collect();
    let oldest = seen.iter().map(|(_, age)| *age).fold(0.0, f64::max);
    let last = seen.last().map_or(0, |(rows, _)| *rows);
    took.sort();
    // A reader that holds the writer up would do so for seconds; a busy machine delays a few rows.
    let p90 = took[took.len() * 9 / 10];
    println!(
        "{last} of {rows} rows seen in {} looks, at most {oldest:.2} s old; handing in {p90:?} \
         (90 %); close {close:?}",
        seen.len()
    );
    assert!(seen.len() >= 6 && last > 200, "the reader saw {last} rows of {rows}");
    assert!(oldest <= 1.0, "a row was {oldest:.2} s old when the reader saw it");
    assert!(p90 < Duration::from_millis(1), "readers slowed the writer: {p90:?}");
    assert!(close < Duration::from_secs(3), "the close took {close:?}");
}

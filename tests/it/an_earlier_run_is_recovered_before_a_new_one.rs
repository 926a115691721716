//! `replay` onto a run that was cut off, `recover` and `tail` on the command line.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn liwatch(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_liwatch"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("liwatch starts")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A replay at the recording's own pace, longer than anything waits for it.
fn start(folder: &Path) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_liwatch"))
        .current_dir(folder)
        .args(["replay", "m.npy", "--config", "m.toml", "--out", "r.h5", "--speed", "realtime"])
        .args(["--repeat", "20"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("liwatch starts")
}

/// The rows that `liwatch tail` prints.
fn rows(output: &Output) -> Vec<u64> {
    let lines = String::from_utf8_lossy(&output.stdout);
    lines.lines().filter_map(row).collect()
}

/// The row of one line; nothing for an alarm.
fn row(line: &str) -> Option<u64> {
    let parsed: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
    parsed["row"].as_u64()
}

#[test]
fn and_is_never_overwritten_unseen() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    let simulated =
        ["simulate", "--out", "m.npy", "--frames", "200", "--size", "256", "--frame-rate", "40"];
    assert!(liwatch(at, &simulated).status.success());
    for round in 0..2 {
        let mut run = start(at);
        let started = Instant::now();
        while !at.join("r.h5.journal").exists() && started.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut tail = Command::new(env!("CARGO_BIN_EXE_liwatch"))
            .current_dir(at)
            .args(["tail", "r.h5", "--from", "3"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("liwatch starts");
        // However long the disk takes for the first rows, they come while the run goes on.
        let mut lines = BufReader::new(tail.stdout.take().expect("stdout is piped")).lines();
        let mut seen: Vec<u64> = Vec::new();
        while seen.len() <= 10 {
            let line = lines.next().expect("the run goes on").expect("tail prints text");
            seen.extend(row(&line));
        }
        let busy = liwatch(at, &["recover", "r.h5"]);
        assert_eq!(busy.status.code(), Some(1), "{}", told(&busy));
        assert!(told(&busy).contains("still being written"), "{}", told(&busy));
        let second = liwatch(at, &["replay", "m.npy", "--out", "r.h5", "--force"]);
        assert_eq!(second.status.code(), Some(2), "two runs in one file: {}", told(&second));
        assert!(run.try_wait().expect("the run can be asked").is_none(), "the run still goes on");
        run.kill().expect("the run is killed");
        run.wait().expect("the run has ended");
        seen.extend(lines.filter_map(|line| row(&line.expect("tail prints text"))));
        let mut advice = String::new();
        let mut stderr = tail.stderr.take().expect("stderr is piped");
        stderr.read_to_string(&mut advice).expect("tail tells why it ends");
        let ended = tail.wait().expect("tail ends by itself");
        assert_eq!(ended.code(), Some(1), "{advice}");
        assert!(advice.contains("liwatch recover r.h5"), "{advice}");
        assert_eq!(seen, (3..3 + seen.len() as u64).collect::<Vec<_>>());

        let force: &[&str] = if round == 0 { &[] } else { &["--force"] };
        let next = [&["replay", "m.npy", "--config", "m.toml", "--out", "r.h5"], force].concat();
        let next = liwatch(at, &next);
        assert!(
            told(&next).contains("an earlier run left its journal: r.h5 was rebuilt"),
            "{}",
            told(&next)
        );
        let kept = if round == 0 {
            assert_eq!(next.status.code(), Some(2), "{}", told(&next));
            at.join("r.h5")
        } else {
            assert!(next.status.success(), "{}", told(&next));
            assert!(told(&next).contains("it is kept as r.recovered.h5"), "{}", told(&next));
            assert_eq!(rows(&liwatch(at, &["tail", "r.h5"])).len(), 200, "the new run");
            at.join("r.recovered.h5")
        };
        let kept = kept.to_string_lossy().into_owned();
        let found = rows(&liwatch(at, &["tail", &kept, "--from", "3"]));
        assert!(found.len() >= seen.len(), "{} of {} rows are kept", found.len(), seen.len());
        std::fs::remove_file(&kept).expect("the run file is there");
    }
}

#[test]
fn what_cannot_be_recovered_or_followed_is_told() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    std::fs::write(at.join("text.h5"), "no HDF5").expect("a file can be written");
    std::fs::write(at.join("bad.h5.journal"), "no journal").expect("a file can be written");
    let cases: [(&[&str], i32, &str); 7] = [
        (&["recover", "none.h5"], 1, "neither this file nor its journal none.h5.journal"),
        (&["recover", "text.h5"], 1, "cannot be opened as HDF5"),
        (&["recover", "bad.h5"], 1, "description of the run"),
        (&["recover"], 2, "RUN"),
        (&["tail", "https://microscope:6941/"], 2, "http and nothing else"),
        (&["tail", "none.h5"], 1, "none.h5"),
        (&["replay", "m.npy", "--out", "bad.h5"], 1, "give another name"),
    ];
    for (arguments, status, words) in cases {
        let output = liwatch(at, arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains(words), "{arguments:?} told: {}", told(&output));
    }
    assert!(at.join("bad.h5.journal").exists(), "a journal that cannot be read is kept");
}

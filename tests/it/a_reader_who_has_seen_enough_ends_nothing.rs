//! `liwatch report run.h5 | head -1`: whoever reads stdout may close it, and the command neither
//! panics nor fails.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a command whose output is closed before it comes; its exit status and stderr.
fn unread(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_liwatch"))
        .current_dir(folder)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("liwatch starts");
    drop(process.stdout.take());
    let mut told = String::new();
    let stderr = process.stderr.as_mut().expect("stderr is a pipe");
    stderr.read_to_string(&mut told).expect("stderr is text");
    (process.wait().expect("it ends").code(), told)
}

#[test]
fn on_any_command() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for arguments in [
        &["simulate", "--out", "m.npy", "--frames", "12", "--size", "192"][..],
        &["replay", "m.npy", "--config", "m.toml", "--out", "r.h5"],
        &["report", "r.h5"],
        &["report", "r.h5", "--json"],
        &["inspect", "m.npy"],
        &["check", "m.toml"],
        &["completions", "bash"],
    ] {
        let (status, told) = unread(folder.path(), arguments);
        assert_eq!(status, Some(0), "{arguments:?}: {told}");
        assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    }
    assert!(folder.path().join("r.png").exists(), "the picture was not drawn");
}

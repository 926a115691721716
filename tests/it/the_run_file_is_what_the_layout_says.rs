//! A run file opened with h5py, and checked path by path against the layout and NeXus' rules.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python that has h5py; nothing when `make test-python` has not been run (an error in CI).
pub fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-python/bin/python");
    let python = std::env::var_os("LIWATCH_TEST_PYTHON").map_or(own, PathBuf::from);
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing in CI", python.display());
    println!("SKIPPED: {} is absent; run: make test-python", python.display());
    None
}

#[test]
fn h5py_finds_everything_and_nexus_rules_hold() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder for the test");
    let liwatch = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_liwatch"))
            .current_dir(folder.path())
            .args(arguments)
            .output()
            .expect("liwatch starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "liwatch {arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    liwatch(&["simulate", "--out", "cell.npy", "--frames", "60", "--size", "384", "--json"]);
    let told = liwatch(&[
        "replay",
        "cell.npy",
        "--config",
        "cell.toml",
        "--cell",
        "cell.cell.csv",
        "--out",
        "run.h5",
        "--json",
    ]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("stdout is one JSON object");
    assert_eq!(told["frames"]["received"], 60, "{told:#}");
    assert!(folder.path().join("run.png").exists(), "no picture");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/check_run_file.py");
    let output = Command::new(python)
        .arg(script)
        .arg(folder.path().join("run.h5"))
        .output()
        .expect("python starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "h5py found:\n{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

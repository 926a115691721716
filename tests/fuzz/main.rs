//! Every input that is kept goes through its fuzz target: without a panic, without memory out of
//! proportion, and within a second. A binary of its own, because the heap of the whole process is
//! watched.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "src/lib.rs"]
mod liwatch_fuzz;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(1);

#[test]
fn every_kept_input_is_survived_in_little_memory_and_time() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for folder in files(&corpus) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let known = liwatch_fuzz::TARGETS.iter().any(|target| target.name == name);
        assert!(known, "{} belongs to no target", folder.display());
    }
    let (mut number, mut failed) = (0, Vec::new());
    for target in &liwatch_fuzz::TARGETS {
        let inputs = files(&corpus.join(target.name));
        assert!(!inputs.is_empty(), "no input is kept for {}", target.name);
        for path in &inputs {
            let bytes = std::fs::read(path).expect("the input is readable");
            failed.extend(problem(target.name, &bytes).map(|what| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                format!("{}/{name}: {what}", target.name)
            }));
            number += 1;
        }
    }
    let _ = std::fs::remove_dir_all(liwatch_fuzz::scratch());
    assert!(failed.is_empty(), "of {number} inputs fail:\n{}", failed.join("\n"));
}

/// What is wrong with how an input is taken.
fn problem(target: &str, bytes: &[u8]) -> Option<String> {
    let run = || {
        let start = Instant::now();
        let done = std::panic::catch_unwind(|| liwatch_fuzz::check(target, bytes));
        done.map(|()| start.elapsed()).map_err(|_| "it panics (see above)".to_owned())
    };
    match run() {
        Err(told) => Some(told),
        // When it took too long, another program may have had the processor.
        Ok(took) if took > LONGEST => {
            let took = run().map_or(took, |again| again.min(took));
            (took > LONGEST).then(|| format!("it takes {took:?}"))
        }
        Ok(_) => None,
    }
}

/// What is in a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder is readable").path()).collect();
    paths.sort();
    paths
}

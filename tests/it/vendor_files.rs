//! The folder of real data, and what an independent reader saw in the vendors' files.

use std::path::PathBuf;

use liwatch::format::Recording;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The folder of real data, or nothing, with a visible line, where it is absent.
pub fn data_root() -> Option<PathBuf> {
    let root = std::env::var_os("LIWATCH_TEST_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    if root.is_dir() {
        return Some(root);
    }
    eprintln!("SKIPPED: no real data at {}; set LIWATCH_TEST_DATA", root.display());
    None
}

/// One file of `formats/expected.json`.
#[derive(Deserialize)]
pub struct ExpectedFile {
    pub file: String,
    #[serde(rename = "rosettasciio", default)]
    pub signals: serde_json::Value,
}

/// One image, stack or spectrum of a file.
#[derive(Deserialize)]
pub struct Signal {
    pub shape: Vec<usize>,
    pub dtype: serde_json::Value,
    pub sha256_16: String,
    pub axes: Vec<Axis>,
}

#[derive(Deserialize)]
pub struct Axis {
    pub scale: serde_json::Value,
    pub units: Option<String>,
}

impl ExpectedFile {
    pub fn signals(&self) -> Vec<Signal> {
        serde_json::from_value(self.signals.clone()).unwrap_or_default()
    }
}

/// The files of the list whose path begins with one of the folders.
pub fn expected(folders: &[&str]) -> Option<(PathBuf, Vec<ExpectedFile>)> {
    let root = data_root()?;
    let list = std::fs::read(root.join("formats/expected.json")).expect("the list of files");
    let mut list: Vec<ExpectedFile> = serde_json::from_slice(&list).expect("a list of files");
    list.retain(|entry| folders.iter().any(|folder| entry.file.starts_with(folder)));
    Some((root, list))
}

/// The first 16 digits of the SHA-256 of all frames one after the other, little endian.
pub fn hash_frames(recording: &dyn Recording) -> String {
    let (mut hash, mut scratch) = (Sha256::new(), Vec::new());
    let size = recording.info().pixel_type.size();
    for index in 0..recording.info().frames {
        let frame = recording.read(index, &mut scratch).expect("a frame of a sound file");
        if cfg!(target_endian = "big") {
            for sample in frame.chunks_exact(size) {
                hash.update(sample.iter().rev().copied().collect::<Vec<u8>>());
            }
        } else {
            hash.update(frame);
        }
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

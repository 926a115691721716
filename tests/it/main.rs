//! All scenes in one harness: each module is named as the sentence that it proves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod a_tiff_of_every_kind_gives_the_same_pixels;
mod broken_recordings_give_clear_errors;
mod every_vendor_file_reads_as_an_independent_reader_saw_it;
mod numbered_folders_are_recordings;
mod tiff_writer;

use std::path::{Path, PathBuf};

/// A folder of the shared test data, or nothing after a visible line that says so.
fn test_data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LIWATCH_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = root.join(folder);
    if !path.is_dir() {
        println!("SKIPPED: {} is absent (set LIWATCH_TEST_DATA)", path.display());
        return None;
    }
    Some(path)
}

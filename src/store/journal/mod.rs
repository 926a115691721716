//! The journal: what the run is, every row, every alarm and the closing ledger, appended to one
//! file before anything else happens with them. The run file (HDF5) is built from it.
//!
//! ```text
//! file   = magic "LIWATCHJ" · version u32 · record*                    all numbers little-endian
//! record = marker u32 · length u32 · sequence u64 · kind u8 · 0 0 0 · checksum u32 · payload
//! ```
//!
//! The checksum (CRC-32) covers header and payload. `sequence` counts the records, so that a
//! reader knows how many are gone after damage; the marker lets it find the next one. A
//! [`Kind::Mark`] is written after each fsync that has returned: every record before a mark is
//! *acknowledged*, which means that it survives a crash of the program and of the machine.

mod codec;
mod plan;
mod reader;
mod record;
mod writer;

pub use codec::{
    Close, Content, DecodeError, Mark, cell_blocks, decode, encode_alarm, encode_close,
    encode_left_out, encode_row, encode_shedding,
};
pub use plan::encode_plan;
pub use reader::{Damage, End, Item, Reader};
pub use record::{Header, Kind};
pub use writer::{Disk, FileDisk, Pending, Writer, sync_folder};

use std::path::{Path, PathBuf};

/// The first bytes of a journal.
const MAGIC: [u8; 8] = *b"LIWATCHJ";
/// The layout of file and records; payloads grow by fields without a new version.
const VERSION: u32 = 1;
/// Bytes before the first record.
const FILE_HEADER: u64 = 12;

/// Where the journal of a run file lies: `RUN.h5.journal`.
pub fn path_of(run: &Path) -> PathBuf {
    let mut name = run.as_os_str().to_owned();
    name.push(".journal");
    PathBuf::from(name)
}

/// Where the journal of a complete run is kept, when it is: `RUN.h5.journal.kept`.
pub fn kept_path_of(run: &Path) -> PathBuf {
    let mut name = path_of(run).into_os_string();
    name.push(".kept");
    PathBuf::from(name)
}

/// True when these are the first bytes of a journal whose writer was stopped before it had written
/// its first record whole: nothing was ever acknowledged in it.
pub fn is_unfinished_start(bytes: &[u8]) -> bool {
    let head = file_header();
    if bytes.iter().all(|byte| *byte == 0) {
        return true;
    }
    match bytes.split_at_checked(head.len()) {
        None => head.starts_with(bytes),
        Some((start, first)) => {
            start == head && matches!(record::parse(first), record::Parsed::Needs(_))
        }
    }
}

/// The bytes before the first record.
fn file_header() -> [u8; FILE_HEADER as usize] {
    let mut header = [0; FILE_HEADER as usize];
    header[..8].copy_from_slice(&MAGIC);
    header[8..].copy_from_slice(&VERSION.to_le_bytes());
    header
}

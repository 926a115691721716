//! The journal: as any bytes, as records whose checksums are right (which no fuzzer finds by
//! itself), and as the run that is recovered from them.

use std::io::{self, Cursor};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use liwatch::store::journal::{
    self, Content, Disk, End, Item, Kind, Pending, Reader, Writer, decode,
};
use liwatch::store::{self, RunSummary};

use super::assert_readable;
use super::recordings::{scratch, write};

const KINDS: [Kind; 7] =
    [Kind::Plan, Kind::Cell, Kind::Row, Kind::Alarm, Kind::Close, Kind::Mark, Kind::Shedding];

/// The bytes as the file.
pub fn file(bytes: &[u8]) {
    for end in [End::Final, End::At(bytes.len() as u64 / 2)] {
        read(bytes, end);
    }
    let _ = journal::is_unfinished_start(bytes);
}

/// The bytes as payloads: kind, length in two bytes, payload, and so on. What was written must be
/// what is read.
pub fn records(bytes: &[u8]) {
    let pending = payloads(bytes);
    let found = read(&written(&pending), End::Final);
    let expected: Vec<_> =
        pending.into_iter().map(|record| (record.kind, record.payload)).collect();
    assert!(found == expected, "{} records were written, {} read", expected.len(), found.len());
}

/// The same as the journal of a run that was killed, which is recovered and looked at.
pub fn recover(bytes: &[u8]) {
    let run = scratch().join("run.h5");
    let _ = std::fs::remove_file(&run);
    let _ = std::fs::remove_file(journal::kept_path_of(&run));
    write(&journal::path_of(&run), &written(&payloads(bytes)));
    match store::recover(&run) {
        Ok(recovery) => {
            assert!(recovery.frames.balances(), "{:?}", recovery.frames);
            if let Ok(summary) = RunSummary::read(&run) {
                assert_eq!(summary.fate.len(), summary.time_s.len(), "rows of the run file");
            }
        }
        Err(error) => assert_readable(&error.to_string()),
    }
}

fn payloads(bytes: &[u8]) -> Vec<Pending> {
    let (mut rest, mut out) = (bytes, Vec::new());
    while let [kind, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (payload, next) = after.split_at(length);
        let kind = KINDS[usize::from(*kind) % KINDS.len()];
        // Marks are the writer's own.
        if kind != Kind::Mark {
            out.push(Pending { kind, payload: payload.to_vec() });
        }
        rest = next;
    }
    out
}

/// The file that the writer makes of the records.
fn written(records: &[Pending]) -> Vec<u8> {
    let disk = Memory::default();
    let mut writer = Writer::new(Box::new(disk.clone()));
    records.iter().for_each(|record| writer.push(record));
    writer.write().and_then(|()| writer.sync()).expect("memory takes all");
    disk.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// All sound records but marks, each decoded as far as it can be.
fn read(bytes: &[u8], end: End) -> Vec<(Kind, Vec<u8>)> {
    let mut plan = None;
    let mut found = Vec::new();
    let reader = Reader::new(Cursor::new(bytes), Path::new("journal"), end);
    let mut reader = reader.expect("memory can be read");
    let mut before = 0;
    loop {
        match reader.next_item() {
            Ok(Some(Item::Record { header, payload })) => {
                let Some(kind) = header.kind else { continue };
                match decode(kind, payload, plan.as_ref()) {
                    Ok(Content::Plan(read)) => plan = Some(*read),
                    Ok(_) => {}
                    Err(error) => told(&error.to_string()),
                }
                if kind != Kind::Mark {
                    found.push((kind, payload.to_vec()));
                }
            }
            Ok(Some(Item::Damage(damage))) => assert_readable(&damage.to_string()),
            Ok(None) => break,
            Err(error) => {
                assert_readable(&error.to_string());
                break;
            }
        }
        assert!(reader.offset() >= before, "the reader goes back");
        before = reader.offset();
    }
    assert!(before <= bytes.len() as u64, "the reader is beyond the end");
    found
}

/// A plan that is no TOML is told with its lines.
fn told(error: &str) {
    error.lines().for_each(assert_readable);
}

/// A disk in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Disk for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).truncate(length as usize);
        Ok(())
    }
}

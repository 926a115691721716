//! Appending records, and bringing them to the disk.
//!
//! Records are kept in memory until an fsync that covers them has returned. After a write that
//! failed (a full disk) the file is cut back to the last whole record. After an fsync that failed it
//! is cut back to what is known to be on the disk, and everything since is written again: nobody
//! knows which pages arrived, and a second fsync would say that all is well.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::codec::{Mark, encode_mark};
use super::file_header;
use super::record::{self, Kind};

/// What the journal is written to: a file, or in tests a disk that stalls, fills or loses power.
pub trait Disk: Send {
    /// Writes all bytes at the end.
    ///
    /// # Errors
    /// Of the operating system; some of the bytes may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything appended survives a loss of power.
    ///
    /// # Errors
    /// Of the operating system; nobody knows then what has arrived.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to its first `length` bytes; the next append goes there.
    ///
    /// # Errors
    /// Of the operating system.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// A journal's file. Whoever holds it has the lock on it.
pub struct FileDisk(File);

impl FileDisk {
    /// Creates the file, which must not exist, locks it, and makes sure that its name is on the
    /// disk.
    ///
    /// # Errors
    /// Of the operating system; [`io::ErrorKind::AlreadyExists`] when there is a journal.
    pub fn create(path: &Path) -> io::Result<FileDisk> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        // Followers hold it for an instant. A file system without locks is written without.
        let _ = file.lock();
        sync_folder(path)?;
        Ok(FileDisk(file))
    }
}

/// About what one write holds.
const BLOCK_BYTES: usize = 4 << 20;

/// Makes a file's name (new, changed or removed) survive a loss of power.
///
/// # Errors
/// Of the operating system.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

impl Disk for FileDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)?;
        self.0.seek(SeekFrom::Start(length)).map(|_| ())
    }
}

/// A payload on its way to the journal.
#[derive(Clone, Debug)]
pub struct Pending {
    pub kind: Kind,
    pub payload: Vec<u8>,
}

/// Writes a journal; see the module for what it promises.
pub struct Writer {
    disk: Box<dyn Disk>,
    /// Of the next record.
    sequence: u64,
    /// Bytes of the file that are known to be on the disk.
    acknowledged: u64,
    acknowledged_rows: u64,
    /// Records after `acknowledged`, in order; the first `written` of them are in the file.
    kept: VecDeque<Kept>,
    written: usize,
    /// Bytes of `kept`.
    kept_bytes: usize,
    /// Where the file must be cut before the next try, because nobody knows what follows.
    torn: Option<u64>,
    /// Bytes of one write.
    block: Vec<u8>,
}

struct Kept {
    kind: Kind,
    bytes: Vec<u8>,
}

impl Writer {
    /// Begins a journal on an empty disk. Nothing is written yet.
    pub fn new(disk: Box<dyn Disk>) -> Writer {
        let mut writer = Writer {
            disk,
            sequence: 0,
            acknowledged: 0,
            acknowledged_rows: 0,
            kept: VecDeque::new(),
            written: 0,
            kept_bytes: 0,
            torn: None,
            block: Vec::new(),
        };
        // The file's header travels as if it were a record.
        let header = file_header().to_vec();
        writer.kept_bytes = header.len();
        writer.kept.push_back(Kept { kind: Kind::Plan, bytes: header });
        writer
    }

    /// Takes a record; it is in memory alone until [`write`](Self::write).
    pub fn push(&mut self, pending: &Pending) {
        self.keep(pending.kind, &pending.payload);
    }

    fn keep(&mut self, kind: Kind, payload: &[u8]) {
        let mut bytes = Vec::with_capacity(record::HEADER + payload.len());
        record::frame(kind, self.sequence, payload, &mut bytes);
        self.sequence += 1;
        self.kept_bytes += bytes.len();
        self.kept.push_back(Kept { kind, bytes });
    }

    /// Writes what is kept and not in the file yet.
    ///
    /// # Errors
    /// Of the disk; everything is kept for the next try.
    pub fn write(&mut self) -> io::Result<()> {
        if let Some(length) = self.torn {
            self.disk.cut(length)?;
            self.torn = None;
        }
        while self.written < self.kept.len() {
            self.block.clear();
            let mut end = self.written;
            while end < self.kept.len() && self.block.len() < BLOCK_BYTES {
                self.block.extend_from_slice(&self.kept[end].bytes);
                end += 1;
            }
            if let Err(error) = self.disk.append(&self.block) {
                self.torn = Some(self.acknowledged + self.bytes_of(self.written));
                return Err(error);
            }
            self.written = end;
        }
        Ok(())
    }

    /// Cuts off a record that was not written whole, before the file is left.
    pub fn cut_torn_end(&mut self) {
        if let Some(length) = self.torn.take() {
            // A reader passes over it as well.
            let _ = self.disk.cut(length);
        }
    }

    fn bytes_of(&self, records: usize) -> u64 {
        self.kept.iter().take(records).map(|kept| kept.bytes.len() as u64).sum()
    }

    /// Brings what was written to the disk, and marks it as acknowledged.
    ///
    /// # Errors
    /// Of the disk; everything since the last success is kept for the next try.
    pub fn sync(&mut self) -> io::Result<()> {
        if let Err(error) = self.disk.sync() {
            self.torn = Some(self.acknowledged);
            self.written = 0;
            return Err(error);
        }
        let mut anything = false;
        for kept in self.kept.drain(..self.written) {
            self.acknowledged += kept.bytes.len() as u64;
            self.kept_bytes -= kept.bytes.len();
            self.acknowledged_rows += u64::from(kept.kind == Kind::Row);
            anything |= kept.kind != Kind::Mark;
        }
        self.written = 0;
        if anything {
            self.keep(Kind::Mark, &encode_mark(Mark { rows: self.acknowledged_rows }));
            // A mark that finds no room is written with the next records.
            let _ = self.write();
        }
        Ok(())
    }

    /// True when records wait for an fsync.
    pub fn is_dirty(&self) -> bool {
        self.kept.iter().any(|kept| kept.kind != Kind::Mark)
    }

    /// Bytes of the file that are acknowledged: a reader may rely on them, they never change.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Rows that are acknowledged.
    pub fn acknowledged_rows(&self) -> u64 {
        self.acknowledged_rows
    }

    /// Memory that records take which are not acknowledged, bytes.
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Rows and alarms that are not acknowledged.
    pub fn kept_events(&self) -> u64 {
        self.kept.iter().filter(|kept| matches!(kept.kind, Kind::Row | Kind::Alarm)).count() as u64
    }
}

//! Reading a journal from its start, over damage: a record whose checksum is wrong is never given
//! out, the next sound one is looked for, and what was passed over is told with its place.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::record::{self, HEADER, Header, Parsed};
use super::{FILE_HEADER, MAGIC, VERSION};

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// What the end of the file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The writer is gone: an unfinished record at the end is torn.
    Final,
    /// The writer goes on: an unfinished record at the end is yet to come. Records beyond this
    /// byte are not looked at.
    At(u64),
}

/// The next thing in a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    Record { header: Header, payload: &'a [u8] },
    Damage(Damage),
}

/// Bytes that are no sound record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    /// Where they begin in the file.
    pub offset: u64,
    pub bytes: u64,
    /// Records that stood there, told by the numbers of their neighbours; nothing at the end of
    /// the file, where no neighbour follows.
    pub records: Option<u64>,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Damage { offset, bytes, records } = self;
        match records {
            Some(1) => write!(f, "1 record lost in {bytes} bytes from byte {offset} on"),
            Some(n) => write!(f, "{n} records lost in {bytes} bytes from byte {offset} on"),
            None => {
                write!(f, "{bytes} bytes at the end, from byte {offset} on, are no whole record")
            }
        }
    }
}

/// Reads the records of one file in order.
pub struct Reader<R = File> {
    input: R,
    path: PathBuf,
    end: End,
    /// Bytes of the file from `base` on.
    buffer: Vec<u8>,
    base: u64,
    /// The place in the buffer of the next record.
    at: usize,
    /// The file's header has been read.
    begun: bool,
    /// The layout that it names, when it is another; damage until no record is found.
    other_layout: Option<u32>,
    /// The number that the next record should have.
    expected: u64,
    /// Where the present damage began, in the file.
    damaged_from: Option<u64>,
}

impl Reader<File> {
    /// Opens a journal.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn open(path: &Path, end: End) -> io::Result<Reader> {
        Reader::new(File::open(path)?, path, end)
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Reads from any input; `path` is for messages.
    ///
    /// # Errors
    /// As for [`open`](Reader::open).
    pub fn new(input: R, path: &Path, end: End) -> io::Result<Reader<R>> {
        let mut reader = Reader {
            input,
            path: path.to_owned(),
            end,
            buffer: Vec::new(),
            base: 0,
            at: 0,
            begun: false,
            other_layout: None,
            expected: 0,
            damaged_from: None,
        };
        reader.input.seek(SeekFrom::Start(0))?;
        Ok(reader)
    }

    /// Reads the file's header; false while it is yet to come. A damaged header is told as damage;
    /// the records behind it are sound by themselves.
    fn skip_file_header(&mut self) -> io::Result<bool> {
        let wanted = FILE_HEADER as usize;
        while self.buffer.len() < wanted && self.fill()? {}
        let Some(head) = self.buffer.get(..wanted) else { return Ok(self.end == End::Final) };
        let (magic, version) = head.split_at(MAGIC.len());
        let version = version.iter().rev().fold(0u32, |all, byte| all << 8 | u32::from(*byte));
        if magic == MAGIC && version == VERSION {
            self.at = wanted;
        } else if magic == MAGIC {
            self.other_layout = Some(version);
        }
        Ok(true)
    }

    /// Where the end is from now on.
    pub fn read_to(&mut self, end: End) {
        self.end = end;
    }

    /// Where the next record begins in the file.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The next record or damage; nothing at the end.
    ///
    /// # Errors
    /// Of the operating system; [`io::ErrorKind::InvalidData`] for a journal of a later layout.
    pub fn next_item(&mut self) -> io::Result<Option<Item<'_>>> {
        if !self.begun {
            if !self.skip_file_header()? {
                return Ok(None);
            }
            self.begun = true;
        }
        let header = loop {
            if self.at == self.buffer.len() && !self.fill()? {
                return self.final_damage();
            }
            match record::parse(&self.buffer[self.at..]) {
                // A record that stood here before a cut, or twice.
                Parsed::Record(header) if header.sequence < self.expected => self.damaged(),
                Parsed::Record(header) => break header,
                Parsed::Needs(bytes) => {
                    let missing = self.at + bytes - self.buffer.len();
                    if self.at_end_by(missing)? {
                        if matches!(self.end, End::At(_)) && self.damaged_from.is_none() {
                            return Ok(None);
                        }
                        self.damaged();
                    }
                }
                Parsed::Damaged => self.damaged(),
            }
        };
        if let Some(from) = self.damaged_from.take() {
            let bytes = self.offset() - from;
            let records = header.sequence.checked_sub(self.expected);
            self.expected = header.sequence;
            return Ok(Some(Item::Damage(Damage { offset: from, bytes, records })));
        }
        if header.sequence > self.expected {
            let records = Some(header.sequence - self.expected);
            self.expected = header.sequence;
            return Ok(Some(Item::Damage(Damage { offset: self.offset(), bytes: 0, records })));
        }
        self.expected = header.sequence + 1;
        let start = self.at + HEADER;
        self.at = start + header.length as usize;
        Ok(Some(Item::Record { header, payload: &self.buffer[start..self.at] }))
    }

    /// Goes on at the next place where a record may begin.
    fn damaged(&mut self) {
        self.damaged_from.get_or_insert(self.base + self.at as u64);
        self.at = record::next_marker(&self.buffer, self.at + 1);
    }

    fn final_damage(&mut self) -> io::Result<Option<Item<'static>>> {
        let Some(from) = self.damaged_from.take() else { return Ok(None) };
        if let (Some(layout), 0) = (self.other_layout, self.expected) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{}: the journal has layout {layout}, but this program reads {VERSION}; use \
                     the version of liwatch that wrote it",
                    self.path.display()
                ),
            ));
        }
        let bytes = self.offset() - from;
        Ok(Some(Item::Damage(Damage { offset: from, bytes, records: None })))
    }

    /// Reads on until `missing` more bytes are there; true when the end comes before.
    fn at_end_by(&mut self, missing: usize) -> io::Result<bool> {
        let wanted = self.buffer.len() - self.at + missing;
        while self.buffer.len() - self.at < wanted {
            if !self.fill()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at >= CHUNK {
            self.buffer.drain(..self.at);
            self.base += self.at as u64;
            self.at = 0;
        }
        let have = self.buffer.len();
        let room = match self.end {
            End::Final => CHUNK as u64,
            End::At(end) => end.saturating_sub(self.base + have as u64).min(CHUNK as u64),
        };
        let read = self.input.by_ref().take(room).read_to_end(&mut self.buffer)?;
        Ok(read > 0)
    }
}

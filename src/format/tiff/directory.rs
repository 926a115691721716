//! TIFF's image file directories: the header, the chain of directories, and the values of tags.
//!
//! Format: TIFF 6.0 (Adobe, 1992) and BigTIFF. The chain is walked once; each step reads the
//! number of entries and the offset of the next directory, so opening costs one small read for
//! each page, however large the pages are.

use std::collections::HashSet;

use crate::format::FormatError;
use crate::format::bytes::{Endian, FileBytes};

/// Byte order, kind and the first directory's offset.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub endian: Endian,
    pub big: bool,
    pub first: u64,
}

impl Header {
    /// Reads the header.
    ///
    /// # Errors
    /// [`FormatError`] when it is not TIFF's.
    pub fn read(file: &FileBytes) -> Result<Self, FormatError> {
        const WHAT: &str = "the TIFF header";
        let endian = match file.slice(0, 2, WHAT)? {
            b"II" => Endian::Little,
            b"MM" => Endian::Big,
            _ => return Err(file.malformed(0, "begins with neither II nor MM; this is no TIFF")),
        };
        let (big, first) = match file.u16(2, endian, WHAT)? {
            42 => (false, u64::from(file.u32(4, endian, WHAT)?)),
            43 if file.u16(4, endian, WHAT)? == 8 => (true, file.u64(8, endian, WHAT)?),
            version => {
                return Err(file.malformed(2, format!("TIFF version {version} is not 42 or 43")));
            }
        };
        Ok(Header { endian, big, first })
    }

    /// Bytes of the number of entries, of one entry, and of an offset.
    fn sizes(&self) -> (u64, u64, u64) {
        if self.big { (8, 20, 8) } else { (2, 12, 4) }
    }

    fn count(&self, file: &FileBytes, at: u64) -> Result<u64, FormatError> {
        const WHAT: &str = "an image directory";
        if self.big {
            file.u64(at, self.endian, WHAT)
        } else {
            file.u16(at, self.endian, WHAT).map(u64::from)
        }
    }

    fn offset(&self, file: &FileBytes, at: u64) -> Result<u64, FormatError> {
        const WHAT: &str = "the offset of an image directory";
        if self.big {
            file.u64(at, self.endian, WHAT)
        } else {
            file.u32(at, self.endian, WHAT).map(u64::from)
        }
    }
}

/// The offsets of all directories, and what broke the chain, if something did.
#[derive(Debug)]
pub struct Chain {
    pub offsets: Vec<u64>,
    pub broken: Option<FormatError>,
}

/// Walks the chain of directories once, with loops and overlaps detected.
pub fn walk(file: &FileBytes, header: &Header) -> Chain {
    let mut offsets = Vec::new();
    let mut seen = HashSet::new();
    let mut directory_bytes = 0_u64;
    let mut at = header.first;
    let mut came_from = 0;
    while at != 0 {
        if !seen.insert(at) {
            let what = format!("the chain of image directories returns to byte {at}: a loop");
            return Chain { offsets, broken: Some(file.malformed(came_from, what)) };
        }
        match step(file, header, at) {
            Ok((bytes, next)) => {
                directory_bytes = directory_bytes.saturating_add(bytes);
                if directory_bytes > file.length() {
                    let what = "the image directories overlap one another";
                    return Chain { offsets, broken: Some(file.malformed(at, what)) };
                }
                offsets.push(at);
                (came_from, at) = (at, next);
            }
            Err(error) => return Chain { offsets, broken: Some(error) },
        }
    }
    Chain { offsets, broken: None }
}

/// The size of the directory at `at`, and the offset of the next.
fn step(file: &FileBytes, header: &Header, at: u64) -> Result<(u64, u64), FormatError> {
    let (count_bytes, entry_bytes, offset_bytes) = header.sizes();
    let overflow = || file.malformed(at, "an image directory of impossible size");
    let entries = header.count(file, at)?;
    let bytes = entries
        .checked_mul(entry_bytes)
        .and_then(|b| b.checked_add(count_bytes + offset_bytes))
        .ok_or_else(overflow)?;
    let next_at = at.checked_add(bytes - offset_bytes).ok_or_else(overflow)?;
    match header.offset(file, next_at) {
        Ok(next) => Ok((bytes, next)),
        // Some writers leave the last directory's link out; its entries are whole.
        Err(_) if next_at == file.length() => Ok((bytes, 0)),
        Err(error) => Err(error),
    }
}

/// One tag: its type, how many values, and where they lie.
#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    value_at: u64,
}

/// One directory: the tags of one page.
pub struct Directory<'a> {
    file: &'a FileBytes,
    endian: Endian,
    pub offset: u64,
    entries: Vec<Entry>,
}

impl<'a> Directory<'a> {
    /// Reads the entries of the directory at `offset`.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] when the file ends within it.
    pub fn read(file: &'a FileBytes, header: &Header, offset: u64) -> Result<Self, FormatError> {
        const WHAT: &str = "an image directory";
        let (count_bytes, entry_bytes, offset_bytes) = header.sizes();
        let endian = header.endian;
        let count = header.count(file, offset)?;
        let bytes = count.saturating_mul(entry_bytes);
        // One bounds check for all entries: what follows cannot overflow.
        file.slice(offset.saturating_add(count_bytes), bytes, WHAT)?;
        let mut entries = Vec::new();
        for i in 0..count {
            let at = offset + count_bytes + i * entry_bytes;
            let (tag, kind) = (file.u16(at, endian, WHAT)?, file.u16(at + 2, endian, WHAT)?);
            let count = header.offset(file, at + 4)?;
            let inline_at = at + 4 + offset_bytes;
            let inline = count.saturating_mul(size_of_kind(kind)) <= offset_bytes;
            let value_at = if inline { inline_at } else { header.offset(file, inline_at)? };
            entries.push(Entry { tag, kind, count, value_at });
        }
        Ok(Directory { file, endian, offset, entries })
    }

    /// The file that the directory stands in.
    pub fn file(&self) -> &'a FileBytes {
        self.file
    }

    fn find(&self, tag: u16) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.tag == tag).copied()
    }

    /// A tag that claims more values than the file has bytes, which no sound one does.
    pub fn oversized(&self) -> Option<u16> {
        let entry = self.entries.iter().find(|entry| entry.count > self.file.length());
        entry.map(|entry| entry.tag)
    }

    /// Where the values of `tag` lie.
    pub fn value_at(&self, tag: u16) -> Option<u64> {
        Some(self.find(tag)?.value_at)
    }

    /// The first value of `tag` as a whole number.
    ///
    /// # Errors
    /// [`FormatError`] when the tag is there but is not a whole number, or lies past the end.
    pub fn uint(&self, tag: u16) -> Result<Option<u64>, FormatError> {
        Ok(self.uints(tag, 1)?.and_then(|values| values.first().copied()))
    }

    /// Up to `limit` values of `tag` as whole numbers.
    ///
    /// # Errors
    /// As for [`uint`](Self::uint).
    pub fn uints(&self, tag: u16, limit: u64) -> Result<Option<Vec<u64>>, FormatError> {
        let Some(entry) = self.find(tag) else { return Ok(None) };
        let size = size_of_kind(entry.kind);
        if !matches!(entry.kind, 1 | 3 | 4 | 13 | 16 | 18) {
            let what = format!("tag {tag} has type {}, not a whole number", entry.kind);
            return Err(self.file.malformed(self.offset, what));
        }
        let wanted = entry.count.min(limit);
        let bytes = self.file.slice(entry.value_at, wanted.saturating_mul(size), &name(tag))?;
        let values = bytes.chunks_exact(size as usize).map(|value| self.number(value));
        Ok(Some(values.collect()))
    }

    fn number(&self, bytes: &[u8]) -> u64 {
        let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match self.endian {
            Endian::Big => bytes.iter().fold(0, append),
            Endian::Little => bytes.iter().rev().fold(0, append),
        }
    }

    /// The first value of `tag` as a real number: integers, rationals and floats. `None` where it
    /// is absent, broken or not finite: reals are only used for calibration, never for pixels.
    pub fn real(&self, tag: u16) -> Option<f64> {
        let entry = self.find(tag)?;
        let (at, endian, what) = (entry.value_at, self.endian, "a tag");
        let value = match entry.kind {
            1 | 3 | 4 | 16 => self.uint(tag).ok()?? as f64,
            9 => f64::from(self.file.i32(at, endian, what).ok()?),
            5 => {
                let upper = f64::from(self.file.u32(at, endian, what).ok()?);
                upper / f64::from(self.file.u32(at + 4, endian, what).ok()?)
            }
            11 => f64::from(self.file.f32(at, endian, what).ok()?),
            12 => self.file.f64(at, endian, what).ok()?,
            _ => return None,
        };
        value.is_finite().then_some(value)
    }

    /// The bytes of `tag`, whatever their type; `None` where it is absent or lies past the end.
    pub fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.find(tag)?;
        let length = entry.count.checked_mul(size_of_kind(entry.kind))?;
        self.file.slice(entry.value_at, length, "a tag").ok()
    }

    /// The text of `tag` up to its first zero: UTF-8, or else Latin-1.
    pub fn text(&self, tag: u16) -> Option<String> {
        let bytes = self.bytes(tag)?;
        let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        })
    }
}

/// Bytes of one value of a TIFF type; unknown types are read as bytes.
fn size_of_kind(kind: u16) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 1,
    }
}

fn name(tag: u16) -> String {
    format!("tag {tag}")
}

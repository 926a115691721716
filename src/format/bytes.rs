//! A recording's bytes: the file mapped into memory, read with bounds and byte order checked.
//!
//! Nothing here loads a file. A pixel that is asked for is paged in by the kernel, and pages that
//! were handed out long ago are given back, so that a 40 GB stack does not fill the memory that
//! the process is seen to hold. Every reader answers [`FormatError::Truncated`] with the offset
//! instead of reading past the end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;

use super::FormatError;

/// How many bytes of frames are handed out before the map's resident pages are given back.
const RESIDENT_BYTES: u64 = 64 << 20;

/// The order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    Little,
    Big,
}

impl Endian {
    /// The order of the machine that runs this.
    pub const NATIVE: Endian =
        if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };

    /// Turns samples of `size` bytes from this order to the machine's, in place.
    pub fn to_native(self, samples: &mut [u8], size: usize) {
        if self != Endian::NATIVE && size > 1 {
            for sample in samples.chunks_exact_mut(size) {
                sample.reverse();
            }
        }
    }
}

/// A file mapped into memory, read-only.
pub struct FileBytes {
    path: PathBuf,
    map: Mmap,
    handed_out: AtomicU64,
}

impl FileBytes {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// [`FormatError::Io`] when the file cannot be opened or mapped.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let io = |source| FormatError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        // SAFETY: the map is read-only and private to this value. A recording is written once;
        // whoever truncates one while it is read ends the process by SIGBUS, as with every
        // program that maps files, but no write of ours can reach the mapped memory.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(FileBytes { path: path.to_owned(), map, handed_out: AtomicU64::new(0) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's length in bytes.
    pub fn length(&self) -> u64 {
        self.map.len() as u64
    }

    /// The whole file; nothing is read until it is looked at.
    pub fn all(&self) -> &[u8] {
        &self.map
    }

    /// `length` bytes from `offset`; `what` they are, for the message.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] when the file ends before.
    pub fn slice(&self, offset: u64, length: u64, what: &str) -> Result<&[u8], FormatError> {
        let end = offset.checked_add(length);
        let range =
            end.and_then(|end| Some(usize::try_from(offset).ok()?..usize::try_from(end).ok()?));
        range.and_then(|range| self.map.get(range)).ok_or_else(|| FormatError::Truncated {
            path: self.path.clone(),
            what: what.to_owned(),
            expected: end.unwrap_or(u64::MAX),
            found: self.length(),
        })
    }

    /// The same as [`slice`](Self::slice), for pixels: counts what was handed out and gives the
    /// map's pages back from time to time.
    ///
    /// # Errors
    /// As for `slice`.
    pub fn pixels(&self, offset: u64, length: u64, what: &str) -> Result<&[u8], FormatError> {
        self.count(length);
        self.slice(offset, length, what)
    }

    /// Counts bytes of pixels that were looked at, and gives the map's pages back from time to
    /// time.
    pub fn count(&self, length: u64) {
        if self.handed_out.fetch_add(length, Ordering::Relaxed) > RESIDENT_BYTES {
            self.handed_out.store(0, Ordering::Relaxed);
            self.give_pages_back();
        }
    }

    #[cfg(unix)]
    fn give_pages_back(&self) {
        // SAFETY: the map is shared, read-only and backed by the file, so a page that is dropped
        // comes back from the page cache with the same bytes when anyone who still borrows it
        // looks again.
        let advised = unsafe { self.map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        // Advice that the kernel refuses changes no pixel.
        let _ = advised;
    }

    #[cfg(not(unix))]
    fn give_pages_back(&self) {}

    /// One byte at `offset`.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], as for every reader below.
    pub fn u8(&self, offset: u64, what: &str) -> Result<u8, FormatError> {
        Ok(u8::from_le_bytes(self.array(offset, Endian::Little, what)?))
    }

    pub fn u16(&self, offset: u64, endian: Endian, what: &str) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array(offset, endian, what)?))
    }

    pub fn u32(&self, offset: u64, endian: Endian, what: &str) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array(offset, endian, what)?))
    }

    pub fn u64(&self, offset: u64, endian: Endian, what: &str) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array(offset, endian, what)?))
    }

    pub fn i16(&self, offset: u64, endian: Endian, what: &str) -> Result<i16, FormatError> {
        Ok(i16::from_le_bytes(self.array(offset, endian, what)?))
    }

    pub fn i32(&self, offset: u64, endian: Endian, what: &str) -> Result<i32, FormatError> {
        Ok(i32::from_le_bytes(self.array(offset, endian, what)?))
    }

    pub fn f32(&self, offset: u64, endian: Endian, what: &str) -> Result<f32, FormatError> {
        Ok(f32::from_le_bytes(self.array(offset, endian, what)?))
    }

    pub fn f64(&self, offset: u64, endian: Endian, what: &str) -> Result<f64, FormatError> {
        Ok(f64::from_le_bytes(self.array(offset, endian, what)?))
    }

    /// `N` bytes in little-endian order.
    fn array<const N: usize>(
        &self,
        offset: u64,
        endian: Endian,
        what: &str,
    ) -> Result<[u8; N], FormatError> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(offset, N as u64, what)?);
        if endian == Endian::Big {
            array.reverse();
        }
        Ok(array)
    }

    /// A field or frame at `offset` that makes no sense.
    pub fn malformed(&self, offset: u64, what: impl Into<String>) -> FormatError {
        FormatError::Malformed { path: self.path.clone(), offset, what: what.into() }
    }

    /// A sound file that cannot be measured; `what` says what to do.
    pub fn unsupported(&self, what: impl Into<String>) -> FormatError {
        FormatError::Unsupported { path: self.path.clone(), what: what.into() }
    }
}

/// Up to `length` bytes from the start of the file at `path`.
///
/// # Errors
/// [`FormatError::Io`].
pub fn read_head(path: &Path, length: u64) -> Result<Vec<u8>, FormatError> {
    use std::io::Read;
    let io = |source| FormatError::Io { path: path.to_owned(), source };
    let mut head = Vec::new();
    File::open(path).map_err(io)?.take(length).read_to_end(&mut head).map_err(io)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_orders_and_never_past_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        std::fs::write(&path, [1, 2, 3, 4]).unwrap();
        let file = FileBytes::open(&path).unwrap();
        assert_eq!(file.u16(0, Endian::Little, "a").unwrap(), 0x0201);
        assert_eq!(file.u16(0, Endian::Big, "a").unwrap(), 0x0102);
        assert_eq!(file.u32(0, Endian::Big, "a").unwrap(), 0x0102_0304);
        for (offset, length) in [(1, 4), (4, 1), (u64::MAX, 1), (1, u64::MAX)] {
            let error = file.slice(offset, length, "the number").unwrap_err();
            assert!(matches!(error, FormatError::Truncated { found: 4, .. }), "{error}");
        }
        assert!(file.slice(4, 0, "nothing").unwrap().is_empty(), "no bytes at the end are none");
    }

    #[test]
    fn pages_come_back_with_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pages");
        std::fs::write(&path, vec![7; 10_000]).unwrap();
        let file = FileBytes::open(&path).unwrap();
        let held = file.pixels(0, 10_000, "a frame").unwrap();
        file.give_pages_back();
        assert!(held.iter().all(|byte| *byte == 7), "a page lost its bytes");
    }
}

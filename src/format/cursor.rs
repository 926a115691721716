//! A place in a mapped file: numbers are read in a stated byte order, and every reading past the
//! end says where it was, what it wanted, and where the file ends.
//!
//! Shared by the readers of tagged vendor files (Gatan, TIA), whose headers mix byte orders.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use super::FormatError;

/// The byte order of a number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// True when numbers of `size` bytes lie in memory as they lie in the file.
    pub(super) fn is_native(self, size: usize) -> bool {
        size == 1 || (self == Order::Little) == cfg!(target_endian = "little")
    }
}

/// Maps a file for reading.
///
/// # Errors
/// [`FormatError::Io`] when it cannot be opened or mapped.
pub(super) fn map(path: &Path) -> Result<Mmap, FormatError> {
    let io = |source| FormatError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    // SAFETY: the map is read only and is used as plain bytes, never as typed values. The file
    // must not be shortened by another program while it is mapped (the system would end this
    // one); recordings are closed files, which nobody shortens.
    unsafe { Mmap::map(&file) }.map_err(io)
}

/// A reader of numbers that moves forward through `bytes`.
pub(super) struct Cursor<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at `offset`, which may lie past the end: the first reading then fails.
    pub(super) fn new(path: &'a Path, bytes: &'a [u8], offset: u64) -> Self {
        Cursor { path, bytes, at: usize::try_from(offset).unwrap_or(usize::MAX) }
    }

    /// Bytes from the start of the file.
    pub(super) fn offset(&self) -> u64 {
        self.at as u64
    }

    /// The next `count` bytes, which are `what`.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] when the file ends before.
    pub(super) fn take(&mut self, count: u64, what: &str) -> Result<&'a [u8], FormatError> {
        let expected = self.offset().saturating_add(count);
        let end = usize::try_from(expected).unwrap_or(usize::MAX);
        let Some(found) = self.bytes.get(self.at..end) else {
            return Err(FormatError::Truncated {
                path: self.path.to_owned(),
                what: what.to_owned(),
                expected,
                found: self.bytes.len() as u64,
            });
        };
        self.at = end;
        Ok(found)
    }

    fn array<const N: usize>(&mut self, order: Order, what: &str) -> Result<[u8; N], FormatError> {
        let Ok(mut raw) = <[u8; N]>::try_from(self.take(N as u64, what)?) else {
            unreachable!("take returns as many bytes as it is asked for");
        };
        if order == Order::Big {
            raw.reverse();
        }
        Ok(raw)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], as for all numbers below.
    pub(super) fn u8(&mut self, what: &str) -> Result<u8, FormatError> {
        Ok(u8::from_le_bytes(self.array(Order::Little, what)?))
    }

    pub(super) fn u16(&mut self, order: Order, what: &str) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array(order, what)?))
    }

    pub(super) fn u32(&mut self, order: Order, what: &str) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array(order, what)?))
    }

    pub(super) fn u64(&mut self, order: Order, what: &str) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array(order, what)?))
    }

    pub(super) fn f32(&mut self, order: Order, what: &str) -> Result<f32, FormatError> {
        Ok(f32::from_le_bytes(self.array(order, what)?))
    }

    pub(super) fn f64(&mut self, order: Order, what: &str) -> Result<f64, FormatError> {
        Ok(f64::from_le_bytes(self.array(order, what)?))
    }

    /// A malformed header at `offset`.
    pub(super) fn malformed(&self, offset: u64, what: impl Into<String>) -> FormatError {
        FormatError::Malformed { path: self.path.to_owned(), offset, what: what.into() }
    }
}

/// `stored` in native byte order: as it is where it fits, else turned round in `scratch`.
pub(super) fn native<'a>(
    stored: &'a [u8],
    size: usize,
    order: Order,
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    if order.is_native(size) {
        return stored;
    }
    scratch.clear();
    scratch.extend_from_slice(stored);
    for sample in scratch.chunks_exact_mut(size) {
        sample.reverse();
    }
    scratch
}

/// Text of a header for a message: control characters gone, at most 80 characters.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().count() <= 80 && !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !c.is_control()).take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_the_stated_order() {
        let mut cursor = Cursor::new(Path::new("x"), &[1, 0, 0, 1, 9], 0);
        assert_eq!(cursor.u16(Order::Little, "a").expect("two bytes"), 1);
        assert_eq!(cursor.u16(Order::Big, "b").expect("two bytes"), 1);
        let error = cursor.u32(Order::Big, "c").expect_err("one byte is left");
        assert!(error.to_string().contains("ends at byte 5, but c needs 8"), "{error}");
    }

    #[test]
    fn an_absurd_offset_is_an_error() {
        let mut cursor = Cursor::new(Path::new("x"), &[0; 4], u64::MAX);
        assert!(cursor.take(u64::MAX, "all").is_err());
    }

    #[test]
    fn big_endian_samples_are_turned_round() {
        let mut scratch = Vec::new();
        let order = if cfg!(target_endian = "little") { Order::Big } else { Order::Little };
        assert_eq!(native(&[1, 2, 3, 4], 2, order, &mut scratch), [2, 1, 4, 3]);
    }
}

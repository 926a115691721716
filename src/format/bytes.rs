//! A file as bytes: mapped into memory, read with bounds checked, and errors that tell the place.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::FormatError;

/// A file that is mapped and not loaded: what is not touched costs no memory.
pub struct Bytes {
    path: PathBuf,
    map: Mmap,
}

/// In which order the bytes of a number stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    /// The order of this machine.
    pub const NATIVE: Order =
        if cfg!(target_endian = "little") { Order::Little } else { Order::Big };
}

impl Bytes {
    /// Maps a file.
    ///
    /// # Errors
    /// [`FormatError::Io`] when it cannot be opened.
    pub fn open(path: &Path) -> Result<Bytes, FormatError> {
        let io = |source| FormatError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        // SAFETY: the map is read only. Should another program shorten the file meanwhile, reading
        // beyond its new end raises a signal and ends the program; recordings are not shortened
        // while they are read, and the alternative is to copy every frame.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(Bytes { path: path.to_owned(), map })
    }

    /// The file's path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's size.
    pub fn len(&self) -> u64 {
        self.map.len() as u64
    }

    /// `count` bytes from `offset`; `what` names them in the error.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] when the file ends before.
    pub fn get(&self, offset: u64, count: u64, what: &str) -> Result<&[u8], FormatError> {
        let end = offset.checked_add(count);
        let range =
            end.and_then(|end| Some(usize::try_from(offset).ok()?..usize::try_from(end).ok()?));
        range.and_then(|range| self.map.get(range)).ok_or_else(|| FormatError::Truncated {
            path: self.path.clone(),
            what: what.to_owned(),
            expected: offset.saturating_add(count),
            found: self.len(),
        })
    }

    fn array<const N: usize>(&self, offset: u64, what: &str) -> Result<[u8; N], FormatError> {
        let bytes = self.get(offset, N as u64, what)?;
        let mut out = [0; N];
        out.copy_from_slice(bytes);
        Ok(out)
    }

    /// One byte.
    ///
    /// # Errors
    /// As [`Bytes::get`]; so have all of these.
    pub fn u8(&self, offset: u64, what: &str) -> Result<u8, FormatError> {
        Ok(self.array::<1>(offset, what)?[0])
    }

    /// A 16-bit number.
    pub fn u16(&self, offset: u64, order: Order, what: &str) -> Result<u16, FormatError> {
        let bytes = self.array(offset, what)?;
        Ok(match order {
            Order::Little => u16::from_le_bytes(bytes),
            Order::Big => u16::from_be_bytes(bytes),
        })
    }

    /// A 32-bit number.
    pub fn u32(&self, offset: u64, order: Order, what: &str) -> Result<u32, FormatError> {
        let bytes = self.array(offset, what)?;
        Ok(match order {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        })
    }

    /// A 32-bit number with sign.
    pub fn i32(&self, offset: u64, order: Order, what: &str) -> Result<i32, FormatError> {
        Ok(self.u32(offset, order, what)? as i32)
    }

    /// A 64-bit number.
    pub fn u64(&self, offset: u64, order: Order, what: &str) -> Result<u64, FormatError> {
        let bytes = self.array(offset, what)?;
        Ok(match order {
            Order::Little => u64::from_le_bytes(bytes),
            Order::Big => u64::from_be_bytes(bytes),
        })
    }

    /// A 32-bit decimal.
    pub fn f32(&self, offset: u64, order: Order, what: &str) -> Result<f32, FormatError> {
        Ok(f32::from_bits(self.u32(offset, order, what)?))
    }

    /// A 64-bit decimal.
    pub fn f64(&self, offset: u64, order: Order, what: &str) -> Result<f64, FormatError> {
        Ok(f64::from_bits(self.u64(offset, order, what)?))
    }

    /// An error at a place of this file.
    pub fn malformed(&self, offset: u64, what: impl Into<String>) -> FormatError {
        FormatError::Malformed { path: self.path.clone(), offset, what: what.into() }
    }

    /// An error for a sound file that cannot be measured.
    pub fn unsupported(&self, what: impl Into<String>) -> FormatError {
        FormatError::Unsupported { path: self.path.clone(), what: what.into() }
    }
}

/// Pixels in native order: borrowed as they are, or turned round in `scratch`.
pub fn native<'a>(
    bytes: &'a [u8],
    pixel_size: usize,
    order: Order,
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    if pixel_size == 1 || order == Order::NATIVE {
        return bytes;
    }
    scratch.clear();
    scratch.extend_from_slice(bytes);
    scratch.chunks_exact_mut(pixel_size).for_each(<[u8]>::reverse);
    scratch
}

/// Bytes of a frame; nothing when they do not fit any memory.
pub fn frame_bytes(width: usize, height: usize, pixel_size: usize) -> Option<u64> {
    let pixels = (width as u64).checked_mul(height as u64)?;
    pixels.checked_mul(pixel_size as u64).filter(|bytes| *bytes > 0 && *bytes < 1 << 40)
}

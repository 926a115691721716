//! Frames that lie one behind the other: the pixel part of MRC, NPY and ImageJ's large stacks.
//!
//! Frame `i` starts at `first_byte + i · frame_bytes`. In the machine's byte order it is borrowed
//! from the map; otherwise it is copied once and turned.

use super::FormatError;
use super::bytes::{Endian, FileBytes};
use crate::frame::PixelType;

/// Where frames of one size lie in a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contiguous {
    pub first_byte: u64,
    pub frame_bytes: u64,
    pub pixel_type: PixelType,
    pub endian: Endian,
}

impl Contiguous {
    /// The layout of frames of `width · height` pixels; `None` when a frame is empty or its size
    /// overflows.
    pub fn new(
        first_byte: u64,
        (width, height): (usize, usize),
        pixel_type: PixelType,
        endian: Endian,
    ) -> Option<Self> {
        let frame_bytes = (width as u64)
            .checked_mul(height as u64)?
            .checked_mul(pixel_type.size() as u64)
            .filter(|bytes| *bytes > 0 && isize::try_from(*bytes).is_ok())?;
        Some(Contiguous { first_byte, frame_bytes, pixel_type, endian })
    }

    /// How many whole frames a file of `length` bytes holds.
    pub fn whole_frames(&self, length: u64) -> u64 {
        length.saturating_sub(self.first_byte) / self.frame_bytes
    }

    /// The pixels of frame `index` in native order.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] when the file ends before the frame does.
    pub fn read<'a>(
        &self,
        file: &'a FileBytes,
        index: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], FormatError> {
        let stored = self.stored(file, index)?;
        let size = self.pixel_type.size();
        if self.endian == Endian::NATIVE || size == 1 {
            return Ok(stored);
        }
        scratch.clear();
        scratch.extend_from_slice(stored);
        self.endian.to_native(scratch, size);
        Ok(scratch)
    }

    /// The bytes of frame `index` as they are stored.
    fn stored<'a>(&self, file: &'a FileBytes, index: usize) -> Result<&'a [u8], FormatError> {
        let offset = (index as u64)
            .checked_mul(self.frame_bytes)
            .and_then(|start| start.checked_add(self.first_byte))
            .unwrap_or(u64::MAX);
        file.pixels(offset, self.frame_bytes, &format!("frame {index}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_overflow_are_refused() {
        let layout = |w, h| Contiguous::new(0, (w, h), PixelType::F64, Endian::Little);
        assert_eq!(layout(usize::MAX, 2), None, "an overflowing size was accepted");
        assert_eq!(layout(0, 5), None, "an empty frame was accepted");
        assert_eq!(layout(3, 5).map(|l| l.frame_bytes), Some(120));
    }
}

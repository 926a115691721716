//! One PNG image as a recording of one frame; folders of them are recordings of many.
//!
//! Grey is read as it is (fewer than 8 bits are stretched to 8); colour as luminance; alpha is
//! left out. The resolution chunk describes a screen or paper and is not a calibration.

use std::io::Cursor;
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, Limits, Transformations};

use super::bytes::{Endian, FileBytes};
use super::luminance::{self, Colours};
use super::{FormatError, Recording, RecordingInfo};
use crate::frame::PixelType;

/// The first bytes of every PNG.
pub const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Deflate packs no tighter; an image that claims more pixels than this is damage.
const HIGHEST_RATIO: u64 = 1100;

/// An opened PNG.
pub struct PngImage {
    file: FileBytes,
    info: RecordingInfo,
}

impl PngImage {
    /// Opens the image at `path`.
    ///
    /// # Errors
    /// [`FormatError`] for a broken header.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let file = FileBytes::open(path)?;
        let (width, height, samples, pixel_type) = {
            let reader = reader(&file)?;
            let (colour, depth) = reader.output_color_type();
            let pixel_type =
                if depth == BitDepth::Sixteen { PixelType::U16 } else { PixelType::U8 };
            let info = reader.info();
            (info.width as usize, info.height as usize, colour.samples(), pixel_type)
        };
        let notes = if samples >= 3 {
            vec!["colour is read as luminance, 0.299 R + 0.587 G + 0.114 B".to_owned()]
        } else {
            Vec::new()
        };
        let info = RecordingInfo {
            format: "PNG".to_owned(),
            width,
            height,
            frames: 1,
            pixel_type,
            pixel_size_nm: None,
            frame_interval_s: None,
            start_unix_time_s: None,
            notes,
        };
        Ok(PngImage { file, info })
    }
}

impl Recording for PngImage {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        super::check_index(self.file.path(), index, 1)?;
        let mut reader = reader(&self.file)?;
        let (colour, _) = reader.output_color_type();
        let needed = reader.output_buffer_size().filter(|n| isize::try_from(*n).is_ok());
        let needed = needed.ok_or_else(|| self.file.malformed(16, "a size that overflows"))?;
        scratch.clear();
        scratch.resize(needed, 0);
        reader.next_frame(scratch).map_err(|error| undecodable(&self.file, &error))?;
        let (pixel_type, step) = (self.info.pixel_type, colour.samples());
        Endian::Big.to_native(scratch, pixel_type.size());
        let pixels = self.info.width * self.info.height;
        match colour {
            ColorType::Rgb | ColorType::Rgba => {
                luminance::to_grey(scratch, pixels, pixel_type, Colours { step, plane: 1 });
            }
            _ => luminance::keep_first(scratch, pixels, pixel_type.size(), step),
        }
        Ok(scratch)
    }
}

/// A decoder that stands before the first row, after its sizes were found believable.
fn reader(file: &FileBytes) -> Result<png::Reader<Cursor<&[u8]>>, FormatError> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(file.all()), Limits { bytes: 1 << 28 });
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(|error| undecodable(file, &error))?;
    let (width, height) = (u64::from(header.width), u64::from(header.height));
    let bits = u64::from(header.bit_depth as u8) * header.color_type.samples() as u64;
    // Whole bytes below one bit a pixel: the bound need not be sharp.
    let stored = width.saturating_mul(height).saturating_mul(bits) / 8;
    if stored > file.length().saturating_mul(HIGHEST_RATIO) {
        let what = format!("{width} x {height} pixels cannot lie in {} bytes", file.length());
        return Err(file.malformed(16, what));
    }
    decoder.read_info().map_err(|error| undecodable(file, &error))
}

fn undecodable(file: &FileBytes, error: &png::DecodingError) -> FormatError {
    match error {
        png::DecodingError::IoError(_) => FormatError::Truncated {
            path: file.path().to_owned(),
            what: "the PNG image".to_owned(),
            expected: file.length() + 1,
            found: file.length(),
        },
        error => file.malformed(0, format!("the image does not decode: {error}")),
    }
}

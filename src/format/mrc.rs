//! MRC and MRCS stacks: a header of 1024 bytes, an extended header, then frames in one piece.
//!
//! Format: <https://www.ccpem.ac.uk/mrc_format/mrc2014.php>, and IMOD's notes for bytes without a
//! sign. Rows are kept in the file's order (the first row of the file is y = 0). Lengths are in
//! ångström; pixel size = cell / sampling along the axis that the columns (rows) stand for.

use std::path::Path;

use super::bytes::{Endian, FileBytes};
use super::contiguous::Contiguous;
use super::{FormatError, Recording, RecordingInfo};
use crate::frame::PixelType;

const HEADER_BYTES: u64 = 1024;
const HEADER: &str = "the MRC header";
const NM_PER_ANGSTROM: f64 = 0.1;
/// IMOD's stamp at byte 152; with it, the flags at byte 156 say whether mode 0 has a sign.
const IMOD_STAMP: i32 = 1_146_047_817;

/// An opened MRC file.
pub struct Mrc {
    file: FileBytes,
    layout: Contiguous,
    /// Mode 12: the file holds 16-bit floats, and frames are given as f32.
    half: bool,
    info: RecordingInfo,
}

/// True for the header of MRC2014 and of most older writers.
pub fn has_magic(head: &[u8]) -> bool {
    head.get(208..212) == Some(b"MAP ".as_slice()) && head.get(..4) != Some(b"\0\0\0\0".as_slice())
}

/// True for a file named as MRC whose header has believable sizes; the oldest files lack `MAP `.
pub fn named_as_mrc(path: &Path, head: &[u8]) -> bool {
    let named = path.extension().and_then(|e| e.to_str()).is_some_and(|extension| {
        ["mrc", "mrcs", "map", "st", "ali", "rec"].iter().any(|e| extension.eq_ignore_ascii_case(e))
    });
    named && head.len() >= 16
}

impl Mrc {
    /// Opens the stack at `path`. A stack that was cut short keeps its header's frame count; its
    /// missing frames answer [`FormatError::Truncated`], and a note says how many are whole.
    ///
    /// # Errors
    /// [`FormatError`] for broken headers and for complex or 4-bit data.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let file = FileBytes::open(path)?;
        file.slice(0, HEADER_BYTES, HEADER)?;
        let endian = byte_order(&file)?;
        let int = |offset| file.i32(offset, endian, HEADER);
        let size = |offset: u64, name: &str| -> Result<usize, FormatError> {
            let value = int(offset)?;
            usize::try_from(value).ok().filter(|v| *v > 0).ok_or_else(|| {
                file.malformed(offset, format!("{name} is {value}; the file has no frames"))
            })
        };
        let (width, height) = (size(0, "the number of columns")?, size(4, "the number of rows")?);
        let frames = size(8, "the number of frames")?;
        let (pixel_type, half) = pixel_type(&file, endian)?;
        let extended = u64::try_from(int(92)?)
            .map_err(|_| file.malformed(92, "the extended header has a negative size"))?;
        let stored = if half { PixelType::U16 } else { pixel_type };
        let layout = Contiguous::new(HEADER_BYTES + extended, (width, height), stored, endian)
            .ok_or_else(|| file.malformed(0, format!("{width} x {height} pixels overflow")))?;
        let mut notes = Vec::new();
        let pixel_size_nm = pixel_size_nm(&file, endian, &mut notes)?;
        note_length(&file, &layout, frames, &mut notes);
        let info = RecordingInfo {
            format: "MRC stack".to_owned(),
            width,
            height,
            frames,
            pixel_type,
            pixel_size_nm,
            frame_interval_s: None,
            start_unix_time_s: None,
            notes,
        };
        Ok(Mrc { file, layout, half, info })
    }
}

impl Recording for Mrc {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        super::check_index(self.file.path(), index, self.info.frames)?;
        if !self.half {
            return self.layout.read(&self.file, index, scratch);
        }
        let mut stored = Vec::new();
        let stored = self.layout.read(&self.file, index, &mut stored)?;
        scratch.clear();
        scratch.extend(stored.chunks_exact(2).flat_map(|pair| {
            let &[a, b] = pair else { unreachable!("chunks_exact(2) gives pairs") };
            half_to_f32(u16::from_ne_bytes([a, b])).to_ne_bytes()
        }));
        Ok(scratch)
    }
}

/// The machine stamp decides; where it is blank or wrong, the order in which mode and sizes make
/// sense.
fn byte_order(file: &FileBytes) -> Result<Endian, FormatError> {
    let believable = |endian| -> Result<bool, FormatError> {
        let int = |offset| file.i32(offset, endian, HEADER);
        let sizes = [int(0)?, int(4)?, int(8)?];
        Ok((0..=101).contains(&int(12)?) && sizes.iter().all(|n| (0..1 << 24).contains(n)))
    };
    let stamped = match file.u8(212, HEADER)? {
        0x44 => Some(Endian::Little),
        0x11 => Some(Endian::Big),
        _ => None,
    };
    let candidates = [stamped.unwrap_or(Endian::Little), Endian::Little, Endian::Big];
    for endian in candidates {
        if believable(endian)? {
            return Ok(endian);
        }
    }
    Err(file.malformed(0, "sizes and mode make sense in neither byte order; this is no MRC file"))
}

/// The type of the pixels as they are given out, and whether they are stored as 16-bit floats.
fn pixel_type(file: &FileBytes, endian: Endian) -> Result<(PixelType, bool), FormatError> {
    let mode = file.i32(12, endian, HEADER)?;
    let unsigned_bytes =
        file.i32(152, endian, HEADER)? == IMOD_STAMP && file.i32(156, endian, HEADER)? & 1 == 0;
    match mode {
        0 if unsigned_bytes => Ok((PixelType::U8, false)),
        0 => Ok((PixelType::I8, false)),
        1 => Ok((PixelType::I16, false)),
        2 => Ok((PixelType::F32, false)),
        6 => Ok((PixelType::U16, false)),
        12 => Ok((PixelType::F32, true)),
        3 | 4 => Err(file.unsupported(format!(
            "mode {mode} is complex numbers (a transform); give the images themselves"
        ))),
        101 => Err(file.unsupported(
            "mode 101 packs two pixels into a byte; unpack it with IMOD's newstack -mode 6",
        )),
        _ => Err(file.malformed(12, format!("mode {mode} is none of 0, 1, 2, 6 and 12"))),
    }
}

/// Cell over sampling along the axes that columns and rows stand for; `None` where it is zero,
/// negative (Direct Electron's sign for "not calibrated") or not finite.
fn pixel_size_nm(
    file: &FileBytes,
    endian: Endian,
    notes: &mut Vec<String>,
) -> Result<Option<(f64, f64)>, FormatError> {
    let along = |axis: u64| -> Result<f64, FormatError> {
        let samples = f64::from(file.i32(28 + 4 * axis, endian, HEADER)?);
        let cell = f64::from(file.f32(40 + 4 * axis, endian, HEADER)?);
        Ok(cell / samples * NM_PER_ANGSTROM)
    };
    let axis = |offset: u64, usual: u64| -> Result<u64, FormatError> {
        Ok(match file.i32(offset, endian, HEADER)? {
            1 => 0,
            2 => 1,
            3 => 2,
            _ => usual,
        })
    };
    let (x, y) = (along(axis(64, 0)?)?, along(axis(68, 1)?)?);
    if x > 0.0 && y > 0.0 && x.is_finite() && y.is_finite() {
        return Ok(Some((x, y)));
    }
    if x < 0.0 || y < 0.0 {
        notes.push(format!("the pixel size in the header is {x} x {y} nm; taken as uncalibrated"));
    }
    Ok(None)
}

fn note_length(file: &FileBytes, layout: &Contiguous, frames: usize, notes: &mut Vec<String>) {
    let whole = layout.whole_frames(file.length());
    let frames = frames as u64;
    if whole < frames {
        notes.push(format!("cut short: {whole} of {frames} frames are whole"));
    } else if whole > frames {
        let more = whole - frames;
        notes.push(format!("{more} more frames lie behind the {frames} that the header announces"));
    }
}

/// IEEE 754 half precision to single: exact.
fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((bits >> 10) & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_exact() {
        let cases = [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 2_f32.powi(-24))];
        for (bits, value) in cases {
            assert_eq!(half_to_f32(bits), value, "half {bits:#06x}");
        }
        assert!(half_to_f32(0x7e00).is_nan());
        assert_eq!(half_to_f32(0xfc00), f32::NEG_INFINITY);
    }
}

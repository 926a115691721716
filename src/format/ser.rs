//! TIA (FEI) series, `name_1.ser`, alone or through the `name.emi` beside them.
//!
//! A header counts the elements that were planned and those that were written; an array gives
//! the byte of each element and of its tag (a UTC time in whole seconds). Each image repeats its
//! calibration, type and size in 50 bytes before its pixels. All is little endian, and rows are
//! stored from the bottom of the image upwards: they are turned round here, since y runs down.
//!
//! Source: the layout published by Chris Boothroyd (`The FEI .ser file format`), checked against
//! files. Versions 0x210 (32-bit offsets) and 0x220 (64-bit offsets).

use std::path::{Path, PathBuf};

use super::bytes::FileBytes;
use super::cursor::{Cursor, Order};
use super::{FormatError, Recording, RecordingInfo, emi};
use crate::frame::PixelType;

const MAGIC: [u8; 4] = [0x49, 0x49, 0x97, 0x01];
const IMAGES: u32 = 0x4122;
const SPECTRA: u32 = 0x4120;
/// Tags with a time, and with a time and a position of the beam.
const TIME_TAG: u16 = 0x4152;
const POSITION_TAG: u16 = 0x4142;
/// Metres per pixel above which a calibration is not a length on the specimen: diffraction
/// patterns are stored in 1/m (some 1e7), and no such image has pixels of a centimetre.
const LARGEST_PIXEL_M: f64 = 1e-2;

/// True for a SER file, and for an EMI file by its name.
pub(super) fn matches(path: &Path, head: &[u8]) -> bool {
    head.starts_with(&MAGIC) || emi::matches(path)
}

/// Opens a SER file, or the first image series of an EMI file.
///
/// # Errors
/// [`FormatError`] when the header is broken or the elements are not images.
pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    if emi::matches(path) {
        return emi::open(path);
    }
    Ok(Box::new(SerFile::open(path)?))
}

/// An opened SER file.
pub(super) struct SerFile {
    path: PathBuf,
    bytes: FileBytes,
    pub(super) info: RecordingInfo,
    /// Byte of each written element.
    offsets: Vec<u64>,
    /// Seconds since the first frame; empty where the tags cannot tell frames apart.
    times_s: Vec<f64>,
}

impl SerFile {
    /// Maps the file and reads its header, offsets and tags.
    ///
    /// # Errors
    /// As [`open`].
    pub(super) fn open(path: &Path) -> Result<Self, FormatError> {
        let bytes = FileBytes::open(path)?;
        let header = Header::read(path, bytes.all())?;
        let (offsets, tags) = header.offsets(path, bytes.all())?;
        let Some(first) = offsets.first() else {
            return Err(FormatError::Unsupported {
                path: path.to_owned(),
                what: "the series was planned, but no image of it was written".to_owned(),
            });
        };
        let first = Element::read(path, bytes.all(), *first)?;
        let mut info = RecordingInfo {
            format: "TIA series".to_owned(),
            width: first.width,
            height: first.height,
            frames: offsets.len(),
            pixel_type: first.pixel_type,
            pixel_size_nm: first.pixel_size_nm(),
            frame_interval_s: None,
            start_unix_time_s: None,
            notes: Vec::new(),
        };
        if info.pixel_size_nm.is_none() {
            let (x, y) = first.pixel_m;
            info.notes.push(format!(
                "calibrated as {x:e} by {y:e} a pixel, which is not a length in metres \
                 (diffraction?); no pixel size"
            ));
        }
        if header.planned > header.written {
            let (planned, written) = (header.planned, header.written);
            info.notes.push(format!("{planned} images were planned and {written} were written"));
        }
        let times_s = read_times(path, bytes.all(), &tags, &mut info);
        Ok(SerFile { path: path.to_owned(), bytes, info, offsets, times_s })
    }
}

impl Recording for SerFile {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        let Some(offset) = self.offsets.get(index) else {
            return Err(FormatError::no_frame(&self.path, index, self.offsets.len()));
        };
        let element = Element::read(&self.path, self.bytes.all(), *offset)?;
        let shape = (element.width, element.height, element.pixel_type);
        let expected = (self.info.width, self.info.height, self.info.pixel_type);
        if shape != expected {
            let describe = |(w, h, kind): (usize, usize, PixelType)| format!("{w}×{h} {kind}");
            return Err(FormatError::WrongShape {
                path: self.path.clone(),
                index,
                found: describe(shape),
                expected: describe(expected),
            });
        }
        let pixels = element.pixels(&self.path, self.bytes.all(), index)?;
        self.bytes.count(pixels.len() as u64);
        let size = element.pixel_type.size();
        scratch.clear();
        scratch.reserve(pixels.len());
        for row in pixels.chunks_exact(element.width * size).rev() {
            scratch.extend_from_slice(row);
        }
        if !Order::Little.is_native(size) {
            scratch.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        Ok(scratch)
    }

    fn time_s(&self, index: usize) -> Option<f64> {
        self.times_s.get(index).copied()
    }
}

struct Header {
    /// Bytes of one offset: 4 or 8.
    offset_bytes: u64,
    planned: u32,
    written: u32,
    offsets_at: u64,
}

impl Header {
    fn read(path: &Path, bytes: &[u8]) -> Result<Self, FormatError> {
        let mut cursor = Cursor::new(path, bytes, 0);
        if cursor.take(4, "the header")? != MAGIC {
            return Err(cursor.malformed(0, "does not begin with a TIA series' mark 0x0197"));
        }
        let version = cursor.u16(Order::Little, "the header")?;
        let offset_bytes = match version {
            0x210 => 4,
            0x220 => 8,
            other => {
                let what = format!("expected version 0x210 or 0x220, found {other:#x}");
                return Err(cursor.malformed(4, what));
            }
        };
        match cursor.u32(Order::Little, "the header")? {
            IMAGES => {}
            SPECTRA => {
                return Err(FormatError::Unsupported {
                    path: path.to_owned(),
                    what: "a series of spectra, not of images; nothing to follow in it".to_owned(),
                });
            }
            other => {
                let what = format!("expected data of type 0x4122 (images), found {other:#x}");
                return Err(cursor.malformed(6, what));
            }
        }
        cursor.u32(Order::Little, "the header")?;
        let planned = cursor.u32(Order::Little, "the header")?;
        let written = cursor.u32(Order::Little, "the header")?;
        if written > planned {
            let what = format!("{written} images are said to be written of {planned} planned");
            return Err(cursor.malformed(18, what));
        }
        let offsets_at = if offset_bytes == 8 {
            cursor.u64(Order::Little, "the header")?
        } else {
            u64::from(cursor.u32(Order::Little, "the header")?)
        };
        Ok(Header { offset_bytes, planned, written, offsets_at })
    }

    /// The bytes of the written elements, and of their tags. Both arrays have room for all the
    /// planned ones.
    fn offsets(&self, path: &Path, bytes: &[u8]) -> Result<(Vec<u64>, Vec<u64>), FormatError> {
        let mut cursor = Cursor::new(path, bytes, self.offsets_at);
        let length = u64::from(self.planned) * self.offset_bytes;
        let mut table = || {
            let raw = cursor.take(length, "the table of the images' offsets")?;
            let entries = raw.chunks_exact(self.offset_bytes as usize).map(|entry| {
                entry.iter().rev().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte))
            });
            Ok::<Vec<u64>, FormatError>(entries.take(self.written as usize).collect())
        };
        Ok((table()?, table()?))
    }
}

/// The header of one image.
struct Element {
    width: usize,
    height: usize,
    pixel_type: PixelType,
    /// As stored: metres, or 1/m for diffraction.
    pixel_m: (f64, f64),
    pixels_at: u64,
}

impl Element {
    fn read(path: &Path, bytes: &[u8], offset: u64) -> Result<Self, FormatError> {
        let what = "an image's header";
        let mut cursor = Cursor::new(path, bytes, offset);
        let mut delta = || {
            cursor.f64(Order::Little, what)?;
            let delta = cursor.f64(Order::Little, what)?;
            cursor.u32(Order::Little, what)?;
            Ok::<f64, FormatError>(delta)
        };
        let pixel_m = (delta()?, delta()?);
        let type_at = cursor.offset();
        let pixel_type = match cursor.u16(Order::Little, what)? {
            1 => PixelType::U8,
            2 => PixelType::U16,
            3 => PixelType::U32,
            4 => PixelType::I8,
            5 => PixelType::I16,
            6 => PixelType::I32,
            7 => PixelType::F32,
            8 => PixelType::F64,
            9 | 10 => {
                return Err(FormatError::Unsupported {
                    path: path.to_owned(),
                    what: "pixels are complex numbers; export real grey values from TIA".to_owned(),
                });
            }
            other => {
                let what = format!("expected a pixel type of 1 to 8, found {other}");
                return Err(cursor.malformed(type_at, what));
            }
        };
        let mut side = || {
            let at = cursor.offset();
            let side = cursor.u32(Order::Little, what)?;
            match usize::try_from(side) {
                Ok(side) if side > 0 && side <= i32::MAX as usize => Ok(side),
                _ => Err(cursor.malformed(at, format!("an image of {side} pixels on a side"))),
            }
        };
        let (width, height) = (side()?, side()?);
        Ok(Element { width, height, pixel_type, pixel_m, pixels_at: cursor.offset() })
    }

    fn pixel_size_nm(&self) -> Option<(f64, f64)> {
        let nm = |metres: f64| (metres > 0.0 && metres < LARGEST_PIXEL_M).then_some(metres * 1e9);
        nm(self.pixel_m.0).zip(nm(self.pixel_m.1))
    }

    fn pixels<'a>(
        &self,
        path: &'a Path,
        bytes: &'a [u8],
        index: usize,
    ) -> Result<&'a [u8], FormatError> {
        // Both sides fit in 31 bits, and a pixel has at most 8 bytes.
        let length =
            (self.width as u64 * self.height as u64).saturating_mul(self.pixel_type.size() as u64);
        Cursor::new(path, bytes, self.pixels_at).take(length, &format!("image {index}"))
    }
}

/// The frames' times from their tags, and from them the start and the step.
///
/// Tags count whole seconds. Where several frames share one, the frames' own times cannot be
/// told, and only their mean step is given.
fn read_times(path: &Path, bytes: &[u8], tags: &[u64], info: &mut RecordingInfo) -> Vec<f64> {
    let mut scanned = false;
    let seconds: Option<Vec<u32>> = tags
        .iter()
        .map(|offset| {
            let mut cursor = Cursor::new(path, bytes, *offset);
            let kind = cursor.u16(Order::Little, "a tag").ok()?;
            scanned |= kind == POSITION_TAG;
            cursor.u16(Order::Little, "a tag").ok()?;
            let time = cursor.u32(Order::Little, "a tag").ok()?;
            (matches!(kind, TIME_TAG | POSITION_TAG) && time > 0).then_some(time)
        })
        .collect();
    if scanned {
        let note = "the beam moved between images (a scan): they are not frames of one view";
        info.notes.push(note.to_owned());
    }
    let Some((first, seconds)) = seconds.and_then(|all| Some((all.first().copied()?, all))) else {
        info.notes.push("some images have no readable time; no frame times".to_owned());
        return Vec::new();
    };
    info.start_unix_time_s = Some(f64::from(first));
    if seconds.is_sorted_by(|a, b| a < b) {
        return seconds.iter().map(|time| f64::from(time - first)).collect();
    }
    let span = seconds.last().map_or(0, |last| last.saturating_sub(first));
    if seconds.is_sorted() && span > 0 {
        let step = f64::from(span) / (seconds.len() - 1) as f64;
        info.frame_interval_s = Some(step);
        info.notes.push(format!(
            "times have whole seconds, and frames share some: a mean step of {step:.3} s is assumed"
        ));
    } else {
        let note = "the images' times (whole seconds) do not tell them apart; give a frame rate";
        info.notes.push(note.to_owned());
    }
    Vec::new()
}

//! SER series of FEI's TIA, with the EMI file beside them. Layout as described by C. Boothroyd,
//! *TIA (Emispec) file format*, <https://personal.ntu.edu.sg/cbb/info/TIAformat>.

use std::path::{Path, PathBuf};

use super::bytes::{Endian, FileBytes};
use super::{FormatError, Recording, RecordingInfo};
use crate::frame::PixelType;

const LITTLE: Endian = Endian::Little;
const TWO_DIMENSIONS: u32 = 0x4122;
/// Calibration, type and size before the pixels of each image.
const ELEMENT_HEADER: u64 = 50;

pub(super) fn matches(path: &Path, head: &[u8]) -> bool {
    head.starts_with(&[0x49, 0x49, 0x97, 0x01]) || is_emi(path)
}

fn is_emi(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("emi"))
}

pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    if !is_emi(path) {
        return Ok(Box::new(Ser::open(path)?));
    }
    let series = series_beside(path);
    let opened = series.iter().map(|path| Ser::open(path)).collect::<Vec<_>>();
    let count = series.len();
    let mut first_error = None;
    for ser in opened {
        match ser {
            Ok(mut ser) => {
                if count > 1 {
                    ser.info.notes.push(format!("{count} series lie beside this EMI file"));
                }
                return Ok(Box::new(ser));
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| FormatError::Unsupported {
        path: path.to_owned(),
        what: "the pixels lie in SER files named like this one with _1.ser; none is here"
            .to_owned(),
    }))
}

/// `name_1.ser`, `name_2.ser`, … beside `name.emi`.
fn series_beside(emi: &Path) -> Vec<PathBuf> {
    let stem = emi.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    (1..100)
        .map(|k| emi.with_file_name(format!("{stem}_{k}.ser")))
        .take_while(|path| path.exists())
        .collect()
}

struct Ser {
    file: FileBytes,
    info: RecordingInfo,
    /// Where each image's element begins.
    offsets: Vec<u64>,
    times_s: Vec<f64>,
}

/// What stands before an image's pixels.
struct Element {
    width: usize,
    height: usize,
    pixel_type: PixelType,
    scale_m: (f64, f64),
}

impl Ser {
    fn open(path: &Path) -> Result<Ser, FormatError> {
        let file = FileBytes::open(path)?;
        if file.u16(0, LITTLE, "the byte order")? != 0x4949
            || file.u16(2, LITTLE, "the mark")? != 0x0197
        {
            return Err(file.malformed(0, "no SER file"));
        }
        let version = file.u16(4, LITTLE, "the version")?;
        let word = if version >= 0x0220 { 8 } else { 4 };
        if file.u32(6, LITTLE, "the kind of data")? != TWO_DIMENSIONS {
            return Err(file.unsupported("holds spectra, and no images"));
        }
        let tag_kind = file.u32(10, LITTLE, "the kind of tags")?;
        let total = u64::from(file.u32(14, LITTLE, "the number of images")?);
        let valid = u64::from(file.u32(18, LITTLE, "the number of valid images")?);
        let number = |at: u64, what: &str| {
            if word == 8 {
                file.u64(at, LITTLE, what)
            } else {
                file.u32(at, LITTLE, what).map(u64::from)
            }
        };
        let table = number(22, "the place of the offsets")?;
        let count = valid.min(total);
        if count == 0 {
            return Err(file.unsupported("the series holds no image"));
        }
        // The table itself bounds how many images there can be.
        file.slice(table, total.saturating_mul(2 * word), "the table of offsets")?;
        let offsets: Vec<u64> = (0..count)
            .map(|k| number(table + k * word, "the table of offsets"))
            .collect::<Result<_, _>>()?;
        let stamps: Vec<Option<f64>> = (0..count)
            .map(|k| {
                time_tag(&file, number(table + (total + k) * word, "the tags").ok()?, tag_kind)
            })
            .collect();
        let first = element(&file, offsets[0])?;
        let start = stamps[0];
        let times_s: Vec<f64> = stamps.iter().map_while(|stamp| Some((*stamp)? - start?)).collect();
        // Whole seconds are all that the tags tell; equal ones tell nothing.
        let tells = times_s.len() == offsets.len() && times_s.windows(2).all(|t| t[1] > t[0]);
        let nm = |m: f64| (1e-14..1e-3).contains(&m.abs()).then_some(m.abs() * 1e9);
        let info = RecordingInfo {
            format: "TIA series (SER)".to_owned(),
            width: first.width,
            height: first.height,
            frames: offsets.len(),
            pixel_type: first.pixel_type,
            pixel_size_nm: nm(first.scale_m.0).zip(nm(first.scale_m.1)),
            frame_interval_s: None,
            start_unix_time_s: start,
            notes: if valid < total {
                vec![format!("{valid} of {total} images were written")]
            } else {
                Vec::new()
            },
        };
        Ok(Ser { file, info, offsets, times_s: if tells { times_s } else { Vec::new() } })
    }
}

/// Unix time of a tag, in whole seconds.
fn time_tag(file: &FileBytes, at: u64, kind: u32) -> Option<f64> {
    if !matches!(kind, 0x4152 | 0x4142) {
        return None;
    }
    let time = file.u32(at.checked_add(4)?, LITTLE, "a time").ok()?;
    // Between 1990 and 2100: anything else is no date.
    (631_152_000..4_102_444_800).contains(&time).then_some(f64::from(time))
}

fn element(file: &FileBytes, at: u64) -> Result<Element, FormatError> {
    file.slice(at, ELEMENT_HEADER, "an image's header")?;
    let kind = file.u16(at + 40, LITTLE, "the pixels' type")?;
    let pixel_type = match kind {
        1 => PixelType::U8,
        2 => PixelType::U16,
        3 => PixelType::U32,
        4 => PixelType::I8,
        5 => PixelType::I16,
        6 => PixelType::I32,
        7 => PixelType::F32,
        8 => PixelType::F64,
        9 | 10 => return Err(file.unsupported("holds complex pixels; save the modulus")),
        other => return Err(file.malformed(at + 40, format!("pixels of the unknown type {other}"))),
    };
    let size = |at: u64| -> Result<usize, FormatError> {
        let size = file.i32(at, LITTLE, "an image's size")?;
        usize::try_from(size)
            .ok()
            .filter(|size| *size > 0)
            .ok_or_else(|| file.malformed(at, format!("an image of {size} px; expected 1 or more")))
    };
    Ok(Element {
        width: size(at + 42)?,
        height: size(at + 46)?,
        pixel_type,
        scale_m: (
            file.f64(at + 8, LITTLE, "the calibration")?,
            file.f64(at + 28, LITTLE, "the calibration")?,
        ),
    })
}

impl Recording for Ser {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        super::check_index(self.file.path(), index, self.offsets.len())?;
        let at = self.offsets[index];
        let found = element(&self.file, at)?;
        let expected = &self.info;
        if (found.width, found.height, found.pixel_type)
            != (expected.width, expected.height, expected.pixel_type)
        {
            return Err(FormatError::WrongShape {
                path: self.file.path().to_owned(),
                index,
                found: format!("{} x {} {}", found.width, found.height, found.pixel_type),
                expected: format!(
                    "{} x {} {}",
                    expected.width, expected.height, expected.pixel_type
                ),
            });
        }
        let row = (found.width * found.pixel_type.size()) as u64;
        let bytes = row.saturating_mul(found.height as u64);
        let pixels = self.file.pixels(at + ELEMENT_HEADER, bytes, &format!("frame {index}"))?;
        // TIA stores the lowest row first.
        scratch.clear();
        for row in pixels.chunks_exact(row as usize).rev() {
            scratch.extend_from_slice(row);
        }
        LITTLE.to_native(scratch, found.pixel_type.size());
        Ok(scratch)
    }

    fn time_s(&self, index: usize) -> Option<f64> {
        self.times_s.get(index).copied()
    }
}

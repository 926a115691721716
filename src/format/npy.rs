//! NumPy arrays (`.npy`, versions 1 to 3) as recordings: two dimensions are one frame, three are
//! frames × rows × columns, more are flattened into frames.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. The header
//! is a Python dictionary of exactly three keys, `descr`, `fortran_order` and `shape`.

use std::path::Path;

use super::bytes::{Endian, FileBytes};
use super::contiguous::Contiguous;
use super::{FormatError, Recording, RecordingInfo};
use crate::frame::PixelType;

/// The first bytes of every NPY file.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// Longer headers than this are taken for damage; NumPy's own limit is 10 000.
const LONGEST_HEADER: u64 = 1 << 20;

/// An opened NPY file.
pub struct Npy {
    file: FileBytes,
    layout: Contiguous,
    info: RecordingInfo,
}

impl Npy {
    /// Opens the array at `path`.
    ///
    /// # Errors
    /// [`FormatError`] for a broken header, a type without frames of numbers (advice is in the
    /// text), or an array without pixels.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let file = FileBytes::open(path)?;
        let (header, data_at) = read_header(&file)?;
        let array = Array::parse(&header).map_err(|what| file.malformed(10, what))?;
        let (pixel_type, endian) = pixel_type(&array.descr).ok_or_else(|| {
            file.unsupported(format!(
                "holds numbers of type {}; save it as uint16 or float32 with numpy's astype",
                array.descr
            ))
        })?;
        if array.fortran_order && array.shape.len() > 1 {
            return Err(file.unsupported(
                "is stored in Fortran order, where no frame lies in one piece; save it with \
                 np.save(path, np.ascontiguousarray(array))",
            ));
        }
        let (frames, height, width) = frames_of(&array.shape).ok_or_else(|| {
            file.unsupported(format!(
                "has shape {:?}; a recording has rows and columns, and none of them empty",
                array.shape
            ))
        })?;
        let layout = Contiguous::new(data_at, (width, height), pixel_type, endian)
            .ok_or_else(|| file.malformed(10, format!("shape {:?} overflows", array.shape)))?;
        let mut notes = Vec::new();
        if array.shape.len() > 3 {
            notes.push(format!("shape {:?} is read as {frames} frames", array.shape));
        }
        let whole = layout.whole_frames(file.length());
        if whole < frames as u64 {
            notes.push(format!("cut short: {whole} of {frames} frames are whole"));
        }
        let info = RecordingInfo {
            format: "NumPy array".to_owned(),
            width,
            height,
            frames,
            pixel_type,
            pixel_size_nm: None,
            frame_interval_s: None,
            start_unix_time_s: None,
            notes,
        };
        Ok(Npy { file, layout, info })
    }
}

impl Recording for Npy {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        super::check_index(self.file.path(), index, self.info.frames)?;
        self.layout.read(&self.file, index, scratch)
    }
}

/// The header's text, and where the data begin.
fn read_header(file: &FileBytes) -> Result<(String, u64), FormatError> {
    let magic = file.slice(0, 8, "the NPY header")?;
    if !magic.starts_with(MAGIC) {
        return Err(file.malformed(0, "does not begin with \\x93NUMPY"));
    }
    let (text_at, length) = match magic.get(6) {
        Some(1) => (10, u64::from(file.u16(8, Endian::Little, "the NPY header")?)),
        Some(2 | 3) => (12, u64::from(file.u32(8, Endian::Little, "the NPY header")?)),
        version => {
            return Err(file.malformed(6, format!("NPY version {version:?} is not 1, 2 or 3")));
        }
    };
    if length > LONGEST_HEADER {
        return Err(file.malformed(8, format!("a header of {length} bytes is damage")));
    }
    let text = file.slice(text_at, length, "the NPY header")?;
    Ok((String::from_utf8_lossy(text).into_owned(), text_at + length))
}

/// The three keys of the header.
#[derive(Debug, PartialEq)]
struct Array {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Array {
    fn parse(header: &str) -> Result<Self, String> {
        let descr = value_of(header, "descr")?;
        let descr = match descr.chars().next() {
            Some(quote @ ('\'' | '"')) => {
                descr[1..].split(quote).next().unwrap_or_default().to_owned()
            }
            // A list of fields: named in the error, read by nobody.
            _ => descr.split("'fortran_order'").next().unwrap_or_default().trim().to_owned(),
        };
        let order = value_of(header, "fortran_order")?;
        let fortran_order = match order {
            text if text.starts_with("True") => true,
            text if text.starts_with("False") => false,
            _ => return Err("fortran_order is neither True nor False".to_owned()),
        };
        let shape = value_of(header, "shape")?
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'))
            .ok_or("shape is not a tuple")?
            .0;
        let shape = shape
            .split(',')
            .map(str::trim)
            .filter(|number| !number.is_empty())
            .map(|number| number.trim_end_matches('L').parse())
            .collect::<Result<Vec<usize>, _>>()
            .map_err(|_| format!("shape ({shape}) is not a tuple of whole numbers"))?;
        Ok(Array { descr, fortran_order, shape })
    }
}

/// The text behind `'key':`.
fn value_of<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    ['\'', '"']
        .iter()
        .find_map(|quote| header.split_once(&format!("{quote}{key}{quote}")))
        .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
        .map(str::trim_start)
        .ok_or_else(|| format!("the header has no key '{key}'"))
}

fn pixel_type(descr: &str) -> Option<(PixelType, Endian)> {
    let mut letters = descr.chars();
    let endian = match letters.next()? {
        '<' => Endian::Little,
        '>' => Endian::Big,
        '|' | '=' => Endian::NATIVE,
        _ => return None,
    };
    let pixel_type = match letters.as_str() {
        "u1" | "b1" => PixelType::U8,
        "i1" => PixelType::I8,
        "u2" => PixelType::U16,
        "i2" => PixelType::I16,
        "u4" => PixelType::U32,
        "i4" => PixelType::I32,
        "f4" => PixelType::F32,
        "f8" => PixelType::F64,
        _ => return None,
    };
    Some((pixel_type, endian))
}

/// Frames, rows and columns of an array; `None` without rows, columns or pixels.
fn frames_of(shape: &[usize]) -> Option<(usize, usize, usize)> {
    let [leading @ .., height, width] = shape else { return None };
    let frames = leading.iter().try_fold(1_usize, |product, n| product.checked_mul(*n))?;
    (frames > 0 && *height > 0 && *width > 0).then_some((frames, *height, *width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_all_writers_are_understood() {
        let header = "{'descr': '<u2', 'fortran_order': False, 'shape': (5, 4, 3), }";
        let array = Array::parse(header).unwrap();
        assert_eq!(array.shape, [5, 4, 3]);
        assert_eq!(pixel_type(&array.descr), Some((PixelType::U16, Endian::Little)));
        let header = "{\"shape\":(7L,2L),\"fortran_order\":True,\"descr\":\">f8\"}";
        let array = Array::parse(header).unwrap();
        assert!(array.fortran_order);
        assert_eq!(array.shape, [7, 2]);
        assert_eq!(pixel_type(&array.descr), Some((PixelType::F64, Endian::Big)));
        let fields = "{'descr': [('t', '<f8')], 'fortran_order': False, 'shape': (2, 2)}";
        assert_eq!(pixel_type(&Array::parse(fields).unwrap().descr), None);
        assert!(Array::parse("{'descr': '<u2', 'shape': (1, x)}").is_err());
    }

    #[test]
    fn shapes_become_frames() {
        assert_eq!(frames_of(&[4, 3]), Some((1, 4, 3)));
        assert_eq!(frames_of(&[2, 5, 4, 3]), Some((10, 4, 3)));
        assert_eq!(frames_of(&[0, 4, 3]), None);
        assert_eq!(frames_of(&[3]), None);
        assert_eq!(frames_of(&[usize::MAX, 2, 4, 3]), None);
    }
}

//! NumPy's NPY, versions 1 to 3: `[height, width]`, `[frames, height, width]`, and more leading
//! axes taken as frames. <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use std::path::Path;

use super::bytes::{Bytes, Order, frame_bytes, native};
use super::{FormatError, Recording, RecordingInfo};
use crate::frame::PixelType;

const MAGIC: &[u8] = b"\x93NUMPY";

pub(super) fn matches(_: &Path, head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    Ok(Box::new(Npy::open(path)?))
}

struct Npy {
    bytes: Bytes,
    info: RecordingInfo,
    order: Order,
    data: u64,
    frame_bytes: u64,
}

impl Npy {
    fn open(path: &Path) -> Result<Npy, FormatError> {
        let bytes = Bytes::open(path)?;
        let major = bytes.u8(6, "the version")?;
        let (length, start) = match major {
            1 => (u64::from(bytes.u16(8, Order::Little, "the header's length")?), 10),
            2 | 3 => (u64::from(bytes.u32(8, Order::Little, "the header's length")?), 12),
            _ => return Err(bytes.malformed(6, format!("NPY version {major} is not known"))),
        };
        let header = bytes.get(start, length, "the header")?;
        let header = String::from_utf8_lossy(header).into_owned();
        let value = |key: &str| field(&header, key);
        let broken = |what: &str| bytes.malformed(start, what.to_owned());
        let descr = value("descr").ok_or_else(|| broken("the header has no 'descr'"))?;
        let (pixel_type, order) = pixel_type(&descr).ok_or_else(|| {
            bytes.unsupported(format!(
                "pixels of type {descr} cannot be measured; convert them to uint16 or float32"
            ))
        })?;
        if value("fortran_order").is_some_and(|order| order.contains("True")) {
            return Err(bytes.unsupported(
                "the array is in Fortran order; save it with numpy.ascontiguousarray",
            ));
        }
        let shape = value("shape").ok_or_else(|| broken("the header has no 'shape'"))?;
        let shape: Option<Vec<usize>> = shape
            .trim_matches(['(', ')'])
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| part.trim_end_matches('L').parse().ok())
            .collect();
        let shape = shape.ok_or_else(|| broken("the shape is not readable"))?;
        let [leading @ .., height, width] = shape.as_slice() else {
            return Err(bytes.unsupported(format!(
                "an array of {} dimension(s) is no image; expected [frames, height, width]",
                shape.len()
            )));
        };
        let frames = leading.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
        let frames = frames.ok_or_else(|| broken("the shape is larger than any memory"))?;
        let size = frame_bytes(*width, *height, pixel_type.size())
            .ok_or_else(|| broken("the frames are empty, or larger than any memory"))?;
        let data = start + length;
        let there = usize::try_from((bytes.len() - data.min(bytes.len())) / size).unwrap_or(0);
        let mut notes = Vec::new();
        if there < frames {
            notes.push(format!("the file was cut short: {there} of {frames} frames are whole"));
        }
        let info = RecordingInfo {
            format: "NumPy array".to_owned(),
            width: *width,
            height: *height,
            frames,
            pixel_type,
            pixel_size_nm: None,
            frame_interval_s: None,
            start_unix_time_s: None,
            notes,
        };
        Ok(Npy { bytes, info, order, data, frame_bytes: size })
    }
}

/// The value of a key in the header, a Python literal of a dictionary.
fn field(header: &str, key: &str) -> Option<String> {
    let at = header.find(&format!("'{key}'"))?;
    let rest = header[at..].split_once(':')?.1.trim_start();
    let end = match rest.chars().next()? {
        '(' => rest.find(')')? + 1,
        quote @ ('\'' | '"') => rest[1..].find(quote)? + 2,
        _ => rest.find([',', '}']).unwrap_or(rest.len()),
    };
    Some(rest[..end].trim_matches(['\'', '"']).to_owned())
}

fn pixel_type(descr: &str) -> Option<(PixelType, Order)> {
    let order = match descr.chars().next()? {
        '<' | '|' => Order::Little,
        '>' => Order::Big,
        '=' => Order::NATIVE,
        _ => return None,
    };
    let pixel_type = match &descr[1..] {
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
    Some((pixel_type, order))
}

impl Recording for Npy {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        let what = format!("frame {index}");
        let offset = self.data.saturating_add((index as u64).saturating_mul(self.frame_bytes));
        let bytes = self.bytes.get(offset, self.frame_bytes, &what)?;
        Ok(native(bytes, self.info.pixel_type.size(), self.order, scratch))
    }
}

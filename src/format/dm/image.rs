//! Which image of a Gatan file is the recording, and what its tags say of it.
//!
//! `ImageList` holds the images, among them the thumbnail that the file browser shows. Dimension
//! 0 is x, 1 is y, 2 counts the frames; each has a scale with a unit, which is a pixel size only
//! where the unit is a length (1/nm is diffraction) and a time step only where it is a time.

use std::path::Path;

use super::tags::{Array, Tag, TagFile};
use crate::format::cursor::printable;
use crate::format::{FormatError, RecordingInfo};
use crate::frame::PixelType;

/// Where the frames lie, and what the file says of them.
pub(super) struct FoundImage {
    pub(super) info: RecordingInfo,
    /// Byte of the first pixel of the first frame.
    pub(super) offset: u64,
    pub(super) frame_bytes: usize,
}

/// Chooses the recording among the images of a file: not the thumbnail, of real numbers, with
/// rows and columns; of several the one with most frames, then the first.
///
/// # Errors
/// [`FormatError::Unsupported`] with the reason of the first image when none can be measured;
/// [`FormatError::Malformed`] when the tags contradict each other.
pub(super) fn choose(path: &Path, bytes: &[u8], file: &TagFile) -> Result<FoundImage, FormatError> {
    let unsupported = |what: String| FormatError::Unsupported { path: path.to_owned(), what };
    let images = file.root.at(&["ImageList"]).map(Tag::entries).unwrap_or_default();
    let thumbnails = thumbnails(file);
    let (mut shapes, mut refusals) = (Vec::new(), Vec::new());
    for (place, (_, image)) in images.iter().enumerate() {
        if images.len() > 1 && thumbnails.contains(&(place as u64)) {
            continue;
        }
        match Shape::of(bytes, file, image) {
            Ok(shape) => shapes.push((place, shape)),
            Err(refusal) => refusals.push(refusal),
        }
    }
    let Some(most) = shapes.iter().map(|(_, shape)| shape.frames).max() else {
        return Err(unsupported(refusals.into_iter().next().unwrap_or_else(|| {
            "the Gatan file holds no image; it may be a layout or a script".to_owned()
        })));
    };
    let others = shapes.len() + refusals.len() - 1;
    let Some((place, shape)) = shapes.into_iter().find(|(_, shape)| shape.frames == most) else {
        unreachable!("the maximum is that of one of the shapes");
    };
    let mut found = describe(path, bytes, file, &images[place].1, &shape)?;
    if others > 0 {
        found.info.notes.push(format!(
            "the file holds {others} more image(s) or spectra; image {place} is read"
        ));
    }
    Ok(found)
}

fn thumbnails(file: &TagFile) -> Vec<u64> {
    let entries = file.root.at(&["Thumbnails"]).map(Tag::entries).unwrap_or_default();
    entries.iter().filter_map(|(_, tag)| tag.index(&["ImageIndex"])).collect()
}

/// The shape of an image that can be measured.
struct Shape {
    width: u64,
    height: u64,
    frames: u64,
    pixel_type: PixelType,
    data: Array,
}

impl Shape {
    /// Reads it from the tags, or says why the image cannot be measured.
    fn of(bytes: &[u8], file: &TagFile, image: &Tag) -> Result<Self, String> {
        let Some(Tag::Array(data)) = image.at(&["ImageData", "Data"]) else {
            return Err("an image of the Gatan file has no data".to_owned());
        };
        let dimensions = dimensions(image)?;
        let format = text(bytes, file, image, &["ImageTags", "Meta Data", "Format"]);
        let (width, height, frames) = match dimensions.as_slice() {
            [_] | [_, 1] | [1, _] => {
                return Err(
                    "a spectrum or line profile, not an image; nothing to follow in it".to_owned()
                );
            }
            [_, _] if format.as_deref() == Some("Spectrum image") => {
                return Err("a line of spectra (x against energy), not an image".to_owned());
            }
            [width, height] => (*width, *height, 1),
            [width, height, frames] => (*width, *height, *frames),
            more => {
                return Err(format!(
                    "a data set of {} dimensions; export it as a stack of images first",
                    more.len()
                ));
            }
        };
        let pixel_type = pixel_type(image.index(&["ImageData", "DataType"]))?;
        Ok(Shape { width, height, frames, pixel_type, data: *data })
    }
}

fn dimensions(image: &Tag) -> Result<Vec<u64>, String> {
    let entries = image.at(&["ImageData", "Dimensions"]).map(Tag::entries).unwrap_or_default();
    let sizes: Option<Vec<u64>> = entries.iter().map(|(_, tag)| tag.index(&[])).collect();
    match sizes {
        Some(sizes) if !sizes.is_empty() && !sizes.contains(&0) => Ok(sizes),
        _ => Err("an image of the Gatan file has no size".to_owned()),
    }
}

/// The vendor's data types; those that are not one real number a pixel are refused by name.
fn pixel_type(data_type: Option<u64>) -> Result<PixelType, String> {
    let refused = match data_type {
        Some(1) => return Ok(PixelType::I16),
        Some(2) => return Ok(PixelType::F32),
        // Binary images are one byte a pixel, 0 or 1.
        Some(6 | 14) => return Ok(PixelType::U8),
        Some(7) => return Ok(PixelType::I32),
        Some(9) => return Ok(PixelType::I8),
        Some(10) => return Ok(PixelType::U16),
        Some(11) => return Ok(PixelType::U32),
        Some(12) => return Ok(PixelType::F64),
        Some(3 | 13) => "complex numbers",
        Some(5 | 27 | 28) => "packed complex numbers (a Fourier transform)",
        Some(8 | 23) => "colours (RGBA)",
        Some(39 | 40) => "64-bit integers",
        Some(other) => return Err(format!("pixels of the unknown Gatan data type {other}")),
        None => return Err("an image of the Gatan file has no data type".to_owned()),
    };
    Err(format!("pixels are {refused}; export real grey values from DigitalMicrograph"))
}

fn describe(
    path: &Path,
    bytes: &[u8],
    file: &TagFile,
    image: &Tag,
    shape: &Shape,
) -> Result<FoundImage, FormatError> {
    let malformed = |what: String| FormatError::Malformed {
        path: path.to_owned(),
        offset: shape.data.offset,
        what,
    };
    let stored = shape.data.count.saturating_mul(shape.data.element);
    let frame_bytes = shape
        .width
        .checked_mul(shape.height)
        .and_then(|pixels| pixels.checked_mul(shape.pixel_type.size() as u64));
    let needed = frame_bytes.and_then(|bytes| bytes.checked_mul(shape.frames));
    let Some((frame_bytes, _)) = frame_bytes.zip(needed.filter(|needed| *needed <= stored)) else {
        return Err(malformed(format!(
            "{} frame(s) of {}×{} {} do not fit in the {stored} bytes of data; the file was cut \
             short or its tags are damaged",
            shape.frames, shape.width, shape.height, shape.pixel_type
        )));
    };
    let mut info = RecordingInfo {
        format: format!("Gatan DM{}", file.version),
        width: shape.width as usize,
        height: shape.height as usize,
        frames: shape.frames as usize,
        pixel_type: shape.pixel_type,
        pixel_size_nm: None,
        frame_interval_s: None,
        start_unix_time_s: None,
        notes: Vec::new(),
    };
    calibrate(bytes, file, image, &mut info);
    date(bytes, file, image, &mut info);
    Ok(FoundImage { info, offset: shape.data.offset, frame_bytes: frame_bytes as usize })
}

fn calibrate(bytes: &[u8], file: &TagFile, image: &Tag, info: &mut RecordingInfo) {
    let axis = |dimension: &str| {
        let base = ["ImageData", "Calibrations", "Dimension", dimension];
        let group = image.at(&base)?;
        Some((group.number(&["Scale"])?, text(bytes, file, group, &["Units"]).unwrap_or_default()))
    };
    if let (Some((x, x_unit)), Some((y, y_unit))) = (axis("0"), axis("1")) {
        match (length_nm(x, &x_unit), length_nm(y, &y_unit)) {
            (Some(x), Some(y)) => info.pixel_size_nm = Some((x, y)),
            _ if x_unit.is_empty() && y_unit.is_empty() => {}
            _ => info.notes.push(format!(
                "pixels are {x} {} by {y} {}, which is not a length on the specimen; no pixel size",
                printable(&x_unit),
                printable(&y_unit)
            )),
        }
    }
    if info.frames > 1
        && let Some((step, unit)) = axis("2")
    {
        info.frame_interval_s = time_s(step, &unit);
        if info.frame_interval_s.is_none() && !unit.is_empty() {
            let unit = printable(&unit);
            info.notes.push(format!("frames are {step} {unit} apart, which is not a time step"));
        }
    }
    if info.frame_interval_s.is_none() {
        let tag = ["ImageTags", "Acquisition", "Parameters", "High Level", "Exposure (s)"];
        if let Some(exposure) = image.number(&tag) {
            info.notes.push(format!("exposed for {exposure} s; no time step in the file"));
        }
    }
}

/// A scale in nm, where its unit is a length.
fn length_nm(scale: f64, unit: &str) -> Option<f64> {
    let nm = match unit {
        "m" => 1e9,
        "cm" => 1e7,
        "mm" => 1e6,
        "µm" | "μm" | "um" | "micron" | "microns" => 1e3,
        "nm" => 1.0,
        "Å" | "\u{212b}" | "A" | "Angstrom" | "angstrom" => 0.1,
        "pm" => 1e-3,
        _ => return None,
    };
    Some(scale * nm).filter(|size| size.is_finite() && *size > 0.0)
}

/// A step in s, where its unit is a time.
fn time_s(step: f64, unit: &str) -> Option<f64> {
    let seconds = match unit {
        "s" | "sec" | "seconds" => 1.0,
        "ms" => 1e-3,
        "µs" | "μs" | "us" => 1e-6,
        "ns" => 1e-9,
        "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(step * seconds).filter(|step| step.is_finite() && *step > 0.0)
}

/// The start time: only from the operating system's clock, which is UTC. The written date has
/// no time zone and the instrument's order of day and month, and so stays a note.
fn date(bytes: &[u8], file: &TagFile, image: &Tag, info: &mut RecordingInfo) {
    let places: [&[&str]; 2] =
        [&["ImageTags", "DataBar"], &["ImageTags", "source", "Tags at creation", "DataBar"]];
    for bar in places.iter().filter_map(|place| image.at(place)) {
        let os = bar.number(&["Acquisition Time (OS)"]).and_then(unix_time_s);
        if let Some(time) = os {
            info.start_unix_time_s = Some(time);
            return;
        }
        if let Some(day) = text(bytes, file, bar, &["Acquisition Date"]) {
            let time = text(bytes, file, bar, &["Acquisition Time"]).unwrap_or_default();
            info.notes.push(format!(
                "acquired {} {} by the instrument's clock, whose time zone the file does not say",
                printable(&day),
                printable(&time)
            ));
            return;
        }
    }
    let stamp = text(bytes, file, image, &["ImageTags", "Timestamp"]);
    if let Some(Ok(stamp)) = stamp.map(|stamp| stamp.parse::<jiff::Timestamp>()) {
        info.start_unix_time_s = Some(stamp.as_duration().as_secs_f64());
    }
}

/// From the operating system's count of 100 ns since 1601; `None` before 1970 or after 2200.
fn unix_time_s(ticks: f64) -> Option<f64> {
    const SECONDS_1601_TO_1970: f64 = 11_644_473_600.0;
    const YEAR_2200_S: f64 = 7_258_118_400.0;
    let seconds = ticks * 1e-7 - SECONDS_1601_TO_1970;
    (seconds > 0.0 && seconds < YEAR_2200_S).then_some(seconds)
}

fn text(bytes: &[u8], file: &TagFile, tag: &Tag, names: &[&str]) -> Option<String> {
    file.text(bytes, tag.at(names)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lengths_are_pixel_sizes() {
        assert_eq!(length_nm(2.0, "Å"), Some(0.2));
        assert_eq!(length_nm(2.0, "µm"), Some(2000.0));
        assert_eq!(length_nm(2.0, "1/nm"), None);
        assert_eq!(length_nm(-2.0, "nm"), None);
        assert_eq!(length_nm(f64::NAN, "nm"), None);
    }

    #[test]
    fn the_system_clock_becomes_unix_time() {
        let time = unix_time_s(1.311_680_115_005_263_2e17).expect("a time of 2016");
        assert!((time - 1_472_327_550.05).abs() < 0.1, "{time} is not 2016-08-27T19:52:30Z");
        assert_eq!(unix_time_s(0.0), None);
    }
}

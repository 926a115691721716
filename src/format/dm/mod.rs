//! Gatan DigitalMicrograph DM3 and DM4: images and image stacks with their calibration.
//!
//! The third dimension of a stack is taken as frames. Structure of the tag tree as described by
//! C. T. Schamp and by G. Owen, <https://imagej.net/formats/dm3>.

mod tags;

use std::path::Path;

use tags::{Tags, Value};

use super::bytes::FileBytes;
use super::contiguous::Contiguous;
use super::units::{nm_per, s_per};
use super::{FormatError, Recording, RecordingInfo};
use crate::frame::PixelType;

pub(super) fn matches(_: &Path, head: &[u8]) -> bool {
    let version = head.get(..4).map(|v| u32::from_be_bytes([v[0], v[1], v[2], v[3]]));
    let order = match version {
        Some(3) => head.get(8..12),
        Some(4) => head.get(12..16),
        _ => None,
    };
    order.is_some_and(|order| order == [0, 0, 0, 1] || order == [0, 0, 0, 0])
}

pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    Ok(Box::new(Dm::open(path)?))
}

/// An opened DM3 or DM4 file.
pub(super) struct Dm {
    file: FileBytes,
    info: RecordingInfo,
    layout: Contiguous,
}

impl Dm {
    /// Opens a file and chooses its image.
    pub(super) fn open(path: &Path) -> Result<Dm, FormatError> {
        let file = FileBytes::open(path)?;
        let tags = Tags::read(&file)?;
        let image = choose_image(&file, &tags)?;
        let data = format!("ImageList.{image}.ImageData");
        let size = dimensions(&tags, &data);
        if size.len() < 2 || size[0] < 2 || size[1] < 2 {
            return Err(file.unsupported("holds a spectrum or a line, and no image"));
        }
        let unit = |k: usize| {
            tags.text(&format!("{data}.Calibrations.Dimension.{k}.Units")).unwrap_or_default()
        };
        if (0..size.len()).any(|k| unit(k).ends_with("eV")) {
            return Err(file.unsupported("holds a spectrum image, and no series of frames"));
        }
        let frames = size[2..].iter().try_fold(1usize, |product, n| product.checked_mul(*n));
        let (pixel_type, offset) = pixels(&file, &tags, &data)?;
        let layout =
            Contiguous::new(offset, (size[0], size[1]), pixel_type, tags.endian).zip(frames);
        let Some((layout, frames)) = layout else {
            return Err(file.malformed(offset, "the image is empty, or larger than any memory"));
        };
        let scale = |k: usize| tags.number(&format!("{data}.Calibrations.Dimension.{k}.Scale"));
        let nm = |k: usize| Some(scale(k)?.abs() * nm_per(&unit(k))?).filter(|nm| *nm > 0.0);
        let step = if size.len() > 2 { scale(2).zip(s_per(&unit(2))) } else { None };
        let whole = layout.whole_frames(file.length());
        let mut notes = Vec::new();
        if whole < frames as u64 {
            notes.push(format!("the file was cut short: {whole} of {frames} frames are whole"));
        }
        let info = RecordingInfo {
            format: format!("Gatan DM{}", tags.version),
            width: size[0],
            height: size[1],
            frames,
            pixel_type,
            pixel_size_nm: nm(0).zip(nm(1)),
            frame_interval_s: step.map(|(scale, s)| scale * s).filter(|step| *step > 0.0),
            start_unix_time_s: start_time(&tags, image),
            notes,
        };
        Ok(Dm { file, info, layout })
    }
}

/// The first image that is no thumbnail and has two dimensions at least.
fn choose_image(file: &FileBytes, tags: &Tags) -> Result<usize, FormatError> {
    let thumbnail = tags.number("Thumbnails.0.ImageIndex");
    let images: Vec<usize> = (0..tags.children("ImageList"))
        .filter(|image| tags.get(&format!("ImageList.{image}.ImageData.Data")).is_some())
        .collect();
    let real: Vec<usize> = images
        .iter()
        .copied()
        .filter(|image| images.len() == 1 || thumbnail != Some(*image as f64))
        .collect();
    let flat = |image: &&usize| dimensions(tags, &format!("ImageList.{image}.ImageData")).len() > 1;
    let chosen = real.iter().find(flat).or(real.first());
    chosen.copied().ok_or_else(|| file.unsupported("holds no image data"))
}

fn dimensions(tags: &Tags, data: &str) -> Vec<usize> {
    (0..8)
        .map_while(|k| tags.number(&format!("{data}.Dimensions.{k}")))
        .map(|n| n as usize)
        .collect()
}

/// Type and place of the pixels.
fn pixels(file: &FileBytes, tags: &Tags, data: &str) -> Result<(PixelType, u64), FormatError> {
    let kind = tags.number(&format!("{data}.DataType")).unwrap_or(0.0) as u32;
    let pixel_type = match kind {
        1 => PixelType::I16,
        2 => PixelType::F32,
        6 | 14 => PixelType::U8,
        7 => PixelType::I32,
        9 => PixelType::I8,
        10 => PixelType::U16,
        11 => PixelType::U32,
        12 => PixelType::F64,
        3 | 5 | 13 | 27 | 28 => {
            return Err(file.unsupported("holds complex pixels; save the modulus as an image"));
        }
        8 | 23 => {
            return Err(file.unsupported("holds a colour image; save it as grey values"));
        }
        other => return Err(file.unsupported(format!("holds pixels of the unknown type {other}"))),
    };
    match tags.get(&format!("{data}.Data")) {
        Some(Value::Array { offset, .. }) => Ok((pixel_type, *offset)),
        _ => Err(file.unsupported("holds no image data")),
    }
}

/// From the operating system's clock (100 ns since 1601-01-01 UTC), where the file has it.
fn start_time(tags: &Tags, image: usize) -> Option<f64> {
    let path = format!("ImageList.{image}.ImageTags.DataBar.Acquisition Time (OS)");
    let time = tags.number(&path)? * 1e-7 - 11_644_473_600.0;
    (time > 0.0 && time < 1e10).then_some(time)
}

impl Recording for Dm {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        super::check_index(self.file.path(), index, self.info.frames)?;
        self.layout.read(&self.file, index, scratch)
    }
}

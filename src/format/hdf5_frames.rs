//! Frames in HDF5: `/entry/data/frames`, `/entry/instrument/detector/data`, or the only dataset of
//! three dimensions. Read one frame at a time.

use std::path::{Path, PathBuf};

use hdf5::types::{FloatSize, IntSize, TypeDescriptor, VarLenUnicode};
use ndarray::s;

use super::units::nm_per;
use super::{FormatError, Recording, RecordingInfo};
use crate::frame::PixelType;

const PLACES: [&str; 2] = ["entry/data/frames", "entry/instrument/detector/data"];

pub(super) fn matches(_: &Path, head: &[u8]) -> bool {
    head.starts_with(b"\x89HDF\r\n\x1a\n")
}

pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    Ok(Box::new(Hdf5Frames::open(path)?))
}

struct Hdf5Frames {
    path: PathBuf,
    dataset: hdf5::Dataset,
    times_s: Vec<f64>,
    info: RecordingInfo,
}

impl Hdf5Frames {
    fn open(path: &Path) -> Result<Hdf5Frames, FormatError> {
        let unsupported = |what: String| FormatError::Unsupported { path: path.to_owned(), what };
        let file = hdf5::File::open(path)
            .map_err(|error| unsupported(format!("HDF5 cannot open it: {error}")))?;
        let known = PLACES.iter().find_map(|place| file.dataset(place).ok());
        let dataset = match known {
            Some(dataset) => dataset,
            None => only_stack(&file).ok_or_else(|| {
                unsupported(if file.link_exists("entry") {
                    "this run file holds measurements but no frames; see: liwatch report".to_owned()
                } else {
                    "holds no dataset of frames, or several; expected /entry/data/frames of \
                     [frames, height, width]"
                        .to_owned()
                })
            })?,
        };
        let shape = dataset.shape();
        let [frames, height, width] = shape.as_slice() else {
            return Err(unsupported(format!(
                "the frames have {} dimensions; expected [frames, height, width]",
                shape.len()
            )));
        };
        let descriptor = dataset.dtype().and_then(|dtype| dtype.to_descriptor());
        let pixel_type = descriptor.ok().as_ref().and_then(pixel_type).ok_or_else(|| {
            unsupported("the frames' numbers are of a type that cannot be measured".to_owned())
        })?;
        let times_s = file
            .dataset("entry/frames/time")
            .and_then(|times| times.read_raw::<f64>())
            .unwrap_or_default();
        let info = RecordingInfo {
            format: "HDF5".to_owned(),
            width: *width,
            height: *height,
            frames: *frames,
            pixel_type,
            pixel_size_nm: pixel_size(&file, "x").zip(pixel_size(&file, "y")),
            frame_interval_s: None,
            start_unix_time_s: None,
            notes: Vec::new(),
        };
        Ok(Hdf5Frames { path: path.to_owned(), dataset, times_s, info })
    }

    fn frame<T: hdf5::H5Type>(&self, index: usize, out: &mut Vec<u8>) -> hdf5::Result<()> {
        let frame = self.dataset.read_slice_2d::<T, _>(s![index, .., ..])?;
        let pixels = frame.as_slice().unwrap_or_default();
        // SAFETY: the slice is of plain numbers without padding, whose bytes may be looked at.
        let bytes = unsafe {
            std::slice::from_raw_parts(pixels.as_ptr().cast::<u8>(), std::mem::size_of_val(pixels))
        };
        out.clear();
        out.extend_from_slice(bytes);
        Ok(())
    }
}

/// The only dataset of three dimensions, anywhere in the file.
fn only_stack(file: &hdf5::File) -> Option<hdf5::Dataset> {
    let mut found = Vec::new();
    let mut groups: Vec<hdf5::Group> = vec![file.as_group().ok()?];
    let mut seen = 0;
    while let Some(group) = groups.pop() {
        seen += 1;
        if seen > 10_000 {
            return None;
        }
        found.extend(group.datasets().ok()?.into_iter().filter(|dataset| dataset.ndim() == 3));
        groups.extend(group.groups().ok()?);
    }
    if found.len() == 1 { found.pop() } else { None }
}

fn pixel_type(descriptor: &TypeDescriptor) -> Option<PixelType> {
    Some(match descriptor {
        TypeDescriptor::Unsigned(IntSize::U1) | TypeDescriptor::Boolean => PixelType::U8,
        TypeDescriptor::Unsigned(IntSize::U2) => PixelType::U16,
        TypeDescriptor::Unsigned(IntSize::U4) => PixelType::U32,
        TypeDescriptor::Integer(IntSize::U1) => PixelType::I8,
        TypeDescriptor::Integer(IntSize::U2) => PixelType::I16,
        TypeDescriptor::Integer(IntSize::U4) => PixelType::I32,
        TypeDescriptor::Float(FloatSize::U4) => PixelType::F32,
        TypeDescriptor::Float(FloatSize::U8) => PixelType::F64,
        _ => return None,
    })
}

fn pixel_size(file: &hdf5::File, axis: &str) -> Option<f64> {
    let dataset = file.dataset(&format!("entry/instrument/detector/{axis}_pixel_size")).ok()?;
    let size: f64 = dataset.read_scalar().ok()?;
    let units = dataset.attr("units").and_then(|units| units.read_scalar::<VarLenUnicode>());
    let nm = size * nm_per(&units.ok()?)?;
    (nm > 0.0).then_some(nm)
}

impl Recording for Hdf5Frames {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        super::check_index(&self.path, index, self.info.frames)?;
        let read = match self.info.pixel_type {
            PixelType::U8 => self.frame::<u8>(index, scratch),
            PixelType::I8 => self.frame::<i8>(index, scratch),
            PixelType::U16 => self.frame::<u16>(index, scratch),
            PixelType::I16 => self.frame::<i16>(index, scratch),
            PixelType::U32 => self.frame::<u32>(index, scratch),
            PixelType::I32 => self.frame::<i32>(index, scratch),
            PixelType::F32 => self.frame::<f32>(index, scratch),
            PixelType::F64 => self.frame::<f64>(index, scratch),
        };
        read.map_err(|error| FormatError::Malformed {
            path: self.path.clone(),
            offset: 0,
            what: format!("frame {index} cannot be read: {error}"),
        })?;
        Ok(scratch)
    }

    fn time_s(&self, index: usize) -> Option<f64> {
        self.times_s.get(index).copied()
    }
}

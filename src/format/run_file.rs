//! Frames kept in HDF5: the raw frames of a run, in its file or beside it, and any HDF5 file whose
//! only three-dimensional dataset is a stack of frames `[n, height, width]`.
//!
//! One frame is read at a time through a hyperslab. The HDF5 library takes one caller at a time,
//! so threads that read wait for each other here; those of raw frames do not
//! ([`packed_frames`](super::packed_frames)).

use std::path::{Path, PathBuf};

use hdf5::types::{FloatSize, IntSize, TypeDescriptor};
use hdf5::{Container, Dataset, File, Group, H5Type, Location};
use ndarray::{Array2, s};

use super::packed_frames::PackedFrames;
use super::{FormatError, Recording, RecordingInfo};
use crate::frame::{Fate, PixelType, Reason};

const MAGIC: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// Where a NeXus file keeps its frames, in the order of asking.
const FRAMES_AT: [&str; 2] = ["entry/data/frames", "entry/instrument/detector/data"];
const DETECTOR: &str = "entry/instrument/detector";
const TIMES_AT: &str = "entry/frames/time";
/// Groups within groups that are searched in a file of unknown layout.
const MAX_DEPTH: usize = 8;
/// Objects that are looked at in a file of unknown layout.
const MAX_OBJECTS: usize = 100_000;
/// A frame larger than this is a damaged header, not a camera.
const MAX_FRAME_BYTES: usize = 1 << 31;
/// The pause after each attempt doubles from 1 ns: 4 ms in all.
const READ_ATTEMPTS: u32 = 22;
/// Deflate makes no more than so many bytes of one.
const HIGHEST_RATIO: u64 = 1032;

/// True for an HDF5 file.
pub(super) fn matches(_path: &Path, head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

/// Opens the stack of frames in an HDF5 file.
///
/// # Errors
/// [`FormatError::Unsupported`] when there is no such stack, or more than one;
/// [`FormatError::Io`] when the HDF5 library refuses the file.
pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    let file = File::open(path)
        // A file that is being written, or whose writer was killed, opens for followers only.
        .or_else(|error| follow(path).map_err(|_| error))
        .map_err(|error| refused(path, &error))?;
    let (frames, format) = find_frames(path, &file)?;
    let home = std::path::PathBuf::from(frames.filename());
    if home != Path::new(&file.filename()) {
        // A run file has a link to its raw frames.
        drop((frames, file));
        return open(&home);
    }
    let ledger = FrameLedger::read(&file);
    let shape = frames.shape();
    let &[count, height, width] = shape.as_slice() else {
        let what = format!("{} has {} dimensions, not 3", frames.name(), shape.len());
        return Err(FormatError::Unsupported { path: path.to_owned(), what });
    };
    let pixel_type = pixel_type(path, &frames)?;
    let count = ledger.as_ref().map_or(count, |ledger| count.min(ledger.rows()));
    let frame_bytes = height.checked_mul(width).and_then(|n| n.checked_mul(pixel_type.size()));
    if count == 0 || !frame_bytes.is_some_and(|bytes| (1..=MAX_FRAME_BYTES).contains(&bytes)) {
        let what = format!("{} holds {count} frames of {width}×{height}", frames.name());
        return Err(FormatError::Unsupported { path: path.to_owned(), what });
    }
    let mut info = RecordingInfo {
        format: format.to_owned(),
        width,
        height,
        frames: count,
        pixel_type,
        pixel_size_nm: pixel_size_nm(&file),
        frame_interval_s: None,
        start_unix_time_s: start_unix_time_s(&file),
        notes: Vec::new(),
    };
    let times_s = times_s(&file, &mut info, ledger.is_some());
    let packed = PackedFrames::open(path, &frames, &info)?;
    if packed.is_none() && !holds(&frames, frame_bytes.unwrap_or(0) as u64) {
        let (name, stored) = (frames.name(), frames.storage_size());
        let what = format!(
            "{name} claims frames of {width}×{height}, but only {stored} bytes of it are stored; \
             was it ever written?"
        );
        return Err(FormatError::Unsupported { path: path.to_owned(), what });
    }
    Ok(Box::new(RunFile { path: path.to_owned(), frames, packed, ledger, info, times_s }))
}

/// Opens a file as a follower. HDF5 takes a wrong checksum for a write under way, and by itself
/// would try each part of a damaged file 100 times, for minutes.
pub(crate) fn follow(path: &Path) -> hdf5::Result<File> {
    File::with_options()
        .with_fapl(|access| access.metadata_read_attempts(READ_ATTEMPTS))
        .open_as(path, hdf5::OpenMode::ReadSWMR)
}

pub(super) fn refused(path: &Path, error: &hdf5::Error) -> FormatError {
    FormatError::Io { path: path.to_owned(), source: std::io::Error::other(error.to_string()) }
}

/// The dataset of frames and the name of the layout.
fn find_frames(path: &Path, file: &File) -> Result<(Dataset, &'static str), FormatError> {
    for place in FRAMES_AT {
        if let Ok(frames) = file.dataset(place) {
            return Ok((frames, "NeXus HDF5"));
        }
    }
    let unsupported = |what: String| Err(FormatError::Unsupported { path: path.to_owned(), what });
    if file.group("entry/frames").is_ok() && file.group("entry/drift").is_ok() {
        return unsupported(
            "this run file holds measurements but no frames; see `liwatch inspect` or \
             `liwatch report`"
                .to_owned(),
        );
    }
    let mut search = Search { found: Vec::new(), objects: 0 };
    search.visit(file, 0);
    match search.found.as_slice() {
        [only] => Ok((only.clone(), "HDF5 stack")),
        [] => unsupported("the HDF5 file holds no stack of frames [n, height, width]".to_owned()),
        several => {
            let names: Vec<String> = several.iter().take(8).map(|set| set.name()).collect();
            unsupported(format!(
                "the HDF5 file holds {} stacks ({}); keep one as {}",
                several.len(),
                names.join(", "),
                FRAMES_AT[0]
            ))
        }
    }
}

/// Looks for datasets of three dimensions with numbers in them.
struct Search {
    found: Vec<Dataset>,
    objects: usize,
}

impl Search {
    fn visit(&mut self, group: &Group, depth: usize) {
        let names = group.member_names().unwrap_or_default();
        for name in names {
            self.objects += 1;
            if self.objects > MAX_OBJECTS {
                return;
            }
            match group.loc_type_by_name(&name) {
                Ok(hdf5::LocationType::Group) if depth < MAX_DEPTH => {
                    if let Ok(inner) = group.group(&name) {
                        self.visit(&inner, depth + 1);
                    }
                }
                Ok(hdf5::LocationType::Dataset) => {
                    let set = group.dataset(&name).ok();
                    self.found
                        .extend(set.filter(|set| set.ndim() == 3 && known_type(set).is_some()));
                }
                _ => {}
            }
        }
    }
}

fn known_type(set: &Dataset) -> Option<PixelType> {
    Some(match set.dtype().ok()?.to_descriptor().ok()? {
        TypeDescriptor::Unsigned(IntSize::U1) => PixelType::U8,
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

fn pixel_type(path: &Path, frames: &Dataset) -> Result<PixelType, FormatError> {
    known_type(frames).ok_or_else(|| {
        let found = frames.dtype().and_then(|kind| kind.to_descriptor());
        let found = found.map_or_else(|_| "of an unknown type".to_owned(), |kind| kind.to_string());
        FormatError::Unsupported {
            path: path.to_owned(),
            what: format!("pixels are {found}; write integers up to 32 bits, f32 or f64"),
        }
    })
}

/// From `x_pixel_size` and `y_pixel_size` of the detector, where their unit is a length.
fn pixel_size_nm(file: &File) -> Option<(f64, f64)> {
    let detector = file.group(DETECTOR).ok()?;
    let size = |name: &str| {
        let set = detector.dataset(name).ok().filter(is_stored)?;
        let size: f64 = set.read_raw::<f64>().ok()?.first().copied()?;
        let nm = match text_attribute(&set, "units")?.as_str() {
            "nm" => 1.0,
            "um" | "µm" | "μm" => 1e3,
            "mm" => 1e6,
            "m" => 1e9,
            "angstrom" | "Å" => 0.1,
            "pm" => 1e-3,
            _ => return None,
        };
        Some(size * nm).filter(|size| size.is_finite() && *size > 0.0)
    };
    size("x_pixel_size").zip(size("y_pixel_size"))
}

/// The first frame's time: the ledger's, else the start that the entry states.
fn start_unix_time_s(file: &File) -> Option<f64> {
    let ledger = file.dataset("entry/frames/unix_time").ok().and_then(|set| {
        let first = set.read_slice_1d::<f64, _>(s![0..1]).ok()?.first().copied()?;
        (first.is_finite() && first > 0.0).then_some(first)
    });
    ledger.or_else(|| {
        let stated = file.dataset("entry/start_time").ok()?;
        let stated = text(&stated)?;
        Some(stated.parse::<jiff::Timestamp>().ok()?.as_duration().as_secs_f64())
    })
}

/// The frames' times since the first, where the file has one for each and they are numbers.
fn times_s(file: &File, info: &mut RecordingInfo, is_ledger: bool) -> Vec<f64> {
    let Ok(set) = file.dataset(TIMES_AT) else { return Vec::new() };
    if !is_stored(&set) {
        info.notes.push(format!("{TIMES_AT} is longer than what is stored of it; no frame times"));
        return Vec::new();
    }
    // The rows of frames that were recorded last may be ahead of them.
    let whole = match set.shape()[..] {
        [times] => times == info.frames || (is_ledger && times > info.frames),
        _ => false,
    };
    if !whole {
        let what = format!("{TIMES_AT} has not one time for each frame; no frame times");
        info.notes.push(what);
        return Vec::new();
    }
    match set.read_raw::<f64>() {
        Ok(times) if times.iter().all(|time| time.is_finite()) => {
            let first = times.first().copied().unwrap_or(0.0);
            times.into_iter().take(info.frames).map(|time| time - first).collect()
        }
        _ => {
            info.notes.push(format!("{TIMES_AT} cannot be read or has gaps; no frame times"));
            Vec::new()
        }
    }
}

/// False for a dataset that claims more numbers than its bytes in the file can be unpacked to;
/// reading it whole would only fill the memory with its fill value.
fn is_stored(set: &Dataset) -> bool {
    holds(set, (set.size() as u64).saturating_mul(8))
}

/// Whether so many bytes can come out of what is stored of a dataset.
fn holds(set: &Dataset, bytes: u64) -> bool {
    bytes <= set.storage_size().saturating_mul(HIGHEST_RATIO).saturating_add(1 << 16)
}

fn text_attribute(location: &Location, name: &str) -> Option<String> {
    let attribute = location.attr(name).ok()?;
    text(&attribute)
}

/// A scalar text of either of HDF5's kinds.
fn text(container: &Container) -> Option<String> {
    use hdf5::types::{FixedAscii, FixedUnicode, VarLenAscii, VarLenUnicode};
    let read = |text: &str| text.trim().to_owned();
    match container.dtype().ok()?.to_descriptor().ok()? {
        TypeDescriptor::VarLenUnicode => {
            container.read_scalar::<VarLenUnicode>().ok().map(|text| read(text.as_str()))
        }
        TypeDescriptor::VarLenAscii => {
            container.read_scalar::<VarLenAscii>().ok().map(|text| read(text.as_str()))
        }
        TypeDescriptor::FixedUnicode(size) if size <= 64 => {
            container.read_scalar::<FixedUnicode<64>>().ok().map(|text| read(text.as_str()))
        }
        TypeDescriptor::FixedAscii(size) if size <= 64 => {
            container.read_scalar::<FixedAscii<64>>().ok().map(|text| read(text.as_str()))
        }
        _ => None,
    }
}

/// What a file of raw frames says of each.
struct FrameLedger {
    sequence: Vec<u64>,
    fate: Vec<u8>,
    reason: Vec<u16>,
    recorded: Vec<u8>,
    step_s: Option<f64>,
}

impl FrameLedger {
    fn read(file: &File) -> Option<FrameLedger> {
        fn of<T: H5Type>(file: &File, name: &str) -> Option<Vec<T>> {
            let set = file.dataset(&format!("entry/frames/{name}")).ok();
            set.filter(is_stored)?.read_raw().ok()
        }
        let step = file.dataset(TIMES_AT).and_then(|times| times.attr("step")?.read_scalar());
        Some(FrameLedger {
            // Written last, so that the others are as long.
            recorded: of(file, "recorded")?,
            sequence: of(file, "sequence")?,
            fate: of(file, "fate")?,
            reason: of(file, "reason")?,
            step_s: step.ok().filter(|step: &f64| step.is_finite() && *step > 0.0),
        })
    }

    fn rows(&self) -> usize {
        let others = self.sequence.len().min(self.fate.len()).min(self.reason.len());
        self.recorded.len().min(others)
    }

    fn lost(&self, index: usize) -> Option<(Fate, Reason)> {
        if *self.recorded.get(index)? != 0 {
            return None;
        }
        let fate = Fate::from_code(*self.fate.get(index)?);
        let reason = Reason::from_code(*self.reason.get(index)?);
        match (fate, reason) {
            // It was measured, but its pixels were not kept.
            (Some(Fate::Measured | Fate::Degraded) | None, _) | (_, None) => {
                Some((Fate::Dropped, Reason::StorageOverrun))
            }
            (Some(fate), Some(reason)) => Some((fate, reason)),
        }
    }
}

/// An opened stack of frames.
struct RunFile {
    path: PathBuf,
    frames: Dataset,
    packed: Option<PackedFrames>,
    ledger: Option<FrameLedger>,
    info: RecordingInfo,
    times_s: Vec<f64>,
}

impl RunFile {
    fn read_as<T: H5Type + Copy, const N: usize>(
        &self,
        index: usize,
        scratch: &mut Vec<u8>,
        bytes: fn(T) -> [u8; N],
    ) -> Result<(), FormatError> {
        let frame: Array2<T> = self
            .frames
            .read_slice(s![index, .., ..])
            .map_err(|error| refused(&self.path, &error))?;
        scratch.clear();
        scratch.reserve(frame.len() * N);
        for sample in &frame {
            scratch.extend_from_slice(&bytes(*sample));
        }
        Ok(())
    }
}

impl Recording for RunFile {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        if index >= self.info.frames {
            return Err(FormatError::no_frame(&self.path, index, self.info.frames));
        }
        if let Some(packed) = &self.packed {
            packed.read(index, &self.info, scratch)?;
            return Ok(scratch);
        }
        match self.info.pixel_type {
            PixelType::U8 => self.read_as(index, scratch, u8::to_ne_bytes),
            PixelType::I8 => self.read_as(index, scratch, i8::to_ne_bytes),
            PixelType::U16 => self.read_as(index, scratch, u16::to_ne_bytes),
            PixelType::I16 => self.read_as(index, scratch, i16::to_ne_bytes),
            PixelType::U32 => self.read_as(index, scratch, u32::to_ne_bytes),
            PixelType::I32 => self.read_as(index, scratch, i32::to_ne_bytes),
            PixelType::F32 => self.read_as(index, scratch, f32::to_ne_bytes),
            PixelType::F64 => self.read_as(index, scratch, f64::to_ne_bytes),
        }?;
        Ok(scratch)
    }

    fn time_s(&self, index: usize) -> Option<f64> {
        self.times_s.get(index).copied()
    }

    fn sequence(&self, index: usize) -> u64 {
        let known = self.ledger.as_ref().and_then(|ledger| ledger.sequence.get(index));
        known.copied().unwrap_or(index as u64)
    }

    fn lost(&self, index: usize) -> Option<(Fate, Reason)> {
        self.ledger.as_ref()?.lost(index)
    }

    fn step_s(&self) -> Option<f64> {
        self.ledger.as_ref()?.step_s
    }
}

//! The tree that Gatan In-Situ records: one DM4 file a frame, under
//! `Hour_00/Minute_00/Second_00/NAME_Hour_00_Minute_00_Second_00_Frame_0000.dm4`.
//!
//! Opening lists names and reads one frame; every other file is opened when its frame is asked
//! for. A frame's time is its place: the second, and within it the frame number over the frames
//! of a full second. A file that is broken is an error of its own frame alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dm::DmFile;
use super::{FormatError, Recording, RecordingInfo};

/// Frames that are tried for one that can be read, when a recording begins with broken files.
const MAX_BROKEN_AT_START: usize = 100;
/// Missing runs of frames that are named in the notes.
const MAX_NAMED_GAPS: usize = 5;

/// True for a folder that holds `Hour_xx` folders, and for the overview `NAME.dm4` beside them.
pub(super) fn matches(path: &Path, _head: &[u8]) -> bool {
    root_of(path).is_some()
}

/// Opens the tree.
///
/// # Errors
/// [`FormatError`] when a folder cannot be listed, there is no frame, or none of the first ones
/// can be read.
pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    let root = root_of(path).unwrap_or_else(|| path.to_owned());
    let frames = list_frames(&root)?;
    let first = first_readable(&root, &frames)?;
    let seconds = Seconds::of(&frames);
    let mut info = first.info().clone();
    info.format = format!("Gatan In-Situ tree ({})", info.format);
    info.frames = frames.len();
    info.frame_interval_s = seconds.steady_rate_hz().map(f64::recip);
    if seconds.rate_hz().is_none() && frames.len() > 1 {
        let note = "the recording is shorter than a full second: its frame rate is not known";
        info.notes.push(note.to_owned());
    }
    info.notes.extend(seconds.missing());
    let times_s = seconds.times_s(&frames);
    Ok(Box::new(GatanTree { info, frames, times_s }))
}

/// The folder that holds the `Hour_xx` folders: the path itself, or, for the overview file whose
/// name the frames begin with, its folder.
fn root_of(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return (!numbered(path, "Hour_").ok()?.is_empty()).then(|| path.to_owned());
    }
    let extension = path.extension()?;
    if !extension.eq_ignore_ascii_case("dm4") && !extension.eq_ignore_ascii_case("raw") {
        return None;
    }
    let prefix = format!("{}_Hour_", path.file_stem()?.to_str()?);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let root = parent.unwrap_or(Path::new("."));
    let hour = numbered(root, "Hour_").ok()?.into_values().next()?;
    let minute = numbered(&hour, "Minute_").ok()?.into_values().next()?;
    let second = numbered(&minute, "Second_").ok()?.into_values().next()?;
    let frame = std::fs::read_dir(second).ok()?.next()?.ok()?;
    frame.file_name().to_str()?.starts_with(&prefix).then(|| root.to_owned())
}

/// The folders `PREFIXnn` in a folder, by their number.
fn numbered(folder: &Path, prefix: &str) -> Result<BTreeMap<u32, PathBuf>, FormatError> {
    let io = |source| FormatError::Io { path: folder.to_owned(), source };
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse().ok());
        if let Some(number) = number
            && entry.path().is_dir()
        {
            found.insert(number, entry.path());
        }
    }
    Ok(found)
}

/// One file of the tree.
struct Frame {
    /// Seconds since hour 0 of the tree.
    second: u64,
    /// As the file's name counts it within the second.
    number: u32,
    path: PathBuf,
}

/// All frames in the order of hour, minute, second and number.
fn list_frames(root: &Path) -> Result<Vec<Frame>, FormatError> {
    let mut frames = Vec::new();
    for (hour, folder) in numbered(root, "Hour_")? {
        for (minute, folder) in numbered(&folder, "Minute_")? {
            for (second, folder) in numbered(&folder, "Second_")? {
                let second = u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second);
                list_second(&folder, second, &mut frames)?;
            }
        }
    }
    frames
        .sort_unstable_by(|a, b| (a.second, a.number, &a.path).cmp(&(b.second, b.number, &b.path)));
    if frames.is_empty() {
        return Err(FormatError::Unsupported {
            path: root.to_owned(),
            what: "an In-Situ tree without frames (NAME_…_Frame_nnnn.dm4)".to_owned(),
        });
    }
    Ok(frames)
}

fn list_second(folder: &Path, second: u64, frames: &mut Vec<Frame>) -> Result<(), FormatError> {
    let io = |source| FormatError::Io { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let number = path.file_name().and_then(|name| frame_number(name.to_str()?));
        if let Some(number) = number {
            frames.push(Frame { second, number, path });
        }
    }
    Ok(())
}

/// The number in `…_Frame_nnnn.dm4`; `None` for any other file.
fn frame_number(name: &str) -> Option<u32> {
    let (stem, extension) = name.rsplit_once('.')?;
    let is_frame = ["dm4", "dm3"].iter().any(|known| extension.eq_ignore_ascii_case(known));
    stem.rsplit_once("_Frame_").filter(|_| is_frame)?.1.parse().ok()
}

fn first_readable(root: &Path, frames: &[Frame]) -> Result<DmFile, FormatError> {
    let mut first_error = None;
    for frame in frames.iter().take(MAX_BROKEN_AT_START) {
        match DmFile::open(&frame.path) {
            Ok(file) => return Ok(file),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| FormatError::Unsupported {
        path: root.to_owned(),
        what: "an In-Situ tree without frames".to_owned(),
    }))
}

/// The frame numbers of each second, from which rate, times and gaps follow.
struct Seconds {
    numbers: BTreeMap<u64, Vec<u32>>,
    /// Whether the camera counts the frames of a second from 0 or from 1.
    base: u32,
}

impl Seconds {
    fn of(frames: &[Frame]) -> Self {
        let mut numbers: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for frame in frames {
            numbers.entry(frame.second).or_default().push(frame.number);
        }
        let base = frames.iter().map(|frame| frame.number).min().unwrap_or(0);
        Seconds { numbers, base }
    }

    /// Frames of each second that both began and ended within the recording, gaps counted.
    fn full(&self) -> impl Iterator<Item = u32> {
        let inner = self.numbers.len().saturating_sub(2);
        let lists = self.numbers.values().skip(1).take(inner);
        lists.filter_map(|list| list.last()).map(|last| (last - self.base).saturating_add(1))
    }

    /// Frames a second: those of the fullest whole second; without a whole second, those of the
    /// first one when a second follows it.
    fn rate_hz(&self) -> Option<f64> {
        let rest = || {
            let begun = self.numbers.values().take(self.numbers.len().saturating_sub(1));
            begun.filter_map(|list| list.last()).map(|last| (last - self.base).saturating_add(1))
        };
        self.full().max().or_else(|| rest().max()).map(f64::from)
    }

    /// The rate, where every whole second has the same and no frame is missing.
    fn steady_rate_hz(&self) -> Option<f64> {
        let rate = self.rate_hz()?;
        let steady = self.full().all(|count| f64::from(count) == rate);
        (steady && self.missing().is_empty()).then_some(rate)
    }

    fn times_s(&self, frames: &[Frame]) -> Vec<f64> {
        let Some(rate) = self.rate_hz() else { return Vec::new() };
        let time = |frame: &Frame| frame.second as f64 + f64::from(frame.number - self.base) / rate;
        let first = frames.first().map_or(0.0, time);
        frames.iter().map(|frame| time(frame) - first).collect()
    }

    /// What the numbering says is not there: frames within a second, and whole seconds.
    fn missing(&self) -> Vec<String> {
        let (mut count, mut named) = (0u64, Vec::new());
        let first_second = self.numbers.keys().next().copied();
        for (second, list) in &self.numbers {
            // The recording may begin anywhere in its first second.
            let mut next = if Some(*second) == first_second {
                list.first().copied().unwrap_or(self.base)
            } else {
                self.base
            };
            for number in list {
                if *number > next {
                    count += u64::from(number - next);
                    named.push(format!("second {second} frame {next}"));
                }
                next = number.saturating_add(1);
            }
        }
        let mut notes = Vec::new();
        if count > 0 {
            named.truncate(MAX_NAMED_GAPS);
            let gaps = named.join(", ");
            notes.push(format!("{count} frame(s) are missing within seconds: from {gaps}"));
        }
        let last = self.numbers.keys().next_back().copied();
        if let Some((first, last)) = first_second.zip(last) {
            let absent = (last - first + 1).saturating_sub(self.numbers.len() as u64);
            if absent > 0 {
                notes.push(format!("{absent} whole second(s) have no frames"));
            }
        }
        notes
    }
}

/// An opened tree.
struct GatanTree {
    info: RecordingInfo,
    frames: Vec<Frame>,
    times_s: Vec<f64>,
}

impl Recording for GatanTree {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        let Some(frame) = self.frames.get(index) else {
            return Err(FormatError::Unsupported {
                path: self.frames.first().map(|frame| frame.path.clone()).unwrap_or_default(),
                what: format!("has no frame {index}; the tree holds {}", self.frames.len()),
            });
        };
        let file = DmFile::open(&frame.path)?;
        let (found, expected) = (file.info(), &self.info);
        if (found.width, found.height, found.pixel_type)
            != (expected.width, expected.height, expected.pixel_type)
        {
            let describe = |info: &RecordingInfo| {
                format!("{}×{} {}", info.width, info.height, info.pixel_type)
            };
            return Err(FormatError::WrongShape {
                path: frame.path.clone(),
                index,
                found: describe(found),
                expected: describe(expected),
            });
        }
        // The file's map ends with this call, so its pixels are copied out.
        let mut turned = Vec::new();
        let pixels = file.read(0, &mut turned)?;
        scratch.clear();
        scratch.extend_from_slice(pixels);
        Ok(scratch)
    }

    fn time_s(&self, index: usize) -> Option<f64> {
        self.times_s.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(places: &[(u64, u32)]) -> Vec<Frame> {
        let frame = |&(second, number)| Frame { second, number, path: PathBuf::new() };
        places.iter().map(frame).collect()
    }

    #[test]
    fn names_give_the_frame_number() {
        assert_eq!(frame_number("a_Hour_00_Minute_00_Second_01_Frame_0012.dm4"), Some(12));
        assert_eq!(frame_number("a_Frame_0012.txt"), None);
        assert_eq!(frame_number("Frame.dm4"), None);
    }

    #[test]
    fn the_rate_is_that_of_whole_seconds() {
        let frames = frames(&[(0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)]);
        let seconds = Seconds::of(&frames);
        assert_eq!(seconds.steady_rate_hz(), Some(4.0));
        let times = seconds.times_s(&frames);
        assert_eq!(times, [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]);
        assert!(seconds.missing().is_empty(), "{:?}", seconds.missing());
    }

    #[test]
    fn gaps_are_named_and_keep_the_times() {
        let frames = frames(&[(0, 0), (0, 1), (1, 1), (3, 0), (3, 1), (4, 0)]);
        let seconds = Seconds::of(&frames);
        assert_eq!(seconds.rate_hz(), Some(2.0));
        assert_eq!(seconds.times_s(&frames), [0.0, 0.5, 1.5, 3.0, 3.5, 4.0]);
        assert_eq!(seconds.steady_rate_hz(), None);
        let notes = seconds.missing();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].contains("second 1 frame 0"), "{notes:?}");
    }
}

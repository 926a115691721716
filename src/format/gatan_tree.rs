//! The tree that Gatan's In-Situ cameras write: `Hour_00/Minute_00/Second_00/*.dm4`, one file a
//! frame. Files are opened when they are read; only the first is looked at beforehand.

use std::path::{Path, PathBuf};

use super::dm::Dm;
use super::{FormatError, Recording, RecordingInfo};

pub(super) fn matches(path: &Path, _: &[u8]) -> bool {
    path.is_dir() && numbered(path, "Hour_").is_ok_and(|hours| !hours.is_empty())
}

pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    Ok(Box::new(Tree::open(path)?))
}

struct Tree {
    root: PathBuf,
    files: Vec<PathBuf>,
    /// Seconds of each frame since the first.
    times_s: Vec<f64>,
    info: RecordingInfo,
}

impl Tree {
    fn open(root: &Path) -> Result<Tree, FormatError> {
        let mut seconds: Vec<(u64, Vec<(u64, PathBuf)>)> = Vec::new();
        for (hour, hour_path) in numbered(root, "Hour_")? {
            for (minute, minute_path) in numbered(&hour_path, "Minute_")? {
                for (second, second_path) in numbered(&minute_path, "Second_")? {
                    let at = (hour * 60 + minute) * 60 + second;
                    seconds.push((at, frames_of(&second_path)?));
                }
            }
        }
        let unsupported =
            |what: &str| FormatError::Unsupported { path: root.to_owned(), what: what.to_owned() };
        let Some(first) = seconds.iter().find_map(|(_, frames)| frames.first()) else {
            return Err(unsupported("the In-Situ tree holds no .dm4 file"));
        };
        let first = Dm::open(&first.1)?;
        // A whole second has as many frames as the camera takes in one; the first and the last
        // second may be cut.
        let per_second = seconds
            .iter()
            .filter_map(|(_, frames)| frames.last())
            .map(|(number, _)| number + 1)
            .max()
            .unwrap_or(1);
        let start = seconds.iter().find(|(_, frames)| !frames.is_empty());
        let start = start.map_or(0, |(second, _)| *second);
        let (mut files, mut times_s, mut missing) = (Vec::new(), Vec::new(), 0);
        let last_second = seconds.last().map_or(0, |(second, _)| *second);
        for (second, frames) in seconds {
            let whole = second > start && second < last_second;
            missing += if whole { per_second - (frames.len() as u64).min(per_second) } else { 0 };
            for (number, path) in frames {
                let within = number as f64 / per_second as f64;
                times_s.push((second - start) as f64 + within);
                files.push(path);
            }
        }
        let zero = times_s.first().copied().unwrap_or(0.0);
        times_s.iter_mut().for_each(|time| *time -= zero);
        let mut info = first.info().clone();
        info.format = "Gatan In-Situ tree".to_owned();
        info.frames = files.len();
        info.frame_interval_s = Some(1.0 / per_second as f64);
        if missing > 0 {
            info.notes.push(format!(
                "{missing} frames are missing in the tree, of {per_second} a second"
            ));
        }
        Ok(Tree { root: root.to_owned(), files, times_s, info })
    }
}

/// The folders `PREFIXnn`, in order of their numbers.
fn numbered(folder: &Path, prefix: &str) -> Result<Vec<(u64, PathBuf)>, FormatError> {
    let mut out = Vec::new();
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(number) = name.strip_prefix(prefix).and_then(|n| n.parse().ok())
            && path.is_dir()
        {
            out.push((number, path));
        }
    }
    out.sort();
    Ok(out)
}

/// The frames of one second, by the number at the end of the name.
fn frames_of(folder: &Path) -> Result<Vec<(u64, PathBuf)>, FormatError> {
    let mut out = Vec::new();
    for path in entries(folder)? {
        let is_dm = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("dm4"));
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let digits: String = stem.chars().rev().take_while(char::is_ascii_digit).collect();
        let number: String = digits.chars().rev().collect();
        if is_dm && let Ok(number) = number.parse() {
            out.push((number, path));
        }
    }
    out.sort();
    Ok(out)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let io = |source| FormatError::Io { path: folder.to_owned(), source };
    std::fs::read_dir(folder)
        .map_err(io)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(io))
        .collect()
}

impl Recording for Tree {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        super::check_index(&self.root, index, self.files.len())?;
        let path = &self.files[index];
        let frame = Dm::open(path)?;
        let (found, expected) = (frame.info(), &self.info);
        if (found.width, found.height, found.pixel_type)
            != (expected.width, expected.height, expected.pixel_type)
        {
            let shape = |i: &RecordingInfo| format!("{} x {} {}", i.width, i.height, i.pixel_type);
            return Err(FormatError::WrongShape {
                path: path.clone(),
                index,
                found: shape(found),
                expected: shape(expected),
            });
        }
        let mut turned = Vec::new();
        let pixels = frame.read(0, &mut turned)?;
        scratch.clear();
        scratch.extend_from_slice(pixels);
        Ok(scratch)
    }

    fn time_s(&self, index: usize) -> Option<f64> {
        self.times_s.get(index).copied()
    }
}

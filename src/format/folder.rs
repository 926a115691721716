//! A folder of numbered TIFF or PNG images, in the order of the numbers in their names.
//!
//! `frame9.tif` stands before `frame10.tif`: runs of digits compare as numbers, whatever their
//! length. Gaps in the numbering are no missing frames (recordings are often thinned by hand);
//! they are told in a note. Each image is opened when its frame is read.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::png_image::PngImage;
use super::tiff::Tiff;
use super::{FormatError, Recording, RecordingInfo};

/// An opened folder.
pub struct Folder {
    images: Vec<PathBuf>,
    info: RecordingInfo,
}

/// What the images of a folder are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tiff,
    Png,
}

impl Folder {
    /// Opens the folder at `path`. The first image that can be read sets size and type.
    ///
    /// # Errors
    /// [`FormatError`] when there is no TIFF or PNG image, when no image can be read, or when
    /// the images are stacks themselves.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let Listing { kind, images, mut notes } = list(path)?;
        let (number, first) = first_readable(&images)?;
        let first = first.info();
        if first.frames > 1 {
            let what = format!(
                "is a stack of {} frames inside a folder of {} files; open one stack at a time",
                first.frames,
                images.len()
            );
            let path = images.get(number).cloned().unwrap_or_else(|| path.to_owned());
            return Err(FormatError::Unsupported { path, what });
        }
        if number > 0 {
            notes.push(format!("the first {number} images cannot be read"));
        }
        notes.extend(note_on_gaps(&images));
        notes.extend(first.notes.iter().cloned());
        let info = RecordingInfo {
            format: match kind {
                Kind::Tiff => "folder of TIFF images".to_owned(),
                Kind::Png => "folder of PNG images".to_owned(),
            },
            frames: images.len(),
            notes,
            ..first.clone()
        };
        Ok(Folder { images, info })
    }

    fn describe(info: &RecordingInfo) -> String {
        let stack = if info.frames > 1 { format!("{} x ", info.frames) } else { String::new() };
        format!("{stack}{} x {} {}", info.width, info.height, info.pixel_type)
    }
}

impl Recording for Folder {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        let Some(path) = self.images.get(index) else {
            let what = format!("has {} frames; there is no frame {index}", self.images.len());
            let path = self.images.first().and_then(|p| p.parent()).map(Path::to_owned);
            return Err(FormatError::Unsupported { path: path.unwrap_or_default(), what });
        };
        let image = open_image(path)?;
        let (found, expected) = (
            Self::describe(image.info()),
            Self::describe(&RecordingInfo { frames: 1, ..self.info.clone() }),
        );
        if found != expected {
            return Err(FormatError::WrongShape { path: path.clone(), index, found, expected });
        }
        // The image's map ends with this call, so pixels that lie in it are copied; those that
        // were decoded stand in the caller's buffer already.
        let decoded = {
            let pixels = image.read(0, scratch)?;
            (pixels.as_ptr(), pixels.len())
        };
        if decoded != (scratch.as_ptr(), scratch.len()) {
            let mut unused = Vec::new();
            let mapped = image.read(0, &mut unused)?;
            scratch.clear();
            scratch.extend_from_slice(mapped);
        }
        Ok(scratch)
    }
}

struct Listing {
    kind: Kind,
    /// In the order of frames.
    images: Vec<PathBuf>,
    notes: Vec<String>,
}

/// The images of the kind that there are more of.
fn list(path: &Path) -> Result<Listing, FormatError> {
    let io = |source| FormatError::Io { path: path.to_owned(), source };
    let (mut tiff, mut png) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(path).map_err(io)? {
        let file = entry.map_err(io)?.path();
        match kind_of(&file) {
            Some(Kind::Tiff) => tiff.push(file),
            Some(Kind::Png) => png.push(file),
            None => {}
        }
    }
    let (kind, mut images, others) = if tiff.len() >= png.len() {
        (Kind::Tiff, tiff, png.len())
    } else {
        (Kind::Png, png, tiff.len())
    };
    if images.is_empty() {
        let what =
            "holds no TIFF or PNG image; a folder is a recording of numbered images".to_owned();
        return Err(FormatError::Unsupported { path: path.to_owned(), what });
    }
    images.sort_by(|a, b| natural_order(&name(a), &name(b)));
    let mut notes = Vec::new();
    if others > 0 {
        notes.push(format!("{others} images of the other kind (TIFF or PNG) are left out"));
    }
    Ok(Listing { kind, images, notes })
}

/// Told by the extension; names with a leading dot are left by file managers and transfers.
fn kind_of(path: &Path) -> Option<Kind> {
    if name(path).starts_with('.') || path.is_dir() {
        return None;
    }
    let extension = path.extension()?.to_str()?.to_lowercase();
    match extension.as_str() {
        "tif" | "tiff" => Some(Kind::Tiff),
        "png" => Some(Kind::Png),
        _ => None,
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The first image that opens, with its place; else the first error.
fn first_readable(images: &[PathBuf]) -> Result<(usize, Box<dyn Recording>), FormatError> {
    let mut problem = None;
    for (number, path) in images.iter().enumerate() {
        match open_image(path) {
            Ok(image) => return Ok((number, image)),
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    let Some(problem) = problem else { unreachable!("a listing holds at least one image") };
    Err(problem)
}

/// Opens one image by its content; a TIFF that was named PNG is no reason to fail.
fn open_image(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    let head = super::bytes::read_head(path, 8)?;
    if head.starts_with(super::png_image::MAGIC) {
        return Ok(Box::new(PngImage::open(path)?));
    }
    Ok(Box::new(Tiff::open(path)?))
}

/// Compares names so that runs of digits count as numbers: `9` before `10`, `010` after `10`
/// only when all else is the same.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let order = match (left.chars().next(), right.chars().next()) {
            (None, None) => return a.cmp(b),
            (None, _) => Ordering::Less,
            (_, None) => Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (m, n) = (take_number(&mut left), take_number(&mut right));
                // Without leading zeros, the longer number is the larger one.
                (m.len(), m).cmp(&(n.len(), n))
            }
            (Some(x), Some(y)) => {
                (left, right) = (&left[x.len_utf8()..], &right[y.len_utf8()..]);
                x.cmp(&y)
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Cuts the leading digits off, and gives them without leading zeros.
fn take_number<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits.trim_start_matches('0')
}

/// The note on numbers that are left out, from the last number in each name.
fn note_on_gaps(images: &[PathBuf]) -> Option<String> {
    let numbers: Vec<u64> =
        images.iter().map(|path| last_number(&name(path))).collect::<Option<_>>()?;
    let gaps =
        numbers.windows(2).filter(|pair| matches!(pair, [a, b] if b.checked_sub(*a) != Some(1)));
    let gaps = gaps.count();
    (gaps > 0).then(|| {
        format!(
            "the numbers in the names have {gaps} gaps; the images are read as consecutive frames"
        )
    })
}

fn last_number(name: &str) -> Option<u64> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = stem[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |i| i + stem[i..].chars().next().map_or(1, char::len_utf8));
    stem[start..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_compare_as_numbers_of_any_length() {
        let mut names =
            ["b1", "a10.tif", "a9.tif", "a009b.tif", "a", "a99999999999999999999999", "a010.tif"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            ["a", "a9.tif", "a009b.tif", "a010.tif", "a10.tif", "a99999999999999999999999", "b1"]
        );
        assert_eq!(last_number("Chip-4-Heat-1-Frame-1691-Cropped.png"), Some(1691));
        assert_eq!(last_number("µ7µ.tif"), Some(7));
        assert_eq!(last_number("x.tif"), None);
    }
}

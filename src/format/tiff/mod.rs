//! TIFF and BigTIFF stacks: each page a frame, read from the map one at a time.
//!
//! Opening walks the chain of directories once; a page's strips are looked up when it is read.
//! Stacks with one directory and the frames in one piece behind it (ImageJ beyond 4 GB) are read
//! as such. A page that differs from the first in size or type is an error of that frame alone.
//!
//! Colour is read as luminance (microscopes' software saves grey as RGB), unless a grey page
//! stands in the same file: then colour pages are pictures of it and are left out, as are
//! thumbnails. White-is-zero and palette pages keep the values that are stored.

mod directory;
mod imagej;
mod metadata;
mod ome;
mod page;
mod pixels;
mod vendor;

use std::path::Path;

use self::directory::{Chain, Directory, Header};
use self::metadata::Described;
use self::page::{Chunks, Page, Reduction};
use super::bytes::FileBytes;
use super::contiguous::Contiguous;
use super::{FormatError, Recording, RecordingInfo};

/// True for TIFF and BigTIFF in both byte orders.
pub fn has_magic(head: &[u8]) -> bool {
    let magics: [&[u8]; 4] = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
    magics.iter().any(|magic| head.starts_with(magic))
}

/// An opened TIFF.
pub struct Tiff {
    file: FileBytes,
    header: Header,
    /// The directory of each frame; empty when the frames lie in one piece.
    pages: Vec<u64>,
    contiguous: Option<Contiguous>,
    first: Page,
    times_s: Vec<Option<f64>>,
    info: RecordingInfo,
}

impl Tiff {
    /// Opens the stack at `path`.
    ///
    /// # Errors
    /// [`FormatError`] when no page can be read. A chain of pages that breaks later keeps the
    /// pages before the break, with a note.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let file = FileBytes::open(path)?;
        let header = Header::read(&file)?;
        let Chain { offsets, broken } = directory::walk(&file, &header);
        let mut notes = Vec::new();
        if let Some(error) = broken {
            if offsets.is_empty() {
                return Err(error);
            }
            notes.push(format!("only {} pages can be reached: {error}", offsets.len()));
        }
        let (mut pages, chosen) = choose_pages(&file, &header, offsets, &mut notes)?;
        let tags = Directory::read(&file, &header, chosen)?;
        let first = Page::read(&file, &tags)?;
        first.check_decodable(&file)?;
        let described = metadata::describe(&tags, pages.len());
        let contiguous = one_piece(&file, &header, &tags, &first, &described, pages.len());
        let mut frames = pages.len();
        if let (Some(layout), Some(announced)) = (&contiguous, described.frames) {
            pages.clear();
            frames = announced;
            let whole = layout.whole_frames(file.length());
            if whole < announced as u64 {
                notes.push(format!("cut short: {whole} of {announced} frames are whole"));
            }
        } else {
            pages = in_order(pages, &described, &mut notes);
        }
        let info = info((&header, &tags), &first, &described, frames, notes);
        Ok(Tiff { file, header, pages, contiguous, first, times_s: described.times_s, info })
    }
}

impl Recording for Tiff {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        super::check_index(self.file.path(), index, self.info.frames)?;
        if let Some(layout) = &self.contiguous {
            return layout.read(&self.file, index, scratch);
        }
        let Some(offset) = self.pages.get(index) else {
            unreachable!("without a contiguous layout there is one directory for each frame");
        };
        let tags = Directory::read(&self.file, &self.header, *offset)?;
        let page = Page::read(&self.file, &tags)?;
        if !page.same_shape(&self.first) {
            return Err(FormatError::WrongShape {
                path: self.file.path().to_owned(),
                index,
                found: page.describe(),
                expected: self.first.describe(),
            });
        }
        page.check_decodable(&self.file)?;
        pixels::read(&self.file, &self.header, &tags, &page, scratch)
    }

    fn time_s(&self, index: usize) -> Option<f64> {
        let first = self.times_s.first().copied().flatten()?;
        Some(self.times_s.get(index).copied().flatten()? - first)
    }
}

/// The directories that are frames, and the one that stands for all of them: grey pages where
/// there are any, else coloured ones, else thumbnails.
fn choose_pages(
    file: &FileBytes,
    header: &Header,
    offsets: Vec<u64>,
    notes: &mut Vec<String>,
) -> Result<(Vec<u64>, u64), FormatError> {
    let rank = |offset: u64| -> Result<Rank, FormatError> {
        Ok(Rank::of(&Page::read(file, &Directory::read(file, header, offset)?)?))
    };
    let mut problem = None;
    let mut best: Option<(Rank, u64)> = None;
    for offset in &offsets {
        match rank(*offset) {
            Ok(found) if best.is_none_or(|(so_far, _)| found < so_far) => {
                best = Some((found, *offset));
            }
            Ok(_) => {}
            Err(error) => problem = problem.or(Some(error)),
        }
        // Nothing is better than grey, and a long stack is not read to its end for it.
        if matches!(best, Some((Rank::Grey, _))) {
            break;
        }
    }
    let Some((best, chosen)) = best else {
        return Err(problem
            .unwrap_or_else(|| file.malformed(4, "holds no page; the recording has no frames")));
    };
    if best == Rank::Colour {
        notes.push("colour is read as luminance, 0.299 R + 0.587 G + 0.114 B".to_owned());
    }
    let all = offsets.len();
    // A page that cannot be read is a frame all the same: it has its fate.
    let frames: Vec<u64> =
        offsets.into_iter().filter(|offset| rank(*offset).map_or(true, |r| r == best)).collect();
    if frames.len() < all {
        let out = all - frames.len();
        notes.push(format!("{out} pages are thumbnails or coloured copies, left out"));
    }
    Ok((frames, chosen))
}

/// How close a page is to what the camera measured, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Grey,
    Colour,
    Thumbnail,
}

impl Rank {
    fn of(page: &Page) -> Self {
        match (page.thumbnail, page.reduction) {
            (true, _) => Rank::Thumbnail,
            (false, Reduction::Luminance) => Rank::Colour,
            (false, _) => Rank::Grey,
        }
    }
}

/// The layout of a stack whose frames follow the first page without directories of their own.
fn one_piece(
    file: &FileBytes,
    header: &Header,
    tags: &Directory<'_>,
    first: &Page,
    described: &Described,
    pages: usize,
) -> Option<Contiguous> {
    let announced = described.frames.filter(|_| described.may_be_contiguous)?;
    if pages != 1 || announced < 2 || first.compression != page::UNCOMPRESSED {
        return None;
    }
    let chunks = Chunks::read(file, tags, first).ok()?;
    let in_order = pixels::one_piece(first, &chunks, super::bytes::Endian::NATIVE)?;
    Contiguous::new(in_order, (first.width, first.height), first.pixel_type, header.endian)
}

/// The pages in the order of frames, where the description has one.
fn in_order(pages: Vec<u64>, described: &Described, notes: &mut Vec<String>) -> Vec<u64> {
    if let Some(announced) = described.frames
        && announced != pages.len()
    {
        notes.push(format!(
            "the description announces {announced} frames, the file has {}",
            pages.len()
        ));
        return pages;
    }
    let ordered: Option<Vec<u64>> =
        described.pages.iter().map(|page| pages.get(*page).copied()).collect();
    match ordered {
        Some(ordered) if ordered.len() == pages.len() => ordered,
        _ => pages,
    }
}

fn info(
    (header, tags): (&Header, &Directory<'_>),
    first: &Page,
    described: &Described,
    frames: usize,
    mut notes: Vec<String>,
) -> RecordingInfo {
    notes.extend(described.notes.iter().cloned());
    if first.photometric == 0 {
        notes.push("white is zero; the stored values are kept".to_owned());
    }
    if first.photometric == 3 && !grey_palette(tags) {
        notes.push("a palette gives the pixels colours; the stored values are kept".to_owned());
    }
    let kind = described.writer.unwrap_or(if header.big { "BigTIFF" } else { "TIFF" });
    RecordingInfo {
        format: if frames > 1 { format!("{kind} stack") } else { kind.to_owned() },
        width: first.width,
        height: first.height,
        frames,
        pixel_type: first.pixel_type,
        pixel_size_nm: described.pixel_size_nm,
        frame_interval_s: described.frame_interval_s,
        start_unix_time_s: described.start_unix_time_s,
        notes,
    }
}

/// True when the palette is a ramp of greys, as the software of SEMs writes it.
fn grey_palette(tags: &Directory<'_>) -> bool {
    let palette = tags.uints(320, 3 << 16).ok().flatten().unwrap_or_default();
    let (red, rest) = palette.split_at(palette.len() / 3);
    let (green, blue) = rest.split_at(rest.len() / 2);
    red == green && green == blue && red.is_sorted()
}

//! The pixels of one page: borrowed where they lie in one piece in native order, copied strip by
//! strip where they do not, decoded by the `tiff` crate where they are compressed.
//!
//! The crate finds the page by a header that is laid over the map and points to its directory,
//! so that reading page n costs the same as reading page 0.

use std::io::{self, Read, Seek, SeekFrom};

use tiff::decoder::{Decoder, Limits};

use super::directory::{Directory, Header};
use super::page::{Chunks, JPEG, Page, Reduction, UNCOMPRESSED};
use crate::format::FormatError;
use crate::format::bytes::{Endian, FileBytes};
use crate::format::luminance::{self, Colours};

/// No compression of TIFF packs a byte of pixels tighter than this; a page that claims more would
/// be a bomb, and is refused before any memory is taken.
const HIGHEST_RATIO: u64 = 4096;

/// Reads the page of `tags` as one frame of `page.pixel_type`, row-major, in native byte order.
///
/// # Errors
/// [`FormatError`] when strips lie past the end or do not decode.
pub fn read<'a>(
    file: &'a FileBytes,
    header: &Header,
    tags: &Directory<'_>,
    page: &Page,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], FormatError> {
    let chunks = Chunks::read(file, tags, page)?;
    if page.compression != UNCOMPRESSED || page.predictor != 1 {
        decode(file, header, tags, page, &chunks, scratch)?;
    } else {
        if let Some(offset) = one_piece(page, &chunks, header.endian) {
            return file.pixels(offset, page.frame_bytes() as u64, "the pixels of a page");
        }
        gather(file, page, &chunks, scratch)?;
        header.endian.to_native(scratch, page.pixel_type.size());
    }
    reduce(page, scratch);
    Ok(scratch)
}

/// Where an uncompressed page lies, when nothing of it has to be moved.
pub fn one_piece(page: &Page, chunks: &Chunks, endian: Endian) -> Option<u64> {
    let native = endian == Endian::NATIVE || page.pixel_type.size() == 1;
    let in_order = chunks.width == page.width
        && chunks.offsets.windows(2).all(|pair| {
            let row_bytes = (page.width * page.pixel_type.size()) as u64;
            let bytes = row_bytes.saturating_mul(chunks.height as u64);
            matches!(pair, [a, b] if a.checked_add(bytes) == Some(*b))
        });
    let plain = page.reduction == Reduction::None
        && page.compression == UNCOMPRESSED
        && page.predictor == 1;
    if native && in_order && plain { chunks.offsets.first().copied() } else { None }
}

/// Copies strips or tiles to their places, plane behind plane.
fn gather(
    file: &FileBytes,
    page: &Page,
    chunks: &Chunks,
    scratch: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let cell = page.cell_bytes();
    let row_bytes = page.width * cell;
    check_fits(file, page)?;
    scratch.clear();
    scratch.resize(page.stored_bytes(), 0);
    let (across, down) = (page.width.div_ceil(chunks.width), page.height.div_ceil(chunks.height));
    // A tile is stored whole, a strip only as far as the page goes.
    let stored_row = chunks.width as u64 * cell as u64;
    for (i, offset) in chunks.offsets.iter().enumerate() {
        let (plane, place) = (i / (across * down), i % (across * down));
        let (x, y) = (place % across * chunks.width, place / across * chunks.height);
        let columns = chunks.width.min(page.width - x);
        let rows = chunks.height.min(page.height - y);
        for row in 0..rows {
            let from = offset.saturating_add((row as u64).saturating_mul(stored_row));
            let bytes = file.pixels(from, (columns * cell) as u64, "a strip or tile")?;
            let to = (plane * page.height + y + row) * row_bytes + x * cell;
            if let Some(place) = scratch.get_mut(to..to + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
    }
    Ok(())
}

/// Decodes a compressed page with the `tiff` crate.
fn decode(
    file: &FileBytes,
    header: &Header,
    tags: &Directory<'_>,
    page: &Page,
    chunks: &Chunks,
    scratch: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let claimed = check_ratio(file, tags, page, chunks)?;
    // The crate reads the page's tags before it can be told any limit.
    if let Some(tag) = tags.oversized() {
        let what = format!("tag {tag} claims more values than the file has bytes");
        return Err(file.malformed(tags.offset, what));
    }
    if page.compression == JPEG {
        check_jpegs(file, chunks)?;
    }
    let undecodable = |error: tiff::TiffError| match error {
        tiff::TiffError::UnsupportedError(what) => {
            file.unsupported(format!("cannot be decoded ({what}); save it uncompressed"))
        }
        error => file.malformed(tags.offset, format!("the page does not decode: {error}")),
    };
    let mut limits = Limits::default();
    // The crate holds each number of a tag in 32 bytes, and believes the tag's count.
    let tags_bytes = usize::try_from(file.length().saturating_mul(32)).unwrap_or(usize::MAX);
    limits.decoding_buffer_size = claimed.max(tags_bytes);
    limits.intermediate_buffer_size = usize::MAX;
    let mut decoder = Decoder::new(Overlay::new(file, header, tags, page))
        .map_err(undecodable)?
        .with_limits(limits);
    let layout = decoder.image_buffer_layout().map_err(undecodable)?;
    if layout.complete_len != page.stored_bytes() {
        let (found, expected) = (layout.complete_len, page.stored_bytes());
        let what = format!("the page decodes to {found} bytes, but {expected} were expected");
        return Err(file.malformed(tags.offset, what));
    }
    scratch.clear();
    scratch.resize(page.stored_bytes(), 0);
    decoder.read_image_bytes(scratch).map_err(undecodable)
}

/// Refuses an uncompressed page that is larger than the file.
fn check_fits(file: &FileBytes, page: &Page) -> Result<(), FormatError> {
    let expected = page.stored_bytes() as u64;
    if expected <= file.length() {
        return Ok(());
    }
    let what = format!("a page of {}", page.describe());
    Err(FormatError::Truncated {
        path: file.path().to_owned(),
        what,
        expected,
        found: file.length(),
    })
}

/// The bytes that a compressed page, or a tile of it, claims to have; refused when its data cannot
/// hold them.
fn check_ratio(
    file: &FileBytes,
    tags: &Directory<'_>,
    page: &Page,
    chunks: &Chunks,
) -> Result<usize, FormatError> {
    let counted = chunks.byte_counts.iter().fold(0_u64, |sum, n| sum.saturating_add(*n));
    let compressed = counted.min(file.length());
    let chunk_bytes = (chunks.width as u64)
        .saturating_mul(chunks.height as u64)
        .saturating_mul(page.cell_bytes() as u64);
    let claimed = chunk_bytes.max(page.stored_bytes() as u64);
    if claimed <= compressed.saturating_mul(HIGHEST_RATIO).saturating_add(1 << 16) {
        return Ok(usize::try_from(claimed).unwrap_or(usize::MAX));
    }
    Err(file.malformed(
        tags.offset,
        format!("a page of {claimed} bytes cannot come out of {compressed} compressed bytes"),
    ))
}

/// Refuses JPEG strips that announce more pixels than their strip has: the decoder would take
/// memory for them.
fn check_jpegs(file: &FileBytes, chunks: &Chunks) -> Result<(), FormatError> {
    for (offset, bytes) in chunks.offsets.iter().zip(&chunks.byte_counts) {
        let data = file.slice(*offset, *bytes, "a JPEG strip or tile")?;
        if let Some((width, height)) = jpeg_size(data)
            && (width > chunks.width.next_multiple_of(16)
                || height > chunks.height.next_multiple_of(16))
        {
            let what = format!(
                "a JPEG of {width} x {height} pixels in a strip of {} x {}",
                chunks.width, chunks.height
            );
            return Err(file.malformed(*offset, what));
        }
    }
    Ok(())
}

/// Width and height in a JPEG's start-of-frame segment.
fn jpeg_size(data: &[u8]) -> Option<(usize, usize)> {
    let mut rest = data.get(2..)?;
    loop {
        let &[0xff, marker, high, low, ref body @ ..] = rest else { return None };
        if matches!(marker, 0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&marker)) {
            let &[_, h1, h0, w1, w0, ..] = body else { return None };
            let number = |high, low| usize::from(u16::from_be_bytes([high, low]));
            return Some((number(w1, w0), number(h1, h0)));
        }
        let length = usize::from(u16::from_be_bytes([high, low])).checked_sub(2)?;
        rest = body.get(length..)?;
    }
}

/// Makes one sample a pixel.
fn reduce(page: &Page, scratch: &mut Vec<u8>) {
    let pixels = page.width * page.height;
    match (page.reduction, page.planar) {
        (Reduction::None, _) => {}
        (Reduction::First, true) => scratch.truncate(page.frame_bytes()),
        (Reduction::First, false) => {
            luminance::keep_first(scratch, pixels, page.pixel_type.size(), page.samples);
        }
        (Reduction::Luminance, planar) => {
            let colours = if planar {
                Colours { step: 1, plane: pixels }
            } else {
                Colours { step: page.samples, plane: 1 }
            };
            luminance::to_grey(scratch, pixels, page.pixel_type, colours);
        }
    }
}

/// The file with a header that points to one directory, and with grey that is never inverted.
struct Overlay<'a> {
    data: &'a [u8],
    position: u64,
    patches: Vec<(u64, Vec<u8>)>,
}

impl<'a> Overlay<'a> {
    fn new(file: &'a FileBytes, header: &Header, tags: &Directory<'_>, page: &Page) -> Self {
        let ordered = |number: u64, size: usize| {
            let mut bytes = number.to_le_bytes().into_iter().take(size).collect::<Vec<_>>();
            if header.endian == Endian::Big {
                bytes.reverse();
            }
            bytes
        };
        let pointer =
            if header.big { (8, ordered(tags.offset, 8)) } else { (4, ordered(tags.offset, 4)) };
        let mut patches = vec![pointer];
        // The crate inverts white-is-zero and refuses palettes; as black-is-zero it gives the
        // values that are stored.
        if let (0 | 3, Some(at)) = (page.photometric, tags.value_at(262)) {
            patches.push((at, ordered(1, 2)));
        }
        Overlay { data: file.all(), position: 0, patches }
    }
}

impl Read for Overlay<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(self.position).unwrap_or(usize::MAX).min(self.data.len());
        let mut rest = self.data.get(start..).unwrap_or_default();
        let count = rest.read(out)?;
        let (written, _) = out.split_at_mut(count);
        for (at, bytes) in &self.patches {
            for (place, byte) in (*at..).zip(bytes) {
                let place = place.checked_sub(start as u64).and_then(|p| usize::try_from(p).ok());
                if let Some(to) = place.and_then(|p| written.get_mut(p)) {
                    *to = *byte;
                }
            }
        }
        self.position = start as u64 + count as u64;
        Ok(count)
    }
}

impl Seek for Overlay<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => (self.data.len() as u64).checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek before the start")
        })?;
        Ok(self.position)
    }
}

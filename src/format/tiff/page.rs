//! One page of a TIFF: its size, its type, and where its strips or tiles lie.

use super::directory::Directory;
use crate::format::FormatError;
use crate::format::bytes::FileBytes;
use crate::frame::PixelType;

/// What makes one frame of several samples a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// One sample a pixel.
    None,
    /// The first sample is the measurement (grey with alpha, or Y of YCbCr).
    First,
    /// Red, green and blue, to luminance.
    Luminance,
}

/// Size, type and coding of a page: everything but the places of its strips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub width: usize,
    pub height: usize,
    pub pixel_type: PixelType,
    pub samples: usize,
    /// The samples of a pixel stand in separate planes.
    pub planar: bool,
    pub reduction: Reduction,
    pub compression: u64,
    pub predictor: u64,
    pub photometric: u64,
    /// A smaller copy of another page.
    pub thumbnail: bool,
}

/// Strips or tiles: their size in pixels, and where they lie.
#[derive(Debug)]
pub struct Chunks {
    pub width: usize,
    pub height: usize,
    pub offsets: Vec<u64>,
    pub byte_counts: Vec<u64>,
}

/// The compression that is none.
pub const UNCOMPRESSED: u64 = 1;
/// JPEG as TIFF's technical note 2 defines it.
pub const JPEG: u64 = 7;

impl Page {
    /// Reads what a directory says of its page.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for impossible sizes, [`FormatError::Unsupported`] for pixels
    /// that are no measurement (complex, 1-bit, CMYK, …).
    pub fn read(file: &FileBytes, tags: &Directory<'_>) -> Result<Self, FormatError> {
        let size = |tag: u16, name: &str| -> Result<usize, FormatError> {
            tags.uint(tag)?
                .and_then(|n| usize::try_from(n).ok())
                .filter(|n| *n > 0 && u32::try_from(*n).is_ok())
                .ok_or_else(|| file.malformed(tags.offset, format!("a page without {name}")))
        };
        let number = |tag, default| Ok::<u64, FormatError>(tags.uint(tag)?.unwrap_or(default));
        let (width, height) = (size(256, "width")?, size(257, "height")?);
        let samples = number(277, 1)?;
        let samples = usize::try_from(samples)
            .ok()
            .filter(|n| (1..=1024).contains(n))
            .ok_or_else(|| file.malformed(tags.offset, format!("{samples} samples in a pixel")))?;
        let pixel_type = pixel_type(file, tags)?;
        let photometric = number(262, 1)?;
        let compression = number(259, UNCOMPRESSED)?;
        let reduction = reduction(file, tags, photometric, samples, pixel_type)?;
        let bytes = width
            .checked_mul(height)
            .and_then(|n| n.checked_mul(samples))
            .and_then(|n| n.checked_mul(pixel_type.size()))
            .filter(|n| isize::try_from(*n).is_ok());
        if bytes.is_none() {
            return Err(file.malformed(tags.offset, format!("{width} x {height} pixels overflow")));
        }
        Ok(Page {
            width,
            height,
            pixel_type,
            samples,
            planar: number(284, 1)? == 2 && samples > 1,
            reduction,
            compression,
            predictor: number(317, 1)?,
            photometric,
            thumbnail: number(254, 0)? & 1 == 1,
        })
    }

    /// Refuses a page whose pixels would not be those that were measured.
    ///
    /// # Errors
    /// [`FormatError::Unsupported`] for a colour JPEG: whether it holds RGB or YCbCr is not known
    /// after decoding.
    pub fn check_decodable(&self, file: &FileBytes) -> Result<(), FormatError> {
        if self.reduction == Reduction::Luminance && self.compression == JPEG {
            return Err(file.unsupported(
                "is a colour JPEG inside a TIFF, whose losses move edges; save it in grey, \
                 uncompressed",
            ));
        }
        Ok(())
    }

    /// Bytes of all samples of the page.
    pub fn stored_bytes(&self) -> usize {
        self.width * self.height * self.samples * self.pixel_type.size()
    }

    /// Bytes of the frame that the page becomes.
    pub fn frame_bytes(&self) -> usize {
        self.width * self.height * self.pixel_type.size()
    }

    /// True when two pages become frames of the same size and type.
    pub fn same_shape(&self, other: &Page) -> bool {
        (self.width, self.height, self.pixel_type) == (other.width, other.height, other.pixel_type)
    }

    /// `1024 x 768 uint16`.
    pub fn describe(&self) -> String {
        format!("{} x {} {}", self.width, self.height, self.pixel_type)
    }

    /// Bytes of the samples of one pixel that stand together.
    pub fn cell_bytes(&self) -> usize {
        self.pixel_type.size() * if self.planar { 1 } else { self.samples }
    }

    /// Planes that are stored apart.
    pub fn planes(&self) -> usize {
        if self.planar { self.samples } else { 1 }
    }
}

impl Chunks {
    /// Reads where the strips or tiles of `page` lie.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] when there are too few of them.
    pub fn read(file: &FileBytes, tags: &Directory<'_>, page: &Page) -> Result<Self, FormatError> {
        let tiled = tags.value_at(324).is_some();
        let (offsets_tag, counts_tag) = if tiled { (324, 325) } else { (273, 279) };
        let side = |tag, most: usize| -> Result<usize, FormatError> {
            let value = tags.uint(tag)?.unwrap_or(most as u64);
            usize::try_from(value).ok().filter(|n| *n > 0 && u32::try_from(*n).is_ok()).ok_or_else(
                || {
                    file.malformed(
                        tags.offset,
                        format!("tag {tag} (strip or tile size) is {value}"),
                    )
                },
            )
        };
        let (width, height) = if tiled {
            (side(322, page.width)?, side(323, page.height)?)
        } else {
            (page.width, side(278, page.height)?.min(page.height))
        };
        let needed = page.width.div_ceil(width) as u64
            * page.height.div_ceil(height) as u64
            * page.planes() as u64;
        let list = |tag| Ok::<_, FormatError>(tags.uints(tag, needed)?.unwrap_or_default());
        let (offsets, byte_counts) = (list(offsets_tag)?, list(counts_tag)?);
        if (offsets.len() as u64) < needed {
            let what = format!("{} strips or tiles of {needed} have a place", offsets.len());
            return Err(file.malformed(tags.offset, what));
        }
        Ok(Chunks { width, height, offsets, byte_counts })
    }
}

fn pixel_type(file: &FileBytes, tags: &Directory<'_>) -> Result<PixelType, FormatError> {
    let all = |tag, default| -> Result<u64, FormatError> {
        let values = tags.uints(tag, 1024)?.unwrap_or_else(|| vec![default]);
        let first = values.first().copied().unwrap_or(default);
        if values.iter().any(|value| *value != first) {
            return Err(file.unsupported("has channels of different types; save one channel alone"));
        }
        Ok(first)
    };
    let (bits, format) = (all(258, 1)?, all(339, 1)?);
    match (bits, format) {
        (8, 1 | 4) => Ok(PixelType::U8),
        (8, 2) => Ok(PixelType::I8),
        (16, 1 | 4) => Ok(PixelType::U16),
        (16, 2) => Ok(PixelType::I16),
        (32, 1 | 4) => Ok(PixelType::U32),
        (32, 2) => Ok(PixelType::I32),
        (32, 3) => Ok(PixelType::F32),
        (64, 3) => Ok(PixelType::F64),
        (_, 5 | 6) => Err(file.unsupported("holds complex pixels; save their magnitude")),
        _ => {
            let kind = if format == 3 { "floating-point" } else { "integer" };
            Err(file.unsupported(format!(
                "holds {bits}-bit {kind} pixels; save it with 8, 16 or 32 bits a pixel"
            )))
        }
    }
}

/// What the samples of a pixel mean.
fn reduction(
    file: &FileBytes,
    tags: &Directory<'_>,
    photometric: u64,
    samples: usize,
    pixel_type: PixelType,
) -> Result<Reduction, FormatError> {
    let counts = matches!(pixel_type, PixelType::U8 | PixelType::U16);
    match photometric {
        // White-is-zero and palettes keep their stored values: a measurement is never inverted.
        0 | 1 | 3 if samples == 1 => Ok(Reduction::None),
        0 | 1 if tags.value_at(338).is_some() => Ok(Reduction::First),
        0 | 1 | 3 => Err(file.unsupported(format!(
            "has {samples} channels in a pixel; save the one to be measured alone"
        ))),
        2 if samples >= 3 && counts => Ok(Reduction::Luminance),
        6 if samples == 3 && pixel_type == PixelType::U8 => Ok(Reduction::First),
        _ => Err(file.unsupported(format!(
            "has pixels of photometric interpretation {photometric} with {samples} samples of \
             {pixel_type}; save it in grey"
        ))),
    }
}

//! One frame from the recording into a buffer of the pool.

use super::keep::{Before, Raw};
use crate::format::{FormatError, Recording};
use crate::frame::{Blank, Normalised, PooledImage, Reason, normalise};
use crate::noise::Defects;

/// Pixels, and whether some had to be repaired.
pub struct Loaded {
    pub image: PooledImage,
    pub repaired: bool,
    /// For who keeps raw frames.
    pub raw: Option<Raw>,
}

/// Reads frame `index` and replaces the camera's broken pixels. A frame that cannot be read is a
/// reason for the ledger, and a warning with the reader's own words for the log. With `keep` it
/// comes with its raw pixels.
pub fn load(
    recording: &dyn Recording,
    index: usize,
    blank: Blank,
    defects: &Defects,
    keep: bool,
    bytes: &mut Vec<u8>,
) -> Result<Loaded, Reason> {
    let pixel_type = recording.info().pixel_type;
    let filled = blank.fill(|image| {
        let pixels = recording.read(index, bytes).map_err(|error| {
            tracing::warn!(frame = index, "{error}");
            reason_of(&error)
        })?;
        if pixels.len() != image.width * image.height * pixel_type.size() {
            tracing::warn!(frame = index, bytes = pixels.len(), "frame has another size");
            return Err(Reason::WrongShape);
        }
        let normalised = normalise(pixels, pixel_type, image);
        let raw = keep.then(|| Before::repair(pixels, image, defects));
        defects.repair(image);
        match normalised {
            Normalised::Whole => Ok((false, raw)),
            Normalised::Repaired(count) => {
                tracing::warn!(frame = index, count, "pixels that are no numbers were replaced");
                Ok((true, raw))
            }
            Normalised::Useless(count) => {
                tracing::warn!(frame = index, count, "too many pixels are no numbers");
                Err(Reason::MostlyNonFinite)
            }
        }
    });
    filled.map(|(image, (repaired, raw))| {
        let raw = raw.map(|before| before.with(&image));
        Loaded { image, repaired, raw }
    })
}

fn reason_of(error: &FormatError) -> Reason {
    match error {
        FormatError::Io { .. } => Reason::Unreadable,
        FormatError::Truncated { .. } => Reason::Truncated,
        FormatError::Malformed { .. } | FormatError::Unsupported { .. } => Reason::Undecodable,
        FormatError::WrongShape { .. } => Reason::WrongShape,
    }
}

//! Gatan DigitalMicrograph files, DM3 and DM4: one image or a stack of frames.
//!
//! [`tags`] reads the tree, [`image`] chooses the image and interprets its tags; frames are then
//! slices of the memory map, turned round only where the file's byte order is not the machine's.

mod image;
mod tags;

use std::path::{Path, PathBuf};

use super::bytes::FileBytes;
use super::cursor::{Order, native};
use super::{FormatError, Recording, RecordingInfo};

/// True for the header of a DM3 or DM4 file.
pub(super) fn matches(_path: &Path, head: &[u8]) -> bool {
    let order_at = match head.get(..4) {
        Some([0, 0, 0, 3]) => 8,
        Some([0, 0, 0, 4]) => 12,
        _ => return false,
    };
    // The byte order is 0 or 1, and so are the two flags of the first group.
    matches!(head.get(order_at..order_at + 6), Some([0, 0, 0, 0 | 1, 0 | 1, 0 | 1]))
}

/// Opens a DM3 or DM4 file.
///
/// # Errors
/// [`FormatError`] when the tags are broken or hold no image that can be measured.
pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    Ok(Box::new(DmFile::open(path)?))
}

/// An opened DM3 or DM4 file.
pub(super) struct DmFile {
    path: PathBuf,
    bytes: FileBytes,
    order: Order,
    info: RecordingInfo,
    offset: u64,
    frame_bytes: usize,
}

impl DmFile {
    /// Maps the file and reads its tags.
    ///
    /// # Errors
    /// As [`open`].
    pub(super) fn open(path: &Path) -> Result<Self, FormatError> {
        let bytes = FileBytes::open(path)?;
        let file = tags::read(path, bytes.all())?;
        let image::FoundImage { info, offset, frame_bytes } =
            image::choose(path, bytes.all(), &file)?;
        Ok(DmFile { path: path.to_owned(), order: file.order, bytes, info, offset, frame_bytes })
    }
}

impl Recording for DmFile {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        let start = index
            .checked_mul(self.frame_bytes)
            .and_then(|skipped| skipped.checked_add(usize::try_from(self.offset).ok()?))
            .filter(|_| index < self.info.frames);
        let stored = start
            .and_then(|start| self.bytes.all().get(start..start.checked_add(self.frame_bytes)?));
        let Some(stored) = stored else {
            return Err(FormatError::no_frame(&self.path, index, self.info.frames));
        };
        self.bytes.count(stored.len() as u64);
        Ok(native(stored, self.info.pixel_type.size(), self.order, scratch))
    }
}

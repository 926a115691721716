//! Frames in HDF5 that are packed by bitshuffle and LZ4, one chunk a frame: raw frames of a run, and
//! what EIGER detectors write.
//!
//! HDF5 tells once where the chunks lie. They are then read from the mapped file and unpacked on
//! the thread that asks, so that nobody waits for the HDF5 library.

use std::collections::HashMap;
use std::path::Path;

use hdf5::Dataset;
use hdf5::filters::Filter;

use super::bitshuffle::{self, Scratch};
use super::bytes::{Endian, FileBytes};
use super::{FormatError, RecordingInfo};

/// Where the packed frames lie.
pub(super) struct PackedFrames {
    file: FileBytes,
    /// Offset and length of each frame that has pixels.
    chunks: HashMap<usize, (u64, u64)>,
    endian: Endian,
}

impl PackedFrames {
    /// Nothing when the frames are not packed so.
    ///
    /// # Errors
    /// [`FormatError::Unsupported`] when they are packed in another way that HDF5 itself has no
    /// filter for, or not frame by frame.
    pub(super) fn open(
        path: &Path,
        frames: &Dataset,
        info: &RecordingInfo,
    ) -> Result<Option<PackedFrames>, FormatError> {
        let filters = frames.filters();
        let unsupported = |what: &str| FormatError::Unsupported {
            path: path.to_owned(),
            what: format!("{} {what}; repack it: h5repack -f GZIP=1 IN OUT", frames.name()),
        };
        let parameters = match filters.as_slice() {
            [Filter::User(bitshuffle::FILTER, parameters)] => parameters,
            [.., Filter::User(id, _)] => {
                return Err(unsupported(&format!(
                    "is packed by the filter {id}, which is unknown"
                )));
            }
            _ => return Ok(None),
        };
        if parameters.get(4) != Some(&2) {
            return Err(unsupported("is packed by bitshuffle without LZ4"));
        }
        if frames.chunk().as_deref() != Some(&[1, info.height, info.width]) {
            return Err(unsupported("is packed in chunks that are not one frame each"));
        }
        let mut chunks = HashMap::new();
        frames
            .chunks_visit(|chunk| {
                let index = chunk.offset.first().and_then(|index| usize::try_from(*index).ok());
                if let (Some(index), 0) = (index, chunk.filter_mask) {
                    chunks.insert(index, (chunk.addr, chunk.size));
                }
                0
            })
            .map_err(|error| super::run_file::refused(path, &error))?;
        let order = frames.dtype().map(|kind| kind.byte_order());
        let endian = match order {
            Ok(hdf5::datatype::ByteOrder::BigEndian) => Endian::Big,
            _ => Endian::Little,
        };
        Ok(Some(PackedFrames { file: FileBytes::open(path)?, chunks, endian }))
    }

    /// Unpacks frame `index` to `out`.
    ///
    /// # Errors
    /// [`FormatError`] when the frame has no pixels or is damaged.
    pub(super) fn read(
        &self,
        index: usize,
        info: &RecordingInfo,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let Some((offset, length)) = self.chunks.get(&index).copied() else {
            let what = format!("frame {index} has no pixels in this file");
            return Err(self.file.unsupported(what));
        };
        let packed = self.file.pixels(offset, length, "a packed frame")?;
        let size = info.pixel_type.size();
        let bytes = info.width * info.height * size;
        bitshuffle::unpack(packed, bytes, size, &mut Scratch::default(), out).map_err(
            |(at, what)| self.file.malformed(offset + at as u64, format!("frame {index}: {what}")),
        )?;
        self.endian.to_native(out, size);
        Ok(())
    }
}

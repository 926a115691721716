//! Chunks that are packed already, past HDF5's own filters: one frame each.

/// Writes frame `index` of a dataset of frames whose chunks are whole frames.
///
/// # Errors
/// Of HDF5, when the frame is not within the dataset or cannot be written.
pub fn write_frame(frames: &hdf5::Dataset, index: u64, packed: &[u8]) -> hdf5::Result<()> {
    if frames.ndim() != 3 {
        return Err("a dataset of frames has three dimensions".into());
    }
    let offset = [index, 0, 0];
    // Sound, although the macro hides an unsafe call: the dataset is open and has three dimensions
    // as `offset` has, and `packed` outlives the call.
    hdf5::h5call!(hdf5_sys::h5d::H5Dwrite_chunk(
        frames.id(),
        hdf5_sys::h5p::H5P_DEFAULT,
        0,
        offset.as_ptr(),
        packed.len(),
        packed.as_ptr().cast()
    ))?;
    Ok(())
}

//! Files of raw frames whose writer was killed, and runs that are renamed.

use std::path::Path;

use super::frames_path_of;
use crate::store::run_file::attributes::set_number;
use crate::store::{RAW_FRAMES, StoreError, room};

/// Completes the raw frames of a run whose writer was killed, if there are any.
pub fn recover_frames(run: &Path) {
    let path = frames_path_of(run);
    // A file that was closed opens as any other.
    if !path.exists() || hdf5::File::open(&path).is_ok() {
        return;
    }
    match complete(&path).map(|_| room::give_back(&path)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("{}: {error}", path.display()),
        Err(error) => {
            tracing::warn!("{}: raw frames cannot be recovered: {error}", path.display());
        }
    }
}

/// Cuts the frames to their rows and writes the totals; also of a file whose writer was killed.
/// Returns how many frames have pixels.
pub fn complete(path: &Path) -> hdf5::Result<u64> {
    clear_mark(path)?;
    let file =
        hdf5::File::with_options().with_fapl(|access| access.file_locking(false)).open_rw(path)?;
    let ledger = file.group("entry/frames")?;
    let recorded = ledger.dataset("recorded")?;
    let flags = recorded.read_raw::<u8>()?;
    let frames = file.dataset("entry/data/frames")?;
    if let [_, height, width] = frames.shape()[..] {
        frames.resize((flags.len(), height, width))?;
    }
    for name in ledger.member_names()? {
        ledger.dataset(&name)?.resize(flags.len())?;
    }
    let count = flags.iter().filter(|flag| **flag == 1).count() as u64;
    for (name, value) in [("rows", flags.len() as u64), ("recorded", count)] {
        if ledger.attr(name).is_err() {
            set_number(&ledger, name, value)?;
        }
    }
    drop((recorded, frames, ledger));
    file.close()?;
    Ok(count)
}

/// Clears the mark that a killed writer leaves, and sets the end of the file, which its head tells
/// only after an orderly close; as the tool h5clear does.
fn clear_mark(path: &Path) -> hdf5::Result<()> {
    let Some(Ok(name)) = path.to_str().map(std::ffi::CString::new) else {
        return Err("the path is no UTF-8".into());
    };
    let access = hdf5::plist::FileAccess::build().file_locking(false).finish()?;
    let mut yes = true;
    for property in [c"clear_status_flags", c"skip_eof_check"] {
        // Sound: the name ends with a zero byte, the list is open, and the property is a bool.
        hdf5::h5call!(hdf5_sys::h5p::H5Pset(
            access.id(),
            property.as_ptr(),
            (&raw mut yes).cast()
        ))?;
    }
    let write = hdf5_sys::h5f::H5F_ACC_RDWR;
    // Sound: the name ends with a zero byte and the list is open; what is opened here is closed.
    let file = hdf5::h5call!(hdf5_sys::h5f::H5Fopen(name.as_ptr(), write, access.id()))?;
    let ended = hdf5::h5call!(H5Fincrement_filesize(file, 0));
    hdf5::h5call!(hdf5_sys::h5f::H5Fclose(file))?;
    ended.map(|_| ())
}

unsafe extern "C" {
    /// Sets the end of the file to what is there, plus `increment`; not declared by the crate.
    fn H5Fincrement_filesize(file: hdf5_sys::h5i::hid_t, increment: u64) -> i32;
}

/// Moves the raw frames of a run that was renamed, and its link to them, if it has any.
///
/// # Errors
/// [`StoreError`] when the file or its link cannot be changed.
pub fn move_frames(from: &Path, to: &Path) -> Result<(), StoreError> {
    let (old, new) = (frames_path_of(from), frames_path_of(to));
    if !old.exists() {
        return Ok(());
    }
    std::fs::rename(&old, &new).map_err(|source| StoreError::Io {
        path: old,
        what: "the raw frames cannot be renamed".to_owned(),
        source,
    })?;
    let relink = || -> hdf5::Result<()> {
        let file = hdf5::File::open_rw(to)?;
        let detector = file.group("entry/instrument/detector")?;
        let name = new.file_name().unwrap_or_default().to_string_lossy();
        if detector.link_exists("data") {
            detector.unlink("data")?;
            detector.link_external(&name, RAW_FRAMES, "data")?;
        }
        drop(detector);
        file.close()
    };
    relink().map_err(|source| StoreError::Hdf5 {
        path: to.to_owned(),
        what: "the link to the raw frames cannot be changed".to_owned(),
        source,
    })
}

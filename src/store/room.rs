//! Room on the file system, asked for before HDF5 writes: it does not survive a full disk.

use std::fs::File;
use std::path::Path;

/// What a new run file takes before its first row, and room to spare, bytes.
pub const FOR_A_FILE: u64 = 8 << 20;

/// Reserves `bytes` after byte `end` of the file at `path`, which keeps its size; false when the
/// file system is full or a quota is reached. Where nothing can be reserved, the free room is
/// asked for instead.
#[cfg(target_os = "linux")]
pub fn reserve(path: &Path, end: u64, bytes: u64) -> bool {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    let Ok(file) = File::options().write(true).open(path) else { return false };
    loop {
        match fallocate(&file, FallocateFlags::KEEP_SIZE, end, bytes) {
            Ok(()) => return true,
            Err(Errno::INTR) => {}
            Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => return false,
            Err(_) => return is_free(path, bytes),
        }
    }
}

/// True when the file system of `path` has this many bytes free for whoever is not root, or
/// cannot tell.
#[cfg(target_os = "linux")]
pub fn is_free(path: &Path, bytes: u64) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let told = rustix::fs::statvfs(folder.unwrap_or(Path::new(".")));
    told.map_or(true, |told| told.f_bavail.saturating_mul(told.f_frsize) >= bytes)
}

/// Elsewhere HDF5 meets the full disk, and its file is built anew from the journal.
#[cfg(not(target_os = "linux"))]
pub fn reserve(_path: &Path, _end: u64, _bytes: u64) -> bool {
    true
}

/// As for [`reserve`].
#[cfg(not(target_os = "linux"))]
pub fn is_free(_path: &Path, _bytes: u64) -> bool {
    true
}

/// Gives back what was reserved beyond the end of a finished file, and brings the file to the
/// disk.
///
/// # Errors
/// Of the operating system.
pub fn give_back(path: &Path) -> std::io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_len(file.metadata()?.len())?;
    file.sync_all()
}

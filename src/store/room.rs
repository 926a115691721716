//! Room on the file system, asked for before HDF5 writes: it does not survive a full disk.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

/// What a new run file takes before its first row, and room to spare, bytes.
pub const FOR_A_FILE: u64 = 8 << 20;

/// Reserves `bytes` after byte `end` of the file at `path`, which keeps its size; false when the
/// file system is full or a quota is reached. Where nothing can be reserved, the free room is
/// asked for instead.
pub fn reserve(path: &Path, end: u64, bytes: u64) -> bool {
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

/// True when the file system of `path` has this many bytes free for whoever is not root, or
/// cannot tell.
pub fn is_free(path: &Path, bytes: u64) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Ok(told) = statvfs(folder.unwrap_or(Path::new("."))) else { return true };
    told.f_bavail.saturating_mul(told.f_frsize) >= bytes
}

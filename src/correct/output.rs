//! The output file: refused before anything starts when it cannot be, written under a name of its
//! own, and given its final name only when it is whole.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::CorrectError;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TIFF as ImageJ writes it.
    ImageJ,
    /// BigTIFF, one directory for each frame.
    BigTiff,
    /// HDF5, NeXus style.
    Nexus,
}

impl Kind {
    /// Told from the name's ending.
    ///
    /// # Errors
    /// [`CorrectError::UnknownKind`] for any other ending.
    pub fn of(path: &Path) -> Result<Kind, CorrectError> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match ending.as_str() {
            "tif" | "tiff" => Ok(Kind::ImageJ),
            "btf" => Ok(Kind::BigTiff),
            "h5" | "hdf5" | "nxs" => Ok(Kind::Nexus),
            _ => Err(CorrectError::UnknownKind { path: path.to_owned() }),
        }
    }
}

/// A file that is to be written. Dropped before [`Output::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Output {
    pub kind: Kind,
    path: PathBuf,
    part: PathBuf,
}

impl Output {
    /// Makes sure that `path` can be written: known ending, no file there unless `overwrite` is
    /// set, a folder that takes a new file. `inputs` are files it must not be, with their names.
    ///
    /// # Errors
    /// [`CorrectError`] with what to do.
    pub fn reserve(
        path: &Path,
        overwrite: bool,
        inputs: &[(&Path, &'static str)],
    ) -> Result<Output, CorrectError> {
        let kind = Kind::of(path)?;
        for (input, what) in inputs {
            if same_file(path, input) {
                return Err(CorrectError::SameFile { path: path.to_owned(), what });
            }
        }
        if path.exists() && !overwrite {
            return Err(CorrectError::Exists { path: path.to_owned() });
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let output = Output { kind, path: path.to_owned(), part: path.with_file_name(name) };
        output.create()?;
        Ok(output)
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name while it is written.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// The file, empty, for writing.
    ///
    /// # Errors
    /// [`CorrectError::Create`].
    pub fn create(&self) -> Result<File, CorrectError> {
        let opened = OpenOptions::new().write(true).create(true).truncate(true).open(&self.part);
        opened.map_err(|source| CorrectError::Create { path: self.path.clone(), source })
    }

    /// Gives the file its final name.
    ///
    /// # Errors
    /// [`CorrectError::Create`] when that fails.
    pub fn finish(self) -> Result<(), CorrectError> {
        std::fs::rename(&self.part, &self.path)
            .map_err(|source| CorrectError::Create { path: self.path.clone(), source })
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // After `finish` there is no such file any more.
        let _ = std::fs::remove_file(&self.part);
    }
}

/// True when both names lead to one file, whether it is there already or not.
fn same_file(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| {
        path.canonicalize().or_else(|_| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new(".")).canonicalize()?;
            Ok::<_, std::io::Error>(folder.join(path.file_name().unwrap_or_default()))
        })
    };
    match (real(a), real(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_file_appears_only_when_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tif");
        let left = || std::fs::read_dir(folder.path()).unwrap().count();
        drop(Output::reserve(&path, false, &[]).unwrap());
        assert_eq!(left(), 0, "an abandoned file was left behind");
        let input = folder.path().join("./a.tif");
        let same = Output::reserve(&path, false, &[(&input, "the run file")]).unwrap_err();
        assert!(same.to_string().contains("is also the run file"), "{same}");
        Output::reserve(&path, false, &[]).unwrap().finish().unwrap();
        let exists = Output::reserve(&path, false, &[]).unwrap_err();
        assert!(exists.to_string().contains("--force"), "{exists}");
        let output = Output::reserve(&path, true, &[]).unwrap();
        assert!(path.exists(), "the old file must stay until the new one is whole");
        drop(output);
        assert_eq!(left(), 1);
    }
}

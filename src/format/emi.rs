//! TIA's EMI file: the experiment to which the series `name_1.ser`, `name_2.ser`, … beside it
//! belong. Its pixels are those of the series; what is read from it is the written date, which
//! stands in an XML text somewhere in the file and may be absent, empty or broken.

use std::path::{Path, PathBuf};

use super::cursor::{map, printable};
use super::ser::SerFile;
use super::{FormatError, Recording};

/// Longest written date that is believed.
const MAX_DATE_BYTES: usize = 64;

/// True for an EMI file, by its name alone: what is in it is not needed to find its series.
pub(super) fn matches(path: &Path) -> bool {
    has_extension(path, "emi")
}

/// Opens the first image series that belongs to the file.
///
/// # Errors
/// [`FormatError::Unsupported`] when no series lies beside it; the first series' own error when
/// none of them can be read.
pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    let series = series_beside(path)?;
    let mut first_error = None;
    for candidate in &series {
        match SerFile::open(candidate) {
            Ok(mut found) => {
                add_notes(path, candidate, &series, &mut found);
                return Ok(Box::new(found));
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| FormatError::Unsupported {
        path: path.to_owned(),
        what: "an EMI file without its series; put the files NAME_1.ser, … beside it".to_owned(),
    }))
}

/// The files `name_N.ser` beside `name.emi`, by N.
fn series_beside(path: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let io = |source| FormatError::Io { path: folder.to_owned(), source };
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let mut series = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let candidate = entry.map_err(io)?.path();
        let name = candidate.file_stem().map(|name| name.to_string_lossy()).unwrap_or_default();
        let number = name
            .strip_prefix(&*stem)
            .and_then(|rest| rest.strip_prefix('_'))
            .and_then(|number| number.parse::<u32>().ok());
        if let Some(number) = number.filter(|_| has_extension(&candidate, "ser")) {
            series.push((number, candidate));
        }
    }
    series.sort();
    Ok(series.into_iter().map(|(_, path)| path).collect())
}

fn add_notes(path: &Path, chosen: &Path, series: &[PathBuf], found: &mut SerFile) {
    let name = |path: &Path| {
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let others: Vec<String> =
        series.iter().filter(|other| *other != chosen).map(|other| name(other)).collect();
    if !others.is_empty() {
        let (chosen, others) = (name(chosen), others.join(", "));
        found.info.notes.push(format!("{chosen} is read; {others} belong to it too"));
    }
    if found.info.start_unix_time_s.is_some() {
        return;
    }
    // The written date has no time zone, so it cannot be the start time.
    if let Some(date) = written_date(path) {
        let date = printable(&date).into_owned();
        found.info.notes.push(format!("acquired {date} by the instrument's clock"));
    }
}

/// The first `<AcquireDate>`, where there is one that is not empty.
fn written_date(path: &Path) -> Option<String> {
    const OPEN: &[u8] = b"<AcquireDate>";
    let bytes = map(path).ok()?;
    let start = bytes.windows(OPEN.len()).position(|window| window == OPEN)? + OPEN.len();
    let text = bytes.get(start..)?.split(|byte| *byte == b'<').next()?;
    let text = String::from_utf8_lossy(text.get(..text.len().min(MAX_DATE_BYTES))?);
    Some(text.trim().to_owned()).filter(|date| !date.is_empty())
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

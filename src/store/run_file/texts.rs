//! Texts in the run file: of one value, of fixed length for rows, and times as text.

use hdf5::types::FixedUnicode;

use super::attributes::{set_text, unicode};

/// A text of one value.
pub fn text(
    group: &hdf5::Group,
    name: &str,
    value: &str,
    long_name: &str,
) -> hdf5::Result<hdf5::Dataset> {
    let dataset = group
        .new_dataset_builder()
        .obj_track_times(false)
        .empty::<hdf5::types::VarLenUnicode>()
        .create(name)?;
    dataset.write_scalar(&unicode(value))?;
    set_text(&dataset, "long_name", long_name)?;
    if !name.ends_with("_time") {
        set_text(&dataset, "units", "")?;
    }
    Ok(dataset)
}

/// Text of at most N bytes, cut at a character.
pub fn fixed<const N: usize>(text: &str) -> FixedUnicode<N> {
    let mut end = text.len().min(N);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match text[..end].replace('\0', " ").parse() {
        Ok(text) => text,
        Err(_) => unreachable!("the text was cut to the type's length"),
    }
}

/// Seconds since 1970-01-01 UTC, now.
pub fn now_unix_s() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(f64::NAN, |since| since.as_secs_f64())
}

/// ISO 8601, UTC; empty for a time that is not known.
pub fn iso_time(unix_time_s: f64) -> String {
    if !unix_time_s.is_finite() {
        return String::new();
    }
    let stamp = jiff::Timestamp::from_millisecond((unix_time_s * 1e3) as i64);
    stamp.map_or_else(|_| String::new(), |stamp| stamp.to_string())
}

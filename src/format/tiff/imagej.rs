//! ImageJ's description: `key=value` lines, with the pixel size in the resolution tags.
//!
//! Stacks beyond 4 GB have one directory and `images=N` frames in one piece behind the first.

use super::directory::Directory;
use super::metadata::{Described, positive};
use crate::format::units::{nm_per, s_per};

/// Reads the description of an ImageJ TIFF.
pub fn parse(text: &str, tags: &Directory<'_>) -> Described {
    let value = |key: &str| {
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::trim)
    };
    let number =
        |key| value(key).and_then(|v: &str| v.parse::<f64>().ok()).filter(|v| v.is_finite());
    let count = |key| value(key).and_then(|v: &str| v.parse::<usize>().ok()).unwrap_or(1).max(1);
    let mut described = Described {
        writer: Some("ImageJ TIFF"),
        frames: value("images").and_then(|v| v.parse().ok()),
        may_be_contiguous: true,
        ..Described::default()
    };
    let unit = value("unit").unwrap_or_default();
    let y_unit = value("yunit").unwrap_or(unit);
    if let (Some(x), Some(y), Some(rx), Some(ry)) =
        (nm_per(unit), nm_per(y_unit), tags.real(282), tags.real(283))
    {
        described.pixel_size_nm = positive(x / rx, y / ry);
    }
    let (channels, slices, frames) = (count("channels"), count("slices"), count("frames"));
    if channels == 1 && (slices == 1 || frames == 1) {
        let unit_s = s_per(value("tunit").unwrap_or("s"));
        let step = number("finterval").zip(unit_s).map(|(interval, s)| interval * s);
        let step = step.or_else(|| number("fps").map(|rate| 1.0 / rate));
        described.frame_interval_s = step.filter(|s| s.is_finite() && *s > 0.0);
    } else {
        described.notes.push(format!(
            "a hyperstack of {channels} channels, {slices} slices and {frames} times is read as \
             frames in the order of the file"
        ));
    }
    described
}

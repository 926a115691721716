//! What a TIFF's tags say of calibration and time, from whoever wrote them.
//!
//! The writers are asked in the order of trust: OME and ImageJ (who rewrite a file and its
//! description), then the microscope's own tags, and the resolution tags last, because most
//! software writes the screen's 72 or 96 dots per inch there.

use super::directory::Directory;
use super::{imagej, ome, vendor};
use crate::format::units::nm_per;

/// Pixels larger than this come from resolution tags that describe paper or a screen.
const LARGEST_PIXEL_NM: f64 = 20_000.0;
const SMALLEST_PIXEL_NM: f64 = 1e-4;

/// What the description adds to the pixels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Described {
    /// Who wrote it, as a person would say it: `ImageJ TIFF`.
    pub writer: Option<&'static str>,
    pub pixel_size_nm: Option<(f64, f64)>,
    pub frame_interval_s: Option<f64>,
    pub start_unix_time_s: Option<f64>,
    /// Seconds of each frame, in the order of frames.
    pub times_s: Vec<Option<f64>>,
    /// Frames that the description announces.
    pub frames: Option<usize>,
    /// The frames follow the first without directories of their own.
    pub may_be_contiguous: bool,
    /// The page of each frame, where that is not the order in the file.
    pub pages: Vec<usize>,
    pub notes: Vec<String>,
}

/// Reads everything that the first page's tags say, in a file of `pages` pages.
pub fn describe(tags: &Directory<'_>, pages: usize) -> Described {
    let text = tags.text(270).unwrap_or_default();
    let mut described = if text.trim_start().starts_with('<') && text.contains("OME") {
        ome::parse(&text, pages)
    } else if text.starts_with("ImageJ=") {
        imagej::parse(&text, tags)
    } else {
        shaped(&text)
    };
    if let Some(vendor) = vendor::read(tags) {
        described.writer = described.writer.or(Some(vendor.writer));
        described.pixel_size_nm = described.pixel_size_nm.or(vendor.pixel_size_nm);
        described.frame_interval_s = described.frame_interval_s.or(vendor.frame_interval_s);
    }
    if described.pixel_size_nm.is_none()
        && let Some(size) = from_resolution(tags)
    {
        described.pixel_size_nm = Some(size);
        described.notes.push("the pixel size is from the resolution tags".to_owned());
    }
    if described.start_unix_time_s.is_none()
        && let Some(local) = tags.text(306).filter(|text| !text.trim().is_empty())
    {
        described.notes.push(format!(
            "written {} by the clock of the machine, which names no time zone",
            local.trim()
        ));
    }
    described
}

/// tifffile's description of a stack: `{"shape": [5, 201, 199]}`.
fn shaped(text: &str) -> Described {
    let mut described = Described::default();
    let parsed: Option<serde_json::Value> =
        text.starts_with("{\"shape\"").then(|| serde_json::from_str(text).ok()).flatten();
    if let Some(shape) = parsed.as_ref().and_then(|v| v["shape"].as_array())
        && let [leading @ .., _, _] = shape.as_slice()
    {
        described.frames = leading.iter().try_fold(1_usize, |product, n| {
            product.checked_mul(usize::try_from(n.as_u64()?).ok()?)
        });
        described.may_be_contiguous = true;
    }
    described
}

/// The resolution tags, where they can mean a specimen.
fn from_resolution(tags: &Directory<'_>) -> Option<(f64, f64)> {
    let nm_per_unit = match tags.uint(296).ok()?.unwrap_or(2) {
        2 => nm_per("inch")?,
        3 => nm_per("cm")?,
        _ => return None,
    };
    let size = (nm_per_unit / tags.real(282)?, nm_per_unit / tags.real(283)?);
    let sensible = |nm: f64| (SMALLEST_PIXEL_NM..LARGEST_PIXEL_NM).contains(&nm);
    (sensible(size.0) && sensible(size.1)).then_some(size)
}

/// A pixel size that is positive and finite on both axes.
pub fn positive(x_nm: f64, y_nm: f64) -> Option<(f64, f64)> {
    let good = |nm: f64| nm.is_finite() && nm > 0.0;
    (good(x_nm) && good(y_nm)).then_some((x_nm, y_nm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_in_json_announce_frames() {
        assert_eq!(shaped("{\"shape\": [5, 201, 199]}").frames, Some(5));
        assert_eq!(shaped("{\"shape\": [2, 3, 20, 19], \"axes\": \"TZYX\"}").frames, Some(6));
        assert_eq!(shaped("{\"shape\": [\"a\", 20, 19]}").frames, None);
        assert_eq!(shaped("{\"shape\"").frames, None);
    }
}

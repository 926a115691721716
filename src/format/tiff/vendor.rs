//! The tags that microscopes write: DigitalMicrograph (65003 to 65014), Thermo Fisher and FEI
//! (34682), Zeiss (34118), Olympus Soft Imaging (33560) and TVIPS (37706).
//!
//! Layouts of the binary tags are those that the vendors' files show and that tifffile (BSD-3)
//! documents.

use super::directory::Directory;
use super::metadata::positive;
use crate::format::units::{nm_per, s_per};

/// What a vendor's tags say.
#[derive(Clone, Debug, PartialEq)]
pub struct Vendor {
    pub writer: &'static str,
    pub pixel_size_nm: Option<(f64, f64)>,
    pub frame_interval_s: Option<f64>,
}

/// Asks for each vendor's tags in turn.
pub fn read(tags: &Directory<'_>) -> Option<Vendor> {
    let named = |writer, pixel_size_nm| Vendor { writer, pixel_size_nm, frame_interval_s: None };
    if let Some(vendor) = digital_micrograph(tags) {
        return Some(vendor);
    }
    if let Some(text) = tags.text(34682).or_else(|| tags.text(34680)) {
        return Some(named("Thermo Fisher TIFF", thermo(&text)));
    }
    if let Some(text) = tags.text(34118) {
        return Some(named("Zeiss TIFF", zeiss(&text, tags.uint(256).ok()??)));
    }
    if let Some(at) = tags.uint(33560).ok().flatten() {
        return Some(named("Olympus TIFF", olympus(tags, at)));
    }
    let at = tags.uint(37706).ok()??;
    Some(named("TVIPS TIFF", tvips(tags, at)))
}

/// Scales in 65009 (x), 65010 (y), 65011 (frames), with their units in 65003 to 65005.
fn digital_micrograph(tags: &Directory<'_>) -> Option<Vendor> {
    let units = (tags.text(65003)?, tags.text(65004)?);
    let pixel_size_nm = (|| {
        let x = tags.real(65009)? * nm_per(&units.0)?;
        positive(x, tags.real(65010)? * nm_per(&units.1)?)
    })();
    let step = tags.real(65011).zip(tags.text(65005).and_then(|unit| s_per(&unit)));
    let frame_interval_s = step.map(|(step, s)| step * s).filter(|s| *s > 0.0);
    Some(Vendor { writer: "DigitalMicrograph TIFF", pixel_size_nm, frame_interval_s })
}

/// An INI text: `[Scan]` has the pixel size in metres; camera images only have a field of view,
/// in the section that `Beam=` names.
fn thermo(text: &str) -> Option<(f64, f64)> {
    let value = |section: &str, key: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find(|line| {
            line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) == Some(section)
        })?;
        let mut lines = lines.take_while(|line| !line.starts_with('['));
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::trim)
    };
    let number = |section: &str, key: &str| value(section, key)?.parse::<f64>().ok();
    let scanned = number("Scan", "PixelWidth").zip(number("Scan", "PixelHeight"));
    let field = || {
        let beam = value("Beam", "Beam")?;
        let x = number(beam, "HFW")? / number("Image", "ResolutionX")?;
        Some((x, number(beam, "VFW")? / number("Image", "ResolutionY")?))
    };
    let (x_m, y_m) = scanned.or_else(field)?;
    positive(x_m * 1e9, y_m * 1e9)
}

/// The first numbers of the text are in SI units; the fourth is the pixel size in metres of an
/// image 1024 pixels wide. The readable `Image Pixel Size` has four digits, and decides when both
/// disagree.
fn zeiss(text: &str, width: u64) -> Option<(f64, f64)> {
    let readable = ["Image Pixel Size", "Pixel Size"].iter().find_map(|key| {
        let line = text.lines().find(|line| line.trim_start().starts_with(key))?;
        let mut words = line.split_once('=')?.1.split_whitespace();
        Some(words.next()?.parse::<f64>().ok()? * nm_per(words.next()?)?)
    });
    let exact = text.lines().nth(3).and_then(|line| line.trim().parse::<f64>().ok());
    let exact = exact.map(|metres| metres * 1e9 * 1024.0 / width as f64);
    let nm = match (exact, readable) {
        (Some(exact), Some(readable)) if image_text(text) => {
            if (exact / readable - 1.0).abs() < 1e-2 { exact } else { readable }
        }
        (exact, readable) => exact.or(readable)?,
    };
    positive(nm, nm)
}

/// Only newer files tell the image's pixel size from the display's.
fn image_text(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("Image Pixel Size"))
}

/// `SIS0`, then tags of 8 bytes; the first kind points to the calibration.
fn olympus(tags: &Directory<'_>, at: u64) -> Option<(f64, f64)> {
    use crate::format::bytes::Endian::Little;
    const WHAT: &str = "the Olympus calibration";
    let file = tags.file();
    if file.slice(at, 4, WHAT).ok()? != b"SIS0" {
        return None;
    }
    let count = u64::from(file.u16(at.checked_add(58)?, Little, WHAT).ok()?);
    for i in 0..count {
        let entry = at.checked_add(60 + 8 * i)?;
        if file.u16(entry, Little, WHAT).ok()? == 1 {
            let data = u64::from(file.u32(entry + 4, Little, WHAT).ok()?);
            let metres = 10_f64.powi(i32::from(file.i16(data + 10, Little, WHAT).ok()?));
            let x = file.f64(data + 12, Little, WHAT).ok()? * metres;
            let y = file.f64(data + 20, Little, WHAT).ok()? * metres;
            return positive(x * 1e9, y * 1e9);
        }
    }
    None
}

/// A block of version 2, with the pixel size in nanometres at bytes 2968 and 2972.
fn tvips(tags: &Directory<'_>, at: u64) -> Option<(f64, f64)> {
    use crate::format::bytes::Endian::Little;
    const WHAT: &str = "the TVIPS header";
    let file = tags.file();
    if file.u32(at, Little, WHAT).ok()? != 2 {
        return None;
    }
    let size = |offset: u64| file.f32(at.checked_add(offset)?, Little, WHAT).ok().map(f64::from);
    positive(size(2968)?, size(2972)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeiss_scales_with_the_stored_width() {
        let text = "0\r\n0\r\n0\r\n5.824988e-009\r\nAP_PIXEL_SIZE\r\nPixel Size = 5.825 nm\r\n";
        let (x, _) = zeiss(text, 512).unwrap();
        assert!((x - 11.649976).abs() < 1e-9, "{x} nm");
    }

    #[test]
    fn thermo_takes_the_scan_first_and_the_field_of_view_second() {
        let scan = "[Beam]\r\nBeam=EBeam\r\n[EBeam]\r\nHFW=1\r\n[Scan]\r\nPixelWidth=2e-9\r\nPixelHeight=3e-9\r\n";
        let (x, y) = thermo(scan).unwrap();
        assert!((x - 2.0).abs() < 1e-9 && (y - 3.0).abs() < 1e-9, "{x}, {y} nm");
        let camera = "[Beam]\nBeam=IRBeam\n[IRBeam]\nHFW=0.2\nVFW=0.1\n[Image]\nResolutionX=100\nResolutionY=50\n";
        let (x, y) = thermo(camera).unwrap();
        assert!((x - 2e6).abs() < 1.0 && (y - 2e6).abs() < 1.0, "{x}, {y} nm");
        assert_eq!(thermo("[Scan]\nPixelWidth=oops\nPixelHeight=1\n"), None);
    }
}

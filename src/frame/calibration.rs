//! How large a pixel is on the specimen, and the units that follow for each measured field.
//!
//! Estimators work in pixels and seconds throughout; this is the one place where their numbers
//! become nanometres, so that alarms, file and summary agree.

/// Pixel size on the specimen, or nothing for an uncalibrated run (lengths stay in px).
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Calibration {
    /// Nanometres per pixel along x and y.
    pub pixel_size_nm: Option<(f64, f64)>,
}

/// Along which image axis a length is measured (pixels need not be square).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub enum Axis {
    X,
    Y,
    /// Neither: the geometric mean of both pixel sizes holds.
    Both,
}

/// What kind of quantity a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub enum Dimension {
    Pure,
    Length(Axis),
    Area,
    Velocity(Axis),
    Time,
    /// A coordinate that stays in reference pixels even in a calibrated run.
    Pixel,
}

impl Calibration {
    /// Nanometres (or pixels, when uncalibrated) per pixel along `axis`.
    pub fn length_per_px(&self, axis: Axis) -> f64 {
        match (self.pixel_size_nm, axis) {
            (None, _) => 1.0,
            (Some((x, _)), Axis::X) => x,
            (Some((_, y)), Axis::Y) => y,
            (Some((x, y)), Axis::Both) => (x * y).sqrt(),
        }
    }

    /// The factor that takes a number in px and s to the unit of the file.
    pub fn factor(&self, dimension: Dimension) -> f64 {
        match dimension {
            Dimension::Pure | Dimension::Time | Dimension::Pixel => 1.0,
            Dimension::Length(axis) | Dimension::Velocity(axis) => self.length_per_px(axis),
            Dimension::Area => self.length_per_px(Axis::Both).powi(2),
        }
    }

    /// The unit of the file for this dimension, in UDUNITS spelling.
    pub fn units(&self, dimension: Dimension) -> &'static str {
        match (dimension, self.pixel_size_nm.is_some()) {
            (Dimension::Pure, _) => "",
            (Dimension::Time, _) => "s",
            (Dimension::Pixel, _) | (Dimension::Length(_), false) => "px",
            (Dimension::Length(_), true) => "nm",
            (Dimension::Area, false) => "px2",
            (Dimension::Area, true) => "nm2",
            (Dimension::Velocity(_), false) => "px/s",
            (Dimension::Velocity(_), true) => "nm/s",
        }
    }
}

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
    /// A thickness of dense lithium (px) as charge per area, by density and charge. NaN in a run
    /// that is not calibrated.
    Capacity(Axis),
    /// A coordinate that stays in reference pixels even in a calibrated run.
    Pixel,
}

/// Charge in a volume of dense lithium: 0.534 g/cm³ times 3861 mAh/g (CRC Handbook of Chemistry and
/// Physics: density at 20 °C; Faraday's constant over 6.94 g/mol).
pub const LITHIUM_MAH_PER_CM3: f64 = 0.534 * 3861.0;

const CM_PER_NM: f64 = 1e-7;

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
            Dimension::Capacity(axis) if self.pixel_size_nm.is_some() => {
                self.length_per_px(axis) * CM_PER_NM * LITHIUM_MAH_PER_CM3
            }
            Dimension::Capacity(_) => f64::NAN,
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
            (Dimension::Capacity(_), _) => "mA.h.cm-2",
            (Dimension::Velocity(_), false) => "px/s",
            (Dimension::Velocity(_), true) => "nm/s",
        }
    }
}

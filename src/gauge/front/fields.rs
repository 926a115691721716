//! The columns of a front gauge, and one frame's numbers in their order.

use crate::frame::{Axis, Dimension};
use crate::gauge::lines::Lines;
use crate::gauge::{ArrayField, Constant, Field, Measurement, Schema};

/// Bands of lines, at most, whose local velocity is given.
const BANDS_MOST: usize = 64;

macro_rules! fields {
    ($($name:ident),* $(,)?) => {
        /// One frame's numbers, each with its one sigma, px and s.
        #[derive(Clone, Copy)]
        pub struct Numbers { $(pub $name: (f64, f64)),* }

        impl Default for Numbers {
            fn default() -> Self {
                Numbers { $($name: (f64::NAN, f64::NAN)),* }
            }
        }

        impl Numbers {
            const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// Writes them to a measurement.
            pub fn put(&self, out: &mut Measurement) {
                let all = [$(self.$name),*];
                for (k, (value, error)) in all.into_iter().enumerate() {
                    (out.values[k], out.errors[k]) = (value, error);
                }
            }
        }
    };
}

fields!(
    position,
    tip,
    gap,
    velocity,
    roughness,
    area,
    eta,
    tip_velocity,
    eta_low,
    eta_high,
    wavelength,
    perimeter,
    capacity,
    by_region,
);

/// The lines of each band of a local velocity.
pub fn bands(lines: &Lines) -> Vec<std::ops::Range<usize>> {
    let count = lines.count.min(BANDS_MOST);
    (0..count).map(|k| k * lines.count / count..(k + 1) * lines.count / count).collect()
}

/// The fields of a front gauge.
pub fn schema(lines: &Lines) -> Schema {
    let axis = lines.axis();
    let across = if axis == Axis::X { Axis::Y } else { Axis::X };
    let described = |name: &str| -> (&'static str, Dimension) {
        match name {
            "position" => ("mean position of the front", Dimension::Length(axis)),
            "tip" => ("furthest reach of the front", Dimension::Length(axis)),
            "gap" => ("counter electrode minus tip", Dimension::Length(axis)),
            "velocity" => ("velocity of the mean position", Dimension::Velocity(axis)),
            "roughness" => {
                ("standard deviation of the contour, without noise", Dimension::Length(axis))
            }
            "area" => ("area swept since the first valid frame", Dimension::Area),
            "eta" => ("time until the gap is zero at the tip's velocity", Dimension::Time),
            "tip_velocity" => ("velocity of the tip", Dimension::Velocity(axis)),
            "eta_low" => ("lower 95 % limit of eta", Dimension::Time),
            "eta_high" => ("upper 95 % limit of eta", Dimension::Time),
            "wavelength" => {
                ("lateral wavelength: 2 pi roughness over r.m.s. slope", Dimension::Length(across))
            }
            "perimeter" => {
                ("length of lithium's edge in the region", Dimension::Length(Axis::Both))
            }
            "capacity" => {
                ("dense lithium as thick as the area swept, per area", Dimension::Capacity(axis))
            }
            _ => (
                "1 where area, perimeter and tip are of a segmented region, 0 of the contour",
                Dimension::Pure,
            ),
        }
    };
    let fields = Numbers::NAMES.iter().map(|name| {
        let (long_name, dimension) = described(name);
        Field { name, long_name, dimension }
    });
    let bands = bands(lines);
    let coordinates = lines.across();
    let middles =
        bands.iter().map(|band| 0.5 * (coordinates[band.start] + coordinates[band.end - 1]));
    Schema {
        fields: fields.collect(),
        arrays: vec![
            ArrayField {
                name: "contour",
                long_name: "position of the front along each line",
                dimension: Dimension::Length(axis),
                len: lines.count,
                axis: Some("lines"),
            },
            ArrayField {
                name: "normal_velocity",
                long_name: "velocity of the front along its normal, means over bands of lines",
                dimension: Dimension::Velocity(axis),
                len: bands.len(),
                axis: Some("bands"),
            },
        ],
        constants: vec![
            Constant {
                name: "lines",
                long_name: "coordinate of each line across the growth axis",
                dimension: Dimension::Pixel,
                shape: (lines.count, 1),
                values: coordinates.clone(),
            },
            Constant {
                name: "bands",
                long_name: "coordinate of the middle of each band across the growth axis",
                dimension: Dimension::Pixel,
                shape: (bands.len(), 1),
                values: middles.collect(),
            },
        ],
    }
}

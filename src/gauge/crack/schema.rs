//! The numbers of a crack gauge as the run file and the alarms see them.

use super::Layout;
use super::config::{Along, CrackConfig};
use crate::frame::{Axis, Dimension};
use crate::gauge::{ArrayField, Constant, Field, Schema};

/// Places of the fields.
pub const WIDTH_MEAN: usize = 0;
pub const WIDTH_MAX: usize = 1;
pub const LENGTH: usize = 2;
pub const TIP_X: usize = 3;
pub const TIP_Y: usize = 4;
pub const OPENING_RATE: usize = 5;
pub const PROPAGATION_RATE: usize = 6;
pub const LENGTH_TOTAL: usize = 7;
pub const LINES: usize = 8;
pub const AREA: usize = 9;
pub const DEPTH: usize = 10;
pub const PSF: usize = 11;
/// Places of the lists, and of the constants.
pub const WIDTH: usize = 0;
pub const LOCAL_DEPTH: usize = 1;
pub const OPEN: usize = 2;
pub const PATH: usize = 0;
pub const BRANCH: usize = 1;

/// The fields of a crack gauge.
pub fn schema(config: &CrackConfig, layout: &Layout) -> Schema {
    let across = match config.along {
        Some(Along::Y) => Axis::X,
        Some(Along::X) => Axis::Y,
        None => Axis::Both,
    };
    let length = Dimension::Length(Axis::Both);
    let fields = [
        ("width_mean", "mean opening of the open part", Dimension::Length(across)),
        ("width_max", "largest opening", Dimension::Length(across)),
        ("length", "length of the open part along the path", length),
        ("tip_x", "column of the tip", Dimension::Pixel),
        ("tip_y", "row of the tip", Dimension::Pixel),
        (
            "opening_rate",
            "rate of change of the opening, mean over the open part",
            Dimension::Velocity(across),
        ),
        ("propagation_rate", "rate of change of the length", Dimension::Velocity(Axis::Both)),
        ("length_total", "length of the open parts of all lines", length),
        ("lines", "lines with an open part: the crack, its branches, others", Dimension::Pure),
        ("area", "opened area of all lines", Dimension::Area),
        ("depth", "share of the brightness that the opening takes away", Dimension::Pure),
        ("psf", "point spread, one sigma", length),
    ];
    let arrays = [
        ("width", "opening at each station, perpendicular to the path", Dimension::Length(across)),
        ("local_depth", "depth at each station; less where it is filled", Dimension::Pure),
        ("open", "1 where the station belongs to an open part, else 0", Dimension::Pure),
    ];
    let constant = |name, long_name, dimension, columns: usize| Constant {
        name,
        long_name,
        dimension,
        shape: (layout.slots, columns),
        values: vec![f32::NAN; columns * layout.slots],
    };
    Schema {
        fields: fields
            .into_iter()
            .map(|(name, long_name, dimension)| Field { name, long_name, dimension })
            .collect(),
        // Where each station has its own row or column, the opening is all that is listed.
        arrays: arrays
            .into_iter()
            .take(if config.along.is_some() { 1 } else { usize::MAX })
            .map(|(name, long_name, dimension)| ArrayField {
                name,
                long_name,
                dimension,
                len: layout.slots,
                axis: None,
            })
            .collect(),
        constants: vec![
            constant("path", "x and y of each station of the centre line", Dimension::Pixel, 2),
            constant("branch", "0: the crack, 1 and more: further lines", Dimension::Pure, 1),
        ],
    }
}

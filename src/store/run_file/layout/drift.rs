//! Drift: two numbers with their errors, the whole map of the frame, and how far it is trusted.

use super::super::column::{Column, Label};
use super::{data_group, link_time, plain, real, single};
use crate::register::Drift as Found;

pub struct Drift {
    numbers: [Column<f64>; 4],
    to_frame: Column<f64>,
    /// Of a frame, px.
    size: (usize, usize),
    quality: Column<f32>,
    locked: Column<u8>,
    keyframe: Column<u32>,
}

impl Drift {
    pub const COLUMNS: usize = 8;

    pub fn create(entry: &hdf5::Group, size: (usize, usize)) -> hdf5::Result<Drift> {
        let group = data_group(entry, "drift", "x", &["y"])?;
        link_time(&group)?;
        let px = |name, long_name| real(&group, Label { name, units: "px", long_name });
        let label = |name, long_name| Label { name, units: "", long_name };
        Ok(Drift {
            numbers: [
                px("x", "drift of the specimen to the right")?,
                px("y", "drift of the specimen downward")?,
                px("x_errors", "one sigma of x")?,
                px("y_errors", "one sigma of y")?,
            ],
            to_frame: Column::create(
                &group,
                label(
                    "to_frame",
                    "a reference point (x, y) stands at (a x + b y + c, d x + e y + f)",
                ),
                Some(6),
                Some(f64::NAN.into()),
            )?,
            size,
            quality: single(&group, label("quality", "likeness to the template, 0 to 1"))?,
            locked: plain(&group, label("locked", "1 when the registration is trusted"))?,
            keyframe: plain(&group, label("keyframe", "which reference was used"))?,
        })
    }

    pub fn push(&mut self, found: &Found) {
        let numbers = [found.x, found.y, found.x_error, found.y_error];
        for (column, value) in self.numbers.iter_mut().zip(numbers) {
            column.push(value);
        }
        let map = found.motion.affine(self.size.0, self.size.1);
        let ([a, b], [d, e], [c, f]) = (map.matrix[0], map.matrix[1], map.offset);
        self.to_frame.extend(&[a, b, c, d, e, f]);
        self.quality.push(found.quality);
        self.locked.push(u8::from(found.locked));
        self.keyframe.push(found.keyframe);
    }

    pub fn flush(&mut self) -> hdf5::Result<()> {
        self.numbers.iter_mut().try_for_each(Column::flush)?;
        self.to_frame.flush()?;
        self.quality.flush()?;
        self.locked.flush()?;
        self.keyframe.flush()
    }
}

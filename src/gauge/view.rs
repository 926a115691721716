//! What a gauge sees of one frame: the pixels of its region, on the specimen.
//!
//! The region is moved by the drift rounded to whole pixels, so that no pixel is interpolated
//! and the noise stays independent from pixel to pixel; the rest of the drift is handed over as
//! a fraction, to be subtracted from what was found.

use crate::frame::{Image, Region, Samples};
use crate::noise::CameraModel;
use crate::register::Drift;

/// One frame with its drift and noise.
pub struct View<'a> {
    image: &'a Image,
    drift: Drift,
    noise: CameraModel,
    shift: (i64, i64),
}

impl<'a> View<'a> {
    /// A view of `image` under a known drift (finite numbers).
    pub fn new(image: &'a Image, drift: Drift, noise: CameraModel) -> Self {
        View { image, drift, noise, shift: (drift.x.round() as i64, drift.y.round() as i64) }
    }

    /// The drift of this frame.
    pub fn drift(&self) -> &Drift {
        &self.drift
    }

    /// The noise of a pixel.
    pub fn noise(&self) -> &CameraModel {
        &self.noise
    }

    /// The part of the drift that the rounding left, (x, y) in −0.5 to 0.5 px. A feature found at
    /// reference pixel *p* of [`read_row`](Self::read_row) truly stands at *p* − fraction.
    pub fn fraction(&self) -> (f64, f64) {
        (self.drift.x - self.shift.0 as f64, self.drift.y - self.shift.1 as f64)
    }

    /// Writes the pixels at reference row `y`, reference columns `x .. x + out.len()`, to `out`
    /// (counts). Pixels outside the field of view are NaN.
    pub fn read_row(&self, y: usize, x: usize, out: &mut [f32]) {
        let row = y as i64 + self.shift.1;
        let first = x as i64 + self.shift.0;
        let width = self.image.width as i64;
        let (from, to) = (first.clamp(0, width), (first + out.len() as i64).clamp(0, width));
        if row < 0 || row >= self.image.height as i64 || from >= to {
            out.fill(f32::NAN);
            return;
        }
        let (lead, count) = ((from - first) as usize, (to - from) as usize);
        out[..lead].fill(f32::NAN);
        out[lead + count..].fill(f32::NAN);
        self.image.read_row(row as usize, from as usize, &mut out[lead..lead + count]);
    }

    /// Writes the pixels at reference column `x`, reference rows `y .. y + out.len()`, to `out`
    /// (counts). Pixels outside the field of view are NaN.
    pub fn read_column(&self, x: usize, y: usize, out: &mut [f32]) {
        let column = x as i64 + self.shift.0;
        let inside = column >= 0 && column < self.image.width as i64;
        for (row, value) in (y as i64 + self.shift.1..).zip(out) {
            let seen = inside && row >= 0 && row < self.image.height as i64;
            *value = if seen { self.image.at(column as usize, row as usize) } else { f32::NAN };
        }
    }

    /// Writes the pixels at reference columns and rows `places`, (x, y), to `out` (counts). Pixels
    /// outside the field of view, which `u16::MAX` always is, are NaN.
    pub fn read_pixels(&self, places: &[[u16; 2]], out: &mut Vec<f32>) {
        // Frames are far smaller than 65,535 px.
        let (width, height) = (self.image.width as u32, self.image.height as u32);
        let (shift_x, shift_y) = (self.shift.0 as i32, self.shift.1 as i32);
        let pixels = places.iter().map(|place| {
            // What lies before the first column or row is a large number.
            let x = (i32::from(place[0]) + shift_x) as u32;
            let y = (i32::from(place[1]) + shift_y) as u32;
            let inside = x < width && y < height && place[0] != u16::MAX;
            inside.then(|| (y * width + x) as usize)
        });
        out.clear();
        match &self.image.samples {
            Samples::U16(all) => {
                out.extend(pixels.map(|at| at.map_or(f32::NAN, |at| f32::from(all[at]))));
            }
            Samples::F32(all) => out.extend(pixels.map(|at| at.map_or(f32::NAN, |at| all[at]))),
        }
    }

    /// Reads the whole region into `out`, row-major, `height · width` (counts; NaN outside the
    /// field of view). Gauges that look along columns read this once and stride through it.
    pub fn read_region(&self, region: Region, out: &mut Vec<f32>) {
        out.resize(region.width * region.height, f32::NAN);
        for (row, line) in out.chunks_exact_mut(region.width).enumerate() {
            self.read_row(region.y + row, region.x, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_the_drift_and_are_nan_outside() {
        let samples = (0..20u16).collect();
        let image = Image { width: 5, height: 4, samples: Samples::U16(samples) };
        let drift = Drift { x: 1.4, y: -1.2, locked: true, ..Drift::UNKNOWN };
        let view = View::new(&image, drift, CameraModel::default());
        let mut row = [0.0; 4];
        view.read_row(2, 2, &mut row);
        assert_eq!(row[..2], [8.0, 9.0]);
        assert!(row[2].is_nan() && row[3].is_nan());
        view.read_row(0, 0, &mut row);
        assert!(row.iter().all(|v| v.is_nan()), "row -1 is outside the field of view");
        assert!((view.fraction().0 - 0.4).abs() < 1e-12);
        assert!((view.fraction().1 + 0.2).abs() < 1e-12);
    }
}

//! A region as parallel lines along an image axis, in either direction: the lines along which a
//! front grows, or those across a crack. Along a line, 0 is the edge that the lines start from.

use serde::Deserialize;

use super::View;
use crate::frame::{Axis, Region};

/// The direction of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grows {
    Right,
    Left,
    Down,
    Up,
}

impl Grows {
    /// Pixels of the region along the growth.
    pub fn length(self, region: Region) -> usize {
        match self {
            Grows::Right | Grows::Left => region.width,
            Grows::Down | Grows::Up => region.height,
        }
    }
}

/// The lines of a region.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    region: Region,
    grows: Grows,
    /// Number of lines.
    pub count: usize,
    /// Pixels along each.
    pub length: usize,
}

impl Lines {
    /// The lines of `region`.
    pub fn new(region: Region, grows: Grows) -> Lines {
        let length = grows.length(region);
        Lines { region, grows, count: region.width * region.height / length, length }
    }

    /// True when lines are rows of the image.
    pub fn is_along_x(&self) -> bool {
        matches!(self.grows, Grows::Right | Grows::Left)
    }

    /// The image axis along the lines.
    pub fn axis(&self) -> Axis {
        if self.is_along_x() { Axis::X } else { Axis::Y }
    }

    /// Each line's coordinate across the growth axis, reference px.
    pub fn across(&self) -> Vec<f32> {
        let first = if self.is_along_x() { self.region.y } else { self.region.x };
        (0..self.count).map(|line| (first + line) as f32).collect()
    }

    /// From a reference coordinate along the growth axis to px from the starting edge.
    pub fn distance_of(&self, coordinate: f64) -> f64 {
        let (x, y) = (self.region.x as f64, self.region.y as f64);
        let last = self.length as f64 - 1.0;
        match self.grows {
            Grows::Right => coordinate - x,
            Grows::Left => x + last - coordinate,
            Grows::Down => coordinate - y,
            Grows::Up => y + last - coordinate,
        }
    }

    /// What to subtract from a position found in the view to have it in reference coordinates.
    pub fn fraction(&self, view: &View<'_>) -> f64 {
        let (x, y) = view.fraction();
        match self.grows {
            Grows::Right => x,
            Grows::Left => -x,
            Grows::Down => y,
            Grows::Up => -y,
        }
    }

    /// The same across the lines: a line of the view shows the specimen that lies so much before
    /// the line's coordinate.
    pub fn fraction_across(&self, view: &View<'_>) -> f64 {
        let (x, y) = view.fraction();
        if self.is_along_x() { y } else { x }
    }

    /// Reads the pixels `start .. start + out.len()` of a line, in its direction.
    pub fn read(&self, view: &View<'_>, line: usize, start: usize, out: &mut [f32]) {
        let Region { x, y, .. } = self.region;
        let from_end = self.length - start - out.len();
        match self.grows {
            Grows::Right => view.read_row(y + line, x + start, out),
            Grows::Left => {
                view.read_row(y + line, x + from_end, out);
                out.reverse();
            }
            Grows::Down => view.read_column(x + line, y + start, out),
            Grows::Up => {
                view.read_column(x + line, y + from_end, out);
                out.reverse();
            }
        }
    }

    /// The reference column and row of a line's pixel.
    pub fn place(&self, line: usize, at: usize) -> [u16; 2] {
        let Region { x, y, .. } = self.region;
        let from_end = self.length - 1 - at;
        let (x, y) = match self.grows {
            Grows::Right => (x + at, y + line),
            Grows::Left => (x + from_end, y + line),
            Grows::Down => (x + line, y + at),
            Grows::Up => (x + line, y + from_end),
        };
        // Frames are far smaller than 65,535 px.
        [x as u16, y as u16]
    }

    /// The whole region, line by line.
    pub fn read_all(&self, view: &View<'_>) -> Vec<f32> {
        let mut all = vec![0.0; self.count * self.length];
        for (line, out) in all.chunks_exact_mut(self.length).enumerate() {
            self.read(view, line, 0, out);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Image, Samples};
    use crate::noise::CameraModel;
    use crate::register::Drift;

    #[test]
    fn a_pixel_is_where_its_line_is_read() {
        let samples = Samples::U16((0..48).collect());
        let image = Image { width: 8, height: 6, samples };
        let drift = Drift { x: 1.0, y: -1.0, locked: true, ..Drift::UNKNOWN };
        let view = View::new(&image, drift, CameraModel::default());
        let region = Region { x: 1, y: 2, width: 4, height: 3 };
        for grows in [Grows::Right, Grows::Left, Grows::Down, Grows::Up] {
            let lines = Lines::new(region, grows);
            let all = lines.read_all(&view);
            let places = (0..all.len()).map(|k| lines.place(k / lines.length, k % lines.length));
            let mut pixels = Vec::new();
            view.read_pixels(&places.collect::<Vec<_>>(), &mut pixels);
            assert_eq!(pixels, all, "{grows:?}");
        }
    }
}

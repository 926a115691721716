//! The part of the reference field that all placed frames cover.
//!
//! Each frame covers a convex shape, so the common part is one interval of columns in each row.

use std::ops::Range;

use crate::frame::Region;
use crate::resample::{Affine, overlap};

/// An area of the reference field: one interval of columns for each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    size: (usize, usize),
    rows: Vec<Range<usize>>,
}

impl Area {
    /// The whole field of `(width, height)` px.
    pub fn whole(size: (usize, usize)) -> Area {
        Area { size, rows: vec![0..size.0; size.1] }
    }

    /// Keeps what a frame with this map covers too.
    pub fn intersect(&mut self, map: &Affine) {
        for (y, columns) in self.rows.iter_mut().enumerate() {
            *columns = overlap(columns, &map.covered(y, self.size));
        }
    }

    /// The columns of row `y`.
    pub fn row(&self, y: usize) -> Range<usize> {
        self.rows[y].clone()
    }

    /// The largest rectangle within the area; nothing when the area is empty.
    pub fn largest_rectangle(&self) -> Option<Region> {
        let mut best: Option<Region> = None;
        for top in 0..self.rows.len() {
            let mut columns = self.rows[top].clone();
            for (below, row) in self.rows[top..].iter().enumerate() {
                columns = overlap(&columns, row);
                if columns.is_empty() {
                    break;
                }
                let (width, height) = (columns.len(), below + 1);
                if best.is_none_or(|best| width * height > best.width * best.height) {
                    best = Some(Region { x: columns.start, y: top, width, height });
                }
            }
        }
        best
    }
}

/// The share of the pixels of `window` that a frame with this map covers, 0 to 1.
pub fn covered_share(map: &Affine, window: Region, size: (usize, usize)) -> f64 {
    let columns = window.x..window.x + window.width;
    let covered: usize = (window.y..window.y + window.height)
        .map(|y| overlap(&columns, &map.covered(y, size)).len())
        .sum();
    covered as f64 / (window.width * window.height) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_leave_a_rectangle_and_a_rotation_leaves_what_fits_into_it() {
        let mut area = Area::whole((100, 80));
        area.intersect(&Affine::translation(3.2, -4.0));
        area.intersect(&Affine::translation(-1.0, 2.5));
        let common = Region { x: 1, y: 4, width: 95, height: 73 };
        assert_eq!(area.largest_rectangle(), Some(common));
        let (sin, cos) = 0.3f64.sin_cos();
        area.intersect(&Affine { matrix: [[cos, -sin], [sin, cos]], offset: [14.0, -11.0] });
        let inside = area.largest_rectangle().unwrap();
        for y in inside.y..inside.y + inside.height {
            let row = area.row(y);
            assert!(row.start <= inside.x && row.end >= inside.x + inside.width, "row {y}");
        }
        area.intersect(&Affine::translation(200.0, 0.0));
        assert_eq!(area.largest_rectangle(), None);
    }
}

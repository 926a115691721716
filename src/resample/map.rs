//! Where each reference pixel stands in a frame, and which of them the frame covers.

use std::ops::Range;

/// A position this little outside the frame still counts as on it, so that rounding errors of a
/// map cost no border.
const EDGE_TOLERANCE_PX: f64 = 1e-6;

/// An affine map from reference to frame coordinates:
/// `frame = matrix · (x, y) + offset`, with x to the right, y downward, pixel centres at integers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Rows `[∂u/∂x, ∂u/∂y]` and `[∂v/∂x, ∂v/∂y]` of the frame position (u, v).
    pub matrix: [[f64; 2]; 2],
    /// Where the reference's origin stands in the frame, px.
    pub offset: [f64; 2],
}

impl Affine {
    /// The map of a frame whose specimen has drifted by (x, y) px.
    pub fn translation(x: f64, y: f64) -> Affine {
        Affine { matrix: [[1.0, 0.0], [0.0, 1.0]], offset: [x, y] }
    }

    /// The frame position (u, v) of a reference position.
    pub fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        let [[xx, xy], [yx, yy]] = self.matrix;
        (xx * x + xy * y + self.offset[0], yx * x + yy * y + self.offset[1])
    }

    /// The shift, when the map is nothing else.
    pub fn as_translation(&self) -> Option<(f64, f64)> {
        let [x, y] = self.offset;
        (self.matrix == [[1.0, 0.0], [0.0, 1.0]]).then_some((x, y))
    }

    /// The map with its shift rounded to whole pixels.
    pub fn rounded(&self) -> Affine {
        Affine { offset: self.offset.map(f64::round), ..*self }
    }

    /// True when every number is finite.
    pub fn is_finite(&self) -> bool {
        self.matrix.iter().chain([&self.offset]).flatten().all(|value| value.is_finite())
    }

    /// The columns of reference row `y` whose positions lie between the centres of the first and
    /// last pixels of a frame of this size. Both images of a row's ends bound them, so they are
    /// one interval; it may be empty.
    pub fn covered(&self, y: usize, (width, height): (usize, usize)) -> Range<usize> {
        let y = y as f64;
        let (mut first, mut last) = (0.0f64, width as f64 - 1.0);
        for ([along, across], offset, size) in
            [(self.matrix[0], self.offset[0], width), (self.matrix[1], self.offset[1], height)]
        {
            let start = across * y + offset;
            let (low, high) = (-EDGE_TOLERANCE_PX, size as f64 - 1.0 + EDGE_TOLERANCE_PX);
            if along == 0.0 {
                if !(low..=high).contains(&start) {
                    return 0..0;
                }
                continue;
            }
            let ends = ((low - start) / along, (high - start) / along);
            first = first.max(ends.0.min(ends.1));
            last = last.min(ends.0.max(ends.1));
        }
        // Never below 0, and NaN becomes 0: casts saturate.
        let (first, end) = (first.ceil() as usize, (last.floor() + 1.0) as usize);
        first..end.max(first)
    }
}

/// What two intervals share.
pub fn overlap(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_covers_what_it_shows() {
        let size = (10, 8);
        let shifted = Affine::translation(2.5, -1.25);
        assert_eq!(shifted.covered(1, size), 0..0, "row 1 stands above the frame");
        assert_eq!(shifted.covered(2, size), 0..7, "column 6 stands at 8.5, column 7 at 9.5");
        assert_eq!(Affine::translation(-2.0, 0.0).covered(0, size), 2..10);
        assert_eq!(Affine::translation(40.0, 0.0).covered(0, size), 0..0);
    }

    proptest::proptest! {
        #[test]
        fn covered_agrees_with_asking_each_pixel(
            angle in -3.2f64..3.2, scale in 0.5f64..2.0, x in -9.0f64..9.0, y in -9.0f64..9.0,
        ) {
            let (sin, cos) = (angle.sin() * scale, angle.cos() * scale);
            let map = Affine { matrix: [[cos, -sin], [sin, cos]], offset: [x, y] };
            let (width, height) = (17, 13);
            for row in 0..height {
                let covered = map.covered(row, (width, height));
                for column in 0..width {
                    let (u, v) = map.apply(column as f64, row as f64);
                    // Positions at the very edge may fall either way.
                    let edges = [u, width as f64 - 1.0 - u, v, height as f64 - 1.0 - v];
                    if edges.iter().any(|e| e.abs() < 1e-5) { continue }
                    let inside = edges.iter().all(|e| *e > 0.0);
                    assert_eq!(inside, covered.contains(&column), "{column}, {row} at {u}, {v}");
                }
            }
        }
    }
}

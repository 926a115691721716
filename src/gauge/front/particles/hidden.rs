//! What particles lie over.

use super::spots::Spot;
use crate::gauge::front::cells::{CELL, Cells, centre};

/// Around a particle so much is left out, px: half a cell, and the point spread.
const MARGIN_PX: f32 = 4.0;

/// What is so near to an edge may shift it, px.
const NEAR_PX: f32 = 2.0;

/// Pixels of each line that particles hide: first and last, px from the starting edge.
#[derive(Clone)]
pub struct Hidden {
    lines: Vec<Vec<(f32, f32)>>,
}

impl Hidden {
    /// Nothing is hidden.
    pub fn nothing(lines: usize) -> Hidden {
        Hidden { lines: vec![Vec::new(); lines] }
    }

    /// A particle with its centre there (along, across).
    pub fn add(&mut self, spot: &Spot, (along, across): (f32, f32)) {
        let reach = 0.5 * CELL as f32 + MARGIN_PX;
        for row in &spot.rows {
            let middle = across + row.across;
            let first = (middle - reach).ceil().max(0.0) as usize;
            let end = ((middle + reach).floor() + 1.0).clamp(0.0, self.lines.len() as f32) as usize;
            let span = (along + row.from - reach, along + row.end + reach);
            for line in self.lines.iter_mut().take(end).skip(first) {
                line.push(span);
            }
        }
    }

    /// Pixels of a line of `length` from the pixel `start` on, as ranges from there.
    pub fn pixels(
        &self,
        line: usize,
        start: usize,
        length: usize,
    ) -> impl Iterator<Item = std::ops::Range<usize>> {
        let pixel = move |at: f32| (at - start as f32).clamp(0.0, length as f32) as usize;
        self.of(line).iter().map(move |(from, end)| pixel(from.ceil())..pixel(end.floor() + 1.0))
    }

    /// Of one line.
    pub fn of(&self, line: usize) -> &[(f32, f32)] {
        &self.lines[line]
    }

    /// Whether anything is hidden so near to a contour (px from the starting edge), line by line.
    pub fn is_near(&self, contour: &[f32]) -> Vec<bool> {
        contour.iter().enumerate().map(|(line, at)| self.reaches(line, *at, NEAR_PX)).collect()
    }

    /// Whether a pixel of a line is hidden.
    pub fn hides(&self, line: usize, at: f32) -> bool {
        self.reaches(line, at, 0.0)
    }

    fn reaches(&self, line: usize, at: f32, beyond: f32) -> bool {
        self.of(line).iter().any(|(from, end)| at >= from - beyond && at <= end + beyond)
    }

    /// Puts what the contour says (px from the starting edge) in the place of cells that are hidden.
    pub fn fill(&self, shares: &mut Cells, contour: &[f32]) {
        let along = shares.along;
        for (row, values) in shares.value.chunks_exact_mut(along).enumerate() {
            let line = row * CELL + CELL / 2;
            if self.of(line).is_empty() {
                continue;
            }
            for (column, value) in values.iter_mut().enumerate() {
                let at = centre(column as f32);
                if self.hides(line, at) {
                    *value = (0.5 + (contour[line] - at) / CELL as f32).clamp(0.0, 1.0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_cells_are_as_the_contour_says() {
        let mut shares = Cells::of((40, 60), vec![0.3; 2400]);
        let hidden = Hidden { lines: vec![vec![(60.0, 100.0)]; 160] };
        hidden.fill(&mut shares, &[79.5; 160]);
        let row = shares.row(20);
        assert!(row[..15].iter().chain(&row[25..]).all(|share| *share == 0.3), "{row:?}");
        assert!(row[15..20].iter().all(|share| *share == 1.0), "{row:?}");
        assert!(row[20..25].iter().all(|share| *share == 0.0), "{row:?}");
    }

    #[test]
    fn pixels_of_a_window_are_counted_from_its_start() {
        let hidden = Hidden { lines: vec![vec![(-3.0, 4.2), (28.5, 90.0)], Vec::new()] };
        let pixels: Vec<_> = hidden.pixels(0, 2, 32).collect();
        assert_eq!(pixels, [0..3, 27..32]);
        assert_eq!(hidden.pixels(1, 2, 32).count(), 0);
        assert!(hidden.hides(0, 4.0) && !hidden.hides(0, 5.0));
    }
}

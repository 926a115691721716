//! Where lithium ends along each row of cells, and how long its edge is.

use super::cells::{CELL, Cells, centre};

/// A fold is a gap of so many cells along a line.
const FOLD_CELLS: usize = 2;

/// One row of cells; px from the starting edge.
pub struct Row {
    /// Lithium along it.
    pub length: f32,
    /// The furthest edge; NaN where there is no lithium.
    pub reach: f32,
    /// Where the last piece of lithium begins.
    pub entered: f32,
    /// Lithium ends more than once along it.
    pub folded: bool,
}

impl Row {
    /// All rows of cells between the bare specimen (0) and lithium (1).
    pub fn all(shares: &Cells) -> Vec<Row> {
        (0..shares.across).map(|row| Row::of(shares.row(row))).collect()
    }

    fn of(shares: &[f32]) -> Row {
        let mut row = Row { length: 0.0, reach: f32::NAN, entered: f32::NAN, folded: false };
        // Lithium reaches the starting edge, half a pixel before the first one.
        let mut entered = (shares[0] > 0.5).then_some(-0.5);
        let mut left: Option<usize> = None;
        for (k, pair) in shares.windows(2).enumerate() {
            if (pair[0] > 0.5) == (pair[1] > 0.5) {
                continue;
            }
            let at = centre(k as f32) + CELL as f32 * (pair[0] - 0.5) / (pair[0] - pair[1]);
            match entered.take() {
                Some(from) => {
                    row.length += at - from;
                    (row.reach, row.entered) = (at, from);
                    left = Some(k);
                }
                None => {
                    row.folded |= left.is_some_and(|left| k - left >= FOLD_CELLS);
                    entered = Some(at);
                }
            }
        }
        if let Some(from) = entered {
            row.reach = centre((shares.len() - 1) as f32) + 0.5 * CELL as f32;
            row.length += row.reach - from;
            row.entered = from;
        }
        row
    }
}

/// From rows of cells to a line, linearly.
pub fn between(rows: &[Row], line: usize, of: impl Fn(&Row) -> f32) -> f32 {
    let place = ((line as f32 + 0.5) / CELL as f32 - 0.5).clamp(0.0, (rows.len() - 1) as f32);
    let k = (place as usize).min(rows.len() - 1);
    let (a, b) = (of(&rows[k]), of(&rows[(k + 1).min(rows.len() - 1)]));
    a + (place - k as f32) * (b - a)
}

/// Length of the line at one half, px.
pub fn perimeter(cells: &Cells) -> f64 {
    let mut sum = 0.0;
    for row in 0..cells.across - 1 {
        let (upper, lower) = (cells.row(row), cells.row(row + 1));
        for (up, low) in upper.windows(2).zip(lower.windows(2)) {
            // Around the square: each side that the line crosses gives a point.
            let corners = [up[0], up[1], low[1], low[0]];
            let place = |side: usize, t: f32| match side {
                0 => (t, 0.0),
                1 => (1.0, t),
                2 => (1.0 - t, 1.0),
                _ => (0.0, 1.0 - t),
            };
            let mut points = [(0.0f32, 0.0f32); 4];
            let mut count = 0;
            for side in 0..4 {
                let (a, b) = (corners[side], corners[(side + 1) % 4]);
                if (a > 0.5) != (b > 0.5) {
                    points[count] = place(side, (0.5 - a) / (b - a));
                    count += 1;
                }
            }
            for pair in points[..count].chunks_exact(2) {
                sum += f64::from((pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1));
            }
        }
    }
    sum * CELL as f64
}

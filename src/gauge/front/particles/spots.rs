//! What one frame shows of particles.
//!
//! A dark particle ahead of the front looks like a piece of lithium apart from the rest, a bright one
//! in lithium like a hole; on the other side of the front they are darker than lithium or brighter than
//! the bare specimen.

use crate::gauge::front::cells::{CELL, Cells, centre};
use crate::gauge::front::pieces::Pieces;

/// A cell that is lithium by less than −0.5 or more than 1.5 is neither side.
const NEITHER: f32 = 0.5;
/// Cells of a particle: fewer may be noise, more are no particle.
pub const CELLS: std::ops::Range<usize> = 5..400;

/// One frame's view of a particle; px from the starting edge and of the first line.
#[derive(Clone, Debug)]
pub struct Spot {
    pub dark: bool,
    pub along: f32,
    pub across: f32,
    /// Its rows of cells, about its centre.
    pub rows: Vec<Reach>,
    pub cells: usize,
}

/// One row of a particle's cells: where it is across and along, px about the centre.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    pub across: f32,
    pub from: f32,
    pub end: f32,
}

impl Spot {
    /// Whether it covers a place (px along, across).
    pub fn is_at(&self, (along, across): (f32, f32)) -> bool {
        let half = 0.5 * CELL as f32;
        self.rows.iter().any(|row| {
            (self.across + row.across - across).abs() <= half
                && (self.along + row.from - half..=self.along + row.end + half).contains(&along)
        })
    }
}

/// What looks like a particle in cells between bare specimen (0) and lithium (1).
pub fn find(shares: &Cells) -> Vec<Spot> {
    let size = (shares.across, shares.along);
    let value = &shares.value;
    let mut spots = Vec::new();
    for dark in [true, false] {
        // Lithium hangs together with the starting edge, the bare specimen with the other end.
        let sided = |at: usize| (value[at] > 0.5) == dark;
        let pieces = Pieces::of(sided, size, 0);
        let edge = if dark { 0..1 } else { shares.along - 1..shares.along };
        let touches = pieces.touch(shares.along, edge);
        let is_neither =
            |at: usize| if dark { value[at] > 1.0 + NEITHER } else { value[at] < -NEITHER };
        let stands_out =
            |at: usize| sided(at) && (!touches[pieces.of[at] as usize] || is_neither(at));
        spots.extend(spots_of(&Pieces::of(stands_out, size, 0), size, dark));
    }
    spots
}

fn spots_of(pieces: &Pieces, (across, along): (usize, usize), dark: bool) -> Vec<Spot> {
    // Sums of rows and columns, and whether the region's rim cuts the piece.
    let mut sums = vec![(0usize, 0usize, false); pieces.sizes.len()];
    for (at, piece) in pieces.of.iter().enumerate() {
        let (row, column) = (at / along, at % along);
        let (rows, columns, cut) = &mut sums[*piece as usize];
        (*rows, *columns) = (*rows + row, *columns + column);
        *cut |= row == 0 || row + 1 == across || column == 0 || column + 1 == along;
    }
    let is_particle = |name: &usize| CELLS.contains(&pieces.sizes[*name]) && !sums[*name].2;
    let names: Vec<usize> = (1..sums.len()).filter(is_particle).collect();
    let mut spots: Vec<Spot> = names
        .iter()
        .map(|name| {
            let cells = pieces.sizes[*name];
            let mean = |sum: usize| centre(sum as f32 / cells as f32);
            let (across, along) = (mean(sums[*name].0), mean(sums[*name].1));
            Spot { dark, along, across, rows: Vec::new(), cells }
        })
        .collect();
    for (row, of) in pieces.of.chunks_exact(along).enumerate() {
        for (column, piece) in of.iter().enumerate().filter(|(_, piece)| **piece != 0) {
            let Ok(at) = names.binary_search(&(*piece as usize)) else { continue };
            let spot = &mut spots[at];
            let across = centre(row as f32) - spot.across;
            let along = centre(column as f32) - spot.along;
            match spot.rows.last_mut().filter(|reach| reach.across == across) {
                Some(reach) => reach.end = along,
                None => spot.rows.push(Reach { across, from: along, end: along }),
            }
        }
    }
    spots
}

//! Particles that lie over the front, by one frame: they take as much from lithium as from the bare specimen beside it.
//!
//! Where one is about as dark as lithium, the part of it that is ahead of the front looks like lithium that has grown
//! there, and all that tells it from a finger is its other part, which is darker than lithium. Likewise with bright ones:
//! the part behind the front looks bare, and the other one is brighter than the bare specimen.

use std::collections::BTreeMap;
use std::ops::Range;

use super::spots::{CELLS, Reach, Spot};
use crate::gauge::front::cells::{CELL, Cells, centre};
use crate::gauge::front::neighbours::fill_gaps;
use crate::gauge::front::pieces::Pieces;
use crate::gauge::median::median;

/// One part is neither side's by so much of the step at least.
const NEITHER_LEAST: f32 = 0.3;
/// So many cells each part has at least; and that on the wrong side no more for each of the other's, since a finger is
/// longer than what is dark in it.
const CELLS_LEAST: usize = 4;
const WRONG_MOST: usize = 6;
/// The front goes straight on under it, from where so many rows beside it say that it is.
const BESIDE_ROWS: usize = 4;
/// Rows to each side of the part that is neither side's that it may cover too, at first, and at most.
const ROWS_FIRST: usize = 3;
const ROWS_MOST: usize = 14;
/// No further from the front than that both parts of it are, and meet, cells.
const NEAR_CELLS: f32 = 2.0;
const MEETS_CELLS: f32 = 2.5;
/// The cell that the front crosses is on no side of it.
const CROSSED: f32 = 0.75;

/// What lies over a front (px from the starting edge, one entry a line) in cells between bare specimen (0) and lithium
/// (1), over the learned texture and as they were seen: a dark grain is in one of these alone, and so is what was learned
/// as texture and is none.
pub fn find_over(shares: &Cells, as_seen: &Cells, contour: &[f32]) -> Vec<Spot> {
    let Some(front) = of_rows(contour, shares.across) else { return Vec::new() };
    let mut found = Vec::new();
    for dark in [true, false] {
        let is_neither = |at: usize| {
            let (one, other) = (shares.value[at], as_seen.value[at]);
            if dark {
                one.min(other) > 1.0 + NEITHER_LEAST
            } else {
                one.max(other) < -NEITHER_LEAST
            }
        };
        let pieces = Pieces::of(is_neither, (shares.across, shares.along), 0);
        let mut cells: Vec<Vec<usize>> = vec![Vec::new(); pieces.sizes.len()];
        for (at, piece) in pieces.of.iter().enumerate().filter(|(_, piece)| **piece != 0) {
            cells[*piece as usize].push(at);
        }
        let sized = cells.iter().filter(|cells| (CELLS_LEAST..CELLS.end).contains(&cells.len()));
        found.extend(sized.filter_map(|neither| whole(shares, &front, neither, dark)));
    }
    found
}

/// The front in each row, cells; nothing where there is none.
fn of_rows(contour: &[f32], rows: usize) -> Option<Vec<f32>> {
    if !contour.iter().any(|at| at.is_finite()) {
        return None;
    }
    let mut contour = contour.to_vec();
    fill_gaps(&mut contour);
    let row = |row: usize| {
        let lines = contour[row * CELL..].iter().take(CELL);
        (lines.sum::<f32>() / CELL as f32 - centre(0.0)) / CELL as f32
    };
    Some((0..rows).map(row).collect())
}

/// The whole of a particle of which some cells (in order) are neither side's; nothing where they are of none that lies
/// over the front.
fn whole(shares: &Cells, front: &[f32], neither: &[usize], dark: bool) -> Option<Spot> {
    let (first, last) = (neither.first()? / shares.along, neither.last()? / shares.along);
    let mut beside = ROWS_FIRST;
    loop {
        let rows = first.saturating_sub(beside)..(last + beside + 1).min(shares.across);
        let beneath = Beneath::of(front, rows.clone(), shares.along)?;
        let wrong = beneath.on_wrong_side(shares, neither, dark);
        let reaches = |row: usize| wrong.iter().any(|at| at / shares.along == row);
        let is_cut = rows.start > 0 && reaches(rows.start)
            || rows.end < shares.across && reaches(rows.end - 1);
        if !is_cut {
            let sized = (CELLS_LEAST..=WRONG_MOST * neither.len()).contains(&wrong.len());
            let is_one = sized && beneath.is_crossed(neither, &wrong);
            return is_one.then(|| spot(shares.along, neither, &wrong, dark));
        }
        if beside >= ROWS_MOST {
            return None;
        }
        beside = (2 * beside).min(ROWS_MOST);
    }
}

/// Where the front should be in some rows, were nothing over it.
struct Beneath {
    rows: Range<usize>,
    along: usize,
    /// In each of these rows, cells.
    front: Vec<f32>,
}

impl Beneath {
    /// Straight on between the rows beside these.
    fn of(front: &[f32], rows: Range<usize>, along: usize) -> Option<Beneath> {
        let before = rows.start.saturating_sub(BESIDE_ROWS)..rows.start;
        let after = rows.end..(rows.end + BESIDE_ROWS).min(front.len());
        let [before, after] = [before, after].map(|rows| median(front[rows].iter().copied()));
        let (a, b) = (before.or(after)?, after.or(before)?);
        let count = rows.len() as f32;
        let at = |k: usize| a + (b - a) * (k as f32 + 0.5) / count;
        Some(Beneath { front: (0..rows.len()).map(at).collect(), rows, along })
    }

    /// How far ahead of the front a cell is, cells.
    fn ahead(&self, at: usize) -> f32 {
        (at % self.along) as f32 - self.front[at / self.along - self.rows.start]
    }

    /// Cells that are on the wrong side of the front by what they look like, and hang together with those that are
    /// neither side's: those like lithium ahead of it beside dark ones, those like the bare specimen behind it beside
    /// bright ones.
    fn on_wrong_side(&self, shares: &Cells, neither: &[usize], dark: bool) -> Vec<usize> {
        let along = self.along;
        let beyond = |at: usize| if dark { self.ahead(at) } else { -self.ahead(at) };
        let first = self.rows.start * along;
        let mut is_seen = vec![false; self.rows.len() * along];
        let near = neither.iter().copied().filter(|at| beyond(*at) > -NEAR_CELLS);
        let mut open: Vec<usize> = near.collect();
        for at in &open {
            is_seen[at - first] = true;
        }
        let mut wrong = Vec::new();
        while let Some(at) = open.pop() {
            if beyond(at) > CROSSED {
                wrong.push(at);
            }
            let (row, column) = (at / along, at % along);
            let beside = [
                (row > self.rows.start).then(|| at - along),
                (row + 1 < self.rows.end).then(|| at + along),
                (column > 0).then(|| at - 1),
                (column + 1 < along).then(|| at + 1),
            ];
            for next in beside.into_iter().flatten() {
                let looks = (shares.value[next] > 0.5) == dark;
                if looks && beyond(next) > -CROSSED && !is_seen[next - first] {
                    is_seen[next - first] = true;
                    open.push(next);
                }
            }
        }
        wrong
    }

    /// Whether both parts meet at the front, and are about as wide there.
    fn is_crossed(&self, neither: &[usize], wrong: &[usize]) -> bool {
        let rows_of = |cells: &[usize]| {
            let mut rows = vec![false; self.rows.len()];
            for at in cells.iter().filter(|at| self.ahead(**at).abs() < MEETS_CELLS) {
                rows[at / self.along - self.rows.start] = true;
            }
            rows
        };
        let pairs: Vec<(bool, bool)> =
            rows_of(neither).into_iter().zip(rows_of(wrong)).filter(|(a, b)| *a || *b).collect();
        2 * pairs.iter().filter(|(a, b)| *a && *b).count() > pairs.len()
    }
}

/// A particle of these cells, and of all between them in a row.
fn spot(along: usize, neither: &[usize], wrong: &[usize], dark: bool) -> Spot {
    let mut reaches: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for at in neither.iter().chain(wrong) {
        let (row, column) = (at / along, at % along);
        let reach = reaches.entry(row).or_insert((column, column));
        *reach = (reach.0.min(column), reach.1.max(column));
    }
    let (mut cells, mut rows, mut columns) = (0, 0, 0);
    for (row, (from, end)) in &reaches {
        let count = end - from + 1;
        (cells, rows, columns) =
            (cells + count, rows + row * count, columns + (from + end) * count);
    }
    let across = centre(rows as f32 / cells as f32);
    let along = centre(0.5 * columns as f32 / cells as f32);
    let rows = reaches.iter().map(|(row, (from, end))| Reach {
        across: centre(*row as f32) - across,
        from: centre(*from as f32) - along,
        end: centre(*end as f32) - along,
    });
    Spot { dark, along, across, rows: rows.collect(), cells }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the front stands, px.
    const FRONT: f32 = 80.0;
    const SIZE: (usize, usize) = (40, 60);

    /// A front, and what is added to lithium's share at a place (px along and across).
    fn scene(added: impl Fn(f32, f32) -> f32) -> Cells {
        let value = |at: usize| {
            let [along, across] = [at % SIZE.1, at / SIZE.1].map(|cell| centre(cell as f32));
            let lithium = if along < FRONT { 1.0 } else { 0.0 };
            lithium + added(along, across)
        };
        Cells::of(SIZE, (0..SIZE.0 * SIZE.1).map(value).collect())
    }

    /// A disc of 14 px about a place in the row of 80 px.
    fn disc(centre: f32, share: f32) -> impl Fn(f32, f32) -> f32 {
        move |along, across| {
            if (along - centre).hypot(across - 80.0) < 14.0 { share } else { 0.0 }
        }
    }

    /// The contour that runs round a disc.
    fn round(centre: f32, outward: f32) -> Vec<f32> {
        let chord = |line: usize| 14f32.powi(2) - (line as f32 - 80.0).powi(2);
        let edge = |line: usize| match chord(line) {
            square if square > 0.0 => {
                let edge = centre + outward * square.sqrt();
                if outward > 0.0 { edge.max(FRONT) } else { edge.min(FRONT) }
            }
            _ => FRONT,
        };
        (0..160).map(edge).collect()
    }

    #[test]
    fn a_particle_over_the_front_is_found_whole_whether_the_contour_runs_round_it_or_not() {
        for (place, share, outward) in [(84.0, 0.9, 1.0), (78.0, -0.9, -1.0)] {
            let cells = scene(disc(place, share));
            for contour in [round(place, outward), vec![FRONT; 160]] {
                let found = find_over(&cells, &cells, &contour);
                assert_eq!(found.len(), 1, "{found:?}");
                let Spot { dark, along, across, cells, .. } = found[0];
                assert_eq!(dark, share > 0.0);
                assert!((along - place).hypot(across - 80.0) < 2.0, "{:?}", found[0]);
                assert!((32..46).contains(&cells), "{cells} of 38 cells");
            }
        }
    }

    #[test]
    fn fingers_and_grains_are_no_particles() {
        let finger = |along: f32, across: f32| {
            if (FRONT..140.0).contains(&along) && (across - 80.0).abs() < 12.0 { 1.0 } else { 0.0 }
        };
        let grain = |along: f32, across: f32| disc(60.0, 0.5)(along, across);
        let reach = |line: usize| if (68..92).contains(&line) { 140.0 } else { FRONT };
        let contour: Vec<f32> = (0..160).map(reach).collect();
        for cells in [scene(finger), scene(grain), scene(|a, c| finger(a, c) + grain(a, c))] {
            assert!(find_over(&cells, &cells, &contour).is_empty());
        }
        // What is dark in the frame alone is the specimen's texture.
        let particle = scene(disc(84.0, 0.9));
        assert!(find_over(&scene(|_, _| 0.0), &particle, &vec![FRONT; 160]).is_empty());
    }
}

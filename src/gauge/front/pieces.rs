//! What hangs together: pieces of cells, and those above one half that begin at the starting edge.

use super::cells::Cells;

/// Cells above one half, by the pieces that they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// In all pieces.
    pub all: usize,
    /// In pieces that touch the starting edge.
    pub near: usize,
    /// In pieces that touch the other end of the lines.
    pub far: usize,
}

/// The piece that each cell belongs to, row after row; pieces are counted from 1, 0 is no piece.
pub struct Pieces {
    pub of: Vec<u32>,
    /// Cells of each piece; the first entry is that of no piece.
    pub sizes: Vec<usize>,
}

impl Pieces {
    /// Joins cells that are `inside`, in `across` rows of `along`, over gaps of up to `gap` cells
    /// between sides.
    pub fn of(
        inside: impl Fn(usize) -> bool,
        (across, along): (usize, usize),
        gap: usize,
    ) -> Pieces {
        let mut of = vec![0u32; across * along];
        let mut sizes = vec![0usize];
        let mut open = Vec::new();
        let reach = 1 + gap;
        for seed in 0..of.len() {
            if of[seed] != 0 || !inside(seed) {
                continue;
            }
            let name = sizes.len();
            sizes.push(0);
            of[seed] = name as u32;
            open.push(seed);
            while let Some(at) = open.pop() {
                sizes[name] += 1;
                let (row, column) = (at / along, at % along);
                let mut join = |next: usize| {
                    if of[next] == 0 && inside(next) {
                        of[next] = name as u32;
                        open.push(next);
                    }
                };
                if gap == 0 {
                    let beside = [
                        (row > 0).then(|| at - along),
                        (row + 1 < across).then_some(at + along),
                        (column > 0).then(|| at - 1),
                        (column + 1 < along).then_some(at + 1),
                    ];
                    beside.into_iter().flatten().for_each(join);
                    continue;
                }
                for other in row.saturating_sub(reach)..(row + reach + 1).min(across) {
                    // Those that are no further than `reach` by rows and columns together.
                    let left = reach - other.abs_diff(row);
                    for next in column.saturating_sub(left)..(column + left + 1).min(along) {
                        join(other * along + next);
                    }
                }
            }
        }
        Pieces { of, sizes }
    }

    /// Whether each piece has a cell in the columns `columns`, of `along`.
    pub fn touch(&self, along: usize, columns: std::ops::Range<usize>) -> Vec<bool> {
        let mut touch = vec![false; self.sizes.len()];
        for row in self.of.chunks_exact(along) {
            for piece in &row[columns.clone()] {
                touch[*piece as usize] = true;
            }
        }
        touch[0] = false;
        touch
    }
}

/// Leaves only what hangs together with the starting edge, over gaps of up to `gap` cells between
/// sides; the rest is no part of the front, and becomes 0. Where nothing touches that edge, the
/// largest piece is left.
pub fn keep_connected(cells: &mut Cells, gap: usize) -> Kept {
    let (across, along) = (cells.across, cells.along);
    let pieces = Pieces::of(|at| cells.value[at] > 0.5, (across, along), gap);
    let sizes = &pieces.sizes;
    let near = pieces.touch(along, 0..(gap + 1).min(along));
    let far = pieces.touch(along, along.saturating_sub(gap + 1)..along);
    let largest = (1..sizes.len()).max_by_key(|name| sizes[*name]).unwrap_or(0);
    let any = near.iter().any(|near| *near);
    for (value, piece) in cells.value.iter_mut().zip(&pieces.of) {
        let name = *piece as usize;
        let kept = if any { near[name] } else { name == largest };
        if name != 0 && !kept {
            *value = 0.0;
        }
    }
    let of =
        |touches: &[bool]| sizes.iter().zip(touches).filter(|(_, t)| **t).map(|(s, _)| s).sum();
    Kept { all: sizes.iter().sum(), near: of(&near), far: of(&far) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(rows: &[&str]) -> Cells {
        let value = rows.iter().flat_map(|row| row.bytes().map(|c| f32::from(u8::from(c == b'#'))));
        Cells::of((rows.len(), rows[0].len()), value.collect())
    }

    #[test]
    fn gaps_are_bridged_as_far_as_told() {
        let rows = ["##..#...", "...##...", ".......#", "........"];
        let mut cells = drawn(&rows);
        assert_eq!(keep_connected(&mut cells, 0), Kept { all: 6, near: 2, far: 1 });
        assert_eq!(cells.value, drawn(&["##......", "........", "........", "........"]).value);
        let mut cells = drawn(&rows);
        assert_eq!(keep_connected(&mut cells, 2), Kept { all: 6, near: 5, far: 1 });
        assert_eq!(cells.value, drawn(&["##..#...", "...##...", "........", "........"]).value);
    }
}

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
        if gap == 0 {
            return Pieces::without_gaps(inside, (across, along));
        }
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

    /// The same of cells that touch with a side, run by run: a row has few, and each is joined to those that it
    /// touches in the row before (A. Rosenfeld, J. L. Pfaltz, J. ACM 13, 471, 1966).
    fn without_gaps(inside: impl Fn(usize) -> bool, (across, along): (usize, usize)) -> Pieces {
        /// The first run of the piece that a run belongs to.
        fn first(joined: &mut [usize], mut run: usize) -> usize {
            while joined[run] != run {
                joined[run] = joined[joined[run]];
                run = joined[run];
            }
            run
        }
        let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
        let mut joined: Vec<usize> = Vec::new();
        let mut above = 0..0;
        for row in 0..across {
            let begin = runs.len();
            let mut at = row * along;
            let end = at + along;
            let mut near = above.clone();
            while at < end {
                if !inside(at) {
                    at += 1;
                    continue;
                }
                let from = at;
                while at < end && inside(at) {
                    at += 1;
                }
                let run = runs.len();
                runs.push(from..at);
                joined.push(run);
                // Runs of the row before that end before this one begins touch no later one either.
                while near.start < near.end && runs[near.start].end + along <= from {
                    near.start += 1;
                }
                for other in near.clone().take_while(|other| runs[*other].start + along < at) {
                    let (one, two) = (first(&mut joined, other), first(&mut joined, run));
                    joined[one.max(two)] = one.min(two);
                }
            }
            above = begin..runs.len();
        }
        let mut of = vec![0u32; across * along];
        let mut sizes = vec![0usize];
        let mut names = vec![0usize; runs.len()];
        for (run, cells) in runs.iter().enumerate() {
            // The first run of a piece comes before its others.
            let first = first(&mut joined, run);
            if first == run {
                names[run] = sizes.len();
                sizes.push(0);
            }
            sizes[names[first]] += cells.len();
            of[cells.clone()].fill(names[first] as u32);
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
    fn runs_join_as_cells_that_are_visited_one_by_one_do() {
        let cells = drawn(&["#.#.##..", "#.###.#.", "#.....##", "##.##..#", ".#..####"]);
        let pieces = Pieces::of(|at| cells.value[at] > 0.5, (5, 8), 0);
        let names: Vec<String> =
            pieces.of.chunks(8).map(|row| row.iter().map(u32::to_string).collect()).collect();
        assert_eq!(names, ["10202200", "10222030", "10000033", "11033003", "01003333"]);
        assert_eq!(pieces.sizes, [0, 6, 6, 10]);
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

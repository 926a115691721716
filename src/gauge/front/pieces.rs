//! What hangs together: pieces of cells above one half, and those that begin at the starting edge.

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

/// Leaves only what hangs together with the starting edge, over gaps of up to `gap` cells between
/// sides; the rest is no part of the front, and becomes 0. Where nothing touches that edge, the
/// largest piece is left.
pub fn keep_connected(cells: &mut Cells, gap: usize) -> Kept {
    let (across, along) = (cells.across, cells.along);
    let mut piece = vec![0u32; cells.value.len()];
    let mut sizes = vec![0usize];
    let (mut near, mut far) = (vec![false], vec![false]);
    let mut open = Vec::new();
    let reach = 1 + gap;
    for seed in 0..piece.len() {
        if piece[seed] != 0 || !(cells.value[seed] > 0.5) {
            continue;
        }
        let name = sizes.len();
        sizes.push(0);
        near.push(false);
        far.push(false);
        piece[seed] = name as u32;
        open.push(seed);
        while let Some(at) = open.pop() {
            sizes[name] += 1;
            let (row, column) = (at / along, at % along);
            near[name] |= column <= gap;
            far[name] |= column + gap + 1 >= along;
            for other in row.saturating_sub(reach)..(row + reach + 1).min(across) {
                // Those that are no further than `reach` by rows and columns together.
                let left = reach - other.abs_diff(row);
                for next in column.saturating_sub(left)..(column + left + 1).min(along) {
                    let next = other * along + next;
                    if piece[next] == 0 && cells.value[next] > 0.5 {
                        piece[next] = name as u32;
                        open.push(next);
                    }
                }
            }
        }
    }
    let largest = (1..sizes.len()).max_by_key(|name| sizes[*name]).unwrap_or(0);
    let any = near.iter().any(|near| *near);
    for (value, piece) in cells.value.iter_mut().zip(&piece) {
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
        Cells { across: rows.len(), along: rows[0].len(), value: value.collect() }
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

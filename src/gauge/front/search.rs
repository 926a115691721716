//! Finding the front anywhere in the region: the best split of each row of cells into a lithium
//! side and a bare side, under continuity from row to row (dynamic programming).

use super::cells::{CELL, Cells, over_rows};
use super::config::Lithium;
use super::path::{step, traced};
use crate::gauge::median::median;

/// Log-likelihood that one cell of jump between rows costs.
const JUMP_COST: f32 = 1.5;
/// A path of splits must be this much likelier than none, for the average row and in total.
const EVIDENCE_ROW: f32 = 2.5;
const EVIDENCE_TOTAL: f32 = 60.0;
/// Cells at either end of a row in which no split is looked for.
const END: usize = 1;
/// Neighbouring cells of texture are not independent: they say less, by this factor.
const ALIKE: f32 = 3.0;
/// Both sides' brightness is that of so many rows to either side, and what is further off it than three sigma is no
/// further off for that.
const LEVEL_ROWS: usize = 6;
const OFF_MOST: f32 = 9.0;
/// Binomial means over three rows err alike in so many.
const ROWS_ALIKE: f32 = 8.0 / 3.0;

/// A coarse contour, px from the starting edge for each line; nothing when there is no front.
/// `noise` is the variance of a cell by the camera's noise alone.
pub fn search(cells: &Cells, lithium: Lithium, noise: f32, lines: usize) -> Option<Vec<f32>> {
    let scatter = cells.scatter();
    if !(scatter > 0.0) || cells.across == 0 {
        return None;
    }
    let textured = (1.0 - noise / (scatter * scatter)).max(0.0);
    let alike = 1.0 + (ALIKE - 1.0) * textured;
    let (path, likelier) = most_probable(cells, |row, total| {
        add_splits(total, cells.row(row), lithium, scatter * alike.sqrt());
    });
    if likelier < EVIDENCE_TOTAL.max(EVIDENCE_ROW * cells.across as f32) {
        return None;
    }
    Some(spread(&beside_particles(cells, &path, alike), lines))
}

/// The likeliest split of each row by what `add` says of each, and how likely all of them are.
fn most_probable(cells: &Cells, add: impl Fn(usize, &mut [f32])) -> (Vec<usize>, f32) {
    let states = cells.along + 1;
    let mut total = vec![0.0f32; states];
    let mut from: Vec<u16> = Vec::with_capacity(states * cells.across);
    for row in 0..cells.across {
        step(&mut total, JUMP_COST, &mut from);
        add(row, &mut total);
    }
    let path = traced(&total, &from);
    let likelier = path.last().map_or(0.0, |at| total[*at]);
    (path, likelier)
}

/// The path again, by the brightness that both sides of the first one have (medians over cells, then over rows). A cell
/// that is as bright as neither says nothing, so that no particle leads the path round it. Cells scatter alike in so
/// many, where they are textured.
fn beside_particles(cells: &Cells, first: &[usize], alike: f32) -> Vec<usize> {
    let (across, along) = (cells.across, cells.along);
    let typical = |row: usize, cells_of: std::ops::Range<usize>| {
        median(cells.row(row)[cells_of].iter().copied().filter(|value| value.is_finite()))
    };
    // The cell that the edge crosses belongs to neither side.
    let behind = |row| typical(row, 0..first[row].saturating_sub(1));
    let ahead = |row| typical(row, (first[row] + 1).min(along)..along);
    let lithium: Vec<Option<f32>> = (0..across).map(behind).collect();
    let bare: Vec<Option<f32>> = (0..across).map(ahead).collect();
    let shared = |of: &[Option<f32>], row: usize| {
        let rows = row.saturating_sub(LEVEL_ROWS)..(row + LEVEL_ROWS + 1).min(across);
        median(of[rows].iter().flatten().copied())
    };
    // Along a row an edge stays as sharp as it is.
    let mut joined = vec![0.0; cells.value.len()];
    over_rows(&cells.value, along, &mut joined);
    let joined = Cells::of((across, along), joined);
    let scatter = joined.scatter();
    let (path, _) = most_probable(&joined, |row, total| {
        let (Some(a), Some(b)) = (shared(&lithium, row), shared(&bare, row)) else { return };
        let off = |value: f32, level: f32| ((value - level) / scatter).powi(2).min(OFF_MOST);
        let mut sum = 0.0;
        for (total, value) in total[1..].iter_mut().zip(joined.row(row)) {
            let likelier = off(*value, b) - off(*value, a);
            if likelier.is_finite() {
                sum += 0.5 * likelier / (alike * ROWS_ALIKE);
            }
            *total += sum;
        }
    });
    path
}

/// Adds, for each place of a split, how much likelier it is than no split at all.
fn add_splits(total: &mut [f32], row: &[f32], lithium: Lithium, scatter: f32) {
    let n = row.len();
    let seen = |k: usize| if row[k].is_finite() { (row[k], 1.0) } else { (0.0, 0.0) };
    let (sum, count) = (0..n).map(seen).fold((0.0, 0.0), |s, v| (s.0 + v.0, s.1 + v.1));
    let (mut behind, mut n1) = (0.0, 0.0f32);
    for k in 1..n {
        let (value, one) = seen(k - 1);
        (behind, n1) = (behind + value, n1 + one);
        let n2 = count - n1;
        if k < END || k + END > n || n1 < 1.0 || n2 < 1.0 {
            continue;
        }
        let step = (sum - behind) / n2 - behind / n1;
        let right_sign = if lithium == Lithium::Dark { step > 0.0 } else { step < 0.0 };
        if right_sign {
            total[k] += n1 * n2 / count * step * step / (2.0 * scatter * scatter);
        }
    }
}

/// From rows of cells to lines, linearly between the rows' middles where they lie near each other.
fn spread(path: &[usize], lines: usize) -> Vec<f32> {
    (0..lines)
        .map(|line| {
            let place =
                ((line as f32 + 0.5) / CELL as f32 - 0.5).clamp(0.0, (path.len() - 1) as f32);
            let k = (place as usize).min(path.len() - 1);
            let next = (k + 1).min(path.len() - 1);
            let share = place - k as f32;
            // A split between the cells k − 1 and k stands half a pixel before the latter.
            let (a, b) = ((path[k] * CELL) as f32, (path[next] * CELL) as f32);
            let far = (b - a).abs() > 8.0 * CELL as f32;
            let at = if far { if share < 0.5 { a } else { b } } else { a + share * (b - a) };
            at - 0.5
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_does_not_run_round_a_particle() {
        // The front stands at the cell 20; a bright particle of 6 by 8 cells lies over it, and brightness varies by
        // 4 % from cell to cell.
        let (rows, columns) = (40, 60);
        let value = |at: usize| {
            let (row, column) = (at / columns, at % columns);
            let below = if column < 20 { 65.0 } else { 100.0 };
            let covered = (12..20).contains(&row) && (16..22).contains(&column);
            let varies = 1.0 + 0.04 * (((at * 7919) % 13) as f32 / 6.0 - 1.0);
            varies * if covered { 1.4 * below } else { below }
        };
        let cells = Cells::of((rows, columns), (0..rows * columns).map(value).collect());
        let found = search(&cells, Lithium::Dark, 0.1, rows * CELL).expect("a front");
        let off = found.iter().map(|at| (at - 79.5).abs()).fold(0.0f32, f32::max);
        assert!(off < 4.0, "off by {off} px: {found:?}");
    }
}

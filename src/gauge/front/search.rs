//! Finding the front anywhere in the region: the best split of each row of cells into a lithium
//! side and a bare side, under continuity from row to row (dynamic programming).

use super::cells::{CELL, Cells};
use super::config::Lithium;
use super::path;

/// Log-likelihood that one cell of jump between rows costs.
const JUMP_COST: f32 = 1.5;
/// A path of splits must be this much likelier than none, for the average row and in total.
const EVIDENCE_ROW: f32 = 2.5;
const EVIDENCE_TOTAL: f32 = 60.0;
/// Cells at either end of a row in which no split is looked for.
const END: usize = 1;
/// Neighbouring cells of texture are not independent: they say less, by this factor.
const ALIKE: f32 = 3.0;

/// A coarse contour, px from the starting edge for each line; nothing when there is no front.
/// `noise` is the variance of a cell by the camera's noise alone.
pub fn search(cells: &Cells, lithium: Lithium, noise: f32, lines: usize) -> Option<Vec<f32>> {
    let scatter = cells.scatter();
    if !(scatter > 0.0) || cells.across == 0 {
        return None;
    }
    let textured = (1.0 - noise / (scatter * scatter)).max(0.0);
    let alike = 1.0 + (ALIKE - 1.0) * textured;
    let states = cells.along + 1;
    let mut total = vec![0.0f32; states];
    let mut from: Vec<u16> = Vec::with_capacity(states * cells.across);
    for row in 0..cells.across {
        path::step(&mut total, JUMP_COST, &mut from);
        add_splits(&mut total, cells.row(row), lithium, scatter * alike.sqrt());
    }
    let mut at = (0..states).max_by(|a, b| total[*a].total_cmp(&total[*b]))?;
    if total[at] < EVIDENCE_TOTAL.max(EVIDENCE_ROW * cells.across as f32) {
        return None;
    }
    let mut path = vec![0; cells.across];
    for row in (0..cells.across).rev() {
        path[row] = at;
        at = usize::from(from[row * states + at]);
    }
    Some(spread(&path, lines))
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

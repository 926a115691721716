//! Linear equations of a few unknowns.

use super::motion::PARAMETERS;

/// A matrix of which the upper left part is used.
pub type Square = [[f64; PARAMETERS]; PARAMETERS];

/// Solves `matrix · x = right` for the first `count` unknowns, by elimination with pivots; nothing
/// when a direction is undetermined, as in a field with structure along one axis only.
pub fn solve(matrix: &Square, count: usize, right: &[f64; PARAMETERS]) -> Option<Vec<f64>> {
    const SINGULAR: f64 = 1e-6;
    let mut rows = *matrix;
    let mut right = *right;
    let size = (0..count).map(|k| matrix[k][k].abs()).fold(0.0, f64::max);
    for k in 0..count {
        let pivot = (k..count).max_by(|a, b| rows[*a][k].abs().total_cmp(&rows[*b][k].abs()))?;
        rows.swap(k, pivot);
        right.swap(k, pivot);
        if !(rows[k][k].abs() > SINGULAR * size) {
            return None;
        }
        for row in k + 1..count {
            let factor = rows[row][k] / rows[k][k];
            for column in k..count {
                rows[row][column] -= factor * rows[k][column];
            }
            right[row] -= factor * right[k];
        }
    }
    let mut out = vec![0.0; count];
    for k in (0..count).rev() {
        let known: f64 = (k + 1..count).map(|j| rows[k][j] * out[j]).sum();
        out[k] = (right[k] - known) / rows[k][k];
    }
    Some(out)
}

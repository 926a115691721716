//! The contour as a whole, from what each line says: the most probable path of displacements
//! (A. J. Viterbi, IEEE Trans. Inf. Theory 13, 260, 1967), which decides where the edge is, and the
//! smooth curve of least squares, which decides how precisely (C. H. Reinsch, Numer. Math. 10, 177,
//! 1967, with the posterior variance of G. Wahba, J. R. Stat. Soc. B 45, 133, 1983).

use super::sums::Evidence;
use super::windows::Windows;

/// Lines that share a state of the path: the expected shape is taken out before they are summed.
const BAND: usize = 4;
/// Log-likelihood that a pixel of displacement from band to band costs, and all of it at most: a
/// dendrite's wall is steeper than any curve.
const JUMP_COST: f32 = 0.5;
const JUMP_MOST: f32 = 12.0;
/// How far edges stray from where they are expected, px (one sigma); the lines of a band do so together.
const STRAY_PX: f32 = 8.0;
/// In a search, so many pixels of a band say so much at most, and so much of what is expected counts: whole particles
/// would lead the path round them, and all lines may stray together.
const SAID_PX: i64 = 4;
const SAID_MOST: f32 = 1.0;
const SEARCHED_STRAY: f32 = 0.4;

/// The likeliest displacement of each line from `known`, whole px, by the `evidence` of the pixels before each place
/// of the windows for the bare specimen and against lithium. In a search little is known of where it should be.
pub fn most_probable(
    windows: &Windows,
    evidence: &Evidence,
    known: &[f32],
    slope: &[f32],
    searches: bool,
) -> Vec<f32> {
    let reach = windows.reach() as i64;
    let states = (2 * reach + 1) as usize;
    let mut total: Vec<f32> = vec![0.0; states];
    let mut said: Vec<f32> = vec![0.0; states];
    let mut from: Vec<u16> = Vec::with_capacity(states * known.len().div_ceil(BAND));
    for (band, lines) in known.chunks(BAND).enumerate() {
        let steep = slope[band * BAND..][..lines.len()].iter().fold(0.0f32, |s, v| s.max(v.abs()));
        step(&mut total, JUMP_COST / (1.0 + steep), &mut from);
        said.fill(0.0);
        for (k, known) in lines.iter().enumerate() {
            let line = band * BAND + k;
            let middle = known.round() as i64 - windows.start[line] as i64 - reach;
            let before = evidence.of_line(line);
            let inside = usize::try_from(middle).ok().and_then(|at| before.get(at..at + states));
            if let Some(before) = inside {
                said.iter_mut().zip(before).for_each(|(said, before)| *said += before);
                continue;
            }
            for (state, said) in said.iter_mut().enumerate() {
                *said += evidence.at(line, middle + state as i64);
            }
        }
        if searches {
            limit(&mut said);
        }
        let counts = if searches { SEARCHED_STRAY } else { 1.0 };
        for (state, (total, said)) in total.iter_mut().zip(&said).enumerate() {
            let stray = (state as i64 - reach) as f32 / STRAY_PX;
            *total -= said + counts * 0.5 * stray * stray;
        }
    }
    let path = traced(&total, &from);
    (0..known.len()).map(|line| (path[line / BAND] as i64 - reach) as f32).collect()
}

/// The states of the likeliest path, first to last: what [`step`] left of each of them, and their origins.
pub fn traced(total: &[f32], from: &[u16]) -> Vec<usize> {
    let states = total.len();
    let mut at = (0..states).max_by(|a, b| total[*a].total_cmp(&total[*b])).unwrap_or(0);
    let mut path = vec![0; from.len() / states];
    for (path, from) in path.iter_mut().zip(from.chunks_exact(states)).rev() {
        *path = at;
        at = usize::from(from[at]);
    }
    path
}

/// Evidence of the pixels before each place, no few of which say more than they may.
fn limit(said: &mut [f32]) {
    let all = said.to_vec();
    let last = all.len() as i64 - 1;
    let at = |place: i64| all[place.clamp(0, last) as usize];
    let mut sum = 0.0;
    for (place, said) in said.iter_mut().enumerate() {
        let (before, after) = (place as i64 - SAID_PX / 2, place as i64 + SAID_PX / 2);
        sum += (at(after) - at(before)).clamp(-SAID_MOST, SAID_MOST) / SAID_PX as f32;
        *said = sum;
    }
}

/// From one band to the next: the best origin of each state (appended to `from`) and what `total`
/// it brings, by two sweeps (P. F. Felzenszwalb and
/// D. P. Huttenlocher, Int. J. Comput. Vis. 70, 41, 2006).
pub fn step(total: &mut [f32], cost: f32, from: &mut Vec<u16>) {
    let first = from.len();
    from.extend((0..total.len()).map(|state| state as u16));
    let from = &mut from[first..];
    let best = (0..total.len()).max_by(|a, b| total[*a].total_cmp(&total[*b])).unwrap_or(0);
    let far = total[best] - JUMP_MOST;
    for state in 1..total.len() {
        if total[state - 1] - cost > total[state] {
            total[state] = total[state - 1] - cost;
            from[state] = from[state - 1];
        }
    }
    for state in (0..total.len() - 1).rev() {
        if total[state + 1] - cost > total[state] {
            total[state] = total[state + 1] - cost;
            from[state] = from[state + 1];
        }
    }
    for (total, from) in total.iter_mut().zip(from) {
        if far > *total {
            (*total, *from) = (far, best as u16);
        }
    }
}

/// The curve d that minimises `Σ f (z − d)² + Σ s (d₋ − 2 d + d₊)²`, px: each line's own estimate `z`
/// (px) with its information `f` (1/px²), and the stiffness `s` (1/px²), the inverse variance of the
/// curve's second differences.
pub fn join(z: &[f64], f: &[f64], stiffness: &[f64]) -> Vec<f64> {
    let mut rows = vec![(Row::NONE, 0.0); f.len()];
    let (mut before, mut at_before, mut further) = (Row::NONE, [0.0; 2], 0.0);
    // Down with the factors, beside whose divisions it takes no time.
    eliminate([f], stiffness, |k, [row]| {
        let at = f[k] * z[k] - further * at_before[1] - before.next * at_before[0];
        (further, before, at_before) = (before.second, row, [at, at_before[0]]);
        rows[k] = (row, at);
    });
    let mut curve = vec![0.0; rows.len()];
    let mut after = [0.0; 2];
    for (curve, (row, at)) in curve.iter_mut().zip(&rows).rev() {
        *curve = at * row.inverse - row.second * after[1] - row.next * after[0];
        after = [*curve, after[0]];
    }
    curve
}

/// How certain a curve is.
pub struct Certainty {
    /// Posterior variance of each line, px².
    pub variance: Vec<f64>,
    /// That of the sum of the curve over the lines with information, px².
    pub sum_variance: f64,
}

impl Certainty {
    /// Of the curve that [`join`] makes of lines with this information (1/px²) and stiffness: of its sum by that of
    /// `mean`, of each line by that of `lines`.
    pub fn of(mean: &[f64], lines: &[f64], stiffness: &[f64]) -> Certainty {
        // With LDLᵀ = A the variance of a sum wᵀd is wᵀA⁻¹w = yᵀD⁻¹y, L y = w.
        let mut sum_variance = 0.0;
        let mut rows = vec![Row::NONE; lines.len()];
        let (mut before, mut y_before, mut further) = (Row::NONE, [0.0; 2], 0.0);
        eliminate([mean, lines], stiffness, |k, [row, of_line]| {
            let told = f64::from(u8::from(mean[k] > 0.0));
            let y = told - before.next * y_before[0] - further * y_before[1];
            sum_variance += y * y * row.inverse;
            (further, before, y_before) = (before.second, row, [y, y_before[0]]);
            rows[k] = of_line;
        });
        // The inverse's diagonal from its end (K. Takahashi, J. Fagan and M. Chen, 1973): that of the two
        // rows below, and right of the diagonal in the row below.
        let mut variance = vec![0.0; rows.len()];
        let (mut below, mut beside) = ([0.0; 2], 0.0);
        for (variance, row) in variance.iter_mut().zip(&rows).rev() {
            let (l1, l2) = (row.next, row.second);
            let z1 = -(l1 * below[0] + l2 * beside);
            let z2 = -(l1 * beside + l2 * below[1]);
            *variance = row.inverse - (l1 * z1 + l2 * z2);
            below = [*variance, below[0]];
            beside = z1;
        }
        Certainty { variance, sum_variance }
    }
}

/// A row of the curve's normal matrix, which has five diagonals, as LDLᵀ.
#[derive(Clone, Copy)]
struct Row {
    /// 1 / D.
    inverse: f64,
    /// The column of L below it.
    next: f64,
    second: f64,
}

impl Row {
    /// Before the first.
    const NONE: Row = Row { inverse: 0.0, next: 0.0, second: 0.0 };
}

/// Hands on the rows of one or more normal matrices in order, of lines with information `f` each and of the same
/// `stiffness`. Each pivot waits for the division of the one before, so that several take no longer than one.
#[inline(always)]
fn eliminate<const N: usize>(
    f: [&[f64]; N],
    stiffness: &[f64],
    mut take: impl FnMut(usize, [Row; N]),
) {
    // An edge is in its window, whatever its information.
    const RIDGE: f64 = 1e-4;
    let n = stiffness.len();
    let f = f.map(|f| &f[..n]);
    // What a pivot takes from the rows above is multiplied out as far as that goes beforehand.
    let (mut inverse, mut beside) = ([[0.0; N]; 2], [0.0; N]);
    let (mut before, mut here) = (0.0, 0.0);
    for k in 0..n {
        // At the ends nothing bends.
        let after = if k + 2 < n { stiffness[k + 1] } else { 0.0 };
        let next = 0.0 - 2.0 * here - 2.0 * after;
        let mut rows = [Row::NONE; N];
        for j in 0..N {
            let main = f[j][k] + RIDGE + before + 4.0 * here + after;
            let pivot =
                main - before * before * inverse[1][j] - beside[j] * beside[j] * inverse[0][j];
            beside[j] = next - beside[j] * here * inverse[0][j];
            inverse[1][j] = inverse[0][j];
            inverse[0][j] = 1.0 / pivot;
            let inverse = inverse[0][j];
            rows[j] = Row { inverse, next: beside[j] * inverse, second: after * inverse };
        }
        (before, here) = (here, after);
        take(k, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by elimination of the full matrix.
    fn dense(z: &[f64], f: &[f64], s: &[f64]) -> (Vec<f64>, Vec<f64>, f64) {
        let n = z.len();
        let mut a = vec![vec![0.0; 2 * n + 1]; n];
        for k in 0..n {
            a[k][k] += f[k] + 1e-4;
            a[k][n + k] = 1.0;
            a[k][2 * n] = f[k] * z[k];
        }
        for k in 1..n - 1 {
            let v = [(k - 1, 1.0), (k, -2.0), (k + 1, 1.0)];
            for (i, vi) in v {
                for (j, vj) in v {
                    a[i][j] += s[k] * vi * vj;
                }
            }
        }
        for k in 0..n {
            let pivot = a[k][k];
            a[k].iter_mut().for_each(|value| *value /= pivot);
            let row = a[k].clone();
            for (i, other) in a.iter_mut().enumerate().filter(|(i, _)| *i != k) {
                let factor = other[k];
                let _ = i;
                other.iter_mut().zip(&row).for_each(|(value, from)| *value -= factor * from);
            }
        }
        let told: Vec<usize> = (0..n).filter(|k| f[*k] > 0.0).collect();
        let sum = told.iter().map(|k| told.iter().map(|j| a[*k][n + j]).sum::<f64>()).sum();
        ((0..n).map(|k| a[k][2 * n]).collect(), (0..n).map(|k| a[k][n + k]).collect(), sum)
    }

    #[test]
    fn the_banded_solution_is_that_of_the_full_matrix() {
        let n = 23;
        let z: Vec<f64> = (0..n).map(|k| (k as f64 * 1.7).sin() * 3.0).collect();
        let f: Vec<f64> = (0..n).map(|k| if k % 5 == 2 { 0.0 } else { 1.0 + k as f64 }).collect();
        let s: Vec<f64> = (0..n).map(|k| if k == 9 { 0.0 } else { 40.0 + k as f64 }).collect();
        let (at, variance, sum) = dense(&z, &f, &s);
        let (curve, certain) = (join(&z, &f, &s), Certainty::of(&f, &f, &s));
        assert!((certain.sum_variance / sum - 1.0).abs() < 1e-9, "{} {sum}", certain.sum_variance);
        for k in 0..n {
            assert!((curve[k] - at[k]).abs() < 1e-9, "line {k}: {} {}", curve[k], at[k]);
            let apart = (certain.variance[k] / variance[k] - 1.0).abs();
            assert!(apart < 1e-9, "variance of line {k}: {} {}", certain.variance[k], variance[k]);
        }
    }

    #[test]
    fn a_step_between_bands_comes_from_the_likeliest_state() {
        let mut total = vec![0.0, 5.0, 0.0, 0.0, -20.0];
        let mut from = Vec::new();
        step(&mut total, 2.0, &mut from);
        assert_eq!(total, [3.0, 5.0, 3.0, 1.0, -1.0]);
        assert_eq!(from, [1, 1, 1, 1, 1]);
    }
}

//! The equations of one station: the background eliminated, and then solved for centre, opening and
//! depth.

use super::shape::{Guess, SUMS, UNKNOWNS};

/// One station's equations without the background: information of (centre, opening, depth, point
/// spread), upper triangle row by row, and the score of these four.
#[derive(Clone, Copy, Default)]
pub struct Station {
    pub information: [f64; 10],
    pub score: [f64; 4],
    /// Of the background, after this round.
    pub level: f32,
    pub slope: f32,
    pub seen: bool,
}

impl Station {
    /// Eliminates the background.
    pub fn of(sums: &[f32; SUMS], guess: &Guess) -> Station {
        let mut normal = [[0.0f64; UNKNOWNS]; UNKNOWNS];
        let mut score = [0.0f64; UNKNOWNS];
        let mut next = 0;
        for i in 0..UNKNOWNS {
            for j in i..UNKNOWNS {
                normal[i][j] = f64::from(sums[next]);
                normal[j][i] = normal[i][j];
                next += 1;
            }
        }
        for (k, score) in score.iter_mut().enumerate() {
            *score = f64::from(sums[next + k]);
        }
        let [aa, ab, bb] = [normal[0][0], normal[0][1], normal[1][1]];
        let determinant = aa * bb - ab * ab;
        if !(determinant > 1e-9 * aa * bb) {
            return Station::default();
        }
        // What the background would become with the shape as it is.
        let level = guess.level + ((bb * score[0] - ab * score[1]) / determinant) as f32;
        let slope = guess.slope + ((aa * score[1] - ab * score[0]) / determinant) as f32;
        for pivot in 0..2 {
            let lead = normal[pivot];
            for row in pivot + 1..UNKNOWNS {
                let factor = normal[row][pivot] / lead[pivot];
                for column in 0..UNKNOWNS {
                    normal[row][column] -= factor * lead[column];
                }
                score[row] -= factor * score[pivot];
            }
        }
        let mut information = [0.0; 10];
        let mut next = 0;
        for i in 2..UNKNOWNS {
            for j in i..UNKNOWNS {
                information[next] = normal[i][j];
                next += 1;
            }
        }
        Station {
            information,
            score: [score[2], score[3], score[4], score[5]],
            level,
            slope,
            seen: level > 0.0,
        }
    }

    /// The equations at another centre, opening, depth and point spread, so near that they are linear.
    pub fn move_by(&mut self, by: [f64; 4]) {
        // Rows of the upper triangle begin at these places.
        const ROWS: [usize; 4] = [0, 4, 7, 9];
        for (i, score) in self.score.iter_mut().enumerate() {
            for (j, by) in by.iter().enumerate() {
                let (low, high) = (i.min(j), i.max(j));
                *score -= self.information[ROWS[low] + high - low] * by;
            }
        }
    }
}

/// The shared equations of one station.
#[derive(Clone, Copy)]
pub struct Solved {
    /// Rows of the covariance of (centre, opening, depth), as one station by itself would have it.
    pub covariance: [[f64; 3]; 3],
    /// Change of the opening by what is expected of the depth, and by point spread.
    pub by_depth: f64,
    pub by_psf: f64,
    /// One sigma² of the depth with what is known of it, and of the opening.
    pub variance: [f64; 3],
    /// Depth by this frame alone, without prior: value (from what was expected) and variance.
    pub own_depth: (f64, f64),
}

impl Solved {
    pub const UNKNOWN: Solved = Solved {
        covariance: [[0.0; 3]; 3],
        by_depth: 0.0,
        by_psf: 0.0,
        variance: [f64::NAN; 3],
        own_depth: (f64::NAN, f64::NAN),
    };

    /// Solves for the changes of centre, opening and depth; nothing where nothing is seen.
    pub fn of(
        row: &[f64; 11],
        prior_centre: f64,
        prior_depth: f64,
        sharing: f64,
    ) -> Option<(Solved, [f64; 3])> {
        let [cc, cw, cd, ww, wd, dd, cp, wp, yc, yw, yd] = *row;
        if !(ww > 0.0) {
            return None;
        }
        let cc = cc + prior_centre;
        let covariance = inverse([[cc, cw, cd], [cw, ww, wd], [cd, wd, dd + prior_depth]])?;
        let y = [yc, yw, yd];
        let change = [0, 1, 2].map(|i| (0..3).map(|j| covariance[i][j] * y[j]).sum::<f64>());
        let plane = cc * ww - cw * cw;
        // With another depth expected, or another point spread, the opening would be another.
        let by_depth = covariance[1][2] * prior_depth;
        let by_psf = -(cc * wp - cw * cp) / plane;
        let own = dd - (ww * cd * cd - 2.0 * cw * cd * wd + cc * wd * wd) / plane;
        let own_depth = if own > 1e-6 * dd {
            // The depth's own equation, with centre and opening free.
            let score = yd - (cd * (ww * yc - cw * yw) + wd * (cc * yw - cw * yc)) / plane;
            (score / own, 1.0 / (own * sharing))
        } else {
            (f64::NAN, f64::NAN)
        };
        let variance = [0, 1, 2].map(|k| covariance[k][k] / sharing);
        Some((Solved { covariance, by_depth, by_psf, variance, own_depth }, change))
    }
}

/// The inverse of a symmetric positive matrix.
fn inverse(m: [[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let cofactor = |i: usize, j: usize| {
        let (a, b) = ((i + 1) % 3, (i + 2) % 3);
        let (c, d) = ((j + 1) % 3, (j + 2) % 3);
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant: f64 = (0..3).map(|j| m[0][j] * cofactor(0, j)).sum();
    if !(determinant > 0.0 && determinant.is_finite()) {
        return None;
    }
    let mut out = [[0.0; 3]; 3];
    for (i, row) in out.iter_mut().enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            *value = cofactor(j, i) / determinant;
        }
    }
    Some(out)
}

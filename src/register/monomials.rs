//! The polynomials in the displacement that a level promises of its tiles, at one displacement.

use super::level::terms;

/// The most terms that a level has (order 4).
const MOST_TERMS: usize = terms(4);

/// The monomials of [`powers`](super::level::powers) at one δ, and their derivatives along x and
/// y: computed once where tiles share them.
#[derive(Clone, Copy, Default)]
pub struct Monomials {
    value: [f64; MOST_TERMS],
    along_x: [f64; MOST_TERMS],
    along_y: [f64; MOST_TERMS],
}

impl Monomials {
    /// Those up to an order, at a displacement, px.
    pub fn at(order: usize, (x, y): (f64, f64)) -> Monomials {
        let mut out = Monomials::default();
        let (mut to_x, mut to_y) = ([1.0; 6], [1.0; 6]);
        for k in 1..=order {
            to_x[k] = to_x[k - 1] * x;
            to_y[k] = to_y[k - 1] * y;
        }
        let mut term = 0;
        for total in 0..=order {
            for j in 0..=total {
                let i = total - j;
                out.value[term] = to_x[i] * to_y[j];
                out.along_x[term] = if i == 0 { 0.0 } else { i as f64 * to_x[i - 1] * to_y[j] };
                out.along_y[term] = if j == 0 { 0.0 } else { j as f64 * to_x[i] * to_y[j - 1] };
                term += 1;
            }
        }
        out
    }

    /// Value of a polynomial.
    pub fn value(&self, coefficients: &[f64]) -> f64 {
        dot(coefficients, &self.value)
    }

    /// Value of a polynomial, and its slopes along x and y.
    pub fn sum(&self, coefficients: &[f64]) -> [f64; 3] {
        [&self.value, &self.along_x, &self.along_y].map(|powers| dot(coefficients, powers))
    }

    /// Value and slopes of two polynomials: x, y; x along x, x along y, y along x, y along y.
    pub fn sums(&self, x: &[f64], y: &[f64]) -> [f64; 6] {
        let mut out = [0.0; 6];
        for (k, (x, y)) in x.iter().zip(y).enumerate() {
            out[0] += x * self.value[k];
            out[1] += y * self.value[k];
            out[2] += x * self.along_x[k];
            out[3] += x * self.along_y[k];
            out[4] += y * self.along_x[k];
            out[5] += y * self.along_y[k];
        }
        out
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

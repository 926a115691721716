//! The normal equations: what all tiles together say of the motion's parameters, and how surely.

use super::brightness::Light;
use super::level::Level;
use super::motion::{Freedom, PARAMETERS};
use super::small::{Square, solve as solve_linear};
use super::solve::Local;

/// The normal equations of the motion's parameters.
pub struct Normal {
    count: usize,
    /// Slope of the summed equations with the parameters.
    slope: Square,
    /// Variance of the summed equations.
    variance: Square,
    right: [f64; PARAMETERS],
}

impl Normal {
    /// Sums up the equations of the tiles that are used, and of what their brightness says (none, or
    /// one for each tile); `reach` scales the parameters, px.
    pub fn of(
        level: &Level,
        freedom: Freedom,
        reach: f64,
        locals: &[Local],
        lights: &[Light],
    ) -> Normal {
        let count = freedom.count();
        let mut normal = Normal {
            count,
            slope: [[0.0; PARAMETERS]; PARAMETERS],
            variance: [[0.0; PARAMETERS]; PARAMETERS],
            right: [0.0; PARAMETERS],
        };
        for (index, local) in locals.iter().enumerate().filter(|(_, local)| local.used) {
            let basis = if count == 2 {
                Freedom::default().basis(0.0, 0.0, 1.0)
            } else {
                let (x, y) = level.grid.corner(local.cell);
                let half = (level.shape.tile as f64 - 1.0) / 2.0;
                let u = x as f64 + half - (level.width as f64 - 1.0) / 2.0;
                let v = y as f64 + half - (level.height as f64 - 1.0) / 2.0;
                freedom.basis(u, v, reach)
            };
            normal.add(local, &basis[..count]);
            if let Some(light) = lights.get(index).filter(|light| light.weight > 0.0) {
                normal.add_light(light, &basis[..count]);
            }
        }
        normal
    }

    /// The equations of the sums fall with the motion (their slope is −Σ w g gᵀ), so this one's comes in
    /// with that sign.
    fn add_light(&mut self, light: &Light, basis: &[(f64, f64)]) {
        let along = |(x, y): &(f64, f64)| light.slope[0] * x + light.slope[1] * y;
        for (row, from) in basis.iter().enumerate() {
            self.right[row] -= along(from) * light.weight * light.residual;
            for (column, to) in basis.iter().enumerate() {
                let product = along(from) * along(to) * light.weight;
                self.slope[row][column] -= product;
                self.variance[row][column] += product * light.weight * light.variance;
            }
        }
    }

    fn add(&mut self, local: &Local, basis: &[(f64, f64)]) {
        let [xx, xy, yx, yy] = local.slope;
        let [vxx, vxy, vyy] = local.variance;
        for (row, (x, y)) in basis.iter().enumerate() {
            self.right[row] += x * local.residual[0] + y * local.residual[1];
            for (column, (to_x, to_y)) in basis.iter().enumerate() {
                let (along_x, along_y) = (xx * to_x + xy * to_y, yx * to_x + yy * to_y);
                self.slope[row][column] += x * along_x + y * along_y;
                self.variance[row][column] +=
                    x * (vxx * to_x + vxy * to_y) + y * (vxy * to_x + vyy * to_y);
            }
        }
    }

    /// The step that solves them; nothing where they do not tell each parameter.
    pub fn step(&self) -> Option<Vec<f64>> {
        solve_linear(&self.slope, self.count, &self.right)
    }

    /// `A⁻¹ B A⁻ᵀ` of the shift, A being the slope and B the variance.
    pub fn covariance(&self, excess: f64) -> Option<[f64; 3]> {
        // Rows of A⁻¹ are the solutions of Aᵀ z = e.
        let mut transposed = self.slope;
        for row in 0..self.count {
            for column in 0..self.count {
                transposed[row][column] = self.slope[column][row];
            }
        }
        let unit = |k: usize| std::array::from_fn(|j| f64::from(u8::from(j == k)));
        let x = solve_linear(&transposed, self.count, &unit(0))?;
        let y = solve_linear(&transposed, self.count, &unit(1))?;
        let product = |a: &[f64], b: &[f64]| {
            let mut sum = 0.0;
            for row in 0..self.count {
                for column in 0..self.count {
                    sum += a[row] * self.variance[row][column] * b[column];
                }
            }
            excess.max(1.0) * sum
        };
        let covariance = [product(&x, &x), product(&x, &y), product(&y, &y)];
        (covariance[0] > 0.0 && covariance[2] > 0.0).then_some(covariance)
    }
}

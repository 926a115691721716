//! The normal equations: what all tiles together say of the motion's parameters, and how surely.

use super::brightness::Light;
use super::level::Level;
use super::motion::{Freedom, PARAMETERS};
use super::scatter::Contribution;
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
            let basis = basis(level, freedom, reach, local.cell);
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

    /// `A⁻¹ B A⁻ᵀ` of the shift, A being the slope and B the variance, which may have been put too low.
    pub fn covariance(&self, excess: f64) -> Option<[f64; 3]> {
        let [x, y] = self.shift_rows()?;
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

    /// What each tile adds to the shift where the equations were solved; `locals` and `lights` with the residuals
    /// that are left there.
    pub fn contributions(
        &self,
        level: &Level,
        freedom: Freedom,
        reach: f64,
        (locals, lights): (&[Local], &[Light]),
        out: &mut Vec<Contribution>,
    ) {
        out.clear();
        let Some(rows) = self.shift_rows() else { return };
        for (index, local) in locals.iter().enumerate().filter(|(_, local)| local.used) {
            let basis = basis(level, freedom, reach, local.cell);
            let light = lights.get(index).copied().unwrap_or_default();
            let of_axis = rows.each_ref().map(|row| {
                let (x, y) = row
                    .iter()
                    .zip(&basis)
                    .fold((0.0, 0.0), |sum, (part, to)| (sum.0 + part * to.0, sum.1 + part * to.1));
                let lit = (x * light.slope[0] + y * light.slope[1]) * light.weight;
                let [xx, xy, yy] = local.variance;
                let shift = x * local.residual[0] + y * local.residual[1] - lit * light.residual;
                (shift, x * x * xx + 2.0 * x * y * xy + y * y * yy + lit * lit * light.variance)
            });
            out.push(Contribution {
                cell: local.cell,
                shift: of_axis.map(|(shift, _)| shift),
                variance: of_axis.map(|(_, variance)| variance),
            });
        }
    }

    /// The rows of A⁻¹ that tell the shift: the solutions of Aᵀ z = e.
    fn shift_rows(&self) -> Option<[Vec<f64>; 2]> {
        let mut transposed = self.slope;
        for row in 0..self.count {
            for column in 0..self.count {
                transposed[row][column] = self.slope[column][row];
            }
        }
        let unit = |k: usize| std::array::from_fn(|j| f64::from(u8::from(j == k)));
        let row = |k: usize| solve_linear(&transposed, self.count, &unit(k));
        Some([row(0)?, row(1)?])
    }
}

/// How the centre of a square moves with each parameter.
fn basis(level: &Level, freedom: Freedom, reach: f64, cell: usize) -> [(f64, f64); PARAMETERS] {
    if freedom.count() == 2 {
        return Freedom::default().basis(0.0, 0.0, 1.0);
    }
    let (x, y) = level.grid.corner(cell);
    let half = (level.shape.tile as f64 - 1.0) / 2.0;
    let u = x as f64 + half - (level.width as f64 - 1.0) / 2.0;
    let v = y as f64 + half - (level.height as f64 - 1.0) / 2.0;
    freedom.basis(u, v, reach)
}

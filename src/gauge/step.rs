//! A step seen through a Gaussian point spread: the cumulative normal distribution and its
//! density, fast enough for every pixel of every frame.

/// Table points per unit of the argument.
const PER_UNIT: f32 = 128.0;
/// Beyond this many sigma the step is flat to 1e-6.
const REACH: f32 = 5.0;
const POINTS: usize = 2 * 5 * 128 + 2;

/// Φ and its density by linear interpolation in a table, to 1e-5.
pub struct Step {
    table: Vec<(f32, f32)>,
}

impl Default for Step {
    fn default() -> Self {
        let mut table = Vec::with_capacity(POINTS);
        // Simpson's rule over the density, point to point, is exact to 1e-10 here.
        let density = |u: f64| (-0.5 * u * u).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let h = 1.0 / f64::from(PER_UNIT);
        let mut sum = 2.866_515_7e-7;
        for k in 0..POINTS {
            let u = -f64::from(REACH) + k as f64 * h;
            table.push((sum as f32, density(u) as f32));
            sum += h / 6.0 * (density(u) + 4.0 * density(u + h / 2.0) + density(u + h));
        }
        Step { table }
    }
}

impl Step {
    /// Φ(u) and φ(u) = dΦ/du.
    pub fn at(&self, u: f32) -> (f32, f32) {
        if u <= -REACH {
            return (0.0, 0.0);
        }
        if u >= REACH {
            return (1.0, 0.0);
        }
        let place = (u + REACH) * PER_UNIT;
        let k = (place as usize).min(POINTS - 2);
        let share = place - k as f32;
        let ((a, da), (b, db)) = (self.table[k], self.table[k + 1]);
        (a + share * (b - a), da + share * (db - da))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_the_normal_distribution() {
        let step = Step::default();
        for (u, value) in [(0.0, 0.5), (1.0, 0.841_345), (-2.0, 0.022_75), (6.0, 1.0)] {
            assert!((step.at(u).0 - value).abs() < 2e-5, "at {u}: {}", step.at(u).0);
        }
        assert!((step.at(0.0).1 - 0.398_942).abs() < 2e-5);
    }
}

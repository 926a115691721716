//! Errors beside what they were said to be.

/// Errors of one number, and these over their stated sigma.
#[derive(Clone, Default)]
pub struct Pulls {
    pub error: Vec<f64>,
    over_sigma: Vec<f64>,
}

impl Pulls {
    pub fn add(&mut self, error: f64, sigma: f64) {
        if error.is_finite() && sigma.is_finite() {
            self.error.push(error.abs());
            self.over_sigma.push(error / sigma);
        }
    }

    /// Standard deviation of error over stated sigma, about 0.
    pub fn pull(&self) -> f64 {
        (self.over_sigma.iter().map(|p| p * p).sum::<f64>() / self.over_sigma.len() as f64).sqrt()
    }

    pub fn median(&self) -> f64 {
        median(self.error.clone())
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

//! One way in which a number may move: position, velocity and acceleration, followed by a Kalman filter.

/// Rows of 3.
pub type Matrix = [[f64; 3]; 3];

/// What is followed under one assumption; px and s.
#[derive(Clone)]
pub struct Motion {
    /// Position, velocity, acceleration.
    pub state: [f64; 3],
    /// Covariance under the motion that the bandwidth stands for: what the gains follow from.
    pub covariance: Matrix,
    /// Covariance by the measurement's noise, and by how little was known at first.
    pub noise: Matrix,
    /// That it is this one.
    pub probability: f64,
    /// Since it was assumed.
    pub frames: u32,
}

/// What a motion may do between two frames beyond what it assumes, as a spectral density.
#[derive(Clone, Copy)]
pub enum Disturbed {
    /// The velocity changes like white acceleration.
    Velocity(f64),
    /// The acceleration changes like white jerk.
    Acceleration(f64),
    /// The velocity has changed once, at any time, by this variance; nothing more is assumed of it.
    Once(f64),
}

impl Motion {
    /// The mean of several with these shares, as one normal distribution.
    pub fn mixed(parts: &[(f64, &Motion)]) -> Motion {
        let total: f64 = parts.iter().map(|(share, _)| share).sum();
        let mut state = [0.0; 3];
        for (share, motion) in parts {
            for (sum, value) in state.iter_mut().zip(motion.state) {
                *sum += share / total * value;
            }
        }
        let (mut covariance, mut noise) = (Matrix::default(), Matrix::default());
        for (share, motion) in parts {
            for i in 0..3 {
                for j in 0..3 {
                    let apart = (motion.state[i] - state[i]) * (motion.state[j] - state[j]);
                    covariance[i][j] += share / total * (motion.covariance[i][j] + apart);
                    noise[i][j] += share / total * (motion.noise[i][j] + apart);
                }
            }
        }
        Motion { state, covariance, noise, probability: total, frames: 0 }
    }

    /// Takes no acceleration for granted.
    pub fn forget_acceleration(&mut self) {
        self.state[2] = 0.0;
        for matrix in [&mut self.covariance, &mut self.noise] {
            matrix[2] = [0.0; 3];
            matrix.iter_mut().for_each(|row| row[2] = 0.0);
        }
    }

    /// Goes on for `t` seconds.
    pub fn predict(&mut self, t: f64, disturbed: Disturbed) {
        let [at, velocity, acceleration] = self.state;
        self.state[0] = at + t * velocity + 0.5 * t * t * acceleration;
        self.state[1] = velocity + t * acceleration;
        for matrix in [&mut self.covariance, &mut self.noise] {
            *matrix = carried(matrix, t);
        }
        let (t2, t3) = (t * t, t * t * t);
        match disturbed {
            Disturbed::Velocity(q) => {
                add(&mut self.covariance, q, &[[t3 / 3.0, t2 / 2.0, 0.0], [t2 / 2.0, t, 0.0]]);
            }
            Disturbed::Acceleration(q) => {
                let rows = [
                    [t2 * t3 / 20.0, t2 * t2 / 8.0, t3 / 6.0],
                    [t2 * t2 / 8.0, t3 / 3.0, t2 / 2.0],
                    [t3 / 6.0, t2 / 2.0, t],
                ];
                add(&mut self.covariance, q, &rows);
            }
            Disturbed::Once(variance) => {
                let rows = [[t2 / 3.0, t / 2.0, 0.0], [t / 2.0, 1.0, 0.0]];
                add(&mut self.covariance, variance, &rows);
                add(&mut self.noise, variance, &rows);
            }
        }
    }

    /// Takes a value with its variance; how far it is from what was predicted, and the variance of that by noise.
    pub fn update(&mut self, value: f64, variance: f64) -> (f64, f64) {
        let innovation = value - self.state[0];
        let explained = self.noise[0][0] + variance;
        let first = self.covariance[0];
        let gain = first.map(|c| c / (first[0] + variance));
        for (state, gain) in self.state.iter_mut().zip(gain) {
            *state += gain * innovation;
        }
        let column = self.noise.map(|row| row[0]);
        let noise_at = self.noise[0];
        for i in 0..3 {
            for j in 0..3 {
                self.covariance[i][j] -= gain[i] * first[j];
                // (1 − k hᵀ) N (1 − k hᵀ)ᵀ + k r kᵀ: with gains that are not the noise's own.
                self.noise[i][j] +=
                    gain[i] * gain[j] * explained - gain[i] * noise_at[j] - gain[j] * column[i];
            }
        }
        self.frames += 1;
        (innovation, explained)
    }
}

/// F M Fᵀ for the motion over `t` seconds.
fn carried(matrix: &Matrix, t: f64) -> Matrix {
    let step =
        |row: [f64; 3]| [row[0] + t * row[1] + 0.5 * t * t * row[2], row[1] + t * row[2], row[2]];
    let rows = matrix.map(step);
    let mut out = Matrix::default();
    for column in 0..3 {
        let stepped = step([rows[0][column], rows[1][column], rows[2][column]]);
        for row in 0..3 {
            out[row][column] = stepped[row];
        }
    }
    out
}

fn add(matrix: &mut Matrix, times: f64, rows: &[[f64; 3]]) {
    for (row, added) in matrix.iter_mut().zip(rows) {
        for (value, added) in row.iter_mut().zip(added) {
            *value += times * added;
        }
    }
}

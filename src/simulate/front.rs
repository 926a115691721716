//! The lithium front: a rough edge that advances to the right, with a dendrite finger that
//! outruns it towards the counter electrode.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::erf::step;

/// Shape and motion of the front, in reference pixels; time as a share of the recording, 0 to 1.
pub struct Front {
    start: f64,
    advance: f64,
    /// Amplitude, wavenumber (rad/px) and phase of the roughness.
    waves: Vec<[f64; 3]>,
    finger_y: f64,
    finger_width: f64,
    finger_reach: f64,
    /// The rows that lithium fills.
    rows: (f64, f64),
    /// Share of the brightness that lithium takes away.
    darkening: f64,
    sigma: f64,
}

impl Front {
    /// A front that starts at column `start`, whose finger reaches `counter` at `short_at`.
    pub fn new(
        start: f64,
        counter: f64,
        short_at: f64,
        rows: (f64, f64),
        darkening: f64,
        sigma: f64,
        rng: &mut ChaCha8Rng,
    ) -> Front {
        let advance = 0.45 * (counter - start);
        let waves = (0..6)
            .map(|k| {
                let wavelength = (rows.1 - rows.0) / (1.5 + 1.3 * f64::from(k));
                let amplitude = 3.0 / f64::from(k + 1).sqrt();
                let phase = rng.random::<f64>() * std::f64::consts::TAU;
                [amplitude, std::f64::consts::TAU / wavelength, phase]
            })
            .collect();
        let finger_y = rows.0 + (0.4 + 0.2 * rng.random::<f64>()) * (rows.1 - rows.0);
        let mut front = Front {
            start,
            advance,
            waves,
            finger_y,
            finger_width: ((rows.1 - rows.0) / 16.0).max(8.0),
            finger_reach: 0.0,
            rows,
            darkening,
            sigma,
        };
        let without = front.position(finger_y, short_at);
        front.finger_reach = (counter - without) / finger_growth(short_at);
        front
    }

    /// Where the edge stands in row `y`.
    pub fn position(&self, y: f64, time: f64) -> f64 {
        let rough: f64 =
            self.waves.iter().map(|[amplitude, k, phase]| amplitude * (k * y + phase).cos()).sum();
        let from_finger = (y - self.finger_y) / self.finger_width;
        self.start
            + self.advance * time
            + (0.3 + time) * rough
            + self.finger_reach * finger_growth(time) * (-0.5 * from_finger * from_finger).exp()
    }

    /// The furthest reach of the edge.
    pub fn tip(&self, time: f64) -> f64 {
        let steps = ((self.rows.1 - self.rows.0) * 8.0) as usize;
        (0..=steps)
            .map(|k| self.position(self.rows.0 + k as f64 / 8.0, time))
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// Multiplies an image of relative brightness by what lithium lets through.
    pub fn shade(&self, image: &mut [f32], width: usize, (dx, dy): (f64, f64), time: f64) {
        for (row, line) in image.chunks_exact_mut(width).enumerate() {
            let y = row as f64 - dy;
            let inside = step(y - self.rows.0, self.sigma) - step(y - self.rows.1, self.sigma);
            if inside < 1e-6 {
                continue;
            }
            let edge = self.position(y, time);
            // The distance to a sloping edge is shorter than along the row.
            let slope = (self.position(y + 0.5, time) - self.position(y - 0.5, time)).atan().cos();
            for (column, value) in line.iter_mut().enumerate() {
                let distance = (edge - (column as f64 - dx)) * slope;
                let lithium = if distance > 6.0 * self.sigma {
                    1.0
                } else if distance < -6.0 * self.sigma {
                    break;
                } else {
                    step(distance, self.sigma)
                };
                *value *= (1.0 - self.darkening * inside * lithium) as f32;
            }
        }
    }
}

/// The finger grows with the square of time.
fn finger_growth(time: f64) -> f64 {
    time * time
}

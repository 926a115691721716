//! The lithium front: a rough edge that advances to the right, with a dendrite finger that
//! outruns it towards the counter electrode.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::erf::{quick_step, step};
use super::pose::{Pose, View};

/// Shape and motion of the front, in reference pixels; time as a share of the recording, 0 to 1.
pub struct Front {
    start: f64,
    advance: f64,
    rough: Roughness,
    finger_y: f64,
    finger_width: f64,
    finger_reach: f64,
    /// The rows that lithium fills.
    rows: (f64, f64),
    /// Share of the brightness that lithium takes away.
    darkening: f64,
}

/// An edge's deviation from a straight line: amplitude (px), wavenumber (rad/px) and phase of
/// each wave along it.
pub struct Roughness(Vec<[f64; 3]>);

impl Roughness {
    /// Waves for an edge over these rows.
    pub fn new(rows: (f64, f64), rng: &mut ChaCha8Rng) -> Roughness {
        let wave = |k: u32, rng: &mut ChaCha8Rng| {
            let wavelength = (rows.1 - rows.0) / (1.5 + 1.3 * f64::from(k));
            let amplitude = 3.0 / f64::from(k + 1).sqrt();
            let phase = rng.random::<f64>() * std::f64::consts::TAU;
            [amplitude, std::f64::consts::TAU / wavelength, phase]
        };
        Roughness((0..6).map(|k| wave(k, rng)).collect())
    }

    /// In row `y`, px.
    pub fn at(&self, y: f64) -> f64 {
        self.0.iter().map(|[amplitude, k, phase]| amplitude * (k * y + phase).cos()).sum()
    }

    /// No more than this to either side, px.
    pub fn most(&self) -> f64 {
        self.0.iter().map(|[amplitude, ..]| amplitude.abs()).sum()
    }
}

impl Front {
    /// A front that starts at column `start`, whose finger reaches `counter` at `short_at`.
    pub fn new(
        start: f64,
        counter: f64,
        short_at: f64,
        rows: (f64, f64),
        darkening: f64,
        rng: &mut ChaCha8Rng,
    ) -> Front {
        let advance = 0.45 * (counter - start);
        let rough = Roughness::new(rows, rng);
        let finger_y = rows.0 + (0.4 + 0.2 * rng.random::<f64>()) * (rows.1 - rows.0);
        let mut front = Front {
            start,
            advance,
            rough,
            finger_y,
            finger_width: ((rows.1 - rows.0) / 16.0).max(8.0),
            finger_reach: 0.0,
            rows,
            darkening,
        };
        let without = front.position(finger_y, short_at);
        front.finger_reach = (counter - without) / finger_growth(short_at);
        front
    }

    /// Where the edge stands in row `y`.
    pub fn position(&self, y: f64, time: f64) -> f64 {
        let rough = self.rough.at(y);
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
    pub fn shade(&self, image: &mut [f32], view: &View, time: f64) {
        for (row, line) in image.chunks_exact_mut(view.width).enumerate() {
            let pose = view.pose(row);
            match pose.shift() {
                Some(drift) => self.shade_row(line, row, drift, view.psf_px, time),
                None => self.shade_turned_row(line, row, pose, view.psf_px, time),
            }
        }
    }

    fn shade_row(&self, line: &mut [f32], row: usize, (dx, dy): (f64, f64), sigma: f64, time: f64) {
        let y = row as f64 - dy;
        let inside = step(y - self.rows.0, sigma) - step(y - self.rows.1, sigma);
        if inside < 1e-6 {
            return;
        }
        let edge = self.position(y, time);
        let slope = self.slope(y, time);
        for (column, value) in line.iter_mut().enumerate() {
            let distance = (edge - (column as f64 - dx)) * slope;
            let lithium = if distance > 6.0 * sigma {
                1.0
            } else if distance < -6.0 * sigma {
                break;
            } else {
                step(distance, sigma)
            };
            *value *= (1.0 - self.darkening * inside * lithium) as f32;
        }
    }

    fn shade_turned_row(&self, line: &mut [f32], row: usize, pose: &Pose, sigma: f64, time: f64) {
        let scale = pose.scale();
        let far = (0.3 + time) * self.rough.most();
        let base = self.start + self.advance * time;
        let lowest = base - far;
        let highest = base + far + self.finger_reach.max(0.0) * finger_growth(time);
        for (column, value) in line.iter_mut().enumerate() {
            let (x, y) = pose.in_reference((column as f64, row as f64));
            if scale * (x - highest) > 6.0 * sigma {
                continue;
            }
            let inside = quick_step(scale * (y - self.rows.0), sigma)
                - quick_step(scale * (y - self.rows.1), sigma);
            if inside < 1e-6 {
                continue;
            }
            let lithium = if scale * (lowest - x) > 40.0 * sigma {
                1.0
            } else {
                let distance = scale * (self.position(y, time) - x) * self.slope(y, time);
                step(distance, sigma)
            };
            *value *= (1.0 - self.darkening * inside * lithium) as f32;
        }
    }

    /// The distance to a sloping edge is shorter than along the row, by this factor.
    fn slope(&self, y: f64, time: f64) -> f64 {
        (self.position(y + 0.5, time) - self.position(y - 0.5, time)).atan().cos()
    }
}

/// The finger grows with the square of time.
fn finger_growth(time: f64) -> f64 {
    time * time
}

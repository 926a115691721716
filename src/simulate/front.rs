//! The lithium front: a rough edge that advances to the right, with a finger or dendrites that
//! outrun it towards the counter electrode.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::config::{FrontLook, FrontShape};
use super::dendrite::Dendrite;
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
    look: FrontLook,
    dendrite: Dendrite,
}

/// The wave of a wavy front: amplitude and length, px.
const WAVE_PX: f64 = 6.0;
const WAVELENGTH_PX: f64 = 64.0;

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
        look: FrontLook,
        rng: &mut ChaCha8Rng,
        dendrite_rng: &mut ChaCha8Rng,
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
            look,
            dendrite: Dendrite::default(),
        };
        let without = front.position(finger_y, short_at);
        let (reach, tall) = (counter - start, rows.1 - rows.0);
        match look.shape {
            FrontShape::Finger => {
                front.finger_reach = (counter - without) / finger_growth(short_at);
            }
            FrontShape::Overhang => {
                let radius = 0.6 * front.finger_width;
                front.dendrite =
                    Dendrite::hook((start, finger_y), 0.95 * reach, 0.25 * tall, radius);
            }
            FrontShape::Moss => {
                let radius = (0.35 * front.finger_width).max(4.0);
                front.dendrite = Dendrite::moss(start, 0.8 * reach, rows, radius, dendrite_rng);
            }
            FrontShape::Rough | FrontShape::Wavy => {}
        }
        front
    }

    /// Where the edge stands in row `y`, dendrites apart.
    pub fn position(&self, y: f64, time: f64) -> f64 {
        let wave = match self.look.shape {
            FrontShape::Wavy => WAVE_PX * (std::f64::consts::TAU * y / WAVELENGTH_PX).cos(),
            _ => 0.0,
        };
        let rough = self.rough.at(y) + wave;
        let from_finger = (y - self.finger_y) / self.finger_width;
        self.start
            + self.advance * time
            + (0.3 + time) * rough
            + self.finger_reach * finger_growth(time) * (-0.5 * from_finger * from_finger).exp()
    }

    /// The furthest edge of lithium in row `y`, dendrites included.
    pub fn reach(&self, y: f64, time: f64) -> f64 {
        let base = self.position(y, time);
        let mut outside = self.dendrite.furthest() + 1.0;
        while outside > base && self.dendrite.depth((outside, y), time) < 0.0 {
            outside -= 1.0;
        }
        if outside <= base {
            return base;
        }
        // Between the first point inside and its neighbour outside.
        let (mut inside, mut outside) = (outside, outside + 1.0);
        for _ in 0..20 {
            let middle = 0.5 * (inside + outside);
            if self.dendrite.depth((middle, y), time) < 0.0 {
                outside = middle;
            } else {
                inside = middle;
            }
        }
        inside
    }

    /// How deep inside lithium a point lies, px; negative outside.
    pub fn depth(&self, (x, y): (f64, f64), time: f64) -> f64 {
        let base = (self.position(y, time) - x) * self.slope(y, time);
        base.max(self.dendrite.depth((x, y), time))
    }

    /// The furthest reach of the edge.
    pub fn tip(&self, time: f64) -> f64 {
        let steps = ((self.rows.1 - self.rows.0) * 8.0) as usize;
        (0..=steps)
            .map(|k| self.reach(self.rows.0 + k as f64 / 8.0, time))
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
        let last = self.dendrite.furthest() + 6.0 * sigma;
        for (column, value) in line.iter_mut().enumerate() {
            let x = column as f64 - dx;
            let distance = ((edge - x) * slope).max(if x < last {
                self.dendrite.depth((x, y), time)
            } else {
                f64::NEG_INFINITY
            });
            let lithium = if distance > 6.0 * sigma {
                1.0
            } else if distance < -6.0 * sigma {
                if x > last {
                    break;
                }
                continue;
            } else {
                step(distance, sigma)
            };
            *value *= (1.0 - self.look.darkening * inside * lithium) as f32;
        }
    }

    fn shade_turned_row(&self, line: &mut [f32], row: usize, pose: &Pose, sigma: f64, time: f64) {
        let scale = pose.scale();
        let far = (0.3 + time) * (self.rough.most() + WAVE_PX);
        let base = self.start + self.advance * time;
        let lowest = base - far;
        let highest = (base + far + self.finger_reach.max(0.0) * finger_growth(time))
            .max(self.dendrite.furthest());
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
                let distance = scale * self.depth((x, y), time);
                step(distance, sigma)
            };
            *value *= (1.0 - self.look.darkening * inside * lithium) as f32;
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

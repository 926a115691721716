//! A crack: a curved line whose opening grows, and which propagates downward.

use super::erf::step;
use super::pose::{Pose, View};

/// Shape and growth of the crack, in reference pixels; time as a share of the recording.
pub struct Crack {
    x: f64,
    /// The mouth, and how far down the tip goes by the end.
    top: f64,
    bottom: f64,
    bend_px: f64,
    widest_px: f64,
    /// Share of the brightness that the opening takes away.
    depth: f64,
}

impl Crack {
    /// A crack about column `x`, from row `top` towards row `bottom`, `widest_px` wide at the end.
    pub fn new(x: f64, top: f64, bottom: f64, widest_px: f64) -> Crack {
        Crack { x, top, bottom, bend_px: 0.02 * (bottom - top), widest_px, depth: 0.7 }
    }

    /// Column of the centre line in row `y`.
    pub fn centre(&self, y: f64) -> f64 {
        let along = (y - self.top) / (self.bottom - self.top);
        self.x + self.bend_px * (std::f64::consts::TAU * along).sin()
    }

    /// Row of the tip.
    pub fn tip(&self, time: f64) -> f64 {
        self.top + (0.35 + 0.55 * time) * (self.bottom - self.top)
    }

    /// Opening in row `y`, perpendicular to the centre line, px: parabolic towards the tip.
    pub fn opening(&self, y: f64, time: f64) -> f64 {
        let left = (self.tip(time) - y) / (self.tip(time) - self.top);
        if !(0.0..=1.0).contains(&left) {
            return 0.0;
        }
        self.widest_px * (0.3 + 0.7 * time) * left.sqrt()
    }

    /// Multiplies an image of relative brightness by what the opening lets through.
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
        let half = 0.5 * self.opening(y, time);
        if half <= 0.0 {
            return;
        }
        let centre = self.centre(y) + dx;
        let slope = self.slope(y);
        let reach = (half + 6.0 * sigma) / slope;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let end = ((centre + reach).floor() + 1.0).clamp(0.0, line.len() as f64) as usize;
        for (column, value) in line.iter_mut().enumerate().take(end).skip(first) {
            let distance = (column as f64 - centre) * slope;
            let open = step(distance + half, sigma) - step(distance - half, sigma);
            *value *= (1.0 - self.depth * open) as f32;
        }
    }

    fn shade_turned_row(&self, line: &mut [f32], row: usize, pose: &Pose, sigma: f64, time: f64) {
        let scale = pose.scale();
        let far = self.bend_px.abs() + self.widest_px + 12.0 * sigma / scale;
        for (column, value) in line.iter_mut().enumerate() {
            let (x, y) = pose.in_reference((column as f64, row as f64));
            if (x - self.x).abs() > far {
                continue;
            }
            let half = 0.5 * scale * self.opening(y, time);
            if half <= 0.0 {
                continue;
            }
            let distance = scale * (x - self.centre(y)) * self.slope(y);
            let open = step(distance + half, sigma) - step(distance - half, sigma);
            *value *= (1.0 - self.depth * open) as f32;
        }
    }

    /// The distance to the sloping centre line is shorter than along the row, by this factor.
    fn slope(&self, y: f64) -> f64 {
        (self.centre(y + 0.5) - self.centre(y - 0.5)).atan().cos()
    }
}

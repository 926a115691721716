//! The disturbances that have a place in the field: what the beam deposits stays on the specimen,
//! a flash and a shadow stay with the frame.

use rand::Rng;

use super::erf::{quick_step, step};
use super::event::{Disturbance, Event};
use super::pose::View;
use super::seed::{Purpose, stream};

/// What drawing needs to know about the recording.
pub struct Place {
    pub seed: u64,
    pub frames: usize,
    pub size: (usize, usize),
    /// Relative brightness of a flash.
    pub flash: f64,
}

/// Multiplies an image of relative brightness by what all contaminations up to `frame` let
/// through.
pub fn contaminate(image: &mut [f32], view: &View, events: &[Event], frame: usize, place: &Place) {
    for (index, event) in events.iter().enumerate() {
        let Disturbance::Contamination { per_frame } = event.disturbance else { continue };
        if frame < event.from {
            continue;
        }
        let age = (frame + 1).min(event.until) - event.from;
        let deposited = per_frame * age as f64;
        let even = (-deposited).exp() as f32;
        image.iter_mut().for_each(|value| *value *= even);
        let mut rng = stream(place.seed, Purpose::Event(index));
        let (width, height) = (place.size.0 as f64, place.size.1 as f64);
        for _ in 0..PATCHES {
            let at = (rng.random::<f64>() * width, rng.random::<f64>() * height);
            let full = (0.02 + 0.05 * rng.random::<f64>()) * width.min(height);
            // Each starts at its own time, and both darkens and spreads.
            let grown = (4.0 * deposited - 0.5 * rng.random::<f64>()).max(0.0);
            let sigma = full * (0.3 + 0.7 * (1.0 - (-grown).exp()));
            patch(image, view, at, sigma, 0.7 * (1.0 - (-2.0 * grown).exp()));
        }
    }
}

/// Patches of one contamination.
const PATCHES: usize = 12;

/// Takes `depth` of the brightness at the centre of a Gaussian on the specimen.
fn patch(image: &mut [f32], view: &View, at: (f64, f64), sigma: f64, depth: f64) {
    let reach = 5.0 * sigma;
    for row in view.rows_near(at, reach) {
        let (cx, cy) = view.pose(row).in_frame(at);
        let far = (row as f64 - cy).powi(2);
        let line = &mut image[row * view.width..][..view.width];
        let columns = super::pose::span(cx, reach, view.width);
        let first = columns.start;
        for (k, value) in line[columns].iter_mut().enumerate() {
            let squared = far + ((first + k) as f64 - cx).powi(2);
            *value *= (1.0 - depth * (-0.5 * squared / (sigma * sigma)).exp()) as f32;
        }
    }
}

/// Multiplies an image of relative brightness by what shadows let through.
pub fn shadow(image: &mut [f32], events: &[Event], frame: usize, place: &Place) {
    let (width, height) = (place.size.0 as f64, place.size.1 as f64);
    for (index, event) in events.iter().enumerate() {
        if event.disturbance != Disturbance::Shadow || !event.acts_on(frame) {
            continue;
        }
        let mut rng = stream(place.seed, Purpose::Event(index));
        let (sigma_x, sigma_y) = (0.12 * width, 0.25 * height);
        let lasts = event.within(place.frames);
        let share = (frame - lasts.start) as f64 / (lasts.len().max(2) - 1) as f64;
        let cx = -2.5 * sigma_x + share * (width + 5.0 * sigma_x);
        let cy = (0.3 + 0.4 * rng.random::<f64>()) * height;
        for (row, line) in image.chunks_exact_mut(place.size.0).enumerate() {
            let far = ((row as f64 - cy) / sigma_y).powi(2);
            for (column, value) in line.iter_mut().enumerate() {
                let squared = far + ((column as f64 - cx) / sigma_x).powi(2);
                *value *= (1.0 - 0.7 * (-0.5 * squared).exp()) as f32;
            }
        }
    }
}

/// Adds flashes: a disc, and a band over all columns.
pub fn flash(image: &mut [f32], events: &[Event], frame: usize, place: &Place) {
    let (width, height) = (place.size.0 as f64, place.size.1 as f64);
    for (index, event) in events.iter().enumerate() {
        if event.disturbance != Disturbance::Flash || !event.acts_on(frame) {
            continue;
        }
        let mut rng = stream(place.seed, Purpose::Event(index));
        let centre =
            ((0.2 + 0.6 * rng.random::<f64>()) * width, (0.2 + 0.6 * rng.random::<f64>()) * height);
        let radius = 0.18 * width.min(height);
        let (soft, half) = (0.15 * radius, 0.03 * height);
        for (row, line) in image.chunks_exact_mut(place.size.0).enumerate() {
            let dy = row as f64 - centre.1;
            let band = step(dy + half, 0.3 * half) - step(dy - half, 0.3 * half);
            for (column, value) in line.iter_mut().enumerate() {
                let disc = quick_step(
                    radius - ((column as f64 - centre.0).powi(2) + dy * dy).sqrt(),
                    soft,
                );
                *value += (place.flash * disc.max(band)) as f32;
            }
        }
    }
}

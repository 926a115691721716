//! Particles in the liquid: discs of several sizes, darker or brighter than what is under them,
//! that each move across the field with a velocity of their own, whatever the specimen does.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::erf::quick_step;
use super::pose::{View, span};

/// Discs in frame coordinates.
pub struct Particles {
    all: Vec<Particle>,
    size: (f64, f64),
}

struct Particle {
    start: (f64, f64),
    /// px per frame.
    velocity: (f64, f64),
    radius: f64,
    /// Relative brightness that it adds or takes.
    contrast: f64,
}

/// The fastest, px per frame.
const FASTEST_PX: f64 = 0.5;

impl Particles {
    /// `count` discs whose areas are together `cover` of the field (overlaps counted twice).
    pub fn new(
        count: usize,
        cover: f64,
        (width, height): (usize, usize),
        rng: &mut ChaCha8Rng,
    ) -> Particles {
        let size = (width as f64, height as f64);
        // Radii between one and three units; the unit follows from the cover.
        let relative: Vec<f64> = (0..count).map(|_| 1.0 + 2.0 * rng.random::<f64>()).collect();
        let area: f64 = relative.iter().map(|r| std::f64::consts::PI * r * r).sum();
        let unit = (cover * size.0 * size.1 / area.max(f64::MIN_POSITIVE)).sqrt();
        let all = relative
            .into_iter()
            .map(|relative| {
                let angle = rng.random::<f64>() * std::f64::consts::TAU;
                let speed = FASTEST_PX * (0.2 + 0.8 * rng.random::<f64>());
                let strength = 0.15 + 0.25 * rng.random::<f64>();
                Particle {
                    start: (rng.random::<f64>() * size.0, rng.random::<f64>() * size.1),
                    velocity: (speed * angle.cos(), speed * angle.sin()),
                    radius: unit * relative,
                    contrast: if rng.random::<bool>() { strength } else { -strength },
                }
            })
            .collect();
        Particles { all, size }
    }

    /// Multiplies an image of relative brightness by what the particles add or take.
    pub fn shade(&self, image: &mut [f32], view: &View) {
        let soft = 5.5 * view.psf_px;
        for particle in &self.all {
            let reach = particle.radius + soft;
            for (row, line) in image.chunks_exact_mut(view.width).enumerate() {
                let (cx, cy) = self.place(particle, view.when[row]);
                let dy = row as f64 - cy;
                if dy.abs() > reach {
                    continue;
                }
                let cx = cx + view.jitter_px.get(row).copied().unwrap_or(0.0);
                let columns = span(cx, reach, view.width);
                let first = columns.start;
                for (k, value) in line[columns].iter_mut().enumerate() {
                    let from_centre = (((first + k) as f64 - cx).powi(2) + dy * dy).sqrt();
                    let inside = quick_step(particle.radius - from_centre, view.psf_px);
                    *value *= (1.0 + particle.contrast * inside) as f32;
                }
            }
        }
    }

    /// The centre, `when` frames after the first. Who leaves the field on one side comes back on
    /// the other, so that the cover stays.
    fn place(&self, particle: &Particle, when: f64) -> (f64, f64) {
        let margin = 1.2 * particle.radius + 10.0;
        let along = |start: f64, velocity: f64, size: f64| {
            (start + velocity * when + margin).rem_euclid(size + 2.0 * margin) - margin
        };
        (
            along(particle.start.0, particle.velocity.0, self.size.0),
            along(particle.start.1, particle.velocity.1, self.size.1),
        )
    }
}

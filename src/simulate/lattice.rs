//! A crystal's planes: three plane waves at 60° to each other, which look alike again after each
//! period, so that a registration may lock onto the wrong one.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::pose::View;

/// The waves, in reference coordinates.
pub struct Lattice {
    waves: [Wave; 3],
}

struct Wave {
    /// rad/px.
    k: (f64, f64),
    phase: f64,
    amplitude: f64,
}

impl Lattice {
    /// Planes at a distance of `period_px` in an arbitrary orientation; all together have the
    /// standard deviation `contrast`, as seen through the point spread.
    pub fn new(period_px: f64, contrast: f64, rng: &mut ChaCha8Rng) -> Lattice {
        let turned = rng.random::<f64>() * std::f64::consts::FRAC_PI_3;
        let length = std::f64::consts::TAU / period_px;
        // The planes of a real crystal differ in strength.
        let strengths: [f64; 3] = [1.0, 0.8, 0.6];
        let variance: f64 = strengths.iter().map(|s| 0.5 * s * s).sum();
        let mut turn = 0.0;
        let waves = strengths.map(|strength| {
            let angle = turned + turn;
            turn += std::f64::consts::FRAC_PI_3;
            Wave {
                k: (length * angle.cos(), length * angle.sin()),
                phase: rng.random::<f64>() * std::f64::consts::TAU,
                amplitude: contrast * strength / variance.sqrt(),
            }
        });
        Lattice { waves }
    }

    /// Adds the waves, moved by `offset` (reference px), to an image of relative brightness; `psf`
    /// is the point spread that the amplitudes have in them.
    pub fn add_to(&self, image: &mut [f32], view: &View, psf: f64, offset: (f64, f64)) {
        for (row, line) in image.chunks_exact_mut(view.width).enumerate() {
            let pose = view.pose(row);
            let (x, y) = pose.in_reference((0.0, row as f64));
            let step = pose.column_step();
            for wave in &self.waves {
                let (kx, ky) = wave.k;
                // A Gaussian point spread damps a wave by exp(−k²σ²/2), k in the frame.
                let seen = view.psf_px / pose.scale();
                let damping = (-0.5 * (kx * kx + ky * ky) * (seen * seen - psf * psf)).exp();
                let start = kx * (x - offset.0) + ky * (y - offset.1) + wave.phase;
                let (sin, cos) = (kx * step.0 + ky * step.1).sin_cos();
                let (mut im, mut re) = start.sin_cos();
                let amplitude = wave.amplitude * damping;
                for value in line.iter_mut() {
                    *value += (amplitude * re) as f32;
                    (re, im) = (re * cos - im * sin, re * sin + im * cos);
                }
            }
        }
    }
}

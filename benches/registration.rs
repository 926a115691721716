//! How near the registration comes to the Cramér–Rao bound, on simulated 1024² recordings:
//! `cargo bench --bench registration`, or `-- 384` for another size, `-- edges dose=3 dose=10` for some
//! of the lines, `-- long` for four times the frames: the template then remembers a thousand.
//!
//! One line for each scene and dose: r.m.s. error about the mean over the bound of a known
//! template, standard deviation of the normalised errors, and the part of the error that follows
//! the sub-pixel phase. All frames but the first count, those before the template has grown too.
//! Under "squares" stands the bound of the registration's squares, which keep off the field's border,
//! over that of the whole field: what a known template would leave of it; under "uneven" the same
//! where light is so uneven that each square's brightness and contrast are unknown.

use liwatch::frame::{Image, Samples};
use liwatch::noise::{drift_bound, drift_bound_by_squares};
use liwatch::register::{Drift, Sequence, Settings, StaticMask};
use liwatch::simulate::{Scene, SceneConfig, Specimen};

const FRAMES: usize = 400;
/// A long recording has so many times the frames.
const LONG: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(1024);
    let wanted = |name: &str| {
        let names: Vec<_> = arguments
            .iter()
            .filter(|a| a.chars().all(char::is_alphabetic) && *a != "long")
            .collect();
        names.is_empty() || names.iter().any(|n| name.starts_with(n.as_str()))
    };
    let doses: Vec<f64> =
        arguments.iter().filter_map(|a| a.strip_prefix("dose=")?.parse().ok()).collect();
    let frames = if arguments.iter().any(|a| a == "long") { LONG * FRAMES } else { FRAMES };
    println!("{size}² u16, {frames} frames, template running");
    println!(
        "{:<10} {:>7} {:>10} {:>11} {:>11} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "scene",
        "counts",
        "bound px",
        "squares",
        "uneven",
        "x",
        "y",
        "late x",
        "late y",
        "pull",
        "phase",
        "locked"
    );
    for specimen in [Specimen::Textured, Specimen::Sparse, Specimen::Edges] {
        let name = format!("{specimen:?}").to_lowercase();
        if !wanted(&name) {
            continue;
        }
        let all = [1.0, 3.0, 10.0, 100.0, 1000.0];
        for dose in all.into_iter().filter(|dose| doses.is_empty() || doses.contains(dose)) {
            let scene = Scene::new(SceneConfig {
                width: size,
                height: size,
                frames,
                specimen,
                dose_counts_per_px: dose,
                jumps: 0,
                front: false,
                crack: false,
                ..SceneConfig::default()
            });
            line(&name, dose, &scene);
        }
    }
}

fn line(name: &str, dose: f64, scene: &Scene) {
    let mut frame = Image::zeros_u16(0, 0);
    scene.render(0, &mut frame);
    let mask = StaticMask::new(frame.width, frame.height, &[]);
    let mut sequence = Sequence::new(&frame, mask, scene.config.camera, Settings::default());
    let mut errors = Errors::default();
    for index in 1..scene.config.frames {
        scene.render(index, &mut frame);
        errors.add(&sequence.push(&frame), scene.truth(index).drift);
    }
    let mut expected = Vec::new();
    scene.expected(0, &mut expected);
    let bound = drift_bound(&expected, &[], frame.width, &scene.config.camera);
    let camera = &scene.config.camera;
    let grid = sequence.look(&frame).grid;
    let [squares, uneven] = grid.map_or_else(Default::default, |grid| {
        let width = frame.width;
        let inside: Vec<bool> = (0..width * frame.height)
            .map(|pixel| grid.cell_at(pixel % width, pixel / width).is_some())
            .collect();
        let corners = (0..grid.cells()).map(|cell| grid.corner(cell));
        [
            drift_bound(&expected, &inside, width, camera),
            drift_bound_by_squares(&expected, width, corners, grid.side, camera),
        ]
        .map(|left| format!("{:.2} {:.2}", left.0 / bound.0, left.1 / bound.1))
    });
    let (x, y) = (errors.rms(0, 0) / bound.0, errors.rms(1, 0) / bound.1);
    let late = scene.config.frames / 2;
    let (late_x, late_y) = (errors.rms(0, late) / bound.0, errors.rms(1, late) / bound.1);
    println!(
        "{name:<10} {dose:>7} {:>10.5} {squares:>11} {uneven:>11} {x:>7.2} {y:>7.2} {late_x:>7.2} {late_y:>7.2} {:>7.2} {:>7.3} {:>7}",
        bound.0.hypot(bound.1) / std::f64::consts::SQRT_2,
        errors.pull(),
        phase_bias(scene, &mut sequence) / bound.0,
        errors.rows.len()
    );
}

/// Errors (x, y) with their one sigma, of the locked frames.
#[derive(Default)]
struct Errors {
    rows: Vec<[f64; 4]>,
}

impl Errors {
    fn add(&mut self, drift: &Drift, truth: (f64, f64)) {
        if drift.locked {
            self.rows.push([drift.x - truth.0, drift.y - truth.1, drift.x_error, drift.y_error]);
        }
    }

    fn mean(&self, axis: usize, from: usize) -> f64 {
        let rows = &self.rows[from.min(self.rows.len())..];
        rows.iter().map(|row| row[axis]).sum::<f64>() / rows.len() as f64
    }

    /// About the mean.
    fn rms(&self, axis: usize, from: usize) -> f64 {
        let mean = self.mean(axis, from);
        let rows = &self.rows[from.min(self.rows.len())..];
        (rows.iter().map(|row| (row[axis] - mean).powi(2)).sum::<f64>() / rows.len() as f64).sqrt()
    }

    fn pull(&self) -> f64 {
        let mean = [self.mean(0, 0), self.mean(1, 0)];
        let sum: f64 = self
            .rows
            .iter()
            .map(|row| {
                ((row[0] - mean[0]) / row[2]).powi(2) + ((row[1] - mean[1]) / row[3]).powi(2)
            })
            .sum();
        (sum / (2.0 * self.rows.len() as f64)).sqrt()
    }
}

/// Half the spread of the error of noise-free frames over one pixel of displacement along x.
fn phase_bias(scene: &Scene, sequence: &mut Sequence) -> f64 {
    const STEPS: usize = 10;
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    let index = scene.config.frames - 1;
    let last = scene.truth(index).drift;
    let mut moved = Scene::new(scene.config.clone());
    for step in 0..STEPS {
        let drift = (last.0 + step as f64 / STEPS as f64, last.1);
        moved.set_drift(index, drift);
        let mut samples = Vec::new();
        moved.expected(index, &mut samples);
        let frame = Image {
            width: scene.config.width,
            height: scene.config.height,
            samples: Samples::F32(samples),
        };
        let seen = sequence.look(&frame);
        let error = seen.motion.x - drift.0;
        (least, most) = (least.min(error), most.max(error));
    }
    0.5 * (most - least)
}

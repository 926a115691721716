//! The drift-corrected stack, on one thread and in memory: ms per frame of each way, and its error
//! on waves whose values between pixels are known. `cargo bench --bench corrected`; beside other
//! programs on the same images: `python benches/peers/corrected.py`

#[allow(dead_code)] // of what the benches share, some is used here
mod common;

use std::f64::consts::TAU;
use std::hint::black_box;
use std::time::Duration;

use common::{median_time, print_line, read_once, scene};
use liwatch::frame::{Image, Samples};
use liwatch::resample::{Affine, Resampler};

fn main() {
    let shift = Affine::translation(0.5, -0.25);
    for highest in [0.1, 0.25, 0.35, 0.4] {
        let error = error(&waves(256, highest), highest, &shift);
        println!("error of a shift, waves up to {highest:.2} cycles/px: {error:.1e}");
    }
    let (sin, cos) = 0.02f64.sin_cos();
    let turn = Affine { matrix: [[cos, -sin], [sin, cos]], offset: [4.3, -2.6] };
    for size in [1024, 4096] {
        let mut frame = Image::zeros_u16(0, 0);
        scene(size, 1).render(0, &mut frame);
        let read = read_once(&frame);
        let mut resampler = Resampler::default();
        for (what, map) in [("shift", shift), ("turn and shift", turn)] {
            let time = median_time(Duration::from_millis(800), || {
                resampler.rows(&frame, &map, (0..size, 0..size), |_, _, values| {
                    black_box(values);
                });
            });
            print_line(what, size, time, read);
        }
    }
}

/// Of all waves together, at a position.
fn value(highest: f64, x: f64, y: f64) -> f64 {
    let wave = |k: f64| {
        let (angle, omega) = (2.4 * k, TAU * highest * (k + 0.5) / 24.0);
        (omega * (angle.cos() * x + angle.sin() * y) + 1.7 * k).cos()
    };
    (0..24).map(|k| wave(f64::from(k))).sum::<f64>() / 24.0
}

fn waves(size: usize, highest: f64) -> Image {
    let pixels = (0..size * size).map(|at| ((at % size) as f64, (at / size) as f64));
    let samples = pixels.map(|(x, y)| value(highest, x, y) as f32).collect();
    Image { width: size, height: size, samples: Samples::F32(samples) }
}

/// Root mean square over the waves' own, 24 px away from the edges.
fn error(image: &Image, highest: f64, map: &Affine) -> f64 {
    let (mut sum, mut power) = (0.0, 0.0);
    let inner = 24..image.width - 24;
    Resampler::default().rows(image, map, (inner.clone(), inner), |y, columns, values| {
        for (x, found) in columns.zip(values) {
            let (u, v) = map.apply(x as f64, y as f64);
            let truth = value(highest, u, v);
            sum += (f64::from(*found) - truth).powi(2);
            power += truth * truth;
        }
    });
    (sum / power).sqrt()
}

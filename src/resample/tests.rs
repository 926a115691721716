//! Both ways against their definition, and against waves whose values between pixels are known.

use proptest::prelude::*;

use super::*;
use crate::frame::Samples;

/// Waves of many directions up to `highest` cycles per pixel, of the whole amplitude 1.
struct Waves(Vec<(f64, f64, f64)>);

impl Waves {
    fn new(highest: f64) -> Waves {
        let wave = |k: usize| {
            let (angle, share) = (2.4 * k as f64, (k as f64 + 0.5) / 24.0);
            let omega = std::f64::consts::TAU * highest * share;
            (omega * angle.cos(), omega * angle.sin(), 1.7 * k as f64)
        };
        Waves((0..24).map(wave).collect())
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        self.0.iter().map(|(kx, ky, phase)| (kx * x + ky * y + phase).cos()).sum::<f64>() / 24.0
    }

    fn image(&self, width: usize, height: usize) -> Image {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x as f64, y as f64)));
        let samples = pixels.map(|(x, y)| self.at(x, y) as f32).collect();
        Image { width, height, samples: Samples::F32(samples) }
    }
}

fn resampled(image: &Image, map: &Affine) -> Vec<Option<f32>> {
    let mut out = vec![None; image.width * image.height];
    let part = (0..image.width, 0..image.height);
    Resampler::default().rows(image, map, part, |y, columns, values| {
        for (x, value) in columns.zip(values) {
            out[y * image.width + x] = Some(*value);
        }
    });
    out
}

/// Root mean square error against the waves, over pixels whose whole kernel lies on the frame.
fn error(waves: &Waves, image: &Image, map: &Affine) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (at, value) in resampled(image, map).into_iter().enumerate() {
        let (u, v) = map.apply((at % image.width) as f64, (at / image.width) as f64);
        let reach = REACH as f64;
        let on =
            |position: f64, size: usize| position >= reach && position <= size as f64 - 1.0 - reach;
        if let Some(value) = value.filter(|_| on(u, image.width) && on(v, image.height)) {
            sum += (f64::from(value) - waves.at(u, v)).powi(2);
            count += 1.0;
        }
    }
    assert!(count > 1000.0, "only {count} pixels were compared");
    (sum / count).sqrt()
}

#[test]
fn a_band_limited_image_comes_back_between_its_pixels() {
    // 0.35 cycles per pixel is 0.7 of the Nyquist frequency.
    for (highest, bound) in [(0.1, 2e-5), (0.25, 5e-5), (0.35, 2e-4)] {
        let waves = Waves::new(highest);
        let image = waves.image(120, 90);
        let (sin, cos) = 0.11f64.sin_cos();
        let turned = Affine { matrix: [[cos, -sin], [sin, cos]], offset: [12.3, -3.4] };
        for (what, map) in [
            ("shift", Affine::translation(3.5, -7.25)),
            ("turn", turned),
            ("stretch", Affine { matrix: [[1.02, 0.01], [0.0, 0.97]], offset: [0.3, 0.2] }),
        ] {
            let error = error(&waves, &image, &map);
            println!("{what}, up to {highest} cycles/px: rms error {error:.1e} of the amplitude");
            assert!(error < bound, "{what}, {highest} cycles/px: error {error} > {bound}");
        }
    }
}

#[test]
fn a_flat_image_stays_flat_and_a_whole_shift_copies() {
    let flat = Image { width: 40, height: 30, samples: Samples::U16(vec![4321; 1200]) };
    for value in resampled(&flat, &Affine::translation(0.37, -0.81)).into_iter().flatten() {
        assert!((value - 4321.0).abs() < 2e-3, "4321 became {value}");
    }
    let waves = Waves::new(0.4);
    let image = waves.image(40, 30);
    for (at, value) in resampled(&image, &Affine::translation(-3.0, 2.0)).into_iter().enumerate() {
        let (x, y) = (at % 40, at / 40);
        let expected = (x >= 3 && y < 28).then(|| image.at(x.saturating_sub(3), (y + 2).min(29)));
        assert_eq!(value, expected, "pixel {x}, {y}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn both_ways_agree_with_their_definition(
        width in 1usize..40, height in 1usize..40, x in -9.0f64..9.0, y in -9.0f64..9.0,
        angle in -0.4f64..0.4, seed in any::<u64>(),
    ) {
        let mut state = seed | 1;
        let samples = (0..width * height).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 24) as f32
        });
        let image = Image { width, height, samples: Samples::F32(samples.collect()) };
        let (sin, cos) = angle.sin_cos();
        let turned = Affine { matrix: [[cos, -sin], [sin, cos]], offset: [x, y] };
        for (map, bound) in [(Affine::translation(x, y), 1e-5), (turned, 5e-4)] {
            for (at, value) in resampled(&image, &map).into_iter().enumerate() {
                let (column, row) = (at % width, at / width);
                let inside = map.covered(row, (width, height)).contains(&column);
                prop_assert_eq!(value.is_some(), inside, "pixel {}, {}", column, row);
                // One pixel in five: the definition solves a system for each.
                let Some(value) = value.filter(|_| at % 5 == 0) else { continue };
                let truth = sample(&image, map.apply(column as f64, row as f64));
                let error = (f64::from(value) - truth).abs();
                prop_assert!(error < bound, "pixel {column}, {row}: {value}, not {truth}");
            }
        }
    }
}

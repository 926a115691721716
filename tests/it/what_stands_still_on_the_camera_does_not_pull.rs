//! A fixed pattern of the camera and a burned-in banner stay where they are while the specimen
//! drifts. Neither may hold the drift back.

use liwatch::frame::{Image, Region, Samples};
use liwatch::noise::drift_bound;
use liwatch::register::{Sequence, Settings, StaticMask};
use liwatch::simulate::{Scene, SceneConfig};

const SIZE: usize = 384;
const FRAMES: usize = 80;
const BANNER: Region = Region { x: 0, y: SIZE - 64, width: SIZE, height: 64 };

fn config() -> SceneConfig {
    SceneConfig {
        width: SIZE,
        height: SIZE,
        frames: FRAMES,
        dose_counts_per_px: 100.0,
        jumps: 0,
        front: false,
        crack: false,
        drift_velocity_px: (0.2, -0.1),
        ..SceneConfig::default()
    }
}

/// Errors of the drift (x, y), and their one sigma, from the first frame on.
fn errors(scene: &Scene, excluded: &[Region], change: impl Fn(&mut Image)) -> Vec<[(f64, f64); 2]> {
    let mut frame = Image::zeros_u16(0, 0);
    scene.render(0, &mut frame);
    change(&mut frame);
    let mask = StaticMask::new(SIZE, SIZE, excluded).with_marks(SIZE, SIZE, excluded);
    let mut sequence = Sequence::new(&frame, mask, scene.config.camera, Settings::default());
    (1..scene.config.frames)
        .map(|index| {
            scene.render(index, &mut frame);
            change(&mut frame);
            let drift = sequence.push(&frame);
            assert!(drift.locked, "frame {index} is not locked: {drift:?}");
            let truth = scene.truth(index).drift;
            [(drift.x - truth.0, drift.x_error), (drift.y - truth.1, drift.y_error)]
        })
        .collect()
}

/// R.m.s. error about the mean over both axes, px, and that of the normalised errors.
fn scatter(errors: &[[(f64, f64); 2]]) -> (f64, f64) {
    let n = errors.len() as f64;
    let (mut square, mut pull) = (0.0, 0.0);
    for axis in 0..2 {
        let mean = errors.iter().map(|e| e[axis].0).sum::<f64>() / n;
        for e in errors {
            square += (e[axis].0 - mean).powi(2);
            pull += ((e[axis].0 - mean) / e[axis].1).powi(2);
        }
    }
    ((square / (2.0 * n)).sqrt(), (pull / (2.0 * n)).sqrt())
}

#[test]
fn a_fixed_pattern_of_the_camera() {
    let scene = Scene::new(SceneConfig { pattern: 0.03, ..config() });
    let (rms, pull) = scatter(&errors(&scene, &[], |_| {})[20..]);
    let mut expected = Vec::new();
    Scene::new(config()).expected(FRAMES / 2, &mut expected);
    let (x, y) = drift_bound(&expected, &[], SIZE, &scene.config.camera);
    let ratio = rms / (x.hypot(y) / std::f64::consts::SQRT_2);
    println!("with a pattern of 3 %: {ratio:.2} times the bound without, pull {pull:.2}");
    assert!(ratio < 2.2, "{ratio} times the bound");
    assert!(pull < 1.8, "normalised errors scatter by {pull}");
}

#[test]
fn a_burned_in_banner_that_is_excluded() {
    let scene = Scene::new(config());
    let burn = |frame: &mut Image| {
        let Samples::U16(samples) = &mut frame.samples else { panic!("u16 was asked for") };
        for (k, sample) in samples[BANNER.y * SIZE..].iter_mut().enumerate() {
            // Bars of text on black.
            let (x, y) = (k % SIZE, k / SIZE);
            *sample = if x / 7 % 3 == 0 && (20..40).contains(&y) { 4000 } else { 0 };
        }
    };
    let (plain, _) = scatter(&errors(&scene, &[BANNER], |_| {})[20..]);
    let (burned, pull) = scatter(&errors(&scene, &[BANNER], burn)[20..]);
    println!("r.m.s. {plain:.4} px without a banner, {burned:.4} px with one, pull {pull:.2}");
    assert!(burned < 1.1 * plain, "{burned} px with a banner, {plain} px without");
}

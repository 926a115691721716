//! Frames whose raster is more than shifted: scanned line by line while the specimen drifts, or
//! turned and magnified from frame to frame.

use liwatch::frame::Image;
use liwatch::noise::drift_bound;
use liwatch::register::{Drift, Sequence, Settings, StaticMask};
use liwatch::simulate::{Scan, Scene, SceneConfig};

const SIZE: usize = 384;

fn config(frames: usize) -> SceneConfig {
    SceneConfig {
        width: SIZE,
        height: SIZE,
        frames,
        dose_counts_per_px: 100.0,
        jumps: 0,
        front: false,
        crack: false,
        ..SceneConfig::default()
    }
}

/// Each frame's drift.
fn follow(scene: &Scene, settings: Settings) -> Vec<Drift> {
    let mut frame = Image::zeros_u16(0, 0);
    scene.render(0, &mut frame);
    let mask = StaticMask::new(SIZE, SIZE, &[]);
    let mut sequence = Sequence::new(&frame, mask, scene.config.camera, settings);
    (1..scene.config.frames)
        .map(|index| {
            scene.render(index, &mut frame);
            sequence.push(&frame)
        })
        .collect()
}

fn bound(scene: &Scene) -> f64 {
    let mut expected = Vec::new();
    scene.expected(0, &mut expected);
    let (x, y) = drift_bound(&expected, &[], SIZE, &scene.config.camera);
    x.hypot(y) / std::f64::consts::SQRT_2
}

/// Errors (x, y) of the frames from `first` on.
fn errors(scene: &Scene, drifts: &[Drift], first: usize) -> Vec<(f64, f64)> {
    let late = drifts.iter().enumerate().skip(first);
    late.map(|(k, drift)| {
        let truth = scene.truth(k + 1).drift;
        (drift.x - truth.0, drift.y - truth.1)
    })
    .collect()
}

#[test]
fn a_drift_of_five_pixels_a_frame_leaves_no_shear_in_a_scanned_frame() {
    let mut config = config(60);
    config.frame_rate_hz = 2.0;
    config.scan = Some(Scan { line_time_s: 0.45 / SIZE as f64 });
    config.drift_velocity_px = (5.0, -3.0);
    config.drift_step_px = 0.05;
    let scene = Scene::new(config);
    let settings = Settings {
        max_shift_px: 400.0,
        line_share: Some(0.9 / SIZE as f64),
        ..Settings::default()
    };
    let drifts = follow(&scene, settings);
    let usable = 30;
    let locked = drifts[..usable].iter().filter(|drift| drift.locked).count();
    assert!(locked >= usable - 1, "{locked} of {usable} frames are locked");
    for (k, drift) in drifts[..usable].iter().enumerate().filter(|(_, drift)| drift.locked) {
        let truth = scene.truth(k + 1).drift;
        let off = (drift.x - truth.0).hypot(drift.y - truth.1);
        assert!(
            off < 0.1 + 5.0 * drift.x_error.hypot(drift.y_error),
            "frame {}: {off} px from the truth {truth:?}, {:?}",
            k + 1,
            drift.motion
        );
    }
}

#[test]
fn rotation_and_magnification_are_followed_at_the_noise_limit() {
    let mut config = config(200);
    config.rotation_step_rad = 3e-4;
    config.scale_step = 3e-4;
    let scene = Scene::new(config);
    let settings = Settings { similarity: true, ..Settings::default() };
    let drifts = follow(&scene, settings);
    let locked = drifts.iter().filter(|drift| drift.locked).count();
    assert_eq!(locked, drifts.len(), "{locked} of {} frames are locked", drifts.len());
    let late = errors(&scene, &drifts, 40);
    let n = late.len() as f64;
    let mean = late.iter().fold((0.0, 0.0), |m, e| (m.0 + e.0 / n, m.1 + e.1 / n));
    let sum: f64 = late.iter().map(|e| (e.0 - mean.0).powi(2) + (e.1 - mean.1).powi(2)).sum();
    let ratio = (sum / (2.0 * n)).sqrt() / bound(&scene);
    println!("drift with rotation and scale: {ratio:.2} times the bound");
    assert!(ratio < 1.35, "drift errs by {ratio} times the bound");
    for (k, drift) in drifts.iter().enumerate().skip(40) {
        let truth = scene.truth(k + 1);
        let (scale, rotation) = drift.motion.similarity();
        // At the border of the field a turn of 1e-4 moves by 0.02 px.
        assert!(
            (scale - truth.scale).abs() < 4e-4 && (rotation - truth.rotation_rad).abs() < 4e-4,
            "frame {}: scale {scale} rotation {rotation}, truth {} {}",
            k + 1,
            truth.scale,
            truth.rotation_rad
        );
    }
}

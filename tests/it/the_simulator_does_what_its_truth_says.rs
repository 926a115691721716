//! What goes wrong in a simulated recording goes wrong as its truth says, measured on noise-free
//! frames by means that share nothing with the simulator or with the registration.

use liwatch::frame::{Image, Samples};
use liwatch::simulate::{Disturbance, Event, Scan, Scene, SceneConfig, Specimen};

const OFFSET: f64 = 100.0;
const DOSE: f64 = 50.0;

/// A small field that stands still, with nothing on it.
fn empty() -> SceneConfig {
    SceneConfig {
        width: 200,
        height: 160,
        frames: 40,
        contrast: 0.0,
        dose_counts_per_px: DOSE,
        drift_step_px: 0.0,
        drift_velocity_px: (0.0, 0.0),
        jumps: 0,
        front: false,
        crack: false,
        ..SceneConfig::default()
    }
}

fn textured() -> SceneConfig {
    SceneConfig { contrast: 0.12, ..empty() }
}

fn during(from: usize, until: usize, disturbance: Disturbance) -> Vec<Event> {
    vec![Event { from, until, disturbance }]
}

/// Relative brightness of a frame without noise.
fn seen(scene: &Scene, frame: usize) -> Vec<f64> {
    let mut counts = Vec::new();
    scene.expected(frame, &mut counts);
    counts.iter().map(|value| (f64::from(*value) - OFFSET) / DOSE).collect()
}

fn counts(scene: &Scene, frame: usize) -> Vec<u16> {
    let mut image = Image::zeros_u16(0, 0);
    scene.render(frame, &mut image);
    match image.samples {
        Samples::U16(samples) => samples,
        Samples::F32(_) => panic!("the camera gives u16"),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// Centroid along x of what is missing in a row, where anything is.
fn missing_at(row: &[f64]) -> Option<f64> {
    let missing: f64 = row.iter().map(|v| 1.0 - v).sum();
    let moment: f64 = row.iter().enumerate().map(|(x, v)| x as f64 * (1.0 - v)).sum();
    (missing > 0.5).then(|| moment / missing)
}

fn near(found: f64, expected: f64, bound: f64, what: &str) {
    assert!((found - expected).abs() <= bound, "{what}: {found}, not {expected} to {bound}");
}

#[test]
fn a_scanned_frame_is_sheared_by_its_drift() {
    let per_row = 5.0 / 160.0;
    let moving = SceneConfig {
        crack: true,
        drift_velocity_px: (5.0, 0.0),
        scan: Some(Scan { line_time_s: 0.05 / 160.0 }),
        ..empty()
    };
    let scene = Scene::new(moving);
    let (truth, image) = (scene.truth(3), seen(&scene, 3));
    assert_eq!(truth.drift, (15.0, 0.0), "the middle row's");
    let top = scene.layout.crack_region.y;
    let mut rows = 0;
    for (y, row) in image.chunks_exact(200).enumerate() {
        if let Some(x) = missing_at(row) {
            let drift = truth.drift.0 + per_row * (y as f64 - 79.5);
            near(x, truth.crack_centre[y - top] + drift, 0.02, &format!("the crack in row {y}"));
            rows += 1;
        }
    }
    assert!(rows > 40, "the crack was seen in {rows} rows only");
}

#[test]
fn a_scanned_frame_is_stretched_by_its_drift() {
    let config = SceneConfig {
        front: true,
        drift_velocity_px: (0.0, 5.0),
        scan: Some(Scan { line_time_s: 0.05 / 160.0 }),
        ..empty()
    };
    let scene = Scene::new(config);
    let image = seen(&scene, 2);
    // In column 2 lithium reaches from its upper to its lower edge.
    let column: Vec<f64> = image.iter().skip(2).step_by(200).copied().collect();
    let half = 1.0 - 0.35 / 2.0;
    let crossing = |falls: bool| {
        let at = column
            .windows(2)
            .position(|p| (p[0] > half) != (p[1] > half) && (p[0] > half) == falls);
        let at = at.expect("the edge is in the field");
        at as f64 + (column[at] - half) / (column[at] - column[at + 1])
    };
    let lithium = scene.layout.lithium;
    let drift = scene.truth(2).drift.1;
    for (falls, edge) in [(true, lithium.y), (false, lithium.y + lithium.height)] {
        // Row y shows the reference row y − drift − (5/160)·(y − 79.5).
        let expected = (edge as f64 + drift - 5.0 / 160.0 * 79.5) / (1.0 - 5.0 / 160.0);
        near(crossing(falls), expected, 0.03, "an edge of lithium");
    }
}

#[test]
fn a_turned_and_magnified_crack_is_where_the_truth_says() {
    let config = SceneConfig {
        crack: true,
        rotation_velocity_rad: 0.004,
        scale_velocity: 0.003,
        drift_velocity_px: (0.3, -0.2),
        ..empty()
    };
    let scene = Scene::new(config);
    let (truth, image) = (scene.truth(20), seen(&scene, 20));
    near(truth.rotation_rad, 0.08, 1e-12, "rotation");
    near(truth.scale, 1.06, 1e-12, "scale");
    let (sin, cos) = truth.rotation_rad.sin_cos();
    let top = scene.layout.crack_region.y as f64;
    let line: Vec<(f64, f64)> = truth
        .crack_centre
        .iter()
        .enumerate()
        .map(|(k, x)| {
            let (u, v) = (x - 99.5, top + k as f64 - 79.5);
            let x = 99.5 + truth.drift.0 + truth.scale * (cos * u - sin * v);
            (x, 79.5 + truth.drift.1 + truth.scale * (sin * u + cos * v))
        })
        .collect();
    let mut rows = 0;
    for pair in line.windows(2) {
        let y = pair[1].1.floor();
        if !(pair[0].1 <= y && y >= 0.0) {
            continue;
        }
        let x = pair[0].0 + (pair[1].0 - pair[0].0) * (y - pair[0].1) / (pair[1].1 - pair[0].1);
        if let Some(found) = missing_at(&image[y as usize * 200..][..200]) {
            // Where the crack is wide, one end of a row's cut is nearer the tip than the other.
            near(found, x, 0.05, &format!("the crack in row {y}"));
            rows += 1;
        }
    }
    assert!(rows > 40, "the crack was seen in {rows} rows only");
}

#[test]
fn rotation_and_scale_walk_as_told() {
    let steps = SceneConfig { frames: 4000, rotation_step_rad: 1e-4, scale_step: 2e-5, ..empty() };
    let scene = Scene::new(steps);
    let truths: Vec<_> = (0..4000).map(|k| scene.truth(k)).collect();
    let turns: Vec<f64> =
        truths.windows(2).map(|pair| pair[1].rotation_rad - pair[0].rotation_rad).collect();
    let growths: Vec<f64> = truths.windows(2).map(|pair| pair[1].scale - pair[0].scale).collect();
    near(deviation(&turns), 1e-4, 5e-6, "one sigma of a step of rotation");
    near(deviation(&growths), 2e-5, 1e-6, "one sigma of a step of scale");
}

#[test]
fn beam_and_focus_change_for_their_frames_alone() {
    let plain = Scene::new(textured());
    let with =
        |disturbance| Scene::new(SceneConfig { events: during(5, 8, disturbance), ..textured() });
    let (before, sharp) = (seen(&plain, 4), seen(&plain, 6));
    let all = [
        (Disturbance::Brightness(0.5), 0.5, 0.5),
        (Disturbance::Contrast(0.4), 1.0, 0.4),
        (Disturbance::Blanked, 0.0, 0.0),
        (Disturbance::Refocus { blur_px: 1e-9, magnification: 1.0 }, 1.0, 1.0),
    ];
    for (disturbance, brightness, structure) in all {
        let scene = with(disturbance);
        for frame in [4, 8] {
            assert_eq!(seen(&scene, frame), before, "{disturbance:?} acts on frame {frame}");
        }
        let image = seen(&scene, 6);
        near(mean(&image), brightness * mean(&sharp), 0.01, &format!("mean, {disturbance:?}"));
        let found = deviation(&image);
        near(found, structure * deviation(&sharp), 0.002, &format!("deviation, {disturbance:?}"));
    }
    let blurred = with(Disturbance::Refocus { blur_px: 4.0, magnification: 1.02 });
    assert!(deviation(&seen(&blurred, 6)) < 0.6 * deviation(&sharp), "nothing was blurred");
    near(blurred.truth(6).scale, 1.02, 1e-12, "magnification");
    near(blurred.truth(8).scale, 1.0, 0.0, "magnification afterwards");
}

#[test]
fn a_jump_is_in_the_truth_and_in_the_frame_and_stays() {
    let jump = during(5, 6, Disturbance::Jump { x: 7.0, y: -3.0 });
    let scene = Scene::new(SceneConfig { events: jump, ..textured() });
    let (before, after) = (seen(&scene, 4), seen(&scene, 9));
    assert_eq!(scene.truth(4).drift, (0.0, 0.0));
    assert_eq!(scene.truth(9).drift, (7.0, -3.0));
    let moved = (3..160).flat_map(|y| (0..193).map(move |x| (x, y)));
    for (x, y) in moved {
        near(after[(y - 3) * 200 + x + 7], before[y * 200 + x], 1e-4, "a pixel that jumped");
    }
}

#[test]
fn rows_of_a_noisy_scan_differ_as_told() {
    let noise = Disturbance::ScanNoise { jitter_px: 0.8, streak: 0.05 };
    let scene = Scene::new(SceneConfig { events: during(0, 9, noise), crack: true, ..empty() });
    let (mut displaced, mut brighter) = (Vec::new(), Vec::new());
    for frame in 0..6 {
        let truth = scene.truth(frame);
        for (y, row) in seen(&scene, frame).chunks_exact(200).enumerate() {
            // Far from the crack a row shows its own brightness.
            let streak = mean(&row[..60]);
            brighter.push(streak);
            let even: Vec<f64> = row.iter().map(|v| v / streak).collect();
            if let Some(x) = missing_at(&even) {
                displaced.push(x - truth.crack_centre[y - scene.layout.crack_region.y]);
            }
        }
    }
    near(deviation(&displaced), 0.8, 0.08, "jitter");
    near(deviation(&brighter), 0.05, 0.005, "streaks");
}

#[test]
fn a_flash_saturates_a_part_and_a_shadow_crosses() {
    let clipped = SceneConfig { saturation_counts: Some(400.0), ..textured() };
    let scene =
        Scene::new(SceneConfig { events: during(5, 7, Disturbance::Flash), ..clipped.clone() });
    let saturated = |frame| counts(&scene, frame).iter().filter(|v| **v >= 400).count() as f64;
    assert_eq!(saturated(4), 0.0);
    let share = saturated(5) / 32_000.0;
    assert!((0.05..0.4).contains(&share), "{share} of the field is saturated");
    assert_eq!(counts(&scene, 5).iter().max(), Some(&400));

    let scene = Scene::new(SceneConfig { events: during(5, 36, Disturbance::Shadow), ..empty() });
    let darkest = |frame| {
        let image = seen(&scene, frame);
        let at = (0..image.len()).min_by(|a, b| image[*a].total_cmp(&image[*b]));
        let at = at.expect("a frame has pixels");
        ((at % 200) as f64, image[at])
    };
    near(mean(&seen(&scene, 4)), 1.0, 1e-6, "before the shadow");
    near(darkest(20).1, 0.3, 0.01, "the shadow's depth");
    // Half way in time is the middle of the field.
    near(darkest(20).0, 100.0, 1.0, "the shadow in the middle");
    assert!(darkest(15).0 < 80.0 && darkest(25).0 > 120.0, "it does not cross");
}

#[test]
fn contamination_darkens_grows_and_stays() {
    let dirt = Disturbance::Contamination { per_frame: 0.01 };
    let scene = Scene::new(SceneConfig { events: during(5, 30, dirt), ..empty() });
    let at = |frame| mean(&seen(&scene, frame));
    near(at(4), 1.0, 1e-6, "before");
    let means: Vec<f64> = [5, 12, 20, 29].map(at).to_vec();
    assert!(means.windows(2).all(|pair| pair[1] < pair[0] - 0.03), "it does not grow: {means:?}");
    near(at(39), at(29), 1e-9, "afterwards");
    assert!(deviation(&seen(&scene, 29)) > 0.05, "there are no patches");
    let brightest = seen(&scene, 29).into_iter().fold(0.0, f64::max);
    near(brightest, (-0.25f64).exp(), 0.01, "even darkening");
}

#[test]
fn pixels_that_differ_stay_with_the_camera() {
    let config = SceneConfig {
        dead_share: 0.01,
        hot_share: 0.02,
        pattern: 0.1,
        saturation_counts: Some(1000.0),
        drift_velocity_px: (3.0, 0.0),
        ..empty()
    };
    let scene = Scene::new(config);
    let (first, later) = (counts(&scene, 0), counts(&scene, 9));
    let share = |test: &dyn Fn(u16) -> bool| {
        let both = first.iter().zip(&later).filter(|(a, b)| test(**a) && test(**b)).count();
        both as f64 / 32_000.0
    };
    near(share(&|v| v == 1000), 0.02, 0.003, "hot");
    near(share(&|v| (97..=103).contains(&v)), 0.01, 0.003, "dead");
    let alive = |image: Vec<f64>| -> Vec<f64> {
        image.into_iter().filter(|v| *v > 0.01 && *v < 10.0).collect()
    };
    near(deviation(&alive(seen(&scene, 0))), 0.1, 0.005, "the pattern");
    assert_eq!(alive(seen(&scene, 0)), alive(seen(&scene, 9)), "the pattern drifts");
}

#[test]
fn particles_cover_their_share_and_ignore_the_drift() {
    let config = SceneConfig { particles: 12, particle_cover: 0.1, ..empty() };
    let still = Scene::new(config.clone());
    let drifting = Scene::new(SceneConfig { drift_velocity_px: (2.0, 1.0), ..config });
    let (first, later) = (seen(&still, 0), seen(&still, 20));
    let cover = first.iter().filter(|v| (**v - 1.0).abs() > 0.07).count() as f64 / 32_000.0;
    near(cover, 0.1, 0.04, "cover");
    assert!(first.iter().any(|v| *v > 1.1) && first.iter().any(|v| *v < 0.9), "one contrast only");
    assert_eq!(later, seen(&drifting, 20), "particles drift with the specimen");
    let differs =
        |a: &[f64], b: &[f64]| a.iter().zip(b).filter(|(a, b)| (*a - *b).abs() > 0.05).count();
    assert!(differs(&first, &later) > 500, "they do not move");
    // Half a pixel a frame is the most: between two frames only edges change, and by little.
    let step = first.iter().zip(&seen(&still, 1)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(step < 0.12, "something moved too fast: {step}");
}

#[test]
fn a_body_of_lithium_takes_its_share_and_its_texture_along() {
    let config = SceneConfig { front_cover: Some(0.4), front: true, frames: 100, ..empty() };
    let scene = Scene::new(config.clone());
    let cover =
        |frame| seen(&scene, frame).iter().filter(|v| **v < 0.825).count() as f64 / 32_000.0;
    near(cover(0), 0.1, 0.01, "cover at first");
    near(cover(99), 0.4, 0.01, "cover by the end");
    let truth = scene.truth(60);
    let top = scene.layout.front_region.y;
    let image = seen(&scene, 60);
    for (k, edge) in truth.front.iter().enumerate() {
        let row = &image[(top + k) * 200..][..200];
        // What is dark in a row, in units of full depth, is as long as the front is far.
        let dark = row.iter().map(|v| (1.0 - v) / 0.35).sum::<f64>();
        near(dark - 0.5, *edge, 0.05, &format!("the front in row {k}"));
    }
    // 20 frames advance it by 0.06 of 200 px.
    let scene = Scene::new(SceneConfig { contrast: 0.12, ..config });
    let (before, after) = (seen(&scene, 50), seen(&scene, 70));
    for y in 0..160 {
        for x in 0..30 {
            near(after[y * 200 + x + 12], before[y * 200 + x], 1e-4, "lithium that advanced");
        }
    }
}

#[test]
fn a_lattice_repeats_and_its_ground_does_not() {
    let config =
        SceneConfig { specimen: Specimen::Lattice, contrast: 0.2, lattice_px: 10.0, ..empty() };
    let image = seen(&Scene::new(config), 0);
    near(deviation(&image), 0.2, 0.04, "contrast");
    // Lattice points are 10 / sin 60° apart; along the best direction the image repeats.
    let apart = 10.0 / 60f64.to_radians().sin();
    let alike = |angle: f64, length: f64| {
        let (dx, dy) =
            ((length * angle.cos()).round() as usize, (length * angle.sin()).round() as usize);
        let (mut sum, mut count) = (0.0, 0.0);
        for y in 0..160 - dy {
            for x in 0..200 - dx {
                sum += (image[y * 200 + x] - 1.0) * (image[(y + dy) * 200 + x + dx] - 1.0);
                count += 1.0;
            }
        }
        sum / count / 0.04
    };
    let best = |length: f64| {
        (0..90).map(|k| alike(f64::from(k).to_radians(), length)).fold(f64::NEG_INFINITY, f64::max)
    };
    assert!(best(apart) > 0.8, "not periodic: {}", best(apart));
    assert!(best(0.5 * apart) < 0.5, "another period: {}", best(0.5 * apart));
}

#[test]
fn a_long_drift_does_not_run_out_of_specimen() {
    let config = SceneConfig { frames: 400, drift_velocity_px: (-5.0, 3.0), ..textured() };
    let scene = Scene::new(config);
    let (first, last) = (deviation(&seen(&scene, 0)), deviation(&seen(&scene, 399)));
    near(last, first, 0.3 * first, "texture at the end");
}

#[test]
fn everything_at_once_has_the_same_bits_again() {
    let event = |disturbance| Event { from: 1, until: 9, disturbance };
    let config = SceneConfig {
        events: vec![
            event(Disturbance::Refocus { blur_px: 1.0, magnification: 1.02 }),
            event(Disturbance::Contamination { per_frame: 0.01 }),
            event(Disturbance::ScanNoise { jitter_px: 0.5, streak: 0.05 }),
            event(Disturbance::Jump { x: 4.0, y: 2.0 }),
            event(Disturbance::Flash),
            event(Disturbance::Shadow),
        ],
        particles: 5,
        front_cover: Some(0.4),
        crack: true,
        scan: Some(Scan { line_time_s: 1e-4 }),
        rotation_step_rad: 1e-3,
        scale_step: 1e-3,
        drift_step_px: 0.5,
        pattern: 0.05,
        hot_share: 0.001,
        ..textured()
    };
    let (a, b) = (Scene::new(config.clone()), Scene::new(config));
    let _ = counts(&a, 2);
    assert_eq!(counts(&a, 7), counts(&b, 7));
}

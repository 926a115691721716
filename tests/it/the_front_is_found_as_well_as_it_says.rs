//! The front gauge behind the whole pipeline: its errors are those that it gives, it sees when lithium
//! folds over itself, and what is no growth is not read as growth.

use crate::scenes::{Kept, configuration, rms, run, run_scene};
use liwatch::frame::Calibration;
use liwatch::gauge::registry;
use liwatch::simulate::{
    Disturbance, Event, FrontLook, FrontShape, Scene, SceneConfig, SceneRecording, Specimen,
};
use std::sync::Arc;

/// By this frame the texture has been learned, and hints tell it.
const LEARNED: usize = 44;

fn scene(shape: FrontShape, contrast: f64) -> SceneConfig {
    SceneConfig {
        width: 384,
        height: 384,
        frames: 80,
        dose_counts_per_px: 40.0,
        contrast,
        jumps: 0,
        crack: false,
        front_look: FrontLook { shape, ..FrontLook::default() },
        ..SceneConfig::default()
    }
}

/// One column of the front with its errors, px and s.
fn column(scene: &Scene, kept: &Kept, name: &str) -> Vec<(f64, f64)> {
    let config = configuration(scene);
    let entry = &config.gauges[0];
    let kind = registry::find(&entry.kind).expect("a front");
    let gauge = (kind.build)(entry, 16).expect("the entry is right");
    let fields = &gauge.schema().fields;
    let at = fields.iter().position(|field| field.name == name).expect("a column of the front");
    let pixel = scene.config.pixel_size_nm;
    let unit = Calibration { pixel_size_nm: Some((pixel, pixel)) }.factor(fields[at].dimension);
    let values = kept.rows.iter().map(|row| &row.gauges[0]);
    values.map(|front| (front.values[at] / unit, front.errors[at] / unit)).collect()
}

fn mean_front(scene: &Scene, index: usize) -> f64 {
    let front = scene.truth(index).front;
    front.iter().sum::<f64>() / front.len() as f64 - scene.layout.front_region.x as f64
}

/// Share of the lines with an edge that err by more than 3 px.
fn share_gross(scene: &Scene, kept: &Kept, frames: std::ops::Range<usize>) -> f64 {
    let pixel = scene.config.pixel_size_nm;
    let start = scene.layout.front_region.x as f64;
    let (mut gross, mut all) = (0u32, 0u32);
    for index in frames {
        let truth = scene.truth(index).front;
        let lines = kept.rows[index].gauges[0].arrays[0].iter().zip(&truth);
        for (found, truth) in lines.filter(|(found, _)| found.is_finite()) {
            let off = f64::from(*found) / pixel + start - truth;
            gross += u32::from(off.abs() > 3.0);
            all += 1;
        }
    }
    f64::from(gross) / f64::from(all)
}

#[test]
fn errors_are_as_large_as_they_say_on_texture() {
    let (scene, kept) = run_scene(scene(FrontShape::Rough, 0.12), 2);
    let pixel = scene.config.pixel_size_nm;
    let start = scene.layout.front_region.x as f64;
    let (mut pulls, mut gross) = (Vec::new(), 0);
    for (index, row) in kept.rows.iter().enumerate().skip(LEARNED) {
        let front = &row.gauges[0];
        let lines = front.arrays[0].iter().zip(&front.array_errors[0]);
        for ((found, sigma), truth) in lines.zip(&scene.truth(index).front) {
            let error = f64::from(*found) / pixel + start - truth;
            if error.is_finite() {
                pulls.push(error / (f64::from(*sigma) / pixel));
                gross += usize::from(error.abs() > 3.0);
            }
        }
    }
    let pull = rms(pulls.iter().copied());
    assert!((0.6..1.6).contains(&pull), "lines err by {pull:.2} of their sigma");
    let share = gross as f64 / pulls.len() as f64;
    assert!(share < 0.005, "{:.2} % of lines err by more than 3 px", 100.0 * share);
    let folded = column(&scene, &kept, "by_region").iter().filter(|c| c.0 == 1.0).count();
    assert!(folded <= 4, "a front that does not fold is said to do so in {folded} frames");
    let position = column(&scene, &kept, "position");
    let pull = rms(position
        .iter()
        .enumerate()
        .skip(LEARNED)
        .map(|(k, p)| (p.0 - mean_front(&scene, k)) / p.1));
    assert!((0.3..1.8).contains(&pull), "the position errs by {pull:.2} of its sigma");
}

#[test]
fn a_dendrite_that_folds_over_is_measured_by_its_region() {
    let (scene, kept) = run_scene(scene(FrontShape::Overhang, 0.12), 2);
    let by_region = column(&scene, &kept, "by_region");
    let folded = by_region.iter().rev().take(16).filter(|column| column.0 == 1.0).count();
    assert!(folded >= 12, "seen to fold in {folded} of the last 16 frames");
    let region = scene.layout.front_region;
    let area = |index: usize| -> f64 {
        let pixels = (0..region.width * region.height).map(|k| {
            let (x, y) = (region.x + k % region.width, region.y + k / region.width);
            (scene.lithium_depth(index, (x as f64, y as f64)) + 0.5).clamp(0.0, 1.0)
        });
        pixels.sum()
    };
    let first = area(0);
    let found = column(&scene, &kept, "area");
    let measured: Vec<f64> = (64..80)
        .filter(|index| found[*index].0.is_finite())
        .map(|index| found[index].0 / (area(index) - first) - 1.0)
        .collect();
    assert!(measured.len() >= 8, "area in {} of 16 frames", measured.len());
    assert!(rms(measured.iter().copied()) < 0.04, "area errs by {measured:.3?}");
}

#[test]
fn a_flash_and_a_shadow_are_no_growth() {
    for disturbance in [Disturbance::Flash, Disturbance::Shadow] {
        let mut config = scene(FrontShape::Rough, 0.12);
        config.events.push(Event { from: 40, until: 56, disturbance });
        let (scene, kept) = run_scene(config, 2);
        for (index, (found, sigma)) in column(&scene, &kept, "position").into_iter().enumerate() {
            let off = (found - mean_front(&scene, index)).abs();
            assert!(
                !(off > 1.0 && off > 5.0 * sigma),
                "{disturbance:?}: frame {index} is off by {off:.2} ± {sigma:.2} px"
            );
        }
    }
}

#[test]
fn a_specimen_without_a_front_has_none() {
    let textured = SceneConfig { front: false, ..scene(FrontShape::Rough, 0.12) };
    // A dark rectangle lies at the starting edge.
    let rectangles = SceneConfig {
        width: 512,
        height: 512,
        seed: 3,
        dose_counts_per_px: 1000.0,
        specimen: Specimen::Edges,
        ..textured.clone()
    };
    for bare in [textured, rectangles] {
        let settings = configuration(&Scene::new(SceneConfig { front: true, ..bare.clone() }));
        let bare = SceneConfig { frames: 30, ..bare };
        let kept = run(Arc::new(SceneRecording::new(Scene::new(bare))), settings, None, 2);
        let reported = kept.rows.iter().filter(|row| row.gauges[0].values[0].is_finite()).count();
        assert_eq!(reported, 0, "frames that report a front");
        assert!(kept.alarms.is_empty(), "{:?}", kept.alarms);
    }
}

#[test]
fn particles_that_drift_over_the_front_hardly_move_it() {
    let mut config = scene(FrontShape::Rough, 0.06);
    (config.frames, config.particles, config.particle_cover) = (140, 40, 0.05);
    let (scene, kept) = run_scene(config, 2);
    let share = share_gross(&scene, &kept, LEARNED..140);
    let position = column(&scene, &kept, "position");
    let off = position.iter().enumerate().skip(LEARNED);
    let off: Vec<f64> = off.map(|(k, p)| (p.0 - mean_front(&scene, k)).abs()).collect();
    let off = crate::scenes::median(off);
    println!("{:.2} % of lines err by more than 3 px, the position by {off:.3} px", 100.0 * share);
    assert!(share < 0.05, "{:.2} % of lines err by more than 3 px", 100.0 * share);
    assert!(off < 0.5, "the position is off by {off:.3} px");
}

#[test]
fn a_front_among_particles_is_not_lost_for_good() {
    // At many counts the errors of the first frames are those of the particles that lie over the front, and what is
    // expected after them errs by many px.
    let config = SceneConfig {
        width: 512,
        height: 512,
        frames: 120,
        seed: 8,
        dose_counts_per_px: 1000.0,
        contrast: 0.06,
        jumps: 0,
        crack: false,
        particles: 40,
        particle_cover: 0.05,
        ..SceneConfig::default()
    };
    let (scene, kept) = run_scene(config, 2);
    let position = column(&scene, &kept, "position");
    let found = position.iter().filter(|position| position.0.is_finite()).count();
    assert!(found >= 110, "a position in {found} of 120 frames");
}

#[test]
fn a_particle_that_touches_the_front_from_the_start_is_no_lithium() {
    // As dark as lithium, it is like a finger until the front has come beneath it.
    let config = SceneConfig {
        width: 512,
        height: 512,
        frames: 80,
        seed: 6,
        dose_counts_per_px: 10.0,
        contrast: 0.06,
        jumps: 0,
        crack: false,
        particles: 40,
        particle_cover: 0.05,
        front_look: FrontLook { shape: FrontShape::Rough, ..FrontLook::default() },
        ..SceneConfig::default()
    };
    let (scene, kept) = run_scene(config, 2);
    let gross = share_gross(&scene, &kept, 0..80);
    println!("{:.2} % of lines err by more than 3 px", 100.0 * gross);
    assert!(gross < 0.01, "{:.2} % of lines err by more than 3 px", 100.0 * gross);
    let start = scene.layout.front_region.x as f64;
    // Until it lies over the front for sure.
    for (index, (tip, sigma)) in column(&scene, &kept, "tip").into_iter().enumerate().take(40) {
        let off = tip + start - scene.truth(index).front.iter().copied().fold(0.0, f64::max);
        assert!(off.abs() < 3.0 + 5.0 * sigma, "frame {index}: off by {off:.1} ± {sigma:.1} px");
    }
}

/// A finger that breaks out of the front at once, and grows by 3 px a frame.
fn breaks_out(dose_counts_per_px: f64, contrast: f64) -> SceneConfig {
    SceneConfig {
        width: 512,
        height: 512,
        frames: 120,
        dose_counts_per_px,
        contrast,
        jumps: 0,
        crack: false,
        front_look: FrontLook { shape: FrontShape::Overhang, ..FrontLook::default() },
        ..SceneConfig::default()
    }
}

#[test]
fn a_finger_that_leaves_the_front_has_corners_at_its_foot() {
    // A smooth curve through it cuts its corners by up to 15 px.
    let (scene, kept) = run_scene(breaks_out(10.0, 0.05), 2);
    let [first, later] = [4..20, 20..120].map(|frames| share_gross(&scene, &kept, frames));
    println!("{:.2} % of lines err by more than 3 px, {:.2} % later", 100.0 * first, 100.0 * later);
    assert!(first < 0.02, "{:.2} % of lines err by more than 3 px at first", 100.0 * first);
    assert!(later < 0.01, "{:.2} % of lines err by more than 3 px later", 100.0 * later);
}

#[test]
fn lines_that_may_be_elsewhere_are_not_told_at_two_counts() {
    // The pixels of one line say where it is to 4 px: those of many, whether they are elsewhere together.
    let (scene, kept) = run_scene(breaks_out(2.0, 0.12), 2);
    let gross = share_gross(&scene, &kept, 4..120);
    let lines = kept.rows.iter().flat_map(|row| &row.gauges[0].arrays[0]);
    let told = lines.clone().filter(|at| at.is_finite()).count() as f64 / lines.count() as f64;
    println!("{:.2} % of {:.0} % of lines err by more than 3 px", 100.0 * gross, 100.0 * told);
    assert!(gross < 0.01, "{:.2} % of lines err by more than 3 px", 100.0 * gross);
    assert!(told > 0.5, "{:.0} % of the lines are told", 100.0 * told);
}

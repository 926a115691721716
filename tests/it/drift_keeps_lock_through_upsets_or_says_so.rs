//! What goes wrong in a microscope must cost frames, never numbers: whatever is locked stands where
//! the truth says. `cargo bench --bench upsets` does the same with more scenes and doses.

use liwatch::frame::Image;
use liwatch::register::{Drift, Sequence, Settings, StaticMask};
use liwatch::simulate::{Disturbance, Event, Scene, SceneConfig, Specimen};

const SIZE: usize = 384;
const FRAMES: usize = 90;
/// When it happens.
const AT: usize = 45;

fn config() -> SceneConfig {
    SceneConfig {
        width: SIZE,
        height: SIZE,
        frames: FRAMES,
        dose_counts_per_px: 60.0,
        jumps: 0,
        front: false,
        crack: false,
        ..SceneConfig::default()
    }
}

fn with(until: usize, disturbance: Disturbance) -> SceneConfig {
    SceneConfig { events: vec![Event { from: AT, until, disturbance }], ..config() }
}

/// Each frame's drift, and its distance from the truth.
fn follow(scene: &Scene) -> Vec<(Drift, f64)> {
    let mut frame = Image::zeros_u16(0, 0);
    scene.render(0, &mut frame);
    let mask = StaticMask::new(SIZE, SIZE, &[]);
    let settings = Settings { max_shift_px: SIZE as f64 / 2.0, ..Settings::default() };
    let mut sequence = Sequence::new(&frame, mask, scene.config.camera, settings);
    (1..scene.config.frames)
        .map(|index| {
            scene.render(index, &mut frame);
            let drift = sequence.push(&frame);
            let truth = scene.truth(index).drift;
            (drift, (drift.x - truth.0).hypot(drift.y - truth.1))
        })
        .collect()
}

/// Nothing that is locked is wrong, and the lock is back `within` frames of frame `from`.
fn holds(name: &str, config: SceneConfig, from: usize, within: usize) {
    let found = follow(&Scene::new(config));
    for (k, (drift, off)) in found.iter().enumerate().filter(|(_, (drift, _))| drift.locked) {
        let sigma = drift.x_error.hypot(drift.y_error);
        assert!(
            *off < 0.3 + 8.0 * sigma,
            "{name}, frame {}: locked {off} px from the truth: {drift:?}",
            k + 1
        );
    }
    let locked = |frame: usize| found[frame - 1].0.locked;
    assert!((1..AT).all(locked), "{name}: a frame before the upset is not locked");
    let back = (from..FRAMES).position(locked);
    let back = back.unwrap_or(FRAMES);
    assert!(back <= within, "{name}: lock is back after {back} frames");
}

#[test]
fn jumps_and_focus() {
    let third = SIZE as f64 / 3.0;
    let jump = Disturbance::Jump { x: third + 0.3, y: -third + 0.4 };
    holds("jump by a third", with(usize::MAX, jump), AT, 3);
    let refocus = Disturbance::Refocus { blur_px: 1.2, magnification: 1.02 };
    holds("refocus", with(usize::MAX, refocus), AT, 3);
}

#[test]
fn beam_and_camera() {
    holds("contrast doubled", with(usize::MAX, Disturbance::Contrast(2.0)), AT, 3);
    holds("brightness halved", with(usize::MAX, Disturbance::Brightness(0.5)), AT, 3);
    holds("blanked beam", with(AT + 8, Disturbance::Blanked), AT + 8, 3);
    holds("flash", with(AT + 4, Disturbance::Flash), AT + 4, 3);
    let broken = SceneConfig { dead_share: 1e-3, hot_share: 1e-3, ..config() };
    holds("dead and hot pixels", broken, AT, 0);
}

#[test]
fn lattices() {
    // Far away, with half of the field in view, two places may be as good: then it is not locked.
    for (x, within) in [(12.0, 20), (SIZE as f64 / 3.0, FRAMES)] {
        let jumped = with(usize::MAX, Disturbance::Jump { x, y: 3.0 });
        let lattice =
            SceneConfig { specimen: Specimen::Lattice, dose_counts_per_px: 100.0, ..jumped };
        holds(&format!("lattice, jump by {x} px"), lattice, AT, within);
    }
}

#[test]
fn things_that_move_by_themselves() {
    let front = SceneConfig { front_cover: Some(0.4), ..config() };
    holds("front over 40 % of the field", front, AT, 0);
    let particles = SceneConfig { particles: 30, particle_cover: 0.1, ..config() };
    holds("particles", particles, AT, 0);
}

#[test]
fn keyframes_keep_the_coordinates() {
    const EVERY: usize = 90;
    let frames = 8 * EVERY;
    let events = (1..8).step_by(2).map(|k| Event {
        from: k * EVERY,
        until: (k + 1) * EVERY,
        disturbance: Disturbance::Contrast(1.7),
    });
    let scene = Scene::new(SceneConfig {
        frames,
        dose_counts_per_px: 100.0,
        events: events.collect(),
        ..config()
    });
    let found = follow(&scene);
    let keyframes = found.iter().map(|(drift, _)| drift.keyframe).max().unwrap_or(0);
    assert!((6..=8).contains(&keyframes), "{keyframes} keyframes were begun");
    let mean = |from: usize| {
        let part: Vec<_> = (from..from + 30)
            .map(|k| {
                let (drift, truth) = (found[k - 1].0, scene.truth(k).drift);
                (drift.x - truth.0, drift.y - truth.1)
            })
            .collect();
        part.iter().fold((0.0, 0.0), |sum, e| (sum.0 + e.0 / 30.0, sum.1 + e.1 / 30.0))
    };
    let (first, last) = (mean(25), mean(frames - 30));
    let off = (last.0 - first.0).hypot(last.1 - first.1);
    println!("{keyframes} keyframes: the loop closes to {off:.4} px");
    assert!(off < 0.03, "after {keyframes} keyframes the loop is open by {off} px");
}

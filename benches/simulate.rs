//! How long the simulator takes for a frame of 1024², on one thread: the scene without noise, and
//! with the camera. `cargo bench --bench simulate`

use std::time::{Duration, Instant};

use liwatch::frame::Image;
use liwatch::simulate::{Disturbance, Event, Scan, Scene, SceneConfig, Specimen};

fn main() {
    let usual = || SceneConfig { width: 1024, height: 1024, ..SceneConfig::default() };
    let event = |disturbance| SceneConfig {
        events: vec![Event { from: 0, until: 200, disturbance }],
        ..usual()
    };
    let scan = Some(Scan { line_time_s: 4e-5 });
    let scenes = [
        ("textured", usual()),
        ("sparse", SceneConfig { specimen: Specimen::Sparse, ..usual() }),
        ("edges", SceneConfig { specimen: Specimen::Edges, ..usual() }),
        ("lattice", SceneConfig { specimen: Specimen::Lattice, ..usual() }),
        ("scanned", SceneConfig { scan, ..usual() }),
        ("turning", SceneConfig { rotation_velocity_rad: 1e-3, ..usual() }),
        ("turning, scanned", SceneConfig { rotation_velocity_rad: 1e-3, scan, ..usual() }),
        ("lithium over 40 %", SceneConfig { front_cover: Some(0.4), ..usual() }),
        ("60 particles", SceneConfig { particles: 60, particle_cover: 0.2, ..usual() }),
        ("flash", event(Disturbance::Flash)),
        ("contamination", event(Disturbance::Contamination { per_frame: 0.01 })),
        ("refocus", event(Disturbance::Refocus { blur_px: 2.0, magnification: 1.0 })),
    ];
    for (name, config) in scenes {
        let scene = Scene::new(config);
        let (mut expected, mut image) = (Vec::new(), Image::zeros_u16(0, 0));
        let clean = best(|frame| scene.expected(frame, &mut expected));
        let counted = best(|frame| scene.render(frame, &mut image));
        println!(
            "{name:<20} without noise {:>7.1} ms   with the camera {:>7.1} ms",
            1e3 * clean.as_secs_f64(),
            1e3 * counted.as_secs_f64()
        );
    }
}

/// The shortest of ten frames.
fn best(mut work: impl FnMut(usize)) -> Duration {
    let times = (10..20).map(|frame| {
        let before = Instant::now();
        work(frame);
        before.elapsed()
    });
    times.min().unwrap_or_default()
}

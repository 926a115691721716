//! The time of one observation of 800 lines, beside one read of the frame's memory.

use std::time::Duration;

use liwatch::simulate::{Scene, SceneConfig, configuration};

use super::common::{print_line, read_once};
use super::run::{Run, base};

pub fn table() {
    let config = SceneConfig {
        width: 1024,
        height: 1024,
        frames: 48,
        front_cover: Some(0.5),
        contrast: 0.12,
        ..base(20.0)
    };
    let scene = Scene::new(config);
    let text = configuration(&scene);
    let region = format!("region = {}", scene.layout.front_region);
    let text = text.replace(&region, "region = [60, 112, 600, 800]");
    let Some(mut run) = Run::configured(scene, &text) else { return };
    let mut times = Vec::new();
    for index in 0..48 {
        let before = run.spent_s;
        run.measure(index, 0.0);
        // Textures have been learned by then, and hints are those of a front that is followed.
        if index >= 26 {
            times.push(Duration::from_secs_f64(run.spent_s - before));
        }
    }
    times.sort();
    let read = read_once(&run.frame);
    println!();
    print_line("one read of the frame", 1024, read, read);
    print_line("front, 800 lines, median", 1024, times[times.len() / 2], read);
    print_line("... with its area", 1024, times[times.len() * 9 / 10], read);
}

//! The time of one observation of 800 lines, beside one read of the frame's memory: of a front that follows its
//! prediction, and of one so fast that windows are wide and its area is looked at in every frame.

use std::time::Duration;

use liwatch::simulate::{Scene, SceneConfig, configuration};

use super::common::{print_line, read_once};
use super::run::{Run, base};

const FRAMES: usize = 48;
/// It grows through the region in so many frames: by 0.8 and by 8 px a frame.
const SLOW: usize = 480;
const FAST: usize = 48;
/// Textures have been learned by then, and hints are those of a front that is followed.
const SETTLED: usize = 26;

pub fn table() {
    println!();
    for (name, grows_in) in [("front, 800 lines", SLOW), ("... that is fast", FAST)] {
        let Some((times, read)) = times(grows_in) else { return };
        if grows_in == SLOW {
            print_line("one read of the frame", 1024, read, read);
        }
        print_line(name, 1024, times[times.len() / 2], read);
        print_line("... 90 %", 1024, times[times.len() * 9 / 10], read);
    }
}

/// Sorted times of the settled frames, and that of one read of a frame.
fn times(grows_in: usize) -> Option<(Vec<Duration>, Duration)> {
    let config = SceneConfig {
        width: 1024,
        height: 1024,
        frames: grows_in,
        front_cover: Some(0.5),
        contrast: 0.12,
        ..base(20.0)
    };
    let scene = Scene::new(config);
    let text = configuration(&scene);
    let region = format!("region = {}", scene.layout.front_region);
    let text = text.replace(&region, "region = [60, 112, 600, 800]");
    let mut run = Run::configured(scene, &text)?;
    let mut times = Vec::new();
    for index in 0..FRAMES {
        let before = run.spent_s;
        run.measure(index, 0.0);
        if index >= SETTLED {
            times.push(Duration::from_secs_f64(run.spent_s - before));
        }
    }
    times.sort();
    Some((times, read_once(&run.frame)))
}

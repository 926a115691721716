//! The crack gauge behind the whole pipeline, on a textured specimen that drifts: the crack opens,
//! propagates and branches while it is watched.

use crate::scenes::{Kept, median, run};
use liwatch::config::Config;
use liwatch::frame::Calibration;
use liwatch::gauge::{Schema, registry};
use liwatch::simulate::{Fissure, Scene, SceneConfig, SceneRecording};
use std::sync::Arc;

const SIZE: usize = 320;
/// By this frame the crack has been found, and hints tell it.
const LEARNED: usize = 40;

/// A crack that opens to 7 px at its mouth while it grows to its whole length.
fn growing(path: Vec<(f64, f64)>) -> Fissure {
    Fissure { even: false, grown: 0.45, opened: 0.5, ..Fissure::still(path, 7.0) }
}

struct Watched {
    scene: Scene,
    kept: Kept,
    schema: Schema,
}

fn watch(fissures: Vec<Fissure>, seed: u64) -> Watched {
    let config = SceneConfig {
        width: SIZE,
        height: SIZE,
        frames: 140,
        seed,
        dose_counts_per_px: 50.0,
        contrast: 0.12,
        front: false,
        crack: false,
        fissures,
        ..SceneConfig::default()
    };
    let scene = Scene::new(config.clone());
    let text = liwatch::simulate::configuration(&scene)
        + "\n[[gauge]]\nkind = \"crack\"\nname = \"c\"\nregion = [30, 30, 260, 260]\n\
           contrast = \"dark\"\n";
    let settings = Config::parse(&text, std::path::Path::new("crack.toml")).expect("it is right");
    let kind = registry::find("crack").expect("a crack");
    let gauge = (kind.build)(&settings.gauges[0], 16).expect("the entry is right");
    let schema = gauge.schema().clone();
    let kept = run(Arc::new(SceneRecording::new(Scene::new(config))), settings, None, 2);
    Watched { scene, kept, schema }
}

impl Watched {
    /// One number of a frame with its one sigma, px and frames.
    fn number(&self, index: usize, name: &str) -> (f64, f64) {
        let at = self.schema.fields.iter().position(|field| field.name == name);
        let at = at.expect("a column of the crack");
        let pixel = self.scene.config.pixel_size_nm;
        let calibration = Calibration { pixel_size_nm: Some((pixel, pixel)) };
        let unit = calibration.factor(self.schema.fields[at].dimension);
        let crack = &self.kept.rows[index].gauges[0];
        (crack.values[at] / unit, crack.errors[at] / unit)
    }

    fn time(&self, index: usize) -> f64 {
        index as f64 / self.scene.config.frames as f64
    }

    fn late(&self) -> std::ops::Range<usize> {
        LEARNED..self.scene.config.frames
    }
}

#[test]
fn its_length_tip_and_rate_are_those_of_the_truth() {
    let course = vec![(80.0, 60.0), (130.0, 150.0), (150.0, 190.0), (240.0, 250.0)];
    let watched = watch(vec![growing(course)], 41);
    let fissure = &watched.scene.config.fissures[0];
    let frames = watched.scene.config.frames as f64;
    let rate_hz = watched.scene.config.frame_rate_hz;
    let (mut lengths, mut tips, mut rates, mut pulls) = (vec![], vec![], vec![], vec![]);
    for index in watched.late() {
        let truth = fissure.length(watched.time(index));
        let (length, sigma) = watched.number(index, "length");
        lengths.push((length - truth).abs());
        pulls.push((length - truth).abs() / sigma);
        let at = fissure.point(truth);
        let (x, y) = (watched.number(index, "tip_x").0, watched.number(index, "tip_y").0);
        tips.push((x - at.0).hypot(y - at.1));
        rates.push(watched.number(index, "propagation_rate").0 / rate_hz);
    }
    let found = lengths.iter().filter(|off| off.is_finite()).count();
    let rate = median(rates);
    let expected = 0.55 * fissure.path_length() / frames;
    println!(
        "found in {found} of {}; length off by {:.1} px ({:.2} sigma), tip by {:.1} px; rate {rate:.2}, \
         truly {expected:.2} px/frame",
        watched.late().len(),
        median(lengths.clone()),
        median(pulls.clone()),
        median(tips.clone()),
    );
    assert!(found >= watched.late().len() * 95 / 100, "a length in {found} frames");
    assert!(median(lengths.clone()) < 8.0, "length is off by {} px", median(lengths));
    assert!(median(pulls.clone()) < 1.5, "length is off by {} sigma", median(pulls));
    assert!(median(tips.clone()) < 10.0, "tip is off by {} px", median(tips));
    assert!((rate / expected - 1.0).abs() < 0.25, "{rate} px/frame, truly {expected}");
}

#[test]
fn its_branches_add_to_the_lines_and_to_the_whole_length() {
    let main = vec![(70.0, 90.0), (150.0, 150.0), (250.0, 180.0)];
    // It leaves the crack at its second vertex and grows with it.
    let branch = vec![(150.0, 150.0), (175.0, 205.0), (180.0, 260.0)];
    let branch = Fissure { grown: 0.1, opened: 0.5, even: false, ..Fissure::still(branch, 5.0) };
    let watched = watch(vec![Fissure { grown: 0.9, ..growing(main) }, branch], 43);
    let whole = |index: usize| -> f64 {
        let fissures = &watched.scene.config.fissures;
        fissures.iter().map(|fissure| fissure.length(watched.time(index))).sum()
    };
    let last = watched.scene.config.frames - 20..watched.scene.config.frames;
    let lines = median(last.clone().map(|index| watched.number(index, "lines").0));
    let share =
        median(last.clone().map(|index| watched.number(index, "length_total").0 / whole(index)));
    let length = median(last.clone().map(|index| watched.number(index, "length").0));
    let main = watched.scene.config.fissures[0].length(1.0);
    println!(
        "{lines} lines, {:.0} % of the whole length; crack {length:.0}, truly {main:.0} px",
        100.0 * share
    );
    assert_eq!(lines, 2.0, "a crack and a branch");
    assert!((share - 1.0).abs() < 0.12, "{share} of the whole length");
    let early = watched.number(LEARNED, "length_total").0;
    let late = median(last.map(|index| watched.number(index, "length_total").0));
    assert!(late > early + 40.0, "the branch grew by {} px only", late - early);
}

//! The crack gauge behind the whole pipeline: what it knew before the beam was off, or the specimen
//! charged, it knows afterwards, and neither is read as growth.

use crate::scenes::{Kept, median, run};
use liwatch::config::Config;
use liwatch::gauge::registry;
use liwatch::simulate::{Disturbance, Event, Fissure, Scene, SceneConfig, SceneRecording};
use std::sync::Arc;

/// By this frame the crack has been found, and hints tell it.
const LEARNED: usize = 44;

fn scene(seed: u64) -> SceneConfig {
    let path = vec![(90.0, 60.0), (130.0, 150.0), (220.0, 230.0)];
    SceneConfig {
        width: 320,
        height: 320,
        frames: 90,
        seed,
        dose_counts_per_px: 50.0,
        contrast: 0.12,
        jumps: 0,
        front: false,
        crack: false,
        fissures: vec![Fissure { even: false, ..Fissure::still(path, 7.0) }],
        ..SceneConfig::default()
    }
}

/// The scene's camera, and a crack gauge.
fn settings(config: &SceneConfig) -> Config {
    let text = liwatch::simulate::configuration(&Scene::new(config.clone()))
        + "\n[[gauge]]\nkind = \"crack\"\nname = \"c\"\nregion = [40, 30, 240, 250]\n\
           contrast = \"dark\"\n";
    Config::parse(&text, std::path::Path::new("crack.toml")).expect("it is right")
}

fn measured(config: &SceneConfig) -> Kept {
    run(Arc::new(SceneRecording::new(Scene::new(config.clone()))), settings(config), None, 2)
}

/// One column of the gauge: value and one sigma of each frame, px.
fn column(config: &SceneConfig, kept: &Kept, name: &str) -> Vec<(f64, f64)> {
    let settings = settings(config);
    let kind = registry::find("crack").expect("a crack");
    let gauge = (kind.build)(&settings.gauges[0], 16).expect("the entry is right");
    let fields = &gauge.schema().fields;
    let at = fields.iter().position(|field| field.name == name).expect("a column of the crack");
    let pixel = config.pixel_size_nm;
    let calibration = liwatch::frame::Calibration { pixel_size_nm: Some((pixel, pixel)) };
    let unit = calibration.factor(fields[at].dimension);
    let rows = kept.rows.iter().map(|row| &row.gauges[0]);
    rows.map(|crack| (crack.values[at] / unit, crack.errors[at] / unit)).collect()
}

#[test]
fn what_was_known_before_a_blank_or_a_flash_is_known_after_it() {
    for disturbance in [Disturbance::Blanked, Disturbance::Flash] {
        for seed in [31, 32] {
            let mut config = scene(seed);
            config.events.push(Event { from: 56, until: 62, disturbance });
            let kept = measured(&config);
            for name in ["length", "width_mean"] {
                let all = column(&config, &kept, name);
                let before = median(all[LEARNED..56].iter().map(|seen| seen.0));
                for (index, (found, sigma)) in all.iter().enumerate().skip(56) {
                    let off = (found - before).abs();
                    assert!(
                        !(off > 4.0 * sigma),
                        "{disturbance:?}, {name}: frame {index} is off by {off:.2} ± {sigma:.2} px"
                    );
                }
                let after = all[70..].iter().filter(|seen| seen.0.is_finite()).count();
                assert!(after >= 16, "{disturbance:?}: {name} in {after} of the last 20 frames");
            }
        }
    }
}

//! The crack gauge behind the whole pipeline: it follows a tip round a bend, sees a branch leave, and
//! is not fooled by a beam that is off or a specimen that charges.

use crate::scenes::{Kept, median, rms, run};
use liwatch::config::Config;
use liwatch::gauge::registry;
use liwatch::simulate::{Disturbance, Event, Fissure, Scene, SceneConfig, SceneRecording};
use std::sync::Arc;

/// By this frame the crack has been found, and hints tell it.
const LEARNED: usize = 44;

fn scene(fissures: Vec<Fissure>, contrast: f64, seed: u64) -> SceneConfig {
    SceneConfig {
        width: 320,
        height: 320,
        frames: 90,
        seed,
        dose_counts_per_px: 50.0,
        contrast,
        jumps: 0,
        front: false,
        crack: false,
        fissures,
        ..SceneConfig::default()
    }
}

/// Bends by 40°.
fn bent(grown: f64) -> Fissure {
    let path = vec![(90.0, 60.0), (130.0, 150.0), (220.0, 230.0)];
    Fissure { even: false, grown, opened: 0.5, ..Fissure::still(path, 7.0) }
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
fn a_tip_that_goes_round_a_bend_is_followed() {
    for contrast in [0.0, 0.12] {
        let config = scene(vec![bent(0.4)], contrast, 21);
        let fissure = &config.fissures[0];
        let kept = measured(&config);
        let truth = |index: usize| fissure.length(index as f64 / config.frames as f64);
        let late = || (LEARNED..config.frames).collect::<Vec<_>>();
        let lengths = column(&config, &kept, "length");
        let known = late().into_iter().filter(|k| lengths[*k].0.is_finite()).count();
        assert!(known * 10 >= late().len() * 9, "a length in {known} of {} frames", late().len());
        let misses = |k: usize| lengths[k].0 - truth(k);
        let known: Vec<usize> = late().into_iter().filter(|k| lengths[*k].0.is_finite()).collect();
        let off = rms(known.iter().map(|k| misses(*k)));
        let pull = rms(known.iter().map(|k| misses(*k) / lengths[*k].1));
        assert!(off < 10.0, "texture {contrast}: the length is off by {off:.1} px");
        assert!(pull < 2.5, "texture {contrast}: the length errs by {pull:.2} of its sigma");
        let rates = column(&config, &kept, "propagation_rate");
        let rate = median(rates.iter().skip(LEARNED).map(|rate| rate.0)) / config.frame_rate_hz;
        let expected = 0.6 * fissure.path_length() / config.frames as f64;
        assert!((rate / expected - 1.0).abs() < 0.3, "{rate:.2} px a frame, not {expected:.2}");
        let (x, y) = (column(&config, &kept, "tip_x"), column(&config, &kept, "tip_y"));
        let off = rms(known.iter().map(|k| {
            let at = fissure.point(truth(*k));
            (x[*k].0 - at.0).hypot(y[*k].0 - at.1)
        }));
        assert!(off < 10.0, "texture {contrast}: the tip is off by {off:.1} px");
    }
}

#[test]
fn a_branch_that_leaves_is_a_line_of_its_own() {
    let branch = Fissure {
        even: false,
        grown: 0.1,
        opened: 0.5,
        ..Fissure::still(vec![(130.0, 150.0), (120.0, 255.0)], 5.0)
    };
    let config = scene(vec![bent(1.0), branch], 0.0, 23);
    let kept = measured(&config);
    let lines = column(&config, &kept, "lines");
    let (first, last) = (lines[12].0, lines[config.frames - 1].0);
    assert!((first, last) == (1.0, 2.0), "{first} and then {last} lines");
    let end = |name: &str| column(&config, &kept, name)[config.frames - 1];
    let expected: f64 = config.fissures.iter().map(Fissure::path_length).sum();
    let ((total, error), (own, own_error)) = (end("length_total"), end("length"));
    // Half an opening of the branch lies within the crack.
    assert!(
        (total - expected).abs() < 4.0 * error + 8.0,
        "{total:.0} ± {error:.0}, not {expected:.0}"
    );
    let expected = config.fissures[0].path_length();
    assert!((own - expected).abs() < 4.0 * own_error + 4.0, "{own:.0} ± {own_error:.0} px");
}

#[test]
fn what_was_known_before_a_blank_or_a_flash_is_known_after_it() {
    for disturbance in [Disturbance::Blanked, Disturbance::Flash] {
        for seed in [31, 32] {
            let mut config = scene(vec![bent(1.0)], 0.12, seed);
            config.fissures[0].opened = 1.0;
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

//! Drift of real stacks, through the whole pipeline, against what their authors found or made and
//! against independent tools: scikit-image (not whitened), OpenCV's ECC and StackReg, as
//! `benches/peers/real_stacks.py` runs them. Bounds are about twice the scatter between half-fields.

use std::path::Path;
use std::sync::Arc;

use liwatch::config::Config;
use liwatch::format::{self, Recording};
use liwatch::register::Drift;

use crate::scenes::{Kept, run};
use crate::test_data;

fn whole(path: &Path) -> Arc<dyn Recording> {
    Arc::from(format::open(path).unwrap_or_else(|e| panic!("{e}")))
}

/// The drift of each frame under a configuration.
fn drift(recording: Arc<dyn Recording>, config: &str) -> Vec<Drift> {
    let config =
        Config::parse(config, Path::new("stack.toml")).expect("the configuration is right");
    let Kept { rows, .. } = run(recording, config, None, 1);
    rows.iter().map(|row| row.drift).collect()
}

/// What is known of one frame: x, y and how far from them is still right, px.
struct Known {
    frame: usize,
    at: (f64, f64),
    within: (f64, f64),
}

fn assert_drift(name: &str, found: &[Drift], known: &[Known]) {
    for Known { frame, at, within } in known {
        let Drift { x, y, locked, quality, .. } = found[*frame];
        println!("{name}, frame {frame}: ({x:.3}, {y:.3}), known ({:.3}, {:.3})", at.0, at.1);
        assert!(locked, "{name}, frame {frame}: not locked, likeness {quality:.2}");
        assert!(
            (x - at.0).abs() <= within.0 && (y - at.1).abs() <= within.1,
            "{name}, frame {frame}: ({x:.3}, {y:.3}) px is not ({:.3} ± {:.3}, {:.3} ± {:.3})",
            at.0,
            within.0,
            at.1,
            within.1
        );
    }
}

/// The mean of DICe's displacement tables. The plate stretches along y, so that its halves part by
/// twice 0.10, 0.38 and 0.65 px: an estimate that trusts one part more than another is as right.
#[test]
fn a_plate_in_tension_moves_as_its_displacement_tables_say() {
    let Some(movies) = test_data("movies") else { return };
    let stack = whole(&movies.join("dice/tests/regression/dic_challenge_12_sorted/images"));
    let config = "[calibration]\nframe_rate_hz = 1.0\n[drift]\n\
                  exclude = [[0, 0, 34, 1040], [356, 0, 44, 1040]]";
    let known = [
        Known { frame: 1, at: (-0.10, -0.62), within: (0.05, 0.20) },
        Known { frame: 3, at: (-0.27, -2.17), within: (0.10, 0.76) },
        Known { frame: 5, at: (-0.46, -3.81), within: (0.16, 1.30) },
    ];
    assert_drift("dice_tension", &drift(stack, config), &known);
}

/// The crack's right bank alone: template matching of two windows in it gives (94, -23.5),
/// (-210, -24.5), (11.5, 46) and (61, 90.5) px, the other tools the same within 1 px. The bank turns
/// a little: half-fields scatter by up to 0.3 and 0.5 px, in the last frame by 0.5 and 0.9 px.
#[test]
fn one_bank_of_a_tearing_specimen_is_followed_over_two_hundred_pixels() {
    let Some(movies) = test_data("movies") else { return };
    let config = "[calibration]\nframe_rate_hz = 1.0\n[drift]\nmax_shift_px = 300.0\n\
                  exclude = [[0, 0, 560, 1047]]";
    let known = [
        Known { frame: 1, at: (93.5, -24.0), within: (1.0, 1.2) },
        Known { frame: 2, at: (-209.8, -24.2), within: (1.0, 1.2) },
        Known { frame: 3, at: (11.5, 45.7), within: (1.0, 1.2) },
        Known { frame: 4, at: (61.5, 90.6), within: (2.0, 2.0) },
    ];
    let found = drift(whole(&movies.join("npg_fracture")), config);
    assert_drift("npg_fracture, right bank", &found, &known);
}

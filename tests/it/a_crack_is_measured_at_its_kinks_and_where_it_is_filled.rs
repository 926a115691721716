//! The crack gauge where one profile across a straight line does not hold: at sharp kinks, and where a
//! part of the crack is filled. Openings there are as right as their errors say.

use liwatch::config::Config;
use liwatch::frame::{Image, Stamp};
use liwatch::gauge::{Sequence, View, registry};
use liwatch::register::{Drift, DriftObservation, Motion, Tracker};
use liwatch::simulate::{Fissure, Scene, SceneConfig};
use std::sync::Arc;

const SIZE: usize = 320;

/// Errors of openings at chosen places along the path, px: bias, r.m.s., and r.m.s. over one sigma.
struct Errors {
    bias: f64,
    rms: f64,
    pull: f64,
}

/// Runs a gauge with `keys` over a still crack, and compares what it says from frame `from` on where
/// `counts` says that a distance along the path counts.
fn errors(fissure: Fissure, keys: &str, from: usize, counts: impl Fn(f64) -> bool) -> Errors {
    let scene = Scene::new(SceneConfig {
        width: SIZE,
        height: SIZE,
        frames: from + 10,
        seed: 7,
        contrast: 0.0,
        dose_counts_per_px: 50.0,
        psf_px: 1.2,
        jumps: 0,
        front: false,
        crack: false,
        fissures: vec![fissure.clone()],
        ..SceneConfig::default()
    });
    let side = SIZE - 24;
    let text = format!(
        "[[gauge]]\nkind = \"crack\"\nname = \"c\"\nregion = [12, 12, {side}, {side}]\n\
         contrast = \"dark\"\n{keys}\n"
    );
    let config = Config::parse(&text, std::path::Path::new("crack.toml")).expect("it is right");
    let kind = registry::find("crack").expect("a crack");
    let gauge = (kind.build)(&config.gauges[0], 1).expect("the entry is right");
    let path_at = gauge.schema().constants.iter().position(|c| c.name == "path").expect("a path");
    let mut sequence = Sequence::new(Arc::clone(&gauge), 1);
    let mut image = Image::zeros_u16(0, 0);
    let (mut path, mut misses) = (Vec::new(), Vec::new());
    for index in 0..scene.config.frames {
        scene.render(index, &mut image);
        let (x, y) = scene.truth(index).drift;
        let anchor = Tracker::judge(&DriftObservation::ANCHOR, 1.0);
        let drift = Drift { x, y, motion: Motion::shift(x, y), ..anchor };
        let stamp = Stamp {
            index: index as u64,
            sequence: index as u64,
            time_s: index as f64 * 0.05,
            unix_time_s: f64::NAN,
        };
        let view = View::new(&image, drift, scene.config.camera);
        let out = sequence.push(&stamp, &view);
        if let Some((_, places)) = out.constants.iter().find(|(at, _)| *at == path_at) {
            path.clone_from(places);
        }
        if index < from {
            continue;
        }
        for (k, at) in path.chunks_exact(2).enumerate() {
            let (distance, along) = fissure.nearest((f64::from(at[0]), f64::from(at[1])));
            let (width, error) = (out.arrays[0][k], out.array_errors[0][k]);
            if distance < 3.0 && counts(along) && width.is_finite() {
                let miss = f64::from(width) - fissure.opening(along, 1.0);
                misses.push((miss, f64::from(error)));
            }
        }
    }
    assert!(misses.len() > 200, "only {} openings", misses.len());
    let mean =
        |of: fn(&(f64, f64)) -> f64| misses.iter().map(of).sum::<f64>() / misses.len() as f64;
    Errors {
        bias: mean(|(miss, _)| *miss),
        rms: mean(|(miss, _)| miss * miss).sqrt(),
        pull: mean(|(miss, error)| (miss / error).powi(2)).sqrt(),
    }
}

#[test]
fn openings_at_a_sharp_kink_are_those_beside_it() {
    let path: Vec<(f64, f64)> = vec![(60.0, 50.0), (180.0, 120.0), (140.0, 200.0), (260.0, 270.0)];
    let pieces = path.windows(2).map(|p| (p[1].0 - p[0].0).hypot(p[1].1 - p[0].1));
    let lengths: Vec<f64> = pieces.collect();
    let kinks = [lengths[0], lengths[0] + lengths[1]];
    let near = |along: f64| kinks.iter().any(|kink| (along - kink).abs() < 12.0);
    let told = "depth = 0.7\npsf_px = 1.2";
    for width in [3.0, 8.0, 14.0] {
        let found = errors(Fissure::still(path.clone(), width), told, 8, near);
        // The bound of one profile, shared by sixteen stations, is 0.12 px.
        assert!(found.bias.abs() < 0.12, "{width} px: off by {:+.3} px", found.bias);
        assert!(found.rms < 0.25, "{width} px: r.m.s. error {:.3} px", found.rms);
        assert!(found.pull < 1.5, "{width} px: {:.2} of the errors", found.pull);
    }
}

#[test]
fn a_half_filled_crack_has_true_errors() {
    let path = vec![(90.0, 40.0), (190.0, 270.0)];
    let fissure =
        Fissure { even: false, filled: Some((0.2, 0.5, 0.5)), ..Fissure::still(path, 8.0) };
    let long = fissure.path_length();
    let parts: [(&str, [f64; 2]); 3] =
        [("open", [0.08, 0.18]), ("filled", [0.22, 0.48]), ("narrow", [0.6, 0.93])];
    for (what, [from, to]) in parts {
        let part = |along: f64| (from * long..to * long).contains(&along);
        let found = errors(fissure.clone(), "", 20, part);
        assert!(found.bias.abs() < 0.2, "{what}: off by {:+.3} px", found.bias);
        assert!((0.5..1.6).contains(&found.pull), "{what}: {:.2} of the errors", found.pull);
    }
}

//! The whole pipeline on scenes with known truth, at 20 counts per pixel.

use crate::scenes::{median, rms, run_scene, standard};
use liwatch::noise::drift_bound;

#[test]
fn at_twenty_counts_per_pixel() {
    let frames = 160;
    let (scene, kept) = run_scene(standard(1024, frames, 20.0, 3), 2);
    assert!(kept.ledger.balances() && kept.ledger.received == frames as u64, "{:?}", kept.ledger);
    assert_eq!(kept.ledger.measured, frames as u64, "{:?}", kept.ledger);
    let pixel = scene.config.pixel_size_nm;

    let mut expected = Vec::new();
    scene.expected(0, &mut expected);
    let width = scene.config.width;
    let (lithium, crack) = (scene.layout.lithium, scene.layout.crack_region);
    let usable: Vec<bool> = (0..expected.len())
        .map(|k| {
            let (x, y) = (k % width, k / width);
            !lithium.contains(x, y) && !crack.contains(x, y)
        })
        .collect();
    let bound = drift_bound(&expected, &usable, width, &scene.config.camera);
    let errors: Vec<(f64, f64)> = kept
        .rows
        .iter()
        .enumerate()
        .map(|(k, row)| {
            let truth = scene.truth(k).drift;
            (row.drift.x - truth.0, row.drift.y - truth.1)
        })
        .collect();
    let n = errors.len() as f64;
    let mean = errors.iter().fold((0.0, 0.0), |s, e| (s.0 + e.0 / n, s.1 + e.1 / n));
    let x = rms(errors.iter().map(|e| e.0 - mean.0)) / bound.0;
    let y = rms(errors.iter().map(|e| e.1 - mean.1)) / bound.1;

    let mut contour = Vec::new();
    let mut position = Vec::new();
    let mut pull = Vec::new();
    let mut tip = Vec::new();
    let mut wide = Vec::new();
    let mut wide_pull = Vec::new();
    let mut stations = 0;
    for (k, row) in kept.rows.iter().enumerate() {
        let truth = scene.truth(k);
        let region = scene.layout.front_region;
        let (start, end) = (region.x as f64, region.width as f64 - 0.5);
        let front = &row.gauges[0];
        let mut sum = 0.0;
        for (found, truth) in front.arrays[0].iter().zip(&truth.front) {
            contour.push((f64::from(*found) / pixel + start - truth).abs());
            // Lithium that has grown out of the region ends for the gauge where the region does.
            sum += (truth - start).min(end);
        }
        let error = front.values[0] / pixel - sum / truth.front.len() as f64;
        position.push(error.abs());
        pull.push(error / (front.errors[0] / pixel));
        tip.push((front.values[1] / pixel + start - truth.tip).abs());
        let crack = &row.gauges[1];
        for (k, truth) in truth.opening.iter().enumerate().filter(|(_, w)| **w > 2.0) {
            let found = f64::from(crack.arrays[0][k]) / pixel;
            let sigma = f64::from(crack.array_errors[0][k]) / pixel;
            // Where the tip goes in the first frames no station stands yet.
            if found.is_finite() {
                wide.push((found - truth).abs());
                wide_pull.push((found - truth) / sigma);
            }
            stations += 1;
        }
    }
    println!(
        "drift {x:.2} {y:.2} bounds, coordinates {:+.3} {:+.3} px; contour median {:.3} px, position median {:.3} px (pull {:.2}), \
         tip median {:.2} px; opening median {:.3} rms {:.3} px (pull {:.2})",
        mean.0,
        mean.1,
        median(contour.clone()),
        median(position.clone()),
        rms(pull.clone()),
        median(tip.clone()),
        median(wide.clone()),
        rms(wide.iter().copied()),
        rms(wide_pull.clone()),
    );
    assert!(x < 1.5 && y < 1.5, "drift is {x:.2}, {y:.2} times the bound");
    assert!(median(position.clone()) < 0.15, "front error {} px", median(position));
    assert!(rms(pull.clone()) < 1.3, "front errs by {:.2} of its sigma", rms(pull));
    let measured = wide.len() as f64 / f64::from(stations);
    assert!(measured > 0.9, "openings at {:.0} % of the stations", 100.0 * measured);
    assert!(median(wide.clone()) < 0.3, "opening error {} px", median(wide));
    let raised: Vec<_> = kept.alarms.iter().map(|event| event.name.as_str()).collect();
    assert!(raised.contains(&"near-short"), "alarms: {raised:?}");
}

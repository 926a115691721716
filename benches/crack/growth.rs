//! A crack that opens and propagates.

use liwatch::simulate::Fissure;

use crate::Asked;
use crate::scenes::{Row, SIZE, all_courses, gauge, run, scene};
use crate::score::{Sums, judge};

/// A crack that opens and propagates: tip, length and rates.
pub fn growth(asked: &Asked) {
    println!("\ngrowing cracks, 8 px at the end; tip and length: rms px (pull); rate: px/frame");
    println!(
        "| course | counts/px | tip | length | rate found | rate true | found | false | no number |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    let followed = ["vertical", "45°", "curved", "kinked"];
    for (k, (name, course)) in
        all_courses().into_iter().enumerate().filter(|(_, (name, _))| followed.contains(name))
    {
        for (dose, contrast) in [(50.0, 0.0), (50.0, 0.12)] {
            let texture = if contrast > 0.0 { " textured" } else { "" };
            if !asked.row(&format!("{name}{texture}")) {
                continue;
            }
            let fissure = Fissure {
                even: false,
                grown: 0.45,
                opened: 0.4,
                ..Fissure::still(course.clone(), 8.0)
            };
            let scene = scene(fissure.clone(), dose, contrast, 91 + k as u64 + asked.seed, 80);
            let gauge = gauge(SIZE, "contrast = \"dark\"");
            let rows = run(&gauge, &scene);
            let mut sums = Sums::default();
            judge(&scene, &rows, 20, &mut sums);
            let (mut tip, mut tip_pull, mut long, mut long_pull, mut rate) = (0., 0., 0., 0., 0.);
            let (mut lost, mut rated) = (0, 0.0);
            let late: Vec<&Row> = rows
                .iter()
                .filter(|row| row.index >= 20)
                .filter(|row| {
                    let known = row.value(gauge.schema(), "tip_x").0.is_finite();
                    lost += usize::from(!known);
                    known
                })
                .collect();
            for row in &late {
                let time = row.index as f64 / scene.config.frames as f64;
                let truth = fissure.length(time);
                let at = fissure.point(truth);
                let ((x, ex), (y, ey)) =
                    (row.value(gauge.schema(), "tip_x"), row.value(gauge.schema(), "tip_y"));
                let miss = (x - at.0).hypot(y - at.1);
                tip += miss * miss;
                tip_pull += miss * miss / (ex * ex + ey * ey);
                let (found, error) = row.value(gauge.schema(), "length");
                long += (found - truth).powi(2);
                long_pull += ((found - truth) / error).powi(2);
                let now = row.value(gauge.schema(), "propagation_rate").0;
                if now.is_finite() {
                    rate += now;
                    rated += 1.0;
                }
            }
            let n = late.len() as f64;
            println!(
                "| {name}{texture} | {dose} | {:.2} ({:.2}) | {:.2} ({:.2}) | {:.2} | {:.2} | {:.1} % | {:.1} % | {lost} |",
                (tip / n).sqrt(),
                (tip_pull / n).sqrt(),
                (long / n).sqrt(),
                (long_pull / n).sqrt(),
                rate / rated / scene.config.frame_rate_hz,
                fissure.path_length() * 0.55 / scene.config.frames as f64,
                100.0 * sums.found / sums.truth,
                100.0 * sums.wrong / sums.truth,
            );
        }
    }
}

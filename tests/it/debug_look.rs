use crate::scenes::{run_scene, standard};
#[test]
fn look() {
    let (scene, kept) = run_scene(
        standard(512, 160, std::env::var("DOSE").map_or(20.0, |d| d.parse().unwrap()), 3),
        2,
    );
    let px = scene.config.pixel_size_nm;
    for k in (0..160).step_by(16) {
        let row = &kept.rows[k];
        let t = scene.truth(k);
        let start = scene.layout.front_region.x as f64;
        let f = &row.gauges[0];
        let tm = t.front.iter().map(|v| v - start).sum::<f64>() / t.front.len() as f64;
        let c = &row.gauges[1];
        let st: Vec<String> = (0..t.opening.len())
            .step_by(40)
            .map(|s| {
                format!(
                    "{:.1}/{:.1}±{:.1}@{:.1}",
                    t.opening[s],
                    c.arrays[0][s] as f64 / px,
                    c.array_errors[0][s] as f64 / px,
                    if let Some((_, p)) = c.constants.first() {
                        f64::from(p[2 * s]) - t.crack_centre[s]
                    } else {
                        f64::NAN
                    }
                )
            })
            .collect();
        println!(
            "{k} d({:.2},{:.2}) e({:.3},{:.3}) s {:.3} pos {:.2} err {:.3}±{:.3} n {} tip err {:.2} q {:.2} | {}",
            row.drift.x,
            row.drift.y,
            row.drift.x - t.drift.0,
            row.drift.y - t.drift.1,
            row.drift.x_error,
            tm,
            f.values[0] / px - tm,
            f.errors[0] / px,
            f.arrays[0].iter().filter(|v| v.is_finite()).count(),
            f.values[1] / px + start - t.tip,
            f.quality,
            st.join(" ")
        );
    }
    let row = &kept.rows[100];
    let t = scene.truth(100);
    let start = scene.layout.front_region.x as f64;
    for s in (0..t.front.len()).step_by(5) {
        print!("{:.1}/{:.1} ", t.front[s] - start, row.gauges[0].arrays[0][s] as f64 / px);
    }
    println!();
}

//! What is no growth: upsets of the microscope, and scenes without a crack.

use liwatch::frame::{Image, Samples};
use liwatch::simulate::{Disturbance, Event, Fissure, Scene};

use crate::Asked;
use crate::scenes::{Row, SIZE, curve, gauge, run, run_altered, scene};

/// What must not be read as growth: a crack that stands still, and something that goes wrong.
pub fn upsets(asked: &Asked) {
    const AT: usize = 48;
    let lasting = |frames: usize, disturbance| {
        vec![Event { from: AT, until: AT.saturating_add(frames), disturbance }]
    };
    let all: Vec<(&str, Vec<Event>)> = vec![
        ("nothing", vec![]),
        (
            "refocus, 2 px blur",
            lasting(usize::MAX, Disturbance::Refocus { blur_px: 2.0, magnification: 1.0 }),
        ),
        ("brightness doubled", lasting(usize::MAX, Disturbance::Brightness(2.0))),
        ("brightness halved", lasting(usize::MAX, Disturbance::Brightness(0.5))),
        ("contrast times 1.4", lasting(usize::MAX, Disturbance::Contrast(1.4))),
        ("contrast halved", lasting(usize::MAX, Disturbance::Contrast(0.5))),
        ("contamination", lasting(60, Disturbance::Contamination { per_frame: 0.004 })),
        ("charging flash", lasting(6, Disturbance::Flash)),
        ("shadow", lasting(40, Disturbance::Shadow)),
        ("drift jump", lasting(usize::MAX, Disturbance::Jump { x: 9.3, y: -6.6 })),
        ("blanked beam", lasting(10, Disturbance::Blanked)),
        ("scan-line noise", lasting(30, Disturbance::ScanNoise { jitter_px: 0.5, streak: 0.05 })),
    ];
    println!(
        "\na crack that stands still (6 px mouth, tapered, textured, 50 counts/px), upset at frame {AT}: \
         largest\nchange against the mean before, in px and in sigma; frames without a number; least \
         quality before, after"
    );
    println!(
        "| upset | width_mean px (sigma) | length px (sigma) | no number | quality |\n|---|---|---|---|---|"
    );
    for (name, events) in all.into_iter().filter(|(name, _)| asked.row(name)) {
        let fissure = Fissure { even: false, ..Fissure::still(curve(), 6.0) };
        let mut config = scene(fissure, 50.0, 0.12, 5 + asked.seed, 104).config;
        config.events = events;
        let scene = Scene::new(config);
        let gauge = gauge(SIZE, "contrast = \"dark\"");
        let rows = run(&gauge, &scene);
        let (mut cells, mut lost) = (Vec::new(), 0);
        for field in ["width_mean", "length"] {
            let before: Vec<f64> = rows[24..AT]
                .iter()
                .map(|row| row.value(gauge.schema(), field).0)
                .filter(|v| v.is_finite())
                .collect();
            let mean = before.iter().sum::<f64>() / before.len() as f64;
            let (mut most, mut sigmas) = (0.0f64, 0.0f64);
            for row in &rows[AT..] {
                let (value, error) = row.value(gauge.schema(), field);
                if value.is_nan() {
                    lost += 1;
                    continue;
                }
                if (value - mean).abs() > most.abs() {
                    most = value - mean;
                }
                sigmas = sigmas.max(((value - mean) / error).abs());
            }
            cells.push(format!("{most:+.2} ({sigmas:.1})"));
        }
        let least = |part: &[Row]| part.iter().map(|row| row.out.quality).fold(1.0f32, f32::min);
        println!(
            "| {name} | {} | {} | {} | {:.2}, {:.2} |",
            cells[0],
            cells[1],
            lost / 2,
            least(&rows[24..AT]),
            least(&rows[AT..])
        );
    }
}

/// Scenes without a crack: the length that is reported.
pub fn empty(asked: &Asked) {
    println!("\nno crack: frames (of 24) that report one, mean length, largest length");
    println!(
        "| specimen | counts/px | contrast | frames | mean | largest |\n|---|---|---|---|---|---|"
    );
    for dose in [5.0, 50.0, 1000.0] {
        for texture in [0.0, 0.12] {
            for contrast in ["dark", "bright"] {
                let (mut with, mut sum, mut most) = (0, 0.0, 0.0f64);
                for seed in 0..3 {
                    let nothing = Fissure { widest_px: 0.0, ..Fissure::still(curve(), 0.0) };
                    let scene = scene(nothing, dose, texture, 400 + seed + asked.seed, 8);
                    let gauge = gauge(SIZE, &format!("contrast = \"{contrast}\""));
                    for row in run(&gauge, &scene) {
                        let length = row.value(gauge.schema(), "length").0;
                        if length > 0.0 {
                            with += 1;
                            sum += length;
                            most = most.max(length);
                        }
                    }
                }
                println!(
                    "| {} | {dose} | {contrast} | {with} | {:.1} | {most:.1} |",
                    if texture > 0.0 { "textured" } else { "smooth" },
                    sum / 24.0
                );
            }
        }
    }
}

/// Curtaining: an even specimen whose brightness varies across one direction, as ion milling leaves it.
/// With and without a crack across or along the curtains: the lines that are reported, and where.
pub fn curtains(asked: &Asked) {
    println!("\ncurtaining along y, 50 counts/px, 16 frames: what is reported from frame 8 on");
    println!(
        "| curtains, r.m.s. | crack | frames with a crack | mean length | true | off the crack |\n\
         |---|---|---|---|---|---|"
    );
    let (middle, from, to) = (0.5 * SIZE as f64, 0.15 * SIZE as f64, 0.85 * SIZE as f64);
    let cracks = [
        ("none", curve(), 0.0),
        ("4 px, across", vec![(from, middle), (to, middle)], 4.0),
        ("4 px, along", vec![(middle, from), (middle, to)], 4.0),
    ];
    for share in [0.01, 0.03, 0.1, 0.25] {
        for (k, (what, path, width)) in cracks.iter().enumerate() {
            let head = format!("{:.0} % | {what}", 100.0 * share);
            if !asked.row(&head) {
                continue;
            }
            let fissure = Fissure::still(path.clone(), *width);
            let scene = scene(fissure.clone(), 50.0, 0.0, 600 + k as u64 + asked.seed, 16);
            let gauge = gauge(SIZE, "contrast = \"dark\"");
            let offset = scene.config.camera.offset_counts as f32;
            let rows = run_altered(&gauge, &scene, |index, image| {
                let (x, _) = scene.truth(index).drift;
                curtained(image, x, share, offset);
            });
            let (mut with, mut length, mut off, mut open) = (0, 0.0, 0.0, 0.0);
            let late: Vec<&Row> = rows.iter().filter(|row| row.index >= 8).collect();
            for row in &late {
                let found = row.value(gauge.schema(), "length_total").0;
                with += usize::from(found > 0.0);
                length += if found.is_finite() { found } else { 0.0 };
                for (at, _) in row.path.iter().zip(&row.open).filter(|(_, open)| **open) {
                    open += 1.0;
                    let is_off = *width == 0.0 || fissure.nearest(*at).0 > 3.0 + 0.5 * width;
                    off += f64::from(u8::from(is_off));
                }
            }
            let truth = if *width > 0.0 { fissure.path_length() } else { 0.0 };
            println!(
                "| {head} | {with} of {} | {:.0} | {truth:.0} | {:.0} % |",
                late.len(),
                length / late.len() as f64,
                if open > 0.0 { 100.0 * off / open } else { 0.0 }
            );
        }
    }
}

/// Multiplies the signal by stripes along y that stand on the specimen, `share` strong (r.m.s.): waves
/// across them of 4 to 40 px, whose phases are fixed.
fn curtained(image: &mut Image, drift: f64, share: f64, offset: f32) {
    let waves = 24;
    let size = share * (2.0 / f64::from(waves)).sqrt();
    let factor: Vec<f32> = (0..image.width)
        .map(|x| {
            let sum: f64 = (0..waves)
                .map(|k| {
                    let period = 4.0 * 10f64.powf(f64::from(k) / f64::from(waves));
                    let phase = 2.399_963 * f64::from(k * k);
                    (std::f64::consts::TAU * (x as f64 - drift) / period + phase).sin()
                })
                .sum();
            (1.0 + size * sum) as f32
        })
        .collect();
    if let Samples::U16(samples) = &mut image.samples {
        for row in samples.chunks_exact_mut(image.width) {
            for (value, factor) in row.iter_mut().zip(&factor) {
                let signal = (f32::from(*value) - offset) * factor + offset;
                *value = signal.round().max(0.0) as u16;
            }
        }
    }
}

//! What is no growth: upsets of the microscope, and scenes without a crack.

use liwatch::simulate::{Disturbance, Event, Fissure, Scene};

use crate::Asked;
use crate::scenes::{Row, SIZE, curve, gauge, run, scene};

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

//! What is no growth: upsets of the beam, focus and drift, and a specimen without a front.

use liwatch::simulate::{Disturbance, Event, FrontShape, Scene, SceneConfig, Specimen};

use super::pulls::median;
use super::run::{Change, FRAMES, Run, base};

/// The frame in which an upset begins.
const AT: usize = 60;

const UPSETS: [(&str, Change); 9] = [
    ("nothing", |_| {}),
    ("refocus", |c| event(c, 30, Disturbance::Refocus { blur_px: 2.0, magnification: 1.0 })),
    ("brightness halved", |c| event(c, 30, Disturbance::Brightness(0.5))),
    ("contrast halved", |c| event(c, 30, Disturbance::Contrast(0.5))),
    ("contamination", |c| event(c, 60, Disturbance::Contamination { per_frame: 0.004 })),
    ("blanked beam", |c| event(c, 15, Disturbance::Blanked)),
    ("charging flash", |c| event(c, 6, Disturbance::Flash)),
    ("shadow", |c| event(c, 40, Disturbance::Shadow)),
    ("drift jump, unseen", |_| {}),
];

fn event(config: &mut SceneConfig, frames: usize, disturbance: Disturbance) {
    config.events.push(Event { from: AT, until: AT + frames, disturbance });
}

pub fn table(name: &str) {
    println!(
        "\n{:<20} {:>9} | {:>9} {:>9} {:>9} | {:>8} {:>8} | {:>6}",
        "upset at frame 60",
        "measured",
        "err px",
        "sigma px",
        "quality",
        "worst/σ",
        "worst px",
        "after"
    );
    for (upset, change) in UPSETS.iter().filter(|(upset, _)| upset.starts_with(name)) {
        let mut config = base(20.0);
        config.contrast = 0.12;
        config.front_look.shape = FrontShape::Rough;
        change(&mut config);
        if let Some(run) = Run::new(Scene::new(config)) {
            upset_line(upset, run);
        }
    }
}

fn upset_line(name: &str, mut run: Run) {
    let lasts = run.scene.config.events.first().map_or(30, |event| event.until - event.from);
    let lines = run.scene.truth(0).front.len() as f64;
    let (mut during, mut sigma, mut quality) = (Vec::new(), Vec::new(), Vec::new());
    let (mut worst, mut worst_px, mut after) = (0.0f64, 0.0f64, Vec::new());
    let mut measured = 0;
    for index in 0..FRAMES {
        let off = if name.starts_with("drift jump") && index >= AT { 9.0 } else { 0.0 };
        let out = run.measure(index, off);
        let (found, error) = run.field(&out, "position");
        let truth = run.scene.truth(index).front.iter().sum::<f64>() / lines - run.start;
        // What the gauge cannot know is no error of its own.
        let off = (found - truth + off).abs();
        if (AT..AT + lasts).contains(&index) {
            quality.push(f64::from(out.quality));
            if off.is_finite() {
                measured += 1;
                during.push(off);
                sigma.push(error);
                worst = worst.max(off / error);
                worst_px = worst_px.max(off);
            }
        } else if index >= AT + lasts && off.is_finite() {
            after.push(off);
        }
    }
    println!(
        "{name:<20} {measured:>4}/{lasts:<4} | {:>9.3} {:>9.3} {:>9.2} | {worst:>8.1} {worst_px:>8.2} | {:>6.3}",
        median(during),
        median(sigma),
        median(quality),
        median(after)
    );
}

/// Frames in which a specimen without a front is said to have one.
pub fn no_front(seeds: u64) {
    println!();
    let scenes: [(&str, Change); 6] = [
        ("even", |_| {}),
        ("texture of 12 %", |c| c.contrast = 0.12),
        ("texture of 25 %", |c| c.contrast = 0.25),
        ("a few particles on even ground", |c| {
            (c.specimen, c.contrast) = (Specimen::Sparse, 0.12);
        }),
        ("rectangles", |c| (c.specimen, c.contrast) = (Specimen::Edges, 0.12)),
        ("moving particles", |c| (c.particles, c.particle_cover) = (40, 0.05)),
    ];
    for (name, change) in scenes {
        for dose in [20.0, 1000.0] {
            let mut reported = 0;
            for seed in 1..=seeds {
                let mut config = SceneConfig { front: false, seed, ..base(dose) };
                change(&mut config);
                let Some(mut run) = Run::new(Scene::new(config)) else { continue };
                reported += (0..FRAMES / 4)
                    .filter(|index| {
                        let out = run.measure(4 * index, 0.0);
                        out.arrays[0].iter().any(|p| p.is_finite())
                            || run.field(&out, "position").0.is_finite()
                    })
                    .count();
            }
            let all = FRAMES / 4 * seeds as usize;
            println!("no front, {name}, {dose} counts: {reported} of {all} frames report one");
        }
    }
}

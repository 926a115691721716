//! What the registration does when something goes wrong in the microscope, on simulated
//! recordings: `cargo bench --bench upsets`, or `-- lattice 100` for the scenes whose name begins
//! so, at one dose.
//!
//! One line for each upset: frames that are locked of those that could be, frames that are locked
//! on a wrong place (by more than half a pixel and eight sigma), frames from the upset to the
//! first locked one after it, r.m.s. error about the mean over the bound of the known scene before
//! and after the upset, the bound of the part that stands still over that of the whole field,
//! keyframes, and the part of the field that was masked at the end.

use liwatch::frame::{Image, Region};
use liwatch::noise::drift_bound;
use liwatch::register::{Sequence, Settings, StaticMask};
use liwatch::simulate::{Disturbance, Event, Scene, SceneConfig, Specimen};

const SIZE: usize = 512;
/// Specimens whose loops are closed: one alone may close by chance.
const LOOP_SEEDS: [u64; 4] = [1, 2, 3, 4];
const FRAMES: usize = 240;
/// When it happens.
const AT: usize = 120;

/// Frame, error (x, y), its one sigma.
type Row = (usize, (f64, f64), (f64, f64));

type Upset = (&'static str, fn(&mut SceneConfig));

fn event(config: &mut SceneConfig, frames: usize, disturbance: Disturbance) {
    config.events.push(Event { from: AT, until: AT.saturating_add(frames), disturbance });
}

const EVER: usize = usize::MAX;

const UPSETS: [Upset; 25] = [
    ("nothing", |_| {}),
    ("masked front and crack", |c| (c.front, c.crack) = (true, true)),
    ("front over 40 %", |c| c.front_cover = Some(0.4)),
    ("front and crack", |c| (c.front, c.crack) = (true, true)),
    ("particles", |c| (c.particles, c.particle_cover) = (60, 0.15)),
    ("jump by a third", |c| {
        let by = (SIZE / 3) as f64;
        event(c, EVER, Disturbance::Jump { x: by + 0.3, y: -by + 0.4 });
    }),
    ("refocus: blur", |c| {
        event(c, EVER, Disturbance::Refocus { blur_px: 2.0, magnification: 1.0 });
    }),
    ("refocus: 2 % larger", |c| {
        event(c, EVER, Disturbance::Refocus { blur_px: 0.0, magnification: 1.02 });
    }),
    ("refocus: both", |c| {
        event(c, EVER, Disturbance::Refocus { blur_px: 1.5, magnification: 0.98 });
    }),
    ("brightness doubled", |c| event(c, EVER, Disturbance::Brightness(2.0))),
    ("brightness halved", |c| event(c, EVER, Disturbance::Brightness(0.5))),
    ("contrast doubled", |c| event(c, EVER, Disturbance::Contrast(2.0))),
    ("contrast halved", |c| event(c, EVER, Disturbance::Contrast(0.5))),
    ("contamination", |c| event(c, EVER, Disturbance::Contamination { per_frame: 0.004 })),
    ("blanked beam", |c| event(c, 20, Disturbance::Blanked)),
    ("charging flash", |c| event(c, 6, Disturbance::Flash)),
    ("shadow", |c| event(c, 40, Disturbance::Shadow)),
    ("saturation", |c| c.saturation_counts = Some(100.0 + 1.2 * c.dose_counts_per_px)),
    ("dead and hot pixels", |c| (c.dead_share, c.hot_share) = (1e-3, 1e-3)),
    ("fixed pattern", |c| c.pattern = 0.02),
    ("scan-line noise", |c| {
        event(c, EVER, Disturbance::ScanNoise { jitter_px: 0.5, streak: 0.02 });
    }),
    ("lattice", |c| c.specimen = Specimen::Lattice),
    ("lattice, jump by a period", |c| {
        c.specimen = Specimen::Lattice;
        event(c, EVER, Disturbance::Jump { x: 12.0, y: 0.0 });
    }),
    ("lattice, jump by a third", |c| {
        c.specimen = Specimen::Lattice;
        event(c, EVER, Disturbance::Jump { x: (SIZE / 3) as f64, y: 40.0 });
    }),
    ("sparse, jump by a third", |c| {
        c.specimen = Specimen::Sparse;
        event(c, EVER, Disturbance::Jump { x: (SIZE / 3) as f64, y: -(SIZE as f64) / 3.0 });
    }),
];

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let name: Vec<&str> =
        arguments.iter().filter(|a| a.parse::<f64>().is_err()).map(String::as_str).collect();
    let doses: Vec<f64> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let doses = if doses.is_empty() { vec![10.0, 100.0] } else { doses };
    println!("{SIZE}² u16, {FRAMES} frames, upset at frame {AT}");
    println!(
        "{:<26} {:>6} {:>9} {:>6} {:>7} {:>7} {:>7} {:>7} {:>7} {:>5} {:>7}",
        "upset",
        "counts",
        "locked",
        "wrong",
        "relock",
        "before",
        "after",
        "static",
        "pull",
        "keys",
        "masked"
    );
    for (upset, change) in UPSETS {
        if !name.is_empty() && !upset.starts_with(&name.join(" ")) {
            continue;
        }
        for dose in &doses {
            let mut config = SceneConfig {
                width: SIZE,
                height: SIZE,
                frames: FRAMES,
                dose_counts_per_px: *dose,
                jumps: 0,
                front: false,
                crack: false,
                ..SceneConfig::default()
            };
            change(&mut config);
            line(upset, &Scene::new(config));
        }
    }
    if name.is_empty() || "loop".starts_with(name[0]) {
        for (dose, seed) in doses.iter().flat_map(|dose| LOOP_SEEDS.map(|seed| (dose, seed))) {
            close_the_loop(*dose, seed);
        }
    }
}

/// 2800 frames whose contrast changes every 80 frames: how far the coordinates have crept.
fn close_the_loop(dose: f64, seed: u64) {
    const EVERY: usize = 80;
    let frames = 2800;
    let change = |k: usize| Event {
        from: k * EVERY,
        until: (k + 1) * EVERY,
        disturbance: Disturbance::Contrast(1.7),
    };
    let scene = Scene::new(SceneConfig {
        width: SIZE,
        height: SIZE,
        frames,
        dose_counts_per_px: dose,
        jumps: 0,
        front: false,
        crack: false,
        drift_velocity_px: (0.0, 0.0),
        events: (1..frames / EVERY).step_by(2).map(change).collect(),
        seed,
        ..SceneConfig::default()
    });
    let mut frame = Image::zeros_u16(0, 0);
    scene.render(0, &mut frame);
    let mask = StaticMask::new(SIZE, SIZE, &[]);
    let settings = Settings { max_shift_px: SIZE as f64 / 2.0, ..Settings::default() };
    let mut sequence = Sequence::new(&frame, mask, scene.config.camera, settings);
    let (mut first, mut last, mut keyframes, mut locked) = (Vec::new(), Vec::new(), 0, 0);
    for index in 1..frames {
        scene.render(index, &mut frame);
        let drift = sequence.push(&frame);
        keyframes = keyframes.max(drift.keyframe);
        locked += usize::from(drift.locked);
        let truth = scene.truth(index).drift;
        let row = (index, (drift.x - truth.0, drift.y - truth.1), (0.0, 0.0));
        if (30..90).contains(&index) {
            first.push(row);
        } else if index >= frames - 30 {
            last.push(row);
        }
    }
    let (from, to) = (mean(&first), mean(&last));
    println!(
        "loop of {frames} frames at {dose} counts, specimen {seed}: {locked} locked, {keyframes} keyframes, closes to \
         {:.4} px",
        (to.0 - from.0).hypot(to.1 - from.1)
    );
}

fn line(upset: &str, scene: &Scene) {
    let mut frame = Image::zeros_u16(0, 0);
    scene.render(0, &mut frame);
    // The regions of the gauges, and all that lithium may cover.
    let layout = &scene.layout;
    let regions = [layout.lithium, layout.front_region, layout.crack_region];
    let masked = if upset.starts_with("masked") { &regions[..] } else { &[] };
    let mask = StaticMask::new(SIZE, SIZE, masked);
    let settings = Settings { max_shift_px: SIZE as f64 / 2.0, ..Settings::default() };
    let mut sequence = Sequence::new(&frame, mask, scene.config.camera, settings);
    let (before, after) = (bound(scene, AT - 1, &[], false), bound(scene, FRAMES - 1, &[], false));
    let still = bound(scene, FRAMES - 1, masked, true);
    let mut rows: Vec<Row> = Vec::new();
    let (mut wrong, mut keyframe) = (0, 0);
    let mut origin = (0.0, 0.0);
    for index in 1..FRAMES {
        scene.render(index, &mut frame);
        let seen = std::env::var_os("VERBOSE").map(|_| sequence.look(&frame));
        let drift = sequence.push(&frame);
        if let Some(mut seen) = seen {
            seen.residuals.clear();
            println!(
                "{index} err {:.3} {:.3} | {seen:?}",
                drift.x - scene.truth(index).drift.0,
                drift.y - scene.truth(index).drift.1
            );
        }
        let truth = scene.truth(index).drift;
        let mut error = (drift.x - truth.0, drift.y - truth.1);
        if index == 30 {
            // The template has found its place by now; the noise of the very first frame lies
            // between it and the truth.
            origin = mean(&rows);
        }
        error = (error.0 - origin.0, error.1 - origin.1);
        keyframe = keyframe.max(drift.keyframe);
        if drift.locked {
            let sigma = drift.x_error.hypot(drift.y_error);
            let off = error.0.hypot(error.1);
            if off > 0.5 && off > 8.0 * sigma {
                wrong += 1;
                if std::env::var_os("VERBOSE").is_some() {
                    println!("  {index}: {drift:?}, truth {truth:?}");
                }
            }
            rows.push((index, error, (drift.x_error, drift.y_error)));
        }
    }
    let relock = rows.iter().find(|row| row.0 >= AT).map_or(f64::NAN, |row| (row.0 - AT) as f64);
    let part = |from: usize, end: usize| {
        let part: Vec<_> = rows.iter().filter(|row| (from..end).contains(&row.0)).collect();
        let n = part.len() as f64;
        let mean = part.iter().fold((0.0, 0.0), |m, r| (m.0 + r.1.0 / n, m.1 + r.1.1 / n));
        let about = |r: &Row| (r.1.0 - mean.0, r.1.1 - mean.1);
        let sum = part.iter().map(|r| about(r).0.powi(2) + about(r).1.powi(2)).sum::<f64>();
        let pull = part.iter().map(|r| (about(r).0 / r.2.0).powi(2) + (about(r).1 / r.2.1).powi(2));
        ((sum / (2.0 * n)).sqrt(), (pull.sum::<f64>() / (2.0 * n)).sqrt())
    };
    println!(
        "{upset:<26} {:>6} {:>5}/{} {wrong:>6} {relock:>7} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {keyframe:>5} {:>6.0}%",
        scene.config.dose_counts_per_px,
        rows.len(),
        FRAMES - 1,
        part(30, AT).0 / before,
        part(AT, FRAMES).0 / after,
        still / after,
        part(30, FRAMES).1,
        100.0 * sequence.masked_share()
    );
}

fn mean(rows: &[Row]) -> (f64, f64) {
    let late = &rows[rows.len() / 2..];
    let n = late.len() as f64;
    late.iter().fold((0.0, 0.0), |sum, row| (sum.0 + row.1.0 / n, sum.1 + row.1.1 / n))
}

/// Cramér–Rao bound of the known field as it looks in one frame, by a camera without broken
/// pixels, px: of the whole field, or of what stands still and is not masked.
fn bound(scene: &Scene, index: usize, masked: &[Region], still_alone: bool) -> f64 {
    let mut config = scene.config.clone();
    (config.dead_share, config.hot_share, config.pattern) = (0.0, 0.0, 0.0);
    let expected = render(config.clone(), index);
    let mut still = Vec::new();
    if still_alone {
        (config.front, config.front_cover, config.crack, config.particles) =
            (false, None, false, 0);
        let bare = render(config, index);
        let free = |k: usize| !masked.iter().any(|region| region.contains(k % SIZE, k / SIZE));
        let pairs = expected.iter().zip(&bare).enumerate();
        still = pairs.map(|(k, (a, b))| (a / b - 1.0).abs() < 5e-3 && free(k)).collect();
    }
    let (x, y) = drift_bound(&expected, &still, SIZE, &scene.config.camera);
    x.hypot(y) / std::f64::consts::SQRT_2
}

fn render(config: SceneConfig, index: usize) -> Vec<f32> {
    let mut expected = Vec::new();
    Scene::new(config).expected(index, &mut expected);
    expected
}

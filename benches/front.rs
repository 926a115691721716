//! The front gauge on simulated fronts with known truth: `cargo bench --bench front`, or
//! `-- wavy 100` for the scenes whose name begins so, at one dose.
//!
//! First table, one line for each scene and dose: lines with an edge; median error of these over its
//! bound (robust sigma over the posterior Cramér–Rao bound of lines joined by the gauge's own prior,
//! brightness and blur known, texture left out); share of gross errors (more than 3 px) and the most
//! frames for which one lasted; standard deviation of error over stated sigma ("pull") of lines,
//! mean position, tip and velocities; median error of position and tip in px. The drift is the true
//! one: what the registration adds is told elsewhere. Second table: area, perimeter and tip of
//! fronts that fold. Third: what upsets do to the gauge, and a specimen without a front. Last: the time
//! that 800 lines take.

#[allow(dead_code)]
mod common;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{print_line, read_once};
use liwatch::config::Config;
use liwatch::frame::{Image, Stamp};
use liwatch::gauge::{AnyGauge, Measurement, View, registry};
use liwatch::noise::{contour_bound, edge_information};
use liwatch::register::{Drift, DriftObservation, Motion, Tracker};
use liwatch::simulate::{
    Disturbance, Event, FrontLook, FrontShape, Growth, Scene, SceneConfig, configuration,
};

const SIZE: usize = 512;
const FRAMES: usize = 120;
/// Frames by which hints lag, as in the pipeline.
const LAG: usize = 16;
/// An error beyond this is gross, px.
const GROSS_PX: f64 = 3.0;
/// The gauge's prior: second differences of the displacement, px (one sigma).
const BEND_PX: f64 = 0.3 / 16.0;

type Change = fn(&mut SceneConfig);

const SCENES: [(&str, Change); 12] = [
    ("rough", |c| c.front_look.shape = FrontShape::Rough),
    ("wavy", |c| c.front_look.shape = FrontShape::Wavy),
    ("finger", |_| {}),
    ("overhang", |c| c.front_look.shape = FrontShape::Overhang),
    ("stripping", |c| c.front_look.growth = Growth::Strip),
    ("still", |c| c.front_look.growth = Growth::Still),
    ("at the edge", |c| {
        c.front_look = FrontLook { shape: FrontShape::Wavy, start: 0.01, ..c.front_look };
    }),
    ("contrast 5 %", |c| {
        c.front_look = FrontLook { shape: FrontShape::Rough, darkening: 0.05, ..c.front_look };
    }),
    ("rough, textured", |c| (c.front_look.shape, c.contrast) = (FrontShape::Rough, 0.12)),
    ("finger, textured", |c| c.contrast = 0.12),
    ("particles", |c| {
        (c.contrast, c.particles, c.particle_cover) = (0.06, 40, 0.05);
        c.front_look.shape = FrontShape::Rough;
    }),
    ("own texture", |c| (c.contrast, c.front_cover) = (0.12, Some(0.5))),
];

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

fn base(dose: f64) -> SceneConfig {
    SceneConfig {
        width: SIZE,
        height: SIZE,
        frames: FRAMES,
        dose_counts_per_px: dose,
        contrast: 0.0,
        jumps: 0,
        crack: false,
        ..SceneConfig::default()
    }
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let name: Vec<&str> =
        arguments.iter().filter(|a| a.parse::<f64>().is_err()).map(String::as_str).collect();
    let name = name.join(" ");
    let doses: Vec<f64> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let doses = if doses.is_empty() { vec![2.0, 10.0, 100.0, 1000.0] } else { doses };
    edges(&name, &doses);
    folds(&name, &doses);
    upsets(&name);
    if "speed".starts_with(&name) {
        speed();
    }
}

/// Time of one observation of 800 lines, beside one read of the frame's memory.
fn speed() {
    let config = SceneConfig {
        width: 1024,
        height: 1024,
        frames: 48,
        front_cover: Some(0.5),
        contrast: 0.12,
        ..base(20.0)
    };
    let scene = Scene::new(config);
    let text = configuration(&scene);
    let region = format!("region = {}", scene.layout.front_region);
    let text = text.replace(&region, "region = [60, 112, 600, 800]");
    let Some(mut run) = Run::configured(scene, &text) else { return };
    let mut times = Vec::new();
    for index in 0..48 {
        let before = run.spent_s;
        run.measure(index, 0.0);
        // Textures have been learned by then, and hints are those of a front that is followed.
        if index >= 26 {
            times.push(Duration::from_secs_f64(run.spent_s - before));
        }
    }
    times.sort();
    let read = read_once(&run.frame);
    println!();
    print_line("one read of the frame", 1024, read, read);
    print_line("front, 800 lines, median", 1024, times[times.len() / 2], read);
    print_line("... with its area", 1024, times[times.len() * 9 / 10], read);
}

/// A gauge that is fed frame after frame, its hints late as in the pipeline.
struct Run {
    gauge: Arc<dyn AnyGauge>,
    scene: Scene,
    frame: Image,
    known: VecDeque<liwatch::gauge::AnyHints>,
    tracker: Box<dyn liwatch::gauge::AnyTracker>,
    spent_s: f64,
    start: f64,
}

impl Run {
    fn new(scene: Scene) -> Option<Run> {
        // A specimen without a front has a gauge all the same.
        let with_gauge =
            Scene::new(SceneConfig { front: true, crack: false, ..scene.config.clone() });
        Run::configured(scene, &configuration(&with_gauge))
    }

    fn configured(scene: Scene, text: &str) -> Option<Run> {
        let config = Config::parse(text, std::path::Path::new("bench.toml")).ok()?;
        let entry = config.gauges.first()?;
        let gauge = (registry::find(&entry.kind)?.build)(entry, LAG).ok()?;
        let tracker = Arc::clone(&gauge).tracker();
        let known = VecDeque::from(vec![gauge.first_hints(); LAG]);
        let start = scene.layout.front_region.x as f64;
        let frame = Image::zeros_u16(0, 0);
        Some(Run { gauge, scene, frame, known, tracker, spent_s: 0.0, start })
    }

    /// Measures a frame with a drift that is wrong by `off`.
    fn measure(&mut self, index: usize, off: f64) -> Measurement {
        self.scene.render(index, &mut self.frame);
        let (x, y) = self.scene.truth(index).drift;
        let x = x + off;
        let anchor = Tracker::judge(&DriftObservation::ANCHOR, 1.0);
        let drift = Drift { x, y, motion: Motion::shift(x, y), ..anchor };
        let view = View::new(&self.frame, drift, self.scene.config.camera);
        let hints = self.known.pop_front().unwrap_or_else(|| self.gauge.first_hints());
        let began = Instant::now();
        let observation = self.gauge.observe(&view, &hints);
        self.spent_s += began.elapsed().as_secs_f64();
        let stamp = Stamp {
            index: index as u64,
            sequence: index as u64,
            time_s: index as f64 / self.scene.config.frame_rate_hz,
            unix_time_s: f64::NAN,
        };
        let mut out = Measurement::blank(self.gauge.schema());
        self.known.push_back(self.tracker.track(&stamp, observation, &mut out));
        out
    }

    fn field(&self, out: &Measurement, name: &str) -> (f64, f64) {
        let fields = &self.gauge.schema().fields;
        let at = fields.iter().position(|field| field.name == name);
        at.map_or((f64::NAN, f64::NAN), |at| (out.values[at], out.errors[at]))
    }
}

fn edges(name: &str, doses: &[f64]) {
    println!("{SIZE}² u16, {FRAMES} frames, true drift");
    println!(
        "{:<18} {:>6} {:>6} {:>7} {:>7} {:>5} | {:>5} {:>5} {:>5} {:>5} {:>5} | {:>7} {:>7} {:>6}",
        "front",
        "counts",
        "found",
        "/bound",
        "gross",
        "last",
        "line",
        "pos",
        "tip",
        "vel",
        "tipv",
        "pos px",
        "tip px",
        "ms"
    );
    for (scene, change) in SCENES {
        if !scene.starts_with(name) {
            continue;
        }
        for dose in doses {
            let mut config = base(*dose);
            change(&mut config);
            if let Some(run) = Run::new(Scene::new(config)) {
                edge_line(scene, run);
            }
        }
    }
}

#[derive(Default)]
struct Pulls {
    error: Vec<f64>,
    over_sigma: Vec<f64>,
}

impl Pulls {
    fn add(&mut self, error: f64, sigma: f64) {
        if error.is_finite() && sigma.is_finite() {
            self.error.push(error.abs());
            self.over_sigma.push(error / sigma);
        }
    }

    fn pull(&self) -> f64 {
        (self.over_sigma.iter().map(|p| p * p).sum::<f64>() / self.over_sigma.len() as f64).sqrt()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn edge_line(name: &str, mut run: Run) {
    let rate = run.scene.config.frame_rate_hz;
    let lines = run.scene.truth(0).front.len();
    let (mut line, mut position, mut tip) = (Pulls::default(), Pulls::default(), Pulls::default());
    let (mut velocity, mut tip_velocity) = (Pulls::default(), Pulls::default());
    let mut over_bound = Vec::new();
    let (mut found, mut gross, mut all) = (0usize, 0usize, 0usize);
    let mut lasts = vec![0usize; lines];
    let mut longest = 0;
    let verbose = std::env::var_os("VERBOSE").is_some();
    for index in 0..FRAMES {
        let out = run.measure(index, 0.0);
        let truth = run.scene.truth(index);
        let bound = bound(&run.scene, &truth.front);
        let inside = |p: f64| p > run.start && p < run.start + 0.56 * SIZE as f64 - 3.0;
        for k in 0..lines {
            all += usize::from(inside(truth.front[k]));
            let error = f64::from(out.arrays[0][k]) + run.start - truth.front[k];
            if !error.is_finite() {
                lasts[k] = 0;
                continue;
            }
            found += 1;
            let is_gross = error.abs() > GROSS_PX;
            gross += usize::from(is_gross);
            lasts[k] = if is_gross { lasts[k] + 1 } else { 0 };
            longest = longest.max(lasts[k]);
            over_bound.push(error.abs() / (0.6745 * bound[k]));
            line.add(error, f64::from(out.array_errors[0][k]));
        }
        let mean = |front: &[f64]| front.iter().sum::<f64>() / lines as f64 - run.start;
        let found_position = run.field(&out, "position");
        position.add(found_position.0 - mean(&truth.front), found_position.1);
        let found_tip = run.field(&out, "tip");
        let true_tip = furthest(&truth.front) - run.start;
        tip.add(found_tip.0 - true_tip, found_tip.1);
        if (LAG..FRAMES - 1).contains(&index) {
            let (before, after) = (run.scene.truth(index - 1), run.scene.truth(index + 1));
            let v = (mean(&after.front) - mean(&before.front)) * rate / 2.0;
            let found = run.field(&out, "velocity");
            velocity.add(found.0 - v, found.1);
            let v = (furthest(&after.front) - furthest(&before.front)) * rate / 2.0;
            let found = run.field(&out, "tip_velocity");
            tip_velocity.add(found.0 - v, found.1);
        }
        if verbose {
            println!(
                "{index:4} pos {:8.3} ± {:.3} err {:7.3} | tip err {:7.2} ± {:.2} | v {:.2} ± {:.2} \
                 tv {:.2} ± {:.2} | quality {:.2}",
                found_position.0,
                found_position.1,
                found_position.0 - mean(&truth.front),
                found_tip.0 - true_tip,
                found_tip.1,
                run.field(&out, "velocity").0,
                run.field(&out, "velocity").1,
                run.field(&out, "tip_velocity").0,
                run.field(&out, "tip_velocity").1,
                out.quality
            );
        }
    }
    println!(
        "{name:<18} {:>6} {:>5.1}% {:>7.2} {:>6.2}% {longest:>5} | {:>5.2} {:>5.2} {:>5.2} {:>5.2} \
         {:>5.2} | {:>7.3} {:>7.3} {:>6.3}",
        run.scene.config.dose_counts_per_px,
        100.0 * found as f64 / all as f64,
        median(over_bound),
        100.0 * gross as f64 / found.max(1) as f64,
        line.pull(),
        position.pull(),
        tip.pull(),
        velocity.pull(),
        tip_velocity.pull(),
        median(position.error),
        median(tip.error),
        run.spent_s / FRAMES as f64 * 1e3
    );
}

fn furthest(front: &[f64]) -> f64 {
    front.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// One sigma of each line's edge at best, px.
fn bound(scene: &Scene, front: &[f64]) -> Vec<f64> {
    let config = &scene.config;
    let n = front.len();
    let darkening = if config.front_cover.is_some() { 0.35 } else { config.front_look.darkening };
    let step = darkening * config.dose_counts_per_px;
    let base = config.camera.offset_counts + config.dose_counts_per_px - step;
    let mut stiffness = Vec::with_capacity(n);
    let information: Vec<f64> = (0..n)
        .map(|k| {
            let (a, b) = (k.saturating_sub(1), (k + 1).min(n - 1));
            let slope = ((front[b] - front[a]) / (b - a) as f64).clamp(-12.0, 12.0);
            let torn = (front[b] - front[k]).abs().max((front[k] - front[a]).abs()) > 16.0;
            let stiff = 1.0 / (BEND_PX * BEND_PX * (1.0 + slope * slope));
            stiffness.push(if torn { 0.0 } else { stiff });
            edge_information(base, step, config.psf_px * slope.hypot(1.0), &config.camera)
        })
        .collect();
    contour_bound(&information, &stiffness)
}

fn folds(name: &str, doses: &[f64]) {
    println!(
        "\n{:<18} {:>6} {:>8} | {:>8} {:>9} {:>9} | {:>7} {:>7}",
        "folded front", "counts", "region", "area", "pull", "perimeter", "tip px", "pull"
    );
    for (scene, shape, contrast) in [
        ("hook", FrontShape::Overhang, 0.0),
        ("hook, textured", FrontShape::Overhang, 0.12),
        ("moss", FrontShape::Moss, 0.0),
        ("moss, textured", FrontShape::Moss, 0.12),
    ] {
        if !scene.starts_with(name) {
            continue;
        }
        for dose in doses {
            let mut config = base(*dose);
            (config.front_look.shape, config.contrast) = (shape, contrast);
            if let Some(run) = Run::new(Scene::new(config)) {
                fold_line(scene, run);
            }
        }
    }
}

fn fold_line(name: &str, mut run: Run) {
    let (mut area, mut tip) = (Pulls::default(), Pulls::default());
    let (mut relative, mut perimeter) = (Vec::new(), Vec::new());
    let mut by_region = 0;
    let first = extent(&run.scene, 0).0;
    for index in 0..FRAMES {
        let out = run.measure(index, 0.0);
        by_region += usize::from(run.field(&out, "by_region").0 == 1.0);
        if index % 8 != 7 || index < FRAMES / 2 {
            continue;
        }
        let (true_area, true_perimeter) = extent(&run.scene, index);
        let found = run.field(&out, "area");
        area.add(found.0 - (true_area - first), found.1);
        relative.push(100.0 * (found.0 / (true_area - first) - 1.0).abs());
        perimeter.push(100.0 * (run.field(&out, "perimeter").0 / true_perimeter - 1.0));
        let found = run.field(&out, "tip");
        tip.add(found.0 + run.start - furthest(&run.scene.truth(index).front), found.1);
    }
    println!(
        "{name:<18} {:>6} {by_region:>4}/{FRAMES} | {:>6.2} % {:>9.2} {:>7.1} % | {:>7.2} {:>7.2}",
        run.scene.config.dose_counts_per_px,
        median(relative),
        area.pull(),
        median(perimeter),
        median(tip.error.clone()),
        tip.pull(),
    );
}

/// Lithium's area and the length of its edge in the region, px² and px.
fn extent(scene: &Scene, index: usize) -> (f64, f64) {
    let region = scene.layout.front_region;
    let soft: Vec<f64> = (0..region.width * region.height)
        .map(|k| {
            let (x, y) = (region.x + k % region.width, region.y + k / region.width);
            (scene.lithium_depth(index, (x as f64, y as f64)) / 3.0 + 0.5).clamp(0.0, 1.0)
        })
        .collect();
    let mut length = 0.0;
    for y in 0..region.height - 1 {
        for x in 0..region.width - 1 {
            let k = y * region.width + x;
            let [a, b, c, d] =
                [soft[k], soft[k + 1], soft[k + region.width], soft[k + region.width + 1]];
            length += ((b - a + d - c) / 2.0).hypot((c - a + d - b) / 2.0);
        }
    }
    (soft.iter().sum(), length)
}

fn upsets(name: &str) {
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
    for (upset, change) in UPSETS {
        if !upset.starts_with(name) {
            continue;
        }
        let mut config = base(20.0);
        config.contrast = 0.12;
        config.front_look.shape = FrontShape::Rough;
        change(&mut config);
        if let Some(run) = Run::new(Scene::new(config)) {
            upset_line(upset, run);
        }
    }
    if "no front".starts_with(name) {
        for (contrast, seed) in [(0.0, 1), (0.12, 1), (0.12, 2), (0.25, 3)] {
            let config = SceneConfig { front: false, contrast, seed, ..base(20.0) };
            let Some(mut run) = Run::new(Scene::new(config)) else { continue };
            let reported = (0..FRAMES)
                .filter(|index| {
                    let out = run.measure(*index, 0.0);
                    run.field(&out, "position").0.is_finite()
                })
                .count();
            println!("no front, texture {contrast:.2}: {reported} of {FRAMES} frames report one");
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

//! Lines, mean position, tip and velocities of fronts with one edge a line, or nearly so.

use liwatch::noise::{contour_bound, edge_information};
use liwatch::simulate::{FrontLook, FrontShape, Growth, Scene, erf};

use super::pulls::{Pulls, median};
use super::run::{Change, FRAMES, Run, SIZE};
use super::truth::{furthest, mean};
use crate::common::LAG;

/// An error beyond this is gross, px.
const GROSS_PX: f64 = 3.0;
/// The gauge's prior: second differences of the displacement, px (one sigma).
const BEND_PX: f64 = 0.3 / 16.0;

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

/// Everything of one row of the table, over all seeds.
#[derive(Default)]
struct Row {
    found: usize,
    all: usize,
    gross: usize,
    /// Lines that would be as far off, were all errors those of the bound.
    gross_at_bound: f64,
    /// Most frames for which one line was off.
    lasted: usize,
    over_bound: Vec<f64>,
    line: Pulls,
    position: Pulls,
    tip: Pulls,
    velocity: Pulls,
    tip_velocity: Pulls,
    spent_s: f64,
    frames: usize,
}

pub fn table(name: &str, doses: &[f64], seeds: u64) {
    println!("{SIZE}² u16, {FRAMES} frames of each of {seeds} seeds, true drift");
    println!(
        "{:<18} {:>6} {:>6} {:>7} {:>7} {:>8} {:>5} | {:>5} {:>5} {:>5} {:>5} {:>5} | {:>7} {:>7} {:>6}",
        "front",
        "counts",
        "found",
        "/bound",
        "gross",
        "at bound",
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
    for (scene, change) in SCENES.iter().filter(|(scene, _)| scene.starts_with(name)) {
        for dose in doses {
            let mut row = Row::default();
            Run::seeded(*change, *dose, seeds).for_each(|run| row.add(run));
            row.print(scene, *dose);
        }
    }
}

impl Row {
    fn add(&mut self, mut run: Run) {
        let rate = run.scene.config.frame_rate_hz;
        let lines = run.front(0).len();
        let mut lasts = vec![0usize; lines];
        let verbose = std::env::var_os("VERBOSE").is_some();
        let mut before = run.front(0);
        for index in 0..FRAMES {
            let out = run.measure(index, 0.0);
            let truth = run.front(index);
            let bound = bound(&run.scene, &truth);
            let inside = |p: f64| p > run.start && p < run.end - 3.0;
            for k in 0..lines {
                if !inside(truth[k]) {
                    continue;
                }
                self.all += 1;
                let error = f64::from(out.arrays[0][k]) + run.start - truth[k];
                if !error.is_finite() {
                    lasts[k] = 0;
                    continue;
                }
                self.found += 1;
                let is_gross = error.abs() > GROSS_PX;
                self.gross += usize::from(is_gross);
                self.gross_at_bound += 1.0 - erf(GROSS_PX / (bound[k] * std::f64::consts::SQRT_2));
                lasts[k] = if is_gross { lasts[k] + 1 } else { 0 };
                self.lasted = self.lasted.max(lasts[k]);
                self.over_bound.push(error.abs() / (0.6745 * bound[k]));
                self.line.add(error, f64::from(out.array_errors[0][k]));
            }
            let position = run.field(&out, "position");
            let position_off = position.0 + run.start - mean(&truth);
            self.position.add(position_off, position.1);
            let tip = run.field(&out, "tip");
            let tip_off = tip.0 + run.start - furthest(&truth);
            self.tip.add(tip_off, tip.1);
            let (velocity, tip_velocity) =
                (run.field(&out, "velocity"), run.field(&out, "tip_velocity"));
            // That of the time since the frame before: what comes is not known yet.
            let v = (mean(&truth) - mean(&before)) * rate;
            let tip_v = (furthest(&truth) - furthest(&before)) * rate;
            // A tip that has left the region stands still there.
            if index >= LAG && furthest(&truth) < run.end {
                self.velocity.add(velocity.0 - v, velocity.1);
                self.tip_velocity.add(tip_velocity.0 - tip_v, tip_velocity.1);
            }
            before = truth;
            if verbose {
                println!(
                    "{index:4} pos {:8.3} ± {:.3} err {position_off:7.3} | tip err {tip_off:7.2} ± \
                     {:.2} | v {:.2} ± {:.2} ({v:.2}) tv {:.2} ± {:.2} ({tip_v:.2}) | quality {:.2} \
                     lines {}",
                    position.0,
                    position.1,
                    tip.1,
                    velocity.0,
                    velocity.1,
                    tip_velocity.0,
                    tip_velocity.1,
                    out.quality,
                    out.arrays[0].iter().filter(|at| at.is_finite()).count()
                );
                print_gross(&run, index, &out.arrays[0], &out.array_errors[0], &before);
            }
        }
        self.spent_s += run.spent_s;
        self.frames += FRAMES;
    }

    fn print(&self, name: &str, dose: f64) {
        println!(
            "{name:<18} {dose:>6} {:>5.1}% {:>7.2} {:>6.2}% {:>7.2}% {:>5} | {:>5.2} {:>5.2} {:>5.2} \
             {:>5.2} {:>5.2} | {:>7.3} {:>7.3} {:>6.3}",
            100.0 * self.found as f64 / self.all.max(1) as f64,
            median(self.over_bound.clone()),
            100.0 * self.gross as f64 / self.found.max(1) as f64,
            100.0 * self.gross_at_bound / self.found.max(1) as f64,
            self.lasted,
            self.line.pull(),
            self.position.pull(),
            self.tip.pull(),
            self.velocity.pull(),
            self.tip_velocity.pull(),
            self.position.median(),
            self.tip.median(),
            self.spent_s / self.frames.max(1) as f64 * 1e3
        );
    }
}

/// Lines that are off by more than is allowed, as runs of neighbours: first and last line, and by how
/// much in the middle one.
fn print_gross(run: &Run, index: usize, contour: &[f32], errors: &[f32], front: &[f64]) {
    let off = |k: usize| f64::from(contour[k]) + run.start - front[k];
    let is_gross = |k: usize| off(k).abs() > GROSS_PX;
    let mut first = None;
    for k in 0..=front.len() {
        match (first, k < front.len() && is_gross(k)) {
            (None, true) => first = Some(k),
            (Some(from), false) => {
                let middle = usize::midpoint(from, k - 1);
                let (at, by) = (front[middle] - run.start, off(middle));
                let sigma = errors[middle];
                println!("{index:4}   lines {from} to {}: {by:.1} ± {sigma:.1} off {at:.1}", k - 1);
                first = None;
            }
            _ => {}
        }
    }
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

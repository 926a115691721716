//! What follows from the contour: roughness, wavelength, time to short, capacity.

use liwatch::simulate::FrontShape;

use super::pulls::{Pulls, median};
use super::run::{Change, FRAMES, Run};
use super::truth::{furthest, mean, roughness, wavelength};
use crate::common::LAG;

const SCENES: [(&str, Change); 5] = [
    ("rough", |c| c.front_look.shape = FrontShape::Rough),
    ("wavy", |c| c.front_look.shape = FrontShape::Wavy),
    ("finger", |_| {}),
    ("rough, textured", |c| (c.front_look.shape, c.contrast) = (FrontShape::Rough, 0.12)),
    ("finger, textured", |c| c.contrast = 0.12),
];

/// One number: its error in percent of the truth, and over its sigma.
#[derive(Default)]
struct Number {
    percent: Vec<f64>,
    pulls: Pulls,
}

impl Number {
    fn add(&mut self, (found, sigma): (f64, f64), truth: f64) {
        if found.is_finite() && truth != 0.0 {
            self.percent.push(100.0 * (found / truth - 1.0).abs());
            self.pulls.add(found - truth, sigma);
        }
    }
}

#[derive(Default)]
struct Row {
    roughness: Number,
    wavelength: Number,
    capacity: Number,
    eta: Number,
    /// Frames with limits of the time to short, and those in which the true one lies between them.
    limits: usize,
    between: usize,
}

pub fn table(name: &str, doses: &[f64], seeds: u64) {
    println!(
        "\n{:<18} {:>6} | {:>9} {:>6} | {:>10} {:>6} | {:>8} {:>6} | {:>7} {:>6} {:>9}",
        "follows from it",
        "counts",
        "roughness",
        "pull",
        "wavelength",
        "pull",
        "capacity",
        "pull",
        "eta",
        "pull",
        "in limits"
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
        let counter = run.scene.layout.counter_px;
        let first = mean(&run.front(0));
        let mut before = run.front(0);
        for index in 0..FRAMES {
            let out = run.measure(index, 0.0);
            let front = run.front(index);
            if index >= LAG {
                self.roughness.add(run.field(&out, "roughness"), roughness(&front));
                self.wavelength.add(run.field(&out, "wavelength"), wavelength(&front));
                self.capacity.add(run.field(&out, "capacity"), mean(&front) - first);
                // As the column is defined: at the tip's present velocity.
                let velocity = (furthest(&front) - furthest(&before)) * rate;
                let eta = (counter - furthest(&front)) / velocity;
                if eta > 0.0 && velocity != 0.0 {
                    self.eta.add(run.field(&out, "eta"), eta);
                    let [low, high] = ["eta_low", "eta_high"].map(|name| run.field(&out, name).0);
                    if !(low.is_nan() || high.is_nan()) {
                        self.limits += 1;
                        self.between += usize::from((low..=high).contains(&eta));
                    }
                }
            }
            before = front;
        }
    }

    fn print(&self, name: &str, dose: f64) {
        let percent = |number: &Number| median(number.percent.clone());
        println!(
            "{name:<18} {dose:>6} | {:>7.2} % {:>6.2} | {:>8.2} % {:>6.2} | {:>6.2} % {:>6.2} | \
             {:>5.1} % {:>6.2} {:>7.1} %",
            percent(&self.roughness),
            self.roughness.pulls.pull(),
            percent(&self.wavelength),
            self.wavelength.pulls.pull(),
            percent(&self.capacity),
            self.capacity.pulls.pull(),
            percent(&self.eta),
            self.eta.pulls.pull(),
            100.0 * self.between as f64 / self.limits.max(1) as f64,
        );
    }
}

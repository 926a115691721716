//! Found openings against the true ones.

use liwatch::noise::opening_bound;
use liwatch::simulate::Scene;

use crate::scenes::{PSF, Row};

/// Stations that share a change: 2√π times the default `smooth_stations`.
pub const SHARED: f64 = 15.95;

/// Sums over stations and frames.
#[derive(Default)]
pub struct Sums {
    pub n: f64,
    pub error: f64,
    pub squared: f64,
    pub in_bounds: f64,
    pub pull: f64,
    pub centre: f64,
    pub truth: f64,
    pub found: f64,
    pub wrong: f64,
}

pub fn judge(scene: &Scene, rows: &[Row], from: usize, sums: &mut Sums) {
    let fissure = &scene.config.fissures[0];
    let camera = &scene.config.camera;
    let dose = scene.config.dose_counts_per_px;
    let signed = fissure.depth;
    for row in rows.iter().filter(|row| row.index >= from) {
        let time = row.index as f64 / scene.config.frames as f64;
        let length = fissure.length(time);
        let mut covered = vec![false; length.ceil() as usize + 1];
        for (k, at) in row.path.iter().enumerate() {
            let (distance, along) = fissure.nearest(*at);
            let truth = fissure.opening(along, time);
            if row.open[k] {
                if distance < 2.0 + 0.5 * truth && along <= length {
                    let here = along as usize;
                    let end = (here + 2).min(covered.len());
                    covered[here.saturating_sub(1)..end].fill(true);
                } else if distance > 3.0 + truth || along > length + 6.0 {
                    sums.wrong += 1.0;
                }
            }
            let (width, error) = row.width(k);
            if !(width.is_finite() && error.is_finite())
                || distance > 3.0
                || along < 15.0
                || along > length - 15.0
            {
                continue;
            }
            let miss = width - truth;
            let bound =
                opening_bound(camera.offset_counts + dose, signed, truth, PSF, 61, true, camera)
                    / SHARED.sqrt();
            sums.n += 1.0;
            sums.error += miss;
            sums.squared += miss * miss;
            sums.in_bounds += (miss / bound).powi(2);
            sums.pull += (miss / error).powi(2);
            sums.centre += distance * distance;
        }
        sums.truth += length;
        sums.found += covered.iter().filter(|c| **c).count() as f64;
    }
}

impl Sums {
    pub fn print(&self, head: &str) {
        let bias = self.error / self.n;
        println!(
            "| {head} | {bias:+.3} | {:.3} | {:.2} | {:.2} | {:.2} | {:.1} % | {:.1} % |",
            (self.squared / self.n - bias * bias).max(0.0).sqrt(),
            (self.in_bounds / self.n).sqrt(),
            (self.pull / self.n).sqrt(),
            (self.centre / self.n).sqrt(),
            (100.0 * self.found / self.truth).min(100.0),
            100.0 * self.wrong / self.truth
        );
    }
}

pub const COLUMNS: &str = "bias | scatter | rms/bound | pull | centre rms | found | false |";
pub const RULE: &str = "---|---|---|---|---|---|---|";

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
    /// The same over the bound of a frame that must find the station's depth by itself; 0 where all
    /// stations are alike.
    pub of_one_frame: f64,
    pub pull: f64,
    pub centre: f64,
    pub truth: f64,
    pub found: f64,
    pub wrong: f64,
    /// The same of each part of the path, [`PARTS`] of them: stations, error, squared error, quoted
    /// and least possible variance, squared pull, squared distance of the centre.
    parts: Vec<[f64; 7]>,
}

/// Parts of the path by which `along` tells errors.
const PARTS: usize = 40;

pub fn judge(scene: &Scene, rows: &[Row], from: usize, sums: &mut Sums) {
    let fissure = &scene.config.fissures[0];
    let camera = &scene.config.camera;
    let dose = scene.config.dose_counts_per_px;
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
            let depth = fissure.depth_at(along);
            let least = |depth_known: bool| {
                let base = camera.offset_counts + dose;
                opening_bound(base, depth, truth, PSF, 61, depth_known, camera) / SHARED.sqrt()
            };
            let bound = least(true);
            sums.n += 1.0;
            sums.error += miss;
            sums.squared += miss * miss;
            sums.in_bounds += (miss / bound).powi(2);
            if fissure.filled.is_some() {
                sums.of_one_frame += (miss / least(false)).powi(2);
            }
            sums.pull += (miss / error).powi(2);
            sums.centre += distance * distance;
            sums.parts.resize(PARTS, [0.0; 7]);
            let part = (along / fissure.path_length() * PARTS as f64) as usize;
            let new = [
                1.0,
                miss,
                miss * miss,
                error * error,
                bound * bound,
                (miss / error).powi(2),
                distance * distance,
            ];
            sums.parts[part.min(PARTS - 1)].iter_mut().zip(new).for_each(|(sum, new)| *sum += new);
        }
        sums.truth += length;
        sums.found += covered.iter().filter(|c| **c).count() as f64;
    }
}

impl Sums {
    pub fn print(&self, head: &str) {
        let bias = self.error / self.n;
        let alone = (self.of_one_frame / self.n).sqrt();
        let alone = if alone > 0.0 { format!(" ({alone:.2})") } else { String::new() };
        println!(
            "| {head} | {bias:+.3} | {:.3} | {:.2}{alone} | {:.2} | {:.2} | {:.1} % | {:.1} % |",
            (self.squared / self.n - bias * bias).max(0.0).sqrt(),
            (self.in_bounds / self.n).sqrt(),
            (self.pull / self.n).sqrt(),
            (self.centre / self.n).sqrt(),
            (100.0 * self.found / self.truth).min(100.0),
            100.0 * self.wrong / self.truth
        );
    }

    /// Where along the path the errors are.
    pub fn print_along(&self) {
        println!("    along | n | bias | rms | one sigma | bound | pull | centre");
        for (k, part) in self.parts.iter().enumerate().filter(|(_, part)| part[0] > 0.0) {
            let [n, error, squared, quoted, bound, pull, centre] = *part;
            let root = |sum: f64| (sum / n).sqrt();
            println!(
                "    {:.3} | {n} | {:+.3} | {:.3} | {:.3} | {:.3} | {:.2} | {:.2}",
                (k as f64 + 0.5) / PARTS as f64,
                error / n,
                root(squared),
                root(quoted),
                root(bound),
                root(pull),
                root(centre)
            );
        }
    }
}

pub const COLUMNS: &str = "bias | scatter | rms/bound | pull | centre rms | found | false |";
pub const RULE: &str = "---|---|---|---|---|---|---|";

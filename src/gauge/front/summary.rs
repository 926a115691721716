//! The front over time: position, tip, velocity, roughness, area, time to short, and what the next
//! frames should expect.

use std::sync::Arc;

use super::{Hints, Observation};
use crate::frame::{Dimension, Stamp};
use crate::gauge::lines::Lines;
use crate::gauge::smooth::smooth_columns;
use crate::gauge::trend::Trend;
use crate::gauge::{ArrayField, Constant, Field, Measurement, Schema};

/// Frames from which the bare specimen's texture is learned.
const TEXTURE_FRAMES: u32 = 24;
/// Frames that velocities look back on.
const TREND_FRAMES: usize = 24;
/// Frames (about) over which each line's own motion is smoothed for predictions.
const MEMORY: f32 = 12.0;
/// Lines (one sigma) that share their velocity in predictions.
const RATE_LINES: f64 = 8.0;
/// A line that seems to have moved further than this since its prediction is followed only so far.
const SURPRISE_MOST: f32 = 8.0;
/// The tip is the mean of the furthest lines over this width.
const TIP_LINES: usize = 5;
/// A line that stands still is known this well at best, px: texture is never learned perfectly.
const FLOOR_PX: f64 = 0.02;

/// The fields of a front gauge.
pub fn schema(lines: &Lines) -> Schema {
    let axis = lines.axis();
    let field = |name, long_name, dimension| Field { name, long_name, dimension };
    Schema {
        fields: vec![
            field("position", "mean position of the front", Dimension::Length(axis)),
            field("tip", "furthest reach of the front", Dimension::Length(axis)),
            field("gap", "counter electrode minus tip", Dimension::Length(axis)),
            field("velocity", "velocity of the mean position", Dimension::Velocity(axis)),
            field("roughness", "standard deviation of the contour", Dimension::Length(axis)),
            field("area", "area swept since the first valid frame", Dimension::Area),
            field("eta", "time until the gap is zero at the tip's velocity", Dimension::Time),
        ],
        arrays: vec![ArrayField {
            name: "contour",
            long_name: "position of the front along each line",
            dimension: Dimension::Length(axis),
            len: lines.count,
            axis: Some("lines"),
        }],
        constants: vec![Constant {
            name: "lines",
            long_name: "coordinate of each line across the growth axis",
            dimension: Dimension::Pixel,
            shape: (lines.count, 1),
            values: lines.across(),
        }],
    }
}

/// What the tracker remembers.
pub struct Summary {
    lines: Lines,
    smooth_lines: f64,
    position: Trend,
    tip: Trend,
    /// Each line's filtered position and velocity (px per frame); NaN where never seen.
    level: Vec<f32>,
    rate: Vec<f32>,
    seen: u32,
    last_index: u64,
    first_contour: Vec<f32>,
    sigma_px: Option<f32>,
    texture: Texture,
}

/// The bare specimen, as the mean of the first frames ahead of the front.
struct Texture {
    sum: Vec<f32>,
    count: Vec<u16>,
    frames: u32,
    done: Option<Arc<Vec<f32>>>,
}

impl Summary {
    /// Nothing seen yet.
    pub fn new(lines: &Lines, smooth_lines: f64) -> Summary {
        let pixels = lines.count * lines.length;
        Summary {
            lines: *lines,
            smooth_lines,
            position: Trend::new(TREND_FRAMES),
            tip: Trend::new(TREND_FRAMES),
            level: vec![f32::NAN; lines.count],
            rate: vec![0.0; lines.count],
            seen: 0,
            last_index: 0,
            first_contour: vec![f32::NAN; lines.count],
            sigma_px: None,
            texture: Texture {
                sum: vec![0.0; pixels],
                count: vec![0; pixels],
                frames: 0,
                done: None,
            },
        }
    }

    /// Takes one frame and fills the measurement.
    pub fn take(
        &mut self,
        stamp: &Stamp,
        observation: &Observation,
        counter: Option<f64>,
        out: &mut Measurement,
    ) {
        let contour = &observation.contour;
        if let Some(region) = &observation.region {
            self.texture.learn(region, &contour.position, &self.lines);
        }
        let found = contour.share_found();
        if found < 0.25 {
            return;
        }
        self.follow(stamp, &contour.position);
        if contour.sigma_px.is_finite() {
            let last = self.sigma_px.unwrap_or(contour.sigma_px);
            self.sigma_px = Some(last + 0.1 * (contour.sigma_px - last));
        }
        let drift = observation.drift_error;
        let (position, position_error) = mean(contour, drift);
        let (tip, tip_error) = tip(contour, drift);
        self.position.push(stamp.time_s, position, position_error);
        self.tip.push(stamp.time_s, tip, tip_error);
        let (velocity, velocity_error) = self.position.slope();
        let (roughness, roughness_error) = roughness(contour, position);
        let (area, area_error) = self.area(contour, position_error);
        let gap = counter.map_or(f64::NAN, |counter| counter - tip);
        let (eta, eta_error) = eta(gap, tip_error, self.tip.slope());
        out.values.copy_from_slice(&[position, tip, gap, velocity, roughness, area, eta]);
        out.errors.copy_from_slice(&[
            position_error,
            tip_error,
            if gap.is_nan() { f64::NAN } else { tip_error },
            velocity_error,
            roughness_error,
            area_error,
            eta_error,
        ]);
        out.arrays[0].copy_from_slice(&contour.position);
        out.array_errors[0].copy_from_slice(&contour.error);
        out.quality = (found as f32 / contour.excess.max(1.0).sqrt()).clamp(0.0, 1.0);
    }

    /// What the observer of a frame some frames later should expect.
    pub fn hints(&self, lag_frames: f32) -> Hints {
        let contour = (self.seen > 0).then(|| {
            // Neighbours move alike; the noise of single lines must not reach the expectation,
            // since the fit keeps what is finer than its own smoothing.
            let mut level = self.level.clone();
            fill_gaps(&mut level);
            let rates = smoothed(&self.rate, RATE_LINES);
            let ahead: Vec<f32> =
                level.iter().zip(&rates).map(|(level, rate)| level + rate * lag_frames).collect();
            let last = self.lines.length as f32 - 2.0;
            let mut expected = smoothed(&ahead, self.smooth_lines);
            expected.iter_mut().for_each(|p| *p = p.clamp(1.0, last));
            Arc::new(expected)
        });
        Hints {
            contour,
            texture: self.texture.done.clone(),
            sigma_px: self.sigma_px,
            texture_done: self.texture.done.is_some(),
        }
    }

    /// An alpha–beta filter for each line, its gains falling from 1 to those of the memory.
    fn follow(&mut self, stamp: &Stamp, position: &[f32]) {
        let frames = stamp.index.saturating_sub(self.last_index).max(1) as f32;
        self.last_index = stamp.index;
        self.seen += 1;
        let window = (self.seen as f32).min(MEMORY);
        // Gains of the least-squares line through `window` points (A. W. Bridgewater, 1978).
        let alpha = 2.0 * (2.0 * window - 1.0) / (window * (window + 1.0));
        let beta = 6.0 / (window * (window + 1.0));
        for ((level, rate), position) in self.level.iter_mut().zip(&mut self.rate).zip(position) {
            if level.is_nan() {
                *level = *position;
                continue;
            }
            let expected = *level + *rate * frames;
            *level = expected;
            if position.is_finite() {
                let surprise = (position - expected).clamp(-SURPRISE_MOST, SURPRISE_MOST);
                *level += alpha.min(1.0) * surprise;
                if self.seen > 2 {
                    *rate += beta.min(1.0) * surprise / frames;
                }
            }
        }
    }

    fn area(&mut self, contour: &super::Contour, position_error: f64) -> (f64, f64) {
        let (mut area, mut lines) = (0.0, 0.0);
        for (first, now) in self.first_contour.iter_mut().zip(&contour.position) {
            if now.is_finite() {
                if first.is_nan() {
                    *first = *now;
                }
                area += f64::from(*now - *first);
                lines += 1.0;
            }
        }
        // The first contour errs as much as this one.
        (area, lines * position_error * std::f64::consts::SQRT_2)
    }
}

impl Texture {
    /// Adds a frame where it is bare: beyond the edge and its blur.
    fn learn(&mut self, region: &[f32], contour: &[f32], lines: &Lines) {
        if self.done.is_some() {
            return;
        }
        for (line, edge) in contour.iter().enumerate() {
            if !edge.is_finite() {
                continue;
            }
            let bare = (edge + 6.0).clamp(0.0, lines.length as f32) as usize;
            for k in line * lines.length + bare..(line + 1) * lines.length {
                if region[k].is_finite() {
                    self.sum[k] += region[k];
                    self.count[k] += 1;
                }
            }
        }
        self.frames += 1;
        if self.frames >= TEXTURE_FRAMES {
            self.done = Some(Arc::new(self.relative(lines)));
            self.sum = Vec::new();
            self.count = Vec::new();
        }
    }

    /// Brightness over the mean brightness of the bare specimen; NaN where it was not seen by at
    /// least half of the frames.
    fn relative(&self, lines: &Lines) -> Vec<f32> {
        let (mut total, mut number) = (0.0f64, 0.0f64);
        for (sum, count) in self.sum.iter().zip(&self.count) {
            total += f64::from(*sum);
            number += f64::from(*count);
        }
        debug_assert_eq!(self.sum.len(), lines.count * lines.length);
        let mean = (total / number.max(1.0)) as f32;
        let enough = (self.frames / 2).max(1) as u16;
        self.sum
            .iter()
            .zip(&self.count)
            .map(|(sum, count)| {
                if *count < enough {
                    return f32::NAN;
                }
                (sum / f32::from(*count) / mean).clamp(0.2, 5.0)
            })
            .collect()
    }
}

/// Mean over the lines with an edge. Each line counts the same: the position is that of the
/// contour, and not of its sharper parts.
fn mean(contour: &super::Contour, drift_error: f64) -> (f64, f64) {
    let (mut sum, mut variance, mut count) = (0.0, 0.0, 0.0);
    for (position, information) in contour.position.iter().zip(&contour.information) {
        if position.is_finite() && *information > 0.0 {
            sum += f64::from(*position);
            variance += 1.0 / f64::from(*information);
            count += 1.0;
        }
    }
    if count == 0.0 {
        return (f64::NAN, f64::NAN);
    }
    (sum / count, (variance / (count * count) + drift_error.powi(2) + FLOOR_PX.powi(2)).sqrt())
}

/// The furthest reach: the largest mean of a few neighbouring lines.
fn tip(contour: &super::Contour, drift_error: f64) -> (f64, f64) {
    let mut best = (f64::NAN, f64::NAN);
    for (lines, errors) in contour.position.windows(TIP_LINES).zip(contour.error.windows(TIP_LINES))
    {
        let mean = lines.iter().map(|p| f64::from(*p)).sum::<f64>() / TIP_LINES as f64;
        if mean.is_finite() && (best.0.is_nan() || mean > best.0) {
            // Neighbours share most of their error, so it does not average out.
            best = (mean, f64::from(errors[TIP_LINES / 2]));
        }
    }
    (best.0, (best.1.powi(2) + drift_error.powi(2) + FLOOR_PX.powi(2)).sqrt())
}

/// Standard deviation of the contour without the part that is noise.
fn roughness(contour: &super::Contour, mean: f64) -> (f64, f64) {
    let (mut square, mut noise, mut count) = (0.0, 0.0, 0.0);
    for (position, error) in contour.position.iter().zip(&contour.error) {
        if position.is_finite() {
            square += (f64::from(*position) - mean).powi(2);
            noise += f64::from(*error).powi(2);
            count += 1.0;
        }
    }
    let variance = (square - noise).max(0.0) / f64::max(count, 1.0);
    let roughness = variance.sqrt();
    // δ(σ) = δ(σ²)/2σ, with the contour's noise averaged over the lines.
    let error = (noise / f64::max(count, 1.0)).sqrt() / f64::max(count, 1.0).sqrt();
    (roughness, error.max(FLOOR_PX))
}

/// Time until the gap closes; infinite when the tip does not advance.
fn eta(gap: f64, gap_error: f64, (velocity, velocity_error): (f64, f64)) -> (f64, f64) {
    if gap.is_nan() || velocity.is_nan() {
        return (f64::NAN, f64::NAN);
    }
    if gap <= 0.0 {
        return (0.0, gap_error / velocity.abs().max(f64::MIN_POSITIVE));
    }
    // Within one sigma of standing still is not advancing.
    if velocity <= velocity_error {
        return (f64::INFINITY, f64::NAN);
    }
    let eta = gap / velocity;
    (eta, eta * ((gap_error / gap).powi(2) + (velocity_error / velocity).powi(2)).sqrt())
}

fn smoothed(values: &[f32], sigma: f64) -> Vec<f32> {
    let rows: Vec<[f64; 1]> = values.iter().map(|value| [f64::from(*value)]).collect();
    smooth_columns(&rows, sigma).iter().map(|[value]| *value as f32).collect()
}

/// Lines without an edge take that of the nearest line that has one.
fn fill_gaps(contour: &mut [f32]) {
    let known: Vec<usize> = (0..contour.len()).filter(|k| contour[*k].is_finite()).collect();
    for k in 0..contour.len() {
        if contour[k].is_nan() {
            let at = known.partition_point(|j| *j < k);
            let before = at.checked_sub(1).map(|at| known[at]);
            let after = known.get(at).copied();
            let nearest = match (before, after) {
                (Some(before), Some(after)) if k - before <= after - k => Some(before),
                (before, after) => after.or(before),
            };
            contour[k] = nearest.map_or(0.0, |nearest| contour[nearest]);
        }
    }
}

//! The front over time: what each frame's contour, and lithium's area where it folds, say together
//! with those before, and what the next frames should expect.

use std::sync::Arc;

use super::extent::Extent;
use super::fields::{self, Numbers};
use super::fit::Contour;
use super::follow::Follower;
use super::kinetics::Kinetics;
use super::shape::Shape;
use super::texture::{self, Learned, Texture};
use super::{FrontConfig, Hints, Observation};
use crate::frame::Stamp;
use crate::gauge::Measurement;
use crate::gauge::lines::Lines;

/// A contour of fewer lines is none.
const FOUND_LEAST: f64 = 0.4;
/// A front that is further than this from where it was (px, beside three sigma), along so much of
/// it, must be found there in so many frames before it is believed.
const FAR_PX: f32 = 6.0;
const FAR_SHARE: f64 = 0.3;
/// The same in the first frames, whose velocity is not known.
const FAR_FIRST_PX: f32 = 32.0;
const FIRST_FRAMES: u64 = 4;
const BELIEVED_AFTER: u32 = 12;
/// Nor is one believed whose scatter exceeds that of the frames before by this factor.
const SCATTER_MOST: f32 = 20.0;
/// How much of a frame's edge width, scatter and contrast the hints take over.
const SHARE_NEW: f32 = 0.1;
/// Lithium folds when it does so along this share of the lines; one frame of so many is looked at,
/// and after a fold was seen all for a while.
const FOLDED_LEAST: f64 = 0.03;
const LOOK_EVERY: u64 = 4;
const LOOKS_MORE: u32 = 4;
/// An edge that the area sees elsewhere, and advancing by so much from look to look, is a dendrite
/// that was lost.
const GROWING_PX: f32 = 4.0;
/// A folded line's edge is put where the area says when it was followed elsewhere, px.
const ELSEWHERE_PX: f32 = 8.0;
/// One sigma of an edge that the area tells, px.
const EXTENT_PX: f32 = 1.0;
/// The area's furthest edge is the tip when it lies so much further, px.
const TIP_BEHIND_PX: f64 = 3.0;

/// What the tracker remembers.
pub struct Summary {
    lines: Lines,
    smooth_lines: f64,
    bands: Vec<std::ops::Range<usize>>,
    follower: Follower,
    position: Kinetics,
    tip: Kinetics,
    first_contour: Vec<f32>,
    candidate: Option<(Vec<f32>, u32)>,
    texture: Texture,
    learned: Option<Learned>,
    /// Frames taken, with or without a front.
    frames: u64,
    last_time: Option<(f64, u64)>,
    frame_s: f64,
    sigma_px: Option<f32>,
    excess: Option<f32>,
    scatter: Option<f32>,
    contrast: Option<(f64, f64)>,
    texture_share: Option<f32>,
    folded_looks: u32,
    /// Where the area had each line's furthest edge at the last look.
    last_reach: Vec<f32>,
}

impl Summary {
    /// Nothing seen yet.
    pub fn new(lines: &Lines, config: &FrontConfig) -> Summary {
        Summary {
            lines: *lines,
            smooth_lines: config.smooth_lines,
            bands: fields::bands(lines),
            follower: Follower::new(lines.count, config.smooth_lines),
            position: Kinetics::new(config.bandwidth_hz),
            tip: Kinetics::new(config.bandwidth_hz),
            first_contour: vec![f32::NAN; lines.count],
            candidate: None,
            texture: Texture::new(lines.count * lines.length),
            learned: None,
            frames: 0,
            last_time: None,
            frame_s: f64::NAN,
            sigma_px: None,
            excess: None,
            scatter: None,
            contrast: None,
            texture_share: None,
            folded_looks: 0,
            last_reach: vec![f32::NAN; lines.count],
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
        self.keep_time(stamp);
        self.frames += 1;
        let contour = &observation.contour;
        let found = contour.share_found();
        let (mut position, mut error) = (contour.position.clone(), contour.error.clone());
        let replaced = self.look_for_folds(observation.extent.as_ref(), &mut position, &mut error);
        if found < FOUND_LEAST || !self.is_believed(stamp, contour, &replaced) {
            return;
        }
        for line in replaced {
            if !((self.follower.position(line).0 - position[line]).abs() < ELSEWHERE_PX) {
                self.follower.place(line, position[line]);
            }
        }
        if let Some(region) = &observation.region {
            let learned = self.texture.learn(region, contour, observation.offset, &self.lines);
            self.learned = learned.or(self.learned.take());
        }
        self.remember(contour);
        self.follower.take(stamp.index, &mut position, &error, &contour.own);
        for (position, error) in position.iter().zip(&mut error) {
            if position.is_nan() {
                *error = f32::NAN;
            }
        }
        out.arrays[0].copy_from_slice(&position);
        out.array_errors[0].copy_from_slice(&error);
        self.measure(stamp, observation, counter, (position, error), out);
        out.quality = (found as f32 / contour.excess.max(1.0).sqrt()).clamp(0.0, 1.0);
    }

    /// What the observer of a frame some frames later should expect.
    pub fn hints(&self, lag_frames: f32) -> Hints {
        let expected = self.follower.predicted(lag_frames, self.lines.length);
        Hints {
            contour: expected.map(Arc::new),
            expected_variance: self.follower.expected_variance(lag_frames),
            texture: self.learned.as_ref().map(|learned| Arc::clone(&learned.pixels)),
            cell_texture: self.learned.as_ref().map(|learned| Arc::clone(&learned.cells)),
            texture_share: self.texture_share,
            sigma_px: self.sigma_px,
            excess: self.excess,
            scatter: self.scatter,
            contrast: self.contrast,
            no_texture: !texture::is_wanted(self.frames),
            wants_extent: self.folded_looks > 0 || self.frames.is_multiple_of(LOOK_EVERY),
        }
    }

    fn keep_time(&mut self, stamp: &Stamp) {
        if let Some((time, index)) = self.last_time {
            let frame_s = (stamp.time_s - time) / stamp.index.saturating_sub(index).max(1) as f64;
            self.frame_s = if self.frame_s.is_nan() {
                frame_s
            } else {
                self.frame_s + f64::from(SHARE_NEW) * (frame_s - self.frame_s)
            };
        }
        self.last_time = Some((stamp.time_s, stamp.index));
    }

    /// Whether the front is where it was, or has been found elsewhere at the same place often
    /// enough. Shadows, flashes and drifts that were not seen move all of it at once.
    fn is_believed(&mut self, stamp: &Stamp, contour: &Contour, replaced: &[usize]) -> bool {
        if self
            .excess
            .is_some_and(|excess| contour.measured_excess > SCATTER_MOST * excess.max(1.0))
        {
            return false;
        }
        let position = &contour.position;
        let followed = self.follower.expected_at(stamp.index);
        let far_px = if self.follower.seen < FIRST_FRAMES { FAR_FIRST_PX } else { FAR_PX };
        let (mut far, mut all) = (0.0, 0.0);
        for line in (0..self.lines.count).filter(|line| replaced.binary_search(line).is_err()) {
            let apart = (position[line] - followed[line]).abs();
            if apart.is_finite() {
                far += f64::from(u8::from(apart > far_px + 3.0 * contour.error[line]));
                all += 1.0;
            }
        }
        let is_first = self.frames == 1;
        if is_first || self.follower.seen > 0 && far <= FAR_SHARE * all {
            self.candidate = None;
            return true;
        }
        let times = match self.candidate.take() {
            Some((before, times)) if apart(position, &before) < FAR_PX => times + 1,
            _ => 1,
        };
        if times < BELIEVED_AFTER {
            self.candidate = Some((position.clone(), times));
            return false;
        }
        self.follower = Follower::new(self.lines.count, self.smooth_lines);
        true
    }

    fn remember(&mut self, contour: &Contour) {
        let mixed = |old: Option<f32>, new: f32| {
            if new.is_finite() {
                Some(old.map_or(new, |old| old + SHARE_NEW * (new - old)))
            } else {
                old
            }
        };
        self.sigma_px = mixed(self.sigma_px, contour.sigma_px);
        self.excess = mixed(self.excess, contour.measured_excess);
        self.scatter = mixed(self.scatter, contour.scatter);
        self.texture_share = mixed(self.texture_share, contour.texture_share);
        let (contrast, error) = contour.contrast;
        if contrast.is_finite() && error.is_finite() {
            let share = f64::from(SHARE_NEW);
            self.contrast = Some(match self.contrast {
                None => (contrast, error),
                Some((old, old_error)) => {
                    let variance = ((1.0 - share) * old_error).powi(2) + (share * error).powi(2);
                    (old + share * (contrast - old), variance.sqrt())
                }
            });
        }
    }

    /// Where lithium folds, lines whose furthest edge is not the one that was followed get it from
    /// the area; these, in order.
    fn look_for_folds(
        &mut self,
        extent: Option<&Extent>,
        position: &mut [f32],
        error: &mut [f32],
    ) -> Vec<usize> {
        let mut replaced = Vec::new();
        let Some(extent) = extent else { return replaced };
        if extent.share_folded() < FOLDED_LEAST {
            self.folded_looks = self.folded_looks.saturating_sub(1);
        } else {
            self.folded_looks = LOOKS_MORE;
        }
        let folded = self.folded_looks > 0;
        for line in 0..self.lines.count {
            let reach = extent.reach[line];
            let before = std::mem::replace(&mut self.last_reach[line], reach);
            if !reach.is_finite() || (position[line] - reach).abs() < ELSEWHERE_PX {
                continue;
            }
            // What merely touches the front, as particles do, neither folds nor grows.
            let grows = reach - before > GROWING_PX && reach > self.follower.position(line).0;
            if !folded && !grows {
                continue;
            }
            (position[line], error[line]) = (reach, EXTENT_PX);
            replaced.push(line);
        }
        replaced
    }

    fn measure(
        &mut self,
        stamp: &Stamp,
        observation: &Observation,
        counter: Option<f64>,
        (mut position, mut error): (Vec<f32>, Vec<f32>),
        out: &mut Measurement,
    ) {
        let seen: Vec<bool> = position.iter().map(|p| p.is_finite()).collect();
        for line in 0..position.len() {
            // Where no edge was seen it is where it was expected, less certainly: a line that
            // drops out must not move the mean.
            if !seen[line] {
                let (at, variance) = self.follower.position(line);
                (position[line], error[line]) = (at, variance.sqrt());
            }
        }
        let shape = Shape {
            position: &position,
            error: &error,
            seen: &seen,
            smooth_lines: self.smooth_lines,
            common: observation.drift_error,
        };
        let mut numbers = Numbers { position: shape.mean(), ..Numbers::default() };
        numbers.tip = self.tip(&shape);
        numbers.roughness = shape.roughness(numbers.position.0);
        numbers.wavelength = shape.wavelength(numbers.roughness);
        let folded = self.folded_looks > 0;
        numbers.by_region = (f64::from(u8::from(folded)), f64::NAN);
        if let Some(furthest) = observation.extent.as_ref().filter(|_| folded).map(Extent::furthest)
            && furthest - numbers.tip.0 > TIP_BEHIND_PX
        {
            // A head that was not followed line by line yet must not be missed.
            numbers.tip = (furthest, f64::from(EXTENT_PX));
        }
        self.measure_area(&shape, observation.extent.as_ref(), folded, &mut numbers);

        self.position.take(stamp.time_s, numbers.position.0, numbers.position.1);
        self.tip.take(stamp.time_s, numbers.tip.0, numbers.tip.1);
        numbers.velocity = self.position.velocity();
        numbers.tip_velocity = self.tip.velocity();
        if let Some(counter) = counter {
            numbers.gap = (counter - numbers.tip.0, numbers.tip.1);
        }
        let eta = self.tip.time_to_close(numbers.gap.0, numbers.gap.1);
        numbers.eta = (eta.s, eta.error_s);
        numbers.eta_low = (eta.low_s, f64::NAN);
        numbers.eta_high = (eta.high_s, f64::NAN);
        numbers.put(out);
        self.put_local_velocities(out);
    }

    /// Area, perimeter, capacity and, where lithium folds, the tip.
    fn measure_area(
        &mut self,
        shape: &Shape<'_>,
        extent: Option<&Extent>,
        folded: bool,
        numbers: &mut Numbers,
    ) {
        let (mut area, mut lines) = (0.0, 0.0);
        for line in 0..self.lines.count {
            // Half a pixel lies before the first pixel's centre.
            let along = match extent {
                Some(extent) if folded && extent.folded[line] => extent.length[line] - 0.5,
                _ => shape.position[line],
            };
            if along.is_finite() {
                let first = &mut self.first_contour[line];
                if first.is_nan() {
                    *first = along;
                }
                area += f64::from(along - *first);
                lines += 1.0;
            }
        }
        // The first contour errs as much as this one.
        let by_contour = lines * numbers.position.1 * std::f64::consts::SQRT_2;
        let (area, error, perimeter) = match (folded, extent) {
            (false, _) => (area, by_contour, shape.perimeter()),
            (true, Some(extent)) => {
                let error = by_contour.hypot(extent.area_error());
                (area, error, (extent.perimeter, 0.02 * extent.perimeter))
            }
            // A folded front without a look at its area: no number is better than a wrong one.
            (true, None) => (f64::NAN, f64::NAN, (f64::NAN, f64::NAN)),
        };
        numbers.area = (area, error);
        numbers.perimeter = perimeter;
        numbers.capacity = (area / lines, error / lines);
    }

    /// The furthest reach, at the line that is furthest by all frames so far. Lines whose edge only
    /// the area tells are furthest where it does so.
    fn tip(&self, shape: &Shape<'_>) -> (f64, f64) {
        let at = |line: &usize| {
            let at = self.follower.position(*line).0;
            if at.is_finite() { at } else { f32::NEG_INFINITY }
        };
        let line = (0..self.lines.count).max_by(|a, b| at(a).total_cmp(&at(b))).unwrap_or(0);
        let (tip, error) = shape.tip(line);
        // Which line is furthest is uncertain too: what other frames say of it tells how much.
        (tip, error.hypot(0.5 * (tip - f64::from(self.follower.position(line).0))))
    }

    fn put_local_velocities(&self, out: &mut Measurement) {
        for (k, band) in self.bands.iter().enumerate() {
            let ends =
                (self.follower.position(band.start).0, self.follower.position(band.end - 1).0);
            let run = (band.len() - 1).max(1) as f32;
            let slope = (ends.1 - ends.0) / run;
            let (rate, error) = self.follower.velocity(band.clone());
            // px per frame along the lines to px per second along the normal.
            let factor = 1.0 / (1.0 + slope * slope).sqrt() / self.frame_s as f32;
            if factor.is_finite() {
                out.arrays[1][k] = rate * factor;
                out.array_errors[1][k] = error * factor;
            }
        }
    }
}

/// Median distance of two contours, px.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    let mut apart: Vec<f32> =
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).filter(|apart| apart.is_finite()).collect();
    if apart.is_empty() {
        return f32::INFINITY;
    }
    let middle = apart.len() / 2;
    *apart.select_nth_unstable_by(middle, f32::total_cmp).1
}

//! The front over time: what each frame's contour, and lithium's area where it folds, say together
//! with those before, and what the next frames should expect.

use std::sync::Arc;

use super::contour::{Contour, TEAR_PX};
use super::doubt::{Bumps, Suspicions};
use super::extent::{EDGE_PX, Extent};
use super::fit::Fit;
use super::folds::Folds;
use super::follow::Follower;
use super::measure::Measuring;
use super::particles::{Hidden, Particles};
use super::seen::Seen;
use super::shape::Told;
use super::texture::{self, Learned, Texture};
use super::{FrontConfig, Hints, Observation};
use crate::frame::Stamp;
use crate::gauge::Measurement;
use crate::gauge::lines::Lines;
use crate::gauge::median::median;

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
/// Lines that err so much are looked for in wide windows, px.
const WIDE_PX: f32 = 2.5;
/// How much of a frame's edge width, scatter and contrast the hints take over.
const SHARE_NEW: f32 = 0.1;
/// Where so many frames in a row had to be searched, the next are searched at once, but for one of so many.
const SEARCHED_LEAST: u32 = 4;
const FOLLOW_EVERY: u64 = 4;

/// What the tracker remembers.
pub struct Summary {
    lines: Lines,
    smooth_lines: f64,
    follower: Follower,
    suspicions: Suspicions,
    bumps: Bumps,
    folds: Folds,
    particles: Particles,
    measuring: Measuring,
    candidate: Option<(Vec<f32>, u32)>,
    /// Frames in a row in which the contour was not where it was expected.
    searched: u32,
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
}

impl Summary {
    /// Nothing seen yet.
    pub fn new(lines: &Lines, config: &FrontConfig) -> Summary {
        Summary {
            lines: *lines,
            smooth_lines: config.smooth_lines,
            follower: Follower::new(lines.count, config.smooth_lines),
            suspicions: Suspicions::default(),
            bumps: Bumps::default(),
            folds: Folds::new(lines.count),
            particles: Particles::default(),
            measuring: Measuring::new(lines, config),
            candidate: None,
            searched: 0,
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
        }
    }

    /// Takes one frame and fills the measurement.
    pub fn take(
        &mut self,
        stamp: &Stamp,
        mut observation: Observation,
        counter: Option<f64>,
        out: &mut Measurement,
    ) {
        self.keep_time(stamp);
        self.frames += 1;
        let again = observation.contour.again.take();
        let contour = &observation.contour;
        let found = contour.share_found();
        let searched = observation.searched && found >= FOUND_LEAST;
        self.searched = if searched { self.searched + 1 } else { 0 };
        if let Some(extent) = observation.extent.as_ref().filter(|extent| extent.alone) {
            // What was followed as a contour has not become a mere area from one frame to the next.
            if self.follower.seen == 0 {
                self.take_area(stamp, &observation, extent, counter, out);
            }
            return;
        }
        let leans = again.is_some();
        let refined = again.and_then(|fit| self.refine(stamp, *fit));
        // Whether it is where it was is asked of what the frame said by itself.
        let (by_itself, contour) = (contour, refined.as_ref().unwrap_or(contour));
        let (mut position, mut error) = (contour.position.clone(), contour.error.clone());
        let extent = observation.extent.as_ref();
        if let Some(extent) = extent
            && let Some(trails) = self.particles.take(stamp.index, &extent.spots, self.lines.count)
        {
            self.texture.forget(&trails, &self.lines);
        }
        let replaced =
            self.folds.look(self.frames, extent, &self.follower, &mut position, &mut error);
        if found < FOUND_LEAST || !self.is_believed(stamp, by_itself, &replaced) {
            return;
        }
        let mut told = vec![Told::Edge; position.len()];
        for line in replaced {
            told[line] = Told::Region;
        }
        let unseen = |line: &usize| told[*line] == Told::Region || position[*line].is_nan();
        for line in (0..position.len()).filter(unseen) {
            // Lines that no edge is seen in are not followed into nowhere.
            if let Some(reach) = self.folds.moved(line, self.follower.position(line).0) {
                self.follower.place(line, reach);
            }
        }
        let suspected = self.particles.suspected(stamp.index, self.lines.count);
        self.see_bumps(suspected.as_ref(), &mut position);
        if let Some(region) = &observation.region {
            let hidden = self.particles.hidden(stamp.index, self.lines.count);
            let (hidden, offset) = (hidden.as_ref(), observation.offset);
            let learned = self.texture.learn(region, contour, hidden, offset, &self.lines);
            self.learned = learned.or(self.learned.take());
        }
        self.remember(contour);
        let near = suspected
            .map(|hidden| hidden.is_near(&self.follower.expected_at(stamp.index)))
            .unwrap_or_default();
        self.follower.take_corners(&contour.corners, &position);
        self.follower.take(stamp.index, &mut position, &error, &contour.own, &near);
        for (position, error) in position.iter().zip(&mut error) {
            if position.is_nan() {
                *error = f32::NAN;
            }
        }
        // A particle moves what is seen, all of it; else lines are behind as far as they lean on what was expected.
        let (away, leaning) = (self.follower.away(), self.follower.leaning());
        let (covered, behind) = if near.is_empty() { (&[][..], away) } else { (away, &[][..]) };
        self.suspicions.take(&contour.elsewhere);
        let mut doubt = contour.doubt.clone();
        for (doubt, away) in doubt.iter_mut().zip(behind) {
            *doubt = doubt.hypot(leaning * away);
        }
        // What the area tells of a line is not where the curve was.
        for (doubt, _) in doubt.iter_mut().zip(&told).filter(|(_, told)| **told == Told::Region) {
            *doubt = 0.0;
        }
        self.bumps.add_to(&mut doubt);
        let seen = Seen {
            position,
            error,
            told,
            own: &contour.own,
            mean_error: contour.mean_error,
            covered,
            doubt: &doubt,
            extent,
            folded: self.folds.are_there(),
            folds: &self.folds,
            drift_error: observation.drift_error,
            counter,
            frame_s: self.frame_s,
            textured: 1.0 - 1.0 / f64::from(contour.excess.max(1.0)),
            leans,
        };
        if self.measuring.measure(stamp, seen, &self.follower, out) {
            out.quality = (found as f32 / contour.excess.max(1.0).sqrt()).clamp(0.0, 1.0);
        }
    }

    /// Takes a contour's bumps; those that turn out to be particles, by what is suspected to be hidden, are not followed any
    /// more.
    fn see_bumps(&mut self, suspected: Option<&Hidden>, position: &mut [f32]) {
        for line in self.bumps.take(position) {
            self.follower.forget(line);
        }
        let Some(hidden) = suspected else { return };
        for (line, near) in hidden.is_near(position).into_iter().enumerate() {
            if let Some(foot) = self.bumps.foot(line, position[line]).filter(|_| near) {
                self.follower.place(line, foot);
                position[line] = f32::NAN;
            }
        }
    }

    /// The contour once more about where all frames before expect it.
    fn refine(&self, stamp: &Stamp, fit: Fit) -> Option<Contour> {
        let ahead = self.follower.frames_to(stamp.index);
        let expected = self.follower.predicted(ahead, self.lines.length)?;
        let (shape, variance) =
            (self.follower.shape_prior(ahead), self.follower.expected_variance(ahead));
        let suspicions = self.suspicions.of_lines();
        let folded = self.folds.are_there();
        fit.again(&expected, self.follower.corners(), shape, variance, suspicions, folded)
            .filter(|found| found.share_found() >= FOUND_LEAST)
    }

    /// Takes a frame in which the region alone tells where lithium is.
    fn take_area(
        &mut self,
        stamp: &Stamp,
        observation: &Observation,
        extent: &Extent,
        counter: Option<f64>,
        out: &mut Measurement,
    ) {
        let error = extent.reach.iter().map(|at| if at.is_nan() { f32::NAN } else { EDGE_PX });
        let seen = Seen {
            position: extent.reach.clone(),
            error: error.collect(),
            told: vec![Told::Region; extent.reach.len()],
            own: &observation.contour.own,
            mean_error: f64::NAN,
            covered: &[],
            doubt: &vec![0.0; extent.reach.len()],
            extent: Some(extent),
            folded: true,
            folds: &self.folds,
            drift_error: observation.drift_error,
            counter,
            frame_s: self.frame_s,
            textured: 0.0,
            leans: false,
        };
        if self.measuring.measure(stamp, seen, &self.follower, out) {
            // One where a cell's scatter is nothing beside the step.
            out.quality = (1.0 - 2.0 * extent.scatter).clamp(0.0, 1.0);
        }
    }

    /// What the observer of a frame so many frames later should expect.
    pub fn hints(&self, ahead: u64) -> Hints {
        let lag_frames = ahead as f32;
        let expected = self.follower.predicted(lag_frames, self.lines.length);
        let at = self.last_time.map_or(0, |(_, index)| index + ahead);
        // Beside a wall lithium may grow over any line from one frame to the next.
        let torn = |pair: &[f32]| (pair[1] - pair[0]).abs() > TEAR_PX;
        let is_torn = expected.as_ref().is_some_and(|contour| contour.windows(2).any(torn));
        let hidden = self.particles.suspected(at, self.lines.count);
        let near = hidden.as_ref().zip(expected.as_ref()).map(|(h, contour)| h.is_near(contour));
        Hints {
            contour: expected.map(Arc::new),
            expected_variance: self.follower.expected_variance(lag_frames),
            corners: self.follower.corners().clone(),
            shape: self.follower.shape_prior(lag_frames),
            wide: self.follower.typical_error() > WIDE_PX,
            texture: self.learned.as_ref().map(|learned| Arc::clone(&learned.pixels)),
            cell_texture: self.learned.as_ref().map(|learned| Arc::clone(&learned.cells)),
            texture_share: self.texture_share,
            sigma_px: self.sigma_px,
            excess: self.excess,
            scatter: self.scatter,
            contrast: self.contrast,
            no_texture: !texture::is_wanted(self.frames),
            hidden: hidden.map(Arc::new),
            particles: Arc::new(near.unwrap_or_default()),
            search: self.searched >= SEARCHED_LEAST && !self.frames.is_multiple_of(FOLLOW_EVERY),
            wants_extent: self.folds.want_look(self.frames) || is_torn,
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
        self.suspicions = Suspicions::default();
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
}

/// Median distance of two contours, px.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    median(a.iter().zip(b).map(|(a, b)| (a - b).abs())).unwrap_or(f32::INFINITY)
}

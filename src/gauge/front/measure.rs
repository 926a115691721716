//! One frame's contour, and lithium's area where it folds, as the gauge's numbers.

use super::FrontConfig;
use super::contour::{ERROR_MOST, TEAR_PX};
use super::extent::{EDGE_PX, Extent};
use super::fields::{self, Numbers};
use super::folds::Folds;
use super::follow::Follower;
use super::kinetics::Kinetics;
use super::shape::{Shape, Told, Value};
use crate::frame::Stamp;
use crate::gauge::Measurement;
use crate::gauge::lines::Lines;
use crate::gauge::median::median;

/// The area's furthest edge is the tip when it lies so much further, px.
const TIP_BEHIND_PX: f64 = 3.0;

/// A contour that bends by so much from line to line, px, within so many lines, or that ends so near, has a wall there:
/// where that stands is known to a line, and the place along a line as poorly as it bends.
const KINK_PX: f32 = 0.5;
const NEAR_WALL: usize = 2;
const BESIDE_WALL_PX: f32 = 1.3;

/// Lines that err by more than this, px, and by so many times what half of them do, are not told: twice that is gross.
const POOR_PX: f32 = 1.5;
const POOR_TIMES: f32 = 2.0;
/// A line beside these is known to so many lines across.
const END_LINES: f32 = 0.35;

/// Errors by texture are alike in so many frames more, until the front has gone on over it, and those of a tip whose
/// shape the frames before tell.
const TEXTURE_ALIKE: f64 = 3.0;
const LEANING_ALIKE: f64 = 2.0;

/// So many neighbouring lines are elsewhere to the same side, if they are.
const TOGETHER_LINES: usize = 32;

/// Frames over which it is remembered how much lines jump.
const JUMPS_FRAMES: f64 = 64.0;

/// What the numbers remember of the frames before.
pub struct Measuring {
    smooth_lines: f64,
    bands: Vec<std::ops::Range<usize>>,
    position: Kinetics,
    tip: Kinetics,
    /// Lithium along each line when it was first seen, px.
    first: Vec<f32>,
    /// One sigma of their mean, px: larger than later, when texture is known.
    first_error: f64,
    /// The contour of the frame before, and the mean square of what single lines that jump move the mean by in a
    /// frame, px²: where a head grows sideways over lines, no smooth motion is all of it.
    before: Vec<f32>,
    jumps: f64,
}

/// One frame's contour as it is believed.
pub struct Seen<'a> {
    /// NaN where no edge was seen; px from the starting edge.
    pub position: Vec<f32>,
    pub error: Vec<f32>,
    /// Who told each line's place.
    pub told: Vec<Told>,
    /// Each line's own edge.
    pub own: &'a [(f32, f32)],
    /// One sigma of the mean over the lines that have an edge, px.
    pub mean_error: f64,
    /// What may be a particle over each line moves it so far, px; empty where there are none.
    pub covered: &'a [f32],
    /// How far each line may be elsewhere with those beside it, px, beside its error.
    pub doubt: &'a [f32],
    pub extent: Option<&'a Extent>,
    pub folded: bool,
    pub folds: &'a Folds,
    /// One sigma of the drift along the growth axis, px.
    pub drift_error: f64,
    /// The counter electrode, px from the starting edge.
    pub counter: Option<f64>,
    pub frame_s: f64,
    /// Share of the edges' variance that is texture's.
    pub textured: f64,
    /// The frames before say more of its shape than this one.
    pub leans: bool,
}

impl Measuring {
    /// Nothing seen yet.
    pub fn new(lines: &Lines, config: &FrontConfig) -> Measuring {
        Measuring {
            smooth_lines: config.smooth_lines,
            bands: fields::bands(lines),
            position: Kinetics::new(config.bandwidth_hz),
            tip: Kinetics::new(config.bandwidth_hz),
            first: vec![f32::NAN; lines.count],
            first_error: f64::NAN,
            before: vec![f32::NAN; lines.count],
            jumps: 0.0,
        }
    }

    /// Fills the measurement.
    pub fn measure(
        &mut self,
        stamp: &Stamp,
        mut seen: Seen<'_>,
        follower: &Follower,
        out: &mut Measurement,
    ) {
        seen.leave_walls();
        seen.doubt_walls();
        seen.allow_for_particles();
        seen.tell_lines(out);
        seen.fill_gaps(follower);
        let shape = Shape {
            position: &seen.position,
            error: &seen.error,
            told: &seen.told,
            own: seen.own,
            mean_error: seen.mean_error,
            smooth_lines: self.smooth_lines,
            common: seen.drift_error,
        };
        let mut numbers = Numbers { position: shape.mean(), ..Numbers::default() };
        let (tip, tip_line) = tip(&shape, &seen, follower);
        numbers.tip = tip;
        numbers.roughness = shape.roughness(numbers.position.0);
        numbers.wavelength = shape.wavelength(numbers.roughness);
        numbers.by_region = (f64::from(u8::from(seen.folded)), f64::NAN);

        let alike = 1.0 + TEXTURE_ALIKE * seen.textured;
        self.position.take(stamp.time_s, numbers.position.0, numbers.position.1, alike);
        let leaning = if seen.leans { LEANING_ALIKE } else { 0.0 };
        self.tip.take(stamp.time_s, numbers.tip.0, numbers.tip.1, alike + leaning);
        // What is in doubt at first is not for all time: the frames after it tell.
        if self.first_error.is_nan() {
            self.first_error = numbers.position.1;
        }
        // Velocities know better what is behind for some frames: from how these go on.
        seen.doubt_means(tip_line, &mut numbers);
        self.measure_area(&shape, &seen, &mut numbers);
        self.see_jumps(&seen.position);
        let (velocity, velocity_error) = self.position.velocity();
        let of_jumps = if self.jumps > 0.0 { self.jumps.sqrt() / seen.frame_s } else { 0.0 };
        numbers.velocity = (velocity, velocity_error.hypot(of_jumps));
        numbers.tip_velocity = self.tip.velocity();
        if let Some(counter) = seen.counter {
            numbers.gap = (counter - numbers.tip.0, numbers.tip.1);
        }
        let eta = self.tip.time_to_close(numbers.gap.0, numbers.gap.1);
        numbers.eta = (eta.s, eta.error_s);
        numbers.eta_low = (eta.low_s, f64::NAN);
        numbers.eta_high = (eta.high_s, f64::NAN);
        numbers.put(out);
        self.put_local_velocities(follower, seen.frame_s, out);
    }

    fn see_jumps(&mut self, position: &[f32]) {
        let moved = position.iter().zip(&self.before).map(|(now, before)| now - before);
        let jumped: f32 = moved.filter(|moved| moved.abs() > TEAR_PX).sum();
        let jumped = f64::from(jumped) / position.len() as f64;
        self.jumps += (jumped * jumped - self.jumps) / JUMPS_FRAMES;
        self.before.copy_from_slice(position);
    }

    /// Area, perimeter and capacity.
    fn measure_area(&mut self, shape: &Shape<'_>, seen: &Seen<'_>, numbers: &mut Numbers) {
        let (mut area, mut lines) = (0.0, 0.0);
        for line in 0..shape.position.len() {
            // Half a pixel lies before the first pixel's centre.
            let along = match seen.extent {
                Some(extent) if seen.folded && (extent.alone || extent.folded[line]) => {
                    extent.length[line] - 0.5
                }
                _ => shape.position[line],
            };
            if along.is_finite() {
                let first = &mut self.first[line];
                if first.is_nan() {
                    *first = along;
                }
                area += f64::from(along - *first);
                lines += 1.0;
            }
        }
        let by_contour = lines * numbers.position.1.hypot(self.first_error);
        let (area, error, perimeter) = match (seen.folded, seen.extent) {
            (false, _) => (area, by_contour, shape.perimeter()),
            // Both that of now and that of the first contour, which had no fold to err about.
            (true, Some(extent)) => {
                let first =
                    if extent.alone { extent.area_error() } else { lines * seen.mean_error };
                let error = first.hypot(extent.area_error());
                (area, error, (extent.perimeter, 0.02 * extent.perimeter))
            }
            // A folded front without a look at its area: no number is better than a wrong one.
            (true, None) => (f64::NAN, f64::NAN, (f64::NAN, f64::NAN)),
        };
        numbers.area = (area, error);
        numbers.perimeter = perimeter;
        numbers.capacity = (area / lines, error / lines);
    }

    fn put_local_velocities(&self, follower: &Follower, frame_s: f64, out: &mut Measurement) {
        for (k, band) in self.bands.iter().enumerate() {
            let ends = (follower.position(band.start).0, follower.position(band.end - 1).0);
            let run = (band.len() - 1).max(1) as f32;
            let slope = (ends.1 - ends.0) / run;
            let (rate, error) = follower.velocity(band.clone());
            // px per frame along the lines to px per second along the normal.
            let factor = 1.0 / (1.0 + slope * slope).sqrt() / frame_s as f32;
            if factor.is_finite() {
                out.arrays[1][k] = rate * factor;
                out.array_errors[1][k] = error * factor;
            }
        }
    }
}

impl Seen<'_> {
    /// The lines on both sides of a wall see some of what is beyond it, and are none of the contour.
    fn leave_walls(&mut self) {
        let torn: Vec<usize> = (1..self.position.len())
            .filter(|k| (self.position[*k] - self.position[k - 1]).abs() > TEAR_PX)
            .collect();
        for line in torn.into_iter().flat_map(|k| [k - 1, k]) {
            (self.position[line], self.error[line]) = (f32::NAN, f32::NAN);
        }
    }

    /// Beside a wall lines see some of it. An area by itself is cut as coarsely everywhere.
    fn doubt_walls(&mut self) {
        if self.extent.is_some_and(|extent| extent.alone) {
            return;
        }
        let count = self.position.len();
        let kinks: Vec<f32> = (0..count)
            .map(|k| match (k.checked_sub(1), k + 1 < count) {
                (Some(before), true) => {
                    let [a, b, c] = [before, k, k + 1].map(|k| self.position[k]);
                    (a - 2.0 * b + c).abs()
                }
                _ => 0.0,
            })
            .collect();
        let doubts: Vec<f32> = (0..count)
            .map(|k| {
                let near = k.saturating_sub(NEAR_WALL)..(k + NEAR_WALL + 1).min(count);
                let kink = kinks[near.clone()].iter().copied().fold(0.0, f32::max);
                let ends = self.folded && self.position[near].iter().any(|at| at.is_nan());
                let beside = if ends { BESIDE_WALL_PX } else { 0.0 };
                if kink > KINK_PX { kink.max(beside) } else { beside }
            })
            .collect();
        for (line, doubt) in doubts.into_iter().enumerate() {
            self.error[line] = self.error[line].hypot(doubt);
            if self.error[line] > ERROR_MOST {
                (self.position[line], self.error[line]) = (f32::NAN, f32::NAN);
            }
        }
    }

    /// Lines that are known far worse than the others are told of no one; all else still counts them. On a flank the last
    /// that is told beside these is known to a part of a line across.
    fn tell_lines(&self, out: &mut Measurement) {
        let typical = median(self.error.iter().copied()).unwrap_or(ERROR_MOST);
        let most = (POOR_TIMES * typical).max(POOR_PX);
        let count = self.position.len();
        let errors: Vec<f32> =
            self.error.iter().zip(self.doubt).map(|(error, doubt)| error.hypot(*doubt)).collect();
        let is_poor = |line: usize| !(errors[line] <= most);
        for line in 0..count {
            let (before, after) = (line.saturating_sub(1), (line + 1).min(count - 1));
            let mut error = errors[line];
            if is_poor(before) || is_poor(after) {
                let inside = if is_poor(before) { after } else { before };
                let rise = (self.position[inside] - self.position[line]).abs();
                error = error.hypot(if rise.is_finite() { END_LINES * rise } else { 0.0 });
            }
            let told =
                if error <= most { (self.position[line], error) } else { (f32::NAN, f32::NAN) };
            (out.arrays[0][line], out.array_errors[0][line]) = told;
        }
    }

    /// A particle moves lines alike, and the mean with them.
    fn allow_for_particles(&mut self) {
        for (error, covered) in self.error.iter_mut().zip(self.covered) {
            *error = error.hypot(*covered);
        }
        self.mean_error = self.mean_error.hypot(self.in_mean(self.covered));
    }

    /// Lines that may be elsewhere are so together with those beside them.
    fn doubt_means(&self, tip_line: usize, numbers: &mut Numbers) {
        for together in self.doubt.chunks(TOGETHER_LINES) {
            numbers.position.1 = numbers.position.1.hypot(self.in_mean(together));
        }
        numbers.tip.1 = numbers.tip.1.hypot(f64::from(self.doubt[tip_line]));
    }

    /// How far lines that are off to one side by so much, px, move the mean.
    fn in_mean(&self, off: &[f32]) -> f64 {
        off.iter().map(|off| f64::from(*off)).sum::<f64>() / self.position.len() as f64
    }

    /// Where no edge was seen it is where it was expected, less certainly: a line that drops out must
    /// not move the mean. By the region alone, a line without lithium ends at the starting edge.
    fn fill_gaps(&mut self, follower: &Follower) {
        let alone = self.extent.is_some_and(|extent| extent.alone);
        for line in 0..self.position.len() {
            if self.position[line].is_finite() {
                continue;
            }
            let (at, variance) =
                if alone { (-0.5, EDGE_PX * EDGE_PX) } else { follower.position(line) };
            // What the area or its own edge say of it is as likely, where it is not believed.
            let apart = match alone {
                true => 0.0,
                false => self.folds.apart(line, at).max(follower.disputed(line)),
            };
            (self.position[line], self.error[line]) = (at, variance.sqrt().hypot(apart));
            self.told[line] = if alone { Told::Region } else { Told::Expected };
        }
    }
}

/// The furthest reach, at the line that is furthest by all frames so far; by the area where that
/// reaches further. And that line.
fn tip(shape: &Shape<'_>, seen: &Seen<'_>, follower: &Follower) -> (Value, usize) {
    let by_area = |furthest: f64| (furthest, f64::from(EDGE_PX));
    if let Some(extent) = seen.extent.filter(|extent| extent.alone) {
        return (by_area(extent.furthest()), 0);
    }
    let furthest = seen.extent.filter(|_| seen.folded).map(|_| f64::from(seen.folds.furthest()));
    let at = |line: &usize| {
        let at = follower.position(*line).0;
        // A line that is not seen any more is no further than where the area ends.
        let unseen = shape.told[*line] == Told::Expected;
        let at =
            if unseen { seen.folds.reach(*line).map_or(at, |reach| at.min(reach)) } else { at };
        if at.is_finite() { at } else { f32::NEG_INFINITY }
    };
    let line = (0..shape.position.len()).max_by(|a, b| at(a).total_cmp(&at(b))).unwrap_or(0);
    let (tip, error) = shape.tip(line);
    let tip = match furthest {
        // A head that was not followed line by line yet must not be missed.
        Some(furthest) if furthest - tip > TIP_BEHIND_PX => by_area(furthest),
        // Which line is furthest is uncertain too: what other frames say of it tells how much, and lines that seem to
        // be further and are not believed yet.
        _ => {
            let by_others = 0.5 * (tip - f64::from(follower.position(line).0));
            let beyond = (f64::from(follower.furthest_disputed()) - tip).max(0.0);
            (tip, error.hypot(by_others).hypot(beyond))
        }
    };
    (tip, line)
}

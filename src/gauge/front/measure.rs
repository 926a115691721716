//! One frame's contour, and lithium's area where it folds, as the gauge's numbers.

use super::FrontConfig;
use super::contour::TEAR_PX;
use super::extent::EDGE_PX;
use super::fields::{self, Numbers};
use super::follow::Follower;
use super::kinetics::Kinetics;
use super::seen::Seen;
use super::shape::{Shape, Told, Value};
use crate::frame::Stamp;
use crate::gauge::Measurement;
use crate::gauge::lines::Lines;

/// The area's furthest edge is the tip when it lies so much further, px.
const TIP_BEHIND_PX: f64 = 3.0;

/// Errors by texture are alike in so many frames more, until the front has gone on over it, and those of a tip whose
/// shape the frames before tell.
const TEXTURE_ALIKE: f64 = 3.0;
const LEANING_ALIKE: f64 = 2.0;

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

    /// Fills the measurement; false where not one line can be told, and there is none.
    pub fn measure(
        &mut self,
        stamp: &Stamp,
        mut seen: Seen<'_>,
        follower: &Follower,
        out: &mut Measurement,
    ) -> bool {
        seen.leave_walls();
        seen.doubt_walls();
        seen.allow_for_particles();
        seen.tell_lines(out);
        // What none of the lines is sure of may be something else.
        if out.arrays[0].iter().all(|at| at.is_nan()) {
            return false;
        }
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
        true
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

/// The furthest reach, at the line that is furthest by all frames so far; by the area where that
/// reaches further. And that line.
fn tip(shape: &Shape<'_>, seen: &Seen<'_>, follower: &Follower) -> (Value, usize) {
    let by_area = |furthest: f64| (furthest, f64::from(EDGE_PX));
    if let Some(extent) = seen.extent.filter(|extent| extent.alone) {
        return (by_area(extent.furthest()), 0);
    }
    let furthest = seen.extent.filter(|_| seen.folded).and_then(|_| seen.folds.furthest());
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
        Some((furthest, line)) if f64::from(furthest) - tip > TIP_BEHIND_PX => {
            return (by_area(f64::from(furthest)), line);
        }
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

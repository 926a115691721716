//! The crack over time: widths, length, tip, rates, and what the next frames should expect.

use std::sync::Arc;

use super::fit::Profile;
use super::{Crack, Hints, Known, Observation};
use crate::frame::{Axis, Dimension, Stamp};
use crate::gauge::lines::Lines;
use crate::gauge::smooth::smooth_columns;
use crate::gauge::trend::Trend;
use crate::gauge::{ArrayField, Constant, Field, Measurement, Schema};

/// Frames that rates look back on.
const TREND_FRAMES: usize = 32;
/// Frames (about) over which path and expected opening are smoothed.
const MEMORY: f32 = 16.0;
/// Every so many frames the path is searched for again.
const SEARCH_EVERY: u32 = 8;
/// An opening this many sigma above zero is open.
const OPEN_SIGMA: f32 = 4.0;
/// Stations over which openness is judged and the widest place is averaged.
const JUDGED_OVER: f64 = 4.0;
/// Closed stations that an open stretch may bridge.
const BRIDGE: usize = 12;
/// Open stations that make a crack.
const STATIONS_LEAST: usize = 8;
/// Stations from which the tip is extrapolated.
const TIP_STATIONS: usize = 40;
/// The texture errs the same way in every frame: of each frame's information on the depth and the
/// point spread only this share is new, and never more than this is known of them.
const NEW_INFORMATION: f32 = 0.05;
const INFORMATION_MOST: f32 = 2500.0;

/// The fields of a crack gauge.
pub fn schema(lines: &Lines) -> Schema {
    let across = lines.axis();
    let field = |name, long_name, dimension| Field { name, long_name, dimension };
    Schema {
        fields: vec![
            field("width_mean", "mean opening of the open part", Dimension::Length(across)),
            field("width_max", "largest opening", Dimension::Length(across)),
            field(
                "length",
                "length of the open part along the path",
                Dimension::Length(Axis::Both),
            ),
            field("tip_x", "column of the tip", Dimension::Pixel),
            field("tip_y", "row of the tip", Dimension::Pixel),
            field(
                "opening_rate",
                "rate of change of the mean opening",
                Dimension::Velocity(across),
            ),
            field(
                "propagation_rate",
                "rate of change of the length",
                Dimension::Velocity(Axis::Both),
            ),
        ],
        arrays: vec![ArrayField {
            name: "width",
            long_name: "opening at each station, perpendicular to the path",
            dimension: Dimension::Length(across),
            len: lines.count,
            axis: None,
        }],
        constants: vec![Constant {
            name: "path",
            long_name: "x and y of each station of the centre line",
            dimension: Dimension::Pixel,
            shape: (lines.count, 2),
            values: vec![f32::NAN; 2 * lines.count],
        }],
    }
}

/// What the tracker remembers.
pub struct Summary {
    lines: Lines,
    /// Column (row, for a crack along x) of the region's edge.
    origin: f64,
    known: Option<Known>,
    seen: u32,
    opening: Trend,
    length: Trend,
}

/// The connected open part: first and last station.
#[derive(Clone, Copy)]
struct Open {
    first: usize,
    last: usize,
}

impl Summary {
    /// Nothing seen yet.
    pub fn new(crack: &Crack) -> Summary {
        let region = crack.config.region;
        let along_x = crack.lines.is_along_x();
        Summary {
            lines: crack.lines,
            origin: if along_x { region.x as f64 } else { region.y as f64 },
            known: None,
            seen: 0,
            opening: Trend::new(TREND_FRAMES),
            length: Trend::new(TREND_FRAMES),
        }
    }

    /// Takes one frame and fills the measurement.
    pub fn take(&mut self, stamp: &Stamp, observation: &Observation, out: &mut Measurement) {
        let profile = &observation.profile;
        if profile.opening.iter().all(|w| w.is_nan()) {
            return;
        }
        self.follow(profile);
        for (k, (opening, error)) in profile.opening.iter().zip(&profile.opening_error).enumerate()
        {
            out.arrays[0][k] = opening.max(0.0);
            out.array_errors[0][k] = error.hypot(doubt(profile, *opening));
        }
        let measured = profile.opening.iter().filter(|w| w.is_finite()).count() as f32;
        let quality = measured / profile.opening.len() as f32 / profile.excess.max(1.0).sqrt();
        let open = open_part(profile);
        if let Some(searched) = &observation.searched {
            self.adopt(searched, open);
        }
        let Some(open) = open else {
            // No crack: its length is known to be 0, everything else is not there.
            out.values[2] = 0.0;
            out.errors[2] = STATIONS_LEAST as f64;
            out.quality = 0.2 * quality;
            return;
        };
        let (mean, mean_error) = mean(profile, open);
        let (max, max_error) = widest(profile, open);
        let tip = self.tip(profile, open, observation);
        let (length, length_error) = (tip.length, tip.error);
        self.opening.push(stamp.time_s, mean, mean_error);
        self.length.push(stamp.time_s, length, length_error);
        let (opening_rate, propagation_rate) = (self.opening.slope(), self.length.slope());
        out.values.copy_from_slice(&[
            mean,
            max,
            length,
            tip.x,
            tip.y,
            opening_rate.0,
            propagation_rate.0,
        ]);
        out.errors.copy_from_slice(&[
            mean_error,
            max_error,
            length_error,
            tip.x_error,
            tip.y_error,
            opening_rate.1,
            propagation_rate.1,
        ]);
        out.quality = quality.clamp(0.0, 1.0);
        out.constants.push((0, self.path()));
    }

    /// What the observer of a frame some frames later should expect.
    pub fn hints(&self) -> Hints {
        Hints {
            known: self.known.clone().map(Arc::new),
            search: self.seen.is_multiple_of(SEARCH_EVERY),
        }
    }

    fn follow(&mut self, profile: &Profile) {
        self.seen += 1;
        let share = (1.0 / self.seen as f32).max(1.0 / MEMORY);
        let Some(known) = &mut self.known else {
            let seen = |w: &f32| if w.is_finite() { *w } else { 0.0 };
            let mut centre: Vec<f32> = profile.centre.clone();
            fill(&mut centre, self.lines.length as f32 / 2.0);
            self.known = Some(Known {
                centre,
                opening: profile.opening.iter().map(seen).collect(),
                depth: profile.depth,
                psf_px: profile.psf_px,
                depth_information: 0.2f32.powi(-2),
                psf_information: 0.3f32.powi(-2),
            });
            return;
        };
        for k in 0..known.centre.len() {
            let (centre, error) = (profile.centre[k], profile.centre_error[k]);
            // The path moves only where the crack is seen to be.
            if centre.is_finite() && error < 0.7 && (centre - known.centre[k]).abs() < 5.0 {
                known.centre[k] += share * (centre - known.centre[k]);
            }
            let opening = profile.opening[k];
            if opening.is_finite() {
                // Openings grow; the expectation must not lag far behind.
                known.opening[k] += share.max(0.2) * (opening - known.opening[k]);
            }
        }
        known.depth += share * (profile.depth - known.depth);
        known.psf_px += share * (profile.psf_px - known.psf_px);
        let more = |known: f32, new: f32| (known + NEW_INFORMATION * new).min(INFORMATION_MOST);
        known.depth_information = more(known.depth_information, profile.depth_information);
        known.psf_information = more(known.psf_information, profile.psf_information);
    }

    /// Takes the path from a search where the crack was not seen open.
    fn adopt(&mut self, searched: &[f32], open: Option<Open>) {
        let Some(known) = &mut self.known else { return };
        for (k, (centre, found)) in known.centre.iter_mut().zip(searched).enumerate() {
            let confirmed = open.is_some_and(|open| (open.first..=open.last).contains(&k));
            if !confirmed {
                *centre = *found;
            }
        }
    }

    fn path(&self) -> Vec<f32> {
        let Some(known) = &self.known else { return Vec::new() };
        let across = self.lines.across();
        known
            .centre
            .iter()
            .zip(across)
            .flat_map(|(centre, along)| {
                let centre = centre + self.origin as f32;
                if self.lines.is_along_x() { [centre, along] } else { [along, centre] }
            })
            .collect()
    }

    /// Where the open part ends inside the region. Near a tip an opening goes with the root of the
    /// distance (linear elastic fracture mechanics), so its square is extrapolated to zero.
    fn tip(&self, profile: &Profile, open: Open, observation: &Observation) -> Tip {
        let count = profile.opening.len();
        let width = |k: usize| profile.opening[k].max(0.0);
        let downward = match (open.first < 3, open.last + 3 >= count) {
            (true, false) => true,
            (false, true) => false,
            _ => width(open.last) <= width(open.first),
        };
        let span = (open.last - open.first + 1).min(TIP_STATIONS);
        let stations: Vec<usize> = if downward {
            (open.last + 1 - span..=open.last).collect()
        } else {
            (open.first..open.first + span).collect()
        };
        let end = if downward { open.last } else { open.first } as f64;
        let (tip, error) = zero_of_square(profile, &stations).unwrap_or((end, 4.0));
        // The extrapolation may not leave what was judged closed far behind.
        let tip = tip.clamp(end - 30.0, end + 30.0).clamp(0.0, count as f64 - 1.0);
        let error = error.max(0.3);
        let (from, to) = if downward { (open.first as f64, tip) } else { (tip, open.last as f64) };
        let centre = |at: f64| {
            let known = self.known.as_ref().map_or(&profile.centre, |known| &known.centre);
            f64::from(known[(at.round() as usize).min(count - 1)])
        };
        let chord = (centre(to) - centre(from)).hypot(to - from);
        let first = f64::from(self.lines.across()[0]);
        let along = first + tip - observation.fraction_along;
        let across = self.origin + centre(tip);
        let across_error = observation.drift_error.0.hypot(0.3);
        let along_error = observation.drift_error.1.hypot(error);
        let along_x = self.lines.is_along_x();
        Tip {
            length: arc(&|at| centre(at), from, to).max(chord),
            error,
            x: if along_x { across } else { along },
            y: if along_x { along } else { across },
            x_error: if along_x { across_error } else { along_error },
            y_error: if along_x { along_error } else { across_error },
        }
    }
}

struct Tip {
    length: f64,
    error: f64,
    x: f64,
    y: f64,
    x_error: f64,
    y_error: f64,
}

/// Arc length of the path between two stations, in steps of eight (finer ones measure noise).
fn arc(centre: &impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    let steps = ((to - from) / 8.0).ceil().max(1.0);
    let step = (to - from) / steps;
    (0..steps as usize)
        .map(|k| {
            let (a, b) = (from + k as f64 * step, from + (k + 1) as f64 * step);
            (centre(b) - centre(a)).hypot(b - a)
        })
        .sum()
}

/// The station at which the straight line through w² reaches zero, and its one sigma.
fn zero_of_square(profile: &Profile, stations: &[usize]) -> Option<(f64, f64)> {
    let (mut w, mut ws, mut wq, mut wss, mut wsq) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for k in stations {
        let (opening, error) =
            (f64::from(profile.opening[*k]), f64::from(profile.opening_error[*k]));
        if !(opening.is_finite() && error > 0.0) {
            continue;
        }
        let (s, square) = (*k as f64, opening * opening.abs());
        let weight = 1.0 / (2.0 * opening.abs().max(error) * error).powi(2);
        w += weight;
        ws += weight * s;
        wq += weight * square;
        wss += weight * s * s;
        wsq += weight * s * square;
    }
    let determinant = w * wss - ws * ws;
    if !(determinant > 0.0) {
        return None;
    }
    let slope = (w * wsq - ws * wq) / determinant;
    let level = (wss * wq - ws * wsq) / determinant;
    let zero = -level / slope;
    // Var(zero) = (1, zero) Cov (1, zero)ᵀ / slope²; neighbours share their error.
    let variance = (wss - 2.0 * zero * ws + zero * zero * w) / determinant / (slope * slope);
    zero.is_finite().then_some((zero, (6.0 * variance.abs()).sqrt()))
}

/// The longest stretch of open stations, bridging short closed ones.
fn open_part(profile: &Profile) -> Option<Open> {
    let rows: Vec<[f64; 2]> = profile
        .opening
        .iter()
        .zip(&profile.opening_error)
        .map(|(opening, error)| {
            let weight = if opening.is_finite() { 1.0 / f64::from(error * error) } else { 0.0 };
            [if weight > 0.0 { weight * f64::from(*opening) } else { 0.0 }, weight]
        })
        .collect();
    let open: Vec<bool> = smooth_columns(&rows, JUDGED_OVER)
        .iter()
        .map(|[sum, weight]| {
            // Neighbours share their errors, so the mean is about as uncertain as one of them.
            *weight > 0.0 && sum / weight > f64::from(OPEN_SIGMA) / weight.sqrt()
        })
        .collect();
    let mut best: Option<Open> = None;
    let mut now: Option<Open> = None;
    for (k, _) in open.iter().enumerate().filter(|(_, open)| **open) {
        now = match now {
            Some(part) if k - part.last <= BRIDGE => Some(Open { last: k, ..part }),
            _ => Some(Open { first: k, last: k }),
        };
        let length = |part: &Open| part.last - part.first;
        if best.is_none_or(|best| now.is_some_and(|now| length(&now) > length(&best))) {
            best = now;
        }
    }
    best.filter(|part| part.last + 1 - part.first >= STATIONS_LEAST)
}

/// What the uncertain depth adds to the error of an opening, px: all of it where the crack is
/// narrow and only the product of opening and depth is seen, little where it is wide.
fn doubt(profile: &Profile, opening: f32) -> f32 {
    let relative = opening / (2.5 * profile.psf_px);
    profile.depth_doubt * opening * (-0.5 * relative * relative).exp()
}

fn mean(profile: &Profile, open: Open) -> (f64, f64) {
    let (mut sum, mut variance, mut count) = (0.0, 0.0, 0.0);
    for k in open.first..=open.last {
        let (opening, information) = (profile.opening[k], profile.information[k]);
        if opening.is_finite() && information > 0.0 {
            sum += f64::from(opening);
            variance += 1.0 / f64::from(information);
            count += 1.0;
        }
    }
    let mean = sum / count;
    let shared = f64::from(doubt(profile, mean as f32));
    (mean, (variance / (count * count) + shared * shared).sqrt())
}

/// The largest mean opening over neighbouring stations: a maximum of single ones would be the
/// maximum of their noise.
fn widest(profile: &Profile, open: Open) -> (f64, f64) {
    let rows: Vec<[f64; 1]> = profile.opening[open.first..=open.last]
        .iter()
        .map(|w| [if w.is_finite() { f64::from(*w) } else { 0.0 }])
        .collect();
    let smooth = smooth_columns(&rows, JUDGED_OVER);
    let best = (0..smooth.len()).max_by(|a, b| smooth[*a][0].total_cmp(&smooth[*b][0]));
    best.map_or((f64::NAN, f64::NAN), |k| {
        let width = smooth[k][0];
        let error = f64::from(profile.opening_error[open.first + k]);
        (width, error.hypot(f64::from(doubt(profile, width as f32))))
    })
}

fn fill(values: &mut [f32], otherwise: f32) {
    let mut last = values.iter().copied().find(|v| v.is_finite()).unwrap_or(otherwise);
    for value in values {
        if value.is_finite() {
            last = *value;
        } else {
            *value = last;
        }
    }
}

//! The numbers of one frame: lists of the stations, means over the open part, totals of all lines.

use super::known::Known;
use super::learn::OPENING_SHARE;
use super::opened::{Open, STATIONS_LEAST, own_error};
use super::profile::Profile;
use super::schema;
use super::tip::{self, Tip};
use crate::gauge::Measurement;
use crate::gauge::smooth::smooth_columns;

/// Stations over which the widest place is averaged.
const WIDEST_OVER: f64 = 4.0;
/// Stations that tell how wide a part is at its tip.
const END_OVER: usize = 12;
/// One sigma of an opening that is not seen in this frame: a share of what it was.
const UNSEEN: f32 = 0.15;

/// No crack: its length is known to be 0, everything else is not there.
pub fn no_crack(out: &mut Measurement, quality: f32) {
    for field in [schema::LENGTH, schema::LENGTH_TOTAL] {
        out.values[field] = 0.0;
        out.errors[field] = STATIONS_LEAST as f64;
    }
    out.values[schema::LINES] = 0.0;
    out.errors[schema::LINES] = 0.0;
    out.quality = quality;
}

/// Writes what belongs to the stations.
pub fn lists(known: &Known, profile: &Profile, parts: &[Option<Open>], out: &mut Measurement) {
    let (geometry, centre) = (&*known.geometry, &known.centre[..]);
    let mut path = vec![f32::NAN; 2 * geometry.slots()];
    let mut numbers = vec![f32::NAN; geometry.slots()];
    for (number, (branch, part)) in geometry.branches.iter().zip(parts).enumerate() {
        for k in branch.stations() {
            let is_open = part.is_some_and(|part| part.stations().contains(&k));
            out.arrays[schema::WIDTH][k] = profile.opening[k].max(0.0);
            out.array_errors[schema::WIDTH][k] =
                station_error(profile, known, k).hypot(profile.common_error[k]);
            if profile.opening[k].is_nan() {
                out.arrays[schema::WIDTH][k] = f32::NAN;
                out.array_errors[schema::WIDTH][k] = f32::NAN;
            }
            if out.arrays.len() > schema::OPEN {
                out.arrays[schema::OPEN][k] = f32::from(u8::from(is_open));
                out.array_errors[schema::OPEN][k] = 0.0;
                // Without an opening there is nothing whose depth could be seen.
                if is_open && profile.opening[k] > profile.shared.psf_px {
                    out.arrays[schema::LOCAL_DEPTH][k] = profile.depth[k].abs();
                    out.array_errors[schema::LOCAL_DEPTH][k] =
                        profile.depth_error[k] * profile.excess[k].sqrt();
                }
            }
            let ([x, y], [nx, ny]) = (geometry.at[k], geometry.normal[k]);
            path[2 * k] = x + centre[k] * nx;
            path[2 * k + 1] = y + centre[k] * ny;
            numbers[k] = number as f32;
        }
    }
    out.constants.push((schema::PATH, path));
    out.constants.push((schema::BRANCH, numbers));
}

/// One sigma of one station's opening by what differs from station to station, px.
fn station_error(profile: &Profile, known: &Known, k: usize) -> f32 {
    let texture = (profile.excess[k] - 1.0) * unshared(known.past[k].frames);
    (profile.noise_error[k] * (1.0 + texture).sqrt()).hypot(profile.bend_error[k])
}

/// By how much fewer stations share what is the same in every frame than share the noise. What is
/// expected of an opening takes over `g = OPENING_SHARE · S` of a frame's deviation, where S is the
/// share of a wave along the crack that the Gaussian mean over stations passes. After n frames the waves
/// with S > 0.7/(n g/S) are in what is expected, and no mean over stations takes them out again.
fn unshared(frames: f32) -> f32 {
    let waves = (frames * OPENING_SHARE / 0.7).max(1.0).ln();
    (std::f32::consts::FRAC_2_SQRT_PI * (2.0 * waves).sqrt()).max(1.0)
}

/// Opening of a station, its own one sigma, and the one that it shares with others, px: as it was
/// before, where it is not seen.
fn opening(profile: &Profile, known: &Known, k: usize) -> (f64, f64, f64) {
    if profile.opening[k].is_finite() {
        let (own, common) = (own_error(profile, k), profile.common_error[k]);
        return (f64::from(profile.opening[k]), f64::from(own), f64::from(common));
    }
    let before = known.opening[k].max(0.0);
    (f64::from(before), 0.0, f64::from(UNSEEN * before.max(1.0)))
}

/// Mean opening from one end of an open part to the other, px. Not over the stations that are judged open: at a faint
/// end these change from frame to frame more than the end's place does.
pub struct MeanOpening {
    value: f64,
    /// One sigma where the ends are taken for certain.
    error: f64,
    /// How much less it is for a px more at either end, which is narrow.
    by_tip: f64,
    by_mouth: f64,
}

impl MeanOpening {
    /// Of the part that has this tip.
    pub fn of(known: &Known, profile: &Profile, open: Open, tip: &Tip) -> MeanOpening {
        let (value, error) = mean_over(known, profile, tip.ends);
        let by_end = |end: std::ops::RangeInclusive<usize>| {
            let count = end.clone().count() as f64;
            let end = end.map(|k| opening(profile, known, k).0).sum::<f64>() / count;
            (value - end) / tip.length.max(1.0)
        };
        let head = open.first..=(open.first + END_OVER).min(open.last);
        let tail = open.last.saturating_sub(END_OVER).max(open.first)..=open.last;
        let (at_tip, at_mouth) = if tip.forward { (tail, head) } else { (head, tail) };
        MeanOpening { value, error, by_tip: by_end(at_tip), by_mouth: by_end(at_mouth) }
    }

    /// With its one sigma where the ends are known as well as the tip says, px, and so many px that were open in the
    /// frames before are not seen: they are hardly open.
    pub fn with_ends(&self, tip: &Tip, unseen: f64) -> (f64, f64) {
        let mouth_error = (tip.length_error.powi(2) - tip.along_error.powi(2)).max(0.0).sqrt();
        let ends = (self.by_tip * tip.along_error).hypot(self.by_mouth * mouth_error);
        let of_unseen = self.value * unseen / tip.length.max(1.0);
        (self.value, self.error.hypot(ends).hypot(of_unseen))
    }
}

/// Mean opening from one place to another, stations, where these are taken for certain, and its one sigma, px.
fn mean_over(known: &Known, profile: &Profile, (from, to): (f64, f64)) -> (f64, f64) {
    let (mut sum, mut weight, mut variance, mut common) = (0.0, 0.0, 0.0, 0.0);
    let last = (to.ceil() as usize).min(known.geometry.slots() - 1);
    for k in from.floor() as usize..=last {
        // A station stands for half a px to each side.
        let place = k as f64;
        let share = ((place + 0.5).min(to + 0.5) - (place - 0.5).max(from - 0.5)).clamp(0.0, 1.0);
        let step = share * f64::from(known.geometry.step[k]);
        let (opening, own, shared) = opening(profile, known, k);
        sum += step * opening;
        variance += (step * own).powi(2);
        common += step * shared;
        weight += step;
    }
    // Neighbours share their errors.
    let own = (variance * f64::from(profile.sharing)).sqrt() / weight;
    (sum / weight, own.hypot(common / weight))
}

/// One sigma of the mean from the camera's noise alone, which is new in every frame.
pub fn mean_noise(profile: &Profile, open: Open) -> f64 {
    let (mut variance, mut count) = (0.0, 0.0);
    for k in open.stations().filter(|k| profile.opening[*k].is_finite()) {
        variance += f64::from(profile.noise_error[k]).powi(2);
        count += 1.0;
    }
    (variance * f64::from(profile.sharing)).sqrt() / count
}

/// The largest mean opening over neighbouring stations: a maximum of single ones would be the
/// maximum of their noise.
pub fn widest(known: &Known, profile: &Profile, open: Open) -> (f64, f64) {
    let rows: Vec<[f64; 1]> = open.stations().map(|k| [opening(profile, known, k).0]).collect();
    let smooth = smooth_columns(&rows, WIDEST_OVER);
    let best = (0..smooth.len()).max_by(|a, b| smooth[*a][0].total_cmp(&smooth[*b][0]));
    best.map_or((f64::NAN, f64::NAN), |k| {
        let (_, own, common) = opening(profile, known, open.first + k);
        (smooth[k][0], own.hypot(common))
    })
}

/// Length of all open parts, their number, and the opened area.
pub fn totals(
    known: &Known,
    profile: &Profile,
    parts: &[Option<Open>],
    tip: &Tip,
) -> ((f64, f64), f64, (f64, f64)) {
    let (mut length, mut lines, mut area, mut variance) = (0.0, 0.0f64, 0.0, 0.0);
    let geometry = &*known.geometry;
    for part in parts.iter().flatten() {
        length += tip::along(geometry, part.first as f64, part.last as f64);
        lines += 1.0;
        let (mean, error) = mean_over(known, profile, (part.first as f64, part.last as f64));
        let covered: f64 = part.stations().map(|k| f64::from(geometry.step[k])).sum();
        area += mean * covered;
        variance += (error * covered).powi(2);
    }
    // The first part's length goes to its tip.
    if let Some(first) = parts.first().copied().flatten() {
        length += tip.length - tip::along(geometry, first.first as f64, first.last as f64);
    }
    ((length, tip.length_error * lines.sqrt()), lines, (area, variance.sqrt()))
}

pub fn typical(excess: &[f32]) -> f32 {
    let (sum, count) = excess
        .iter()
        .filter(|e| e.is_finite())
        .fold((0.0, 0.0f32), |(sum, n), e| (sum + e, n + 1.0));
    if count > 0.0 { sum / count } else { 1.0 }
}

//! Where a crack ends.
//!
//! Near a tip an opening goes with the root of the distance to it, and then with that to the power
//! of 3/2 (linear elastic fracture mechanics: M. L. Williams, J. Appl. Mech. 24, 109, 1957); a blunt
//! end is a step. Both are put against what each station says by itself, unshared with its
//! neighbours, on both sides of the end: maximum likelihood of the end's place, with its error from
//! how fast the likelihood falls beside it.

use std::ops::Range;

use super::Crack;
use super::geometry::Geometry;
use super::known::at_border;
use super::opened::Open;
use super::profile::Profile;

/// Stations of the open part that are looked at, and closed ones beyond its end.
const INSIDE: usize = 60;
const BEYOND: usize = 24;
/// With fewer closed stations an end is not seen as one.
const BEYOND_LEAST: f64 = 4.0;
/// The end may lie so many stations from where openness was judged to end.
const MOST: f64 = 20.0;
/// Step of the search, stations.
const STEP: f64 = 0.5;
/// How much the second term may bend the opening over [`INSIDE`] stations, share of the first.
const BENDING: f64 = 0.5;
/// One sigma of an end that is not seen, or is no better known, px.
const UNSEEN: f64 = 12.0;
/// A wide end may be square or round, which adds up to 0.4 of its opening: the error by that, and the stations
/// that tell the opening.
const ROUND: f64 = 0.4;
const WIDTH_OVER: usize = 16;
/// What the path's own course near its end leaves open, px.
const PATH: f64 = 0.5;

/// The tip of a line.
#[derive(Clone, Copy, Debug)]
pub struct Tip {
    /// Reference px.
    pub x: f64,
    pub y: f64,
    /// One sigma along the path and across it, px.
    pub along_error: f64,
    pub across_error: f64,
    /// Unit vector along the path.
    pub tangent: (f64, f64),
    /// Length of the open part, px.
    pub length: f64,
    pub length_error: f64,
    /// Places of both ends of the open part, ascending: stations.
    pub ends: (f64, f64),
    /// It is the last open station, not the first.
    pub forward: bool,
    /// It was not seen in this frame.
    pub hidden: bool,
}

/// The tip of an open part: its end inside the region, or else its narrower end, unless it was the
/// other one `before`.
pub fn find(
    crack: &Crack,
    geometry: &Geometry,
    profile: &Profile,
    centre: &[f32],
    open: Open,
    before: Option<bool>,
) -> Option<Tip> {
    let branch = geometry.branches.iter().find(|b| b.stations().contains(&open.first))?;
    let range = branch.stations();
    let outside = |k: usize| at_border(geometry.at[k], crack);
    let forward = match (outside(open.first), outside(open.last)) {
        (true, false) => true,
        (false, true) => false,
        _ => narrower_end(profile, open)
            // A free line was laid out from its mouth to its tip.
            .unwrap_or_else(|| before.unwrap_or(crack.layout.along.is_none())),
    };
    let end = |forward: bool| {
        let (last, hidden) =
            if forward { (open.last, open.last_hidden) } else { (open.first, open.first_hidden) };
        match (hidden, find_end(profile, range.clone(), open, forward)) {
            (false, Some((place, error))) => {
                (place, error.hypot(ROUND * end_width(profile, open, forward)))
            }
            _ => (last as f64, UNSEEN),
        }
    };
    let (place, error) = end(forward);
    let other = if forward { open.first } else { open.last };
    let (other_place, other_error) =
        if outside(other) { (other as f64, 0.0) } else { end(!forward) };
    let point = |k: usize| {
        let ([x, y], [nx, ny]) = (geometry.at[k], geometry.normal[k]);
        let by = if centre[k].is_finite() { centre[k] } else { 0.0 };
        (f64::from(x + by * nx), f64::from(y + by * ny))
    };
    let whole = (place.floor() as usize).min(range.end.saturating_sub(2)).max(range.start);
    let share = place - whole as f64;
    let (a, b) = (point(whole), point(whole + 1));
    let [nx, ny] = geometry.normal[whole];
    let seen = profile.centre_error[whole.clamp(open.first, open.last)];
    let across = if seen.is_finite() { f64::from(seen).clamp(0.1, 2.0) } else { 2.0 };
    Some(Tip {
        x: a.0 + share * (b.0 - a.0),
        y: a.1 + share * (b.1 - a.1),
        along_error: error,
        across_error: across,
        tangent: (f64::from(ny), f64::from(-nx)),
        length: along(geometry, other_place, place),
        ends: (place.min(other_place), place.max(other_place)),
        forward,
        hidden: if forward { open.last_hidden } else { open.first_hidden },
        length_error: error.hypot(other_error),
    })
}

/// Length of the path between two places, px.
pub fn along(geometry: &Geometry, from: f64, to: f64) -> f64 {
    let (from, to) = (from.min(to), from.max(to));
    let mut sum = 0.0;
    for k in from.floor() as usize..(to.ceil() as usize).min(geometry.slots() - 1) {
        let ([ax, ay], [bx, by]) = (geometry.at[k], geometry.at[k + 1]);
        let piece = f64::from((bx - ax).hypot(by - ay));
        let share = (to.min(k as f64 + 1.0) - from.max(k as f64)).max(0.0);
        if piece.is_finite() {
            sum += share * piece;
        }
    }
    sum
}

/// Whether the last end is the narrower one; nothing where the openings do not clearly say.
fn narrower_end(profile: &Profile, open: Open) -> Option<bool> {
    // Not a number counts as closed.
    let width = |k: usize| profile.opening[k].max(0.0);
    let end = ((open.last - open.first) / 3).min(INSIDE);
    let sum = |from: usize| (from..from + end).map(width).sum::<f32>();
    let (first, last) = (sum(open.first), sum(open.last + 1 - end));
    match (last < 0.5 * first, first < 0.5 * last) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// Mean opening beside an end, px.
fn end_width(profile: &Profile, open: Open, forward: bool) -> f64 {
    let near = if forward {
        open.last.saturating_sub(WIDTH_OVER).max(open.first)..=open.last
    } else {
        open.first..=(open.first + WIDTH_OVER).min(open.last)
    };
    let seen = near.map(|k| profile.opening[k]).filter(|w| *w > 0.0);
    let (sum, count) = seen.fold((0.0, 0.0), |(sum, n), w| (sum + f64::from(w), n + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// One station near an end: its place outward from the end that was judged, its opening, and
/// 1/variance of that.
type Seen = (f64, f64, f64);

/// Place of the end and its one sigma, stations; nothing where too little is seen.
fn find_end(
    profile: &Profile,
    stations: Range<usize>,
    open: Open,
    forward: bool,
) -> Option<(f64, f64)> {
    let end = if forward { open.last } else { open.first };
    let inside = INSIDE.min(open.last - open.first + 1);
    let near = if forward {
        end + 1 - inside..(end + BEYOND + 1).min(stations.end)
    } else {
        end.saturating_sub(BEYOND).max(stations.start)..end + inside
    };
    let outward = |k: usize| if forward { k as f64 - end as f64 } else { end as f64 - k as f64 };
    let seen: Vec<Seen> = near
        .filter_map(|k| {
            let (opening, error) = (profile.opening_alone[k], profile.alone_error[k]);
            let variance = f64::from(error).powi(2) * f64::from(profile.excess[k])
                + f64::from(profile.bend_error[k]).powi(2);
            let weight = 1.0 / variance;
            (opening.is_finite() && weight.is_finite()).then_some((
                outward(k),
                f64::from(opening),
                weight,
            ))
        })
        .collect();
    let furthest = seen.iter().map(|s| s.0).fold(0.0, f64::max);
    if seen.len() < INSIDE / 4 || furthest < BEYOND_LEAST {
        return None;
    }
    let steps = ((MOST + MOST.min(furthest)) / STEP) as usize;
    let places: Vec<f64> = (0..=steps).map(|k| STEP * k as f64 - MOST).collect();
    // What the end leaves unexplained, for both of its forms.
    let curves = [0.5, 0.0].map(|power| -> Vec<f64> {
        places.iter().map(|place| unexplained(&seen, *place, power)).collect()
    });
    let best = curves.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    // A model that does not fit is no better known than it fits.
    let allowed = (best / (seen.len() as f64 - 3.0).max(1.0)).max(1.0);
    // Mean and variance over the likelihood, which may have more than one summit, of both forms:
    // which of them it is, is not known either.
    let (mut sum, mut mean, mut square) = (0.0, 0.0, 0.0);
    for (place, chi2) in curves.iter().flat_map(|curve| places.iter().zip(curve)) {
        let likelihood = (-0.5 * (chi2 - best) / allowed).exp();
        sum += likelihood;
        mean += likelihood * place;
        square += likelihood * place * place;
    }
    let mean = mean / sum;
    let variance = (square / sum - mean * mean).max(0.0) + STEP * STEP / 12.0 + PATH * PATH;
    let place = if forward { end as f64 + mean } else { end as f64 - mean };
    mean.is_finite()
        .then(|| (place.clamp(stations.start as f64, (stations.end - 1) as f64), variance.sqrt()))
}

/// Σ weight · (opening − model)², for the best model that ends at `place`: the distance to it to
/// the power `power`, and to the next one.
fn unexplained(seen: &[Seen], place: f64, power: f64) -> f64 {
    let (mut aa, mut ab, mut bb, mut ay, mut by, mut yy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for (at, opening, weight) in seen {
        yy += weight * opening * opening;
        let far = (place - at) / INSIDE as f64;
        if far <= 0.0 {
            continue;
        }
        let first = if power > 0.0 { far.sqrt() } else { 1.0 };
        let next = first * far;
        aa += weight * first * first;
        ab += weight * first * next;
        bb += weight * next * next;
        ay += weight * first * opening;
        by += weight * next * opening;
    }
    if !(aa > 0.0) {
        return yy;
    }
    // The bend is a share of the first term's size, and 0 within its one sigma.
    let size = (ay / aa).max(1e-3);
    let bb = bb + (BENDING * size).powi(-2);
    let determinant = aa * bb - ab * ab;
    let (a, b) = ((bb * ay - ab * by) / determinant, (aa * by - ab * ay) / determinant);
    if a <= 0.0 { yy } else { yy - a * ay - b * by }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    /// Stations 0 to 119 of openings with noise of one sigma `noise`, judged open to 69.
    fn profile(opening: impl Fn(f64) -> f64, noise: f64, seed: u64) -> Profile {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let seen = (0..120).map(|k| (opening(f64::from(k)) + noise * normal()) as f32).collect();
        Profile {
            opening_alone: seen,
            alone_error: vec![noise as f32; 120],
            excess: vec![1.0; 120],
            bend_error: vec![0.0; 120],
            ..Profile::default()
        }
    }

    #[test]
    fn pointed_and_blunt_ends_are_found_within_their_errors() {
        let open = Open { first: 0, last: 69, first_hidden: false, last_hidden: false };
        let pointed = |k: f64| 0.5 * (74.3 - k).max(0.0).sqrt();
        let blunt = |k: f64| if k < 66.5 { 1.5 } else { 0.0 };
        let shapes: [(&dyn Fn(f64) -> f64, f64); 2] = [(&pointed, 74.3), (&blunt, 66.5)];
        for (shape, truth) in shapes {
            let (mut misses, mut pulls) = (0.0, 0.0);
            for seed in 0..40 {
                let profile = profile(shape, 0.4, seed);
                let (place, error) = find_end(&profile, 0..120, open, true).expect("an end");
                misses += (place - truth).powi(2) / 40.0;
                pulls += ((place - truth) / error).powi(2) / 40.0;
            }
            assert!(misses.sqrt() < 2.5, "the end at {truth} is off by {:.2}", misses.sqrt());
            assert!((0.3..1.7).contains(&pulls.sqrt()), "{truth}: pull {:.2}", pulls.sqrt());
        }
    }
}

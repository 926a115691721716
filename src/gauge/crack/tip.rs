//! Where a crack ends. Near a tip an opening goes with the root of the distance to it (linear
//! elastic fracture mechanics: M. L. Williams, J. Appl. Mech. 24, 109, 1957), so its square is
//! extrapolated to zero.

use super::Crack;
use super::fit::Profile;
use super::geometry::Geometry;
use super::known::at_border;
use super::opened::{Open, own_error};

/// Stations from which the tip is extrapolated.
const STATIONS: usize = 40;
/// The extrapolation may not leave what was judged open far behind, stations.
const MOST: f64 = 12.0;
/// Nearer to the tip than the stations that share a change, the square is no straight line: one
/// sigma of that, as a share of those stations.
const SHARE_OF_SHARING: f64 = 0.25;

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
    /// It is the last open station, not the first.
    pub forward: bool,
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
    // Not a number counts as closed.
    let width = |k: usize| profile.opening[k].max(0.0);
    let forward = match (outside(open.first), outside(open.last)) {
        (true, false) => true,
        (false, true) => false,
        _ => {
            let end = ((open.last - open.first) / 3).min(STATIONS);
            let sum = |from: usize| (from..from + end).map(width).sum::<f32>();
            let (first, last) = (sum(open.first), sum(open.last + 1 - end));
            // What was the tip stays it unless the openings clearly speak for the other end.
            if last < 0.5 * first {
                true
            } else if first < 0.5 * last {
                false
            } else {
                // A free line was laid out from its mouth to its tip.
                before.unwrap_or(crack.layout.along.is_none() || last <= first)
            }
        }
    };
    let span = (open.last - open.first + 1).min(STATIONS);
    let stations =
        if forward { open.last + 1 - span..open.last + 1 } else { open.first..open.first + span };
    let end = if forward { open.last } else { open.first } as f64;
    let from = zero_of_square(profile, stations);
    let (place, error) = match from {
        // A line that does not close ends where it is no longer seen.
        Some((zero, error)) if (zero - end).abs() < MOST => (zero, error),
        _ => {
            let last = if forward { open.last } else { open.first };
            let sharp = profile.opening[last] > 4.0 * own_error(profile, last);
            (end, if sharp { 0.5 * f64::from(profile.sharing).sqrt() } else { MOST })
        }
    };
    let error = error.hypot(SHARE_OF_SHARING * f64::from(profile.sharing));
    let place = place.clamp(range.start as f64, (range.end - 1) as f64);
    let point = |k: usize| {
        let ([x, y], [nx, ny]) = (geometry.at[k], geometry.normal[k]);
        let by = if centre[k].is_finite() { centre[k] } else { 0.0 };
        (f64::from(x + by * nx), f64::from(y + by * ny))
    };
    let whole = (place.floor() as usize).min(range.end.saturating_sub(2)).max(range.start);
    let share = place - whole as f64;
    let (a, b) = (point(whole), point(whole + 1));
    let [nx, ny] = geometry.normal[whole];
    let other = if forward { open.first } else { open.last };
    let length = along(geometry, other, place);
    let seen = profile.centre_error[whole.clamp(open.first, open.last)];
    let across = if seen.is_finite() { f64::from(seen).clamp(0.1, 2.0) } else { 2.0 };
    Some(Tip {
        x: a.0 + share * (b.0 - a.0),
        y: a.1 + share * (b.1 - a.1),
        along_error: error,
        across_error: across,
        tangent: (f64::from(ny), f64::from(-nx)),
        length,
        forward,
        length_error: if outside(other) { error } else { error * std::f64::consts::SQRT_2 },
    })
}

/// Length of the path between a station and a place, px.
pub fn along(geometry: &Geometry, station: usize, place: f64) -> f64 {
    let (from, to) = (f64::min(station as f64, place), f64::max(station as f64, place));
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

/// The station at which the straight line through w² reaches zero, and its one sigma; nothing where
/// the opening does not close towards it.
fn zero_of_square(profile: &Profile, stations: std::ops::Range<usize>) -> Option<(f64, f64)> {
    let points: Vec<(f64, f64, f64)> = stations
        .filter_map(|k| {
            let (opening, error) =
                (f64::from(profile.opening[k]), f64::from(own_error(profile, k)));
            let known = opening.is_finite() && error > 0.0;
            let weight = 1.0 / (2.0 * opening.abs().max(error) * error).powi(2);
            known.then_some((k as f64, opening * opening.abs(), weight))
        })
        .collect();
    let (mut w, mut ws, mut wq, mut wss, mut wsq) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (s, square, weight) in &points {
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
    let misfit: f64 =
        points.iter().map(|(s, q, weight)| weight * (q - level - slope * s).powi(2)).sum();
    let misfit = (misfit / (points.len() as f64 - 2.0).max(1.0)).max(1.0);
    // Var(zero) = (1, zero) Cov (1, zero)ᵀ / slope²; neighbours share their error.
    let variance = (wss - 2.0 * zero * ws + zero * zero * w) / determinant / (slope * slope);
    let variance = variance.abs() * f64::from(profile.sharing) * misfit;
    zero.is_finite().then_some((zero, variance.sqrt()))
}

//! Kinks: where a crack turns within less than its path is smoothed over.
//!
//! A traced path is a mean over some 10 px and cuts the corner of a kink; distances from it are then
//! wrong by up to a pixel, and openings with them. Where a path turns between two straight arms, the
//! corner itself is fitted to the pixels: two straight pieces, a pixel's distance being that from the
//! nearest point of both, so that the crack is the union of two strips with a round outer corner; box
//! and point spread are as everywhere. Weighted least squares by Gauss–Newton, with derivatives of the
//! distance at a fixed foot point (it is the nearest one: its own move does not count). Where the
//! corner explains the pixels better than the path does, the path takes it.

use super::Crack;
use super::curve::Curve;
use super::geometry::{Branch, SHARP};
use super::known::Known;
use super::shape::{Scatter, normal};
use crate::frame::Region;
use crate::gauge::View;

/// Nodes of an arm beyond half the opening: the smoothing of the path reaches some 12.
const ARM: f32 = 20.0;
/// A kink turns by this, rad, and by so many times what its arms bend.
const TURN_LEAST: f32 = 0.35;
const STRAIGHTER: f32 = 2.5;
/// Narrower cracks show no corner, px.
const OPENING_LEAST: f32 = 0.2;
/// By how much χ² must fall: four more unknowns, and the path's own errors.
const BETTER: f64 = 25.0;
/// Background on each side, point spreads and px.
const BESIDE: (f32, f32) = (3.0, 3.0);
/// Gauss–Newton rounds.
const ROUNDS: usize = 6;
/// One sigma of the depth about the crack's, as a share of it.
const DEPTH: f64 = 0.3;
/// Level and its slopes, depth, openings at both ends; the corner, and both ends across the path.
const ALIKE: usize = 6;
const UNKNOWNS: usize = ALIKE + 4;

/// The lines of `known` with their kinks sharp; nothing where there is none to sharpen. Their nodes
/// keep their numbers: about a kink they stand a little further apart.
pub fn sharpened(crack: &Crack, view: &View<'_>, known: &Known) -> Option<Vec<Branch>> {
    if crack.layout.along.is_some() {
        return None;
    }
    let mut branches = known.geometry.branches.clone();
    let mut changed = false;
    for line in 0..branches.len() {
        for kink in candidates(&branches[line], &known.opening) {
            let Some(nodes) = Template::new(crack, view, known, &branches, line, &kink)
                .and_then(|template| template.corner())
            else {
                continue;
            };
            let from = kink.node - kink.arm;
            branches[line].curve.points[from..from + nodes.len()].copy_from_slice(&nodes);
            changed = true;
        }
    }
    changed.then_some(branches)
}

/// Where a line may have a kink.
struct Candidate {
    node: usize,
    /// Nodes to each side.
    arm: usize,
    opening: f32,
}

fn candidates(branch: &Branch, opening: &[f32]) -> Vec<Candidate> {
    let points = &branch.curve.points[..branch.own];
    let direction = |a: usize, b: usize| {
        let ([ax, ay], [bx, by]) = (points[a], points[b]);
        (by - ay).atan2(bx - ax)
    };
    let turn = |a: f32, b: f32| {
        let by = (b - a).rem_euclid(std::f32::consts::TAU);
        by.min(std::f32::consts::TAU - by)
    };
    let mut found: Vec<(f32, Candidate)> = Vec::new();
    for node in 0..points.len() {
        let wide = opening[branch.first + node].max(0.0);
        let arm = (ARM + 0.5 * wide) as usize;
        if node < arm || node + arm >= points.len() {
            continue;
        }
        let (near, far) = (arm / 3, arm);
        let middle = (near + far) / 2;
        let before = direction(node - far, node - near);
        let after = direction(node + near, node + far);
        let turned = turn(before, after);
        let bent =
            turn(direction(node - far, node - middle), direction(node - middle, node - near))
                + turn(direction(node + near, node + middle), direction(node + middle, node + far));
        if turned < TURN_LEAST || turned < STRAIGHTER * bent || wide < OPENING_LEAST {
            continue;
        }
        let is_sharp = (node - near..=node + near).any(|k| branch.curve.turn(k) > SHARP);
        if is_sharp {
            continue;
        }
        // Of those near each other the one that turns most.
        let candidate = Candidate { node, arm, opening: wide };
        match found.last_mut() {
            Some((most, last)) if node - last.node < arm => {
                if turned > *most {
                    (*most, *last) = (turned, candidate);
                }
            }
            _ => found.push((turned, candidate)),
        }
    }
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// A pixel near a kink: its place from the corner that is guessed, px, and its signal.
struct Pixel {
    at: [f64; 2],
    signal: f64,
    /// Distance from the path as it is, and how far along the arms that is, 0 to 1.
    distance: f64,
    along: f64,
}

/// The surroundings of a kink.
struct Template {
    pixels: Vec<Pixel>,
    /// The path's nodes from the end of one arm to the end of the other, from the guessed corner.
    path: Vec<[f64; 2]>,
    origin: [f64; 2],
    opening: f64,
    depth: f64,
    depth_sigma: f64,
    psf: f64,
    scatter: Scatter,
}

impl Template {
    fn new(
        crack: &Crack,
        view: &View<'_>,
        known: &Known,
        branches: &[Branch],
        line: usize,
        kink: &Candidate,
    ) -> Option<Template> {
        let points = &branches[line].curve.points[kink.node - kink.arm..=kink.node + kink.arm];
        let psf = known.shared.psf_px;
        let reach = 0.5 * kink.opening + BESIDE.0 * psf + BESIDE.1;
        let window = window(points, reach, crack.config.region)?;
        let mut seen = Vec::new();
        view.read_region(window, &mut seen);
        let (noise, (fx, fy)) = (view.noise(), view.fraction());
        let origin = points[kink.arm].map(f64::from);
        let path: Vec<[f64; 2]> = points
            .iter()
            .map(|at| [f64::from(at[0]) - origin[0], f64::from(at[1]) - origin[1]])
            .collect();
        let beside: Vec<&Curve> = branches
            .iter()
            .enumerate()
            .filter(|(k, _)| *k != line)
            .map(|(_, branch)| &branch.curve)
            .collect();
        let mut pixels = Vec::new();
        for (k, value) in seen.iter().enumerate() {
            let x = (window.x + k % window.width) as f64 - fx;
            let y = (window.y + k / window.width) as f64 - fy;
            let at = [x - origin[0], y - origin[1]];
            let (far, along) = foot(&path, at);
            // Beyond the arms' ends the path is as it was.
            if far > f64::from(reach) || !(0.05..=0.95).contains(&along) || !value.is_finite() {
                continue;
            }
            // What is nearer to another line is that one's.
            let is_other = beside.iter().any(|curve| {
                curve.nearest([x as f32, y as f32]).is_some_and(|(_, d)| f64::from(d) < far)
            });
            if !is_other {
                let signal = f64::from(*value) - noise.offset_counts;
                pixels.push(Pixel { at, signal, distance: far, along });
            }
        }
        let depth = f64::from(known.shared.depth);
        let told = crack.config.depth.is_some();
        (pixels.len() > 4 * UNKNOWNS).then_some(Template {
            pixels,
            path,
            origin,
            opening: f64::from(kink.opening),
            depth,
            depth_sigma: if told { 1e-4 } else { DEPTH * depth.abs() },
            psf: f64::from(psf),
            scatter: Scatter {
                dark: noise.variance(noise.offset_counts) as f32,
                gain: noise.gain_counts_per_electron as f32,
            },
        })
    }

    /// The nodes with the corner, when that is the better path.
    fn corner(&self) -> Option<Vec<[f32; 2]>> {
        let last = self.path.len() - 1;
        let (smooth, _) = self.fit(None)?;
        // Where the arms' straight continuations meet.
        let (a, b) = (self.path[0], self.path[last]);
        let (near, far) = (last / 3, last - last / 3);
        let start = meeting(a, self.path[near], b, self.path[far])?;
        let (sharp, arms) = self.fit(Some([a, start, b]))?;
        let [a, corner, b] = arms?;
        let long = |a: [f64; 2], b: [f64; 2]| (b[0] - a[0]).hypot(b[1] - a[1]);
        let (first, second) = (long(a, corner), long(corner, b));
        let cosine = ((corner[0] - a[0]) * (b[0] - corner[0])
            + (corner[1] - a[1]) * (b[1] - corner[1]))
            / (first * second);
        let half = 0.25 * last as f64;
        let is_kink = cosine.clamp(-1.0, 1.0).acos() > f64::from(0.5 * TURN_LEAST)
            && cosine > -0.9
            && first.min(second) > half;
        // What neither explains (texture) speaks for neither.
        let scale = (sharp.chi2 / (self.pixels.len() - UNKNOWNS) as f64).max(1.0);
        if !is_kink || smooth.misfit - sharp.misfit < BETTER * scale {
            return None;
        }
        let split = ((last as f64 * first / (first + second)).round() as usize).clamp(1, last - 1);
        let between = |a: [f64; 2], b: [f64; 2], share: f64| {
            [0, 1].map(|k| (self.origin[k] + a[k] + share * (b[k] - a[k])) as f32)
        };
        let nodes = (0..=last)
            .map(|k| {
                if k <= split {
                    between(a, corner, k as f64 / split as f64)
                } else {
                    between(corner, b, (k - split) as f64 / (last - split) as f64)
                }
            })
            .collect();
        Some(nodes)
    }

    /// How well the path explains the pixels as it is, or two arms (their ends and the corner), which
    /// are then fitted.
    fn fit(&self, arms: Option<[[f64; 2]; 3]>) -> Option<(Sums, Option<[[f64; 2]; 3]>)> {
        let count = if arms.is_some() { UNKNOWNS } else { ALIKE };
        let level = {
            let far = self.pixels.iter().filter(|p| p.distance > 0.5 * self.opening + self.psf);
            let (sum, n) = far.fold((0.0, 0.0), |(sum, n), p| (sum + p.signal, n + 1.0));
            sum / n
        };
        if !(level > 0.0) {
            return None;
        }
        let mut at = [0.0; UNKNOWNS];
        at[..ALIKE].copy_from_slice(&[level, 0.0, 0.0, self.depth, self.opening, self.opening]);
        if let Some([_, corner, _]) = arms {
            (at[ALIKE], at[ALIKE + 1]) = (corner[0], corner[1]);
        }
        let ends = arms.map(|[a, corner, b]| [across(a, corner), across(corner, b)]);
        let placed = |at: &[f64; UNKNOWNS]| {
            let ([a, _, b], [na, nb]) = (arms?, ends?);
            let by = |p: [f64; 2], n: [f64; 2], by: f64| [p[0] + by * n[0], p[1] + by * n[1]];
            let corner = [at[ALIKE], at[ALIKE + 1]];
            Some([by(a, na, at[ALIKE + 2]), corner, by(b, nb, at[ALIKE + 3])])
        };
        let mut best: Option<(Sums, [f64; UNKNOWNS])> = None;
        for _ in 0..=ROUNDS {
            let sums = self.sums(&at, placed(&at), ends, count);
            let change = solved(&sums, count)?;
            if best.as_ref().is_none_or(|(best, _)| sums.misfit < best.misfit) {
                best = Some((sums, at));
            }
            for (k, (at, by)) in at.iter_mut().zip(change).enumerate().take(count) {
                // Where it is far from linear, small steps.
                let most = match k {
                    0..ALIKE => f64::INFINITY,
                    _ => 2.0,
                };
                *at += by.clamp(-most, most);
            }
            for opening in &mut at[4..6] {
                *opening = opening.max(0.1 * self.opening);
            }
        }
        best.filter(|(sums, _)| sums.misfit.is_finite()).map(|(sums, at)| (sums, placed(&at)))
    }

    fn sums(
        &self,
        at: &[f64; UNKNOWNS],
        arms: Option<[[f64; 2]; 3]>,
        ends: Option<[[f64; 2]; 2]>,
        count: usize,
    ) -> Sums {
        let prior = self.depth_sigma.powi(-2);
        let off = self.depth - at[3];
        let mut out = Sums { chi2: off * off * prior, ..Sums::default() };
        (out.information[3][3], out.score[3]) = (prior, off * prior);
        let lengths = arms.map(|[a, corner, b]| {
            [(corner[0] - a[0]).hypot(corner[1] - a[1]), (b[0] - corner[0]).hypot(b[1] - corner[1])]
        });
        for pixel in &self.pixels {
            let mut slopes = [0.0; UNKNOWNS];
            let (mut far, mut along) = (pixel.distance, pixel.along);
            if let (Some([a, corner, b]), Some([na, nb]), Some([first, second])) =
                (arms, ends, lengths)
            {
                let (one, two) = (nearest(a, corner, pixel.at), nearest(corner, b, pixel.at));
                let is_first = one.0 <= two.0;
                let (d, share, unit) = if is_first { one } else { two };
                far = d;
                along = if is_first { share * first } else { first + share * second }
                    / (first + second);
                // How the distance falls as the corner and the end of the arm move.
                let (of_corner, of_end) =
                    if is_first { (share, 1.0 - share) } else { (1.0 - share, share) };
                slopes[ALIKE] = -unit[0] * of_corner;
                slopes[ALIKE + 1] = -unit[1] * of_corner;
                let (end, across) = if is_first { (2, na) } else { (3, nb) };
                slopes[ALIKE + end] = -(unit[0] * across[0] + unit[1] * across[1]) * of_end;
            }
            let opening = at[4] + along * (at[5] - at[4]);
            let (tl, tr) = ((far + 0.5 * opening) / self.psf, (far - 0.5 * opening) / self.psf);
            let ((left, dl), (right, dr)) = (normal(tl as f32), normal(tr as f32));
            let open = f64::from(left - right);
            let ground = at[0] + at[1] * pixel.at[0] + at[2] * pixel.at[1];
            let through = 1.0 - at[3] * open;
            let dip = -ground * at[3] / self.psf;
            let by_distance = dip * f64::from(dl - dr);
            let by_opening = 0.5 * dip * f64::from(dl + dr);
            slopes[ALIKE..].iter_mut().for_each(|slope| *slope *= by_distance);
            slopes[..ALIKE].copy_from_slice(&[
                through,
                through * pixel.at[0],
                through * pixel.at[1],
                -ground * open,
                by_opening * (1.0 - along),
                by_opening * along,
            ]);
            let model = ground * through;
            let variance =
                f64::from(self.scatter.dark) + f64::from(self.scatter.gain) * model.max(0.0);
            let residual = pixel.signal - model;
            out.chi2 += residual * residual / variance;
            out.misfit += variance.ln();
            for i in 0..count {
                let weighted = slopes[i] / variance;
                out.score[i] += weighted * residual;
                for j in 0..=i {
                    out.information[i][j] += weighted * slopes[j];
                }
            }
        }
        out.misfit += out.chi2;
        out
    }
}

/// Sums over the pixels.
#[derive(Default)]
struct Sums {
    chi2: f64,
    /// −2 ln of the likelihood: the variance is the model's.
    misfit: f64,
    /// Normal equations, the lower triangle, and their score.
    information: [[f64; UNKNOWNS]; UNKNOWNS],
    score: [f64; UNKNOWNS],
}

/// The bounding box of a path with what is beside it, within the region.
fn window(points: &[[f32; 2]], reach: f32, region: Region) -> Option<Region> {
    let side = |axis: usize, start: usize, size: usize| {
        let values = points.iter().map(|at| at[axis]);
        let low = values.clone().fold(f32::INFINITY, f32::min) - reach;
        let high = values.fold(f32::NEG_INFINITY, f32::max) + reach;
        let end = (start + size) as f32;
        let from = low.floor().clamp(start as f32, end) as usize;
        (from, (high.ceil().clamp(start as f32, end) as usize).saturating_sub(from))
    };
    let ((x, width), (y, height)) =
        (side(0, region.x, region.width), side(1, region.y, region.height));
    (width > 0 && height > 0).then_some(Region { x, y, width, height })
}

/// Distance from a path, and how far along it its nearest point is, 0 to 1.
fn foot(path: &[[f64; 2]], at: [f64; 2]) -> (f64, f64) {
    let mut best = (f64::INFINITY, 0.0);
    for (k, pair) in path.windows(2).enumerate() {
        let (far, share, _) = nearest(pair[0], pair[1], at);
        if far < best.0 {
            best = (far, (k as f64 + share) / (path.len() - 1) as f64);
        }
    }
    best
}

/// Distance from a straight piece, the share of the way along it to the nearest point, and the unit
/// vector from there.
fn nearest(a: [f64; 2], b: [f64; 2], at: [f64; 2]) -> (f64, f64, [f64; 2]) {
    let (ux, uy) = (b[0] - a[0], b[1] - a[1]);
    let squared = (ux * ux + uy * uy).max(1e-12);
    let share = (((at[0] - a[0]) * ux + (at[1] - a[1]) * uy) / squared).clamp(0.0, 1.0);
    let (dx, dy) = (at[0] - a[0] - share * ux, at[1] - a[1] - share * uy);
    let far = dx.hypot(dy);
    let scale = 1.0 / far.max(1e-9);
    (far, share, [dx * scale, dy * scale])
}

/// Unit vector across the way from `a` to `b`.
fn across(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    let (ux, uy) = (b[0] - a[0], b[1] - a[1]);
    let long = ux.hypot(uy).max(1e-9);
    [-uy / long, ux / long]
}

/// Where two straight lines meet, each through two points.
fn meeting(a: [f64; 2], b: [f64; 2], c: [f64; 2], d: [f64; 2]) -> Option<[f64; 2]> {
    let (u, v) = ([b[0] - a[0], b[1] - a[1]], [d[0] - c[0], d[1] - c[1]]);
    let cross = u[0] * v[1] - u[1] * v[0];
    if cross.abs() < 1e-6 {
        return None;
    }
    let share = ((c[0] - a[0]) * v[1] - (c[1] - a[1]) * v[0]) / cross;
    Some([a[0] + share * u[0], a[1] + share * u[1]])
}

/// Solves the lower triangle of normal equations by Cholesky factors.
fn solved(sums: &Sums, count: usize) -> Option<[f64; UNKNOWNS]> {
    let (mut m, mut y) = (sums.information, sums.score);
    for i in 0..count {
        for j in 0..=i {
            let sum = m[i][j] - (0..j).map(|k| m[i][k] * m[j][k]).sum::<f64>();
            if i == j {
                if !(sum > 1e-12 * m[i][i].abs()) {
                    return None;
                }
                m[i][i] = sum.sqrt();
            } else {
                m[i][j] = sum / m[j][j];
            }
        }
        y[i] = (y[i] - (0..i).map(|k| m[i][k] * y[k]).sum::<f64>()) / m[i][i];
    }
    for i in (0..count).rev() {
        y[i] = (y[i] - (i + 1..count).map(|k| m[k][i] * y[k]).sum::<f64>()) / m[i][i];
    }
    Some(y)
}

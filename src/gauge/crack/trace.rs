//! From a map of ridges to centre lines: the crack as the most evident way along the crests, and what
//! branches off it.
//!
//! Crests that stand out are joined where gaps are short; in each connected part the cheapest ways
//! along them (E. W. Dijkstra, Numer. Math. 1, 269, 1959) are compared. The one with most evidence
//! is the crack; then, again and again, the one with most that leaves what was found already is a
//! branch. Pixels that look like noise count against a way, so it ends where the crack does.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::curve::Curve;
use super::ridge::{Ridge, along};

/// Pixels below this are no part of a ridge, sigma.
const LOW: f32 = 3.2;
/// Within so many pixels, less than this share of the largest is its shadow.
const SHADOW_WITHIN: usize = 20;
const SHADOW_SHARE: f32 = 0.2;
/// A crest goes on straight for so many px, where it may meet the next one.
const BRIDGE: i32 = 8;
/// Along a crack this is exceeded, sigma: what does not exceed it speaks against one.
const EXPECTED: f32 = 3.7;
/// A crack needs this length, px, and so much evidence: the excess, summed along it.
const LENGTH_LEAST: f32 = 24.0;
const EVIDENCE_LEAST: f32 = 70.0;
/// The first line of all needs more: it says that there is a crack.
pub const EVIDENCE_OF_CRACK: f32 = 130.0;
/// Beyond this a pixel is certain, sigma.
const CERTAIN: f32 = 14.0;

/// A traced line.
pub struct Traced {
    pub curve: Curve,
    /// About half the width that the ridge's level fits, px, for each node.
    pub half_width: Vec<f32>,
    /// By how much the merit exceeds what is expected of noise, summed along the line, sigma · px.
    pub evidence: f32,
}

/// The lines of all connected parts, the most evident part first: its crack, then its branches. Nothing where none has
/// the evidence that there is a crack, sigma · px.
pub fn trace(ridge: &Ridge, branches: usize, of_crack: f32) -> Vec<Traced> {
    let mask = crests(ridge);
    let joined = joined(ridge, &mask);
    let mut seen = vec![false; mask.len()];
    let mut parts = Vec::new();
    for start in 0..mask.len() {
        if mask[start] && !seen[start] {
            let part = connected(start, &joined, &mut seen, ridge.region.width);
            let crest: Vec<usize> = part.into_iter().filter(|k| mask[*k]).collect();
            if crest.len() as f32 >= 0.5 * LENGTH_LEAST {
                parts.push(crest);
            }
        }
    }
    let mut ways = Ways::new(ridge, &joined);
    let mut found: Vec<Vec<Traced>> = parts
        .iter()
        .map(|part| lines(ridge, &mask, part, &mut ways, branches))
        .filter(|lines| !lines.is_empty())
        .collect();
    if found.iter().all(|lines| lines[0].evidence < of_crack) {
        return Vec::new();
    }
    found.sort_by(|a, b| b[0].evidence.total_cmp(&a[0].evidence));
    found.into_iter().flatten().take(1 + branches).collect()
}

/// Pixels that are larger than their neighbours across the ridge, and no shadow of a far stronger
/// ridge near by: averages along a line reach beyond its ends.
fn crests(ridge: &Ridge) -> Vec<bool> {
    let (width, height) = (ridge.region.width, ridge.region.height);
    let largest = largest_near(&ridge.merit, width, height, SHADOW_WITHIN);
    let at = |x: i64, y: i64| {
        let inside = x >= 0 && y >= 0 && x < width as i64 && y < height as i64;
        if inside { ridge.merit[y as usize * width + x as usize] } else { 0.0 }
    };
    (0..ridge.merit.len())
        .map(|place| {
            let merit = ridge.merit[place];
            if merit < LOW || merit < SHADOW_SHARE * largest[place] {
                return false;
            }
            let (x, y) = ((place % width) as i64, (place / width) as i64);
            let (ux, uy) = along(usize::from(ridge.direction[place]));
            (1..=2).all(|far| {
                let (dx, dy) =
                    ((-uy * far as f32).round() as i64, (ux * far as f32).round() as i64);
                merit >= at(x + dx, y + dy) && merit >= at(x - dx, y - dy)
            })
        })
        .collect()
}

/// Largest value within a square about each pixel, which reaches so far to each side.
fn largest_near(values: &[f32], width: usize, height: usize, reach: usize) -> Vec<f32> {
    let mut out = values.to_vec();
    for row in out.chunks_exact_mut(width) {
        let largest = running_largest(width, 1, reach, row);
        row.copy_from_slice(&largest);
    }
    running_largest(height, width, reach, &out)
}

/// The largest of the items within `reach` of each; an item is `size` values, each taken by itself.
/// Windows are doubled until two of them cover the whole.
fn running_largest(items: usize, size: usize, reach: usize, values: &[f32]) -> Vec<f32> {
    // Beyond both ends there is nothing.
    let padded = items + 2 * reach;
    let mut now = vec![0.0f32; padded * size];
    now[reach * size..(reach + items) * size].copy_from_slice(values);
    let window = 2 * reach + 1;
    let mut covered = 1;
    while 2 * covered <= window {
        let (_, ahead) = now.split_at(covered * size);
        let ahead = ahead.to_vec();
        for (now, ahead) in now.iter_mut().zip(&ahead) {
            *now = if *ahead > *now { *ahead } else { *now };
        }
        covered *= 2;
    }
    let rest = (window - covered) * size;
    (0..items * size).map(|k| now[k].max(now[k + rest])).collect()
}

/// The crests with what lies beside them, and with their straight continuation.
fn joined(ridge: &Ridge, mask: &[bool]) -> Vec<bool> {
    let (width, height) = (ridge.region.width as i64, ridge.region.height as i64);
    let mut out = mask.to_vec();
    for place in (0..mask.len()).filter(|place| mask[*place]) {
        let (x, y) = (place as i64 % width, place as i64 / width);
        let (ux, uy) = along(usize::from(ridge.direction[place]));
        for k in -BRIDGE..=BRIDGE {
            let (x, y) = (x + (k as f32 * ux).round() as i64, y + (k as f32 * uy).round() as i64);
            for (dx, dy) in [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)] {
                let (x, y) = (x + dx, y + dy);
                if x >= 0 && y >= 0 && x < width && y < height {
                    out[(y * width + x) as usize] = true;
                }
            }
        }
    }
    out
}

fn neighbours(place: usize, width: usize, count: usize) -> impl Iterator<Item = (usize, f32)> {
    let (x, y) = ((place % width) as i64, (place / width) as i64);
    let height = (count / width) as i64;
    [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)].into_iter().filter_map(
        move |(dx, dy): (i64, i64)| {
            let (x, y) = (x + dx, y + dy);
            let inside = x >= 0 && y >= 0 && x < width as i64 && y < height;
            let step = if dx != 0 && dy != 0 { std::f32::consts::SQRT_2 } else { 1.0 };
            inside.then(|| (y as usize * width + x as usize, step))
        },
    )
}

fn connected(start: usize, mask: &[bool], seen: &mut [bool], width: usize) -> Vec<usize> {
    let mut part = vec![start];
    seen[start] = true;
    let mut next = 0;
    while next < part.len() {
        for (other, _) in neighbours(part[next], width, mask.len()) {
            if mask[other] && !seen[other] {
                seen[other] = true;
                part.push(other);
            }
        }
        next += 1;
    }
    part
}

/// The most evident line of a connected part, and its branches.
fn lines(
    ridge: &Ridge,
    mask: &[bool],
    part: &[usize],
    ways: &mut Ways<'_>,
    branches: usize,
) -> Vec<Traced> {
    let by_merit = |a: &&usize, b: &&usize| ridge.merit[**a].total_cmp(&ridge.merit[**b]);
    let Some(highest) = part.iter().max_by(by_merit) else { return Vec::new() };
    let furthest = |ways: &Ways<'_>| {
        part.iter()
            .copied()
            .filter(|k| mask[*k] && ways.cost[*k].is_finite())
            .max_by(|a, b| ways.evidence[*a].total_cmp(&ways.evidence[*b]))
    };
    let mut out = Vec::new();
    ways.from(&[*highest]);
    let Some(one) = furthest(ways) else { return out };
    ways.from(&[one]);
    let Some(other) = furthest(ways) else { return out };
    let way = ways.back(other);
    let Some(first) = traced(ridge, &way, ways.evidence[other]) else { return out };
    out.push(first);
    let mut covered = way;
    while out.len() <= branches {
        ways.from(&covered);
        let Some(end) = furthest(ways) else { break };
        let evidence = ways.evidence[end];
        if evidence < EVIDENCE_LEAST {
            break;
        }
        let way = ways.back(end);
        // From the crack outward; its first pixel is the crack's own.
        let way: Vec<usize> = way.into_iter().rev().collect();
        covered.extend(&way);
        if let Some(branch) = traced(ridge, &way, evidence) {
            out.push(branch);
        }
    }
    out
}

fn traced(ridge: &Ridge, way: &[usize], evidence: f32) -> Option<Traced> {
    let (width, region) = (ridge.region.width, ridge.region);
    let point =
        |place: usize| [(place % width + region.x) as f32, (place / width + region.y) as f32];
    let rough = Curve { points: way.iter().map(|place| point(*place)).collect() };
    // The way jumps from pixel to pixel; the fit finds the rest.
    let curve = rough.smoothed(3.0).resampled().smoothed(2.0).resampled();
    if curve.length() < LENGTH_LEAST || evidence < EVIDENCE_LEAST {
        return None;
    }
    let half_width = curve
        .points
        .iter()
        .map(|at| {
            let x = (at[0].round() as usize).clamp(region.x, region.x + width - 1) - region.x;
            let y =
                (at[1].round() as usize).clamp(region.y, region.y + region.height - 1) - region.y;
            2.2 * (1u32 << ridge.level[y * width + x]) as f32
        })
        .collect();
    Some(Traced { curve, half_width, evidence })
}

/// Cheapest ways from a set of pixels; crests are cheap.
struct Ways<'a> {
    ridge: &'a Ridge,
    mask: &'a [bool],
    cost: Vec<f32>,
    /// Evidence for a crack along the cheapest way, sigma · px.
    evidence: Vec<f32>,
    before: Vec<u32>,
    /// Pixels that have been reached, to be forgotten before the next search.
    reached: Vec<usize>,
}

impl<'a> Ways<'a> {
    fn new(ridge: &'a Ridge, mask: &'a [bool]) -> Ways<'a> {
        let count = mask.len();
        Ways {
            ridge,
            mask,
            cost: vec![f32::INFINITY; count],
            evidence: vec![0.0; count],
            before: vec![u32::MAX; count],
            reached: Vec::new(),
        }
    }

    fn from(&mut self, starts: &[usize]) {
        let count = self.mask.len();
        for place in self.reached.drain(..) {
            self.cost[place] = f32::INFINITY;
            self.evidence[place] = 0.0;
            self.before[place] = u32::MAX;
        }
        let mut queue = BinaryHeap::new();
        for start in starts {
            self.cost[*start] = 0.0;
            self.reached.push(*start);
            queue.push(Stop { cost: 0.0, place: *start });
        }
        let width = self.ridge.region.width;
        while let Some(Stop { cost, place }) = queue.pop() {
            if cost > self.cost[place] {
                continue;
            }
            for (other, step) in neighbours(place, width, count) {
                if !self.mask[other] {
                    continue;
                }
                let merit = self.ridge.merit[other].clamp(0.0, 4.0 * CERTAIN);
                let there = cost + step / (0.3 + merit * merit);
                if there < self.cost[other] {
                    self.reached.push(other);
                    self.cost[other] = there;
                    let excess = merit.min(CERTAIN) - EXPECTED;
                    self.evidence[other] = self.evidence[place] + step * excess;
                    self.before[other] = place as u32;
                    queue.push(Stop { cost: there, place: other });
                }
            }
        }
    }

    /// The way from `end` back to where it started.
    fn back(&self, end: usize) -> Vec<usize> {
        let mut way = vec![end];
        let mut at = end;
        while self.before[at] != u32::MAX {
            at = self.before[at] as usize;
            way.push(at);
        }
        way
    }
}

/// A pixel in the queue; the cheapest first.
#[derive(PartialEq)]
struct Stop {
    cost: f32,
    place: usize,
}

impl Eq for Stop {}

impl PartialOrd for Stop {
    fn partial_cmp(&self, other: &Stop) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Stop {
    fn cmp(&self, other: &Stop) -> Ordering {
        other.cost.total_cmp(&self.cost).then(other.place.cmp(&self.place))
    }
}

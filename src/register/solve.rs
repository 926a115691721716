//! From the sums of the tiles to a displacement: Newton steps on the score equation, with tiles
//! left out whose residual shows that something of their own moves in them.

use super::compare::TileSums;
use super::level::{Expansion, Level, powers};

/// A displacement of the specimen against the level's template, in pixels of the level.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// Beyond the whole-pixel shift of the comparison.
    pub x: f64,
    pub y: f64,
    /// Variances and covariance (px²): xx, xy, yy. From the noise of frame and template,
    /// enlarged by what the residuals show beyond it.
    pub covariance: [f64; 3],
    /// Tiles that took part.
    pub tiles: usize,
    /// Tiles within the frame.
    pub tiles_in_frame: usize,
    /// The frame's brightness against the template's.
    pub gain: f64,
    /// The template's structure found in the frame, over what the displacement promises; NaN for
    /// levels without structure.
    pub likeness: f64,
    /// The structure found, over its one sigma.
    pub significance: f64,
}

/// A tile whose squared residual (χ², two degrees of freedom) exceeds this multiple of the
/// median's is left out; noise alone does that once in 20,000.
const OUTLIER: f64 = 20.0;
const MEDIAN_CHI2: f64 = 1.386_294_361_119_890_6;

/// Solves for the displacement; nothing when the tiles carry no information.
///
/// `reach` bounds how far from the phase the polynomials are trusted, in pixels of the level.
pub fn solve(
    level: &Level,
    phase: usize,
    phase_at: (f64, f64),
    sums: &[TileSums],
    reach: f64,
) -> Option<Fit> {
    let gain = brightness_ratio(level, sums)?;
    let mut used = vec![true; sums.len()];
    let mut delta = (0.0, 0.0);
    let mut excess = 1.0;
    for round in 0..4 {
        delta = newton(level, phase, sums, &used, gain, delta, reach)?;
        let at = Monomials::at(level.shape.order, delta);
        let residuals: Vec<f64> =
            sums.iter().map(|tile| chi2(level, phase, tile, gain, &at)).collect();
        let mut sorted = residuals.clone();
        sorted.sort_by(f64::total_cmp);
        excess = (sorted[sorted.len() / 2] / MEDIAN_CHI2).max(f64::MIN_POSITIVE);
        let limit = OUTLIER * excess.max(1.0);
        let next: Vec<bool> = residuals.iter().map(|r| *r < limit).collect();
        if next == used || round == 3 {
            break;
        }
        used = next;
    }
    let total = Total::of(level, phase, sums, &used, gain);
    let covariance = total.covariance(level, delta, gain, excess.max(1.0))?;
    let (likeness, significance) = total.likeness(level, delta, gain);
    Some(Fit {
        x: phase_at.0 + delta.0,
        y: phase_at.1 + delta.1,
        covariance,
        tiles: used.iter().filter(|used| **used).count(),
        tiles_in_frame: sums.len(),
        gain,
        likeness,
        significance,
    })
}

/// The frame's brightness over the template's, from tiles without masked pixels.
fn brightness_ratio(level: &Level, sums: &[TileSums]) -> Option<f64> {
    let (mut frame, mut template) = (0.0, 0.0);
    for tile in sums {
        let expected = level.tiles[tile.tile].brightness;
        if expected.is_finite() {
            frame += tile.brightness;
            template += expected;
        }
    }
    if template == 0.0 {
        // Every tile has a masked part: nothing to judge brightness by.
        return (!sums.is_empty()).then_some(1.0);
    }
    let gain = frame / template;
    (gain.is_finite() && gain > 0.02).then_some(gain)
}

/// The tiles' expansions and sums, added.
struct Total {
    measured: [f64; 3],
    x: Vec<f64>,
    y: Vec<f64>,
    structure: Vec<f64>,
    variance: [f64; 3],
    structure_variance: f64,
}

impl Total {
    fn of(level: &Level, phase: usize, sums: &[TileSums], used: &[bool], gain: f64) -> Total {
        let terms = powers(level.shape.order).count();
        let mut total = Total {
            measured: [0.0; 3],
            x: vec![0.0; terms],
            y: vec![0.0; terms],
            structure: vec![0.0; if level.shape.structure { terms } else { 0 }],
            variance: [0.0; 3],
            structure_variance: 0.0,
        };
        for (tile, _) in sums.iter().zip(used).filter(|(_, used)| **used) {
            let expansion = &level.tiles[tile.tile].expansions[phase];
            for channel in 0..3 {
                total.measured[channel] += tile.sums[channel] / gain;
            }
            add(&mut total.x, &expansion.x);
            add(&mut total.y, &expansion.y);
            add(&mut total.structure, &expansion.structure);
            for (sum, part) in total.variance.iter_mut().zip(expansion.variance) {
                *sum += part;
            }
            total.structure_variance += expansion.structure_variance;
        }
        total
    }

    /// `A⁻¹ B A⁻ᵀ` with A the slope of the right side and B the variance of the sums, from the
    /// noise of the frame (a dimmer beam is a noisier one) and that of the template.
    fn covariance(
        &self,
        level: &Level,
        delta: (f64, f64),
        gain: f64,
        excess: f64,
    ) -> Option<[f64; 3]> {
        let a = Monomials::at(level.shape.order, delta).slope(&self.x, &self.y);
        let inverse = invert(a)?;
        let scale = excess * (1.0 / gain + 1.0 / level.frames);
        let b = self.variance.map(|v| v * scale);
        let [p, q, r, s] = inverse;
        let (pb, qb) = (p * b[0] + q * b[1], p * b[1] + q * b[2]);
        let (rb, sb) = (r * b[0] + s * b[1], r * b[1] + s * b[2]);
        let covariance = [pb * p + qb * q, pb * r + qb * s, rb * r + sb * s];
        (covariance[0] > 0.0 && covariance[2] > 0.0).then_some(covariance)
    }

    fn likeness(&self, level: &Level, delta: (f64, f64), gain: f64) -> (f64, f64) {
        if self.structure.is_empty() {
            return (f64::NAN, f64::NAN);
        }
        let promised = dot(&self.structure, &Monomials::at(level.shape.order, delta).value);
        let found = self.measured[2];
        let sigma = (self.structure_variance / gain).sqrt();
        (found / promised, found / sigma)
    }
}

fn add(sum: &mut [f64], part: &[f64]) {
    for (sum, part) in sum.iter_mut().zip(part) {
        *sum += part;
    }
}

fn newton(
    level: &Level,
    phase: usize,
    sums: &[TileSums],
    used: &[bool],
    gain: f64,
    start: (f64, f64),
    reach: f64,
) -> Option<(f64, f64)> {
    let total = Total::of(level, phase, sums, used, gain);
    let mut delta = start;
    for _ in 0..8 {
        // Beyond the polynomials' reach the slope at their origin points the way.
        let far = delta.0.abs().max(delta.1.abs()) > reach;
        let at = if far { (0.0, 0.0) } else { delta };
        let monomials = Monomials::at(level.shape.order, at);
        let inverse = invert(monomials.slope(&total.x, &total.y))?;
        let rx = total.measured[0] - dot(&total.x, &monomials.value);
        let ry = total.measured[1] - dot(&total.y, &monomials.value);
        let step = (inverse[0] * rx + inverse[1] * ry, inverse[2] * rx + inverse[3] * ry);
        let next = (at.0 + step.0, at.1 + step.1);
        let moved = (next.0 - delta.0).abs().max((next.1 - delta.1).abs());
        delta = next;
        if !delta.0.is_finite() || !delta.1.is_finite() {
            return None;
        }
        if far || moved < 1e-7 {
            break;
        }
    }
    Some(delta)
}

/// χ² (two degrees of freedom) of one tile's residual sums.
fn chi2(level: &Level, phase: usize, tile: &TileSums, gain: f64, at: &Monomials) -> f64 {
    let expansion: &Expansion = &level.tiles[tile.tile].expansions[phase];
    let rx = tile.sums[0] / gain - dot(&expansion.x, &at.value);
    let ry = tile.sums[1] / gain - dot(&expansion.y, &at.value);
    let scale = 1.0 / gain + 1.0 / level.frames;
    let [xx, xy, yy] = expansion.variance.map(|v| v * scale);
    let determinant = xx * yy - xy * xy;
    if determinant > 1e-12 * xx * yy {
        (yy * rx * rx - 2.0 * xy * rx * ry + xx * ry * ry) / determinant
    } else {
        0.0
    }
}

/// The monomials of [`powers`] at one δ, and their derivatives along x and y: computed once, so
/// that the polynomial of each tile is a short dot product.
struct Monomials {
    value: Vec<f64>,
    along_x: Vec<f64>,
    along_y: Vec<f64>,
}

impl Monomials {
    fn at(order: usize, (x, y): (f64, f64)) -> Monomials {
        let mut out = Monomials { value: vec![], along_x: vec![], along_y: vec![] };
        let slope = |v: f64, n: usize| if n == 0 { 0.0 } else { n as f64 * v.powi(n as i32 - 1) };
        for (i, j) in powers(order) {
            out.value.push(x.powi(i as i32) * y.powi(j as i32));
            out.along_x.push(slope(x, i) * y.powi(j as i32));
            out.along_y.push(x.powi(i as i32) * slope(y, j));
        }
        out
    }

    fn slope(&self, x: &[f64], y: &[f64]) -> [f64; 4] {
        [dot(x, &self.along_x), dot(x, &self.along_y), dot(y, &self.along_x), dot(y, &self.along_y)]
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn invert([a, b, c, d]: [f64; 4]) -> Option<[f64; 4]> {
    let determinant = a * d - b * c;
    let size = (a * a + b * b + c * c + d * d) / 2.0;
    // A field with structure along one direction only leaves the other undetermined.
    if !(determinant.abs() > 1e-6 * size) {
        return None;
    }
    Some([d / determinant, -b / determinant, -c / determinant, a / determinant])
}

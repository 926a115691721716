//! One contour as numbers: mean, tip, roughness, wavelength, length; each with its one sigma.

use super::cells::CELL;
use super::contour::{TEAR_PX, joined_variance, slopes, stiffness, variance_in_mean};
use super::path::join;

/// A number and its one sigma.
pub type Value = (f64, f64);

/// A line that stands still is known this well at best, px: texture is never learned perfectly.
pub const FLOOR_PX: f64 = 0.02;
/// The tip is the vertex of the parabola over so many lines to either side of the furthest one.
const TIP_LINES: usize = 5;
/// What lines scatter about that parabola beyond this many times their noise is a shape that it does not have: of a
/// rough front, or of a small head. The tip errs by as much.
const TIP_MISFIT: f64 = 2.0;
/// Where the lines' own edges leave it so many times as uncertain as the joined contour is, this tells the tip.
const TIP_NOISY: f64 = 2.0;
/// One sigma of where a wall stands across the lines.
const WALL_LINES: f64 = 0.5;
/// Slopes are taken over as few of these lines as leave noise less than this share of their square.
const SLOPE_LINES: [usize; 3] = [2, 4, 8];
const SLOPE_NOISE: f64 = 0.1;
/// So many lines err alike by what is no noise of their own edges.
const BEYOND_LINES: f64 = 8.0;
/// The edge's length is that of a chain of chords over so many lines.
const CHORD_LINES: usize = 4;

/// Who tells where a line's edge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The edge in this frame.
    Edge,
    /// Lithium's area in this frame.
    Region,
    /// The frames before.
    Expected,
}

/// The vertex of the parabola through some lines.
struct Vertex {
    at: f64,
    /// Variance about the parabola, and the share of a line's variance that the vertex has.
    scatter: f64,
    share: f64,
}

impl Vertex {
    /// By least squares about the middle of the lines: mean, slope and curvature are orthogonal there.
    fn of(lines: std::ops::Range<usize>, level: impl Fn(usize) -> f64) -> Vertex {
        let n = lines.len() as f64;
        let mean = lines.clone().map(&level).sum::<f64>() / n;
        let middle = (lines.start + lines.end - 1) as f64 / 2.0;
        let u = |k: usize| k as f64 - middle;
        let square = lines.clone().map(|k| u(k).powi(2)).sum::<f64>() / n;
        let (mut slope, mut bend, mut uu, mut pp) = (0.0, 0.0, 0.0, 0.0);
        for k in lines.clone() {
            let p = u(k).powi(2) - square;
            slope += u(k) * level(k);
            bend += p * level(k);
            uu += u(k).powi(2);
            pp += p * p;
        }
        let (slope, bend) = (slope / uu, bend / pp);
        let half = (n - 1.0) / 2.0;
        let vertex = if bend < 0.0 { (-slope / (2.0 * bend)).clamp(-half, half) } else { 0.0 };
        let p = vertex * vertex - square;
        let left = |k: usize| level(k) - mean - slope * u(k) - bend * (u(k).powi(2) - square);
        Vertex {
            at: mean + slope * vertex + bend * p,
            scatter: lines.map(|k| left(k).powi(2)).sum::<f64>() / (n - 3.0),
            share: 1.0 / n + vertex * vertex / uu + p * p / pp,
        }
    }
}

/// A contour without gaps, px from the starting edge.
pub struct Shape<'a> {
    pub position: &'a [f32],
    pub error: &'a [f32],
    pub told: &'a [Told],
    /// Each line's own edge, apart from its neighbours and from what was expected, and its one
    /// sigma; NaN where there is none.
    pub own: &'a [(f32, f32)],
    /// One sigma of the mean over all lines with an edge.
    pub mean_error: f64,
    /// Lines that are joined.
    pub smooth_lines: f64,
    /// One sigma that all lines share: the drift's.
    pub common: f64,
}

impl Shape<'_> {
    /// Mean over the lines. Each counts the same: the position is that of the contour, and not of
    /// its sharper parts.
    pub fn mean(&self) -> Value {
        let (mut sum, mut count) = (0.0, 0.0);
        let (mut edges, mut by_area, mut unseen) = (0.0, 0.0, 0.0);
        for ((position, error), told) in self.position.iter().zip(self.error).zip(self.told) {
            if !position.is_finite() {
                continue;
            }
            sum += f64::from(*position);
            count += 1.0;
            let error = f64::from(*error);
            match told {
                Told::Edge => edges += 1.0,
                // The lines of one row of cells err alike.
                Told::Region => by_area += CELL as f64 * error * error,
                // What is predicted errs alike in all lines.
                Told::Expected => unseen += error,
            }
        }
        if count == 0.0 {
            return (f64::NAN, f64::NAN);
        }
        let edges = if edges > 0.0 { (edges * self.mean_error).powi(2) } else { 0.0 };
        // A wall along the lines stands somewhere between two of them.
        let rises = self.position.windows(2).map(|pair| f64::from((pair[1] - pair[0]).abs()));
        let walls: f64 = rises
            .filter(|rise| *rise > f64::from(TEAR_PX))
            .map(|rise| (WALL_LINES * rise).powi(2))
            .sum();
        let variance = (edges + by_area + unseen * unseen + walls) / (count * count);
        (sum / count, (variance + self.common.powi(2) + FLOOR_PX.powi(2)).sqrt())
    }

    /// The furthest reach near the line `at`, which earlier frames too say is the furthest: the
    /// largest of many uncertain lines would be too far. It is the vertex of a parabola through the
    /// lines' own edges, since the joined contour is flattened where it bends most; through the
    /// contour where some have none, or few counts.
    pub fn tip(&self, at: usize) -> Value {
        let (first, end) = self.piece(at, TIP_LINES);
        let line_error = f64::from(self.error[at]);
        if end - first < 5 {
            let error = line_error.hypot(self.common).hypot(FLOOR_PX);
            return (f64::from(self.position[at]), error);
        }
        let of_contour = |k: usize| f64::from(self.position[k]);
        let by_contour = || {
            let error = line_error.hypot(self.common).hypot(FLOOR_PX);
            (Vertex::of(first..end, of_contour).at, error)
        };
        let is_own = self.own[first..end].iter().all(|own| own.0.is_finite())
            && self.told[first..end].iter().all(|told| *told == Told::Edge);
        if !is_own {
            return by_contour();
        }
        let vertex = Vertex::of(first..end, |k| f64::from(self.own[k].0));
        let of_lines = self.own[first..end].iter().map(|own| f64::from(own.1).powi(2)).sum::<f64>();
        let noise = of_lines / (end - first) as f64;
        let misfit = if vertex.scatter > TIP_MISFIT * noise { vertex.scatter - noise } else { 0.0 };
        let variance = noise * vertex.share + misfit;
        if variance > (TIP_NOISY * line_error).powi(2) {
            return by_contour();
        }
        (vertex.at, variance.sqrt().hypot(self.common).hypot(FLOOR_PX))
    }

    /// The lines about `at` that hang together with it, `most` to either side.
    fn piece(&self, at: usize, most: usize) -> (usize, usize) {
        let joined = |a: usize, b: usize| (self.position[a] - self.position[b]).abs() < TEAR_PX;
        let (mut first, mut end) = (at, at + 1);
        while first > 0 && at - first < most && joined(first, first - 1) {
            first -= 1;
        }
        while end < self.position.len() && end - at <= most && joined(end - 1, end) {
            end += 1;
        }
        (first, end)
    }

    /// Standard deviation of the contour, without the part that is noise.
    pub fn roughness(&self, mean: f64) -> Value {
        let own: Vec<f64> = (0..self.position.len()).map(|line| self.own_variance(line)).collect();
        let (mut square, mut noise, mut alike, mut count) = (0.0, 0.0, 0.0, 0.0);
        for line in (0..self.position.len()).filter(|line| self.position[*line].is_finite()) {
            square += (f64::from(self.position[line]) - mean).powi(2);
            noise += f64::from(self.error[line]).powi(2);
            alike += own[line];
            count += 1.0;
        }
        if count < 2.0 {
            return (f64::NAN, f64::NAN);
        }
        let (noise, alike) = (noise / count, alike / count);
        let variance = (square / count - noise).max(0.0);
        // Independent lines, and δ(σ) = δ(σ²)/2σ.
        let independent = count / (alike / noise).max(1.0);
        let of_noise = 2.0 * noise * noise / independent;
        let of_shape = 4.0 * self.noise_along(mean, &own) / (count * count);
        let roughness = variance.sqrt();
        let error = (of_noise + of_shape).sqrt() / (2.0 * roughness.max(noise.sqrt()));
        (roughness, error.hypot(FLOOR_PX))
    }

    /// Variance of a line by itself, px²: of its own edge, or less where frames before say more of it; where it has none,
    /// what its error on the joined curve comes from.
    fn own_variance(&self, line: usize) -> f64 {
        let own = f64::from(self.own[line].1);
        // The smaller; that which is a number.
        (own * own).min(variance_in_mean(self.error[line].into(), self.smooth_lines))
    }

    /// Variance of the sum of the lines' errors, each times how far the line is from the mean, px⁴: errors are alike in
    /// neighbours, and count less where these lie on both sides of the mean. It is hᵀA⁻¹h, with A the normal matrix of
    /// the joined curve, to which each line by itself brings a variance of `own`, px².
    fn noise_along(&self, mean: f64, own: &[f64]) -> f64 {
        let information = |own: &f64| if *own > 0.0 { 1.0 / own } else { 0.0 };
        let f: Vec<f64> = own.iter().map(information).collect();
        let off = |(position, f): (&f32, &f64)| {
            if position.is_finite() && *f > 0.0 { f64::from(*position) - mean } else { 0.0 }
        };
        let off: Vec<f64> = self.position.iter().zip(&f).map(off).collect();
        let scaled: Vec<f64> =
            off.iter().zip(&f).map(|(h, f)| if *f > 0.0 { h / f } else { 0.0 }).collect();
        let stiffness = stiffness(self.position, &slopes(self.position), self.smooth_lines);
        let of_joined: f64 =
            join(&scaled, &f, &stiffness).iter().zip(&off).map(|(d, h)| d * h).sum();
        // What lines err by beyond that, beside a wall, they err alike with those next to them.
        let beyond = |(line, off): (usize, &f64)| {
            let joined = joined_variance(own[line], self.smooth_lines);
            off * off * (f64::from(self.error[line]).powi(2) - joined).max(0.0)
        };
        of_joined + BEYOND_LINES * off.iter().enumerate().map(beyond).sum::<f64>()
    }

    /// The lateral wavelength, 2π times roughness over r.m.s. slope (λq of ISO 4287): exact for one
    /// wave, a mean for many; px across the lines.
    pub fn wavelength(&self, (roughness, roughness_error): Value) -> Value {
        let (mut slope, mut noise, mut independent) = (f64::NAN, f64::NAN, 0.0);
        for lines in SLOPE_LINES {
            let square;
            (square, noise, independent) = self.slope(lines);
            slope = square - noise;
            if noise < SLOPE_NOISE * square {
                break;
            }
        }
        let error = ((2.0 * noise * noise + 4.0 * noise * slope.abs()) / independent).sqrt();
        // Neighbours err alike, so that less than all of the noise may be in their difference.
        let error = error.hypot(0.5 * noise);
        if !(slope > 2.0 * error && roughness > 2.0 * roughness_error) {
            return (f64::NAN, f64::NAN);
        }
        let wavelength = std::f64::consts::TAU * roughness / slope.sqrt();
        (wavelength, wavelength * (roughness_error / roughness).hypot(0.5 * error / slope))
    }

    /// Mean squared slope over so many lines, how much of it independent errors explain, and the number
    /// of independent slopes.
    fn slope(&self, lines: usize) -> (f64, f64, f64) {
        let (mut square, mut noise, mut count) = (0.0, 0.0, 0.0);
        let run = (lines * lines) as f64;
        for k in 0..self.position.len().saturating_sub(lines) {
            let rise = f64::from(self.position[k + lines] - self.position[k]);
            if rise.is_finite() {
                square += rise * rise / run;
                let errors = [self.error[k], self.error[k + lines]].map(f64::from);
                noise += (errors[0].powi(2) + errors[1].powi(2)) / run;
                count += 1.0;
            }
        }
        (square / count, noise / count, count / lines as f64)
    }

    /// Length of the edge, px.
    pub fn perimeter(&self) -> Value {
        let (mut sum, mut variance) = (0.0, 0.0);
        let chord = CHORD_LINES as f64;
        for k in (0..self.position.len().saturating_sub(CHORD_LINES)).step_by(CHORD_LINES) {
            let rise = f64::from(self.position[k + CHORD_LINES] - self.position[k]);
            if rise.is_finite() {
                let errors = [self.error[k], self.error[k + CHORD_LINES]].map(f64::from);
                let noise = errors[0].powi(2) + errors[1].powi(2);
                let square = (rise * rise - noise).max(0.0);
                sum += (chord * chord + square).sqrt();
                variance += noise * square / (chord * chord + square);
            }
        }
        if sum > 0.0 { (sum, variance.sqrt().max(FLOOR_PX)) } else { (f64::NAN, f64::NAN) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_has_its_mean_roughness_wavelength_and_length() {
        let position: Vec<f32> = (0..640)
            .map(|k| 50.0 + 6.0 * (std::f32::consts::TAU * k as f32 / 64.0).cos())
            .collect();
        let (error, told) = (vec![0.05; 640], vec![Told::Edge; 640]);
        let own: Vec<(f32, f32)> = position.iter().map(|at| (*at, 0.1)).collect();
        let shape = Shape {
            position: &position,
            error: &error,
            told: &told,
            own: &own,
            mean_error: 0.01,
            smooth_lines: 4.0,
            common: 0.0,
        };
        let mean = shape.mean();
        assert!((mean.0 - 50.0).abs() < 1e-3 && mean.1 < 0.03, "{mean:?}");
        let roughness = shape.roughness(mean.0);
        assert!((roughness.0 - 6.0 / 2f64.sqrt()).abs() < 0.01, "{roughness:?}");
        let wavelength = shape.wavelength(roughness);
        assert!((wavelength.0 / 64.0 - 1.0).abs() < 0.01, "{wavelength:?}");
        let tip = shape.tip(64);
        assert!((tip.0 - 56.0).abs() < 0.03, "{tip:?}");
        let length = shape.perimeter().0;
        // ∫ √(1 + s²) over a wave whose slope is 0.589 at most.
        assert!((length / 636.0 - 1.083).abs() < 0.005, "length {}", length / 636.0);
    }
}

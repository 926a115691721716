//! From the sums of the tiles to a motion: Newton steps on the score equation.
//!
//! Each tile gives two equations, `measured = P(δ)`, δ being the motion at its centre beyond the
//! weights' own place and P the polynomials of [`level`](super::level). They are linear in a small
//! step of the motion's parameters, so the weighted normal equations are solved two or three
//! times. Tiles in which something of its own moves are left out ([`outliers`](super::outliers)).

use super::agreement::{Equations, agreed_shift};
use super::brightness::{self, Beam, Brightness, Light};
use super::compare::TileSums;
use super::level::{Grid, Level, Phase, terms};
use super::monomials::Monomials;
use super::motion::{Freedom, Motion};
use super::normal::Normal;
use super::outliers::Outliers;
use super::scatter::{Contribution, beyond_noise, of_left_out};
use super::tone::Tone;

/// What the caller knows before.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Where the sums were taken, or better; px of the level.
    pub start: Motion,
    pub freedom: Freedom,
    /// The frame's structure over the template's, beyond its brightness: 1 for the same focus.
    pub contrast: f64,
    /// How far from a phase the polynomials are trusted, px of the level.
    pub reach: f64,
    /// Squares of the level's grid that are to be left out; all are used when empty.
    pub masked: &'a [bool],
}

/// A motion of the specimen against the level's template, in pixels of the level.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    pub motion: Motion,
    /// Variances and covariance (px²) of the shift: xx, xy, yy. From the noise of frame and
    /// template, enlarged by what the residuals of tiles and of their neighbourhoods show beyond it.
    pub covariance: [f64; 3],
    /// Tiles that took part.
    pub tiles: usize,
    /// Tiles within the frame and not masked.
    pub tiles_in_frame: usize,
    /// The frame's brightness against the template's.
    pub gain: f64,
    /// What its look does to the tiles' means.
    pub tone: Tone,
    /// The template's structure found in the frame, over what the motion promises; NaN for
    /// levels without structure.
    pub likeness: f64,
    /// The structure found, over its one sigma.
    pub significance: f64,
    /// Likeness of all tiles that are not masked, those that disagree too: for comparing places.
    pub likeness_of_all: f64,
    /// By how much the tiles' residuals scatter more than the noise model says.
    pub excess: f64,
    /// How well the tiles' brightness agrees with the template's: what is broader than a tile.
    pub brightness: Brightness,
}

/// One tile at one motion.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local {
    /// Its square in the grid.
    pub cell: usize,
    /// Measured less promised, in units of the template.
    pub residual: [f64; 2],
    /// How the promised sums change with the motion: x with x, x with y, y with x, y with y.
    pub slope: [f64; 4],
    /// Variance of the sums: xx, xy, yy; noise of frame and template.
    pub variance: [f64; 3],
    /// Information on the shift is worth something here and now.
    pub used: bool,
    /// Left out from the start.
    pub masked: bool,
}

impl Local {
    /// The same tile at a motion that is so little further, px, that its slopes hold.
    fn shift(&mut self, x: f64, y: f64) {
        let [xx, xy, yx, yy] = self.slope;
        self.residual[0] -= xx * x + xy * y;
        self.residual[1] -= yx * x + yy * y;
    }
}

/// Work space, reused from frame to frame.
#[derive(Default)]
pub struct SolveSpace {
    /// The tiles of the last solution.
    pub locals: Vec<Local>,
    lights: Vec<Light>,
    ratios: Vec<f64>,
    outliers: Outliers,
    contributions: Vec<Contribution>,
}

/// Rounds of leaving tiles out, at most.
const ROUNDS: usize = 6;
/// When more than this part of the tiles disagrees, the start is looked for anew, robustly.
const DISAGREE: f64 = 0.08;

/// Solves for the motion; nothing when the tiles carry no information.
pub fn solve(
    level: &Level,
    sums: &[TileSums],
    ask: &Ask<'_>,
    space: &mut SolveSpace,
) -> Option<Fit> {
    let gain = brightness::ratio(level, sums, ask.masked, &mut space.ratios)?;
    // Where the look is the same, a tile's mean is known better than from its frame.
    let same = ask.contrast == 1.0 || level.shape.structure;
    let tone = if same { Tone::SAME } else { Tone::of(level, sums, gain, ask.masked) };
    let scale = Scale {
        measured: 1.0 / (gain * ask.contrast),
        contrast: ask.contrast,
        tone,
        noise: noise(level, gain, ask),
    };
    let reach_px = level.reach();
    let SolveSpace { locals, outliers, lights, ratios, contributions } = space;
    let mut motion = ask.start;
    start_locals(level, sums, ask, scale, locals);
    let in_frame = locals.iter().filter(|local| !local.masked).count();
    let mut excess = 1.0;
    for round in 0..ROUNDS {
        motion = newton(level, sums, ask, scale, motion, locals)?;
        let found = outliers.judge(&level.grid, locals);
        excess = found.tiles;
        let left = outliers.kept(locals);
        let disagree = (left as f64) < (1.0 - DISAGREE) * in_frame as f64;
        let mut restarted = false;
        if round == 0
            && (disagree || found.is_much())
            && let Some((x, y)) = agreed(&level.grid, locals)
        {
            // Many disagree, or all to one side or the other: those that moved have drawn the first solution
            // after them.
            let before = motion;
            motion.x += x;
            motion.y += y;
            evaluate(level, sums, scale, ask.reach, &motion, locals);
            let there = outliers.judge(&level.grid, locals);
            restarted = disagree || there.is_clearly_less(&found);
            if !restarted {
                motion = before;
                evaluate(level, sums, scale, ask.reach, &motion, locals);
                outliers.judge(&level.grid, locals);
            }
        }
        if !outliers.apply(locals) && !restarted {
            break;
        }
    }
    let lit = !level.shape.structure;
    lights.clear();
    if lit {
        let known = Beam { gain, tone, noise: scale.noise };
        let at = (&motion, ask.reach);
        brightness::equations(level, sums, known, at, locals, (&mut *lights, &mut *ratios));
    }
    let normal = Normal::of(level, ask.freedom, reach_px, locals, lights);
    if lit {
        // One step more, with what the brightness says: that is linear enough.
        let before = motion;
        motion.step(ask.freedom, reach_px, &normal.step()?);
        if !went_little(&before, &motion, locals) {
            evaluate(level, sums, scale, ask.reach, &motion, locals);
        }
        let (x, y) = (motion.x - before.x, motion.y - before.y);
        lights.iter_mut().for_each(|light| light.shift(x, y));
    }
    let mut covariance = normal.covariance(excess)?;
    if lit {
        normal.contributions(level, ask.freedom, reach_px, (locals, lights), contributions);
        let [x, y] = beyond_noise(&level.grid, excess, contributions);
        let parts = [x, (x * y).sqrt(), y];
        covariance.iter_mut().zip(parts).for_each(|(part, beyond)| *part *= beyond);
        let [x, y] = of_left_out(level, ask.freedom, reach_px, excess, locals);
        (covariance[0], covariance[2]) = (covariance[0] + x, covariance[2] + y);
    }
    let Likeness { likeness, significance, of_all } =
        likeness(level, sums, &motion, scale, ask, locals);
    Some(Fit {
        motion,
        covariance,
        tiles: locals.iter().filter(|local| local.used).count(),
        tiles_in_frame: in_frame,
        gain,
        tone,
        likeness,
        significance,
        likeness_of_all: of_all,
        excess,
        brightness: brightness::agreement(level, sums, gain, ask.masked),
    })
}

/// The shift, beyond the present motion, on which most of the field agrees.
fn agreed(grid: &Grid, locals: &[Local]) -> Option<(f64, f64)> {
    let squares = locals.iter().filter(|local| !local.masked).map(|local| {
        let Local { residual, slope, variance, .. } = *local;
        (local.cell, Equations { residual, slope, variance })
    });
    agreed_shift(grid, squares)
}

/// From the sums of a frame to units of the template.
#[derive(Clone, Copy)]
struct Scale {
    measured: f64,
    contrast: f64,
    tone: Tone,
    /// Variance of a measured sum, over that of one frame like the template.
    noise: f64,
}

impl Scale {
    /// What a tile's mean adds to its two sums beyond what the template promises with the structure.
    fn mean(&self, phase: &Phase, tile: usize) -> [f64; 2] {
        if self.contrast == 1.0 {
            return [0.0; 2];
        }
        let mean = phase.means[tile];
        let beyond = self.tone.mean(mean) / self.contrast - mean;
        phase.pedestals[tile].map(|pedestal| pedestal * beyond)
    }
}

/// A dimmer beam is a noisier one, and the template adds its own share.
fn noise(level: &Level, gain: f64, ask: &Ask<'_>) -> f64 {
    1.0 / (gain * ask.contrast * ask.contrast) + 1.0 / level.frames
}

fn start_locals(
    level: &Level,
    sums: &[TileSums],
    ask: &Ask<'_>,
    scale: Scale,
    locals: &mut Vec<Local>,
) {
    locals.clear();
    locals.extend(sums.iter().map(|sum| {
        let tile = &level.tiles[sum.tile];
        let (cell, masked) = (tile.cell, tile.is_masked(ask.masked));
        let variance = level.phases[sum.phase].variance[sum.tile].map(|v| v * scale.noise);
        Local { cell, variance, used: !masked, masked, ..Local::default() }
    }));
}

/// Steps until the rest is far below the noise.
fn newton(
    level: &Level,
    sums: &[TileSums],
    ask: &Ask<'_>,
    scale: Scale,
    start: Motion,
    locals: &mut [Local],
) -> Option<Motion> {
    const STEPS: usize = 6;
    let mut motion = start;
    for _ in 0..STEPS {
        evaluate(level, sums, scale, ask.reach, &motion, locals);
        let step = Normal::of(level, ask.freedom, level.reach(), locals, &[]).step()?;
        let before = motion;
        motion.step(ask.freedom, level.reach(), &step);
        if !motion.is_finite() {
            return None;
        }
        if went_little(&before, &motion, locals) {
            return Some(motion);
        }
        if step.iter().all(|part| part.abs() < 1e-4) {
            break;
        }
    }
    evaluate(level, sums, scale, ask.reach, &motion, locals);
    Some(motion)
}

/// Brings the residuals to where a step led, when that is a shift so small that the slopes hold: the next
/// step of Newton's method would be shorter than 1e-4 px.
fn went_little(before: &Motion, motion: &Motion, locals: &mut [Local]) -> bool {
    const LITTLE_PX: f64 = 0.01;
    let (x, y) = (motion.x - before.x, motion.y - before.y);
    let little = before.is_shift() && motion.is_shift() && x.abs().max(y.abs()) < LITTLE_PX;
    if little {
        locals.iter_mut().for_each(|local| local.shift(x, y));
    }
    little
}

/// Residuals and slopes of all tiles at a motion. Beyond the polynomials' reach, the slope at
/// their origin points the way.
fn evaluate(
    level: &Level,
    sums: &[TileSums],
    scale: Scale,
    reach: f64,
    motion: &Motion,
    locals: &mut [Local],
) {
    let (count, stride) = (terms(level.shape.order), level.stride());
    let mut known = None;
    let mut monomials = Monomials::default();
    for (sum, local) in sums.iter().zip(locals) {
        let delta = beyond(level, sum, motion);
        let far = delta.0.abs().max(delta.1.abs()) > reach;
        let within = if far { (0.0, 0.0) } else { delta };
        if known != Some(within) {
            monomials = Monomials::at(level.shape.order, within);
            known = Some(within);
        }
        let start = sum.tile * stride;
        let coefficients = &level.phases[sum.phase].coefficients[start..start + 2 * count];
        let (x, y) = coefficients.split_at(count);
        let measured = sum.sums;
        let [value_x, value_y, xx, xy, yx, yy] = monomials.sums(x, y);
        let (over_x, over_y) = (delta.0 - within.0, delta.1 - within.1);
        let mean = scale.mean(&level.phases[sum.phase], sum.tile);
        local.residual = [
            measured[0] * scale.measured - mean[0] - value_x - xx * over_x - xy * over_y,
            measured[1] * scale.measured - mean[1] - value_y - yx * over_x - yy * over_y,
        ];
        local.slope = [xx, xy, yx, yy];
    }
}

/// The motion at a tile, beyond where its weights stood.
pub fn beyond(level: &Level, sum: &TileSums, motion: &Motion) -> (f64, f64) {
    let (u, v) =
        if motion.is_shift() { (0.0, 0.0) } else { level.offset_of(&level.tiles[sum.tile]) };
    let (x, y) = motion.at(u, v);
    (x - sum.at.0, y - sum.at.1)
}

/// The place nearest to a displacement at which the polynomials are trusted.
pub fn within((x, y): (f64, f64), reach: f64) -> (f64, f64) {
    (x.clamp(-reach, reach), y.clamp(-reach, reach))
}

/// What the template promises of a tile's two sums at a motion.
pub fn promised(level: &Level, sum: &TileSums, motion: &Motion, reach: f64) -> [f64; 2] {
    let (count, start) = (terms(level.shape.order), sum.tile * level.stride());
    let within = within(beyond(level, sum, motion), reach);
    let monomials = Monomials::at(level.shape.order, within);
    let coefficients = &level.phases[sum.phase].coefficients;
    [0, 1].map(|axis| monomials.value(&coefficients[start + axis * count..][..count]))
}

/// How alike a frame is.
struct Likeness {
    likeness: f64,
    significance: f64,
    of_all: f64,
}

/// Structure found over structure promised, and over its noise.
fn likeness(
    level: &Level,
    sums: &[TileSums],
    motion: &Motion,
    scale: Scale,
    ask: &Ask<'_>,
    locals: &[Local],
) -> Likeness {
    if !level.shape.structure {
        return Likeness { likeness: f64::NAN, significance: f64::NAN, of_all: f64::NAN };
    }
    let (count, stride) = (terms(level.shape.order), level.stride());
    let (mut found, mut promised, mut variance) = (0.0, 0.0, 0.0);
    let (mut all_found, mut all_promised) = (0.0, 0.0);
    for (sum, local) in sums.iter().zip(locals).filter(|(_, local)| !local.masked) {
        let within = within(beyond(level, sum, motion), ask.reach);
        let monomials = Monomials::at(level.shape.order, within);
        let phase = &level.phases[sum.phase];
        let start = sum.tile * stride + 2 * count;
        let here = monomials.value(&phase.coefficients[start..start + count]);
        all_promised += here;
        all_found += sum.sums[2] * scale.measured;
        if local.used {
            promised += here;
            found += sum.sums[2] * scale.measured;
            variance += phase.structure_variance[sum.tile];
        }
    }
    Likeness {
        likeness: found / promised,
        significance: found / (variance * scale.noise).sqrt(),
        of_all: all_found / all_promised,
    }
}

//! What the tiles' brightness says: of the beam, of the place, and of the drift.
//!
//! The weights of the score equation leave out what a change of a tile's brightness or contrast would
//! do, so that uneven light does not pass for a displacement. Where the light holds still that is a
//! loss, since an edge that moves into a tile changes its brightness. So the sum of a tile's counts is
//! an equation of its own,
//!
//! ```text
//! Σ (I − offset) / a = Σ (T(x − δ) − offset)      variance n + τ²
//! ```
//!
//! n being the noise of frame and template, and τ by how much the tiles' brightness differs beyond
//! it, as the median of the tiles shows in this very frame: where the light is uneven it says
//! nothing, and a tile that differs by more than three sigma says nothing either.

use super::compare::TileSums;
use super::level::{Level, Phase, Tile};
use super::monomials::Monomials;
use super::motion::Motion;
use super::solve::{Local, beyond, within};
use super::tone::Tone;

/// Agreement of the tiles' brightness.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Brightness {
    /// Mean of the squared differences over their variance: 1 when only noise differs.
    pub misfit: f64,
    pub tiles: usize,
}

/// How a frame was lit against its template.
#[derive(Clone, Copy, Debug)]
pub struct Beam {
    /// Its brightness over the template's.
    pub gain: f64,
    /// What its look does to the tiles' means.
    pub tone: Tone,
    /// The variance of a score equation's sum over that of one frame like the template.
    pub noise: f64,
}

/// One tile's equation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Light {
    /// Measured less promised, counts of the template.
    pub residual: f64,
    /// How what is promised changes with the motion along x and y.
    pub slope: [f64; 2],
    /// 1 / variance, over that of the score equations' sums; 0 for a tile that says nothing.
    pub weight: f64,
    /// Of the residual.
    pub variance: f64,
    expected: f64,
}

impl Light {
    /// The same tile at a motion that is a little further, px.
    pub fn shift(&mut self, x: f64, y: f64) {
        self.residual -= self.slope[0] * x + self.slope[1] * y;
    }
}

/// The frame's brightness over the template's: the median of the tiles, so that what covers less
/// than half of the field does not count.
pub fn ratio(
    level: &Level,
    sums: &[TileSums],
    masked: &[bool],
    ratios: &mut Vec<f64>,
) -> Option<f64> {
    ratios.clear();
    ratios.extend(sums.iter().filter_map(|sum| {
        let tile = &level.tiles[sum.tile];
        let ratio = sum.brightness / tile.brightness;
        (ratio.is_finite() && !tile.is_masked(masked)).then_some(ratio)
    }));
    if ratios.is_empty() {
        // Every tile has a masked part: nothing to judge brightness by.
        return (!sums.is_empty()).then_some(1.0);
    }
    let middle = ratios.len() / 2;
    let (_, gain, _) = ratios.select_nth_unstable_by(middle, f64::total_cmp);
    (*gain > 0.02).then_some(*gain)
}

/// How well the tiles' brightness agrees with the template's where they stand.
pub fn agreement(level: &Level, sums: &[TileSums], gain: f64, masked: &[bool]) -> Brightness {
    let (mut sum, mut tiles) = (0.0, 0);
    for tile_sum in sums {
        let tile = &level.tiles[tile_sum.tile];
        if !tile.brightness.is_finite() || tile.is_masked(masked) {
            continue;
        }
        let difference = tile_sum.brightness / gain - tile.brightness;
        sum += difference.powi(2) / variance(level, tile, gain);
        tiles += 1;
    }
    Brightness { misfit: if tiles > 0 { sum / tiles as f64 } else { 0.0 }, tiles }
}

/// Of a tile's brightness, from the noise of frame and template.
fn variance(level: &Level, tile: &Tile, gain: f64) -> f64 {
    per_pixel(level, tile) * level.tile_pixels() * (1.0 / gain + 1.0 / level.frames)
}

/// The variance of one frame's pixel.
fn per_pixel(level: &Level, tile: &Tile) -> f64 {
    level.noise.variance(level.offset_counts + tile.brightness / level.tile_pixels())
}

/// Sets up the equations of the tiles that take part, at a motion; `lights` then has one for each tile
/// of `sums`. Beyond `reach` the polynomials are not trusted, px.
pub fn equations(
    level: &Level,
    sums: &[TileSums],
    beam: Beam,
    (motion, reach): (&Motion, f64),
    locals: &[Local],
    (lights, scatter): (&mut Vec<Light>, &mut Vec<f64>),
) {
    lights.clear();
    lights.resize(sums.len(), Light::default());
    let mut monomials = Monomials::default();
    let mut known = None;
    for ((sum, local), light) in sums.iter().zip(locals).zip(lights.iter_mut()) {
        let (tile, phase) = (&level.tiles[sum.tile], &level.phases[sum.phase]);
        if !local.used || !tile.brightness.is_finite() {
            continue;
        }
        let within = within(beyond(level, sum, motion), reach);
        if known != Some(within) {
            monomials = Monomials::at(level.shape.order, within);
            known = Some(within);
        }
        *light = equation(level, sum, phase, beam, &monomials);
    }
    weigh(beam.noise, lights, scatter);
}

fn equation(
    level: &Level,
    sum: &TileSums,
    phase: &Phase,
    Beam { gain, tone, .. }: Beam,
    monomials: &Monomials,
) -> Light {
    /// A slope is believed when its square is this many times what the template's noise makes.
    const BELIEVED: f64 = 9.0;
    let tile = &level.tiles[sum.tile];
    let [expected, x, y] = monomials.sum(phase.brightness_of(sum.tile, level.shape.order));
    // The sum of a slope over a tile is what enters at one side less what leaves at the other: the
    // template's noise is that of two rows or columns.
    let noise = 2.0 * level.shape.tile as f64 * per_pixel(level, tile) / level.frames;
    let believed = |slope: f64| (1.0 - BELIEVED * noise / (slope * slope)).max(0.0);
    let slope = [x, y].map(|slope| if slope == 0.0 { 0.0 } else { slope * believed(slope) });
    Light {
        residual: sum.brightness / gain
            - tone.mean(expected / level.tile_pixels()) * level.tile_pixels(),
        slope: slope.map(|slope| slope * tone.spread),
        weight: 0.0,
        variance: variance(level, tile, gain),
        expected,
    }
}

/// Weights from the noise and from what the tiles' brightness scatters beyond it.
fn weigh(noise: f64, lights: &mut [Light], scatter: &mut Vec<f64>) {
    /// The median of squares over their variance, for normal deviates.
    const MEDIAN_OF_SQUARES: f64 = 0.455;
    /// So many tiles at least, and only those within so many sigma.
    const TILES_LEAST: usize = 16;
    const SIGMAS: f64 = 3.0;
    scatter.clear();
    // How much more than the noise each tile differs, as a share of its brightness.
    let shares = lights.iter().filter(|light| light.variance > 0.0);
    scatter.extend(shares.map(|light| {
        (light.residual.powi(2) / MEDIAN_OF_SQUARES - light.variance) / light.expected.powi(2)
    }));
    if scatter.len() < TILES_LEAST {
        return;
    }
    let middle = scatter.len() / 2;
    let (_, share, _) = scatter.select_nth_unstable_by(middle, f64::total_cmp);
    let uneven = share.max(0.0);
    for light in lights.iter_mut().filter(|light| light.variance > 0.0) {
        light.variance += uneven * light.expected.powi(2);
        if light.residual.powi(2) < SIGMAS * SIGMAS * light.variance {
            light.weight = noise / light.variance;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tiles of 1000 counts whose brightness is off by `sigmas` of their noise, to either side in turn.
    fn off_by(sigmas: f64) -> Vec<Light> {
        let sign = |k: i32| f64::from(1 - 2 * (k % 2));
        let light = |k| Light {
            residual: sign(k) * sigmas * 1000f64.sqrt(),
            slope: [1.0, 0.0],
            weight: 0.0,
            variance: 1000.0,
            expected: 1000.0,
        };
        (0..64).map(light).collect()
    }

    #[test]
    fn even_light_weighs_as_its_noise_and_uneven_light_as_its_scatter() {
        let (mut even, mut uneven) = (off_by(0.67), off_by(20.0));
        weigh(1.0, &mut even, &mut Vec::new());
        weigh(1.0, &mut uneven, &mut Vec::new());
        assert!((even[0].weight * 1000.0 - 1.0).abs() < 0.02, "{}", even[0].weight);
        assert!(uneven[0].weight * 1000.0 < 0.002, "{}", uneven[0].weight);
    }

    #[test]
    fn a_tile_that_differs_from_the_others_says_nothing() {
        let mut lights = off_by(0.67);
        lights[7].residual = 4.0 * 1000f64.sqrt();
        weigh(1.0, &mut lights, &mut Vec::new());
        assert_eq!(lights[7].weight, 0.0);
        assert!(lights[8].weight > 0.0);
    }

    #[test]
    fn a_few_tiles_say_nothing() {
        let mut lights = off_by(0.67);
        lights.truncate(10);
        weigh(1.0, &mut lights, &mut Vec::new());
        assert!(lights.iter().all(|light| light.weight == 0.0));
    }
}

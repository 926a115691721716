//! The template at one resolution, prepared so that a frame is compared with it in one pass.
//!
//! For small displacements δ of the specimen from the tile's place, the maximum-likelihood
//! estimate under camera noise solves, summed over the image,
//!
//! ```text
//! Σ w(x) g(x) I(x + s) = a · Σ w(x) g(x) T(x − δ)      g = (∂T/∂x, ∂T/∂y), w = 1 / variance
//! ```
//!
//! (the score equation; s is a whole-pixel shift, a the beam's brightness against the template).
//! The right side depends on δ alone. It is computed once for the template, as a polynomial in δ
//! for each tile; a frame then costs two weighted sums over its pixels. No pixel of a frame is
//! interpolated, so the noise stays white and no sub-pixel phase is preferred.
//!
//! The template is itself noisy. Its gradient is smoothed by the Gaussian that makes the estimate
//! best at the present signal-to-noise ratio, and the part of the right side that is only the
//! template's noise compared with itself is known in closed form and subtracted.

use super::clearance::keep_away;
use super::expand::{Bank, Expander};
use super::footprint::{Footprint, Meeting};
use super::grain::Grain;
use super::spectrum::{Smoothing, best_smoothing};
use crate::noise::CameraModel;
use crate::resample::{Kernel, filter_column, filter_row};

/// A mean image of the specimen in reference coordinates.
pub struct Template<'a> {
    pub width: usize,
    pub height: usize,
    /// Mean counts, row-major.
    pub counts: &'a [f32],
    /// False where the registration must not look: gauges, excluded regions, no coverage.
    pub usable: &'a [bool],
    /// How many frames were averaged.
    pub frames: f64,
    /// The noise that is left.
    pub grain: &'a Grain,
    /// Where on the camera they were seen.
    pub footprint: &'a Footprint,
}

/// How a level is cut and expanded.
#[derive(Clone, Copy, Debug)]
pub struct LevelShape {
    /// Side of a tile in pixels of the level.
    pub tile: usize,
    /// Sub-pixel displacements that have weights of their own, along each axis.
    pub phases: &'static [f64],
    /// Highest order of the polynomial in δ − phase.
    pub order: usize,
    /// Whether the tiles also carry the template's own structure, to judge likeness.
    pub structure: bool,
    /// Only this many pixels, those of the most informative tiles, are used.
    pub pixels_at_most: usize,
}

/// What the template says of one tile at one phase.
#[derive(Clone, Debug, Default)]
pub struct Expansion {
    /// Of the weights for x, y and the structure.
    pub units: [f32; 3],
    /// Coefficients of `Σ w gx T(x − δ)` in powers of δ − phase, ordered by [`powers`].
    pub x: Vec<f64>,
    /// The same for gy.
    pub y: Vec<f64>,
    /// The same for the structure, where the level has it.
    pub structure: Vec<f64>,
    /// The same for `Σ (T(x − δ) − offset)`, where it has none.
    pub brightness: Vec<f64>,
    /// `Σ w gx`, `Σ w gy`: what a count everywhere adds to the two sums.
    pub pedestal: [f64; 2],
    /// Mean of the template above the camera's offset, with the pixels' weights.
    pub mean: f64,
    /// Variance of the two sums from the noise of one frame: xx, xy, yy.
    pub variance: [f64; 3],
    /// Variance of the structure's sum.
    pub structure_variance: f64,
}

/// One square of the template.
#[derive(Clone, Debug)]
pub struct Tile {
    pub x: usize,
    pub y: usize,
    /// Its place in the [`Grid`].
    pub cell: usize,
    /// Mean of the template above the camera's offset, summed over the tile; NaN when a part of
    /// the tile is masked.
    pub brightness: f64,
    /// How many of its pixels are not masked.
    pub pixels: f64,
}

impl Tile {
    /// Whether its square is one of those that are left out; none where nothing is told.
    pub fn is_masked(&self, masked: &[bool]) -> bool {
        masked.get(self.cell).is_some_and(|masked| *masked)
    }
}

/// The squares that the field is cut into: the same for each version of the template, so that a
/// square can be spoken of from frame to frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Upper left corner of the first square, px.
    pub left: usize,
    pub top: usize,
    /// Side of a square, px.
    pub side: usize,
    pub columns: usize,
    pub rows: usize,
}

/// The least distance of a square from the border, px: the filters' reach with moderate smoothing.
const INSET_PX: usize = 13;

/// All tiles at one sub-pixel phase.
pub struct Phase {
    /// Where it is, in px along x and y.
    pub at: (f64, f64),
    /// Tile after tile, row after row: `tile` weights for x, then for y (then for the structure), in units of
    /// [`units`](Self::units). Reading them is most of what a frame costs, so they are no longer than they need be:
    /// what their rounding adds is a thousandth of the noise.
    pub weights: Vec<i16>,
    /// The units of each tile's weights.
    pub units: Vec<[f32; 3]>,
    /// Tile after tile: the coefficients of the sum for x, for y (and for the structure).
    pub coefficients: Vec<f64>,
    /// Tile after tile: the coefficients of its brightness; empty where the level has a structure.
    pub brightness: Vec<f64>,
    /// What a count everywhere adds to each tile's sums for x and for y.
    pub pedestals: Vec<[f64; 2]>,
    /// Mean of each tile's template above the camera's offset, with the pixels' weights.
    pub means: Vec<f64>,
    /// Variances of each tile's sums: xx, xy, yy.
    pub variance: Vec<[f64; 3]>,
    pub structure_variance: Vec<f64>,
    /// How a pattern of the camera meets the weights for x, for y (and for the structure), per
    /// pixel.
    pub meetings: Vec<Meeting>,
    /// The same, were the template the anchor alone.
    pub of_anchor: Vec<Meeting>,
}

/// A prepared template at one resolution.
pub struct Level {
    pub shape: LevelShape,
    pub grid: Grid,
    /// Size of the template, px of the level.
    pub width: usize,
    pub height: usize,
    pub tiles: Vec<Tile>,
    /// x fastest.
    pub phases: Vec<Phase>,
    /// How many frames the template averages.
    pub frames: f64,
    pub offset_counts: f64,
    /// Of one frame's pixel.
    pub noise: CameraModel,
    /// The part of the information on the shift that the template's noise costs.
    pub noise_cost: f64,
}

/// The powers (i, j) of (δx, δy) up to `order`, in the order of the coefficients.
pub fn powers(order: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..=order).flat_map(|total| (0..=total).map(move |j| (total - j, j)))
}

/// How many powers there are.
pub const fn terms(order: usize) -> usize {
    (order + 1) * (order + 2) / 2
}

impl LevelShape {
    /// Weight rows per tile row: x, y, and the structure where there is one.
    pub fn channels(&self) -> usize {
        if self.structure { 3 } else { 2 }
    }
}

impl Grid {
    /// Squares of `side` px, centred, so that both borders lose the same. They keep away from the
    /// border, so that the template's filters see only template, and that a square does not leave
    /// the field at the first pixel of drift.
    pub fn new(width: usize, height: usize, side: usize) -> Grid {
        let fit = |size: usize| size.saturating_sub(2 * INSET_PX) / side;
        let (columns, rows) = (fit(width), fit(height));
        let (left, top) = ((width - columns * side) / 2, (height - rows * side) / 2);
        Grid { left, top, side, columns, rows }
    }

    /// Corner of a square.
    pub fn corner(&self, cell: usize) -> (usize, usize) {
        let (column, row) = (cell % self.columns, cell / self.columns);
        (self.left + column * self.side, self.top + row * self.side)
    }

    /// The square in which a pixel lies.
    pub fn cell_at(&self, x: usize, y: usize) -> Option<usize> {
        let column = x.checked_sub(self.left)? / self.side;
        let row = y.checked_sub(self.top)? / self.side;
        (column < self.columns && row < self.rows).then_some(row * self.columns + column)
    }

    /// How many squares there are.
    pub fn cells(&self) -> usize {
        self.columns * self.rows
    }
}

impl Level {
    /// Prepares the template. `noise` is the noise of one frame's pixel at this resolution.
    pub fn build(template: &Template<'_>, noise: &CameraModel, shape: LevelShape) -> Level {
        let mut weight = inverse_variance(template, noise);
        let Smoothing { sigma_px, cost } = best_smoothing(template, &weight);
        keep_away(template, sigma_px, &mut weight);
        let grid = Grid::new(template.width, template.height, shape.tile);
        let margin = margin(&shape, sigma_px);
        let tiles: Vec<Tile> = choose_cells(template, &weight, &shape, &grid, margin)
            .into_iter()
            .map(|cell| {
                let (x, y) = grid.corner(cell);
                let brightness = brightness(template, noise, x, y, shape.tile);
                let pixels = pixels(template, &weight, x, y, shape.tile);
                Tile { x, y, cell, brightness, pixels }
            })
            .collect();
        let mut phases = Vec::with_capacity(shape.phases.len() * shape.phases.len());
        for phase_y in shape.phases {
            for phase_x in shape.phases {
                let at = (*phase_x, *phase_y);
                let bank = Bank::new(at, sigma_px, shape.order, template.grain);
                phases.push(Phase::new(
                    at,
                    template,
                    (&weight, noise.offset_counts),
                    &bank,
                    &tiles,
                    shape,
                ));
            }
        }
        Level {
            shape,
            grid,
            width: template.width,
            height: template.height,
            tiles,
            phases,
            frames: template.frames,
            offset_counts: noise.offset_counts,
            noise: *noise,
            noise_cost: cost,
        }
    }

    /// Where a tile's centre is, px from the field's centre.
    pub fn offset_of(&self, tile: &Tile) -> (f64, f64) {
        let half = (self.shape.tile as f64 - 1.0) / 2.0;
        (
            tile.x as f64 + half - (self.width as f64 - 1.0) / 2.0,
            tile.y as f64 + half - (self.height as f64 - 1.0) / 2.0,
        )
    }

    /// The phase next to a fraction of a pixel.
    pub fn nearest_phase(&self, x: f64, y: f64) -> usize {
        let nearest = |fraction: f64| {
            let distance = |k: &usize| (self.shape.phases[*k] - fraction).abs();
            (0..self.shape.phases.len())
                .min_by(|a, b| distance(a).total_cmp(&distance(b)))
                .unwrap_or(0)
        };
        nearest(y) * self.shape.phases.len() + nearest(x)
    }

    /// Pixels of a tile, masked ones included.
    pub fn tile_pixels(&self) -> f64 {
        (self.shape.tile * self.shape.tile) as f64
    }

    /// Half the field's longer side: the length in which linear parts of a motion are measured.
    pub fn reach(&self) -> f64 {
        self.width.max(self.height) as f64 / 2.0
    }

    /// Coefficients per tile.
    pub fn stride(&self) -> usize {
        terms(self.shape.order) * self.shape.channels()
    }
}

impl Phase {
    fn new(
        at: (f64, f64),
        template: &Template<'_>,
        weight: (&[f32], f64),
        bank: &Bank,
        tiles: &[Tile],
        shape: LevelShape,
    ) -> Phase {
        let per_tile = shape.tile * shape.tile * shape.channels();
        let mut phase = Phase {
            at,
            weights: vec![0; tiles.len() * per_tile],
            units: Vec::with_capacity(tiles.len()),
            coefficients: Vec::with_capacity(tiles.len() * terms(shape.order) * shape.channels()),
            brightness: Vec::new(),
            pedestals: Vec::with_capacity(tiles.len()),
            means: Vec::with_capacity(tiles.len()),
            variance: Vec::with_capacity(tiles.len()),
            structure_variance: Vec::with_capacity(tiles.len()),
            meetings: bank.meetings(template.footprint, shape.channels()),
            of_anchor: bank.meetings(&Footprint::at_origin(), shape.channels()),
        };
        let mut expander = Expander::new(template, weight, bank, tiles, shape);
        for (tile, out) in tiles.iter().zip(phase.weights.chunks_exact_mut(per_tile)) {
            let found = expander.expand((tile.x, tile.y), out);
            phase.coefficients.extend([found.x, found.y, found.structure].into_iter().flatten());
            phase.brightness.extend(found.brightness);
            phase.units.push(found.units);
            phase.pedestals.push(found.pedestal);
            phase.means.push(found.mean);
            phase.variance.push(found.variance);
            phase.structure_variance.push(found.structure_variance);
        }
        phase
    }

    /// The coefficients of one tile's brightness.
    pub fn brightness_of(&self, tile: usize, order: usize) -> &[f64] {
        &self.brightness[tile * terms(order)..][..terms(order)]
    }
}

/// How far from the border a tile must stay for its filters to see only template.
fn margin(shape: &LevelShape, sigma_px: f64) -> usize {
    let phase = shape.phases.iter().fold(0.0f64, |most, p| most.max(p.abs()));
    Kernel::derivative(1, phase, sigma_px).radius()
}

/// 1 / variance of one frame's pixel, 0 where the template is not usable. The variance follows
/// the local mean of the template, whose own noise would otherwise favour dark outliers.
fn inverse_variance(template: &Template<'_>, noise: &CameraModel) -> Vec<f32> {
    let (width, height) = (template.width, template.height);
    let smooth = Kernel::gaussian(1.5);
    let radius = smooth.radius();
    let mut weight = vec![0.0f32; width * height];
    if height <= 2 * radius || width <= 2 * radius {
        return weight;
    }
    // Only the rows around the present one are kept after the filter along x.
    let slots = 2 * radius + 1;
    // Rows a power of two apart would all want the same lines of the cache.
    let stride = width + 48;
    let mut filtered = vec![0.0f32; slots * stride];
    let mut mean = vec![0.0f32; width];
    for last in 0..height {
        let slot = last % slots * stride;
        let row = &template.counts[last * width..(last + 1) * width];
        filter_row(&smooth, row, &mut filtered[slot..slot + width]);
        if last < 2 * radius {
            continue;
        }
        let around: Vec<&[f32]> = (last - 2 * radius..=last)
            .map(|row| &filtered[row % slots * stride..row % slots * stride + width])
            .collect();
        filter_column(&smooth, &around, &mut mean);
        let y = last - radius;
        for x in radius..width - radius {
            if template.usable[y * width + x] {
                weight[y * width + x] = (1.0 / noise.variance(f64::from(mean[x]))) as f32;
            }
        }
    }
    weight
}

/// The squares that become tiles, row by row: inside the margin, without those that are mostly
/// masked, and of the rest those with most information on the shift.
fn choose_cells(
    template: &Template<'_>,
    weight: &[f32],
    shape: &LevelShape,
    grid: &Grid,
    margin: usize,
) -> Vec<usize> {
    let side = shape.tile;
    let inside = |(x, y): (usize, usize)| {
        x >= margin
            && y >= margin
            && x + side + margin <= template.width
            && y + side + margin <= template.height
    };
    let mut chosen: Vec<(f64, usize)> = (0..grid.cells())
        .filter(|cell| inside(grid.corner(*cell)))
        .filter_map(|cell| {
            Some((tile_information(template, weight, grid.corner(cell), side)?, cell))
        })
        .collect();
    let most = (shape.pixels_at_most / (side * side)).max(1);
    if chosen.len() > most {
        chosen.sort_by(|a, b| b.0.total_cmp(&a.0));
        chosen.truncate(most);
    }
    let mut cells: Vec<usize> = chosen.into_iter().map(|(_, cell)| cell).collect();
    cells.sort_unstable();
    cells
}

/// `Σ w |∇T|²` by central differences over two pixels; nothing for a tile that is mostly masked.
fn tile_information(
    template: &Template<'_>,
    weight: &[f32],
    (left, top): (usize, usize),
    side: usize,
) -> Option<f64> {
    let width = template.width;
    let (mut sum, mut usable) = (0.0f64, 0usize);
    for y in top..top + side {
        for x in left..left + side {
            let at = y * width + x;
            if weight[at] > 0.0 {
                usable += 1;
                let along_x = template.counts[at + 1] - template.counts[at - 1];
                let along_y = template.counts[at + width] - template.counts[at - width];
                sum += f64::from(weight[at] * (along_x * along_x + along_y * along_y));
            }
        }
    }
    (usable * 4 >= side * side).then_some(sum)
}

fn pixels(template: &Template<'_>, weight: &[f32], left: usize, top: usize, side: usize) -> f64 {
    let row = |y: usize| &weight[y * template.width + left..][..side];
    (top..top + side).flat_map(row).filter(|weight| **weight > 0.0).count() as f64
}

fn brightness(
    template: &Template<'_>,
    noise: &CameraModel,
    left: usize,
    top: usize,
    side: usize,
) -> f64 {
    let mut sum = 0.0;
    for y in top..top + side {
        for x in left..left + side {
            let at = y * template.width + x;
            if !template.usable[at] {
                return f64::NAN;
            }
            sum += f64::from(template.counts[at]) - noise.offset_counts;
        }
    }
    sum
}

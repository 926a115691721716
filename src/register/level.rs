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

use super::kernel::{Kernel, filter_column, filter_row};
use super::spectrum::best_smoothing;
use crate::noise::CameraModel;

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
    /// Coefficients of `Σ w gx T(x − δ)` in powers of δ − phase, ordered by [`powers`].
    pub x: Vec<f64>,
    /// The same for gy.
    pub y: Vec<f64>,
    /// The same for the structure, where the level has it.
    pub structure: Vec<f64>,
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
    /// One for each phase, x fastest.
    pub expansions: Vec<Expansion>,
    /// Mean of the template above the camera's offset, summed over the tile; NaN when a part of
    /// the tile is masked.
    pub brightness: f64,
}

/// A prepared template at one resolution.
pub struct Level {
    pub shape: LevelShape,
    pub tiles: Vec<Tile>,
    /// For each phase: tile after tile, row after row, `tile` weights for x, then for y (then for
    /// the structure).
    pub weights: Vec<Vec<f32>>,
    /// How many frames the template averages.
    pub frames: f64,
    pub offset_counts: f64,
}

/// The powers (i, j) of (δx, δy) up to `order`, in the order of the coefficients.
pub fn powers(order: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..=order).flat_map(|total| (0..=total).map(move |j| (total - j, j)))
}

impl LevelShape {
    /// Weight rows per tile row: x, y, and the structure where there is one.
    pub fn channels(&self) -> usize {
        if self.structure { 3 } else { 2 }
    }
}

impl Level {
    /// Prepares the template. `noise` is the noise of one frame's pixel at this resolution.
    pub fn build(template: &Template<'_>, noise: &CameraModel, shape: LevelShape) -> Level {
        let weight = inverse_variance(template, noise);
        let sigma_px = best_smoothing(template, &weight);
        let corners = choose_tiles(template, &weight, &shape, margin(&shape, sigma_px));
        let phase_count = shape.phases.len() * shape.phases.len();
        let mut level = Level {
            shape,
            tiles: corners
                .iter()
                .map(|&(x, y)| Tile {
                    x,
                    y,
                    expansions: Vec::with_capacity(phase_count),
                    brightness: brightness(template, noise, x, y, shape.tile),
                })
                .collect(),
            weights: Vec::with_capacity(phase_count),
            frames: template.frames,
            offset_counts: noise.offset_counts,
        };
        for phase_y in shape.phases {
            for phase_x in shape.phases {
                let bank = Bank::new(*phase_x, *phase_y, sigma_px, shape.order);
                level.add_phase(template, &weight, &bank);
            }
        }
        level
    }

    fn add_phase(&mut self, template: &Template<'_>, weight: &[f32], bank: &Bank) {
        let shape = self.shape;
        let mut all_weights =
            vec![0.0f32; self.tiles.len() * shape.tile * shape.tile * shape.channels()];
        let mut band = Band::new(template.width, shape.tile, bank);
        let mut row_of_band = usize::MAX;
        for (tile, out) in self
            .tiles
            .iter_mut()
            .zip(all_weights.chunks_exact_mut(shape.tile * shape.tile * shape.channels()))
        {
            if tile.y != row_of_band {
                band.fill(template, bank, tile.y);
                row_of_band = tile.y;
            }
            let expansion =
                expand_tile(&band, template, weight, bank, &shape, (tile.x, tile.y), out);
            tile.expansions.push(expansion);
        }
        self.weights.push(all_weights);
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
    let mut rows = vec![0.0f32; width * height];
    for (row, out) in template.counts.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
        filter_row(&smooth, row, out);
    }
    let mut weight = vec![0.0f32; width * height];
    if height <= 2 * radius || width <= 2 * radius {
        return weight;
    }
    let mut mean = vec![0.0f32; width];
    for y in radius..height - radius {
        let around = (y - radius..=y + radius).map(|r| &rows[r * width..(r + 1) * width]);
        filter_column(&smooth, around, &mut mean);
        for x in radius..width - radius {
            if template.usable[y * width + x] {
                weight[y * width + x] = (1.0 / noise.variance(f64::from(mean[x]))) as f32;
            }
        }
    }
    weight
}

/// The tiles' corners, row by row: a grid inside the margin, without tiles that are mostly masked,
/// and of the rest those with most information on the shift.
fn choose_tiles(
    template: &Template<'_>,
    weight: &[f32],
    shape: &LevelShape,
    margin: usize,
) -> Vec<(usize, usize)> {
    let side = shape.tile;
    let columns = template.width.saturating_sub(2 * margin) / side;
    let rows = template.height.saturating_sub(2 * margin) / side;
    // The grid is centred, so that both borders lose the same.
    let left = (template.width - columns * side) / 2;
    let top = (template.height - rows * side) / 2;
    let mut chosen: Vec<(f64, (usize, usize))> = (0..rows * columns)
        .map(|k| (left + (k % columns) * side, top + (k / columns) * side))
        .filter_map(|corner| {
            let information = tile_information(template, weight, corner, side)?;
            Some((information, corner))
        })
        .collect();
    let most = (shape.pixels_at_most / (side * side)).max(1);
    if chosen.len() > most {
        chosen.sort_by(|a, b| b.0.total_cmp(&a.0));
        chosen.truncate(most);
    }
    let mut corners: Vec<(usize, usize)> = chosen.into_iter().map(|(_, corner)| corner).collect();
    corners.sort_by_key(|&(x, y)| (y, x));
    corners
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

/// The filters of one phase.
struct Bank {
    /// Derivatives 0, 1, … without smoothing, along x and y.
    plain_x: Vec<Kernel>,
    plain_y: Vec<Kernel>,
    /// Value and first derivative with smoothing, along x and y.
    smooth_x: [Kernel; 2],
    smooth_y: [Kernel; 2],
    order: usize,
    radius: usize,
}

impl Bank {
    fn new(phase_x: f64, phase_y: f64, sigma_px: f64, order: usize) -> Bank {
        let plain =
            |phase| (0..=order).map(|n| Kernel::derivative(n, phase, 0.0)).collect::<Vec<_>>();
        let smooth = |phase| [0, 1].map(|n| Kernel::derivative(n, phase, sigma_px));
        let smooth_x = smooth(phase_x);
        let radius = smooth_x[0].radius();
        Bank {
            plain_x: plain(phase_x),
            plain_y: plain(phase_y),
            smooth_x,
            smooth_y: smooth(phase_y),
            order,
            radius,
        }
    }

    /// What white noise of variance 1 contributes per pixel to `Σ gx · ∂ⁱx∂ʲy`, and the same for
    /// gy, the structure, and the plain value, when both come from the same noisy image.
    fn noise_overlap(&self, i: usize, j: usize) -> [f64; 4] {
        let (px, py) = (&self.plain_x[i], &self.plain_y[j]);
        [
            self.smooth_x[1].inner_product(px) * self.smooth_y[0].inner_product(py),
            self.smooth_x[0].inner_product(px) * self.smooth_y[1].inner_product(py),
            self.smooth_x[0].inner_product(px) * self.smooth_y[0].inner_product(py),
            self.plain_x[0].inner_product(px) * self.plain_y[0].inner_product(py),
        ]
    }
}

/// The filtered template for one row of tiles.
struct Band {
    width: usize,
    tile: usize,
    /// Rows above and below that the column filters need.
    radius: usize,
    /// After the filters along x: plain orders, then smooth value and slope.
    along_x: Vec<Vec<f32>>,
    /// ∂ⁱx∂ʲy of the template in the order of [`powers`], then gx, gy, and the smooth value.
    images: Vec<Vec<f32>>,
}

impl Band {
    fn new(width: usize, tile: usize, bank: &Bank) -> Band {
        let rows = tile + 2 * bank.radius;
        Band {
            width,
            tile,
            radius: bank.radius,
            along_x: vec![vec![0.0; rows * width]; bank.order + 3],
            images: vec![vec![0.0; tile * width]; powers(bank.order).count() + 3],
        }
    }

    fn fill(&mut self, template: &Template<'_>, bank: &Bank, top: usize) {
        let (width, first) = (self.width, top - self.radius);
        let kernels_x = bank.plain_x.iter().chain(&bank.smooth_x);
        for (kernel, out) in kernels_x.zip(&mut self.along_x) {
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let at = (first + row) * width;
                filter_row(kernel, &template.counts[at..at + width], out);
            }
        }
        let smooth = bank.order + 1;
        let plans = powers(bank.order)
            .map(|(i, j)| (i, &bank.plain_y[j]))
            .chain([(smooth + 1, &bank.smooth_y[0]), (smooth, &bank.smooth_y[1])])
            .chain([(smooth, &bank.smooth_y[0])]);
        for ((source, kernel), out) in plans.zip(&mut self.images) {
            let source = &self.along_x[source];
            let lead = self.radius - kernel.radius();
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let rows = (0..kernel.taps.len()).map(|k| {
                    let at = (row + lead + k) * width;
                    &source[at..at + width]
                });
                filter_column(kernel, rows, out);
            }
        }
        debug_assert_eq!(self.images[0].len(), self.tile * width);
    }
}

/// Writes one tile's weights to `out` and expands its right side.
fn expand_tile(
    band: &Band,
    template: &Template<'_>,
    weight: &[f32],
    bank: &Bank,
    shape: &LevelShape,
    (left, top): (usize, usize),
    out: &mut [f32],
) -> Expansion {
    let (side, channels, width) = (shape.tile, shape.channels(), band.width);
    let terms = powers(shape.order).count();
    let pixel = |row: usize, column: usize| row * width + left + column;
    let weight_at = |row: usize, column: usize| weight[(top + row) * width + left + column];
    let project = Projection::of(band, terms, side, channels, &pixel, &weight_at);

    let mut sums = [vec![0.0f64; terms], vec![0.0f64; terms], vec![0.0f64; terms]];
    let (mut variance, mut structure_variance, mut pixels) = ([0.0f64; 3], 0.0f64, 0.0f64);
    let mut line = vec![0.0f32; side];
    for row in 0..side {
        let rows = &mut out[row * side * channels..(row + 1) * side * channels];
        for column in 0..side {
            let (w, at) = (f64::from(weight_at(row, column)), pixel(row, column));
            if w == 0.0 {
                continue;
            }
            pixels += 1.0;
            let value = f64::from(band.images[0][at]);
            let gx = f64::from(band.images[terms][at]) - project.remove(0, value);
            let gy = f64::from(band.images[terms + 1][at]) - project.remove(1, value);
            variance[0] += w * gx * gx;
            variance[1] += w * gx * gy;
            variance[2] += w * gy * gy;
            rows[column] = (w * gx) as f32;
            rows[side + column] = (w * gy) as f32;
            if channels == 3 {
                let structure = f64::from(band.images[terms + 2][at]) - project.mean_smooth;
                structure_variance += w * structure * structure;
                rows[2 * side + column] = (w * structure) as f32;
            }
        }
        for (term, image) in band.images[..terms].iter().enumerate() {
            line.copy_from_slice(&image[pixel(row, 0)..pixel(row, 0) + side]);
            for channel in 0..channels {
                let weights = &rows[channel * side..(channel + 1) * side];
                sums[channel][term] += f64::from(dot(weights, &line));
            }
        }
    }
    let [mut x, mut y, mut structure] = sums;
    for (term, (i, j)) in powers(shape.order).enumerate() {
        let overlap = bank.noise_overlap(i, j).map(|o| o * pixels / template.frames);
        // T(x − δ) = Σ (−δx)ⁱ (−δy)ʲ / (i! j!) · ∂ⁱx∂ʲy T
        let sign = if (i + j) % 2 == 0 { 1.0 } else { -1.0 };
        let factor = sign / (factorial(i) * factorial(j));
        x[term] = factor * (x[term] - overlap[0] + project.slope[0] * overlap[3]);
        y[term] = factor * (y[term] - overlap[1] + project.slope[1] * overlap[3]);
        structure[term] = factor * (structure[term] - overlap[2]);
    }
    if channels < 3 {
        structure.clear();
    }
    Expansion { x, y, structure, variance, structure_variance }
}

/// What is taken out of the gradients of a tile, so that neither the tile's brightness nor its
/// contrast can pass for a displacement: the components along 1 and along the template.
struct Projection {
    mean_value: f64,
    mean_smooth: f64,
    /// Of gx and gy: mean, and slope against the template.
    mean: [f64; 2],
    slope: [f64; 2],
}

impl Projection {
    fn of(
        band: &Band,
        terms: usize,
        side: usize,
        channels: usize,
        pixel: &impl Fn(usize, usize) -> usize,
        weight_at: &impl Fn(usize, usize) -> f32,
    ) -> Projection {
        let (mut total, mut value, mut smooth) = (0.0f64, 0.0f64, 0.0f64);
        let (mut gradient, mut square, mut product) = ([0.0f64; 2], 0.0f64, [0.0f64; 2]);
        for row in 0..side {
            for column in 0..side {
                let (w, at) = (f64::from(weight_at(row, column)), pixel(row, column));
                let v = f64::from(band.images[0][at]);
                total += w;
                value += w * v;
                square += w * v * v;
                if channels == 3 {
                    smooth += w * f64::from(band.images[terms + 2][at]);
                }
                for axis in 0..2 {
                    let g = f64::from(band.images[terms + axis][at]);
                    gradient[axis] += w * g;
                    product[axis] += w * v * g;
                }
            }
        }
        let mean_value = value / total;
        let spread = (square / total - mean_value * mean_value).max(f64::MIN_POSITIVE);
        let mean = gradient.map(|g| g / total);
        let slope = [0, 1].map(|a| (product[a] / total - mean_value * mean[a]) / spread);
        Projection { mean_value, mean_smooth: smooth / total, mean, slope }
    }

    fn remove(&self, axis: usize, value: f64) -> f64 {
        self.mean[axis] + self.slope[axis] * (value - self.mean_value)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn factorial(n: usize) -> f64 {
    (1..=n).map(|k| k as f64).product()
}

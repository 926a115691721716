//! What the template says of its tiles: the weights for the pixels of a frame, and the right side
//! of the score equation as a polynomial in the displacement (see [`level`](super::level)).

use std::collections::BTreeMap;
use std::ops::Range;

use multiversion::multiversion;

use super::footprint::{Footprint, Meeting};
use super::grain::Grain;
use super::level::{Expansion, LevelShape, Template, Tile, powers};
use crate::frame::lanes::LANES;
use crate::resample::{Kernel, filter_column, filter_row};

/// The filters of one phase.
pub struct Bank {
    /// Derivatives 0, 1, … without smoothing, along x and y.
    plain_x: Vec<Kernel>,
    plain_y: Vec<Kernel>,
    /// Value and first derivative with smoothing, along x and y.
    smooth_x: [Kernel; 2],
    smooth_y: [Kernel; 2],
    order: usize,
    radius: usize,
    /// What the template's own noise adds to each coefficient, per pixel.
    overlaps: Vec<[f64; 4]>,
}

impl Bank {
    /// The filters for one sub-pixel phase; `sigma_px` smooths the gradients.
    pub fn new((phase_x, phase_y): (f64, f64), sigma_px: f64, order: usize, grain: &Grain) -> Bank {
        let plain =
            |phase| (0..=order).map(|n| Kernel::derivative(n, phase, 0.0)).collect::<Vec<_>>();
        let smooth = |phase| [0, 1].map(|n| Kernel::derivative(n, phase, sigma_px));
        let smooth_x = smooth(phase_x);
        let radius = smooth_x[0].radius();
        let mut bank = Bank {
            plain_x: plain(phase_x),
            plain_y: plain(phase_y),
            smooth_x,
            smooth_y: smooth(phase_y),
            order,
            radius,
            overlaps: Vec::new(),
        };
        bank.overlaps = powers(order).map(|(i, j)| bank.noise_overlap(grain, i, j)).collect();
        bank
    }

    /// How a pattern of the camera meets the weights of each channel.
    pub fn meetings(&self, footprint: &Footprint, channels: usize) -> Vec<Meeting> {
        let [value_x, slope_x] = &self.smooth_x;
        let [value_y, slope_y] = &self.smooth_y;
        let filters = [[slope_x, value_y], [value_x, slope_y], [value_x, value_y]];
        filters[..channels].iter().map(|[x, y]| footprint.meeting(x, y)).collect()
    }

    /// What the noise of the template contributes per pixel to `Σ gx · ∂ⁱx∂ʲy`, and the same for
    /// gy, the structure, and the plain value, in units of one frame's variance.
    fn noise_overlap(&self, grain: &Grain, i: usize, j: usize) -> [f64; 4] {
        let term = [&self.plain_x[i], &self.plain_y[j]];
        let [value_x, slope_x] = &self.smooth_x;
        let [value_y, slope_y] = &self.smooth_y;
        let filters = [
            [slope_x, value_y],
            [value_x, slope_y],
            [value_x, value_y],
            [&self.plain_x[0], &self.plain_y[0]],
        ];
        filters.map(|filter| grain.overlap(filter, term))
    }
}

/// The filtered template for one row of tiles.
struct Band {
    width: usize,
    tile: usize,
    /// Rows above and below that the column filters need.
    radius: usize,
    /// From row to row of what is filtered along x: rows a power of two apart would all want the
    /// same lines of the cache.
    stride: usize,
    /// After the filters along x: plain orders, then smooth value and slope.
    along_x: Vec<Vec<f32>>,
    /// ∂ⁱx∂ʲy of the template in the order of [`powers`], then gx, gy, and the smooth value.
    images: Vec<Vec<f32>>,
}

impl Band {
    fn new(width: usize, tile: usize, bank: &Bank) -> Band {
        let rows = tile + 2 * bank.radius;
        let stride = width + 48;
        Band {
            width,
            tile,
            radius: bank.radius,
            stride,
            along_x: vec![vec![0.0; rows * stride]; bank.order + 3],
            images: vec![vec![0.0; tile * width]; powers(bank.order).count() + 3],
        }
    }

    /// Filters the rows of the tiles whose upper border is `top`, which stand in these columns.
    fn fill(&mut self, template: &Template<'_>, bank: &Bank, top: usize, spans: &[Range<usize>]) {
        let (width, stride, first) = (self.width, self.stride, top - self.radius);
        let kernels_x = bank.plain_x.iter().chain(&bank.smooth_x);
        for (kernel, out) in kernels_x.zip(&mut self.along_x) {
            let reach = kernel.radius();
            for (row, out) in out.chunks_exact_mut(stride).enumerate() {
                let counts = &template.counts[(first + row) * width..(first + row + 1) * width];
                for span in spans {
                    let around = span.start - reach..span.end + reach;
                    filter_row(kernel, &counts[around.clone()], &mut out[around]);
                }
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
                for span in spans {
                    let rows: Vec<&[f32]> = source[(row + lead) * stride..]
                        .chunks_exact(stride)
                        .map(|row| &row[span.clone()])
                        .take(kernel.taps.len())
                        .collect();
                    filter_column(kernel, &rows, &mut out[span.clone()]);
                }
            }
        }
        debug_assert_eq!(self.images[0].len(), self.tile * width);
    }
}

/// Expands a template tile by tile, for one phase.
pub struct Expander<'a> {
    template: &'a Template<'a>,
    /// 1 / variance of each pixel of the template.
    weight: &'a [f32],
    /// The camera's offset, counts.
    offset_counts: f64,
    bank: &'a Bank,
    shape: LevelShape,
    band: Band,
    /// Columns of the tiles, by their upper border.
    spans: BTreeMap<usize, Vec<Range<usize>>>,
    /// Upper border of the tiles that the band was filtered for.
    top: Option<usize>,
    tile: TilePixels,
}

/// The pixels of one tile, gathered row after row.
#[derive(Default)]
struct TilePixels {
    weight: Vec<f32>,
    value: Vec<f32>,
    weighted_value: Vec<f32>,
    /// Gradient along x and y, and the structure; then the same times the weights.
    channels: [Vec<f32>; 3],
    weighted: [Vec<f32>; 3],
    /// The weighted channels again, as the products with many terms need them.
    factors: [Vec<f64>; 3],
}

impl<'a> Expander<'a> {
    /// `weight` is 1 / variance of each pixel, 0 where not usable.
    pub fn new(
        template: &'a Template<'a>,
        (weight, offset_counts): (&'a [f32], f64),
        bank: &'a Bank,
        tiles: &[Tile],
        shape: LevelShape,
    ) -> Expander<'a> {
        let band = Band::new(template.width, shape.tile, bank);
        let spans = spans(tiles, shape.tile, 2 * bank.radius);
        let tile = TilePixels::default();
        Expander { template, weight, offset_counts, bank, shape, band, spans, top: None, tile }
    }

    /// Writes the weights of the tile at (`left`, `top`), one of those told, to `out` and expands its
    /// right side. Fastest row by row.
    pub fn expand(&mut self, (left, top): (usize, usize), out: &mut [i16]) -> Expansion {
        if self.top != Some(top) {
            let spans = self.spans.get(&top).map_or(&[][..], Vec::as_slice);
            self.band.fill(self.template, self.bank, top, spans);
            self.top = Some(top);
        }
        let Expander { weight, bank, shape, band, tile, offset_counts, .. } = self;
        let (side, channels, width) = (shape.tile, shape.channels(), band.width);
        let terms = powers(shape.order).count();
        gather(&weight[top * width..], width, left, side, &mut tile.weight);
        gather(&band.images[0], width, left, side, &mut tile.value);
        for (pixels, image) in tile.channels.iter_mut().zip(&band.images[terms..]).take(channels) {
            gather(image, width, left, side, pixels);
        }
        multiply(&tile.weight, &tile.value, &mut tile.weighted_value);
        let pixels = tile.weight.iter().filter(|w| **w > 0.0).count() as f64;

        // The tile's brightness may not pass for a displacement, nor, where places are searched, its
        // contrast: the components of the gradients along the template, and along 1, are taken out.
        let offset = *offset_counts;
        let total: f64 = sum(&tile.weight);
        let value = sum(&tile.weighted_value) / total;
        let square = inner_product(&tile.weighted_value, &tile.value) / total;
        // From where the template is counted: its mean, or the camera's offset.
        let origin = if shape.structure { value } else { offset };
        let spread = square - 2.0 * origin * value + origin * origin;
        let mut slopes = [0.0; 2];
        let mut pedestal = [0.0; 2];
        let mut units = [0.0; 3];
        for (channel, gradient) in tile.channels[..channels].iter_mut().enumerate() {
            let mean = inner_product(&tile.weight, gradient) / total;
            let mut slope = 0.0;
            if channel < 2 {
                let product = inner_product(&tile.weighted_value, gradient) / total;
                // A tile without contrast (saturated, blank) has no component along it.
                if spread > 1e-9 * value * value && spread > 0.0 {
                    slope = (product - origin * mean) / spread;
                }
                slopes[channel] = slope;
            }
            let constant = if shape.structure { mean } else { 0.0 } - slope * origin;
            take_out(gradient, &tile.value, constant as f32, slope as f32);
            multiply(&tile.weight, gradient, &mut tile.weighted[channel]);
            units[channel] = round_to_units(&mut tile.weighted[channel]);
            if channel < 2 && !shape.structure {
                pedestal[channel] = sum(&tile.weighted[channel]);
            }
        }

        for (channel, weights) in tile.weighted[..channels].iter().enumerate() {
            for (row, weights) in weights.chunks_exact(side).enumerate() {
                let at = (row * channels + channel) * side;
                count_units(weights, units[channel], &mut out[at..at + side]);
            }
        }
        let [wx, wy, ws] = &tile.weighted;
        let [gx, gy, structure] = &tile.channels;
        let variance = [inner_product(wx, gx), inner_product(wx, gy), inner_product(wy, gy)];
        let mean = value - offset;
        let mut expansion = Expansion { units, variance, pedestal, mean, ..Expansion::default() };
        if shape.structure {
            expansion.structure_variance = inner_product(ws, structure);
        }
        for (factors, weights) in tile.factors.iter_mut().zip(&tile.weighted).take(channels) {
            factors.clear();
            factors.extend(weights.iter().map(|weight| f64::from(*weight)));
        }
        for (term, (i, j)) in powers(shape.order).enumerate() {
            let image = &band.images[term][left..];
            let products = match shape.structure {
                true => products(tile.factors.each_ref().map(Vec::as_slice), image, width, side),
                false => {
                    let [x, y, _] = &tile.factors;
                    let [x, y] = products([x, y], image, width, side);
                    [x, y, 0.0]
                }
            };
            let overlap = bank.overlaps[term].map(|o| o * pixels);
            // T(x − δ) = Σ (−δx)ⁱ (−δy)ʲ / (i! j!) · ∂ⁱx∂ʲy T
            let sign = if (i + j) % 2 == 0 { 1.0 } else { -1.0 };
            let factor = sign / (factorial(i) * factorial(j));
            // What the camera's offset adds, which the sums of a frame are told without.
            let dark = if i + j == 0 { offset } else { 0.0 };
            let [x, y] = [0, 1].map(|axis| {
                products[axis] - overlap[axis] + slopes[axis] * overlap[3] - dark * pedestal[axis]
            });
            expansion.x.push(factor * x);
            expansion.y.push(factor * y);
            if shape.structure {
                expansion.structure.push(factor * (products[2] - overlap[2]));
            } else {
                let dark = dark * (side * side) as f64;
                expansion.brightness.push(factor * sum_of_square(image, width, side) - dark);
            }
        }
        expansion
    }
}

/// The columns in which tiles stand, by their upper border. Those nearer to each other than `gap` are
/// one: filters along a row leave nothing at the ends of what they are given.
fn spans(tiles: &[Tile], side: usize, gap: usize) -> BTreeMap<usize, Vec<Range<usize>>> {
    let mut lefts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for tile in tiles {
        lefts.entry(tile.y).or_default().push(tile.x);
    }
    let join = |mut lefts: Vec<usize>| {
        lefts.sort_unstable();
        let mut spans: Vec<Range<usize>> = Vec::new();
        for left in lefts {
            match spans.last_mut() {
                Some(last) if left < last.end + gap => last.end = left + side,
                _ => spans.push(left..left + side),
            }
        }
        spans
    };
    lefts.into_iter().map(|(top, lefts)| (top, join(lefts))).collect()
}

fn gather(image: &[f32], stride: usize, left: usize, side: usize, out: &mut Vec<f32>) {
    out.clear();
    for row in 0..side {
        out.extend_from_slice(&image[row * stride + left..row * stride + left + side]);
    }
}

fn multiply(a: &[f32], b: &[f32], out: &mut Vec<f32>) {
    out.clear();
    out.extend(a.iter().zip(b).map(|(a, b)| a * b));
}

/// Rounds weights to whole units, of which the largest has as many as 16 bits hold; the unit.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn round_to_units(weights: &mut [f32]) -> f32 {
    let most = weights.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
    let unit = (most / f32::from(i16::MAX)).max(f32::MIN_POSITIVE);
    let per_unit = 1.0 / unit;
    for weight in weights {
        *weight = rounded(*weight * per_unit) * unit;
    }
    unit
}

/// The numbers of units of weights that are whole ones.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn count_units(weights: &[f32], unit: f32, out: &mut [i16]) {
    let per_unit = 1.0 / unit;
    for (out, weight) in out.iter_mut().zip(weights) {
        *out = rounded(weight * per_unit) as i32 as i16;
    }
}

/// The nearest whole number, of one that is less than 2²² in size: adding 1.5 · 2²³ leaves no room for a fraction.
#[inline(always)]
fn rounded(x: f32) -> f32 {
    const ROUNDING: f32 = 12_582_912.0;
    (x + ROUNDING) - ROUNDING
}

/// `gradient − constant − slope · value`.
fn take_out(gradient: &mut [f32], value: &[f32], constant: f32, slope: f32) {
    for (gradient, value) in gradient.iter_mut().zip(value) {
        *gradient -= constant + slope * value;
    }
}

fn sum(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v)).sum()
}

/// `Σ a b`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn inner_product(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let (blocks_a, blocks_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = blocks_a.remainder().iter().zip(blocks_b.remainder());
    let rest: f64 = rest.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    for (a, b) in blocks_a.zip(blocks_b) {
        for lane in 0..LANES {
            lanes[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// `Σ a b` for each a over one tile, whose pixels `factors` has row after row, and `image` in rows
/// `stride` apart. Adds up as [`inner_product`] does.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn products<const N: usize>(
    factors: [&[f64]; N],
    image: &[f32],
    stride: usize,
    side: usize,
) -> [f64; N] {
    debug_assert!(side.is_multiple_of(LANES), "tiles are whole blocks wide");
    let mut lanes = [[0.0f64; LANES]; N];
    for (row, values) in image.chunks(stride).take(side).enumerate() {
        for (block, values) in values[..side].chunks_exact(LANES).enumerate() {
            let at = row * side + block * LANES;
            let values: [f64; LANES] = std::array::from_fn(|lane| f64::from(values[lane]));
            for (lanes, factors) in lanes.iter_mut().zip(&factors) {
                for ((sum, factor), value) in
                    lanes.iter_mut().zip(&factors[at..at + LANES]).zip(&values)
                {
                    *sum += factor * value;
                }
            }
        }
    }
    lanes.map(|lanes| lanes.iter().sum())
}

/// The sum over one tile of an image in rows `stride` apart.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn sum_of_square(image: &[f32], stride: usize, side: usize) -> f64 {
    let mut lanes = [0.0f64; LANES];
    for values in image.chunks(stride).take(side) {
        for values in values[..side].chunks_exact(LANES) {
            lanes.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value));
        }
    }
    lanes.iter().sum()
}

fn factorial(n: usize) -> f64 {
    (1..=n).map(|k| k as f64).product()
}

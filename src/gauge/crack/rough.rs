//! First openings of traced lines, before any fit: the integrated deficit of brightness over the depth.

use std::sync::Arc;

use super::Crack;
use super::geometry::{Branch, Geometry, NO_PIXEL, Root, by_branch};
use super::known::FLANK;
use super::shared::Shared;
use crate::gauge::View;

/// The openings of lines, each station with half the width that it seems to have, px; depth and point spread too, unless
/// they are given.
pub fn openings(
    crack: &Crack,
    view: &View<'_>,
    root: &Arc<Root>,
    branches: &[Branch],
    half_width: &[f32],
    shared: Option<Shared>,
) -> (Vec<f32>, Shared) {
    let psf = shared.map_or(crack.config.psf_px.unwrap_or(1.2) as f32, |s| s.psf_px);
    let inner = |k: usize| half_width[k] + 2.5 * psf;
    let slots = crack.layout.slots;
    let wide =
        Geometry::new(Arc::clone(root), branches.to_vec(), slots, crack.config.region, |k| {
            inner(k) + FLANK
        });
    let (deficit, middle) = deficits(&wide, view, crack.sign(), &inner);
    let shared = shared.unwrap_or_else(|| Shared::guessed(crack, deepest(&middle, crack.sign())));
    let most = crack.config.max_width_px as f32;
    let opening: Vec<f32> = deficit
        .iter()
        .map(|d| if d.is_finite() { (d / shared.depth.abs()).clamp(0.0, most) } else { 0.0 })
        .collect();
    (opening, Shared { psf_px: psf, ..shared })
}

/// What is missing (or in excess, where the crack is bright) over the background at each station,
/// as a length of full depth, and the share missing in its middle; shared by some neighbours.
fn deficits(
    geometry: &Geometry,
    view: &View<'_>,
    sign: f32,
    inner: &impl Fn(usize) -> f32,
) -> (Vec<f32>, Vec<f32>) {
    let offset = view.noise().offset_counts as f32;
    let mut signal = Vec::new();
    view.read_pixels(&geometry.pixels, &mut signal);
    // Sums of the flanks, of the inside and of the middle, with their pixels.
    let rows: Vec<[f64; 6]> = (0..geometry.slots())
        .map(|k| {
            let mut row = [0.0; 6];
            for at in geometry.begin[k] as usize..geometry.begin[k + 1] as usize {
                if geometry.pixels[at] == NO_PIXEL || !signal[at].is_finite() {
                    continue;
                }
                let value = f64::from(signal[at] - offset);
                let far = geometry.distance[at].abs();
                let part = if far > inner(k) { 0 } else { 2 };
                row[part] += value;
                row[part + 1] += 1.0;
                if far < 1.0 {
                    row[4] += value;
                    row[5] += 1.0;
                }
            }
            row
        })
        .collect();
    by_branch(geometry, &rows, 4.0)
        .iter()
        .zip(&geometry.step)
        .map(|([flank, nf, inside, ni, middle, nm], step)| {
            let level = flank / nf;
            if !(level > 0.0) || *step <= 0.0 {
                return (f32::NAN, f32::NAN);
            }
            let missing = f64::from(sign) * (ni - inside / level) / f64::from(*step);
            (missing as f32, (f64::from(sign) * (1.0 - middle / nm / level)) as f32)
        })
        .unzip()
}

/// The depth of the crack's deepest part.
fn deepest(middle: &[f32], sign: f32) -> f32 {
    let mut depths: Vec<f32> = middle.iter().copied().filter(|d| d.is_finite()).collect();
    depths.sort_by(f32::total_cmp);
    let high = depths.get(depths.len() * 9 / 10).copied().unwrap_or(0.5);
    // A narrow crack never shows its depth; a guess from below would make it too wide.
    sign * high.clamp(0.5, if sign > 0.0 { 1.0 } else { 50.0 })
}

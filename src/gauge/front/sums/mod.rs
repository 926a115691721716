//! Sums over the windows' pixels, the only loops that touch them: brightness of both sides and evidence for each place of
//! the edge ([`sides`](fn@sides), [`evidence`]), score and information of the erf edge ([`edges`](fn@edges), [`nulls`]).
//! Each lane is a line, whose pixels are added in their order, so that every instruction set gives the same bits.

// A clamp checks its bounds, which keeps loops from being vectorised.
#![allow(clippy::manual_clamp)]

mod edges;
mod sides;

pub use edges::{EdgeSums, NullSums, edges, nulls};
pub use sides::{Evidence, SideSums, evidence, sides};

use crate::frame::lanes::LANES;

/// A number of each line, for as many as there are lanes: those of one block, and `beyond` after the last.
#[inline(always)]
fn of_block(of_lines: &[f32], block: usize, beyond: f32) -> [f32; LANES] {
    std::array::from_fn(|lane| of_lines.get(block * LANES + lane).copied().unwrap_or(beyond))
}

/// Sums that each line has several of, lanes side by side.
type Sums<const N: usize> = [[f32; LANES]; N];

/// Hands the sums of each line of a block on; `count` lines there are.
#[inline(always)]
fn each_line<const N: usize>(
    sums: &Sums<N>,
    block: usize,
    count: usize,
    mut take: impl FnMut([f32; N]),
) {
    for lane in 0..LANES.min(count - block * LANES) {
        take(std::array::from_fn(|k| sums[k][lane]));
    }
}

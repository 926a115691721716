//! Images between their pixels: the filters that registration compares and averages frames with, and
//! frames brought to reference coordinates.
//!
//! One kernel serves all: 17 taps, the least-squares approximation to a band-limited image's value
//! and derivatives ([`Kernel`]). [`Resampler`] moves whole frames with it, along any [`Affine`] map.

mod kernel;
mod map;
mod rows;

pub use kernel::{Kernel, REACH, filter_column, filter_row};
pub use map::{Affine, overlap};
pub use rows::{Resampler, sample};

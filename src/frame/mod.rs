//! Frames: what a pixel is, where a frame lies in memory, how large a pixel is on the specimen,
//! and what became of each frame.
//!
//! Coordinates everywhere: x grows to the right (column), y downward (row), pixel centres stand
//! at integers. *Reference* coordinates are those of the first measured frame; *frame*
//! coordinates are those of the frame at hand. A feature at (x0, y0) in the reference stands at
//! (x0 + drift.x, y0 + drift.y) in the frame.

mod calibration;
mod fate;
mod image;
mod lag;
pub mod lanes;
mod normalise;
mod pixel;
mod pool;
mod region;

pub use calibration::{Axis, Calibration, Dimension};
pub use fate::{Fate, Ledger, Reason};
pub use image::{Image, Samples};
pub use lag::{SEARCH_ROWS, heard_after, is_search_over, lag_at};
pub use normalise::{Normalised, blank_for, normalise};
pub use pixel::PixelType;
pub use pool::{Blank, Pool, PooledImage};
pub use region::Region;

/// When and as what a frame was announced by its source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamp {
    /// Row of the ledger: 0 for the first announced frame, without gaps.
    pub index: u64,
    /// Frame number as the source counts it; gaps are frames missing at the source.
    pub sequence: u64,
    /// Monotonic seconds since the first frame.
    pub time_s: f64,
    /// Seconds since 1970-01-01 UTC; NaN where neither file nor clock tells.
    pub unix_time_s: f64,
}

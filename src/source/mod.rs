//! Where frames come from. A source announces frames one by one, with the time of each; [`Ordered`]
//! gives each its row, and what it announces is what the ledger counts.

mod faults;
mod inject;
mod order;
mod repeated;
mod replay;

pub use faults::{FaultKind, Faults};
pub use inject::{FaultClock, FaultyRecording, FaultySource};
pub use order::{Arrivals, Ordered};
pub use repeated::RepeatedRecording;
pub use replay::{FrameTimes, Replay, Speed};

use std::time::Instant;

use crate::frame::{Fate, Reason, Stamp};

/// A frame that a source announces.
#[derive(Clone, Debug)]
pub struct Announced {
    /// A source need not know the row: [`Ordered`] sets it.
    pub stamp: Stamp,
    /// When liwatch could learn of it; latency counts from here.
    pub arrival: Instant,
    pub payload: Payload,
}

/// Where the pixels of an announced frame are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Payload {
    /// Frame of this number in the recording.
    Recorded(usize),
    /// There are none.
    Lost(Fate, Reason),
}

/// Announces frames, in about the order of their places.
pub trait Source: Send {
    /// The next frame, waiting for it where the source has a pace; nothing after the last.
    fn next(&mut self) -> Option<Announced>;

    /// Frames in all, where the source knows.
    fn len_hint(&self) -> Option<usize>;

    /// True when frames come at a pace of their own, whether or not liwatch keeps up.
    fn is_paced(&self) -> bool {
        false
    }

    /// The number that tells a frame's place among the others; a gap in it is a loss of frames.
    fn place(&self, frame: &Announced) -> u64 {
        frame.stamp.sequence
    }

    /// The place of the first frame, where it is known before it comes.
    fn first_place(&self) -> Option<u64> {
        None
    }

    /// How many frames late a frame may come; a gap is waited for that long and no longer.
    fn reorder_frames(&self) -> usize {
        0
    }
}

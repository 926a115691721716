//! Where frames come from. A source announces frames one by one, with the time of each; what it
//! announces is what the ledger counts.

mod replay;

pub use replay::{FrameTimes, Replay, Speed};

use std::time::Instant;

use crate::frame::{Fate, Reason, Stamp};

/// A frame that a source announces.
#[derive(Clone, Debug)]
pub struct Announced {
    pub stamp: Stamp,
    /// When liwatch learned of it; latency counts from here.
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

/// Announces frames in order.
pub trait Source: Send {
    /// The next frame, waiting for it where the source has a pace; nothing after the last.
    fn next(&mut self) -> Option<Announced>;

    /// Frames in all, where the source knows.
    fn len_hint(&self) -> Option<usize>;
}

//! Independent streams of random numbers from one seed, so that one part of a scene never
//! changes another's numbers.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream is for. The frames' noise has the streams 1 + frame, the cell's log stream 0.
#[derive(Clone, Copy)]
pub enum Purpose {
    /// The scan of a frame.
    Rows(usize),
    /// An event, by its place in the list.
    Event(usize),
    /// The camera's pattern.
    Pattern,
    Particles,
    Body,
    Rotation,
    Scale,
    Dendrite,
}

/// The stream of a purpose.
pub fn stream(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    // Far above any frame's stream.
    let number = match purpose {
        Purpose::Rows(frame) => (1 << 40) + frame as u64,
        Purpose::Event(index) => (2 << 40) + index as u64,
        Purpose::Pattern => 3 << 40,
        Purpose::Particles => 4 << 40,
        Purpose::Body => 5 << 40,
        Purpose::Rotation => 6 << 40,
        Purpose::Scale => 7 << 40,
        Purpose::Dendrite => 8 << 40,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

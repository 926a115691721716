//! Following a run's journal to its end, as lines.

use std::io;
use std::time::Duration;

use super::line;
use crate::store::{RunState, Tail};

/// Between two looks at the journal.
const LOOK: Duration = Duration::from_millis(50);

/// Hands the lines of what is acknowledged from row `from` on to `take`, one call a look at the
/// journal, with nothing when nothing came. Returns how the run ended.
///
/// # Errors
/// Of the operating system, and of `take`, which ends it.
pub fn follow(
    mut tail: Tail,
    from: u64,
    mut take: impl FnMut(Vec<u8>) -> io::Result<()>,
) -> io::Result<RunState> {
    let mut events = Vec::new();
    loop {
        let state = tail.poll(&mut events)?;
        let mut lines = Vec::new();
        if let Some(plan) = tail.plan() {
            for event in &events {
                line::of_event(event, plan, from, &mut lines);
            }
        }
        events.clear();
        take(lines)?;
        match state {
            RunState::Behind => {}
            RunState::GoesOn => std::thread::sleep(LOOK),
            RunState::Closed | RunState::CutOff => return Ok(state),
        }
    }
}

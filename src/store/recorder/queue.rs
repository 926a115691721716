//! What the recorder's three threads share: the records that wait for the journal, how much memory
//! they take, and how far the journal is on the disk.
//!
//! The lock is held for microseconds, never across a write, so that whoever hands a row in does
//! not wait for the disk. The run file's thread takes no lock at all: it gives way to the others, and
//! one that is put aside while it holds a lock would hold up the row behind it, and the alarms then.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::WhenSlow;
use crate::store::journal::{Kind, Pending};

/// Rows of frames that found no room in memory are kept by their stamps alone until memory is
/// this many times its bound.
const STAMPS_UP_TO: usize = 2;

/// See the module.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    /// Something came for the journal.
    came: Condvar,
    /// The journal got further, or into trouble.
    went: Condvar,
    progress: Shared,
}

/// [`Progress`], as the journal's thread tells it.
#[derive(Default)]
struct Shared {
    acknowledged: AtomicU64,
    rows: AtomicU64,
    ended: AtomicBool,
    /// Who follows.
    follower: OnceLock<Thread>,
}

#[derive(Default)]
struct State {
    pending: Vec<Pending>,
    /// Bytes of `pending`.
    pending_bytes: usize,
    /// Bytes that the journal's writer holds beside.
    kept_bytes: usize,
    /// An alarm waits.
    urgent: bool,
    /// The journal cannot be written at present.
    in_trouble: bool,
    /// Nothing more will come; until then the journal tries.
    closing: Option<Instant>,
}

/// How far the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Bytes that are on the disk.
    pub acknowledged: u64,
    /// Rows that are on the disk.
    pub rows: u64,
    /// The journal's thread has ended.
    pub ended: bool,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    Taken,
    /// There was no room: its stamp alone was taken.
    StampOnly,
    /// There was no room for anything.
    Nothing,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked left the counts as they are; they are whole at each unlock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a row if memory allows; else waits or takes `stamp` instead, as `when_slow` says. A
    /// disk in trouble is never waited for.
    pub fn offer_row(
        &self,
        row: Vec<u8>,
        stamp: impl FnOnce() -> Vec<u8>,
        bound: usize,
        when_slow: WhenSlow,
    ) -> Offered {
        let mut state = self.state();
        while state.memory() + row.len() > bound && state.memory() > 0 {
            if when_slow == WhenSlow::LeaveOut || state.in_trouble {
                if state.memory() > STAMPS_UP_TO * bound {
                    return Offered::Nothing;
                }
                state.push(Kind::Row, stamp());
                self.came.notify_one();
                return Offered::StampOnly;
            }
            state = self.went.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.push(Kind::Row, row);
        self.came.notify_one();
        Offered::Taken
    }

    /// Takes an alarm, whatever memory it needs.
    pub fn push_alarm(&self, payload: Vec<u8>) {
        let mut state = self.state();
        state.push(Kind::Alarm, payload);
        state.urgent = true;
        self.came.notify_one();
    }

    /// Takes a change of what is left out, whatever memory it needs.
    pub fn push_shedding(&self, payload: Vec<u8>) {
        self.state().push(Kind::Shedding, payload);
        self.came.notify_one();
    }

    /// Takes the last record (if the run ends in an orderly way) and lets the journal try for
    /// `patience`.
    pub fn close(&self, last: Option<Pending>, patience: Duration) {
        let mut state = self.state();
        if let Some(last) = last {
            state.push(last.kind, last.payload);
        }
        state.closing = Some(Instant::now() + patience);
        self.came.notify_one();
    }

    /// For the journal: waits until something comes, the run closes, or `until`; then takes all.
    pub fn take(&self, until: Option<Instant>) -> Taken {
        let mut state = self.state();
        while state.pending.is_empty() && state.closing.is_none() {
            let Some(until) = until else {
                state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.came.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let pending = std::mem::take(&mut state.pending);
        state.kept_bytes += std::mem::take(&mut state.pending_bytes);
        Taken { pending, urgent: std::mem::take(&mut state.urgent), closing: state.closing }
    }

    /// For the journal: how far it is, what memory it holds, and whether it is in trouble.
    pub fn tell(&self, progress: Progress, kept_bytes: usize, in_trouble: bool) {
        let shared = &self.progress;
        shared.acknowledged.store(progress.acknowledged, Ordering::Relaxed);
        shared.rows.store(progress.rows, Ordering::Relaxed);
        // Whoever sees the end sees all that came before.
        shared.ended.store(progress.ended, Ordering::Release);
        shared.follower.get().into_iter().for_each(Thread::unpark);
        let mut state = self.state();
        state.kept_bytes = kept_bytes;
        state.in_trouble = in_trouble;
        self.went.notify_all();
    }

    /// How far the journal is.
    pub fn progress(&self) -> Progress {
        let shared = &self.progress;
        let ended = shared.ended.load(Ordering::Acquire);
        let acknowledged = shared.acknowledged.load(Ordering::Relaxed);
        Progress { acknowledged, rows: shared.rows.load(Ordering::Relaxed), ended }
    }

    /// Waits until the journal is further than `known`, at most `patience`. For one thread alone.
    pub fn wait_beyond(&self, known: Progress, patience: Duration) -> Progress {
        self.progress.follower.get_or_init(std::thread::current);
        let until = Instant::now() + patience;
        loop {
            let progress = self.progress();
            let left = until.saturating_duration_since(Instant::now());
            if progress != known || left.is_zero() {
                return progress;
            }
            std::thread::park_timeout(left);
        }
    }
}

/// What the journal's thread gets.
pub struct Taken {
    pub pending: Vec<Pending>,
    /// An alarm is among it.
    pub urgent: bool,
    /// Nothing more will come; until when to try.
    pub closing: Option<Instant>,
}

impl State {
    fn memory(&self) -> usize {
        self.pending_bytes + self.kept_bytes
    }

    fn push(&mut self, kind: Kind, payload: Vec<u8>) {
        self.pending_bytes += payload.len();
        self.pending.push(Pending { kind, payload });
    }
}

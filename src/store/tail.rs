//! Following a run through its journal: rows and alarms as soon as they are acknowledged, and none
//! before.

use std::collections::VecDeque;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::journal::{self, Content, End, Item, Kind, Reader, decode};
use crate::alarm::AlarmEvent;
use crate::pipeline::{FrameRow, RunPlan};

/// Something that was acknowledged.
#[derive(Clone, Debug)]
pub enum Event {
    Row(Box<FrameRow>),
    Alarm(AlarmEvent),
}

/// Whether more is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// More is there already.
    Behind,
    GoesOn,
    Closed,
    /// Nobody writes the journal any more, and it was not closed.
    CutOff,
}

/// Events of one look at the journal, about: a run of days is not read into memory at once.
const ENOUGH: usize = 256;

/// An empty journal that nobody holds is given so long to be locked.
const JUST_MADE: Duration = Duration::from_secs(5);

/// Follows one journal.
pub struct Tail {
    reader: Reader,
    /// A second handle, to ask whether the writer still holds the lock.
    lock: File,
    plan: Option<RunPlan>,
    /// Read, and not acknowledged yet.
    early: VecDeque<Event>,
    closed: bool,
}

impl Tail {
    /// Opens the journal beside `run`.
    ///
    /// # Errors
    /// Of the operating system; [`io::ErrorKind::NotFound`] when there is none.
    pub fn open(run: &Path) -> io::Result<Tail> {
        let path = journal::path_of(run);
        Ok(Tail {
            reader: Reader::open(&path, End::At(u64::MAX))?,
            lock: File::open(&path)?,
            plan: None,
            early: VecDeque::new(),
            closed: false,
        })
    }

    /// What the run is; known before the first event.
    pub fn plan(&self) -> Option<&RunPlan> {
        self.plan.as_ref()
    }

    /// What was acknowledged since the last call, to `out`; some of it when that is much.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn poll(&mut self, out: &mut Vec<Event>) -> io::Result<RunState> {
        // Asked before reading: what a writer left when it ended is read below.
        let written = self.is_written();
        while let Some(item) = self.reader.next_item()? {
            let (kind, payload) = match item {
                Item::Damage(damage) => {
                    tracing::warn!("the journal is damaged: {damage}");
                    continue;
                }
                Item::Record { header, payload } => match header.kind {
                    Some(kind) => (kind, payload),
                    None => continue,
                },
            };
            if kind == Kind::Mark {
                out.extend(self.early.drain(..));
                if self.closed {
                    return Ok(RunState::Closed);
                }
                if out.len() >= ENOUGH {
                    return Ok(RunState::Behind);
                }
                continue;
            }
            match decode(kind, payload, self.plan.as_ref()) {
                Ok(Content::Plan(plan)) => self.plan = Some(*plan),
                Ok(Content::Row(row)) => self.early.push_back(Event::Row(row)),
                Ok(Content::Alarm(event)) => self.early.push_back(Event::Alarm(event)),
                Ok(Content::Close(_)) => self.closed = true,
                Ok(Content::Cell(_) | Content::Mark(_) | Content::Shedding(_)) => {}
                Err(error) => tracing::warn!("a record of the journal cannot be read: {error}"),
            }
        }
        Ok(if written || self.was_just_made()? { RunState::GoesOn } else { RunState::CutOff })
    }

    /// True for an empty journal that is not old: between making it and locking it its writer may have to wait for a
    /// processor.
    fn was_just_made(&self) -> io::Result<bool> {
        let journal = self.lock.metadata()?;
        let age = journal.modified()?.elapsed().unwrap_or_default();
        Ok(journal.len() == 0 && age < JUST_MADE)
    }

    /// True while someone holds the journal. Where the file system has no locks, the run is taken
    /// to go on.
    fn is_written(&self) -> bool {
        match self.lock.try_lock_shared() {
            Ok(()) => {
                // The lock goes with the file at the latest.
                let _ = self.lock.unlock();
                false
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn an_empty_journal_is_cut_off_only_when_its_writer_had_time_to_lock_it() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let run = folder.path().join("r.h5");
        let journal = File::create(journal::path_of(&run)).expect("a journal");
        let mut tail = Tail::open(&run).expect("the journal is there");
        let mut events = Vec::new();
        assert_eq!(tail.poll(&mut events).expect("it can be read"), RunState::GoesOn);
        journal.set_modified(SystemTime::now() - 2 * JUST_MADE).expect("a file's age can be set");
        assert_eq!(tail.poll(&mut events).expect("it can be read"), RunState::CutOff);
        assert!(events.is_empty());
    }
}

//! The thread that builds the run file (HDF5) from the journal, behind it and at leisure: what it
//! has not read yet lies safely on the disk, so a slow or failing HDF5 holds nobody up.
//!
//! HDF5 does not forgive a full disk: a chunk that cannot be written leaves the open file in a
//! state that nobody knows, and closing it ends the program. So room is reserved before each step;
//! and when HDF5 fails nevertheless, that file is given up with its handles, and a new one is built
//! from the journal's start as soon as it works.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::queue::{Progress, Queue};
use crate::pipeline::background;
use crate::store::builder::{BuildError, Builder};
use crate::store::journal::{Damage, End};
use crate::store::room;

/// Readers see a row at the latest this long after it was acknowledged.
const SHOW: Duration = Duration::from_millis(250);
/// Between two looks when nothing happens.
const LOOK: Duration = Duration::from_millis(200);
/// Between two tries to build a new file.
const RETRY: Duration = Duration::from_secs(5);

/// Why the run file was not completed.
#[derive(Debug, thiserror::Error)]
pub enum Incomplete {
    /// The journal ended without a closing record.
    #[error("the journal was not closed")]
    NotClosed,
    #[error("there is too little room on the disk")]
    NoRoom,
    /// The disk gave other bytes back than it was given; the file has blank rows in their places.
    #[error("the journal is damaged on the disk: {0}")]
    Damaged(Damage),
    #[error(transparent)]
    Build(#[from] BuildError),
}

struct Follower<'a> {
    run: &'a Path,
    /// Where a new file grows until it is as far as the journal.
    partial: PathBuf,
    builder: Option<Builder>,
    retry_at: Instant,
    /// The lack of room was told.
    told: bool,
}

/// Gives way to those on which alarms wait, if that is asked for. Runs until the journal has ended and the file is complete, or cannot be.
pub fn run(run: &Path, builder: Builder, queue: &Queue, gives_way: bool) -> Result<(), Incomplete> {
    background::call_thread(c"run file");
    if gives_way {
        background::give_way();
    }
    let mut name = run.as_os_str().to_owned();
    name.push(".rebuilding");
    let mut follower = Follower {
        run,
        partial: PathBuf::from(name),
        builder: Some(builder),
        retry_at: Instant::now(),
        told: false,
    };
    let mut known = Progress::default();
    loop {
        known = queue.wait_beyond(known, LOOK);
        if known.ended {
            return follower.finish(known);
        }
        if let Err(error) = follower.advance(known) {
            follower.give_up(&error);
        }
    }
}

impl Follower<'_> {
    fn advance(&mut self, known: Progress) -> Result<(), BuildError> {
        if self.builder.is_none() && Instant::now() < self.retry_at {
            return Ok(());
        }
        if !self.has_room(known) {
            return Ok(());
        }
        let end = End::At(known.acknowledged);
        match self.builder.as_mut() {
            Some(builder) => {
                builder.advance(end)?;
                builder.show(SHOW)
            }
            None => {
                let mut builder = Builder::new(self.run, &self.partial, end)?;
                let built = builder
                    .advance(end)
                    .and_then(|()| builder.show(Duration::ZERO))
                    .and_then(|()| builder.move_into_place());
                // A failure gives it up, with its handles.
                self.builder = Some(builder);
                built?;
                tracing::warn!("{}: was built anew from its journal", self.run.display());
                Ok(())
            }
        }
    }

    fn finish(&mut self, known: Progress) -> Result<(), Incomplete> {
        if !self.has_room(known) {
            return Err(Incomplete::NoRoom);
        }
        match self.complete(known) {
            // A file that failed says nothing about a new one.
            Err(Incomplete::Build(error)) => {
                self.give_up(&error);
                let again = self.complete(known);
                if let Err(Incomplete::Build(error)) = &again {
                    self.give_up(error);
                }
                again
            }
            other => other,
        }
    }

    fn complete(&mut self, known: Progress) -> Result<(), Incomplete> {
        let end = End::At(known.acknowledged);
        if self.builder.is_none() {
            self.builder = Some(Builder::new(self.run, &self.partial, end)?);
        }
        let Some(builder) = self.builder.as_mut() else { return Err(Incomplete::NotClosed) };
        builder.advance(end)?;
        if builder.found.close.is_none() {
            builder.show(Duration::ZERO)?;
            return Err(Incomplete::NotClosed);
        }
        builder.finish(f64::NAN)?;
        builder.move_into_place()?;
        match builder.found.damage.first() {
            Some(damage) => Err(Incomplete::Damaged(*damage)),
            None => Ok(()),
        }
    }

    fn give_up(&mut self, error: &BuildError) {
        tracing::warn!(
            "{error}; everything is in the journal, from which a new file is built later"
        );
        if let Some(builder) = self.builder.take() {
            builder.abandon();
        }
        // What was begun is of no use to anyone.
        let _ = std::fs::remove_file(&self.partial);
        self.retry_at = Instant::now() + RETRY;
    }

    /// True when the file system can take what waits.
    fn has_room(&mut self, known: Progress) -> bool {
        let room = match &self.builder {
            Some(builder) => builder.reserve(known.acknowledged),
            None => room::is_free(self.run, room::FOR_A_FILE + 2 * known.acknowledged),
        };
        if !room && !self.told {
            tracing::warn!(
                "{}: there is too little room on the disk for the run file; rows go to its journal \
                 alone until there is more",
                self.run.display()
            );
        }
        self.told = !room;
        room
    }
}

//! The thread that builds the run file (HDF5) from the journal, behind it and at leisure: what it
//! has not read yet lies safely on the disk, so a slow or failing HDF5 holds nobody up.
//!
//! HDF5 does not forgive a full disk: a chunk that cannot be written leaves the open file in a
//! state that nobody knows. So it waits while there is little room, and when it fails nevertheless
//! that file is given up, and a new one is built from the journal's start as soon as it works.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::queue::{Progress, Queue};
use crate::store::builder::{BuildError, Builder};
use crate::store::journal::End;

/// Readers see a row at the latest this long after it was acknowledged.
const SHOW: Duration = Duration::from_millis(400);
/// Between two looks when nothing happens.
const LOOK: Duration = Duration::from_millis(200);
/// Between two tries to build a new file.
const RETRY: Duration = Duration::from_secs(5);
/// Room that is left to the journal.
const SPARE_BYTES: u64 = 8 << 20;

/// Why the run file was not completed.
#[derive(Debug, thiserror::Error)]
pub enum Incomplete {
    /// The journal ended without a closing record.
    #[error("the journal was not closed")]
    NotClosed,
    #[error("there is too little room on the disk")]
    NoRoom,
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

/// Runs until the journal has ended and the file is complete, or cannot be.
pub fn run(run: &Path, builder: Builder, queue: &Queue) -> Result<(), Incomplete> {
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
                builder.advance(end)?;
                builder.move_into_place()?;
                builder.show(Duration::ZERO)?;
                self.builder = Some(builder);
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
                self.complete(known)
            }
            other => other,
        }
    }

    fn complete(&mut self, known: Progress) -> Result<(), Incomplete> {
        let end = End::At(known.acknowledged);
        let mut builder = match self.builder.take() {
            Some(builder) => builder,
            None => Builder::new(self.run, &self.partial, end)?,
        };
        builder.advance(end)?;
        if builder.found.close.is_none() {
            builder.show(Duration::ZERO)?;
            return Err(Incomplete::NotClosed);
        }
        builder.finish(None)?;
        Ok(builder.move_into_place()?)
    }

    fn give_up(&mut self, error: &BuildError) {
        tracing::warn!(
            "{error}; the run goes on, everything is in the journal, and a new file is built from \
             it later"
        );
        self.builder = None;
        // What was begun is of no use to anyone.
        let _ = std::fs::remove_file(&self.partial);
        self.retry_at = Instant::now() + RETRY;
    }

    /// True when the file system can take what waits, with some to spare.
    fn has_room(&mut self, known: Progress) -> bool {
        let read = self.builder.as_ref().map_or(0, Builder::offset);
        let wanted = SPARE_BYTES + 2 * known.acknowledged.saturating_sub(read);
        let free = free_bytes(self.run).unwrap_or(u64::MAX);
        if free < wanted && !self.told {
            tracing::warn!(
                "{}: {} MB are free on the disk; rows go to the journal alone until there are {}",
                self.run.display(),
                free >> 20,
                (wanted >> 20) + 1
            );
        }
        self.told = free < wanted;
        free >= wanted
    }
}

/// Room for whoever is not root, where the system can tell.
fn free_bytes(path: &Path) -> Option<u64> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let told = rustix::fs::statvfs(folder.unwrap_or(Path::new("."))).ok()?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}

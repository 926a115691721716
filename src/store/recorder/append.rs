//! The thread that writes the journal: at once, with an fsync at a stated interval and with each
//! alarm. Trouble (a full disk) is told once, and tried again until it is over.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::queue::{Progress, Queue};
use crate::pipeline::background;
use crate::store::journal::Writer;

/// Between two tries on a disk that refuses.
const RETRY: Duration = Duration::from_millis(250);
/// An fsync that takes longer is worth a word.
const SLOW: Duration = Duration::from_secs(2);

/// What was left when the journal ended.
#[derive(Debug)]
pub struct Unstored {
    /// Rows and alarms.
    pub events: u64,
    pub error: io::Error,
}

struct Trouble {
    since: Instant,
    error: io::Error,
    retry_at: Instant,
}

/// Runs until the run closes and all is on the disk, or patience has run out.
pub fn run(
    mut writer: Writer,
    path: &Path,
    queue: &Queue,
    sync_interval: Duration,
) -> Result<(), Unstored> {
    background::call_thread(c"journal");
    let mut sync_at: Option<Instant> = None;
    let mut trouble: Option<Trouble> = None;
    let mut urgent = false;
    loop {
        let taken = queue.take(trouble.as_ref().map(|t| t.retry_at).or(sync_at));
        taken.pending.iter().for_each(|pending| writer.push(pending));
        urgent |= taken.urgent;
        let now = Instant::now();
        if writer.is_dirty() {
            sync_at.get_or_insert(now + sync_interval);
        }
        let due = urgent || taken.closing.is_some() || sync_at.is_some_and(|at| now >= at);
        if trouble.as_ref().is_none_or(|trouble| now >= trouble.retry_at) {
            match store(&mut writer, path, due || trouble.is_some()) {
                Ok(()) => {
                    if let Some(over) = trouble.take() {
                        tracing::warn!(
                            "{}: stores again, after {:.1} s",
                            path.display(),
                            over.since.elapsed().as_secs_f64()
                        );
                    }
                    if !writer.is_dirty() {
                        (sync_at, urgent) = (None, false);
                    }
                }
                Err(error) => trouble = Some(in_trouble(trouble, error, path)),
            }
        }
        let done = taken.closing.is_some() && !writer.is_dirty();
        let given_up = taken.closing.is_some_and(|until| now >= until) && trouble.is_some();
        let progress = Progress {
            acknowledged: writer.acknowledged(),
            rows: writer.acknowledged_rows(),
            ended: done || given_up,
        };
        queue.tell(progress, writer.kept_bytes(), trouble.is_some());
        if done {
            return Ok(());
        }
        match trouble.take() {
            Some(trouble) if given_up => {
                writer.cut_torn_end();
                return Err(Unstored { events: writer.kept_events(), error: trouble.error });
            }
            still => trouble = still,
        }
        if let (Some(_), Some(trouble)) = (taken.closing, &trouble) {
            // The queue returns at once while the run closes.
            std::thread::sleep(trouble.retry_at.saturating_duration_since(Instant::now()));
        }
    }
}

fn store(writer: &mut Writer, path: &Path, sync: bool) -> io::Result<()> {
    let written = writer.write();
    // What found room before the disk was full is worth bringing there.
    if sync {
        let started = Instant::now();
        writer.sync()?;
        let took = started.elapsed();
        if took > SLOW {
            tracing::warn!(
                "{}: the disk took {:.1} s for one fsync; rows waited in memory",
                path.display(),
                took.as_secs_f64()
            );
        }
    }
    written
}

fn in_trouble(before: Option<Trouble>, error: io::Error, path: &Path) -> Trouble {
    let now = Instant::now();
    if before.is_none() {
        tracing::warn!(
            "{}: rows cannot be stored: {error}; the run goes on and keeps them in memory: make \
             room on the disk",
            path.display()
        );
    }
    let since = before.map_or(now, |trouble| trouble.since);
    Trouble { since, error, retry_at: now + RETRY }
}

//! Recording a run: journal first, and the run file from it.
//!
//! ```text
//! storage thread ──rows──> [queue in memory] ──> journal ──fsync──> HDF5
//!  (never waits)             (bounded)            (thread)          (thread, reads the journal)
//! ```
//!
//! A row is *acknowledged* when the fsync that covers it has returned; that is at the latest the
//! stated interval after it was measured, and at once for an alarm. While the disk stalls or is
//! full, rows wait in memory up to a stated bound. Beyond it the run waits for a slow disk (a
//! replay, which loses nothing by waiting) or keeps the frames' stamps alone (a live run); a full
//! disk is never waited for. What could not be stored is counted, and told at the close.

mod append;
mod follow;
mod queue;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use append::Unstored;
use follow::Incomplete;
use queue::{Offered, Queue};

use super::StoreError;
use super::builder::Builder;
use super::journal::{
    self, Close, Disk, End, FileDisk, Kind, Pending, Writer, cell_blocks, encode_alarm,
    encode_close, encode_left_out, encode_plan, encode_row, encode_shedding, sync_folder,
};
use super::run_file::{RunFile, now_unix_s};
use crate::alarm::AlarmEvent;
use crate::config::StoreConfig;
use crate::frame::Ledger;
use crate::pipeline::{FrameRow, RunPlan, Shedding, Sink, SinkError};

/// What happens when memory is full because the disk is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenSlow {
    /// The run waits: right for a recording.
    Wait,
    /// The run goes on, and the measurements of these frames are lost: right for a camera.
    LeaveOut,
}

/// How a run is stored.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// From a row to the fsync that covers it, at most, on a disk that keeps up.
    pub sync_interval: Duration,
    /// Memory for rows that wait for the disk, bytes.
    pub memory_bytes: usize,
    pub when_slow: WhenSlow,
    /// The journal stays beside the complete run file, as `RUN.h5.journal.kept`.
    pub keep_journal: bool,
    /// How long the close tries on a disk that refuses.
    pub patience: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            sync_interval: Duration::from_millis(100),
            memory_bytes: 256 << 20,
            when_slow: WhenSlow::Wait,
            keep_journal: false,
            patience: Duration::from_secs(5),
        }
    }
}

impl From<&StoreConfig> for StoreOptions {
    fn from(config: &StoreConfig) -> Self {
        StoreOptions {
            sync_interval: Duration::from_secs_f64(config.sync_ms * 1e-3),
            memory_bytes: (config.memory_mb * 1e6) as usize,
            keep_journal: config.keep_journal,
            ..StoreOptions::default()
        }
    }
}

/// A run that is being recorded.
pub struct Recorder {
    path: PathBuf,
    options: StoreOptions,
    queue: Arc<Queue>,
    journal: Option<JoinHandle<Result<(), Unstored>>>,
    run_file: Option<JoinHandle<Result<(), Incomplete>>>,
    left_out: LeftOut,
}

/// Rows for which there was no memory.
#[derive(Default)]
struct LeftOut {
    /// By the fate that they had.
    rows: Ledger,
    first: u64,
    last: u64,
}

impl Recorder {
    /// Creates the journal and the run file. An existing run file is replaced only when
    /// `overwrite` is set, and never while an earlier run's journal lies beside it.
    ///
    /// # Errors
    /// [`StoreError`] when one of them exists or cannot be created.
    pub fn create(
        path: &Path,
        plan: &RunPlan,
        overwrite: bool,
        options: StoreOptions,
    ) -> Result<Recorder, StoreError> {
        Self::create_on(path, plan, overwrite, options, |file| Box::new(file))
    }

    /// [`create`](Self::create), with the journal's disk wrapped: for tests and measurements of
    /// disks that stall or fail.
    ///
    /// # Errors
    /// As for `create`.
    pub fn create_on(
        path: &Path,
        plan: &RunPlan,
        overwrite: bool,
        options: StoreOptions,
        wrap: impl FnOnce(FileDisk) -> Box<dyn Disk>,
    ) -> Result<Recorder, StoreError> {
        if path.exists() && !overwrite {
            return Err(StoreError::Exists { path: path.to_owned() });
        }
        let journal = journal::path_of(path);
        let io = |what: &str, source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AlreadyExists => {
                StoreError::JournalLeft { run: path.to_owned(), journal: journal.clone() }
            }
            _ => StoreError::Io { path: journal.clone(), what: what.to_owned(), source },
        };
        let disk = FileDisk::create(&journal)
            .map_err(|e| io("the journal cannot be created (does its folder exist?)", e))?;
        let begun = begin(Writer::new(wrap(disk)), path, plan)
            .map_err(|error| match error {
                Begin::Io(source) => io("the journal cannot be written (is there room?)", source),
                Begin::Store(error) => error,
            })
            .inspect_err(|_| drop(std::fs::remove_file(&journal)))?;
        let (writer, builder) = begun;
        Ok(Self::start(path, options, writer, builder))
    }

    fn start(path: &Path, options: StoreOptions, writer: Writer, builder: Builder) -> Recorder {
        let queue = Arc::new(Queue::default());
        let (own, file) = (Arc::clone(&queue), journal::path_of(path));
        let journal =
            std::thread::spawn(move || append::run(writer, &file, &own, options.sync_interval));
        let (own, run) = (Arc::clone(&queue), path.to_owned());
        let live = options.when_slow == WhenSlow::LeaveOut;
        let run_file = std::thread::spawn(move || follow::run(&run, builder, &own, live));
        Recorder {
            path: path.to_owned(),
            options,
            queue,
            journal: Some(journal),
            run_file: Some(run_file),
            left_out: LeftOut::default(),
        }
    }

    /// Rows that survive a crash of the program and of the machine.
    pub fn acknowledged_rows(&self) -> u64 {
        self.queue.progress().rows
    }

    /// Lets both threads end. Nothing when they have ended already.
    fn end(
        &mut self,
        last: Option<Pending>,
    ) -> Option<(Result<(), Unstored>, Result<(), Incomplete>)> {
        let (journal, run_file) = (self.journal.take()?, self.run_file.take()?);
        self.queue.close(last, self.options.patience);
        Some((joined(journal), joined(run_file)))
    }

    fn not_stored(&self, unstored: &Unstored) -> SinkError {
        let journal = journal::path_of(&self.path);
        let what = match unstored.events {
            0 => "the end of the run".to_owned(),
            events => format!("{events} rows and alarms at the end of the run"),
        };
        SinkError(format!(
            "{}: {what} could not be stored: {}{}; the rest is in the journal: make room, then: \
             liwatch recover {}",
            journal.display(),
            unstored.error,
            self.left_out.text(),
            self.path.display()
        ))
    }

    fn not_complete(&self, incomplete: &Incomplete) -> SinkError {
        let path = self.path.display();
        SinkError(match incomplete {
            Incomplete::Damaged(_) => format!(
                "{path}: {incomplete}; the run file has blank rows there; the journal is kept, and \
                 the disk should be checked"
            ),
            _ => format!(
                "{path}: the run file is not complete: {incomplete}; everything is in its journal: \
                 make room on the disk, then: liwatch recover {path}"
            ),
        })
    }

    /// Under its own name a journal means that its run file is not complete.
    fn put_journal_away(&self) -> Result<(), SinkError> {
        let journal = journal::path_of(&self.path);
        let done = match self.options.keep_journal {
            true => std::fs::rename(&journal, journal::kept_path_of(&self.path)),
            false => std::fs::remove_file(&journal),
        };
        done.and_then(|()| sync_folder(&journal)).map_err(|error| {
            SinkError(format!("{}: cannot be put away: {error}", journal.display()))
        })
    }
}

fn joined<T>(thread: JoinHandle<T>) -> T {
    match thread.join() {
        Ok(ended) => ended,
        Err(defect) => std::panic::resume_unwind(defect),
    }
}

enum Begin {
    Io(std::io::Error),
    Store(StoreError),
}

/// Writes what is known before the first row. The plan comes twice, the cell's log in between.
fn begin(mut writer: Writer, path: &Path, plan: &RunPlan) -> Result<(Writer, Builder), Begin> {
    let text = encode_plan(plan).map_err(|error| Begin::Io(std::io::Error::other(error)))?;
    let description = Pending { kind: Kind::Plan, payload: text };
    writer.push(&description);
    for payload in plan.cell.iter().flat_map(cell_blocks) {
        writer.push(&Pending { kind: Kind::Cell, payload });
    }
    writer.push(&description);
    writer.write().and_then(|()| writer.sync()).map_err(Begin::Io)?;
    let file = RunFile::create(path, path, plan).map_err(Begin::Store)?;
    let builder = Builder::new(path, path, End::At(0))
        .map_err(|error| Begin::Io(std::io::Error::other(error)))?;
    Ok((writer, builder.continuing(file, plan.clone())))
}

impl Sink for Recorder {
    fn row(&mut self, row: &FrameRow) -> Result<(), SinkError> {
        let StoreOptions { memory_bytes, when_slow, .. } = self.options;
        let stamp = || encode_left_out(&row.stamp);
        let offered = self.queue.offer_row(encode_row(row), stamp, memory_bytes, when_slow);
        if offered != Offered::Taken {
            self.left_out.enter(row);
        }
        Ok(())
    }

    fn alarm(&mut self, event: &AlarmEvent) -> Result<(), SinkError> {
        self.queue.push_alarm(encode_alarm(event));
        Ok(())
    }

    fn shedding(&mut self, change: &Shedding) -> Result<(), SinkError> {
        self.queue.push_shedding(encode_shedding(change));
        Ok(())
    }

    fn close(&mut self, ledger: &Ledger) -> Result<(), SinkError> {
        let ledger = self.left_out.adjust(*ledger);
        let payload = encode_close(&Close { ledger, end_unix_time_s: now_unix_s() });
        let Some((journal, run_file)) = self.end(Some(Pending { kind: Kind::Close, payload }))
        else {
            return Ok(());
        };
        journal.map_err(|unstored| self.not_stored(&unstored))?;
        run_file.map_err(|incomplete| self.not_complete(&incomplete))?;
        self.put_journal_away()?;
        if self.left_out.rows.received > 0 {
            let path = self.path.display();
            return Err(SinkError(format!(
                "{path}: the disk could not keep up{}; everything else is stored",
                self.left_out.text()
            )));
        }
        Ok(())
    }
}

impl Drop for Recorder {
    /// A run that failed leaves its journal, with all that came, for `liwatch recover`.
    fn drop(&mut self) {
        let _ = self.end(None);
    }
}

impl LeftOut {
    fn enter(&mut self, row: &FrameRow) {
        if self.rows.received == 0 {
            self.first = row.stamp.index;
            tracing::warn!(
                "the memory for rows that wait for the disk is full: from frame {} on the \
                 measurements are not stored until there is room",
                self.first
            );
        }
        self.last = row.stamp.index;
        self.rows.received += 1;
        self.rows.enter(row.fate);
    }

    /// The ledger of what is stored.
    fn adjust(&self, mut ledger: Ledger) -> Ledger {
        ledger.measured -= self.rows.measured;
        ledger.degraded -= self.rows.degraded;
        ledger.corrupt -= self.rows.corrupt;
        ledger.missing -= self.rows.missing;
        ledger.dropped += self.rows.received - self.rows.dropped;
        ledger
    }

    fn text(&self) -> String {
        match self.rows.received {
            0 => String::new(),
            n => format!(
                "; the measurements of {n} frames between {} and {} were not stored",
                self.first, self.last
            ),
        }
    }
}

//! The run file, built from the journal: while the run goes on, and whole after a crash.
//!
//! Row *i* of the file is frame *i* of the ledger. A frame whose row is not in the journal (its
//! record was damaged, or it found no room) gets a blank one with the reason `not_in_journal`, so
//! that every frame has its row and its fate.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::journal::{Close, Content, Damage, End, Item, Kind, Reader, decode};
use super::run_file::{RunFile, iso_time};
use super::{StoreError, journal, room};
use crate::cell::CellSample;
use crate::frame::{Fate, Ledger, Reason, Stamp};
use crate::gauge::Measurement;
use crate::pipeline::{FrameRow, RunPlan, SinkError};
use crate::register::Drift;

/// Rows that are written to the file at once, at most.
const BATCH_ROWS: usize = 256;
/// More frames without a row in one gap are a defect of the journal, and not a run.
const MAX_GAP: u64 = 100_000_000;

/// Why the run file could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{}: the journal cannot be read: {source}", path.display())]
    Journal { path: PathBuf, source: io::Error },
    #[error(
        "{}: the description of the run at its start is missing or damaged, so its rows cannot \
         be laid out; the journal is kept",
        path.display()
    )]
    NoPlan { path: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// What the journal held.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Rows, without those that had to be filled in.
    pub rows: u64,
    /// Blank rows for frames that were not in the journal.
    pub filled: u64,
    pub alarms: u64,
    /// Damaged stretches, and records that could not be read, in order.
    pub damage: Vec<Damage>,
    /// The run was closed.
    pub close: Option<Close>,
}

impl Found {
    /// What the file says about how it came to be; nothing for a run that was closed and is whole.
    fn tell(&self) -> Option<String> {
        let mut told = match self.close {
            Some(_) if self.damage.is_empty() => return None,
            Some(_) => "the run was closed, and its journal was damaged".to_owned(),
            None => "the run was cut off, and this file was built from its journal".to_owned(),
        };
        for damage in &self.damage {
            told += &format!("; {damage}");
        }
        Some(told)
    }
}

/// Reads a journal and writes a run file.
pub struct Builder {
    reader: Reader,
    journal: PathBuf,
    /// Where the file is written, and its name when it is finished.
    path: PathBuf,
    name: PathBuf,
    plan: Option<RunPlan>,
    file: Option<RunFile>,
    /// Parts of the cell's log that came before the plan.
    early_cell: Vec<[Vec<f64>; 4]>,
    /// Number of the next row.
    next: u64,
    /// Source number of the last row.
    sequence: u64,
    ledger: Ledger,
    /// Bytes of the journal that are in the file as HDF5 wrote it.
    flushed: u64,
    /// An alarm waits to be seen by readers.
    urgent: bool,
    pub found: Found,
}

impl Builder {
    /// Starts at the beginning of the journal of `run`; the file is created at `path` as soon as
    /// the plan is known.
    ///
    /// # Errors
    /// [`BuildError::Journal`].
    pub fn new(run: &Path, path: &Path, end: End) -> Result<Builder, BuildError> {
        let journal = journal::path_of(run);
        let reader = Reader::open(&journal, end)
            .map_err(|source| BuildError::Journal { path: journal.clone(), source })?;
        Ok(Builder {
            reader,
            journal,
            path: path.to_owned(),
            name: run.to_owned(),
            plan: None,
            file: None,
            early_cell: Vec::new(),
            next: 0,
            sequence: 0,
            ledger: Ledger::default(),
            flushed: 0,
            urgent: false,
            found: Found::default(),
        })
    }

    /// Starts with a file that has been created from `plan` already.
    pub fn continuing(mut self, file: RunFile, plan: RunPlan) -> Builder {
        self.file = Some(file);
        self.plan = Some(plan);
        self
    }

    /// True when the journal's description of the run was found.
    pub fn has_plan(&self) -> bool {
        self.plan.is_some()
    }

    /// The fates of the rows so far.
    pub fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// The run's start as the file has it.
    pub fn start_time(&self) -> String {
        self.plan.as_ref().map_or_else(String::new, |plan| iso_time(plan.start_unix_time_s))
    }

    /// Takes what the journal holds up to `end`.
    ///
    /// # Errors
    /// [`BuildError`]; this builder must be [abandoned](Self::abandon) then.
    pub fn advance(&mut self, end: End) -> Result<(), BuildError> {
        self.reader.read_to(end);
        while let Some(content) = self.next_content()? {
            self.take(content)?;
        }
        Ok(())
    }

    /// The next record that can be read; damage is noted on the way.
    fn next_content(&mut self) -> Result<Option<Content>, BuildError> {
        loop {
            let item = self.reader.next_item();
            let item =
                item.map_err(|source| BuildError::Journal { path: self.journal.clone(), source })?;
            let (kind, bytes, decoded) = match item {
                None => return Ok(None),
                Some(Item::Damage(damage)) => {
                    self.found.damage.push(damage);
                    continue;
                }
                Some(Item::Record { header, payload }) => match header.kind {
                    None | Some(Kind::Mark) => continue,
                    Some(kind) => {
                        (kind, u64::from(header.length), decode(kind, payload, self.plan.as_ref()))
                    }
                },
            };
            match decoded {
                Ok(content) => return Ok(Some(content)),
                Err(error) => {
                    let offset = self.reader.offset() - bytes;
                    tracing::warn!("{}: {kind:?} at {offset}: {error}", self.journal.display());
                    self.found.damage.push(Damage { offset, bytes, records: Some(1) });
                }
            }
        }
    }

    fn take(&mut self, content: Content) -> Result<(), BuildError> {
        match content {
            Content::Plan(plan) => {
                if self.plan.is_none() {
                    self.plan = Some(*plan);
                    std::mem::take(&mut self.early_cell)
                        .into_iter()
                        .for_each(|c| self.take_cell(c));
                }
            }
            Content::Cell(columns) => self.take_cell(columns),
            Content::Row(row) => self.take_row(&row)?,
            Content::Alarm(event) => {
                self.found.alarms += 1;
                self.urgent = true;
                self.file()?.push_alarm(&event);
            }
            Content::Shedding(change) => self.file()?.push_shedding(&change),
            Content::Close(close) => {
                self.fill_to(close.ledger.received)?;
                self.found.close = Some(close);
            }
            Content::Mark(_) => {}
        }
        Ok(())
    }

    /// The cell's log lies before the first row; a file that exists has it already.
    fn take_cell(&mut self, columns: [Vec<f64>; 4]) {
        if self.file.is_some() {
            return;
        }
        let Some(plan) = self.plan.as_mut() else {
            // The first description was damaged; the second follows on the log.
            self.early_cell.push(columns);
            return;
        };
        let Some(series) = plan.cell.as_mut() else { return };
        let [time, unix, voltage, current] = columns;
        series.test_time_s.extend(time);
        series.unix_time_s.extend(unix);
        series.voltage_v.extend(voltage);
        series.current_a.extend(current);
    }

    fn take_row(&mut self, row: &FrameRow) -> Result<(), BuildError> {
        if row.stamp.index < self.next {
            return Ok(());
        }
        self.fill_to(row.stamp.index)?;
        self.found.rows += 1;
        self.push(row)
    }

    /// Blank rows for the frames up to `index`.
    fn fill_to(&mut self, index: u64) -> Result<(), BuildError> {
        if index.saturating_sub(self.next) > MAX_GAP {
            let what = format!("a row for frame {index} follows on frame {}", self.next);
            return Err(StoreError::NotARun { path: self.journal.clone(), what }.into());
        }
        while self.next < index {
            let Some(plan) = self.plan.as_ref() else { return Err(self.no_plan()) };
            let sequence = if self.next == 0 { 0 } else { self.sequence + 1 };
            let blank = blank_row(plan, self.next, sequence);
            self.found.filled += 1;
            self.push(&blank)?;
        }
        Ok(())
    }

    fn push(&mut self, row: &FrameRow) -> Result<(), BuildError> {
        self.next = row.stamp.index + 1;
        self.sequence = row.stamp.sequence;
        self.ledger.enter(row.fate);
        self.ledger.received += 1;
        let file = self.file()?;
        file.push(row);
        if file.waiting() >= BATCH_ROWS {
            file.flush()?;
            self.flushed = self.reader.offset();
        }
        Ok(())
    }

    fn file(&mut self) -> Result<&mut RunFile, BuildError> {
        if self.file.is_none() {
            let Some(plan) = self.plan.as_ref() else { return Err(self.no_plan()) };
            self.file = Some(RunFile::create(&self.path, &self.name, plan)?);
        }
        self.file.as_mut().ok_or(BuildError::NoPlan { path: self.journal.clone() })
    }

    fn no_plan(&self) -> BuildError {
        BuildError::NoPlan { path: self.journal.clone() }
    }

    /// Shows readers what came, when an alarm is among it or the last time was `at_least` ago.
    ///
    /// # Errors
    /// [`BuildError::Sink`].
    pub fn show(&mut self, at_least: Duration) -> Result<(), BuildError> {
        let urgent = std::mem::take(&mut self.urgent);
        match self.file.as_mut() {
            Some(file) if file.waiting() > 0 && (urgent || file.since_flush() >= at_least) => {
                file.flush()?;
                self.flushed = self.reader.offset();
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes sure that the file system has room for what is to be read up to `end`; false when it
    /// has not, and then nothing was written.
    pub fn reserve(&self, end: u64) -> bool {
        let more = end.saturating_sub(self.flushed);
        match &self.file {
            Some(file) => file.reserve(more),
            None => room::is_free(&self.path, room::FOR_A_FILE + 2 * more),
        }
    }

    /// Gives the builder up after HDF5 has failed. Its handles are never closed: HDF5 crashes when
    /// it closes a file that it could not write.
    pub fn abandon(self) {
        if let Some(file) = self.file {
            std::mem::forget(file);
        }
    }

    /// Gives the file its final name; an open one stays open.
    ///
    /// # Errors
    /// [`BuildError::File`].
    pub fn move_into_place(&mut self) -> Result<(), BuildError> {
        let moved = match self.file.as_mut() {
            Some(file) => file.rename(&self.name),
            None => std::fs::rename(&self.path, &self.name),
        };
        moved.map_err(|source| BuildError::File { path: self.name.clone(), source })?;
        self.path.clone_from(&self.name);
        Ok(())
    }

    /// Writes the totals, and makes sure that the file is on the disk. A run that was not closed
    /// ended at `cut_off_unix_time_s`. What is odd about the journal is told in the file.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn finish(&mut self, cut_off_unix_time_s: f64) -> Result<Ledger, BuildError> {
        let close = self.found.close;
        let end = close.map_or(cut_off_unix_time_s, |close| close.end_unix_time_s);
        let (ledger, told) = (self.ledger, self.found.tell());
        self.file()?.finish(&ledger, end, told.as_deref())?;
        self.file = None;
        let synced = room::give_back(&self.path);
        synced.map_err(|source| BuildError::File { path: self.path.clone(), source })?;
        Ok(ledger)
    }
}

fn blank_row(plan: &RunPlan, index: u64, sequence: u64) -> FrameRow {
    FrameRow {
        stamp: Stamp { index, sequence, time_s: f64::NAN, unix_time_s: f64::NAN },
        fate: Fate::Dropped,
        reason: Reason::NotInJournal,
        drift: Drift::UNKNOWN,
        gauges: plan.gauges.iter().map(|gauge| Measurement::blank(&gauge.schema)).collect(),
        cell: CellSample::UNKNOWN,
        latency_ns: vec![0; plan.stages.len()],
    }
}

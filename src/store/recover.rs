//! After a crash: the run file is built whole from the journal under another name, checked, moved
//! into place, and only then is the journal removed. Whoever is interrupted here starts again.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::RunSummary;
use super::builder::{BuildError, Builder, Found};
use super::frames_file::recover_frames;
use super::journal::{self, Damage, End, sync_folder};
use crate::frame::Ledger;

/// Why a run could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    #[error("{}: there is neither this file nor its journal {}", run.display(), journal.display())]
    Nothing { run: PathBuf, journal: PathBuf },
    #[error(
        "{}: the run is still being written; follow it with `liwatch tail`, or stop it first",
        run.display()
    )]
    Running { run: PathBuf },
    #[error(
        "{}: the run was not closed and its journal {} is gone, so nothing can be added to it; \
         `liwatch report` shows what it holds",
        run.display(), journal.display()
    )]
    NoJournal { run: PathBuf, journal: PathBuf },
    #[error("{}: too little room to build the file from its journal: free {megabytes} MB", run.display())]
    NoRoom { run: PathBuf, megabytes: u64 },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(
        "{}: the file built from the journal is not what the journal holds ({what}); the journal \
         is kept; please report this",
        run.display()
    )]
    Unequal { run: PathBuf, what: String },
}

/// How a recovery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The run file was complete, and there was no journal.
    NothingToDo,
    /// The run file was complete; only its journal had not been removed yet.
    WasComplete,
    /// The run file was built anew.
    Rebuilt,
    /// The run was cut off before anything was acknowledged.
    Empty,
}

/// What a recovery did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Recovery {
    pub run: PathBuf,
    pub outcome: Outcome,
    /// The ledger of the recovered file.
    pub frames: Ledger,
    pub alarms: u64,
    /// The run itself had been closed.
    pub closed: bool,
    /// Frames whose row is blank because the journal did not have it.
    pub not_in_journal: u64,
    /// What could not be read of the journal. An unfinished record at its end is no loss of
    /// anything acknowledged.
    pub damage: Vec<Damage>,
    /// Where a journal that lost records is kept, for whoever wants to look into it.
    pub journal_kept: Option<PathBuf>,
}

/// Completes or rebuilds the run file from the journal beside it, if there is one. Doing it twice
/// does no harm.
///
/// # Errors
/// [`RecoverError`]; the journal is kept.
pub fn recover(run: &Path) -> Result<Recovery, RecoverError> {
    let journal = journal::path_of(run);
    let io = |source| RecoverError::Io { path: journal.clone(), source };
    let held = match File::open(&journal) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return without(run, &journal),
        Err(error) => return Err(io(error)),
    };
    if is_written(&held) {
        return Err(RecoverError::Running { run: run.to_owned() });
    }
    recover_frames(run);
    let mut recovery = rebuild(run, &held)?;
    if recovery.damage.iter().any(|damage| damage.records.is_some()) {
        let kept = journal::kept_path_of(run);
        std::fs::rename(&journal, &kept).map_err(io)?;
        recovery.journal_kept = Some(kept);
    } else {
        std::fs::remove_file(&journal).map_err(io)?;
    }
    sync_folder(run).map_err(io)?;
    Ok(recovery)
}

/// Takes the lock on a journal, unless its writer has it. Whoever only asks for it, as
/// `liwatch tail` does, is gone in an instant.
fn is_written(journal: &File) -> bool {
    for _ in 0..20 {
        match journal.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            // A file system without locks cannot tell.
            Ok(()) | Err(TryLockError::Error(_)) => return false,
        }
    }
    true
}

fn without(run: &Path, journal: &Path) -> Result<Recovery, RecoverError> {
    let (run, journal) = (run.to_owned(), journal.to_owned());
    if !run.exists() {
        return Err(RecoverError::Nothing { run, journal });
    }
    let summary = RunSummary::read(&run).map_err(|error| RecoverError::Build(error.into()))?;
    recover_frames(&run);
    if !summary.closed {
        return Err(RecoverError::NoJournal { run, journal });
    }
    Ok(Recovery {
        run,
        outcome: Outcome::NothingToDo,
        frames: summary.ledger,
        alarms: summary.alarms.len() as u64,
        closed: true,
        not_in_journal: 0,
        damage: Vec::new(),
        journal_kept: None,
    })
}

fn rebuild(run: &Path, journal: &File) -> Result<Recovery, RecoverError> {
    let mut name = run.as_os_str().to_owned();
    name.push(".rebuilding");
    let partial = PathBuf::from(name);
    let mut builder = Builder::new(run, &partial, End::Final)?;
    let length = journal.metadata().map_or(0, |known| known.len());
    if !builder.reserve(length) {
        return Err(RecoverError::NoRoom { run: run.to_owned(), megabytes: length / 500_000 + 9 });
    }
    let built = build(run, journal, &partial, &mut builder);
    if built.is_err() {
        builder.abandon();
        // What was begun and could not be finished is of no use to anyone.
        let _ = std::fs::remove_file(&partial);
    }
    built
}

fn build(
    run: &Path,
    journal: &File,
    partial: &Path,
    builder: &mut Builder,
) -> Result<Recovery, RecoverError> {
    builder.advance(End::Final)?;
    if !builder.has_plan() {
        let path = journal::path_of(run);
        if never_began(journal).map_err(|source| RecoverError::Io { path: path.clone(), source })? {
            return Ok(report(run, Outcome::Empty, Ledger::default(), &builder.found));
        }
        return Err(BuildError::NoPlan { path }.into());
    }
    if is_complete(run, builder) {
        let _ = std::fs::remove_file(partial);
        return Ok(report(run, Outcome::WasComplete, builder.ledger(), &builder.found));
    }
    let ledger = builder.finish(last_written(journal))?;
    check(run, partial, &ledger, &builder.found)?;
    builder.move_into_place()?;
    sync_folder(run).map_err(|source| RecoverError::Io { path: run.to_owned(), source })?;
    Ok(report(run, Outcome::Rebuilt, ledger, &builder.found))
}

fn report(run: &Path, outcome: Outcome, frames: Ledger, found: &Found) -> Recovery {
    Recovery {
        run: run.to_owned(),
        outcome,
        frames,
        alarms: found.alarms,
        closed: found.close.is_some(),
        not_in_journal: found.filled,
        damage: found.damage.clone(),
        journal_kept: None,
    }
}

/// When the journal was written last, s UTC.
fn last_written(journal: &File) -> f64 {
    let time = journal.metadata().and_then(|known| known.modified()).ok();
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(f64::NAN, |since| since.as_secs_f64())
}

/// True when the journal ends before its first record does: the crash came before the run began.
fn never_began(mut journal: &File) -> io::Result<bool> {
    io::Seek::rewind(&mut journal)?;
    let mut head = Vec::new();
    journal.take(64 << 20).read_to_end(&mut head)?;
    Ok(journal::is_unfinished_start(&head))
}

/// True when the run was closed and its file holds all of it.
fn is_complete(run: &Path, builder: &Builder) -> bool {
    let Ok(summary) = RunSummary::read(run) else { return false };
    builder.found.close.is_some()
        && summary.closed
        && summary.ledger == builder.ledger()
        && summary.alarms.len() as u64 == builder.found.alarms
        && summary.start_time == builder.start_time()
}

/// The finished file is opened afresh and its rows are counted.
fn check(run: &Path, built: &Path, ledger: &Ledger, found: &Found) -> Result<(), RecoverError> {
    let unequal = |what: String| RecoverError::Unequal { run: run.to_owned(), what };
    let summary = RunSummary::read(built).map_err(|error| unequal(error.to_string()))?;
    if summary.ledger != *ledger || !summary.closed {
        return Err(unequal(format!("{:?} instead of {ledger:?}", summary.ledger)));
    }
    if summary.alarms.len() as u64 != found.alarms {
        return Err(unequal(format!("{} alarms of {}", summary.alarms.len(), found.alarms)));
    }
    Ok(())
}

//! `liwatch recover`: complete the run file of a run that was cut off.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::{Failure, Outcome, print, print_json, tell};
use crate::store::{Outcome as Ended, RecoverError, Recovery, journal, move_frames, recover};

/// Complete or rebuild a run file from the journal beside it, after a crash or a full disk
#[derive(clap::Args)]
#[command(after_help = "Example: liwatch recover run.h5\n\n\
    The journal is run.h5.journal. It is removed when the run file is complete. Doing it twice\n\
    does no harm.")]
pub struct Args {
    /// The run file, whether it exists or not
    run: PathBuf,
    /// Print one JSON object on stdout and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let recovery = recover(&args.run).context("the run cannot be recovered")?;
    if args.json {
        let told = serde_json::to_value(&recovery).context("the result has no JSON form")?;
        print_json(&told);
    } else {
        print(text(&recovery));
    }
    Ok(())
}

/// What a recovery did, for a person; ends with a line break.
fn text(recovery: &Recovery) -> String {
    let frames = &recovery.frames;
    let run = recovery.run.display();
    let mut out = match recovery.outcome {
        Ended::NothingToDo => format!("{run} is complete and has no journal; nothing to do\n"),
        Ended::WasComplete => format!("{run} was complete; its journal is removed\n"),
        Ended::Rebuilt => format!("{run} was rebuilt from its journal\n"),
        Ended::Empty => {
            return format!("{run}: the run had stored nothing yet; its journal is removed\n");
        }
    };
    out += &format!("frames    {}  ·  {} measured", frames.received, frames.measured);
    if recovery.not_in_journal > 0 {
        out += &format!("  ·  {} were not in the journal", recovery.not_in_journal);
    }
    out += &format!("\nalarms    {}\n", recovery.alarms);
    if !recovery.closed {
        out += "          the run was cut off after these frames\n";
    }
    for damage in &recovery.damage {
        out += &format!("journal   {damage}\n");
    }
    if let Some(kept) = &recovery.journal_kept {
        out += &format!("          the damaged journal is kept as {}\n", kept.display());
    }
    out
}

/// Before a run writes to `out`: completes what an earlier run left there. With `force` the
/// recovered file, which nobody has seen, gets another name instead of being replaced.
pub fn earlier_run(out: &Path, force: bool) -> Outcome {
    if !journal::path_of(out).exists() {
        return Ok(());
    }
    let recovery = recover(out).map_err(|error| match error {
        RecoverError::Running { .. } => {
            Failure::Usage(anyhow!("{}: another run is writing it now", out.display()))
        }
        other => Failure::Run(anyhow::Error::new(other).context(
            "an earlier run left its journal here, and it cannot be recovered; give another name",
        )),
    })?;
    tell(format_args!("an earlier run left its journal: {}", text(&recovery).trim_end()));
    if force && out.exists() && recovery.outcome != Ended::Empty {
        let kept = free_name(out);
        std::fs::rename(out, &kept)
            .with_context(|| format!("{}: cannot be renamed", out.display()))?;
        move_frames(out, &kept).context("the raw frames of the earlier run")?;
        tell(format_args!("it is kept as {}", kept.display()));
    }
    Ok(())
}

/// `run.recovered.h5`, or with a number when that exists.
fn free_name(out: &Path) -> PathBuf {
    let name = |number: u32| match number {
        0 => out.with_extension("recovered.h5"),
        n => out.with_extension(format!("recovered-{n}.h5")),
    };
    let free = (0..u32::MAX).map(name).find(|path| !path.exists());
    free.unwrap_or_else(|| out.with_extension("recovered.h5"))
}

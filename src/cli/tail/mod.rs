//! `liwatch tail`: the rows of a run as they come.

mod network;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::Outcome;
use crate::serve::{follow, line};
use crate::store::{RunState, RunSummary, Tail};

/// Print the rows and alarms of a run as they are stored: one JSON object a line
#[derive(clap::Args)]
#[command(after_help = "Example: liwatch tail run.h5 | jq -c '[.row, .anode.gap]'\n\n\
    A row is printed when it is on the disk. The command ends when the run is closed, with status\n\
    1 when it was cut off. Numbers that are not known are null. A URL is that of liwatch replay\n\
    --serve, on this machine or another: liwatch tail http://microscope:6941")]
pub struct Args {
    /// A run file, being written or finished, or the URL of a run
    run: String,
    /// The first row to print
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let mut out = io::stdout().lock();
    let printed = if args.run.contains("://") {
        let address = network::Address::parse(&args.run)?;
        network::print(&address, args.from, &mut out)
    } else {
        let path = PathBuf::from(&args.run);
        match Tail::open(&path) {
            Ok(tail) => written(tail, &path, args.from, &mut out),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                finished(&path, args.from, &mut out)
            }
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    };
    match printed {
        // Whoever reads has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => Ok(other?),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints a run that is being written, or was.
fn written(tail: Tail, path: &Path, from: u64, out: &mut impl Write) -> anyhow::Result<()> {
    let ended = follow(tail, from, |lines| out.write_all(&lines).and_then(|()| out.flush()))?;
    let path = path.display();
    match ended {
        RunState::CutOff => {
            Err(anyhow!("{path}: the run was cut off; complete it: liwatch recover {path}"))
        }
        _ => Ok(()),
    }
}

/// Prints a run file without a journal.
fn finished(path: &Path, from: u64, out: &mut impl Write) -> anyhow::Result<()> {
    let run = RunSummary::read(path).context("the run cannot be read")?;
    let mut out = io::BufWriter::new(out);
    line::of_stored(&run, from, |lines| out.write_all(lines))?;
    out.flush()?;
    Ok(())
}

//! `liwatch tail`: the rows of a run as they come.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::{Map, Value};

use super::{Failure, Outcome};
use crate::alarm::{AlarmEvent, AlarmState};
use crate::frame::{Fate, Reason};
use crate::pipeline::{FrameRow, RunPlan};
use crate::store::{Event, RunState, RunSummary, Series, Tail};

/// Between two looks at the journal.
const LOOK: Duration = Duration::from_millis(50);

/// Print the rows and alarms of a run as they are stored: one JSON object a line
#[derive(clap::Args)]
#[command(after_help = "Example: liwatch tail run.h5 | jq -c '[.row, .anode.gap]'\n\n\
    A row is printed when it is on the disk. The command ends when the run is closed, with status\n\
    1 when it was cut off. Numbers that are not known are null.")]
pub struct Args {
    /// A run file, being written or finished
    run: String,
    /// The first row to print
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    if args.run.contains("://") {
        return Err(Failure::Usage(anyhow!(
            "{}: this version of liwatch follows run files and no servers; give the path of a run",
            args.run
        )));
    }
    let path = PathBuf::from(&args.run);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let printed = match Tail::open(&path) {
        Ok(tail) => follow(tail, &path, args.from, &mut out),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            finished(&path, args.from, &mut out)
        }
        Err(error) => Err(error).with_context(|| path.display().to_string()),
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

fn follow(mut tail: Tail, path: &Path, from: u64, out: &mut impl Write) -> anyhow::Result<()> {
    let mut events = Vec::new();
    loop {
        let state = tail.poll(&mut events)?;
        if let Some(plan) = tail.plan() {
            for event in events.drain(..) {
                match event {
                    Event::Row(row) if row.stamp.index >= from => print(out, &of_row(&row, plan))?,
                    Event::Alarm(event) if event.frame >= from => print(out, &of_alarm(&event))?,
                    _ => {}
                }
            }
        }
        out.flush()?;
        match state {
            RunState::GoesOn => std::thread::sleep(LOOK),
            RunState::Closed => return Ok(()),
            RunState::CutOff => {
                return Err(anyhow!(
                    "{}: the run was cut off; complete it: liwatch recover {}",
                    path.display(),
                    path.display()
                ));
            }
        }
    }
}

/// One line for a row, in the order in which a person reads it.
#[derive(serde::Serialize)]
struct RowLine {
    row: u64,
    time_s: f64,
    fate: Option<Fate>,
    reason: Option<Reason>,
    drift: DriftFields,
    #[serde(flatten)]
    gauges: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cell: Option<CellFields>,
}

#[derive(serde::Serialize)]
struct DriftFields {
    x: f64,
    x_error: f64,
    y: f64,
    y_error: f64,
    locked: bool,
}

#[derive(serde::Serialize)]
struct CellFields {
    voltage_volt: f64,
    current_ampere: f64,
}

/// One line for an alarm.
#[derive(serde::Serialize)]
struct AlarmLine<'a> {
    alarm: &'a str,
    state: AlarmState,
    time_s: f64,
    message: &'a str,
    action: &'a str,
}

fn print(out: &mut impl Write, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    writeln!(out)
}

fn of_row(row: &FrameRow, plan: &RunPlan) -> RowLine {
    let drift = &row.drift;
    let gauges = plan.gauges.iter().zip(&row.gauges).map(|(gauge, found)| {
        let numbers = found.values.iter().zip(&found.errors);
        let named = gauge.schema.fields.iter().zip(numbers);
        let fields = named.map(|(field, (value, error))| (field.name, *value, *error));
        (gauge.name.clone(), with_errors(fields))
    });
    RowLine {
        row: row.stamp.index,
        time_s: row.stamp.time_s,
        fate: Some(row.fate),
        reason: Some(row.reason),
        drift: DriftFields {
            x: drift.x,
            x_error: drift.x_error,
            y: drift.y,
            y_error: drift.y_error,
            locked: drift.locked,
        },
        gauges: gauges.collect(),
        cell: plan.cell.is_some().then_some(CellFields {
            voltage_volt: row.cell.voltage_v,
            current_ampere: row.cell.current_a,
        }),
    }
}

/// Each field under its name, and its one sigma under `<name>_error`.
fn with_errors<'a>(fields: impl Iterator<Item = (&'a str, f64, f64)>) -> Value {
    let mut object = Map::new();
    for (name, value, error) in fields {
        object.insert(name.to_owned(), value.into());
        object.insert(format!("{name}_error"), error.into());
    }
    object.into()
}

fn of_alarm(event: &AlarmEvent) -> AlarmLine<'_> {
    AlarmLine {
        alarm: &event.name,
        state: event.state,
        time_s: event.time_s,
        message: &event.message,
        action: &event.action,
    }
}

/// The same for a run file without a journal.
fn finished(path: &Path, from: u64, out: &mut impl Write) -> anyhow::Result<()> {
    let run = RunSummary::read(path).context("the run cannot be read")?;
    let mut alarms = run.alarms.iter().peekable();
    for row in 0..run.time_s.len() {
        let shown = row as u64 >= from;
        if shown {
            print(out, &of_finished(&run, row))?;
        }
        while let Some(alarm) = alarms.next_if(|alarm| !(alarm.time_s > run.time_s[row])) {
            if shown {
                let state = if alarm.raised { AlarmState::Raised } else { AlarmState::Cleared };
                let line = AlarmLine {
                    alarm: &alarm.name,
                    state,
                    time_s: alarm.time_s,
                    message: &alarm.message,
                    action: &alarm.action,
                };
                print(out, &line)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn of_finished(run: &RunSummary, row: usize) -> RowLine {
    let number = |series: Option<&Series>| series.map_or(f64::NAN, |series| series.values[row]);
    let error = |series: &Series| series.errors.get(row).copied().unwrap_or(f64::NAN);
    let (x, y) = (run.drift.first(), run.drift.get(1));
    let gauges = run.gauges.iter().map(|gauge| {
        let named = gauge
            .series
            .iter()
            .map(|series| (series.name.as_str(), series.values[row], error(series)));
        (gauge.name.clone(), with_errors(named))
    });
    RowLine {
        row: row as u64,
        time_s: run.time_s[row],
        fate: Fate::from_code(run.fate[row]),
        reason: Reason::from_code(run.reason[row]),
        drift: DriftFields {
            x: number(x),
            x_error: x.map_or(f64::NAN, error),
            y: number(y),
            y_error: y.map_or(f64::NAN, error),
            locked: run.locked.get(row) == Some(&1),
        },
        gauges: gauges.collect(),
        cell: (!run.cell.is_empty()).then(|| CellFields {
            voltage_volt: number(run.cell.first()),
            current_ampere: number(run.cell.get(1)),
        }),
    }
}

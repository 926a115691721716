//! `liwatch tail`: the rows of a run as they come.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::{Map, Value, json};

use super::{Failure, Outcome};
use crate::alarm::AlarmEvent;
use crate::frame::{Fate, Reason};
use crate::pipeline::{FrameRow, RunPlan};
use crate::store::{Event, RunState, RunSummary, Series, Tail};

/// Between two looks at the journal.
const LOOK: Duration = Duration::from_millis(50);

/// Print the rows and alarms of a run as they are stored: one JSON object a line
#[derive(clap::Args)]
#[command(
    after_help = "Example: liwatch tail run.h5 | jq -c '[.row, .anode.gap]'\n\n\
    A row is printed when it is on the disk. The command ends when the run is closed, with status\n\
    1 when it was cut off. Numbers that are not known are null."
)]
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

fn print(out: &mut impl Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{value}")
}

fn of_row(row: &FrameRow, plan: &RunPlan) -> Value {
    let mut object = Map::new();
    object.insert("row".to_owned(), row.stamp.index.into());
    object.insert("time_s".to_owned(), json!(row.stamp.time_s));
    object.insert("fate".to_owned(), json!(row.fate));
    object.insert("reason".to_owned(), json!(row.reason));
    let drift = &row.drift;
    object.insert(
        "drift".to_owned(),
        json!({
            "x": drift.x, "x_error": drift.x_error,
            "y": drift.y, "y_error": drift.y_error,
            "locked": drift.locked,
        }),
    );
    for (gauge, found) in plan.gauges.iter().zip(&row.gauges) {
        let mut fields = Map::new();
        for ((field, value), error) in
            gauge.schema.fields.iter().zip(&found.values).zip(&found.errors)
        {
            fields.insert(field.name.to_owned(), json!(value));
            fields.insert(format!("{}_error", field.name), json!(error));
        }
        object.insert(gauge.name.clone(), fields.into());
    }
    if plan.cell.is_some() {
        let cell = &row.cell;
        object.insert("cell".to_owned(), of_cell(cell.voltage_v, cell.current_a));
    }
    object.into()
}

fn of_cell(voltage: f64, current: f64) -> Value {
    json!({ "voltage_volt": voltage, "current_ampere": current })
}

fn of_alarm(event: &AlarmEvent) -> Value {
    json!({
        "alarm": event.name,
        "state": event.state,
        "time_s": event.time_s,
        "message": event.message,
        "action": event.action,
    })
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
                print(
                    out,
                    &json!({
                        "alarm": alarm.name,
                        "state": if alarm.raised { "raised" } else { "cleared" },
                        "time_s": alarm.time_s,
                        "message": alarm.message,
                        "action": alarm.action,
                    }),
                )?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn of_finished(run: &RunSummary, row: usize) -> Value {
    let mut object = Map::new();
    object.insert("row".to_owned(), row.into());
    object.insert("time_s".to_owned(), json!(run.time_s[row]));
    object.insert("fate".to_owned(), json!(Fate::from_code(run.fate[row])));
    object.insert("reason".to_owned(), json!(Reason::from_code(run.reason[row])));
    let mut drift = fields_of(&run.drift, row);
    drift.insert("locked".to_owned(), run.locked.get(row).is_some_and(|on| *on == 1).into());
    object.insert("drift".to_owned(), drift.into());
    for gauge in &run.gauges {
        object.insert(gauge.name.clone(), fields_of(&gauge.series, row).into());
    }
    if let [voltage, current] = run.cell.as_slice() {
        object.insert("cell".to_owned(), of_cell(voltage.values[row], current.values[row]));
    }
    object.into()
}

fn fields_of(series: &[Series], row: usize) -> Map<String, Value> {
    let mut fields = Map::new();
    for series in series {
        fields.insert(series.name.clone(), json!(series.values[row]));
        let error = series.errors.get(row).copied().unwrap_or(f64::NAN);
        fields.insert(format!("{}_error", series.name), json!(error));
    }
    fields
}

//! One JSON line for each row and each alarm, in the order in which a person reads it. Numbers that are
//! not known are null.

use std::io;

use serde_json::{Map, Value};

use crate::alarm::{AlarmEvent, AlarmState};
use crate::frame::{Fate, Reason};
use crate::pipeline::{FrameRow, RunPlan};
use crate::store::{AlarmSummary, Event, RunSummary, Series};

/// A row's line.
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

/// An alarm's line.
#[derive(serde::Serialize)]
struct AlarmLine<'a> {
    alarm: &'a str,
    state: AlarmState,
    time_s: f64,
    message: &'a str,
    action: &'a str,
}

/// Adds the line of an acknowledged event to `out`, unless its row comes before `from`.
pub fn of_event(event: &Event, plan: &RunPlan, from: u64, out: &mut Vec<u8>) {
    match event {
        Event::Row(row) if row.stamp.index >= from => push(out, &of_row(row, plan)),
        Event::Alarm(event) if event.frame >= from => push(out, &of_alarm(event)),
        _ => {}
    }
}

/// Hands on the lines of a run file from row `from` on, those of a row and of the alarms that it decided together.
///
/// # Errors
/// Those of `take`, which end it.
pub fn of_stored(
    run: &RunSummary,
    from: u64,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut alarms = run.alarms.iter().peekable();
    let mut lines = Vec::new();
    for row in 0..run.time_s.len() {
        let shown = row as u64 >= from;
        if shown {
            push(&mut lines, &of_stored_row(run, row));
        }
        // Also where the row has no time.
        while let Some(alarm) = alarms.next_if(|alarm| !(alarm.time_s > run.time_s[row])) {
            if shown {
                push(&mut lines, &of_stored_alarm(alarm));
            }
        }
        take(&lines)?;
        lines.clear();
    }
    Ok(())
}

fn push(out: &mut Vec<u8>, line: &impl serde::Serialize) {
    // Memory takes everything, and nothing in a line is without a form in JSON.
    if let Err(error) = serde_json::to_writer(&mut *out, line) {
        tracing::warn!("a line cannot be written as JSON: {error}");
    }
    out.push(b'\n');
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

fn of_stored_alarm(alarm: &AlarmSummary) -> AlarmLine<'_> {
    AlarmLine {
        alarm: &alarm.name,
        state: if alarm.raised { AlarmState::Raised } else { AlarmState::Cleared },
        time_s: alarm.time_s,
        message: &alarm.message,
        action: &alarm.action,
    }
}

fn of_stored_row(run: &RunSummary, row: usize) -> RowLine {
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

//! `liwatch report`: summary and picture of a run.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Outcome, print, print_json};
use crate::frame::Reason;
use crate::store::{RunSummary, draw, summary_text};

/// Summarise a run file and draw its picture
#[derive(clap::Args)]
#[command(after_help = "Example: liwatch report run.h5 --picture run.png")]
pub struct Args {
    /// A run file
    run: PathBuf,
    /// Where the picture goes (default: beside the run)
    #[arg(long)]
    picture: Option<PathBuf>,
    /// Print one JSON object on stdout and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let summary = RunSummary::read(&args.run).context("the run cannot be read")?;
    let picture = args.picture.clone().unwrap_or_else(|| args.run.with_extension("png"));
    draw(&summary, &picture).context("no picture")?;
    show(&summary, &picture, Vec::new(), args.json);
    Ok(())
}

/// Prints a run's summary and where its files are; as JSON with `more` of what was written.
pub fn show(
    summary: &RunSummary,
    picture: &Path,
    more: Vec<(&str, serde_json::Value)>,
    as_json: bool,
) {
    if as_json {
        let mut object = json(summary);
        object["picture"] = picture.display().to_string().into();
        for (name, told) in more {
            object[name] = told;
        }
        print_json(&object);
    } else {
        let (run, picture) = (summary.path.display(), picture.display());
        let text = summary_text(summary);
        print(format_args!("{text}run file  {run}\npicture   {picture}\n"));
    }
}

/// A run's summary as JSON; numbers that are not known are null.
pub fn json(run: &RunSummary) -> serde_json::Value {
    let number = |value: Option<f64>| value.filter(|v| v.is_finite());
    let gauges: serde_json::Map<String, serde_json::Value> = run
        .gauges
        .iter()
        .map(|gauge| {
            let mut object = serde_json::json!({ "kind": gauge.kind });
            for series in &gauge.series {
                let last = series.values.iter().rposition(|v| v.is_finite());
                object[&series.name] = serde_json::json!({
                    "units": series.units,
                    "first": number(series.values.iter().copied().find(|v| v.is_finite())),
                    "last": number(last.map(|k| series.values[k])),
                    "last_error": number(last.and_then(|k| series.errors.get(k).copied())),
                });
            }
            (gauge.name.clone(), object)
        })
        .collect();
    let alarms: Vec<_> = run
        .alarms
        .iter()
        .map(|alarm| {
            serde_json::json!({
                "time_s": alarm.time_s,
                "name": alarm.name,
                "state": if alarm.raised { "raised" } else { "cleared" },
                "message": alarm.message,
                "action": alarm.action,
            })
        })
        .collect();
    let shedding: Vec<_> = run
        .shedding
        .iter()
        .map(|change| {
            serde_json::json!({
                "time_s": change.time_s,
                "frame": change.frame,
                "level": change.level,
                "message": change.message,
            })
        })
        .collect();
    let reasons: serde_json::Map<String, serde_json::Value> = Reason::ALL
        .iter()
        .map(|(reason, name)| (run.reason.iter().filter(|c| **c == *reason as u16).count(), *name))
        .filter(|(count, name)| *count > 0 && *name != "none")
        .map(|(count, name)| (name.to_owned(), count.into()))
        .collect();
    let latency: serde_json::Map<String, serde_json::Value> = run
        .latency
        .iter()
        .map(|stage| {
            let object = serde_json::json!({
                "median_ms": number(Some(stage.median_ms)),
                "p99_ms": number(Some(stage.p99_ms)),
                "p999_ms": number(Some(stage.p999_ms)),
                "worst_ms": number(Some(stage.worst_ms)),
                "worst_frame": stage.worst_frame,
                "frames": stage.frames,
            });
            (stage.stage.clone(), object)
        })
        .collect();
    serde_json::json!({
        "run": run.path.display().to_string(),
        "title": run.title,
        "closed": run.closed,
        "frames": run.ledger,
        "locked": run.locked.iter().filter(|locked| **locked == 1).count(),
        "gauges": gauges,
        "alarms": alarms,
        "reasons": reasons,
        "shedding": shedding,
        "latency": latency,
    })
}

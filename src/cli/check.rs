//! `liwatch check`: is a configuration right, and does it fit a recording?

use std::path::PathBuf;

use super::{Failure, Outcome, print, print_json};
use crate::alarm::AlarmEngine;
use crate::config::Config;
use crate::format;
use crate::frame::Calibration;
use crate::gauge::registry;

/// Check a configuration before anything is started
#[derive(clap::Args)]
#[command(after_help = "Example: liwatch check run.toml --recording movie.tif")]
pub struct Args {
    /// The configuration, TOML
    config: PathBuf,
    /// Also check that the regions fit this recording
    #[arg(long)]
    recording: Option<PathBuf>,
    /// Print one JSON object on stdout and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let checked = check(args);
    if args.json {
        print_json(&match &checked {
            Ok(told) => serde_json::json!({ "ok": true, "summary": told }),
            Err(error) => serde_json::json!({ "ok": false, "error": error.to_string() }),
        });
    } else if let Ok(told) = &checked {
        print(format_args!("{}: ok: {told}\n", args.config.display()));
    }
    checked.map(|_| ()).map_err(Failure::Usage)
}

fn check(args: &Args) -> anyhow::Result<String> {
    let config = Config::load(&args.config)?;
    let mut gauges = Vec::new();
    for entry in &config.gauges {
        if let Some(kind) = registry::find(&entry.kind) {
            gauges.push((entry.name.clone(), (kind.build)(entry, config.pipeline.lag_frames)?));
        }
    }
    let schemas: Vec<_> =
        gauges.iter().map(|(name, gauge)| (name.clone(), gauge.schema())).collect();
    AlarmEngine::new(&config.alarms, &schemas, Calibration::default())?;
    if let Some(recording) = &args.recording {
        let recording = format::open(recording)?;
        let info = recording.info();
        crate::config::check_regions(&config, info.width, info.height)?;
    }
    let names: Vec<String> =
        config.gauges.iter().map(|entry| format!("{} {}", entry.kind, entry.name)).collect();
    let many = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let list = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    Ok(format!("{}{list}, {}", many(names.len(), "gauge"), many(config.alarms.len(), "alarm")))
}

//! `liwatch demo`: a simulated recording through the whole program.

use std::path::PathBuf;

use anyhow::Context;

use super::{Outcome, replay, simulate};

/// Simulate a short recording of a cell that shorts, and measure it
#[derive(clap::Args)]
#[command(after_help = "Example: liwatch demo --out out")]
pub struct Args {
    /// Folder for recording, run file and picture
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// Print one JSON object on stdout and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("{}: the folder cannot be made", args.out.display()))?;
    let recording = args.out.join("demo.npy");
    if !args.json {
        super::print("simulating a cell that shorts …\n");
    }
    simulate::demo(&recording)?;
    replay::run(&replay::Args {
        config: Some(recording.with_extension("toml")),
        cell: Some(recording.with_extension("cell.csv")),
        out: args.out.join("demo.h5"),
        recording,
        speed: crate::source::Speed::Max,
        threads: None,
        inject: None,
        repeat: 1,
        serve: None,
        corrected: Default::default(),
        force: true,
        json: args.json,
    })
}

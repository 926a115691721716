//! `liwatch suggest`: a first configuration, from the recording itself.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use indicatif::ProgressBar;

use super::{Failure, Outcome, print_json};
use crate::config::{Config, check_regions};
use crate::format;
use crate::suggest::{Proposal, configuration, draw, suggest};

/// Propose a configuration: where the front grows, where a crack opens, what to leave out
#[derive(clap::Args)]
#[command(after_help = "Example: liwatch suggest movie.dm4 --out run.toml --picture run.png\n\n\
    The proposal says why each value was chosen and how sure it is; look at the picture first.")]
pub struct Args {
    /// A recording (file or folder)
    recording: PathBuf,
    /// Where the configuration goes (default: stdout); a file that is there is not overwritten
    #[arg(long)]
    out: Option<PathBuf>,
    /// A picture of the regions over the frames, PNG
    #[arg(long)]
    picture: Option<PathBuf>,
    /// Print one JSON object on stdout and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    if let Some(out) = args.out.as_deref().filter(|out| out.exists()) {
        let what = "exists already and may hold your own regions; give another name";
        return Err(Failure::Usage(anyhow!("{}: {what}", out.display())));
    }
    let recording = format::open(&args.recording).context("the recording cannot be opened")?;
    let bar = ProgressBar::new_spinner().with_message("reading frames");
    let proposal = suggest(&*recording, || bar.tick());
    bar.finish_and_clear();
    let proposal = proposal.with_context(|| args.recording.display().to_string())?;
    let name = args.recording.file_name().unwrap_or(args.recording.as_os_str()).to_string_lossy();
    let text = configuration(&proposal, &name);
    let path = args.out.as_deref().unwrap_or(Path::new("proposal"));
    // A proposal that its own reader refuses helps nobody.
    let config = Config::parse(&text, path).context("the proposal is wrong; please report this")?;
    check_regions(&config, proposal.info.width, proposal.info.height)
        .context("the proposal is wrong; please report this")?;
    if let Some(out) = &args.out {
        std::fs::write(out, &text).with_context(|| out.display().to_string())?;
    }
    if let Some(picture) = &args.picture {
        draw(&proposal, &name, picture).map_err(|error| anyhow!("no picture: {error}"))?;
    }
    if args.json {
        print_json(&json(&proposal, &text));
    } else if args.out.is_none() {
        // A pipe that was closed wants no more.
        super::print(&text);
    } else {
        tell(args, &proposal);
    }
    Ok(())
}

fn tell(args: &Args, proposal: &Proposal) {
    let mut text = match &proposal.front {
        Some(front) => format!(
            "front     {}: {} grows {}, {} px so far\n",
            front.sureness,
            front.region,
            front.grows.name(),
            front.length_px
        ),
        None => format!("front     none: {}\n", proposal.front_note),
    };
    text += &match &proposal.crack {
        Some(crack) => {
            format!("crack     {}: {}, {} px long\n", crack.sureness, crack.region, crack.length_px)
        }
        None => format!("crack     none: {}\n", proposal.crack_note),
    };
    for overlay in &proposal.overlays {
        text += &format!("drawn     {}: left out of the drift\n", overlay.region);
    }
    for (what, path) in [("proposal", &args.out), ("picture", &args.picture)] {
        if let Some(path) = path {
            text += &format!("{what:<9} {}\n", path.display());
        }
    }
    super::print(text);
}

fn json(proposal: &Proposal, text: &str) -> serde_json::Value {
    serde_json::json!({
        "configuration": text,
        "frames": { "looked_at": proposal.frames.0, "aligned": proposal.frames.1 },
        "drift_px": proposal.drift_px,
        "front": proposal.front.as_ref().map(|front| serde_json::json!({
            "region": front.region,
            "grows": front.grows.name(),
            "lithium": if front.lithium_is_dark { "dark" } else { "bright" },
            "sureness": front.sureness.to_string(),
        })),
        "no_front": proposal.front.is_none().then_some(&proposal.front_note),
        "crack": proposal.crack.as_ref().map(|crack| serde_json::json!({
            "region": crack.region,
            "contrast": if crack.is_dark { "dark" } else { "bright" },
            "sureness": crack.sureness.to_string(),
        })),
        "no_crack": proposal.crack.is_none().then_some(&proposal.crack_note),
        "drawn": proposal.overlays.iter().map(|overlay| overlay.region).collect::<Vec<_>>(),
    })
}

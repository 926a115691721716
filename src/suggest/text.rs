//! The proposal as a configuration, with the reason for each value and how sure it is.

use std::fmt::Write;

use super::{Axis, Crack, Front, Overlay, Proposal};
use crate::frame::Region;

/// What a crack gauge takes.
const BRANCHES_AT_MOST: usize = 256;

/// The TOML; `name` is the recording's, for the comments.
pub fn configuration(proposal: &Proposal, name: &str) -> String {
    let (looked, aligned) = proposal.frames;
    let mut text = format!(
        "# Proposed by `liwatch suggest` for {name}, from {looked} of its {} frames ({aligned} of \
         them aligned;\n# largest drift {:.1} px). All pixels are those of the first frame. Look \
         at the picture\n# (--picture), correct what is wrong, and ask `liwatch check`.\n\n",
        proposal.info.frames, proposal.drift_px
    );
    calibration(proposal, &mut text);
    drift(proposal, &mut text);
    match &proposal.front {
        Some(front) => front_gauge(front, &mut text),
        None => line(&mut text, &format!("\n# No front: {}.", proposal.front_note)),
    }
    match &proposal.crack {
        Some(crack) => crack_gauge(crack, &mut text),
        None => line(&mut text, &format!("\n# No crack: {}.", proposal.crack_note)),
    }
    if proposal.front.is_some() {
        text += "\n# An alarm, once counter_px is set; lengths are nm when the pixel size is known, \
                 else px.\n\
                 # [[alarm]]\n\
                 # name = \"near-short\"\n\
                 # when = \"anode.gap < 500.0\"\n\
                 # hold_s = 0.5\n\
                 # actions = [\"log\", \"bias-off\"]\n";
    }
    text
}

/// Writing to a String cannot fail.
fn line(text: &mut String, what: &str) {
    let _ = writeln!(text, "{what}");
}

fn calibration(proposal: &Proposal, text: &mut String) {
    let info = &proposal.info;
    line(text, "[calibration]");
    match info.pixel_size_nm {
        Some((x, _)) => line(
            text,
            &format!("# pixel_size_nm = {x:?}      # the recording's own, which is used"),
        ),
        None => {
            let how = match &proposal.scale_bar {
                Some(bar) => format!(
                    "there is a bar of {} px (±1) at x {}, y {}: what it says in nm, divided by {}",
                    bar.region.width, bar.region.x, bar.region.y, bar.region.width
                ),
                None => "without it, results are in px".to_owned(),
            };
            line(text, "# The recording has no pixel size;");
            line(text, &format!("# {how}."));
            line(text, "# pixel_size_nm = 1.0");
        }
    }
    if info.frame_interval_s.is_none() {
        line(text, "# Without a time in the recording, one second a frame is assumed.");
        line(text, "# frame_rate_hz = 1.0");
    }
}

fn drift(proposal: &Proposal, text: &mut String) {
    let most = (2.0 * proposal.drift_px).max(64.0).ceil();
    line(text, "\n[drift]");
    line(
        text,
        &format!(
            "max_shift_px = {most:?}      # twice the largest drift that was seen, at least 64"
        ),
    );
    let mut boxes: Vec<(Region, String)> =
        proposal.overlays.iter().map(|overlay| drawn(overlay, proposal)).collect();
    if let Some(front) = &proposal.front {
        let why = "lithium covers this or may cover it soon";
        boxes.extend(front.lithium.iter().map(|region| (*region, why.to_owned())));
    }
    if boxes.is_empty() {
        return;
    }
    line(text, "exclude = [");
    for (region, why) in boxes {
        line(text, &format!("    {region},      # {why}"));
    }
    line(text, "]");
}

/// What is drawn stands still while the specimen drifts, so the box has to be wider by the drift.
fn drawn(overlay: &Overlay, proposal: &Proposal) -> (Region, String) {
    let wider = proposal.drift_px.ceil() as usize;
    let Region { x, y, width, height } = overlay.region;
    let (left, top) = (x.saturating_sub(wider), y.saturating_sub(wider));
    let right = (x + width + wider).min(proposal.info.width);
    let bottom = (y + height + wider).min(proposal.info.height);
    let what = if overlay.is_banner { "a banner" } else { "text, a bar or a frame" };
    let region = Region { x: left, y: top, width: right - left, height: bottom - top };
    (region, format!("{what} drawn into the frames: its pixels never change"))
}

fn front_gauge(front: &Front, text: &mut String) {
    let (darker, shade) = match front.lithium_is_dark {
        true => ("darker", "dark"),
        false => ("brighter", "bright"),
    };
    let grows = front.grows.name();
    let how = match (front.is_round, front.went_back) {
        (false, false) => "",
        (true, false) => "# It grows from a nucleus to all sides; this is the most regular one.\n",
        (false, true) => "# It went back afterwards, the last of it first.\n",
        (true, true) => {
            "# It grows from a nucleus to all sides, of which this is the most regular, and went back.\n"
        }
    };
    let _ = write!(
        text,
        "\n# {}: {:.1} % of the field became {darker} (by {:.1} % of its counts), the later the further to the \
         {grows}\n# (correlation {:.2}); the front came {} px. If it retreats, the other side is \
         lithium: turn `grows`\n# and `lithium` round. The region begins before the first front \
         and ends ahead of the last.\n{how}\
         [[gauge]]\n\
         kind = \"front\"\n\
         name = \"anode\"\n\
         region = {}\n\
         grows = \"{grows}\"\n\
         lithium = \"{shade}\"\n\
         # counter_px = {:?}      # where the counter electrode begins along the growth; not found\n",
        capital(&front.sureness.to_string()),
        100.0 * front.swept,
        100.0 * front.change.abs(),
        front.order,
        front.length_px,
        front.region,
        front.far_end_px(),
    );
}

fn crack_gauge(crack: &Crack, text: &mut String) {
    let shade = if crack.is_dark { "dark" } else { "bright" };
    let (runs, along) = match crack.along {
        Some(Axis::X) => ("level", "along = \"x\"\n"),
        Some(Axis::Y) => ("upright", "along = \"y\"\n"),
        None => ("aslant", ""),
    };
    let (what, room) = match crack.lines {
        1 => (
            format!("a thin {shade} line, {runs}, about {} px long", crack.length_px),
            "The region leaves\n# room beyond its ends",
        ),
        lines => (
            format!(
                "some {lines} thin {shade} lines, up to {} px that hang together",
                crack.length_px
            ),
            "The region is\n# where they are, and leaves enough around it for the drift",
        ),
    };
    let mut branches = match crack.lines {
        1 => String::new(),
        lines => format!("branches = {}\n", lines.min(BRANCHES_AT_MOST)),
    };
    if let Some(most) = crack.max_width_px {
        branches += &format!("max_width_px = {most:.1}\n");
    }
    let _ = write!(
        text,
        "\n# {}: {what},\n# which gained {:.0} times the deviation of the specimen's texture \
         during the recording;\n# {:.0} % of that was not there at the start. {room}.\n\
         [[gauge]]\n\
         kind = \"crack\"\n\
         name = \"c1\"\n\
         region = {}\n\
         contrast = \"{shade}\"\n{along}{branches}",
        capital(&crack.sureness.to_string()),
        crack.strength,
        100.0 * crack.is_new,
        crack.region,
    );
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

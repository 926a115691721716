//! The proposal as a configuration, with the reason for each value and how sure it is.

use std::fmt::Write;

use super::{Crack, Front, Overlay, Proposal};
use crate::frame::Region;

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
    camera(proposal, &mut text);
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

/// From the whole of a frame, a banner's black and white would pass for the camera's noise; and an
/// even specimen for its offset.
fn camera(proposal: &Proposal, text: &mut String) {
    let Some(camera) = &proposal.camera else { return };
    let _ = write!(
        text,
        "\n# The noise of the first frame, outside of banners, with an offset not above its counts.\n\
         [camera]\n\
         offset_counts = {:?}\n\
         gain_counts_per_electron = {:?}\n\
         read_noise_counts = {:?}\n",
        camera.offset_counts,
        camera.gain_counts_per_electron.max(1e-6),
        camera.read_noise_counts,
    );
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
        boxes.push((front.lithium, "all that lithium covers or may cover soon".to_owned()));
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
    let _ = write!(
        text,
        "\n# {}: {:.1} % of the field became {darker} (by {:.1} % of its counts), the later the further to the \
         {grows}\n# (correlation {:.2}); the front came {} px. If it retreats, the other side is \
         lithium: turn `grows`\n# and `lithium` round. The region begins before the first front \
         and ends ahead of the last.\n\
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
    let (along, axis) = if crack.is_upright { ("y", "upright") } else { ("x", "level") };
    let _ = write!(
        text,
        "\n# {}: a thin {shade} line, {axis}, about {} px long, {:.0} times as strong as the \
         specimen's texture;\n# {:.0} % of it deepened during the recording. The region leaves \
         room beyond its ends.\n\
         [[gauge]]\n\
         kind = \"crack\"\n\
         name = \"c1\"\n\
         region = {}\n\
         contrast = \"{shade}\"\n\
         along = \"{along}\"\n",
        capital(&crack.sureness.to_string()),
        crack.length_px,
        crack.strength,
        100.0 * crack.changed,
        crack.region,
    );
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

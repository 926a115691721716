//! A first configuration from the recording itself: where the lithium front moves, where a crack
//! opens, what is burned into the frames.
//!
//! Some frames, spread over the recording, are binned, brought to common coordinates by the
//! registration, and looked at in three ways: pixels that do not change although frames have noise
//! are drawn into them ([`overlay`](self)); pixels that change once and for good, at times that
//! grow along an axis or outwards from a nucleus, were swept by a front; thin ridges that deepen are
//! cracks. What is not there is not proposed, and each proposal says how sure it is.

mod align;
mod crack;
mod extent;
mod front;
mod grid;
mod overlay;
mod picture;
mod sample;
mod sector;
mod steps;
mod text;

pub use crack::{Axis, Crack};
pub use front::Front;
pub use overlay::Overlay;
pub use picture::draw;
pub use text::configuration;

use self::align::Aligned;
use self::grid::{Map, Mask};
use self::overlay::ScaleBar;
use self::sample::Sample;
use self::steps::Steps;
use crate::format::{Recording, RecordingInfo};
use crate::frame::Region;

/// Why nothing can be proposed.
#[derive(Debug, thiserror::Error)]
pub enum SuggestError {
    #[error(
        "the recording has {frames} frame(s); what moves is found from 2 or more, so write the \
         regions by hand (config/front-and-crack.toml explains every key)"
    )]
    TooShort { frames: usize },
    #[error("only {read} of {tried} frames that were tried can be read; the first error: {first}")]
    Unreadable { read: usize, tried: usize, first: String },
    #[error(
        "the frames are {width} x {height} px; what moves is found in 128 x 128 or more, so write \
         the regions by hand"
    )]
    TooSmall { width: usize, height: usize },
}

/// How much a proposal is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sureness {
    Guess,
    Likely,
    Sure,
}

impl std::fmt::Display for Sureness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Sureness::Guess => "a guess",
            Sureness::Likely => "likely",
            Sureness::Sure => "sure",
        })
    }
}

/// What was found in a recording.
pub struct Proposal {
    pub info: RecordingInfo,
    /// Frames that were looked at, and those of them whose drift was found.
    pub frames: (usize, usize),
    /// Largest drift from the first frame among them, px.
    pub drift_px: f64,
    pub front: Option<Front>,
    /// Why there is none, or what was odd.
    pub front_note: String,
    pub crack: Option<Crack>,
    pub crack_note: String,
    pub overlays: Vec<Overlay>,
    pub scale_bar: Option<ScaleBar>,
    shown: Shown,
}

/// What the picture is drawn from.
struct Shown {
    /// Pixels of a cell of the maps.
    factor: usize,
    /// Mean of the last frames.
    late: Map,
    steps: Steps,
    swept: Option<Mask>,
    frames: usize,
}

/// Looks at a recording; `progress` is told of each frame that was read.
///
/// # Errors
/// [`SuggestError`] when there are too few frames, or too small ones.
pub fn suggest(
    recording: &dyn Recording,
    progress: impl FnMut(),
) -> Result<Proposal, SuggestError> {
    let info = recording.info().clone();
    let sample = Sample::read(recording, progress)?;
    let (overlays, scale_bar) = overlay::find(&sample);
    let drawn: Vec<Region> = overlays.iter().map(|overlay| overlay.region).collect();
    // What moves by itself pulls at the drift; once it is known, it is left out.
    let mut aligned = Aligned::find(&sample, recording, &drawn, &drawn);
    let blocked = overlay::mask(&drawn, &sample);
    let (mut steps, mut found) = fronts(&aligned, &blocked, &sample);
    if let Ok((first, _)) = &found {
        let mut masked = drawn.clone();
        masked.extend(&first.lithium);
        let again = Aligned::find(&sample, recording, &masked, &drawn);
        let (steps_again, found_again) = fronts(&again, &blocked, &sample);
        // What is left beside a large front may be too little to find the drift from.
        if found_again.is_ok() {
            (aligned, steps, found) = (again, steps_again, found_again);
        }
    }
    let swept = found.as_ref().ok().map(|(_, swept)| swept.clone());
    let crack = crack::find(&aligned, &blocked, swept.as_ref(), &sample);
    let (front, front_note) = match found {
        Ok((front, _)) => (Some(front), String::new()),
        Err(why) => (None, textured(&aligned, &blocked, &sample).unwrap_or(why)),
    };
    let (crack, crack_note) = match crack {
        Ok(crack) => (Some(crack), String::new()),
        Err(why) => (None, why),
    };
    let front = front.map(|front| front.beside(crack.as_ref()));
    Ok(Proposal {
        info,
        frames: (sample.frames.len(), aligned.frames.len()),
        drift_px: aligned.reach * sample.factor as f64,
        front,
        front_note,
        crack,
        crack_note,
        overlays,
        scale_bar,
        shown: Shown {
            factor: sample.factor,
            late: aligned.late(),
            frames: aligned.frames.len(),
            steps,
            swept,
        },
    })
}

/// What changed, and the front in it. What passes, as a shadow does, may hide a front that stays.
fn fronts(
    aligned: &Aligned,
    blocked: &Mask,
    sample: &Sample,
) -> (Steps, Result<(Front, Mask), String>) {
    let steps = Steps::find(aligned, true);
    let found = front::find(&steps, aligned, blocked, sample);
    if found.is_err() {
        let lasting = Steps::find(aligned, false);
        let stays = front::find(&lasting, aligned, blocked, sample);
        if stays.is_ok() {
            return (lasting, stays);
        }
    }
    (steps, found)
}

/// Tells of a front that is seen by its texture alone, which no gauge measures yet.
fn textured(aligned: &Aligned, blocked: &Mask, sample: &Sample) -> Option<String> {
    let rough = aligned.roughness();
    let (front, _) = front::find(&Steps::find(&rough, true), &rough, blocked, sample).ok()?;
    Some(format!(
        "{:.1} % of the field changes its texture, the later the further to the {} (at {}), but not \
         its brightness, which a front gauge needs",
        100.0 * front.swept,
        front.grows.name(),
        front.region
    ))
}

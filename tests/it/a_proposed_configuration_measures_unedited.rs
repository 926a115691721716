//! `liwatch suggest` on recordings with known truth: whichever way lithium grows, dark or bright, to
//! and fro, or round a nucleus, with or without cracks. What it proposes is taken as it is, and measures.

use std::path::Path;
use std::sync::Arc;

use liwatch::config::{Config, check_regions};
use liwatch::format::{FormatError, Recording, RecordingInfo};
use liwatch::frame::Region;
use liwatch::simulate::{
    Disturbance, Event, Fissure, FrontLook, Growth, Scene, SceneConfig, SceneRecording,
};
use liwatch::suggest::{Proposal, configuration, draw, suggest};

use crate::scenes::{median, run, standard};

const SIZE: usize = 256;
const FRAMES: usize = 80;

/// A scene that is mirrored, turned, or shown as its negative.
struct Turned {
    inner: SceneRecording,
    grows: &'static str,
    negative: bool,
    /// Rows at the bottom that are black, with a white bar in them.
    banner: usize,
    /// Of a disc on the specimen: centre, radius in the first frame, and growth per frame, px.
    nucleus: Option<Nucleus>,
    /// From the left edge on, 1.5 px more each frame, the specimen is as bright, but even.
    smooths: bool,
}

#[derive(Clone, Copy)]
struct Nucleus {
    x: f64,
    y: f64,
    radius: f64,
    per_frame: f64,
}

impl Nucleus {
    fn radius_in(&self, frame: usize) -> f64 {
        self.radius + self.per_frame * frame as f64
    }

    /// Share of the brightness that lithium lets through at a place of the specimen.
    fn lets_through(&self, frame: usize, x: f64, y: f64) -> f64 {
        let inside = self.radius_in(frame) - (x - self.x).hypot(y - self.y);
        1.0 - 0.4 * (0.5 + 0.4 * inside).clamp(0.0, 1.0)
    }
}

impl Turned {
    fn new(config: SceneConfig, grows: &'static str, negative: bool) -> Turned {
        Turned {
            inner: SceneRecording::new(Scene::new(config)),
            grows,
            negative,
            banner: 0,
            nucleus: None,
            smooths: false,
        }
    }

    /// The scene's pixel that stands at (`x`, `y`) of the recording.
    fn source(&self, x: usize, y: usize) -> (usize, usize) {
        let last = SIZE - 1;
        match self.grows {
            "right" => (x, y),
            "left" => (last - x, y),
            "down" => (y, x),
            _ => (last - y, x),
        }
    }
}

impl Recording for Turned {
    fn info(&self) -> &RecordingInfo {
        self.inner.info()
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        let mut bytes = Vec::new();
        let pixels = self.inner.read(index, &mut bytes)?;
        let drift = self.inner.scene().truth(index).drift;
        let value = |(x, y): (usize, usize)| {
            let at = 2 * (y * SIZE + x);
            let mut stored = u16::from_ne_bytes([pixels[at], pixels[at + 1]]);
            if let Some(nucleus) = self.nucleus {
                let (x, y) = (x as f64 - drift.0, y as f64 - drift.1);
                let counts = f64::from(stored) - 100.0;
                stored = (100.0 + counts * nucleus.lets_through(index, x, y)).round() as u16;
            }
            if self.smooths && x as f64 - drift.0 < 30.0 + 1.5 * index as f64 {
                let mean = 100.0 + self.inner.scene().config.dose_counts_per_px;
                stored = (mean + 0.3 * (f64::from(stored) - mean)).round() as u16;
            }
            if self.negative { 300u16.saturating_sub(stored) } else { stored }
        };
        scratch.clear();
        for y in 0..SIZE {
            for x in 0..SIZE {
                let banner = y >= SIZE - self.banner;
                let bar = (SIZE - self.banner + 8..SIZE - self.banner + 13).contains(&y);
                let shown = match (banner, bar && (30..110).contains(&x)) {
                    (true, true) => 4095,
                    (true, false) => 0,
                    (false, _) => value(self.source(x, y)),
                };
                scratch.extend(shown.to_ne_bytes());
            }
        }
        Ok(scratch)
    }
}

fn proposed(recording: &Turned) -> (Proposal, Config) {
    let proposal = suggest(recording, || ()).expect("the recording is long enough");
    let text = configuration(&proposal, "scene");
    let config = Config::parse(&text, Path::new("proposed.toml"));
    let config = config.unwrap_or_else(|error| panic!("{error}\n{text}"));
    check_regions(&config, SIZE, SIZE).expect("the regions lie within the frames");
    (proposal, config)
}

/// From a column of the scene to px along the growth from the edge of the field it comes from,
/// which is the same whichever way the scene is turned; and the region's lines as the scene's rows.
fn start_and_lines(region: Region, grows: &str) -> (usize, std::ops::Range<usize>) {
    match grows {
        "right" => (region.x, region.y..region.y + region.height),
        "left" => (SIZE - region.x - region.width, region.y..region.y + region.height),
        "down" => (region.y, region.x..region.x + region.width),
        _ => (SIZE - region.y - region.height, region.x..region.x + region.width),
    }
}

#[test]
fn a_front_in_every_direction_dark_and_bright() {
    for (grows, negative, crack) in [
        ("right", false, true),
        ("left", true, true),
        ("down", false, true),
        ("up", true, true),
        ("right", true, false),
        ("left", false, false),
        ("down", true, false),
        ("up", false, false),
    ] {
        let case = format!("growing {grows}, negative: {negative}, crack: {crack}");
        let config = SceneConfig { crack, ..standard(SIZE, FRAMES, 40.0, 11) };
        let recording = Turned::new(config, grows, negative);
        let (proposal, settings) = proposed(&recording);
        let front = proposal.front.as_ref();
        let front = front.unwrap_or_else(|| panic!("{case}: {}", proposal.front_note));
        assert_eq!(front.grows.name(), grows, "{case}: {front:?}");
        assert_eq!(front.lithium_is_dark, !negative, "{case}: {front:?}");
        assert!(proposal.overlays.is_empty(), "{case}: {:?}", proposal.overlays);

        let scene = recording.inner.scene();
        let rows = scene.layout.front_region.y..;
        let (start, lines) = start_and_lines(front.region, grows);
        let truth: Vec<_> = (0..FRAMES).map(|frame| scene.truth(frame)).collect();
        let inside = rows.clone().zip(&truth[0].front).filter(|(row, _)| lines.contains(row));
        let share = inside.count() as f64 / truth[0].front.len() as f64;
        assert!(share > 0.85, "{case}: only {share:.2} of the front's lines, {front:?}");
        assert!((start as f64) < truth[0].front[5] - 10.0, "{case}: begins at {start}");

        let found = proposal.crack.as_ref();
        assert_eq!(found.is_some(), crack, "{case}: {found:?} {}", proposal.crack_note);
        if let Some(found) = found {
            let x = scene.layout.crack_region.x + scene.layout.crack_region.width / 2;
            let y = scene.layout.crack_region.y + scene.layout.crack_region.height / 3;
            let here = (0..SIZE * SIZE).map(|k| (k % SIZE, k / SIZE));
            let at = here.into_iter().find(|(u, v)| recording.source(*u, *v) == (x, y));
            let at = at.expect("each place is shown");
            assert!(found.region.contains(at.0, at.1), "{case}: {found:?} is not at {at:?}");
            assert_eq!(found.is_dark, !negative, "{case}: {found:?}");
        }

        // Unedited, it measures: the mean front, against the truth of the same lines.
        let pixel = scene.config.pixel_size_nm;
        let recording: Arc<Turned> = Arc::new(recording);
        let kept = run(Arc::clone(&recording) as Arc<dyn Recording>, settings, None, 2);
        let errors = kept.rows.iter().zip(&truth).skip(10).map(|(row, truth)| {
            let within = rows.clone().zip(&truth.front).filter(|(row, _)| lines.contains(row));
            let places: Vec<f64> = within.map(|(_, place)| *place).collect();
            let mean = places.iter().sum::<f64>() / places.len() as f64;
            (row.gauges[0].values[0] / pixel + start as f64 - mean).abs()
        });
        let errors: Vec<f64> = errors.collect();
        let known = errors.iter().filter(|error| error.is_finite()).count();
        assert!(known * 10 >= errors.len() * 9, "{case}: {known} of {} known", errors.len());
        let error = median(errors);
        assert!(error < 1.5, "{case}: the mean front errs by {error:.2} px, {front:?}");
    }
}

#[test]
fn a_round_nucleus_is_followed_on_one_side() {
    let config =
        SceneConfig { front: false, crack: false, frames: 60, ..standard(SIZE, FRAMES, 60.0, 4) };
    let mut recording = Turned::new(config, "right", false);
    let nucleus = Nucleus { x: 140.0, y: 120.0, radius: 22.0, per_frame: 0.8 };
    recording.nucleus = Some(nucleus);
    let (proposal, settings) = proposed(&recording);
    let front = proposal.front.unwrap_or_else(|| panic!("no front: {}", proposal.front_note));
    assert!(front.is_round && front.lithium_is_dark && !front.went_back, "{front:?}");
    let kept = run(Arc::new(recording), settings, None, 2);
    let Region { x, y, width, height } = front.region;
    let start = match front.grows.name() {
        "right" => nucleus.x - x as f64,
        "left" => (x + width - 1) as f64 - nucleus.x,
        "down" => nucleus.y - y as f64,
        _ => (y + height - 1) as f64 - nucleus.y,
    };
    let pixel = 2.0;
    let errors: Vec<f64> = kept
        .rows
        .iter()
        .enumerate()
        .skip(10)
        .map(|(frame, row)| row.gauges[0].values[1] / pixel - start - nucleus.radius_in(frame))
        .map(f64::abs)
        .collect();
    let known = errors.iter().filter(|error| error.is_finite()).count();
    assert!(known * 10 >= errors.len() * 9, "{known} of {} known, {front:?}", errors.len());
    assert!(median(errors.clone()) < 3.0, "the tip errs by {} px, {front:?}", median(errors));
}

#[test]
fn a_front_that_goes_back_is_found() {
    let front_look = FrontLook { growth: Growth::Strip, ..FrontLook::default() };
    let config = SceneConfig { front_look, ..standard(SIZE, FRAMES, 40.0, 11) };
    let (proposal, _) = proposed(&Turned::new(config, "left", false));
    let front = proposal.front.unwrap_or_else(|| panic!("no front: {}", proposal.front_note));
    assert!(front.went_back && front.grows.name() == "left", "{front:?}");
    assert!(front.lithium_is_dark, "{front:?}");
}

#[test]
fn some_eight_frames_are_enough() {
    let config = SceneConfig { frames: 8, jumps: 0, ..standard(SIZE, FRAMES, 60.0, 11) };
    let (proposal, _) = proposed(&Turned::new(config, "down", false));
    let front = proposal.front.unwrap_or_else(|| panic!("no front: {}", proposal.front_note));
    assert_eq!(front.grows.name(), "down", "{front:?}");
}

#[test]
fn a_shadow_or_a_dimmer_beam_hides_neither_front_nor_crack() {
    for disturbance in [Disturbance::Shadow, Disturbance::Brightness(0.5)] {
        let events = vec![Event { from: 15, until: 70, disturbance }];
        let config = SceneConfig { events, ..standard(SIZE, FRAMES, 60.0, 9) };
        let (proposal, _) = proposed(&Turned::new(config, "right", false));
        let (front, crack) = (&proposal.front, &proposal.crack);
        let grows = front.as_ref().map(|front| front.grows.name());
        assert_eq!(grows, Some("right"), "{disturbance:?}: {}", proposal.front_note);
        assert!(crack.is_some(), "{disturbance:?}: {}", proposal.crack_note);
    }
}

#[test]
fn a_front_without_a_step_in_brightness_is_told() {
    let config = SceneConfig { front: false, crack: false, ..standard(SIZE, FRAMES, 60.0, 4) };
    let mut recording = Turned::new(config, "right", false);
    recording.smooths = true;
    let (proposal, settings) = proposed(&recording);
    assert!(proposal.front.is_none() && settings.gauges.is_empty(), "{:?}", proposal.front);
    let note = &proposal.front_note;
    assert!(note.contains("texture") && note.contains("to the right"), "{note}");
}

/// A crack from one place to another that opens from nothing.
fn opening(from: (f64, f64), to: (f64, f64)) -> Fissure {
    Fissure { widest_px: 5.0, grown: 0.3, opened: 0.1, ..Fissure::still(vec![from, to], 5.0) }
}

#[test]
fn a_crack_aslant_is_looked_for_without_an_axis() {
    let fissures = vec![opening((60.0, 50.0), (180.0, 185.0))];
    let config =
        SceneConfig { front: false, crack: false, fissures, ..standard(SIZE, FRAMES, 60.0, 3) };
    let (proposal, _) = proposed(&Turned::new(config, "right", false));
    let crack = proposal.crack.unwrap_or_else(|| panic!("no crack: {}", proposal.crack_note));
    assert_eq!((crack.along, crack.lines), (None, 1), "{crack:?}");
    assert!(crack.is_dark && crack.region.contains(100, 95), "{crack:?}");
    assert!(proposal.front.is_none(), "{:?}", proposal.front);
}

#[test]
fn cracks_all_over_are_one_gauge_with_many_lines() {
    let at = |k: usize| {
        let (x, y) = (40.0 + 60.0 * (k % 3) as f64, 40.0 + 50.0 * (k / 3) as f64);
        opening((x, y), (x + 36.0, y + 22.0))
    };
    let fissures = (0..9).map(at).collect();
    let config =
        SceneConfig { front: false, crack: false, fissures, ..standard(SIZE, FRAMES, 60.0, 3) };
    let (proposal, settings) = proposed(&Turned::new(config, "right", false));
    let crack = proposal.crack.unwrap_or_else(|| panic!("no crack: {}", proposal.crack_note));
    assert!((5..30).contains(&crack.lines) && crack.along.is_none(), "{crack:?}");
    assert_eq!(settings.gauges.len(), 1);
}

#[test]
fn what_is_not_there_is_not_proposed() {
    for seed in [5, 6] {
        let config =
            SceneConfig { front: false, crack: false, ..standard(SIZE, FRAMES, 20.0, seed) };
        let (proposal, settings) = proposed(&Turned::new(config, "right", false));
        assert!(proposal.front.is_none(), "seed {seed}: {:?}", proposal.front);
        assert!(proposal.crack.is_none(), "seed {seed}: {:?}", proposal.crack);
        assert!(settings.gauges.is_empty() && !proposal.front_note.is_empty());
    }
}

#[test]
fn a_banner_is_left_out_and_its_bar_offered_as_the_scale() {
    let config = standard(SIZE, FRAMES, 40.0, 11);
    let mut recording = Turned::new(config, "right", false);
    recording.banner = 30;
    let (proposal, settings) = proposed(&recording);
    let [banner] = proposal.overlays.as_slice() else { panic!("{:?}", proposal.overlays) };
    assert!(banner.is_banner && banner.region.contains(5, SIZE - 28), "{banner:?}");
    assert!(!banner.region.contains(100, SIZE - 45), "{banner:?} takes too much of the field");
    let bar = proposal.scale_bar.expect("there is a bar").region;
    assert!(bar.width.abs_diff(80) <= 1, "{bar}");
    let front = proposal.front.unwrap_or_else(|| panic!("no front: {}", proposal.front_note));
    assert_eq!(front.grows.name(), "right", "{front:?}");
    assert!(settings.drift.exclude.iter().any(|region| region.contains(100, SIZE - 10)));
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("a.png");
    let proposal = suggest(&recording, || ()).expect("as before");
    draw(&proposal, "scene", &picture).expect("the picture is drawn");
    assert!(std::fs::metadata(&picture).unwrap().len() > 10_000, "the picture is empty");
}

#[test]
fn a_recording_that_is_too_short_is_told_so() {
    let config = SceneConfig { frames: 1, ..standard(SIZE, FRAMES, 20.0, 1) };
    let Err(error) = suggest(&Turned::new(config, "right", false), || ()) else {
        panic!("one frame was enough")
    };
    assert!(error.to_string().contains("1 frame(s)"), "{error}");
}

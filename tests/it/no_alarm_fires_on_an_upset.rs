//! What goes wrong in a microscope is no short: through refocusing, beam and contrast changes, jumps,
//! charging, contamination, a blanked beam and a shadow no alarm is raised, whichever of a front's
//! and a crack's numbers it watches; when the same cell grows twenty times as fast and shorts, all are.

use std::sync::Arc;

use liwatch::alarm::AlarmState;
use liwatch::config::Config;
use liwatch::format::{FormatError, Recording, RecordingInfo};
use liwatch::simulate::{
    Disturbance, Event, Fissure, Scene, SceneConfig, SceneRecording, configuration,
};

use crate::scenes::{Kept, cell, run, standard};

const SIZE: usize = 256;
/// Of a short run, in which nothing comes near a short.
const FRAMES: usize = 100;
/// Frames in which the scene would be played to its short.
const SLOWLY: usize = 20 * FRAMES;
/// When it goes wrong.
const AT: usize = 50;

/// The first frames of a longer recording.
struct Beginning {
    inner: SceneRecording,
    info: RecordingInfo,
}

impl Beginning {
    fn new(scene: Scene, frames: usize) -> Beginning {
        let inner = SceneRecording::new(scene);
        let info = RecordingInfo { frames, ..inner.info().clone() };
        Beginning { inner, info }
    }
}

impl Recording for Beginning {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        self.inner.read(index, scratch)
    }
}

/// Textured, with a front that has a finger, and a crack that opens, so slowly that they short after
/// [`SLOWLY`] frames.
fn slow(events: Vec<Event>) -> SceneConfig {
    let fissures = vec![fissure()];
    SceneConfig { jumps: 0, crack: false, fissures, events, ..standard(SIZE, SLOWLY, 40.0, 7) }
}

/// Wide against the point spread from the start, so that its opening and not its depth is seen.
fn fissure() -> Fissure {
    Fissure {
        path: vec![(204.0, 30.0), (210.0, 120.0), (202.0, 226.0)],
        widest_px: 12.0,
        even: false,
        depth: 0.7,
        grown: 0.45,
        opened: 0.5,
        filled: None,
    }
}

/// The same cell, which shorts within [`FRAMES`].
fn short() -> SceneConfig {
    SceneConfig { frames: FRAMES, ..slow(Vec::new()) }
}

/// The numbers that people put alarms on. The limits lie between what the slow cell does and what a
/// cell does that shorts within [`FRAMES`].
fn rules() -> Vec<(&'static str, String)> {
    let (slow, fast) = (Scene::new(slow(Vec::new())), Scene::new(short()));
    let pixel = slow.config.pixel_size_nm;
    let seconds = (FRAMES - 1) as f64 / slow.config.frame_rate_hz;
    let gap =
        |scene: &Scene, frame: usize| pixel * (scene.layout.counter_px - scene.truth(frame).tip);
    let last = FRAMES - 1;
    let velocity = (gap(&fast, 0) - gap(&fast, last)) / seconds;
    // Two thirds of the largest opening are the mean of an opening with the root of the distance.
    let (crack, slowly) = (fissure(), FRAMES as f64 / SLOWLY as f64);
    let opening_rate =
        pixel * 2.0 / 3.0 * (crack.opening(0.0, 1.0) - crack.opening(0.0, 0.0)) / seconds;
    let propagation = pixel * (crack.length(1.0) - crack.length(0.0)) / seconds;
    let between = 0.5 * pixel * (crack.opening(0.0, slowly) + crack.opening(0.0, 1.0));
    // Three sigma above the limit: what is not sure is no reason to cut the bias. The gap and the time
    // to the short are taken as they are, since there it is better to cut too early.
    let surely = |what: &str, limit: f64| format!("{what} - 3.0 * {what}_errors > {limit:.3}");
    vec![
        ("gap", format!("anode.gap < {:.3}", gap(&slow, last) / 3.0)),
        ("eta", format!("anode.eta < {:.3}", gap(&slow, last) / (4.0 * velocity))),
        ("velocity", surely("anode.tip_velocity", 0.25 * velocity)),
        ("opening", surely("c1.width_max", between)),
        ("opening-rate", surely("c1.opening_rate", 0.5 * opening_rate)),
        ("propagation", surely("c1.propagation_rate", 0.5 * propagation)),
    ]
}

/// The scene's configuration with these rules instead of its own.
fn settings(scene: &Scene, rules: &[(&str, String)]) -> Config {
    let text = configuration(scene);
    let own = text.find("[[alarm]]").expect("the scene's configuration has an alarm");
    let mut text = text[..own].to_owned();
    text += &format!(
        "[[gauge]]\nkind = \"crack\"\nname = \"c1\"\nregion = {}\ncontrast = \"dark\"\n\
         along = \"y\"\n\n",
        scene.layout.crack_region
    );
    for (name, when) in rules {
        text += &format!(
            "[[alarm]]\nname = \"{name}\"\nwhen = \"{when}\"\nhold_s = 0.2\n\
             actions = [\"log\", \"bias-off\"]\n\n"
        );
    }
    Config::parse(&text, std::path::Path::new("upset.toml")).expect("the rules are right")
}

fn raised(kept: &Kept) -> Vec<String> {
    let events = kept.alarms.iter().filter(|event| event.state == AlarmState::Raised);
    events
        .map(|event| format!("frame {}: {}: {}", event.frame, event.name, event.message))
        .collect()
}

fn upset(events: Vec<Event>) -> Kept {
    let scene = Scene::new(slow(events));
    let (settings, cell) = (settings(&scene, &rules()), cell(&scene));
    run(Arc::new(Beginning::new(scene, FRAMES)), settings, Some(&cell), 2)
}

fn one(from: usize, until: usize, disturbance: Disturbance) -> Vec<Event> {
    vec![Event { from, until, disturbance }]
}

#[test]
fn no_alarm_is_raised() {
    let ever = usize::MAX;
    let cases = [
        ("nothing", Vec::new()),
        ("refocus", one(AT, ever, Disturbance::Refocus { blur_px: 2.0, magnification: 1.005 })),
        (
            "refocus and back",
            one(AT, AT + 20, Disturbance::Refocus { blur_px: 3.0, magnification: 1.0 }),
        ),
        ("brightness halved", one(AT, ever, Disturbance::Brightness(0.5))),
        ("brightness doubled", one(AT, ever, Disturbance::Brightness(2.0))),
        ("contrast halved", one(AT, ever, Disturbance::Contrast(0.5))),
        ("contrast times 1.4", one(AT, ever, Disturbance::Contrast(1.4))),
        ("jump", one(AT, ever, Disturbance::Jump { x: 14.3, y: -9.6 })),
        ("charging flash", one(AT, AT + 6, Disturbance::Flash)),
        ("contamination", one(AT, ever, Disturbance::Contamination { per_frame: 0.01 })),
        ("blanked beam", one(AT, AT + 15, Disturbance::Blanked)),
        ("shadow", one(AT, AT + 40, Disturbance::Shadow)),
    ];
    let mut failures = Vec::new();
    for (name, events) in cases {
        let kept = upset(events);
        let before = &kept.rows[20..AT];
        let known = |gauge: usize, value: usize| {
            before.iter().filter(|row| row.gauges[gauge].values[value].is_finite()).count()
        };
        // Position and mean opening: a gauge that knows nothing raises nothing.
        let (front, crack) = (known(0, 0), known(1, 0));
        println!("{name}: front {front}, crack {crack} of {} known before", before.len());
        assert!(front * 10 >= before.len() * 9, "{name}: the front is known in {front} frames");
        assert!(crack * 10 >= before.len() * 8, "{name}: the crack is known in {crack} frames");
        failures.extend(raised(&kept).into_iter().map(|alarm| format!("{name}: {alarm}")));
    }
    assert!(failures.is_empty(), "alarms on upsets:\n{}", failures.join("\n"));
}

#[test]
fn every_alarm_is_raised_by_a_short() {
    let rules = rules();
    let scene = Scene::new(short());
    let (settings, cell) = (settings(&scene, &rules), cell(&scene));
    let kept = run(Arc::new(SceneRecording::new(scene)), settings, Some(&cell), 2);
    let raised = raised(&kept);
    for (name, when) in &rules {
        let found = raised.iter().find(|alarm| alarm.contains(&format!(": {name}: ")));
        println!("{name} ({when}): {}", found.map_or("never", |alarm| alarm.as_str()));
    }
    for (name, when) in &rules {
        let found = raised.iter().any(|alarm| alarm.contains(&format!(": {name}: ")));
        assert!(found, "{name} ({when}) was not raised by a short: {raised:#?}");
    }
}

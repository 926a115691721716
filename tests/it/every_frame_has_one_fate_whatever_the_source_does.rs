//! Random sources (gaps, repeats, wrong order, corrupt frames, bursts), random queues and policies:
//! the run ends, rows are consecutive, and received = the sum of the fates.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use liwatch::alarm::AlarmEngine;
use liwatch::config::Config;
use liwatch::format::Recording;
use liwatch::frame::{Fate, Reason};
use liwatch::pipeline::{self, FrameRow, PipelineError, Setup};
use liwatch::simulate::{Scene, SceneConfig, SceneRecording};
use liwatch::source::{
    Announced, FaultClock, FaultKind, Faults, FaultyRecording, FaultySource, FrameTimes, Payload,
    Replay, Source, Speed,
};
use proptest::prelude::*;

use crate::scenes::{Kept, standard};

const FRAMES: usize = 60;

/// A small recording without front and crack, rendered once.
static FIELD: LazyLock<Arc<dyn Recording>> = LazyLock::new(|| {
    let scene = SceneConfig { front: false, crack: false, ..standard(128, FRAMES, 60.0, 5) };
    Arc::new(SceneRecording::new(Scene::new(scene)))
});

/// Announces these frames: number, whether the camera lost it itself, and a pause before it.
struct Script {
    list: std::vec::IntoIter<(u64, bool, u64)>,
    late: usize,
    paced: bool,
}

impl Source for Script {
    fn next(&mut self) -> Option<Announced> {
        let (sequence, lost, pause_us) = self.list.next()?;
        std::thread::sleep(Duration::from_micros(pause_us));
        let time_s = sequence as f64 * 0.05;
        Some(Announced {
            stamp: liwatch::frame::Stamp { index: 0, sequence, time_s, unix_time_s: f64::NAN },
            arrival: Instant::now(),
            payload: match lost {
                true => Payload::Lost(Fate::Dropped, Reason::CameraOverrun),
                // What lies behind the end cannot be read.
                false => Payload::Recorded(sequence as usize),
            },
        })
    }

    fn len_hint(&self) -> Option<usize> {
        None
    }

    fn is_paced(&self) -> bool {
        self.paced
    }

    fn reorder_frames(&self) -> usize {
        self.late
    }
}

fn configuration(text: &str) -> Config {
    Config::parse(text, std::path::Path::new("t.toml")).expect("the configuration is right")
}

/// Runs a source on a thread of its own; a run that hangs fails the test.
fn ends(
    source: impl Source + 'static,
    recording: Arc<dyn Recording>,
    config: Config,
    threads: usize,
) -> (Kept, Result<liwatch::frame::Ledger, PipelineError>) {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut source = source;
        let setup = Setup::new(recording, config).expect("the run can start");
        let alarms = AlarmEngine::new(&[], &[], setup.calibration).expect("there are no rules");
        let (mut kept, stop) = (Kept::default(), AtomicBool::new(false));
        let ledger = pipeline::run(&setup, &mut source, None, alarms, &mut kept, threads, &stop);
        let _ = send.send((kept, ledger));
    });
    receive.recv_timeout(Duration::from_secs(60)).expect("the run hangs")
}

fn check(kept: &Kept) {
    for (k, row) in kept.rows.iter().enumerate() {
        assert_eq!(row.stamp.index, k as u64, "rows are not consecutive");
    }
    let of = |fate| kept.rows.iter().filter(|row| row.fate == fate).count() as u64;
    let ledger = &kept.ledger;
    assert_eq!(ledger.received, kept.rows.len() as u64, "a frame has no row");
    assert!(ledger.balances(), "{ledger:?}");
    assert_eq!(of(Fate::Measured), ledger.measured);
    assert_eq!(of(Fate::Degraded), ledger.degraded);
    assert_eq!(of(Fate::Dropped), ledger.dropped);
    assert_eq!(of(Fate::Corrupt), ledger.corrupt);
    assert_eq!(of(Fate::Missing), ledger.missing);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn of_any_source_under_any_policy(
        steps in prop::collection::vec((0u64..4, 0u64..3, prop::bool::weighted(0.1), 0u64..1500), 0..70),
        policy in prop::sample::select(vec!["block", "drop-oldest", "drop-newest", "fail"]),
        queue in 1usize..5,
        lag in 1usize..20,
        late in 0usize..5,
        budget in prop::option::of(1u32..20),
        paced: bool,
        threads in 1usize..4,
    ) {
        let mut at = 0;
        let list: Vec<_> = steps.iter().map(|(forward, back, lost, pause_us)| {
            at += forward;
            (at.saturating_sub(*back), *lost, if paced { *pause_us } else { 0 })
        }).collect();
        let budget = budget.map_or(String::new(), |ms| format!("[budget]\ntotal_ms = {ms}.0\n"));
        let config = configuration(&format!(
            "[pipeline]\npolicy = \"{policy}\"\nqueue_frames = {queue}\nlag_frames = {lag}\n{budget}"
        ));
        let source = Script { list: list.clone().into_iter(), late, paced };
        let (kept, ledger) = ends(source, Arc::clone(&FIELD), config, threads);
        check(&kept);
        if policy != "fail" {
            prop_assert!(ledger.is_ok(), "{ledger:?}");
            let came: BTreeSet<u64> = list.iter().map(|frame| frame.0).collect();
            let first = list.first().map_or(0, |frame| frame.0);
            // From the first number to the highest, each has one row.
            let wanted = came.last().map_or(0, |last| last + 1 - first);
            prop_assert_eq!(kept.ledger.received, wanted);
        }
    }

    #[test]
    fn of_a_recording_with_injected_faults(
        seed: u64,
        (drop, corrupt, duplicate) in (0.0..0.3, 0.0..0.3, 0.0..0.2),
        (reorder, burst) in (0.0..0.3, 0.0..0.1),
        queue in 1usize..5,
    ) {
        let faults: Faults = format!(
            "drop={drop},corrupt={corrupt},duplicate={duplicate},reorder={reorder},burst={burst},\
             seed={seed}"
        ).parse().expect("the faults are right");
        let kept = rehearse(&faults, queue, 2, Speed::Max);
        check(&kept);
        prop_assert_eq!(kept.ledger.received as usize, FRAMES);
        let hit = |kind| (0..FRAMES as u64).filter(|k| faults.hit(kind, *k).is_some()).count() as u64;
        prop_assert_eq!(kept.ledger.missing, hit(FaultKind::Drop));
        let both = (0..FRAMES as u64).filter(|k| {
            faults.hit(FaultKind::Corrupt, *k).is_some() && faults.hit(FaultKind::Drop, *k).is_none()
        }).count() as u64;
        prop_assert_eq!(kept.ledger.corrupt, both);
        prop_assert_eq!(kept.ledger.dropped, 0);
    }
}

/// A replay with faults, as the command line makes it.
fn rehearse(faults: &Faults, queue: usize, threads: usize, speed: Speed) -> Kept {
    let recording = Arc::new(FaultyRecording::new(Arc::clone(&FIELD), faults.clone()));
    let config = configuration(&format!("[pipeline]\nqueue_frames = {queue}\n"));
    let Ok(setup) = Setup::new(recording.clone(), config) else {
        panic!("no frame of the recording is sound");
    };
    let alarms = AlarmEngine::new(&[], &[], setup.calibration).expect("there are no rules");
    let (mut kept, stop) = (Kept::default(), AtomicBool::new(false));
    let mut played = Replay::new(&*recording, FrameTimes::of(&*recording, None), speed);
    let mut source =
        FaultySource::new(&mut played, faults.clone(), Arc::new(FaultClock::default()));
    pipeline::run(&setup, &mut source, None, alarms, &mut kept, threads, &stop)
        .expect("the run succeeds");
    kept
}

/// What must not depend on threads or time.
fn bits(rows: &[FrameRow]) -> Vec<(u64, u64, u8, u16, [u64; 4])> {
    let of = |row: &FrameRow| {
        let drift = &row.drift;
        let numbers = [drift.x, drift.y, drift.x_error, drift.y_error];
        let stamp = row.stamp;
        (
            stamp.sequence,
            stamp.time_s.to_bits(),
            row.fate as u8,
            row.reason as u16,
            numbers.map(f64::to_bits),
        )
    };
    rows.iter().map(of).collect()
}

#[test]
fn injected_faults_give_the_same_bits_on_one_thread_and_many() {
    let faults: Faults =
        "drop=0.1,corrupt=0.05,duplicate=0.1,reorder=0.2,stall@20:30,burst@30,seed=3"
            .parse()
            .expect("the faults are right");
    let one = rehearse(&faults, 4, 1, Speed::Max);
    assert!(one.ledger.missing > 2 && one.ledger.corrupt > 0, "{:?}", one.ledger);
    for (threads, queue, speed) in
        [(4, 4, Speed::Max), (3, 1, Speed::Max), (2, 4, Speed::Times(40.0))]
    {
        let other = rehearse(&faults, queue, threads, speed);
        assert!(bits(&one.rows) == bits(&other.rows), "{threads} threads at {speed:?} differ");
    }
    let mut other = faults;
    other.seed = 4;
    let reseeded = rehearse(&other, 4, 1, Speed::Max);
    assert!(bits(&one.rows) != bits(&reseeded.rows), "the seed changes nothing");
}

#[test]
fn a_first_frame_that_never_comes_is_not_the_reference() {
    let faults: Faults = "drop@0,corrupt@1".parse().expect("the faults are right");
    let kept = rehearse(&faults, 4, 2, Speed::Max);
    let fates: Vec<Fate> = kept.rows[..3].iter().map(|row| row.fate).collect();
    assert_eq!(fates, [Fate::Missing, Fate::Corrupt, Fate::Measured]);
    assert_eq!((kept.rows[2].drift.x, kept.rows[2].drift.y), (0.0, 0.0));
    assert_eq!(kept.rows[0].reason, Reason::SequenceGap);
}

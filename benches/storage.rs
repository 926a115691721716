//! Journal and run file: rows per second from memory to the closed HDF5 file, the time of a
//! recovery, and how long the in-order station waits for storage while the disk stalls.
//! `cargo bench --bench storage`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use liwatch::cell::CellSample;
use liwatch::config::Config;
use liwatch::frame::{Fate, Ledger, Reason, Stamp};
use liwatch::gauge::Measurement;
use liwatch::pipeline::{FrameRow, RunPlan, Setup, Sink};
use liwatch::register::Drift;
use liwatch::simulate::{Scene, SceneConfig, SceneRecording};
use liwatch::store::journal::{self, Disk, FileDisk};
use liwatch::store::{Recorder, StoreOptions, recover};

const ROWS: u64 = 20_000;

fn fail(what: impl std::fmt::Display) -> ! {
    eprintln!("the benchmark failed: {what}");
    std::process::exit(1)
}

/// The plan of a run with one front and one crack on 1024².
fn plan() -> RunPlan {
    let size = SceneConfig { width: 1024, height: 1024, frames: 2, ..SceneConfig::default() };
    let scene = Scene::new(size.clone());
    let text = liwatch::simulate::configuration(&scene);
    let config =
        Config::parse(&text, std::path::Path::new("bench.toml")).unwrap_or_else(|e| fail(e));
    let recording = Arc::new(SceneRecording::new(Scene::new(size)));
    Setup::new(recording, config).unwrap_or_else(|error| fail(error)).plan("bench", None, 2)
}

fn row(plan: &RunPlan, index: u64) -> FrameRow {
    let value = (index as f64 * 0.01).sin();
    let gauges = plan.gauges.iter().map(|gauge| {
        let mut found = Measurement::blank(&gauge.schema);
        found.values.iter_mut().chain(&mut found.errors).for_each(|v| *v = value);
        let lists = found.arrays.iter_mut().chain(&mut found.array_errors);
        lists.flatten().enumerate().for_each(|(k, v)| *v = value as f32 + k as f32);
        found
    });
    FrameRow {
        stamp: Stamp { index, sequence: index, time_s: index as f64 * 1e-3, unix_time_s: f64::NAN },
        fate: Fate::Measured,
        reason: Reason::None,
        drift: Drift { x: value, y: value, locked: true, ..Drift::UNKNOWN },
        gauges: gauges.collect(),
        cell: CellSample::UNKNOWN,
        latency_ns: vec![index; plan.stages.len()],
    }
}

fn ledger(rows: u64) -> Ledger {
    Ledger { received: rows, measured: rows, ..Ledger::default() }
}

fn main() {
    let plan = plan();
    throughput(&plan);
    for stall in [0, 500, 3000] {
        stalled(&plan, Duration::from_millis(stall));
    }
}

fn throughput(plan: &RunPlan) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| fail(error));
    let run = folder.path().join("run.h5");
    let options = StoreOptions { keep_journal: true, ..StoreOptions::default() };
    let rows: Vec<FrameRow> = (0..ROWS).map(|index| row(plan, index)).collect();
    let started = Instant::now();
    let mut recorder =
        Recorder::create(&run, plan, false, options).unwrap_or_else(|error| fail(error));
    rows.iter().for_each(|row| recorder.row(row).unwrap_or_else(|error| fail(error)));
    let handed_in = started.elapsed();
    recorder.close(&ledger(ROWS)).unwrap_or_else(|error| fail(error));
    let closed = started.elapsed();
    let (kept, journal) = (journal::kept_path_of(&run), journal::path_of(&run));
    std::fs::rename(&kept, &journal).unwrap_or_else(|error| fail(error));
    let bytes = std::fs::metadata(&journal).map_or(0, |known| known.len());
    let rate = |took: Duration| ROWS as f64 / took.as_secs_f64();
    println!(
        "{ROWS} rows of {} bytes: handed in {:.0} rows/s; journal and HDF5 to the close {:.0} \
         rows/s, {:.0} MB/s of journal",
        bytes / ROWS,
        rate(handed_in),
        rate(closed),
        bytes as f64 / 1e6 / closed.as_secs_f64()
    );
    std::fs::remove_file(&run).unwrap_or_else(|error| fail(error));
    let started = Instant::now();
    let recovery = recover(&run).unwrap_or_else(|error| fail(error));
    println!(
        "recovery of the same: {:.0} rows/s, {} rows",
        rate(started.elapsed()),
        recovery.frames.received
    );
}

/// Each fsync takes so much longer, while `on`.
struct Stalling(FileDisk, Duration, Arc<AtomicBool>);

impl Disk for Stalling {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.append(bytes)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        if self.2.load(Ordering::Relaxed) {
            std::thread::sleep(self.1);
        }
        self.0.sync()
    }

    fn cut(&mut self, length: u64) -> std::io::Result<()> {
        self.0.cut(length)
    }
}

/// A thousand rows a second for ten seconds, through a channel of the pipeline's size to a storage
/// thread; what is measured is how long the sender waits.
fn stalled(plan: &RunPlan, stall: Duration) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| fail(error));
    let on = Arc::new(AtomicBool::new(true));
    let slow = Arc::clone(&on);
    let mut recorder = Recorder::create_on(
        &folder.path().join("run.h5"),
        plan,
        false,
        StoreOptions::default(),
        |disk| Box::new(Stalling(disk, stall, slow)),
    )
    .unwrap_or_else(|error| fail(error));
    let rows: Vec<Box<FrameRow>> = (0..10_000).map(|index| Box::new(row(plan, index))).collect();
    let count = rows.len();
    let (sender, receiver) = bounded::<Box<FrameRow>>(256);
    let mut waits = std::thread::scope(|scope| {
        scope.spawn(|| {
            for row in receiver {
                recorder.row(&row).unwrap_or_else(|error| fail(error));
            }
        });
        let started = Instant::now();
        let waits: Vec<Duration> = rows
            .into_iter()
            .enumerate()
            .map(|(k, row)| {
                let due = Duration::from_millis(k as u64);
                std::thread::sleep(due.saturating_sub(started.elapsed()));
                let before = Instant::now();
                if sender.send(row).is_err() {
                    fail("nobody takes the rows");
                }
                before.elapsed()
            })
            .collect();
        drop(sender);
        waits
    });
    on.store(false, Ordering::Relaxed);
    recorder.close(&ledger(count as u64)).unwrap_or_else(|error| fail(error));
    waits.sort();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!(
        "fsync stalls of {stall:?}: the in-order station waits {:?} (median), {:?} (99 %), {:?} \
         (worst of {count}) for storage",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

//! The alarm path under pressure: a source three times faster than the machine, and a disk that
//! stalls half of the time. `cargo bench --bench deadlines`.

#[path = "common/memory.rs"]
mod memory;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use liwatch::alarm::AlarmEvent;
use liwatch::format::Recording;
use liwatch::frame::{Fate, Ledger};
use liwatch::pipeline::{FrameRow, Shedding, Sink, SinkError};
use liwatch::simulate::{Scene, SceneConfig};
use liwatch::source::{FrameTimes, RepeatedRecording, Speed};
use liwatch::store::journal::{Disk, FileDisk};
use liwatch::store::{Recorder, StoreOptions, WhenSlow};
use memory::{InMemory, fail};

const SIZE: usize = 512;
const FRAMES: usize = 200;
const BUDGET_MS: f64 = 50.0;
/// The recording's own pace, frames per second.
const PACE: f64 = 20.0;
/// The disk stalls for so long, and works for so long.
const STALL: Duration = Duration::from_millis(500);

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let scene = Scene::new(SceneConfig {
        width: SIZE,
        height: SIZE,
        frames: FRAMES,
        dose_counts_per_px: 20.0,
        jumps: 0,
        ..SceneConfig::default()
    });
    let inner = InMemory::render(&scene, threads);
    let times = FrameTimes::of(&*inner, None);
    let passes = |n: usize| -> Arc<dyn Recording> {
        Arc::new(RepeatedRecording::new(inner.clone(), n, &times))
    };
    let started = Instant::now();
    let (ledger, _) = run(&scene, passes(15), (Speed::Max, ""), threads, false);
    let rate = ledger.received as f64 / started.elapsed().as_secs_f64();
    println!("{threads} threads, {SIZE}², everything measured: {rate:.0} frames/s");

    let budget = format!("\n[budget]\ntotal_ms = {BUDGET_MS}\n");
    for factor in [3.0, 10.0] {
        let speed = Speed::Times(factor * rate / PACE);
        let count = (10.0 * factor * rate / FRAMES as f64).ceil() as usize;
        let started = Instant::now();
        let (ledger, seen) = run(&scene, passes(count), (speed, &budget), threads, false);
        let took_s = started.elapsed().as_secs_f64();
        tell_overload(factor, &ledger, &seen, took_s);
    }
    let speed = Speed::Times((rate / 4.0).min(200.0) / PACE);
    let count = (20.0 * (rate / 4.0).min(200.0) / FRAMES as f64).ceil() as usize;
    let (_, seen) = run(&scene, passes(count), (speed, &budget), threads, true);
    println!("the disk stalls for {STALL:?} of every {:?}:", 2 * STALL);
    tell("while it works", &seen.works);
    tell("while it stalls", &seen.stalls);
    let worst = seen.works.iter().max().copied().unwrap_or(0) + 1_000_000;
    let beyond = seen.stalls.iter().filter(|ns| **ns > worst).count();
    println!(
        "{beyond} of {} frames in a stall took 1 ms longer than the worst one outside",
        seen.stalls.len()
    );
}

fn tell_overload(factor: f64, ledger: &Ledger, seen: &Timed, took_s: f64) {
    let done = ledger.measured + ledger.degraded;
    println!(
        "{factor:.0} times as fast: {} frames, {} whole, {} without c1, {} passed over; \
         {:.0} frames/s measured; {} changes",
        ledger.received,
        ledger.measured,
        ledger.degraded,
        ledger.dropped,
        done as f64 / took_s,
        seen.changes
    );
    tell("arrival to decision", &seen.works);
    if !ledger.balances() {
        fail("the ledger does not balance");
    }
    let quarters: Vec<String> = seen.memory_mb.iter().map(|mb| format!("{mb:.0}")).collect();
    println!("  private memory by tenths of the run, MB: {}", quarters.join(" "));
}

/// Quantiles of latencies in ns.
fn tell(what: &str, latencies: &[u64]) {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let index = (sorted.len() as f64 * share) as usize;
        sorted.get(index).or(sorted.last()).map_or(f64::NAN, |ns| *ns as f64 * 1e-6)
    };
    println!(
        "  {what:<20} {:>6} frames: {:.2} ms (50 %), {:.2} (90 %), {:.2} (99 %), {:.2} (99.9 %), {:.2} worst",
        sorted.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

fn run(
    scene: &Scene,
    recording: Arc<dyn Recording>,
    (speed, more): (Speed, &str),
    threads: usize,
    stalling: bool,
) -> (Ledger, Timed) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| fail(error));
    let path = folder.path().join("run.h5");
    let stalled = Arc::new(AtomicBool::new(false));
    let tenth = recording.info().frames as u64 / 10;
    memory::run(scene, recording, (speed, more), threads, |plan| {
        let options = StoreOptions { when_slow: WhenSlow::LeaveOut, ..StoreOptions::default() };
        let stalled_now = Arc::clone(&stalled);
        let recorder = Recorder::create_on(&path, plan, true, options, |disk| match stalling {
            true => Box::new(Stalling { disk, since: Instant::now(), stalled: stalled_now }),
            false => Box::new(disk),
        });
        let recorder = recorder.unwrap_or_else(|error| fail(error));
        let (works, stalls, memory_mb) = (Vec::new(), Vec::new(), Vec::new());
        Timed { recorder, stalled, works, stalls, memory_mb, tenth, changes: 0 }
    })
}

/// A disk that takes nothing every second half second.
struct Stalling {
    disk: FileDisk,
    since: Instant,
    stalled: Arc<AtomicBool>,
}

impl Stalling {
    fn wait(&self) {
        let both = 2 * STALL.as_nanos();
        let at = self.since.elapsed().as_nanos() % both;
        if at >= STALL.as_nanos() {
            self.stalled.store(true, Ordering::Relaxed);
            std::thread::sleep(Duration::from_nanos((both - at) as u64));
            self.stalled.store(false, Ordering::Relaxed);
        }
    }
}

impl Disk for Stalling {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wait();
        self.disk.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.wait();
        self.disk.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.disk.cut(length)
    }
}

/// Passes everything on, and keeps the latencies from arrival to the decision on alarms, ns, of
/// frames that were measured: while the disk works, and while it stalls.
struct Timed {
    recorder: Recorder,
    stalled: Arc<AtomicBool>,
    works: Vec<u64>,
    stalls: Vec<u64>,
    memory_mb: Vec<f64>,
    /// Frames from one look at the memory to the next.
    tenth: u64,
    changes: usize,
}

impl Sink for Timed {
    fn row(&mut self, row: &FrameRow) -> Result<(), SinkError> {
        let total = row.latency_ns.last().copied().unwrap_or(0);
        match (row.fate, self.stalled.load(Ordering::Relaxed)) {
            (Fate::Measured | Fate::Degraded, false) => self.works.push(total),
            (Fate::Measured | Fate::Degraded, true) => self.stalls.push(total),
            _ => {}
        }
        if row.stamp.index % self.tenth.max(1) == self.tenth.max(1) - 1 {
            self.memory_mb.extend(private_mb());
        }
        self.recorder.row(row)
    }

    fn alarm(&mut self, event: &AlarmEvent) -> Result<(), SinkError> {
        self.recorder.alarm(event)
    }

    fn shedding(&mut self, change: &Shedding) -> Result<(), SinkError> {
        self.changes += 1;
        self.recorder.shedding(change)
    }

    fn close(&mut self, ledger: &Ledger) -> Result<(), SinkError> {
        self.recorder.close(ledger)
    }
}

/// Private memory of this process.
fn private_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kb| kb / 1024.0)
}

//! Soak: the real program at the highest rate that it sustains and a fifth more, with faults all the
//! way. Memory and latency stay flat, and every frame has its fate. Twelve seconds here; `make soak`
//! takes 30 minutes. The recording is short and played again and again.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use liwatch::source::{FaultKind, Faults};

/// Frames of the recording; of a long run more, for in a short one that is played again and again each
/// frame meets its own noise in the template.
const FRAMES: u64 = 200;
const FRAMES_LONG: u64 = 1000;
const LONG_MINUTES: f64 = 2.0;
const BUDGET_MS: f64 = 200.0;
/// With more processes than this for each core, latency is the operating system's.
const CROWDED: f64 = 2.5;
const FAULTS: &str = "drop=0.002,corrupt=0.001,duplicate=0.001,reorder=0.002:4,stall=0.0002:100,\
                      burst=0.001:16,disk-stall=0.0005:300,disk-full@2000:500,seed=7";

fn number(name: &str, usual: f64) -> f64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn liwatch(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liwatch"));
    command.current_dir(folder).args(arguments).stderr(Stdio::null());
    command
}

/// Frames per second at `--speed max`, the growth of the first template left behind.
fn highest_rate(folder: &Path, frames: u64) -> f64 {
    let started = Instant::now();
    let passes = 1600 / frames + 1;
    let status = liwatch(folder, &["replay", "m.npy", "--config", "m.toml", "--out", "max.h5"])
        .args(["--repeat", &passes.to_string(), "--json"])
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("liwatch starts").success(), "the run at the highest rate failed");
    (passes * frames) as f64 / started.elapsed().as_secs_f64()
}

/// Private memory of a process, MB.
fn memory_mb(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kb| kb / 1024.0)
}

/// Processes that want a core, over the cores; the run itself takes about one.
fn crowding() -> f64 {
    let told = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = told.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
    load / std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted
        .get((sorted.len() as f64 * share) as usize)
        .or(sorted.last())
        .copied()
        .unwrap_or(f64::NAN)
}

/// Latencies of the frames that were measured, ms, sorted, by thirds of the run.
fn thirds(run: &Path) -> Vec<Vec<f64>> {
    let file = hdf5::File::open(run).expect("the run file opens");
    let total: Vec<u64> =
        file.dataset("entry/latency/total").and_then(|set| set.read_raw()).expect("latencies");
    let fate: Vec<u8> =
        file.dataset("entry/frames/fate").and_then(|set| set.read_raw()).expect("fates");
    let rows = total.len().div_ceil(3);
    let third = |(total, fate): (&[u64], &[u8])| {
        let measured = total.iter().zip(fate).filter(|(_, fate)| **fate < 2);
        let mut out: Vec<f64> = measured.map(|(ns, _)| *ns as f64 * 1e-6).collect();
        out.sort_by(f64::total_cmp);
        out
    };
    total.chunks(rows).zip(fate.chunks(rows)).map(third).collect()
}

/// The stages of the frame that took longest, ms.
fn worst(run: &Path) -> String {
    let file = hdf5::File::open(run).expect("the run file opens");
    let group = file.group("entry/latency").expect("there are latencies");
    let worst = group.dataset("total").and_then(|set| set.attr("worst_frame"));
    let row: u64 = worst.and_then(|attr| attr.read_scalar()).expect("the worst frame is told");
    let stage = |name: &str| {
        let rows: Vec<u64> = group.dataset(name).and_then(|set| set.read_raw()).expect("a stage");
        format!("{name} {:.1}", rows[row as usize] as f64 * 1e-6)
    };
    let stages = ["queue", "register", "anode", "c1", "track", "total"].map(stage);
    format!("frame {row}: {} ms", stages.join(", "))
}

#[test]
fn with_memory_and_latency_and_no_frame_unaccounted_for() {
    let minutes = number("LIWATCH_SOAK_MINUTES", 0.2);
    let size = number("LIWATCH_SOAK_SIZE", 256.0).to_string();
    let folder = tempfile::tempdir().expect("a folder for the test");
    let folder = folder.path();
    let frames = if minutes < LONG_MINUTES { FRAMES } else { FRAMES_LONG };
    let made = liwatch(folder, &["simulate", "--out", "m.npy", "--size", &size])
        .args(["--frames", &frames.to_string(), "--frame-rate", "100"])
        .stdout(Stdio::null())
        .status();
    assert!(made.expect("liwatch starts").success(), "the recording could not be simulated");
    let rate = 1.2 * highest_rate(folder, frames);
    let config = folder.join("m.toml");
    let mut text = std::fs::read_to_string(&config).expect("there is a configuration");
    text += &format!("\n[budget]\ntotal_ms = {BUDGET_MS}\n");
    std::fs::write(&config, text).expect("the configuration is written");

    let passes = (rate * minutes * 60.0 / frames as f64).ceil() as u64;
    let mut process = liwatch(folder, &["replay", "m.npy", "--config", "m.toml", "--json"])
        .args(["--cell", "m.cell.csv", "--out", "r.h5", "--inject", FAULTS])
        .args(["--repeat", &passes.to_string(), "--speed", &format!("x{}", rate / 100.0)])
        .stdout(Stdio::piped())
        .spawn()
        .expect("liwatch starts");
    // The journal is there while the run goes on; the summary at the end takes memory of its own.
    let (journal, mut memory) = (folder.join("r.h5.journal"), Vec::new());
    let look = Duration::from_secs_f64((minutes * 0.3).clamp(0.05, 5.0));
    while process.try_wait().expect("the process can be looked at").is_none() {
        std::thread::sleep(look);
        memory.extend(memory_mb(process.id()).filter(|_| journal.exists()));
    }
    let ended = process.wait_with_output().expect("the process has ended");
    assert!(ended.status.success(), "the run failed: {}", ended.status);
    let told: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("one JSON object");

    let count = |name: &str| told["frames"][name].as_u64().expect("a count");
    let (received, missing, corrupt) = (count("received"), count("missing"), count("corrupt"));
    let (measured, degraded, dropped) = (count("measured"), count("degraded"), count("dropped"));
    println!(
        "{size}², {minutes} min at {rate:.0} frames/s: {received} frames, {measured} measured, \
         {degraded} degraded, {dropped} dropped, {corrupt} corrupt, {missing} missing; \
         {}",
        told["reasons"]
    );
    let third = memory.len() / 3;
    let means: Vec<f64> = memory
        .chunks(third.max(1))
        .take(3)
        .map(|part| part.iter().sum::<f64>() / part.len() as f64)
        .collect();
    println!("private memory by thirds, MB: {means:.1?}");
    let thirds = thirds(&folder.join("r.h5"));
    for (k, third) in thirds.iter().enumerate() {
        println!(
            "third {}: arrival to decision {:.2} ms (50 %), {:.1} (99 %), {:.1} (99.9 %), {:.1} worst",
            k + 1,
            quantile(third, 0.5),
            quantile(third, 0.99),
            quantile(third, 0.999),
            quantile(third, 1.0)
        );
    }
    println!("worst: {}", worst(&folder.join("r.h5")));

    assert_eq!(received, passes * frames);
    assert_eq!(received, measured + degraded + dropped + corrupt + missing);
    let faults: Faults = FAULTS.parse().expect("the faults are right");
    let hits = |kind| (0..received).filter(|frame| faults.hit(kind, *frame).is_some()).count();
    assert_eq!(missing as usize, hits(FaultKind::Drop), "missing at the source");
    assert!(corrupt as usize <= hits(FaultKind::Corrupt), "{corrupt} corrupt frames");
    assert!(corrupt > 0 || received < 20_000, "no frame was corrupt");
    assert!(measured + degraded > received / 5, "four of five frames were not measured");
    if let [_, middle, last] = means[..] {
        assert!(last <= 1.1 * middle + 8.0, "memory grows: {means:.1?} MB");
    }
    if crowding() > CROWDED {
        println!("NOT JUDGED: latency, for {:.1} processes want each core", crowding());
        return;
    }
    for third in &thirds {
        let p99 = quantile(third, 0.99);
        assert!(p99 <= BUDGET_MS, "99 % took up to {p99} ms; the budget is {BUDGET_MS} ms");
    }
}

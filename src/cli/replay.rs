//! `liwatch replay`: measure a recording.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::corrected::{self, Corrected};
use super::raw_frames::{self, RawFrames};
use super::{Failure, Outcome, print, tell};
use crate::alarm::{AlarmEngine, AlarmEvent};
use crate::cell::CellSeries;
use crate::config::Config;
use crate::format;
use crate::frame::Ledger;
use crate::pipeline::{self, FrameRow, Keep, Setup, SetupError, Shedding, Sink, SinkError};
use crate::serve::{self, Server};
use crate::source::{
    FaultClock, FaultKind, Faults, FaultyRecording, FaultySource, FrameTimes, RepeatedRecording,
    Replay, Source, Speed,
};
use crate::store::{FaultyDisk, Recorder, RunSummary, StoreError, StoreOptions, WhenSlow, draw};

/// Measure a recording: drift, front, crack, cell and alarms, into one HDF5 run file
#[derive(clap::Args)]
#[command(
    after_help = "Example: liwatch replay movie.dm4 --config run.toml --cell log.csv --out run.h5"
)]
pub struct Args {
    /// A recording: TIFF, MRC, DM3/DM4, SER, NPY, video, or a folder of images
    pub recording: PathBuf,
    /// The configuration, TOML; without it drift alone is measured
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// The run file to write, HDF5
    #[arg(long)]
    pub out: PathBuf,
    /// Bias and current: a delimited text log
    #[arg(long)]
    pub cell: Option<PathBuf>,
    /// max, realtime, or a multiple of it such as x10
    #[arg(long, default_value = "max")]
    pub speed: Speed,
    /// Rehearse faults: KIND=RATE[:SIZE] or KIND@FRAME[:SIZE], by commas, and seed=N. Kinds: drop,
    /// corrupt, duplicate, reorder (frames), stall (ms), burst (frames), disk-full (ms),
    /// disk-stall (ms)
    #[arg(long, value_name = "FAULTS")]
    pub inject: Option<Faults>,
    /// Play the recording so many times, forwards and backwards in turn: for long rehearsals
    #[arg(long, value_name = "PASSES", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub repeat: u32,
    /// Threads that observe frames (default: all cores)
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Let others follow the rows, as liwatch tail http://ADDRESS:PORT. A port alone serves this
    /// machine; 0.0.0.0:PORT serves every machine that can reach this one
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = serve::listen_address)]
    pub serve: Option<SocketAddr>,
    /// Replace existing files
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub corrected: corrected::Args,
    /// Print one JSON object on stdout and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let config = match &args.config {
        Some(path) => Config::load(path).map_err(|error| Failure::Usage(error.into()))?,
        None => Config::default(),
    };
    let stack = args.corrected.reserve(args.force, &args.recording, &args.out)?;
    super::recover::earlier_run(&args.out, args.force)?;
    let recording: Arc<dyn format::Recording> =
        Arc::from(format::open(&args.recording).context("the recording cannot be opened")?);
    let recording = match args.repeat {
        1 => recording,
        passes => {
            let times = FrameTimes::of(&*recording, config.calibration.frame_rate_hz);
            Arc::new(RepeatedRecording::new(recording, passes as usize, &times))
        }
    };
    let recording = match &args.inject {
        Some(faults) => Arc::new(FaultyRecording::new(recording, faults.clone())),
        None => recording,
    };
    for note in &recording.info().notes {
        tracing::warn!("{}: {note}", args.recording.display());
    }
    let times = FrameTimes::of(&*recording, config.calibration.frame_rate_hz);
    let times_known = !times.is_assumed();
    if !times_known {
        tracing::warn!(
            "neither the recording nor the configuration tells the time of the frames: one second \
             each is assumed; set calibration.frame_rate_hz"
        );
    }
    let cell = args.cell.as_deref().map(|path| read_cell(path, &config, &recording)).transpose()?;
    let setup = Setup::new(Arc::clone(&recording), config).map_err(|error| match error {
        SetupError::Config(error) => Failure::Usage(error.into()),
        other => {
            Failure::Run(anyhow::Error::new(other).context(args.recording.display().to_string()))
        }
    })?;
    let gauges: Vec<_> =
        setup.gauges.iter().map(|named| (named.name.clone(), named.gauge.schema())).collect();
    let alarms = AlarmEngine::new(&setup.config.alarms, &gauges, setup.calibration)
        .map_err(|error| Failure::Usage(in_config(error.into(), args)))?;
    let threads = args
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let title = args.recording.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let server = args.serve.map(|address| Server::start(address, &args.out));
    let server = server.transpose().map_err(|error| Failure::Usage(error.into()))?;
    if let Some(server) = &server {
        tell(format_args!("rows at {}", server.url()));
    }
    let mut plan = setup.plan(&title, cell.clone(), threads);
    let raw = RawFrames::reserve(args, &setup)?;
    plan.frames_file = raw.as_ref().map(RawFrames::name);
    let raw = raw.map(|raw| raw.create(args, &setup, &plan, &times)).transpose()?;
    let (keep, told_raw) = raw.unzip();
    let mut played = Replay::new(&*recording, times, args.speed);
    let mut options = StoreOptions::from(&setup.config.store);
    if pipeline::sheds(&setup, &played) {
        // A latency budget is not kept by waiting for a disk.
        options.when_slow = WhenSlow::LeaveOut;
    }
    let faults = args.inject.clone().unwrap_or_default();
    let clock = Arc::new(FaultClock::default());
    let of_disk = faults.any(&[FaultKind::DiskFull, FaultKind::DiskStall]);
    let file = Recorder::create_on(&args.out, &plan, args.force, options, |disk| match of_disk {
        true => Box::new(FaultyDisk::new(disk, faults.clone(), Arc::clone(&clock))),
        false => Box::new(disk),
    })
    .map_err(|error| match error {
        StoreError::Exists { .. } => Failure::Usage(error.into()),
        other => Failure::Run(other.into()),
    })?;

    let mut faulty;
    let source: &mut dyn Source = match args.inject {
        Some(_) => {
            faulty = FaultySource::new(&mut played, faults, clock);
            &mut faulty
        }
        None => &mut played,
    };
    let mut sink = WithProgress::new(file, source.len_hint(), args.json);
    sink.keep = keep;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(Arc::clone(&stop));
    let started = std::time::Instant::now();
    let ledger = pipeline::run(&setup, source, cell.as_ref(), alarms, &mut sink, threads, &stop);
    let elapsed = started.elapsed();
    sink.bar.finish_and_clear();
    let ledger = ledger.context("the run failed")?;
    let raw = told_raw.map(|told| raw_frames::ended(&told));
    let summary = RunSummary::read(&args.out).context("the run cannot be read back")?;
    let picture = args.out.with_extension("png");
    draw(&summary, &picture).context("no picture")?;
    if !args.json {
        super::report::show(&summary, &picture, Vec::new(), false);
        let rate = ledger.received as f64 / elapsed.as_secs_f64().max(1e-9);
        print(format_args!("speed     {rate:.0} frames/s in {:.2} s\n", elapsed.as_secs_f64()));
    }
    over_budget(&setup, &summary);
    if let (Some(Ok(raw)), false) = (&raw, args.json) {
        raw_frames::show(raw, &args.out);
    }
    // The measured run is over and stored: what happens to the stack does not touch it.
    let corrected = stack.map(|stack| {
        let (setup, summary, stop) = (&setup, &summary, &stop);
        let pass = Corrected { setup, summary, times_known, threads, stop };
        pass.write(&args.corrected, stack, args.json)
    });
    let (told, outcome) = match corrected {
        None => (None, Ok(())),
        Some(Ok(told)) => (Some(told), Ok(())),
        Some(Err(error)) => {
            let told = serde_json::json!({ "error": error.to_string() });
            (Some(told), Err(Failure::Run(error.context("no corrected stack"))))
        }
    };
    if args.json {
        let raw = raw.as_ref().map(|raw| ("raw_frames", raw_frames::json(raw)));
        let more = told.map(|told| ("corrected", told)).into_iter().chain(raw);
        super::report::show(&summary, &picture, more.collect(), true);
    }
    if let Some(Err(error)) = raw {
        return Err(Failure::Run(error));
    }
    outcome
}

fn in_config(error: anyhow::Error, args: &Args) -> anyhow::Error {
    match &args.config {
        Some(path) => error.context(path.display().to_string()),
        None => error,
    }
}

fn read_cell(
    path: &Path,
    config: &Config,
    recording: &Arc<dyn format::Recording>,
) -> Result<CellSeries, Failure> {
    let mut series = CellSeries::read(path, &config.cell).context("the cell log cannot be read")?;
    for note in &series.notes {
        tracing::warn!("{}: {note}", path.display());
    }
    series.align(recording.info().start_unix_time_s, config.cell.time_offset_s);
    Ok(series)
}

/// Tells which stages took longer than their budget.
fn over_budget(setup: &Setup, summary: &RunSummary) {
    let budget = &setup.config.budget;
    for stage in &summary.latency {
        let allowed = match stage.stage.as_str() {
            "queue" => budget.queue_ms,
            "register" => budget.register_ms,
            "track" => budget.track_ms,
            "total" => budget.total_ms,
            _ => budget.gauge_ms,
        };
        if let Some(allowed) = allowed.filter(|allowed| stage.p99_ms > *allowed) {
            tracing::warn!(
                "{}: 1 % of the frames took more than {:.2} ms; the budget is {allowed} ms",
                stage.stage,
                stage.p99_ms
            );
        }
    }
}

/// Lets Ctrl-C and a polite kill end the run in an orderly way; a second one ends it at once.
fn stop_on_signal(stop: Arc<AtomicBool>) {
    let listen = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            loop {
                if tokio::signal::ctrl_c().await.is_err() {
                    return;
                }
                if stop.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
                tell("stopping after the frames in flight; once more to stop at once");
            }
        });
    };
    std::thread::spawn(listen);
}

/// Passes everything on to the recorder and shows how far the run is.
struct WithProgress {
    file: Recorder,
    keep: Option<Keep>,
    bar: ProgressBar,
}

impl WithProgress {
    fn new(file: Recorder, frames: Option<usize>, quiet: bool) -> WithProgress {
        let bar = match (quiet, frames) {
            (true, _) => ProgressBar::hidden(),
            (false, Some(frames)) => ProgressBar::new(frames as u64),
            (false, None) => ProgressBar::no_length(),
        };
        let form = "{bar:40} {pos}/{len} frames  {per_sec}  {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        WithProgress { file, keep: None, bar }
    }
}

impl Sink for WithProgress {
    fn keep(&mut self) -> Option<Keep> {
        self.keep.take()
    }

    fn row(&mut self, row: &FrameRow) -> Result<(), SinkError> {
        self.bar.inc(1);
        self.file.row(row)
    }

    fn alarm(&mut self, event: &AlarmEvent) -> Result<(), SinkError> {
        self.bar.set_message(format!("{} {:?} at {:.2} s", event.name, event.state, event.time_s));
        self.file.alarm(event)
    }

    fn shedding(&mut self, change: &Shedding) -> Result<(), SinkError> {
        self.bar.set_message(change.message.clone());
        self.file.shedding(change)
    }

    fn close(&mut self, ledger: &Ledger) -> Result<(), SinkError> {
        self.file.close(ledger)
    }
}

//! Reading a run back: the series, the ledger, the alarms and the latencies of a run file,
//! finished or not.

use std::path::{Path, PathBuf};

use hdf5::types::{FixedUnicode, VarLenUnicode};

use super::{StoreError, journal};
use crate::frame::{Fate, Ledger};
use crate::pipeline::{Latencies, Percentiles, StageLatency};
use crate::resample::Affine;

/// One number over the frames, with its one sigma.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: String,
    pub units: String,
    pub values: Vec<f64>,
    /// Empty where the file has none.
    pub errors: Vec<f64>,
}

/// One gauge of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct GaugeSummary {
    pub name: String,
    pub kind: String,
    pub series: Vec<Series>,
    /// The counter electrode, where the configuration has one, reference px.
    pub counter_px: Option<f64>,
}

/// An alarm event.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmSummary {
    pub time_s: f64,
    pub name: String,
    pub raised: bool,
    pub message: String,
    pub action: String,
}

/// A change of what was left out to keep the budget.
#[derive(Clone, Debug, PartialEq)]
pub struct SheddingSummary {
    pub time_s: f64,
    pub frame: u64,
    pub level: u32,
    pub message: String,
}

/// Latency of one stage over the frames that were measured, ms; NaN without frames.
#[derive(Clone, Debug, PartialEq)]
pub struct StageSummary {
    pub stage: String,
    pub frames: u64,
    pub median_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub worst_ms: f64,
    /// Row of the frame that took longest.
    pub worst_frame: Option<u64>,
}

/// What a run file tells.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    pub path: PathBuf,
    pub title: String,
    /// Start of the run, ISO 8601 UTC.
    pub start_time: String,
    pub source: String,
    pub pixel_size_nm: (f64, f64),
    pub time_s: Vec<f64>,
    pub fate: Vec<u8>,
    pub reason: Vec<u16>,
    /// Counted from the rows.
    pub ledger: Ledger,
    /// False for a run that was not closed.
    pub closed: bool,
    pub drift: Vec<Series>,
    /// For each row the map from reference to frame coordinates; NaN where it is not known.
    pub maps: Vec<Affine>,
    pub locked: Vec<u8>,
    pub gauges: Vec<GaugeSummary>,
    /// Voltage and current at the frames; empty without a cell.
    pub cell: Vec<Series>,
    pub alarms: Vec<AlarmSummary>,
    pub shedding: Vec<SheddingSummary>,
    pub latency: Vec<StageSummary>,
}

impl RunSummary {
    /// Reads a run file.
    ///
    /// # Errors
    /// [`StoreError`] when the file is no run of liwatch or cannot be read.
    pub fn read(path: &Path) -> Result<RunSummary, StoreError> {
        let opened = hdf5::File::open(path).or_else(|_| crate::format::follow_hdf5(path));
        let file = opened.map_err(|source| StoreError::Hdf5 {
            path: path.to_owned(),
            what: if journal::path_of(path).exists() {
                "cannot be opened as HDF5, but its journal is there: the run goes on (liwatch tail) \
                 or was cut off (liwatch recover)"
            } else {
                "cannot be opened as HDF5"
            }
            .to_owned(),
            source,
        })?;
        if !file.link_exists("entry") || file.dataset("entry/frames/fate").is_err() {
            return Err(StoreError::NotARun {
                path: path.to_owned(),
                what: "is no run of liwatch: it has no /entry/frames/fate".to_owned(),
            });
        }
        read(&file, path).map_err(|source| StoreError::Hdf5 {
            path: path.to_owned(),
            what: "cannot be read as a run".to_owned(),
            source,
        })
    }
}

fn read(file: &hdf5::File, path: &Path) -> hdf5::Result<RunSummary> {
    let entry = file.group("entry")?;
    let frames = entry.group("frames")?;
    let fate: Vec<u8> = frames.dataset("fate")?.read_raw()?;
    let rows = fate.len();
    let mut ledger = Ledger { received: rows as u64, ..Ledger::default() };
    for fate in &fate {
        match fate {
            0 => ledger.measured += 1,
            1 => ledger.degraded += 1,
            2 => ledger.dropped += 1,
            3 => ledger.corrupt += 1,
            _ => ledger.missing += 1,
        }
    }
    let drift = entry.group("drift")?;
    let detector = entry.group("instrument/detector")?;
    let number = |name: &str| detector.dataset(name)?.read_scalar::<f64>();
    let mut gauges = Vec::new();
    let mut names = entry.member_names()?;
    names.sort();
    for name in names {
        let Ok(group) = entry.group(&name) else { continue };
        if group.attr("kind").is_ok() {
            gauges.push(read_gauge(&group, &name, rows)?);
        }
    }
    let cell = match entry.group("cell_at_frames") {
        Ok(group) => vec![
            read_series(&group, "voltage_volt", rows)?,
            read_series(&group, "current_ampere", rows)?,
        ],
        Err(_) => Vec::new(),
    };
    Ok(RunSummary {
        path: path.to_owned(),
        title: read_text(&entry, "title"),
        start_time: read_text(&entry, "start_time"),
        source: read_text(&detector, "description"),
        pixel_size_nm: (number("x_pixel_size")?, number("y_pixel_size")?),
        time_s: frames.dataset("time")?.read_raw()?,
        reason: frames.dataset("reason")?.read_raw()?,
        latency: read_latency(&entry, &fate)?,
        fate,
        ledger,
        closed: frames.attr("received").is_ok(),
        locked: drift.dataset("locked")?.read_raw()?,
        maps: read_maps(&drift, rows)?,
        drift: vec![read_series(&drift, "x", rows)?, read_series(&drift, "y", rows)?],
        gauges,
        cell,
        alarms: read_alarms(&entry)?,
        shedding: read_shedding(&frames)?,
    })
}

fn read_gauge(group: &hdf5::Group, name: &str, rows: usize) -> hdf5::Result<GaugeSummary> {
    let signal = attribute(group, "signal");
    let mut series = vec![read_series(group, &signal, rows)?];
    if let Ok(others) = group.attr("auxiliary_signals") {
        for other in others.read_raw::<VarLenUnicode>()? {
            series.push(read_series(group, &other, rows)?);
        }
    }
    let counter_px = group.attr("counter_px").and_then(|attr| attr.read_scalar::<f64>()).ok();
    Ok(GaugeSummary { name: name.to_owned(), kind: attribute(group, "kind"), series, counter_px })
}

/// A run that was cut off may have datasets that are a block apart; all are cut to the ledger.
fn read_series(group: &hdf5::Group, name: &str, rows: usize) -> hdf5::Result<Series> {
    let dataset = group.dataset(name)?;
    let mut values: Vec<f64> = dataset.read_raw()?;
    values.resize(rows, f64::NAN);
    let errors = match group.dataset(&format!("{name}_errors")) {
        Ok(errors) => {
            let mut errors: Vec<f64> = errors.read_raw()?;
            errors.resize(rows, f64::NAN);
            errors
        }
        Err(_) => Vec::new(),
    };
    Ok(Series { name: name.to_owned(), units: attribute(&dataset, "units"), values, errors })
}

/// Files of earlier versions know the drift alone.
fn read_maps(drift: &hdf5::Group, rows: usize) -> hdf5::Result<Vec<Affine>> {
    let mut maps: Vec<Affine> = match drift.dataset("to_frame") {
        Ok(dataset) => {
            let values: Vec<f64> = dataset.read_raw()?;
            let (rows, _) = values.as_chunks::<6>();
            let map = |[a, b, c, d, e, f]: &[f64; 6]| Affine {
                matrix: [[*a, *b], [*d, *e]],
                offset: [*c, *f],
            };
            rows.iter().map(map).collect()
        }
        Err(_) => {
            let (x, y) = (read_series(drift, "x", rows)?, read_series(drift, "y", rows)?);
            let shifts = x.values.into_iter().zip(y.values);
            shifts.map(|(x, y)| Affine::translation(x, y)).collect()
        }
    };
    maps.resize(rows, Affine::translation(f64::NAN, f64::NAN));
    Ok(maps)
}

fn read_alarms(entry: &hdf5::Group) -> hdf5::Result<Vec<AlarmSummary>> {
    let group = entry.group("alarms")?;
    let time: Vec<f64> = group.dataset("time")?.read_raw()?;
    let name: Vec<FixedUnicode<64>> = group.dataset("name")?.read_raw()?;
    let state: Vec<u8> = group.dataset("state")?.read_raw()?;
    let message: Vec<FixedUnicode<256>> = group.dataset("message")?.read_raw()?;
    let action: Vec<FixedUnicode<128>> = group.dataset("action")?.read_raw()?;
    let texts = name.into_iter().zip(message).zip(action);
    Ok(time
        .into_iter()
        .zip(state)
        .zip(texts)
        .map(|((time_s, state), ((name, message), action))| AlarmSummary {
            time_s,
            name: name.to_string(),
            raised: state == 0,
            message: message.to_string(),
            action: action.to_string(),
        })
        .collect())
}

/// Files of earlier versions have none.
fn read_shedding(frames: &hdf5::Group) -> hdf5::Result<Vec<SheddingSummary>> {
    let Ok(group) = frames.group("shedding") else { return Ok(Vec::new()) };
    let frame: Vec<u64> = group.dataset("frame")?.read_raw()?;
    let time: Vec<f64> = group.dataset("time")?.read_raw()?;
    let level: Vec<u32> = group.dataset("level")?.read_raw()?;
    let message: Vec<FixedUnicode<256>> = group.dataset("message")?.read_raw()?;
    let changes = frame.into_iter().zip(time).zip(level.into_iter().zip(message));
    Ok(changes
        .map(|((frame, time_s), (level, message))| SheddingSummary {
            time_s,
            frame,
            level,
            message: message.to_string(),
        })
        .collect())
}

/// From the rows, so that a run that was cut off has them too.
fn read_latency(entry: &hdf5::Group, fate: &[u8]) -> hdf5::Result<Vec<StageSummary>> {
    let group = entry.group("latency")?;
    let mut stages = Vec::new();
    if let Ok(others) = group.attr("auxiliary_signals") {
        stages.extend(others.read_raw::<VarLenUnicode>()?.iter().map(ToString::to_string));
    }
    stages.push(attribute(&group, "signal"));
    stages
        .into_iter()
        .map(|stage| {
            let all: Vec<u64> = group.dataset(&stage)?.read_raw()?;
            let mut found = Latencies::new([&stage]);
            for (row, (ns, fate)) in all.iter().zip(fate).enumerate() {
                let fate = Fate::from_code(*fate).unwrap_or(Fate::Missing);
                found.enter(row as u64, fate, &[*ns]);
            }
            let told = found.stages.first().and_then(StageLatency::percentiles);
            let ms =
                |read: fn(Percentiles) -> u64| told.map_or(f64::NAN, |t| read(t) as f64 * 1e-6);
            Ok(StageSummary {
                stage,
                frames: told.map_or(0, |told| told.frames),
                median_ms: ms(|told| told.p50),
                p99_ms: ms(|told| told.p99),
                p999_ms: ms(|told| told.p999),
                worst_ms: ms(|told| told.max),
                worst_frame: told.map(|told| told.worst_frame),
            })
        })
        .collect()
}

fn attribute(location: &hdf5::Location, name: &str) -> String {
    let read = location.attr(name).and_then(|attr| attr.read_scalar::<VarLenUnicode>());
    read.map_or_else(|_| String::new(), |text| text.to_string())
}

fn read_text(group: &hdf5::Group, name: &str) -> String {
    let read = group.dataset(name).and_then(|dataset| dataset.read_scalar::<VarLenUnicode>());
    read.map_or_else(|_| String::new(), |text| text.to_string())
}

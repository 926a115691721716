//! The groups and datasets of a run, and which number of a row goes where: one file a group.

mod about;
mod alarms;
mod cell;
mod drift;
mod gauge;
mod latency;
mod ledger;

use std::path::Path;

use alarms::Alarms;
use cell::AtFrames;
use drift::Drift;
use gauge::Gauge;
use ledger::{Changes, Frames};

use super::attributes::{describe_root, set_number, set_text, set_texts};
use super::column::{Column, Label};
use super::texts::{iso_time, text};
use crate::alarm::AlarmEvent;
use crate::pipeline::{FrameRow, RunPlan, Shedding};

pub use latency::finish as finish_latency;

/// Every dataset that grows.
#[derive(Default)]
pub struct Datasets {
    frames: Option<Frames>,
    drift: Option<Drift>,
    gauges: Vec<Gauge>,
    cell: Option<AtFrames>,
    alarms: Option<Alarms>,
    shedding: Option<Changes>,
    latency: Vec<Column<u64>>,
}

/// Creates everything in a new file.
pub fn create(file: &hdf5::File, path: &Path, plan: &RunPlan) -> hdf5::Result<Datasets> {
    describe_root(file, plan.start_unix_time_s)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    set_text(file, "file_name", &name)?;
    let entry = group(file, "entry", "NXentry")?;
    let first = plan.gauges.first().map_or("drift", |gauge| gauge.name.as_str());
    set_text(&entry, "default", first)?;
    text(&entry, "title", &plan.title, "what was recorded")?;
    let start =
        text(&entry, "start_time", &iso_time(plan.start_unix_time_s), "start of the run, UTC")?;
    set_text(&start, "units", "ISO8601")?;
    text(&entry, "definition", "NXroot", "no application definition: base classes only")?;
    text(&entry, "program_name", "liwatch", "program that wrote this entry")?;
    text(&entry, "configuration", &plan.configuration, "configuration of the run, TOML")?;

    let frames = Frames::create(&entry)?;
    let drift = Drift::create(&entry, (plan.source.width, plan.source.height))?;
    let gauges = plan
        .gauges
        .iter()
        .map(|gauge| Gauge::create(&entry, gauge, &plan.calibration))
        .collect::<hdf5::Result<_>>()?;
    let cell = match &plan.cell {
        Some(series) => Some(AtFrames::create(&entry, series)?),
        None => None,
    };
    let alarms = Alarms::create(&entry)?;
    let shedding = Changes::create(&entry)?;
    let latency = latency::create(&entry, &plan.stages)?;
    about::create_instrument(&entry, plan)?;
    about::create_process(&entry, plan)?;
    Ok(Datasets {
        frames: Some(frames),
        drift: Some(drift),
        gauges,
        cell,
        alarms: Some(alarms),
        shedding: Some(shedding),
        latency,
    })
}

impl Datasets {
    /// Takes one frame's numbers.
    pub fn push(&mut self, row: &FrameRow) {
        self.frames.iter_mut().for_each(|frames| frames.push(row));
        self.drift.iter_mut().for_each(|drift| drift.push(&row.drift));
        for (gauge, found) in self.gauges.iter_mut().zip(&row.gauges) {
            gauge.push(found);
        }
        self.cell.iter_mut().for_each(|cell| cell.push(&row.cell));
        for (column, value) in self.latency.iter_mut().zip(&row.latency_ns) {
            column.push(*value);
        }
    }

    /// Takes one alarm event.
    pub fn push_alarm(&mut self, event: &AlarmEvent) {
        self.alarms.iter_mut().for_each(|alarms| alarms.push(event));
    }

    /// Takes a change of what is left out.
    pub fn push_shedding(&mut self, change: &Shedding) {
        self.shedding.iter_mut().for_each(|changes| changes.push(change));
    }

    /// Datasets that grow.
    pub fn count(&self) -> usize {
        let of_cell = if self.cell.is_some() { AtFrames::COLUMNS } else { 0 };
        self.gauges.iter().map(Gauge::columns).sum::<usize>()
            + of_cell
            + Frames::COLUMNS
            + Changes::COLUMNS
            + Drift::COLUMNS
            + Alarms::COLUMNS
            + self.latency.len()
    }

    /// Writes all that waits.
    pub fn flush(&mut self) -> hdf5::Result<()> {
        self.drift.iter_mut().try_for_each(Drift::flush)?;
        self.gauges.iter_mut().try_for_each(Gauge::flush)?;
        self.cell.iter_mut().try_for_each(AtFrames::flush)?;
        self.latency.iter_mut().try_for_each(Column::flush)?;
        self.alarms.iter_mut().try_for_each(Alarms::flush)?;
        self.shedding.iter_mut().try_for_each(Changes::flush)?;
        // The ledger comes last: a row that it shows is complete everywhere.
        self.frames.iter_mut().try_for_each(Frames::flush)
    }
}

fn group(parent: &hdf5::Group, name: &str, class: &str) -> hdf5::Result<hdf5::Group> {
    let group = parent.create_group_builder().obj_track_times(false).create(name)?;
    set_text(&group, "NX_class", class)?;
    Ok(group)
}

/// An NXdata over the frames' times.
fn data_group(
    entry: &hdf5::Group,
    name: &str,
    signal: &str,
    others: &[&str],
) -> hdf5::Result<hdf5::Group> {
    let group = group(entry, name, "NXdata")?;
    set_text(&group, "signal", signal)?;
    if !others.is_empty() {
        set_texts(&group, "auxiliary_signals", others)?;
    }
    set_texts(&group, "axes", &["time"])?;
    set_number(&group, "time_indices", 0i64)?;
    Ok(group)
}

/// The frames' time in another group: the same dataset under a second name.
fn link_time(group: &hdf5::Group) -> hdf5::Result<()> {
    group.link_hard("/entry/frames/time", "time")
}

fn real(group: &hdf5::Group, label: Label<'_>) -> hdf5::Result<Column<f64>> {
    Column::create(group, label, None, Some(f64::NAN.into()))
}

fn single(group: &hdf5::Group, label: Label<'_>) -> hdf5::Result<Column<f32>> {
    Column::create(group, label, None, Some(f32::NAN.into()))
}

fn plain<T: hdf5::H5Type + Clone>(
    group: &hdf5::Group,
    label: Label<'_>,
) -> hdf5::Result<Column<T>> {
    Column::create(group, label, None, None)
}

//! The groups and datasets of a run, and which number of a row goes where.

use std::path::Path;

use hdf5::types::FixedUnicode;

use super::attributes::{set_number, set_text, set_texts, set_toml};
use super::codes::{FateCode, ReasonCode, StateCode};
use super::column::{Column, Label};
use super::texts::{fixed, iso_time, text};
use crate::alarm::AlarmEvent;
use crate::cell::CellSeries;
use crate::frame::Calibration;
use crate::pipeline::{FrameRow, GaugePlan, Latencies, RunPlan, Shedding};

/// Every dataset that grows.
#[derive(Default)]
pub struct Datasets {
    frames: Option<Frames>,
    drift: Option<Drift>,
    gauges: Vec<Gauge>,
    cell: Option<[Column<f64>; 4]>,
    alarms: Option<Alarms>,
    shedding: Option<Changes>,
    latency: Vec<Column<u64>>,
}

struct Frames {
    sequence: Column<u64>,
    time: Column<f64>,
    unix_time: Column<f64>,
    fate: Column<FateCode>,
    reason: Column<ReasonCode>,
}

struct Drift {
    numbers: [Column<f64>; 4],
    to_frame: Column<f64>,
    /// Of a frame, px.
    size: (usize, usize),
    quality: Column<f32>,
    locked: Column<u8>,
    keyframe: Column<u32>,
}

struct Gauge {
    values: Vec<Column<f64>>,
    errors: Vec<Column<f64>>,
    arrays: Vec<Column<f32>>,
    array_errors: Vec<Column<f32>>,
    quality: Column<f32>,
    constants: Vec<hdf5::Dataset>,
    /// New values of constants that wait to be written.
    changed: Vec<Option<Vec<f32>>>,
}

/// Of what is left out to keep the budget.
struct Changes {
    frame: Column<u64>,
    time: Column<f64>,
    level: Column<u32>,
    message: Column<FixedUnicode<256>>,
}

struct Alarms {
    time: Column<f64>,
    name: Column<FixedUnicode<64>>,
    state: Column<StateCode>,
    frame: Column<u64>,
    message: Column<FixedUnicode<256>>,
    decision_latency: Column<f64>,
    action: Column<FixedUnicode<128>>,
    action_latency: Column<f64>,
}

/// Creates everything in a new file.
pub fn create(file: &hdf5::File, path: &Path, plan: &RunPlan) -> hdf5::Result<Datasets> {
    set_text(file, "NX_class", "NXroot")?;
    set_text(file, "default", "entry")?;
    set_text(file, "creator", "liwatch")?;
    set_text(file, "creator_version", env!("CARGO_PKG_VERSION"))?;
    let (major, minor, patch) = hdf5::library_version();
    set_text(file, "HDF5_Version", &format!("{major}.{minor}.{patch}"))?;
    set_text(file, "file_time", &iso_time(plan.start_unix_time_s))?;
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

    let frames = create_frames(&entry)?;
    let drift = create_drift(&entry, (plan.source.width, plan.source.height))?;
    let gauges = plan
        .gauges
        .iter()
        .map(|gauge| create_gauge(&entry, gauge, &plan.calibration))
        .collect::<hdf5::Result<_>>()?;
    let cell = match &plan.cell {
        Some(series) => Some(create_cell(&entry, series)?),
        None => None,
    };
    let alarms = create_alarms(&entry)?;
    let shedding = create_shedding(&entry)?;
    let latency = create_latency(&entry, &plan.stages)?;
    create_instrument(&entry, plan)?;
    create_process(&entry, plan)?;
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

fn create_frames(entry: &hdf5::Group) -> hdf5::Result<Frames> {
    let group = data_group(entry, "frames", "fate", &["sequence", "reason"])?;
    let label = |name, units, long_name| Label { name, units, long_name };
    Ok(Frames {
        sequence: plain(&group, label("sequence", "", "frame number as the source counts it"))?,
        time: real(&group, label("time", "s", "time since the first frame"))?,
        unix_time: real(&group, label("unix_time", "s", "time since 1970-01-01 UTC"))?,
        fate: plain(&group, label("fate", "", "what became of the frame"))?,
        reason: plain(&group, label("reason", "", "why the frame has its fate"))?,
    })
}

fn create_drift(entry: &hdf5::Group, size: (usize, usize)) -> hdf5::Result<Drift> {
    let group = data_group(entry, "drift", "x", &["y"])?;
    link_time(&group)?;
    let px = |name, long_name| real(&group, Label { name, units: "px", long_name });
    let label = |name, long_name| Label { name, units: "", long_name };
    Ok(Drift {
        numbers: [
            px("x", "drift of the specimen to the right")?,
            px("y", "drift of the specimen downward")?,
            px("x_errors", "one sigma of x")?,
            px("y_errors", "one sigma of y")?,
        ],
        to_frame: Column::create(
            &group,
            label("to_frame", "a reference point (x, y) stands at (a x + b y + c, d x + e y + f)"),
            Some(6),
            Some(f64::NAN.into()),
        )?,
        size,
        quality: single(&group, label("quality", "likeness to the template, 0 to 1"))?,
        locked: plain(&group, label("locked", "1 when the registration is trusted"))?,
        keyframe: plain(&group, label("keyframe", "which reference was used"))?,
    })
}

fn create_gauge(
    entry: &hdf5::Group,
    plan: &GaugePlan,
    calibration: &Calibration,
) -> hdf5::Result<Gauge> {
    let schema = &plan.schema;
    let signal = schema.fields.first().map_or("quality", |field| field.name);
    let others: Vec<&str> = schema.fields.iter().skip(1).map(|field| field.name).collect();
    let group = data_group(entry, &plan.name, signal, &others)?;
    link_time(&group)?;
    for (key, value) in &plan.configuration {
        if key != "name" {
            set_toml(&group, key, value)?;
        }
    }
    let mut gauge = Gauge {
        values: Vec::new(),
        errors: Vec::new(),
        arrays: Vec::new(),
        array_errors: Vec::new(),
        quality: single(
            &group,
            Label { name: "quality", units: "", long_name: "quality of the measurement, 0 to 1" },
        )?,
        constants: Vec::new(),
        changed: vec![None; schema.constants.len()],
    };
    for field in &schema.fields {
        let units = calibration.units(field.dimension);
        let errors = format!("{}_errors", field.name);
        let long_errors = format!("one sigma of {}", field.name);
        gauge
            .values
            .push(real(&group, Label { name: field.name, units, long_name: field.long_name })?);
        gauge.errors.push(real(&group, Label { name: &errors, units, long_name: &long_errors })?);
    }
    for array in &schema.arrays {
        let units = calibration.units(array.dimension);
        let errors = format!("{}_errors", array.name);
        let long_errors = format!("one sigma of {}", array.name);
        let create = |name, long_name| {
            let label = Label { name, units, long_name };
            Column::create(&group, label, Some(array.len), Some(f32::NAN.into()))
        };
        gauge.arrays.push(create(array.name, array.long_name)?);
        gauge.array_errors.push(create(&errors, &long_errors)?);
    }
    for constant in &schema.constants {
        let factor = calibration.factor(constant.dimension) as f32;
        let values: Vec<f32> = constant.values.iter().map(|v| v * factor).collect();
        let builder = group.new_dataset_builder().obj_track_times(false).empty::<f32>();
        let dataset = match constant.shape {
            (rows, 1) => builder.shape(rows).create(constant.name)?,
            shape => builder.shape(shape).create(constant.name)?,
        };
        dataset.write_raw(&values)?;
        set_text(&dataset, "units", calibration.units(constant.dimension))?;
        set_text(&dataset, "long_name", constant.long_name)?;
        gauge.constants.push(dataset);
    }
    Ok(gauge)
}

fn create_cell(entry: &hdf5::Group, series: &CellSeries) -> hdf5::Result<[Column<f64>; 4]> {
    let native = group(entry, "cell", "NXdata")?;
    set_text(&native, "signal", "voltage_volt")?;
    set_texts(&native, "auxiliary_signals", &["current_ampere"])?;
    set_texts(&native, "axes", &["test_time_second"])?;
    let mut columns = cell_columns(&native)?;
    let values = [&series.test_time_s, &series.unix_time_s, &series.voltage_v, &series.current_a];
    for (column, values) in columns.iter_mut().zip(values) {
        column.extend(values);
        column.flush()?;
    }
    let clock = group(&native, "clock", "NXcollection")?;
    set_number(&clock, "offset_s", series.clock.offset_s)?;
    set_number(&clock, "rate", series.clock.rate)?;
    set_number(&clock, "residual_s", series.clock.residual_s)?;
    set_text(&clock, "method", &series.clock.method)?;

    let at_frames = data_group(entry, "cell_at_frames", "voltage_volt", &["current_ampere"])?;
    link_time(&at_frames)?;
    cell_columns(&at_frames)
}

fn cell_columns(group: &hdf5::Group) -> hdf5::Result<[Column<f64>; 4]> {
    let create = |name, units, long_name| real(group, Label { name, units, long_name });
    Ok([
        create("test_time_second", "s", "time on the instrument's clock")?,
        create("unix_time_second", "s", "time since 1970-01-01 UTC")?,
        create("voltage_volt", "V", "voltage of the cell")?,
        create("current_ampere", "A", "current; positive charges the cell")?,
    ])
}

fn create_alarms(entry: &hdf5::Group) -> hdf5::Result<Alarms> {
    let group = group(entry, "alarms", "NXcollection")?;
    let label = |name, units, long_name| Label { name, units, long_name };
    Ok(Alarms {
        time: real(&group, label("time", "s", "time of the deciding frame"))?,
        name: plain(&group, label("name", "", "name of the alarm"))?,
        state: plain(&group, label("state", "", "what the alarm did"))?,
        frame: plain(&group, label("frame", "", "row of the deciding frame"))?,
        message: plain(&group, label("message", "", "rule and deciding numbers"))?,
        decision_latency: real(
            &group,
            label("decision_latency_s", "s", "from the frame's arrival to the decision"),
        )?,
        action: plain(&group, label("action", "", "actions and what came of them"))?,
        action_latency: real(
            &group,
            label("action_latency_s", "s", "from the decision to the end of the actions"),
        )?,
    })
}

/// Lies with the ledger, whose reasons it explains.
fn create_shedding(entry: &hdf5::Group) -> hdf5::Result<Changes> {
    let group = group(&entry.group("frames")?, "shedding", "NXcollection")?;
    let label = |name, units, long_name| Label { name, units, long_name };
    Ok(Changes {
        frame: plain(&group, label("frame", "", "first frame (row) that the step holds for"))?,
        time: real(&group, label("time", "s", "time of that frame"))?,
        level: plain(&group, label("level", "", "step of the ladder; 0 measures everything"))?,
        message: plain(&group, label("message", "", "what is measured from here on, and why"))?,
    })
}

/// Writes what the histograms tell, when the run closes: percentiles as attributes of each stage,
/// and the bins.
pub fn finish_latency(latency: &hdf5::Group, found: &Latencies) -> hdf5::Result<()> {
    let bins = group(latency, "histograms", "NXcollection")?;
    for stage in &found.stages {
        let Some(told) = stage.percentiles() else { continue };
        let dataset = latency.dataset(&stage.stage)?;
        for (name, value) in [
            ("frames", told.frames),
            ("p50", told.p50),
            ("p99", told.p99),
            ("p999", told.p999),
            ("max", told.max),
            ("worst_frame", told.worst_frame),
        ] {
            set_number(&dataset, name, value)?;
        }
        let rows = stage.bins();
        let builder = bins.new_dataset_builder().obj_track_times(false);
        let dataset = builder.empty::<u64>().shape((rows.len(), 2)).create(&*stage.stage)?;
        dataset.write_raw(&rows.concat())?;
        set_text(&dataset, "units", "")?;
        set_text(&dataset, "long_name", "highest latency of the bin, ns, and number of frames")?;
    }
    Ok(())
}

fn create_latency(entry: &hdf5::Group, stages: &[String]) -> hdf5::Result<Vec<Column<u64>>> {
    let others: Vec<&str> =
        stages.iter().map(String::as_str).filter(|stage| *stage != "total").collect();
    let group = data_group(entry, "latency", "total", &others)?;
    link_time(&group)?;
    stages
        .iter()
        .map(|stage| {
            let long_name = match stage.as_str() {
                "queue" => "wait from arrival to the start of work".to_owned(),
                "total" => "from arrival to the decision on alarms".to_owned(),
                stage => format!("time of the stage {stage}"),
            };
            plain(&group, Label { name: stage, units: "ns", long_name: &long_name })
        })
        .collect()
}

fn create_instrument(entry: &hdf5::Group, plan: &RunPlan) -> hdf5::Result<()> {
    let instrument = group(entry, "instrument", "NXinstrument")?;
    let detector = group(&instrument, "detector", "NXdetector")?;
    let (x, y) = plan.calibration.pixel_size_nm.unwrap_or((f64::NAN, f64::NAN));
    let camera = &plan.camera;
    for (name, units, long_name, value) in [
        ("x_pixel_size", "nm", "pixel size on the specimen along x; NaN when unknown", x),
        ("y_pixel_size", "nm", "pixel size on the specimen along y; NaN when unknown", y),
        ("count_per_electron", "", "camera counts per electron", camera.gain_counts_per_electron),
        ("offset", "count", "camera counts at zero electrons", camera.offset_counts),
        ("read_noise", "count", "one sigma of the read noise", camera.read_noise_counts),
    ] {
        let dataset = detector.new_dataset::<f64>().create(name)?;
        dataset.write_scalar(&value)?;
        set_text(&dataset, "units", units)?;
        set_text(&dataset, "long_name", long_name)?;
    }
    let source = &plan.source;
    let description = format!(
        "{} ({}, {} x {} px, {})",
        source.name, source.format, source.width, source.height, source.pixel_type
    );
    text(&detector, "description", &description, "where the frames come from")?;
    match &plan.frames_file {
        Some(name) => detector.link_external(name, super::RAW_FRAMES, "data"),
        None => Ok(()),
    }
}

fn create_process(entry: &hdf5::Group, plan: &RunPlan) -> hdf5::Result<()> {
    let process = group(entry, "process", "NXprocess")?;
    text(&process, "program", "liwatch", "program that measured")?;
    let program = &plan.program;
    text(&process, "version", &program.version, "version of the program")?;
    text(&process, "commit", &program.commit, "commit that the program was built from")?;
    text(&process, "host", &program.host, "computer that ran the program")?;
    let threads = process.new_dataset::<u64>().create("threads")?;
    threads.write_scalar(&(plan.threads as u64))?;
    set_text(&threads, "units", "")?;
    set_text(&threads, "long_name", "threads that observed frames")
}

impl Datasets {
    /// Takes one frame's numbers.
    pub fn push(&mut self, row: &FrameRow) {
        if let Some(frames) = &mut self.frames {
            frames.sequence.push(row.stamp.sequence);
            frames.time.push(row.stamp.time_s);
            frames.unix_time.push(row.stamp.unix_time_s);
            frames.fate.push(FateCode(row.fate as u8));
            frames.reason.push(ReasonCode(row.reason as u16));
        }
        if let Some(drift) = &mut self.drift {
            let found = &row.drift;
            let numbers = [found.x, found.y, found.x_error, found.y_error];
            for (column, value) in drift.numbers.iter_mut().zip(numbers) {
                column.push(value);
            }
            let map = found.motion.affine(drift.size.0, drift.size.1);
            let ([a, b], [d, e], [c, f]) = (map.matrix[0], map.matrix[1], map.offset);
            drift.to_frame.extend(&[a, b, c, d, e, f]);
            drift.quality.push(found.quality);
            drift.locked.push(u8::from(found.locked));
            drift.keyframe.push(found.keyframe);
        }
        for (gauge, found) in self.gauges.iter_mut().zip(&row.gauges) {
            gauge.push(found);
        }
        if let Some(columns) = &mut self.cell {
            let cell = &row.cell;
            let values = [cell.test_time_s, cell.unix_time_s, cell.voltage_v, cell.current_a];
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(value);
            }
        }
        for (column, value) in self.latency.iter_mut().zip(&row.latency_ns) {
            column.push(*value);
        }
    }

    /// Takes one alarm event.
    pub fn push_alarm(&mut self, event: &AlarmEvent) {
        let Some(alarms) = &mut self.alarms else { return };
        alarms.time.push(event.time_s);
        alarms.name.push(fixed(&event.name));
        alarms.state.push(StateCode(event.state as u8));
        alarms.frame.push(event.frame);
        alarms.message.push(fixed(&event.message));
        alarms.decision_latency.push(event.decision_latency_s);
        alarms.action.push(fixed(&event.action));
        alarms.action_latency.push(event.action_latency_s);
    }

    /// Takes a change of what is left out.
    pub fn push_shedding(&mut self, change: &Shedding) {
        let Some(changes) = &mut self.shedding else { return };
        changes.frame.push(change.frame);
        changes.time.push(change.time_s);
        changes.level.push(change.level);
        changes.message.push(fixed(&change.message));
    }

    /// Datasets that grow.
    pub fn count(&self) -> usize {
        let of_gauge = |gauge: &Gauge| 2 * (gauge.values.len() + gauge.arrays.len()) + 1;
        let of_cell = if self.cell.is_some() { 4 } else { 0 };
        let of_frames_drift_and_alarms = 5 + 7 + 8 + 4;
        self.gauges.iter().map(of_gauge).sum::<usize>()
            + of_cell
            + of_frames_drift_and_alarms
            + self.latency.len()
    }

    /// Writes all that waits.
    pub fn flush(&mut self) -> hdf5::Result<()> {
        if let Some(drift) = &mut self.drift {
            drift.numbers.iter_mut().try_for_each(Column::flush)?;
            drift.to_frame.flush()?;
            drift.quality.flush()?;
            drift.locked.flush()?;
            drift.keyframe.flush()?;
        }
        self.gauges.iter_mut().try_for_each(Gauge::flush)?;
        if let Some(columns) = &mut self.cell {
            columns.iter_mut().try_for_each(Column::flush)?;
        }
        self.latency.iter_mut().try_for_each(Column::flush)?;
        if let Some(alarms) = &mut self.alarms {
            alarms.flush()?;
        }
        if let Some(changes) = &mut self.shedding {
            changes.time.flush()?;
            changes.level.flush()?;
            changes.message.flush()?;
            changes.frame.flush()?;
        }
        // The ledger comes last: a row that it shows is complete everywhere.
        if let Some(frames) = &mut self.frames {
            frames.sequence.flush()?;
            frames.time.flush()?;
            frames.unix_time.flush()?;
            frames.reason.flush()?;
            frames.fate.flush()?;
        }
        Ok(())
    }
}

impl Gauge {
    fn push(&mut self, found: &crate::gauge::Measurement) {
        let pairs = self.values.iter_mut().zip(&found.values);
        pairs.for_each(|(column, value)| column.push(*value));
        let pairs = self.errors.iter_mut().zip(&found.errors);
        pairs.for_each(|(column, value)| column.push(*value));
        let pairs = self.arrays.iter_mut().zip(&found.arrays);
        pairs.for_each(|(column, row)| column.extend(row));
        let pairs = self.array_errors.iter_mut().zip(&found.array_errors);
        pairs.for_each(|(column, row)| column.extend(row));
        self.quality.push(found.quality);
        for (place, values) in &found.constants {
            self.changed[*place] = Some(values.clone());
        }
    }

    fn flush(&mut self) -> hdf5::Result<()> {
        self.values.iter_mut().try_for_each(Column::flush)?;
        self.errors.iter_mut().try_for_each(Column::flush)?;
        self.arrays.iter_mut().try_for_each(Column::flush)?;
        self.array_errors.iter_mut().try_for_each(Column::flush)?;
        self.quality.flush()?;
        for (dataset, values) in self.constants.iter().zip(&mut self.changed) {
            if let Some(values) = values.take() {
                dataset.write_raw(&values)?;
            }
        }
        Ok(())
    }
}

impl Alarms {
    fn flush(&mut self) -> hdf5::Result<()> {
        self.time.flush()?;
        self.name.flush()?;
        self.state.flush()?;
        self.frame.flush()?;
        self.message.flush()?;
        self.decision_latency.flush()?;
        self.action.flush()?;
        self.action_latency.flush()
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

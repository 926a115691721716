//! The plan of a run as text (TOML), which a person can read at the head of a journal, and back.
//!
//! It holds all that groups, datasets and attributes of the run file follow from, so that the file
//! can be rebuilt without the recording. The cell's log goes into records of its own.

use serde::{Deserialize, Serialize};

use super::codec::DecodeError;
use crate::cell::{CellSeries, ClockModel};
use crate::frame::{Calibration, Dimension, Region};
use crate::gauge::{ArrayField, Constant, Field, Schema};
use crate::noise::CameraModel;
use crate::pipeline::{GaugePlan, Program, RunPlan, SourceDescription};

/// The plan as a payload.
///
/// # Errors
/// [`DecodeError`] when the plan cannot be put into words; a defect.
pub fn encode_plan(plan: &RunPlan) -> Result<Vec<u8>, DecodeError> {
    let text = toml::to_string(&PlanText::from(plan));
    text.map(String::into_bytes)
        .map_err(|error| DecodeError(format!("the plan of the run has no text: {error}")))
}

pub(super) fn decode_plan(payload: &[u8]) -> Result<RunPlan, DecodeError> {
    let wrong = |what: String| DecodeError(format!("the plan of the run cannot be read: {what}"));
    let text = std::str::from_utf8(payload).map_err(|error| wrong(error.to_string()))?;
    let plan: PlanText = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    check(&plan).map_err(wrong)?;
    Ok(plan.into())
}

/// Numbers of one array field in a row, at most: a line for each pixel of the largest camera.
const NUMBERS_AT_MOST: u64 = 1 << 20;

/// What memory is taken for must be what a gauge can have.
fn check(plan: &PlanText) -> Result<(), String> {
    for gauge in &plan.gauges {
        if let Some(array) = gauge.arrays.iter().find(|array| array.len > NUMBERS_AT_MOST) {
            return Err(format!("array '{}' has {} numbers a row", array.name, array.len));
        }
        let wrong = |constant: &&ConstantText| {
            let (rows, columns) = constant.shape;
            rows.checked_mul(columns) != Some(constant.values.len() as u64)
        };
        if let Some(constant) = gauge.constants.iter().find(wrong) {
            let (rows, columns) = constant.shape;
            let found = constant.values.len();
            return Err(format!("'{}' has {found} values for {rows} x {columns}", constant.name));
        }
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct PlanText {
    title: String,
    frames_file: Option<String>,
    start_unix_time_s: f64,
    threads: u64,
    stages: Vec<String>,
    configuration: String,
    source: SourceDescription,
    program: Program,
    calibration: Calibration,
    camera: CameraModel,
    cell: Option<CellText>,
    #[serde(default)]
    gauges: Vec<GaugeText>,
}

#[derive(Serialize, Deserialize)]
struct CellText {
    max_gap_s: f64,
    notes: Vec<String>,
    clock: ClockModel,
}

#[derive(Serialize, Deserialize)]
struct GaugeText {
    name: String,
    kind: String,
    region: Region,
    #[serde(default)]
    fields: Vec<FieldText>,
    #[serde(default)]
    arrays: Vec<ArrayText>,
    #[serde(default)]
    constants: Vec<ConstantText>,
    configuration: toml::Table,
}

#[derive(Serialize, Deserialize)]
struct FieldText {
    name: String,
    long_name: String,
    dimension: Dimension,
}

#[derive(Serialize, Deserialize)]
struct ArrayText {
    name: String,
    long_name: String,
    len: u64,
    axis: Option<String>,
    dimension: Dimension,
}

#[derive(Serialize, Deserialize)]
struct ConstantText {
    name: String,
    long_name: String,
    shape: (u64, u64),
    values: Vec<f32>,
    dimension: Dimension,
}

impl From<&RunPlan> for PlanText {
    fn from(plan: &RunPlan) -> PlanText {
        PlanText {
            title: plan.title.clone(),
            frames_file: plan.frames_file.clone(),
            start_unix_time_s: plan.start_unix_time_s,
            threads: plan.threads as u64,
            stages: plan.stages.clone(),
            configuration: plan.configuration.clone(),
            source: plan.source.clone(),
            program: plan.program.clone(),
            calibration: plan.calibration,
            camera: plan.camera,
            cell: plan.cell.as_ref().map(|series| CellText {
                max_gap_s: series.max_gap_s,
                notes: series.notes.clone(),
                clock: series.clock.clone(),
            }),
            gauges: plan.gauges.iter().map(GaugeText::from).collect(),
        }
    }
}

impl From<&GaugePlan> for GaugeText {
    fn from(plan: &GaugePlan) -> GaugeText {
        let schema = &plan.schema;
        let fields = schema.fields.iter().map(|field| FieldText {
            name: field.name.to_owned(),
            long_name: field.long_name.to_owned(),
            dimension: field.dimension,
        });
        let arrays = schema.arrays.iter().map(|array| ArrayText {
            name: array.name.to_owned(),
            long_name: array.long_name.to_owned(),
            len: array.len as u64,
            axis: array.axis.map(str::to_owned),
            dimension: array.dimension,
        });
        let constants = schema.constants.iter().map(|constant| ConstantText {
            name: constant.name.to_owned(),
            long_name: constant.long_name.to_owned(),
            shape: (constant.shape.0 as u64, constant.shape.1 as u64),
            values: constant.values.clone(),
            dimension: constant.dimension,
        });
        GaugeText {
            name: plan.name.clone(),
            kind: plan.kind.clone(),
            region: plan.region,
            fields: fields.collect(),
            arrays: arrays.collect(),
            constants: constants.collect(),
            configuration: plan.configuration.clone(),
        }
    }
}

impl From<PlanText> for RunPlan {
    fn from(plan: PlanText) -> RunPlan {
        RunPlan {
            title: plan.title,
            frames_file: plan.frames_file,
            configuration: plan.configuration,
            source: plan.source,
            program: plan.program,
            calibration: plan.calibration,
            camera: plan.camera,
            gauges: plan.gauges.into_iter().map(GaugePlan::from).collect(),
            cell: plan.cell.map(|cell| CellSeries {
                max_gap_s: cell.max_gap_s,
                notes: cell.notes,
                clock: cell.clock,
                ..CellSeries::default()
            }),
            stages: plan.stages,
            threads: plan.threads as usize,
            start_unix_time_s: plan.start_unix_time_s,
        }
    }
}

impl From<GaugeText> for GaugePlan {
    fn from(text: GaugeText) -> GaugePlan {
        let fields = text.fields.into_iter().map(|field| Field {
            name: name(field.name),
            long_name: name(field.long_name),
            dimension: field.dimension,
        });
        let arrays = text.arrays.into_iter().map(|array| ArrayField {
            name: name(array.name),
            long_name: name(array.long_name),
            dimension: array.dimension,
            len: array.len as usize,
            axis: array.axis.map(name),
        });
        let constants = text.constants.into_iter().map(|constant| Constant {
            name: name(constant.name),
            long_name: name(constant.long_name),
            dimension: constant.dimension,
            shape: (constant.shape.0 as usize, constant.shape.1 as usize),
            values: constant.values,
        });
        GaugePlan {
            name: text.name,
            kind: text.kind,
            region: text.region,
            schema: Schema {
                fields: fields.collect(),
                arrays: arrays.collect(),
                constants: constants.collect(),
            },
            configuration: text.configuration,
        }
    }
}

/// A schema's names are the program's own and live as long as it does; those of a journal, which
/// another version may have written, are kept as long: a kilobyte for each run that is read.
fn name(text: String) -> &'static str {
    text.leak()
}

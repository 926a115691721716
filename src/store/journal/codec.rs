//! What a record's payload holds, as bytes and back, bit for bit: NaN keeps its payload.
//!
//! A row is a list of sections `tag u8 · length u32 · bytes`. A reader takes what it knows of a
//! section, leaves out a section it does not know, and fills a missing one with blanks. A new field
//! goes to the end of its section and is read with its blank as the default (`unwrap_or`), so that a
//! journal of an older or newer version is still read.

use super::plan::decode_plan;
use super::record::Kind;
use crate::alarm::{AlarmEvent, AlarmState};
use crate::cell::{CellSample, CellSeries};
use crate::frame::{Fate, Ledger, Reason, Stamp};
use crate::gauge::{Measurement, Schema};
use crate::pipeline::{FrameRow, RunPlan, Shedding};
use crate::register::{Drift, Motion};

const STAMP: u8 = 1;
const FATE: u8 = 2;
const DRIFT: u8 = 3;
const GAUGE: u8 = 4;
const CELL: u8 = 5;
const LATENCY: u8 = 6;

/// Rows of the cell's log in one record.
const CELL_ROWS: usize = 4096;

/// A payload whose checksum is right, and which still cannot be read; the text says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Close {
    pub ledger: Ledger,
    /// Seconds since 1970-01-01 UTC.
    pub end_unix_time_s: f64,
}

/// What had been stored safely when this was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Rows of the ledger.
    pub rows: u64,
}

/// A payload, read.
#[derive(Clone, Debug)]
pub enum Content {
    Plan(Box<RunPlan>),
    /// Columns of the cell's log: test time, UTC, voltage, current.
    Cell([Vec<f64>; 4]),
    Row(Box<FrameRow>),
    Alarm(AlarmEvent),
    Close(Close),
    Mark(Mark),
    Shedding(Shedding),
}

/// Reads a payload. Rows need the plan, and take its shape.
///
/// # Errors
/// [`DecodeError`] when the payload does not fit its kind or the plan.
pub fn decode(kind: Kind, payload: &[u8], plan: Option<&RunPlan>) -> Result<Content, DecodeError> {
    let mut input = Input(payload);
    Ok(match kind {
        Kind::Plan => Content::Plan(Box::new(decode_plan(payload)?)),
        Kind::Cell => Content::Cell(decode_cell(&mut input)?),
        Kind::Row => {
            let no_plan = || DecodeError("a row came before the plan of the run".to_owned());
            Content::Row(Box::new(decode_row(&mut input, plan.ok_or_else(no_plan)?)?))
        }
        Kind::Alarm => Content::Alarm(decode_alarm(&mut input)?),
        Kind::Close => Content::Close(decode_close(&mut input)?),
        Kind::Mark => Content::Mark(Mark { rows: input.u64()? }),
        Kind::Shedding => Content::Shedding(decode_shedding(&mut input)?),
    })
}

/// A frame's row as a payload.
pub fn encode_row(row: &FrameRow) -> Vec<u8> {
    let mut out = encode_stamp(&row.stamp, row.fate, row.reason);
    section(&mut out, DRIFT, |out| {
        let drift = &row.drift;
        put_f64s(out, &[drift.x, drift.y, drift.x_error, drift.y_error]);
        out.extend_from_slice(&drift.quality.to_bits().to_le_bytes());
        out.push(u8::from(drift.locked));
        out.extend_from_slice(&drift.keyframe.to_le_bytes());
        let [xx, xy, yx, yy] = drift.motion.matrix;
        put_f64s(out, &[drift.motion.x, drift.motion.y, xx, xy, yx, yy]);
    });
    for gauge in &row.gauges {
        section(&mut out, GAUGE, |out| encode_measurement(out, gauge));
    }
    section(&mut out, CELL, |out| {
        let cell = &row.cell;
        put_f64s(out, &[cell.test_time_s, cell.unix_time_s, cell.voltage_v, cell.current_a]);
    });
    section(&mut out, LATENCY, |out| {
        row.latency_ns.iter().for_each(|ns| out.extend_from_slice(&ns.to_le_bytes()));
    });
    out
}

/// The row of a frame whose measurements found no room: its place in the ledger and no more.
pub fn encode_left_out(stamp: &Stamp) -> Vec<u8> {
    encode_stamp(stamp, Fate::Dropped, Reason::StorageOverrun)
}

fn encode_stamp(stamp: &Stamp, fate: Fate, reason: Reason) -> Vec<u8> {
    let mut out = Vec::new();
    section(&mut out, STAMP, |out| {
        out.extend_from_slice(&stamp.index.to_le_bytes());
        out.extend_from_slice(&stamp.sequence.to_le_bytes());
        put_f64s(out, &[stamp.time_s, stamp.unix_time_s]);
    });
    section(&mut out, FATE, |out| {
        out.push(fate as u8);
        out.extend_from_slice(&(reason as u16).to_le_bytes());
    });
    out
}

fn encode_measurement(out: &mut Vec<u8>, found: &Measurement) {
    put_length(out, found.values.len());
    put_f64s(out, &found.values);
    put_f64s(out, &found.errors);
    put_length(out, found.arrays.len());
    for (values, errors) in found.arrays.iter().zip(&found.array_errors) {
        put_length(out, values.len());
        put_f32s(out, values);
        put_f32s(out, errors);
    }
    put_f32s(out, &[found.quality]);
    put_length(out, found.constants.len());
    for (place, values) in &found.constants {
        put_length(out, *place);
        put_length(out, values.len());
        put_f32s(out, values);
    }
}

/// An alarm event as a payload.
pub fn encode_alarm(event: &AlarmEvent) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&event.frame.to_le_bytes());
    out.push(event.state as u8);
    put_f64s(&mut out, &[event.time_s, event.decision_latency_s, event.action_latency_s]);
    for text in [&event.name, &event.message, &event.action] {
        put_length(&mut out, text.len());
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// A change of what is left out as a payload.
pub fn encode_shedding(change: &Shedding) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&change.frame.to_le_bytes());
    put_f64s(&mut out, &[change.time_s]);
    out.extend_from_slice(&change.level.to_le_bytes());
    put_length(&mut out, change.message.len());
    out.extend_from_slice(change.message.as_bytes());
    out
}

/// The end of a run as a payload.
pub fn encode_close(close: &Close) -> Vec<u8> {
    let ledger = &close.ledger;
    let mut out = Vec::new();
    for count in [
        ledger.received,
        ledger.measured,
        ledger.degraded,
        ledger.dropped,
        ledger.corrupt,
        ledger.missing,
    ] {
        out.extend_from_slice(&count.to_le_bytes());
    }
    put_f64s(&mut out, &[close.end_unix_time_s]);
    out
}

/// A cell's log in parts, each a payload.
pub fn cell_blocks(series: &CellSeries) -> impl Iterator<Item = Vec<u8>> + '_ {
    let rows = series.test_time_s.len();
    (0..rows).step_by(CELL_ROWS).map(move |start| {
        let part = start..rows.min(start + CELL_ROWS);
        let columns =
            [&series.test_time_s, &series.unix_time_s, &series.voltage_v, &series.current_a];
        encode_cell(columns.map(|column| &column[part.clone()]))
    })
}

/// Rows of a cell's log as a payload: test time, UTC, voltage, current, of one length.
fn encode_cell(columns: [&[f64]; 4]) -> Vec<u8> {
    let mut out = Vec::new();
    put_length(&mut out, columns[0].len());
    columns.iter().for_each(|column| put_f64s(&mut out, column));
    out
}

pub(super) fn encode_mark(mark: Mark) -> [u8; 8] {
    mark.rows.to_le_bytes()
}

fn decode_row(input: &mut Input<'_>, plan: &RunPlan) -> Result<FrameRow, DecodeError> {
    let mut stamp = None;
    let mut fate = None;
    let mut gauges = Vec::with_capacity(plan.gauges.len());
    let mut drift = Drift::UNKNOWN;
    let mut cell = CellSample::UNKNOWN;
    let mut latency_ns = Vec::new();
    while !input.0.is_empty() {
        let tag = input.u8()?;
        let length = input.u32()? as usize;
        let mut part = Input(input.bytes(length)?);
        match tag {
            STAMP => {
                stamp = Some(Stamp {
                    index: part.u64()?,
                    sequence: part.u64()?,
                    time_s: part.f64()?,
                    unix_time_s: part.f64()?,
                });
            }
            FATE => {
                let (code, why) = (part.u8()?, part.u16()?);
                let unknown = || DecodeError(format!("unknown fate {code} or reason {why}"));
                let known = Fate::from_code(code).zip(Reason::from_code(why));
                fate = Some(known.ok_or_else(unknown)?);
            }
            DRIFT => drift = decode_drift(&mut part)?,
            GAUGE => {
                let more = || DecodeError("more gauges than the plan has".to_owned());
                let planned = plan.gauges.get(gauges.len()).ok_or_else(more)?;
                gauges.push(decode_measurement(&mut part, &planned.schema)?);
            }
            CELL => {
                cell = CellSample {
                    test_time_s: part.f64()?,
                    unix_time_s: part.f64()?,
                    voltage_v: part.f64()?,
                    current_a: part.f64()?,
                };
            }
            LATENCY => {
                while !part.0.is_empty() {
                    latency_ns.push(part.u64()?);
                }
            }
            _ => {}
        }
    }
    let (Some(stamp), Some((fate, reason))) = (stamp, fate) else {
        return Err(DecodeError("a row without stamp or fate".to_owned()));
    };
    let blanks = plan.gauges.iter().skip(gauges.len());
    gauges.extend(blanks.map(|gauge| Measurement::blank(&gauge.schema)));
    latency_ns.resize(plan.stages.len(), 0);
    Ok(FrameRow { stamp, fate, reason, drift, gauges, cell, latency_ns })
}

fn decode_drift(part: &mut Input<'_>) -> Result<Drift, DecodeError> {
    Ok(Drift {
        x: part.f64()?,
        y: part.f64()?,
        x_error: part.f64()?,
        y_error: part.f64()?,
        quality: part.f32()?,
        locked: part.u8()? != 0,
        keyframe: part.u32()?,
        motion: Motion {
            x: part.f64()?,
            y: part.f64()?,
            matrix: [part.f64()?, part.f64()?, part.f64()?, part.f64()?],
        },
    })
}

fn decode_measurement(part: &mut Input<'_>, schema: &Schema) -> Result<Measurement, DecodeError> {
    let fields = part.count(schema.fields.len(), "fields")?;
    let (values, errors) = (part.f64s(fields)?, part.f64s(fields)?);
    let lists = part.count(schema.arrays.len(), "arrays")?;
    let mut arrays = Vec::with_capacity(lists);
    let mut array_errors = Vec::with_capacity(lists);
    for array in &schema.arrays {
        let length = part.count(array.len, array.name)?;
        arrays.push(part.f32s(length)?);
        array_errors.push(part.f32s(length)?);
    }
    let quality = part.f32()?;
    let changed = part.u32()? as usize;
    let mut constants = Vec::new();
    for _ in 0..changed {
        let place = part.u32()? as usize;
        let unknown = || DecodeError(format!("no constant {place} in the plan"));
        let planned = schema.constants.get(place).ok_or_else(unknown)?;
        let length = part.count(planned.values.len(), planned.name)?;
        constants.push((place, part.f32s(length)?));
    }
    Ok(Measurement { values, errors, arrays, array_errors, quality, constants })
}

fn decode_alarm(input: &mut Input<'_>) -> Result<AlarmEvent, DecodeError> {
    let frame = input.u64()?;
    let state = match input.u8()? {
        0 => AlarmState::Raised,
        1 => AlarmState::Cleared,
        2 => AlarmState::Acknowledged,
        other => return Err(DecodeError(format!("unknown state {other} of an alarm"))),
    };
    Ok(AlarmEvent {
        frame,
        state,
        time_s: input.f64()?,
        decision_latency_s: input.f64()?,
        action_latency_s: input.f64()?,
        name: input.text()?,
        message: input.text()?,
        action: input.text()?,
    })
}

fn decode_shedding(input: &mut Input<'_>) -> Result<Shedding, DecodeError> {
    Ok(Shedding {
        frame: input.u64()?,
        time_s: input.f64()?,
        level: input.u32()?,
        message: input.text()?,
    })
}

fn decode_close(input: &mut Input<'_>) -> Result<Close, DecodeError> {
    Ok(Close {
        ledger: Ledger {
            received: input.u64()?,
            measured: input.u64()?,
            degraded: input.u64()?,
            dropped: input.u64()?,
            corrupt: input.u64()?,
            missing: input.u64()?,
        },
        end_unix_time_s: input.f64()?,
    })
}

fn decode_cell(input: &mut Input<'_>) -> Result<[Vec<f64>; 4], DecodeError> {
    let rows = input.u32()? as usize;
    Ok([input.f64s(rows)?, input.f64s(rows)?, input.f64s(rows)?, input.f64s(rows)?])
}

fn section(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let at = out.len();
    put_length(out, 0);
    fill(out);
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&(length as u32).to_le_bytes());
}

fn put_f64s(out: &mut Vec<u8>, values: &[f64]) {
    values.iter().for_each(|value| out.extend_from_slice(&value.to_bits().to_le_bytes()));
}

fn put_f32s(out: &mut Vec<u8>, values: &[f32]) {
    values.iter().for_each(|value| out.extend_from_slice(&value.to_bits().to_le_bytes()));
}

/// The bytes that have not been read yet.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(|| {
            DecodeError(format!("{length} bytes expected, {} left", self.0.len()))
        })?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn f32(&mut self) -> Result<f32, DecodeError> {
        Ok(f32::from_bits(self.u32()?))
    }

    fn f64(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_bits(self.u64()?))
    }

    fn f64s(&mut self, count: usize) -> Result<Vec<f64>, DecodeError> {
        let bytes = self.bytes(count.saturating_mul(8))?;
        let (chunks, _) = bytes.as_chunks::<8>();
        Ok(chunks.iter().map(|bytes| f64::from_bits(u64::from_le_bytes(*bytes))).collect())
    }

    fn f32s(&mut self, count: usize) -> Result<Vec<f32>, DecodeError> {
        let bytes = self.bytes(count.saturating_mul(4))?;
        let (chunks, _) = bytes.as_chunks::<4>();
        Ok(chunks.iter().map(|bytes| f32::from_bits(u32::from_le_bytes(*bytes))).collect())
    }

    /// A count that the plan fixes.
    fn count(&mut self, planned: usize, what: &str) -> Result<usize, DecodeError> {
        let found = self.u32()? as usize;
        if found == planned {
            return Ok(found);
        }
        Err(DecodeError(format!("{found} {what}, but the plan has {planned}")))
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let length = self.u32()? as usize;
        Ok(String::from_utf8_lossy(self.bytes(length)?).into_owned())
    }
}

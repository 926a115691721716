//! The ledger: one row for each frame, and one for each change of what is left out.

use hdf5::types::FixedUnicode;

use super::super::codes::{FateCode, ReasonCode};
use super::super::column::{Column, Label};
use super::super::texts::fixed;
use super::{data_group, group, plain, real};
use crate::pipeline::{FrameRow, Shedding};

pub struct Frames {
    sequence: Column<u64>,
    time: Column<f64>,
    unix_time: Column<f64>,
    fate: Column<FateCode>,
    reason: Column<ReasonCode>,
}

/// Of what is left out to keep the budget.
pub struct Changes {
    frame: Column<u64>,
    time: Column<f64>,
    level: Column<u32>,
    message: Column<FixedUnicode<256>>,
}

impl Frames {
    pub const COLUMNS: usize = 5;

    pub fn create(entry: &hdf5::Group) -> hdf5::Result<Frames> {
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

    pub fn push(&mut self, row: &FrameRow) {
        self.sequence.push(row.stamp.sequence);
        self.time.push(row.stamp.time_s);
        self.unix_time.push(row.stamp.unix_time_s);
        self.fate.push(FateCode(row.fate as u8));
        self.reason.push(ReasonCode(row.reason as u16));
    }

    pub fn flush(&mut self) -> hdf5::Result<()> {
        self.sequence.flush()?;
        self.time.flush()?;
        self.unix_time.flush()?;
        self.reason.flush()?;
        self.fate.flush()
    }
}

impl Changes {
    pub const COLUMNS: usize = 4;

    /// Lies with the ledger, whose reasons it explains.
    pub fn create(entry: &hdf5::Group) -> hdf5::Result<Changes> {
        let group = group(&entry.group("frames")?, "shedding", "NXcollection")?;
        let label = |name, units, long_name| Label { name, units, long_name };
        Ok(Changes {
            frame: plain(&group, label("frame", "", "first frame (row) that the step holds for"))?,
            time: real(&group, label("time", "s", "time of that frame"))?,
            level: plain(&group, label("level", "", "step of the ladder; 0 measures everything"))?,
            message: plain(&group, label("message", "", "what is measured from here on, and why"))?,
        })
    }

    pub fn push(&mut self, change: &Shedding) {
        self.frame.push(change.frame);
        self.time.push(change.time_s);
        self.level.push(change.level);
        self.message.push(fixed(&change.message));
    }

    pub fn flush(&mut self) -> hdf5::Result<()> {
        self.time.flush()?;
        self.level.flush()?;
        self.message.flush()?;
        self.frame.flush()
    }
}

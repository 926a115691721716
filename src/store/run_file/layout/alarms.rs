//! Alarms: one row an event.

use hdf5::types::FixedUnicode;

use super::super::codes::StateCode;
use super::super::column::{Column, Label};
use super::super::texts::fixed;
use super::{group, plain, real};
use crate::alarm::AlarmEvent;

pub struct Alarms {
    time: Column<f64>,
    name: Column<FixedUnicode<64>>,
    state: Column<StateCode>,
    frame: Column<u64>,
    message: Column<FixedUnicode<256>>,
    decision_latency: Column<f64>,
    action: Column<FixedUnicode<128>>,
    action_latency: Column<f64>,
}

impl Alarms {
    pub const COLUMNS: usize = 8;

    pub fn create(entry: &hdf5::Group) -> hdf5::Result<Alarms> {
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

    pub fn push(&mut self, event: &AlarmEvent) {
        self.time.push(event.time_s);
        self.name.push(fixed(&event.name));
        self.state.push(StateCode(event.state as u8));
        self.frame.push(event.frame);
        self.message.push(fixed(&event.message));
        self.decision_latency.push(event.decision_latency_s);
        self.action.push(fixed(&event.action));
        self.action_latency.push(event.action_latency_s);
    }

    pub fn flush(&mut self) -> hdf5::Result<()> {
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

//! Alarms: rules over the measurements, with hold times.

mod engine;
mod event;
mod rule;

pub use engine::AlarmEngine;
pub use event::{AlarmEvent, AlarmState};
pub use rule::AlarmError;

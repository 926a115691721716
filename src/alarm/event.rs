//! What an alarm reports when it goes up or down.

/// Whether an alarm went up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[repr(u8)]
#[serde(rename_all = "lowercase")]
pub enum AlarmState {
    Raised = 0,
    Cleared = 1,
    Acknowledged = 2,
}

/// One event of one alarm.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct AlarmEvent {
    /// Seconds since the first frame, of the frame that decided.
    pub time_s: f64,
    pub name: String,
    pub state: AlarmState,
    /// Row of the ledger.
    pub frame: u64,
    /// The rule, with the numbers that decided.
    pub message: String,
    /// From the frame's arrival to the decision.
    pub decision_latency_s: f64,
    /// Each action and what came of it: `log: done; bias-off: not connected (replay)`.
    pub action: String,
    /// From the decision to the end of the actions; NaN where none was taken.
    pub action_latency_s: f64,
}

//! Threads, channels, order, the ledger and the budgets.
//!
//! The pipeline gives its results to a [`Sink`], so that it knows nothing of files.

mod sink;

pub use sink::{FrameRow, GaugePlan, RunPlan, Sink, SinkError, SourceDescription};

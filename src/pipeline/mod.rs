//! Threads, channels, order, the ledger and the budgets.
//!
//! [`Setup`] fixes a run, [`run()`] runs it. The results go to a [`Sink`], so that the pipeline
//! knows nothing of files.

mod follower;
mod grower;
mod intake;
mod job;
mod keep;
mod load;
mod observer;
mod run;
mod setup;
mod sink;

pub use keep::{Keep, KeepFrames, Kept};
pub use run::{PipelineError, run};
pub use setup::{NamedGauge, Setup, SetupError};
pub use sink::{FrameRow, GaugePlan, Program, RunPlan, Sink, SinkError, SourceDescription};

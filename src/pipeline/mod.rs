//! Threads, channels, order, the ledger and the budgets.
//!
//! [`Setup`] fixes a run, [`run()`] runs it. The results go to a [`Sink`], so that the pipeline
//! knows nothing of files.

pub(crate) mod background;
mod follower;
mod grower;
mod intake;
mod job;
mod keep;
mod latency;
mod load;
mod observer;
mod run;
mod searcher;
mod setup;
mod shed;
mod sink;

pub use keep::{Keep, KeepFrames, Kept};
pub use latency::{Latencies, Percentiles, StageLatency};
pub use run::{PipelineError, run, sheds};
pub use setup::{NamedGauge, Setup, SetupError};
pub use shed::Shedding;
pub use sink::{FrameRow, GaugePlan, Program, RunPlan, Sink, SinkError, SourceDescription};

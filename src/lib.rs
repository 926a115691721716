//! liwatch follows lithium cells in the electron microscope: frames come in, drift is
//! corrected, the lithium front and the cracks are measured, everything is written beside bias
//! and current, and an alarm goes up before the cell shorts.
//!
//! The rooms stand in the order in which a frame walks through them; each knows only those
//! before it:
//!
//! | room | what it does for the experiment |
//! |---|---|
//! | [`config`] | the TOML of a run as types, with errors that point |
//! | [`frame`] | frames, pixel types, the pool of buffers, calibration, the fate of a frame |
//! | [`noise`] | the camera's noise model and the Cramér–Rao bounds that follow from it |
//! | [`format`](mod@format) | one reader for each recorded format |
//! | [`source`] | where frames come from: a recording, a simulator, a camera |
//! | [`resample`] | images between their pixels: one kernel, any affine map |
//! | [`register`] | drift against a running template |
//! | [`gauge`] | one named measurement in one region: front, crack |
//! | [`cell`] | bias and current, and their clock |
//! | [`alarm`] | rules over the measurements, with hold times |
//! | [`pipeline`] | threads, channels, order, ledger, budgets |
//! | [`store`] | the journal, the run file (HDF5) that is built from it, recovery, the picture of a run |
//! | [`serve`] | the rows of a run over the network, as they are stored |
//! | [`correct`] | the drift-corrected stack of a recording, in a second pass |
//! | [`suggest`](mod@suggest) | a first configuration, from the recording itself |
//! | [`simulate`] | recordings with known truth; shares no code with the estimators |
//! | [`cli`] | one file a command |

pub mod alarm;
pub mod cell;
pub mod cli;
pub mod config;
pub mod correct;
pub mod format;
pub mod frame;
pub mod gauge;
pub mod noise;
pub mod pipeline;
pub mod register;
pub mod resample;
pub mod serve;
pub mod simulate;
pub mod source;
pub mod store;
pub mod suggest;

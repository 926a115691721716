//! The TOML of a run as types. Everything is checked before anything starts; an error names the
//! line, the key, what was expected, and the nearest key that exists.

mod error;
mod gauge_entry;
mod parse;
mod types;

pub use error::{ConfigError, advice};
pub use gauge_entry::GaugeEntry;
pub use parse::check_regions;
pub use types::{
    AlarmConfig, BudgetConfig, CalibrationConfig, CameraConfig, CellConfig, Config, DriftConfig,
    PipelineConfig, Policy, RecordConfig, RecordMode, StoreConfig,
};

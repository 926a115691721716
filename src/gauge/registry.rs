//! The kinds of gauges: one line each.

use std::sync::Arc;

use super::{AnyGauge, crack, front};
use crate::config::{ConfigError, GaugeEntry};

/// Builds a gauge from its entry; the number is the pipeline's lag in frames.
pub type Build = fn(&GaugeEntry, usize) -> Result<Arc<dyn AnyGauge>, ConfigError>;

/// A kind of gauge that a configuration can ask for.
pub struct Kind {
    /// The value of `kind`.
    pub name: &'static str,
    /// All keys that a `[[gauge]]` of this kind may have, `kind`, `name` and `region` among them.
    pub keys: &'static [&'static str],
    /// Reads the entry and builds the gauge; the number is the pipeline's lag in frames, by which
    /// its hints look ahead.
    pub build: Build,
}

/// All kinds.
pub const KINDS: &[Kind] = &[front::KIND, crack::KIND];

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

//! The kinds of gauges: one line each.

use std::sync::Arc;

use super::AnyGauge;
use crate::config::{ConfigError, GaugeEntry};

/// A kind of gauge that a configuration can ask for.
pub struct Kind {
    /// The value of `kind`.
    pub name: &'static str,
    /// All keys that a `[[gauge]]` of this kind may have, `kind`, `name` and `region` among them.
    pub keys: &'static [&'static str],
    /// Reads the entry and builds the gauge.
    pub build: fn(&GaugeEntry) -> Result<Arc<dyn AnyGauge>, ConfigError>,
}

/// All kinds.
pub const KINDS: &[Kind] = &[];

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

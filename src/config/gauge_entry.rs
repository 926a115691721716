//! One `[[gauge]]` of the configuration, before its kind has read it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;
use crate::frame::Region;

/// One `[[gauge]]`: what all kinds share, and the whole table for the kind itself.
#[derive(Clone, Debug)]
pub struct GaugeEntry {
    pub kind: String,
    pub name: String,
    pub region: Region,
    /// All keys, `kind`, `name` and `region` among them.
    pub table: toml::Table,
    /// The configuration's path, for messages.
    pub path: PathBuf,
    /// The line of `[[gauge]]`, counted from 1.
    pub line: usize,
    /// Where the value of each key stands in the text.
    pub key_spans: BTreeMap<String, Range<usize>>,
    /// The whole configuration's text, for messages.
    pub text: String,
}

impl GaugeEntry {
    /// Reads the table as the gauge's own configuration type.
    ///
    /// # Errors
    /// [`ConfigError`] with the line of the offending key.
    pub fn read<'de, T: Deserialize<'de>>(&self) -> Result<T, ConfigError> {
        let value = toml::Value::Table(self.table.clone());
        value.try_into().map_err(|error: toml::de::Error| {
            let told = error.message().trim().replace('\n', "; ");
            // Without the text there is no place, but the key is the one that fails alone.
            let key = self.key_spans.keys().find(|key| {
                told.contains(&format!("`{key}`")) || error.to_string().contains(key.as_str())
            });
            self.error(key.map_or("", String::as_str), told)
        })
    }

    /// An error at one of the entry's keys (or at its first line, for an empty or absent key).
    pub fn error(&self, key: &str, what: String) -> ConfigError {
        match self.key_spans.get(key) {
            Some(span) => ConfigError::at(&self.text, &self.path, span.clone(), key, what),
            None => ConfigError {
                path: self.path.clone(),
                line: self.line,
                key: key.to_owned(),
                what,
                excerpt: None,
            },
        }
    }
}

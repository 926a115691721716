//! Cell logs. What stands before a line `===` is the `[cell]` section that reads the rest.

use std::path::Path;

use liwatch::cell::CellSeries;
use liwatch::config::{CellConfig, Config};

use super::assert_readable;

pub fn log(bytes: &[u8]) {
    const MARK: &[u8] = b"===\n";
    let (config, log) = match bytes.windows(MARK.len()).position(|part| part == MARK) {
        Some(at) => (section(&bytes[..at]), &bytes[at + MARK.len()..]),
        None => (Some(CellConfig::default()), bytes),
    };
    let Some(config) = config else { return };
    let series = match CellSeries::parse(log, Path::new("log.csv"), &config) {
        Ok(series) => series,
        Err(error) => return assert_readable(&error.to_string()),
    };
    let times = &series.test_time_s;
    let lengths = [series.unix_time_s.len(), series.voltage_v.len(), series.current_a.len()];
    assert!(!times.is_empty() && lengths == [times.len(); 3], "{lengths:?}, not {}", times.len());
    assert!(times.iter().all(|time| time.is_finite()), "{times:?}");
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    series.notes.iter().for_each(|note| assert_readable(note));
    for time in [0.0, times[0], times[times.len() / 2], times[times.len() - 1], 1e300] {
        let sample = series.at(time);
        assert!(!sample.voltage_v.is_infinite() && !sample.current_a.is_infinite(), "{sample:?}");
    }
}

fn section(text: &[u8]) -> Option<CellConfig> {
    let text = format!("[cell]\n{}", std::str::from_utf8(text).ok()?);
    Config::parse(&text, Path::new("run.toml")).ok().map(|config| config.cell)
}

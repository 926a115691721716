//! From text to a checked configuration.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::{advice, line_of};
use super::{Config, ConfigError, GaugeEntry, RecordMode};
use crate::frame::Region;
use crate::gauge::registry::{KINDS, Kind};

/// Names that the run file uses itself.
const RESERVED: [&str; 12] = [
    "frames",
    "drift",
    "cell",
    "cell_at_frames",
    "alarms",
    "latency",
    "instrument",
    "process",
    "configuration",
    "time",
    "title",
    "definition",
];
/// No camera has more pixels along a side; a gauge takes memory for each line of its region.
const LARGEST_PX: usize = 1 << 16;
const ACTIONS: [&str; 2] = ["log", "bias-off"];

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            path: path.to_owned(),
            line: 1,
            key: String::new(),
            what: format!("cannot be read: {error}"),
            excerpt: None,
        })?;
        Self::parse(&text, path)
    }

    /// Reads and checks a configuration's text; `path` is for messages only.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong.
    pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        parse_with(text, path, KINDS)
    }
}

/// [`Config::parse`] with the kinds of gauges given.
pub(super) fn parse_with(text: &str, path: &Path, kinds: &[Kind]) -> Result<Config, ConfigError> {
    let source = Source { text, path };
    let document = DeTable::parse(text).map_err(|error| source.syntax(&error))?;
    let mut config: Config = toml::from_str(text).map_err(|error| source.syntax(&error))?;
    config.gauges = source.gauges(document.get_ref(), kinds)?;
    config.text = text.to_owned();
    config.path = path.to_owned();
    source.check(&config, document.get_ref())?;
    Ok(config)
}

/// Checks the regions against the size of the frames.
///
/// # Errors
/// [`ConfigError`] at the first region that does not fit.
pub fn check_regions(config: &Config, width: usize, height: usize) -> Result<(), ConfigError> {
    for entry in &config.gauges {
        if !entry.region.fits(width, height) {
            return Err(entry.error(
                "region",
                format!(
                    "the region {} of gauge '{}' does not lie within the frames, which are \
                     {width} x {height} px; region is [x, y, width, height]",
                    entry.region, entry.name
                ),
            ));
        }
    }
    Ok(())
}

struct Source<'a> {
    text: &'a str,
    path: &'a Path,
}

type Table<'a> = DeTable<'a>;

impl Source<'_> {
    fn error(&self, span: Range<usize>, key: &str, what: String) -> ConfigError {
        ConfigError::at(self.text, self.path, span, key, what)
    }

    /// What the TOML parser or serde found, with the nearest name for unknown keys and variants.
    fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().trim().replace('\n', "; ");
        let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let unknown = ["unknown field", "unknown variant"]
            .into_iter()
            .find(|start| message.starts_with(start));
        let (Some(what), Some((wrong, known))) = (unknown, names.split_first()) else {
            return self.error(span, "", message);
        };
        let (what, list) = match what {
            "unknown field" => ("unknown key", "keys here"),
            _ => ("unknown value", "values"),
        };
        let told = format!("{what} '{wrong}'; {}", advice(list, wrong, known.iter().copied()));
        self.error(span, wrong, told)
    }

    fn gauges(&self, document: &Table<'_>, kinds: &[Kind]) -> Result<Vec<GaugeEntry>, ConfigError> {
        let Some((_, value)) = document.iter().find(|(key, _)| key.get_ref() == "gauge") else {
            return Ok(Vec::new());
        };
        let DeValue::Array(entries) = value.get_ref() else {
            return Err(self.error(
                value.span(),
                "gauge",
                "write [[gauge]], twice bracketed".into(),
            ));
        };
        let mut gauges: Vec<GaugeEntry> = Vec::new();
        for entry in entries.iter() {
            let DeValue::Table(table) = entry.get_ref() else {
                return Err(self.error(entry.span(), "gauge", "a gauge is a table".into()));
            };
            let gauge = self.gauge(entry.span(), table, kinds)?;
            if gauges.iter().any(|other| other.name == gauge.name) {
                let what = format!("a second gauge is named '{}'; names must differ", gauge.name);
                return Err(gauge.error("name", what));
            }
            gauges.push(gauge);
        }
        Ok(gauges)
    }

    fn gauge(
        &self,
        span: Range<usize>,
        table: &Table<'_>,
        kinds: &[Kind],
    ) -> Result<GaugeEntry, ConfigError> {
        let find = |key: &str| table.iter().find(|(name, _)| name.get_ref() == key);
        let head = span.start..span.start + 1;
        let required = |key: &str, example: &str| {
            find(key).ok_or_else(|| {
                let what = format!("this gauge has no '{key}'; add for example: {example}");
                self.error(head.clone(), key, what)
            })
        };
        let names = kinds.iter().map(|kind| kind.name).collect::<Vec<_>>();
        let (_, kind_value) = required("kind", "kind = \"front\"")?;
        let kind_name = kind_value.get_ref().as_str().unwrap_or_default();
        let kind = kinds.iter().find(|kind| kind.name == kind_name).ok_or_else(|| {
            let what = format!(
                "there is no kind of gauge '{kind_name}'; {}",
                advice("kinds", kind_name, names.iter().copied())
            );
            self.error(kind_value.span(), "kind", what)
        })?;
        for (key, _) in table.iter() {
            if !kind.keys.contains(&key.get_ref().as_ref()) {
                let what = format!(
                    "unknown key '{}' in a {kind_name} gauge; {}",
                    key.get_ref(),
                    advice("keys", key.get_ref(), kind.keys.iter().copied())
                );
                return Err(self.error(key.span(), key.get_ref(), what));
            }
        }
        let (_, name_value) = required("name", "name = \"anode\"")?;
        let name = name_value.get_ref().as_str().unwrap_or_default().to_owned();
        self.check_name(&name, name_value.span())?;
        let (_, region_value) = required("region", "region = [100, 200, 800, 600]")?;
        let whole: toml::Table = self.plain(table, span.clone())?;
        let region: Region = whole["region"].clone().try_into().map_err(|_| {
            let what = "region must be [x, y, width, height], four whole pixels of 0 or more";
            self.error(region_value.span(), "region", what.to_owned())
        })?;
        if [region.x + region.width, region.y + region.height].iter().any(|end| *end > LARGEST_PX) {
            let what = format!(
                "the region {region} reaches beyond pixel {LARGEST_PX}, where no frame has any; \
                 region is [x, y, width, height]"
            );
            return Err(self.error(region_value.span(), "region", what));
        }
        Ok(GaugeEntry {
            kind: kind_name.to_owned(),
            name,
            region,
            table: whole,
            text: self.text.to_owned(),
            path: self.path.to_owned(),
            line: line_of(self.text, span.start),
            key_spans: table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), value.span()))
                .collect(),
        })
    }

    fn check_name(&self, name: &str, span: Range<usize>) -> Result<(), ConfigError> {
        let mut letters = name.chars();
        let identifier = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !identifier {
            let what = format!(
                "'{name}' cannot name a gauge: use letters, digits and _, with no digit first \
                 (alarm rules and the run file use the name)"
            );
            return Err(self.error(span, "name", what));
        }
        if RESERVED.contains(&name) {
            let what = format!("'{name}' is a group of the run file already; choose another name");
            return Err(self.error(span, "name", what));
        }
        Ok(())
    }

    /// The table without spans.
    fn plain(&self, table: &Table<'_>, span: Range<usize>) -> Result<toml::Table, ConfigError> {
        let convert = |value: &DeValue<'_>| plain_value(value);
        table
            .iter()
            .map(|(key, value)| Some((key.get_ref().to_string(), convert(value.get_ref())?)))
            .collect::<Option<toml::Table>>()
            .ok_or_else(|| {
                self.error(span, "gauge", "this gauge holds a number that is out of range".into())
            })
    }

    fn check(&self, config: &Config, document: &Table<'_>) -> Result<(), ConfigError> {
        let at = |section: &str, key: &str| span_of(document, section, key).unwrap_or(0..0);
        let positive = |section: &str, key: &str, value: Option<f64>| match value {
            Some(value) if !(value.is_finite() && value > 0.0) => {
                let what = format!("{section}.{key} is {value}, but must be more than 0");
                Err(self.error(at(section, key), key, what))
            }
            _ => Ok(()),
        };
        positive("calibration", "pixel_size_nm", config.calibration.pixel_size_nm)?;
        positive("calibration", "frame_rate_hz", config.calibration.frame_rate_hz)?;
        positive("camera", "gain_counts_per_electron", config.camera.gain_counts_per_electron)?;
        positive("drift", "max_shift_px", Some(config.drift.max_shift_px))?;
        positive("drift", "line_time_us", config.drift.line_time_us)?;
        positive("pipeline", "lag_frames", Some(config.pipeline.lag_frames as f64))?;
        positive("pipeline", "queue_frames", Some(config.pipeline.queue_frames as f64))?;
        positive("budget", "total_ms", config.budget.total_ms)?;
        positive("budget", "queue_ms", config.budget.queue_ms)?;
        positive("budget", "register_ms", config.budget.register_ms)?;
        positive("budget", "track_ms", config.budget.track_ms)?;
        positive("budget", "gauge_ms", config.budget.gauge_ms)?;
        positive("store", "sync_ms", Some(config.store.sync_ms))?;
        positive("store", "memory_mb", Some(config.store.memory_mb))?;
        positive("cell", "max_gap_s", config.cell.max_gap_s)?;
        positive("record", "memory_mb", Some(config.record.memory_mb))?;
        positive("record", "threads", config.record.threads.map(|threads| threads as f64))?;
        for (key, value) in
            [("before_s", config.record.before_s), ("after_s", config.record.after_s)]
        {
            if !(value.is_finite() && value >= 0.0) {
                let what = format!("record.{key} is {value}, but must be 0 or more seconds");
                return Err(self.error(at("record", key), key, what));
            }
        }
        if config.record.mode == RecordMode::Triggered && config.alarms.is_empty() {
            let what = "record.mode is \"triggered\", but there is no alarm that could trigger it; \
                        add an [[alarm]], or choose \"all\" or \"none\"";
            return Err(self.error(at("record", "mode"), "mode", what.to_owned()));
        }
        for alarm in &config.alarms {
            let here = self.text.find(&format!("\"{}\"", alarm.name)).unwrap_or(0);
            let here = here..here + alarm.name.len() + 2;
            if !(alarm.hold_s.is_finite() && alarm.hold_s >= 0.0) {
                let what = format!(
                    "alarm '{}': hold_s is {}, but must be 0 or more",
                    alarm.name, alarm.hold_s
                );
                return Err(self.error(here, "hold_s", what));
            }
            for action in &alarm.actions {
                if !ACTIONS.contains(&action.as_str()) {
                    let what = format!(
                        "alarm '{}': there is no action '{action}'; {}",
                        alarm.name,
                        advice("actions", action, ACTIONS)
                    );
                    return Err(self.error(here, "actions", what));
                }
            }
        }
        Ok(())
    }
}

fn span_of(document: &Table<'_>, section: &str, key: &str) -> Option<Range<usize>> {
    let (_, section) = document.iter().find(|(name, _)| name.get_ref() == section)?;
    let DeValue::Table(table) = section.get_ref() else { return None };
    table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value.span())
}

fn plain_value(value: &DeValue<'_>) -> Option<toml::Value> {
    Some(match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(number) => {
            toml::Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?)
        }
        DeValue::Float(number) => toml::Value::Float(number.as_str().parse().ok()?),
        DeValue::Boolean(on) => toml::Value::Boolean(*on),
        DeValue::Datetime(time) => toml::Value::Datetime(*time),
        DeValue::Array(list) => toml::Value::Array(
            list.iter().map(|value| plain_value(value.get_ref())).collect::<Option<_>>()?,
        ),
        DeValue::Table(table) => toml::Value::Table(
            table
                .iter()
                .map(|(key, value)| {
                    Some((key.get_ref().to_string(), plain_value(value.get_ref())?))
                })
                .collect::<Option<_>>()?,
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAKE: &[Kind] = &[Kind {
        name: "front",
        keys: &["kind", "name", "region", "grows"],
        build: |entry, _| Err(entry.error("kind", "not built in this test".to_owned())),
    }];

    fn told(text: &str) -> String {
        match parse_with(text, Path::new("run.toml"), FAKE) {
            Ok(_) => panic!("accepted: {text}"),
            Err(error) => error.to_string(),
        }
    }

    const GAUGE: &str = "[[gauge]]\nkind = \"front\"\nname = \"anode\"\nregion = [1, 2, 3, 4]\n";

    #[test]
    fn a_right_configuration_is_read() {
        let text = format!("[calibration]\npixel_size_nm = 1.6\n{GAUGE}grows = \"right\"\n");
        let config = parse_with(&text, Path::new("run.toml"), FAKE).expect("it is right");
        assert_eq!(config.calibration.pixel_size_nm, Some(1.6));
        assert_eq!(config.gauges[0].region, Region { x: 1, y: 2, width: 3, height: 4 });
        assert_eq!(config.pipeline.lag_frames, 16);
        assert_eq!(config.gauges[0].table["grows"].as_str(), Some("right"));
    }

    #[test]
    fn errors_point_to_the_line_and_name_the_nearest() {
        let cases = [
            ("[drift]\nmax_shift = 3\n", "run.toml:2", "did you mean 'max_shift_px'"),
            ("[drfit]\n", "run.toml:1", "did you mean 'drift'"),
            ("\n[pipeline]\npolicy = \"drop-oldes\"\n", "run.toml:3", "did you mean 'drop-oldest'"),
            ("[drift]\nmax_shift_px = \"far\"\n", "run.toml:2", "expected"),
            ("[drift\n", "run.toml:1", ""),
            ("[calibration]\npixel_size_nm = -1.0\n", "run.toml:2", "must be more than 0"),
            ("[record]\nmode = \"trigered\"\n", "run.toml:2", "did you mean 'triggered'"),
            ("[record]\nmode = \"triggered\"\n", "run.toml:2", "add an [[alarm]]"),
            ("[record]\nmode = \"all\"\nmemory_mb = 0\n", "run.toml:3", "must be more than 0"),
            ("[record]\nbefore_s = -1\n", "run.toml:2", "must be 0 or more"),
            ("[[gauge]]\nkind = \"fron\"\n", "run.toml:2", "did you mean 'front'"),
            ("[[gauge]]\nkind = \"front\"\nname = \"a\"\n", "run.toml:1", "no 'region'"),
        ];
        for (text, place, advice) in cases {
            let told = told(text);
            assert!(told.starts_with(place) && told.contains(advice), "{text:?} told: {told}");
        }
        let told_key = told(&format!("{GAUGE}grow = \"right\"\n"));
        assert!(told_key.starts_with("run.toml:5") && told_key.contains("did you mean 'grows'"));
        assert!(told(&format!("{GAUGE}{GAUGE}")).contains("names must differ"));
        assert!(told(&GAUGE.replace("anode", "drift")).contains("already"));
        assert!(told(&GAUGE.replace("anode", "my anode")).contains("cannot name"));
        assert!(told(&GAUGE.replace("[1, 2, 3, 4]", "[1, -2, 3, 4]")).contains("four whole"));
    }
}

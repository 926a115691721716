//! Reading a cell log: a table of text, of any instrument, with what is odd in it told.

use std::path::{Path, PathBuf};

use super::columns::{self, Quantity};
use super::table::{self, Table, number};
use super::{CellSeries, ClockModel};
use crate::config::CellConfig;

/// Why a cell log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: {what}", path.display())]
    NotATable { path: PathBuf, what: String },
    #[error("{}:{line}: {what}", path.display())]
    Header { path: PathBuf, line: usize, what: String },
    #[error(
        "{}:{line}: {bad} of {rows} rows cannot be read; in this one column '{column}' holds \
         '{found}', but {expected} was expected", path.display()
    )]
    BadRows {
        path: PathBuf,
        line: usize,
        bad: usize,
        rows: usize,
        column: String,
        found: String,
        expected: String,
    },
}

/// One column to read: where it stands and what makes SI units of it.
struct Column {
    at: usize,
    header: String,
    scale: f64,
    /// A date form instead of a number.
    date: Option<String>,
}

impl CellSeries {
    /// Reads a log; columns, units, delimiter, decimal mark and encoding that `config` does not
    /// tell are found from the file.
    ///
    /// # Errors
    /// [`CellError`] with the line, what was found and what was expected.
    pub fn read(path: &Path, config: &CellConfig) -> Result<CellSeries, CellError> {
        let bytes = std::fs::read(path)
            .map_err(|source| CellError::Io { path: path.to_owned(), source })?;
        Self::parse(&bytes, path, config)
    }

    /// Reads a log from memory; `path` is for messages.
    ///
    /// # Errors
    /// As [`CellSeries::read`].
    pub fn parse(bytes: &[u8], path: &Path, config: &CellConfig) -> Result<CellSeries, CellError> {
        let not_a_table = |what: String| CellError::NotATable { path: path.to_owned(), what };
        if bytes.starts_with(b"BIO-LOGIC MODULAR FILE") {
            let what = "a binary BioLogic file; export it as text (.mpt) in EC-Lab";
            return Err(not_a_table(what.to_owned()));
        }
        let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        if !wide && bytes.iter().take(4096).any(|byte| *byte == 0) {
            let what = "a binary file; export the log as delimited text";
            return Err(not_a_table(what.to_owned()));
        }
        let text = table::decode(bytes, config.encoding.as_deref()).map_err(not_a_table)?;
        let table = table::cut(&text, config).ok_or_else(|| {
            not_a_table(
                "no table found: expected a header line with a time column over lines of \
                 numbers; set cell.delimiter and cell.decimal if they are unusual"
                    .to_owned(),
            )
        })?;
        let header_error = |what: String| CellError::Header {
            path: path.to_owned(),
            line: table.header_line,
            what,
        };
        let columns = Columns::find(&table, config).map_err(header_error)?;
        let mut series = columns.read(&table, path)?;
        series.max_gap_s = config.max_gap_s.unwrap_or_else(|| usual_gap(&series.test_time_s));
        Ok(series)
    }
}

/// The columns that are read.
struct Columns {
    time: Option<Column>,
    unix_time: Option<Column>,
    voltage: Option<Column>,
    current: Option<Column>,
}

impl Columns {
    fn find(table: &Table, config: &CellConfig) -> Result<Columns, String> {
        let find = |quantity, given: &Option<String>, unit: &Option<String>| {
            column(table, quantity, given.as_deref(), unit.as_deref())
        };
        let unix_time = find(Quantity::UnixTime, &None, &None)?;
        let time = find(Quantity::Time, &config.time, &config.time_unit)?;
        let voltage = find(Quantity::Voltage, &config.voltage, &config.voltage_unit)?;
        let current = find(Quantity::Current, &config.current, &config.current_unit)?;
        let there = || table.header.join("', '");
        if time.is_none() && unix_time.is_none() {
            return Err(format!("no time column; set cell.time to one of: '{}'", there()));
        }
        if voltage.is_none() && current.is_none() {
            return Err(format!(
                "neither voltage nor current found; set cell.voltage or cell.current to one of: \
                 '{}'",
                there()
            ));
        }
        Ok(Columns { time, unix_time, voltage, current })
    }

    fn read(&self, table: &Table, path: &Path) -> Result<CellSeries, CellError> {
        let mut series = CellSeries { clock: ClockModel::default(), ..CellSeries::default() };
        let mut left_out = LeftOut::default();
        let mut start = None;
        for (line, fields) in &table.rows {
            let row = match self.row(fields, table.decimal) {
                Ok(row) => row,
                // A header that is repeated within the data is no bad row.
                Err(_) if fields == &table.header => continue,
                Err(bad) => {
                    left_out.bad += 1;
                    left_out.first_bad.get_or_insert((*line, bad));
                    continue;
                }
            };
            let [time, unix_time, voltage, current] = row;
            // A log with dates alone starts at its first row.
            let time =
                if time.is_nan() { unix_time - *start.get_or_insert(unix_time) } else { time };
            match series.test_time_s.last() {
                Some(last) if time == *last => left_out.duplicate(*line),
                Some(last) if time < *last => left_out.backward(*line),
                _ => {
                    series.test_time_s.push(time);
                    series.unix_time_s.push(unix_time);
                    series.voltage_v.push(voltage);
                    series.current_a.push(current);
                }
            }
        }
        left_out.judge(table, path, series.test_time_s.len())?;
        series.notes = left_out.notes();
        Ok(series)
    }

    /// Time, unix time, voltage, current of a row; NaN for columns that are absent or empty.
    fn row(&self, fields: &[String], decimal: char) -> Result<[f64; 4], BadField> {
        let mut out = [f64::NAN; 4];
        let columns = [&self.time, &self.unix_time, &self.voltage, &self.current];
        for (k, column) in columns.into_iter().enumerate() {
            let Some(column) = column else { continue };
            let field = fields.get(column.at).map_or("", String::as_str);
            let bad = |expected: &str| BadField {
                column: column.header.clone(),
                found: field.to_owned(),
                expected: expected.to_owned(),
            };
            if let Some(form) = &column.date {
                let time = date(field, form).ok_or_else(|| bad("a date"))?;
                // Dates are unix times; the test time then counts from the first of them.
                out[1] = time;
            } else if field.is_empty() && k >= 2 {
                continue;
            } else {
                let value = number(field, decimal).filter(|value| value.is_finite() || k >= 2);
                out[k] = value.ok_or_else(|| bad("a number"))? * column.scale;
            }
        }
        if out[0].is_nan() && out[1].is_nan() {
            return Err(BadField {
                column: "time".to_owned(),
                found: String::new(),
                expected: "a time".to_owned(),
            });
        }
        Ok(out)
    }
}

fn column(
    table: &Table,
    quantity: Quantity,
    given: Option<&str>,
    unit: Option<&str>,
) -> Result<Option<Column>, String> {
    let Some(at) = columns::find(&table.header, quantity, given) else {
        let Some(given) = given else { return Ok(None) };
        let nearest = table
            .header
            .iter()
            .max_by(|a, b| {
                strsim::jaro_winkler(a, given).total_cmp(&strsim::jaro_winkler(b, given))
            })
            .map_or("", String::as_str);
        return Err(format!(
            "there is no column '{given}'; did you mean '{nearest}'? the columns are: '{}'",
            table.header.join("', '")
        ));
    };
    let header = table.header[at].clone();
    let is_time = matches!(quantity, Quantity::Time);
    if let Some(form) = unit.filter(|unit| is_time && unit.contains('%')) {
        return Ok(Some(Column { at, header, scale: 1.0, date: Some(form.to_owned()) }));
    }
    let written = columns::name_and_unit(&header).1;
    let unit = unit.map(str::to_owned).or(written);
    let first = table.rows.first().and_then(|(_, fields)| fields.get(at));
    let dated = is_time
        && first.is_some_and(|field| {
            number(field, table.decimal).is_none() && date(field, ISO).is_some()
        });
    if dated {
        return Ok(Some(Column { at, header, scale: 1.0, date: Some(ISO.to_owned()) }));
    }
    let scale = match &unit {
        None => 1.0,
        Some(unit) => columns::scale(quantity, unit).ok_or_else(|| {
            format!("column '{header}': the unit '{unit}' is not known; set it under [cell]")
        })?,
    };
    Ok(Some(Column { at, header, scale, date: None }))
}

const ISO: &str = "%Y-%m-%d %H:%M:%S%.f";

/// Unix time of a date without a zone, taken as UTC.
fn date(field: &str, form: &str) -> Option<f64> {
    let field = field.trim().replacen('T', " ", 1);
    let field = field.trim_end_matches('Z');
    let read = jiff::civil::DateTime::strptime(form, field).ok()?;
    let stamp = jiff::tz::TimeZone::UTC.to_timestamp(read).ok()?;
    Some(stamp.as_nanosecond() as f64 * 1e-9)
}

struct BadField {
    column: String,
    found: String,
    expected: String,
}

/// Rows that did not make it, and why.
#[derive(Default)]
struct LeftOut {
    bad: usize,
    first_bad: Option<(usize, BadField)>,
    duplicates: (usize, usize),
    backwards: (usize, usize),
}

impl LeftOut {
    fn duplicate(&mut self, line: usize) {
        count(&mut self.duplicates, line);
    }

    fn backward(&mut self, line: usize) {
        count(&mut self.backwards, line);
    }

    fn judge(&mut self, table: &Table, path: &Path, kept: usize) -> Result<(), CellError> {
        let rows = table.rows.len();
        if self.bad * 2 <= rows && kept > 0 {
            return Ok(());
        }
        let (line, bad) = self.first_bad.take().unwrap_or((
            table.header_line,
            BadField {
                column: "time".to_owned(),
                found: String::new(),
                expected: "increasing times".to_owned(),
            },
        ));
        Err(CellError::BadRows {
            path: path.to_owned(),
            line,
            bad: self.bad,
            rows,
            column: bad.column,
            found: bad.found,
            expected: bad.expected,
        })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some((line, bad)) = &self.first_bad {
            notes.push(format!(
                "{} rows left out; the first in line {line}: column '{}' holds '{}', but {} was \
                 expected",
                self.bad, bad.column, bad.found, bad.expected
            ));
        }
        for ((number, line), what) in
            [(self.duplicates, "repeat a time"), (self.backwards, "go back in time")]
        {
            if number > 0 {
                notes.push(format!("{number} rows left out that {what}; the first in line {line}"));
            }
        }
        notes
    }
}

fn count((number, first): &mut (usize, usize), line: usize) {
    if *number == 0 {
        *first = line;
    }
    *number += 1;
}

/// Ten usual steps, but at least two seconds.
fn usual_gap(times: &[f64]) -> f64 {
    let mut steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).map_or(2.0, |median| (10.0 * median).max(2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CellSeries, CellError> {
        CellSeries::parse(text.as_bytes(), Path::new("log.csv"), &CellConfig::default())
    }

    #[test]
    fn german_text_with_a_preamble_is_read() {
        let text =
            "Zelle 7\r\nMessung\r\n\r\ntime/s;Ewe/V;I/mA\r\n0,0;0,125;1,5\r\n0,5;0,130;-2\r\n";
        let series = read(text).expect("the log is readable");
        assert_eq!(series.test_time_s, [0.0, 0.5]);
        assert_eq!(series.voltage_v, [0.125, 0.130]);
        assert_eq!(series.current_a, [0.0015, -0.002]);
    }

    #[test]
    fn odd_rows_are_left_out_and_told() {
        let text = "test_time_second,voltage_volt,current_ampere\n0,1,1\n1,1,1\n1,2,2\n0.5,3,3\n\
                    test_time_second,voltage_volt,current_ampere\n2,,1\nx,1,1\n3,1,1\n";
        let series = read(text).expect("the log is readable");
        assert_eq!(series.test_time_s, [0.0, 1.0, 2.0, 3.0]);
        assert!(series.voltage_v[2].is_nan(), "an empty field is not known");
        assert_eq!(series.notes.len(), 3, "{:?}", series.notes);
        assert!(series.notes[0].contains("line 8"), "{:?}", series.notes);
    }

    #[test]
    fn dates_become_unix_times() {
        let text = "date,voltage (mV)\n2026-03-01 12:00:00,5\n2026-03-01 12:00:01.5,6\n";
        let text =
            text.replace("mV)\n", "mV),i/A\n").replace(",5\n", ",5,0\n").replace(",6\n", ",6,0\n");
        let series = read(&text).expect("the log is readable");
        assert_eq!(series.test_time_s, [0.0, 1.5]);
        assert_eq!(series.unix_time_s[0], 1_772_366_400.0);
        assert_eq!(series.voltage_v, [0.005, 0.006]);
    }

    #[test]
    fn wrong_files_are_told_apart() {
        let told = |text: &str| read(text).expect_err("the log is wrong").to_string();
        assert!(told("hello world\n").contains("no table found"));
        assert!(told("time/s,foo,bar\n1,2,3\n").contains("neither voltage nor current"));
        let bytes = b"BIO-LOGIC MODULAR FILE\x1a ";
        let error = CellSeries::parse(bytes, Path::new("a.mpr"), &CellConfig::default());
        assert!(error.expect_err("binary").to_string().contains(".mpt"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(0u8..=255, 0..400)) {
            let _ = CellSeries::parse(&bytes, Path::new("x"), &CellConfig::default());
        }

        #[test]
        fn no_text_makes_it_panic(text in "(time/s[,;\t]Ewe/V[,;\t]I/mA\n)?([-0-9.,;eE\t\n a]{0,200})") {
            let _ = CellSeries::parse(text.as_bytes(), Path::new("x"), &CellConfig::default());
        }
    }
}

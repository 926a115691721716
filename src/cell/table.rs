//! The text of a log as a table: encoding, delimiter, decimal mark, and where the header is.

use crate::config::CellConfig;

/// A header and its rows, each with its line number counted from 1.
pub struct Table {
    pub header: Vec<String>,
    pub header_line: usize,
    pub rows: Vec<(usize, Vec<String>)>,
    pub decimal: char,
}

/// Text of any of the usual encodings: by its byte order mark, else as configured, else UTF-8 when
/// it is valid, else Windows-1252 (what instruments write in Europe).
///
/// # Errors
/// The label of an encoding that does not exist.
pub fn decode(bytes: &[u8], label: Option<&str>) -> Result<String, String> {
    let fallback = match label {
        Some(label) => encoding_rs::Encoding::for_label(label.as_bytes())
            .ok_or_else(|| format!("there is no encoding '{label}'; try \"windows-1252\""))?,
        None if std::str::from_utf8(bytes).is_ok() => encoding_rs::UTF_8,
        None => encoding_rs::WINDOWS_1252,
    };
    Ok(fallback.decode(bytes).0.into_owned())
}

/// Cuts the text into a table; nothing when no line looks like a header over numbers.
pub fn cut(text: &str, config: &CellConfig) -> Option<Table> {
    let lines: Vec<&str> = text.lines().collect();
    let delimiter = match config.delimiter.as_deref() {
        Some("\\t" | "tab") => '\t',
        Some("space") => ' ',
        Some(given) => given.chars().next()?,
        None => sniff(&lines)?,
    };
    let decimal = match config.decimal.as_deref() {
        Some(mark) => mark.chars().next()?,
        None => decimal_mark(&lines, delimiter),
    };
    let fields = |line: &str| split(line, delimiter);
    let numbers =
        |line: &str| fields(line).iter().filter(|field| number(field, decimal).is_some()).count();
    // The first line of at least two numbers starts the data; the header is the last line above
    // it with as many fields that are mostly words (units may stand between them).
    let first = lines.iter().position(|line| {
        let count = fields(line).len();
        count >= 2 && numbers(line) >= 2 && numbers(line) * 2 >= count
    })?;
    let width = fields(lines[first]).len();
    let header_at = (0..first).rev().find(|at| {
        let found = fields(lines[*at]);
        found.len().abs_diff(width) <= 1
            && found.len() >= 2
            && numbers(lines[*at]) == 0
            && found.iter().any(|field| super::columns::is_time(field))
    })?;
    let rows = lines
        .iter()
        .enumerate()
        .skip(first)
        .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .map(|(at, line)| (at + 1, fields(line)))
        .collect();
    Some(Table { header: fields(lines[header_at]), header_line: header_at + 1, rows, decimal })
}

/// The delimiter that cuts the most lines of the file's middle into equal numbers of fields.
fn sniff(lines: &[&str]) -> Option<char> {
    let sample: Vec<&&str> = lines
        .iter()
        .skip(lines.len() / 2)
        .take(50)
        .filter(|line| !line.trim().is_empty())
        .collect();
    let score = |delimiter: char| {
        let mut counts: Vec<usize> =
            sample.iter().map(|line| split(line, delimiter).len()).collect();
        counts.sort_unstable();
        let median = counts.get(counts.len() / 2).copied().unwrap_or(0);
        let equal = counts.iter().filter(|count| **count == median).count();
        if median < 2 { 0 } else { equal }
    };
    let best = ['\t', ';', ',', ' '].into_iter().map(|d| (score(d), d)).rev();
    // Of equals the first named wins: a comma may be a decimal mark, a blank may align columns.
    best.max_by_key(|(score, _)| *score).filter(|(score, _)| *score > 0).map(|(_, d)| d)
}

fn decimal_mark(lines: &[&str], delimiter: char) -> char {
    if delimiter == ',' {
        return '.';
    }
    let sample = lines.iter().skip(lines.len() / 2).take(50);
    let (mut commas, mut points) = (0, 0);
    for field in sample.flat_map(|line| split(line, delimiter)) {
        commas += usize::from(field.contains(',') && number(&field, ',').is_some());
        points += usize::from(field.contains('.') && number(&field, '.').is_some());
    }
    if commas > points { ',' } else { '.' }
}

fn split(line: &str, delimiter: char) -> Vec<String> {
    if delimiter == ' ' {
        return line.split_whitespace().map(str::to_owned).collect();
    }
    if line.contains('"') {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(u8::try_from(delimiter).unwrap_or(b','))
            .has_headers(false)
            .flexible(true)
            .from_reader(line.as_bytes());
        if let Some(Ok(record)) = reader.records().next() {
            return record.iter().map(|field| field.trim().to_owned()).collect();
        }
    }
    let mut fields: Vec<String> =
        line.trim_end_matches(['\r', '\n']).split(delimiter).map(|f| f.trim().to_owned()).collect();
    // A delimiter at the end of each line is a habit of some instruments, not a column.
    while fields.len() > 1 && fields.last().is_some_and(String::is_empty) {
        fields.pop();
    }
    while fields.len() > 1 && fields.first().is_some_and(String::is_empty) {
        fields.remove(0);
    }
    fields
}

/// A number with this decimal mark.
pub fn number(field: &str, decimal: char) -> Option<f64> {
    let field = field.trim();
    if decimal == ',' && field.contains(',') {
        return field.replace('.', "").replace(',', ".").parse().ok();
    }
    field.parse().ok()
}

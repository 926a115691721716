//! Errors that point: file, line, the line itself, and the nearest name that exists.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigError {
    pub path: PathBuf,
    /// Counted from 1.
    pub line: usize,
    pub key: String,
    /// What was found, what was expected, what to do.
    pub what: String,
    /// The line itself and the columns to underline; empty where it is not known.
    pub excerpt: Option<(String, Range<usize>)>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.what)?;
        if let Some((line, columns)) = &self.excerpt {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            let lead: String = line
                .chars()
                .take(columns.start)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let marks = "^".repeat(columns.len().max(1));
            write!(f, "\n {number} | {line}\n {margin} | {lead}{marks}")?;
        }
        Ok(())
    }
}

impl ConfigError {
    /// An error at a range of bytes of the text.
    pub fn at(text: &str, path: &Path, span: Range<usize>, key: &str, what: String) -> ConfigError {
        let start = span.start.min(text.len());
        let start = (0..=start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[line_start..line_end].trim_end().to_owned();
        let column = text[line_start..start].chars().count();
        let end = (start..=span.end.clamp(start, line_end))
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(start);
        let marked = text[start..end].trim_end().chars().count();
        ConfigError {
            path: path.to_owned(),
            line: line_of(text, start),
            key: key.to_owned(),
            what,
            excerpt: Some(shortened(&line, column..column + marked.max(1))),
        }
    }
}

/// A line with the columns to underline, cut to what a terminal shows where it is long.
fn shortened(line: &str, columns: Range<usize>) -> (String, Range<usize>) {
    const LETTERS: usize = 120;
    const BEFORE: usize = 40;
    let all = line.chars().count();
    if all <= LETTERS {
        return (line.to_owned(), columns);
    }
    let first = columns.start.saturating_sub(BEFORE).min(all - LETTERS);
    let shown: String = line.chars().skip(first).take(LETTERS).collect();
    let (lead, trail) =
        (if first > 0 { "… " } else { "" }, if first + LETTERS < all { " …" } else { "" });
    let moved = lead.chars().count();
    let column = |at: usize| at.clamp(first, first + LETTERS) - first + moved;
    (format!("{lead}{shown}{trail}"), column(columns.start)..column(columns.end))
}

/// The line of a byte, counted from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// `did you mean 'x'? the <what> are: …`
pub fn advice<'a>(
    what: &str,
    wrong: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    let list = known.clone().into_iter().collect::<Vec<_>>().join(", ");
    let nearest = known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(name, wrong), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, name)) => format!("did you mean '{name}'? the {what} are: {list}"),
        None => format!("the {what} are: {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_told_about_what_is_wrong_in_it() {
        let text = format!("a = [{}1.5, nine, {}]", "2.25, ".repeat(100), "3, ".repeat(100));
        let at = text.find("nine").unwrap_or(0);
        let error = ConfigError::at(&text, Path::new("c.toml"), at..at + 4, "a", "no".to_owned());
        let (line, columns) = error.excerpt.clone().unwrap_or_default();
        let marked: String = line.chars().skip(columns.start).take(columns.len()).collect();
        assert_eq!(marked, "nine");
        assert!(line.starts_with("… ") && line.ends_with(" …") && line.chars().count() < 130);
        assert!(error.to_string().lines().last().is_some_and(|marks| marks.ends_with("^^^^")));
    }
}

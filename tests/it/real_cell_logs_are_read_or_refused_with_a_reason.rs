//! Logs of real instruments: what can be read has increasing times and finite voltages; what
//! cannot be read says why.

use std::path::{Path, PathBuf};

use liwatch::cell::CellSeries;
use liwatch::config::CellConfig;

use crate::test_data;

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

#[test]
fn each_file() {
    let Some(folder) = test_data("cell") else { return };
    let mut all = Vec::new();
    files(&folder, &mut all);
    all.sort();
    let mut read = 0;
    for path in &all {
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        match CellSeries::read(path, &CellConfig::default()) {
            Ok(series) => {
                read += 1;
                println!(
                    "{:>7} rows  {name}  {}",
                    series.test_time_s.len(),
                    series.notes.join("; ")
                );
                assert!(series.test_time_s.windows(2).all(|t| t[1] > t[0]), "{name}: times");
                let known = series.voltage_v.iter().chain(&series.current_a);
                assert!(known.clone().any(|v| v.is_finite()), "{name}: nothing is known");
            }
            Err(error) => {
                let told = error.to_string();
                assert!(told.contains(&path.display().to_string()), "{name}: {told}");
                println!("refused      {name}: {}", told.rsplit(": ").next().unwrap_or(&told));
            }
        }
    }
    assert!(read >= 8, "only {read} logs of {} are read", all.len());
}

//! Gatan's and TIA's files, compared with what RosettaSciIO saw: shape, type, calibration, and the
//! hash of all pixels.

use std::path::Path;

use liwatch::format::{self, Recording};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::test_data;

/// Folders whose formats liwatch reads.
const FOLDERS: [&str; 3] = ["digitalmicrograph", "openncem", "tia"];
/// Kinds of files in them that belong to formats of later work.
const LATER: [&str; 2] = ["emd", "mrc"];

#[test]
fn every_file() {
    let Some(folder) = test_data("formats") else { return };
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("the list is there");
    let list: Vec<Value> = serde_json::from_str(&text).expect("the list is JSON");
    let (mut equal, mut refused, mut wrong) = (0, Vec::new(), Vec::new());
    for entry in &list {
        let name = entry["file"].as_str().expect("each entry names its file");
        let ours = FOLDERS.iter().any(|folder| name.starts_with(&format!("formats/{folder}/")));
        let later = LATER.iter().any(|suffix| name.ends_with(suffix));
        if !ours || later {
            continue;
        }
        match compare(&folder.join(name.trim_start_matches("formats/")), &entry["rosettasciio"]) {
            Ok(()) => equal += 1,
            Err(Difference::Refused(why)) => refused.push(format!("{name}: {why}")),
            Err(Difference::Wrong(what)) => wrong.push(format!("{name}: {what}")),
        }
    }
    println!("{equal} files equal, {} refused, {} wrong", refused.len(), wrong.len());
    for line in &refused {
        println!("refused: {line}");
    }
    assert!(wrong.is_empty(), "read otherwise than an independent reader:\n{}", wrong.join("\n"));
    assert!(equal >= 67, "only {equal} files are equal");
}

enum Difference {
    Refused(String),
    Wrong(String),
}

fn compare(path: &Path, signals: &Value) -> Result<(), Difference> {
    let recording = format::open(path).map_err(|error| {
        let told = error.to_string();
        // What a scientist could measure must not be refused.
        let measurable = signals.as_array().is_some_and(|signals| {
            signals.iter().any(|signal| {
                let shape = signal["shape"].as_array().map_or(0, Vec::len);
                let real = ["int", "float", "bool"]
                    .iter()
                    .any(|kind| signal["dtype"].as_str().unwrap_or_default().contains(kind));
                let energy = signal["axes"].to_string().contains("eV");
                // One row of pixels is a spectrum, whatever its unit.
                let row = signal["shape"][0] == 1 && shape == 2;
                (2..=3).contains(&shape) && real && !energy && !row
            })
        });
        if measurable { Difference::Wrong(told) } else { Difference::Refused(told) }
    })?;
    let mut hash = Sha256::new();
    let mut scratch = Vec::new();
    let info = recording.info();
    for index in 0..info.frames {
        let frame = recording
            .read(index, &mut scratch)
            .map_err(|error| Difference::Wrong(error.to_string()))?;
        hash.update(frame);
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let signals = signals.as_array().cloned().unwrap_or_default();
    let found = signals.iter().find(|signal| signal["sha256_16"] == hash.as_str());
    let Some(signal) = found else {
        let first = signals.first().cloned().unwrap_or_default();
        return Err(Difference::Wrong(format!(
            "pixels differ: {} x {} x {} {} against {} {}",
            info.frames, info.height, info.width, info.pixel_type, first["shape"], first["dtype"]
        )));
    };
    check_calibration(recording.as_ref(), signal)
}

fn check_calibration(recording: &dyn Recording, signal: &Value) -> Result<(), Difference> {
    let axes = signal["axes"].as_array().cloned().unwrap_or_default();
    let Some(x) = axes.last() else { return Ok(()) };
    let nm = match x["units"].as_str().unwrap_or_default() {
        "nm" => 1.0,
        "µm" | "um" => 1e3,
        "A" | "Å" => 0.1,
        "pm" => 1e-3,
        _ => return Ok(()),
    };
    let expected = x["scale"].as_f64().unwrap_or(f64::NAN) * nm;
    // Some files carry no scale, and a reader puts a placeholder.
    if !(expected > 0.0) {
        return Ok(());
    }
    // A scale of 1 m and more is a reciprocal one under a wrong unit.
    if !(expected < 1e6) {
        return Ok(());
    }
    let found = recording.info().pixel_size_nm.map_or(f64::NAN, |(x, _)| x);
    if ((found - expected) / expected).abs() < 1e-4 {
        return Ok(());
    }
    Err(Difference::Wrong(format!("pixel size {found} nm against {expected} nm")))
}

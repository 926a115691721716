//! Plans and rows with random content for the tests of journal and recovery, and the comparison of
//! run files, bit by bit.

use std::path::Path;

use liwatch::alarm::{AlarmEvent, AlarmState};
use liwatch::cell::{CellSample, CellSeries};
use liwatch::frame::{Axis, Calibration, Dimension, Fate, Ledger, Reason, Region, Stamp};
use liwatch::gauge::{ArrayField, Constant, Field, Measurement, Schema};
use liwatch::noise::CameraModel;
use liwatch::pipeline::{FrameRow, GaugePlan, Program, RunPlan, SourceDescription};
use liwatch::register::{Drift, Motion};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A plan with one gauge of `lines` lines, a cell, and texts that are hard to store.
pub fn plan(lines: usize) -> RunPlan {
    let schema = Schema {
        fields: vec![
            Field {
                name: "position",
                long_name: "mean position",
                dimension: Dimension::Length(Axis::X),
            },
            Field { name: "eta", long_name: "time to short", dimension: Dimension::Time },
        ],
        arrays: vec![ArrayField {
            name: "contour",
            long_name: "position along each line",
            dimension: Dimension::Length(Axis::X),
            len: lines,
            axis: Some("lines"),
        }],
        constants: vec![Constant {
            name: "lines",
            long_name: "coordinate of each line",
            dimension: Dimension::Pixel,
            shape: (lines, 1),
            values: vec![f32::NAN; lines],
        }],
    };
    let configuration = "kind = \"front\"\nname = \"anode\"\nregion = [1, 2, 3, 4]\n\
                         counter_px = 0.1\nsmooth = [1.5, 2]\ntable = { a = \"é\\u0000\\\"\" }\n";
    RunPlan {
        title: "run \"1\"\n\u{1F50B}".to_owned(),
        frames_file: None,
        configuration: configuration.to_owned(),
        source: SourceDescription {
            name: "movie.dm4".to_owned(),
            format: "DM4".to_owned(),
            width: 640,
            height: 480,
            pixel_type: "uint16".to_owned(),
        },
        program: Program {
            version: "0.0.1".to_owned(),
            commit: "abc".to_owned(),
            host: "microscope".to_owned(),
        },
        calibration: Calibration { pixel_size_nm: Some((0.1 + 0.2, 1.0 / 3.0)) },
        camera: CameraModel { read_noise_counts: 1.0 / 3.0, ..CameraModel::default() },
        gauges: vec![GaugePlan {
            name: "anode".to_owned(),
            kind: "front".to_owned(),
            region: Region { x: 1, y: 2, width: 3, height: 4 },
            schema,
            configuration: toml::from_str(configuration).expect("the configuration is TOML"),
        }],
        cell: Some(CellSeries {
            test_time_s: (0..10_000).map(|k| f64::from(k) * 0.1).collect(),
            unix_time_s: vec![f64::NAN; 10_000],
            voltage_v: (0..10_000).map(|k| 1.0 / f64::from(k + 1)).collect(),
            current_a: vec![-1e-6; 10_000],
            notes: vec!["2 rows left out".to_owned()],
            ..CellSeries::default()
        }),
        stages: ["queue", "register", "anode", "track", "total"].map(str::to_owned).to_vec(),
        threads: 2,
        start_unix_time_s: 1_795_620_812.320_231,
    }
}

/// A row in which every bit pattern may stand, NaN with payloads among them.
pub fn row(index: u64, lines: usize, seed: u64) -> FrameRow {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut wide = || f64::from_bits(random.random());
    let [x, y, x_error, y_error] = [wide(), wide(), wide(), wide()];
    let values = vec![wide(), wide()];
    let errors = vec![wide(), wide()];
    let cell = CellSample {
        test_time_s: wide(),
        unix_time_s: wide(),
        voltage_v: wide(),
        current_a: wide(),
    };
    let mut narrow = || (0..lines).map(|_| f32::from_bits(random.random())).collect::<Vec<_>>();
    let (contour, contour_errors, constant) = (narrow(), narrow(), narrow());
    let quality = f32::from_bits(random.random());
    FrameRow {
        stamp: Stamp {
            index,
            sequence: index + 7,
            time_s: index as f64 * 0.05,
            unix_time_s: 1.79e9 + index as f64 * 0.05,
        },
        fate: if index % 5 == 3 { Fate::Degraded } else { Fate::Measured },
        reason: if index % 5 == 3 { Reason::NotLocked } else { Reason::None },
        drift: Drift {
            x,
            y,
            x_error,
            y_error,
            motion: Motion { x, y, matrix: [1e-3, -2e-4, 0.0, f64::NAN] },
            quality,
            locked: index % 5 != 3,
            keyframe: 3,
        },
        gauges: vec![Measurement {
            values,
            errors,
            arrays: vec![contour],
            array_errors: vec![contour_errors],
            quality,
            constants: if index % 50 == 1 { vec![(0, constant)] } else { Vec::new() },
        }],
        cell,
        latency_ns: (0..5).map(|_| random.random()).collect(),
    }
}

/// The ledger of the first `rows` rows.
pub fn ledger(rows: u64) -> Ledger {
    let mut ledger = Ledger { received: rows, ..Ledger::default() };
    (0..rows).for_each(|index| ledger.enter(row(index, 0, 0).fate));
    ledger
}

/// An alarm at this row.
pub fn alarm(frame: u64) -> AlarmEvent {
    AlarmEvent {
        time_s: frame as f64 * 0.05,
        name: "near-short".to_owned(),
        state: AlarmState::Raised,
        frame,
        message: "anode.gap < 40 (anode.gap = 39.9 nm) é".to_owned(),
        decision_latency_s: 1e-3,
        action: "log: done".to_owned(),
        action_latency_s: f64::from_bits(0x7FF8_0000_DEAD_BEEF),
    }
}

/// Every dataset below /entry with the bytes of its values and its shape, by name.
pub fn contents(path: &Path) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let file = hdf5::File::open(path).expect("the run file opens");
    let mut out = Vec::new();
    let mut groups = vec![file.group("entry").expect("there is an entry")];
    while let Some(group) = groups.pop() {
        for dataset in group.datasets().expect("datasets can be listed") {
            out.push((dataset.name(), dataset.shape(), bytes(&dataset)));
        }
        groups.extend(group.groups().expect("groups can be listed"));
    }
    out.sort();
    out
}

fn bytes(dataset: &hdf5::Dataset) -> Vec<u8> {
    use hdf5::types::{FixedUnicode, FloatSize, IntSize, TypeDescriptor as Kind, VarLenUnicode};
    fn of<T: hdf5::H5Type, const N: usize>(set: &hdf5::Dataset, to: fn(&T) -> [u8; N]) -> Vec<u8> {
        set.read_raw::<T>().expect("numbers can be read").iter().flat_map(to).collect()
    }
    let kind = dataset.dtype().and_then(|kind| kind.to_descriptor()).expect("there is a type");
    match kind {
        Kind::Float(FloatSize::U8) => of::<f64, 8>(dataset, |v| v.to_bits().to_le_bytes()),
        Kind::Float(FloatSize::U4) => of::<f32, 4>(dataset, |v| v.to_bits().to_le_bytes()),
        Kind::Unsigned(IntSize::U8) => of::<u64, 8>(dataset, |v| v.to_le_bytes()),
        Kind::Unsigned(IntSize::U4) => of::<u32, 4>(dataset, |v| v.to_le_bytes()),
        Kind::Unsigned(_) | Kind::Enum(_) => of::<u16, 2>(dataset, |v| v.to_le_bytes()),
        Kind::FixedUnicode(size) if size <= 256 => {
            let texts = dataset.read_raw::<FixedUnicode<256>>().expect("texts can be read");
            texts.iter().flat_map(|text| text.as_bytes().to_vec()).collect()
        }
        Kind::VarLenUnicode => {
            let texts = dataset.read_raw::<VarLenUnicode>().expect("texts can be read");
            texts.iter().flat_map(|text| text.as_bytes().to_vec()).collect()
        }
        other => panic!("{} has the type {other}", dataset.name()),
    }
}

/// A Python that has h5py; nothing when `make test-python` has not been run (an error in CI).
pub fn python() -> Option<std::path::PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-python/bin/python");
    let python = std::env::var_os("LIWATCH_TEST_PYTHON").map_or(own, std::path::PathBuf::from);
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing in CI", python.display());
    println!("SKIPPED: {} is absent; run: make test-python", python.display());
    None
}

//! The same recording gives the same run file, but for the times of processing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use liwatch::alarm::AlarmEngine;
use liwatch::pipeline::{self, Setup};
use liwatch::simulate::{Scene, SceneRecording};
use liwatch::source::{FrameTimes, Replay, Speed};
use liwatch::store::{Recorder, StoreOptions};

use crate::scenes::{cell, configuration, standard};

/// Groups and datasets that tell of the processing itself.
const OF_PROCESSING: [&str; 6] = [
    "/entry/latency/",
    "/entry/process/",
    "/entry/start_time",
    "/entry/end_time",
    "/entry/alarms/decision_latency_s",
    "/entry/alarms/action_latency_s",
];

fn run_file(path: &Path, threads: usize, speed: Speed) {
    let config = standard(512, 70, 20.0, 11);
    let scene = Scene::new(config.clone());
    let cell = cell(&scene);
    let settings = configuration(&scene);
    let recording = Arc::new(SceneRecording::new(Scene::new(config)));
    let setup = Setup::new(recording.clone(), settings).expect("the run can start");
    let gauges: Vec<_> =
        setup.gauges.iter().map(|named| (named.name.clone(), named.gauge.schema())).collect();
    let alarms = AlarmEngine::new(&setup.config.alarms, &gauges, setup.calibration)
        .expect("the rules are right");
    let plan = setup.plan("scene", Some(cell.clone()), threads);
    let mut file = Recorder::create(path, &plan, false, StoreOptions::default())
        .expect("the file can be created");
    let mut source = Replay::new(&*recording, FrameTimes::of(&*recording, None), speed);
    let stop = AtomicBool::new(false);
    pipeline::run(&setup, &mut source, Some(&cell), alarms, &mut file, threads, &stop)
        .expect("the run succeeds");
}

/// Every dataset's bytes, by its path.
fn contents(path: &Path) -> Vec<(String, Vec<u8>)> {
    let file = hdf5::File::open(path).expect("the run file opens");
    let mut out = Vec::new();
    let mut groups = vec![file.group("entry").expect("there is an entry")];
    while let Some(group) = groups.pop() {
        for dataset in group.datasets().expect("datasets can be listed") {
            let name = dataset.name();
            if OF_PROCESSING.iter().any(|part| name.starts_with(part)) {
                continue;
            }
            let bytes = if let Ok(values) = dataset.read_raw::<f64>() {
                values.iter().flat_map(|v| v.to_bits().to_le_bytes()).collect()
            } else if let Ok(values) = dataset.read_raw::<u64>() {
                values.iter().flat_map(|v| v.to_le_bytes()).collect()
            } else {
                let texts = dataset.read_raw::<hdf5::types::VarLenUnicode>();
                texts.unwrap_or_default().iter().flat_map(|t| t.as_bytes().to_vec()).collect()
            };
            out.push((name, bytes));
        }
        groups.extend(group.groups().expect("groups can be listed"));
    }
    out.sort();
    out
}

#[test]
fn on_a_recording_with_front_crack_drift_and_alarm() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let runs = [(1, Speed::Max), (3, Speed::Max), (2, Speed::Times(60.0))];
    let all: Vec<_> = runs
        .iter()
        .enumerate()
        .map(|(k, (threads, speed))| {
            let path = folder.path().join(format!("{k}.h5"));
            run_file(&path, *threads, *speed);
            contents(&path)
        })
        .collect();
    assert!(all[0].len() > 40, "only {} datasets were compared", all[0].len());
    for (k, other) in all.iter().enumerate().skip(1) {
        assert_eq!(all[0].len(), other.len(), "run {k} has other datasets");
        for ((name, first), (other_name, second)) in all[0].iter().zip(other) {
            assert_eq!(name, other_name);
            assert!(first == second, "{name} differs between 1 thread and run {k}: {:?}", runs[k]);
        }
    }
}

//! Latency: each stage of each frame, and at the close what the histograms tell.

use super::super::attributes::{set_number, set_text};
use super::super::column::{Column, Label};
use super::{data_group, group, link_time, plain};
use crate::pipeline::Latencies;

/// One column for each stage.
pub fn create(entry: &hdf5::Group, stages: &[String]) -> hdf5::Result<Vec<Column<u64>>> {
    let others: Vec<&str> =
        stages.iter().map(String::as_str).filter(|stage| *stage != "total").collect();
    let group = data_group(entry, "latency", "total", &others)?;
    link_time(&group)?;
    stages
        .iter()
        .map(|stage| {
            let long_name = match stage.as_str() {
                "queue" => "wait from arrival to the start of work".to_owned(),
                "total" => "from arrival to the decision on alarms".to_owned(),
                stage => format!("time of the stage {stage}"),
            };
            plain(&group, Label { name: stage, units: "ns", long_name: &long_name })
        })
        .collect()
}

/// Writes what the histograms tell, when the run closes: percentiles as attributes of each stage,
/// and the bins.
pub fn finish(latency: &hdf5::Group, found: &Latencies) -> hdf5::Result<()> {
    let bins = group(latency, "histograms", "NXcollection")?;
    for stage in &found.stages {
        let Some(told) = stage.percentiles() else { continue };
        let dataset = latency.dataset(&stage.stage)?;
        for (name, value) in [
            ("frames", told.frames),
            ("p50", told.p50),
            ("p99", told.p99),
            ("p999", told.p999),
            ("max", told.max),
            ("worst_frame", told.worst_frame),
        ] {
            set_number(&dataset, name, value)?;
        }
        let rows = stage.bins();
        let builder = bins.new_dataset_builder().obj_track_times(false);
        let dataset = builder.empty::<u64>().shape((rows.len(), 2)).create(&*stage.stage)?;
        dataset.write_raw(&rows.concat())?;
        set_text(&dataset, "units", "")?;
        set_text(&dataset, "long_name", "highest latency of the bin, ns, and number of frames")?;
    }
    Ok(())
}

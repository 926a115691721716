//! Where the frames came from, and which program measured them.

use super::super::attributes::set_text;
use super::super::texts::text;
use super::group;
use crate::pipeline::RunPlan;
use crate::store::run_file::RAW_FRAMES;

pub fn create_instrument(entry: &hdf5::Group, plan: &RunPlan) -> hdf5::Result<()> {
    let instrument = group(entry, "instrument", "NXinstrument")?;
    let detector = group(&instrument, "detector", "NXdetector")?;
    let (x, y) = plan.calibration.pixel_size_nm.unwrap_or((f64::NAN, f64::NAN));
    let camera = &plan.camera;
    for (name, units, long_name, value) in [
        ("x_pixel_size", "nm", "pixel size on the specimen along x; NaN when unknown", x),
        ("y_pixel_size", "nm", "pixel size on the specimen along y; NaN when unknown", y),
        ("count_per_electron", "", "camera counts per electron", camera.gain_counts_per_electron),
        ("offset", "count", "camera counts at zero electrons", camera.offset_counts),
        ("read_noise", "count", "one sigma of the read noise", camera.read_noise_counts),
    ] {
        let dataset = detector.new_dataset::<f64>().create(name)?;
        dataset.write_scalar(&value)?;
        set_text(&dataset, "units", units)?;
        set_text(&dataset, "long_name", long_name)?;
    }
    let source = &plan.source;
    let description = format!(
        "{} ({}, {} x {} px, {})",
        source.name, source.format, source.width, source.height, source.pixel_type
    );
    text(&detector, "description", &description, "where the frames come from")?;
    match &plan.frames_file {
        Some(name) => detector.link_external(name, RAW_FRAMES, "data"),
        None => Ok(()),
    }
}

pub fn create_process(entry: &hdf5::Group, plan: &RunPlan) -> hdf5::Result<()> {
    let process = group(entry, "process", "NXprocess")?;
    text(&process, "program", "liwatch", "program that measured")?;
    let program = &plan.program;
    text(&process, "version", &program.version, "version of the program")?;
    text(&process, "commit", &program.commit, "commit that the program was built from")?;
    text(&process, "host", &program.host, "computer that ran the program")?;
    let threads = process.new_dataset::<u64>().create("threads")?;
    threads.write_scalar(&(plan.threads as u64))?;
    set_text(&threads, "units", "")?;
    set_text(&threads, "long_name", "threads that observed frames")
}

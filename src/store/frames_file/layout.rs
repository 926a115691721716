//! The groups and datasets of a file of raw frames, all of which exist before the first frame.

use std::path::Path;

use hdf5::file::LibraryVersion;
use hdf5::plist::DatasetCreate;
use hdf5::{Dataset, Group};

use super::{Columns, Open};
use crate::format::{RecordingInfo, bitshuffle};
use crate::frame::PixelType;
use crate::pipeline::RunPlan;
use crate::store::run_file::attributes::{describe_root, set_number, set_text, set_texts};
use crate::store::run_file::column::{Column, Label, little_cache};
use crate::store::run_file::texts::{iso_time, text};

/// Creates the file, ready to be followed.
pub fn create(
    path: &Path,
    plan: &RunPlan,
    info: &RecordingInfo,
    step_s: f64,
) -> hdf5::Result<Open> {
    let file = hdf5::File::with_options()
        .with_fapl(|access| {
            little_cache(access).libver_bounds(LibraryVersion::V110, LibraryVersion::V110)
        })
        .with_fcpl(|creation| creation.obj_track_times(false))
        .create(path)?;
    describe_root(&file, plan.start_unix_time_s)?;
    let entry = group(&file, "entry", "NXentry")?;
    set_text(&entry, "default", "data")?;
    let title = format!("{}, raw frames", plan.title);
    text(&entry, "title", &title, "what was recorded")?;
    text(&entry, "definition", "NXroot", "no application definition: base classes only")?;
    text(&entry, "program_name", "liwatch", "program that wrote this entry")?;
    text(&entry, "configuration", &plan.configuration, "configuration of the run, TOML")?;
    if let Some(start) = info.start_unix_time_s {
        let start = text(&entry, "start_time", &iso_time(start), "first frame of the run, UTC")?;
        set_text(&start, "units", "ISO8601")?;
    }
    let ledger = group(&entry, "frames", "NXcollection")?;
    let columns = create_columns(&ledger)?;
    let time = ledger.dataset("time")?;
    set_number(&time, "step", step_s)?;
    let data = group(&entry, "data", "NXdata")?;
    set_text(&data, "signal", "frames")?;
    set_texts(&data, "axes", &["time", ".", "."])?;
    set_number(&data, "time_indices", 0i32)?;
    set_text(&data, "interpretation", "image")?;
    data.link_hard("/entry/frames/time", "time")?;
    let frames = match info.pixel_type {
        PixelType::U8 => create_frames::<u8>(&data, info),
        PixelType::I8 => create_frames::<i8>(&data, info),
        PixelType::U16 => create_frames::<u16>(&data, info),
        PixelType::I16 => create_frames::<i16>(&data, info),
        PixelType::U32 => create_frames::<u32>(&data, info),
        PixelType::I32 => create_frames::<i32>(&data, info),
        PixelType::F32 => create_frames::<f32>(&data, info),
        PixelType::F64 => create_frames::<f64>(&data, info),
    }?;
    let instrument = group(&entry, "instrument", "NXinstrument")?;
    let detector = group(&instrument, "detector", "NXdetector")?;
    let (x, y) = info.pixel_size_nm.unwrap_or((f64::NAN, f64::NAN));
    for (name, value) in [("x_pixel_size", x), ("y_pixel_size", y)] {
        let dataset = detector.new_dataset::<f64>().create(name)?;
        dataset.write_scalar(&value)?;
        set_text(&dataset, "units", "nm")?;
        let long_name = "pixel size as the recording has it; NaN when it has none";
        set_text(&dataset, "long_name", long_name)?;
    }
    file.flush()?;
    file.start_swmr()?;
    Ok(Open { file, frames, shape: (info.height, info.width), columns })
}

fn group(parent: &Group, name: &str, class: &str) -> hdf5::Result<Group> {
    let group = parent.create_group(name)?;
    set_text(&group, "NX_class", class)?;
    Ok(group)
}

fn create_columns(ledger: &Group) -> hdf5::Result<Columns> {
    fn column<T: hdf5::H5Type + Clone>(
        ledger: &Group,
        name: &str,
        units: &str,
        long_name: &str,
    ) -> hdf5::Result<Column<T>> {
        Column::create(ledger, Label { name, units, long_name }, None, None)
    }
    Ok(Columns {
        row: column(ledger, "row", "", "row of the frame in the run file")?,
        sequence: column(ledger, "sequence", "", "frame number as the source counts it")?,
        time: column(ledger, "time", "s", "time since the first frame of the run")?,
        unix_time: column(ledger, "unix_time", "s", "time since 1970-01-01 UTC")?,
        fate: column(ledger, "fate", "", "what became of the frame in the run")?,
        reason: column(ledger, "reason", "", "why the frame has its fate")?,
        alarm: column(ledger, "alarm", "", "1 where an alarm was raised")?,
        recorded: column(ledger, "recorded", "", "1 where the pixels are in this file")?,
    })
}

/// The HDF5 crate refuses filters that its library does not have; packed chunks need none of it.
fn create_frames<T: hdf5::H5Type>(data: &Group, info: &RecordingInfo) -> hdf5::Result<Dataset> {
    let creation = DatasetCreate::build()
        .obj_track_times(false)
        .chunk((1, info.height, info.width))
        .finish()?;
    let parameters = bitshuffle::parameters(info.pixel_type.size());
    let kind = hdf5::Datatype::from_type::<T>()?;
    let space = hdf5::Dataspace::try_new((0.., info.height, info.width))?;
    // Sound: the lists, the type and the space are open, the name ends with a zero byte, and the
    // number of parameters is that of the array.
    hdf5::h5call!(hdf5_sys::h5p::H5Pset_filter(
        creation.id(),
        bitshuffle::FILTER,
        hdf5_sys::h5z::H5Z_FLAG_OPTIONAL,
        parameters.len(),
        parameters.as_ptr()
    ))?;
    let created = hdf5::h5call!(hdf5_sys::h5d::H5Dcreate2(
        data.id(),
        c"frames".as_ptr(),
        kind.id(),
        space.id(),
        hdf5_sys::h5p::H5P_DEFAULT,
        creation.id(),
        hdf5_sys::h5p::H5P_DEFAULT
    ))?;
    hdf5::h5call!(hdf5_sys::h5d::H5Dclose(created))?;
    let frames = data.dataset("frames")?;
    set_text(&frames, "units", "count")?;
    set_text(&frames, "long_name", "raw frames")?;
    set_text(&frames, "interpretation", "image")?;
    Ok(frames)
}

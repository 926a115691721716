//! The corrected stack as HDF5, NeXus style: an NXdata `[time, y, x]` that HyperSpy, h5py and NeXus
//! viewers open, and that liwatch reads as a recording.
//!
//! A chunk is a frame. The workers pack it, so that compression runs on all threads and HDF5 only
//! stores bytes; a frame without pixels takes no room, because the fill value stands for it.

use std::path::Path;

use hdf5::types::OwnedDynValue;
use hdf5::{Dataset, Group, H5Type};

use super::plan::Plan;
use crate::frame::{PixelType, Region};
use crate::resample::overlap;
use crate::store::attributes::{describe_root, set_number, set_text, set_texts};
use crate::store::chunk;
use crate::store::texts::{iso_time, now_unix_s, text};

/// A file that is being written.
pub struct NexusStack {
    file: hdf5::File,
    data: Group,
    frames: Dataset,
}

impl NexusStack {
    /// Creates everything but the pixels.
    pub fn create(path: &Path, plan: &Plan) -> hdf5::Result<NexusStack> {
        let file = hdf5::File::with_options()
            .with_fcpl(|creation| creation.obj_track_times(false))
            .create(path)?;
        describe_root(&file, now_unix_s())?;
        let entry = group(&file, "entry", "NXentry")?;
        set_text(&entry, "default", "data")?;
        let title = format!("{}, drift corrected", plan.source);
        text(&entry, "title", &title, "what the stack shows")?;
        text(&entry, "definition", "NXroot", "no application definition: base classes only")?;
        text(&entry, "program_name", "liwatch", "program that wrote this entry")?;
        if let Some(start) = plan.start_unix_time_s {
            let start = text(&entry, "start_time", &iso_time(start), "first frame, UTC")?;
            set_text(&start, "units", "ISO8601")?;
        }
        let data = group(&entry, "data", "NXdata")?;
        set_text(&data, "signal", "frames")?;
        set_texts(&data, "axes", &["time", "y", "x"])?;
        for (axis, index) in [("time_indices", 0i32), ("y_indices", 1), ("x_indices", 2)] {
            set_number(&data, axis, index)?;
        }
        // HyperSpy looks for this at the group; the standard has it at the signal.
        set_text(&data, "interpretation", "image")?;
        let frames = create_frames(&data, plan)?;
        set_text(&frames, "interpretation", "image")?;
        create_axes(&data, plan)?;
        create_drift(&data, plan)?;
        create_mask(&data, plan)?;
        create_times(&entry, plan)?;
        create_detector(&entry, plan)?;
        create_process(&entry, plan)?;
        Ok(NexusStack { file, data, frames })
    }

    /// Stores a packed frame.
    pub fn frame(&mut self, index: usize, packed: &[u8]) -> hdf5::Result<()> {
        chunk::write_frame(&self.frames, index as u64, packed)
    }

    /// Adds what is known at the end, and closes the file.
    pub fn finish(self, plan: &Plan, placed: &[bool]) -> hdf5::Result<()> {
        let flags: Vec<u8> = placed.iter().map(|placed| u8::from(*placed)).collect();
        array(&self.data, "placed", "", "1 where the frame has pixels", &flags)?;
        let fractions: Vec<f64> = placed
            .iter()
            .enumerate()
            .map(|(k, placed)| if *placed { plan.valid_fraction(k) } else { 0.0 })
            .collect();
        array(&self.data, "valid_fraction", "", "share of the pixels with data", &fractions)?;
        drop((self.frames, self.data));
        self.file.flush()?;
        self.file.close()
    }
}

fn group(parent: &Group, name: &str, class: &str) -> hdf5::Result<Group> {
    let group = parent.create_group(name)?;
    set_text(&group, "NX_class", class)?;
    Ok(group)
}

fn create_frames(data: &Group, plan: &Plan) -> hdf5::Result<Dataset> {
    fn of<T: H5Type>(data: &Group, plan: &Plan, empty: OwnedDynValue) -> hdf5::Result<Dataset> {
        let Region { width, height, .. } = plan.window;
        data.new_dataset_builder()
            .obj_track_times(false)
            .chunk((1, height, width))
            .shuffle()
            .deflate(1)
            .fill_value(empty)
            .empty::<T>()
            .shape((plan.rows.len(), height, width))
            .create("frames")
    }
    let frames = match plan.pixel_type {
        PixelType::U8 => of::<u8>(data, plan, 0u8.into()),
        PixelType::I8 => of::<i8>(data, plan, 0i8.into()),
        PixelType::U16 => of::<u16>(data, plan, 0u16.into()),
        PixelType::I16 => of::<i16>(data, plan, 0i16.into()),
        PixelType::U32 => of::<u32>(data, plan, 0u32.into()),
        PixelType::I32 => of::<i32>(data, plan, 0i32.into()),
        PixelType::F32 => of::<f32>(data, plan, f32::NAN.into()),
        PixelType::F64 => of::<f64>(data, plan, f64::NAN.into()),
    }?;
    set_text(&frames, "units", "count")?;
    set_text(&frames, "long_name", "drift-corrected frames")?;
    Ok(frames)
}

fn create_axes(data: &Group, plan: &Plan) -> hdf5::Result<()> {
    let times: Vec<f64> = plan.rows.iter().map(|row| row.time_s).collect();
    array(data, "time", "s", "time since the first frame", &times)?;
    let units = if plan.pixel_size_nm.is_some() { "nm" } else { "px" };
    let (x_step, y_step) = plan.pixel_size_nm.unwrap_or((1.0, 1.0));
    let window = plan.window;
    for (name, long_name, first, count, step) in [
        ("y", "position in the reference, downward", window.y, window.height, y_step),
        ("x", "position in the reference, to the right", window.x, window.width, x_step),
    ] {
        let places: Vec<f64> = (first..first + count).map(|at| at as f64 * step).collect();
        array(data, name, units, long_name, &places)?;
    }
    Ok(())
}

fn create_drift(data: &Group, plan: &Plan) -> hdf5::Result<()> {
    let (x, y): (Vec<f64>, Vec<f64>) = plan.rows.iter().map(|row| row.drift).unzip();
    array(data, "drift_x", "px", "drift of the specimen to the right, taken out here", &x)?;
    array(data, "drift_y", "px", "drift of the specimen downward, taken out here", &y)?;
    let locked: Vec<u8> = plan.rows.iter().map(|row| u8::from(row.map.is_some())).collect();
    array(data, "locked", "", "1 where the frame's drift is trusted", &locked)
}

fn create_mask(data: &Group, plan: &Plan) -> hdf5::Result<()> {
    let Region { x, y, width, height } = plan.window;
    let mut mask = vec![0u8; width * height];
    for (line, row) in mask.chunks_exact_mut(width).zip(y..) {
        let columns = overlap(&plan.area.row(row), &(x..x + width));
        if !columns.is_empty() {
            line[columns.start - x..columns.end - x].fill(1);
        }
    }
    let valid = data
        .new_dataset_builder()
        .obj_track_times(false)
        .chunk((height, width))
        .deflate(1)
        .empty::<u8>()
        .shape((height, width))
        .create("valid")?;
    valid.write_raw(&mask)?;
    set_text(&valid, "units", "")?;
    set_text(&valid, "long_name", "1 where every placed frame has data")
}

/// The frames' times under the names of a run file, where liwatch looks for them.
fn create_times(entry: &Group, plan: &Plan) -> hdf5::Result<()> {
    let ledger = group(entry, "frames", "NXcollection")?;
    let times: Vec<f64> = plan.rows.iter().map(|row| row.time_s).collect();
    array(&ledger, "time", "s", "time since the first frame", &times)?;
    let start = plan.start_unix_time_s.unwrap_or(f64::NAN);
    let unix: Vec<f64> = times.iter().map(|time| start + time).collect();
    array(&ledger, "unix_time", "s", "time since 1970-01-01 UTC", &unix)
}

fn create_detector(entry: &Group, plan: &Plan) -> hdf5::Result<()> {
    let instrument = group(entry, "instrument", "NXinstrument")?;
    let detector = group(&instrument, "detector", "NXdetector")?;
    let (x, y) = plan.pixel_size_nm.unwrap_or((f64::NAN, f64::NAN));
    for (name, value) in [("x_pixel_size", x), ("y_pixel_size", y)] {
        let dataset = detector.new_dataset::<f64>().create(name)?;
        dataset.write_scalar(&value)?;
        set_text(&dataset, "units", "nm")?;
        set_text(&dataset, "long_name", "pixel size on the specimen; NaN when unknown")?;
    }
    text(&detector, "description", &plan.source, "where the frames come from")?;
    Ok(())
}

fn create_process(entry: &Group, plan: &Plan) -> hdf5::Result<()> {
    let process = group(entry, "process", "NXprocess")?;
    for (name, value, long_name) in [
        ("program", "liwatch", "program that corrected the drift"),
        ("version", env!("CARGO_PKG_VERSION"), "version of the program"),
        ("source", plan.source.as_str(), "recording that was corrected"),
        ("run_file", plan.run.as_str(), "run file with the measured drift"),
        ("interpolation", plan.interpolation(), "how values between pixels were found"),
        ("empty_value", plan.empty_value(), "what pixels without data hold"),
    ] {
        text(&process, name, value, long_name)?;
    }
    let long_name = "x, y, width, height of this stack in the reference";
    array(&process, "window", "px", long_name, &<[u32; 4]>::from(plan.window))?;
    if let Some(common) = plan.common {
        let long_name = "largest rectangle x, y, width, height that every placed frame covers";
        array(&process, "common", "px", long_name, &<[u32; 4]>::from(common))?;
    }
    Ok(())
}

fn array<T: H5Type>(
    group: &Group,
    name: &str,
    units: &str,
    long_name: &str,
    values: &[T],
) -> hdf5::Result<()> {
    let dataset = group
        .new_dataset_builder()
        .obj_track_times(false)
        .empty::<T>()
        .shape(values.len())
        .create(name)?;
    dataset.write_raw(values)?;
    set_text(&dataset, "units", units)?;
    set_text(&dataset, "long_name", long_name)
}

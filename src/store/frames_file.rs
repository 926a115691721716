//! The file of raw frames beside the run file, `RUN.frames.h5`: NeXus, one chunk a frame, packed by
//! bitshuffle and LZ4 before it comes here, and appended so that a reader can follow (SWMR) and a
//! crash leaves all frames but those of the last moment.
//!
//! It is a file of its own so that the run file stays small and is written at its own pace. Nothing
//! waits for it: a frame that finds no room on the disk has its row here with `recorded` 0.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hdf5::file::LibraryVersion;
use hdf5::plist::DatasetCreate;
use hdf5::{Dataset, Group};

use super::run_file::attributes::{set_number, set_text, set_texts};
use super::run_file::codes::{FateCode, ReasonCode};
use super::run_file::column::{Column, Label};
use super::run_file::texts::{iso_time, text};
use super::{StoreError, room};
use crate::format::{RecordingInfo, bitshuffle};
use crate::frame::PixelType;
use crate::pipeline::{KeepFrames, Kept, RunPlan, SinkError};

/// Readers see a frame, and a crash spares it, at the latest this long after it was written.
const SHOW: Duration = Duration::from_millis(100);
/// Room on the disk that is asked for at once.
const ROOM_AHEAD: u64 = 16 << 20;
/// Raw frames leave this much of the disk to rows and alarms, bytes.
const LEFT_FOR_ROWS: u64 = 256 << 20;
/// Room for rows and for HDF5's own, bytes.
const ROOM_TO_SPARE: u64 = 4 << 20;

/// Where the raw frames of this run are kept.
pub fn frames_path_of(run: &Path) -> PathBuf {
    run.with_extension("frames.h5")
}

/// What became of the raw frames of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FramesSummary {
    /// Frames that were to be kept.
    pub rows: u64,
    /// … whose pixels are in the file.
    pub recorded: u64,
    /// … that had pixels, or should have had, for which there was no time or room.
    pub not_recorded: u64,
    /// Packed pixels.
    pub bytes: u64,
}

/// How it ended, to be read after the run.
pub type Told = Arc<OnceLock<Result<FramesSummary, SinkError>>>;

/// A file of raw frames that is being written.
pub struct FramesFile {
    path: PathBuf,
    open: Option<Open>,
    summary: FramesSummary,
    /// What HDF5 said when it failed.
    failed: Option<String>,
    /// Up to this byte there is room.
    reserved: u64,
    no_room: bool,
    last_flush: Instant,
    told: Told,
}

struct Open {
    file: hdf5::File,
    frames: Dataset,
    shape: (usize, usize),
    columns: Columns,
}

struct Columns {
    row: Column<u64>,
    sequence: Column<u64>,
    time: Column<f64>,
    unix_time: Column<f64>,
    fate: Column<FateCode>,
    reason: Column<ReasonCode>,
    alarm: Column<u8>,
    recorded: Column<u8>,
}

impl FramesFile {
    /// Creates the file at `path`, over what may be there. `step_s` is the time from frame to frame
    /// that the run measures with.
    ///
    /// # Errors
    /// [`StoreError::Hdf5`] when it cannot be created.
    pub fn create(
        path: &Path,
        plan: &RunPlan,
        info: &RecordingInfo,
        step_s: f64,
    ) -> Result<FramesFile, StoreError> {
        let open = create(path, plan, info, step_s).map_err(|source| StoreError::Hdf5 {
            path: path.to_owned(),
            what: "the file of raw frames cannot be created (is there room?)".to_owned(),
            source,
        })?;
        Ok(FramesFile {
            path: path.to_owned(),
            open: Some(open),
            summary: FramesSummary::default(),
            failed: None,
            reserved: 0,
            no_room: false,
            last_flush: Instant::now(),
            told: Told::default(),
        })
    }

    /// Filled when the file is closed.
    pub fn told(&self) -> Told {
        Arc::clone(&self.told)
    }

    /// True when the disk has room for `bytes` more.
    fn has_room(&mut self, bytes: u64) -> bool {
        let Some(open) = &self.open else { return false };
        let end = open.file.size();
        if end + bytes + ROOM_TO_SPARE <= self.reserved {
            return true;
        }
        let pixels = bytes > 0;
        let ask = if pixels { bytes + ROOM_TO_SPARE + ROOM_AHEAD } else { ROOM_TO_SPARE };
        let allowed = !pixels || room::is_free(&self.path, ask + LEFT_FOR_ROWS);
        let found = (allowed && room::reserve(&self.path, end, ask)).then_some(ask);
        self.reserved = self.reserved.max(end + found.unwrap_or(0));
        if found.is_none() && !self.no_room {
            tracing::warn!(
                "{}: less than {} MB are free on the disk, which rows and alarms may need; raw \
                 frames are not recorded until there is more",
                self.path.display(),
                LEFT_FOR_ROWS >> 20
            );
        }
        self.no_room = found.is_none();
        found.is_some()
    }

    fn write(&mut self, kept: &Kept, packed: Option<&[u8]>) -> hdf5::Result<bool> {
        let room = packed.is_none_or(|packed| self.has_room(packed.len() as u64));
        let Some(open) = &mut self.open else { return Ok(false) };
        let packed = packed.filter(|_| room);
        if let Some(packed) = packed {
            open.append(self.summary.rows, packed)?;
        }
        open.columns.push(kept, packed.is_some());
        self.summary.rows += 1;
        Ok(packed.is_some())
    }

    fn flush_if_due(&mut self) {
        if self.last_flush.elapsed() < SHOW {
            return;
        }
        self.last_flush = Instant::now();
        // Rows wait in memory while the disk is full.
        if !self.has_room(0) {
            return;
        }
        let rows = self.summary.rows;
        if let Some(Err(error)) = self.open.as_mut().map(|open| open.flush(rows)) {
            self.fail(&error);
        }
    }

    /// HDF5 is in no known state after a failure, so its handles are left alone.
    fn fail(&mut self, error: &hdf5::Error) {
        let what = error.to_string().lines().next().unwrap_or_default().to_owned();
        tracing::warn!("{}: {what}; no more raw frames are recorded", self.path.display());
        self.failed.get_or_insert(what);
        std::mem::forget(self.open.take());
    }

    fn end(&mut self) -> Result<FramesSummary, SinkError> {
        let path = self.path.display().to_string();
        let wrong = |what: &str| {
            SinkError(format!("{path}: raw frames were lost: {what}; is the disk full?"))
        };
        if !self.has_room(0) && self.failed.is_none() {
            std::mem::forget(self.open.take());
            return Err(wrong("there is no room for the end of the file"));
        }
        if let Some(mut open) = self.open.take() {
            let flushed = open.flush(self.summary.rows);
            if flushed.is_err() {
                std::mem::forget(open);
                return Err(wrong("its end could not be written"));
            }
            drop(open);
            complete(&self.path).map_err(|error| wrong(&error.to_string()))?;
            room::give_back(&self.path).map_err(|error| wrong(&error.to_string()))?;
        }
        match &self.failed {
            Some(failed) => Err(wrong(failed)),
            None => Ok(self.summary),
        }
    }
}

impl KeepFrames for FramesFile {
    fn frame(&mut self, kept: &Kept, packed: Option<&[u8]>) {
        match self.write(kept, packed) {
            Ok(true) => {
                self.summary.recorded += 1;
                self.summary.bytes += packed.map_or(0, |packed| packed.len() as u64);
            }
            Ok(false) => self.summary.not_recorded += u64::from(should_have(kept)),
            Err(error) => {
                self.summary.not_recorded += 1;
                self.fail(&error);
            }
        }
        self.flush_if_due();
    }

    fn idle(&mut self) {
        self.flush_if_due();
    }

    fn close(&mut self) {
        let ended = self.end();
        // Set once, here.
        let _ = self.told.set(ended);
    }
}

/// A frame that was measured had pixels.
fn should_have(kept: &Kept) -> bool {
    use crate::frame::Fate;
    matches!(kept.fate, Fate::Measured | Fate::Degraded)
}

impl Open {
    fn append(&mut self, row: u64, packed: &[u8]) -> hdf5::Result<()> {
        let (height, width) = self.shape;
        self.frames.resize((row as usize + 1, height, width))?;
        let offset = [row, 0, 0];
        // Sound, although the macro hides an unsafe call: the dataset is open, its chunks have
        // three dimensions as `offset` has, and `packed` outlives the call.
        hdf5::h5call!(hdf5_sys::h5d::H5Dwrite_chunk(
            self.frames.id(),
            hdf5_sys::h5p::H5P_DEFAULT,
            0,
            offset.as_ptr(),
            packed.len(),
            packed.as_ptr().cast()
        ))?;
        Ok(())
    }

    /// `recorded` comes last: what a reader sees there is complete everywhere.
    fn flush(&mut self, rows: u64) -> hdf5::Result<()> {
        let (height, width) = self.shape;
        self.frames.resize((rows as usize, height, width))?;
        self.frames.flush()?;
        let columns = &mut self.columns;
        columns.row.flush()?;
        columns.sequence.flush()?;
        columns.time.flush()?;
        columns.unix_time.flush()?;
        columns.fate.flush()?;
        columns.reason.flush()?;
        columns.alarm.flush()?;
        columns.recorded.flush()
    }
}

impl Columns {
    fn push(&mut self, kept: &Kept, recorded: bool) {
        self.row.push(kept.stamp.index);
        self.sequence.push(kept.stamp.sequence);
        self.time.push(kept.stamp.time_s);
        self.unix_time.push(kept.stamp.unix_time_s);
        self.fate.push(FateCode(kept.fate as u8));
        self.reason.push(ReasonCode(kept.reason as u16));
        self.alarm.push(u8::from(kept.alarm));
        self.recorded.push(u8::from(recorded));
    }
}

fn create(path: &Path, plan: &RunPlan, info: &RecordingInfo, step_s: f64) -> hdf5::Result<Open> {
    let file = hdf5::File::with_options()
        .with_fapl(|access| access.libver_bounds(LibraryVersion::V110, LibraryVersion::V110))
        .with_fcpl(|creation| creation.obj_track_times(false))
        .create(path)?;
    set_text(&file, "NX_class", "NXroot")?;
    set_text(&file, "default", "entry")?;
    set_text(&file, "creator", "liwatch")?;
    set_text(&file, "creator_version", env!("CARGO_PKG_VERSION"))?;
    set_text(&file, "file_time", &iso_time(plan.start_unix_time_s))?;
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

/// Completes the raw frames of a run whose writer was killed, if there are any.
pub fn recover_frames(run: &Path) {
    let path = frames_path_of(run);
    // A file that was closed opens as any other.
    if !path.exists() || hdf5::File::open(&path).is_ok() {
        return;
    }
    match complete(&path).map(|_| room::give_back(&path)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("{}: {error}", path.display()),
        Err(error) => {
            tracing::warn!("{}: raw frames cannot be recovered: {error}", path.display());
        }
    }
}

/// Cuts the frames to their rows and writes the totals; also of a file whose writer was killed.
/// Returns how many frames have pixels.
fn complete(path: &Path) -> hdf5::Result<u64> {
    clear_mark(path)?;
    let file =
        hdf5::File::with_options().with_fapl(|access| access.file_locking(false)).open_rw(path)?;
    let ledger = file.group("entry/frames")?;
    let recorded = ledger.dataset("recorded")?;
    let flags = recorded.read_raw::<u8>()?;
    let frames = file.dataset("entry/data/frames")?;
    if let [_, height, width] = frames.shape()[..] {
        frames.resize((flags.len(), height, width))?;
    }
    for name in ledger.member_names()? {
        ledger.dataset(&name)?.resize(flags.len())?;
    }
    let count = flags.iter().filter(|flag| **flag == 1).count() as u64;
    for (name, value) in [("rows", flags.len() as u64), ("recorded", count)] {
        if ledger.attr(name).is_err() {
            set_number(&ledger, name, value)?;
        }
    }
    drop((recorded, frames, ledger));
    file.close()?;
    Ok(count)
}

/// Clears the mark that a killed writer leaves, and sets the end of the file, which its head tells
/// only after an orderly close; as the tool h5clear does.
fn clear_mark(path: &Path) -> hdf5::Result<()> {
    let Some(Ok(name)) = path.to_str().map(std::ffi::CString::new) else {
        return Err("the path is no UTF-8".into());
    };
    let access = hdf5::plist::FileAccess::build().file_locking(false).finish()?;
    let mut yes = true;
    for property in [c"clear_status_flags", c"skip_eof_check"] {
        // Sound: the name ends with a zero byte, the list is open, and the property is a bool.
        hdf5::h5call!(hdf5_sys::h5p::H5Pset(
            access.id(),
            property.as_ptr(),
            (&raw mut yes).cast()
        ))?;
    }
    let write = hdf5_sys::h5f::H5F_ACC_RDWR;
    // Sound: the name ends with a zero byte and the list is open; what is opened here is closed.
    let file = hdf5::h5call!(hdf5_sys::h5f::H5Fopen(name.as_ptr(), write, access.id()))?;
    let ended = hdf5::h5call!(H5Fincrement_filesize(file, 0));
    hdf5::h5call!(hdf5_sys::h5f::H5Fclose(file))?;
    ended.map(|_| ())
}

unsafe extern "C" {
    /// Sets the end of the file to what is there, plus `increment`; not declared by the crate.
    fn H5Fincrement_filesize(file: hdf5_sys::h5i::hid_t, increment: u64) -> i32;
}

/// Moves the raw frames of a run that was renamed, and its link to them, if it has any.
///
/// # Errors
/// [`StoreError`] when the file or its link cannot be changed.
pub fn move_frames(from: &Path, to: &Path) -> Result<(), StoreError> {
    let (old, new) = (frames_path_of(from), frames_path_of(to));
    if !old.exists() {
        return Ok(());
    }
    std::fs::rename(&old, &new).map_err(|source| StoreError::Io {
        path: old,
        what: "the raw frames cannot be renamed".to_owned(),
        source,
    })?;
    let relink = || -> hdf5::Result<()> {
        let file = hdf5::File::open_rw(to)?;
        let detector = file.group("entry/instrument/detector")?;
        let name = new.file_name().unwrap_or_default().to_string_lossy();
        if detector.link_exists("data") {
            detector.unlink("data")?;
            detector.link_external(&name, super::RAW_FRAMES, "data")?;
        }
        drop(detector);
        file.close()
    };
    relink().map_err(|source| StoreError::Hdf5 {
        path: to.to_owned(),
        what: "the link to the raw frames cannot be changed".to_owned(),
        source,
    })
}

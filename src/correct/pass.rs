//! The second pass over a recording: who reads, resamples and writes on which thread.
//!
//! ```text
//! feeder ──job──> worker k ──frame──> writer (frame order: worker 0, 1, …, 0, 1, …)
//! ```
//!
//! Each worker has a channel of its own that holds two frames, and the writer takes from them in
//! turn: that keeps the order without sorting, and memory to a few frames a thread. Buffers go
//! back from the writer to the workers. A recording that is fast only in order is read by the
//! feeder, any other by the workers.

use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::nexus::NexusStack;
use super::output::{Kind, Output};
use super::plan::{Plan, Shift, Written};
use super::tiff::TiffStack;
use super::{CorrectError, whole};
use crate::format::{Access, Recording};
use crate::frame::{Image, Normalised, blank_for, normalise};
use crate::resample::{Affine, Resampler};

/// Reads the recording once more and writes the corrected stack, on `threads` workers. `progress`
/// is called after each frame. Setting `stop` ends the pass.
///
/// # Errors
/// [`CorrectError`]; nothing is left of the file then.
pub fn write(
    recording: &dyn Recording,
    plan: &Plan,
    output: Output,
    threads: usize,
    stop: &AtomicBool,
    mut progress: impl FnMut(),
) -> Result<Written, CorrectError> {
    let started = Instant::now();
    let frames = plan.rows.len();
    let failed = |frame: usize, reason: String| CorrectError::Write {
        path: output.path().to_owned(),
        frame,
        frames,
        reason,
    };
    let mut stack = Stack::create(plan, &output).map_err(|reason| failed(0, reason))?;
    let packing = stack.packing();
    let placed = std::thread::scope(|scope| {
        let (give_back, free) = bounded(4 * threads.max(1));
        let (mut inputs, mut results) = (Vec::new(), Vec::new());
        for _ in 0..threads.max(1) {
            let (job_in, jobs) = bounded(1);
            let (frame_in, done) = bounded(2);
            let mut worker = Worker::new(recording, plan, packing);
            let free = free.clone();
            scope.spawn(move || worker.run(&jobs, &free, &frame_in));
            inputs.push(job_in);
            results.push(done);
        }
        scope.spawn(move || feed(recording, plan, &inputs));
        let mut placed = vec![false; frames];
        for index in 0..frames {
            if stop.load(Ordering::Relaxed) {
                let path = output.path().to_owned();
                return Err(CorrectError::Stopped { path, frame: index, frames });
            }
            let Ok(frame) = results[index % results.len()].recv() else {
                return Err(failed(index, "a thread ended early; please report this".to_owned()));
            };
            stack.frame(index, &frame).map_err(|reason| failed(index, reason))?;
            placed[index] = frame.placed;
            // When nobody needs the buffer any more, it is freed here.
            let _ = give_back.try_send(frame.bytes);
            progress();
        }
        Ok(placed)
    })?;
    stack.finish(plan, &placed).map_err(|reason| failed(frames, reason))?;
    // Some file systems tell only now that there was no room.
    let synced = File::open(output.part()).and_then(|file| file.sync_all());
    synced.map_err(|error| failed(frames, error.to_string()))?;
    let bytes = std::fs::metadata(output.part()).map_or(0, |data| data.len());
    output.finish()?;
    Ok(Written {
        frames,
        placed: placed.iter().filter(|placed| **placed).count(),
        bytes,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// A frame to do.
struct Job {
    index: usize,
    /// Its pixels, where the feeder reads; `Some(None)` when they could not be read.
    read: Option<Option<Vec<u8>>>,
}

/// A frame for the file.
struct Frame {
    /// Packed as the file wants it; empty for a frame without pixels where the file needs none.
    bytes: Vec<u8>,
    placed: bool,
}

/// How the bytes of a frame lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    /// HDF5's shuffle and deflate filters; a frame without pixels needs no bytes.
    Deflated,
}

/// The file behind the pass. Errors are words for the message.
enum Stack {
    Tiff(TiffStack),
    Nexus(NexusStack),
}

impl Stack {
    fn create(plan: &Plan, output: &Output) -> Result<Stack, String> {
        match output.kind {
            Kind::Nexus => {
                let created = NexusStack::create(output.part(), plan);
                created.map(Stack::Nexus).map_err(|error| error.to_string())
            }
            kind => {
                let file = output.create().map_err(|error| error.to_string())?;
                let created = TiffStack::create(file, kind == Kind::BigTiff, plan);
                created.map(Stack::Tiff).map_err(|error| error.to_string())
            }
        }
    }

    fn packing(&self) -> Packing {
        match self {
            Stack::Tiff(_) => Packing::Plain,
            Stack::Nexus(_) => Packing::Deflated,
        }
    }

    fn frame(&mut self, index: usize, frame: &Frame) -> Result<(), String> {
        match self {
            Stack::Tiff(stack) => stack.frame(&frame.bytes).map_err(|error| error.to_string()),
            Stack::Nexus(_) if !frame.placed => Ok(()),
            Stack::Nexus(stack) => {
                stack.frame(index, &frame.bytes).map_err(|error| error.to_string())
            }
        }
    }

    fn finish(self, plan: &Plan, placed: &[bool]) -> Result<(), String> {
        match self {
            Stack::Tiff(stack) => stack.finish(plan, placed).map_err(|error| error.to_string()),
            Stack::Nexus(stack) => stack.finish(plan, placed).map_err(|error| error.to_string()),
        }
    }
}

/// Hands the frames to the workers in turn, until they hang up.
fn feed(recording: &dyn Recording, plan: &Plan, workers: &[Sender<Job>]) {
    let in_order = recording.access() == Access::Sequential;
    let mut scratch = Vec::new();
    for (index, row) in plan.rows.iter().enumerate() {
        let read = (in_order && row.map.is_some()).then(|| {
            let read = recording.read(index, &mut scratch).map(<[u8]>::to_vec);
            read.map_err(|error| tracing::warn!(frame = index, "{error}")).ok()
        });
        if workers[index % workers.len()].send(Job { index, read }).is_err() {
            return;
        }
    }
}

/// One thread's recording, plan and buffers.
struct Worker<'a> {
    recording: &'a dyn Recording,
    plan: &'a Plan,
    packing: Packing,
    resampler: Resampler,
    image: Image,
    scratch: Vec<u8>,
    plain: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(recording: &'a dyn Recording, plan: &'a Plan, packing: Packing) -> Worker<'a> {
        let info = recording.info();
        Worker {
            recording,
            plan,
            packing,
            resampler: Resampler::default(),
            image: blank_for(info.pixel_type, info.width, info.height),
            scratch: Vec::new(),
            plain: Vec::new(),
        }
    }

    fn run(&mut self, jobs: &Receiver<Job>, free: &Receiver<Vec<u8>>, done: &Sender<Frame>) {
        for job in jobs {
            let buffer = free.try_recv().unwrap_or_default();
            if done.send(self.frame(&job, buffer)).is_err() {
                return;
            }
        }
    }

    fn frame(&mut self, job: &Job, mut bytes: Vec<u8>) -> Frame {
        // The frame is made where the file takes it from, or packed from where it was made.
        let mut plain = std::mem::take(match self.packing {
            Packing::Plain => &mut bytes,
            Packing::Deflated => &mut self.plain,
        });
        let placed = match self.plan.rows[job.index].map {
            Some(map) => self.place(job, &map, &mut plain),
            None => false,
        };
        match self.packing {
            Packing::Plain => {
                if !placed {
                    self.plan.clear(&mut plain);
                }
                Frame { bytes: plain, placed }
            }
            Packing::Deflated => {
                bytes.clear();
                if placed {
                    pack(&plain, self.plan.pixel_type.size(), &mut self.scratch, &mut bytes);
                }
                self.plain = plain;
                Frame { bytes, placed }
            }
        }
    }

    /// Writes the frame's pixels to `out`; false when there are none.
    fn place(&mut self, job: &Job, map: &Affine, out: &mut Vec<u8>) -> bool {
        let info = self.recording.info();
        let read = match &job.read {
            Some(read) => read.as_deref(),
            None => {
                let read = self.recording.read(job.index, &mut self.scratch);
                read.map_err(|error| tracing::warn!(frame = job.index, "{error}")).ok()
            }
        };
        let pixel = info.pixel_type.size();
        let whole_frame = info.width * info.height * pixel;
        let Some(read) = read.filter(|read| read.len() == whole_frame) else { return false };
        let window = self.plan.window;
        let part = (window.x..window.x + window.width, window.y..window.y + window.height);
        match self.plan.shift {
            Shift::Integer => {
                self.plan.clear(out);
                whole::copy(read, (self.plan.size, pixel), map, part, out);
            }
            Shift::Subpixel => {
                let told = normalise(read, info.pixel_type, &mut self.image);
                if matches!(told, Normalised::Useless(_)) {
                    return false;
                }
                out.resize(self.plan.frame_bytes(), 0);
                let (samples, _) = out.as_chunks_mut::<4>();
                let mut lines = samples.chunks_exact_mut(window.width);
                self.resampler.rows(&self.image, map, part, |_, columns, values| {
                    // There is one line for each row that is asked for.
                    let Some(line) = lines.next() else { return };
                    let (first, end) = match columns.is_empty() {
                        true => (0, 0),
                        false => (columns.start - window.x, columns.end - window.x),
                    };
                    line[..first].fill(f32::NAN.to_ne_bytes());
                    line[end..].fill(f32::NAN.to_ne_bytes());
                    for (to, value) in line[first..end].iter_mut().zip(values) {
                        *to = value.to_ne_bytes();
                    }
                });
            }
        }
        true
    }
}

/// What HDF5's filters shuffle and deflate (level 1) do with a chunk: first all first bytes of the
/// samples, then all second bytes, and so on; then zlib.
fn pack(plain: &[u8], size: usize, shuffled: &mut Vec<u8>, out: &mut Vec<u8>) {
    shuffled.resize(plain.len(), 0);
    let count = plain.len() / size;
    for (byte, to) in shuffled.chunks_exact_mut(count.max(1)).enumerate() {
        for (to, from) in to.iter_mut().zip(plain.chunks_exact(size)) {
            *to = from[byte];
        }
    }
    let mut encoder = flate2::write::ZlibEncoder::new(out, flate2::Compression::fast());
    // Writing to a vector cannot fail.
    let _ = encoder.write_all(shuffled);
    let _ = encoder.finish();
}

//! Raw frames on their way to whoever keeps them: a ring in memory at the follower, threads that
//! compress, and one that hands the frames on in order.
//!
//! ```text
//! follower ──take──> [ring] ──work──> packer × N ──packed──> in order ──> KeepFrames
//! ```
//!
//! A frame stays in the buffer that it was read to. The ring holds the last seconds; when an alarm
//! is raised, what it holds is due, and so is what follows; with `all`, everything is. The follower
//! only ever tries to pass frames on. When memory is full of frames that are due, the newest is not
//! kept, and counted: what led to an alarm is worth more than what comes long after it.

use std::collections::{BTreeMap, VecDeque};
use std::thread::Scope;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, unbounded};

use super::background;
use super::setup::Setup;
use crate::config::{RecordConfig, RecordMode};
use crate::format::bitshuffle::{self, Scratch};
use crate::frame::{Fate, Image, PixelType, PooledImage, Reason, Samples, Stamp};
use crate::noise::Defects;

/// The longest time between two calls of [`KeepFrames`].
const IDLE: Duration = Duration::from_millis(100);
/// Frames that wait for each packer.
const FOR_A_PACKER: usize = 2;

/// A frame that is to be kept, without its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    pub stamp: Stamp,
    /// What it was measured as.
    pub fate: Fate,
    pub reason: Reason,
    /// An alarm was raised at it.
    pub alarm: bool,
}

/// Takes raw frames; called from one thread. What goes wrong is its own to count and to tell.
pub trait KeepFrames: Send {
    /// Takes the next frame that is to be kept, in the order of the ledger, with its pixels as
    /// [`bitshuffle::pack`] packed them; nothing when it has none, or they found no room.
    fn frame(&mut self, kept: &Kept, packed: Option<&[u8]>);

    /// Nothing came for 100 ms.
    fn idle(&mut self);

    /// Nothing comes after this.
    fn close(&mut self);
}

/// Who keeps the raw frames of a run.
pub struct Keep {
    pub to: Box<dyn KeepFrames>,
    /// The run waits when frames cannot be kept fast enough: right for a recording.
    pub wait: bool,
}

/// The pixels of a frame as they came.
pub enum Raw {
    /// Those of the image, but for the camera's broken pixels, which had these counts.
    Counts { image: PooledImage, broken: Vec<u16> },
    /// Pixels that an image does not hold exactly.
    Bytes(Vec<u8>),
}

/// [`Raw`], before the image is shared.
pub enum Before {
    Counts(Vec<u16>),
    Bytes(Vec<u8>),
}

impl Before {
    /// What the repair of `image`, which was made of `pixels`, will change. Counts of u8 and u16
    /// are in the image exactly; pixels of other types are copied.
    pub fn repair(pixels: &[u8], image: &Image, defects: &Defects) -> Before {
        match &image.samples {
            Samples::U16(samples) => {
                let broken = defects.pixels(image.width).iter();
                Before::Counts(broken.map(|at| samples[*at]).collect())
            }
            Samples::F32(_) => Before::Bytes(pixels.to_vec()),
        }
    }

    pub fn with(self, image: &PooledImage) -> Raw {
        match self {
            Before::Counts(broken) => Raw::Counts { image: image.clone(), broken },
            Before::Bytes(bytes) => Raw::Bytes(bytes),
        }
    }
}

impl Raw {
    /// The pixels in memory as the recording's type.
    fn write(&self, pixel_type: PixelType, defects: &Defects, out: &mut Vec<u8>) {
        out.clear();
        let (image, broken) = match self {
            Raw::Bytes(bytes) => return out.extend_from_slice(bytes),
            Raw::Counts { image, broken } => (image, broken),
        };
        let Samples::U16(samples) = &image.samples else { return };
        // An image of counts holds u8 or u16; u8 fits again.
        let broken = defects.pixels(image.width).iter().zip(broken);
        if pixel_type == PixelType::U8 {
            out.extend(samples.iter().map(|count| *count as u8));
            broken.for_each(|(at, count)| out[*at] = *count as u8);
        } else {
            out.resize(2 * samples.len(), 0);
            for (to, count) in out.as_chunks_mut::<2>().0.iter_mut().zip(samples) {
                *to = count.to_ne_bytes();
            }
            broken.for_each(|(at, count)| {
                out[2 * at..2 * at + 2].copy_from_slice(&count.to_ne_bytes());
            });
        }
    }
}

/// How the frames of a run are kept, before it starts.
pub struct Keeping {
    keep: Keep,
    config: RecordConfig,
    packers: usize,
    /// Frames with pixels in the ring, at most.
    capacity: usize,
    /// Pixels stay in the pool's buffers.
    pooled: bool,
}

impl Keeping {
    /// `threads` observe; an image has `image_bytes`.
    pub fn new(setup: &Setup, keep: Keep, threads: usize, image_bytes: usize) -> Keeping {
        let config = setup.config.record.clone();
        let packers = config.threads.unwrap_or_else(|| threads.div_ceil(2)).max(1);
        let pixel_type = setup.recording.info().pixel_type;
        let pooled = matches!(pixel_type, PixelType::U8 | PixelType::U16);
        // An f32 image stands for pixels of up to twice its size.
        let bytes = if pixel_type == PixelType::F64 { 2 * image_bytes } else { image_bytes };
        let most = ((config.memory_mb * 1e6) as usize / bytes.max(1)).max(2);
        // Who waits needs no memory to gain time.
        let capacity = match (config.mode, keep.wait) {
            (RecordMode::All, true) => most.min(FOR_A_PACKER * packers),
            _ => most,
        };
        Keeping { keep, config, packers, capacity, pooled }
    }

    /// Buffers of the pool that are held here at most.
    pub fn buffers(&self) -> usize {
        // In the ring, waiting for a packer, and in its hands.
        if self.pooled { self.capacity + (FOR_A_PACKER + 1) * self.packers + 1 } else { 0 }
    }

    /// Starts the threads; they end when the keeper has.
    pub fn start<'scope>(self, scope: &'scope Scope<'scope, '_>, setup: &'scope Setup) -> Keeper {
        let (work, waiting) = bounded::<Work>(FOR_A_PACKER * self.packers);
        let (packed, ready) = bounded(FOR_A_PACKER * self.packers);
        let (empty, empties) = unbounded();
        for _ in 0..self.packers {
            let (waiting, packed, empties) = (waiting.clone(), packed.clone(), empties.clone());
            scope.spawn(move || pack(setup, &waiting, &packed, &empties));
        }
        let Keep { mut to, wait } = self.keep;
        scope.spawn(move || hand_on(&ready, &empty, &mut *to));
        Keeper {
            config: self.config,
            capacity: self.capacity,
            wait,
            ring: VecDeque::new(),
            held: 0,
            due: 0,
            until_s: f64::NEG_INFINITY,
            next: 0,
            work,
        }
    }
}

struct Work {
    /// Counts what is to be kept.
    number: u64,
    kept: Kept,
    raw: Option<Raw>,
}

struct Packed {
    number: u64,
    kept: Kept,
    bytes: Option<Vec<u8>>,
}

/// The ring, at the follower.
pub struct Keeper {
    config: RecordConfig,
    capacity: usize,
    wait: bool,
    /// Oldest first.
    ring: VecDeque<(Kept, Option<Raw>)>,
    /// Frames of the ring with pixels.
    held: usize,
    /// The first so many frames of the ring are to be kept; the others may be.
    due: usize,
    /// Frames up to this time are to be kept.
    until_s: f64,
    next: u64,
    work: Sender<Work>,
}

impl Keeper {
    /// Takes the next frame of the ledger.
    pub fn take(&mut self, kept: Kept, mut raw: Option<Raw>) {
        let now = kept.stamp.time_s;
        let all = self.config.mode == RecordMode::All;
        if kept.alarm {
            self.until_s = self.until_s.max(now + self.config.after_s);
        }
        let wanted = all || now <= self.until_s;
        self.forget(now - self.config.before_s);
        if raw.is_some() && self.held >= self.capacity && !self.make_room() {
            raw = None;
        }
        self.held += usize::from(raw.is_some());
        self.ring.push_back((kept, raw));
        if wanted {
            self.due = self.ring.len();
        }
        while self.due > 0 && self.pass_on(false) {}
    }

    /// What is due is kept, however long that takes.
    pub fn finish(mut self) {
        while self.due > 0 && self.pass_on(true) {}
    }

    /// Drops frames before `since_s` that are not due.
    fn forget(&mut self, since_s: f64) {
        while self.ring.get(self.due).is_some_and(|(kept, _)| kept.stamp.time_s < since_s) {
            self.drop_oldest();
        }
    }

    /// Drops the oldest frame that is not due; false when there is none.
    fn drop_oldest(&mut self) -> bool {
        let dropped = self.ring.remove(self.due);
        self.held -= usize::from(dropped.as_ref().is_some_and(|(_, raw)| raw.is_some()));
        dropped.is_some()
    }

    /// Room for one more frame; false when all that is held is due, and nobody may wait.
    fn make_room(&mut self) -> bool {
        while self.held >= self.capacity {
            let done = self.drop_oldest() || (self.wait && self.due > 0 && self.pass_on(true));
            if !done {
                return false;
            }
        }
        true
    }

    /// Passes the oldest frame on to the packers; false when they are busy, or gone.
    fn pass_on(&mut self, wait: bool) -> bool {
        let Some((kept, raw)) = self.ring.pop_front() else { return false };
        let had = usize::from(raw.is_some());
        let work = Work { number: self.next, kept, raw };
        if wait {
            if self.work.send(work).is_err() {
                return false;
            }
        } else if let Err(error) = self.work.try_send(work) {
            if let TrySendError::Full(Work { kept, raw, .. }) = error {
                self.ring.push_front((kept, raw));
            }
            return false;
        }
        self.next += 1;
        self.due -= 1;
        self.held -= had;
        true
    }
}

/// A packer: runs until the keeper has ended.
fn pack(
    setup: &Setup,
    work: &Receiver<Work>,
    packed: &Sender<Packed>,
    empties: &Receiver<Vec<u8>>,
) {
    background::call_thread(c"packer");
    let pixel_type = setup.recording.info().pixel_type;
    let (mut scratch, mut pixels) = (Scratch::default(), Vec::new());
    for Work { number, kept, raw } in work {
        let bytes = raw.map(|raw| {
            raw.write(pixel_type, &setup.defects, &mut pixels);
            drop(raw);
            let mut bytes = empties.try_recv().unwrap_or_default();
            bitshuffle::pack(&pixels, pixel_type.size(), &mut scratch, &mut bytes);
            bytes
        });
        if packed.send(Packed { number, kept, bytes }).is_err() {
            return;
        }
    }
}

/// Puts packed frames back in order and hands them on, until the packers have ended.
fn hand_on(ready: &Receiver<Packed>, empty: &Sender<Vec<u8>>, to: &mut dyn KeepFrames) {
    let mut early = BTreeMap::new();
    let mut next = 0;
    loop {
        match ready.recv_timeout(IDLE) {
            Ok(packed) => early.insert(packed.number, packed),
            Err(RecvTimeoutError::Timeout) => {
                to.idle();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        while let Some(Packed { kept, bytes, .. }) = early.remove(&next) {
            next += 1;
            to.frame(&kept, bytes.as_deref());
            if let Some(bytes) = bytes {
                // The packers may have ended.
                let _ = empty.send(bytes);
            }
        }
    }
    to.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper(mode: RecordMode, capacity: usize, waiting: usize) -> (Keeper, Receiver<Work>) {
        let (work, out) = bounded(waiting);
        let config = RecordConfig { mode, before_s: 3.0, after_s: 2.0, ..RecordConfig::default() };
        let until_s = f64::NEG_INFINITY;
        let ring = VecDeque::new();
        let keeper =
            Keeper { config, capacity, wait: false, ring, held: 0, due: 0, until_s, next: 0, work };
        (keeper, out)
    }

    fn offer(keeper: &mut Keeper, index: u64, alarm: bool) {
        let time_s = index as f64;
        let stamp = Stamp { index, sequence: index, time_s, unix_time_s: f64::NAN };
        let kept = Kept { stamp, fate: Fate::Measured, reason: Reason::None, alarm };
        keeper.take(kept, Some(Raw::Bytes(vec![index as u8])));
    }

    /// Rows that came out, and whether with pixels.
    fn came(out: &Receiver<Work>) -> Vec<(u64, bool)> {
        out.try_iter().map(|work| (work.kept.stamp.index, work.raw.is_some())).collect()
    }

    #[test]
    fn seconds_before_and_after_an_alarm_are_kept_and_alarms_merge() {
        let (mut keeper, out) = keeper(RecordMode::Triggered, 100, 100);
        for index in 0..40 {
            offer(&mut keeper, index, [10, 11, 30].contains(&index));
        }
        keeper.finish();
        let rows: Vec<u64> = came(&out).into_iter().map(|(row, _)| row).collect();
        assert_eq!(rows, (7..=13).chain(27..=32).collect::<Vec<_>>());
    }

    #[test]
    fn with_memory_full_the_newest_is_not_kept_and_history_gives_way() {
        let (mut keeper, out) = keeper(RecordMode::All, 3, 2);
        (0..8).for_each(|index| offer(&mut keeper, index, false));
        // Two wait for packers, three in the ring; the others have a row without pixels.
        let mut rows = came(&out);
        while keeper.due > 0 {
            assert!(keeper.pass_on(false), "the packers have room");
            rows.extend(came(&out));
        }
        assert_eq!(rows, (0..8).map(|row| (row, row < 5)).collect::<Vec<_>>());

        let (mut keeper, out) = self::keeper(RecordMode::Triggered, 3, 100);
        (0..6).for_each(|index| offer(&mut keeper, index, index == 5));
        let rows: Vec<u64> = came(&out).into_iter().map(|(row, _)| row).collect();
        assert_eq!(rows, [3, 4, 5], "the ring holds three frames");
    }
}

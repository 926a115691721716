//! A journal's disk that fills and stalls as a rehearsal asks.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::journal::{Disk, FileDisk};
use crate::source::{FaultClock, FaultKind, Faults};

/// A disk with faults that begin with the frames they are given for.
pub struct FaultyDisk {
    inner: FileDisk,
    faults: Faults,
    clock: Arc<FaultClock>,
    /// Frames that were looked at already.
    seen: u64,
    full_until: Option<Instant>,
    /// Of the next fsync.
    stall: Duration,
}

impl FaultyDisk {
    /// Puts `faults` into `inner`; `clock` tells which frame it is.
    pub fn new(inner: FileDisk, faults: Faults, clock: Arc<FaultClock>) -> FaultyDisk {
        FaultyDisk { inner, faults, clock, seen: 0, full_until: None, stall: Duration::ZERO }
    }

    fn look(&mut self) {
        let now = Instant::now();
        let frames = self.clock.frames();
        for frame in self.seen..frames {
            if let Some(ms) = self.faults.hit(FaultKind::DiskFull, frame) {
                self.full_until = self.full_until.max(Some(now + Duration::from_millis(ms)));
            }
            if let Some(ms) = self.faults.hit(FaultKind::DiskStall, frame) {
                self.stall = self.stall.max(Duration::from_millis(ms));
            }
        }
        self.seen = frames;
    }
}

impl Disk for FaultyDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.look();
        if self.full_until.is_some_and(|until| Instant::now() < until) {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "no space left on the disk, as --inject asks",
            ));
        }
        self.inner.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.look();
        std::thread::sleep(std::mem::take(&mut self.stall));
        self.inner.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.inner.cut(length)
    }
}

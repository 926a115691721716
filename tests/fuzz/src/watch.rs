//! A heap that is watched: while an input is looked at, what is allocated may not exceed a
//! generous multiple of the input, so that a header that lies about a size is found at once.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Bytes that any input may take: buffers of a fixed size, HDF5's and the journal's chunks.
const ALWAYS: usize = 48 << 20;
/// Bytes for each byte of the input: deflate packs 1032 bytes into one, and a frame may stand in
/// memory packed, as stored, and as grey values.
const PER_BYTE: usize = 4096;

static LIVE: AtomicUsize = AtomicUsize::new(0);
/// What may be live; `usize::MAX` while nothing is looked at.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The target that looks.
static TARGET: Mutex<&str> = Mutex::new("");

/// The system's heap, counted.
pub struct Watched;

// SAFETY: all calls go on to the system's allocator with the same arguments, and its answers come
// back unchanged; the process ends where one is refused.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed).saturating_add(bytes);
    let limit = LIMIT.load(Relaxed);
    if live > limit {
        // The message itself may allocate.
        LIMIT.store(usize::MAX, Relaxed);
        let target = TARGET.lock().unwrap_or_else(PoisonError::into_inner);
        let told = format!("\nFAILED: {target}: {bytes} more bytes, to {live}; limit {limit}\n");
        // Not by `eprintln!`, which a test harness captures and loses.
        let _ = std::io::stderr().write_all(told.as_bytes());
        panic_without_unwinding();
    }
}

/// A parser that catches panics, or a thread of its own, must not hide the request.
fn panic_without_unwinding() -> ! {
    let place = std::backtrace::Backtrace::force_capture();
    let _ = std::io::stderr().write_all(format!("{place}\n").as_bytes());
    std::process::abort()
}

/// Runs `work`, and ends the process when it asks for more memory than `bytes` of input can need.
pub fn within_reason<R>(target: &'static str, bytes: usize, work: impl FnOnce() -> R) -> R {
    *TARGET.lock().unwrap_or_else(PoisonError::into_inner) = target;
    LIMIT.store(LIVE.load(Relaxed) + ALWAYS + PER_BYTE * bytes, Relaxed);
    let done = work();
    LIMIT.store(usize::MAX, Relaxed);
    done
}

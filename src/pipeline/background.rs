//! What the system is told of a thread: its name, for `top -H` and profilers, and that it gives way to
//! those on which alarms wait, where all cores are busy.

use std::ffi::CStr;

/// How much less often a thread that gives way runs than the others, as of `nice`: a third. A thread
/// that hardly ran at all would hold up the others whenever they meet, in a queue or a lock.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Names the calling thread, in at most 15 bytes.
pub(crate) fn call_thread(name: &CStr) {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(name);
    #[cfg(not(target_os = "linux"))]
    let _ = name;
}

/// Lets the calling thread give way. Nothing is promised where the system does not allow it.
pub(crate) fn give_way() {
    // On Linux the priority of "this process" is that of the calling thread.
    #[cfg(target_os = "linux")]
    if let Ok(now) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, (now + NICE).min(19));
    }
}

//! Threads that give way to those on which alarms wait, where all cores are busy.

/// How much less often such a thread runs than the others, as of `nice`.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Lets the calling thread give way. Nothing is promised where the system does not allow it.
pub(crate) fn give_way() {
    // On Linux the priority of "this process" is that of the calling thread.
    #[cfg(target_os = "linux")]
    if let Ok(now) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, (now + NICE).min(19));
    }
}

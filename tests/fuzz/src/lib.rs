//! What is done with the bytes of each fuzz target, and what must hold whatever they are: no
//! panic, memory in proportion to the bytes, errors that a person can read, and what was accepted
//! is consistent in itself. The fuzzer (`make fuzz`) and the regression test (`tests/fuzz/main.rs`)
//! both call [`check`].

mod cell;
mod configuration;
mod journal;
mod recordings;
mod watch;

pub use recordings::scratch;

#[global_allocator]
static HEAP: watch::Watched = watch::Watched;

/// A parser and what is done with it.
pub struct Target {
    pub name: &'static str,
    check: fn(&[u8]),
}

/// All targets, in the order of the rooms.
#[rustfmt::skip]
pub const TARGETS: [Target; 18] = [
    Target { name: "tiff", check: |bytes| recordings::file("tif", bytes) },
    Target { name: "mrc", check: |bytes| recordings::file("mrc", bytes) },
    Target { name: "dm", check: |bytes| recordings::file("dm4", bytes) },
    Target { name: "ser", check: |bytes| recordings::file("ser", bytes) },
    Target { name: "emi", check: recordings::emi },
    Target { name: "npy", check: |bytes| recordings::file("npy", bytes) },
    Target { name: "png", check: |bytes| recordings::file("png", bytes) },
    Target { name: "hdf5", check: |bytes| recordings::file("h5", bytes) },
    Target { name: "packed_frames", check: recordings::packed_frames },
    Target { name: "folder", check: recordings::folder },
    Target { name: "gatan_tree", check: recordings::gatan_tree },
    Target { name: "video", check: recordings::video },
    Target { name: "cell_log", check: cell::log },
    Target { name: "config", check: configuration::text },
    Target { name: "alarm_rule", check: configuration::rule },
    Target { name: "journal", check: journal::file },
    Target { name: "journal_records", check: journal::records },
    Target { name: "recover", check: journal::recover },
];

/// Gives the bytes to a target's parser.
///
/// # Panics
/// When something does not hold; the process is ended when too much memory is asked for.
pub fn check(target: &str, bytes: &[u8]) {
    let found = TARGETS.iter().find(|known| known.name == target);
    let found = found.unwrap_or_else(|| panic!("there is no fuzz target '{target}'"));
    watch::within_reason(found.name, bytes.len(), || (found.check)(bytes));
}

/// Text for a person has a length that can be read. (The command line takes control characters out
/// of whatever it prints.)
fn assert_readable(text: &str) {
    let letters = text.chars().count();
    assert!(letters < 3000, "{letters} letters: {text:.300}");
}

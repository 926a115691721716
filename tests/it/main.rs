//! All scenes in one harness: each module is named as the sentence that it proves.

mod debug_look;
mod every_vendor_file_reads_as_an_independent_reader_saw_it;
mod scenes;
mod simulated_drift_front_and_crack_are_measured_within_their_bounds;

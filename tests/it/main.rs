//! All scenes in one harness: each module is named as the sentence that it proves.

mod debug_look;
mod scenes;
mod simulated_drift_front_and_crack_are_measured_within_their_bounds;

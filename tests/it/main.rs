//! All scenes in one harness: each module is named as the sentence that it proves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod a_crack_is_followed_as_it_grows_and_branches;
mod a_crack_is_measured_at_its_kinks_and_where_it_is_filled;
mod a_crack_outlasts_a_blanked_beam_and_a_flash;
mod a_full_disk_is_told_and_survived;
mod a_gatan_in_situ_tree_is_one_recording;
mod a_killed_run_loses_no_acknowledged_row;
mod a_long_run_stays_flat;
mod a_proposed_configuration_measures_unedited;
mod a_reader_who_has_seen_enough_ends_nothing;
mod a_source_that_is_too_fast_costs_frames_and_no_alarm;
mod a_stalled_disk_delays_no_alarm;
mod a_tiff_of_every_kind_gives_the_same_pixels;
mod an_earlier_run_is_recovered_before_a_new_one;
mod broken_gatan_and_tia_files_give_clear_errors;
mod broken_recordings_give_clear_errors;
mod damaged_journals_are_read_as_far_as_they_go;
mod drift_in_a_scanned_or_turning_field;
mod drift_keeps_lock_through_upsets_or_says_so;
mod every_frame_has_one_fate_whatever_the_source_does;
mod every_vendor_file_reads_as_an_independent_reader_saw_it;
mod frames_in_hdf5_are_read_one_at_a_time;
mod gatan_and_tia_files_read_as_an_independent_reader_saw_them;
mod no_alarm_fires_on_an_upset;
mod numbered_folders_are_recordings;
mod one_thread_and_many_give_the_same_bits;
mod raw_frames_are_kept_and_replayed;
mod readers_follow_a_run_and_never_slow_it;
mod real_cell_logs_are_read_or_refused_with_a_reason;
mod real_stacks_drift_as_their_authors_and_two_tools_say;
mod rows_are_followed_over_the_network;
mod scenes;
mod simulated_drift_front_and_crack_are_measured_within_their_bounds;
mod stored_runs;
mod synthetic_files;
mod the_corrected_stack_stands_still;
mod the_example_configurations_are_right;
mod the_front_is_found_as_well_as_it_says;
mod the_run_file_is_what_the_layout_says;
mod the_simulator_does_what_its_truth_says;
mod tiff_writer;
mod vendor_files;
mod videos_are_read_through_ffmpeg;
mod what_stands_still_on_the_camera_does_not_pull;
mod what_was_acknowledged_survives_a_loss_of_power;
mod wrong_usage_is_told_with_the_place_and_the_nearest_name;

use std::path::{Path, PathBuf};

/// A folder of the shared test data, or nothing after a visible line that says so.
fn test_data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LIWATCH_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = root.join(folder);
    if !path.is_dir() {
        println!("SKIPPED: {} is absent (set LIWATCH_TEST_DATA)", path.display());
        return None;
    }
    Some(path)
}

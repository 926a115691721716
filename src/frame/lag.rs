//! How old what an observer is told is.
//!
//! It depends on the rows alone, never on which thread was faster, so results do too.

use super::Stamp;

/// Rows for each frame of lag while a run is young.
const ROWS_PER_FRAME: u64 = 8;
/// Rows, and seconds of the recording, after which what a search found is heard of: whichever comes
/// first. A search takes as long as some frames, and a slow camera has no need to wait for those.
pub const SEARCH_ROWS: u64 = 4;
const SEARCH_S: f64 = 0.05;

/// How old the tracker's state is that the observer of row `index` is told. The first frames, of
/// which little is known, hear of the frame just before them; the lag then grows to its full
/// length.
pub fn lag_at(index: u64, lag_frames: u64) -> u64 {
    lag_frames.clamp(1, 1 + index / ROWS_PER_FRAME)
}

/// How many rows after `index` the tracker's state of that row is first told.
pub fn heard_after(index: u64, lag_frames: u64) -> u64 {
    let heard = |rows: &u64| lag_at(index + rows, lag_frames) <= *rows;
    (1..lag_frames).find(heard).unwrap_or(lag_frames.max(1))
}

/// Whether what a search of the row `searched` found is known to the tracker at the row `now`.
pub fn is_search_over(searched: &Stamp, now: &Stamp) -> bool {
    now.index >= searched.index + SEARCH_ROWS
        || (now.index > searched.index && now.time_s - searched.time_s >= SEARCH_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_told_of_the_newest_that_its_lag_allows() {
        for lag in [1, 2, 5, 16] {
            for row in 0..300 {
                let heard = row + heard_after(row, lag);
                assert!(heard - lag_at(heard, lag) >= row, "row {row}, lag {lag}");
                assert!(
                    heard - row == 1 || heard - 1 - lag_at(heard - 1, lag).min(heard - 1) < row
                );
            }
            assert_eq!(heard_after(1000, lag), lag);
            assert_eq!(heard_after(0, lag), 1);
        }
    }
}

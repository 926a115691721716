//! Puts what a source announces in order, and gives each frame its row.
//!
//! Rows follow the source's numbering without gaps: a frame that did not come has a row that says
//! so. A gap is waited for in frames, never for ever. A frame that comes again, or after its place
//! was given up, is counted and left out: its row has its fate already.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::time::Instant;

use super::{Announced, Payload, Source};
use crate::frame::{Fate, Reason, Stamp};

/// A longer gap is a new numbering and no loss of frames.
const RENUMBERED: u64 = 100_000;
/// So many frames behind in a row, each the next of the one before, are a new numbering too.
const RESTARTED: u32 = 8;
/// Places given up that are remembered, to tell late frames from repeated ones.
const REMEMBERED: usize = 4096;

/// Frames that came beside the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Frames that had come before.
    pub repeated: u64,
    /// Frames that came after their place was given up; their rows say `missing`.
    pub late: u64,
}

/// A source in order.
pub struct Ordered<'a> {
    source: &'a mut dyn Source,
    window: u64,
    /// Sequence of row 0; nothing before the first frame.
    base: Option<u64>,
    /// The next row.
    next: u64,
    /// Rows in all, where known.
    end: Option<u64>,
    held: BTreeMap<u64, Announced>,
    given_up: BTreeSet<u64>,
    ended: bool,
    /// Row and times of the last frame that came, for the times of those that did not.
    last: Option<Stamp>,
    step_s: f64,
    /// The last frame that came behind, and how many came so in a row.
    behind: (u64, u32),
    arrivals: Arrivals,
}

impl<'a> Ordered<'a> {
    /// Orders what is still to come from `source`.
    pub fn new(source: &'a mut dyn Source) -> Ordered<'a> {
        let base = source.first_sequence();
        let end = base.and(source.len_hint()).map(|frames| frames as u64);
        Ordered {
            window: source.reorder_frames() as u64,
            source,
            base,
            next: 0,
            end,
            held: BTreeMap::new(),
            given_up: BTreeSet::new(),
            ended: false,
            last: None,
            step_s: f64::NAN,
            behind: (0, 0),
            arrivals: Arrivals::default(),
        }
    }

    /// What came beside the ledger so far.
    pub fn arrivals(&self) -> Arrivals {
        self.arrivals
    }

    /// The next row, waiting as the source does; rows are consecutive from 0.
    pub fn next_row(&mut self) -> Option<Announced> {
        loop {
            if let Some(mut frame) = self.held.remove(&self.next) {
                frame.stamp.index = self.next;
                self.next += 1;
                self.keep_pace(frame.stamp);
                return Some(frame);
            }
            let far = self.held.last_key_value().map(|(last, _)| last - self.next);
            match far {
                Some(far) if self.ended || far > self.window => return Some(self.missing()),
                None if self.ended => {
                    let more = self.end.is_some_and(|end| self.next < end);
                    return more.then(|| self.missing());
                }
                _ => {}
            }
            match self.source.next() {
                Some(frame) => self.admit(frame),
                None => self.ended = true,
            }
        }
    }

    fn admit(&mut self, frame: Announced) {
        let sequence = frame.stamp.sequence;
        let base = *self.base.get_or_insert(sequence);
        let row = sequence.wrapping_sub(base);
        // Numbers before the next row wrap to the far end, or lie behind.
        let ahead = row.wrapping_sub(self.next);
        if ahead <= RENUMBERED {
            self.behind = (0, 0);
            match self.held.entry(row) {
                Entry::Occupied(_) => self.arrivals.repeated += 1,
                Entry::Vacant(place) => {
                    place.insert(frame);
                }
            }
            return;
        }
        let run = if sequence == self.behind.0.wrapping_add(1) { self.behind.1 + 1 } else { 1 };
        self.behind = (sequence, run);
        if run >= RESTARTED || (ahead as i64) > 0 {
            let row = self.held.last_key_value().map_or(self.next, |(last, _)| last + 1);
            tracing::warn!(
                "the source numbers its frames anew: {sequence} follows on {}",
                base.wrapping_add(row).wrapping_sub(1)
            );
            self.base = Some(sequence.wrapping_sub(row));
            self.end = None;
            self.behind = (0, 0);
            self.held.insert(row, frame);
        } else if self.given_up.remove(&row) {
            self.arrivals.late += 1;
        } else {
            self.arrivals.repeated += 1;
        }
    }

    /// The row of a frame that did not come; its times lie between those of its neighbours.
    fn missing(&mut self) -> Announced {
        let row = self.next;
        self.next += 1;
        self.given_up.insert(row);
        if self.given_up.len() > REMEMBERED {
            self.given_up.pop_first();
        }
        let follower = self.held.first_key_value().map(|(row, frame)| (*row, frame));
        let step_s = match (self.last, follower) {
            (Some(last), Some((after, frame))) => {
                (frame.stamp.time_s - last.time_s) / (after - last.index) as f64
            }
            _ => self.step_s,
        };
        let (time_s, unix_time_s) = match (self.last, follower) {
            (Some(last), _) => {
                let past_s = (row - last.index) as f64 * step_s;
                (last.time_s + past_s, last.unix_time_s + past_s)
            }
            _ => (f64::NAN, f64::NAN),
        };
        Announced {
            stamp: Stamp {
                index: row,
                sequence: self.base.unwrap_or(0).wrapping_add(row),
                time_s,
                unix_time_s,
            },
            arrival: follower.map_or_else(Instant::now, |(_, frame)| frame.arrival),
            payload: Payload::Lost(Fate::Missing, Reason::SequenceGap),
        }
    }

    fn keep_pace(&mut self, stamp: Stamp) {
        if let Some(last) = self.last {
            self.step_s = (stamp.time_s - last.time_s) / (stamp.index - last.index) as f64;
        }
        self.last = Some(stamp);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Announces these numbers.
    struct Numbers {
        list: std::vec::IntoIter<u64>,
        late: usize,
        frames: Option<usize>,
    }

    impl Source for Numbers {
        fn next(&mut self) -> Option<Announced> {
            let sequence = self.list.next()?;
            let time_s = sequence as f64 * 0.5;
            Some(Announced {
                stamp: Stamp { index: 77, sequence, time_s, unix_time_s: f64::NAN },
                arrival: Instant::now(),
                payload: Payload::Recorded(sequence as usize),
            })
        }

        fn len_hint(&self) -> Option<usize> {
            self.frames
        }

        fn first_sequence(&self) -> Option<u64> {
            self.frames.map(|_| 0)
        }

        fn reorder_frames(&self) -> usize {
            self.late
        }
    }

    fn rows(list: &[u64], late: usize, frames: Option<usize>) -> (Vec<Announced>, Arrivals) {
        let list = list.to_vec();
        let mut source = Numbers { list: list.into_iter(), late, frames };
        let mut ordered = Ordered::new(&mut source);
        let mut out = Vec::new();
        while let Some(row) = ordered.next_row() {
            out.push(row);
            assert!(out.len() < 1_000_000, "it does not end");
        }
        (out, ordered.arrivals())
    }

    fn came(rows: &[Announced]) -> Vec<u64> {
        let came = rows.iter().filter(|row| matches!(row.payload, Payload::Recorded(_)));
        came.map(|row| row.stamp.sequence).collect()
    }

    #[test]
    fn a_gap_is_missing_and_a_late_frame_is_counted() {
        let (out, arrivals) = rows(&[10, 11, 14, 12, 15, 15], 0, None);
        assert_eq!(came(&out), [10, 11, 14, 15]);
        assert_eq!(out.len(), 6, "12 and 13 have their rows");
        assert_eq!(arrivals, Arrivals { repeated: 1, late: 1 });
        let times: Vec<f64> = out.iter().map(|row| row.stamp.time_s).collect();
        assert_eq!(times, [5.0, 5.5, 6.0, 6.5, 7.0, 7.5]);
    }

    #[test]
    fn frames_within_the_window_are_put_right() {
        let (out, arrivals) = rows(&[0, 2, 1, 5, 3, 4, 6], 2, None);
        assert_eq!(came(&out), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(arrivals, Arrivals::default());
    }

    #[test]
    fn what_a_recording_promised_is_accounted_for() {
        let (out, _) = rows(&[2, 3], 0, Some(6));
        assert_eq!((out.len(), came(&out)), (6, vec![2, 3]));
        assert_eq!(rows(&[], 3, Some(4)).0.len(), 4, "a source that gave nothing");
    }

    #[test]
    fn a_counter_that_starts_again_is_followed() {
        let list: Vec<u64> = (500..600).chain(0..50).chain(900_000_000..900_000_020).collect();
        let (out, arrivals) = rows(&list, 0, None);
        assert_eq!(out.len() as u64, 170 - u64::from(RESTARTED) + 1);
        assert_eq!(arrivals.repeated + arrivals.late, u64::from(RESTARTED) - 1);
        assert!(out.iter().all(|row| matches!(row.payload, Payload::Recorded(_))));
    }

    proptest! {
        /// Whatever comes, rows are consecutive, each number has one row, and every arrival is
        /// either a row or counted beside it.
        #[test]
        fn every_arrival_is_counted_once(
            steps in prop::collection::vec((0u64..12, 0u64..9), 0..200),
            start in prop::sample::select(vec![0, 7, u64::MAX - 40]),
            late in 0usize..6,
        ) {
            let mut at: u64 = start;
            let list: Vec<u64> = steps.iter().map(|(forward, back)| {
                at = at.wrapping_add(*forward);
                at.wrapping_sub(*back)
            }).collect();
            let (out, arrivals) = rows(&list, late, None);
            for (k, row) in out.iter().enumerate() {
                prop_assert_eq!(row.stamp.index, k as u64);
            }
            let came = came(&out);
            let beside = arrivals.repeated + arrivals.late;
            prop_assert_eq!(came.len() as u64 + beside, list.len() as u64);
            let once: BTreeSet<u64> = came.iter().copied().collect();
            prop_assert_eq!(once.len(), came.len(), "a number has two rows");
        }
    }
}

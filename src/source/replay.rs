//! A recording, played again: as fast as it is taken, at its own pace, or at a multiple of it.

use std::str::FromStr;
use std::time::{Duration, Instant};

use super::{Announced, Payload, Source};
use crate::format::Recording;
use crate::frame::Stamp;

/// How fast a recording is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as the pipeline takes frames.
    Max,
    /// This many times the recording's own pace.
    Times(f64),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = match text {
            "max" => return Ok(Speed::Max),
            "realtime" => "1",
            other => other.strip_prefix('x').unwrap_or("none"),
        };
        match factor.parse::<f64>() {
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Speed::Times(times)),
            _ => Err(format!("'{text}' is no speed; give max, realtime, or a factor such as x2.5")),
        }
    }
}

/// The time of each frame of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameTimes {
    /// From frame to frame, s, where frames carry no time of their own.
    step_s: f64,
    /// Unix time of the first frame, s; NaN where nobody knows.
    start_unix_s: f64,
    /// Where the step comes from, for a person.
    pub origin: &'static str,
}

impl FrameTimes {
    /// The recording's own times, else its own step, else the configured rate, else one second.
    pub fn of(recording: &dyn Recording, frame_rate_hz: Option<f64>) -> FrameTimes {
        let info = recording.info();
        let own = recording.time_s(0).is_some();
        let (step_s, origin) = match (own, info.frame_interval_s, frame_rate_hz) {
            (true, step, _) => (step.unwrap_or(1.0), "time of each frame in the recording"),
            (_, Some(step), _) => (step, "time step of the recording"),
            (_, None, Some(rate)) => (1.0 / rate, "calibration.frame_rate_hz"),
            (_, None, None) => (1.0, "none: one second per frame is assumed"),
        };
        FrameTimes { step_s, start_unix_s: info.start_unix_time_s.unwrap_or(f64::NAN), origin }
    }

    /// Seconds since the first frame, and unix time.
    pub fn at(&self, recording: &dyn Recording, index: usize) -> (f64, f64) {
        let own = recording.time_s(index).filter(|time| time.is_finite());
        let first = recording.time_s(0).filter(|time| time.is_finite()).unwrap_or(0.0);
        let time = own.map_or(index as f64 * self.step_s, |own| own - first);
        (time, self.start_unix_s + time)
    }

    /// From frame to frame, s: the mean where frames carry their own times.
    pub fn step_s(&self, recording: &dyn Recording) -> f64 {
        if let Some(step) = recording.step_s() {
            return step;
        }
        let frames = recording.info().frames;
        let own = |index| recording.time_s(index).filter(|time| time.is_finite());
        match (own(0), own(frames.saturating_sub(1))) {
            (Some(first), Some(last)) if frames > 1 && last > first => {
                (last - first) / (frames - 1) as f64
            }
            _ => self.step_s,
        }
    }

    /// True when nothing told the time step.
    pub fn is_assumed(&self) -> bool {
        self.origin.starts_with("none")
    }
}

/// A recording as a source.
pub struct Replay<'a> {
    recording: &'a dyn Recording,
    times: FrameTimes,
    speed: Speed,
    next: usize,
    started: Option<Instant>,
}

impl<'a> Replay<'a> {
    /// Plays all frames of `recording` once.
    pub fn new(recording: &'a dyn Recording, times: FrameTimes, speed: Speed) -> Replay<'a> {
        Replay { recording, times, speed, next: 0, started: None }
    }

    /// Waits until a frame is due; tells when it was, even if nobody asked for it in time.
    fn wait_until(&mut self, time_s: f64) -> Instant {
        let Speed::Times(factor) = self.speed else { return Instant::now() };
        let started = *self.started.get_or_insert_with(Instant::now);
        let due = started + Duration::try_from_secs_f64(time_s / factor).unwrap_or_default();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due
    }
}

impl Source for Replay<'_> {
    fn next(&mut self) -> Option<Announced> {
        if self.next >= self.recording.info().frames {
            return None;
        }
        let index = self.next;
        self.next += 1;
        let (time_s, unix_time_s) = self.times.at(self.recording, index);
        let arrival = self.wait_until(time_s);
        let sequence = self.recording.sequence(index);
        let lost = self.recording.lost(index).map(|(fate, reason)| Payload::Lost(fate, reason));
        Some(Announced {
            stamp: Stamp { index: index as u64, sequence, time_s, unix_time_s },
            arrival,
            payload: lost.unwrap_or(Payload::Recorded(index)),
        })
    }

    fn len_hint(&self) -> Option<usize> {
        Some(self.recording.info().frames)
    }

    fn is_paced(&self) -> bool {
        self.speed != Speed::Max
    }

    /// A recording has a row for each frame it holds: one that was made around alarms skips numbers,
    /// and nothing is missing.
    fn place(&self, frame: &Announced) -> u64 {
        frame.stamp.index
    }

    fn first_place(&self) -> Option<u64> {
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was kept around two alarms: the frames' own numbers skip what lay between.
    struct Triggered(crate::format::RecordingInfo);

    impl Recording for Triggered {
        fn info(&self) -> &crate::format::RecordingInfo {
            &self.0
        }

        fn read<'a>(
            &'a self,
            _: usize,
            scratch: &'a mut Vec<u8>,
        ) -> Result<&'a [u8], crate::format::FormatError> {
            Ok(scratch)
        }

        fn sequence(&self, index: usize) -> u64 {
            if index < 4 { 100 + index as u64 } else { 9000 + index as u64 }
        }

        fn time_s(&self, index: usize) -> Option<f64> {
            Some(0.1 * self.sequence(index) as f64)
        }
    }

    #[test]
    fn frames_that_were_kept_around_alarms_have_one_row_each_and_none_is_missing() {
        let recording = Triggered(crate::format::RecordingInfo {
            format: "triggered".to_owned(),
            width: 1,
            height: 1,
            frames: 8,
            pixel_type: crate::frame::PixelType::U8,
            pixel_size_nm: None,
            frame_interval_s: None,
            start_unix_time_s: None,
            notes: Vec::new(),
        });
        let mut played = Replay::new(&recording, FrameTimes::of(&recording, None), Speed::Max);
        let mut ordered = crate::source::Ordered::new(&mut played);
        let rows: Vec<Announced> = std::iter::from_fn(|| ordered.next_row()).collect();
        let told: Vec<_> =
            rows.iter().map(|row| (row.stamp.index, row.stamp.sequence, row.payload)).collect();
        let wanted = (0..8).map(|k| (k as u64, recording.sequence(k), Payload::Recorded(k)));
        assert_eq!(told, wanted.collect::<Vec<_>>());
        assert!((rows[4].stamp.time_s - 890.4).abs() < 1e-9, "{:?}", rows[4].stamp);
        assert_eq!(ordered.arrivals(), crate::source::Arrivals::default());
    }

    #[test]
    fn speeds_are_read() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("realtime".parse(), Ok(Speed::Times(1.0)));
        assert_eq!("x2.5".parse(), Ok(Speed::Times(2.5)));
        for wrong in ["fast", "x0", "x-1", "2", "xinf"] {
            assert!(wrong.parse::<Speed>().is_err(), "{wrong} was taken for a speed");
        }
    }
}

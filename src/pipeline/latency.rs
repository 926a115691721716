//! Latency of each stage as a histogram of high dynamic range (Gil Tene's HdrHistogram): three
//! significant digits from a nanosecond to hours, in little memory however long the run is.

use hdrhistogram::Histogram;

use crate::frame::Fate;

/// Significant digits that are kept.
const DIGITS: u8 = 3;

/// One stage over the frames that were measured; a gauge over those that it was measured in.
#[derive(Clone, Debug)]
pub struct StageLatency {
    pub stage: String,
    histogram: Histogram<u64>,
    /// Nanoseconds, and the row.
    worst: (u64, u64),
}

/// What a stage's histogram tells, ns; nothing is known of a stage without frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    pub frames: u64,
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
    /// Row of the frame that took longest.
    pub worst_frame: u64,
}

/// All stages of a run.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    pub stages: Vec<StageLatency>,
}

impl Latencies {
    /// Stages without frames.
    pub fn new<'a>(stages: impl IntoIterator<Item = &'a String>) -> Latencies {
        let stages = stages.into_iter().filter_map(|stage| {
            let histogram = Histogram::new(DIGITS).ok()?;
            Some(StageLatency { stage: stage.clone(), histogram, worst: (0, 0) })
        });
        Latencies { stages: stages.collect() }
    }

    /// Takes one row. A frame without measurements went through no stage, and tells nothing of the
    /// time that measuring takes.
    pub fn enter(&mut self, row: u64, fate: Fate, latency_ns: &[u64]) {
        if !matches!(fate, Fate::Measured | Fate::Degraded) {
            return;
        }
        for (stage, ns) in self.stages.iter_mut().zip(latency_ns) {
            stage.enter(row, *ns);
        }
    }
}

impl StageLatency {
    /// Takes one frame; a stage that was skipped took no time.
    pub fn enter(&mut self, row: u64, ns: u64) {
        if ns == 0 {
            return;
        }
        // The histogram grows by itself, and holds whatever fits in 64 bits.
        let _ = self.histogram.record(ns);
        if ns > self.worst.0 {
            self.worst = (ns, row);
        }
    }

    /// What it tells; nothing without frames.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let at = |share: f64| self.histogram.value_at_quantile(share).min(self.worst.0);
        (!self.histogram.is_empty()).then(|| Percentiles {
            frames: self.histogram.len(),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: self.worst.0,
            worst_frame: self.worst.1,
        })
    }

    /// Each bin that holds frames: its highest value, ns, and the number of frames.
    pub fn bins(&self) -> Vec<[u64; 2]> {
        let bins = self.histogram.iter_recorded();
        bins.map(|bin| [bin.value_iterated_to(), bin.count_at_value()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_frames_that_were_measured() {
        let mut all = Latencies::new([&"total".to_owned()]);
        for row in 0..10_000u64 {
            let ns = if row == 77 { 9_000_000_000 } else { (row + 1) * 1000 };
            all.enter(row, Fate::Measured, &[ns]);
            all.enter(row, Fate::Dropped, &[u64::MAX]);
        }
        let found = all.stages[0].percentiles().expect("there are frames");
        let near = |found: u64, wanted: u64| found.abs_diff(wanted) * 500 <= wanted;
        assert!(near(found.p50, 5_000_000) && near(found.p99, 9_900_000), "{found:?}");
        assert!(near(found.p999, 9_990_000), "{found:?}");
        assert_eq!((found.frames, found.max, found.worst_frame), (10_000, 9_000_000_000, 77));
        let counted: u64 = all.stages[0].bins().iter().map(|bin| bin[1]).sum();
        assert_eq!(counted, 10_000);
    }
}

//! What is left out to keep the latency budget, where frames come at a pace of their own.
//!
//! The ladder: everything; without the gauges that no alarm needs; then only every k-th frame. The
//! drift and the gauges of the alarm rules are measured in each frame that is measured at all. A
//! step is chosen by the *utilisation* it would have, work per frame over time per frame and
//! thread, so that a step back is taken only when it will hold. Beside the ladder each frame has a
//! deadline: one that cannot be finished in time, behind those that are in work, is not begun.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::observer::nanoseconds;
use crate::config::BudgetConfig;

/// Of the frames, one in so many is measured.
const EVERY: [u64; 9] = [2, 3, 4, 6, 8, 12, 16, 24, 32];
/// The part of the budget that is planned with; the rest is for what nobody foresees.
const MARGIN: f64 = 0.8;
/// Utilisation that is aimed at when a step down is taken, and that allows a step back.
const FULL: f64 = 0.85;
const EASY: f64 = 0.7;
/// How long a step must have been possible before it is taken back, and at most after steps that
/// did not hold.
const CALM: Duration = Duration::from_secs(1);
const CALM_MOST: Duration = Duration::from_secs(30);
/// Frames before the first judgement.
const LEARN: u32 = 8;
/// A frame is measured at least so often, whatever the deadlines are.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// A change of the ladder's step.
#[derive(Clone, Debug, PartialEq)]
pub struct Shedding {
    /// The first frame it holds for.
    pub frame: u64,
    pub time_s: f64,
    /// 0: everything is measured.
    pub level: u32,
    pub message: String,
}

/// What the follower tells of a frame that an observer has had.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub row: u64,
    pub total_ns: u64,
    /// The observer's work without, and on, gauges that no alarm needs; nothing for a frame that
    /// could not be read.
    pub work_ns: Option<(u64, u64)>,
}

/// What is done with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Everything,
    WithoutOptional,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Level {
    every: u64,
    optional: bool,
}

/// A running mean with its mean deviation.
#[derive(Clone, Copy, Debug, Default)]
struct Estimate {
    mean: f64,
    deviation: f64,
    seen: u32,
}

impl Estimate {
    fn take(&mut self, value: f64, frames: f64) {
        self.seen = self.seen.saturating_add(1);
        let weight = 1.0 / frames.min(f64::from(self.seen));
        self.deviation += weight * ((value - self.mean).abs() - self.deviation);
        if self.seen == 1 {
            self.deviation = value / 4.0;
        }
        self.mean += weight * (value - self.mean);
    }

    /// What is rarely exceeded.
    fn high(&self) -> f64 {
        self.mean + 2.0 * self.deviation
    }
}

/// Decides, frame by frame.
pub struct Shedder {
    total_s: f64,
    queue_s: f64,
    /// Observers that can work at once.
    threads: f64,
    /// Names of gauges that no alarm needs.
    optional_names: Vec<String>,
    levels: Vec<Level>,
    level: usize,
    /// Seconds: between frames, of the work that is always done, and of that which may be left out.
    interval: Estimate,
    needed: Estimate,
    optional: Estimate,
    last_arrival: Option<Instant>,
    in_work: VecDeque<u64>,
    /// Frames refused since the last change of the step.
    refused: u32,
    /// When a frame was last begun.
    last_begun: Instant,
    /// Latency over budget of the last frames, smoothed.
    pressure: f64,
    changed: Instant,
    calm_since: Option<Instant>,
    calm: Duration,
    stepped_back: Option<Instant>,
}

impl Shedder {
    /// A shedder for this budget; nothing when there is none to keep. `optional_names` are the
    /// gauges that no alarm needs.
    pub fn new(
        budget: &BudgetConfig,
        optional_names: Vec<String>,
        threads: usize,
        now: Instant,
    ) -> Option<Shedder> {
        if !budget.shed || (budget.total_ms.is_none() && budget.queue_ms.is_none()) {
            return None;
        }
        let mut levels = vec![Level { every: 1, optional: true }];
        if !optional_names.is_empty() {
            levels.push(Level { every: 1, optional: false });
        }
        levels.extend(EVERY.map(|every| Level { every, optional: false }));
        let seconds = |ms: Option<f64>| ms.map_or(f64::INFINITY, |ms| ms * 1e-3);
        Some(Shedder {
            total_s: seconds(budget.total_ms),
            queue_s: seconds(budget.queue_ms),
            threads: threads.max(1) as f64,
            optional_names,
            levels,
            level: 0,
            interval: Estimate::default(),
            needed: Estimate::default(),
            optional: Estimate::default(),
            last_arrival: None,
            in_work: VecDeque::new(),
            refused: 0,
            last_begun: now,
            pressure: 0.0,
            changed: now,
            calm_since: None,
            calm: CALM,
            stepped_back: None,
        })
    }

    /// Takes what became of a frame that was begun.
    pub fn told(&mut self, report: &Report) {
        while self.in_work.front().is_some_and(|row| *row <= report.row) {
            self.in_work.pop_front();
        }
        let Some((needed_ns, optional_ns)) = report.work_ns else { return };
        self.needed.take(needed_ns as f64 * 1e-9, 16.0);
        // The gauges of a frame that did not lock take no time.
        if optional_ns > 10_000 {
            self.optional.take(optional_ns as f64 * 1e-9, 16.0);
        }
        let pressure = report.total_ns as f64 * 1e-9 / self.total_s;
        self.pressure += (pressure - self.pressure) / 8.0;
    }

    /// What to do with this frame, and a change of the step if there is one.
    pub fn decide(
        &mut self,
        row: u64,
        time_s: f64,
        arrival: Instant,
        now: Instant,
    ) -> (Verdict, Option<Shedding>) {
        if let Some(last) = self.last_arrival.replace(arrival) {
            let interval = arrival.saturating_duration_since(last);
            self.interval.take(interval.as_secs_f64(), 32.0);
        }
        let change = self.step(row, time_s, now);
        (self.verdict(row, arrival, now), change)
    }

    /// A frame goes to the observers.
    pub fn begun(&mut self, row: u64) {
        self.in_work.push_back(row);
    }

    /// A frame that should have been measured could not be begun in time.
    pub fn refuse(&mut self) {
        self.refused += 1;
    }

    /// Until when a frame may wait for a buffer, the tracker and the template: no longer than to the next
    /// frame, or all that follow would be late too, and a slow template would hold up the alarms.
    pub fn wait_until(&self, arrival: Instant, now: Instant) -> Instant {
        let interval = Duration::from_secs_f64(self.interval.mean.clamp(1e-3, 60.0));
        let spare_s = (self.total_s * MARGIN - self.needed.high()).min(self.queue_s * MARGIN);
        let latest = arrival + Duration::from_secs_f64(spare_s.clamp(0.0, 60.0));
        latest.min(now + interval)
    }

    fn verdict(&mut self, row: u64, arrival: Instant, now: Instant) -> Verdict {
        let Level { every, optional } = self.levels[self.level];
        if !row.is_multiple_of(every) {
            return Verdict::Nothing;
        }
        let wanted = if optional { Verdict::Everything } else { Verdict::WithoutOptional };
        let age_s = nanoseconds(arrival, now) as f64 * 1e-9;
        let each_s = self.needed.mean + if optional { self.optional.mean } else { 0.0 };
        let start_s = age_s + self.in_work.len() as f64 / self.threads * each_s;
        let in_time = |work_s: f64| {
            start_s + work_s <= self.total_s * MARGIN && start_s <= self.queue_s * MARGIN
        };
        let work_s = self.needed.high() + if optional { self.optional.high() } else { 0.0 };
        // Before anything is known, no more is begun than keeps the threads busy.
        let verdict = if match self.needed.seen {
            0 => (self.in_work.len() as f64) < 2.0 * self.threads,
            _ => in_time(work_s),
        } {
            wanted
        } else if in_time(self.needed.high()) {
            self.refused += u32::from(optional);
            Verdict::WithoutOptional
        } else if self.in_work.is_empty()
            && (age_s < each_s || now.duration_since(self.last_begun) >= AT_LEAST_EVERY)
        {
            // Nothing would be gained by waiting: the machine is free, and slower than the budget.
            self.refused += 1;
            Verdict::WithoutOptional
        } else {
            self.refuse();
            return Verdict::Nothing;
        };
        self.last_begun = now;
        verdict
    }

    /// Work over time at a step of the ladder.
    fn utilisation(&self, level: usize) -> f64 {
        let Level { every, optional } = self.levels[level];
        let work_s = self.needed.mean + if optional { self.optional.mean } else { 0.0 };
        work_s / (self.threads * self.interval.mean.max(1e-9) * every as f64)
    }

    fn step(&mut self, row: u64, time_s: f64, now: Instant) -> Option<Shedding> {
        if self.needed.seen < LEARN || self.interval.seen < LEARN {
            return None;
        }
        let settled = Duration::from_secs_f64((4.0 * self.needed.mean).clamp(0.02, 1.0));
        let last = self.levels.len() - 1;
        let troubled = self.refused > 0 || self.pressure > MARGIN;
        if troubled && self.level < last && now.duration_since(self.changed) >= settled {
            let fits = (self.level + 1..last).find(|level| self.utilisation(*level) <= FULL);
            if self.stepped_back.is_some_and(|back| now.duration_since(back) < 2 * self.calm) {
                self.calm = (self.calm * 2).min(CALM_MOST);
            }
            return Some(self.change(fits.unwrap_or(last), row, time_s, now));
        }
        let easy = self.level > 0 && !troubled && self.utilisation(self.level - 1) <= EASY;
        if !easy {
            self.calm_since = None;
            // What was refused once, and not again since, is forgotten after a while.
            if now.duration_since(self.changed) >= CALM {
                self.refused = 0;
                self.changed = now;
            }
            return None;
        }
        if now.duration_since(*self.calm_since.get_or_insert(now)) < self.calm {
            return None;
        }
        let held = |back| now.duration_since(back) > 8 * self.calm;
        if self.stepped_back.is_some_and(held) {
            self.calm = CALM;
        }
        self.stepped_back = Some(now);
        // Half of the way that seems possible: a large step would be guessed from afar.
        let possible = (0..self.level).find(|level| self.utilisation(*level) <= EASY);
        let level = possible.unwrap_or(self.level - 1).max(self.level / 2);
        Some(self.change(level, row, time_s, now))
    }

    fn change(&mut self, level: usize, frame: u64, time_s: f64, now: Instant) -> Shedding {
        let load = self.utilisation(0) * 100.0;
        self.level = level;
        self.refused = 0;
        self.pressure = 0.0;
        self.changed = now;
        self.calm_since = None;
        let Level { every, optional } = self.levels[level];
        let frames = match every {
            1 => "every frame".to_owned(),
            2 => "every 2nd frame".to_owned(),
            3 => "every 3rd frame".to_owned(),
            k => format!("every {k}th frame"),
        };
        let gauges = match (optional, self.optional_names.is_empty()) {
            (false, false) => format!(" without {}", self.optional_names.join(", ")),
            _ => String::new(),
        };
        let message =
            format!("measures {frames}{gauges}; everything would take {load:.0} % of the threads");
        Shedding { frame, time_s, level: level as u32, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of one thread: each frame takes so long, and is reported when it is done.
    fn simulate(
        shedder: &mut Shedder,
        start: Instant,
        frames: std::ops::Range<u64>,
        interval_s: f64,
        (needed_s, optional_s): (f64, f64),
    ) -> (Vec<Verdict>, Vec<Shedding>, f64) {
        let (mut free, mut worst) = (start, 0.0f64);
        let mut working: VecDeque<(Instant, Report)> = VecDeque::new();
        let (mut verdicts, mut changes) = (Vec::new(), Vec::new());
        for row in frames.clone() {
            let time_s = (row - frames.start) as f64 * interval_s;
            let arrival = start + Duration::from_secs_f64(time_s);
            while working.front().is_some_and(|(done, _)| *done <= arrival) {
                if let Some((_, report)) = working.pop_front() {
                    shedder.told(&report);
                }
            }
            let (verdict, change) = shedder.decide(row, time_s, arrival, arrival);
            verdicts.push(verdict);
            changes.extend(change);
            let work_s = match verdict {
                Verdict::Nothing => continue,
                Verdict::Everything => needed_s + optional_s,
                Verdict::WithoutOptional => needed_s,
            };
            shedder.begun(row);
            free = free.max(arrival) + Duration::from_secs_f64(work_s);
            let total = free.duration_since(arrival);
            worst = worst.max(total.as_secs_f64());
            let ns = |s: f64| (s * 1e9) as u64;
            let optional = if verdict == Verdict::Everything { ns(optional_s) } else { 0 };
            let work_ns = Some((ns(needed_s), optional));
            let total_ns = ns(total.as_secs_f64());
            working.push_back((free, Report { row, total_ns, work_ns }));
        }
        (verdicts, changes, worst)
    }

    fn shedder(total_ms: f64, start: Instant) -> Shedder {
        let budget = BudgetConfig { total_ms: Some(total_ms), ..BudgetConfig::default() };
        Shedder::new(&budget, vec!["c1".to_owned()], 1, start).expect("there is a budget")
    }

    #[test]
    fn optional_gauges_go_first_and_come_back_when_there_is_time() {
        let start = Instant::now();
        let mut shedder = shedder(50.0, start);
        let work = (0.006, 0.008);
        let (verdicts, changes, worst) = simulate(&mut shedder, start, 0..1000, 0.01, work);
        assert!(worst < 0.05, "a frame took {worst} s");
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!(changes[0].level, 1);
        let lost = verdicts.iter().filter(|v| **v == Verdict::Nothing).count();
        assert!(lost < 5, "{lost} frames were passed over, though one gauge less is enough");
        let later = start + Duration::from_secs(10);
        let (verdicts, changes, _) = simulate(&mut shedder, later, 1000..1400, 0.03, work);
        assert_eq!(changes.iter().map(|change| change.level).collect::<Vec<_>>(), [0]);
        assert_eq!(verdicts.last(), Some(&Verdict::Everything));
        assert!(changes[0].time_s > 0.9, "it came back after {} s", changes[0].time_s);
    }

    #[test]
    fn three_times_too_much_is_kept_within_the_budget() {
        let start = Instant::now();
        let mut shedder = shedder(60.0, start);
        let (verdicts, changes, worst) =
            simulate(&mut shedder, start, 0..3000, 0.005, (0.015, 0.0));
        assert!(worst <= 0.06, "a frame took {worst} s");
        assert!(changes.len() <= 4, "it does not settle: {changes:?}");
        let measured = verdicts.iter().filter(|v| **v != Verdict::Nothing).count();
        assert!(measured > 600, "only {measured} of 3000 frames were measured; 1000 can be");
    }

    #[test]
    fn a_budget_that_cannot_be_kept_stops_nothing() {
        let start = Instant::now();
        let mut shedder = shedder(1.0, start);
        let (verdicts, _, _) = simulate(&mut shedder, start, 0..1000, 0.01, (0.02, 0.0));
        let measured = verdicts[500..].iter().filter(|v| **v != Verdict::Nothing).count();
        assert!(measured >= 15, "{measured} of 500 frames were measured");
    }

    #[test]
    fn there_is_nothing_to_shed_without_a_budget() {
        let none = BudgetConfig { gauge_ms: Some(3.0), ..BudgetConfig::default() };
        assert!(Shedder::new(&none, Vec::new(), 2, Instant::now()).is_none());
        let off = BudgetConfig { shed: false, total_ms: Some(3.0), ..BudgetConfig::default() };
        assert!(Shedder::new(&off, Vec::new(), 2, Instant::now()).is_none());
    }
}

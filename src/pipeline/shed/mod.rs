//! What is left out to keep the latency budget, where frames come at a pace of their own.
//!
//! The ladder: everything; without the gauges that no alarm needs; then only a share of the frames,
//! evenly spread. The drift and the gauges of the alarm rules are measured in each frame that is
//! measured at all. Beside the ladder each frame has a deadline: one that cannot be finished in time,
//! behind those that are in work, is not begun. And a gauge that no alarm needs is left out by itself
//! while it takes longer than `gauge_ms`.

mod estimate;
mod ladder;
mod own;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use estimate::{Estimate, seconds};
use ladder::{Ladder, Level, Trouble};
use own::{OwnBudget, Turn};

use crate::config::BudgetConfig;

/// The part of the budget that is planned with; the rest is for what nobody foresees. What 0.5 % of the
/// frames take longer than foreseen is left free, too, where frames take their mean: it is followed in
/// steps of this part of the budget, down to the part in `MARGIN_LEAST`.
const MARGIN: f64 = 0.8;
const MARGIN_LEAST: f64 = 0.4;
const SURPRISES: f64 = 0.005;
const SURPRISE_STEP: f64 = 0.05;
/// Frames that wait for longer than this part of it, one after the other, are too many.
const BEHIND: f64 = 0.4;
/// Frames before the first judgement.
const LEARN: u32 = 8;
/// A frame is measured at least so often, whatever the deadlines are.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// While gauges are left out, one frame has them so often, and at most one of so many: what they take
/// now must be known before they can come back.
const PROBE: Duration = Duration::from_millis(100);
const PROBE_FRAMES: f64 = 8.0;
/// A gauge that was not seen for so long is measured once even where it would be late: what is
/// remembered of it may be the searches of its first frames.
const FORGOTTEN: Duration = Duration::from_secs(2);
const FORGOTTEN_FRAMES: f64 = 200.0;
/// What is averaged: over a time that pauses of the machine do not rule, but for gauges, which may be
/// seen in probes alone.
const OF_ALL_S: f64 = 1.0;
const OF_GAUGE_S: f64 = 0.3;
/// Of a gauge, what so many frames take tells nothing: the first ones search at once, for what those
/// that follow know.
const SEARCHING: u32 = 4;
/// A time that is rarely exceeded is so many mean deviations more than the mean.
const RARELY: f64 = 2.0;
/// Gauges of a frame that did not lock take less, ns, and tell nothing.
const NOT_MEASURED_NS: u64 = 10_000;

/// A change of what is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Shedding {
    /// The first frame it holds for.
    pub frame: u64,
    pub time_s: f64,
    /// Step of the ladder; 0: everything is measured.
    pub level: u32,
    pub message: String,
}

/// What the follower tells of a row.
#[derive(Clone, Debug)]
pub struct Report {
    pub row: u64,
    /// When its alarms were decided.
    pub decided: Instant,
    pub total_ns: u64,
    /// What an observer did: pixels and drift, and each gauge; nothing for a frame that could not
    /// be read.
    pub work: Option<Work>,
}

/// Nanoseconds that an observer took.
#[derive(Clone, Debug)]
pub struct Work {
    pub register_ns: u64,
    /// One for each gauge; 0 where it was left out.
    pub gauges_ns: Vec<u64>,
}

/// What is done with a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is measured, with these gauges.
    Measure(Arc<[bool]>),
    Nothing,
}

/// One gauge, as the shedder knows it.
struct Watched {
    name: String,
    /// An alarm refers to it.
    needed: bool,
    /// Frames in which it was measured, at most [`SEARCHING`].
    measured: u32,
    cost: Estimate,
    own: OwnBudget,
}

/// How long something takes, s.
#[derive(Clone, Copy, Default)]
struct Takes {
    mean: f64,
    /// Square of the mean deviation: of independent things these add.
    spread: f64,
}

impl Takes {
    fn of(estimate: &Estimate) -> Takes {
        Takes { mean: estimate.mean, spread: estimate.deviation * estimate.deviation }
    }

    fn and(self, other: Takes) -> Takes {
        Takes { mean: self.mean + other.mean, spread: self.spread + other.spread }
    }

    fn rarely_more(self) -> f64 {
        self.mean + RARELY * self.spread.sqrt()
    }
}

/// Decides, frame by frame.
pub struct Shedder {
    total_s: f64,
    queue_s: f64,
    gauge_s: f64,
    /// Observers that can work at once.
    threads: f64,
    gauges: Vec<Watched>,
    ladder: Ladder,
    /// Seconds: between frames, and of the work that is always done.
    interval: Estimate,
    needed: Estimate,
    /// Seconds from one finished frame to the next while all threads are busy: what a frame costs
    /// altogether, stages or not.
    pace: Estimate,
    /// The time beyond what was foreseen that 1 % of the frames take, s.
    surprise_s: f64,
    last_arrival: Option<Instant>,
    /// When a frame was last finished, if all threads were busy then.
    busy_at: Option<Instant>,
    /// Rows, and when they should be finished, s after their arrival.
    in_work: VecDeque<(u64, f64)>,
    /// That of the frame at hand.
    foreseen_s: f64,
    /// When a frame was last begun, and when last with gauges that are left out.
    last_begun: Instant,
    probed: Instant,
    /// The gauges that alarms need, and those with all that may come beside.
    only_needed: Arc<[bool]>,
    with_optional: Arc<[bool]>,
}

impl Shedder {
    /// A shedder for this budget; nothing when there is none to keep. `gauges` are the names, and
    /// whether an alarm refers to them.
    pub fn new(
        budget: &BudgetConfig,
        gauges: Vec<(String, bool)>,
        threads: usize,
        now: Instant,
    ) -> Option<Shedder> {
        let optional = gauges.iter().any(|(_, needed)| !needed);
        let of_frames = budget.total_ms.is_some() || budget.queue_ms.is_some();
        if !budget.shed || !(of_frames || (optional && budget.gauge_ms.is_some())) {
            return None;
        }
        let seconds = |ms: Option<f64>| ms.map_or(f64::INFINITY, |ms| ms * 1e-3);
        let only_needed = gauges.iter().map(|(_, needed)| *needed).collect();
        let with_optional = gauges.iter().map(|_| true).collect();
        let watched = |(name, needed)| {
            let (cost, own) = (Estimate::over(OF_GAUGE_S), OwnBudget::default());
            Watched { name, needed, measured: 0, cost, own }
        };
        Some(Shedder {
            total_s: seconds(budget.total_ms),
            queue_s: seconds(budget.queue_ms),
            gauge_s: seconds(budget.gauge_ms),
            threads: threads.max(1) as f64,
            gauges: gauges.into_iter().map(watched).collect(),
            ladder: Ladder::new(optional, now),
            interval: Estimate::over(OF_ALL_S),
            needed: Estimate::over(OF_ALL_S),
            pace: Estimate::over(OF_ALL_S),
            last_arrival: None,
            busy_at: None,
            in_work: VecDeque::new(),
            foreseen_s: f64::INFINITY,
            surprise_s: 0.0,
            last_begun: now,
            probed: now,
            only_needed,
            with_optional,
        })
    }

    /// Takes what became of a frame that was begun.
    pub fn told(&mut self, report: &Report) {
        while let Some((row, foreseen_s)) = self.in_work.front().copied() {
            if row > report.row {
                break;
            }
            self.in_work.pop_front();
            if row == report.row {
                self.learn(report.total_ns as f64 * 1e-9 - foreseen_s);
            }
        }
        let Some(work) = &report.work else { return };
        let mut needed_ns = work.register_ns;
        for (gauge, ns) in self.gauges.iter_mut().zip(&work.gauges_ns) {
            if *ns > NOT_MEASURED_NS {
                gauge.measured = (gauge.measured + 1).min(SEARCHING + 1);
                if gauge.measured > SEARCHING {
                    gauge.cost.take(*ns as f64 * 1e-9, report.decided);
                }
            }
            needed_ns += if gauge.needed { *ns } else { 0 };
        }
        // Frames that were begun after it was finished are not told of yet: all threads were busy.
        let busy = self.in_work.len() as f64 >= self.threads;
        if let Some(last) = self.busy_at {
            self.pace.take(seconds(last, report.decided), report.decided);
        }
        self.busy_at = busy.then_some(report.decided);
        self.needed.take(needed_ns as f64 * 1e-9, report.decided);
        if report.total_ns as f64 * 1e-9 > self.total_s {
            self.ladder.trouble(Trouble::Frames, report.decided);
        }
    }

    /// What to do with this frame, and the changes of what is left out.
    pub fn decide(
        &mut self,
        row: u64,
        time_s: f64,
        arrival: Instant,
        now: Instant,
    ) -> (Verdict, Vec<Shedding>) {
        if let Some(last) = self.last_arrival.replace(arrival) {
            self.interval.take(seconds(last, arrival), arrival);
        }
        let mut messages = Vec::new();
        if self.needed.seen >= LEARN && self.interval.seen >= LEARN {
            messages.extend(self.step(now));
            self.judge_gauges(now, &mut messages);
        }
        let level = self.ladder.level().1 as u32;
        let change = |message| Shedding { frame: row, time_s, level, message };
        let changes = messages.into_iter().map(change).collect();
        (self.verdict(row, arrival, now), changes)
    }

    /// A frame goes to the observers.
    pub fn begun(&mut self, row: u64) {
        self.in_work.push_back((row, self.foreseen_s));
    }

    /// A frame that should have been measured could not be begun in time.
    pub fn refuse(&mut self) {
        self.ladder.trouble(Trouble::Frames, Instant::now());
    }

    /// Until when a frame may wait for a buffer, the tracker and the template: no longer than to the
    /// next frame, or all that follow would be late too, and a slow template would hold up the
    /// alarms. Nothing without a budget for frames.
    pub fn wait_until(&self, arrival: Instant, now: Instant) -> Option<Instant> {
        let spare_s = self.spare_s(Takes::of(&self.needed)).min(self.queue_s * MARGIN);
        if spare_s == f64::INFINITY {
            return None;
        }
        let interval = Duration::from_secs_f64(self.interval.mean.clamp(1e-3, 60.0));
        let latest = arrival + Duration::from_secs_f64(spare_s.clamp(0.0, 60.0));
        Some(latest.min(now + interval))
    }

    /// The work on gauges that no alarm needs.
    fn optional(&self) -> Takes {
        let measured = self.gauges.iter().filter(|gauge| !gauge.needed && !gauge.own.is_out());
        measured.fold(Takes::default(), |sum, gauge| sum.and(Takes::of(&gauge.cost)))
    }

    /// How long after its arrival a frame may be begun that takes so long, s: by what such frames
    /// exceeded the foreseen of late, and by what is rarely exceeded.
    fn spare_s(&self, takes: Takes) -> f64 {
        if self.total_s == f64::INFINITY {
            return f64::INFINITY;
        }
        let by_surprises = self.total_s - self.surprise_s - takes.mean;
        by_surprises.min(MARGIN * self.total_s - takes.rarely_more())
    }

    /// Follows the time beyond the foreseen that [`SURPRISES`] of the frames exceed: a step up where
    /// one does, and so much smaller a step down where it does not that both are in balance.
    fn learn(&mut self, beyond_s: f64) {
        if self.total_s == f64::INFINITY {
            return;
        }
        let step = SURPRISE_STEP * self.total_s;
        self.surprise_s += if beyond_s > self.surprise_s { step } else { -step * SURPRISES };
        self.surprise_s = self.surprise_s.clamp(0.0, (1.0 - MARGIN_LEAST) * self.total_s);
    }

    /// What a frame costs altogether, s, as far as it was seen of late; else 0.
    fn pace(&self, now: Instant) -> f64 {
        if self.pace.is_recent(now) { self.pace.mean } else { 0.0 }
    }

    fn verdict(&mut self, row: u64, arrival: Instant, now: Instant) -> Verdict {
        let level = self.ladder.level().0;
        if !level.measures(row) {
            return Verdict::Nothing;
        }
        let (needed, age_s) = (Takes::of(&self.needed), seconds(arrival, now));
        let whole = needed.and(self.optional());
        let each_s = if level.optional { whole.mean } else { needed.mean };
        let start_s = age_s + self.in_work.len() as f64 * self.pace(now).max(each_s / self.threads);
        let in_time = |spare_s: f64| start_s <= spare_s.min(self.queue_s * MARGIN);
        let (with_all, without) = (in_time(self.spare_s(whole)), in_time(self.spare_s(needed)));
        let free = self.in_work.is_empty();
        let probe_s = PROBE.as_secs_f64().max(PROBE_FRAMES * self.interval.mean);
        let unseen_s = seconds(self.probed, now);
        // What a probe takes is not known well: that it may be in time is enough.
        let may_be = start_s + whole.mean <= MARGIN * self.total_s;
        let due = free && unseen_s >= probe_s && may_be;
        let forgotten_s = FORGOTTEN.as_secs_f64().max(FORGOTTEN_FRAMES * self.interval.mean);
        let forgotten = free && unseen_s >= forgotten_s && without;
        let (all, few) = ((&self.with_optional, whole), (&self.only_needed, needed));
        let (begun, trouble) = if self.needed.seen == 0 {
            // Before anything is known, no more is begun than keeps the threads busy.
            let begun = (self.in_work.len() as f64) < 2.0 * self.threads;
            (begun.then_some(all), (!begun).then_some(Trouble::Frames))
        } else if forgotten || due || with_all && level.optional {
            self.probed = now;
            (Some(all), None)
        } else if without {
            (Some(few), level.optional.then_some(Trouble::Gauges))
        } else {
            // Nothing would be gained by waiting when the machine is free, and slower than the
            // budget.
            let alone =
                age_s < each_s || now.saturating_duration_since(self.last_begun) >= AT_LEAST_EVERY;
            ((free && alone).then_some(few), Some(Trouble::Frames))
        };
        let late = age_s > BEHIND * self.total_s.min(self.queue_s);
        if let Some(trouble) = trouble.or(late.then_some(Trouble::Frames)) {
            self.ladder.trouble(trouble, now);
        }
        let Some((gauges, takes)) = begun else { return Verdict::Nothing };
        // The searches of the first frames teach nothing.
        let known = self.needed.seen >= LEARN;
        self.foreseen_s = if known { start_s + takes.mean } else { f64::INFINITY };
        self.last_begun = now;
        Verdict::Measure(Arc::clone(gauges))
    }

    /// A step of the ladder.
    fn step(&mut self, now: Instant) -> Option<String> {
        let (needed_s, optional_s) = (self.needed.mean, self.optional().mean);
        let frame_s = self.threads * self.interval.mean.max(1e-9);
        let load = |level: Level| {
            (needed_s + if level.optional { optional_s } else { 0.0 }) * level.share() / frame_s
        };
        let everything = load(self.ladder.top()) * 100.0;
        let possible = self.interval.mean / self.pace(now).max(1e-9);
        if !self.ladder.step(load, possible, now) {
            return None;
        }
        let level = self.ladder.level().0;
        let names = || self.gauges.iter().filter(|g| !g.needed).map(|g| g.name.as_str());
        let without = match (level.optional, names().next().is_some()) {
            (false, true) => format!(" without {}", names().collect::<Vec<_>>().join(", ")),
            _ => String::new(),
        };
        Some(format!(
            "measures {}{without}; everything would take {everything:.0} % of the threads",
            level.text()
        ))
    }

    /// Gauges that keep or exceed their own budget.
    fn judge_gauges(&mut self, now: Instant, messages: &mut Vec<String>) {
        let allowed_ms = self.gauge_s * 1e3;
        if allowed_ms == f64::INFINITY {
            return;
        }
        for gauge in self.gauges.iter_mut().filter(|gauge| !gauge.needed) {
            let Some(turn) = gauge.own.judge(&gauge.cost, self.gauge_s, now) else { continue };
            let (name, takes_ms) = (&gauge.name, gauge.cost.mean * 1e3);
            messages.push(match turn {
                Turn::Out => format!(
                    "leaves {name} out: it takes {takes_ms:.2} ms, and budget.gauge_ms is {allowed_ms}"
                ),
                Turn::Back => format!("measures {name} again"),
            });
            self.with_optional = self.gauges.iter().map(|g| g.needed || !g.own.is_out()).collect();
            return;
        }
    }
}

#[cfg(test)]
mod tests;

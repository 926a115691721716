//! A machine of one thread, and frames that come at their own pace.

use super::*;

struct Machine {
    shedder: Shedder,
    start: Instant,
    /// When the thread is free.
    free: Instant,
    working: VecDeque<(Instant, Report)>,
    /// What each frame costs and no stage tells of.
    beside_s: f64,
}

struct Went {
    /// For each frame: measured with how many gauges; nothing when it was not.
    gauges: Vec<Option<usize>>,
    changes: Vec<Shedding>,
    worst_s: f64,
    /// Of the frames that were measured.
    totals_s: Vec<f64>,
}

impl Machine {
    fn new(budget: &BudgetConfig) -> Machine {
        let start = Instant::now();
        let gauges = vec![("anode".to_owned(), true), ("c1".to_owned(), false)];
        let shedder = Shedder::new(budget, gauges, 1, start).expect("there is a budget");
        Machine { shedder, start, free: start, working: VecDeque::new(), beside_s: 0.0 }
    }

    /// Each frame takes as long as `work_s` tells for its row: needed work and the gauge's.
    fn run(
        &mut self,
        rows: std::ops::Range<u64>,
        (from_s, interval_s): (f64, f64),
        work_s: impl Fn(u64) -> (f64, f64),
    ) -> Went {
        let mut went =
            Went { gauges: Vec::new(), changes: Vec::new(), worst_s: 0.0, totals_s: Vec::new() };
        for row in rows.clone() {
            let time_s = from_s + (row - rows.start) as f64 * interval_s;
            let arrival = self.start + Duration::from_secs_f64(time_s);
            while self.working.front().is_some_and(|(done, _)| *done <= arrival) {
                if let Some((_, report)) = self.working.pop_front() {
                    self.shedder.told(&report);
                }
            }
            let (verdict, changes) = self.shedder.decide(row, time_s, arrival, arrival);
            went.changes.extend(changes);
            let Verdict::Measure(gauges) = verdict else {
                went.gauges.push(None);
                continue;
            };
            went.gauges.push(Some(gauges.iter().filter(|measured| **measured).count()));
            let (needed_s, gauge_s) = work_s(row);
            let gauge_s = if gauges[1] { gauge_s } else { 0.0 };
            self.shedder.begun(row);
            self.free = self.free.max(arrival)
                + Duration::from_secs_f64(needed_s + gauge_s + self.beside_s);
            let total_s = seconds(arrival, self.free);
            went.totals_s.push(total_s);
            went.worst_s = went.worst_s.max(total_s);
            let ns = |s: f64| (s * 1e9) as u64;
            let work = Work {
                register_ns: ns(needed_s / 2.0),
                gauges_ns: vec![ns(needed_s / 2.0), ns(gauge_s)],
            };
            let (decided, total_ns, work) = (self.free, ns(total_s), Some(work));
            self.working.push_back((self.free, Report { row, decided, total_ns, work }));
        }
        went
    }
}

impl Went {
    fn measured(&self) -> usize {
        self.gauges.iter().flatten().count()
    }
}

fn budget(total_ms: f64) -> BudgetConfig {
    BudgetConfig { total_ms: Some(total_ms), ..BudgetConfig::default() }
}

#[test]
fn optional_gauges_go_first_and_come_back_when_there_is_time() {
    let mut machine = Machine::new(&budget(50.0));
    let went = machine.run(0..1000, (0.0, 0.01), |_| (0.006, 0.008));
    assert!(went.worst_s < 0.05, "a frame took {} s", went.worst_s);
    assert_eq!(went.changes.len(), 1, "{:?}", went.changes);
    assert_eq!(went.changes[0].level, 1);
    let lost = 1000 - went.measured();
    assert!(lost < 5, "{lost} frames were passed over, though one gauge less is enough");
    let went = machine.run(1000..1400, (10.0, 0.03), |_| (0.006, 0.008));
    let levels: Vec<u32> = went.changes.iter().map(|change| change.level).collect();
    assert_eq!(levels, [0]);
    assert_eq!(went.gauges.last(), Some(&Some(2)));
    assert!(went.changes[0].time_s > 10.4, "it came back after {} s", went.changes[0].time_s);
}

#[test]
fn three_times_too_much_is_kept_within_the_budget_and_little_is_wasted() {
    let mut machine = Machine::new(&budget(60.0));
    let went = machine.run(0..3000, (0.0, 0.005), |_| (0.015, 0.0));
    assert!(went.worst_s <= 0.06, "a frame took {} s", went.worst_s);
    assert!(went.changes.len() <= 5, "it does not settle: {:?}", went.changes);
    let measured = went.measured();
    assert!(measured > 830, "only {measured} of 3000 frames were measured; 1000 can be");
}

#[test]
fn what_takes_time_beside_the_observers_is_shed_for_too() {
    let mut machine = Machine::new(&budget(60.0));
    machine.beside_s = 0.008;
    let went = machine.run(0..3000, (0.0, 0.005), |_| (0.003, 0.0));
    let late = went.totals_s.iter().filter(|total_s| **total_s > 0.06).count();
    assert!(late < 10, "{late} frames were late, and not the first few alone");
    let measured = went.measured();
    assert!(measured > 1150, "only {measured} of 3000 frames were measured; 1364 can be");
    let late = went.totals_s[1000..].iter().filter(|total_s| **total_s > 0.03).count();
    assert!(late < 400, "{late} frames waited for half of the budget: {:?}", went.changes);
}

#[test]
fn pauses_of_the_machine_cost_their_own_frames_and_little_more() {
    let mut machine = Machine::new(&budget(60.0));
    // A frame of 200 ms each second; without it, 60 % of the time is used.
    let went =
        machine.run(0..3000, (0.0, 0.01), |row| (if row % 100 == 50 { 0.2 } else { 0.006 }, 0.0));
    let measured = went.measured();
    // 200 ms are 20 frames, of which those at the end still come in time.
    assert!(measured > 2200, "{measured} of 3000 frames were measured: {:?}", went.changes);
}

#[test]
fn slow_first_frames_do_not_decide_the_rest() {
    let mut machine = Machine::new(&budget(60.0));
    let went = machine.run(0..3000, (0.0, 0.002), |row| match row {
        0..40 => (0.01, 0.02),
        _ => (0.0006, 0.0005),
    });
    let whole = went.gauges[1500..].iter().filter(|gauges| **gauges == Some(2)).count();
    assert!(whole > 1350, "{whole} of 1500 frames had all gauges: {:?}", went.changes);
}

#[test]
fn a_budget_that_cannot_be_kept_stops_nothing() {
    let mut machine = Machine::new(&budget(1.0));
    let went = machine.run(0..1000, (0.0, 0.01), |_| (0.02, 0.0));
    let measured = went.gauges[500..].iter().flatten().count();
    assert!(measured >= 15, "{measured} of 500 frames were measured");
}

#[test]
fn a_gauge_beyond_its_own_budget_is_left_out_alone() {
    let own = BudgetConfig { gauge_ms: Some(2.0), ..BudgetConfig::default() };
    let mut machine = Machine::new(&own);
    let went = machine.run(0..2000, (0.0, 0.01), |_| (0.004, 0.003));
    assert_eq!(went.measured(), 2000, "frames were passed over");
    let whole = went.gauges.iter().filter(|gauges| **gauges == Some(2)).count();
    assert!((16..300).contains(&whole), "c1 was measured in {whole} of 2000 frames");
    assert!(went.changes.iter().all(|change| change.level == 0), "{:?}", went.changes);
    assert!(went.changes[0].message.starts_with("leaves c1 out"), "{:?}", went.changes);
}

#[test]
fn there_is_nothing_to_shed_without_a_budget() {
    let none = BudgetConfig { gauge_ms: Some(3.0), ..BudgetConfig::default() };
    let needed = vec![("anode".to_owned(), true)];
    assert!(Shedder::new(&none, needed.clone(), 2, Instant::now()).is_none());
    let off = BudgetConfig { shed: false, total_ms: Some(3.0), ..BudgetConfig::default() };
    assert!(Shedder::new(&off, needed, 2, Instant::now()).is_none());
}

#[test]
fn a_gauge_that_searches_at_first_is_left_in() {
    let mut machine = Machine::new(&budget(15.0));
    // The first frames search, which takes longer than the budget; the others take a third of it.
    let went = machine.run(0..1000, (0.0, 0.01), |row| match row {
        0..4 => (0.009, 0.025),
        _ => (0.003, 0.0017),
    });
    let whole = went.gauges[20..].iter().filter(|gauges| **gauges == Some(2)).count();
    assert!(whole > 970, "{whole} of 980 frames had all gauges: {:?}", went.changes);
    let late = went.totals_s[20..].iter().filter(|total_s| **total_s > 0.015).count();
    assert_eq!(late, 0);
}

#[test]
fn frames_that_now_and_then_take_longer_cost_no_gauge() {
    let mut machine = Machine::new(&budget(15.0));
    // One in sixteen takes twice as long, and is in time still.
    let went = machine.run(0..2000, (0.0, 0.01), |row| {
        (if row % 16 == 0 { 0.007 } else { 0.003 }, if row % 16 == 8 { 0.003 } else { 0.0015 })
    });
    let whole = went.gauges.iter().filter(|gauges| **gauges == Some(2)).count();
    assert!(whole > 1950, "{whole} of 2000 frames had all gauges: {:?}", went.changes);
}

#[test]
fn gauges_that_do_not_fit_go_before_any_frame_does() {
    let mut machine = Machine::new(&budget(15.0));
    // With the gauge a frame is late; without it there is time for each.
    let went = machine.run(0..1000, (0.0, 0.02), |_| (0.006, 0.011));
    assert!(went.measured() >= 990, "{} frames were measured", went.measured());
    let levels: Vec<u32> = went.changes.iter().map(|change| change.level).collect();
    assert!(levels.iter().all(|level| *level <= 1), "{:?}", went.changes);
    let late = went.totals_s[50..].iter().filter(|total_s| **total_s > 0.015).count();
    assert!(late <= 10, "{late} frames were late");
}

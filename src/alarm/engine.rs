//! All alarms of a run: judges the rules frame by frame and keeps the hold times.
//!
//! An alarm is raised when its rule has been true for `hold_s`, and cleared when it has been false
//! for as long. Frames for which the rule is unknown neither count towards a hold nor break it.

use std::time::Instant;

use super::event::{AlarmEvent, AlarmState};
use super::rule::{AlarmError, Names, Rule, Verdict};
use crate::cell::CellSample;
use crate::config::AlarmConfig;
use crate::frame::{Calibration, Stamp};
use crate::gauge::{Measurement, Schema};
use crate::register::Drift;

/// The alarms of a run.
pub struct AlarmEngine {
    alarms: Vec<Alarm>,
    names: Names,
}

struct Alarm {
    name: String,
    rule: Rule,
    /// For each reference of the rule, where its value stands.
    places: Vec<Place>,
    hold_s: f64,
    actions: Vec<String>,
    raised: bool,
    /// How long the rule has spoken against the present state, s.
    against_s: f64,
    /// Time of the last frame with a verdict against the present state.
    last_against_s: Option<f64>,
}

/// Where a value is found in a frame's results.
#[derive(Clone, Copy)]
enum Place {
    Time,
    Drift(fn(&Drift) -> f64),
    Voltage,
    Current,
    Value { gauge: usize, field: usize },
    Error { gauge: usize, field: usize },
    Quality { gauge: usize },
}

impl AlarmEngine {
    /// Compiles all rules against the gauges that there are.
    ///
    /// # Errors
    /// [`AlarmError`] of the first rule that is wrong.
    pub fn new(
        alarms: &[AlarmConfig],
        gauges: &[(String, &Schema)],
        calibration: Calibration,
    ) -> Result<AlarmEngine, AlarmError> {
        let names = Names::new(gauges, |dimension| calibration.units(dimension));
        let alarms = alarms
            .iter()
            .map(|config| {
                let rule = Rule::compile(&config.name, &config.when, &names)?;
                let places = rule.references.iter().map(|(o, f)| place(o, f, gauges)).collect();
                Ok(Alarm {
                    name: config.name.clone(),
                    rule,
                    places,
                    hold_s: config.hold_s,
                    actions: config.actions.clone(),
                    raised: false,
                    against_s: 0.0,
                    last_against_s: None,
                })
            })
            .collect::<Result<_, AlarmError>>()?;
        Ok(AlarmEngine { alarms, names })
    }

    /// Judges one frame, in frame order; measurements in the units of the file.
    pub fn evaluate(
        &mut self,
        stamp: &Stamp,
        drift: &Drift,
        gauges: &[Measurement],
        cell: &CellSample,
    ) -> Vec<AlarmEvent> {
        self.judge(stamp, drift, gauges, cell, true)
    }

    /// Judges a frame that liwatch passed over by its own choice. What the cell tells still counts;
    /// a rule that is unknown for it goes on as if the frame had not been, so that a hold does not
    /// start anew between two frames that were measured.
    pub fn pass_over(
        &mut self,
        stamp: &Stamp,
        gauges: &[Measurement],
        cell: &CellSample,
    ) -> Vec<AlarmEvent> {
        self.judge(stamp, &Drift::UNKNOWN, gauges, cell, false)
    }

    /// For each gauge, whether a rule refers to it.
    pub fn needed(&self, gauges: usize) -> Vec<bool> {
        let mut needed = vec![false; gauges];
        for place in self.alarms.iter().flat_map(|alarm| &alarm.places) {
            match *place {
                Place::Value { gauge, .. }
                | Place::Error { gauge, .. }
                | Place::Quality { gauge } => {
                    needed[gauge] = true;
                }
                Place::Time | Place::Drift(_) | Place::Voltage | Place::Current => {}
            }
        }
        needed
    }

    fn judge(
        &mut self,
        stamp: &Stamp,
        drift: &Drift,
        gauges: &[Measurement],
        cell: &CellSample,
        looked: bool,
    ) -> Vec<AlarmEvent> {
        let mut events = Vec::new();
        for alarm in &mut self.alarms {
            let values: Vec<f64> =
                alarm.places.iter().map(|place| place.value(stamp, drift, gauges, cell)).collect();
            let verdict = alarm.rule.judge(&values);
            if verdict == Verdict::Unknown && !looked {
                continue;
            }
            if alarm.turns(stamp.time_s, verdict) {
                events.push(alarm.event(stamp, &values, &self.names));
            }
        }
        events
    }
}

impl Alarm {
    /// Takes the verdict of one frame; true when the state has changed.
    fn turns(&mut self, time_s: f64, verdict: Verdict) -> bool {
        let against = match verdict {
            Verdict::Unknown => {
                // The hold is paused: the next verdict counts from its own frame.
                self.last_against_s = None;
                return false;
            }
            Verdict::True => !self.raised,
            Verdict::False => self.raised,
        };
        if !against {
            self.against_s = 0.0;
            self.last_against_s = None;
            return false;
        }
        if let Some(last) = self.last_against_s {
            self.against_s += (time_s - last).max(0.0);
        }
        self.last_against_s = Some(time_s);
        // A hold of a whole number of frame times must not miss by a rounding error.
        if self.against_s + 1e-9 < self.hold_s {
            return false;
        }
        self.raised = !self.raised;
        self.against_s = 0.0;
        self.last_against_s = None;
        true
    }

    fn event(&self, stamp: &Stamp, values: &[f64], names: &Names) -> AlarmEvent {
        let numbers: Vec<String> = self
            .rule
            .references
            .iter()
            .zip(values)
            .map(|((object, field), value)| {
                let unit = names.unit(object, field);
                let dot = if field.is_empty() { "" } else { "." };
                format!("{object}{dot}{field} = {value:.4} {unit}").trim_end().to_owned()
            })
            .collect();
        let message = format!("{} ({})", self.rule.text, numbers.join(", "));
        let started = Instant::now();
        let state = if self.raised { AlarmState::Raised } else { AlarmState::Cleared };
        let action = if self.raised { self.act(stamp, &message) } else { String::new() };
        let action_latency_s =
            if action.is_empty() { f64::NAN } else { started.elapsed().as_secs_f64() };
        AlarmEvent {
            time_s: stamp.time_s,
            name: self.name.clone(),
            state,
            frame: stamp.index,
            message,
            decision_latency_s: f64::NAN,
            action,
            action_latency_s,
        }
    }

    fn act(&self, stamp: &Stamp, message: &str) -> String {
        let done: Vec<String> = self
            .actions
            .iter()
            .map(|action| match action.as_str() {
                "log" => {
                    tracing::warn!(alarm = self.name, time_s = stamp.time_s, "{message}");
                    "log: done".to_owned()
                }
                // A replay has no instrument; the file must not claim that bias was cut.
                other => format!("{other}: not connected (replay)"),
            })
            .collect();
        done.join("; ")
    }
}

impl Place {
    fn value(self, stamp: &Stamp, drift: &Drift, gauges: &[Measurement], cell: &CellSample) -> f64 {
        match self {
            Place::Time => stamp.time_s,
            Place::Drift(read) => read(drift),
            Place::Voltage => cell.voltage_v,
            Place::Current => cell.current_a,
            Place::Value { gauge, field } => gauges[gauge].values[field],
            Place::Error { gauge, field } => gauges[gauge].errors[field],
            Place::Quality { gauge } => f64::from(gauges[gauge].quality),
        }
    }
}

/// Where a checked reference is found.
fn place(object: &str, field: &str, gauges: &[(String, &Schema)]) -> Place {
    match (object, field) {
        ("time", _) => Place::Time,
        ("drift", "x") => Place::Drift(|drift| drift.x),
        ("drift", "y") => Place::Drift(|drift| drift.y),
        ("drift", "x_errors") => Place::Drift(|drift| drift.x_error),
        ("drift", "y_errors") => Place::Drift(|drift| drift.y_error),
        ("drift", "quality") => Place::Drift(|drift| f64::from(drift.quality)),
        ("drift", _) => Place::Drift(|drift| f64::from(u8::from(drift.locked))),
        ("cell", "voltage") => Place::Voltage,
        ("cell", _) => Place::Current,
        _ => {
            let at = gauges.iter().position(|(name, _)| name == object).unwrap_or_default();
            let find = |name: &str| gauges[at].1.fields.iter().position(|f| f.name == name);
            if let Some(field) = find(field) {
                Place::Value { gauge: at, field }
            } else if let Some(field) = field.strip_suffix("_errors").and_then(find) {
                Place::Error { gauge: at, field }
            } else {
                Place::Quality { gauge: at }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Axis, Dimension};
    use crate::gauge::Field;

    fn schema() -> Schema {
        let field = |name| Field { name, long_name: name, dimension: Dimension::Length(Axis::X) };
        Schema { fields: vec![field("tip"), field("gap")], ..Schema::default() }
    }

    fn engine(when: &str, hold_s: f64) -> Result<AlarmEngine, AlarmError> {
        let config = AlarmConfig {
            name: "near-short".to_owned(),
            when: when.to_owned(),
            hold_s,
            actions: vec!["log".to_owned(), "bias-off".to_owned()],
        };
        let calibration = Calibration { pixel_size_nm: Some((2.0, 2.0)) };
        AlarmEngine::new(&[config], &[("anode".to_owned(), &schema())], calibration)
    }

    /// The states that a series of (gap, voltage), one a second, brings.
    fn states(engine: &mut AlarmEngine, series: &[(f64, f64)]) -> Vec<(u64, AlarmState)> {
        let mut out = Vec::new();
        for (k, (gap, voltage)) in series.iter().enumerate() {
            let stamp = Stamp {
                index: k as u64,
                sequence: k as u64,
                time_s: k as f64,
                unix_time_s: f64::NAN,
            };
            let mut measured = Measurement::blank(&schema());
            measured.values[1] = *gap;
            let cell = CellSample { voltage_v: *voltage, ..CellSample::UNKNOWN };
            let events = engine.evaluate(&stamp, &Drift::UNKNOWN, &[measured], &cell);
            out.extend(events.iter().map(|event| (event.frame, event.state)));
        }
        out
    }

    const NAN: f64 = f64::NAN;

    #[test]
    fn an_alarm_waits_for_its_hold_and_clears_the_same_way() {
        let mut engine =
            engine("anode.gap < 500.0 && cell.voltage < 0.05", 2.0).expect("the rule is right");
        let near = (400.0, 0.01);
        let far = (900.0, 0.1);
        let series = [far, near, near, far, near, near, near, near, far, near, far, far, far];
        assert_eq!(
            states(&mut engine, &series),
            [(6, AlarmState::Raised), (12, AlarmState::Cleared)]
        );
    }

    #[test]
    fn a_lost_measurement_neither_raises_nor_clears() {
        let mut negated = engine("!(anode.gap > 500.0)", 0.0).expect("the rule is right");
        assert_eq!(states(&mut negated, &[(NAN, NAN); 3]), []);
        let mut raised = engine("anode.gap < 500.0", 0.0).expect("the rule is right");
        let series = [(400.0, NAN), (NAN, NAN), (NAN, NAN), (600.0, NAN)];
        let expected = [(0, AlarmState::Raised), (3, AlarmState::Cleared)];
        assert_eq!(states(&mut raised, &series), expected);
    }

    #[test]
    fn a_hold_goes_on_over_frames_that_were_passed_over() {
        let mut engine = engine("anode.gap < 500.0", 2.0).expect("the rule is right");
        let blank = Measurement::blank(&schema());
        let mut near = blank.clone();
        near.values[1] = 400.0;
        let raised = (0..9).find(|k| {
            let time_s = *k as f64 * 0.5;
            let stamp = Stamp { index: *k, sequence: *k, time_s, unix_time_s: f64::NAN };
            let events = match k % 3 {
                0 => engine.evaluate(
                    &stamp,
                    &Drift::UNKNOWN,
                    std::slice::from_ref(&near),
                    &CellSample::UNKNOWN,
                ),
                _ => engine.pass_over(&stamp, std::slice::from_ref(&blank), &CellSample::UNKNOWN),
            };
            !events.is_empty()
        });
        assert_eq!(raised, Some(6), "every third frame was measured; 2 s are over at frame 4");
        assert_eq!(engine.needed(1), [true]);
    }

    #[test]
    fn what_is_known_can_decide_alone() {
        let mut either =
            engine("anode.gap < 500.0 || cell.voltage < 0.05", 0.0).expect("the rule is right");
        assert_eq!(states(&mut either, &[(NAN, 0.01)]), [(0, AlarmState::Raised)]);
    }

    #[test]
    fn wrong_rules_are_told_apart() {
        let told = |when: &str| match engine(when, 0.0) {
            Ok(_) => panic!("'{when}' was accepted"),
            Err(error) => error.to_string(),
        };
        assert!(told("anode.gapp < 5.0").contains("did you mean 'gap'"));
        assert!(told("anod.gap < 5.0").contains("did you mean 'anode'"));
        assert!(told("anode.gap <").contains("cannot be read"));
        assert!(told("anode.gap + 1.0").contains("must give true or false"));
    }
}

//! An event on the command line: KIND:FROM-UNTIL[:key=value,...], such as
//! `refocus:100-200:blur=2,magnification=1.02`; without UNTIL it lasts to the end.

use crate::config::advice;
use crate::simulate::{Disturbance, Event};

/// A kind, and its keys with what they are when they are not given; a key without such a number
/// must be given.
struct Kind {
    name: &'static str,
    keys: &'static [(&'static str, Option<f64>)],
    make: fn(&[f64]) -> Disturbance,
}

const KINDS: [Kind; 9] = [
    Kind {
        name: "refocus",
        keys: &[("blur", Some(2.0)), ("magnification", Some(1.0))],
        make: |v| Disturbance::Refocus { blur_px: v[0], magnification: v[1] },
    },
    Kind { name: "brightness", keys: &[("factor", None)], make: |v| Disturbance::Brightness(v[0]) },
    Kind { name: "contrast", keys: &[("factor", None)], make: |v| Disturbance::Contrast(v[0]) },
    Kind {
        name: "contamination",
        keys: &[("per-frame", Some(0.002))],
        make: |v| Disturbance::Contamination { per_frame: v[0] },
    },
    Kind { name: "blanked", keys: &[], make: |_| Disturbance::Blanked },
    Kind { name: "flash", keys: &[], make: |_| Disturbance::Flash },
    Kind {
        name: "jump",
        keys: &[("x", Some(0.0)), ("y", Some(0.0))],
        make: |v| Disturbance::Jump { x: v[0], y: v[1] },
    },
    Kind {
        name: "scan-noise",
        keys: &[("jitter", Some(0.0)), ("streak", Some(0.0))],
        make: |v| Disturbance::ScanNoise { jitter_px: v[0], streak: v[1] },
    },
    Kind { name: "shadow", keys: &[], make: |_| Disturbance::Shadow },
];

/// What `--event` was given.
pub fn parse(text: &str) -> Result<Event, String> {
    let mut parts = text.splitn(3, ':');
    let (name, range) = (parts.next().unwrap_or_default(), parts.next());
    let kind = KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        format!("'{name}' is no kind of event; {}", advice("kinds", name, known))
    })?;
    let range = range.ok_or_else(|| {
        format!("'{name}' has no frames; give {name}:FROM-UNTIL, such as {name}:100-200")
    })?;
    let (from, until) = frames(range)?;
    let values = values(kind, parts.next().unwrap_or_default())?;
    Ok(Event { from, until, disturbance: (kind.make)(&values) })
}

fn frames(range: &str) -> Result<(usize, usize), String> {
    let wrong = || {
        format!("'{range}' is no range of frames; give 100-200 (200 excluded), or 100- to the end")
    };
    let (from, until) = range.split_once('-').ok_or_else(wrong)?;
    let from: usize = from.parse().map_err(|_| wrong())?;
    let until = if until.is_empty() { usize::MAX } else { until.parse().map_err(|_| wrong())? };
    if until <= from {
        return Err(format!("the frames {range} are none; the second number is the larger one"));
    }
    Ok((from, until))
}

fn values(kind: &Kind, text: &str) -> Result<Vec<f64>, String> {
    let mut values: Vec<Option<f64>> = kind.keys.iter().map(|(_, usual)| *usual).collect();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| format!("'{pair}' is no key=value, such as x=8"))?;
        let at = kind.keys.iter().position(|(known, _)| *known == key).ok_or_else(|| {
            let known = kind.keys.iter().map(|(known, _)| *known).collect::<Vec<_>>();
            let advice = if known.is_empty() {
                "it has none".to_owned()
            } else {
                advice("keys", key, known)
            };
            format!("'{key}' is no key of {}; {advice}", kind.name)
        })?;
        let number = value.parse().ok().filter(|number: &f64| number.is_finite());
        let number = number.ok_or_else(|| format!("{key} is '{value}', but must be a number"))?;
        // Only displacements have a sign.
        if number < 0.0 && kind.name != "jump" {
            return Err(format!("{key} is {number}, but must not be negative"));
        }
        if number == 0.0 && key == "magnification" {
            return Err("magnification is 0, but must be more; 1 leaves the scale".to_owned());
        }
        values[at] = Some(number);
    }
    let given = |(value, (key, _)): (Option<f64>, &(&str, _))| {
        value.ok_or_else(|| format!("{} needs {key}=NUMBER", kind.name))
    };
    values.into_iter().zip(kind.keys).map(given).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read() {
        let all = [
            ("refocus:5-9:blur=1.5", 9, Disturbance::Refocus { blur_px: 1.5, magnification: 1.0 }),
            ("jump:5-:x=8,y=-3", usize::MAX, Disturbance::Jump { x: 8.0, y: -3.0 }),
            ("blanked:5-6", 6, Disturbance::Blanked),
            ("contamination:5-8:per-frame=0.1", 8, Disturbance::Contamination { per_frame: 0.1 }),
        ];
        for (text, until, disturbance) in all {
            assert_eq!(parse(text), Ok(Event { from: 5, until, disturbance }), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_the_nearest_name() {
        let all = [
            ("flahs:1-2", "did you mean 'flash'?"),
            ("flash", "flash:100-200"),
            ("flash:7", "100- to the end"),
            ("flash:7-7", "the frames 7-7 are none"),
            ("flash:7-9:x=3", "it has none"),
            ("jump:7-9:z=3", "the keys are: x, y"),
            ("jump:7-9:x", "no key=value"),
            ("jump:7-9:x=much", "must be a number"),
            ("brightness:7-9", "needs factor=NUMBER"),
            ("refocus:7-9:blur=-1", "must not be negative"),
            ("refocus:7-9:magnificaton=1.1", "did you mean 'magnification'?"),
        ];
        for (text, words) in all {
            let told = parse(text).expect_err(text);
            assert!(told.contains(words), "{text}: {told}");
        }
    }
}

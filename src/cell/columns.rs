//! Which column holds what, by the names that instruments and the Battery Data Format use, and
//! the units in those names.

/// A quantity that a log may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    Time,
    UnixTime,
    Voltage,
    Current,
}

/// Names without unit, lower case, without blanks and underscores, in the order of preference.
fn known(quantity: Quantity) -> &'static [&'static str] {
    match quantity {
        Quantity::Time => &[
            "testtime",
            "time",
            "elapsedtime",
            "totaltime",
            "t",
            "timestamp",
            "datetime",
            "date",
            "datetimestamp",
        ],
        Quantity::UnixTime => &["unixtime", "utctime", "epoch"],
        Quantity::Voltage => &[
            "voltage",
            "ewe",
            "ecell",
            "<ewe>",
            "cellvoltage",
            "potential",
            "vf",
            "v",
            "e",
            "volt",
            "bias",
        ],
        Quantity::Current => &["current", "i", "<i>", "im", "amps", "cellcurrent", "control/ma"],
    }
}

/// A header cut into its name and its unit: `Voltage / V`, `Ewe/V`, `I (mA)`, `voltage_volt`,
/// `Current [uA]`.
pub fn name_and_unit(header: &str) -> (String, Option<String>) {
    let header = header.trim().trim_matches('"');
    // EC-Lab writes a mean as <Ewe/V>, or as <Ewe>/V.
    let header = header.strip_prefix('<').and_then(|h| h.strip_suffix('>')).unwrap_or(header);
    let lower = header.to_lowercase();
    const WORDS: [(&str, &str); 8] = [
        ("_second", "s"),
        ("_millisecond", "ms"),
        ("_volt", "V"),
        ("_millivolt", "mV"),
        ("_ampere", "A"),
        ("_milliampere", "mA"),
        ("_microampere", "uA"),
        ("_hour", "h"),
    ];
    for (word, unit) in WORDS {
        if let Some(name) = lower.strip_suffix(word) {
            return (plain(name), Some(unit.to_owned()));
        }
    }
    for (open, close) in [('(', ")"), ('[', "]"), ('/', "")] {
        if let Some(at) = header.rfind(open).filter(|at| *at > 0) {
            let unit = header[at + open.len_utf8()..].trim_end_matches(close).trim();
            return (plain(&header[..at]), Some(unit.to_owned()));
        }
    }
    (plain(header), None)
}

fn plain(name: &str) -> String {
    name.to_lowercase().chars().filter(|c| !matches!(c, ' ' | '_' | '-' | '.')).collect()
}

/// True for a header of a time column.
pub fn is_time(header: &str) -> bool {
    let name = name_and_unit(header).0;
    known(Quantity::Time).contains(&name.as_str())
        || known(Quantity::UnixTime).contains(&name.as_str())
}

/// The column of a quantity: the one of the given name, else the best known name.
pub fn find(header: &[String], quantity: Quantity, given: Option<&str>) -> Option<usize> {
    if let Some(given) = given {
        let exact = header.iter().position(|name| name == given);
        return exact
            .or_else(|| header.iter().position(|name| plain(name) == plain(given)))
            .or_else(|| header.iter().position(|name| name_and_unit(name).0 == plain(given)));
    }
    let names: Vec<String> = header.iter().map(|name| name_and_unit(name).0).collect();
    known(quantity).iter().find_map(|known| names.iter().position(|name| name == known))
}

/// How many base units (s, V, A) one of `unit` is.
pub fn scale(quantity: Quantity, unit: &str) -> Option<f64> {
    let unit = unit.trim().replace(['µ', 'μ'], "u");
    let prefixed = |base: &str| {
        let prefix = unit.strip_suffix(base)?;
        match prefix {
            "" => Some(1.0),
            "m" => Some(1e-3),
            "u" => Some(1e-6),
            "n" => Some(1e-9),
            "p" => Some(1e-12),
            "k" => Some(1e3),
            _ => None,
        }
    };
    match quantity {
        Quantity::Time | Quantity::UnixTime => match unit.to_lowercase().as_str() {
            "s" | "sec" | "second" | "seconds" => Some(1.0),
            "ms" | "millisecond" | "milliseconds" => Some(1e-3),
            "us" => Some(1e-6),
            "min" | "minutes" => Some(60.0),
            "h" | "hr" | "hour" | "hours" => Some(3600.0),
            "d" | "day" | "days" => Some(86_400.0),
            _ => None,
        },
        Quantity::Voltage => prefixed("V").or_else(|| (unit == "volt").then_some(1.0)),
        Quantity::Current => prefixed("A").or_else(|| (unit == "ampere").then_some(1.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_many_instruments_are_understood() {
        let headers = [
            ("Test Time / s", Quantity::Time, 1.0),
            ("time/h", Quantity::Time, 3600.0),
            ("Test_Time(s)", Quantity::Time, 1.0),
            ("test_time_second", Quantity::Time, 1.0),
            ("Ewe/V", Quantity::Voltage, 1.0),
            ("Voltage (mV)", Quantity::Voltage, 1e-3),
            ("<I>/mA", Quantity::Current, 1e-3),
            ("current_ampere", Quantity::Current, 1.0),
            ("Current [µA]", Quantity::Current, 1e-6),
        ];
        for (header, quantity, factor) in headers {
            let found = find(&[header.to_owned()], quantity, None);
            assert_eq!(found, Some(0), "{header} was not found");
            let unit = name_and_unit(header).1.expect("each of these has a unit");
            assert_eq!(scale(quantity, &unit), Some(factor), "{header}");
        }
    }
}

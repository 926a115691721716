//! Units of length and time as vendors spell them.

/// Nanometres in one `unit` of length; `None` for pixels, empty and unknown units.
pub fn nm_per(unit: &str) -> Option<f64> {
    let unit = unit.trim().replace("\\u00B5", "µ").replace("\\u00b5", "µ").replace('μ', "µ");
    // Only spellings that differ in nothing but case from another unit are told apart by it.
    let nm = match unit.as_str() {
        "m" => 1e9,
        "cm" => 1e7,
        "mm" => 1e6,
        "µm" | "um" => 1e3,
        "nm" => 1.0,
        "pm" => 1e-3,
        "fm" => 1e-6,
        "Å" | "\u{212b}" | "A" => 0.1,
        other => match other.to_lowercase().as_str() {
            "meter" | "metre" => 1e9,
            "centimeter" | "centimetre" => 1e7,
            "millimeter" | "millimetre" => 1e6,
            "micron" | "microns" | "micrometer" | "micrometre" => 1e3,
            "nanometer" | "nanometre" => 1.0,
            "picometer" | "picometre" => 1e-3,
            "angstrom" | "ångström" | "angstroms" => 0.1,
            "inch" | "in" => 2.54e7,
            _ => return None,
        },
    };
    Some(nm)
}

/// Seconds in one `unit` of time; `None` for unknown units.
pub fn s_per(unit: &str) -> Option<f64> {
    let unit = unit.trim().replace('μ', "µ");
    Some(match unit.to_lowercase().as_str() {
        "s" | "sec" | "second" | "seconds" => 1.0,
        "ms" | "msec" | "millisecond" | "milliseconds" => 1e-3,
        "µs" | "us" | "microsecond" => 1e-6,
        "ns" => 1e-9,
        "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_the_micrometre_agree() {
        for unit in ["µm", "μm", "um", "micron", "\\u00B5m", "Micrometer"] {
            assert_eq!(nm_per(unit), Some(1e3), "{unit}");
        }
        assert_eq!(nm_per("pixel"), None);
        assert_eq!(s_per("ms"), Some(1e-3));
    }
}

//! Which faults happen to which frames: `drop=0.01,corrupt@17,stall=0.001:250,seed=7`.
//!
//! Whether a fault hits a frame depends on the seed, the fault and the frame's number alone, so one
//! seed gives the same faults at any speed and on any number of threads.

use std::str::FromStr;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The frame never comes.
    Drop,
    /// Its bytes cannot be decoded.
    Corrupt,
    /// It comes twice.
    Duplicate,
    /// It comes up to SIZE frames late.
    Reorder,
    /// The source pauses for SIZE ms.
    Stall,
    /// SIZE frames are held back and come at once.
    Burst,
    /// The disk takes nothing for SIZE ms.
    DiskFull,
    /// An fsync takes SIZE ms longer.
    DiskStall,
}

/// Name, kind, default size, largest size, and what the size counts.
const KINDS: [(&str, FaultKind, u64, u64, &str); 8] = [
    ("drop", FaultKind::Drop, 0, 0, ""),
    ("corrupt", FaultKind::Corrupt, 0, 0, ""),
    ("duplicate", FaultKind::Duplicate, 0, 0, ""),
    ("reorder", FaultKind::Reorder, 4, 64, "frames"),
    ("stall", FaultKind::Stall, 200, 600_000, "ms"),
    ("burst", FaultKind::Burst, 8, 256, "frames"),
    ("disk-full", FaultKind::DiskFull, 1000, 600_000, "ms"),
    ("disk-stall", FaultKind::DiskStall, 1000, 600_000, "ms"),
];

/// The faults of a rehearsal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    pub seed: u64,
    list: Vec<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Fault {
    kind: FaultKind,
    at: At,
    size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// Share of the frames.
    Rate(f64),
    Frame(u64),
}

impl Faults {
    /// The size of the fault of this kind that hits a frame; nothing when none does.
    pub fn hit(&self, kind: FaultKind, frame: u64) -> Option<u64> {
        let hits = |fault: &&Fault| match fault.at {
            At::Frame(at) => at == frame,
            At::Rate(rate) => unit(self.random(kind, frame, 0)) < rate,
        };
        self.list.iter().filter(|fault| fault.kind == kind).find(hits).map(|fault| fault.size)
    }

    /// A whole number of 1 to `most` that goes with a fault.
    pub fn draw(&self, kind: FaultKind, frame: u64, most: u64) -> u64 {
        1 + self.random(kind, frame, 1) % most.max(1)
    }

    /// The largest size of a kind; nothing when it is not asked for.
    pub fn largest(&self, kind: FaultKind) -> Option<u64> {
        self.list.iter().filter(|fault| fault.kind == kind).map(|fault| fault.size).max()
    }

    /// True when one of these kinds is asked for.
    pub fn any(&self, kinds: &[FaultKind]) -> bool {
        self.list.iter().any(|fault| kinds.contains(&fault.kind))
    }

    fn random(&self, kind: FaultKind, frame: u64, draw: u64) -> u64 {
        let salt = (kind as u64 + 1) << 8 | draw;
        mix(mix(mix(self.seed) ^ salt) ^ frame)
    }
}

/// A good 64-bit mixer: `SplitMix64` (Steele, Lea, Flood 2014).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// 0 to 1, without 1.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Faults, String> {
        let mut faults = Faults::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.strip_prefix("seed=") {
                Some(seed) => {
                    let wrong = |_| format!("'{seed}' is no seed; give a whole number");
                    faults.seed = seed.parse().map_err(wrong)?;
                }
                None => faults.list.push(part.parse()?),
            }
        }
        match faults.list.is_empty() {
            true => Err(format!("'{text}' names no fault; give for example drop=0.01,stall@50")),
            false => Ok(faults),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        let split = text.find(['=', '@']).ok_or_else(|| {
            format!("'{text}': give {text}=RATE, a share of the frames, or {text}@FRAME")
        })?;
        let (name, rest) = text.split_at(split);
        let Some((_, kind, usual, most, counts)) = KINDS.into_iter().find(|k| k.0 == name) else {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.0).collect();
            return Err(format!(
                "there is no fault '{name}'; faults: {}, and seed=N",
                names.join(", ")
            ));
        };
        let by_rate = rest.starts_with('=');
        let (number, size) = match rest[1..].split_once(':') {
            Some((number, size)) => (number, Some(size)),
            None => (&rest[1..], None),
        };
        let at = if by_rate {
            let rate = number.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
            At::Rate(rate.ok_or_else(|| {
                format!("{name}={number}: the rate is a share of the frames, 0 to 1")
            })?)
        } else {
            At::Frame(number.parse().map_err(|_| format!("{name}@{number}: give a frame number"))?)
        };
        let size = match size {
            None => usual,
            Some(_) if most == 0 => return Err(format!("{name} has no size; leave ':' out")),
            Some(size) => {
                let size = size.parse().ok().filter(|size| (1..=most).contains(size));
                size.ok_or_else(|| format!("{text}: after ':' give 1 to {most} {counts}"))?
            }
        };
        Ok(Fault { kind, at, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Faults {
        text.parse().expect("the faults are right")
    }

    #[test]
    fn rates_and_frames_are_met() {
        let faults = faults("drop=0.1,corrupt@17,stall=0.01:250,seed=7");
        let count = |kind| (0..100_000).filter(|k| faults.hit(kind, *k).is_some()).count();
        let dropped = count(FaultKind::Drop);
        assert!((9_600..10_400).contains(&dropped), "{dropped} of 100000 at a rate of 0.1");
        assert_eq!(count(FaultKind::Corrupt), 1);
        assert_eq!(faults.largest(FaultKind::Stall), Some(250));
        assert_eq!(count(FaultKind::Burst), 0);
        let other = Faults { seed: 8, ..faults.clone() };
        let same = |k: &u64| {
            faults.hit(FaultKind::Drop, *k).is_some() && other.hit(FaultKind::Drop, *k).is_some()
        };
        let both = (0..100_000).filter(same).count();
        assert!((800..1200).contains(&both), "two seeds share {both} faults; 1000 by chance");
    }

    #[test]
    fn wrong_faults_are_told() {
        for (text, told) in [
            ("dorp=0.1", "there is no fault 'dorp'"),
            ("drop=2", "0 to 1"),
            ("drop", "drop=RATE"),
            ("drop=0.1:3", "no size"),
            ("reorder=0.1:900", "1 to 64 frames"),
            ("stall@x", "frame number"),
            ("seed=3", "names no fault"),
        ] {
            let error = text.parse::<Faults>().expect_err("it is wrong");
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}

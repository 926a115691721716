//! What the frames before lead to expect of a crack's mean opening and length.

/// In a marked frame a number may differ by this many sigma from what was expected.
const FOLLOWS: f64 = 4.0;
/// A crack that seems so many sigma shorter than in the frames before does not show where it ended; such a share of what
/// is missing is part of its length's error.
const HEALS_SIGMA: f64 = 2.0;
const UNSEEN_SHARE: f64 = 0.5;
/// Frames whose mean is expected.
const OVER: f64 = 6.0;

/// Means over frames that were not marked, with one sigma of the last of them, px; nothing before the first.
#[derive(Clone, Copy, Default)]
pub struct Expected {
    opening: Option<(f64, f64)>,
    length: Option<(f64, f64)>,
}

impl Expected {
    /// Takes one frame's mean opening and length, each with its one sigma, px.
    pub fn take(&mut self, opening: (f64, f64), length: (f64, f64)) {
        for (expected, (value, error)) in [(&mut self.opening, opening), (&mut self.length, length)]
        {
            let (before, _) = expected.unwrap_or((value, error));
            *expected = Some((before + (value - before) / OVER, error));
        }
    }

    /// Whether both are what is expected.
    pub fn is_still(&self, opening: (f64, f64), length: (f64, f64)) -> bool {
        [(self.opening, opening), (self.length, length)].into_iter().all(
            |(expected, (value, error))| {
                expected.is_none_or(|(before, sigma)| {
                    (value - before).abs() < FOLLOWS * error.min(2.0 * sigma)
                })
            },
        )
    }

    /// How far a length may be wrong for an end that its frame does not show, px (one sigma): a crack does not heal from
    /// one frame to the next.
    pub fn unseen(&self, (length, error): (f64, f64)) -> f64 {
        let missing = self.length.map_or(0.0, |(before, _)| before - length);
        if missing > HEALS_SIGMA * error { UNSEEN_SHARE * missing } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crack_grows_at_once_and_does_not_heal() {
        let mut expected = Expected::default();
        assert_eq!(expected.unseen((300.0, 3.0)), 0.0, "nothing is expected yet");
        for _ in 0..8 {
            expected.take((4.0, 0.1), (330.0, 12.0));
        }
        assert_eq!(expected.unseen((304.0, 4.0)), 13.0);
        assert_eq!(expected.unseen((304.0, 20.0)), 0.0, "no more than its error");
        assert_eq!(expected.unseen((360.0, 4.0)), 0.0, "it has grown");
        assert!(expected.is_still((4.1, 0.1), (325.0, 10.0)));
        assert!(!expected.is_still((5.0, 0.1), (325.0, 10.0)), "it has opened");
    }
}

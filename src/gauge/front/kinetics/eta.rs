//! The time until a number reaches another.

/// One-sided and two-sided 95 % of a normal distribution, in sigma.
const ONE_SIDED: f64 = 1.645;
const TWO_SIDED: f64 = 1.96;
/// Beyond this relative error a velocity says nothing of a time: no log-normal fits.
const RELATIVE_MOST: f64 = 0.5;

/// A time to come, s, with one sigma and the limits between which it lies with 95 % probability
/// (where the upper one is infinite, it lies above the lower one with 95 %).
pub struct Eta {
    pub s: f64,
    pub error_s: f64,
    pub low_s: f64,
    pub high_s: f64,
}

impl Eta {
    /// When a gap is closed at a velocity, each with one sigma. Where that says little the gap is closed no sooner than
    /// by the fastest that the velocity can be, and than at `fastest`.
    pub fn new(gap: (f64, f64), velocity: (f64, f64), fastest: f64) -> Eta {
        let ((gap, gap_error), (velocity, error)) = (gap, velocity);
        if gap.is_nan() || velocity.is_nan() {
            return Eta { s: f64::NAN, error_s: f64::NAN, low_s: f64::NAN, high_s: f64::NAN };
        }
        if gap <= 0.0 {
            let error_s = gap_error / velocity.abs().max(f64::MIN_POSITIVE);
            return Eta { s: 0.0, error_s, low_s: 0.0, high_s: 0.0 };
        }
        // The fastest that the number may be: by the filter, or by all since it last moved.
        let fastest = (velocity + ONE_SIDED * error).min(fastest);
        let soonest = (gap - ONE_SIDED * gap_error).max(0.0) / fastest;
        let soonest = if fastest > 0.0 { soonest } else { f64::INFINITY };
        // Within one sigma of standing still is not advancing.
        if velocity <= error {
            let none = f64::INFINITY;
            return Eta { s: none, error_s: f64::NAN, low_s: soonest, high_s: none };
        }
        let s = gap / velocity;
        let relative = (gap_error / gap).hypot(error / velocity);
        if relative > RELATIVE_MOST {
            return Eta { s, error_s: s * relative, low_s: soonest, high_s: f64::INFINITY };
        }
        // The logarithm of a quotient of two well known numbers is nearly normal.
        let factor = (TWO_SIDED * relative).exp();
        Eta { s, error_s: s * relative, low_s: s / factor, high_s: s * factor }
    }
}

/// The straight line through all values since the number last moved.
#[derive(Default)]
pub struct Standing {
    count: f64,
    time: f64,
    at: f64,
    time_time: f64,
    time_at: f64,
    at_at: f64,
    error: f64,
    from_s: f64,
}

impl Standing {
    /// It has moved.
    pub fn restart(&mut self, time_s: f64) {
        *self = Standing { from_s: time_s, ..Standing::default() };
    }

    /// Takes a value with its one sigma.
    pub fn take(&mut self, time_s: f64, value: f64, error: f64) {
        let t = time_s - self.from_s;
        self.count += 1.0;
        self.time += t;
        self.at += value;
        self.time_time += t * t;
        self.time_at += t * value;
        self.at_at += value * value;
        self.error = self.error.max(error);
    }

    /// The upper 95 % limit of the slope; infinite while there is too little of it.
    pub fn fastest(&self) -> f64 {
        let n = self.count;
        let tt = self.time_time - self.time * self.time / n;
        if n < 8.0 || !(tt > 0.0) {
            return f64::INFINITY;
        }
        let ta = self.time_at - self.time * self.at / n;
        let slope = ta / tt;
        let scatter = ((self.at_at - self.at * self.at / n - slope * ta) / (n - 2.0)).max(0.0);
        // Texture and drift err alike in neighbouring frames, so that the ends err by the whole of it.
        let ends = self.error * (2.0 * tt / n).recip().sqrt() * 0.5;
        (slope.max(0.0) + ONE_SIDED * (scatter / tt).sqrt().hypot(ends)).max(f64::MIN_POSITIVE)
    }
}

//! One line's position and velocity: the equations of its Kalman filter (R. E. Kalman, J. Basic Eng. 82, 35, 1960),
//! and when it turns.

/// What is known of a line's velocity beside the others' before it was seen, px per frame (one sigma).
pub const RATE_OWN: f32 = 0.1;
/// The errors of neighbouring lines and of frames are not independent: a line is known this well at
/// best, px.
pub const KNOWN_LEAST: f32 = 0.02;
/// A line that is not seen goes on with less and less of its own velocity, and more of its neighbours'.
const COASTING: f32 = 0.9;
/// A line, or all together, are elsewhere when they are so many sigma from where they were expected; and
/// turn when they are so many times further in the next frame.
const SURPRISING: f32 = 5.0;
const TURNS: f32 = 1.25;
/// So many frames have passed by then.
pub const TURN_FRAMES: f32 = 2.0;

/// Position (px from the starting edge), velocity (px per frame), and the covariance of what is the line's own; NaN
/// where never seen.
#[derive(Clone, Copy)]
pub struct Line {
    pub at: f32,
    pub rate: f32,
    pub variance: [f32; 3],
    /// Frames in a row in which it was elsewhere, and where in the first of them.
    pub jumped: u8,
    pub jumped_to: f32,
    /// By how much it was elsewhere in the frame before, where that was more than expected, px.
    pub surprise: f32,
}

/// Before anything was seen of it.
pub const UNSEEN: Line =
    Line { at: f32::NAN, rate: 0.0, variance: [0.0; 3], jumped: 0, jumped_to: 0.0, surprise: 0.0 };

impl Line {
    /// A line that turns goes on as the joined contour (px, with its variance) has since: its own edge
    /// tells too little in two frames, and neighbours would part. True where it turns.
    pub fn allow_for_turn(&mut self, position: f32, variance: f32, frames: f32) -> bool {
        let moved = position - self.at;
        let it_turns = turns(&mut self.surprise, moved, self.variance[0] + variance);
        if it_turns {
            let passed = TURN_FRAMES * frames;
            (self.at, self.rate) = (position, self.rate + moved / passed);
            self.variance = [variance, variance / passed, 2.0 * variance / (passed * passed)];
        }
        it_turns
    }

    /// Takes a position with its variance; `others` is the velocity of the lines beside it.
    pub fn take(&mut self, position: f32, variance: f32, others: f32) {
        if position.is_nan() {
            self.rate = others + COASTING * (self.rate - others);
        } else if self.at.is_nan() {
            self.variance = [variance, 0.0, RATE_OWN * RATE_OWN];
            self.at = position;
        } else {
            let gains;
            (gains, self.variance) = updated(self.variance, variance);
            let surprise = position - self.at;
            self.at += gains[0] * surprise;
            self.rate += gains[1] * surprise;
        }
    }
}

/// Whether something turns: what does is elsewhere in one frame and further in the next: then its velocity is
/// another one. A particle that has come to lie over a line moves it once, and no further. `surprise` is
/// by how much it was elsewhere in the frame before, `variance` that of `moved`, px².
pub fn turns(surprise: &mut f32, moved: f32, variance: f32) -> bool {
    let before = std::mem::take(surprise);
    // Also where nothing was seen.
    if !(moved * moved > SURPRISING * SURPRISING * variance) {
        return false;
    }
    let turns = moved * before > 0.0 && moved.abs() > TURNS * before.abs();
    *surprise = if turns { 0.0 } else { moved };
    turns
}

/// The covariance some frames later.
pub fn predicted([p, c, v]: [f32; 3], frames: f32, acceleration: f32) -> [f32; 3] {
    let q = acceleration * acceleration * frames;
    [
        p + frames * (2.0 * c + frames * v) + q * frames * frames / 3.0,
        c + frames * v + q * frames / 2.0,
        v + q,
    ]
}

/// The gains of a measurement of this variance, and the covariance after it.
pub fn updated([p, c, v]: [f32; 3], variance: f32) -> ([f32; 2], [f32; 3]) {
    let gains = [p / (p + variance), c / (p + variance)];
    (gains, [p * (1.0 - gains[0]), c * (1.0 - gains[0]), v - gains[1] * c])
}

//! Frames that are scanned line by line: what the drift within a frame does to its raster.
//!
//! Line y of a frame is taken a line time after line y − 1, so a specimen that moves by
//! U px per line stands at `q = P + D + U · (q_y − c)` in the raster, D being its displacement at
//! the moment of the middle line c. The reference frame has a U₀ of its own. Against it a frame
//! shows the displacement `d = D + U · d_y` at the centre, with the linear part
//!
//! ```text
//! m_yy = (1 − U₀y) / (1 − U_y) − 1        m_xy = U_x (1 + m_yy) − U₀x
//! ```
//!
//! from which U − U₀ is read. U₀ follows from the velocity from frame to frame, times the line
//! time; it is averaged over the run.

use super::motion::Motion;

/// The scan of a run.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Time of a line over that from frame to frame.
    line_share: f64,
    /// Drift of the reference frame per line, px.
    first: (f64, f64),
    frames: f64,
    last: (u64, f64, f64),
}

impl Scan {
    /// For frames whose lines follow each other in `line_share` of the time from frame to frame.
    pub fn new(line_share: f64) -> Scan {
        Scan { line_share, first: (0.0, 0.0), frames: 0.0, last: (0, 0.0, 0.0) }
    }

    /// The displacement (x, y) of the specimen at the moment of the frame's middle line, from the
    /// motion of its raster against the reference's.
    pub fn unscan(&mut self, index: u64, motion: &Motion) -> (f64, f64) {
        let [_, m_xy, _, m_yy] = motion.matrix;
        let line = |first: (f64, f64)| {
            ((m_xy + first.0) / (1.0 + m_yy), 1.0 - (1.0 - first.1) / (1.0 + m_yy))
        };
        let place = |line: (f64, f64)| (motion.x - line.0 * motion.y, motion.y * (1.0 - line.1));
        let (last, x, y) = self.last;
        let frames = index.saturating_sub(last).max(1) as f64;
        let (mut first, mut at) = (self.first, place(line(self.first)));
        // Each frame's step says what its lines drift by; what they show beyond that is U₀.
        let velocity = ((at.0 - x) / frames, (at.1 - y) / frames);
        let shown = line((0.0, 0.0));
        let own = (self.line_share * velocity.0 - shown.0, self.line_share * velocity.1 - shown.1);
        // A jump is no velocity.
        if frames < 2.5 && velocity.0.hypot(velocity.1) * self.line_share < 0.02 {
            self.frames += 1.0;
            first.0 += (own.0 - first.0) / self.frames;
            first.1 += (own.1 - first.1) / self.frames;
            self.first = first;
            at = place(line(first));
        }
        self.last = (index, at.0, at.1);
        at
    }
}

//! What goes wrong in a microscope, each from one frame until another, and what all of it together
//! does to one frame's optics, beam and scan.

use std::ops::Range;

/// A disturbance of some frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// First frame.
    pub from: usize,
    /// First frame without it; `usize::MAX` for ever.
    pub until: usize,
    pub disturbance: Disturbance,
}

/// What happens. Lengths are px of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Disturbance {
    /// The focus changes: `blur_px` is added to the point spread in quadrature (one sigma), and
    /// the scale multiplied by `magnification`.
    Refocus { blur_px: f64, magnification: f64 },
    /// The beam's current is multiplied.
    Brightness(f64),
    /// All structure's amplitude about the specimen's mean is multiplied.
    Contrast(f64),
    /// The beam deposits: even darkening by `per_frame` each frame, and patches on the specimen,
    /// darker and larger frame by frame. What was deposited until the event's end stays.
    Contamination { per_frame: f64 },
    /// The beam is off: offset and read noise alone.
    Blanked,
    /// Charging: a bright disc and a bright band that saturate a part of the field (twice the
    /// camera's saturation; 20 times the mean where it has none).
    Flash,
    /// The specimen jumps, in the frame `from`, and stays there whatever `until` is.
    Jump { x: f64, y: f64 },
    /// Each row of each frame has its own displacement (one sigma, along x) and its own
    /// brightness (one sigma, relative).
    ScanNoise { jitter_px: f64, streak: f64 },
    /// A soft dark shadow crosses the field from left to right while the event lasts.
    Shadow,
}

impl Event {
    /// True when it acts on a frame.
    pub fn acts_on(&self, frame: usize) -> bool {
        (self.from..self.until).contains(&frame)
    }

    /// Frames of a recording of `frames` on which it acts.
    pub fn within(&self, frames: usize) -> Range<usize> {
        self.from.min(frames)..self.until.min(frames)
    }
}

/// All that events do to one frame as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// One sigma beside the point spread.
    pub blur_px: f64,
    pub magnification: f64,
    pub brightness: f64,
    pub contrast: f64,
    pub blanked: bool,
    pub jitter_px: f64,
    pub streak: f64,
    /// Of events alone.
    pub jump: (f64, f64),
}

impl Conditions {
    /// Of a frame.
    pub fn of(events: &[Event], frame: usize) -> Conditions {
        let mut all = Conditions {
            blur_px: 0.0,
            magnification: 1.0,
            brightness: 1.0,
            contrast: 1.0,
            blanked: false,
            jitter_px: 0.0,
            streak: 0.0,
            jump: (0.0, 0.0),
        };
        for event in events {
            if let Disturbance::Jump { x, y } = event.disturbance {
                if frame >= event.from {
                    all.jump = (all.jump.0 + x, all.jump.1 + y);
                }
                continue;
            }
            if !event.acts_on(frame) {
                continue;
            }
            match event.disturbance {
                Disturbance::Refocus { blur_px, magnification } => {
                    all.blur_px = all.blur_px.hypot(blur_px);
                    all.magnification *= magnification;
                }
                Disturbance::Brightness(factor) => all.brightness *= factor,
                Disturbance::Contrast(factor) => all.contrast *= factor,
                Disturbance::Blanked => all.blanked = true,
                Disturbance::ScanNoise { jitter_px, streak } => {
                    all.jitter_px = all.jitter_px.hypot(jitter_px);
                    all.streak = all.streak.hypot(streak);
                }
                // These have a place in the field, and are drawn.
                Disturbance::Contamination { .. }
                | Disturbance::Flash
                | Disturbance::Shadow
                | Disturbance::Jump { .. } => {}
            }
        }
        all
    }
}

//! What stands out of the front, or into lithium, with steep flanks on both sides: a finger, or a particle that touches
//! the front. In a run's first frames nothing tells one from the other, but that a finger is seen to grow.

use crate::gauge::front::neighbours::fill_gaps;
use crate::gauge::median::median;

/// So high, px, and on the whole half as far from the front's median; no wider than so many lines, or than that where the
/// region's end cuts it.
const HIGH_PX: f32 = 8.0;
const WIDE_LINES: usize = 96;
const CUT_LINES: usize = 48;
/// Its feet are no higher than that, px, and no further from it than so many lines; each flank rises by so much, px,
/// within so many.
const FOOT_PX: f32 = 4.0;
const FOOT_LINES: usize = 24;
const STEEP_PX: f32 = 6.0;
const STEEP_LINES: usize = 8;
/// All that is beside the slope of the whole front, by lines so far from each other.
const SLOPE_LINES: usize = 32;
const SLOPE_LEAST: f32 = 0.2;
/// It is believed after so many frames, since by then a particle has come to lie over the front and shows; but forgotten
/// as a particle may be until so many.
const FRAMES: u64 = 32;
const FRAMES_OPEN: u64 = 64;
/// What goes further from one frame to the next does not grow, px.
const GROWS_MOST_PX: f32 = 8.0;

/// Lines of bumps and notches that were not seen to grow.
#[derive(Default)]
pub struct Bumps {
    frames: u64,
    lines: Vec<Line>,
}

#[derive(Clone, Copy)]
struct Line {
    /// Where it was in the frame before, and where it was first seen, or has jumped to, px.
    before: f32,
    first: f32,
    /// How high it stands above the foot, below it where negative, px; 0 where it is no part of one.
    height: f32,
}

impl Bumps {
    /// Takes the next frame's contour (px, NaN where there is none); the lines that were part of one and have gone elsewhere.
    pub fn take(&mut self, contour: &[f32]) -> Vec<usize> {
        self.frames += 1;
        if self.frames > FRAMES_OPEN {
            self.lines.clear();
            return Vec::new();
        }
        let unseen = Line { before: f32::NAN, first: f32::NAN, height: 0.0 };
        self.lines.resize(contour.len(), unseen);
        let mut left = Vec::new();
        let seen = self.lines.iter_mut().zip(contour).zip(heights(contour)).enumerate();
        for (k, ((line, at), height)) in seen.filter(|(_, ((_, at), _))| at.is_finite()) {
            // Also where it was not seen before.
            if !((at - line.before).abs() < GROWS_MOST_PX) {
                if line.height != 0.0 && height == 0.0 {
                    left.push(k);
                }
                (line.first, line.height) = (*at, 0.0);
            }
            if height.abs() - (at - line.first).abs() > HIGH_PX {
                line.height = height;
            }
            line.before = *at;
        }
        left
    }

    /// Where each line's foot is, px, by its place (px) in the frame that was taken last; nothing where it has none.
    pub fn foot(&self, line: usize, at: f32) -> Option<f32> {
        self.lines.get(line).filter(|line| line.height != 0.0).map(|line| at - line.height)
    }

    /// Adds to what lines may be elsewhere by, px.
    pub fn add_to(&self, doubt: &mut [f32]) {
        if self.frames <= FRAMES {
            for (doubt, line) in doubt.iter_mut().zip(&self.lines) {
                *doubt = doubt.hypot(line.height);
            }
        }
    }
}

/// How high each line stands above the foot of the bump that it is part of, below that of a notch where negative, px; 0
/// elsewhere.
fn heights(contour: &[f32]) -> Vec<f32> {
    let mut found = vec![0.0; contour.len()];
    let seen = contour.iter().copied().filter(|at| at.is_finite());
    let (low, high) = seen
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
    if !(high - low > HIGH_PX) {
        return found;
    }
    let mut contour = contour.to_vec();
    fill_gaps(&mut contour);
    let far = contour.iter().skip(SLOPE_LINES);
    let rises = far.zip(&contour).map(|(after, before)| after - before);
    let slope = median(rises).unwrap_or(0.0) / SLOPE_LINES as f32;
    let slope = if slope.abs() > SLOPE_LEAST { slope } else { 0.0 };
    for (line, at) in contour.iter_mut().enumerate() {
        *at -= slope * line as f32;
    }
    add_bumps(&contour, 1.0, &mut found);
    let turned: Vec<f32> = contour.iter().map(|at| -at).collect();
    add_bumps(&turned, -1.0, &mut found);
    found
}

fn add_bumps(contour: &[f32], sign: f32, found: &mut [f32]) {
    let count = contour.len();
    let feet = opened(contour);
    let height: Vec<f32> = contour.iter().zip(feet).map(|(at, foot)| at - foot).collect();
    let typical = median(contour.iter().copied()).unwrap_or(0.0);
    let mut first = 0;
    while first < count {
        if height[first] < HIGH_PX {
            first += 1;
            continue;
        }
        let end = (first..count).find(|k| height[*k] < HIGH_PX).unwrap_or(count);
        if let Some(lines) = flanked(contour, &height, first..end) {
            let mean = contour[first..end].iter().sum::<f32>() / (end - first) as f32;
            if mean - typical > 0.5 * HIGH_PX {
                let lines = found[lines.clone()].iter_mut().zip(&height[lines]);
                lines.for_each(|(found, height)| *found = sign * height.max(FOOT_PX));
            }
        }
        first = end;
    }
}

/// From foot to foot of what is high in some lines, where its flanks are steep or the region ends there.
fn flanked(
    contour: &[f32],
    height: &[f32],
    high: std::ops::Range<usize>,
) -> Option<std::ops::Range<usize>> {
    let count = contour.len();
    let is_foot = |k: &usize| height[*k] < FOOT_PX;
    let rises = |from: usize, to: usize| contour[to] - contour[from] > STEEP_PX;
    let before = (high.start.saturating_sub(FOOT_LINES)..high.start).rev().find(is_foot);
    let before = before
        .filter(|foot| (*foot..high.end).any(|k| rises(k, (k + STEEP_LINES).min(high.end - 1))));
    let after = (high.end..(high.end + FOOT_LINES).min(count)).find(is_foot);
    let after = after.filter(|foot| {
        (high.start..=*foot).any(|k| rises(k, k.saturating_sub(STEEP_LINES).max(high.start)))
    });
    let is_whole = before.is_some() && after.is_some();
    let from = before.or((high.start == 0).then_some(0))?;
    let end = after.or((high.end == count).then_some(count - 1))? + 1;
    (end - from <= if is_whole { WIDE_LINES } else { CUT_LINES }).then_some(from..end)
}

/// Without what is narrower than [`WIDE_LINES`]: the highest of the lowest over so many lines about each.
fn opened(contour: &[f32]) -> Vec<f32> {
    let over = |values: &[f32], pick: fn(f32, f32) -> f32| -> Vec<f32> {
        let half = WIDE_LINES / 2;
        let near = |k: usize| k.saturating_sub(half)..(k + half + 1).min(values.len());
        let picked = |k: usize| values[near(k)].iter().copied().fold(values[k], pick);
        (0..values.len()).map(picked).collect()
    };
    over(&over(contour, f32::min), f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A front at 50 px with what stands 20 px out of it in the lines 90 to 119, or less.
    fn with_bump(height: f32) -> Vec<f32> {
        (0..200).map(|k| if (90..120).contains(&k) { 50.0 + height } else { 50.0 }).collect()
    }

    fn doubt(bumps: &Bumps) -> Vec<f32> {
        let mut doubt = vec![0.0; 200];
        bumps.add_to(&mut doubt);
        doubt
    }

    #[test]
    fn what_stands_out_from_the_first_frame_on_is_in_doubt_for_a_while() {
        for height in [20.0, -20.0] {
            let mut bumps = Bumps::default();
            for frame in 1..=FRAMES_OPEN + 1 {
                assert!(bumps.take(&with_bump(height)).is_empty());
                let expected = if frame <= FRAMES { 20.0 } else { 0.0 };
                assert_eq!(doubt(&bumps)[100], expected, "frame {frame}");
                assert_eq!(doubt(&bumps)[60], 0.0);
                let foot = (frame <= FRAMES_OPEN).then_some(50.0);
                assert_eq!(bumps.foot(100, 50.0 + height), foot, "frame {frame}");
            }
        }
    }

    #[test]
    fn a_finger_that_grows_is_in_no_doubt() {
        let mut bumps = Bumps::default();
        for frame in 0..20 {
            bumps.take(&with_bump(3.0 * frame as f32));
            assert!(doubt(&bumps).iter().all(|doubt| *doubt == 0.0), "frame {frame}");
        }
    }

    #[test]
    fn lines_that_leave_a_bump_are_told() {
        let mut bumps = Bumps::default();
        bumps.take(&with_bump(20.0));
        assert_eq!(bumps.take(&with_bump(0.0)), (90..120).collect::<Vec<_>>());
        assert!(doubt(&bumps).iter().all(|doubt| *doubt == 0.0));
    }

    #[test]
    fn a_wave_and_a_slope_are_no_bumps() {
        let contours: [fn(f32) -> f32; 2] =
            [|line| 50.0 + 6.0 * (line / 12.0).sin(), |line| 50.0 + 0.8 * line];
        for contour in contours {
            let mut bumps = Bumps::default();
            bumps.take(&(0..200).map(|line| contour(line as f32)).collect::<Vec<_>>());
            assert!(doubt(&bumps).iter().all(|doubt| *doubt == 0.0));
        }
    }
}

//! Lines whose furthest edge is not the one that was followed, by looks at lithium's area: lithium
//! that folds over itself, dendrites that were lost, and what merely touches the front.
//!
//! In one frame a particle that touches the front looks like lithium. Lithium, though, grows out of
//! lithium: an edge elsewhere is believed where a neighbouring line has been known there, or where it
//! got there step by step. Until one of these is seen the line is NaN.

use super::cells::CELL;
use super::extent::Extent;
use super::follow::Follower;

/// Lithium folds when it does so along this share of the lines; one frame of so many is looked at,
/// and after a fold was seen all for a while.
const FOLDED_LEAST: f64 = 0.03;
const LOOK_EVERY: u64 = 4;
const LOOKS_MORE: u32 = 4;
/// An edge that the area sees so much from the one that was followed is another one, px; along a steep
/// contour neighbouring rows of cells differ by as much as this.
pub const ELSEWHERE_PX: f32 = 8.0;
const STEEP_PX: f32 = 32.0;
/// One sigma of an edge that the area tells, px.
pub const EXTENT_PX: f32 = 1.0;
/// Within so many lines someone must have known the edge to be so near, px.
const NEIGHBOURS: usize = 8;
const NEAR_PX: f32 = 16.0;
/// Step by step: between looks that lie so many frames apart by more than this and less than that, px.
const STEP_FRAMES: u64 = 4;
const STEP_PX: std::ops::Range<f32> = 4.0..24.0;
/// In the first frames nothing is known before; and what stays so many frames is believed.
const FIRST_FRAMES: u64 = 8;
const BELIEVED_AFTER: u64 = 60;
/// A wall between two rows of cells may stand anywhere in them until it has been there for so many
/// looks.
const SETTLED_LOOKS: u8 = 3;

/// What the looks so far have shown.
pub struct Folds {
    looks_more: u32,
    lines: Vec<Line>,
    /// For how many looks there has been a wall between a row of cells and the next.
    walls: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Line {
    /// The furthest edge at the last look, px.
    reach: f32,
    /// The same some frames before, and in which.
    earlier: (f32, u64),
    /// The frame since which it has not been believed.
    disputed: Option<u64>,
}

impl Folds {
    /// Nothing seen yet.
    pub fn new(lines: usize) -> Folds {
        let line = Line { reach: f32::NAN, earlier: (f32::NAN, 0), disputed: None };
        Folds { looks_more: 0, lines: vec![line; lines], walls: vec![0; lines.div_ceil(CELL)] }
    }

    /// Whether lithium folds over itself.
    pub fn are_there(&self) -> bool {
        self.looks_more > 0
    }

    /// Whether a look is wanted at the frame after so many.
    pub fn want_look(&self, frames: u64) -> bool {
        self.are_there()
            || frames.is_multiple_of(LOOK_EVERY)
            || self.lines.iter().any(|line| line.disputed.is_some())
    }

    /// How far the area's furthest edge was from `at` at the last look, px; 0 where that is none of
    /// another edge.
    pub fn apart(&self, line: usize, at: f32) -> f32 {
        let apart = (self.lines[line].reach - at).abs();
        if apart > ELSEWHERE_PX { apart } else { 0.0 }
    }

    /// Lines whose edge is elsewhere get it from the area where that is believed (these, in order),
    /// and become NaN where it is not. `frame` counts the frames of the run.
    pub fn look(
        &mut self,
        frame: u64,
        extent: Option<&Extent>,
        follower: &Follower,
        position: &mut [f32],
        error: &mut [f32],
    ) -> Vec<usize> {
        let mut replaced = Vec::new();
        let Some(extent) = extent else {
            for (k, line) in self.lines.iter().enumerate() {
                if line.disputed.is_some() {
                    (position[k], error[k]) = (f32::NAN, f32::NAN);
                }
            }
            return replaced;
        };
        if extent.share_folded() < FOLDED_LEAST {
            self.looks_more = self.looks_more.saturating_sub(1);
        } else {
            self.looks_more = LOOKS_MORE;
        }
        self.see_walls(extent);
        for line in 0..position.len() {
            let reach = extent.reach[line];
            let state = &mut self.lines[line];
            state.reach = reach;
            let moved = reach - state.earlier.0;
            if state.earlier.0.is_nan() || frame >= state.earlier.1 + STEP_FRAMES {
                state.earlier = (reach, frame);
            }
            if !reach.is_finite() || agrees(extent, line, position[line]) {
                state.disputed = None;
                if self.is_at_new_wall(line) {
                    (position[line], error[line]) = (f32::NAN, f32::NAN);
                }
                continue;
            }
            let known = follower.position(line).0;
            let step_by_step = STEP_PX.contains(&moved.abs()) && moved * (reach - known) > 0.0;
            let since = *state.disputed.get_or_insert(frame);
            let is_believed = frame < FIRST_FRAMES
                || step_by_step
                || frame >= since + BELIEVED_AFTER
                || has_support(follower, line, reach);
            if is_believed && !self.is_at_new_wall(line) {
                self.lines[line].disputed = None;
                (position[line], error[line]) = (reach, EXTENT_PX);
                replaced.push(line);
            } else {
                (position[line], error[line]) = (f32::NAN, f32::NAN);
            }
        }
        replaced
    }

    fn see_walls(&mut self, extent: &Extent) {
        for (row, wall) in self.walls.iter_mut().enumerate() {
            let here = extent.rows.get(row).copied().unwrap_or(f32::NAN);
            let next = extent.rows.get(row + 1).copied().unwrap_or(f32::NAN);
            let is_wall = (next - here).abs() > STEEP_PX;
            *wall = if is_wall { wall.saturating_add(1) } else { 0 };
        }
    }

    /// Whether the line lies beside a wall that has just come there.
    fn is_at_new_wall(&self, line: usize) -> bool {
        let (row, within) = (line / CELL, line % CELL);
        let before = row.checked_sub(1).filter(|_| within < CELL / 2);
        let wall = before.or((within >= CELL / 2).then_some(row));
        let looks = wall.and_then(|row| self.walls.get(row)).copied().unwrap_or(0);
        (1..SETTLED_LOOKS).contains(&looks)
    }
}

/// Whether a line's edge is the one that the area has there, or lies between those of the
/// neighbouring rows where the contour is steep.
fn agrees(extent: &Extent, line: usize, position: f32) -> bool {
    let row = (line / CELL).min(extent.rows.len() - 1);
    let here = extent.rows[row];
    let (mut low, mut high) = (extent.reach[line], extent.reach[line]);
    for other in row.saturating_sub(1)..=(row + 1).min(extent.rows.len() - 1) {
        let reach = extent.rows[other];
        if (reach - here).abs() < STEEP_PX {
            (low, high) = (low.min(reach), high.max(reach));
        }
    }
    position > low - ELSEWHERE_PX && position < high + ELSEWHERE_PX
}

/// Whether a neighbouring line has been known to end near there.
fn has_support(follower: &Follower, line: usize, reach: f32) -> bool {
    let last = follower.count() - 1;
    (line.saturating_sub(NEIGHBOURS)..=(line + NEIGHBOURS).min(last))
        .any(|other| (follower.position(other).0 - reach).abs() < NEAR_PX)
}

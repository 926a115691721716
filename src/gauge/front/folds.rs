//! Lines whose furthest edge is not the one that was followed, by looks at lithium's area: lithium
//! that folds over itself, dendrites that were lost, and what merely touches the front.
//!
//! In one frame a particle that touches the front looks like lithium. Lithium, though, grows out of
//! lithium: an edge elsewhere is believed where the area's edge has moved there without a jump since it
//! was the one that was followed, where a neighbouring line has been known there, or where it goes on
//! step by step. Until one of these is seen the line is NaN.

use super::cells::CELL;
use super::extent::{ELSEWHERE_PX, Extent, WALL_PX};
use super::follow::Follower;

/// Lithium folds when it does so along this share of the lines; one frame of so many is looked at,
/// and after a fold was seen all for a while.
const FOLDED_LEAST: f64 = 0.03;
const LOOK_EVERY: u64 = 4;
const LOOKS_MORE: u32 = 4;
/// Within so many lines someone must have known the edge to be so near, px.
const NEIGHBOURS: usize = 8;
const NEAR_PX: f32 = 8.0;
/// The area's edge jumps when it moves further from look to look, px.
const JUMP_PX: f32 = 8.0;
/// Step by step: in several looks, that lie so many frames apart, by more than this and less than that
/// in the same direction, px. A single step is what a particle looks like that has come to touch.
const STEP_FRAMES: u64 = 4;
const STEPS: i8 = 2;
const STEP_PX: std::ops::Range<f32> = 4.0..24.0;
/// The followed edge is there where the cells show so much of its step.
const STEP_LEAST: f32 = 0.65;
/// In the first frames nothing is known before: lithium that hangs over is believed at once, what is one with the front
/// after so many frames. Later what stays so many frames is believed.
const FIRST_FRAMES: u64 = 8;
const BELIEVED_AFTER: u64 = 60;

/// What the looks so far have shown.
pub struct Folds {
    looks_more: u32,
    lines: Vec<Line>,
}

#[derive(Clone, Copy)]
struct Line {
    /// The furthest edge at the last look, px.
    reach: f32,
    /// An edge so far from it was another one, px.
    elsewhere: f32,
    /// The same some frames before, and in which; and how many steps forward (or back) it took to
    /// get there.
    earlier: (f32, u64),
    steps: i8,
    /// It was the edge that was followed, or came to be believed, and has not jumped since.
    trusted: bool,
    /// The frame since which it has not been believed.
    disputed: Option<u64>,
}

impl Folds {
    /// Nothing seen yet.
    pub fn new(lines: usize) -> Folds {
        let line = Line {
            reach: f32::NAN,
            elsewhere: ELSEWHERE_PX,
            earlier: (f32::NAN, 0),
            steps: 0,
            trusted: false,
            disputed: None,
        };
        Folds { looks_more: 0, lines: vec![line; lines] }
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

    /// The area's furthest edge along a line at the last look, px, where it is believed and another one than that at
    /// `at`.
    pub fn moved(&self, line: usize, at: f32) -> Option<f32> {
        self.reach(line).filter(|reach| !((reach - at).abs() < self.lines[line].elsewhere))
    }

    /// The area's furthest edge along a line at the last look, px, where it is believed.
    pub fn reach(&self, line: usize) -> Option<f32> {
        Some(self.lines[line].reach).filter(|reach| self.lines[line].trusted && reach.is_finite())
    }

    /// The furthest edge that two neighbouring rows of cells have and that is believed, px, and its line; nothing where
    /// there is none.
    pub fn furthest(&self) -> Option<(f32, usize)> {
        let of_both = |line: usize| {
            let (here, beside) = (self.reach(line)?, self.reach(line - CELL)?);
            Some((here.min(beside), line))
        };
        (CELL..self.lines.len()).filter_map(of_both).max_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// How far the area's furthest edge was from `at` at the last look, px; 0 where that is none of
    /// another edge.
    pub fn apart(&self, line: usize, at: f32) -> f32 {
        let Line { reach, elsewhere, .. } = self.lines[line];
        let apart = (reach - at).abs();
        if apart > elsewhere { apart } else { 0.0 }
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
        for line in 0..position.len() {
            let reach = extent.reach[line];
            let state = &mut self.lines[line];
            // Also where one of both is NaN.
            if !((reach - state.reach).abs() < JUMP_PX) {
                state.trusted = false;
            }
            (state.reach, state.elsewhere) = (reach, extent.elsewhere(line));
            state.step(frame);
            let agrees = agrees(extent, line, position[line]);
            if !reach.is_finite() || agrees {
                state.trusted |= agrees;
                state.disputed = None;
                if extent.at_wall[line] {
                    (position[line], error[line]) = (f32::NAN, f32::NAN);
                }
                continue;
            }
            // What lies over the front takes as much from both sides of it, and leaves a step between them. Inside of
            // lithium, or in a bay of it, there would be none.
            if extent.is_one_piece(line) && extent.steps[line] > STEP_LEAST {
                (state.trusted, state.disputed) = (false, None);
                continue;
            }
            let known = follower.position(line).0;
            let step_by_step =
                state.steps.abs() >= STEPS && f32::from(state.steps) * (reach - known) > 0.0;
            let since = *state.disputed.get_or_insert(frame);
            let is_first = since < FIRST_FRAMES;
            state.trusted |= is_first && (extent.folded[line] || frame >= since + FIRST_FRAMES)
                || step_by_step
                || frame >= since + BELIEVED_AFTER
                || has_support(follower, line, reach);
            if state.trusted && !extent.at_wall[line] {
                state.disputed = None;
                (position[line], error[line]) = (reach, extent.error(line));
                replaced.push(line);
            } else {
                (position[line], error[line]) = (f32::NAN, f32::NAN);
            }
        }
        replaced
    }
}

impl Line {
    /// Counts steps.
    fn step(&mut self, frame: u64) {
        let (before, then) = self.earlier;
        if frame < then + STEP_FRAMES && before.is_finite() {
            return;
        }
        let moved = self.reach - before;
        let way = moved.signum() as i8;
        self.steps = match STEP_PX.contains(&moved.abs()) {
            true if self.steps.signum() == way => self.steps.saturating_add(way),
            true => way,
            false => 0,
        };
        self.earlier = (self.reach, frame);
    }
}

/// Whether a line's edge is the one that the area has there, or lies between those of the
/// neighbouring rows where the contour is steep.
fn agrees(extent: &Extent, line: usize, position: f32) -> bool {
    let row = (line / CELL).min(extent.rows.len() - 1);
    let here = extent.reach[line];
    let (mut low, mut high) = (here, here);
    for other in row.saturating_sub(1)..=(row + 1).min(extent.rows.len() - 1) {
        let reach = extent.rows[other];
        if (reach - here).abs() < WALL_PX {
            (low, high) = (low.min(reach), high.max(reach));
        }
    }
    let elsewhere = extent.elsewhere(line);
    position > low - elsewhere && position < high + elsewhere
}

/// Whether a neighbouring line has been known to end near there.
fn has_support(follower: &Follower, line: usize, reach: f32) -> bool {
    let last = follower.count() - 1;
    (line.saturating_sub(NEIGHBOURS)..=(line + NEIGHBOURS).min(last))
        .any(|other| (follower.position(other).0 - reach).abs() < NEAR_PX)
}

//! The odds against a line's being elsewhere, before a frame's pixels are asked.

/// Log of the odds against each place that is so far away or further, one a px, before the frame's pixels are asked: of a
/// contour that was expected there, near its corners, and where nothing was expected. So that in `benches/front` lines
/// that are told are off by 3 px hardly more often than their errors say.
const UNLIKELY: f32 = 9.7;
const UNLIKELY_AT_CORNER: f32 = 2.7;
const UNLIKELY_AT_FIRST: f32 = 0.7;
/// A corner: the contour steps by so much from line to line, px, or its curve is parted; and so many lines beside it.
const STEP_PX: f32 = 4.0;
const BESIDE_CORNER: usize = 24;
/// So many lines at both ends have neighbours on one side only, and are as doubtful as those near corners.
const AT_END: usize = 4;
/// What the likeliest of many places says by chance (log): no suspicion is that.
const CHANCE: f32 = 1.5;

/// Log of the odds against each line's being elsewhere than `contour` (px), whose curve is parted where it has no
/// `stiffness`, and which was `expected` or not. What the frames before had of it is the less sure by their `suspicions`,
/// one a line, or none.
pub fn odds(contour: &[f32], stiffness: &[f64], expected: bool, suspicions: &[f32]) -> Vec<f32> {
    let lines = contour.len();
    if !expected {
        return vec![UNLIKELY_AT_FIRST; lines];
    }
    let mut unlikely = vec![UNLIKELY; lines];
    let steps = |line: usize| (contour[line] - contour[line - 1]).abs() > STEP_PX;
    let corners = (1..lines).filter(|line| steps(*line) || !(stiffness[*line] > 0.0));
    let ends = [(0, AT_END), (lines, AT_END)];
    for (line, beside) in corners.map(|line| (line, BESIDE_CORNER)).chain(ends) {
        let near = line.saturating_sub(beside)..(line + beside).min(lines);
        unlikely[near].fill(UNLIKELY_AT_CORNER);
    }
    for (unlikely, suspicion) in unlikely.iter_mut().zip(suspicions) {
        *unlikely = (*unlikely - suspicion).max(UNLIKELY_AT_FIRST);
    }
    unlikely
}

/// What the frames so far leave of the certainty that each line is where it was expected: a contour that leans on frames
/// before is off by as much in the next, and what each of them says against it adds up.
#[derive(Default)]
pub struct Suspicions(Vec<f32>);

impl Suspicions {
    /// Log of odds, one a line; none at first.
    pub fn of_lines(&self) -> &[f32] {
        &self.0
    }

    /// Takes what a frame says of lines that are `elsewhere`, as [`Doubts::elsewhere`].
    pub fn take(&mut self, elsewhere: &[f32]) {
        self.0.resize(elsewhere.len(), 0.0);
        for (suspicion, elsewhere) in self.0.iter_mut().zip(elsewhere) {
            *suspicion = (*suspicion + elsewhere - CHANCE).clamp(0.0, UNLIKELY);
        }
    }
}

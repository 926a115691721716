//! The edge's place in each line, by maximum likelihood about an expected contour, joined with its
//! neighbours.
//!
//! First the most probable path through the windows says which edge it is; then Fisher scoring
//! moves each line to its maximum, and the lines are joined to a smooth curve of displacements from
//! the expected contour: what is smoothed is the displacement and not the contour, so the shape
//! that is already known stays sharp. How much the score scatters is measured beside the edge,
//! where it should be zero: camera noise, texture and all. Errors follow from that.

mod again;
mod start;

use std::sync::Arc;

use super::bend::{OUTLYING, join_bent};
use super::config::Lithium;
use super::contour::{Contour, ERROR_MOST, moved_across, slopes, stiffness};
use super::corners::Corners;
use super::doubt::{doubts, odds};
use super::levels::Levels;
use super::path::{Certainty, join};
use super::prior::ShapePrior;
use super::sums::{self, EdgeSums, Evidence, NullSums, SideSums};
use super::windows::Windows;
use super::{Front, Hints};
use crate::gauge::View;

const ROUNDS: usize = 3;
const ROUNDS_WIDE: usize = 4;
/// A round that moves no line further than this is the last, px: of the half squared step, over the
/// edge's width, that is left, no line's error has a twentieth.
const SETTLED_PX: f32 = 0.2;
/// Where no line has moved further, the brightness of both sides is what it was, px.
const LEVELS_HOLD_PX: f32 = 1.0;
/// A line's step by its score at most, in widths of the edge; or in its own sigma, since what a weak line asks for by
/// chance is taken out by its neighbours, and cut off would weaken these.
const STEP_MOST: f32 = 2.0;
const STEP_SIGMA: f32 = 1.5;
/// A line whose residuals exceed the others' by this factor sees something else than an edge.
const FOREIGN: f32 = 4.5;
/// Lines that are summed to measure how neighbours' errors add up.
const BLOCK: usize = 8;
/// The variance of a contour that was searched for, over that of one whose shape was known.
const SEARCHED: f64 = 2.0;
/// As a share of how far an edge may be followed in its window: there it stands at the window's end.
const AT_LIMIT: f32 = 0.8;
/// How much of what the expected shape seems to say lines' errors believe: neighbours of it err alike.
const TRUSTED: f64 = 0.15;
/// How much of a frame's own scatter beside the edge counts.
const NEW: f32 = 0.2;
/// Before anything is known of texture, evidence counts this much less.
const EXCESS_FIRST: f32 = 3.0;

/// A frame's windows, and everything that the rounds of a fit change.
pub struct Fit {
    windows: Windows,
    sign: f32,
    smooth_lines: f64,
    /// Pixels along a line.
    length: f32,
    /// How much further things stand in the view than in reference coordinates, and how many lines later.
    fraction: f32,
    across: f32,
    /// The contrast of earlier frames and its one sigma.
    contrast: Option<(f64, f64)>,
    /// Expected and present places, px from the starting edge, in the view.
    known: Vec<f32>,
    guess: Vec<f32>,
    slope: Vec<f32>,
    stiffness: Vec<f64>,
    /// Lines in which the curve must not bend further than it was granted; none if empty.
    rigid: Arc<Vec<bool>>,
    sigma: f32,
    scatter: f32,
    excess: f32,
    expected_excess: Option<f32>,
    /// Variance that the expected contour brings in, px².
    expected_variance: f64,
    /// What the frames before say against each line's being where it is expected (log of odds); none if empty.
    suspicions: Vec<f32>,
    shape: ShapePrior,
    /// The variance over that of a contour whose shape was known.
    unknown: f64,
    measured: f32,
    levels: Levels,
    sides: Vec<[SideSums; 2]>,
    edges: Vec<EdgeSums>,
    nulls: Vec<NullSums>,
    /// Of the pixels before each place of the windows for the bare specimen and against lithium.
    evidence: Evidence,
    /// Each line's own displacement from the known contour, and its information.
    own: (Vec<f64>, Vec<f64>),
    /// Lines before which it shows corners.
    corners: Vec<usize>,
}

/// Information in the curve, 1/px²: that of each line's own edge, which the mean's error follows from; and with what is
/// believed of the expected shape, which lines' errors do, where that counts.
#[derive(Default)]
struct Told {
    mean: Vec<f64>,
    lines: Option<Vec<f64>>,
}

impl Told {
    fn weaken(&mut self, line: usize, factor: f64) {
        self.mean[line] *= factor;
        if let Some(lines) = &mut self.lines {
            lines[line] *= factor;
        }
    }
}

/// What is known of a contour before it is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is expected there, and has the expected shape.
    Expected,
    /// It was expected near there, and is further off than its windows reach.
    Near,
    /// It was lost, and has been found there by a search.
    Lost,
    /// Nothing was expected; a search has found it there.
    Nothing,
}

/// Fits the contour near `expected` (px from the starting edge, reference coordinates), of which so much is `known`: in
/// wide windows, but where it is expected.
pub fn fit(
    front: &Front,
    view: &View<'_>,
    expected: &[f32],
    known: Known,
    hints: &Hints,
) -> Contour {
    let wide = known != Known::Expected;
    // Where the contour was expected says nothing of one that was searched for, nor does how well that was known: after
    // frames of much scatter that is so poorly that no line would be believed again.
    let expected_variance = match known {
        Known::Expected | Known::Near => hints.expected_variance,
        Known::Lost | Known::Nothing => 0.0,
    };
    let unknown = if known == Known::Nothing { SEARCHED } else { 1.0 };
    // Where it was lost, it is near where it was expected.
    let searches = known == Known::Nothing;
    let fraction = front.lines.fraction(view) as f32;
    let across = front.lines.fraction_across(view) as f32;
    let known = in_view(expected, fraction, across);
    let sigma = hints.sigma_px.unwrap_or(front.config.edge_sigma_px as f32);
    let smooth_lines = front.config.smooth_lines;
    let (slope, stiffness) = bends(&known, &hints.corners, smooth_lines);
    let mut fit = Fit {
        windows: Windows::cut(&front.lines, view, &known, sigma, wide || hints.wide, hints),
        sign: if front.config.lithium == Lithium::Dark { 1.0 } else { -1.0 },
        smooth_lines,
        length: front.lines.length as f32,
        fraction,
        across,
        contrast: hints.contrast,
        guess: known.clone(),
        stiffness,
        slope,
        known,
        rigid: Arc::clone(&hints.particles),
        sigma,
        scatter: hints.scatter.unwrap_or(EXCESS_FIRST),
        excess: hints.excess.unwrap_or(EXCESS_FIRST),
        expected_excess: hints.excess,
        expected_variance: f64::from(expected_variance),
        suspicions: Vec::new(),
        shape: if wide { ShapePrior::default() } else { hints.shape },
        unknown,
        measured: f32::NAN,
        levels: Levels::default(),
        sides: Vec::new(),
        edges: Vec::new(),
        nulls: Vec::new(),
        evidence: Evidence::default(),
        own: (Vec::new(), Vec::new()),
        corners: Vec::new(),
    };
    fit.find_path(searches);
    let mut contour = fit.settle(if wide { ROUNDS_WIDE } else { ROUNDS });
    if hints.shape.counts_beside(&fit.own.1) {
        contour.again = Some(Box::new(fit));
    }
    contour
}

/// A contour in reference coordinates as it stands in the view.
fn in_view(contour: &[f32], fraction: f32, across: f32) -> Vec<f32> {
    moved_across(contour, -across).iter().map(|at| at + fraction).collect()
}

/// How steeply a contour (px, in the view) with these corners runs, and how stiff its displacement is (1/px²), at each line.
fn bends(contour: &[f32], corners: &Corners, smooth_lines: f64) -> (Vec<f32>, Vec<f64>) {
    let parted = corners.parted(contour);
    let slope = slopes(&parted);
    let stiffness = stiffness(&parted, &slope, smooth_lines);
    (slope, stiffness)
}

impl Fit {
    /// Rounds of Fisher scoring from the guess; one more where the curve cuts corners.
    fn settle(&mut self, rounds: usize) -> Contour {
        let mut told = Told::default();
        let mut moved = f32::INFINITY;
        let mut last = rounds;
        let mut round = 0;
        while round < last {
            if moved > LEVELS_HOLD_PX {
                self.see_levels();
            }
            self.sum_edges();
            if round + 2 == last {
                self.measure_scatter();
            }
            let before = self.guess.clone();
            told = self.move_edges(round > 0);
            if round + 2 == rounds && self.part_at_corners() {
                last += 1;
            }
            moved =
                self.guess.iter().zip(&before).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
            if round + 2 >= last && moved < SETTLED_PX {
                break;
            }
            round += 1;
        }
        let lines = told.lines.as_ref().unwrap_or(&told.mean);
        let certain = Certainty::of(&told.mean, lines, &self.stiffness);
        self.contour(&certain)
    }

    fn see_levels(&mut self) {
        let (edge, wide) = (self.in_windows(), self.widths());
        sums::sides(&self.windows, &edge, &wide, &mut self.sides);
        for line in 0..self.edges.len() {
            if self.is_foreign(&self.edges[line]) {
                self.sides[line] = [[0.0; 6]; 2];
            }
        }
        self.levels = Levels::of(&self.sides, self.sign, self.contrast, self.noise());
    }

    fn sum_edges(&mut self) {
        let (edge, wide) = (self.in_windows(), self.widths());
        let scatter = self.scatter.sqrt();
        sums::edges(&self.windows, &self.levels, &edge, &wide, scatter, &mut self.edges);
        let mut ratios: Vec<f32> = self
            .edges
            .iter()
            .filter(|sums| sums.pixels > 6.0)
            .map(|sums| sums.chi2 / (sums.pixels - 3.0))
            .collect();
        if !ratios.is_empty() {
            let middle = ratios.len() / 2;
            self.scatter = ratios.select_nth_unstable_by(middle, f32::total_cmp).1.max(1.0);
        }
        let usable = |(sums, good): &(&EdgeSums, &bool)| **good && !self.is_foreign(sums);
        let (mut score, mut information) = (0.0f64, 0.0f64);
        for (sums, _) in self.edges.iter().zip(&self.levels.significant).filter(usable) {
            score += f64::from(sums.width_score);
            information += f64::from(sums.width_information);
        }
        // One step of Fisher scoring for the width, kept within what is plausible; a width that
        // the noise leaves open stays.
        if information > 25.0 {
            let change = (score / information) as f32;
            self.sigma = (self.sigma * (1.0 + change.clamp(-0.3, 0.3))).clamp(0.5, 10.0);
        }
    }

    /// How widely scores scatter where there is no edge, over what camera noise explains.
    fn measure_scatter(&mut self) {
        let (edge, wide) = (self.in_windows(), self.widths());
        let scatter = self.scatter.sqrt();
        sums::nulls(&self.windows, &self.levels, &edge, &wide, scatter, &mut self.nulls);
        let mut excess = 0.0;
        for side in 0..2 {
            let (mut squares, mut expected) = (0.0, 0.0);
            for block in self.nulls.chunks_exact(BLOCK) {
                let score: f32 = block.iter().map(|null| null.score[side]).sum();
                let information: f32 = block.iter().map(|null| null.information[side]).sum();
                squares += score * score;
                expected += information;
            }
            // Where no line is sharp enough to look beside its edge, residuals must tell.
            let ratio = if expected > 0.0 { squares / expected } else { self.scatter };
            excess += 0.5 * ratio;
        }
        self.measured = excess;
        // One frame has few independent blocks: the frames before tell most.
        let mixed = self.expected_excess.map_or(excess, |before| before + NEW * (excess - before));
        self.excess = mixed.max(1.0);
    }

    /// One step of Fisher scoring, all lines together; the information that the curve's errors follow from.
    fn move_edges(&mut self, robust: bool) -> Told {
        let wide = self.widths();
        let reach = self.windows.reach();
        let lines = self.guess.len();
        let (mut z, mut f) = (vec![0.0; lines], vec![0.0; lines]);
        for line in 0..lines {
            let sums = &self.edges[line];
            let here = self.guess[line] - self.known[line];
            z[line] = f64::from(here);
            if self.levels.significant[line] && sums.information > 0.0 && !self.is_foreign(sums) {
                let information = sums.information / self.excess;
                let most = (STEP_MOST * wide[line]).max(STEP_SIGMA / information.sqrt()).min(reach);
                let step = (sums.score / sums.information).clamp(-most, most);
                z[line] += f64::from(step);
                f[line] = f64::from(information);
            }
        }
        self.own = (z.clone(), f.clone());
        // What is expected says nothing of the mean, and how well it is known is known poorly.
        let mut told = Told { mean: f.clone(), lines: None };
        if let Some(with_shape) = self.shape.joined_to(&z, &f, &self.stiffness) {
            // Texture errs alike in frames that follow each other: what they say together is less than it seems.
            let trusted = TRUSTED / f64::from(self.excess).max(1.0).powi(3);
            let pairs = f.iter().zip(&with_shape.1);
            told.lines = Some(pairs.map(|(own, with)| own + trusted * (with - own)).collect());
            (z, f) = with_shape;
        }
        let mut curve = join_bent(&z, &f, &mut self.stiffness, &self.rigid);
        if robust {
            let mut weakened = false;
            for line in 0..lines {
                let off = (z[line] - curve[line]).abs() * f[line].sqrt();
                if off > OUTLYING {
                    f[line] *= OUTLYING / off;
                    told.weaken(line, OUTLYING / off);
                    weakened = true;
                }
            }
            if weakened {
                curve = join(&z, &f, &self.stiffness);
            }
        }
        for ((guess, known), moved) in self.guess.iter_mut().zip(&self.known).zip(&curve) {
            *guess = known + (*moved as f32).clamp(-reach, reach);
        }
        told
    }

    fn contour(&self, certain: &Certainty) -> Contour {
        let position = moved_across(&self.guess, self.across);
        let limit = AT_LIMIT * self.windows.reach();
        let mut out = Contour::nothing(self.guess.len());
        let (mut sums, mut counted) = ((0.0f64, 0.0f64), 0.0);
        for line in 0..self.guess.len() {
            let guess = self.guess[line];
            let inside = guess > 1.0 && guess < self.length - 2.0;
            let error = (certain.variance[line] * self.unknown + self.expected_variance).sqrt();
            let good = self.levels.significant[line] && !self.is_foreign(&self.edges[line]);
            if good && inside && error < f64::from(ERROR_MOST) {
                out.position[line] = position[line] - self.fraction;
                out.error[line] = error as f32;
                let (z, f) = (self.own.0[line], self.own.1[line]);
                if f > 0.0 {
                    let moved = position[line] - guess;
                    let own = self.known[line] + z as f32 + moved - self.fraction;
                    out.own[line] = (own, (1.0 / f).sqrt() as f32);
                }
                sums.0 += f64::from(self.levels.lithium[line]);
                sums.1 += f64::from(self.levels.bare[line]);
                counted += 1.0;
            }
            out.at_limit += usize::from((guess - self.known[line]).abs() > limit);
        }
        let told = self.own.1.iter().filter(|f| **f > 0.0).count().max(1) as f64;
        out.mean_error = (certain.sum_variance * self.unknown).sqrt() / told;
        let expected = self.shape.variance > 0.0;
        let unlikely = odds(&self.guess, &self.stiffness, expected, &self.suspicions);
        let reach = self.windows.reach() as usize;
        let doubts = doubts(&self.evidence, &self.in_windows(), reach, &unlikely);
        (out.doubt, out.elsewhere) = (doubts.px, doubts.elsewhere);
        out.corners.clone_from(&self.corners);
        out.sigma_px = self.sigma;
        out.excess = self.excess;
        out.measured_excess = self.measured;
        out.scatter = self.scatter;
        out.contrast = self.levels.contrast;
        out.texture_share = self.levels.texture_share.1;
        out.brightness = ((sums.0 / counted) as f32, (sums.1 / counted) as f32);
        out
    }

    /// Residuals that no edge leaves.
    fn is_foreign(&self, sums: &EdgeSums) -> bool {
        sums.pixels < 6.0 || sums.chi2 > FOREIGN * self.scatter * (sums.pixels - 3.0)
    }

    fn in_windows(&self) -> Vec<f32> {
        self.guess.iter().zip(&self.windows.start).map(|(p, start)| p - *start as f32).collect()
    }

    /// A sloping edge is wider along a line.
    fn widths(&self) -> Vec<f32> {
        self.slope.iter().map(|slope| self.sigma * (1.0 + slope * slope).sqrt()).collect()
    }

    fn noise(&self) -> (f32, f32) {
        (self.windows.dark, self.windows.gain)
    }
}

//! Opening, centre and depth at each station, by maximum likelihood around what is known.
//!
//! Each station's level and slope of the background are eliminated (Schur complement); what is left
//! is an information on (centre, opening, depth). Neighbouring stations share the change against
//! what is known, and not the values: nothing real is smoothed away for long. Depth and point spread
//! belong to the crack as a whole; a station's depth may differ from them by what the wide stations
//! show (a filled crack), which is the prior that turns a narrow crack's deficit into an opening.

use super::Crack;
use super::geometry::Geometry;
use super::known::Known;
use super::scatter::{Deviations, excess};
use super::shape::{Guess, LANES, SUMS, Scatter, UNKNOWNS, sums};
use super::shared::Shared;
use crate::gauge::View;
use crate::gauge::smooth::smooth_columns;

/// A round that moves no open station further than this is the last, px.
const SETTLED_PX: f32 = 0.12;
/// Newton rounds at most.
const ROUNDS: usize = 7;
/// Rounds of depth and point spread, which change little from frame to frame.
const SHARED_ROUNDS: usize = 3;
/// One sigma of where the centre may be about the known path, px, and the furthest it is followed.
const CENTRE_SIGMA: f64 = 1.0;
const CENTRE_MOST: f32 = 3.0;
/// Openings may pass below zero, where noise is bright: the model is odd in w.
const OPENING_LEAST: f32 = -4.0;
/// Stations to each side of the opening over which a bend is felt, and the turn by which an even
/// curve does not yet err, per station.
const BEND_WITHIN: f32 = 4.0;
const BEND_EVEN: f32 = 0.03;
/// Fewer seen pixels make no station.
const PIXELS_LEAST: f32 = 12.0;

/// What one frame says of the crack, station by station; NaN where one could not be measured.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Distance of the centre from the known line, px, reference coordinates, and its one sigma.
    pub centre: Vec<f32>,
    pub centre_error: Vec<f32>,
    /// Opening perpendicular to the path, px, and its one sigma from the camera's noise alone.
    pub opening: Vec<f32>,
    pub noise_error: Vec<f32>,
    /// What the model errs by where the path bends within the opening, px.
    pub bend_error: Vec<f32>,
    /// Variance that neighbouring stations show, over what the noise explains; at least 1.
    pub excess: Vec<f32>,
    /// One sigma of the opening from depth and point spread, common to all stations, px.
    pub common_error: Vec<f32>,
    /// Depth at the station, and its one sigma.
    pub depth: Vec<f32>,
    pub depth_error: Vec<f32>,
    /// Background, counts above the offset.
    pub level: Vec<f32>,
    /// Of the whole crack.
    pub shared: Shared,
    /// Largest sharing of the stations' noise: the variance of one over that of a mean of two far
    /// apart ones; 2√π times the stations that share.
    pub sharing: f32,
}

/// The pixels of all stations in one frame.
struct Pixels {
    /// Above the offset, counts.
    signal: Vec<f32>,
    /// 1 where a pixel is seen.
    valid: Vec<f32>,
    scatter: Scatter,
}

impl Pixels {
    fn read(geometry: &Geometry, view: &View<'_>) -> Pixels {
        let noise = view.noise();
        let offset = noise.offset_counts as f32;
        let mut signal = Vec::new();
        view.read_pixels(&geometry.pixels, &mut signal);
        let valid = signal
            .iter_mut()
            .map(|value| {
                let seen = value.is_finite();
                *value = if seen { *value - offset } else { 0.0 };
                f32::from(u8::from(seen))
            })
            .collect();
        let scatter = Scatter {
            dark: noise.variance(noise.offset_counts) as f32,
            gain: noise.gain_counts_per_electron as f32,
        };
        Pixels { signal, valid, scatter }
    }

    /// Mean signal of each station beside the opening, shared with some neighbours.
    fn levels(&self, geometry: &Geometry, known: &Known) -> Vec<f32> {
        let mut rows = vec![[0.0f64; 2]; geometry.slots()];
        for (k, row) in rows.iter_mut().enumerate() {
            let inner = 0.5 * known.opening[k].max(0.0) + 2.0 * known.shared.psf_px;
            for at in geometry.begin[k] as usize..geometry.begin[k + 1] as usize {
                if geometry.distance[at].abs() > inner && self.valid[at] > 0.0 {
                    row[0] += f64::from(self.signal[at]);
                    row[1] += 1.0;
                }
            }
        }
        by_branch(geometry, &rows, 3.0)
            .iter()
            .map(
                |[sum, count]| if *count > 0.0 { (sum / count).max(1e-3) as f32 } else { f32::NAN },
            )
            .collect()
    }
}

/// Smoothed along each branch by itself.
pub fn by_branch<const N: usize>(
    geometry: &Geometry,
    rows: &[[f64; N]],
    sigma: f64,
) -> Vec<[f64; N]> {
    let mut out = vec![[0.0; N]; rows.len()];
    for branch in &geometry.branches {
        let range = branch.stations();
        out[range.clone()].copy_from_slice(&smooth_columns(&rows[range], sigma));
    }
    out
}

/// One station's equations without the background: information of (centre, opening, depth, point
/// spread), upper triangle row by row, and the score of these four.
#[derive(Clone, Copy, Default)]
pub struct Station {
    pub information: [f64; 10],
    pub score: [f64; 4],
    /// Of the background, after this round.
    level: f32,
    slope: f32,
    pub seen: bool,
}

/// Fits all stations near what is known.
pub fn fit(crack: &Crack, view: &View<'_>, known: &Known) -> Profile {
    let geometry = &*known.geometry;
    let pixels = Pixels::read(geometry, view);
    let (fx, fy) = view.fraction();
    let mut start: Vec<Guess> = pixels
        .levels(geometry, known)
        .into_iter()
        .enumerate()
        .map(|(k, level)| {
            let [nx, ny] = geometry.normal[k];
            Guess {
                level,
                slope: 0.0,
                centre: known.centre[k] + nx * fx as f32 + ny * fy as f32,
                opening: known.opening[k],
                depth: known.shared.depth,
                psf_px: known.shared.psf_px,
            }
        })
        .collect();
    let mut guess = start.clone();
    let mut shared = known.shared;
    let mut rounds = Rounds { crack, geometry, stations: vec![], solved: vec![], guess: vec![] };
    let mut free = false;
    for round in 0..ROUNDS {
        rounds.evaluate(&pixels, &guess);
        let moved = rounds.solve(&mut guess, &start, &shared);
        if round < SHARED_ROUNDS || free {
            let before = shared;
            shared = shared.refined(crack, &rounds.stations, &rounds.guess, &known.shared, free);
            // A changed focus or contrast is no opening: what was known of them no longer holds.
            if !free && round == 1 && shared.has_jumped() {
                free = true;
            }
            for (guess, start) in guess.iter_mut().zip(&mut start) {
                guess.depth += shared.depth - before.depth;
                start.depth = shared.depth;
                guess.psf_px = shared.psf_px;
            }
        }
        if round > 0 && moved < SETTLED_PX && (!free || round > 3) {
            break;
        }
    }
    rounds.profile(&guess, shared, (fx as f32, fy as f32))
}

/// What the rounds work on.
struct Rounds<'a> {
    crack: &'a Crack,
    geometry: &'a Geometry,
    stations: Vec<Station>,
    solved: Vec<Solved>,
    /// Where the stations were evaluated.
    guess: Vec<Guess>,
}

/// The shared equations of one station.
#[derive(Clone, Copy)]
pub struct Solved {
    /// Rows of the covariance of (centre, opening, depth), as one station by itself would have it.
    covariance: [[f64; 3]; 3],
    /// Change of the opening by depth and by point spread.
    by_depth: f64,
    by_psf: f64,
    /// One sigma² of the depth with what is known of it, and of the opening.
    variance: [f64; 3],
    /// Depth by this frame alone, without prior: value and variance.
    pub own_depth: (f64, f64),
}

impl Rounds<'_> {
    fn evaluate(&mut self, pixels: &Pixels, guess: &[Guess]) {
        self.guess.clear();
        self.guess.extend_from_slice(guess);
        self.stations.clear();
        for (k, guess) in guess.iter().enumerate() {
            let range = self.geometry.begin[k] as usize..self.geometry.begin[k + 1] as usize;
            let mut station = Station::default();
            if range.len() >= LANES && guess.level.is_finite() {
                let valid = &pixels.valid[range.clone()];
                let sums = sums(
                    &pixels.signal[range.clone()],
                    &self.geometry.distance[range],
                    valid,
                    guess,
                    &pixels.scatter,
                );
                if valid.iter().sum::<f32>() >= PIXELS_LEAST {
                    station = Station::of(&sums, guess);
                }
            }
            self.stations.push(station);
        }
    }

    /// Moves the guess to where the shared equations are solved; the furthest move of an open
    /// station, px.
    fn solve(&mut self, guess: &mut [Guess], start: &[Guess], shared: &Shared) -> f32 {
        let smooth = self.crack.config.smooth_stations;
        let sharing = 2.0 * std::f64::consts::PI.sqrt() * smooth;
        let rows: Vec<[f64; 11]> = self
            .stations
            .iter()
            .zip(self.guess.iter().zip(start))
            .map(|(station, (guess, start))| {
                let [cc, cw, cd, cp, ww, wd, wp, dd, ..] = station.information;
                let from = [
                    f64::from(guess.centre - start.centre),
                    f64::from(guess.opening - start.opening),
                    f64::from(guess.depth - start.depth),
                ];
                let [sc, sw, sd, _] = station.score;
                [
                    cc,
                    cw,
                    cd,
                    ww,
                    wd,
                    dd,
                    cp,
                    wp,
                    sc + cc * from[0] + cw * from[1] + cd * from[2],
                    sw + cw * from[0] + ww * from[1] + wd * from[2],
                    sd + cd * from[0] + wd * from[1] + dd * from[2],
                ]
            })
            .collect();
        let most = self.crack.config.max_width_px as f32;
        let prior_centre = 1.0 / (CENTRE_SIGMA * CENTRE_SIGMA * sharing);
        let prior_depth = if self.crack.config.depth.is_some() {
            1e12
        } else {
            1.0 / (shared.depth_variance() * sharing)
        };
        let mut moved = 0.0f32;
        self.solved.clear();
        for (k, row) in by_branch(self.geometry, &rows, smooth).iter().enumerate() {
            let solved = Solved::of(row, prior_centre, prior_depth, sharing);
            let Some((solved, change)) = solved else {
                self.solved.push(Solved::UNKNOWN);
                continue;
            };
            let (from, to) = (&start[k], &mut guess[k]);
            let before = *to;
            to.centre = from.centre + (change[0] as f32).clamp(-CENTRE_MOST, CENTRE_MOST);
            let far = 4.0 + 0.4 * before.opening.abs();
            let opening = from.opening + change[1] as f32;
            to.opening = opening
                .clamp(before.opening - far, before.opening + far)
                .clamp(OPENING_LEAST, most);
            let share = 0.7 * from.depth.abs();
            to.depth = from.depth + (change[2] as f32).clamp(-share, share);
            // The background follows its own equations; a level that has lost its way comes back.
            to.level = self.stations[k].level;
            to.slope = self.stations[k].slope;
            if to.opening > to.psf_px {
                let by = (to.centre - before.centre).abs().max((to.opening - before.opening).abs());
                moved = moved.max(by);
            }
            self.solved.push(solved);
        }
        moved
    }

    fn profile(&self, guess: &[Guess], mut shared: Shared, fraction: (f32, f32)) -> Profile {
        let slots = guess.len();
        let smooth = self.crack.config.smooth_stations;
        let sharing = 2.0 * std::f64::consts::PI.sqrt() * smooth;
        let deviations: Deviations = self
            .stations
            .iter()
            .zip(&self.solved)
            .zip(&self.guess)
            .map(|((station, solved), guess)| {
                let [_, row, _] = solved.covariance;
                let own: f64 = (0..3).map(|k| row[k] * station.score[k]).sum();
                // The station's own opening, in sigma of one station. What was expected of it holds
                // the texture's errors already.
                let alone = f64::from(guess.opening) + own;
                (station.seen && row[1] > 0.0).then(|| alone / row[1].sqrt())
            })
            .collect();
        let excess = excess(self.geometry, &deviations, sharing);
        let typical = {
            let known: Vec<f32> = excess.iter().copied().filter(|e| e.is_finite()).collect();
            known.iter().sum::<f32>() / known.len().max(1) as f32
        };
        if self.crack.config.depth.is_none() {
            shared.learn_fill(&self.solved, &self.guess, typical);
        }
        shared.soften(typical);
        let nan = || vec![f32::NAN; slots];
        let mut out = Profile {
            centre: nan(),
            centre_error: nan(),
            opening: nan(),
            noise_error: nan(),
            bend_error: nan(),
            common_error: nan(),
            depth: nan(),
            depth_error: nan(),
            level: nan(),
            excess,
            shared,
            sharing: sharing as f32,
        };
        for k in 0..slots {
            let solved = &self.solved[k];
            if !self.stations[k].seen || !(solved.variance[1] > 0.0) {
                continue;
            }
            let [nx, ny] = self.geometry.normal[k];
            out.centre[k] = guess[k].centre - nx * fraction.0 - ny * fraction.1;
            out.centre_error[k] = (solved.variance[0] * f64::from(typical)).sqrt() as f32;
            out.opening[k] = guess[k].opening;
            out.noise_error[k] = solved.variance[1].sqrt() as f32;
            out.bend_error[k] = self.bend_error(k, guess[k].opening);
            let by_depth = solved.by_depth as f32 * shared.depth_error();
            let by_psf = solved.by_psf as f32 * shared.psf_error();
            out.common_error[k] = by_depth.hypot(by_psf);
            out.depth[k] = guess[k].depth;
            out.depth_error[k] = solved.variance[2].sqrt() as f32;
            out.level[k] = guess[k].level;
        }
        out
    }
}

impl Rounds<'_> {
    /// Where the path turns by α within an opening w, its walls are no longer parallel: inner and
    /// outer wall stand w (1/cos(α/2) − 1) apart from where parallel ones would.
    fn bend_error(&self, k: usize, opening: f32) -> f32 {
        let far = (0.5 * opening.max(0.0) + BEND_WITHIN) as usize;
        let Some(branch) = self.geometry.branches.iter().find(|b| b.stations().contains(&k)) else {
            return 0.0;
        };
        let range = branch.stations();
        let (a, b) = (k.saturating_sub(far).max(range.start), (k + far).min(range.end - 1));
        let ([ax, ay], [bx, by]) = (self.geometry.normal[a], self.geometry.normal[b]);
        let turn = ((ax * bx + ay * by).clamp(-1.0, 1.0).acos() - BEND_EVEN * (b - a) as f32)
            .clamp(0.0, 2.0);
        opening.max(0.0) * (1.0 / (0.5 * turn).cos() - 1.0)
    }
}

impl Station {
    /// Eliminates the background.
    fn of(sums: &[f32; SUMS], guess: &Guess) -> Station {
        let mut normal = [[0.0f64; UNKNOWNS]; UNKNOWNS];
        let mut score = [0.0f64; UNKNOWNS];
        let mut next = 0;
        for i in 0..UNKNOWNS {
            for j in i..UNKNOWNS {
                normal[i][j] = f64::from(sums[next]);
                normal[j][i] = normal[i][j];
                next += 1;
            }
        }
        for (k, score) in score.iter_mut().enumerate() {
            *score = f64::from(sums[next + k]);
        }
        let [aa, ab, bb] = [normal[0][0], normal[0][1], normal[1][1]];
        let determinant = aa * bb - ab * ab;
        if !(determinant > 1e-9 * aa * bb) {
            return Station::default();
        }
        // What the background would become with the shape as it is.
        let level = guess.level + ((bb * score[0] - ab * score[1]) / determinant) as f32;
        let slope = guess.slope + ((aa * score[1] - ab * score[0]) / determinant) as f32;
        for pivot in 0..2 {
            let lead = normal[pivot];
            for row in pivot + 1..UNKNOWNS {
                let factor = normal[row][pivot] / lead[pivot];
                for column in 0..UNKNOWNS {
                    normal[row][column] -= factor * lead[column];
                }
                score[row] -= factor * score[pivot];
            }
        }
        let mut information = [0.0; 10];
        let mut next = 0;
        for i in 2..UNKNOWNS {
            for j in i..UNKNOWNS {
                information[next] = normal[i][j];
                next += 1;
            }
        }
        Station {
            information,
            score: [score[2], score[3], score[4], score[5]],
            level,
            slope,
            seen: level > 0.0,
        }
    }
}

impl Solved {
    const UNKNOWN: Solved = Solved {
        covariance: [[0.0; 3]; 3],
        by_depth: 0.0,
        by_psf: 0.0,
        variance: [f64::NAN; 3],
        own_depth: (f64::NAN, f64::NAN),
    };

    /// Solves for the changes of centre, opening and depth; nothing where nothing is seen.
    fn of(
        row: &[f64; 11],
        prior_centre: f64,
        prior_depth: f64,
        sharing: f64,
    ) -> Option<(Solved, [f64; 3])> {
        let [cc, cw, cd, ww, wd, dd, cp, wp, yc, yw, yd] = *row;
        if !(ww > 0.0) {
            return None;
        }
        let cc = cc + prior_centre;
        let covariance = inverse([[cc, cw, cd], [cw, ww, wd], [cd, wd, dd + prior_depth]])?;
        let y = [yc, yw, yd];
        let change = [0, 1, 2].map(|i| (0..3).map(|j| covariance[i][j] * y[j]).sum::<f64>());
        let plane = cc * ww - cw * cw;
        // With depth and point spread held at other values, the opening would be another.
        let by_depth = -(cc * wd - cw * cd) / plane;
        let by_psf = -(cc * wp - cw * cp) / plane;
        let own = dd - (ww * cd * cd - 2.0 * cw * cd * wd + cc * wd * wd) / plane;
        let own_depth = if own > 1e-6 * dd {
            // The depth's own equation, with centre and opening free.
            let score = yd - (cd * (ww * yc - cw * yw) + wd * (cc * yw - cw * yc)) / plane;
            (score / own, 1.0 / (own * sharing))
        } else {
            (f64::NAN, f64::NAN)
        };
        let variance = [0, 1, 2].map(|k| covariance[k][k] / sharing);
        Some((Solved { covariance, by_depth, by_psf, variance, own_depth }, change))
    }
}

/// The inverse of a symmetric positive matrix.
fn inverse(m: [[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let cofactor = |i: usize, j: usize| {
        let (a, b) = ((i + 1) % 3, (i + 2) % 3);
        let (c, d) = ((j + 1) % 3, (j + 2) % 3);
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant: f64 = (0..3).map(|j| m[0][j] * cofactor(0, j)).sum();
    if !(determinant > 0.0 && determinant.is_finite()) {
        return None;
    }
    let mut out = [[0.0; 3]; 3];
    for (i, row) in out.iter_mut().enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            *value = cofactor(j, i) / determinant;
        }
    }
    Some(out)
}

//! Opening, centre and depth at each station, by maximum likelihood around what is known.
//!
//! Each station's level and slope of the background are eliminated (Schur complement); what is left
//! is an information on (centre, opening, depth). Neighbouring stations share the change against
//! what is known, and not the values: nothing real is smoothed away for long. Depth and point spread
//! belong to the crack as a whole; a station's depth may differ from them by what the wide stations
//! show (a filled crack), which is the prior that turns a narrow crack's deficit into an opening, and
//! by what the station itself has shown in the frames before. A station whose background has changed
//! against the others' (a flash, a shadow) is left out before anything is shared.

use super::Crack;
use super::filling::{self, Filling};
use super::geometry::Geometry;
use super::judge::blind;
use super::known::{Known, Past};
use super::scatter::{Alone, excess, lasting};
use super::shape::{Guess, Scatter, sums};
use super::shared::Shared;
use super::station::{Solved, Station};
use crate::gauge::View;
use crate::gauge::lanes::LANES;
use crate::gauge::smooth::smooth_columns;

/// A round that moves no open station further than this is the last, px; and of a station that has not
/// moved further since it was last evaluated the equations of then still hold.
const SETTLED_PX: f32 = 0.12;
/// The same for depth and point spread, as shares of them.
const SETTLED_SHARE: f32 = 0.02;
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
    /// Variance that neighbouring stations show, over what the noise explains, at least 1: of this frame
    /// and those before, and of this one by itself.
    pub excess: Vec<f32>,
    pub excess_seen: Vec<f32>,
    /// One sigma of the opening from depth and point spread, common to all stations, px.
    pub common_error: Vec<f32>,
    /// The same by the station's own pixels, shared with no other.
    pub opening_alone: Vec<f32>,
    pub alone_error: Vec<f32>,
    /// Depth at the station, and its one sigma.
    pub depth: Vec<f32>,
    pub depth_error: Vec<f32>,
    /// The same by this frame alone, with nothing known before.
    pub depth_seen: Vec<f32>,
    pub depth_seen_error: Vec<f32>,
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

/// Fits all stations near what is known.
pub fn fit(crack: &Crack, view: &View<'_>, known: &Known) -> Profile {
    let geometry = &*known.geometry;
    let pixels = Pixels::read(geometry, view);
    let (fx, fy) = view.fraction();
    let levels = pixels.levels(geometry, known);
    let blind = blind(&levels, &known.past);
    let told = crack.config.depth.is_some();
    let fill = filling::expected(geometry, &known.past, &known.shared, told, sharing(crack));
    let mut start: Vec<Guess> = (0..geometry.slots())
        .map(|k| {
            let [nx, ny] = geometry.normal[k];
            Guess {
                level: if blind[k] { f32::NAN } else { levels[k] },
                slope: 0.0,
                centre: known.centre[k] + nx * fx as f32 + ny * fy as f32,
                opening: known.opening[k],
                depth: fill[k].share * known.shared.depth,
                psf_px: known.shared.psf_px,
            }
        })
        .collect();
    let mut guess = start.clone();
    let mut shared = known.shared;
    let mut rounds = Rounds {
        crack,
        geometry,
        fill: &fill,
        past: &known.past,
        stations: vec![],
        solved: vec![],
        guess: vec![],
        evaluated: vec![],
    };
    let mut free = false;
    for round in 0..ROUNDS {
        rounds.evaluate(&pixels, &guess);
        let moved = rounds.solve(&mut guess, &start, &shared);
        if round < SHARED_ROUNDS || free {
            let before = shared;
            let guesses = (&rounds.guess[..], &fill[..]);
            shared = shared.refined(crack, &rounds.stations, guesses, &known.shared, free);
            // A changed focus or contrast is no opening: what was known of them no longer holds.
            if !free && round == 1 && shared.has_jumped() {
                free = true;
            }
            for ((guess, start), fill) in guess.iter_mut().zip(&mut start).zip(&fill) {
                guess.depth += fill.share * (shared.depth - before.depth);
                start.depth = fill.share * shared.depth;
                guess.psf_px = shared.psf_px;
            }
        }
        if round > 0 && moved < SETTLED_PX && (!free || round > 3) {
            break;
        }
    }
    let mut profile = rounds.profile(&guess, shared, (fx as f32, fy as f32));
    for (k, _) in blind.iter().enumerate().filter(|(_, blind)| **blind) {
        profile.level[k] = levels[k];
    }
    profile
}

/// Stations that share a change: the variance of one over that of a mean of them.
fn sharing(crack: &Crack) -> f64 {
    2.0 * std::f64::consts::PI.sqrt() * crack.config.smooth_stations
}

/// What the rounds work on.
struct Rounds<'a> {
    crack: &'a Crack,
    geometry: &'a Geometry,
    /// What is expected of each station's depth.
    fill: &'a [Filling],
    past: &'a [Past],
    stations: Vec<Station>,
    solved: Vec<Solved>,
    /// Where the stations' equations stand, and where their pixels were last looked at.
    guess: Vec<Guess>,
    evaluated: Vec<Guess>,
}

impl Rounds<'_> {
    fn evaluate(&mut self, pixels: &Pixels, guess: &[Guess]) {
        self.stations.resize(guess.len(), Station::default());
        self.evaluated.resize(guess.len(), Guess::default());
        self.guess.resize(guess.len(), Guess::default());
        for (k, guess) in guess.iter().enumerate() {
            let before = std::mem::replace(&mut self.guess[k], *guess);
            if self.stations[k].seen && is_settled(&self.evaluated[k], guess) {
                self.stations[k].move_by([
                    f64::from(guess.centre - before.centre),
                    f64::from(guess.opening - before.opening),
                    f64::from(guess.depth - before.depth),
                    f64::from(guess.psf_px - before.psf_px),
                ]);
                continue;
            }
            self.evaluated[k] = *guess;
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
            self.stations[k] = station;
        }
    }

    /// Moves the guess to where the shared equations are solved; the furthest move of an open
    /// station, px.
    fn solve(&mut self, guess: &mut [Guess], start: &[Guess], shared: &Shared) -> f32 {
        let smooth = self.crack.config.smooth_stations;
        let sharing = sharing(self.crack);
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
        let depth_squared = f64::from(shared.depth).powi(2);
        let mut moved = 0.0f32;
        self.solved.clear();
        for (k, row) in by_branch(self.geometry, &rows, smooth).iter().enumerate() {
            let prior_depth = 1.0 / (self.fill[k].variance * depth_squared * sharing);
            let solved = Solved::of(row, prior_centre, prior_depth, sharing);
            let Some((mut solved, change)) = solved else {
                self.solved.push(Solved::UNKNOWN);
                continue;
            };
            solved.own_depth.0 += f64::from(start[k].depth);
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
        let sharing = sharing(self.crack);
        // The station's own opening. What was expected of it holds the texture's errors already.
        let alone: Alone = self
            .stations
            .iter()
            .zip(&self.solved)
            .zip(&self.guess)
            .map(|((station, solved), guess)| {
                let [_, row, _] = solved.covariance;
                let own: f64 = (0..3).map(|k| row[k] * station.score[k]).sum();
                (station.seen && row[1] > 0.0)
                    .then(|| (f64::from(guess.opening) + own, row[1].sqrt()))
            })
            .collect();
        let excess_seen = excess(self.geometry, &alone, sharing, |k| self.past[k].was_open());
        let excess = lasting(&excess_seen, self.past);
        let typical = {
            let known: Vec<f32> = excess.iter().copied().filter(|e| e.is_finite()).collect();
            known.iter().sum::<f32>() / known.len().max(1) as f32
        };
        if self.crack.config.depth.is_none() {
            let opening = |k: usize| self.guess[k].opening;
            shared.learn_fill(self.geometry, &self.solved, opening, (typical, sharing));
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
            opening_alone: nan(),
            alone_error: nan(),
            depth: nan(),
            depth_error: nan(),
            depth_seen: nan(),
            depth_seen_error: nan(),
            level: nan(),
            excess,
            excess_seen,
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
            let by_depth = solved.by_depth as f32 * self.fill[k].by_crack * shared.depth_error();
            let by_psf = solved.by_psf as f32 * shared.psf_error();
            out.common_error[k] = by_depth.hypot(by_psf);
            if let Some((opening, sigma)) = alone[k] {
                (out.opening_alone[k], out.alone_error[k]) = (opening as f32, sigma as f32);
            }
            let (seen, variance) = solved.own_depth;
            (out.depth_seen[k], out.depth_seen_error[k]) = (seen as f32, variance.sqrt() as f32);
            out.depth[k] = guess[k].depth;
            out.depth_error[k] = solved.variance[2].sqrt() as f32;
            out.level[k] = guess[k].level;
        }
        out
    }
}

/// Whether equations at one guess hold at another.
fn is_settled(at: &Guess, now: &Guess) -> bool {
    (at.centre - now.centre).abs() < SETTLED_PX
        && (at.opening - now.opening).abs() < SETTLED_PX
        && (at.depth - now.depth).abs() < SETTLED_SHARE * at.depth.abs()
        && (at.psf_px - now.psf_px).abs() < SETTLED_SHARE * at.psf_px
}

impl Rounds<'_> {
    /// Where the path turns by α within an opening w, its walls are no longer parallel: inner and
    /// outer wall stand w (1/cos(α/2) − 1) apart from where parallel ones would. A sharp kink is in the
    /// distances already, with a round outer corner; a pointed one has (w/2)² (tan(α/2) − α/2) px²
    /// more, and which of both it is, is not known.
    fn bend_error(&self, k: usize, opening: f32) -> f32 {
        let far = (0.5 * opening.max(0.0) + BEND_WITHIN) as usize;
        let Some(branch) = self.geometry.branches.iter().find(|b| b.stations().contains(&k)) else {
            return 0.0;
        };
        let range = branch.stations();
        let (a, b) = (k.saturating_sub(far).max(range.start), (k + far).min(range.end - 1));
        let ([ax, ay], [bx, by]) = (self.geometry.normal[a], self.geometry.normal[b]);
        let half = 0.5 * opening.max(0.0);
        let even = BEND_EVEN * (b - a) as f32;
        let kink = self.geometry.kink[a..=b].iter().copied().fold(0.0, f32::max);
        let turn = ((ax * bx + ay * by).clamp(-1.0, 1.0).acos() - kink - even).clamp(0.0, 2.0);
        let corner = half * half * ((0.5 * kink).tan() - 0.5 * kink);
        let pointed = 0.5 * corner / sharing(self.crack) as f32;
        pointed.hypot(2.0 * half * (1.0 / (0.5 * turn).cos() - 1.0))
    }
}

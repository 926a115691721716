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
use super::geometry::{Geometry, by_branch};
use super::judge::blind;
use super::known::{Known, Past};
use super::pixels::Pixels;
use super::profile::Profile;
use super::shape::{Guess, sums};
use super::shared::Shared;
use super::station::{Solved, Station};
use crate::gauge::View;
use crate::gauge::median::median;

/// A round that moves no open station further than this is the last, px; and of a station that has not
/// moved further since it was last evaluated the equations of then still hold.
const SETTLED_PX: f32 = 0.25;
/// The same for depth and point spread, as shares of them.
const SETTLED_SHARE: f32 = 0.02;
/// Newton rounds at most.
const ROUNDS: usize = 7;
/// Rounds of depth and point spread, which change little from frame to frame.
const SHARED_ROUNDS: usize = 3;
/// One sigma of where the centre may be about the known path, px, and the furthest it is followed.
const CENTRE_SIGMA: f64 = 1.0;
const CENTRE_MOST: f32 = 3.0;
/// Rounds in which a station may begin from what it says itself; it does where that is so many sigma from
/// what it shares with its neighbours, or times what is typical, if that is more.
const OWN_ROUNDS: usize = 5;
const OWN_SIGMA: f32 = 6.0;
/// Median size of a normal variate.
const MEDIAN: f32 = 0.6745;
/// Openings may pass below zero, where noise is bright: the model is odd in w.
const OPENING_LEAST: f32 = -4.0;
/// Fewer seen pixels make no station.
const PIXELS_LEAST: f32 = 12.0;

/// Fits all stations near what is known.
pub fn fit(crack: &Crack, view: &View<'_>, known: &Known) -> Profile {
    let geometry = &*known.geometry;
    let pixels = Pixels::read(geometry, view);
    let (fx, fy) = view.fraction();
    let (levels, seen) = pixels.levels(geometry, known);
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
        rows: vec![],
    };
    let mut free = false;
    for round in 0..ROUNDS {
        rounds.evaluate(&pixels, &seen, &guess);
        let mut moved = rounds.solve(&mut guess, &start, &shared);
        if round > 0 && round < OWN_ROUNDS {
            moved = moved.max(rounds.take_own(&mut guess, &mut start));
        }
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
    if free {
        shared.allow_for_change(&known.shared);
    }
    let mut profile = rounds.profile(&guess, shared, (fx as f32, fy as f32));
    for (k, _) in blind.iter().enumerate().filter(|(_, blind)| **blind) {
        profile.level[k] = levels[k];
    }
    profile
}

/// Stations that share a change: the variance of one over that of a mean of them.
pub(super) fn sharing(crack: &Crack) -> f64 {
    2.0 * std::f64::consts::PI.sqrt() * crack.config.smooth_stations
}

/// What the rounds work on.
pub(super) struct Rounds<'a> {
    pub(super) crack: &'a Crack,
    pub(super) geometry: &'a Geometry,
    /// What is expected of each station's depth.
    pub(super) fill: &'a [Filling],
    pub(super) past: &'a [Past],
    pub(super) stations: Vec<Station>,
    pub(super) solved: Vec<Solved>,
    /// Where the stations' equations stand, and where their pixels were last looked at.
    pub(super) guess: Vec<Guess>,
    evaluated: Vec<Guess>,
    /// The stations' own equations, to be shared.
    rows: Vec<[f64; 11]>,
}

impl Rounds<'_> {
    fn evaluate(&mut self, pixels: &Pixels, seen: &[f32], guess: &[Guess]) {
        self.stations.resize(guess.len(), Station::default());
        self.evaluated.resize(guess.len(), Guess::default());
        self.guess.resize(guess.len(), Guess::default());
        for k in self.geometry.stations() {
            let guess = &guess[k];
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
            if seen[k] >= PIXELS_LEAST && guess.level.is_finite() {
                let sums = sums(
                    &pixels.signal[range.clone()],
                    &self.geometry.distance[range.clone()],
                    &pixels.valid[range],
                    guess,
                    &pixels.scatter,
                );
                station = Station::of(&sums, guess);
            }
            self.stations[k] = station;
        }
    }

    /// Moves the guess to where the shared equations are solved; the furthest move of an open
    /// station, px.
    fn solve(&mut self, guess: &mut [Guess], start: &[Guess], shared: &Shared) -> f32 {
        let smooth = self.crack.config.smooth_stations;
        let sharing = sharing(self.crack);
        self.rows.resize(guess.len(), [0.0; 11]);
        for k in self.geometry.stations() {
            let (station, guess, start) = (&self.stations[k], &self.guess[k], &start[k]);
            self.rows[k] = {
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
            };
        }
        let most = self.crack.config.max_width_px as f32;
        let prior_centre = 1.0 / (CENTRE_SIGMA * CENTRE_SIGMA * sharing);
        let depth_squared = f64::from(shared.depth).powi(2);
        let mut moved = 0.0f32;
        self.solved.resize(guess.len(), Solved::UNKNOWN);
        let rows = by_branch(self.geometry, &self.rows, smooth);
        for k in self.geometry.stations() {
            let row = &rows[k];
            let prior_depth = 1.0 / (self.fill[k].variance * depth_squared * sharing);
            let solved = Solved::of(row, prior_centre, prior_depth, sharing);
            let Some((mut solved, change)) = solved else {
                self.solved[k] = Solved::UNKNOWN;
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
            self.solved[k] = solved;
        }
        moved
    }

    /// Lets stations begin from what they say by themselves where that contradicts what they share: at a blunt
    /// end the opening is a step, and a change that is shared over it makes waves that reach far inside. The
    /// furthest move, px.
    fn take_own(&self, guess: &mut [Guess], start: &mut [Guess]) -> f32 {
        let most = self.crack.config.max_width_px as f32;
        let own = |k: usize| {
            let (station, [_, row, _]) = (&self.stations[k], self.solved[k].covariance);
            let by: f64 = row.iter().zip(&station.score).map(|(row, score)| row * score).sum();
            let opening = self.guess[k].opening + by as f32;
            (station.seen && row[1] > 0.0).then(|| {
                let opening = opening.clamp(OPENING_LEAST, most);
                (opening, (opening - guess[k].opening) / row[1].sqrt() as f32)
            })
        };
        let own: Vec<Option<(f32, f32)>> = (0..guess.len()).map(own).collect();
        let typical = median(own.iter().flatten().map(|(_, off)| off.abs())).unwrap_or(0.0);
        let least = OWN_SIGMA * (typical / MEDIAN).max(1.0);
        let mut moved = 0.0f32;
        for (k, own) in own.iter().enumerate() {
            let Some((opening, off)) = *own else { continue };
            if off.abs() > least {
                let by = opening - guess[k].opening;
                guess[k].opening = opening;
                start[k].opening += by;
                moved = moved.max(by.abs());
            }
        }
        moved
    }
}

/// Whether equations at one guess hold at another.
fn is_settled(at: &Guess, now: &Guess) -> bool {
    (at.centre - now.centre).abs() < SETTLED_PX
        && (at.opening - now.opening).abs() < SETTLED_PX
        && (at.depth - now.depth).abs() < SETTLED_SHARE * at.depth.abs()
        && (at.psf_px - now.psf_px).abs() < SETTLED_SHARE * at.psf_px
}

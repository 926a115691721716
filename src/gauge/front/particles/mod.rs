//! Particles that drift through the region, over the specimen and over the front: where each will be some
//! frames later.
//!
//! One that stands still is learned as the specimen's texture. One that moves is followed along a straight
//! line while it stands free (`spots`), and expected to go on along it while it lies over the front. There a
//! single frame tells it from lithium only where it is darker or brighter than both sides (`over`).

mod hidden;
mod over;
mod spots;

use std::collections::VecDeque;

pub use hidden::Hidden;
pub use over::find_over;
pub use spots::{Spot, find};

use super::cells::CELL;

/// A sighting is the same particle where it is as large within this factor and, over the particle's
/// radius, so near to where it was expected; what is not seen for a while may be further off by so
/// much, px per frame.
const SIZE_FACTOR: f32 = 1.4;
const NEAR_RADII: f32 = 0.5;
const STRAY_PX: f32 = 0.1;
/// The straight line is that through so many sightings, so many frames apart; a particle moves when it
/// has gone so far over at least so many of them, and so many times further than they scatter about the
/// line, px.
const SIGHTINGS: usize = 12;
const SIGHTING_FRAMES: u64 = 4;
const SIGHTINGS_LEAST: usize = 3;
const MOVED_PX: f32 = 1.5;
const MOVED_SIGMA: f32 = 5.0;
/// One that was not seen for so many frames is forgotten: over the front it lies for long. One that is
/// not known to move is forgotten sooner.
const FORGOTTEN_AFTER: u64 = 120;
const FORGOTTEN_STILL: u64 = 24;
/// More spots than this in one frame are a texture.
const SPOTS_MOST: usize = 64;

/// Particles over time.
#[derive(Default)]
pub struct Particles {
    all: Vec<Particle>,
}

struct Particle {
    /// As it was when it was last seen whole.
    spot: Spot,
    /// Frame, along, across.
    seen: VecDeque<(u64, f32, f32)>,
    /// It has moved for sure.
    moves: bool,
}

impl Particles {
    /// Takes what the frame `frame` shows of `lines` lines; where particles have been that are now
    /// known to move, if there are any.
    pub fn take(&mut self, frame: u64, spots: &[Spot], lines: usize) -> Option<Hidden> {
        if spots.len() > SPOTS_MOST {
            return None;
        }
        self.all.retain(|particle| {
            let after = if particle.moves { FORGOTTEN_AFTER } else { FORGOTTEN_STILL };
            frame < particle.last().0 + after
        });
        let expected: Vec<_> = self.all.iter().map(|particle| particle.expected(frame)).collect();
        let mut new = Vec::new();
        let mut is_taken = vec![false; self.all.len()];
        for spot in spots {
            let near = (0..self.all.len())
                .filter(|at| !is_taken[*at])
                .filter_map(|at| Some((at, self.all[at].distance(frame, expected[at], spot)?)))
                .min_by(|a, b| a.1.total_cmp(&b.1));
            match near {
                Some((at, _)) => {
                    is_taken[at] = true;
                    self.all[at].take(frame, spot);
                }
                None => new.push(Particle {
                    spot: spot.clone(),
                    seen: VecDeque::from([(frame, spot.along, spot.across)]),
                    moves: false,
                }),
            }
        }
        self.all.extend(new);
        let mut trails: Option<Hidden> = None;
        for particle in &mut self.all {
            if !particle.moves && particle.motion().is_some() {
                particle.moves = true;
                let trails = trails.get_or_insert_with(|| Hidden::nothing(lines));
                for (_, along, across) in &particle.seen {
                    trails.add(&particle.spot, (*along, *across));
                }
            }
        }
        trails
    }

    /// What moving particles hide of `lines` lines in the frame `frame`; nothing when there are none.
    pub fn hidden(&self, frame: u64, lines: usize) -> Option<Hidden> {
        self.hidden_by(frame, lines, |particle| particle.moves)
    }

    /// The same of what may be one: it was seen twice apart from lithium, and noise is not at the same place.
    pub fn suspected(&self, frame: u64, lines: usize) -> Option<Hidden> {
        self.hidden_by(frame, lines, |particle| particle.seen.len() > 1)
    }

    fn hidden_by(
        &self,
        frame: u64,
        lines: usize,
        hides: impl Fn(&Particle) -> bool,
    ) -> Option<Hidden> {
        let mut hidden: Option<Hidden> = None;
        for particle in self.all.iter().filter(|particle| hides(particle)) {
            let at = particle.expected(frame);
            hidden.get_or_insert_with(|| Hidden::nothing(lines)).add(&particle.spot, at);
        }
        hidden
    }
}

impl Particle {
    fn last(&self) -> (u64, f32, f32) {
        // A particle is made of its first sighting, and keeps one at least.
        self.seen.back().copied().unwrap_or((0, f32::NAN, f32::NAN))
    }

    /// Velocity along and across, px per frame, where it moves for sure.
    fn motion(&self) -> Option<(f32, f32)> {
        let n = self.seen.len();
        if n < SIGHTINGS_LEAST {
            return None;
        }
        let count = n as f32;
        let last = self.last().0;
        let when = |frame: u64| (last - frame) as f32;
        let mean = |of: fn(&(u64, f32, f32)) -> f32| self.seen.iter().map(of).sum::<f32>() / count;
        let middle = self.seen.iter().map(|seen| when(seen.0)).sum::<f32>() / count;
        let (along, across) = (mean(|seen| seen.1), mean(|seen| seen.2));
        let (mut tt, mut ta, mut tc) = (0.0, 0.0, 0.0);
        for (frame, a, c) in &self.seen {
            let t = middle - when(*frame);
            (tt, ta, tc) = (tt + t * t, ta + t * (a - along), tc + t * (c - across));
        }
        let rate = (ta / tt, tc / tt);
        let scatter = self
            .seen
            .iter()
            .map(|(frame, a, c)| {
                let t = middle - when(*frame);
                (a - along - rate.0 * t).powi(2) + (c - across - rate.1 * t).powi(2)
            })
            .sum::<f32>();
        let scatter = (scatter / (2.0 * count - 4.0)).sqrt();
        let went = rate.0.hypot(rate.1) * (last - self.seen[0].0) as f32;
        (went > MOVED_PX + MOVED_SIGMA * scatter).then_some(rate)
    }

    fn expected(&self, frame: u64) -> (f32, f32) {
        let rate = self.motion().unwrap_or_default();
        let (last, along, across) = self.last();
        let frames = frame.saturating_sub(last) as f32;
        (along + rate.0 * frames, across + rate.1 * frames)
    }

    /// How far a spot is from where the particle should be, if it may be the particle.
    fn distance(&self, frame: u64, (along, across): (f32, f32), spot: &Spot) -> Option<f32> {
        let distance = (spot.along - along).hypot(spot.across - across);
        let radius = (self.spot.cells as f32 / std::f32::consts::PI).sqrt() * CELL as f32;
        let unseen = frame.saturating_sub(self.last().0) as f32;
        let ratio = spot.cells as f32 / self.spot.cells as f32;
        let fits = spot.dark == self.spot.dark && ratio < SIZE_FACTOR && ratio > 1.0 / SIZE_FACTOR;
        (fits && distance < NEAR_RADII * radius + STRAY_PX * unseen).then_some(distance)
    }

    fn take(&mut self, frame: u64, spot: &Spot) {
        let mut before = self.seen.iter().rev().skip(1);
        if before.next().is_some_and(|before| frame < before.0 + 2 * SIGHTING_FRAMES) {
            self.seen.pop_back();
        } else if self.seen.len() == SIGHTINGS {
            self.seen.pop_front();
        }
        self.seen.push_back((frame, spot.along, spot.across));
        self.spot = spot.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gauge::front::cells::{Cells, centre};

    /// Lithium up to column `front` of cells, and a dark disc of 3 cells' radius.
    fn scene(front: usize, (along, across): (f32, f32)) -> Cells {
        let (rows, columns) = (40, 60);
        let value = (0..rows * columns)
            .map(|at| {
                let (row, column) = (at / columns, at % columns);
                let apart = (centre(column as f32) - along).hypot(centre(row as f32) - across);
                let lithium = if column < front { 1.0 } else { 0.0 };
                // It takes as much from both.
                lithium + if apart < 12.0 { 1.0 } else { 0.0 }
            })
            .collect();
        Cells::of((rows, columns), value)
    }

    #[test]
    fn a_particle_is_followed_over_the_front() {
        let mut particles = Particles::default();
        let place = |frame: u64| (140.0 - 0.5 * frame as f32, 80.0 + 0.25 * frame as f32);
        for frame in (0..200).step_by(4) {
            let spots = find(&scene(20, place(frame)));
            let (along, across) = place(frame);
            // The front stands at 80 px: from 92 to 68 px it is part of lithium or half of it.
            if !(62.0..98.0).contains(&along) {
                assert_eq!(spots.len(), 1, "frame {frame}: {spots:?}");
                let off = (spots[0].along - along).hypot(spots[0].across - across);
                assert!(spots[0].dark && off < 1.0, "frame {frame}: off by {off} px");
            }
            particles.take(frame, &spots, 160);
            let hidden = particles.hidden(frame, 160);
            if frame < 8 {
                assert!(hidden.is_none(), "it has hardly moved in frame {frame}");
                continue;
            }
            let hidden = hidden.expect("a particle that moves");
            let line = hidden.of(across.round() as usize);
            assert!(
                line.iter().any(|(from, end)| *from < along - 11.0 && *end > along + 11.0),
                "frame {frame}: {line:?} does not hide {along}"
            );
            assert!(hidden.of(3).is_empty());
        }
    }

    #[test]
    fn what_stands_still_hides_nothing() {
        let mut particles = Particles::default();
        for frame in (0..80).step_by(4) {
            let shaken = 0.3 * f32::from(u8::from(frame % 8 == 0));
            assert!(
                particles.take(frame, &find(&scene(20, (140.0 + shaken, 80.0))), 160).is_none()
            );
            assert!(particles.hidden(frame, 160).is_none(), "frame {frame}");
        }
    }
}

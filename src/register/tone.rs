//! What a change of contrast does to the tiles' brightness.
//!
//! A detector whose contrast is turned up takes the tiles' means apart as it does their structure, but
//! refocusing, which changes the structure as well, leaves the means as they were. So how far apart
//! they are is told from the frame itself, in which the sums of hundreds of tiles stand on a line:
//!
//! ```text
//! frame's mean / brightness ratio = (template's mean − middle) · spread + middle of the frame
//! ```
//!
//! The line is that of least absolute deviations, so that what covers less than half of the field does
//! not bend it.

use super::compare::TileSums;
use super::level::Level;

/// How the means of a template's tiles become those of a frame, at the template's brightness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// The middle tile in the template and in the frame, mean counts above the offset.
    middle: [f64; 2],
    /// Differences between the frame's tiles, over those of the template's.
    pub spread: f64,
}

impl Tone {
    /// The same look: each tile as bright as it was.
    pub const SAME: Tone = Tone { middle: [0.0; 2], spread: 1.0 };

    /// The tone of a frame whose brightness is `gain` times the template's, from the tiles that are
    /// not masked. The same look where they are few, or all alike.
    pub fn of(level: &Level, sums: &[TileSums], gain: f64, masked: &[bool]) -> Tone {
        let pixels = (level.shape.tile * level.shape.tile) as f64;
        let means = sums.iter().filter_map(|sum| {
            let tile = &level.tiles[sum.tile];
            let open = tile.brightness.is_finite()
                && sum.brightness.is_finite()
                && !masked.get(tile.cell).is_some_and(|masked| *masked);
            open.then(|| [tile.brightness / pixels, sum.brightness / gain / pixels])
        });
        Tone::through(&means.collect::<Vec<_>>())
    }

    /// The line through pairs of means of template and frame.
    fn through(means: &[[f64; 2]]) -> Tone {
        /// So many tiles at least tell of it.
        const TILES_LEAST: usize = 16;
        /// Spreads beyond are no change of contrast.
        const SPREADS: std::ops::Range<f64> = 0.2..5.0;
        const ROUNDS: usize = 24;
        /// Tiles that are off by less than this part of the mean deviation weigh alike.
        const EXACT: f64 = 0.02;
        if means.len() < TILES_LEAST {
            return Tone::SAME;
        }
        // Least absolute deviations: least squares again and again, each tile weighted by how little it
        // was off. The first time all weigh alike.
        let mut line = (Tone::SAME, 0.0);
        for round in 0..ROUNDS {
            let [mut weights, mut template, mut frame, mut across, mut up] = [0.0; 5];
            let weigh = |[x, y]: &[f64; 2]| match round {
                0 => 1.0,
                _ => 1.0 / (y - line.0.mean(*x)).abs().max(EXACT * line.1),
            };
            for pair in means {
                let weight = weigh(pair);
                weights += weight;
                template += weight * pair[0];
                frame += weight * pair[1];
            }
            let middle = [template / weights, frame / weights];
            for pair in means {
                let (weight, x) = (weigh(pair), pair[0] - middle[0]);
                across += weight * x * x;
                up += weight * x * (pair[1] - middle[1]);
            }
            let tone = Tone { middle, spread: up / across };
            if !SPREADS.contains(&tone.spread) {
                return Tone::SAME;
            }
            let off = means.iter().map(|[x, y]| (y - tone.mean(*x)).abs());
            line = (tone, off.sum::<f64>() / means.len() as f64);
            if line.1 == 0.0 {
                break;
            }
        }
        line.0
    }

    /// The mean in the frame of what has this mean in the template, counts above the offset.
    pub fn mean(&self, template: f64) -> f64 {
        (template - self.middle[0]) * self.spread + self.middle[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Means of 200 tiles, and what `look` makes of them.
    fn tiles(look: impl Fn(usize, f64) -> f64) -> Vec<[f64; 2]> {
        let mean = |k: usize| 10.0 + ((k * 37) % 101) as f64 / 50.0;
        (0..200).map(|k| [mean(k), look(k, mean(k))]).collect()
    }

    #[test]
    fn contrast_takes_the_tiles_apart_and_what_covers_a_third_does_not_matter() {
        let covered = |k: usize, mean: f64| match k % 3 {
            0 => 3.0,
            _ => 11.0 + 1.7 * (mean - 11.0),
        };
        let tone = Tone::through(&tiles(covered));
        assert!((tone.spread - 1.7).abs() < 0.05, "{tone:?}");
    }

    #[test]
    fn what_stays_as_it_was_maps_to_itself() {
        let tone = Tone::through(&tiles(|_, mean| mean));
        for mean in [9.0, 11.0, 12.0] {
            assert!((tone.mean(mean) - mean).abs() < 1e-12, "{tone:?}");
            assert_eq!(Tone::SAME.mean(mean), mean);
        }
    }

    #[test]
    fn a_few_tiles_or_tiles_all_alike_tell_nothing() {
        assert_eq!(Tone::through(&tiles(|_, mean| 2.0 * mean)[..15]), Tone::SAME);
        assert_eq!(Tone::through(&[[10.0, 12.0]; 100]), Tone::SAME);
    }
}

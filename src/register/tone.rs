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
        let pixels = level.tile_pixels();
        let means = sums.iter().filter_map(|sum| {
            let tile = &level.tiles[sum.tile];
            let open = tile.brightness.is_finite()
                && sum.brightness.is_finite()
                && !tile.is_masked(masked);
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
        const ROUNDS: usize = 32;
        /// A smaller change of the spread is none.
        const SETTLED: f64 = 1e-4;
        /// Tiles that are off by less than this part of the mean deviation weigh alike.
        const EXACT: f64 = 0.02;
        if means.len() < TILES_LEAST {
            return Tone::SAME;
        }
        let count = means.len() as f64;
        let middle = [0, 1].map(|which| means.iter().map(|pair| pair[which]).sum::<f64>() / count);
        // Least absolute deviations: least squares again and again, each tile weighted by how little it
        // was off, once all have weighed alike.
        let (mut spread, mut shift, mut least_off) = (1.0, 0.0, None);
        for _ in 0..ROUNDS {
            let [mut weights, mut x1, mut y1, mut xx, mut xy, mut off] = [0.0; 6];
            for [template, frame] in means {
                let (x, y) = (template - middle[0], frame - middle[1]);
                let residual = (y - spread * x - shift).abs();
                let weight = least_off.map_or(1.0, |least| 1.0 / residual.max(least));
                weights += weight;
                x1 += weight * x;
                y1 += weight * y;
                xx += weight * x * x;
                xy += weight * x * y;
                off += residual;
            }
            let (x, y) = (x1 / weights, y1 / weights);
            let before = spread;
            spread = (xy / weights - x * y) / (xx / weights - x * x);
            shift = y - spread * x;
            if !SPREADS.contains(&spread) {
                return Tone::SAME;
            }
            let settled = (spread - before).abs() < SETTLED && least_off.is_some();
            if settled || off == 0.0 {
                break;
            }
            least_off = Some(EXACT * off / count);
        }
        Tone { middle: [middle[0], middle[1] + shift], spread }
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

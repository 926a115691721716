//! The path about a turn with its corner, where that explains the pixels better.

use super::pixels::Around;
use super::strips::{Arms, UNKNOWNS};
use super::turns::TURN_LEAST;

/// By how much χ² must fall: four more unknowns take 10 in one of 25 smooth paths that turn so. Beside a kink that
/// is known a turn is mostly that kink's.
const BETTER: f64 = 10.0;
const BETTER_BESIDE: f64 = 25.0;

impl Around {
    /// The nodes with the corner, when that is the better path.
    pub fn corner(&self) -> Option<Vec<[f32; 2]>> {
        let last = self.path.len() - 1;
        let (smooth, _) = self.fit(None)?;
        let (sharp, arms) = self.fit(Some(Arms::new(self.arms)))?;
        let arms = arms?;
        let ([a, b], corner, [first, second]) = (arms.ends, arms.corner, arms.lengths());
        let cosine = ((corner[0] - a[0]) * (b[0] - corner[0])
            + (corner[1] - a[1]) * (b[1] - corner[1]))
            / (first * second);
        let half = 0.25 * last as f64;
        let is_kink = cosine.clamp(-1.0, 1.0).acos() > f64::from(0.5 * TURN_LEAST)
            && cosine > -0.9
            && first.min(second) > half;
        let better = if self.beside { BETTER_BESIDE } else { BETTER };
        // What neither explains (texture) speaks for neither.
        let scale = (sharp.chi2 / (self.pixels.len() - UNKNOWNS) as f64).max(1.0);
        if !is_kink || smooth.likelihood - sharp.likelihood < better * scale {
            return None;
        }
        let split = ((last as f64 * first / (first + second)).round() as usize).clamp(1, last - 1);
        let between = |a: [f64; 2], b: [f64; 2], share: f64| {
            [0, 1].map(|k| (self.origin[k] + a[k] + share * (b[k] - a[k])) as f32)
        };
        let nodes = (0..=last)
            .map(|k| {
                if k <= split {
                    between(a, corner, k as f64 / split as f64)
                } else {
                    between(corner, b, (k - split) as f64 / (last - split) as f64)
                }
            })
            .collect();
        Some(nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pixels::{Pixel, foot};
    use super::super::turns::meeting;
    use super::*;
    use crate::gauge::crack::curve::Curve;
    use crate::gauge::crack::shape::Scatter;
    use rand::{Rng, SeedableRng};

    const PSF: f64 = 1.2;
    const DEPTH: f64 = 0.7;
    const DOSE: f64 = 50.0;

    /// What a smooth path along these points sees of a crack `wide` px open along them: a strip with
    /// round corners, added up over the point spread point by point.
    fn around(points: &[[f64; 2]], wide: f64, seed: u64) -> Around {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let line = points.iter().map(|p| p.map(|v| v as f32)).collect();
        let smooth = Curve { points: line }.resampled().smoothed(4.0);
        let path: Vec<[f64; 2]> = smooth.points.iter().map(|p| p.map(f64::from)).collect();
        let last = path.len() - 1;
        let ends = [path[0], path[last / 3], path[last], path[last - last / 3]];
        let arms = [path[0], meeting(ends).expect("arms that meet"), path[last]];
        let (step, side) = (0.3, 16);
        let taps: Vec<(f64, f64)> = (-side..=side)
            .map(|k| (step * f64::from(k), (-0.5 * (step * f64::from(k) / PSF).powi(2)).exp()))
            .collect();
        let total: f64 = taps.iter().map(|(_, tap)| tap).sum();
        let mut pixels = Vec::new();
        for y in -40..=40 {
            for x in -40..=40 {
                let at = [f64::from(x), f64::from(y)];
                let (distance, along) = foot(&path, at);
                if distance > 0.5 * wide + 7.0 || !(0.05..=0.95).contains(&along) {
                    continue;
                }
                let mut open = 0.0;
                for (dx, tx) in &taps {
                    for (dy, ty) in &taps {
                        let far = foot(points, [at[0] + dx, at[1] + dy]).0;
                        // A sample that the wall cuts is open by a share.
                        let share = ((0.5 * wide - far) / step + 0.5).clamp(0.0, 1.0);
                        open += tx * ty * share / (total * total);
                    }
                }
                let signal = DOSE * (1.0 - DEPTH * open);
                let signal = signal + signal.sqrt() * normal();
                pixels.push(Pixel { at, signal, distance, along });
            }
        }
        Around {
            pixels,
            path,
            arms,
            origin: [100.0, 200.0],
            opening: wide,
            beside: false,
            depth: DEPTH,
            depth_sigma: 0.2,
            psf: PSF,
            scatter: Scatter { dark: 0.0, gain: 1.0 },
        }
    }

    #[test]
    fn the_corner_of_a_kink_is_where_it_was_drawn() {
        let corner = [1.3, -2.4];
        for (k, wide) in [2.0, 6.0].into_iter().enumerate() {
            let points = [[-24.0, -14.0], corner, [-3.0, 26.0]];
            let around = around(&points, wide, 3 + k as u64);
            let nodes = around.corner().expect("a corner of 87 degrees");
            assert_eq!(nodes.len(), around.path.len(), "nodes keep their numbers");
            let far = |at: [f64; 2]| {
                nodes
                    .iter()
                    .map(|p| (f64::from(p[0]) - at[0]).hypot(f64::from(p[1]) - at[1]))
                    .fold(f64::INFINITY, f64::min)
            };
            let off = far([100.0 + corner[0], 200.0 + corner[1]]);
            assert!(off < 0.25, "{wide} px wide: the corner is off by {off:.2} px");
            // The smooth path cut it by more.
            let cut = foot(&around.path, corner).0;
            assert!(cut > 1.0, "cut by {cut:.2} px");
        }
    }

    #[test]
    fn an_even_bend_takes_no_corner() {
        let bend: Vec<[f64; 2]> = (0..=28)
            .map(|k| f64::from(k - 14) * 0.05)
            .map(|by| [36.0 * by.sin(), 36.0 * (1.0 - by.cos())])
            .collect();
        assert!(around(&bend, 4.0, 5).corner().is_none(), "an arc of 36 px");
    }
}

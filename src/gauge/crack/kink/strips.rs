//! Two straight strips that meet in a corner, as a pixel sees them.
//!
//! A pixel's distance is that from the nearest point of both centre lines, so that the crack is the union
//! of two strips with a round outer corner; box and point spread are as everywhere. Derivatives of the
//! distance are those at a fixed foot point: it is the nearest one, so its own move does not count.

use super::pixels::{Pixel, nearest};
use crate::gauge::crack::shape::normal;

/// Level and its slopes, depth, openings at both ends: of the path, too.
pub const ALIKE: usize = 6;
/// And the corner, and both ends across the path.
pub const UNKNOWNS: usize = ALIKE + 4;

/// Two arms: their ends, the corner between them, and the directions in which the ends move.
#[derive(Clone, Copy, Debug)]
pub struct Arms {
    pub ends: [[f64; 2]; 2],
    pub corner: [f64; 2],
    pub across: [[f64; 2]; 2],
}

impl Arms {
    /// From `a` to `corner` to `b`; the ends move across the arms.
    pub fn new([a, corner, b]: [[f64; 2]; 3]) -> Arms {
        Arms { ends: [a, b], corner, across: [across(a, corner), across(corner, b)] }
    }

    /// The same where the unknowns have these values.
    pub fn at(&self, unknowns: &[f64; UNKNOWNS]) -> Arms {
        let by = |p: [f64; 2], n: [f64; 2], by: f64| [p[0] + by * n[0], p[1] + by * n[1]];
        let ([a, b], [na, nb]) = (self.ends, self.across);
        Arms {
            ends: [by(a, na, unknowns[ALIKE + 2]), by(b, nb, unknowns[ALIKE + 3])],
            corner: [unknowns[ALIKE], unknowns[ALIKE + 1]],
            across: self.across,
        }
    }

    /// Lengths of both.
    pub fn lengths(&self) -> [f64; 2] {
        self.ends.map(|end| (self.corner[0] - end[0]).hypot(self.corner[1] - end[1]))
    }

    /// Distance of a pixel, how far along both arms its foot point is, 0 to 1, and how the distance
    /// changes with the corner and the ends.
    fn distance(&self, pixel: &Pixel) -> (f64, f64, [f64; UNKNOWNS - ALIKE]) {
        let ([a, b], [first, second]) = (self.ends, self.lengths());
        let (one, two) = (nearest(a, self.corner, pixel.at), nearest(self.corner, b, pixel.at));
        let is_first = one.0 <= two.0;
        let (far, share, unit) = if is_first { one } else { two };
        let along = if is_first { share * first } else { first + share * second };
        // How the distance falls as the corner and the end of the arm move.
        let (of_corner, of_end) =
            if is_first { (share, 1.0 - share) } else { (1.0 - share, share) };
        let mut slopes = [-unit[0] * of_corner, -unit[1] * of_corner, 0.0, 0.0];
        let (end, across) = if is_first { (2, self.across[0]) } else { (3, self.across[1]) };
        slopes[end] = -(unit[0] * across[0] + unit[1] * across[1]) * of_end;
        (far, along / (first + second), slopes)
    }
}

/// The signal that a pixel is expected to have, and its derivatives; without arms the crack lies along
/// the path.
pub fn expected(
    pixel: &Pixel,
    at: &[f64; UNKNOWNS],
    arms: Option<&Arms>,
    psf: f64,
) -> (f64, [f64; UNKNOWNS]) {
    let mut slopes = [0.0; UNKNOWNS];
    let (mut far, mut along) = (pixel.distance, pixel.along);
    if let Some(arms) = arms {
        let of_arms;
        (far, along, of_arms) = arms.distance(pixel);
        slopes[ALIKE..].copy_from_slice(&of_arms);
    }
    let opening = at[4] + along * (at[5] - at[4]);
    let (tl, tr) = ((far + 0.5 * opening) / psf, (far - 0.5 * opening) / psf);
    let ((left, dl), (right, dr)) = (normal(tl as f32), normal(tr as f32));
    let open = f64::from(left - right);
    let ground = at[0] + at[1] * pixel.at[0] + at[2] * pixel.at[1];
    let through = 1.0 - at[3] * open;
    let dip = -ground * at[3] / psf;
    let by_distance = dip * f64::from(dl - dr);
    let by_opening = 0.5 * dip * f64::from(dl + dr);
    slopes[ALIKE..].iter_mut().for_each(|slope| *slope *= by_distance);
    slopes[..ALIKE].copy_from_slice(&[
        through,
        through * pixel.at[0],
        through * pixel.at[1],
        -ground * open,
        by_opening * (1.0 - along),
        by_opening * along,
    ]);
    (ground * through, slopes)
}

/// Unit vector across the way from `a` to `b`.
fn across(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    let (ux, uy) = (b[0] - a[0], b[1] - a[1]);
    let long = ux.hypot(uy).max(1e-9);
    [-uy / long, ux / long]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_the_differences_of_the_signal() {
        let arms = Arms::new([[-25.0, -3.0], [0.5, 1.0], [14.0, 22.0]]);
        let at = [50.0, 0.05, -0.03, 0.7, 4.0, 4.0, 0.4, 1.2, 0.1, -0.2];
        // On both arms, on both sides of them, and outside of the corner.
        let places = [[-12.0, 2.5], [-9.0, -3.0], [5.0, 12.0], [9.5, 9.0], [2.0, -1.0], [1.5, 0.0]];
        for place in places {
            let pixel = Pixel { at: place, signal: 0.0, distance: 0.0, along: 0.0 };
            let signal = |at: &[f64; UNKNOWNS]| expected(&pixel, at, Some(&arms.at(at)), 1.2).0;
            let (_, slopes) = expected(&pixel, &at, Some(&arms.at(&at)), 1.2);
            for k in 0..UNKNOWNS {
                let step = 0.01;
                let (mut low, mut high) = (at, at);
                low[k] -= step;
                high[k] += step;
                let difference = (signal(&high) - signal(&low)) / (2.0 * step);
                let off = (difference - slopes[k]).abs();
                // Φ is good to 1e-6, of some 35 counts.
                assert!(
                    off < 0.01 + 2e-3 * difference.abs(),
                    "{k} at {place:?}: {} not {difference}",
                    slopes[k]
                );
            }
        }
    }

    #[test]
    fn arms_are_as_long_as_their_ends_are_from_the_corner() {
        let arms = Arms::new([[-3.0, 4.0], [0.0, 0.0], [6.0, 8.0]]);
        assert_eq!(arms.lengths(), [5.0, 10.0]);
        let mut at = [0.0; UNKNOWNS];
        at[ALIKE + 2] = 2.0;
        let moved = arms.at(&at);
        let [x, y] = [moved.ends[0][0] + 3.0, moved.ends[0][1] - 4.0];
        assert!((x.hypot(y) - 2.0).abs() < 1e-12 && (3.0 * x - 4.0 * y).abs() < 1e-12, "{x}, {y}");
    }
}

//! A crack of any course: a polyline whose opening is known everywhere, dark or bright, which may
//! grow from its first point, and may be filled over a part of its length.
//!
//! What a pixel sees follows from its distance to the nearest point of the line: a box of the
//! opening there, convolved with the point spread across the line. Where the line bends within a
//! point spread that is not exact; elsewhere it is.

use super::erf::quick_step;
use super::pose::View;

/// A crack along a polyline, in reference px; time as a share of the recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Fissure {
    /// The vertices (x, y), from the mouth to where the tip goes. Curves are many short pieces.
    pub path: Vec<(f64, f64)>,
    /// The opening at the mouth at the end of the recording, px.
    pub widest_px: f64,
    /// The same everywhere, instead of falling with the root of the distance to the tip.
    pub even: bool,
    /// Share of the brightness that the opening takes away; negative: that it adds.
    pub depth: f64,
    /// The tip's place as a share of the path, and the mouth's opening as a share of the widest,
    /// at the start; both are 1 at the end.
    pub grown: f64,
    pub opened: f64,
    /// From and to (shares of the path), and the share of the depth that the filling takes back.
    pub filled: Option<(f64, f64, f64)>,
}

impl Fissure {
    /// A dark one that stands open from the first frame to the last, equally wide everywhere.
    pub fn still(path: Vec<(f64, f64)>, width_px: f64) -> Fissure {
        Fissure {
            path,
            widest_px: width_px,
            even: true,
            depth: 0.7,
            grown: 1.0,
            opened: 1.0,
            filled: None,
        }
    }

    /// Length of the whole path, px.
    pub fn path_length(&self) -> f64 {
        self.path.windows(2).map(|pair| length(pair[0], pair[1])).sum()
    }

    /// Length of the open part, px.
    pub fn length(&self, time: f64) -> f64 {
        self.path_length() * (self.grown + (1.0 - self.grown) * time)
    }

    /// Opening at a distance along the path, perpendicular to it, px.
    pub fn opening(&self, along: f64, time: f64) -> f64 {
        let left = 1.0 - along / self.length(time);
        if !(0.0..=1.0).contains(&left) {
            return 0.0;
        }
        let mouth = self.widest_px * (self.opened + (1.0 - self.opened) * time);
        if self.even { mouth } else { mouth * left.sqrt() }
    }

    /// Share of the brightness that an opening takes away at a distance along the path.
    pub fn depth_at(&self, along: f64) -> f64 {
        let total = self.path_length();
        match self.filled {
            Some((from, to, share)) if (from * total..to * total).contains(&along) => {
                self.depth * (1.0 - share)
            }
            _ => self.depth,
        }
    }

    /// The point at a distance along the path.
    pub fn point(&self, along: f64) -> (f64, f64) {
        let mut left = along;
        for pair in self.path.windows(2) {
            let piece = length(pair[0], pair[1]);
            if left <= piece {
                let share = if piece > 0.0 { left / piece } else { 0.0 };
                return between(pair[0], pair[1], share);
            }
            left -= piece;
        }
        self.path.last().copied().unwrap_or((f64::NAN, f64::NAN))
    }

    /// Distance to the path and the distance along it of the nearest point, px.
    pub fn nearest(&self, at: (f64, f64)) -> (f64, f64) {
        let mut best = (f64::INFINITY, f64::NAN);
        let mut along = 0.0;
        for pair in self.path.windows(2) {
            let piece = length(pair[0], pair[1]);
            let share = foot(pair[0], pair[1], at);
            let far = length(at, between(pair[0], pair[1], share));
            if far < best.0 {
                best = (far, along + share * piece);
            }
            along += piece;
        }
        best
    }

    /// Multiplies an image of relative brightness by what the opening lets through.
    pub fn shade(&self, image: &mut [f32], view: &View, time: f64) {
        let scale = view.middle().scale();
        let reach = scale * 0.5 * self.widest_px + 6.0 * view.psf_px;
        // For each pixel the nearest point of all pieces: distance (frame px), and along.
        let mut nearest = vec![(f32::INFINITY, 0.0f32); image.len()];
        let mut along = 0.0;
        for pair in self.path.windows(2) {
            let piece = length(pair[0], pair[1]);
            let middle = between(pair[0], pair[1], 0.5);
            let far = reach + 0.5 * scale * piece;
            for row in view.rows_near(middle, far) {
                let pose = view.pose(row);
                let columns = super::pose::span(pose.in_frame(middle).0, far, view.width);
                let first = row * view.width + columns.start;
                for (k, seen) in nearest[first..first + columns.len()].iter_mut().enumerate() {
                    let at = pose.in_reference(((columns.start + k) as f64, row as f64));
                    let share = foot(pair[0], pair[1], at);
                    let distance = scale * length(at, between(pair[0], pair[1], share));
                    if distance < f64::from(seen.0) {
                        *seen = (distance as f32, (along + share * piece) as f32);
                    }
                }
            }
            along += piece;
        }
        for (value, (distance, along)) in image.iter_mut().zip(&nearest) {
            let (distance, along) = (f64::from(*distance), f64::from(*along));
            if distance > reach {
                continue;
            }
            let half = 0.5 * scale * self.opening(along, time);
            if half > 0.0 {
                let open = quick_step(distance + half, view.psf_px)
                    - quick_step(distance - half, view.psf_px);
                *value *= (1.0 - self.depth_at(along) * open) as f32;
            }
        }
    }
}

fn length(a: (f64, f64), b: (f64, f64)) -> f64 {
    (b.0 - a.0).hypot(b.1 - a.1)
}

fn between(a: (f64, f64), b: (f64, f64), share: f64) -> (f64, f64) {
    (a.0 + share * (b.0 - a.0), a.1 + share * (b.1 - a.1))
}

/// The share of the way from `a` to `b` at which `at` is nearest.
fn foot(a: (f64, f64), b: (f64, f64), at: (f64, f64)) -> f64 {
    let (ux, uy) = (b.0 - a.0, b.1 - a.1);
    let squared = ux * ux + uy * uy;
    if squared == 0.0 {
        return 0.0;
    }
    (((at.0 - a.0) * ux + (at.1 - a.1) * uy) / squared).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::Fissure;
    use crate::simulate::{Scene, SceneConfig};

    #[test]
    fn what_is_missing_is_depth_times_opening_times_length() {
        let path = vec![(20.0, 30.0), (70.0, 60.0), (110.0, 40.0)];
        let fissure = Fissure::still(path, 3.0);
        let (opening, length) = (3.0, fissure.path_length());
        let config = SceneConfig {
            width: 128,
            height: 96,
            frames: 2,
            contrast: 0.0,
            front: false,
            crack: false,
            fissures: vec![fissure],
            ..SceneConfig::default()
        };
        let mut image = Vec::new();
        Scene::new(config.clone()).expected(0, &mut image);
        let full = config.camera.offset_counts + config.dose_counts_per_px;
        let missing: f64 = image.iter().map(|v| full - f64::from(*v)).sum();
        let area = missing / config.dose_counts_per_px / 0.7;
        // Round ends add a disc of the opening's diameter, and a little for the point spread.
        let expected = opening * length + 0.25 * std::f64::consts::PI * opening * opening;
        assert!((area - expected).abs() < 0.02 * expected, "{area} px², not {expected}");
    }
}

//! What is known of a crack, on lines that were laid anew: what was learnt of the stations that lie where
//! they did is kept.

use std::sync::Arc;

use super::known::{Known, Past};

/// A line that differs by this from where the crack was thought to be was laid anew, px.
const LAID_ANEW: f32 = 0.5;
/// A station that lies this far from where it was is another one, px.
const MOVED: f32 = 1.5;

/// What is known on the new lines, and of which stations nothing is.
pub struct Carried {
    pub known: Known,
    /// Stations at other places, and those whose openings follow from nothing before.
    pub moved: Vec<usize>,
    pub anew: Vec<usize>,
}

impl Known {
    /// Whether lines have all those that are known here, with stations that mean the same places.
    pub fn goes_on_in(&self, renewed: &Known) -> bool {
        let (before, after) = (&self.geometry, &renewed.geometry);
        Arc::ptr_eq(&before.root, &after.root)
            && before.branches.len() <= after.branches.len()
            && before.branches.iter().zip(&after.branches).all(|(a, b)| a.first == b.first)
    }

    /// What is known here on the lines of `renewed`.
    pub fn carried_to(&self, renewed: &Known) -> Carried {
        let (before, after) = (&self.geometry, &renewed.geometry);
        let slots = renewed.opening.len();
        let mut known = Known {
            geometry: Arc::clone(after),
            opening: renewed.opening.clone(),
            centre: vec![0.0; slots],
            ..self.clone()
        };
        let (mut moved, mut anew) = (Vec::new(), Vec::new());
        if !Arc::ptr_eq(&before.root, &after.root) {
            known.past.fill(Past::NONE);
            let all = || (0..slots).collect();
            return Carried { known, moved: all(), anew: all() };
        }
        for k in 0..slots {
            let ([ax, ay], [bx, by]) = (before.at[k], after.at[k]);
            // Not a number where a station is new.
            if !((ax - bx).hypot(ay - by) < MOVED) {
                known.past[k] = Past::NONE;
                moved.push(k);
                anew.push(k);
                continue;
            }
            known.opening[k] = self.opening[k];
            let [nx, ny] = after.normal[k];
            let from_line = self.centre[k] + (ax - bx) * nx + (ay - by) * ny;
            // A line that was laid anew is where the crack was seen; what was thought before,
            // beyond the tip or where a corner was cut, is not.
            if from_line.abs() < LAID_ANEW {
                known.centre[k] = from_line;
            } else {
                known.past[k].centred = 0.0;
                anew.push(k);
            }
        }
        Carried { known, moved, anew }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Region;
    use crate::gauge::crack::curve::Curve;
    use crate::gauge::crack::geometry::{Branch, Geometry, Root};
    use crate::gauge::crack::shared::Shared;

    /// What is known of a crack 40 px long that goes on to `tip`.
    fn known(root: &Arc<Root>, tip: [f32; 2]) -> Known {
        let curve = Curve { points: vec![[20.0, 20.0], [60.0, 20.0], tip] }.resampled();
        let own = curve.points.len();
        let branch = Branch { curve, first: 0, own };
        let region = Region { x: 0, y: 0, width: 100, height: 100 };
        let geometry = Geometry::new(Arc::clone(root), vec![branch], 80, region, |_| 4.0);
        Known {
            geometry: Arc::new(geometry),
            centre: vec![0.0; 80],
            opening: vec![3.0; 80],
            past: vec![Past { frames: 9.0, ..Past::NONE }; 80],
            shared: Shared::default(),
            ahead: 24,
            looked: 5,
            faint: false,
        }
    }

    #[test]
    fn stations_that_lie_where_they_did_keep_what_they_have_shown() {
        let root = Arc::new(Root);
        let (before, after) = (known(&root, [80.0, 20.0]), known(&root, [74.0, 34.0]));
        assert!(before.goes_on_in(&after));
        let carried = before.carried_to(&after);
        assert_eq!(carried.known.past[30].frames, 9.0);
        assert_eq!(carried.known.past[55].frames, 0.0, "it lies elsewhere");
        assert!(carried.moved.contains(&55) && !carried.moved.contains(&30));
        let other = known(&Arc::new(Root), [80.0, 20.0]);
        assert!(!before.goes_on_in(&other), "its stations mean other places");
        assert_eq!(before.carried_to(&other).moved.len(), 80);
    }
}

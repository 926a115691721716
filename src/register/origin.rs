//! Where the coordinates begin: the anchor's place in a template whose frames were drawn.
//!
//! Until a body that moves by itself is seen to do so, it may draw the drift after it, and frames come into the
//! template by so much off: what stands still lies in it beside its place, by the mean of that. Once the body is
//! masked, frames are found at the right distance from each other, but all of them off by the same. The anchor
//! frame, whose drift is 0, tells by how much: it is measured against the template as any other frame is.

use std::sync::Arc;

use super::motion::Motion;
use super::observation::Prediction;
use super::observe::{Scratch, observe_anchor};
use super::reference::Reference;

/// The anchor counts as displaced beyond so many sigma, and by so much, px: a single frame, which the camera's
/// pattern and pixels that are broken displace by hundredths, tells no less.
const SIGMAS: f64 = 4.0;
const LEAST_PX: f64 = 0.05;
/// A body over a smaller part of the field than this draws nothing.
const MASKED_LEAST: f64 = 0.05;
/// Further than this a body cannot have drawn it unseen: the specimen is another.
const MOST_PX: f64 = 2.0;
/// So much of the anchor's structure must be in the template.
const LIKENESS_LEAST: f64 = 0.8;

/// Where the anchor frame lies in a version of the template.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AnchorPlace {
    /// px of the template's coordinates, to the right and downward.
    pub x: f64,
    pub y: f64,
    /// One sigma, px.
    pub x_error: f64,
    pub y_error: f64,
}

impl AnchorPlace {
    /// Looks for the anchor, without the squares that move by themselves; nothing where these are few, or where it
    /// does not look like the template any more.
    pub fn find(
        reference: &Reference,
        masked: &Arc<[bool]>,
        scratch: &mut Scratch,
    ) -> Option<AnchorPlace> {
        let masks = masked.iter().filter(|masked| **masked).count();
        if masks == 0 || (masks as f64) < MASKED_LEAST * masked.len() as f64 {
            return None;
        }
        let prediction = Prediction { masked: Arc::clone(masked), ..Prediction::default() };
        let seen = observe_anchor(reference, &prediction, scratch);
        let (x, y) = (seen.motion.x, seen.motion.y);
        let is_like = seen.locked && !seen.searched && seen.likeness > LIKENESS_LEAST;
        (is_like && x.hypot(y) < MOST_PX).then_some(AnchorPlace {
            x,
            y,
            x_error: seen.x_error,
            y_error: seen.y_error,
        })
    }
}

/// Where a drift of 0 stands in the template's coordinates, px.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Origin {
    pub x: f64,
    pub y: f64,
}

impl Origin {
    /// The motion from there on, of one in the template.
    pub fn of(self, motion: &Motion) -> Motion {
        Motion { x: motion.x - self.x, y: motion.y - self.y, ..*motion }
    }

    /// The same, or where the anchor was found, if that is clearly elsewhere.
    pub fn with(self, anchor: &AnchorPlace) -> Origin {
        let (x, y) = (anchor.x - self.x, anchor.y - self.y);
        let is_off = (x / anchor.x_error).hypot(y / anchor.y_error) > SIGMAS;
        if is_off && x.hypot(y) > LEAST_PX { Origin { x: anchor.x, y: anchor.y } } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_goes_to_the_anchor_only_where_that_is_clearly_elsewhere() {
        let anchor = |x, error| AnchorPlace { x, y: 0.0, x_error: error, y_error: error };
        let start = Origin::default();
        assert_eq!(start.with(&anchor(0.03, 0.01)), start, "three sigma");
        assert_eq!(start.with(&anchor(0.04, 0.001)), start, "too little to matter");
        let moved = start.with(&anchor(0.2, 0.01));
        assert_eq!(moved, Origin { x: 0.2, y: 0.0 });
        assert_eq!(moved.with(&anchor(0.22, 0.01)), moved, "the same place, measured again");
    }
}

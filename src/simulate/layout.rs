//! Where front, lithium and crack lie in the field.

use crate::frame::Region;

/// Where things are, in reference pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// For a front gauge; the front grows to the right through it.
    pub front_region: Region,
    /// Column of the counter electrode.
    pub counter_px: f64,
    /// All that lithium may cover.
    pub lithium: Region,
    /// For a crack gauge.
    pub crack_region: Region,
}

impl Layout {
    /// Front on the left, crack on the right, and more than half of the field free for the drift.
    pub fn of(width: usize, height: usize) -> Layout {
        let part = |size: usize, share: f64| (size as f64 * share).round() as usize;
        let front_region = Region {
            x: part(width, 0.06),
            y: part(height, 0.28),
            width: part(width, 0.56),
            height: part(height, 0.44),
        };
        // Lithium is a little wider than the gauge looks, so that every line has an edge.
        let apron = part(height, 0.03);
        let lithium = Region {
            x: 0,
            y: front_region.y - apron,
            width: part(width, 0.66),
            height: front_region.height + 2 * apron,
        };
        let crack_region = Region {
            x: part(width, 0.72),
            y: part(height, 0.10),
            // As wide as a crack gauge needs, in small fields too.
            width: part(width, 0.16).max(24).min(width - part(width, 0.72)),
            height: part(height, 0.80),
        };
        Layout {
            front_region,
            counter_px: (front_region.x + front_region.width) as f64 - 0.02 * width as f64,
            lithium,
            crack_region,
        }
    }

    /// All that a body of lithium over all rows may cover, when it grows to this share of the
    /// field.
    pub fn covered(&self, cover: f64, (width, height): (usize, usize)) -> Region {
        // Its edge is rough.
        let to = ((cover + 0.03) * width as f64).ceil().clamp(1.0, width as f64);
        Region { x: 0, y: 0, width: (to as usize).max(self.front_region.x + 1), height }
    }
}

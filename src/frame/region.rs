//! A rectangle in reference pixels.

use std::fmt;

/// A rectangle `[x, y, width, height]` of whole pixels, in reference coordinates. It covers the
/// pixels `x .. x + width`, `y .. y + height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(from = "[u32; 4]", into = "[u32; 4]")]
pub struct Region {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Region {
    /// True when the rectangle lies within an image of this size and is not empty.
    pub fn fits(&self, width: usize, height: usize) -> bool {
        self.width > 0
            && self.height > 0
            && self.x + self.width <= width
            && self.y + self.height <= height
    }

    /// True when the rectangles have a pixel in common.
    pub fn meets(&self, other: &Region) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    /// True when the pixel stands in the rectangle.
    pub fn contains(&self, x: usize, y: usize) -> bool {
        x >= self.x && x < self.x + self.width && y >= self.y && y < self.y + self.height
    }
}

impl From<[u32; 4]> for Region {
    fn from([x, y, width, height]: [u32; 4]) -> Self {
        let wide = |v: u32| v as usize;
        Region { x: wide(x), y: wide(y), width: wide(width), height: wide(height) }
    }
}

impl From<Region> for [u32; 4] {
    fn from(r: Region) -> Self {
        [r.x as u32, r.y as u32, r.width as u32, r.height as u32]
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}, {}, {}]", self.x, self.y, self.width, self.height)
    }
}

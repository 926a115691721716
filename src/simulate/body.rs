//! A body of lithium over all rows that advances to the right: it covers the specimen, and its own
//! texture moves along with its edge, so that a registration that follows it is dragged.

use rand_chacha::ChaCha8Rng;

use super::erf::step;
use super::front::Roughness;
use super::pose::View;
use super::specimen::{Extent, Specimen, Texture};

/// Shape and motion of the body, in reference pixels; time as a share of the recording, 0 to 1.
pub struct Body {
    start: f64,
    advance: f64,
    rough: Roughness,
    texture: Texture,
}

/// The body's brightness relative to the specimen's.
const BRIGHTNESS: f32 = 0.65;

/// The share of the field that it covers in the first frame.
const COVER_AT_START: f64 = 0.10;

impl Body {
    /// A body that covers `cover` of the field (a share) by the end.
    pub fn new(
        extent: Extent,
        (width, height): (usize, usize),
        cover: f64,
        psf: f64,
        contrast: f64,
        rng: &mut ChaCha8Rng,
    ) -> Body {
        let start = COVER_AT_START * width as f64;
        let advance = (cover - COVER_AT_START) * width as f64;
        let rough = Roughness::new((0.0, height as f64), rng);
        // Longer than the field, so that it does not run out on the left as it advances.
        let long = extent.grown_right(advance.abs());
        let texture = Texture::new(Specimen::Textured, long, psf, contrast, 1.0, rng);
        Body { start, advance, rough, texture }
    }

    /// Where the edge stands in row `y`.
    pub fn position(&self, y: f64, time: f64) -> f64 {
        self.start + self.advance * time + self.rough.at(y)
    }

    /// The furthest reach of the edge over these rows.
    pub fn tip(&self, rows: (f64, f64), time: f64) -> f64 {
        let steps = ((rows.1 - rows.0) * 8.0) as usize;
        (0..=steps)
            .map(|k| self.position(rows.0 + k as f64 / 8.0, time))
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// Covers an image of relative brightness.
    pub fn cover(&self, image: &mut [f32], view: &View, time: f64) {
        let mut own = vec![BRIGHTNESS; image.len()];
        // At the start the texture's surplus lies left of the field.
        let offset = self.advance * time - self.advance.max(0.0);
        self.texture.add_to(&mut own, view, (offset, 0.0));
        let sigma = view.psf_px;
        let far = self.rough.most() + 20.0 * sigma;
        let base = self.start + self.advance * time;
        let lines = image.chunks_exact_mut(view.width).zip(own.chunks_exact(view.width));
        for (row, (line, own)) in lines.enumerate() {
            let pose = view.pose(row);
            // One edge a row, unless the rows are turned.
            let upright =
                pose.is_upright().then(|| self.edge(pose.in_reference((0.0, row as f64)).1, time));
            for (column, (value, own)) in line.iter_mut().zip(own).enumerate() {
                let (x, y) = pose.in_reference((column as f64, row as f64));
                let covered = if x < base - far {
                    1.0
                } else if x > base + far {
                    continue;
                } else {
                    let (edge, slope) = upright.unwrap_or_else(|| self.edge(y, time));
                    step(pose.scale() * (edge - x) * slope, sigma) as f32
                };
                *value += covered * (own.max(0.1) - *value);
            }
        }
    }

    /// The edge in row `y`, and by how much the distance to it is shorter than along the row.
    fn edge(&self, y: f64, time: f64) -> (f64, f64) {
        let rise = self.position(y + 0.5, time) - self.position(y - 0.5, time);
        (self.position(y, time), rise.atan().cos())
    }
}

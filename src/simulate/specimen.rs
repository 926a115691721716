//! What the specimen looks like before anything happens: a sum of separable functions.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::erf::step;

/// The kind of scene.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Specimen {
    /// Fine and coarse mottling everywhere.
    #[default]
    Textured,
    /// A few particles on an almost even ground.
    Sparse,
    /// Rectangles with sharp edges.
    Edges,
}

/// A product of a function of x and one of y.
struct Feature {
    x: f64,
    y: f64,
    amplitude: f64,
    shape: Shape,
}

enum Shape {
    /// A Gaussian of this standard deviation (point spread included).
    Blob { sigma: f64 },
    /// A rectangle of these half-sizes, blurred by the point spread.
    Box { half_x: f64, half_y: f64, psf: f64 },
}

/// The features of one specimen, in reference coordinates.
pub struct Texture {
    features: Vec<Feature>,
}

/// Content lies this far beyond the field, so that drift brings new specimen into view.
const MARGIN_PX: f64 = 160.0;

impl Texture {
    /// A specimen of a kind; `contrast` is about the standard deviation relative to the mean.
    pub fn new(
        kind: Specimen,
        (width, height): (usize, usize),
        psf: f64,
        contrast: f64,
        rng: &mut ChaCha8Rng,
    ) -> Texture {
        let (span_x, span_y) = (width as f64 + 2.0 * MARGIN_PX, height as f64 + 2.0 * MARGIN_PX);
        let area = span_x * span_y;
        let mut features = Vec::new();
        let mut place = |rng: &mut ChaCha8Rng, amplitude, shape| {
            let (x, y) = (rng.random::<f64>() * span_x, rng.random::<f64>() * span_y);
            features.push(Feature { x: x - MARGIN_PX, y: y - MARGIN_PX, amplitude, shape });
        };
        let mut blobs = |rng: &mut ChaCha8Rng, per_px: f64, small: f64, large: f64, high: f64| {
            for _ in 0..(area / per_px) as usize {
                let share = rng.random::<f64>();
                let sigma = (small + (large - small) * share * share).hypot(psf);
                let amplitude = high * (2.0 * rng.random::<f64>() - 1.0);
                place(rng, amplitude, Shape::Blob { sigma });
            }
        };
        match kind {
            Specimen::Textured => {
                blobs(rng, 30.0, 0.6, 3.0, 1.5 * contrast);
                blobs(rng, 12_000.0, 8.0, 25.0, contrast);
            }
            Specimen::Sparse => {
                blobs(rng, 9_000.0, 1.5, 5.0, 8.0 * contrast);
                blobs(rng, 40_000.0, 10.0, 30.0, 0.3 * contrast);
            }
            Specimen::Edges => {
                for _ in 0..(area / 6_000.0) as usize {
                    let mut half = || 4.0 + 40.0 * rng.random::<f64>().powi(2);
                    let (half_x, half_y) = (half(), half());
                    let amplitude = 2.0 * contrast * (2.0 * rng.random::<f64>() - 1.0);
                    place(rng, amplitude, Shape::Box { half_x, half_y, psf });
                }
            }
        }
        Texture { features }
    }

    /// Adds the specimen, displaced by (`dx`, `dy`), to an image of relative brightness.
    pub fn add_to(&self, image: &mut [f32], width: usize, (dx, dy): (f64, f64)) {
        let height = image.len() / width;
        let mut along_x = Vec::new();
        for feature in &self.features {
            let (cx, cy) = (feature.x + dx, feature.y + dy);
            let (reach_x, reach_y) = feature.shape.reach();
            let (columns, rows) = (span(cx, reach_x, width), span(cy, reach_y, height));
            if columns.is_empty() {
                continue;
            }
            along_x.clear();
            along_x.extend(columns.clone().map(|x| feature.shape.along_x(x as f64 - cx) as f32));
            for y in rows {
                let factor = (feature.amplitude * feature.shape.along_y(y as f64 - cy)) as f32;
                let row = &mut image[y * width + columns.start..y * width + columns.end];
                for (value, along_x) in row.iter_mut().zip(&along_x) {
                    *value += factor * along_x;
                }
            }
        }
    }
}

fn span(centre: f64, reach: f64, size: usize) -> std::ops::Range<usize> {
    let first = (centre - reach).ceil().clamp(0.0, size as f64) as usize;
    let end = ((centre + reach).floor() + 1.0).clamp(0.0, size as f64) as usize;
    first..end.max(first)
}

impl Shape {
    /// Beyond this nothing is left (5.5 sigma).
    fn reach(&self) -> (f64, f64) {
        match self {
            Shape::Blob { sigma } => (5.5 * sigma, 5.5 * sigma),
            Shape::Box { half_x, half_y, psf } => (half_x + 5.5 * psf, half_y + 5.5 * psf),
        }
    }

    fn along_x(&self, d: f64) -> f64 {
        match self {
            Shape::Blob { sigma } => gaussian(d, *sigma),
            Shape::Box { half_x, psf, .. } => step(d + half_x, *psf) - step(d - half_x, *psf),
        }
    }

    fn along_y(&self, d: f64) -> f64 {
        match self {
            Shape::Blob { sigma } => gaussian(d, *sigma),
            Shape::Box { half_y, psf, .. } => step(d + half_y, *psf) - step(d - half_y, *psf),
        }
    }
}

fn gaussian(d: f64, sigma: f64) -> f64 {
    (-0.5 * (d / sigma).powi(2)).exp()
}

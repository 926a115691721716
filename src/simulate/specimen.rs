//! What the specimen looks like before anything happens: a sum of separable functions.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::erf::{quick_step, step};
use super::lattice::Lattice;
use super::pose::{Pose, View, span};

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
    /// Planes of a crystal: almost periodic, on a weak ground that is not.
    Lattice,
}

/// A product of a function of x and one of y.
struct Feature {
    x: f64,
    y: f64,
    amplitude: f64,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    /// A Gaussian of this standard deviation (point spread included).
    Blob { sigma: f64 },
    /// A rectangle of these half-sizes, blurred by the point spread.
    Box { half_x: f64, half_y: f64, psf: f64 },
}

/// The features of one specimen, in reference coordinates.
pub struct Texture {
    features: Vec<Feature>,
    lattice: Option<Lattice>,
    /// The point spread that the features have in them.
    psf: f64,
}

/// Content lies this far beyond the field, so that drift brings new specimen into view.
const MARGIN_PX: f64 = 160.0;

/// Where a specimen has content, in reference px.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    x: (f64, f64),
    y: (f64, f64),
}

impl Extent {
    /// Enough for a field that the specimen crosses; `travel` is how far to the left (negative)
    /// and right, and how far up (negative) and down it goes.
    pub fn of((width, height): (usize, usize), travel: [(f64, f64); 2]) -> Extent {
        // What moves to the right brings new specimen in from the left.
        let along = |size: usize, (least, most): (f64, f64)| {
            let beyond = |travel: f64| MARGIN_PX.max(travel + 0.2 * MARGIN_PX);
            (-beyond(most), size as f64 + beyond(-least))
        };
        Extent { x: along(width, travel[0]), y: along(height, travel[1]) }
    }

    /// With so much more on the right.
    pub fn grown_right(self, more: f64) -> Extent {
        Extent { x: (self.x.0, self.x.1 + more), ..self }
    }
}

impl Texture {
    /// A specimen of a kind; `contrast` is about the standard deviation relative to the mean, and
    /// `lattice_px` the distance of the planes, if there are any.
    pub fn new(
        kind: Specimen,
        extent: Extent,
        psf: f64,
        contrast: f64,
        lattice_px: f64,
        rng: &mut ChaCha8Rng,
    ) -> Texture {
        let (span_x, span_y) = (extent.x.1 - extent.x.0, extent.y.1 - extent.y.0);
        let area = span_x * span_y;
        let mut features = Vec::new();
        let mut place = |rng: &mut ChaCha8Rng, amplitude, shape| {
            let (x, y) = (rng.random::<f64>() * span_x, rng.random::<f64>() * span_y);
            features.push(Feature { x: x + extent.x.0, y: y + extent.y.0, amplitude, shape });
        };
        let mut blobs = |rng: &mut ChaCha8Rng, per_px: f64, small: f64, large: f64, high: f64| {
            for _ in 0..(area / per_px) as usize {
                let share = rng.random::<f64>();
                let sigma = (small + (large - small) * share * share).hypot(psf);
                let amplitude = high * (2.0 * rng.random::<f64>() - 1.0);
                place(rng, amplitude, Shape::Blob { sigma });
            }
        };
        let mut lattice = None;
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
            Specimen::Lattice => {
                blobs(rng, 2_500.0, 15.0, 40.0, 0.5 * contrast);
                lattice = Some(Lattice::new(lattice_px, contrast, rng));
            }
        }
        Texture { features, lattice, psf }
    }

    /// Adds the specimen, moved by `offset` (reference px), to an image of relative brightness.
    pub fn add_to(&self, image: &mut [f32], view: &View, offset: (f64, f64)) {
        let mut along_x = Vec::new();
        for feature in &self.features {
            let at = (feature.x + offset.0, feature.y + offset.1);
            let (amplitude, shape) = feature.seen(view, self.psf);
            match (view.common(), shape) {
                (Some(pose), Shape::Blob { .. }) => {
                    add_product(image, view.width, amplitude, &shape, pose, at, &mut along_x);
                }
                (Some(pose), Shape::Box { .. }) if pose.is_upright() => {
                    add_product(image, view.width, amplitude, &shape, pose, at, &mut along_x);
                }
                (None, Shape::Blob { sigma }) => {
                    add_blob_by_rows(image, view, amplitude, sigma, at);
                }
                (_, Shape::Box { half_x, half_y, psf }) => {
                    let half = (half_x, half_y);
                    add_box_by_pixels(image, view, amplitude, half, psf, at);
                }
            }
        }
        if let Some(lattice) = &self.lattice {
            lattice.add_to(image, view, self.psf, offset);
        }
    }
}

/// A feature as a product of a function of x and one of y, where all rows share a pose.
fn add_product(
    image: &mut [f32],
    width: usize,
    amplitude: f64,
    shape: &Shape,
    pose: &Pose,
    at: (f64, f64),
    along_x: &mut Vec<f32>,
) {
    let (cx, cy) = pose.in_frame(at);
    let (reach_x, reach_y) = shape.reach();
    let (columns, rows) = (span(cx, reach_x, width), span(cy, reach_y, image.len() / width));
    if columns.is_empty() || rows.is_empty() {
        return;
    }
    along_x.clear();
    along_x.extend(columns.clone().map(|x| shape.along_x(x as f64 - cx) as f32));
    for y in rows {
        let factor = (amplitude * shape.along_y(y as f64 - cy)) as f32;
        let row = &mut image[y * width + columns.start..y * width + columns.end];
        for (value, along_x) in row.iter_mut().zip(&*along_x) {
            *value += factor * along_x;
        }
    }
}

/// A blob whose centre stands elsewhere for each row.
fn add_blob_by_rows(image: &mut [f32], view: &View, amplitude: f64, sigma: f64, at: (f64, f64)) {
    let reach = 5.5 * sigma;
    let narrow = 0.5 / (sigma * sigma);
    // exp(−(d + 1)²/2σ²) is exp(−d²/2σ²) times a factor that itself shrinks by a constant one.
    let shrink = (-2.0 * narrow).exp();
    for y in view.rows_near(at, reach) {
        let (cx, cy) = view.pose(y).in_frame(at);
        let from_row = y as f64 - cy;
        let columns = span(cx, reach, view.width);
        if from_row.abs() > reach || columns.is_empty() {
            continue;
        }
        let first = columns.start as f64 - cx;
        let mut value = amplitude * (-(from_row * from_row + first * first) * narrow).exp();
        let mut factor = (-(2.0 * first + 1.0) * narrow).exp();
        for pixel in &mut image[y * view.width..][columns] {
            *pixel += value as f32;
            value *= factor;
            factor *= shrink;
        }
    }
}

/// A rectangle that may be turned, or whose centre stands elsewhere for each row.
fn add_box_by_pixels(
    image: &mut [f32],
    view: &View,
    amplitude: f64,
    (half_x, half_y): (f64, f64),
    psf: f64,
    at: (f64, f64),
) {
    let soft = 5.5 * psf;
    let reach = (half_x + soft).hypot(half_y + soft);
    let inside = |d: f64, half: f64| quick_step(d + half, psf) - quick_step(d - half, psf);
    for y in view.rows_near(at, reach) {
        let pose = view.pose(y);
        let (cx, cy) = pose.in_frame(at);
        let columns = span(cx, reach, view.width);
        let first = columns.start;
        for (k, pixel) in image[y * view.width..][columns].iter_mut().enumerate() {
            let (u, v) = pose.along_axes(((first + k) as f64 - cx, y as f64 - cy));
            if u.abs() < half_x + soft && v.abs() < half_y + soft {
                *pixel += (amplitude * inside(u, half_x) * inside(v, half_y)) as f32;
            }
        }
    }
}

impl Feature {
    /// Amplitude and shape (frame px) under a view. Defocus keeps a feature's sum of brightness,
    /// and so lowers its amplitude.
    fn seen(&self, view: &View, psf: f64) -> (f64, Shape) {
        let scale = view.middle().scale();
        if scale == 1.0 && view.psf_px == psf {
            return (self.amplitude, self.shape);
        }
        match self.shape {
            Shape::Blob { sigma } => {
                let own = scale * scale * (sigma * sigma - psf * psf);
                let seen = own + view.psf_px * view.psf_px;
                let amplitude = self.amplitude * scale * scale * sigma * sigma / seen;
                (amplitude, Shape::Blob { sigma: seen.sqrt() })
            }
            Shape::Box { half_x, half_y, .. } => (
                self.amplitude,
                Shape::Box { half_x: scale * half_x, half_y: scale * half_y, psf: view.psf_px },
            ),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (96, 80);

    fn one(shape: Shape) -> Texture {
        let feature = Feature { x: 60.3, y: 30.6, amplitude: 1.0, shape };
        Texture { features: vec![feature], lattice: None, psf: 1.2 }
    }

    fn view(poses: impl Fn(f64) -> Pose, psf: f64) -> View {
        let rows: Vec<f64> = (0..SIZE.1).map(|row| row as f64).collect();
        View::new(SIZE.0, rows.iter().map(|row| poses(*row)).collect(), rows, vec![], psf)
    }

    fn seen(texture: &Texture, view: &View) -> Vec<f32> {
        let mut image = vec![0.0; SIZE.0 * SIZE.1];
        texture.add_to(&mut image, view, (0.0, 0.0));
        image
    }

    /// Sum, centroid, and variance along x.
    fn moments(image: &[f32]) -> [f64; 4] {
        let sums = image.iter().enumerate().fold([0.0; 4], |s, (k, v)| {
            let (x, y, v) = ((k % SIZE.0) as f64, (k / SIZE.0) as f64, f64::from(*v));
            [s[0] + v, s[1] + v * x, s[2] + v * y, s[3] + v * x * x]
        });
        let (x, y) = (sums[1] / sums[0], sums[2] / sums[0]);
        [sums[0], x, y, sums[3] / sums[0] - x * x]
    }

    fn near(found: f64, expected: f64, bound: f64, what: &str) {
        assert!((found - expected).abs() < bound, "{what}: {found}, not {expected}");
    }

    #[test]
    fn a_similarity_moves_turns_and_magnifies_a_blob() {
        let (angle, scale): (f64, f64) = (0.2, 1.1);
        let texture = one(Shape::Blob { sigma: 2.5 });
        let image = seen(&texture, &view(|_| Pose::new((1.7, -2.2), angle, scale, SIZE), 1.2));
        let [sum, x, y, variance] = moments(&image);
        let (u, v) = (60.3 - 47.5, 30.6 - 39.5);
        near(x, 47.5 + 1.7 + scale * (angle.cos() * u - angle.sin() * v), 1e-3, "x");
        near(y, 39.5 - 2.2 + scale * (angle.sin() * u + angle.cos() * v), 1e-3, "y");
        let own = 2.5 * 2.5 - 1.2 * 1.2;
        near(variance, scale * scale * own + 1.2 * 1.2, 1e-3, "the point spread is not magnified");
        near(sum, scale * scale * std::f64::consts::TAU * 2.5 * 2.5, 0.01, "brightness");
    }

    #[test]
    fn defocus_widens_a_blob_and_keeps_its_brightness() {
        let texture = one(Shape::Blob { sigma: 2.0 });
        let still = |_| Pose::new((0.0, 0.0), 0.0, 1.0, SIZE);
        let sharp = moments(&seen(&texture, &view(still, 1.2)));
        let blurred = moments(&seen(&texture, &view(still, f64::hypot(1.2, 2.0))));
        near(blurred[0], sharp[0], 1e-3, "brightness");
        near(blurred[3], sharp[3] + 4.0, 1e-3, "variance");
    }

    #[test]
    fn a_scan_stretches_and_shears_a_blob() {
        // Seen while it moves down by 0.1 px and right by 0.2 px a row.
        let texture = one(Shape::Blob { sigma: 2.0 });
        let image = seen(&texture, &view(|y| Pose::new((0.2 * y, 0.1 * y), 0.0, 1.0, SIZE), 1.2));
        let [sum, x, y, variance] = moments(&image);
        near(y, 30.6 / 0.9, 1e-3, "met in the row where it then is");
        near(x, 60.3 + 0.2 * y, 1e-3, "x");
        near(sum, std::f64::consts::TAU * 4.0 / 0.9, 0.01, "stretched along y");
        near(variance, 4.0 + (0.2 * 2.0 / 0.9f64).powi(2), 2e-3, "sheared");
    }

    #[test]
    fn every_way_to_draw_gives_the_same() {
        let upright = |_| Pose::new((1.3, 0.4), 0.0, 1.0, SIZE);
        // Too little to see, but it takes the ways for rows and pixels.
        let rows = |y: f64| Pose::new((1.3 + 1e-12 * y, 0.4), 0.0, 1.0, SIZE);
        let turned = |_| Pose::new((1.3, 0.4), 1e-12, 1.0, SIZE);
        let shapes =
            [Shape::Blob { sigma: 2.0 }, Shape::Box { half_x: 12.0, half_y: 7.5, psf: 1.2 }];
        for texture in shapes.map(one) {
            let plain = seen(&texture, &view(upright, 1.2));
            for other in [seen(&texture, &view(rows, 1.2)), seen(&texture, &view(turned, 1.2))] {
                let apart = plain.iter().zip(&other).map(|(a, b)| (a - b).abs());
                let worst = apart.fold(0.0, f32::max);
                assert!(worst < 1e-5, "differs by {worst}");
            }
        }
    }
}

//! The derivatives of one station's model, laid out so that sums over its pixels run fast.

/// The opening's image at one pixel and its derivatives.
pub struct Shape {
    pub open: f32,
    pub by_centre: f32,
    pub by_opening: f32,
    pub by_psf: f32,
    /// Distance from the centre along the line.
    pub along: f32,
}

/// One station's derivatives, a list for each unknown, so that the sums over pixels run side by
/// side. The lists are filled up with zeros to whole blocks.
#[derive(Default)]
pub struct Columns {
    /// Unknowns that are looked at: all, or those of the station alone.
    pub unknowns: usize,
    pub slopes: [Vec<f32>; UNKNOWNS],
    pub weighted: [Vec<f32>; UNKNOWNS],
    pub residual: Vec<f32>,
    pub weighted_residual: Vec<f32>,
}

/// Level, slope, centre, opening; depth, point spread.
pub const UNKNOWNS: usize = 6;
pub const UNKNOWNS_OF_STATION: usize = 4;
/// Partial sums that run side by side; always as many, so that every machine adds alike.
const LANES: usize = 8;

impl Columns {
    /// Fills the lists for one station at the present background (level and slope) and depth.
    pub fn fill(
        &mut self,
        signal: &[f32],
        weight: &[f32],
        shapes: &[Shape],
        depth: f32,
        (level, slope): (f32, f32),
    ) {
        let length = signal.len().next_multiple_of(LANES);
        for list in self.slopes.iter_mut().chain(&mut self.weighted) {
            list.clear();
            list.resize(length, 0.0);
        }
        for list in [&mut self.residual, &mut self.weighted_residual] {
            list.clear();
            list.resize(length, 0.0);
        }
        for (k, ((value, weight), shape)) in signal.iter().zip(weight).zip(shapes).enumerate() {
            let ground = level + slope * shape.along;
            let through = 1.0 - depth * shape.open;
            let residual = value - ground * through;
            let dip = -ground * depth;
            let slopes = [
                through,
                through * shape.along,
                dip * shape.by_centre,
                dip * shape.by_opening,
                -ground * shape.open,
                dip * shape.by_psf,
            ];
            for (unknown, slope) in slopes.into_iter().enumerate().take(self.unknowns) {
                self.slopes[unknown][k] = slope;
                self.weighted[unknown][k] = weight * slope;
            }
            self.residual[k] = residual;
            self.weighted_residual[k] = weight * residual;
        }
    }
}

/// The sum of products of two lists of whole blocks.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    // In pairs: a chain of additions would wait for each one.
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

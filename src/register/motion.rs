//! How the specimen stands in a frame: a shift, and where that is allowed a small linear part.
//!
//! A point p of the reference stands at `q = p + shift + matrix · (p − centre)` in the frame, the
//! centre being that of the field, `((width − 1) / 2, (height − 1) / 2)`. The matrix is zero for
//! plain drift, `(m cos φ − 1, −m sin φ; m sin φ, m cos φ − 1)` for a turn by φ (clockwise on the
//! screen) at magnification m, and has a second column of its own when the frame was scanned line
//! by line while the specimen drifted.

use crate::resample::Affine;

/// The displacement of the specimen as a function of the place in the field.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Motion {
    /// Displacement of the field's centre, px to the right.
    pub x: f64,
    /// The same downward.
    pub y: f64,
    /// Displacement in px for each px from the centre: x along x, x along y, y along x, y along y.
    pub matrix: [f64; 4],
}

/// What may vary from frame to frame, beside the shift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freedom {
    /// Rotation and magnification.
    pub similarity: bool,
    /// Shear and stretch of a frame that is scanned line by line.
    pub scan: bool,
}

/// No more parameters than these.
pub const PARAMETERS: usize = 6;

impl Motion {
    /// A plain shift.
    pub fn shift(x: f64, y: f64) -> Motion {
        Motion { x, y, matrix: [0.0; 4] }
    }

    /// The displacement at (`u`, `v`) px from the centre.
    pub fn at(&self, u: f64, v: f64) -> (f64, f64) {
        let [xx, xy, yx, yy] = self.matrix;
        (self.x + xx * u + xy * v, self.y + yx * u + yy * v)
    }

    /// True when all points move alike.
    pub fn is_shift(&self) -> bool {
        self.matrix == [0.0; 4]
    }

    /// The same motion on a raster whose pixels are `factor` times as large.
    pub fn binned(&self, factor: f64) -> Motion {
        Motion { x: self.x / factor, y: self.y / factor, matrix: self.matrix }
    }

    /// Whether all numbers are finite.
    pub fn is_finite(&self) -> bool {
        self.x.is_finite() && self.y.is_finite() && self.matrix.iter().all(|m| m.is_finite())
    }

    /// The map from reference to frame coordinates, in a field of this size.
    pub fn affine(&self, width: usize, height: usize) -> Affine {
        let [xx, xy, yx, yy] = self.matrix;
        let centre = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
        Affine {
            matrix: [[1.0 + xx, xy], [yx, 1.0 + yy]],
            offset: [
                self.x - xx * centre.0 - xy * centre.1,
                self.y - yx * centre.0 - yy * centre.1,
            ],
        }
    }

    /// Magnification and rotation (rad, clockwise on the screen) of the linear part.
    pub fn similarity(&self) -> (f64, f64) {
        let [xx, xy, yx, yy] = self.matrix;
        let (along, across) = (1.0 + 0.5 * (xx + yy), 0.5 * (yx - xy));
        (along.hypot(across), across.atan2(along))
    }

    /// A turn by `rotation` at a magnification, about the centre.
    pub fn of_similarity(magnification: f64, rotation: f64) -> Motion {
        let (along, across) = (magnification * rotation.cos(), magnification * rotation.sin());
        Motion { x: 0.0, y: 0.0, matrix: [along - 1.0, -across, across, along - 1.0] }
    }

    /// Adds a step of the parameters of `freedom`; lengths are relative to `reach` px.
    pub fn step(&mut self, freedom: Freedom, reach: f64, by: &[f64]) {
        self.x += by[0];
        self.y += by[1];
        let mut next = 2;
        if freedom.similarity {
            self.matrix[0] += by[next] / reach;
            self.matrix[3] += by[next] / reach;
            self.matrix[1] -= by[next + 1] / reach;
            self.matrix[2] += by[next + 1] / reach;
            next += 2;
        }
        if freedom.scan {
            self.matrix[1] += by[next] / reach;
            self.matrix[3] += by[next + 1] / reach;
        }
    }
}

impl Freedom {
    /// How many parameters there are.
    pub fn count(self) -> usize {
        2 + 2 * usize::from(self.similarity) + 2 * usize::from(self.scan)
    }

    /// How a point at (`u`, `v`) px from the centre moves (x, y) with each parameter; matrices are
    /// measured in px at `reach` px from the centre, so that all parameters have one size.
    pub fn basis(self, u: f64, v: f64, reach: f64) -> [(f64, f64); PARAMETERS] {
        let (u, v) = (u / reach, v / reach);
        let mut out = [(0.0, 0.0); PARAMETERS];
        out[0] = (1.0, 0.0);
        out[1] = (0.0, 1.0);
        let mut next = 2;
        if self.similarity {
            out[next] = (u, v);
            out[next + 1] = (-v, u);
            next += 2;
        }
        if self.scan {
            out[next] = (v, 0.0);
            out[next + 1] = (0.0, v);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_parameters_moves_points_as_the_basis_says() {
        let freedom = Freedom { similarity: true, scan: true };
        let by = [0.3, -0.2, 0.01, 0.02, -0.03, 0.04];
        let mut motion = Motion::shift(5.0, 6.0);
        motion.step(freedom, 100.0, &by);
        let (u, v) = (-37.0, 81.0);
        let basis = freedom.basis(u, v, 100.0);
        let moved = by
            .iter()
            .zip(basis)
            .fold((5.0, 6.0), |sum, (by, (x, y))| (sum.0 + by * x, sum.1 + by * y));
        let found = motion.at(u, v);
        assert!((found.0 - moved.0).abs() < 1e-12 && (found.1 - moved.1).abs() < 1e-12);
    }

    #[test]
    fn a_similarity_is_read_back() {
        let (magnification, rotation) = Motion::of_similarity(1.02, -0.03).similarity();
        assert!((magnification - 1.02).abs() < 1e-12 && (rotation + 0.03).abs() < 1e-12);
    }
}

//! Where the specimen stands in a frame: a similarity about the field's centre, and how one
//! frame sees it, row by row.
//!
//! position in frame = centre + drift + scale · R(rotation) · (reference − centre), with the
//! centre at ((width − 1)/2, (height − 1)/2). Rotation is positive from +x towards +y, clockwise
//! on the screen.

/// One similarity; lengths in px, y downward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    drift: (f64, f64),
    scale: f64,
    cos: f64,
    sin: f64,
    centre: (f64, f64),
}

impl Pose {
    /// The pose in a field of this size.
    pub fn new(
        drift: (f64, f64),
        rotation_rad: f64,
        scale: f64,
        (width, height): (usize, usize),
    ) -> Pose {
        let centre = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
        Pose { drift, scale, cos: rotation_rad.cos(), sin: rotation_rad.sin(), centre }
    }

    /// The drift alone, where nothing is rotated or scaled.
    pub fn shift(&self) -> Option<(f64, f64)> {
        (self.sin == 0.0 && self.scale == 1.0).then_some(self.drift)
    }

    /// Frame px per reference px.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// True when rows of the reference are rows of the frame.
    pub fn is_upright(&self) -> bool {
        self.sin == 0.0
    }

    /// Reference to frame.
    pub fn in_frame(&self, (x, y): (f64, f64)) -> (f64, f64) {
        if let Some((dx, dy)) = self.shift() {
            return (x + dx, y + dy);
        }
        let (u, v) = (x - self.centre.0, y - self.centre.1);
        (
            self.centre.0 + self.drift.0 + self.scale * (self.cos * u - self.sin * v),
            self.centre.1 + self.drift.1 + self.scale * (self.sin * u + self.cos * v),
        )
    }

    /// Frame to reference.
    pub fn in_reference(&self, (x, y): (f64, f64)) -> (f64, f64) {
        if let Some((dx, dy)) = self.shift() {
            return (x - dx, y - dy);
        }
        let (u, v) = (x - self.centre.0 - self.drift.0, y - self.centre.1 - self.drift.1);
        (
            self.centre.0 + (self.cos * u + self.sin * v) / self.scale,
            self.centre.1 + (self.cos * v - self.sin * u) / self.scale,
        )
    }

    /// The reference vector of one column of the frame.
    pub fn column_step(&self) -> (f64, f64) {
        (self.cos / self.scale, -self.sin / self.scale)
    }

    /// The displacement (frame px) turned into the rotated axes of the specimen, still frame px.
    pub fn along_axes(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.cos * x + self.sin * y, self.cos * y - self.sin * x)
    }
}

/// How one frame sees the specimen.
pub struct View {
    pub width: usize,
    /// One pose for each row: a scanned frame is taken row after row.
    rows: Vec<Pose>,
    /// True when all rows share one pose.
    uniform: bool,
    /// One sigma of the point spread, defocus included, frame px.
    pub psf_px: f64,
    /// How far a point's row differs from what the middle row's pose says, at most, px.
    spread_px: f64,
    /// When each row is taken, in frames since the first.
    pub when: Vec<f64>,
    /// Displacement of each row by the scan alone, px; empty when there is none.
    pub jitter_px: Vec<f64>,
}

impl View {
    /// A view of `width` columns; `rows` and `when` have one entry a row, and `jitter_px` one or
    /// none.
    pub fn new(
        width: usize,
        rows: Vec<Pose>,
        when: Vec<f64>,
        jitter_px: Vec<f64>,
        psf_px: f64,
    ) -> View {
        let uniform = rows.windows(2).all(|pair| pair[0] == pair[1]);
        let middle = rows[rows.len() / 2];
        // A similarity is linear, so it differs most in the corners of what may be seen.
        let (far_x, far_y) = (width as f64 + 200.0, rows.len() as f64 + 200.0);
        let corners = [(-200.0, -200.0), (far_x, -200.0), (-200.0, far_y), (far_x, far_y)];
        let spread_px = rows
            .iter()
            .filter(|_| !uniform)
            .flat_map(|pose| corners.map(|c| (pose.in_frame(c).1 - middle.in_frame(c).1).abs()))
            .fold(0.0, f64::max);
        View { width, rows, uniform, psf_px, spread_px, when, jitter_px }
    }

    /// The pose of a row.
    pub fn pose(&self, row: usize) -> &Pose {
        &self.rows[row]
    }

    /// The pose of all rows, where they share one.
    pub fn common(&self) -> Option<&Pose> {
        self.uniform.then(|| &self.rows[0])
    }

    /// The middle row's pose.
    pub fn middle(&self) -> &Pose {
        &self.rows[self.rows.len() / 2]
    }

    /// Rows in which something within `reach` (frame px) of a reference point may appear.
    pub fn rows_near(&self, at: (f64, f64), reach: f64) -> std::ops::Range<usize> {
        span(self.middle().in_frame(at).1, reach + self.spread_px, self.rows.len())
    }
}

/// The pixels within `reach` of `centre` on an axis of `size` pixels.
pub fn span(centre: f64, reach: f64, size: usize) -> std::ops::Range<usize> {
    let first = (centre - reach).ceil().clamp(0.0, size as f64) as usize;
    let end = ((centre + reach).floor() + 1.0).clamp(0.0, size as f64) as usize;
    first..end.max(first)
}

#[cfg(test)]
mod tests {
    use super::Pose;

    #[test]
    fn a_pose_goes_there_and_back() {
        let pose = Pose::new((3.5, -2.0), 0.3, 1.1, (101, 81));
        assert_eq!(pose.in_frame((50.0, 40.0)), (53.5, 38.0), "the centre only drifts");
        let (x, y) = pose.in_reference(pose.in_frame((12.0, 70.0)));
        assert!((x - 12.0).hypot(y - 70.0) < 1e-12, "({x}, {y})");
        // Clockwise on the screen: what lay to the right lies lower.
        assert!(pose.in_frame((60.0, 40.0)).1 > 38.0);
    }
}

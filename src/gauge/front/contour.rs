//! The contour: what one frame says of it, and the geometry by which its lines are joined.

use super::fit::Fit;

/// Second differences of the displacement from the expected contour are normal with this sigma
/// over the square of the lines that are joined, px.
const BEND_PX: f64 = 0.3;
/// Between neighbouring lines, the contour is torn where it jumps further than this, px.
pub const TEAR_PX: f32 = 16.0;
const SLOPE_MOST: f32 = 12.0;
/// An edge less certain than this is none, px.
pub const ERROR_MOST: f32 = 2.5;

/// What one frame says of the contour.
pub struct Contour {
    /// Edge of each line, px from the starting edge in reference coordinates, joined with its
    /// neighbours; NaN where there is none.
    pub position: Vec<f32>,
    /// Their one sigma (neighbours are correlated).
    pub error: Vec<f32>,
    /// How far each line may be from there together with those beside it, px: what their errors know nothing of.
    pub doubt: Vec<f32>,
    /// How much likelier (log) the pixels are where each line is elsewhere together with those beside it.
    pub elsewhere: Vec<f32>,
    /// Each line's own edge, apart from its neighbours and from what was expected, with its one
    /// sigma; NaN where there is none.
    pub own: Vec<(f32, f32)>,
    /// One sigma of the mean over the lines, px.
    pub mean_error: f64,
    /// Edge width that fits best.
    pub sigma_px: f32,
    /// Variance of the score over what the camera's noise explains, as it adds up over lines.
    pub excess: f32,
    /// The same by this frame alone.
    pub measured_excess: f32,
    /// Median squared residual over what noise explains.
    pub scatter: f32,
    /// Lithium's brightness over the bare specimen's, less 1, and its one sigma.
    pub contrast: (f64, f64),
    /// Mean brightness of lithium and bare specimen, counts above the offset.
    pub brightness: (f32, f32),
    /// How much of the learned texture the bare specimen shows.
    pub texture_share: f32,
    /// Lines whose edge stands at the end of its window.
    pub at_limit: usize,
    /// Lines before which the frame shows corners.
    pub corners: Vec<usize>,
    /// Where the expected shape counts: its windows, in which it may be looked for once more when all frames before are
    /// known.
    pub again: Option<Box<Fit>>,
}

impl Contour {
    /// No edge anywhere.
    pub fn nothing(lines: usize) -> Contour {
        Contour {
            position: vec![f32::NAN; lines],
            error: vec![f32::NAN; lines],
            doubt: vec![0.0; lines],
            elsewhere: vec![0.0; lines],
            own: vec![(f32::NAN, f32::NAN); lines],
            mean_error: f64::NAN,
            sigma_px: f32::NAN,
            excess: f32::NAN,
            measured_excess: f32::NAN,
            scatter: f32::NAN,
            contrast: (f64::NAN, f64::NAN),
            brightness: (f32::NAN, f32::NAN),
            texture_share: f32::NAN,
            at_limit: 0,
            corners: Vec::new(),
            again: None,
        }
    }

    /// Share of the lines that have an edge.
    pub fn share_found(&self) -> f64 {
        let found = self.position.iter().filter(|p| p.is_finite()).count();
        found as f64 / self.position.len().max(1) as f64
    }

    /// The contour with lines without an edge at their last guess; for a second look.
    pub fn filled(&self, expected: &[f32]) -> Vec<f32> {
        let pairs = self.position.iter().zip(expected);
        pairs.map(|(found, known)| if found.is_finite() { *found } else { *known }).collect()
    }
}

/// The contour where each line's coordinate is `by` lines more (−1 to 1): linear between
/// neighbours, but not over a tear.
pub fn moved_across(contour: &[f32], by: f32) -> Vec<f32> {
    let last = contour.len() - 1;
    (0..contour.len())
        .map(|k| {
            let next = if by > 0.0 { (k + 1).min(last) } else { k.saturating_sub(1) };
            let rise = contour[next] - contour[k];
            if rise.abs() > TEAR_PX { contour[k] } else { contour[k] + by.abs() * rise }
        })
        .collect()
}

/// How steeply the contour runs across the lines, px per line; over a tear, as on its nearer side.
pub fn slopes(contour: &[f32]) -> Vec<f32> {
    let n = contour.len();
    let torn = |k: usize| k + 1 >= n || (contour[k + 1] - contour[k]).abs() > TEAR_PX;
    (0..n)
        .map(|k| {
            let (mut a, mut b) = (k, k);
            while a > 0 && k - a < 2 && !torn(a - 1) {
                a -= 1;
            }
            while b - k < 2 && !torn(b) {
                b += 1;
            }
            let slope = if a == b { 0.0 } else { (contour[b] - contour[a]) / (b - a) as f32 };
            slope.clamp(-SLOPE_MOST, SLOPE_MOST)
        })
        .collect()
}

/// Inverse variance of the displacement's second differences at each line, 1/px²: an edge that runs
/// steeply moves further along the line; where the contour is torn, nothing joins both sides.
pub fn stiffness(contour: &[f32], slope: &[f32], smooth_lines: f64) -> Vec<f64> {
    let bend = BEND_PX / (smooth_lines * smooth_lines);
    let n = contour.len();
    (0..n)
        .map(|k| {
            let (a, b) = (k.saturating_sub(1), (k + 1).min(n - 1));
            let torn = (contour[b] - contour[k]).abs() > TEAR_PX
                || (contour[k] - contour[a]).abs() > TEAR_PX;
            let slope = f64::from(slope[k]);
            if torn { 0.0 } else { 1.0 / (bend * bend * (1.0 + slope * slope)) }
        })
        .collect()
}

/// Lines (half a kernel) that the joined curve averages when each is known with this one sigma, px.
pub fn joined_lines(own_error_px: f64, smooth_lines: f64) -> f64 {
    (own_error_px * smooth_lines * smooth_lines / BEND_PX).sqrt()
}

/// The variance of a line on the joined curve, px², where each line's own is `variance`: a curve with bends of variance q
/// through lines of information f has 0.265 q^¼ f^−¾ (the kernel of B. W. Silverman, Ann. Stat. 12, 898, 1984).
pub fn joined_variance(variance: f64, smooth_lines: f64) -> f64 {
    joined_by(smooth_lines) * variance.powf(0.75)
}

fn joined_by(smooth_lines: f64) -> f64 {
    let bend = (BEND_PX / (smooth_lines * smooth_lines)).powi(2);
    0.265 * bend.powf(0.25)
}

/// The variance that a mean over many lines has from each of them, px², by the variance of the line
/// on the joined curve: neighbours err alike, over as many lines as the curve joins. The inverse of
/// [`joined_variance`].
pub fn variance_in_mean(error_px: f64, smooth_lines: f64) -> f64 {
    (error_px * error_px / joined_by(smooth_lines)).powf(4.0 / 3.0)
}

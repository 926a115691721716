//! Where on the camera the template's pixels came from, and with it how a pattern that is fixed to
//! the camera meets itself when a frame is compared with the template.
//!
//! A frame whose pixel is `I(q)(1 + ε(q))` carries the pattern ε into the template at q − d. In a
//! frame displaced by s it meets the template's weights K of the same pattern as
//! `Σ ε² · Σᵤ D(u) K(s − u)`, D being the share of the template that came from displacement u: a
//! pull towards every place where the specimen has been.

use crate::resample::Kernel;

/// The share of the template that was seen at each whole-pixel displacement.
#[derive(Clone, Debug, PartialEq)]
pub struct Footprint {
    left: i64,
    top: i64,
    width: usize,
    height: usize,
    share: Vec<f32>,
}

/// Displacements are remembered over this length along each axis, px.
const LONGEST: usize = 512;

impl Footprint {
    /// A template that is the first frame alone.
    pub fn at_origin() -> Footprint {
        Footprint { left: 0, top: 0, width: 1, height: 1, share: vec![1.0] }
    }

    /// A frame at a whole-pixel displacement, interpolated by `x` and `y`, comes in with `weight`.
    pub fn fold(&mut self, (at_x, at_y): (i64, i64), x: &Kernel, y: &Kernel, weight: f64) {
        self.fade(weight);
        let (left, top) = (at_x - x.radius() as i64, at_y - y.radius() as i64);
        self.make_room(left, top, x.taps.len(), y.taps.len());
        for (j, along_y) in y.taps.iter().enumerate() {
            let row = (top - self.top) as usize + j;
            let start = row * self.width + (left - self.left) as usize;
            for (share, along_x) in self.share[start..].iter_mut().zip(&x.taps) {
                *share += weight as f32 * along_x * along_y;
            }
        }
    }

    /// A frame that is turned or magnified comes in: its pattern lies differently everywhere.
    pub fn fade(&mut self, weight: f64) {
        self.share.iter_mut().for_each(|share| *share *= 1.0 - weight as f32);
    }

    /// Nothing is left of the frames so far.
    pub fn clear(&mut self) {
        *self = Footprint { share: vec![0.0], ..Footprint::at_origin() };
    }

    fn make_room(&mut self, left: i64, top: i64, width: usize, height: usize) {
        let (right, bottom) = (left + width as i64, top + height as i64);
        let (own_right, own_bottom) =
            (self.left + self.width as i64, self.top + self.height as i64);
        if left >= self.left && top >= self.top && right <= own_right && bottom <= own_bottom {
            return;
        }
        // What lies too far off is forgotten: a specimen that went far seldom comes back.
        let longest = LONGEST as i64;
        let new_left = left.min(self.left.max(right - longest));
        let new_top = top.min(self.top.max(bottom - longest));
        let new_right = right.max(own_right.min(new_left + longest));
        let new_bottom = bottom.max(own_bottom.min(new_top + longest));
        let (width, height) = ((new_right - new_left) as usize, (new_bottom - new_top) as usize);
        let mut share = vec![0.0; width * height];
        for (row, out) in share.chunks_exact_mut(width).enumerate() {
            for (column, out) in out.iter_mut().enumerate() {
                *out = self.at(new_left + column as i64, new_top + row as i64);
            }
        }
        *self = Footprint { left: new_left, top: new_top, width, height, share };
    }

    /// The share at a displacement.
    pub fn at(&self, x: i64, y: i64) -> f32 {
        let (column, row) = (x - self.left, y - self.top);
        let inside =
            column >= 0 && row >= 0 && column < self.width as i64 && row < self.height as i64;
        if inside { self.share[row as usize * self.width + column as usize] } else { 0.0 }
    }

    /// The same for frames and templates binned by `factor`, in binned pixels.
    pub fn binned(&self, factor: usize) -> Footprint {
        let step = factor as i64;
        let (left, top) = ((self.left - step).div_euclid(step), (self.top - step).div_euclid(step));
        let span = |size: usize| size.div_ceil(factor) + 3;
        let (width, height) = (span(self.width), span(self.height));
        let mut share = vec![0.0; width * height];
        // Pixels that two binned pixels at a distance have in common, over those of one.
        let common = |distance: i64| (step - distance.abs()).max(0) as f32 / step as f32;
        for (row, values) in self.share.chunks_exact(self.width).enumerate() {
            for (column, value) in values.iter().enumerate() {
                let (x, y) = (self.left + column as i64, self.top + row as i64);
                let (first_x, first_y) = (x.div_euclid(step), y.div_euclid(step));
                for (to_x, to_y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let (to_x, to_y) = (first_x + to_x, first_y + to_y);
                    let part = common(x - to_x * step) * common(y - to_y * step);
                    let at = (to_y - top) as usize * width + (to_x - left) as usize;
                    share[at] += part * value;
                }
            }
        }
        Footprint { left, top, width, height, share }
    }

    /// How the template's own pattern is like itself at a distance of up to `reach` px.
    pub fn autocorrelation(&self, reach: usize) -> Footprint {
        let (side, reach) = (2 * reach + 1, reach as i64);
        let mut share = Vec::with_capacity(side * side);
        for y in -reach..=reach {
            for x in -reach..=reach {
                let (skip_x, skip_y) = (x.unsigned_abs() as usize, y.unsigned_abs() as usize);
                let (left, top) = (skip_x * usize::from(x < 0), skip_y * usize::from(y < 0));
                if skip_x >= self.width || skip_y >= self.height {
                    share.push(0.0);
                    continue;
                }
                let (columns, rows) = (self.width - skip_x, self.height - skip_y);
                let mut sum = 0.0;
                for row in top..top + rows {
                    let other = (row as i64 + y) as usize * self.width;
                    let a = &self.share[row * self.width + left..][..columns];
                    let b = &self.share[other + (left as i64 + x) as usize..][..columns];
                    sum += a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                }
                share.push(sum);
            }
        }
        Footprint { left: -reach, top: -reach, width: side, height: side, share }
    }

    /// How the pattern meets the weights that `x` and `y` make, at each displacement of a frame.
    pub fn meeting(&self, x: &Kernel, y: &Kernel) -> Meeting {
        let (width, height) = (self.width + 2 * x.radius(), self.height + 2 * y.radius());
        let mut along_x = vec![0.0f32; width * self.height];
        for (out, row) in along_x.chunks_exact_mut(width).zip(self.share.chunks_exact(self.width)) {
            spread(row, x, out, 1);
        }
        let mut value = vec![0.0f32; width * height];
        for column in 0..width {
            let line: Vec<f32> = along_x[column..].iter().step_by(width).copied().collect();
            spread(&line, y, &mut value[column..], width);
        }
        Meeting {
            left: self.left - x.radius() as i64,
            top: self.top - y.radius() as i64,
            width,
            value,
        }
    }
}

/// Adds a kernel at every place of a line.
fn spread(line: &[f32], kernel: &Kernel, out: &mut [f32], stride: usize) {
    for (at, value) in line.iter().enumerate() {
        for (k, tap) in kernel.taps.iter().enumerate() {
            out[(at + k) * stride] += value * tap;
        }
    }
}

/// The expected product of a pattern of variance 1 in a frame with weights that the same pattern
/// has left in the template, per pixel.
#[derive(Clone, Debug, Default)]
pub struct Meeting {
    left: i64,
    top: i64,
    width: usize,
    value: Vec<f32>,
}

impl Meeting {
    /// For a frame displaced by whole pixels.
    pub fn at(&self, x: i64, y: i64) -> f64 {
        let (column, row) = (x - self.left, y - self.top);
        if column < 0 || row < 0 || column >= self.width as i64 {
            return 0.0;
        }
        let at = row as usize * self.width + column as usize;
        self.value.get(at).map_or(0.0, |value| f64::from(*value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values between −1 and 1 that are the same on every machine, and hardly correlated.
    fn pattern(x: i64, y: i64) -> f64 {
        let mut state = (x.wrapping_mul(7_368_787) ^ y.wrapping_mul(912_271)) as u64;
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
            state ^= state >> 29;
        }
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// Mean product of the pattern with the filtered template, over the pattern's variance.
    fn measured(
        filters: [&Kernel; 2],
        folds: &[((i64, i64), f64)],
        factor: i64,
        s: (i64, i64),
    ) -> f64 {
        let size = 160;
        let template = |x: i64, y: i64| {
            let all = folds.iter().map(|((dx, dy), share)| share * pattern(x + dx, y + dy));
            all.sum::<f64>()
        };
        let bin = |at: &dyn Fn(i64, i64) -> f64, x: i64, y: i64| {
            let mut sum = 0.0;
            for j in 0..factor {
                for i in 0..factor {
                    sum += at(factor * x + i, factor * y + j);
                }
            }
            sum / (factor * factor) as f64
        };
        let (mut product, mut variance) = (0.0, 0.0);
        let radius = filters[0].radius() as i64;
        for y in 0..size {
            for x in 0..size {
                let mut weight = 0.0;
                for (j, ty) in filters[1].taps.iter().enumerate() {
                    for (i, tx) in filters[0].taps.iter().enumerate() {
                        let (x, y) = (x + i as i64 - radius, y + j as i64 - radius);
                        weight += f64::from(tx * ty) * bin(&template, x, y);
                    }
                }
                let frame = bin(&pattern, x + s.0, y + s.1);
                product += weight * frame;
                variance += frame * frame;
            }
        }
        product / variance
    }

    #[test]
    fn the_meeting_is_what_a_pattern_shows() {
        let slope = Kernel { taps: vec![-0.5, 0.0, 0.5] };
        let value = Kernel { taps: vec![0.2, 0.6, 0.2] };
        let whole = Kernel { taps: vec![1.0] };
        let folds = [((0, 0), 0.5), ((3, -2), 0.5)];
        let mut footprint = Footprint::at_origin();
        footprint.fold((3, -2), &whole, &whole, 0.5);
        for (factor, places) in
            [(1, [(0, 0), (1, 0), (2, -2), (4, -1)]), (2, [(0, 0), (1, 0), (1, -1), (2, -1)])]
        {
            let meeting = footprint.binned(factor).meeting(&slope, &value);
            for (x, y) in places {
                let expected = measured([&slope, &value], &folds, factor as i64, (x, y));
                let found = meeting.at(x, y);
                assert!(
                    (found - expected).abs() < 0.03,
                    "{factor}: {x}, {y}: {found} for {expected}"
                );
            }
        }
    }

    #[test]
    fn it_grows_and_forgets_what_is_far() {
        let whole = Kernel { taps: vec![1.0] };
        let mut footprint = Footprint::at_origin();
        footprint.fold((40, -30), &whole, &whole, 0.25);
        assert_eq!((footprint.at(0, 0), footprint.at(40, -30)), (0.75, 0.25));
        footprint.fold((2000, 0), &whole, &whole, 0.5);
        assert_eq!((footprint.at(0, 0), footprint.at(2000, 0)), (0.0, 0.5));
        assert!(footprint.width <= LONGEST && footprint.height <= LONGEST);
    }
}

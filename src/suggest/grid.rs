//! Images and masks of a few hundred cells a side: smoothing, growing, shrinking, connected parts.

/// One value for each cell, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid<T> {
    pub width: usize,
    pub height: usize,
    pub cells: Vec<T>,
}

pub type Map = Grid<f32>;
pub type Mask = Grid<bool>;

/// The cells of one connected part, as indices.
pub type Part = Vec<usize>;

impl<T: Clone> Grid<T> {
    pub fn filled(width: usize, height: usize, value: T) -> Grid<T> {
        Grid { width, height, cells: vec![value; width * height] }
    }

    /// A grid of the same size from each cell's index.
    pub fn same<U>(&self, value: impl FnMut(usize) -> U) -> Grid<U> {
        let cells = (0..self.cells.len()).map(value).collect();
        Grid { width: self.width, height: self.height, cells }
    }

    /// Column and row of a cell.
    pub fn place(&self, cell: usize) -> (usize, usize) {
        (cell % self.width, cell / self.width)
    }
}

impl Map {
    /// Convolved with a Gaussian of `sigma` cells, or with its `order`-th derivative (0 to 2) along
    /// x and y; continued by its outermost values.
    pub fn gaussian(&self, sigma: f64, (order_x, order_y): (usize, usize)) -> Map {
        let along_x = self.filtered(&taps(sigma, order_x), true);
        along_x.filtered(&taps(sigma, order_y), false)
    }

    fn filtered(&self, taps: &[f32], along_x: bool) -> Map {
        let reach = (taps.len() / 2) as isize;
        self.same(|cell| {
            let (x, y) = self.place(cell);
            let mut sum = 0.0;
            for (tap, by) in taps.iter().zip(-reach..) {
                let at = if along_x {
                    y * self.width + x.saturating_add_signed(by).min(self.width - 1)
                } else {
                    y.saturating_add_signed(by).min(self.height - 1) * self.width + x
                };
                sum += tap * self.cells[at];
            }
            sum
        })
    }
}

/// Correlation weights of a Gaussian's derivative; their sum is 1 for order 0 and 0 else.
fn taps(sigma: f64, order: usize) -> Vec<f32> {
    let reach = (3.5 * sigma).ceil() as i32;
    let at: Vec<f64> = (-reach..=reach).map(f64::from).collect();
    let weight = |x: f64| (-0.5 * (x / sigma).powi(2)).exp();
    let whole: f64 = at.iter().map(|x| weight(*x)).sum();
    let mut taps: Vec<f64> = at
        .iter()
        .map(|x| {
            let polynomial = match order {
                0 => 1.0,
                1 => x / sigma.powi(2),
                _ => (x * x / sigma.powi(2) - 1.0) / sigma.powi(2),
            };
            polynomial * weight(*x) / whole
        })
        .collect();
    if order > 0 {
        let mean = taps.iter().sum::<f64>() / taps.len() as f64;
        taps.iter_mut().for_each(|tap| *tap -= mean);
    }
    taps.into_iter().map(|tap| tap as f32).collect()
}

impl Mask {
    pub fn count(&self) -> usize {
        self.cells.iter().filter(|on| **on).count()
    }

    /// Without the cells that have one that is off, or the border, beside them; `times` over.
    pub fn shrunk(&self, times: usize) -> Mask {
        self.inverted().grown_from(times, true).inverted()
    }

    /// With the cells beside it; `times` over.
    pub fn grown(&self, times: usize) -> Mask {
        self.grown_from(times, false)
    }

    /// What remains of the parts that are wider than twice `times`.
    pub fn opened(&self, times: usize) -> Mask {
        self.shrunk(times).grown(times)
    }

    /// With the parts that are off and do not touch the border.
    pub fn without_holes(&self) -> Mask {
        let mut whole = self.clone();
        for part in self.inverted().parts() {
            let is_at_border = part.iter().any(|cell| {
                let (x, y) = self.place(*cell);
                x == 0 || y == 0 || x + 1 == self.width || y + 1 == self.height
            });
            if !is_at_border {
                part.iter().for_each(|cell| whole.cells[*cell] = true);
            }
        }
        whole
    }

    fn inverted(&self) -> Mask {
        self.same(|cell| !self.cells[cell])
    }

    fn grown_from(&self, times: usize, border: bool) -> Mask {
        let mut now = self.clone();
        for _ in 0..times {
            now = now.same(|cell| {
                let (x, y) = now.place(cell);
                let on = |x: usize, y: usize| now.cells[y * now.width + x];
                now.cells[cell]
                    || if x == 0 { border } else { on(x - 1, y) }
                    || if y == 0 { border } else { on(x, y - 1) }
                    || if x + 1 == now.width { border } else { on(x + 1, y) }
                    || if y + 1 == now.height { border } else { on(x, y + 1) }
            });
        }
        now
    }

    /// The connected parts (corners connect), the largest first.
    pub fn parts(&self) -> Vec<Part> {
        let mut left = self.clone();
        let mut parts = Vec::new();
        for start in 0..left.cells.len() {
            if !left.cells[start] {
                continue;
            }
            left.cells[start] = false;
            let mut part = vec![start];
            let mut next = 0;
            while next < part.len() {
                let (x, y) = left.place(part[next]);
                next += 1;
                for v in y.saturating_sub(1)..(y + 2).min(left.height) {
                    for u in x.saturating_sub(1)..(x + 2).min(left.width) {
                        let cell = v * left.width + u;
                        if left.cells[cell] {
                            left.cells[cell] = false;
                            part.push(cell);
                        }
                    }
                }
            }
            parts.push(part);
        }
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts
    }

    /// The mask of some cells.
    pub fn of(width: usize, height: usize, cells: &[usize]) -> Mask {
        let mut mask = Mask::filled(width, height, false);
        cells.iter().for_each(|cell| mask.cells[*cell] = true);
        mask
    }
}

/// The direction (x, y) of unit length in which some cells extend most, by their second moments.
pub fn axis_of<T: Clone>(grid: &Grid<T>, part: &[usize]) -> (f64, f64) {
    let count = part.len() as f64;
    let places = || part.iter().map(|cell| grid.place(*cell)).map(|(x, y)| (x as f64, y as f64));
    let (x, y) = places().fold((0.0, 0.0), |sum, (x, y)| (sum.0 + x / count, sum.1 + y / count));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (u, v) in places() {
        let (u, v) = (u - x, v - y);
        (xx, yy, xy) = (xx + u * u, yy + v * v, xy + u * v);
    }
    let angle = 0.5 * f64::atan2(2.0 * xy, xx - yy);
    (angle.cos(), angle.sin())
}

/// The value that `share` of the finite ones lie below; NaN when there are none.
pub fn quantile(values: impl IntoIterator<Item = f32>, share: f64) -> f32 {
    let mut finite: Vec<f32> = values.into_iter().filter(|value| value.is_finite()).collect();
    if finite.is_empty() {
        return f32::NAN;
    }
    let at = (share * (finite.len() - 1) as f64).round() as usize;
    *finite.select_nth_unstable_by(at, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_leaves_what_is_wide_and_takes_what_is_thin() {
        let mask = Mask::filled(40, 40, false);
        let mask = mask.same(|cell| {
            let (x, y) = mask.place(cell);
            (5..25).contains(&x) && (5..25).contains(&y) || y == 30
        });
        let opened = mask.opened(2);
        assert!(opened.cells[15 * 40 + 15] && !opened.cells[30 * 40 + 20]);
        assert_eq!(mask.parts().len(), 2);
        assert_eq!(mask.parts()[0].len(), 400);
    }

    #[test]
    fn a_second_derivative_finds_a_line() {
        let flat = Map::filled(30, 30, 0.0);
        let line = flat.same(|cell| if cell % 30 == 12 { -1.0f32 } else { 0.0 });
        let curved = line.gaussian(1.5, (2, 0));
        let row = &curved.cells[15 * 30..16 * 30];
        let top = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(at, _)| at);
        assert_eq!(top, Some(12), "{row:?}");
        assert!(line.gaussian(1.5, (0, 2)).cells[15 * 30 + 12].abs() < 1e-4);
    }
}

//! Centre lines: polylines in reference pixels, whose nodes are the stations of the crack.

/// A polyline; x to the right, y downward, px.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    pub points: Vec<[f32; 2]>,
}

impl Curve {
    /// Length of all pieces, px.
    pub fn length(&self) -> f32 {
        self.points.windows(2).map(|pair| distance(pair[0], pair[1])).sum()
    }

    /// The same line with nodes one px apart; the last piece may be shorter and is left out.
    pub fn resampled(&self) -> Curve {
        let mut points = Vec::new();
        let mut left = 0.0;
        for pair in self.points.windows(2) {
            let piece = distance(pair[0], pair[1]);
            while left <= piece && piece > 0.0 {
                let share = left / piece;
                points.push([
                    pair[0][0] + share * (pair[1][0] - pair[0][0]),
                    pair[0][1] + share * (pair[1][1] - pair[0][1]),
                ]);
                left += 1.0;
            }
            left -= piece;
        }
        Curve { points }
    }

    /// Gaussian means along the line (one sigma in nodes); the ends stay where they are, since the
    /// line is continued by its mirror image through them.
    pub fn smoothed(&self, sigma: f32) -> Curve {
        let n = self.points.len() as i64;
        if n < 3 {
            return self.clone();
        }
        let reach = ((3.0 * sigma).ceil() as i64).min(n - 1);
        let taps: Vec<f32> =
            (-reach..=reach).map(|k| (-0.5 * (k as f32 / sigma).powi(2)).exp()).collect();
        let total: f32 = taps.iter().sum();
        let at = |k: i64| -> [f32; 2] {
            let (end, inside) = if k < 0 { (0, -k) } else { (n - 1, 2 * (n - 1) - k) };
            if (0..n).contains(&k) {
                return self.points[k as usize];
            }
            let (end, inside) = (self.points[end as usize], self.points[inside as usize]);
            [2.0 * end[0] - inside[0], 2.0 * end[1] - inside[1]]
        };
        let points = (0..n)
            .map(|k| {
                let mut sum = [0.0; 2];
                for (tap, j) in taps.iter().zip(k - reach..) {
                    let point = at(j);
                    sum = [sum[0] + tap * point[0], sum[1] + tap * point[1]];
                }
                [sum[0] / total, sum[1] / total]
            })
            .collect();
        Curve { points }
    }

    /// The unit vector along the line at each node, over three nodes to each side.
    pub fn tangents(&self) -> Vec<[f32; 2]> {
        let n = self.points.len();
        (0..n)
            .map(|k| {
                let (a, b) = (self.points[k.saturating_sub(3)], self.points[(k + 3).min(n - 1)]);
                let long = distance(a, b);
                if long > 0.0 { [(b[0] - a[0]) / long, (b[1] - a[1]) / long] } else { [0.0, 1.0] }
            })
            .collect()
    }

    /// Goes on with the nodes of a trace, which is right to a pixel or so, without a step where both
    /// meet.
    pub fn join(&mut self, tail: Vec<[f32; 2]>) {
        /// Nodes over which the step is taken.
        const OVER: f32 = 12.0;
        let (Some(end), Some(start)) = (self.points.last().copied(), tail.first().copied()) else {
            return;
        };
        let from = self.points[self.points.len().saturating_sub(10)];
        let long = distance(from, end);
        if long == 0.0 {
            return;
        }
        let along = [(end[0] - from[0]) / long, (end[1] - from[1]) / long];
        let ahead = (start[0] - end[0]) * along[0] + (start[1] - end[1]) * along[1];
        let step = [0, 1].map(|k| end[k] + ahead * along[k] - start[k]);
        let mut points = vec![end];
        points.extend(tail.iter().enumerate().map(|(node, at)| {
            let share = (1.0 - node as f32 / OVER).max(0.0);
            [at[0] + share * step[0], at[1] + share * step[1]]
        }));
        self.points.pop();
        self.points.extend(Curve { points }.resampled().points);
    }

    /// By how much the line turns at a node, rad.
    pub fn turn(&self, node: usize) -> f32 {
        if node == 0 || node + 1 >= self.points.len() {
            return 0.0;
        }
        let ([ax, ay], [bx, by], [cx, cy]) =
            (self.points[node - 1], self.points[node], self.points[node + 1]);
        let (ux, uy, vx, vy) = (bx - ax, by - ay, cx - bx, cy - by);
        (ux * vy - uy * vx).atan2(ux * vx + uy * vy).abs()
    }

    /// The same line from its other end.
    pub fn reversed(&self) -> Curve {
        Curve { points: self.points.iter().rev().copied().collect() }
    }

    /// The nearest node and its distance, px; nothing for an empty line.
    pub fn nearest(&self, to: [f32; 2]) -> Option<(usize, f32)> {
        nearest(self.points.iter().copied().enumerate(), to)
    }
}

/// The nearest of numbered points and its distance.
pub fn nearest(
    points: impl Iterator<Item = (usize, [f32; 2])>,
    to: [f32; 2],
) -> Option<(usize, f32)> {
    let mut best: Option<(usize, f32)> = None;
    for (k, point) in points {
        let squared = (point[0] - to[0]).powi(2) + (point[1] - to[1]).powi(2);
        if best.is_none_or(|(_, least)| squared < least) {
            best = Some((k, squared));
        }
    }
    best.map(|(k, squared)| (k, squared.sqrt()))
}

/// Distance of two points, px.
pub fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (b[0] - a[0]).hypot(b[1] - a[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resampled_line_has_its_length_in_nodes_and_straight_lines_stay_straight() {
        let line = Curve { points: vec![[0.0, 0.0], [30.0, 40.0], [30.0, 60.0]] };
        let fine = line.resampled();
        assert_eq!(fine.points.len(), 71);
        let straight = Curve { points: vec![[2.0, 1.0], [2.0, 41.0]] }.resampled();
        let smooth = straight.smoothed(4.0);
        for (a, b) in straight.points.iter().zip(&smooth.points) {
            assert!(distance(*a, *b) < 1e-4, "{a:?} moved to {b:?}");
        }
    }
}

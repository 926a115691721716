//! Lithium and bare specimen told apart by the brightness of cells alone, where no contour tells it:
//! minimum error thresholding (J. Kittler and J. Illingworth, Pattern Recognit. 19, 41, 1986), which
//! is maximum likelihood of two normal classes, each cell belonging to the likelier one.

use super::config::Lithium;

/// Two classes must be likelier than one by so much for the average cell (log-likelihood).
const GAIN_LEAST: f64 = 0.15;
/// Neither class has fewer cells than this share, nor than so many.
const SHARE_LEAST: f64 = 0.003;
const CELLS_LEAST: usize = 16;

/// Brightness of both classes, counts above the offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Classes {
    pub bare: f32,
    /// As likely lithium as bare.
    pub cut: f32,
}

/// The cut between lithium and bare specimen; nothing where one class explains the cells about as
/// well. `noise` is the variance of a cell by the camera's noise, which no class can fall below.
pub fn tell_apart(cells: &[f32], lithium: Lithium, noise: f32) -> Option<Classes> {
    let mut sorted: Vec<f32> = cells.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let n = sorted.len();
    let least = ((n as f64 * SHARE_LEAST) as usize).max(CELLS_LEAST);
    if n < 2 * least {
        return None;
    }
    // About the middle, so that squares keep their digits.
    let middle = f64::from(sorted[n / 2]);
    let mut moments = Vec::with_capacity(n + 1);
    let (mut sum, mut square) = (0.0f64, 0.0f64);
    moments.push((sum, square));
    for value in &sorted {
        let value = f64::from(*value) - middle;
        (sum, square) = (sum + value, square + value * value);
        moments.push((sum, square));
    }
    // Minus twice the log-likelihood of the cells from `a` to `b` as one class, which is as likely as
    // it has cells.
    let cost = |a: usize, b: usize| {
        let count = (b - a) as f64;
        let mean = (moments[b].0 - moments[a].0) / count;
        let variance = (moments[b].1 - moments[a].1) / count - mean * mean;
        count * (variance.max(f64::from(noise)).ln() - 2.0 * (count / n as f64).ln())
    };
    let (at, two) = (least..=n - least)
        .map(|at| (at, cost(0, at) + cost(at, n)))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    if cost(0, n) - two < 2.0 * GAIN_LEAST * n as f64 {
        return None;
    }
    let (a, b) = match lithium {
        Lithium::Dark => (at, n),
        Lithium::Bright => (0, at),
    };
    let bare = middle + (moments[b].0 - moments[a].0) / (b - a) as f64;
    Some(Classes { bare: bare as f32, cut: 0.5 * (sorted[at - 1] + sorted[at]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nearly normal numbers.
    fn normal(count: usize, mean: f32, sigma: f32) -> Vec<f32> {
        let uniform = |k: u32| (k.wrapping_mul(2_654_435_761) >> 8) as f32 / (1u32 << 24) as f32;
        let one = |k: u32| (0..12).map(|j| uniform(12 * k + j + 7)).sum::<f32>() - 6.0;
        (0..count as u32).map(|k| mean + sigma * one(k)).collect()
    }

    #[test]
    fn two_classes_are_cut_where_both_are_as_likely() {
        let mut cells = normal(9000, 100.0, 4.0);
        cells.extend(normal(1000, 160.0, 12.0));
        let classes = tell_apart(&cells, Lithium::Bright, 1.0).expect("two classes");
        assert!((classes.bare - 100.0).abs() < 0.5, "{classes:?}");
        // Both are as likely at 117.4, and hardly any cell lies between four sigma of either.
        assert!((112.0..130.0).contains(&classes.cut), "{classes:?}");
    }

    #[test]
    fn one_class_is_not_cut() {
        assert_eq!(tell_apart(&normal(5000, 100.0, 8.0), Lithium::Dark, 1.0), None);
        assert_eq!(tell_apart(&vec![7.0; 500], Lithium::Dark, 0.1), None);
    }
}

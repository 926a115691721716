//! What is true of a contour: columns of the front, one a line, px.

pub fn mean(front: &[f64]) -> f64 {
    front.iter().sum::<f64>() / front.len() as f64
}

pub fn furthest(front: &[f64]) -> f64 {
    front.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Standard deviation over the lines.
pub fn roughness(front: &[f64]) -> f64 {
    let mean = mean(front);
    (front.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / front.len() as f64).sqrt()
}

/// 2π times roughness over r.m.s. slope, px across the lines.
pub fn wavelength(front: &[f64]) -> f64 {
    let squares = front.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum::<f64>();
    let slope = (squares / (front.len() - 1) as f64).sqrt();
    std::f64::consts::TAU * roughness(front) / slope
}

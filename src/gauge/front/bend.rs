//! Where the joined curve bends further than it was granted.

use super::path::join;

/// A line further from the curve than this many sigma is pulled in.
pub const OUTLYING: f64 = 3.0;
/// So many neighbours that are together so many sigma off the curve are not outlying: it is too stiff, for a
/// finger or for a corner. It is relaxed so many times at most.
const COHERENT: [(usize, f64); 2] = [(9, 3.0), (3, 4.5)];
const RELAXATIONS: usize = 4;

/// The curve that [`join`] makes of each line's own estimate `z` (px) with its information `f` (1/px²), bent where
/// neighbours ask for it together; the stiffness (1/px²) is less there afterwards. Not in lines that are `rigid`, of
/// which no entry means none: neighbours that a particle covers are off together too.
pub fn join_bent(z: &[f64], f: &[f64], stiffness: &mut [f64], rigid: &[bool]) -> Vec<f64> {
    let mut curve = join(z, f, stiffness);
    for _ in 0..RELAXATIONS {
        if !relax(stiffness, z, f, &curve, rigid) {
            break;
        }
        curve = join(z, f, stiffness);
    }
    curve
}

/// Lowers the stiffness where neighbouring lines lie off the curve to the same side: a finger that
/// grows or turns faster than was predicted is further from where it was expected than a curve of that
/// stiffness bends. What it leaves of a displacement `off` over the lines `w` that it joins is a bend
/// of `off / w²` that it was not granted (a smoothing spline's kernel is as wide as `(s / f)^¼`:
/// B. W. Silverman, Ann. Stat. 12, 898, 1984). A corner, where a finger leaves the front, is only
/// three lines wide. Single lines that see something else do not count.
/// False where there is no such place.
fn relax(stiffness: &mut [f64], z: &[f64], f: &[f64], curve: &[f64], rigid: &[bool]) -> bool {
    let n = z.len();
    let mut sums = vec![(0.0, 0.0); n + 1];
    for k in 0..n {
        let off = ((z[k] - curve[k]) * f[k].sqrt()).clamp(-OUTLYING, OUTLYING);
        sums[k + 1] = (sums[k].0 + off * f[k].sqrt(), sums[k].1 + f[k]);
    }
    let mut relaxed = false;
    for k in 0..n {
        if !(stiffness[k] > 0.0) || rigid.get(k) == Some(&true) {
            continue;
        }
        let mut most: f64 = 0.0;
        for (lines, sigmas) in COHERENT {
            let (first, end) = (k.saturating_sub(lines / 2), (k + lines / 2 + 1).min(n));
            let (score, information) = (sums[end].0 - sums[first].0, sums[end].1 - sums[first].1);
            if score * score > sigmas * sigmas * information {
                let mean = information / (end - first) as f64;
                // (off / w²)², with w⁴ = s / f.
                most = most.max((score / information).powi(2) * mean);
            }
        }
        if most > 0.0 {
            stiffness[k] = 1.0 / (1.0 / stiffness[k] + most / stiffness[k]);
            relaxed = true;
        }
    }
    relaxed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What 200 lines of one sigma 0.5 px say of a displacement, and the curve through them.
    fn relaxed(displacement: impl Fn(usize) -> f64) -> Vec<f64> {
        let bend = 0.3 / 256.0;
        let (f, mut stiffness) = (vec![4.0; 200], vec![1.0 / (bend * bend); 200]);
        let z: Vec<f64> = (0..200).map(displacement).collect();
        join_bent(&z, &f, &mut stiffness, &[])
    }

    #[test]
    fn a_finger_that_went_further_than_expected_bends_the_curve() {
        let finger = |k: usize| 8.0 * (-0.5 * ((k as f64 - 100.0) / 14.0).powi(2)).exp();
        let curve = relaxed(finger);
        assert!((curve[100] - 8.0).abs() < 1.0, "{} px at the tip, not 8", curve[100]);
    }

    #[test]
    fn a_line_that_sees_something_else_bends_nothing() {
        let curve = relaxed(|k| if k == 100 { 20.0 } else { 0.0 });
        let stiff = join(
            &(0..200).map(|k| if k == 100 { 20.0 } else { 0.0 }).collect::<Vec<_>>(),
            &[4.0; 200],
            &[65536.0 / 0.09; 200],
        );
        assert_eq!(curve, stiff);
    }
}

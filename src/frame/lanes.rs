//! Sums over pixels that run side by side. Their number and the order in which they are added up are
//! fixed, so that every instruction set gives the same bits.

/// Sums that run side by side.
pub const LANES: usize = 16;

/// Adds up each of several. By itself and for every processor alike: where it is made part of a loop
/// for wide registers, the compiler turns all lanes round at once, which takes longer than the loop.
#[inline(never)]
pub fn totals<const N: usize>(lanes: &[[f32; LANES]; N]) -> [f32; N] {
    let mut out = [0.0; N];
    for (out, lanes) in out.iter_mut().zip(lanes) {
        *out = total(lanes);
    }
    out
}

/// The far half is added to the near one, again and again.
#[inline(always)]
fn total(lanes: &[f32; LANES]) -> f32 {
    let (mut eight, mut four) = ([0.0; 8], [0.0; 4]);
    for k in 0..8 {
        eight[k] = lanes[k] + lanes[k + 8];
    }
    for k in 0..4 {
        four[k] = eight[k] + eight[k + 4];
    }
    (four[0] + four[2]) + (four[1] + four[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lanes_are_in_the_sum() {
        let lanes = std::array::from_fn(|k| f32::from(1u16 << k));
        assert_eq!(totals(&[lanes, [0.5; LANES]]), [65_535.0, 8.0]);
    }
}

//! Shifts by whole pixels, which copy counts and change none.

use std::ops::Range;

use crate::resample::{Affine, overlap};

/// Copies the rows `rows` and columns `columns` of a frame in reference coordinates to `out`,
/// pixel by pixel in native bytes of `pixel` each; each takes the frame's nearest pixel. What the
/// frame does not cover keeps the value it has in `out`.
pub fn copy(
    frame: &[u8],
    (size, pixel): ((usize, usize), usize),
    map: &Affine,
    (columns, rows): (Range<usize>, Range<usize>),
    out: &mut [u8],
) {
    let line = columns.len() * pixel;
    for (y, out) in rows.zip(out.chunks_exact_mut(line.max(1))) {
        let covered = overlap(&columns, &map.covered(y, size));
        if covered.is_empty() {
            continue;
        }
        let at = |x: usize| {
            let (u, v) = map.apply(x as f64, y as f64);
            ((v + 0.5) as usize * size.0 + (u + 0.5) as usize) * pixel
        };
        let to = |x: usize| (x - columns.start) * pixel;
        if map.as_translation().is_some() {
            let (from, bytes) = (at(covered.start), covered.len() * pixel);
            let start = to(covered.start);
            out[start..start + bytes].copy_from_slice(&frame[from..from + bytes]);
        } else {
            for x in covered {
                let from = at(x);
                out[to(x)..to(x) + pixel].copy_from_slice(&frame[from..from + pixel]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_move_and_do_not_change() {
        let frame: Vec<u8> = (0..20u16).flat_map(|v| (1000 + v).to_ne_bytes()).collect();
        let mut out = vec![0u8; 40];
        copy(&frame, ((5, 4), 2), &Affine::translation(1.0, -2.0), (0..5, 0..4), &mut out);
        let got: Vec<u16> = out.as_chunks().0.iter().map(|b| u16::from_ne_bytes(*b)).collect();
        let expected =
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1001, 1002, 1003, 1004, 0, 1006, 1007, 1008, 1009, 0];
        assert_eq!(got, expected);
    }

    #[test]
    fn a_quarter_turn_turns_the_pixels() {
        let frame: Vec<u8> = (0..9).collect();
        let mut out = vec![0u8; 9];
        // (x, y) stands at (2 − y, x).
        let turn = Affine { matrix: [[0.0, -1.0], [1.0, 0.0]], offset: [2.0, 0.0] };
        copy(&frame, ((3, 3), 1), &turn, (0..3, 0..3), &mut out);
        assert_eq!(out, [2, 5, 8, 1, 4, 7, 0, 3, 6]);
    }
}

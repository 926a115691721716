//! How far lines may be elsewhere than the curve, by a frame's own pixels.
//!
//! A curve's errors are those of small displacements. At a few counts per pixel its lines may together be several px
//! away, where the score of none asks for more than two: those of a finger that has just begun to grow, or beside a
//! corner that was cut. How much likelier they are there, the pixels between both places tell.

mod bumps;
mod odds;

pub use bumps::Bumps;
pub use odds::{Suspicions, odds};

use super::sums::Evidence;

/// So many lines to either side of one are looked at together.
const BESIDE: [usize; 3] = [1, 4, 8];
/// The fewest are less likely to be elsewhere by this (log), and tell nothing that adds up over frames: a particle or a
/// scratch says the same.
const FEW: f32 = 3.0;
/// Nearer than this they are where the curve is, px: what is left is gross.
const NEAR_PX: usize = 3;
/// What is less likely than this (log) is not worth the time, and what is likelier than that is sure.
const NOTHING: f32 = -5.0;
const SURE: f32 = 30.0;

/// What a frame's pixels say of lines that may be elsewhere than the curve, one value a line.
pub struct Doubts {
    /// How far each may be from there with those beside it, r.m.s. px: 0 where the pixels leave no doubt.
    pub px: Vec<f32>,
    /// Log of how much likelier these pixels are where it is elsewhere.
    pub elsewhere: Vec<f32>,
}

/// How far each line may be elsewhere than the curve, and how much says so.
///
/// `curve` is where each line's edge is, px from its window's start, and is left by `reach` at most; `unlikely` are the
/// [`odds`] against each line's being elsewhere.
pub fn doubts(evidence: &Evidence, curve: &[f32], reach: usize, unlikely: &[f32]) -> Doubts {
    let places = 2 * reach + 1;
    // How much likelier each place about the curve is than the curve, summed over all lines before one.
    let mut sums = vec![0.0f32; (curve.len() + 1) * places];
    for (line, here) in curve.iter().enumerate() {
        let here = here.round() as i64;
        let (curve, first) = (evidence.at(line, here), here - reach as i64);
        let (done, sum) = sums[line * places..][..2 * places].split_at_mut(places);
        let inside =
            usize::try_from(first).ok().and_then(|at| evidence.of_line(line).get(at..at + places));
        if let Some(against) = inside {
            let all = sum.iter_mut().zip(done).zip(against);
            all.for_each(|((sum, done), there)| *sum = *done + (curve - there));
        } else {
            let all = sum.iter_mut().zip(done).zip(first..);
            all.for_each(|((sum, done), place)| *sum = *done + (curve - evidence.at(line, place)));
        }
    }
    let until = |line: usize| &sums[line.min(curve.len()) * places..][..places];
    let doubt = |(line, unlikely): (usize, &f32)| {
        let blocks =
            BESIDE.map(|beside| (until(line + beside + 1), until(line.saturating_sub(beside))));
        of_blocks(blocks, reach, *unlikely)
    };
    let (px, elsewhere) = unlikely.iter().enumerate().map(doubt).unzip();
    Doubts { px, elsewhere }
}

/// The doubt of a line, and how much likelier (log) it is elsewhere, by these blocks of lines: how likely each place about
/// it is against its own, until the end of a block and until its start.
fn of_blocks(blocks: [(&[f32], &[f32]); BESIDE.len()], reach: usize, unlikely: f32) -> (f32, f32) {
    let (mut all, mut square, mut elsewhere) = (1.0f32, 0.0f32, f32::MIN);
    for (block, (end, start)) in blocks.into_iter().enumerate() {
        let unlikely = if block == 0 { unlikely + FEW } else { unlikely };
        // Without a branch for each place, which is faster than to stop at the first.
        let likeliest = [0..reach + 1 - NEAR_PX, reach + NEAR_PX..end.len()].map(|places| {
            let likelier = end[places.clone()].iter().zip(&start[places]).map(|(e, s)| e - s);
            likelier.fold(f32::MIN, |most, likelier| if likelier > most { likelier } else { most })
        });
        let likeliest = likeliest[0].max(likeliest[1]);
        if block > 0 {
            elsewhere = elsewhere.max(likeliest);
        }
        if likeliest - unlikely <= NOTHING {
            continue;
        }
        for (place, (end, start)) in end.iter().zip(start).enumerate() {
            let (off, likelier) = (place.abs_diff(reach), end - start - unlikely);
            if off >= NEAR_PX && likelier > NOTHING {
                let likelihood = likelier.min(SURE).exp();
                all += likelihood;
                square += likelihood * (off * off) as f32;
            }
        }
    }
    ((square / all).sqrt(), elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 40;
    const LINES: usize = 60;

    /// The doubts about a curve in the middle of the windows, where lines are really `off` from there, and each pixel in
    /// between says 0.15.
    fn about(off: impl Fn(usize) -> f32, unlikely: &[f32]) -> Vec<f32> {
        let against = |line: usize, place: usize| 0.15 * (place as f32 - 20.0 - off(line)).abs();
        doubts(&Evidence::of(WIDTH + 1, LINES, against), &[20.0; LINES], 14, unlikely).px
    }

    fn finger(line: usize) -> f32 {
        if (20..40).contains(&line) { 8.0 } else { 0.0 }
    }

    #[test]
    fn lines_that_are_elsewhere_together_are_in_doubt_by_as_much() {
        let doubts = about(finger, &[9.0; LINES]);
        assert!((doubts[30] - 8.0).abs() < 1.0, "{} px, not 8", doubts[30]);
        assert!(doubts[5] < 0.1, "{} px where nothing is wrong", doubts[5]);
    }

    #[test]
    fn a_line_that_sees_something_else_is_in_none() {
        let doubts = about(|line| if line == 30 { 8.0 } else { 0.0 }, &[9.0; LINES]);
        assert!(doubts.iter().all(|doubt| *doubt < 0.1));
    }

    #[test]
    fn what_says_too_little_in_one_frame_adds_up() {
        let stiff = [1.0; LINES];
        let mut suspicions = Suspicions::default();
        let frame = |suspicions: &mut Suspicions, off: &dyn Fn(usize) -> f32| {
            let unlikely = odds(&[50.0; LINES], &stiff, true, suspicions.of_lines());
            let against =
                |line: usize, place: usize| 0.035 * (place as f32 - 20.0 - off(line)).abs();
            let evidence = Evidence::of(WIDTH + 1, LINES, against);
            let doubts = doubts(&evidence, &[20.0; LINES], 14, &unlikely);
            suspicions.take(&doubts.elsewhere);
            doubts.px
        };
        let first = frame(&mut suspicions, &finger)[30];
        let later = (0..4).map(|_| frame(&mut suspicions, &finger)[30]).last();
        assert!(first < 1.5 && later > Some(6.0), "{first} px, and {later:?} four frames later");
        // The curve has gone there.
        let gone = (0..4).map(|_| frame(&mut suspicions, &|_| 0.0)[30]).last();
        assert!(gone < Some(0.5), "{gone:?} px where nothing is wrong any more");
    }

    #[test]
    fn less_is_known_at_first_and_beside_corners() {
        let flat = [50.0f32; LINES];
        let stepped: Vec<f32> =
            (0..LINES).map(|line| if line < 30 { 40.0 } else { 50.0 }).collect();
        let off = |line: usize| if (20..40).contains(&line) { 3.0 } else { 0.0 };
        let stiff = [1.0; LINES];
        let sure = about(off, &odds(&flat, &stiff, true, &[]))[30];
        let mut parted = stiff;
        parted[30] = 0.0;
        for unsure in [
            odds(&stepped, &stiff, true, &[]),
            odds(&flat, &parted, true, &[]),
            odds(&flat, &stiff, false, &[]),
        ] {
            let doubt = about(off, &unsure)[30];
            assert!(doubt > 2.0 && doubt > 2.0 * sure, "{doubt} px, {sure} where it is sure");
        }
    }
}

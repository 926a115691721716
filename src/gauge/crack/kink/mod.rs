//! Kinks: where a crack turns within less than its path is smoothed over.
//!
//! A traced path is a mean over some 10 px and cuts the corner of a kink; distances from it are then
//! wrong by up to a pixel, and openings with them. Where a path turns between two straight arms
//! (`turns`), the corner itself is fitted to the pixels there (`pixels`): two straight strips
//! (`strips`), by weighted least squares (`fit`). Where the corner explains the pixels better than the
//! path does, the path takes it (`corner`).

mod corner;
mod fit;
mod pixels;
mod strips;
mod turns;

use super::Crack;
use super::geometry::Branch;
use super::known::Known;
use crate::gauge::View;
use pixels::Around;
use turns::turns;

/// The lines of `known` with their kinks sharp; nothing where there is none to sharpen. Their nodes
/// keep their numbers: about a kink they stand a little further apart.
pub fn sharpened(crack: &Crack, view: &View<'_>, known: &Known) -> Option<Vec<Branch>> {
    if crack.layout.along.is_some() {
        return None;
    }
    let mut branches = known.geometry.branches.clone();
    let mut changed = false;
    for line in 0..branches.len() {
        for kink in turns(&branches[line], &known.opening) {
            let around = Around::of(crack, view, known, &branches, line, &kink);
            let Some(nodes) = around.and_then(|around| around.corner()) else { continue };
            let from = kink.node - kink.arm;
            branches[line].curve.points[from..from + nodes.len()].copy_from_slice(&nodes);
            changed = true;
        }
    }
    changed.then_some(branches)
}

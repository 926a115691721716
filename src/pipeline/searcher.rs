//! The gauges' searches, on a thread of their own: each takes as long as several frames, and no alarm
//! waits for one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use super::background;
use super::job::Feedback;
use super::observer::view;
use super::setup::Setup;
use crate::frame::PooledImage;
use crate::gauge::AnyFound;
use crate::register::Drift;

/// A frame for a gauge to search.
pub struct Search {
    pub row: u64,
    /// Number of the gauge.
    pub gauge: usize,
    pub image: PooledImage,
    pub drift: Drift,
    pub told: Arc<Feedback>,
}

/// What it found; nothing where there is nothing to tell.
pub struct Found {
    pub row: u64,
    pub gauge: usize,
    pub found: Option<AnyFound>,
}

/// Runs until the observers hang up. It gives way where frames come at their own pace.
pub fn run(setup: &Setup, orders: &Receiver<Search>, found: &Sender<Found>, gives_way: bool) {
    background::call_thread(c"searches");
    if gives_way {
        background::give_way();
    }
    for search in orders {
        let Search { row, gauge, .. } = search;
        // A defect in an estimator must cost one search, not the run.
        let result = catch_unwind(AssertUnwindSafe(|| one(setup, search)));
        let result = result.unwrap_or_else(|_| {
            tracing::error!(frame = row, "a search failed; please report this");
            None
        });
        if found.send(Found { row, gauge, found: result }).is_err() {
            return;
        }
    }
}

fn one(setup: &Setup, search: Search) -> Option<AnyFound> {
    let Search { gauge, image, drift, told, .. } = search;
    let hints = &told.hints[gauge];
    let gauge = &setup.gauges[gauge].gauge;
    gauge.search(&view(&image, &drift, gauge.region(), setup), hints)
}

//! The registration by itself, one frame after the other on one thread: what the pipeline does
//! with its threads, for scripts, tests and benchmarks. The same lag gives the same numbers.

use std::collections::VecDeque;

use super::{
    Accumulator, Drift, DriftObservation, Prediction, Reference, Scratch, StaticMask, Tracker,
    observe,
};
use crate::frame::Image;
use crate::noise::CameraModel;

/// A sequence of frames that is being registered.
pub struct Sequence {
    mask: StaticMask,
    camera: CameraModel,
    accumulator: Accumulator,
    tracker: Tracker,
    /// Versions of the template that frames may still ask for, the oldest first.
    references: VecDeque<Reference>,
    /// What is told to the next frames: prediction and version, the oldest first.
    told: VecDeque<(Prediction, u32)>,
    frames: u64,
    scratch: Scratch,
}

impl Sequence {
    /// Starts with the frame that defines the coordinates. What a frame is told is
    /// `lag_frames` old.
    pub fn new(
        first: &Image,
        mask: StaticMask,
        camera: CameraModel,
        max_shift_px: f64,
        lag_frames: usize,
    ) -> Sequence {
        let accumulator = Accumulator::new(first);
        let reference = Reference::build(0, &accumulator, &mask, &camera);
        let mut tracker = Tracker::new(0, max_shift_px, lag_frames.max(1) as u64);
        tracker.track(0, Some(&DriftObservation::ANCHOR));
        Sequence {
            mask,
            camera,
            accumulator,
            tracker,
            references: VecDeque::from([reference]),
            told: VecDeque::from(vec![(Prediction::default(), 0); lag_frames.max(1)]),
            frames: 1,
            scratch: Scratch::default(),
        }
    }

    /// The drift of the next frame; every image has the size of the first.
    pub fn push(&mut self, frame: &Image) -> Drift {
        let (prediction, version) = self.told.pop_front().unwrap_or_default();
        while self.references.front().is_some_and(|oldest| oldest.version < version) {
            self.references.pop_front();
        }
        let Some(reference) = self.references.front() else {
            unreachable!("a version is built before a frame is told to use it");
        };
        let seen = observe(frame, reference, prediction, &mut self.scratch);
        let decision = self.tracker.track(self.frames, Some(&seen));
        self.frames += 1;
        if let Some(fold) = decision.fold {
            self.accumulator.fold(frame, fold.placement, fold.memory, self.camera.offset_counts);
            if let Some(version) = fold.build {
                let next = Reference::build(version, &self.accumulator, &self.mask, &self.camera);
                self.references.push_back(next);
            }
        }
        self.told.push_back((decision.prediction, decision.version));
        decision.drift
    }

    /// What the next frame would show, without being told of it.
    pub fn look(&mut self, frame: &Image) -> DriftObservation {
        let (prediction, _) = self.told.back().copied().unwrap_or_default();
        let Some(reference) = self.references.back() else {
            unreachable!("there is always a version of the template");
        };
        observe(frame, reference, prediction, &mut self.scratch)
    }
}

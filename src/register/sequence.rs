//! The registration by itself, one frame after the other on one thread: what the pipeline does
//! with its threads, for scripts, tests and benchmarks. The same lag gives the same numbers.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::{
    Accumulator, Decision, Drift, DriftObservation, Prediction, Reference, Scratch, Settings,
    StaticMask, Told, Tracker, observe,
};
use crate::frame::{Image, lag_at};
use crate::noise::{CameraModel, Defects};

/// A sequence of frames that is being registered.
pub struct Sequence {
    settings: Settings,
    mask: StaticMask,
    camera: CameraModel,
    defects: Defects,
    accumulator: Accumulator,
    tracker: Tracker,
    /// Versions of the template that frames may still ask for, the oldest first.
    references: VecDeque<Reference>,
    /// What was known after each of the last rows, the oldest first.
    told: VecDeque<Told>,
    frames: u64,
    scratch: Scratch,
}

impl Sequence {
    /// Starts with the frame that defines the coordinates.
    pub fn new(
        first: &Image,
        mask: StaticMask,
        camera: CameraModel,
        settings: Settings,
    ) -> Sequence {
        let defects = Defects::find(first, &camera);
        let mut whole = first.clone();
        defects.repair(&mut whole);
        let accumulator = Accumulator::new(&whole, &camera, &mask);
        let reference = Reference::build(0, &accumulator, &mask, &camera);
        let mut tracker = Tracker::new(0, settings);
        let decision = tracker.track(0, Some(&DriftObservation::of_anchor(&reference)));
        let told = Told { prediction: decision.prediction, version: decision.version, row: 0 };
        Sequence {
            settings,
            mask,
            camera,
            defects,
            accumulator,
            tracker,
            references: VecDeque::from([reference]),
            told: VecDeque::from([told]),
            frames: 1,
            scratch: Scratch::default(),
        }
    }

    /// The drift of the next frame; every image has the size of the first.
    pub fn push(&mut self, frame: &Image) -> Drift {
        let mut frame = Cow::Borrowed(frame);
        if self.defects.count() > 0 {
            self.defects.repair(frame.to_mut());
        }
        let frame = &*frame;
        let index = self.frames;
        let row = index - lag_at(index, self.settings.lag_frames).min(index);
        while self.told.len() > 1 && self.told[0].row < row {
            self.told.pop_front();
        }
        let (prediction, version) = (self.told[0].for_row(index), self.told[0].version);
        while self.references.front().is_some_and(|oldest| oldest.version < version) {
            self.references.pop_front();
        }
        let Some(reference) = self.references.front() else {
            unreachable!("a version is built before a frame is told to use it");
        };
        let seen = observe(frame, reference, &prediction, &mut self.scratch);
        let decision = self.tracker.track(index, Some(&seen));
        self.frames += 1;
        if let Some(fold) = &decision.fold {
            self.accumulator.take(frame, fold, self.camera.offset_counts);
            if let Some(version) = fold.build {
                let next = Reference::build(version, &self.accumulator, &self.mask, &self.camera)
                    .with_anchor(&fold.masked, &mut self.scratch);
                self.references.push_back(next);
            }
        }
        let Decision { prediction, version, drift, .. } = decision;
        self.told.push_back(Told { prediction, version, row: index });
        drift
    }

    /// The part of the field that is left out because something of its own moves there.
    pub fn masked_share(&self) -> f64 {
        let Some(told) = self.told.back() else { return 0.0 };
        let masked = &told.prediction.masked;
        masked.iter().filter(|masked| **masked).count() as f64 / masked.len().max(1) as f64
    }

    /// What the next frame would show, without being told of it.
    pub fn look(&mut self, frame: &Image) -> DriftObservation {
        let prediction =
            self.told.back().map_or_else(Prediction::default, |told| told.prediction.clone());
        let Some(reference) = self.references.back() else {
            unreachable!("there is always a version of the template");
        };
        observe(frame, reference, &prediction, &mut self.scratch)
    }
}

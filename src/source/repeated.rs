//! A recording that goes on and on: played forwards, backwards, forwards, so that nothing jumps
//! where it begins again. For rehearsals that are longer than what was recorded.

use std::sync::Arc;

use super::FrameTimes;
use crate::format::{Access, FormatError, Recording, RecordingInfo};
use crate::frame::{Fate, Reason};

/// See the module.
pub struct RepeatedRecording {
    inner: Arc<dyn Recording>,
    info: RecordingInfo,
    /// Seconds from frame to frame.
    step_s: f64,
}

impl RepeatedRecording {
    /// Plays `inner` so many times; `times` are its frames' times. Frames come at their mean pace.
    pub fn new(inner: Arc<dyn Recording>, passes: usize, times: &FrameTimes) -> RepeatedRecording {
        let step_s = times.step_s(&*inner);
        let mut info = inner.info().clone();
        info.frames = info.frames.saturating_mul(passes.max(1));
        RepeatedRecording { inner, info, step_s }
    }

    /// The frame of the recording that stands in this place.
    fn frame(&self, index: usize) -> usize {
        let frames = self.inner.info().frames.max(1);
        let (pass, at) = (index / frames, index % frames);
        if pass % 2 == 0 { at } else { frames - 1 - at }
    }
}

impl Recording for RepeatedRecording {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        self.inner.read(self.frame(index), scratch)
    }

    fn time_s(&self, index: usize) -> Option<f64> {
        self.inner.time_s(0).map(|_| index as f64 * self.step_s)
    }

    fn lost(&self, index: usize) -> Option<(Fate, Reason)> {
        self.inner.lost(self.frame(index))
    }

    fn step_s(&self) -> Option<f64> {
        self.inner.step_s()
    }

    fn access(&self) -> Access {
        self.inner.access()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Scene, SceneConfig, SceneRecording};

    #[test]
    fn it_turns_round_at_its_ends() {
        let config = SceneConfig { width: 128, height: 128, frames: 3, ..SceneConfig::default() };
        let inner: Arc<dyn Recording> = Arc::new(SceneRecording::new(Scene::new(config)));
        let times = FrameTimes::of(&*inner, None);
        let repeated = RepeatedRecording::new(Arc::clone(&inner), 3, &times);
        assert_eq!(repeated.info().frames, 9);
        let (mut bytes, mut other) = (Vec::new(), Vec::new());
        for (index, frame) in [0, 1, 2, 2, 1, 0, 0, 1, 2].into_iter().enumerate() {
            let found = repeated.read(index, &mut bytes).expect("it can be read");
            let wanted = inner.read(frame, &mut other).expect("it can be read");
            assert!(found == wanted, "frame {index} is not frame {frame} of the recording");
            assert_eq!(repeated.sequence(index), index as u64);
        }
    }
}

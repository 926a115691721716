//! Which frames of a scene a recording holds, and in which order: all of them, or what faults leave.
//!
//! The faults are those of `replay --inject`, as far as they have a meaning in a stack of pixels: a
//! frame that is lost is not there, one that comes twice stands there twice, a late one stands
//! later, and one that cannot be decoded has random pixels. The stacks keep no frame numbers, so a
//! program that reads them sees what a camera without a counter would give it.

use std::sync::Arc;

use anyhow::anyhow;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::Failure;
use crate::frame::{Image, Samples};
use crate::simulate::SceneRecording;
use crate::source::{
    FaultClock, FaultKind, Faults, FaultySource, FrameTimes, Payload, Replay, Source, Speed,
};

/// One frame of the recording that is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Written {
    /// Its number in the scene.
    pub frame: usize,
    /// Its pixels are random, from this seed.
    pub corrupt: Option<u64>,
}

/// The frames in the order in which they are written.
pub fn order(scene: &SceneRecording, faults: Option<&Faults>) -> Result<Vec<Written>, Failure> {
    let whole = |frame| Written { frame, corrupt: None };
    let Some(faults) = faults else {
        return Ok((0..scene.scene().config.frames).map(whole).collect());
    };
    let of_time = [FaultKind::Stall, FaultKind::Burst, FaultKind::DiskFull, FaultKind::DiskStall];
    if faults.any(&of_time) {
        return Err(Failure::Usage(anyhow!(
            "--inject: stall, burst, disk-full and disk-stall belong to the time of a run, which a \
             recording does not keep; give them to liwatch replay --inject, and here drop, corrupt, \
             duplicate or reorder"
        )));
    }
    let mut played = Replay::new(scene, FrameTimes::of(scene, None), Speed::Max);
    let mut source =
        FaultySource::new(&mut played, faults.clone(), Arc::new(FaultClock::default()));
    let written = std::iter::from_fn(|| source.next()).filter_map(|frame| match frame.payload {
        Payload::Recorded(frame) => {
            let hit = faults.hit(FaultKind::Corrupt, frame as u64);
            let seed = || faults.draw(FaultKind::Corrupt, frame as u64, u64::MAX);
            Some(Written { frame, corrupt: hit.map(|_| seed()) })
        }
        Payload::Lost(..) => None,
    });
    let written: Vec<Written> = written.collect();
    match written.is_empty() {
        true => Err(Failure::Usage(anyhow!("--inject leaves no frame; lower the rate of drop"))),
        false => Ok(written),
    }
}

impl Written {
    /// Its pixels.
    pub fn render(self, scene: &SceneRecording, image: &mut Image) {
        scene.scene().render(self.frame, image);
        if let (Some(seed), Samples::U16(samples)) = (self.corrupt, &mut image.samples) {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            samples.iter_mut().for_each(|sample| *sample = random.next_u32() as u16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Scene, SceneConfig};

    fn scene() -> SceneRecording {
        let config = SceneConfig { width: 128, height: 128, frames: 12, ..SceneConfig::default() };
        SceneRecording::new(Scene::new(config))
    }

    fn written(text: &str) -> Result<Vec<Written>, Failure> {
        order(&scene(), Some(&text.parse().expect("the faults are right")))
    }

    #[test]
    fn frames_are_left_out_repeated_late_and_corrupt_as_asked() {
        let told = "drop@2,duplicate@4,reorder@6:1,corrupt@9";
        let Ok(found) = written(told) else { panic!("these faults have a meaning here") };
        let frames: Vec<usize> = found.iter().map(|written| written.frame).collect();
        assert_eq!(frames, [0, 1, 3, 4, 4, 5, 7, 6, 8, 9, 10, 11]);
        let corrupt: Vec<usize> =
            found.iter().filter(|w| w.corrupt.is_some()).map(|w| w.frame).collect();
        assert_eq!(corrupt, [9]);
        let again = written(told);
        assert!(again.is_ok_and(|again| again == found), "one seed gives the same faults");
        let scene = scene();
        let (mut image, mut whole) = (Image::zeros_u16(0, 0), Image::zeros_u16(0, 0));
        found[9].render(&scene, &mut image);
        scene.scene().render(9, &mut whole);
        assert!(image.samples != whole.samples, "frame 9 has its own pixels");
    }

    #[test]
    fn faults_of_time_are_refused_with_a_hint() {
        let Err(Failure::Usage(error)) = written("stall@3") else { panic!("it has no meaning") };
        assert!(error.to_string().contains("replay --inject"), "{error}");
    }
}

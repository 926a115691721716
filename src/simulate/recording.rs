//! A scene as a recording, rendered when a frame is read.

use super::Scene;
use crate::format::{FormatError, Recording, RecordingInfo};
use crate::frame::{Image, PixelType, Samples};

/// A simulated recording that needs no file.
pub struct SceneRecording {
    scene: Scene,
    info: RecordingInfo,
}

impl SceneRecording {
    /// The scene, readable frame by frame.
    pub fn new(scene: Scene) -> SceneRecording {
        let config = &scene.config;
        let info = RecordingInfo {
            format: "simulation".to_owned(),
            width: config.width,
            height: config.height,
            frames: config.frames,
            pixel_type: PixelType::U16,
            pixel_size_nm: Some((config.pixel_size_nm, config.pixel_size_nm)),
            frame_interval_s: Some(1.0 / config.frame_rate_hz),
            start_unix_time_s: None,
            notes: Vec::new(),
        };
        SceneRecording { scene, info }
    }

    /// The scene itself, for its truth.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }
}

impl Recording for SceneRecording {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        let mut image = Image::zeros_u16(0, 0);
        self.scene.render(index, &mut image);
        scratch.clear();
        if let Samples::U16(samples) = &image.samples {
            scratch.extend(samples.iter().flat_map(|sample| sample.to_ne_bytes()));
        }
        Ok(scratch)
    }
}

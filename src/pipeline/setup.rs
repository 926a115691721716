//! Everything that is fixed before the first frame: gauges, calibration, the anchor frame and the
//! camera's noise. What cannot work is refused here, before anything starts.

use std::sync::Arc;

use super::load::load;
use super::sink::{GaugePlan, Program, RunPlan, SourceDescription};
use crate::cell::CellSeries;
use crate::config::{Config, ConfigError, RecordMode};
use crate::format::Recording;
use crate::frame::{Calibration, Pool, PooledImage, Reason, blank_for};
use crate::gauge::{AnyGauge, registry};
use crate::noise::{CameraModel, Defects};
use crate::register::{Settings, StaticMask};
use crate::source::FrameTimes;

/// Why a run cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the recording has no frames")]
    NoFrames,
    /// The reason of the first frame; all others failed too.
    #[error("none of the {frames} frames of the recording can be read (the first: {reason:?})")]
    NoReadableFrame { frames: usize, reason: Reason },
}

/// A gauge under its name.
#[derive(Clone)]
pub struct NamedGauge {
    pub name: String,
    pub gauge: Arc<dyn AnyGauge>,
}

/// A run, ready to start.
pub struct Setup {
    pub recording: Arc<dyn Recording>,
    pub calibration: Calibration,
    pub camera: CameraModel,
    pub defects: Defects,
    pub gauges: Vec<NamedGauge>,
    pub mask: StaticMask,
    pub registration: Settings,
    /// The first frame that can be read: the reference.
    pub anchor: Anchor,
    pub config: Config,
}

/// The frame that defines the reference coordinates.
pub struct Anchor {
    pub index: usize,
    pub image: PooledImage,
}

impl Setup {
    /// Builds the gauges, finds the anchor frame and the noise.
    ///
    /// # Errors
    /// [`SetupError`] when the configuration does not fit the recording or no frame is readable.
    pub fn new(recording: Arc<dyn Recording>, config: Config) -> Result<Setup, SetupError> {
        let info = recording.info();
        crate::config::check_regions(&config, info.width, info.height)?;
        let gauges = config
            .gauges
            .iter()
            .map(|entry| {
                let kind = registry::find(&entry.kind)
                    .ok_or_else(|| entry.error("kind", format!("no kind '{}'", entry.kind)))?;
                Ok(NamedGauge {
                    name: entry.name.clone(),
                    gauge: (kind.build)(entry, config.pipeline.lag_frames)?,
                })
            })
            .collect::<Result<Vec<_>, ConfigError>>()?;
        let masked: Vec<_> = gauges
            .iter()
            .map(|gauge| gauge.gauge.region())
            .chain(config.drift.exclude.iter().copied())
            .collect();
        let mask = StaticMask::new(info.width, info.height, &masked).with_marks(
            info.width,
            info.height,
            &config.drift.exclude,
        );
        let calibration = calibration(&config, info.pixel_size_nm);
        let raw = find_anchor(recording.as_ref(), &Defects::default())?;
        let camera = crate::noise::estimate(&raw.image, &config.camera, &config.drift.exclude);
        let defects = Defects::find(&raw.image, &camera);
        let anchor = find_anchor(recording.as_ref(), &defects)?;
        if defects.count() > 0 {
            tracing::info!(pixels = defects.count(), "broken pixels of the camera are replaced");
        }
        let registration = registration(recording.as_ref(), &config);
        Ok(Setup {
            recording,
            calibration,
            camera,
            defects,
            gauges,
            mask,
            registration,
            anchor,
            config,
        })
    }

    /// True when the configuration asks for raw frames.
    pub fn keeps_raw(&self) -> bool {
        self.config.record.mode != RecordMode::None
    }

    /// What the run file needs to know before the first row.
    pub fn plan(&self, title: &str, cell: Option<CellSeries>, threads: usize) -> RunPlan {
        let info = self.recording.info();
        let gauges = self.gauges.iter().zip(&self.config.gauges).map(|(named, entry)| GaugePlan {
            name: named.name.clone(),
            kind: entry.kind.clone(),
            region: entry.region,
            schema: named.gauge.schema().clone(),
            configuration: entry.table.clone(),
        });
        let mut stages = vec!["queue".to_owned(), "register".to_owned()];
        stages.extend(self.gauges.iter().map(|gauge| gauge.name.clone()));
        stages.extend(["track".to_owned(), "total".to_owned()]);
        RunPlan {
            title: title.to_owned(),
            frames_file: None,
            configuration: self.config.text.clone(),
            source: SourceDescription {
                name: title.to_owned(),
                format: info.format.clone(),
                width: info.width,
                height: info.height,
                pixel_type: info.pixel_type.to_string(),
            },
            program: Program::this(),
            calibration: self.calibration,
            camera: self.camera,
            gauges: gauges.collect(),
            cell,
            stages,
            threads,
            start_unix_time_s: std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(f64::NAN, |since| since.as_secs_f64()),
        }
    }
}

fn calibration(config: &Config, own: Option<(f64, f64)>) -> Calibration {
    let configured = config.calibration.pixel_size_nm.map(|size| (size, size));
    Calibration { pixel_size_nm: configured.or(own) }
}

fn registration(recording: &dyn Recording, config: &Config) -> Settings {
    let times = FrameTimes::of(recording, config.calibration.frame_rate_hz);
    let interval_s = times.step_s(recording);
    Settings {
        max_shift_px: config.drift.max_shift_px,
        lag_frames: config.pipeline.lag_frames as u64,
        similarity: config.drift.similarity,
        line_share: config.drift.line_time_us.map(|line| line * 1e-6 / interval_s),
    }
}

fn find_anchor(recording: &dyn Recording, defects: &Defects) -> Result<Anchor, SetupError> {
    let info = recording.info();
    let pool = Pool::new(1, &blank_for(info.pixel_type, info.width, info.height));
    let mut bytes = Vec::new();
    let mut first_reason = None;
    for index in 0..info.frames {
        match load(recording, index, pool.reserve(), defects, false, &mut bytes) {
            Ok(loaded) => return Ok(Anchor { index, image: loaded.image }),
            Err(reason) => {
                first_reason.get_or_insert(reason);
            }
        }
    }
    Err(match first_reason {
        Some(reason) => SetupError::NoReadableFrame { frames: info.frames, reason },
        None => SetupError::NoFrames,
    })
}

//! What to simulate: every number of a scene, with defaults that make a usable recording.

use super::event::{Disturbance, Event};
use super::fissure::Fissure;
use super::specimen::Specimen;
use crate::noise::CameraModel;

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneConfig {
    pub width: usize,
    pub height: usize,
    pub frames: usize,
    pub seed: u64,
    pub specimen: Specimen,
    /// Standard deviation of the texture relative to its mean, about.
    pub contrast: f64,
    /// Distance of the lattice's planes, reference px; only for [`Specimen::Lattice`].
    pub lattice_px: f64,
    /// Mean counts per pixel above the camera's offset.
    pub dose_counts_per_px: f64,
    pub camera: CameraModel,
    /// Counts at which the camera clips; without it at the largest u16.
    pub saturation_counts: Option<f64>,
    /// Share of pixels that see nothing: always the offset (with read noise).
    pub dead_share: f64,
    /// Share of pixels that always read saturated.
    pub hot_share: f64,
    /// Standard deviation of the pixels' gains relative to their mean. Like dead and hot pixels
    /// it stays with the camera while the specimen drifts.
    pub pattern: f64,
    /// One sigma of the point spread.
    pub psf_px: f64,
    pub frame_rate_hz: f64,
    pub pixel_size_nm: f64,
    /// Row after row, as an SEM or STEM does; without it all rows at once.
    pub scan: Option<Scan>,
    /// One sigma of the drift walk per frame.
    pub drift_step_px: f64,
    /// Per frame.
    pub drift_velocity_px: (f64, f64),
    pub jumps: usize,
    pub jump_px: f64,
    /// One sigma of the rotation's walk per frame.
    pub rotation_step_rad: f64,
    /// Per frame.
    pub rotation_velocity_rad: f64,
    /// One sigma of the scale's walk per frame, relative.
    pub scale_step: f64,
    /// Per frame, relative.
    pub scale_velocity: f64,
    /// Whether a lithium front is measured: with it the truth, the gauge and what the drift
    /// excludes.
    pub front: bool,
    /// How the front looks and moves.
    pub front_look: FrontLook,
    pub crack: bool,
    /// Cracks of any course, beside the one of `crack`; nothing in the configuration tells of them.
    pub fissures: Vec<Fissure>,
    /// A lithium body over all rows, with a texture of its own that moves along, which grows from
    /// 10 % of the field to this share. It replaces the front with the finger, and is there
    /// without `front` too, but then nothing in the configuration tells of it.
    pub front_cover: Option<f64>,
    /// Discs that move across the field, each with its own velocity and without the drift.
    pub particles: usize,
    /// Share of the field that the particles cover.
    pub particle_cover: f64,
    /// What goes wrong, and when.
    pub events: Vec<Event>,
}

/// How the front looks and moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrontLook {
    pub shape: FrontShape,
    pub growth: Growth,
    /// Share of the brightness that lithium takes away.
    pub darkening: f64,
    /// Mean position in the first frame, as a share of the gauge's region from its starting edge.
    pub start: f64,
}

/// The shape of the front's edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FrontShape {
    /// Rough, with a finger that outruns it.
    #[default]
    Finger,
    /// Rough alone.
    Rough,
    /// A wave of 6 px amplitude and 64 px length on the roughness.
    Wavy,
    /// Rough, with a dendrite that leans over and hooks back.
    Overhang,
    /// Rough, with dendrites that branch everywhere.
    Moss,
}

/// How the front moves in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Growth {
    /// It advances.
    #[default]
    Advance,
    /// It advances for the first half and is stripped in the second.
    Strip,
    /// It stands still where it would be at a third of the recording.
    Still,
}

impl Growth {
    /// The time (a share of the recording) at which the advancing front looks the same.
    pub fn time(self, share: f64) -> f64 {
        match self {
            Growth::Advance => share,
            Growth::Strip => 0.5 - (0.5 - share).abs(),
            Growth::Still => 1.0 / 3.0,
        }
    }
}

impl Default for FrontLook {
    fn default() -> Self {
        FrontLook {
            shape: FrontShape::Finger,
            growth: Growth::Advance,
            darkening: 0.35,
            start: 0.12,
        }
    }
}

/// A beam that scans the field row after row: row y of frame k is taken at k / frame rate +
/// y · line time. The walk's positions, and so the truth, are those of the moments of the middle
/// rows, (height − 1)/2; between them drift, rotation and scale are linear, where `jumps` happen
/// too. The jump of an event comes between two frames, and tears none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scan {
    pub line_time_s: f64,
}

impl Default for SceneConfig {
    fn default() -> Self {
        SceneConfig {
            width: 512,
            height: 512,
            frames: 200,
            seed: 1,
            specimen: Specimen::Textured,
            contrast: 0.12,
            lattice_px: 12.0,
            dose_counts_per_px: 20.0,
            camera: CameraModel {
                offset_counts: 100.0,
                gain_counts_per_electron: 1.0,
                read_noise_counts: 0.5,
                quantum_counts: 1.0,
            },
            saturation_counts: None,
            dead_share: 0.0,
            hot_share: 0.0,
            pattern: 0.0,
            psf_px: 1.2,
            frame_rate_hz: 20.0,
            pixel_size_nm: 2.0,
            scan: None,
            drift_step_px: 0.15,
            drift_velocity_px: (0.01, -0.006),
            jumps: 1,
            jump_px: 9.0,
            rotation_step_rad: 0.0,
            rotation_velocity_rad: 0.0,
            scale_step: 0.0,
            scale_velocity: 0.0,
            front: true,
            front_look: FrontLook::default(),
            crack: true,
            fissures: Vec::new(),
            front_cover: None,
            particles: 0,
            particle_cover: 0.05,
            events: Vec::new(),
        }
    }
}

impl SceneConfig {
    /// How far the specimen goes by its steady drift and by events' jumps, px: at most so far to
    /// the left (negative) and right, and so far up (negative) and down.
    pub fn travel(&self) -> [(f64, f64); 2] {
        let steady = |velocity: f64| velocity * self.frames as f64;
        let (x, y) = self.drift_velocity_px;
        let mut steps = vec![(steady(x), steady(y))];
        steps.extend(self.events.iter().filter_map(|event| match event.disturbance {
            Disturbance::Jump { x, y } => Some((x, y)),
            _ => None,
        }));
        let along = |values: &dyn Fn(&(f64, f64)) -> f64| {
            steps.iter().map(values).fold((0.0, 0.0), |(least, most), step| {
                (least + f64::min(step, 0.0), most + f64::max(step, 0.0))
            })
        };
        [along(&|step| step.0), along(&|step| step.1)]
    }
}

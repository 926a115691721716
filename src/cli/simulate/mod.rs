//! `liwatch simulate`: a recording with its truth.

mod beside;
mod event;
mod recording;
mod trouble;
mod written;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::anyhow;
use indicatif::ProgressBar;

use super::{Failure, Outcome, print, print_json};
use crate::noise::CameraModel;
use crate::simulate::{
    FrontLook, FrontShape, Growth, Scene, SceneConfig, SceneRecording, Specimen,
};
use crate::source::Faults;

/// Simulate a recording with known truth: drift, front with a finger, crack, camera, cell
#[derive(clap::Args)]
#[command(
    after_help = "Example: liwatch simulate --out cell.npy --frames 600 --size 1024 --dose 20 --seed 7\n\n\
    Beside REC stand REC.toml (a configuration that fits), REC.cell.csv (bias and current),\n\
    REC.truth.csv (each frame's truth; in a scanned frame that of the middle row), REC.front.npy and REC.crack.npy (front and opening of\n\
    each line and frame, reference px); scene_frame in REC.truth.csv is the frame's number before --inject."
)]
pub struct Args {
    /// The recording: .npy, .mrc, or .tif
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value_t = 300)]
    frames: usize,
    /// Side of the square field, or WIDTHxHEIGHT, px
    #[arg(long, default_value = "512")]
    size: Size,
    /// Mean counts per pixel
    #[arg(long, default_value_t = 20.0)]
    dose: f64,
    /// The same seed gives the same recording
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, value_enum, default_value_t = Specimen::Textured)]
    specimen: Specimen,
    /// Standard deviation of the texture over its mean, about
    #[arg(long, default_value_t = 0.12)]
    contrast: f64,
    /// Frames per second
    #[arg(long, default_value_t = 20.0)]
    frame_rate: f64,
    #[arg(long, default_value_t = 2.0)]
    pixel_size_nm: f64,
    /// Camera counts at zero electrons
    #[arg(long, default_value_t = 100.0)]
    offset: f64,
    /// Camera counts per electron
    #[arg(long, default_value_t = 1.0)]
    gain: f64,
    /// One sigma of the read noise, counts
    #[arg(long, default_value_t = 0.5)]
    read_noise: f64,
    /// One sigma of the point spread, px
    #[arg(long, default_value_t = 1.2)]
    psf: f64,
    /// One sigma of the drift walk per frame, px
    #[arg(long, default_value_t = 0.15)]
    drift_step: f64,
    /// Sudden jumps of the specimen
    #[arg(long, default_value_t = 1)]
    jumps: usize,
    #[arg(long)]
    no_front: bool,
    #[arg(long, value_enum, default_value_t = FrontShape::Finger)]
    front_shape: FrontShape,
    #[arg(long, value_enum, default_value_t = Growth::Advance)]
    front_growth: Growth,
    /// Share of the brightness that lithium takes away
    #[arg(long, default_value_t = 0.35)]
    front_darkening: f64,
    #[arg(long)]
    no_crack: bool,
    /// Write what faults leave: KIND=RATE[:SIZE] or KIND@FRAME[:SIZE], by commas, and seed=N. Kinds:
    /// drop (left out), duplicate (there twice), reorder (up to SIZE frames later), corrupt (random
    /// pixels). Faults of time belong to replay
    #[arg(long, value_name = "FAULTS")]
    inject: Option<Faults>,
    /// Print one JSON object on stdout and nothing else
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    trouble: trouble::Trouble,
}

/// Width and height.
#[derive(Clone, Copy, Debug)]
struct Size(usize, usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let (width, height) = text.split_once('x').unwrap_or((text, text));
        match (width.parse(), height.parse()) {
            (Ok(w), Ok(h)) if (128..=16_384).contains(&w) && (128..=16_384).contains(&h) => {
                Ok(Size(w, h))
            }
            _ => Err(format!("'{text}' is no size; give 512 or 1024x768, 128 to 16384 each")),
        }
    }
}

impl Args {
    fn config(&self) -> Result<SceneConfig, Failure> {
        let positive = [
            ("--dose", self.dose),
            ("--frame-rate", self.frame_rate),
            ("--pixel-size-nm", self.pixel_size_nm),
            ("--gain", self.gain),
            ("--psf", self.psf),
        ];
        for (name, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(Failure::Usage(anyhow!("{name} is {value}, but must be more than 0")));
            }
        }
        if self.frames == 0 {
            return Err(Failure::Usage(anyhow!("--frames is 0; a recording has at least one")));
        }
        if !(0.0..1.0).contains(&self.front_darkening) {
            return Err(Failure::Usage(anyhow!(
                "--front-darkening is {}, but must be a share, 0 to less than 1",
                self.front_darkening
            )));
        }
        self.trouble.add_to(SceneConfig {
            width: self.size.0,
            height: self.size.1,
            frames: self.frames,
            seed: self.seed,
            specimen: self.specimen,
            contrast: self.contrast,
            dose_counts_per_px: self.dose,
            camera: CameraModel {
                offset_counts: self.offset,
                gain_counts_per_electron: self.gain,
                read_noise_counts: self.read_noise,
                quantum_counts: 1.0,
            },
            psf_px: self.psf,
            frame_rate_hz: self.frame_rate,
            pixel_size_nm: self.pixel_size_nm,
            drift_step_px: self.drift_step,
            jumps: self.jumps,
            front: !self.no_front,
            front_look: FrontLook {
                shape: self.front_shape,
                growth: self.front_growth,
                darkening: self.front_darkening,
                ..FrontLook::default()
            },
            crack: !self.no_crack,
            ..SceneConfig::default()
        })
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let scene = SceneRecording::new(Scene::new(args.config()?));
    let written = written::order(&scene, args.inject.as_ref())?;
    let frames = written.len();
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new(frames as u64) };
    recording::write(&scene, &written, &args.out, &bar)?;
    let paths = beside::write(scene.scene(), &written, &args.out)?;
    let shown = |path: &PathBuf| path.display().to_string();
    if args.json {
        print_json(&serde_json::json!({
            "recording": shown(&args.out),
            "frames": frames,
            "beside": paths.iter().map(shown).collect::<Vec<_>>(),
        }));
    } else {
        print(format_args!("recording  {} ({frames} frames)\n", shown(&args.out)));
        for path in &paths {
            print(format_args!("           {}\n", shown(path)));
        }
    }
    Ok(())
}

/// Writes what the demonstration measures.
pub fn demo(out: &Path) -> anyhow::Result<()> {
    let scene = SceneRecording::new(Scene::new(SceneConfig {
        frames: 400,
        dose_counts_per_px: 40.0,
        seed: 7,
        jumps: 2,
        ..SceneConfig::default()
    }));
    let Ok(written) = written::order(&scene, None) else {
        unreachable!("without faults nothing is refused");
    };
    recording::write(&scene, &written, out, &ProgressBar::new(written.len() as u64))?;
    beside::write(scene.scene(), &written, out)?;
    Ok(())
}

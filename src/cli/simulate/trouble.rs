//! The options for all that goes wrong: motion of every kind, disturbances, the camera's faults.

use anyhow::anyhow;

use super::super::Failure;
use super::event;
use crate::simulate::{Event, Scan, SceneConfig};

#[derive(clap::Args)]
#[command(next_help_heading = "What goes wrong")]
pub struct Trouble {
    /// A disturbance of the frames FROM to UNTIL (excluded), again for each: refocus (blur,
    /// magnification), brightness (factor), contrast (factor), contamination (per-frame), blanked,
    /// flash, jump (x, y), scan-noise (jitter, streak), shadow
    #[arg(long = "event", value_name = "KIND:FROM-UNTIL[:k=v,...]", value_parser = event::parse)]
    events: Vec<Event>,
    /// Steady drift, px per frame
    #[arg(long, value_name = "X,Y", value_parser = pair, allow_hyphen_values = true,
        default_value = "0.01,-0.006")]
    drift_velocity: (f64, f64),
    /// One sigma of the rotation's walk per frame, rad
    #[arg(long, value_name = "RAD", default_value_t = 0.0)]
    rotation_step: f64,
    /// One sigma of the scale's walk per frame, relative
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    scale_step: f64,
    /// Scan row after row, with this time from row to row (SEM, STEM)
    #[arg(long, value_name = "US")]
    line_time_us: Option<f64>,
    /// Particles that each move with a velocity of their own
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    particles: usize,
    /// Share of the field that the particles cover
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    particle_cover: f64,
    /// Lithium over all rows, with a texture that moves along, grows to this share of the field;
    /// with --no-front the configuration does not tell of it
    #[arg(long, value_name = "SHARE")]
    front_cover: Option<f64>,
    /// Distance of the planes of --specimen lattice, px
    #[arg(long, value_name = "PX", default_value_t = 12.0)]
    lattice_px: f64,
    /// Counts at which the camera clips
    #[arg(long, value_name = "COUNTS")]
    saturation: Option<f64>,
    /// Share of dead pixels
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    dead: f64,
    /// Share of hot pixels
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    hot: f64,
    /// Standard deviation of the pixels' gains, relative
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pattern: f64,
}

fn pair(text: &str) -> Result<(f64, f64), String> {
    let number = |text: &str| text.trim().parse().ok().filter(|v: &f64| v.is_finite());
    text.split_once(',')
        .and_then(|(x, y)| Some((number(x)?, number(y)?)))
        .ok_or_else(|| format!("'{text}' is no pair of numbers; give X,Y, such as 0.5,-0.2"))
}

impl Trouble {
    /// The configuration with all of it.
    pub fn add_to(&self, config: SceneConfig) -> Result<SceneConfig, Failure> {
        let numbers = [
            ("--rotation-step", self.rotation_step, 0.0, 1.0, "rad"),
            ("--scale-step", self.scale_step, 0.0, 0.1, ""),
            ("--line-time-us", self.line_time_us.unwrap_or(0.0), 0.0, 1e9, "µs"),
            ("--particle-cover", self.particle_cover, 0.0, 1.0, ""),
            ("--front-cover", self.front_cover.unwrap_or(0.5), 0.1, 1.0, ""),
            ("--lattice-px", self.lattice_px, 2.0, 1e4, "px"),
            ("--dead", self.dead, 0.0, 1.0, ""),
            ("--hot", self.hot, 0.0, 1.0, ""),
            ("--pattern", self.pattern, 0.0, 1.0, ""),
        ];
        for (name, value, least, most, unit) in numbers {
            if !(least..=most).contains(&value) {
                let range = format!("{least} to {most} {unit}");
                let told = anyhow!("{name} is {value}, but must be {}", range.trim_end());
                return Err(Failure::Usage(told));
            }
        }
        let offset = config.camera.offset_counts;
        if let Some(most) = self.saturation.filter(|most| !(*most > offset && *most <= 65_535.0)) {
            return Err(Failure::Usage(anyhow!(
                "--saturation is {most}, but must be more than --offset ({offset}), and 65535 at most"
            )));
        }
        if let Some(late) = self.events.iter().find(|event| event.from >= config.frames) {
            return Err(Failure::Usage(anyhow!(
                "--event starts at frame {}, but the recording ends with frame {}",
                late.from,
                config.frames - 1
            )));
        }
        Ok(SceneConfig {
            events: self.events.clone(),
            drift_velocity_px: self.drift_velocity,
            rotation_step_rad: self.rotation_step,
            scale_step: self.scale_step,
            scan: self.line_time_us.map(|us| Scan { line_time_s: us * 1e-6 }),
            particles: self.particles,
            particle_cover: self.particle_cover,
            front_cover: self.front_cover,
            lattice_px: self.lattice_px,
            saturation_counts: self.saturation,
            dead_share: self.dead,
            hot_share: self.hot,
            pattern: self.pattern,
            ..config
        })
    }
}

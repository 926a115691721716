//! `liwatch simulate`: a recording with its truth.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, anyhow};
use crossbeam_channel::bounded;
use indicatif::ProgressBar;

use super::{Failure, Outcome, print_json};
use crate::frame::{Image, Samples};
use crate::noise::CameraModel;
use crate::simulate::{Scene, SceneConfig, Specimen, configuration};

/// Simulate a recording with known truth: drift, front with a finger, crack, camera, cell
#[derive(clap::Args)]
#[command(
    after_help = "Example: liwatch simulate --out cell.npy --frames 600 --size 1024 --dose 20 --seed 7\n\n\
    Beside REC stand REC.toml (a configuration that fits), REC.cell.csv (bias and current),\n\
    REC.truth.csv (each frame's truth), REC.front.npy and REC.crack.npy (front and opening of\n\
    each line and frame, reference px)."
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
    #[arg(long)]
    no_crack: bool,
    /// Print one JSON object on stdout and nothing else
    #[arg(long)]
    json: bool,
    #[arg(skip)]
    quiet: bool,
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
    /// What the demonstration simulates.
    pub fn demo(out: PathBuf) -> Args {
        Args {
            out,
            frames: 400,
            size: Size(512, 512),
            dose: 40.0,
            seed: 7,
            specimen: Specimen::Textured,
            contrast: 0.12,
            frame_rate: 20.0,
            pixel_size_nm: 2.0,
            offset: 100.0,
            gain: 1.0,
            read_noise: 0.5,
            psf: 1.2,
            drift_step: 0.15,
            jumps: 2,
            no_front: false,
            no_crack: false,
            json: false,
            quiet: true,
        }
    }

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
        Ok(SceneConfig {
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
            crack: !self.no_crack,
            ..SceneConfig::default()
        })
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let scene = Scene::new(args.config()?);
    write_recording(&scene, args)?;
    let beside = |suffix: &str| args.out.with_extension(suffix);
    let written = [
        (beside("toml"), configuration(&scene)),
        (beside("cell.csv"), cell_text(&scene)),
        (beside("truth.csv"), truth_text(&scene)),
    ];
    for (path, text) in &written {
        std::fs::write(path, text)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    let config = &scene.config;
    let mut paths: Vec<PathBuf> = written.into_iter().map(|(path, _)| path).collect();
    for (on, suffix, line) in [
        (config.front, "front.npy", (|k, s| s.truth(k).front) as fn(usize, &Scene) -> Vec<f64>),
        (config.crack, "crack.npy", |k, s| s.truth(k).opening),
    ] {
        if on {
            let path = beside(suffix);
            write_lines(&scene, &path, line)
                .with_context(|| format!("{}: cannot be written", path.display()))?;
            paths.push(path);
        }
    }
    if args.json {
        print_json(&serde_json::json!({
            "recording": args.out.display().to_string(),
            "frames": config.frames,
            "beside": paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        }));
    } else if !args.quiet {
        println!("recording  {} ({} frames)", args.out.display(), config.frames);
        for path in paths {
            println!("           {}", path.display());
        }
    }
    Ok(())
}

/// Renders on all cores and writes in order.
fn write_recording(scene: &Scene, args: &Args) -> anyhow::Result<()> {
    let told = || format!("{}: cannot be written", args.out.display());
    let mut writer = FrameWriter::create(&args.out, scene).with_context(told)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let bar = if args.json {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(scene.config.frames as u64)
    };
    let written = std::thread::scope(|scope| {
        // One channel a thread, read in turn, keeps the frames in order without sorting them.
        let channels: Vec<_> = (0..threads)
            .map(|first| {
                let (send, receive) = bounded(2);
                scope.spawn(move || {
                    for index in (first..scene.config.frames).step_by(threads) {
                        let mut image = Image::zeros_u16(0, 0);
                        scene.render(index, &mut image);
                        if send.send(image).is_err() {
                            return;
                        }
                    }
                });
                receive
            })
            .collect();
        for index in 0..scene.config.frames {
            let Ok(image) = channels[index % threads].recv() else {
                anyhow::bail!("frame {index} could not be rendered");
            };
            writer.write(&image)?;
            bar.inc(1);
        }
        writer.finish()
    });
    bar.finish_and_clear();
    written.with_context(told)
}

/// A recording that is written frame by frame.
enum FrameWriter {
    Raw(BufWriter<File>),
    Tiff(Box<tiff::encoder::TiffEncoder<BufWriter<File>, tiff::encoder::TiffKindBig>>, String),
}

impl FrameWriter {
    fn create(path: &Path, scene: &Scene) -> anyhow::Result<FrameWriter> {
        let config = &scene.config;
        let suffix = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let mut file = BufWriter::new(File::create(path)?);
        match suffix.as_str() {
            "npy" => {
                let shape = format!("({}, {}, {})", config.frames, config.height, config.width);
                file.write_all(&npy_header("<u2", &shape))?;
                Ok(FrameWriter::Raw(file))
            }
            "mrc" | "mrcs" => {
                file.write_all(&mrc_header(config))?;
                Ok(FrameWriter::Raw(file))
            }
            "tif" | "tiff" => {
                let description = format!(
                    "ImageJ=1.54\nimages={0}\nframes={0}\nunit=nm\nfinterval={1}\nloop=false\n",
                    config.frames,
                    1.0 / config.frame_rate_hz
                );
                let encoder = tiff::encoder::TiffEncoder::new_big(file)?;
                Ok(FrameWriter::Tiff(
                    Box::new(encoder),
                    format!("{description}|{}", config.pixel_size_nm),
                ))
            }
            other => anyhow::bail!("'.{other}' is not written; use .npy, .mrc or .tif"),
        }
    }

    fn write(&mut self, image: &Image) -> anyhow::Result<()> {
        let Samples::U16(samples) = &image.samples else {
            anyhow::bail!("only u16 frames are written");
        };
        match self {
            FrameWriter::Raw(file) => {
                for sample in samples {
                    file.write_all(&sample.to_le_bytes())?;
                }
            }
            FrameWriter::Tiff(encoder, told) => {
                let (description, pixel) = told.split_once('|').unwrap_or((told, "1"));
                let mut page = encoder.new_image::<tiff::encoder::colortype::Gray16>(
                    image.width as u32,
                    image.height as u32,
                )?;
                let per_nm = 1.0 / pixel.parse::<f64>().unwrap_or(1.0);
                let resolution =
                    tiff::encoder::Rational { n: (per_nm * 1e6).round() as u32, d: 1_000_000 };
                page.resolution(tiff::tags::ResolutionUnit::None, resolution);
                page.encoder().write_tag(tiff::tags::Tag::ImageDescription, description)?;
                page.write_data(samples)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        if let FrameWriter::Raw(mut file) = self {
            file.flush()?;
        }
        Ok(())
    }
}

fn npy_header(descr: &str, shape: &str) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // The data begins at a multiple of 64 bytes, and the header ends with a line feed.
    let padding = 63 - (10 + text.len()) % 64;
    text += &" ".repeat(padding);
    text.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((text.len() as u16).to_le_bytes());
    out.extend(text.as_bytes());
    out
}

/// An MRC2014 header of mode 6 (u16). <https://www.ccpem.ac.uk/mrc_format/mrc2014.php>
fn mrc_header(config: &SceneConfig) -> Vec<u8> {
    let mut words = [0u32; 256];
    let size = [config.width as u32, config.height as u32, config.frames as u32];
    words[..3].copy_from_slice(&size);
    words[3] = 6;
    words[7..10].copy_from_slice(&[size[0], size[1], 1]);
    let cell_angstrom = [size[0], size[1]].map(|n| n as f32 * config.pixel_size_nm as f32 * 10.0);
    words[10] = cell_angstrom[0].to_bits();
    words[11] = cell_angstrom[1].to_bits();
    words[12] = 1.0f32.to_bits();
    words[13..16].copy_from_slice(&[90.0f32.to_bits(); 3]);
    words[16..19].copy_from_slice(&[1, 2, 3]);
    words[27] = 20_140;
    words[52] = u32::from_le_bytes(*b"MAP ");
    words[53] = u32::from_le_bytes([0x44, 0x44, 0, 0]);
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn cell_text(scene: &Scene) -> String {
    let mut out = "test_time_second,voltage_volt,current_ampere\n".to_owned();
    for row in scene.cell() {
        out += &format!("{:.3},{:.6},{:.4e}\n", row.test_time_s, row.voltage_v, row.current_a);
    }
    out
}

fn truth_text(scene: &Scene) -> String {
    let mut out = "frame,time_s,drift_x_px,drift_y_px,front_mean_px,front_tip_px,\
                   crack_mean_px,crack_max_px,crack_tip_y_px\n"
        .to_owned();
    for index in 0..scene.config.frames {
        let truth = scene.truth(index);
        let open: Vec<f64> = truth.opening.iter().copied().filter(|w| *w > 0.0).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let most = open.iter().copied().fold(0.0, f64::max);
        out += &format!(
            "{index},{:.6},{:.6},{:.6},{:.5},{:.5},{:.5},{:.5},{:.5}\n",
            truth.time_s,
            truth.drift.0,
            truth.drift.1,
            mean(&truth.front),
            truth.tip,
            mean(&open),
            most,
            truth.crack_tip_y
        );
    }
    out
}

fn write_lines(
    scene: &Scene,
    path: &Path,
    line: fn(usize, &Scene) -> Vec<f64>,
) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let width = line(0, scene).len();
    file.write_all(&npy_header("<f4", &format!("({}, {width})", scene.config.frames)))?;
    for index in 0..scene.config.frames {
        for value in line(index, scene) {
            file.write_all(&(value as f32).to_le_bytes())?;
        }
    }
    file.flush()?;
    Ok(())
}

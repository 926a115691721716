//! Simulated frames on disk: NPY, MRC, or an ImageJ stack in BigTIFF, rendered on all cores and
//! written in order.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use crossbeam_channel::bounded;
use indicatif::ProgressBar;

use super::written::Written;
use crate::frame::{Image, Samples};
use crate::simulate::{SceneConfig, SceneRecording};

/// Renders on all cores and writes in order.
pub fn write(
    scene: &SceneRecording,
    frames: &[Written],
    out: &Path,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let told = || format!("{}: cannot be written", out.display());
    let config = SceneConfig { frames: frames.len(), ..scene.scene().config.clone() };
    let mut writer = FrameWriter::create(out, &config).with_context(told)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let written = std::thread::scope(|scope| {
        // One channel a thread, read in turn, keeps the frames in order without sorting them.
        let channels: Vec<_> = (0..threads)
            .map(|first| {
                let (send, receive) = bounded(2);
                scope.spawn(move || {
                    for frame in frames.iter().skip(first).step_by(threads) {
                        let mut image = Image::zeros_u16(0, 0);
                        frame.render(scene, &mut image);
                        if send.send(image).is_err() {
                            return;
                        }
                    }
                });
                receive
            })
            .collect();
        for index in 0..frames.len() {
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
    Tiff(Box<TiffWriter>),
}

struct TiffWriter {
    encoder: tiff::encoder::TiffEncoder<BufWriter<File>, tiff::encoder::TiffKindBig>,
    /// ImageJ's, of each page.
    description: String,
    pixel_size_nm: f64,
}

impl FrameWriter {
    fn create(path: &Path, config: &SceneConfig) -> anyhow::Result<FrameWriter> {
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
                Ok(FrameWriter::Tiff(Box::new(TiffWriter {
                    encoder: tiff::encoder::TiffEncoder::new_big(file)?,
                    description,
                    pixel_size_nm: config.pixel_size_nm,
                })))
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
            FrameWriter::Tiff(writer) => writer.write(image, samples)?,
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

impl TiffWriter {
    fn write(&mut self, image: &Image, samples: &[u16]) -> anyhow::Result<()> {
        let (width, height) = (image.width as u32, image.height as u32);
        let mut page = self.encoder.new_image::<tiff::encoder::colortype::Gray16>(width, height)?;
        let millionths = (1e6 / self.pixel_size_nm).round() as u32;
        let resolution = tiff::encoder::Rational { n: millionths, d: 1_000_000 };
        page.resolution(tiff::tags::ResolutionUnit::None, resolution);
        let description = self.description.as_str();
        page.encoder().write_tag(tiff::tags::Tag::ImageDescription, description)?;
        page.write_data(samples)?;
        Ok(())
    }
}

/// The head of an NPY file of version 1.0; `shape` as Python writes a tuple.
pub fn npy_header(descr: &str, shape: &str) -> Vec<u8> {
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

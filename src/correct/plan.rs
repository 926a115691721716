//! What is written, fixed before the first pixel: where each frame stands, the type of the pixels,
//! the part of the field.

use super::CorrectError;
use super::area::{Area, covered_share};
use crate::format::RecordingInfo;
use crate::frame::{PixelType, Region};
use crate::resample::Affine;

/// How far frames are moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Shift {
    /// By the whole drift; values between pixels are interpolated, the result is f32
    #[default]
    Subpixel,
    /// By whole pixels; counts are not touched and keep the recording's type
    Integer,
}

/// One row of the ledger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// s since the first frame.
    pub time_s: f64,
    /// Drift of the specimen, px; NaN when it is not known.
    pub drift: (f64, f64),
    /// From reference to frame coordinates; nothing for a frame that cannot be placed.
    pub map: Option<Affine>,
}

/// What the pass writes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The recording's name, without its folder.
    pub source: String,
    /// The run file's name, without its folder.
    pub run: String,
    /// Width and height of the recording's frames, px.
    pub size: (usize, usize),
    /// Nanometres per pixel along x and y.
    pub pixel_size_nm: Option<(f64, f64)>,
    /// Unix time of the first frame, s, where it is known.
    pub start_unix_time_s: Option<f64>,
    /// The frames' times are the recording's or the configuration's, and not assumed.
    pub times_known: bool,
    pub shift: Shift,
    /// One for each output frame.
    pub rows: Vec<Row>,
    /// Type of the output's pixels.
    pub pixel_type: PixelType,
    /// What all placed frames cover.
    pub area: Area,
    /// The largest rectangle in `area`, reference px.
    pub common: Option<Region>,
    /// The part of the reference field that is written.
    pub window: Region,
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub frames: usize,
    /// Frames with pixels.
    pub placed: usize,
    pub bytes: u64,
    pub seconds: f64,
}

impl Plan {
    /// Plans the stack of a recording. `crop` writes only what all placed frames cover.
    ///
    /// # Errors
    /// [`CorrectError::NothingInCommon`] when `crop` leaves nothing.
    pub fn new(
        info: &RecordingInfo,
        (source, run): (String, String),
        mut rows: Vec<Row>,
        shift: Shift,
        crop: bool,
    ) -> Result<Plan, CorrectError> {
        let size = (info.width, info.height);
        let mut area = Area::whole(size);
        for row in &mut rows {
            row.map = row.map.filter(Affine::is_finite);
            if shift == Shift::Integer {
                row.map = row.map.map(|map| map.rounded());
            }
            if let Some(map) = &row.map {
                area.intersect(map);
            }
        }
        let placed = rows.iter().filter(|row| row.map.is_some()).count();
        let common = area.largest_rectangle().filter(|_| placed > 0);
        let whole = Region { x: 0, y: 0, width: size.0, height: size.1 };
        let window = match (crop, common) {
            (false, _) => whole,
            (true, Some(common)) => common,
            (true, None) => return Err(CorrectError::NothingInCommon { placed }),
        };
        Ok(Plan {
            source,
            run,
            size,
            pixel_size_nm: info.pixel_size_nm,
            start_unix_time_s: info.start_unix_time_s,
            times_known: true,
            shift,
            rows,
            pixel_type: match shift {
                Shift::Subpixel => PixelType::F32,
                Shift::Integer => info.pixel_type,
            },
            area,
            common,
            window,
        })
    }

    /// Bytes of one output frame.
    pub fn frame_bytes(&self) -> usize {
        self.window.width * self.window.height * self.pixel_type.size()
    }

    /// The share of output frame `index` that its recording covers, 0 to 1.
    pub fn valid_fraction(&self, index: usize) -> f64 {
        let map = &self.rows[index].map;
        map.as_ref().map_or(0.0, |map| covered_share(map, self.window, self.size))
    }

    /// Seconds from frame to frame, when they are known and even to a part in a thousand.
    pub fn even_step_s(&self) -> Option<f64> {
        if !self.times_known {
            return None;
        }
        let (first, last) = (self.rows.first()?.time_s, self.rows.last()?.time_s);
        let step = (last - first) / self.rows.len().checked_sub(1).filter(|n| *n > 0)? as f64;
        let even = self
            .rows
            .iter()
            .enumerate()
            .all(|(k, row)| (row.time_s - first - k as f64 * step).abs() <= 1e-3 * step);
        (even && step > 0.0).then_some(step)
    }

    /// How values came about, for the file's notes.
    pub fn interpolation(&self) -> &'static str {
        match self.shift {
            Shift::Subpixel => "17-tap least-squares kernel per axis (band limit 0.8 Nyquist)",
            Shift::Integer => "none: shifts rounded to whole pixels",
        }
    }

    /// What marks a pixel without data.
    pub fn empty_value(&self) -> &'static str {
        match self.pixel_type {
            PixelType::F32 | PixelType::F64 => "NaN",
            _ => "0",
        }
    }

    /// One frame's bytes without data.
    pub fn clear(&self, out: &mut Vec<u8>) {
        out.resize(self.frame_bytes(), 0);
        match self.pixel_type {
            PixelType::F32 => {
                out.as_chunks_mut().0.fill(f32::NAN.to_ne_bytes());
            }
            PixelType::F64 => {
                out.as_chunks_mut().0.fill(f64::NAN.to_ne_bytes());
            }
            _ => out.fill(0),
        }
    }
}

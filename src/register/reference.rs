//! What frames are compared with: the template prepared at full and binned resolution, and for
//! the search over the whole field. Immutable; a new version replaces it as the template grows.

use std::sync::Arc;

use super::acquire::periods;
use super::bin::bin_f32;
use super::coarse::Search;
use super::level::{Level, LevelShape, Template};
use super::observe::Scratch;
use super::origin::AnchorPlace;
use super::template::Accumulator;
use crate::frame::{Image, Region};
use crate::noise::CameraModel;

/// Full-resolution pixels beyond which only the most informative tiles are used.
const FULL_PIXELS: usize = 4 << 20;
/// Above this many pixels, weights for a single phase keep the memory in bounds.
const PHASES_PIXELS: usize = 3 << 19;

/// Up to this many pixels the squares are smaller: what moves by itself must not spoil most of
/// the few that there are.
const FINE_PIXELS: usize = 1 << 18;

/// From so many frames on a template is worth weights for several sub-pixel phases.
const LASTING_FRAMES: f64 = 32.0;

/// One version of the template, ready for comparison.
pub struct Reference {
    /// Counts up with each new version of the template.
    pub version: u32,
    /// Which keyframe the template grew from.
    pub keyframe: u32,
    pub(super) full: Level,
    pub(super) coarse: Level,
    pub(super) search: Search,
    /// Where the template looks like itself; nowhere for most specimens.
    pub(super) periods: Vec<Period>,
    pub(super) factor: usize,
    /// Variance of the noise over that of the camera model.
    pub(super) noise_scale: f64,
    /// The same of what is roughest, over it.
    pub(super) rough_share: f64,
    /// The part of a frame's noise that is a pattern of the camera and known to be in the template.
    pub(super) pattern: f64,
    /// The first frame as the camera saw it.
    pub(super) probe: Arc<Image>,
    /// The part of the template that is the anchor.
    pub(super) anchor_share: f64,
    /// Where that lies in this template; nothing while no square is known to move by itself.
    pub(super) anchor: Option<AnchorPlace>,
}

/// A displacement at which a periodic template looks like itself, px of the binned level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    pub x: f64,
    pub y: f64,
}

/// Where the registration must not look.
#[derive(Clone, Debug)]
pub struct StaticMask {
    usable: Vec<bool>,
    regions: Vec<Region>,
    /// Pixels of a frame that nothing is burned into.
    shown: Vec<bool>,
}

impl StaticMask {
    /// Everything but these regions. When they leave less than a twentieth of the field, nothing
    /// is masked: drift against the whole field is better than none, and tiles in which something
    /// of its own moves are still left out frame by frame.
    pub fn new(width: usize, height: usize, regions: &[Region]) -> StaticMask {
        let mut usable = outside(width, height, regions);
        let shown = vec![true; width * height];
        if usable.iter().filter(|usable| **usable).count() * 20 < usable.len() {
            usable.fill(true);
            return StaticMask { usable, regions: Vec::new(), shown };
        }
        StaticMask { usable, regions: regions.to_vec(), shown }
    }

    /// Regions that may hold what is burned into the frames (banners, scale bars, text): it stays
    /// where it is on the camera, so it is not looked at in frames that are searched for either.
    pub fn with_marks(mut self, width: usize, height: usize, regions: &[Region]) -> StaticMask {
        self.shown = outside(width, height, regions);
        self
    }

    /// The masked rectangles.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }
}

/// True for the pixels outside of the regions.
fn outside(width: usize, height: usize, regions: &[Region]) -> Vec<bool> {
    let mut outside = vec![true; width * height];
    for region in regions {
        for y in region.y..(region.y + region.height).min(height) {
            let end = (region.x + region.width).min(width);
            outside[y * width + region.x.min(end)..y * width + end].fill(false);
        }
    }
    outside
}

/// The binning of the coarse steps: the largest of 1, 2, 4, 8 that leaves 200 pixels.
pub fn binning(width: usize, height: usize) -> usize {
    [8, 4, 2].into_iter().find(|factor| width.min(height) / factor >= 200).unwrap_or(1)
}

impl Reference {
    /// Prepares the template as it stands.
    pub fn build(
        version: u32,
        accumulator: &Accumulator,
        mask: &StaticMask,
        noise: &CameraModel,
    ) -> Reference {
        let (width, height) = (accumulator.width, accumulator.height);
        let noise_scale = accumulator.noise_scale;
        let noise = &noise.scaled(noise_scale);
        let factor = binning(width, height);
        let frames = f64::from(accumulator.frames());
        let usable: Vec<bool> = mask
            .usable
            .iter()
            .enumerate()
            .map(|(k, on)| *on && accumulator.is_covered(k))
            .collect();
        let (grain, small_grain) = accumulator.grains(factor);
        let template = Template {
            width,
            height,
            counts: &accumulator.mean,
            usable: &usable,
            frames,
            grain: &grain,
            footprint: &accumulator.footprint,
        };
        let full = Level::build(&template, noise, full_shape(width * height, frames));

        let (small_width, small_height) = (width / factor, height / factor);
        let mut small = vec![0.0; small_width * small_height];
        bin_f32(&accumulator.mean, width, factor, small_width, &mut small);
        let small_usable = bin_mask(&usable, width, factor, small_width, small_height);
        let small_noise = noise.binned(factor);
        let small_template = Template {
            width: small_width,
            height: small_height,
            counts: &small,
            usable: &small_usable,
            frames,
            grain: &small_grain,
            footprint: &accumulator.footprint.binned(factor),
        };
        let coarse = Level::build(&small_template, &small_noise, coarse_shape());
        let mean = small.iter().map(|v| f64::from(*v)).sum::<f64>() / small.len().max(1) as f64;
        let search = Search::new(
            &small,
            &small_usable,
            small_width,
            small_height,
            frames,
            small_noise.variance(mean),
            bin_mask(&mask.shown, width, factor, small_width, small_height),
        );
        let periods = periods(&coarse, &small, search.periods());
        let keyframe = accumulator.keyframe();
        let probe = Arc::clone(&accumulator.probe);
        let pattern = accumulator.pattern;
        Reference {
            version,
            keyframe,
            full,
            coarse,
            search,
            periods,
            factor,
            noise_scale,
            rough_share: accumulator.rough_share(),
            pattern,
            probe,
            anchor_share: accumulator.anchor_share * accumulator.rough_share(),
            anchor: None,
        }
    }

    /// The same, in which the anchor has been looked for where squares are `masked` since they move by
    /// themselves: frames may have been drawn after these before. Of another look the anchor tells nothing.
    pub fn with_anchor(mut self, masked: &Arc<[bool]>, scratch: &mut Scratch) -> Reference {
        if self.keyframe == 0 {
            self.anchor = AnchorPlace::find(&self, masked, scratch);
        }
        self
    }

    /// True when the template has too little structure outside the masks for any drift.
    pub fn is_blind(&self) -> bool {
        self.coarse.tiles.is_empty() || self.full.tiles.is_empty()
    }
}

fn full_shape(pixels: usize, frames: f64) -> LevelShape {
    // The anchor may have to serve for long; the versions after it are soon replaced.
    let lasting = !(1.5..LASTING_FRAMES).contains(&frames);
    let (phases, order): (&'static [f64], usize) = match lasting && pixels <= PHASES_PIXELS {
        true => (&[-0.25, 0.25], 3),
        false => (&[0.0], 4),
    };
    let tile = if pixels <= FINE_PIXELS { 16 } else { 32 };
    LevelShape { tile, phases, order, structure: false, pixels_at_most: FULL_PIXELS }
}

fn coarse_shape() -> LevelShape {
    LevelShape { tile: 16, phases: &[0.0], order: 4, structure: true, pixels_at_most: 1 << 20 }
}

fn bin_mask(
    usable: &[bool],
    stride: usize,
    factor: usize,
    width: usize,
    height: usize,
) -> Vec<bool> {
    let mut out = vec![true; width * height];
    for (y, row) in usable.chunks_exact(stride).take(height * factor).enumerate() {
        let out = &mut out[y / factor * width..][..width];
        for (out, pixels) in out.iter_mut().zip(row.chunks_exact(factor)) {
            *out &= pixels.iter().all(|usable| *usable);
        }
    }
    out
}

//! One simulated recording: all parts, their place in the field, and the truth of each frame.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::cell::{self, CellRow};
use super::crack::Crack;
use super::front::Front;
use super::specimen::{Specimen, Texture};
use super::{camera, motion};
use crate::frame::{Image, Region, Samples};
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
    /// Mean counts per pixel above the camera's offset.
    pub dose_counts_per_px: f64,
    pub camera: CameraModel,
    /// One sigma of the point spread.
    pub psf_px: f64,
    pub frame_rate_hz: f64,
    pub pixel_size_nm: f64,
    /// One sigma of the drift walk per frame.
    pub drift_step_px: f64,
    pub drift_velocity_px: (f64, f64),
    pub jumps: usize,
    pub jump_px: f64,
    pub front: bool,
    pub crack: bool,
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
            dose_counts_per_px: 20.0,
            camera: CameraModel {
                offset_counts: 100.0,
                gain_counts_per_electron: 1.0,
                read_noise_counts: 0.5,
                quantum_counts: 1.0,
            },
            psf_px: 1.2,
            frame_rate_hz: 20.0,
            pixel_size_nm: 2.0,
            drift_step_px: 0.15,
            drift_velocity_px: (0.01, -0.006),
            jumps: 1,
            jump_px: 9.0,
            front: true,
            crack: true,
        }
    }
}

/// Where things are, in reference pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// For a front gauge; the front grows to the right through it.
    pub front_region: Region,
    /// Column of the counter electrode.
    pub counter_px: f64,
    /// All that lithium may cover.
    pub lithium: Region,
    /// For a crack gauge.
    pub crack_region: Region,
}

/// The truth of one frame, in reference pixels and volts.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    pub time_s: f64,
    pub drift: (f64, f64),
    /// Column of the front in each row of the front's region; empty without a front.
    pub front: Vec<f64>,
    /// The front's furthest reach; NaN without a front.
    pub tip: f64,
    /// Opening in each row of the crack's region; empty without a crack.
    pub opening: Vec<f64>,
    /// Centre column in each row of the crack's region.
    pub crack_centre: Vec<f64>,
    /// Row of the crack's tip; NaN without a crack.
    pub crack_tip_y: f64,
}

/// A recording that is rendered frame by frame.
pub struct Scene {
    pub config: SceneConfig,
    pub layout: Layout,
    texture: Texture,
    front: Option<Front>,
    crack: Option<Crack>,
    drift: Vec<(f64, f64)>,
}

/// The cell shorts at this share of the recording.
const SHORT_AT: f64 = 0.92;

impl Scene {
    /// Places everything; the same configuration gives the same scene, on any machine.
    pub fn new(config: SceneConfig) -> Scene {
        let layout = Layout::of(config.width, config.height);
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let size = (config.width, config.height);
        let texture = Texture::new(config.specimen, size, config.psf_px, config.contrast, &mut rng);
        let lithium = layout.lithium;
        let front = Front::new(
            layout.front_region.x as f64 + 0.12 * layout.front_region.width as f64,
            layout.counter_px,
            SHORT_AT,
            (lithium.y as f64, (lithium.y + lithium.height) as f64),
            0.35,
            config.psf_px,
            &mut rng,
        );
        let crack_region = layout.crack_region;
        let crack = Crack::new(
            crack_region.x as f64 + 0.5 * crack_region.width as f64,
            crack_region.y as f64,
            (crack_region.y + crack_region.height) as f64,
            (config.width as f64 / 85.0).max(6.0),
            config.psf_px,
        );
        let drift = motion::walk(
            config.frames,
            config.drift_step_px,
            config.drift_velocity_px,
            config.jumps,
            config.jump_px,
            &mut rng,
        );
        Scene {
            front: config.front.then_some(front),
            crack: config.crack.then_some(crack),
            config,
            layout,
            texture,
            drift,
        }
    }

    /// Expected counts of frame `index`, without noise, row-major; `out` is made to fit.
    pub fn expected(&self, index: usize, out: &mut Vec<f32>) {
        let (width, height) = (self.config.width, self.config.height);
        let (drift, share) = (self.drift[index], self.share(index));
        out.clear();
        out.resize(width * height, 1.0);
        self.texture.add_to(out, width, drift);
        // Brightness has a floor: even dense material lets something through.
        out.iter_mut().for_each(|value| *value = value.max(0.1));
        if let Some(front) = &self.front {
            front.shade(out, width, drift, share);
        }
        if let Some(crack) = &self.crack {
            crack.shade(out, width, drift, share);
        }
        let (dose, offset) =
            (self.config.dose_counts_per_px as f32, self.config.camera.offset_counts as f32);
        out.iter_mut().for_each(|value| *value = offset + dose * *value);
    }

    /// Frame `index` as the camera sees it (u16). Depends on the seed and the index alone.
    pub fn render(&self, index: usize, image: &mut Image) {
        let mut expected = Vec::new();
        self.expected(index, &mut expected);
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(1 + index as u64);
        let mut counts = vec![0u16; expected.len()];
        camera::expose(&expected, &self.config.camera, &mut rng, &mut counts);
        *image = Image {
            width: self.config.width,
            height: self.config.height,
            samples: Samples::U16(counts),
        };
    }

    /// Puts frame `index` elsewhere.
    pub fn set_drift(&mut self, index: usize, drift: (f64, f64)) {
        self.drift[index] = drift;
    }

    /// What is true of frame `index`.
    pub fn truth(&self, index: usize) -> Truth {
        let share = self.share(index);
        let rows = |region: Region| (region.y..region.y + region.height).map(|y| y as f64);
        let (front_region, crack_region) = (self.layout.front_region, self.layout.crack_region);
        let front = self.front.as_ref();
        let crack = self.crack.as_ref();
        Truth {
            time_s: index as f64 / self.config.frame_rate_hz,
            drift: self.drift[index],
            front: front.map_or(vec![], |front| {
                rows(front_region).map(|y| front.position(y, share)).collect()
            }),
            tip: front.map_or(f64::NAN, |front| front.tip(share)),
            opening: crack.map_or(vec![], |crack| {
                rows(crack_region).map(|y| crack.opening(y, share)).collect()
            }),
            crack_centre: crack
                .map_or(vec![], |crack| rows(crack_region).map(|y| crack.centre(y)).collect()),
            crack_tip_y: crack.map_or(f64::NAN, |crack| crack.tip(share)),
        }
    }

    /// The cell's log.
    pub fn cell(&self) -> Vec<CellRow> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(0);
        cell::log(self.duration_s(), self.short_s(), &mut rng)
    }

    /// When the cell shorts, s since the first frame.
    pub fn short_s(&self) -> f64 {
        SHORT_AT * self.duration_s()
    }

    fn duration_s(&self) -> f64 {
        self.config.frames as f64 / self.config.frame_rate_hz
    }

    /// Time as a share of the recording.
    fn share(&self, index: usize) -> f64 {
        index as f64 / self.config.frames.max(1) as f64
    }
}

impl Layout {
    /// Front on the left, crack on the right, and more than half of the field free for the drift.
    pub fn of(width: usize, height: usize) -> Layout {
        let part = |size: usize, share: f64| (size as f64 * share).round() as usize;
        let front_region = Region {
            x: part(width, 0.06),
            y: part(height, 0.28),
            width: part(width, 0.56),
            height: part(height, 0.44),
        };
        // Lithium is a little wider than the gauge looks, so that every line has an edge.
        let apron = part(height, 0.03);
        let lithium = Region {
            x: 0,
            y: front_region.y - apron,
            width: part(width, 0.66),
            height: front_region.height + 2 * apron,
        };
        let crack_region = Region {
            x: part(width, 0.72),
            y: part(height, 0.10),
            width: part(width, 0.16),
            height: part(height, 0.80),
        };
        Layout {
            front_region,
            counter_px: (front_region.x + front_region.width) as f64 - 0.02 * width as f64,
            lithium,
            crack_region,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> SceneConfig {
        SceneConfig { width: 160, height: 128, frames: 20, jumps: 0, ..SceneConfig::default() }
    }

    #[test]
    fn a_frame_depends_on_seed_and_index_alone() {
        let (a, b) = (Scene::new(small()), Scene::new(small()));
        let mut images = [Image::zeros_u16(0, 0), Image::zeros_u16(0, 0)];
        a.render(3, &mut images[0]);
        a.render(7, &mut images[0]);
        b.render(7, &mut images[1]);
        assert_eq!(images[0], images[1]);
        let other = Scene::new(SceneConfig { seed: 2, ..small() });
        other.render(7, &mut images[1]);
        assert_ne!(images[0], images[1]);
    }

    #[test]
    fn counts_scatter_as_the_camera_model_says() {
        let scene = Scene::new(SceneConfig { dose_counts_per_px: 30.0, ..small() });
        let mut expected = Vec::new();
        scene.expected(5, &mut expected);
        let mut image = Image::zeros_u16(0, 0);
        scene.render(5, &mut image);
        let n = expected.len() as f64;
        let mut chi2 = 0.0;
        for (k, mean) in expected.iter().enumerate() {
            let found = f64::from(image.at(k % 160, k / 160));
            let variance = scene.config.camera.variance(f64::from(*mean));
            chi2 += (found - f64::from(*mean)).powi(2) / variance / n;
        }
        assert!((chi2 - 1.0).abs() < 0.05, "normalised variance {chi2}");
    }

    #[test]
    fn drift_moves_the_scene_and_the_truth_stays() {
        let still =
            SceneConfig { drift_step_px: 0.0, drift_velocity_px: (1.0, 0.0), frames: 3, ..small() };
        let scene = Scene::new(SceneConfig { front: false, crack: false, ..still });
        let (mut first, mut second) = (Vec::new(), Vec::new());
        scene.expected(0, &mut first);
        scene.expected(1, &mut second);
        for y in 0..128 {
            for x in 0..159 {
                let (a, b) = (first[y * 160 + x], second[y * 160 + x + 1]);
                assert!((a - b).abs() < 1e-3, "({x}, {y}): {a} became {b}");
            }
        }
        assert_eq!(scene.truth(1).drift, (1.0, 0.0));
    }

    #[test]
    fn the_front_stands_where_the_truth_says() {
        let config = SceneConfig { contrast: 0.0, crack: false, ..small() };
        let scene = Scene::new(config);
        let truth = scene.truth(10);
        let mut image = Vec::new();
        scene.expected(10, &mut image);
        let region = scene.layout.front_region;
        let line = region.height / 8;
        let y = (line + region.y) as f64 + truth.drift.1;
        // On a row of the frame the half-height crossing is the front of that specimen row.
        let row = &image[y.round() as usize * 160..][..160];
        let half = 100.0 + 20.0 * (1.0 - 0.175);
        let at = row.windows(2).position(|pair| pair[0] < half && pair[1] >= half);
        let at = at.expect("the row crosses half height");
        let crossing = at as f32 + (half - row[at]) / (row[at + 1] - row[at]);
        let error = f64::from(crossing) - truth.drift.0 - truth.front[line];
        assert!(error.abs() < 0.6, "crossing {crossing}, truth {}", truth.front[line]);
    }
}

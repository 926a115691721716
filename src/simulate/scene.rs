//! One simulated recording: all parts, and the truth of each frame.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::body::Body;
use super::camera::{self, Pattern};
use super::cell::{self, CellRow};
use super::config::SceneConfig;
use super::crack::Crack;
use super::drawn::{self, Place};
use super::event::Conditions;
use super::front::Front;
use super::layout::Layout;
use super::motion::{self, Motion};
use super::particles::Particles;
use super::pose::View;
use super::seed::{Purpose, stream};
use super::specimen::{Extent, Texture};
use crate::frame::{Image, Region, Samples};

/// The truth of one frame, in reference pixels and volts.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    pub time_s: f64,
    /// Position in frame = centre + drift + scale · R(rotation) · (reference − centre), with the
    /// field's centre ((width − 1)/2, (height − 1)/2). In a scanned frame this and the next two are
    /// those of the moment of the middle row, (height − 1)/2. What only the scan displaces
    /// (a row's jitter) is in none of them.
    pub drift: (f64, f64),
    /// Positive from +x towards +y.
    pub rotation_rad: f64,
    /// Frame px per reference px.
    pub scale: f64,
    /// Column of the front in each row of the front's region, its furthest where lithium folds
    /// over itself; empty without a front.
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
    body: Option<Body>,
    particles: Particles,
    pattern: Pattern,
    motion: Motion,
}

/// The cell shorts at this share of the recording.
const SHORT_AT: f64 = 0.92;

impl Scene {
    /// Places everything; the same configuration gives the same scene, on any machine.
    pub fn new(config: SceneConfig) -> Scene {
        let mut layout = Layout::of(config.width, config.height);
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let size = (config.width, config.height);
        let (psf, contrast) = (config.psf_px, config.contrast);
        let extent = Extent::of(size, config.travel());
        let texture =
            Texture::new(config.specimen, extent, psf, contrast, config.lattice_px, &mut rng);
        let lithium = layout.lithium;
        let front = Front::new(
            layout.front_region.x as f64
                + config.front_look.start * layout.front_region.width as f64,
            layout.counter_px,
            SHORT_AT,
            (lithium.y as f64, (lithium.y + lithium.height) as f64),
            config.front_look,
            &mut rng,
            &mut stream(config.seed, Purpose::Dendrite),
        );
        let crack_region = layout.crack_region;
        let crack = Crack::new(
            crack_region.x as f64 + 0.5 * crack_region.width as f64,
            crack_region.y as f64,
            (crack_region.y + crack_region.height) as f64,
            (config.width as f64 / 85.0).max(6.0),
        );
        let drift = motion::walk(
            config.frames,
            config.drift_step_px,
            config.drift_velocity_px,
            config.jumps,
            config.jump_px,
            &mut rng,
        );
        let of = |purpose| stream(config.seed, purpose);
        let body = config.front_cover.map(|cover| {
            layout.lithium = layout.covered(cover, size);
            Body::new(extent, size, cover, psf, contrast, &mut of(Purpose::Body))
        });
        Scene {
            front: (config.front && body.is_none()).then_some(front),
            crack: config.crack.then_some(crack),
            body,
            particles: Particles::new(
                config.particles,
                config.particle_cover,
                size,
                &mut of(Purpose::Particles),
            ),
            pattern: Pattern::new(
                size.0 * size.1,
                config.pattern,
                config.dead_share,
                config.hot_share,
                &mut of(Purpose::Pattern),
            ),
            motion: Motion::new(drift, &config),
            config,
            layout,
            texture,
        }
    }

    /// Expected counts of frame `index`, without noise and before the camera clips, row-major;
    /// `out` is made to fit.
    pub fn expected(&self, index: usize, out: &mut Vec<f32>) {
        let config = &self.config;
        let (width, height) = (config.width, config.height);
        let conditions = Conditions::of(&config.events, index);
        let (view, streaks) = self.view(index, &conditions);
        let share = self.share(index);
        let place = Place {
            seed: config.seed,
            frames: config.frames,
            size: (width, height),
            flash: self.flash(),
        };
        out.clear();
        out.resize(width * height, 1.0);
        self.texture.add_to(out, &view, (0.0, 0.0));
        // Brightness has a floor: even dense material lets something through.
        out.iter_mut().for_each(|value| *value = value.max(0.1));
        let grown = config.front_look.growth.time(share);
        if let Some(body) = &self.body {
            body.cover(out, &view, grown);
        }
        if let Some(front) = &self.front {
            front.shade(out, &view, grown);
        }
        if let Some(crack) = &self.crack {
            crack.shade(out, &view, share);
        }
        for fissure in &config.fissures {
            fissure.shade(out, &view, share);
        }
        drawn::contaminate(out, &view, &config.events, index, &place);
        self.particles.shade(out, &view);
        if conditions.contrast != 1.0 {
            let factor = conditions.contrast as f32;
            out.iter_mut().for_each(|value| *value = (1.0 + factor * (*value - 1.0)).max(0.0));
        }
        drawn::shadow(out, &config.events, index, &place);
        drawn::flash(out, &config.events, index, &place);
        for (line, streak) in out.chunks_exact_mut(width).zip(&streaks) {
            line.iter_mut().for_each(|value| *value *= streak);
        }
        self.pattern.shade(out);
        let beam = if conditions.blanked { 0.0 } else { conditions.brightness };
        let (dose, offset) =
            ((beam * config.dose_counts_per_px) as f32, config.camera.offset_counts as f32);
        out.iter_mut().for_each(|value| *value = offset + dose * *value);
        self.pattern.heat(out, f32::from(self.most()));
    }

    /// Frame `index` as the camera sees it (u16). Depends on the configuration and the index
    /// alone.
    pub fn render(&self, index: usize, image: &mut Image) {
        let mut expected = Vec::new();
        self.expected(index, &mut expected);
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(1 + index as u64);
        let mut counts = vec![0u16; expected.len()];
        camera::expose(&expected, &self.config.camera, self.most(), &mut rng, &mut counts);
        self.pattern.heat(&mut counts, self.most());
        *image = Image {
            width: self.config.width,
            height: self.config.height,
            samples: Samples::U16(counts),
        };
    }

    /// Puts frame `index` elsewhere.
    pub fn set_drift(&mut self, index: usize, drift: (f64, f64)) {
        self.motion.drift[index] = drift;
    }

    /// What is true of frame `index`.
    pub fn truth(&self, index: usize) -> Truth {
        let share = self.share(index);
        let rows = |region: Region| (region.y..region.y + region.height).map(|y| y as f64);
        let (front_region, crack_region) = (self.layout.front_region, self.layout.crack_region);
        let crack = self.crack.as_ref();
        let grown = self.config.front_look.growth.time(share);
        let edge = |y: f64| match (&self.body, &self.front) {
            (Some(body), _) => Some(body.position(y, grown)),
            (None, front) => front.as_ref().map(|front| front.reach(y, grown)),
        };
        let tip = match (&self.body, &self.front) {
            (Some(body), _) => body.tip((0.0, self.config.height as f64), grown),
            (None, front) => front.as_ref().map_or(f64::NAN, |front| front.tip(grown)),
        };
        Truth {
            time_s: index as f64 / self.config.frame_rate_hz,
            drift: self.motion.drift[index],
            rotation_rad: self.motion.rotation_rad[index],
            scale: self.motion.scale[index] * self.motion.magnification[index],
            front: rows(front_region).filter_map(edge).collect(),
            tip,
            opening: crack.map_or(vec![], |crack| {
                rows(crack_region).map(|y| crack.opening(y, share)).collect()
            }),
            crack_centre: crack
                .map_or(vec![], |crack| rows(crack_region).map(|y| crack.centre(y)).collect()),
            crack_tip_y: crack.map_or(f64::NAN, |crack| crack.tip(share)),
        }
    }

    /// How deep inside lithium a reference point lies in frame `index`, px; negative outside, NaN
    /// without the front of [`SceneConfig::front`].
    pub fn lithium_depth(&self, index: usize, at: (f64, f64)) -> f64 {
        let grown = self.config.front_look.growth.time(self.share(index));
        self.front.as_ref().map_or(f64::NAN, |front| front.depth(at, grown))
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

    /// How frame `index` sees the specimen, and the relative brightness of each row (empty when
    /// all are alike).
    fn view(&self, index: usize, conditions: &Conditions) -> (View, Vec<f32>) {
        let config = &self.config;
        let size = (config.width, config.height);
        let rows_per_frame =
            config.scan.map_or(0.0, |scan| scan.line_time_s * config.frame_rate_hz);
        let from_middle = |row: usize| row as f64 - (config.height as f64 - 1.0) / 2.0;
        let noisy = conditions.jitter_px > 0.0 || conditions.streak > 0.0;
        let mut rng = stream(config.seed, Purpose::Rows(index));
        let mut normals = |sigma: f64| -> Vec<f64> {
            let rows = if noisy { config.height } else { 0 };
            (0..rows)
                .map(|_| {
                    sigma * {
                        let n: f64 = StandardNormal.sample(&mut rng);
                        n
                    }
                })
                .collect()
        };
        let jitter_px = normals(conditions.jitter_px);
        let streaks =
            normals(conditions.streak).iter().map(|s| (1.0 + s).max(0.0) as f32).collect();
        let poses = (0..config.height)
            .map(|row| {
                let jitter = jitter_px.get(row).copied().unwrap_or(0.0);
                self.motion.pose(index, from_middle(row) * rows_per_frame, jitter, size)
            })
            .collect();
        let when = (0..config.height)
            .map(|row| index as f64 + from_middle(row) * rows_per_frame)
            .collect();
        let psf_px = config.psf_px.hypot(conditions.blur_px);
        (View::new(config.width, poses, when, jitter_px, psf_px), streaks)
    }

    /// The largest number that the camera gives.
    fn most(&self) -> u16 {
        // The cast saturates.
        self.config.saturation_counts.map_or(u16::MAX, |counts| counts.round() as u16)
    }

    /// The relative brightness of a flash.
    fn flash(&self) -> f64 {
        let config = &self.config;
        config.saturation_counts.map_or(20.0, |counts| {
            2.0 * (counts - config.camera.offset_counts) / config.dose_counts_per_px
        })
    }

    fn duration_s(&self) -> f64 {
        self.config.frames as f64 / self.config.frame_rate_hz
    }

    /// Time as a share of the recording.
    fn share(&self, index: usize) -> f64 {
        index as f64 / self.config.frames.max(1) as f64
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

//! Faint ridges on a textured specimen: cracks narrower than the point spread that the texture hides from the
//! search of all levels (`ridge`).
//!
//! Texture has most of its power at sizes of some px, a narrow crack at all sizes down to the point spread. A filter
//! whose flanks are near (2.4 px, at a point spread of 1.2) is 3 % short of the one that the power spectrum of the texture calls for
//! (D. O. North, Proc. IEEE 51, 1016, 1963) where that of `ridge` is 22 % short. What is left is little, and is
//! gathered over a long way: lines of 70 px, in more directions than short ones need. Such a search is made only
//! where no crack is known and texture exceeds the noise in all directions: curtains exceed it in one.

use super::Crack;
use super::plane::{Kernel, Plane};
use super::ridge::Ridge;
use super::shape::Scatter;
use crate::frame::Region;
use crate::gauge::View;

/// What is looked at everywhere, and then where that hints at a ridge, sigma.
const SHORT: Kernel = Kernel { flank: 2.4, before: 0.6, long: 7.0, finer: 1 };
const LONG: [Kernel; 2] =
    [Kernel { long: 12.0, finer: 3, ..SHORT }, Kernel { long: 20.0, finer: 4, ..SHORT }];
const HINT: f32 = 2.4;
/// By how much texture exceeds the noise, as a factor of sigma.
const TEXTURED: f32 = 1.25;
/// What says that there is a crack, sigma · px: the texture of an even specimen gives less than 70 along its most
/// evident line.
pub const EVIDENCE_OF_CRACK: f32 = 100.0;

/// The faint ridges of a region; nothing where the specimen is not textured.
pub fn find(crack: &Crack, view: &View<'_>, region: Region) -> Option<Ridge> {
    let (plane, scatter) = (Plane::read(view, region), Scatter::of(view.noise()));
    let mut seen = plane.ridges_on_texture(crack.sign(), &SHORT, &scatter, TEXTURED)?;
    let long = plane.ridges_near(&seen, HINT, crack.sign(), &LONG, &scatter);
    for (place, merit) in long.merit.iter().enumerate() {
        if *merit > seen.merit[place] {
            (seen.merit[place], seen.direction[place]) = (*merit, long.direction[place]);
        }
    }
    let level = vec![0; seen.merit.len()];
    Some(Ridge { region, merit: seen.merit, direction: seen.direction, level })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::frame::Image;
    use crate::gauge::crack::CrackConfig;
    use crate::gauge::crack::trace::{Traced, trace};
    use crate::register::{Drift, DriftObservation, Tracker};
    use crate::simulate::{Fissure, Scene, SceneConfig};

    const SIZE: usize = 360;

    /// The lines of a frame at 200 counts, with one crack as wide.
    fn lines(fissure: &Fissure, contrast: f64, seed: u64) -> Option<Vec<Traced>> {
        let scene = Scene::new(SceneConfig {
            width: SIZE,
            height: SIZE,
            frames: 1,
            seed,
            contrast,
            dose_counts_per_px: 200.0,
            psf_px: 1.2,
            jumps: 0,
            front: false,
            crack: false,
            fissures: vec![fissure.clone()],
            ..SceneConfig::default()
        });
        let text = format!(
            "[[gauge]]\nkind = \"crack\"\nname = \"c\"\nregion = [0, 0, {SIZE}, {SIZE}]\n\
             contrast = \"dark\"\n"
        );
        let config = Config::parse(&text, std::path::Path::new("crack.toml")).expect("it is right");
        let crack = Crack::new(CrackConfig::read(&config.gauges[0]).expect("an entry"), 1);
        let mut image = Image::zeros_u16(0, 0);
        scene.render(0, &mut image);
        let drift: Drift = Tracker::judge(&DriftObservation::ANCHOR, 1.0);
        let view = View::new(&image, drift, scene.config.camera);
        find(&crack, &view, crack.config.region).map(|ridge| trace(&ridge, 0, EVIDENCE_OF_CRACK))
    }

    #[test]
    fn a_narrow_crack_is_a_line_on_texture_and_texture_is_none() {
        let path = vec![(130.0, 60.0), (240.0, 300.0)];
        let narrow = Fissure::still(path.clone(), 0.7);
        let found = lines(&narrow, 0.12, 3).expect("a textured specimen");
        let line = &found.first().expect("a line").curve;
        let far = |at: &[f32; 2]| narrow.nearest((f64::from(at[0]), f64::from(at[1]))).0;
        let on = line.points.iter().filter(|at| far(at) < 3.0).count();
        assert!(on > 150, "{on} of {} px lie on the crack", line.points.len());
        let nothing = Fissure::still(path, 0.0);
        for seed in 4..7 {
            let found = lines(&nothing, 0.12, seed).expect("a textured specimen");
            assert!(found.is_empty(), "{} lines where no crack is", found.len());
        }
        assert!(lines(&narrow, 0.0, 3).is_none(), "an even specimen is not textured");
    }
}

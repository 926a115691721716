use liwatch::frame::Image;
use liwatch::register::*;
use liwatch::simulate::{Scene, SceneConfig};
fn main() {
    let a: Vec<f64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (size, dose, frames) = (a[0] as usize, a[1], a[2] as usize);
    let scene = Scene::new(SceneConfig {
        width: size,
        height: size,
        frames,
        dose_counts_per_px: dose,
        jumps: 0,
        front: false,
        crack: false,
        ..SceneConfig::default()
    });
    let mut frame = Image::zeros_u16(0, 0);
    scene.render(0, &mut frame);
    let mask = StaticMask::new(size, size, &[]);
    let mut s = Sequence::new(&frame, mask, scene.config.camera, Settings::default());
    for k in 1..frames {
        scene.render(k, &mut frame);
        let o = s.look(&frame);
        let d = s.push(&frame);
        let t = scene.truth(k).drift;
        println!(
            "{k} err {:.4} {:.4} sig {:.4} frac {:.2} {:.2} contrast {:?} like {:.3} agree {:.2} locked {} searched {}",
            d.x - t.0,
            d.y - t.1,
            d.x_error,
            t.0 - t.0.round(),
            t.1 - t.1.round(),
            o.contrast,
            o.likeness,
            o.agreeing,
            o.locked,
            o.searched
        );
    }
}

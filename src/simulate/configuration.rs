//! A liwatch configuration that fits a simulated scene.

use std::fmt::Write;

use super::Scene;

/// The TOML: the camera, one front gauge `anode`, one crack gauge `c1`, one alarm.
pub fn configuration(scene: &Scene) -> String {
    let (config, layout) = (&scene.config, &scene.layout);
    let camera = &config.camera;
    let mut text = format!(
        "# For a simulated recording; the truth lies beside it.\n\
         [calibration]\n\
         pixel_size_nm = {:?}\n\
         frame_rate_hz = {:?}\n\n\
         [camera]\n\
         offset_counts = {:?}\n\
         gain_counts_per_electron = {:?}\n\
         read_noise_counts = {:?}\n\n\
         [drift]\n\
         max_shift_px = 64.0\n",
        config.pixel_size_nm,
        config.frame_rate_hz,
        camera.offset_counts,
        camera.gain_counts_per_electron,
        camera.read_noise_counts,
    );
    // Writing to a String cannot fail.
    if config.front {
        let _ = write!(
            text,
            "exclude = [{}]        # all that lithium may cover\n\n\
             [[gauge]]\n\
             kind = \"front\"\n\
             name = \"anode\"\n\
             region = {}\n\
             grows = \"right\"\n\
             lithium = \"dark\"\n\
             counter_px = {:?}\n",
            layout.lithium, layout.front_region, layout.counter_px
        );
    }
    if config.crack {
        let _ = write!(
            text,
            "\n[[gauge]]\n\
             kind = \"crack\"\n\
             name = \"c1\"\n\
             region = {}\n\
             contrast = \"dark\"\n\
             along = \"y\"\n",
            layout.crack_region
        );
    }
    if config.front {
        let near = 0.08 * config.width as f64 * config.pixel_size_nm;
        let _ = write!(
            text,
            "\n[[alarm]]\n\
             name = \"near-short\"\n\
             when = \"anode.gap < {near:?} || cell.voltage < 0.05\"\n\
             hold_s = 0.2\n\
             actions = [\"log\", \"bias-off\"]\n"
        );
    }
    text
}

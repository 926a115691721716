//! What lies beside a simulated recording: a configuration that fits, the cell's log, and the
//! truth.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::recording::npy_header;
use super::written::Written;
use crate::simulate::{Scene, Truth, configuration};

/// What of a frame's truth has one number for each line.
type Line = fn(Truth) -> Vec<f64>;

/// Writes all of it beside the recording `out`; gives the files.
pub fn write(scene: &Scene, frames: &[Written], out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let told = |path: &Path| format!("{}: cannot be written", path.display());
    let mut paths = Vec::new();
    for (suffix, text) in [
        ("toml", configuration(scene)),
        ("cell.csv", cell_text(scene)),
        ("truth.csv", truth_text(scene, frames)),
    ] {
        let path = out.with_extension(suffix);
        std::fs::write(&path, text).with_context(|| told(&path))?;
        paths.push(path);
    }
    for (suffix, line) in
        [("front.npy", (|truth| truth.front) as Line), ("crack.npy", |truth| truth.opening)]
    {
        if !line(scene.truth(0)).is_empty() {
            let path = out.with_extension(suffix);
            write_lines(scene, frames, &path, line).with_context(|| told(&path))?;
            paths.push(path);
        }
    }
    Ok(paths)
}

fn cell_text(scene: &Scene) -> String {
    let mut out = "test_time_second,voltage_volt,current_ampere\n".to_owned();
    for row in scene.cell() {
        out += &format!("{:.3},{:.6},{:.4e}\n", row.test_time_s, row.voltage_v, row.current_a);
    }
    out
}

fn truth_text(scene: &Scene, frames: &[Written]) -> String {
    let mut out = "frame,time_s,drift_x_px,drift_y_px,front_mean_px,front_tip_px,\
                   crack_mean_px,crack_max_px,crack_tip_y_px,rotation_rad,scale,scene_frame\n"
        .to_owned();
    for (index, written) in frames.iter().enumerate() {
        let truth = scene.truth(written.frame);
        let open: Vec<f64> = truth.opening.iter().copied().filter(|w| *w > 0.0).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let most = open.iter().copied().fold(0.0, f64::max);
        out += &format!(
            "{index},{:.6},{:.6},{:.6},{:.5},{:.5},{:.5},{:.5},{:.5},{:.8},{:.8},{}\n",
            truth.time_s,
            truth.drift.0,
            truth.drift.1,
            mean(&truth.front),
            truth.tip,
            mean(&open),
            most,
            truth.crack_tip_y,
            truth.rotation_rad,
            truth.scale,
            written.frame
        );
    }
    out
}

fn write_lines(scene: &Scene, frames: &[Written], path: &Path, line: Line) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let width = line(scene.truth(0)).len();
    file.write_all(&npy_header("<f4", &format!("({}, {width})", frames.len())))?;
    for written in frames {
        for value in line(scene.truth(written.frame)) {
            file.write_all(&(value as f32).to_le_bytes())?;
        }
    }
    file.flush()?;
    Ok(())
}

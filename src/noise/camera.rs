//! How camera counts scatter: Poisson electrons, gain, offset, read noise, rounding.

/// A linear camera: `counts = offset + gain · electrons`, electrons Poisson, plus Gaussian read
/// noise and rounding to whole counts.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct CameraModel {
    /// Counts at zero electrons.
    pub offset_counts: f64,
    /// Counts per detected electron.
    pub gain_counts_per_electron: f64,
    /// One sigma of the read noise, in counts.
    pub read_noise_counts: f64,
    /// The step of the numbers: 1 for whole counts, 0 where nothing is rounded.
    pub quantum_counts: f64,
}

impl CameraModel {
    /// The noise of the mean of `factor` × `factor` pixels.
    pub fn binned(&self, factor: usize) -> CameraModel {
        let pixels = (factor * factor) as f64;
        CameraModel {
            offset_counts: self.offset_counts,
            gain_counts_per_electron: self.gain_counts_per_electron / pixels,
            read_noise_counts: self.read_noise_counts / pixels.sqrt(),
            quantum_counts: self.quantum_counts / pixels.sqrt(),
        }
    }

    /// The same camera with `scale` times the variance.
    pub fn scaled(&self, scale: f64) -> CameraModel {
        CameraModel {
            offset_counts: self.offset_counts,
            gain_counts_per_electron: self.gain_counts_per_electron * scale,
            read_noise_counts: self.read_noise_counts * scale.sqrt(),
            quantum_counts: self.quantum_counts * scale.sqrt(),
        }
    }

    /// Variance (counts²) of a pixel whose expected value is `counts`. Rounding adds a twelfth of
    /// its step squared (a uniform distribution).
    pub fn variance(&self, counts: f64) -> f64 {
        let signal = (counts - self.offset_counts).max(0.0);
        self.gain_counts_per_electron * signal
            + self.read_noise_counts * self.read_noise_counts
            + self.quantum_counts * self.quantum_counts / 12.0
            + f64::MIN_POSITIVE
    }
}

impl Default for CameraModel {
    /// An ideal counting camera.
    fn default() -> Self {
        CameraModel {
            offset_counts: 0.0,
            gain_counts_per_electron: 1.0,
            read_noise_counts: 0.0,
            quantum_counts: 1.0,
        }
    }
}

//! Recordings with known truth: a textured specimen that drifts, a lithium front with a finger, a
//! crack that opens, a camera that counts electrons, and a cell that shorts.
//!
//! Everything is a formula in continuous coordinates, evaluated at the pixel centres of the
//! displaced field: no raster is interpolated, so sub-pixel positions are exact. Nothing here
//! shares code with the estimators.

mod camera;
mod cell;
mod configuration;
mod crack;
mod erf;
mod front;
mod motion;
mod recording;
mod scene;
mod specimen;

pub use cell::CellRow;
pub use configuration::configuration;
pub use recording::SceneRecording;
pub use scene::{Layout, Scene, SceneConfig, Truth};
pub use specimen::Specimen;

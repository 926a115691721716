//! Recordings with known truth: a textured specimen that drifts, a lithium front with a finger, a
//! crack that opens, a camera that counts electrons, and a cell that shorts; and all that goes
//! wrong in a microscope meanwhile.
//!
//! Everything is a formula in continuous coordinates, evaluated at the pixel centres of the
//! displaced field: no raster is interpolated, so sub-pixel positions are exact. Nothing here
//! shares code with the estimators.

mod body;
mod camera;
mod cell;
mod config;
mod configuration;
mod crack;
mod dendrite;
mod drawn;
mod erf;
mod event;
mod fissure;
mod front;
mod lattice;
mod layout;
mod motion;
mod particles;
mod pose;
mod recording;
mod scene;
mod seed;
mod specimen;

pub use cell::CellRow;
pub use config::{FrontLook, FrontShape, Growth, Scan, SceneConfig};
pub use configuration::configuration;
pub use erf::erf;
pub use event::{Disturbance, Event};
pub use fissure::Fissure;
pub use layout::Layout;
pub use recording::SceneRecording;
pub use scene::{Scene, Truth};
pub use specimen::Specimen;

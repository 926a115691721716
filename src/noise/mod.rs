//! The camera's noise, and the best that any estimator can do with it (Cramér–Rao bounds).

mod bounds;
mod camera;
mod defects;
mod estimate;

pub use bounds::{drift_bound, edge_bound, opening_bound};
pub use camera::CameraModel;
pub use defects::Defects;
pub use estimate::{estimate, observed_share};

//! The camera's noise, and the best that any estimator can do with it (Cramér–Rao bounds).

mod bounds;
mod camera;
mod defects;
mod estimate;

pub use bounds::{
    contour_bound, drift_bound, drift_bound_by_squares, edge_bound, edge_information, opening_bound,
};
pub use camera::CameraModel;
pub use defects::Defects;
pub use estimate::{estimate, observed_share};

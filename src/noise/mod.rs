//! The camera's noise, and the best that any estimator can do with it (Cramér–Rao bounds).

mod camera;

pub use camera::CameraModel;

//! One frame's pixels in the two types that the estimators read: u16 counts (what cameras send)
//! and f32 (everything else).

use ndarray::{ArrayView2, ArrayViewMut2};

/// The samples of an image, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    U16(Vec<u16>),
    F32(Vec<f32>),
}

/// A grey image of `height` rows of `width` samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    pub width: usize,
    pub height: usize,
    pub samples: Samples,
}

impl Image {
    /// A black image of u16 samples.
    pub fn zeros_u16(width: usize, height: usize) -> Self {
        Image { width, height, samples: Samples::U16(vec![0; width * height]) }
    }

    /// A black image of f32 samples.
    pub fn zeros_f32(width: usize, height: usize) -> Self {
        Image { width, height, samples: Samples::F32(vec![0.0; width * height]) }
    }

    /// True when all samples are alike.
    pub fn is_even(&self) -> bool {
        match &self.samples {
            Samples::U16(all) => all.windows(2).all(|pair| pair[0] == pair[1]),
            Samples::F32(all) => all.windows(2).all(|pair| pair[0] == pair[1]),
        }
    }

    /// Memory of the samples.
    pub fn bytes(&self) -> usize {
        match &self.samples {
            Samples::U16(all) => size_of_val(all.as_slice()),
            Samples::F32(all) => size_of_val(all.as_slice()),
        }
    }

    /// Writes the samples `x .. x + out.len()` of row `y` to `out` as f32.
    ///
    /// # Panics
    /// When the row or the samples lie outside the image; callers clip to it first.
    pub fn read_row(&self, y: usize, x: usize, out: &mut [f32]) {
        let (start, end) = (y * self.width + x, y * self.width + x + out.len());
        assert!(x + out.len() <= self.width, "row segment lies outside the image");
        match &self.samples {
            Samples::U16(all) => {
                for (to, from) in out.iter_mut().zip(&all[start..end]) {
                    *to = f32::from(*from);
                }
            }
            Samples::F32(all) => out.copy_from_slice(&all[start..end]),
        }
    }

    /// Whether another image of the same size has the same samples in the square of `side` at (x, y).
    ///
    /// # Panics
    /// When the square lies outside.
    pub fn is_same(&self, other: &Image, (x, y): (usize, usize), side: usize) -> bool {
        let mut rows = (y..y + side).map(|y| y * self.width + x).map(|at| at..at + side);
        match (&self.samples, &other.samples) {
            (Samples::U16(own), Samples::U16(other)) => {
                rows.all(|row| own[row.clone()] == other[row])
            }
            (Samples::F32(own), Samples::F32(other)) => {
                rows.all(|row| own[row.clone()] == other[row])
            }
            _ => false,
        }
    }

    /// One sample as f32.
    pub fn at(&self, x: usize, y: usize) -> f32 {
        match &self.samples {
            Samples::U16(all) => f32::from(all[y * self.width + x]),
            Samples::F32(all) => all[y * self.width + x],
        }
    }

    /// The samples as a `[height, width]` view, when they are u16.
    pub fn view_u16(&self) -> Option<ArrayView2<'_, u16>> {
        match &self.samples {
            Samples::U16(all) => ArrayView2::from_shape((self.height, self.width), all).ok(),
            Samples::F32(_) => None,
        }
    }

    /// The samples as a writable `[height, width]` view, when they are f32.
    pub fn view_f32_mut(&mut self) -> Option<ArrayViewMut2<'_, f32>> {
        match &mut self.samples {
            Samples::F32(all) => ArrayViewMut2::from_shape((self.height, self.width), all).ok(),
            Samples::U16(_) => None,
        }
    }
}

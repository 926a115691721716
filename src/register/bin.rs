//! Binning: the mean of square blocks of pixels, for the coarse steps.

use multiversion::multiversion;

use crate::frame::{Image, Samples};

/// Writes the means of `factor` × `factor` blocks to `out`; what does not fill a block at the
/// right and lower border is left out. `out` is made to fit.
pub fn bin(image: &Image, factor: usize, out: &mut Image) {
    let (width, height) = (image.width / factor, image.height / factor);
    if out.width != width || out.height != height || !matches!(out.samples, Samples::F32(_)) {
        *out = Image::zeros_f32(width, height);
    }
    let Samples::F32(means) = &mut out.samples else {
        unreachable!("the image was just made of f32 samples");
    };
    match &image.samples {
        Samples::U16(samples) => {
            let mut sums = vec![0u32; image.width];
            for (y, means) in means.chunks_exact_mut(width).enumerate() {
                sums.fill(0);
                for row in samples.chunks_exact(image.width).skip(y * factor).take(factor) {
                    add_u16(&mut sums, row);
                }
                let scale = 1.0 / (factor * factor) as f32;
                for (mean, block) in means.iter_mut().zip(sums.chunks_exact(factor)) {
                    *mean = block.iter().sum::<u32>() as f32 * scale;
                }
            }
        }
        Samples::F32(samples) => bin_f32(samples, image.width, factor, width, means),
    }
}

/// [`bin`] for plain f32 rows, `width` being that of the result.
pub fn bin_f32(samples: &[f32], stride: usize, factor: usize, width: usize, means: &mut [f32]) {
    let mut sums = vec![0.0f32; stride];
    let scale = 1.0 / (factor * factor) as f32;
    for (y, means) in means.chunks_exact_mut(width).enumerate() {
        sums.fill(0.0);
        for row in samples.chunks_exact(stride).skip(y * factor).take(factor) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        for (mean, block) in means.iter_mut().zip(sums.chunks_exact(factor)) {
            *mean = block.iter().sum::<f32>() * scale;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn add_u16(sums: &mut [u32], row: &[u16]) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += u32::from(*value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_averaged_and_the_rest_is_left_out() {
        let image = Image { width: 5, height: 4, samples: Samples::U16((0..20).collect()) };
        let mut out = Image::zeros_f32(0, 0);
        bin(&image, 2, &mut out);
        assert_eq!((out.width, out.height), (2, 2));
        assert_eq!(out.samples, Samples::F32(vec![3.0, 5.0, 13.0, 15.0]));
    }
}

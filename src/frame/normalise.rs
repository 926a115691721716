//! From the bytes of a recording to the samples that estimators read.
//!
//! Unsigned pixels of 8 and 16 bit become u16 counts, everything else f32. Numbers that are not
//! finite are replaced by the mean of their neighbours, so that one bad pixel does not spoil a
//! row; when there are many, the frame is no measurement.

use super::{Image, PixelType, Samples};

/// Above this share of pixels that are not finite, a frame is corrupt.
const NON_FINITE_AT_MOST: f64 = 0.01;

/// What was found on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalised {
    Whole,
    /// So many pixels were replaced.
    Repaired(usize),
    /// So many pixels were not finite that the frame is useless.
    Useless(usize),
}

/// An image of the right sample type for these pixels.
pub fn blank_for(pixel_type: PixelType, width: usize, height: usize) -> Image {
    match pixel_type {
        PixelType::U8 | PixelType::U16 => Image::zeros_u16(width, height),
        _ => Image::zeros_f32(width, height),
    }
}

/// Writes native-order pixels to `image`, which [`blank_for`] made. Bytes beyond the image, or
/// missing ones, are ignored: the caller has checked the length.
pub fn normalise(bytes: &[u8], pixel_type: PixelType, image: &mut Image) -> Normalised {
    match &mut image.samples {
        Samples::U16(samples) => {
            if pixel_type == PixelType::U8 {
                for (to, from) in samples.iter_mut().zip(bytes) {
                    *to = u16::from(*from);
                }
            } else {
                for (to, from) in samples.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *to = u16::from_ne_bytes(*from);
                }
            }
            Normalised::Whole
        }
        Samples::F32(samples) => {
            to_f32(bytes, pixel_type, samples);
            repair(samples, image.width)
        }
    }
}

fn to_f32(bytes: &[u8], pixel_type: PixelType, out: &mut [f32]) {
    fn each<const N: usize>(bytes: &[u8], out: &mut [f32], convert: fn([u8; N]) -> f32) {
        for (to, from) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
            *to = convert(*from);
        }
    }
    match pixel_type {
        PixelType::U8 => each::<1>(bytes, out, |b| f32::from(b[0])),
        PixelType::I8 => each::<1>(bytes, out, |b| f32::from(i8::from_ne_bytes(b))),
        PixelType::U16 => each::<2>(bytes, out, |b| f32::from(u16::from_ne_bytes(b))),
        PixelType::I16 => each::<2>(bytes, out, |b| f32::from(i16::from_ne_bytes(b))),
        PixelType::U32 => each::<4>(bytes, out, |b| u32::from_ne_bytes(b) as f32),
        PixelType::I32 => each::<4>(bytes, out, |b| i32::from_ne_bytes(b) as f32),
        PixelType::F32 => each::<4>(bytes, out, f32::from_ne_bytes),
        PixelType::F64 => each::<8>(bytes, out, |b| f64::from_ne_bytes(b) as f32),
    }
}

fn repair(samples: &mut [f32], width: usize) -> Normalised {
    let bad: Vec<usize> =
        samples.iter().enumerate().filter(|(_, v)| !v.is_finite()).map(|(at, _)| at).collect();
    if bad.is_empty() {
        return Normalised::Whole;
    }
    if bad.len() as f64 > NON_FINITE_AT_MOST * samples.len() as f64 {
        return Normalised::Useless(bad.len());
    }
    // All means come from the pixels as they were, so that the order does not matter.
    let means: Vec<f32> = bad.iter().map(|at| mean_around(samples, width, *at)).collect();
    for (at, mean) in bad.iter().zip(means) {
        samples[*at] = mean;
    }
    Normalised::Repaired(bad.len())
}

/// The mean of the finite pixels in the smallest square around `at` that holds any.
fn mean_around(samples: &[f32], width: usize, at: usize) -> f32 {
    let (x, y) = (at % width, at / width);
    let height = samples.len() / width;
    for reach in 1..width.max(height) {
        let (mut sum, mut count) = (0.0f64, 0u32);
        for row in y.saturating_sub(reach)..(y + reach + 1).min(height) {
            let columns = x.saturating_sub(reach)..(x + reach + 1).min(width);
            for value in &samples[row * width + columns.start..row * width + columns.end] {
                if value.is_finite() {
                    sum += f64::from(*value);
                    count += 1;
                }
            }
        }
        if count > 0 {
            return (sum / f64::from(count)) as f32;
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bad_pixels_are_replaced_and_many_make_the_frame_useless() {
        let mut pixels = vec![2.0f32; 400];
        pixels[21] = f32::NAN;
        let bytes =
            |pixels: &[f32]| pixels.iter().flat_map(|v| v.to_ne_bytes()).collect::<Vec<_>>();
        let mut image = blank_for(PixelType::F32, 20, 20);
        let told = normalise(&bytes(&pixels), PixelType::F32, &mut image);
        assert_eq!(told, Normalised::Repaired(1));
        assert_eq!(image.at(1, 1), 2.0);
        pixels[..10].fill(f32::INFINITY);
        let told = normalise(&bytes(&pixels), PixelType::F32, &mut image);
        assert_eq!(told, Normalised::Useless(11));
    }

    #[test]
    fn every_pixel_type_keeps_its_values() {
        let mut image = blank_for(PixelType::I16, 2, 1);
        let bytes: Vec<u8> = [-5i16, 300].iter().flat_map(|v| v.to_ne_bytes()).collect();
        normalise(&bytes, PixelType::I16, &mut image);
        assert_eq!((image.at(0, 0), image.at(1, 0)), (-5.0, 300.0));
        let mut image = blank_for(PixelType::U8, 2, 1);
        normalise(&[7, 255], PixelType::U8, &mut image);
        assert_eq!((image.at(0, 0), image.at(1, 0)), (7.0, 255.0));
    }
}

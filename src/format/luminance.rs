//! Colour to grey: Y = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), in integers.
//!
//! Microscopes have no colour; colour files come from software that saved a grey image as RGB,
//! where R = G = B. The weights sum to one exactly, so that such an image comes back unchanged.

use crate::frame::PixelType;

/// Where the three colours of pixel `i` stand: sample `i · step + colour · plane`.
#[derive(Clone, Copy, Debug)]
pub struct Colours {
    pub step: usize,
    pub plane: usize,
}

/// Turns `pixels` colour pixels at the start of `samples` (native order) into grey ones, in
/// place, and cuts the rest off. `pixel_type` is U8 or U16; others are left as they are.
pub fn to_grey(samples: &mut Vec<u8>, pixels: usize, pixel_type: PixelType, colours: Colours) {
    match pixel_type {
        PixelType::U8 => reduce::<1>(samples, pixels, colours, |[v]| u32::from(v), |y| [y as u8]),
        PixelType::U16 => reduce::<2>(
            samples,
            pixels,
            colours,
            |v| u32::from(u16::from_ne_bytes(v)),
            |y| (y as u16).to_ne_bytes(),
        ),
        _ => {}
    }
}

fn reduce<const N: usize>(
    samples: &mut Vec<u8>,
    pixels: usize,
    Colours { step, plane }: Colours,
    read: impl Fn([u8; N]) -> u32,
    write: impl Fn(u32) -> [u8; N],
) {
    let (chunks, _) = samples.as_chunks_mut::<N>();
    for i in 0..pixels {
        let at = |colour: usize| chunks.get(i * step + colour * plane).copied();
        let (Some(r), Some(g), Some(b)) = (at(0), at(1), at(2)) else { break };
        let y = (299 * read(r) + 587 * read(g) + 114 * read(b) + 500) / 1000;
        // A grey pixel never stands behind its own colours, so nothing unread is overwritten.
        if let Some(to) = chunks.get_mut(i) {
            *to = write(y);
        }
    }
    samples.truncate(pixels * N);
}

/// Keeps the first of every `step` samples of `size` bytes, in place.
pub fn keep_first(samples: &mut Vec<u8>, pixels: usize, size: usize, step: usize) {
    for i in 0..pixels {
        let from = i * step * size;
        if from + size > samples.len() {
            break;
        }
        samples.copy_within(from..from + size, i * size);
    }
    samples.truncate(pixels * size);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_stays_grey_in_every_value() {
        let mut samples: Vec<u8> =
            (0..=u16::MAX).flat_map(|v| [v, v, v]).flat_map(u16::to_ne_bytes).collect();
        to_grey(&mut samples, 65536, PixelType::U16, Colours { step: 3, plane: 1 });
        let grey: Vec<u16> = samples.as_chunks().0.iter().map(|c| u16::from_ne_bytes(*c)).collect();
        assert!(grey.iter().enumerate().all(|(i, v)| usize::from(*v) == i), "a grey value moved");
        let mut planes = vec![10, 20, 30, 40, 50, 60];
        to_grey(&mut planes, 2, PixelType::U8, Colours { step: 1, plane: 2 });
        assert_eq!(planes, [26, 36]);
    }
}

//! A folder of numbered images is a recording: in the order of the numbers, and one odd image
//! spoils only its own frame.

use std::fs::File;
use std::path::Path;

use liwatch::format::{self, FormatError};

use crate::test_data;

/// A grey PNG of one value.
fn write_png(path: &Path, (width, height): (u32, u32), depth: png::BitDepth, value: u8) {
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(depth);
    let bytes = if depth == png::BitDepth::Sixteen { 2 } else { 1 };
    let pixels = vec![value; width as usize * height as usize * bytes];
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}

#[test]
fn frames_follow_the_numbers_in_the_names() {
    let folder = tempfile::tempdir().unwrap();
    for number in [10, 9, 100, 11] {
        let path = folder.path().join(format!("frame{number}.png"));
        write_png(&path, (6, 4), png::BitDepth::Eight, number as u8);
    }
    std::fs::write(folder.path().join("notes.txt"), "not an image").unwrap();
    let recording = format::open(folder.path()).unwrap();
    assert_eq!(recording.info().frames, 4);
    let mut scratch = Vec::new();
    let values: Vec<u8> = (0..4).map(|i| recording.read(i, &mut scratch).unwrap()[0]).collect();
    assert_eq!(values, [9, 10, 11, 100], "the order of the frames");
    assert!(
        recording.info().notes.iter().any(|n| n.contains("1 gaps")),
        "the gap between 11 and 100 is not told: {:?}",
        recording.info().notes
    );
}

#[test]
fn an_odd_image_spoils_its_own_frame_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |n: usize| folder.path().join(format!("{n}.png"));
    write_png(&path(1), (6, 4), png::BitDepth::Eight, 1);
    write_png(&path(2), (6, 5), png::BitDepth::Eight, 2);
    write_png(&path(3), (6, 4), png::BitDepth::Sixteen, 3);
    std::fs::write(path(4), &std::fs::read(path(1)).unwrap()[..40]).unwrap();
    std::fs::write(path(5), "no image at all").unwrap();
    std::fs::write(path(6), "").unwrap();
    write_png(&path(7), (6, 4), png::BitDepth::Eight, 7);
    let recording = format::open(folder.path()).unwrap();
    assert_eq!(recording.info().frames, 7, "an odd image is a frame all the same");
    let mut scratch = Vec::new();
    for index in [1, 2] {
        let error = recording.read(index, &mut scratch).unwrap_err();
        assert!(matches!(error, FormatError::WrongShape { index: i, .. } if i == index), "{error}");
    }
    for index in [3, 4, 5] {
        let error = recording.read(index, &mut scratch).unwrap_err();
        assert!(error.to_string().contains(&format!("{}.png", index + 1)), "{error}");
    }
    assert_eq!(recording.read(6, &mut scratch).unwrap(), [7; 24], "the frame after the odd ones");
    assert_eq!(recording.read(0, &mut scratch).unwrap(), [1; 24], "the first frame");
}

#[test]
fn an_empty_folder_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let Err(error) = format::open(folder.path()) else { panic!("an empty folder was opened") };
    assert!(error.to_string().contains("no TIFF or PNG image"), "{error}");
}

#[test]
fn sixteen_bits_and_colour_keep_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.png");
    write_png(&path, (5, 3), png::BitDepth::Sixteen, 0x12);
    let recording = format::open(&path).unwrap();
    let mut scratch = Vec::new();
    let pixels = recording.read(0, &mut scratch).unwrap();
    assert!(pixels.chunks_exact(2).all(|p| u16::from_ne_bytes([p[0], p[1]]) == 0x1212));

    let mut encoder = png::Encoder::new(File::create(&path).unwrap(), 2, 1);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(&[77, 77, 77, 0, 255, 0, 0, 255]).unwrap();
    let recording = format::open(&path).unwrap();
    assert_eq!(recording.read(0, &mut scratch).unwrap(), [77, 76], "grey stays, red is 0.299");
}

#[test]
fn real_movies_open_as_folders() {
    let Some(movies) = test_data("movies") else { return };
    let cases = [
        ("npg_fracture", 5, 1046, 1047, "uint8"),
        ("ti_annealing/loop_1691_1698", 8, 420, 550, "uint8"),
        ("ti_annealing/line_1770_1786", 17, 660, 660, "uint8"),
    ];
    let mut scratch = Vec::new();
    for (name, frames, width, height, pixel_type) in cases {
        let recording = format::open(&movies.join(name)).unwrap_or_else(|e| panic!("{e}"));
        let info = recording.info();
        assert_eq!((info.frames, info.width, info.height), (frames, width, height), "{name}");
        assert_eq!(info.pixel_type.numpy_name(), pixel_type, "{name}");
        let mut means = Vec::new();
        for index in 0..frames {
            let pixels = recording.read(index, &mut scratch).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(pixels.len(), width * height, "{name}: frame {index}");
            means.push(pixels.iter().map(|p| f64::from(*p)).sum::<f64>() / pixels.len() as f64);
        }
        assert!(means.iter().all(|m| *m > 10.0), "{name}: a frame is black: {means:?}");
    }
}

#[test]
fn stacks_beside_their_registrations_are_read_one_by_one() {
    let Some(movies) = test_data("movies") else { return };
    let folder = movies.join("pystackreg/examples/data");
    let Err(error) = format::open(&folder) else { panic!("a folder of stacks was opened as one") };
    assert!(error.to_string().contains("open one stack at a time"), "{error}");
    let stack = format::open(&folder.join("pc12-unreg.tif")).unwrap();
    let info = stack.info();
    assert_eq!((info.frames, info.height, info.width), (5, 201, 199));
    assert_eq!(info.pixel_type.numpy_name(), "uint16");
    let float = format::open(&folder.join("pc12-reg-bilinear.tif")).unwrap();
    assert_eq!((float.info().frames, float.info().pixel_type.numpy_name()), (5, "float32"));
    let mut scratch = Vec::new();
    let frame = float.read(4, &mut scratch).unwrap();
    let most = frame
        .chunks_exact(4)
        .map(|p| f32::from_ne_bytes([p[0], p[1], p[2], p[3]]))
        .fold(0.0, f32::max);
    assert!((1.0..=22_674.3).contains(&most), "the brightest pixel is {most}, not up to 22674.24");
}

//! A stack in HDF5 is read frame by frame, in liwatch's own layout and in any other that holds
//! one stack only; files without frames say so.

use std::path::Path;

use hdf5::types::VarLenUnicode;
use liwatch::format;
use liwatch::frame::PixelType;
use ndarray::Array3;

use crate::synthetic_files::samples;

fn stack() -> Array3<u16> {
    Array3::from_shape_fn((3, 2, 4), |(n, y, x)| (n * 100 + y * 10 + x) as u16)
}

fn write_nexus(path: &Path) {
    let file = hdf5::File::create(path).expect("a file");
    let detector = file.create_group("entry/instrument/detector").expect("a group");
    detector.new_dataset_builder().with_data(&stack()).create("data").expect("frames");
    for (name, size) in [("x_pixel_size", 0.0015), ("y_pixel_size", 0.002)] {
        let set = detector.new_dataset::<f64>().create(name).expect("a size");
        set.write_scalar(&size).expect("a number");
        let units = set.new_attr::<VarLenUnicode>().create("units").expect("units");
        let text: VarLenUnicode = "um".parse().expect("text");
        units.write_scalar(&text).expect("text");
    }
    let frames = file.create_group("entry/frames").expect("a group");
    frames.new_dataset_builder().with_data(&[5.0, 5.5, 7.0]).create("time").expect("times");
    let unix = [1.6e9, 1.6e9 + 0.5, 1.6e9 + 2.0];
    frames.new_dataset_builder().with_data(&unix).create("unix_time").expect("times");
}

#[test]
fn a_nexus_file_gives_frames_times_and_pixel_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("frames.h5");
    write_nexus(&path);
    let recording = format::open(&path).expect("frames");
    let info = recording.info();
    assert_eq!((info.width, info.height, info.frames), (4, 2, 3));
    assert_eq!(info.pixel_type, PixelType::U16);
    let (x, y) = info.pixel_size_nm.expect("a pixel size");
    assert!((x - 1.5).abs() < 1e-12 && (y - 2.0).abs() < 1e-12, "{x}, {y} nm");
    assert_eq!(info.start_unix_time_s, Some(1.6e9));
    let times: Vec<_> = (0..4).map(|index| recording.time_s(index)).collect();
    assert_eq!(times, [Some(0.0), Some(0.5), Some(2.0), None]);
    let mut scratch = Vec::new();
    for index in [2, 0, 1] {
        let expected: Vec<u16> =
            stack().index_axis(ndarray::Axis(0), index).iter().copied().collect();
        assert_eq!(samples(recording.read(index, &mut scratch).expect("a frame")), expected);
    }
    assert!(recording.read(3, &mut scratch).is_err(), "frame 3 of three");
}

#[test]
fn the_only_stack_is_found_and_of_several_none_is_guessed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("other.h5");
    let file = hdf5::File::create(&path).expect("a file");
    let group = file.create_group("scan/camera").expect("a group");
    let floats = stack().mapv(f32::from);
    group.new_dataset_builder().with_data(&floats).create("images").expect("frames");
    drop((group, file));
    let recording = format::open(&path).expect("one stack");
    assert_eq!(recording.info().pixel_type, PixelType::F32);
    drop(recording);
    let file = hdf5::File::append(&path).expect("the file");
    file.new_dataset_builder().with_data(&floats).create("more").expect("frames");
    drop(file);
    let Err(error) = format::open(&path) else { panic!("one of two stacks was guessed") };
    assert!(error.to_string().contains("2 stacks"), "{error}");
}

#[test]
fn files_without_frames_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run.h5");
    let file = hdf5::File::create(&run).expect("a file");
    file.create_group("entry/frames").expect("a group");
    file.create_group("entry/drift").expect("a group");
    drop(file);
    let empty = folder.path().join("empty.h5");
    drop(hdf5::File::create(&empty).expect("a file"));
    let cut = folder.path().join("cut.h5");
    write_nexus(&cut);
    let bytes = std::fs::read(&cut).expect("the file");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("half of it");
    for (path, says) in [
        (run, "holds measurements but no frames"),
        (empty, "no stack of frames"),
        (cut, "truncated file"),
    ] {
        let Err(error) = format::open(&path) else { panic!("{} opens", path.display()) };
        assert!(error.to_string().contains(says), "should say {says:?}: {error}");
    }
}

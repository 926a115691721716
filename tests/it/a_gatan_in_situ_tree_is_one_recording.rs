//! A tree of In-Situ frames is read as one recording, in the order of its places, with times
//! from them; what is missing is told, and what is broken is an error of its own frame.

use std::fs;
use std::path::{Path, PathBuf};

use liwatch::format::{self, FormatError};

use crate::synthetic_files::{Dm, samples};
use crate::vendor_files::data_root;

fn place(root: &Path, second: u32, frame: u32) -> PathBuf {
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let folder = root
        .join(format!("Hour_{hour:02}"))
        .join(format!("Minute_{minute:02}"))
        .join(format!("Second_{second:02}"));
    fs::create_dir_all(&folder).expect("a folder of the tree");
    folder.join(format!(
        "cell_Hour_{hour:02}_Minute_{minute:02}_Second_{second:02}_Frame_{frame:04}.dm4"
    ))
}

fn image(width: u32, value: u16) -> Vec<u8> {
    let pixels = vec![value; width as usize * 3];
    let calibration = [(0.5, "nm"), (0.5, "nm")];
    let image = Dm {
        version: 4,
        little: true,
        width,
        height: 3,
        frames: 1,
        pixels: &pixels,
        calibration: &calibration,
    };
    image.bytes()
}

#[test]
fn frames_come_in_the_order_of_their_places() {
    let root = tempfile::tempdir().expect("a folder");
    // Across the end of a minute and of an hour, written out of order: 4 frames a second.
    let seconds = [3598, 3599, 3600, 3601];
    for second in seconds.iter().rev() {
        for frame in (0..4).rev() {
            let value = (second - 3598) * 4 + frame;
            fs::write(place(root.path(), *second, frame), image(5, value as u16)).expect("a frame");
        }
    }
    fs::write(root.path().join("cell.dm4"), image(5, 99)).expect("the overview");
    for path in [root.path().to_owned(), root.path().join("cell.dm4")] {
        let recording = format::open(&path).expect("a tree");
        let info = recording.info();
        assert_eq!((info.width, info.height, info.frames), (5, 3, 16), "{}", path.display());
        assert_eq!(info.pixel_size_nm, Some((0.5, 0.5)));
        assert_eq!(info.frame_interval_s, Some(0.25));
        assert!(info.notes.is_empty(), "nothing is odd, but: {:?}", info.notes);
        let mut scratch = Vec::new();
        for index in (0..16).rev() {
            let frame = recording.read(index, &mut scratch).expect("a frame");
            assert_eq!(samples(frame), vec![index as u16; 15], "frame {index}");
            assert_eq!(recording.time_s(index), Some(index as f64 * 0.25), "time of {index}");
        }
    }
}

#[test]
fn missing_broken_and_odd_frames_do_not_spoil_the_others() {
    let root = tempfile::tempdir().expect("a folder");
    for (second, frame) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2), (4, 0)]
    {
        fs::write(place(root.path(), second, frame), image(5, 7)).expect("a frame");
    }
    let cut = image(5, 7);
    fs::write(place(root.path(), 0, 0), &cut[..cut.len() / 2]).expect("a broken frame");
    fs::write(place(root.path(), 2, 1), image(6, 7)).expect("a wider frame");
    let recording = format::open(root.path()).expect("a tree whose first frame is broken");
    let notes = recording.info().notes.join("\n");
    assert!(
        notes.contains("1 frame(s) are missing within seconds: from second 1 frame 1"),
        "{notes}"
    );
    assert!(notes.contains("1 whole second(s) have no frames"), "{notes}");
    assert_eq!(recording.info().frame_interval_s, None, "with gaps there is no constant step");
    let times: Vec<_> = (0..9).filter_map(|index| recording.time_s(index)).collect();
    let third = 1.0 / 3.0;
    let expected =
        [0.0, third, 2.0 * third, 1.0, 1.0 + 2.0 * third, 2.0, 2.0 + third, 2.0 + 2.0 * third, 4.0];
    for (found, expected) in times.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "times {times:?}, expected {expected} there");
    }
    let mut scratch = Vec::new();
    let mut outcomes = Vec::new();
    for index in 0..9 {
        outcomes.push(match recording.read(index, &mut scratch) {
            Ok(_) => "read",
            Err(FormatError::WrongShape { index: 6, .. }) => "wrong shape",
            Err(FormatError::Truncated { .. }) => "cut short",
            Err(other) => panic!("frame {index}: {other}"),
        });
    }
    let mut expected = ["read"; 9];
    (expected[0], expected[6]) = ("cut short", "wrong shape");
    assert_eq!(outcomes, expected);
}

#[test]
fn files_of_the_vendor_make_a_tree() {
    let Some(data) = data_root() else { return };
    let source =
        data.join("formats/openncem/ncempy/data/dmTest_float32_nonSquare_diffPixelSize.dm4");
    let root = tempfile::tempdir().expect("a folder");
    for (second, frame) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)] {
        fs::copy(&source, place(root.path(), second, frame)).expect("a copy");
    }
    let alone = format::open(&source).expect("the file itself");
    let tree = format::open(root.path()).expect("the tree");
    let (mut one, mut other) = (Vec::new(), Vec::new());
    assert_eq!(tree.info().frames, 5);
    assert_eq!(tree.info().pixel_size_nm, Some((1.0, 0.2)));
    for index in 0..5 {
        let same = alone.read(0, &mut one).expect("the file")
            == tree.read(index, &mut other).expect("a frame");
        assert!(same, "frame {index} differs from the file that it is a copy of");
    }
}

#[test]
fn an_empty_tree_is_a_clear_error() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(root.path().join("Hour_00/Minute_00/Second_00")).expect("folders");
    let Err(error) = format::open(root.path()) else { panic!("an empty tree opens") };
    assert!(error.to_string().contains("without frames"), "{error}");
}

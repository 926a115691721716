//! Whole files, written and read again. They stand here and not in `tests/`, because there other
//! tests start programs, which inherit HDF5's locks.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::format::{self, FormatError, Recording, RecordingInfo};
use crate::frame::PixelType;
use crate::resample::Affine;

/// Small frames of any type, whose bytes count up.
struct Counting(RecordingInfo);

impl Recording for Counting {
    fn info(&self) -> &RecordingInfo {
        &self.0
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        let bytes = self.0.width * self.0.height * self.0.pixel_type.size();
        *scratch = (0..bytes).map(|k| (k + 31 * index) as u8 % 120).collect();
        Ok(scratch)
    }
}

#[test]
fn every_pixel_type_and_odd_size_survives_in_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let types = [
        PixelType::U8,
        PixelType::I8,
        PixelType::U16,
        PixelType::I16,
        PixelType::U32,
        PixelType::I32,
        PixelType::F32,
        PixelType::F64,
    ];
    for (pixel_type, frames) in types.into_iter().flat_map(|kind| [(kind, 3), (kind, 1)]) {
        let recording = Counting(RecordingInfo {
            format: String::new(),
            width: 5,
            height: 3,
            frames,
            pixel_type,
            pixel_size_nm: None,
            frame_interval_s: None,
            start_unix_time_s: None,
            notes: Vec::new(),
        });
        for ending in ["tif", "btf", "h5"] {
            let what = format!("{pixel_type}, {frames} frames, {ending}");
            let path = folder.path().join(format!("{pixel_type}-{frames}.{ending}"));
            let map = Some(Affine::translation(0.0, 0.0));
            let row = |k: usize| Row { time_s: k as f64, drift: (0.0, 0.0), map };
            let (names, rows) = ((String::new(), String::new()), (0..frames).map(row).collect());
            let plan = Plan::new(&recording.0, names, rows, Shift::Integer, false).unwrap();
            let output = Output::reserve(&path, false, &[]).unwrap();
            let stop = AtomicBool::new(false);
            write(&recording, &plan, output, 2, &stop, || {}).unwrap();
            let stack = format::open(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(stack.info().frames, frames, "{what}");
            assert_eq!(stack.info().pixel_type, pixel_type, "{what}");
            assert_eq!(stack.info().notes, Vec::<String>::new(), "{what}");
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            for k in 0..frames {
                let found = stack.read(k, &mut found).unwrap_or_else(|e| panic!("{what}: {e}"));
                let expected = recording.read(k, &mut expected).unwrap();
                assert_eq!(found, expected, "{what}: frame {k}");
            }
        }
    }
}

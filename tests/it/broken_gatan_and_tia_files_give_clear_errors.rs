//! Cut and damaged files are refused with the place and the reason, or read within their bytes;
//! they never panic, never loop, and never claim more than the file holds.

use std::fs;
use std::path::{Path, PathBuf};

use liwatch::format::{self, FormatError};
use proptest::prelude::*;

use crate::synthetic_files::{Dm, Ser, samples};

const PIXELS: [u16; 12] = [1, 2, 3, 4, 5, 6, 700, 800, 900, 1000, 1100, 65535];

fn dm(version: u32, little: bool) -> Vec<u8> {
    let calibration = [(2.0, "nm"), (3.0, "Å"), (40.0, "ms")];
    Dm {
        version,
        little,
        width: 3,
        height: 2,
        frames: 2,
        pixels: &PIXELS,
        calibration: &calibration,
    }
    .bytes()
}

fn ser(wide: bool) -> Vec<u8> {
    let frames = [PIXELS[..6].to_vec(), PIXELS[6..].to_vec()];
    Ser { wide, width: 3, frames: &frames, times: &[1000, 1003], pixel_m: 2e-9 }.bytes()
}

fn kinds() -> [(&'static str, Vec<u8>); 6] {
    [
        ("a.dm3", dm(3, true)),
        ("b.dm3", dm(3, false)),
        ("a.dm4", dm(4, true)),
        ("b.dm4", dm(4, false)),
        ("a_1.ser", ser(false)),
        ("b_1.ser", ser(true)),
    ]
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

#[test]
fn sound_files_read_in_both_byte_orders() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in kinds() {
        let recording = format::open(&write(folder.path(), name, &bytes)).expect(name);
        let info = recording.info();
        assert_eq!((info.width, info.height, info.frames), (3, 2, 2), "{name}");
        let mut scratch = Vec::new();
        for (index, expected) in PIXELS.chunks(6).enumerate() {
            let frame = recording.read(index, &mut scratch).expect("a frame");
            assert_eq!(samples(frame), expected, "{name} frame {index}");
        }
        if name.ends_with("ser") {
            assert_eq!(recording.time_s(1), Some(3.0), "{name}");
            assert_eq!(info.start_unix_time_s, Some(1000.0), "{name}");
        } else {
            let (x, y) = info.pixel_size_nm.expect("two lengths");
            assert!((x - 2.0).abs() < 1e-12 && (y - 0.3).abs() < 1e-12, "{name}: {x}, {y} nm");
            assert!(info.frame_interval_s.is_some_and(|step| (step - 0.04).abs() < 1e-12));
        }
    }
}

#[test]
fn every_cut_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in kinds() {
        // The last bytes of a Gatan file are padding, those of a series the last time.
        for length in (0..bytes.len() - 8).step_by(3) {
            let path = write(folder.path(), name, &bytes[..length]);
            let failure = format::open(&path).and_then(|recording| {
                recording
                    .read(1, &mut Vec::new())
                    .map(<[u8]>::len)
                    .map(|_| recording.info().clone())
            });
            match failure {
                Err(error) => {
                    let text = error.to_string();
                    assert!(
                        text.contains(name),
                        "{name} cut at {length} of {}: {text}",
                        bytes.len()
                    );
                    if let FormatError::Truncated { found, expected, .. } = error {
                        assert_eq!(found, length as u64, "{text}");
                        assert!(expected > found, "{text}");
                    }
                }
                // Only the tags with the times are cut off.
                Ok(info) => assert!(
                    name.ends_with("ser")
                        && info.notes.iter().any(|note| note.contains("no frame times")),
                    "{name} cut at {length} of {} reads in full",
                    bytes.len()
                ),
            }
        }
    }
}

#[test]
fn contradictions_name_their_offset() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut deep = 3u32.to_be_bytes().to_vec();
    deep.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    for _ in 0..1000 {
        // A group of one nameless group.
        deep.extend([1, 0, 0, 0, 0, 1, 20, 0, 0]);
    }
    let mut many = ser(false);
    many[18..22].copy_from_slice(&9u32.to_le_bytes());
    let mut version = ser(false);
    version[4..6].copy_from_slice(&0x230u16.to_le_bytes());
    let cases = [
        ("deep.dm3", deep, "nested deeper than"),
        ("many_1.ser", many, "at byte 18: 9 images are said to be written of 2 planned"),
        ("version_1.ser", version, "at byte 4: expected version 0x210 or 0x220, found 0x230"),
    ];
    for (name, bytes, says) in cases {
        let Err(error) = format::open(&write(folder.path(), name, &bytes)) else {
            panic!("{name} opens")
        };
        assert!(error.to_string().contains(says), "{name} should say {says:?}: {error}");
    }
}

#[test]
fn a_damaged_emi_file_does_not_spoil_its_series() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "a_1.ser", &ser(true));
    let texts: [&[u8]; 5] = [
        b"",
        &[0; 500],
        b"<AcquireDate>",
        b"<AcquireDate></AcquireDate>",
        b"\xff<AcquireDate>\xff\xfe",
    ];
    for text in texts {
        let recording = format::open(&write(folder.path(), "a.emi", text)).expect("its series");
        let frame = recording.read(0, &mut Vec::new()).map(samples).expect("a frame");
        assert_eq!(frame, PIXELS[..6], "with an EMI file of {text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..Default::default() })]

    #[test]
    fn damage_never_panics_and_never_claims_more_than_the_file(
        kind in 0usize..6,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        kept in 0.5f64..1.3,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let (name, mut bytes) = kinds().into_iter().nth(kind).expect("one of six");
        for (place, value) in flips {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        bytes.truncate((bytes.len() as f64 * kept) as usize);
        let Ok(recording) = format::open(&write(folder.path(), name, &bytes)) else { return Ok(()) };
        let info = recording.info().clone();
        prop_assert!(info.frames <= bytes.len(), "{} frames in {} bytes", info.frames, bytes.len());
        let mut scratch = Vec::new();
        for index in 0..=info.frames {
            if let Ok(frame) = recording.read(index, &mut scratch) {
                prop_assert_eq!(frame.len(), info.width * info.height * info.pixel_type.size());
                prop_assert!(frame.len() <= bytes.len());
            }
            let _ = recording.time_s(index);
        }
    }
}

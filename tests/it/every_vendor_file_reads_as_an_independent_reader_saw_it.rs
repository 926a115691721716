//! Vendors' files against the pixels and pixel sizes that independent readers saw in them
//! (RosettaSciIO, checked with tifffile and mrcfile): all frames, bit for bit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use liwatch::format::{self, FormatError, Recording};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::test_data;

/// Files that are refused, or read otherwise than the other reader did, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("tiff/test_dm_image_um_unit.dm3", "not a TIFF: DigitalMicrograph's own format"),
    ("tiff/olympus_SIS.tif", "the colour JPEG before the measurement is left out"),
    ("tiff/optical_Zeiss_AxioVision_RGB.tif", "colour is read as luminance"),
    ("tiff/test_rgba16_unzipped/test_rgba16.tif", "colour is read as luminance"),
    (
        "mrcfile/tests/test_data/EMD-3001.map",
        "pixels agree; the pixel size follows the header's axis order (columns along Z), which \
         the other reader leaves out",
    ),
];

#[test]
fn tiff_and_mrc_files_give_the_same_bits_and_pixel_sizes() {
    let Some(folder) = test_data("formats") else { return };
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in expected.as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let Some(name) = file.strip_prefix("formats/") else { continue };
        let ours = ["tiff/", "sem_tiff/", "mrc/", "mrcfile/"];
        if !ours.iter().any(|folder| name.starts_with(folder)) {
            continue;
        }
        if let Some((_, why)) = EXCEPTIONS.iter().find(|(exception, _)| *exception == name) {
            println!("{name}: exception: {why}");
            *counts.entry("exceptions").or_default() += 1;
            continue;
        }
        let recording = format::open(&folder.join(name)).unwrap_or_else(|e| panic!("{e}"));
        compare(name, recording.as_ref(), &entry["rosettasciio"][0]);
        *counts.entry("equal").or_default() += 1;
    }
    println!("{counts:?}");
    assert_eq!(counts.get("exceptions"), Some(&EXCEPTIONS.len()), "an exception is out of date");
    assert!(counts["equal"] >= 25, "only {} files were compared", counts["equal"]);
}

fn compare(name: &str, recording: &dyn Recording, signal: &Value) {
    let info = recording.info();
    let shape: Vec<usize> =
        signal["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let [leading @ .., height, width] = shape.as_slice() else { panic!("{name}: no frames") };
    assert_eq!(
        (info.frames, info.height, info.width),
        (leading.iter().product(), *height, *width),
        "{name}: frames, height and width"
    );
    assert_eq!(info.pixel_type.numpy_name(), signal["dtype"], "{name}: pixel type");
    assert_eq!(hash(recording), signal["sha256_16"].as_str().unwrap(), "{name}: pixels");
    let axes = signal["axes"].as_array().unwrap();
    let nm = |axis: &Value| nm_of(axis["units"].as_str()?, axis["scale"].as_f64()?);
    // In scanning diffraction the image axes are the last two, as everywhere.
    let (y, x) = (&axes[axes.len() - 2], &axes[axes.len() - 1]);
    match (nm(x).zip(nm(y)), info.pixel_size_nm) {
        (None, None) => {}
        (Some(expected), Some(found)) => {
            let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-5;
            assert!(
                close(expected.0, found.0) && close(expected.1, found.1),
                "{name}: pixel size {found:?} nm missed {expected:?} nm by more than 1e-5"
            );
        }
        (expected, found) => panic!("{name}: pixel size {found:?} nm, expected {expected:?} nm"),
    }
}

/// Nanometres of a scale; none for units that are no length, and for the negative sizes that
/// Direct Electron writes where nothing is calibrated.
fn nm_of(units: &str, scale: f64) -> Option<f64> {
    let nm = match units {
        "nm" => scale,
        "µm" => scale * 1e3,
        "m" => scale * 1e9,
        _ => return None,
    };
    (nm > 0.0).then_some(nm)
}

/// The first 16 digits of the SHA-256 of all frames in C order, little-endian.
fn hash(recording: &dyn Recording) -> String {
    let mut hash = Sha256::new();
    let mut scratch = Vec::new();
    let size = recording.info().pixel_type.size();
    for index in 0..recording.info().frames {
        let pixels = recording.read(index, &mut scratch).unwrap_or_else(|e| panic!("{e}"));
        if cfg!(target_endian = "big") {
            pixels
                .chunks_exact(size)
                .for_each(|p| hash.update(p.iter().rev().copied().collect::<Vec<_>>()));
        } else {
            hash.update(pixels);
        }
    }
    format!("{:x}", hash.finalize())[..16].to_owned()
}

fn open(name: &str) -> Option<Result<Box<dyn Recording>, FormatError>> {
    let folder = test_data("formats")?;
    Some(format::open(&folder.join(name)))
}

#[test]
fn colour_files_become_luminance() {
    // 704 bytes: 10 rows of 13 uncompressed RGB pixels from byte 314.
    let name = "tiff/optical_Zeiss_AxioVision_RGB.tif";
    let Some(recording) = open(name) else { return };
    let recording = recording.unwrap();
    assert_eq!((recording.info().width, recording.info().height), (13, 10));
    let file = std::fs::read(test_data("formats").unwrap().join(name)).unwrap();
    let rgb = &file[314..314 + 390];
    let rgb_hash = format!("{:x}", Sha256::digest(rgb));
    assert!(
        rgb_hash.starts_with("8f05abd0b0c70257"),
        "the colours are not those of the other reader"
    );
    let grey: Vec<u8> = rgb
        .chunks_exact(3)
        .map(|c| {
            let weighted =
                0.299 * f64::from(c[0]) + 0.587 * f64::from(c[1]) + 0.114 * f64::from(c[2]);
            weighted.round() as u8
        })
        .collect();
    assert_eq!(recording.read(0, &mut Vec::new()).unwrap(), grey, "luminance");

    let rgba = open("tiff/test_rgba16_unzipped/test_rgba16.tif").unwrap().unwrap();
    let info = rgba.info();
    assert_eq!((info.frames, info.height, info.width), (3, 128, 128), "16-bit colour with alpha");
    assert_eq!(info.pixel_type.numpy_name(), "uint16");
    assert_eq!(rgba.read(2, &mut Vec::new()).unwrap().len(), 128 * 128 * 2);
}

#[test]
fn the_measurement_is_read_and_not_its_coloured_copy() {
    let Some(recording) = open("tiff/olympus_SIS.tif") else { return };
    let recording = recording.unwrap();
    let info = recording.info();
    assert_eq!((info.frames, info.height, info.width), (1, 101, 112));
    assert_eq!(hash(recording.as_ref()), "49f28b505379b04a", "pixels of the second page");
    let (x, y) = info.pixel_size_nm.unwrap();
    assert!((x - 0.023_928).abs() < 1e-7 && (y - 0.023_928).abs() < 1e-7, "{x} x {y} nm");
    assert!(info.notes.iter().any(|n| n.contains("left out")), "{:?}", info.notes);
}

#[test]
fn an_mrc_map_with_turned_axes_has_the_pixel_size_of_its_columns() {
    let Some(recording) = open("mrcfile/tests/test_data/EMD-3001.map") else { return };
    let recording = recording.unwrap();
    assert_eq!(hash(recording.as_ref()), "9f839d63902c1b25", "pixels");
    // Columns run along Z: 33.03 Å in 72 samples; rows along X: 17.93 Å in 40.
    let (x, y) = recording.info().pixel_size_nm.unwrap();
    assert!((x - 0.045_875).abs() < 1e-7 && (y - 0.044_825).abs() < 1e-7, "{x} x {y} nm");
}

#[test]
fn scanning_microscopes_say_their_pixel_size_and_time_step() {
    let sizes = [
        ("sem_tiff/tfs_example.tif", 269.792, 1536, 1092),
        ("sem_tiff/zeiss_example_sem.tif", 593.2882, 1024, 768),
    ];
    for (name, nm, width, height) in sizes {
        let Some(recording) = open(name) else { return };
        let recording = recording.unwrap();
        let info = recording.info();
        assert_eq!((info.width, info.height, info.frames), (width, height, 1), "{name}");
        let (x, y) = info.pixel_size_nm.unwrap();
        assert!((x - nm).abs() < 1e-3 && (y - nm).abs() < 1e-3, "{name}: {x} x {y} nm, not {nm}");
    }
    let stack = open("tiff/test_loading_image_saved_with_DM_stack.tif").unwrap().unwrap();
    assert_eq!(stack.info().frame_interval_s, Some(2.5), "DigitalMicrograph's time step");
}

#[test]
fn compressed_maps_are_refused_with_advice() {
    let Some(folder) = test_data("formats") else { return };
    let folder: PathBuf = folder.join("mrcfile/tests/test_data");
    for name in ["EMD-3001.map.bz2", "EMD-3197.map.bz2", "emd_3001.map.gz", "emd_3197.png.gz"] {
        let error = refusal(&folder.join(name));
        assert!(error.contains("decompress it first"), "{name}: {error}");
    }
}

fn refusal(path: &Path) -> String {
    match format::open(path) {
        Err(error @ FormatError::Unsupported { .. }) => error.to_string(),
        Err(error) => panic!("{} is not Unsupported: {error}", path.display()),
        Ok(_) => panic!("{} was opened", path.display()),
    }
}

#[test]
fn bitmaps_and_gifs_are_refused_with_advice() {
    let Some(folder) = test_data("movies") else { return };
    for name in ["crack_growth/01.bmp", "crystal_growth/example_crystal_growth.gif"] {
        let error = refusal(&folder.join(name));
        assert!(error.contains("ffmpeg -i FILE"), "{name}: {error}");
    }
}

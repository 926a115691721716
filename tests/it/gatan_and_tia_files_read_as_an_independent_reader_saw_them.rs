//! Every Gatan and TIA file of the collection is either read, with the pixels, shape, type and
//! pixel size that an independent reader saw, or refused with the reason that is listed here.

use liwatch::format;

use crate::vendor_files::{Signal, expected, hash_frames};

const FOLDERS: [&str; 3] =
    ["formats/digitalmicrograph/", "formats/openncem/ncempy/data/", "formats/tia/"];

/// Part of the file's path, and what its error says.
const REFUSED: [(&str, &str); 27] = [
    ("/digitalmicrograph/1D/", "spectrum or line profile"),
    ("/2D/test-3.", "complex numbers"),
    ("/2D/test-5.", "complex numbers"),
    ("/2D/test-8.", "colours"),
    ("/2D/test-13.", "complex numbers"),
    ("/2D/test-23.", "colours"),
    ("/2D/test-27.", "complex numbers"),
    ("/2D/test-28.", "complex numbers"),
    ("/2D/test_fft_packed_complex8.", "complex numbers"),
    ("/2D/test-MonoCL_spectrum-SI.", "a line of spectra"),
    ("/3D/test-3.", "complex numbers"),
    ("/3D/test-5.", "complex numbers"),
    ("/3D/test-8.", "colours"),
    ("/3D/test-13.", "complex numbers"),
    ("/3D/test-23.", "colours"),
    ("/3D/test-27.", "complex numbers"),
    ("/3D/test-28.", "complex numbers"),
    ("/data/08_carbon.dm3", "spectrum or line profile"),
    ("_EDS_1.ser", "series of spectra"),
    ("_EDS_copy_1.ser", "series of spectra"),
    ("16x16-spectrum_image", "series of spectra"),
    ("old/16x16-point_spectrum", "series of spectra"),
    ("old/16x16-2_point-spectra", "series of spectra"),
    ("old/16x16-line_profile_", "series of spectra"),
    ("old/X - Au NP EELS_2.ser", "series of spectra"),
    ("old/more_ser_then_emi_metadata_", "series of spectra"),
    ("old/no_AcquireDate_1.ser", "series of spectra"),
];

fn refusal(file: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(part, _)| file.contains(part)).map(|(_, says)| *says)
}

#[test]
fn every_file_is_read_or_refused() {
    let Some((root, files)) = expected(&FOLDERS) else { return };
    let (mut read, mut refused, mut frames) = (0, 0, 0);
    for entry in &files {
        let name = &entry.file;
        if !["dm3", "dm4", "ser"].iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        let opened = format::open(&root.join(name));
        match (refusal(name), opened) {
            (None, Ok(recording)) => {
                let signals = entry.signals();
                let signal = signals.first().expect("a signal for each file");
                compare(name, recording.as_ref(), signal);
                read += 1;
                frames += recording.info().frames;
            }
            (None, Err(error)) => panic!("{name} should be read, but: {error}"),
            (Some(says), Err(error)) => {
                assert!(error.to_string().contains(says), "{name} should say {says:?}: {error}");
                assert!(error.to_string().contains(".dm") || error.to_string().contains(".ser"));
                refused += 1;
            }
            (Some(says), Ok(_)) => panic!("{name} should be refused with {says:?}, but opens"),
        }
    }
    println!("{read} files ({frames} frames) read equal, {refused} refused as listed");
    assert_eq!((read, refused), (67, 76), "files read and refused");
}

fn compare(name: &str, recording: &dyn format::Recording, signal: &Signal) {
    let info = recording.info();
    let (height, width) = match signal.shape.as_slice() {
        [height, width] => (*height, *width),
        [count, height, width] => {
            assert_eq!(info.frames, *count, "{name}: frames");
            (*height, *width)
        }
        other => panic!("{name}: shape {other:?}"),
    };
    assert_eq!((info.height, info.width), (height, width), "{name}: rows and columns");
    // Binary images are bytes of 0 and 1, which NumPy calls bool.
    let kind = signal.dtype.as_str().unwrap_or_default().replace("bool", "uint8");
    assert_eq!(info.pixel_type.numpy_name(), kind, "{name}: pixel type");
    assert_eq!(hash_frames(recording), signal.sha256_16, "{name}: pixels");
    let axes = signal.axes.iter().rev();
    let sizes: Option<Vec<f64>> = axes
        .take(2)
        .map(|axis| {
            let scale = axis.scale.as_f64()?;
            let nm = match axis.units.as_deref()? {
                "nm" => 1.0,
                "µm" | "um" => 1e3,
                "A" => 0.1,
                "pm" => 1e-3,
                _ => return None,
            };
            // The other reader takes 1/m for metres in diffraction patterns: pixels of 10 000 km.
            Some(scale * nm).filter(|nm| *nm < 1e15)
        })
        .collect();
    match (sizes.as_deref(), info.pixel_size_nm) {
        (None, None) => {}
        (Some([x, y]), Some((found_x, found_y))) => {
            let off = (found_x / x - 1.0).abs().max((found_y / y - 1.0).abs());
            assert!(off < 1e-12, "{name}: pixel size off by a factor of 1 + {off:e}, bound 1e-12");
        }
        (expected, found) => panic!("{name}: pixel size {found:?}, expected {expected:?}"),
    }
}

#[test]
fn dates_and_steps_come_from_the_file() {
    let Some((root, _)) = expected(&FOLDERS) else { return };
    let open = |name: &str| format::open(&root.join("formats").join(name)).expect(name);
    // 8:52:30 pm in British summer time.
    let start = open("digitalmicrograph/Fei HAADF-UK_location.dm3").info().start_unix_time_s;
    let off = start.map(|start| (start - 1_472_327_550.5).abs());
    assert!(off.is_some_and(|off| off < 1.0), "start {start:?}, expected 2016-08-27T19:52:30Z");
    // 5:49:06 pm in Spain, an hour before UTC; five frames within two seconds.
    let series = open("tia/old/64x64x5_TEM_preview_1.ser");
    assert_eq!(series.info().start_unix_time_s, Some(1_456_073_345.0));
    let preview = open("tia/old/03_Scanning Preview_1.ser");
    assert_eq!(preview.info().frames, 5);
    let notes = preview.info().notes.join("\n");
    assert!(notes.contains("200 images were planned and 5 were written"), "{notes}");
    // A third dimension in micrometres is no time.
    let stack = open("openncem/ncempy/data/dmTest_3D_int16_64,65,66.dm4");
    assert_eq!(stack.info().frame_interval_s, None);
    assert!(stack.info().notes.iter().any(|note| note.contains("not a time step")));
}

#[test]
fn an_emi_file_opens_its_first_image_series() {
    let Some((root, _)) = expected(&FOLDERS) else { return };
    let open = |name: &str| format::open(&root.join("formats").join(name));
    let both = open("tia/old/16x16_STEM_BF_DF_acquire.emi").expect("two series");
    assert_eq!(hash_frames(both.as_ref()), "6da88ece92a95290", "the pixels of _1.ser");
    let notes = both.info().notes.join("\n");
    assert!(notes.contains("16x16_STEM_BF_DF_acquire_2.ser"), "{notes}");
    // Spectra come first; the images of the second series are found all the same.
    let second = open("tia/new/16x16-line_profile_horizontal_5x128x128_EDS.emi").expect("images");
    assert_eq!(hash_frames(second.as_ref()), "f3948a59a2648571", "the pixels of _2.ser");
    for broken in ["tia/old/no_AcquireDate.emi", "tia/old/more_ser_then_emi_metadata.emi"] {
        let Err(error) = open(broken) else { panic!("{broken} holds spectra only, but opens") };
        assert!(error.to_string().contains("spectra"), "{broken}: {error}");
    }
    let Err(error) = open("openncem/ncempy/data/01_Si110_5images.emi") else {
        panic!("an EMI file without its series opens")
    };
    assert!(error.to_string().contains("without its series"), "{error}");
}

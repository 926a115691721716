//! Every sample type, byte order, layout and compression of TIFF gives back the pixels that were
//! written, and every writer's calibration is understood.

use std::io::Cursor;

use liwatch::format;
use tiff::encoder::{Compression, DeflateLevel, Predictor, TiffEncoder, colortype};

use crate::tiff_writer::{self, Chunk, Spec};

/// Little-endian samples that differ from one another and from page to page.
fn page(spec: &Spec, number: usize) -> Vec<u8> {
    let size = usize::from(spec.bits) / 8;
    (0..spec.width * spec.height * spec.samples)
        .flat_map(|i| match (spec.format, size) {
            (3, 4) => (i as f32 * -1.25 + number as f32).to_le_bytes().to_vec(),
            (3, 8) => (i as f64 * 1e9 - number as f64).to_le_bytes().to_vec(),
            _ => (i as u64 * 2_654_435_761 + number as u64).to_le_bytes()[..size].to_vec(),
        })
        .collect()
}

/// Writes two pages and reads them back; the samples must be native.
fn round_trip(spec: &Spec) {
    let pages = [page(spec, 0), page(spec, 1)];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stack.tif");
    std::fs::write(&path, spec.write(&pages)).unwrap();
    let recording = format::open(&path).unwrap_or_else(|e| panic!("{spec:?}: {e}"));
    assert_eq!(recording.info().frames, 2, "{spec:?}");
    let mut scratch = Vec::new();
    for index in [1, 0] {
        let read = recording.read(index, &mut scratch).unwrap_or_else(|e| panic!("{spec:?}: {e}"));
        // The machines that run this are little-endian, as what was written.
        assert!(read == pages[index], "{spec:?}: frame {index} differs");
    }
}

const TYPES: [(u16, u16); 8] =
    [(8, 1), (8, 2), (16, 1), (16, 2), (32, 1), (32, 2), (32, 3), (64, 3)];

#[test]
fn types_orders_and_layouts() {
    for (bits, format) in TYPES {
        for (big_endian, big_tiff) in [(false, false), (true, false), (false, true), (true, true)] {
            for chunk in [Chunk::Strips(100), Chunk::Strips(5), Chunk::Tiles(16, 16)] {
                round_trip(&Spec {
                    big_endian,
                    big_tiff,
                    chunk,
                    ..Spec::grey(37, 23, bits, format)
                });
            }
        }
    }
}

#[test]
fn deflate_with_every_predictor() {
    for (bits, format) in TYPES {
        for predictor in [1, 2, 3] {
            let float = format == 3;
            if (predictor == 3) != float && predictor != 1 {
                continue;
            }
            for (big_endian, chunk) in
                [(false, Chunk::Strips(7)), (true, Chunk::Strips(7)), (true, Chunk::Tiles(16, 32))]
            {
                let spec = Spec::grey(37, 23, bits, format);
                round_trip(&Spec { big_endian, chunk, predictor, compression: 8, ..spec });
            }
        }
    }
}

#[test]
fn white_is_zero_and_palettes_keep_the_stored_values() {
    for photometric in [0, 3] {
        for compression in [1, 8] {
            round_trip(&Spec { photometric, compression, ..Spec::grey(9, 8, 16, 1) });
            round_trip(&Spec {
                photometric,
                compression,
                big_endian: true,
                ..Spec::grey(9, 8, 8, 1)
            });
        }
    }
}

#[test]
fn colour_becomes_luminance_in_both_plane_orders() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("colour.tif");
    for (planar, compression) in [(false, 1), (true, 1), (false, 8), (true, 8)] {
        let spec = Spec {
            samples: 3,
            photometric: 2,
            planar,
            compression,
            chunk: Chunk::Strips(3),
            ..Spec::grey(7, 8, 16, 1)
        };
        let samples = page(&spec, 0);
        std::fs::write(&path, spec.write(std::slice::from_ref(&samples))).unwrap();
        let recording = format::open(&path).unwrap();
        let mut scratch = Vec::new();
        let read = recording.read(0, &mut scratch).unwrap();
        let value = |i: usize| f64::from(u16::from_le_bytes([samples[2 * i], samples[2 * i + 1]]));
        for (i, grey) in read.chunks_exact(2).enumerate() {
            let expected =
                0.299 * value(3 * i) + 0.587 * value(3 * i + 1) + 0.114 * value(3 * i + 2);
            let found = f64::from(u16::from_le_bytes([grey[0], grey[1]]));
            assert!((found - expected).abs() <= 0.501, "{spec:?}: {found} is not {expected}");
        }
        assert_eq!(read.len(), 7 * 8 * 2);
    }
}

#[test]
fn compressions_of_another_encoder() {
    let pixels: Vec<u16> = (0..60 * 50).map(|i| (i % 977) as u16 * 13).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stack.tif");
    let compressions = [
        ("LZW", Compression::Lzw),
        ("PackBits", Compression::Packbits),
        ("deflate", Compression::Deflate(DeflateLevel::Fast)),
    ];
    for (name, compression) in compressions {
        for predictor in [Predictor::None, Predictor::Horizontal] {
            let mut bytes = Vec::new();
            let mut encoder = TiffEncoder::new(Cursor::new(&mut bytes))
                .unwrap()
                .with_compression(compression)
                .with_predictor(predictor);
            for _ in 0..3 {
                encoder.write_image::<colortype::Gray16>(60, 50, &pixels).unwrap();
            }
            std::fs::write(&path, &bytes).unwrap();
            let recording = format::open(&path).unwrap();
            assert_eq!(recording.info().frames, 3);
            let expected: Vec<u8> = pixels.iter().flat_map(|p| p.to_ne_bytes()).collect();
            let mut scratch = Vec::new();
            for index in 0..3 {
                let read = recording.read(index, &mut scratch).unwrap();
                assert!(read == expected, "{name} {predictor:?}: frame {index} differs");
            }
        }
    }
}

#[test]
fn grey_jpegs_are_decoded_and_oversized_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jpeg.tif");
    std::fs::write(&path, tiff_writer::jpeg_tiff(16)).unwrap();
    let mut scratch = Vec::new();
    let recording = format::open(&path).unwrap();
    assert_eq!(recording.read(0, &mut scratch).unwrap(), [144; 256], "a flat grey of 144");
    std::fs::write(&path, tiff_writer::jpeg_tiff(16_000)).unwrap();
    let error = format::open(&path).unwrap().read(0, &mut scratch).unwrap_err();
    assert!(error.to_string().contains("a JPEG of 16000 x 16"), "{error}");
}

#[test]
fn thumbnails_are_left_out_unless_there_is_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thumb.tif");
    let mut spec = Spec::grey(4, 3, 8, 1);
    spec.extra.push((254, 4, 1, vec![1, 0, 0, 0]));
    let pages = [page(&spec, 0), page(&spec, 1)];
    std::fs::write(&path, spec.write(&pages)).unwrap();
    let recording = format::open(&path).unwrap();
    assert_eq!(recording.info().frames, 1, "{:?}", recording.info());
    let mut scratch = Vec::new();
    assert!(recording.read(0, &mut scratch).unwrap() == pages[1], "the thumbnail was read");
    std::fs::write(&path, spec.write(&pages[..1])).unwrap();
    let recording = format::open(&path).unwrap();
    assert!(recording.read(0, &mut scratch).unwrap() == pages[0], "the only page was left out");
}

#[test]
fn threads_read_the_same_frames_at_once() {
    let spec = Spec { compression: 8, chunk: Chunk::Strips(5), ..Spec::grey(40, 30, 16, 1) };
    let pages: Vec<Vec<u8>> = (0..8).map(|n| page(&spec, n)).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stack.tif");
    std::fs::write(&path, spec.write(&pages)).unwrap();
    let recording = format::open(&path).unwrap();
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (recording, pages) = (&recording, &pages);
            scope.spawn(move || {
                let mut scratch = Vec::new();
                for index in (start..8).chain(0..start) {
                    let read = recording.read(index, &mut scratch).unwrap();
                    assert!(read == pages[index], "frame {index} differs in thread {start}");
                }
            });
        }
    });
}

#[test]
fn plain_pages_are_borrowed_from_the_map() {
    let spec = Spec { chunk: Chunk::Strips(3), ..Spec::grey(8, 9, 16, 1) };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stack.tif");
    std::fs::write(&path, spec.write(&[page(&spec, 0)])).unwrap();
    let recording = format::open(&path).unwrap();
    let mut scratch = Vec::new();
    recording.read(0, &mut scratch).unwrap();
    assert_eq!(scratch.capacity(), 0, "pixels in native order were copied");
}

#[test]
fn imagej_hyperstacks_have_frames_without_directories() {
    let text = "ImageJ=1.54f\nimages=4\nframes=4\nunit=\\u00B5m\nfinterval=0.05\ntunit=sec\n";
    for big_endian in [true, false] {
        let spec = Spec { big_endian, ..Spec::grey(5, 4, 16, 1) };
        let spec = spec.described(text).rational(282, 20_000, 1).rational(283, 10_000, 1);
        // The frames that no directory names are written as they follow the first.
        let all: Vec<Vec<u8>> = (0..4).map(|n| page(&spec, n)).collect();
        let tall = Spec { height: 16, chunk: Chunk::Strips(16), ..spec.clone() };
        let mut file = tall.write(&[all.concat()]);
        let height_at = find_tag(&file, 257, big_endian) + 8;
        let rows_at = find_tag(&file, 278, big_endian) + 8;
        for at in [height_at, rows_at] {
            let four = if big_endian { 4_u32.to_be_bytes() } else { 4_u32.to_le_bytes() };
            file[at..at + 4].copy_from_slice(&four);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hyper.tif");
        std::fs::write(&path, file).unwrap();
        let recording = format::open(&path).unwrap();
        let info = recording.info();
        assert_eq!((info.frames, info.height, info.width), (4, 4, 5), "{info:?}");
        assert_eq!(info.frame_interval_s, Some(0.05), "{info:?}");
        let (x, y) = info.pixel_size_nm.unwrap();
        assert!((x - 0.05).abs() < 1e-12 && (y - 0.1).abs() < 1e-12, "{x} x {y} nm");
        let mut scratch = Vec::new();
        for (index, expected) in all.iter().enumerate() {
            assert!(recording.read(index, &mut scratch).unwrap() == expected, "frame {index}");
        }
    }
}

/// Where the entry of a tag stands in a classic TIFF of one page.
fn find_tag(file: &[u8], tag: u16, big_endian: bool) -> usize {
    let u16_at = |at: usize| {
        let bytes = [file[at], file[at + 1]];
        if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    };
    let first = [file[4], file[5], file[6], file[7]];
    let first = if big_endian { u32::from_be_bytes(first) } else { u32::from_le_bytes(first) };
    let first = first as usize;
    (0..usize::from(u16_at(first)))
        .map(|i| first + 2 + 12 * i)
        .find(|at| u16_at(*at) == tag)
        .unwrap()
}

#[test]
fn ome_planes_have_their_own_times_and_pages() {
    let text = r#"<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">
        <AcquisitionDate>2024-03-01T10:00:00+01:00</AcquisitionDate>
        <Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="6" SizeY="5" SizeZ="1"
        SizeC="1" SizeT="3" PhysicalSizeX="1.6" PhysicalSizeXUnit="nm" PhysicalSizeY="0.0016">
        <TiffData IFD="1" FirstT="0"/><TiffData IFD="0" FirstT="1"/><TiffData IFD="2" FirstT="2"/>
        <Plane TheZ="0" TheC="0" TheT="0" DeltaT="4"/><Plane TheT="1" DeltaT="4.25"/>
        <Plane TheT="2" DeltaT="4600" DeltaTUnit="ms"/></Pixels></Image></OME>"#;
    let spec = Spec::grey(6, 5, 16, 1).described(text);
    let pages: Vec<Vec<u8>> = (0..3).map(|n| page(&spec, n)).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("movie.ome.tif");
    std::fs::write(&path, spec.write(&pages)).unwrap();
    let recording = format::open(&path).unwrap();
    let info = recording.info();
    let (x, y) = info.pixel_size_nm.unwrap();
    assert!((x - 1.6).abs() < 1e-12 && (y - 1.6).abs() < 1e-12, "{x} x {y} nm");
    assert_eq!(info.start_unix_time_s, Some(1_709_283_600.0), "the zone of the date");
    let times: Vec<f64> = (0..3).map(|i| recording.time_s(i).unwrap()).collect();
    assert!((times[1] - 0.25).abs() < 1e-9 && (times[2] - 0.6).abs() < 1e-9, "{times:?}");
    let mut scratch = Vec::new();
    for (index, number) in [(0, 1), (1, 0), (2, 2)] {
        assert!(recording.read(index, &mut scratch).unwrap() == pages[number], "frame {index}");
    }
}

#[test]
fn resolutions_of_screens_and_paper_are_no_calibration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let size_of = |dots: u32, unit: u8| {
        let mut spec = Spec::grey(4, 4, 8, 1).rational(282, dots, 1).rational(283, dots, 1);
        spec.extra.push((296, 3, 1, vec![unit, 0]));
        std::fs::write(&path, spec.write(&[page(&spec, 0)])).unwrap();
        format::open(&path).unwrap().info().pixel_size_nm
    };
    for dots in [0, 1, 72, 96, 300, 600, 1200] {
        assert_eq!(size_of(dots, 2), None, "{dots} dots per inch");
    }
    let (x, _) = size_of(5_000_000, 3).unwrap();
    assert!((x - 2.0).abs() < 1e-9, "5 million pixels per cm are 2 nm, not {x}");
}

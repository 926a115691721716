//! Damage gives an error that names the file and the place, never a panic, never a wrong size,
//! never a wait; huge files open at once.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use liwatch::format::{self, FormatError, Recording};
use proptest::prelude::*;

use crate::tiff_writer::{Chunk, Spec, jpeg_tiff};

/// An NPY array of u16.
fn npy(shape: &str, data: &[u8]) -> Vec<u8> {
    npy_of("<u2", "False", shape, data)
}

fn npy_of(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

/// An MRC header of 4 × 3 pixels.
fn mrc(mode: i32, frames: i32, big_endian: bool, data: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 1024];
    let mut put = |at: usize, bytes: [u8; 4]| file[at..at + 4].copy_from_slice(&bytes);
    let int = |v: i32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let real = |v: f32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    for (at, value) in [(0, 4), (4, 3), (8, frames), (12, mode), (28, 4), (32, 3), (36, 1)] {
        put(at, int(value));
    }
    put(40, real(40.0));
    put(44, real(60.0));
    put(208, *b"MAP ");
    put(212, if big_endian { [0x11, 0x11, 0, 0] } else { [0x44, 0x44, 0, 0] });
    file.extend(data);
    file
}

/// A TIFF stack of three pages, 16 × 12.
fn tiff(compression: u16, chunk: Chunk) -> Vec<u8> {
    let spec = Spec { compression, chunk, ..Spec::grey(16, 12, 16, 1) };
    let page: Vec<u8> = (0..16 * 12 * 2).map(|i| (i * 7 % 251) as u8).collect();
    spec.write(&[page.clone(), page.clone(), page])
}

fn png_image() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 16, 12);
    encoder.set_color(png::ColorType::Grayscale);
    let pixels: Vec<u8> = (0..16 * 12).map(|i| (i % 200) as u8).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

fn lzw() -> Vec<u8> {
    use tiff::encoder::{Compression, Predictor, TiffEncoder, colortype};
    let mut bytes = Vec::new();
    let mut encoder = TiffEncoder::new(std::io::Cursor::new(&mut bytes))
        .unwrap()
        .with_compression(Compression::Lzw)
        .with_predictor(Predictor::Horizontal);
    let pixels: Vec<u16> = (0..16 * 12).map(|i| i * 31 % 997).collect();
    encoder.write_image::<colortype::Gray16>(16, 12, &pixels).unwrap();
    bytes
}

/// Three frames behind one directory.
fn hyperstack() -> Vec<u8> {
    let text = "ImageJ=1.54f\nimages=3\nframes=3\nunit=nm\nfinterval=0.5\n";
    let mut file = Spec::grey(8, 6, 16, 1).described(text).rational(282, 2, 1).rational(283, 2, 1);
    file.big_endian = true;
    let mut bytes = file.write(&[vec![5; 96]]);
    bytes.extend([6; 96]);
    bytes
}

fn ome() -> Vec<u8> {
    let text = "<OME><Image><Pixels DimensionOrder='XYZCT' SizeX='8' SizeY='6' SizeT='2' \
                PhysicalSizeX='2' PhysicalSizeY='2' TimeIncrement='1'><TiffData IFD='1' FirstT='0'/>\
                <TiffData IFD='0' FirstT='1'/><Plane TheT='1' DeltaT='3'/></Pixels></Image></OME>";
    Spec::grey(8, 6, 8, 1).described(text).write(&[vec![1; 48], vec![2; 48]])
}

/// Sound files of every kind, each with the number of its frames.
fn sound_files() -> Vec<(&'static str, Vec<u8>)> {
    let pixels: Vec<u8> = (0..5 * 24).collect();
    vec![
        ("a.npy", npy("(5, 3, 4)", &pixels)),
        ("a.mrc", mrc(6, 5, false, &pixels)),
        ("plain.tif", tiff(1, Chunk::Strips(12))),
        ("strips.tif", tiff(1, Chunk::Strips(5))),
        ("tiles.tif", tiff(8, Chunk::Tiles(16, 16))),
        ("deflate.tif", tiff(8, Chunk::Strips(5))),
        ("a.png", png_image()),
        ("lzw.tif", lzw()),
        ("jpeg.tif", jpeg_tiff(16)),
        ("hyper.tif", hyperstack()),
        ("planes.ome.tif", ome()),
    ]
}

/// Opens the file and reads all of its frames; every answer must have the announced size.
fn read_all(path: &Path) -> Result<usize, FormatError> {
    let recording = format::open(path)?;
    let info = recording.info();
    let size = info.width * info.height * info.pixel_type.size();
    let mut scratch = Vec::new();
    let mut sound = 0;
    for index in 0..info.frames.min(50) {
        if let Ok(pixels) = recording.read(index, &mut scratch) {
            assert_eq!(pixels.len(), size, "{}: frame {index} has a wrong size", path.display());
            sound += 1;
        }
    }
    Ok(sound)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn opened(bytes: &[u8], name: &str) -> Result<Box<dyn Recording>, FormatError> {
    let folder = tempfile::tempdir().unwrap();
    format::open(&write(folder.path(), name, bytes))
}

fn error_of(bytes: &[u8], name: &str) -> FormatError {
    match opened(bytes, name) {
        Err(error) => {
            assert!(error.to_string().contains(name), "the error names no file: {error}");
            error
        }
        Ok(recording) => panic!("{name} was opened: {:?}", recording.info()),
    }
}

#[test]
fn every_truncation_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in sound_files() {
        let whole = read_all(&write(folder.path(), name, &bytes)).unwrap();
        assert!(whole >= 1, "{name}: the sound file has no frame");
        let start = Instant::now();
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 400) {
            let path = write(folder.path(), name, &bytes[..length]);
            match read_all(&path) {
                Ok(sound) => assert!(sound <= whole, "{name} cut at {length}: {sound} frames"),
                Err(error) => assert!(error.to_string().contains(name), "{error}"),
            }
        }
        let spent = start.elapsed();
        assert!(spent < Duration::from_secs(5), "{name}: truncations took {spent:?}");
    }
}

#[test]
fn a_stack_that_was_cut_short_keeps_its_whole_frames() {
    let pixels: Vec<u8> = (0..5 * 24).collect();
    let cut = &pixels[..3 * 24 + 5];
    for (name, bytes) in [("a.npy", npy("(5, 3, 4)", cut)), ("a.mrc", mrc(6, 5, false, cut))] {
        let folder = tempfile::tempdir().unwrap();
        let recording = format::open(&write(folder.path(), name, &bytes)).unwrap();
        assert_eq!(recording.info().frames, 5, "{name}: the header's count is kept");
        assert!(
            recording.info().notes.iter().any(|n| n.contains("3 of 5 frames are whole")),
            "{name}: {:?}",
            recording.info().notes
        );
        let mut scratch = Vec::new();
        assert_eq!(recording.read(2, &mut scratch).unwrap(), &pixels[48..72], "{name}");
        for index in [3, 4] {
            let error = recording.read(index, &mut scratch).unwrap_err();
            assert!(matches!(error, FormatError::Truncated { .. }), "{name}: {error}");
            assert!(error.to_string().contains(&format!("frame {index}")), "{name}: {error}");
        }
        assert!(recording.read(5, &mut scratch).is_err(), "{name}: there is no sixth frame");
    }
}

#[test]
fn a_tiff_whose_chain_breaks_keeps_the_pages_before() {
    let mut bytes = tiff(1, Chunk::Strips(12));
    let last = bytes.len() - 4 - 12 * 12 - 2;
    bytes.truncate(last + 20);
    let folder = tempfile::tempdir().unwrap();
    let recording = format::open(&write(folder.path(), "cut.tif", &bytes)).unwrap();
    assert_eq!(recording.info().frames, 2, "{:?}", recording.info());
    assert!(recording.info().notes.iter().any(|n| n.contains("only 2 pages")));
}

#[test]
fn a_loop_of_pages_ends() {
    let mut bytes = tiff(1, Chunk::Strips(12));
    let first = bytes[4..8].to_vec();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&first);
    let folder = tempfile::tempdir().unwrap();
    let recording = format::open(&write(folder.path(), "loop.tif", &bytes)).unwrap();
    assert_eq!(recording.info().frames, 3, "the pages before the loop");
    assert!(
        recording.info().notes.iter().any(|n| n.contains("loop")),
        "{:?}",
        recording.info().notes
    );
}

#[test]
fn a_page_of_another_size_is_an_error_of_its_frame() {
    let small = Spec::grey(4, 3, 8, 1);
    let mut bytes = small.write(&[vec![1; 12], vec![2; 12]]);
    // The second directory's width is the second "256" tag in the file.
    let tag = [0, 1, 4, 0, 1, 0, 0, 0, 4, 0, 0, 0];
    let second = bytes.windows(12).enumerate().filter(|(_, w)| *w == tag).nth(1).unwrap().0;
    bytes[second + 8] = 3;
    let folder = tempfile::tempdir().unwrap();
    let recording = format::open(&write(folder.path(), "odd.tif", &bytes)).unwrap();
    assert_eq!(recording.info().frames, 2);
    let mut scratch = Vec::new();
    assert_eq!(recording.read(0, &mut scratch).unwrap(), [1; 12]);
    let error = recording.read(1, &mut scratch).unwrap_err();
    assert!(matches!(error, FormatError::WrongShape { index: 1, .. }), "{error}");
    assert!(error.to_string().contains("3 x 3"), "{error}");
}

#[test]
fn wrong_types_say_what_to_do() {
    let cases: [(Vec<u8>, &str, &str); 9] = [
        (npy_of("<c8", "False", "(2, 2)", &[0; 32]), "a.npy", "astype"),
        (npy_of("<u2", "True", "(2, 2, 2)", &[0; 16]), "a.npy", "ascontiguousarray"),
        (npy_of("<u2", "False", "(7,)", &[0; 14]), "a.npy", "rows and columns"),
        (npy_of("<u2", "False", "(0, 4, 4)", &[]), "a.npy", "rows and columns"),
        (mrc(4, 1, false, &[0; 96]), "a.mrc", "complex"),
        (mrc(101, 1, false, &[0; 96]), "a.mrc", "newstack"),
        (mrc(6, 0, false, &[]), "a.mrc", "no frames"),
        (Spec::grey(4, 3, 64, 1).write(&[vec![0; 96]]), "a.tif", "64-bit integer"),
        (b"\x1f\x8b\x08rest".to_vec(), "a.mrc.gz", "decompress"),
    ];
    for (bytes, name, advice) in cases {
        let error = error_of(&bytes, name).to_string();
        assert!(error.contains(advice), "{error:?} lacks {advice:?}");
    }
    assert!(error_of(b"", "a.tif").to_string().contains("empty"));
    assert!(error_of(b"hello", "a.txt").to_string().contains("TIFF"));
    assert!(matches!(format::open(Path::new("nowhere.tif")), Err(FormatError::Io { .. })));
}

#[test]
fn mrc_modes_orders_and_half_floats_are_read() {
    let halves: Vec<u8> = (0..12_u16).flat_map(|_| 0x3c00_u16.to_be_bytes()).collect();
    let recording = opened(&mrc(12, 1, true, &halves), "half.mrc").unwrap();
    let mut scratch = Vec::new();
    let ones = recording.read(0, &mut scratch).unwrap();
    assert!(ones.chunks_exact(4).all(|p| p == 1.0_f32.to_ne_bytes()), "half floats of 1.0");
    let (x, y) = recording.info().pixel_size_nm.unwrap();
    assert!((x - 1.0).abs() < 1e-9 && (y - 2.0).abs() < 1e-9, "{x} x {y} nm");
    let counts: Vec<u8> = (0..12_u16).flat_map(|n| (n * 300).to_be_bytes()).collect();
    let recording = opened(&mrc(6, 1, true, &counts), "big.mrc").unwrap();
    let read = recording.read(0, &mut scratch).unwrap();
    assert_eq!(read[22..], 3300_u16.to_ne_bytes(), "big-endian counts");
}

#[test]
fn npy_is_read_in_both_orders_and_flattened() {
    let data: Vec<u8> = (0..24_u16).flat_map(u16::to_be_bytes).collect();
    let recording = opened(&npy_of(">u2", "False", "(2, 3, 2, 2)", &data), "a.npy").unwrap();
    assert_eq!(recording.info().frames, 6);
    let mut scratch = Vec::new();
    assert_eq!(recording.read(5, &mut scratch).unwrap()[6..], 23_u16.to_ne_bytes());
}

#[test]
fn a_bomb_takes_no_memory() {
    let spec = Spec { compression: 8, ..Spec::grey(16, 12, 32, 3) };
    let mut bytes = spec.write(&[vec![0; 16 * 12 * 4]]);
    for tag in [256_u16, 257, 278] {
        let at = bytes.windows(4).rposition(|w| w[..2] == tag.to_le_bytes() && w[2..] == [4, 0]);
        let at = at.unwrap() + 8;
        bytes[at..at + 4].copy_from_slice(&60_000_u32.to_le_bytes());
    }
    let folder = tempfile::tempdir().unwrap();
    let recording = format::open(&write(folder.path(), "bomb.tif", &bytes)).unwrap();
    let mut scratch = Vec::new();
    assert!(recording.read(0, &mut scratch).is_err(), "14 GB came out of {} bytes", bytes.len());
    assert!(scratch.capacity() < 1 << 24, "{} bytes were taken", scratch.capacity());
}

/// A file of `length` bytes, almost all of it a hole.
fn sparse(path: &Path, head: &[u8], length: u64, marks: &[(u64, u8)]) {
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(head).unwrap();
    file.set_len(length).unwrap();
    for (at, byte) in marks {
        file.seek(SeekFrom::Start(*at)).unwrap();
        file.write_all(&[*byte]).unwrap();
    }
}

/// Opens a huge file and reads its first and last frame, both within two seconds.
fn read_ends(path: &Path, frames: usize) {
    let start = Instant::now();
    let recording = format::open(path).unwrap_or_else(|e| panic!("{e}"));
    let opened = start.elapsed();
    assert_eq!(recording.info().frames, frames, "{}", path.display());
    let mut scratch = Vec::new();
    assert_eq!(recording.read(0, &mut scratch).unwrap()[0], 11, "{}: first", path.display());
    assert_eq!(
        recording.read(frames - 1, &mut scratch).unwrap()[0],
        22,
        "{}: last",
        path.display()
    );
    let spent = start.elapsed();
    println!("{}: opened in {opened:?}, both ends read in {spent:?}", path.display());
    assert!(spent < Duration::from_secs(2), "{}: {spent:?}", path.display());
}

const SIDE: u64 = 2048;
const FRAME: u64 = SIDE * SIDE * 2;
/// 40 GB.
const FRAMES: u64 = 4768;

#[test]
fn forty_gigabytes_open_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.npy");
    let head = npy(&format!("({FRAMES}, {SIDE}, {SIDE})"), &[]);
    let start = head.len() as u64;
    let marks = |start: u64| [(start, 11), (start + (FRAMES - 1) * FRAME, 22)];
    sparse(&path, &head, start + FRAMES * FRAME, &marks(start));
    read_ends(&path, FRAMES as usize);

    let path = folder.path().join("huge.mrc");
    let mut head = mrc(6, FRAMES as i32, false, &[]);
    head[0..4].copy_from_slice(&(SIDE as u32).to_le_bytes());
    head[4..8].copy_from_slice(&(SIDE as u32).to_le_bytes());
    sparse(&path, &head, 1024 + FRAMES * FRAME, &marks(1024));
    read_ends(&path, FRAMES as usize);

    let path = folder.path().join("huge.tif");
    let (head, start) = big_tiff();
    sparse(&path, &head, start + FRAMES * FRAME, &marks(start));
    read_ends(&path, FRAMES as usize);
}

#[cfg(target_os = "linux")]
#[test]
fn a_stack_larger_than_the_bound_stays_within_it() {
    /// Kilobytes of mapped files that the process holds now.
    fn resident_kb() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("RssFile")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.npy");
    let head = npy(&format!("(128, {SIDE}, {SIDE})"), &[]);
    sparse(&path, &head, head.len() as u64 + 128 * FRAME, &[]);
    let recording = format::open(&path).unwrap();
    let mut scratch = Vec::new();
    let (mut most_kb, mut sum) = (0, 0_u64);
    for index in 0..128 {
        let pixels = recording.read(index, &mut scratch).unwrap();
        sum += pixels.iter().step_by(4096).map(|p| u64::from(*p)).sum::<u64>();
        most_kb = most_kb.max(resident_kb());
    }
    assert_eq!(sum, 0, "the hole is not empty");
    println!("1.07 GB were read with at most {most_kb} kB of them resident");
    assert!(most_kb < 500_000, "{most_kb} kB were resident, not 500 000");
}

/// The directories of a BigTIFF stack, and where its pixels begin.
fn big_tiff() -> (Vec<u8>, u64) {
    const TAGS: u64 = 7;
    let directory = 8 + TAGS * 20 + 8;
    let start = 16 + FRAMES * directory;
    let mut head = b"II\x2b\0\x08\0\0\0".to_vec();
    head.extend(16_u64.to_le_bytes());
    for frame in 0..FRAMES {
        head.extend(TAGS.to_le_bytes());
        let offset = start + frame * FRAME;
        let values = [
            (256, SIDE),
            (257, SIDE),
            (258, 16),
            (262, 1),
            (273, offset),
            (278, SIDE),
            (279, FRAME),
        ];
        for (tag, value) in values {
            head.extend([u16::to_le_bytes(tag), 16_u16.to_le_bytes()].concat());
            head.extend([1_u64.to_le_bytes(), value.to_le_bytes()].concat());
        }
        let next = if frame + 1 < FRAMES { 16 + (frame + 1) * directory } else { 0 };
        head.extend(next.to_le_bytes());
    }
    (head, start)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_are_survived(
        which in 0_usize..11,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (name, mut bytes) = sound_files().swap_remove(which);
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let _ = read_all(&write(folder.path(), name, &bytes));
        prop_assert!(start.elapsed() < Duration::from_secs(2), "{name}: {:?}", start.elapsed());
    }
}

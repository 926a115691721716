//! Movies come frame by frame through ffmpeg: lossless ones to the bit, colour ones as their
//! luma, cut ones as far as they decode, in any order, and without a decoder left behind.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use liwatch::format::{self, Access, FormatError};
use liwatch::frame::PixelType;

use crate::synthetic_files::samples;
use crate::vendor_files::data_root;

const WIDTH: usize = 64;
const HEIGHT: usize = 48;
const FRAMES: usize = 40;

fn ffmpeg_is_there() -> bool {
    let there = ["ffmpeg", "ffprobe"].iter().all(|program| {
        Command::new(program).arg("-version").stdout(Stdio::null()).status().is_ok()
    });
    if !there {
        eprintln!("SKIPPED: ffmpeg or ffprobe is not installed");
    }
    there
}

/// Samples without order, so that no frame compresses to nothing.
fn frame(index: usize) -> Vec<u16> {
    let mut state = (index as u32 + 1).wrapping_mul(2_654_435_761);
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u16
    };
    std::iter::repeat_with(next).take(WIDTH * HEIGHT).collect()
}

fn encode(path: &Path, pixel_format: &str, to_bytes: impl Fn(u16) -> Vec<u8>) {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", pixel_format])
        .args(["-s", &format!("{WIDTH}x{HEIGHT}"), "-r", "25", "-i", "pipe:0"])
        .args(["-c:v", "ffv1", "-y"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("ffmpeg");
    let mut input = child.stdin.take().expect("its input");
    for index in 0..FRAMES {
        let raw: Vec<u8> = frame(index).into_iter().flat_map(&to_bytes).collect();
        input.write_all(&raw).expect("a frame written");
    }
    drop(input);
    assert!(child.wait().expect("its end").success(), "ffmpeg did not encode");
}

#[test]
fn lossless_sixteen_bit_frames_are_exact_in_any_order() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep.mkv");
    encode(&path, "gray16le", |value| value.to_le_bytes().to_vec());
    let recording = format::open(&path).expect("a movie");
    let info = recording.info();
    assert_eq!((info.width, info.height, info.frames), (WIDTH, HEIGHT, FRAMES));
    assert_eq!((info.pixel_type, recording.access()), (PixelType::U16, Access::Sequential));
    let step = info.frame_interval_s.expect("a constant rate");
    assert!((step - 0.04).abs() < 1e-4, "a step of {step} s, expected 0.04");
    let mut scratch = Vec::new();
    for index in (0..FRAMES).chain([0, 39, 5, 6, 6, 30]) {
        let found = recording.read(index, &mut scratch).expect("a frame");
        assert!(samples(found) == frame(index), "frame {index} is not the one that was written");
        let time = recording.time_s(index).expect("a time");
        assert!((time - index as f64 * 0.04).abs() < 1.1e-3, "frame {index} at {time} s");
    }
}

#[test]
fn eight_bit_frames_are_exact() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shallow.avi");
    encode(&path, "gray", |value| vec![value as u8]);
    let recording = format::open(&path).expect("a movie");
    assert_eq!((recording.info().pixel_type, recording.info().frames), (PixelType::U8, FRAMES));
    let mut scratch = Vec::new();
    for index in 0..FRAMES {
        let expected: Vec<u8> = frame(index).into_iter().map(|value| value as u8).collect();
        let found = recording.read(index, &mut scratch).expect("a frame");
        assert!(found == expected, "frame {index} is not the one that was written");
    }
}

#[test]
fn a_cut_movie_gives_the_frames_that_decode() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let whole = folder.path().join("whole.avi");
    encode(&whole, "gray16le", |value| value.to_le_bytes().to_vec());
    let bytes = std::fs::read(&whole).expect("the movie");
    let path = folder.path().join("cut.avi");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("half of it");
    let recording = format::open(&path).expect("half a movie");
    let notes = recording.info().notes.join("\n");
    assert!(notes.contains("it was cut short"), "{notes}");
    let (mut scratch, mut read) = (Vec::new(), 0);
    for index in 0..recording.info().frames {
        match recording.read(index, &mut scratch) {
            // The frame that was cut in two may decode in part.
            Ok(found) if index < 18 => {
                assert!(samples(found) == frame(index), "frame {index}");
                read += 1;
            }
            Ok(_) => read += 1,
            Err(FormatError::Truncated { .. }) => {}
            Err(other) => panic!("frame {index}: {other}"),
        }
    }
    assert_eq!(recording.info().frames, FRAMES, "frames announced by the header");
    assert!((18..=21).contains(&read), "{read} frames read of half a movie of {FRAMES}");
}

#[test]
fn what_is_no_movie_is_a_clear_error() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.mp4");
    std::fs::write(&path, "frame rate was 4 Hz").expect("a text");
    let Err(error) = format::open(&path) else { panic!("a text opens as a movie") };
    assert!(error.to_string().contains("ffprobe cannot read the movie: "), "{error}");
}

#[test]
fn real_movies_read_as_their_luma() {
    let Some(data) = data_root() else { return };
    if !ffmpeg_is_there() {
        return;
    }
    for name in ["Figure-3-Loop-Motion.mp4", "Figure-4-Line-Motion.mp4"] {
        let path = data.join("movies/ti_annealing").join(name);
        let recording = format::open(&path).expect(name);
        let info = recording.info();
        // The planes of all frames, without the filter that the reader uses.
        let planes = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(&path)
            .args(["-pix_fmt", "yuv420p", "-f", "rawvideo", "pipe:1"])
            .output()
            .expect("ffmpeg")
            .stdout;
        let (luma, all) = (info.width * info.height, info.width * info.height * 3 / 2);
        assert_eq!(planes.len(), all * info.frames, "{name}: bytes of {} frames", info.frames);
        let mut scratch = Vec::new();
        for (index, plane) in planes.chunks_exact(all).enumerate() {
            let frame = recording.read(index, &mut scratch).expect("a frame");
            assert!(frame == &plane[..luma], "{name}: frame {index} is not its luma");
        }
        let step = info.frame_interval_s.expect("a constant rate");
        assert!((step - 0.25).abs() < 1e-3, "{name}: a step of {step} s, expected 0.25");
        println!("{name}: {} frames {}×{} equal", info.frames, info.width, info.height);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_decoder_is_left_behind() {
    if !ffmpeg_is_there() {
        return;
    }
    let running = |name: &str| {
        let processes = std::fs::read_dir("/proc").expect("the processes").flatten();
        let lines = processes.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
        lines.filter(|line| String::from_utf8_lossy(line).contains(name)).count()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let name = "left_behind_by_a_reader.mkv";
    let path = folder.path().join(name);
    encode(&path, "gray16le", |value| value.to_le_bytes().to_vec());
    let recording = format::open(&path).expect("a movie");
    recording.read(0, &mut Vec::new()).expect("a frame");
    drop(recording);
    assert_eq!(running(name), 0, "decoders still running after the recording was closed");
}

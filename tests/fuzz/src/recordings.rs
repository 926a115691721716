//! Recordings: the bytes as a file of one name, as names in a folder, or as what the tools beside
//! liwatch answer. All go through [`liwatch::format::open`], as a user's path does.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use liwatch::format::{self, FormatError, bitshuffle};

use super::assert_readable;

/// Names that one input may put into a folder.
const NAMES_AT_MOST: usize = 40;

/// The bytes as a file with this ending.
pub fn file(ending: &str, bytes: &[u8]) {
    let path = scratch().join(format!("input.{ending}"));
    write(&path, bytes);
    open(&path);
}

/// The bytes as an EMI file beside a series, and then the series beside it.
pub fn emi(bytes: &[u8]) {
    let folder = scratch();
    write(&folder.join("pair_1.ser"), SERIES);
    write(&folder.join("pair.emi"), bytes);
    open(&folder.join("pair.emi"));
}

/// Opens, and reads the first frames, the last ones, and one that is not there.
fn open(path: &Path) {
    let recording = match format::open(path) {
        Ok(recording) => recording,
        Err(error) => return refused(&error),
    };
    let info = recording.info();
    assert!(info.frames > 0 && info.width > 0 && info.height > 0, "{info:?}");
    for size in info.pixel_size_nm.iter().flat_map(|(x, y)| [x, y]) {
        assert!(size.is_finite() && *size > 0.0, "{info:?}");
    }
    assert!(info.frame_interval_s.is_none_or(|step| step.is_finite() && step > 0.0), "{info:?}");
    assert!(info.start_unix_time_s.is_none_or(f64::is_finite), "{info:?}");
    info.notes.iter().for_each(|note| assert_readable(note));
    assert_readable(&info.format);
    let frame_bytes = info.width * info.height * info.pixel_type.size();
    let last = info.frames - 1;
    let mut frame = Vec::new();
    for index in [0, 1, last / 2, last, info.frames, usize::MAX] {
        match recording.read(index, &mut frame) {
            Ok(pixels) => {
                assert!(index < info.frames, "frame {index} of {}", info.frames);
                assert_eq!(pixels.len(), frame_bytes, "frame {index}");
            }
            Err(error) => refused(&error),
        }
        assert!(recording.time_s(index).is_none_or(f64::is_finite), "frame {index}");
        let _ = (recording.sequence(index), recording.lost(index));
    }
}

fn refused(error: &FormatError) {
    assert_readable(&error.to_string());
}

/// A frame packed by bitshuffle and LZ4: the first byte chooses the pixel's size, the next two the
/// frame's, the rest is the packed frame. Whatever they are, they are pixels for packing too.
pub fn packed_frames(bytes: &[u8]) {
    let [kind, high, low, packed @ ..] = bytes else { return };
    let size = [1, 2, 4, 8][usize::from(kind % 4)];
    let frame_bytes = usize::from(u16::from_be_bytes([*high, *low])) * size;
    let (mut scratch, mut out) = (bitshuffle::Scratch::default(), Vec::new());
    if bitshuffle::unpack(packed, frame_bytes, size, &mut scratch, &mut out).is_ok() {
        assert_eq!(out.len(), frame_bytes, "an unpacked frame has another size");
    }
    let pixels = &packed[..packed.len() / size * size];
    let mut again = Vec::new();
    bitshuffle::pack(pixels, size, &mut scratch, &mut again);
    let unpacked = bitshuffle::unpack(&again, pixels.len(), size, &mut scratch, &mut out);
    assert!(unpacked.is_ok() && out == pixels, "a packed frame does not come back");
}

/// Each line is the name of a file in one folder; it holds an image of the kind that it ends in.
pub fn folder(bytes: &[u8]) {
    tree(bytes, 1);
}

/// Each line is a path in a tree of folders.
pub fn gatan_tree(bytes: &[u8]) {
    tree(bytes, 4);
}

fn tree(bytes: &[u8], levels: usize) {
    let root = scratch().join("tree");
    let _ = std::fs::remove_dir_all(&root);
    create_folder(&root);
    for line in bytes.split(|byte| *byte == b'\n').take(NAMES_AT_MOST) {
        let parts: Vec<&[u8]> = line.split(|byte| *byte == b'/').collect();
        let sound = |part: &&[u8]| {
            let is_name = !part.is_empty() && *part != b"." && *part != b"..";
            is_name && part.len() <= 120 && !part.contains(&0)
        };
        let Some((name, folders)) = parts.split_last() else { continue };
        if parts.len() > levels || !parts.iter().all(sound) {
            continue;
        }
        let folder = folders.iter().fold(root.clone(), |path, part| path.join(os_name(part)));
        let path = folder.join(os_name(name));
        // A name that is a file already cannot be a folder too.
        if std::fs::create_dir_all(&folder).is_ok() && !path.exists() {
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            let content = match ending.as_deref() {
                Some("png") => IMAGE_PNG,
                Some("dm4" | "dm3") => IMAGE_DM,
                _ => IMAGE_TIFF,
            };
            let _ = std::fs::write(&path, content);
        }
    }
    open(&root);
}

fn os_name(bytes: &[u8]) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes.to_vec())
}

/// The bytes as the answer of `ffprobe`: programs of its name and of ffmpeg's stand first in the
/// search path, the one that repeats the file, the other with grey pixels without end.
pub fn video(bytes: &[u8]) {
    static TOOLS: OnceLock<()> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let tools = scratch().join("tools");
        create_folder(&tools);
        let probe = "#!/bin/sh\nfor last; do :; done\nexec cat \"${last#file:}\"\n";
        let decoder = "#!/bin/sh\n[ \"$1\" = -version ] && echo ffmpeg version 5.1 && exit\n\
                       exec head -c 5000 /dev/zero\n";
        for (name, script) in [("ffprobe", probe), ("ffmpeg", decoder)] {
            use std::os::unix::fs::PermissionsExt;
            let path = tools.join(name);
            write(&path, script.as_bytes());
            let _ = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755));
        }
        let others = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(tools).chain(std::env::split_paths(&others));
        let all = std::env::join_paths(all).expect("the folder's name has no colon");
        // SAFETY: inputs are looked at one after the other, and no other thread runs.
        unsafe { std::env::set_var("PATH", all) };
    });
    file("mp4", bytes);
}

/// A folder of this process in memory, where the system has one.
pub fn scratch() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = base.join(format!("liwatch-fuzz-{}", std::process::id()));
        create_folder(&folder);
        folder
    })
}

fn create_folder(path: &Path) {
    std::fs::create_dir_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Under a new name each time: what is mapped still is never cut.
pub fn write(path: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

const SERIES: &[u8] = include_bytes!("../corpus/ser/series.ser");
const IMAGE_PNG: &[u8] = include_bytes!("../corpus/png/grey.png");
const IMAGE_DM: &[u8] = include_bytes!("../corpus/dm/image.dm4");
const IMAGE_TIFF: &[u8] = include_bytes!("../corpus/tiff/grey.tif");

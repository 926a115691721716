//! Formats that are known and not read, each with the command that turns it into one that is.

use std::path::Path;

use super::{FormatError, Recording};

/// What to do with a file that begins with `head`; `None` when it is none of these.
pub fn advice(head: &[u8]) -> Option<&'static str> {
    const ADVICE: &[(&[u8], &str)] = &[
        (b"\x1f\x8b", "is compressed with gzip; decompress it first (gunzip -k FILE)"),
        (b"BZh", "is compressed with bzip2; decompress it first (bunzip2 -k FILE)"),
        (b"\xfd7zXZ\0", "is compressed with xz; decompress it first (unxz -k FILE)"),
        (b"\x28\xb5\x2f\xfd", "is compressed with zstd; decompress it first (unzstd FILE)"),
        (b"PK\x03\x04", "is a zip archive; unpack it first"),
        (
            b"GIF8",
            "is a GIF, whose 256 colours are no measurement; ffmpeg -i FILE -pix_fmt gray \
             frame%05d.tif makes a folder of frames that can be read",
        ),
        (
            b"\xff\xd8\xff",
            "is a JPEG, whose losses move edges; record TIFF, or ffmpeg -i FILE -pix_fmt gray \
             frame.tif makes a file that can be read",
        ),
    ];
    let known = ADVICE.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, text)| *text);
    known.or_else(|| {
        // "BM" alone begins many a text; the four reserved bytes of a bitmap are zero.
        (head.starts_with(b"BM") && head.get(6..10) == Some(&[0; 4])).then_some(
            "is a Windows bitmap; ffmpeg -i FILE -pix_fmt gray frame.tif makes a file that can \
             be read, and a folder of such files is a recording",
        )
    })
}

/// Answers with the advice.
pub fn refuse(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    let head = super::bytes::read_head(path, 16)?;
    let what = advice(&head).unwrap_or("changed while it was read; try again").to_owned();
    Err(FormatError::Unsupported { path: path.to_owned(), what })
}

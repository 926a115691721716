//! The corrected stack as TIFF, the way ImageJ writes its own: header, first directory and notes,
//! then all frames in one piece, then the directories of the other frames.
//!
//! Beyond 4 GB ImageJ opens no BigTIFF, but a classic TIFF whose only directory says `images=N`;
//! so that is what `.tif` becomes then. `.btf` is always BigTIFF with all its directories.
//! (TIFF 6.0; BigTIFF, <https://libtiff.gitlab.io/libtiff/specification/bigtiff.html>; ImageJ's
//! tags 50838 and 50839 as `ij/io/TiffEncoder.java` documents them.)

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use super::plan::Plan;
use crate::frame::PixelType;

/// A file that is being written.
pub struct TiffStack {
    file: File,
    layout: Layout,
}

/// What follows from the plan before the first pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Layout {
    big: bool,
    /// Each frame has a directory.
    directories: bool,
    /// Where the frames begin.
    first_byte: u64,
    frame_bytes: u64,
    frames: u64,
}

impl TiffStack {
    /// Writes everything before the first frame. `big` asks for BigTIFF.
    pub fn create(mut file: File, big: bool, plan: &Plan) -> io::Result<TiffStack> {
        let planned: Vec<bool> = plan.rows.iter().map(|row| row.map.is_some()).collect();
        let mut layout = Layout {
            big,
            directories: true,
            first_byte: 0,
            frame_bytes: plan.frame_bytes() as u64,
            frames: plan.rows.len() as u64,
        };
        layout.first_byte = head(plan, &layout, &planned).len() as u64;
        layout.directories = big || layout.end() <= u64::from(u32::MAX);
        file.write_all(&head(plan, &layout, &planned))?;
        Ok(TiffStack { file, layout })
    }

    /// Appends a frame, `height · width` pixels in native bytes.
    pub fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Writes what comes after the frames, and the notes once more if frames turned out to have no
    /// pixels.
    pub fn finish(mut self, plan: &Plan, placed: &[bool]) -> io::Result<()> {
        if self.layout.directories {
            // Directories begin at even bytes.
            let odd = self.layout.frame(self.layout.frames) % 2;
            let mut rest = vec![0; odd as usize];
            for index in 1..self.layout.frames {
                let tags = page_tags(plan, &self.layout, index);
                let at = self.layout.directory(index);
                let next = self.layout.next_directory(index);
                rest.extend(serialise(&tags, self.layout.big, at, next));
            }
            self.file.write_all(&rest)?;
        }
        if plan.rows.iter().zip(placed).any(|(row, placed)| row.map.is_some() != *placed) {
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(&head(plan, &self.layout, placed))?;
        }
        Ok(())
    }
}

impl Layout {
    /// Bytes of a directory of a frame other than the first.
    fn directory_bytes(&self) -> u64 {
        // A classic directory keeps its two resolutions behind itself.
        if self.big { 8 + PAGE_TAGS * 20 + 8 } else { 2 + PAGE_TAGS * 12 + 4 + 16 }
    }

    fn frame(&self, index: u64) -> u64 {
        self.first_byte + index * self.frame_bytes
    }

    fn directory(&self, index: u64) -> u64 {
        self.frame(self.frames).next_multiple_of(2) + (index - 1) * self.directory_bytes()
    }

    fn next_directory(&self, index: u64) -> u64 {
        let more = self.directories && index + 1 < self.frames;
        if more { self.directory(index + 1) } else { 0 }
    }

    fn end(&self) -> u64 {
        self.directory(self.frames.max(1))
    }
}

/// Everything before the frames: its length depends on the plan alone.
fn head(plan: &Plan, layout: &Layout, placed: &[bool]) -> Vec<u8> {
    let little = cfg!(target_endian = "little");
    let mut out = if little { b"II".to_vec() } else { b"MM".to_vec() };
    if layout.big {
        for word in [43u16, 8, 0] {
            out.extend(word.to_ne_bytes());
        }
        out.extend(16u64.to_ne_bytes());
    } else {
        out.extend(42u16.to_ne_bytes());
        out.extend(8u32.to_ne_bytes());
    }
    let mut tags = page_tags(plan, layout, 0);
    tags.push(Tag::text(270, &description(plan)));
    tags.push(Tag::text(305, concat!("liwatch ", env!("CARGO_PKG_VERSION"))));
    if plan.pixel_size_nm.is_some() {
        // HyperSpy takes the pixel size from the resolution, but its unit only from here.
        tags.extend([Tag::text(65003, "nm"), Tag::text(65004, "nm")]);
    }
    tags.extend(notes(plan, placed));
    tags.sort_by_key(|tag| tag.number);
    let (at, next) = (out.len() as u64, layout.next_directory(0));
    out.extend(serialise(&tags, layout.big, at, next));
    out.resize(out.len().next_multiple_of(16), 0);
    out
}

/// Tags of each frame's directory.
const PAGE_TAGS: u64 = 14;

fn page_tags(plan: &Plan, layout: &Layout, index: u64) -> Vec<Tag> {
    let (kind, bits) = sample_format(plan.pixel_type);
    let (x, y) = plan.pixel_size_nm.unwrap_or((1.0, 1.0));
    let height = plan.window.height as u32;
    let wide = |number, value: u64| match layout.big {
        true => Tag { number, kind: 16, count: 1, payload: value.to_ne_bytes().to_vec() },
        // Where the value does not fit, the file is BigTIFF or has one directory near its start.
        false => Tag::long(number, value as u32),
    };
    vec![
        Tag::long(254, 0),
        Tag::long(256, plan.window.width as u32),
        Tag::long(257, height),
        Tag::short(258, bits),
        Tag::short(259, 1),
        Tag::short(262, 1),
        wide(273, layout.frame(index)),
        Tag::short(277, 1),
        Tag::long(278, height),
        wide(279, layout.frame_bytes),
        Tag::pixels_per_unit(282, x),
        Tag::pixels_per_unit(283, y),
        Tag::short(296, 1),
        Tag::short(339, kind),
    ]
}

/// TIFF's sample format and bits per sample.
fn sample_format(pixel_type: PixelType) -> (u16, u16) {
    let kind = match pixel_type {
        PixelType::U8 | PixelType::U16 | PixelType::U32 => 1,
        PixelType::I8 | PixelType::I16 | PixelType::I32 => 2,
        PixelType::F32 | PixelType::F64 => 3,
    };
    (kind, 8 * pixel_type.size() as u16)
}

/// What ImageJ reads: frames, pixel unit, frame interval.
fn description(plan: &Plan) -> String {
    let frames = plan.rows.len();
    let mut out = format!("ImageJ=1.54f\nimages={frames}\n");
    if frames > 1 {
        out += &format!("frames={frames}\nhyperstack=true\nmode=grayscale\n");
    }
    out += if plan.pixel_size_nm.is_some() { "unit=nm\n" } else { "unit=pixel\n" };
    if let Some(step) = plan.even_step_s() {
        out += &format!("finterval={step}\ntunit=sec\n");
    }
    out += "loop=false\n";
    if let Some([x, y, width, height]) = common_in_window(plan) {
        out += &format!("liwatch_common={x},{y},{width},{height}\n");
    }
    out
}

/// The rectangle that every placed frame covers, in pixels of the stack.
fn common_in_window(plan: &Plan) -> Option<[usize; 4]> {
    let (common, window) = (plan.common?, plan.window);
    Some([common.x - window.x, common.y - window.y, common.width, common.height])
}

/// ImageJ's notes: *Image › Show Info*, and a label for each frame, which stands above the picture.
/// All parts have a fixed length, so that they can be written once more.
fn notes(plan: &Plan, placed: &[bool]) -> [Tag; 2] {
    let count = placed.iter().filter(|placed| **placed).count();
    let mut info = format!(
        "{} drift corrected by liwatch {}\nrun file: {}\ninterpolation: {}\n\
         frames with pixels: {count:>9} of {} (the others hold {})\n",
        plan.source,
        env!("CARGO_PKG_VERSION"),
        plan.run,
        plan.interpolation(),
        placed.len(),
        plan.empty_value(),
    );
    let window = plan.window;
    info += &format!(
        "this stack in the reference frame: x {}, y {}, {} x {} px\n",
        window.x, window.y, window.width, window.height
    );
    match common_in_window(plan) {
        Some([x, y, width, height]) => {
            info +=
                &format!("every placed frame covers: makeRectangle({x}, {y}, {width}, {height})\n");
        }
        None => info += "no pixel is covered by every placed frame\n",
    }
    let labels = plan.rows.iter().zip(placed).enumerate().map(|(k, (row, placed))| {
        let state = match placed {
            true => format!("drift {:.3}, {:.3} px", row.drift.0, row.drift.1),
            false => "NOT PLACED, no data".to_owned(),
        };
        let label = match plan.times_known {
            true => format!("{k}  {:.4} s  {state}", row.time_s),
            false => format!("{k}  {state}"),
        };
        format!("{label:<64}").chars().take(64).collect::<String>()
    });
    let texts: Vec<String> = std::iter::once(info).chain(labels).collect();
    let mut payload = Vec::new();
    for word in [0x494a_494au32, 0x696e_666f, 1, 0x6c61_626c, plan.rows.len() as u32] {
        payload.extend(word.to_ne_bytes());
    }
    let mut counts = long_bytes(payload.len()).to_vec();
    for text in &texts {
        let start = payload.len();
        payload.extend(text.encode_utf16().flat_map(u16::to_ne_bytes));
        counts.extend(long_bytes(payload.len() - start));
    }
    [
        Tag { number: 50838, kind: 4, count: counts.len() as u64 / 4, payload: counts },
        Tag { number: 50839, kind: 1, count: payload.len() as u64, payload },
    ]
}

/// A length as TIFF's LONG; a stack whose notes are longer than that cannot be.
fn long_bytes(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes()
}

/// An entry of a directory.
struct Tag {
    number: u16,
    /// 1 BYTE, 2 ASCII, 3 SHORT, 4 LONG, 5 RATIONAL, 16 LONG8.
    kind: u16,
    count: u64,
    payload: Vec<u8>,
}

impl Tag {
    fn short(number: u16, value: u16) -> Tag {
        Tag { number, kind: 3, count: 1, payload: value.to_ne_bytes().to_vec() }
    }

    fn long(number: u16, value: u32) -> Tag {
        Tag { number, kind: 4, count: 1, payload: value.to_ne_bytes().to_vec() }
    }

    fn text(number: u16, text: &str) -> Tag {
        let mut payload = text.replace('\0', " ").into_bytes();
        payload.push(0);
        Tag { number, kind: 2, count: payload.len() as u64, payload }
    }

    /// The inverse of a pixel size, as a ratio whose parts ImageJ's signed 32 bits hold.
    fn pixels_per_unit(number: u16, pixel_size: f64) -> Tag {
        const LARGEST: f64 = 2e9;
        let scale = LARGEST / pixel_size.max(1.0);
        let parts = [scale, scale * pixel_size].map(|part| part.round().max(1.0) as u32);
        let shared = gcd(parts[0], parts[1]);
        let payload = parts.iter().flat_map(|part| (part / shared).to_ne_bytes()).collect();
        Tag { number, kind: 5, count: 1, payload }
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// A directory that begins at byte `at`, with its long values behind it.
fn serialise(tags: &[Tag], big: bool, at: u64, next: u64) -> Vec<u8> {
    let word = if big { 8 } else { 4 };
    let number = |value: u64| match big {
        true => value.to_ne_bytes().to_vec(),
        false => (value as u32).to_ne_bytes().to_vec(),
    };
    let mut out = match big {
        true => (tags.len() as u64).to_ne_bytes().to_vec(),
        false => (tags.len() as u16).to_ne_bytes().to_vec(),
    };
    let entries = tags.len() * (4 + 2 * word);
    let mut behind: Vec<u8> = Vec::new();
    let values_at = at + (out.len() + entries + word) as u64;
    for tag in tags {
        out.extend(tag.number.to_ne_bytes());
        out.extend(tag.kind.to_ne_bytes());
        out.extend(number(tag.count));
        if tag.payload.len() <= word {
            out.extend(&tag.payload);
            out.resize(out.len() + word - tag.payload.len(), 0);
        } else {
            out.extend(number(values_at + behind.len() as u64));
            behind.extend(&tag.payload);
            behind.resize(behind.len().next_multiple_of(2), 0);
        }
    }
    out.extend(number(next));
    out.extend(behind);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_sizes_survive_as_ratios() {
        for size in [0.010013, 0.25, 1.0, 1.6, 269.8, 593.3333] {
            let tag = Tag::pixels_per_unit(282, size);
            let parts: Vec<i32> =
                tag.payload.as_chunks().0.iter().map(|b| i32::from_ne_bytes(*b)).collect();
            let back = f64::from(parts[1]) / f64::from(parts[0]);
            assert!((back / size - 1.0).abs() < 1e-6, "{size} nm came back as {back}");
            assert!(parts[0] > 0 && parts[1] > 0, "ImageJ's ratio of {size} is negative");
        }
    }
}

//! Gatan and TIA files written from their layout, small and with known pixels.

/// A Gatan file: `frames` images of `width × height` u16, and a calibration for each dimension.
pub struct Dm<'a> {
    pub version: u32,
    pub little: bool,
    pub width: u32,
    pub height: u32,
    pub frames: u32,
    pub pixels: &'a [u16],
    pub calibration: &'a [(f32, &'a str)],
}

enum Tag {
    Group(Vec<(String, Tag)>),
    /// The description and the bytes.
    Value(Vec<u64>, Vec<u8>),
}

impl Dm<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        let dimensions = [self.width, self.height, self.frames];
        let used = if self.frames > 1 { 3 } else { 2 };
        let dimensions = dimensions.iter().take(used).map(|size| (String::new(), self.u32(*size)));
        let calibrations = self.calibration.iter().map(|(scale, unit)| {
            (
                String::new(),
                group([("Scale", self.f32(*scale)), ("Units", self.u16s(unit.encode_utf16()))]),
            )
        });
        let image = group([
            ("Calibrations", group([("Dimension", Tag::Group(calibrations.collect()))])),
            ("Data", self.u16s(self.pixels.iter().copied())),
            ("DataType", self.u32(10)),
            ("Dimensions", Tag::Group(dimensions.collect())),
        ]);
        let image = group([("ImageData", image)]);
        let root = group([("ImageList", Tag::Group(vec![(String::new(), image)]))]);
        let mut tree = Vec::new();
        self.write(&root, &mut tree);
        let mut file = self.version.to_be_bytes().to_vec();
        self.count(tree.len() as u64, &mut file);
        file.extend(u32::from(self.little).to_be_bytes());
        file.extend(tree);
        file.extend([0; 8]);
        file
    }

    fn write(&self, tag: &Tag, out: &mut Vec<u8>) {
        match tag {
            Tag::Group(entries) => {
                out.extend([1, 0]);
                self.count(entries.len() as u64, out);
                for (name, entry) in entries {
                    out.push(if matches!(entry, Tag::Group(_)) { 20 } else { 21 });
                    out.extend((name.len() as u16).to_be_bytes());
                    out.extend(name.as_bytes());
                    let mut body = Vec::new();
                    self.write(entry, &mut body);
                    if self.version == 4 {
                        out.extend((body.len() as u64).to_be_bytes());
                    }
                    out.extend(body);
                }
            }
            Tag::Value(description, bytes) => {
                out.extend(b"%%%%");
                self.count(description.len() as u64, out);
                description.iter().for_each(|number| self.count(*number, out));
                out.extend(bytes);
            }
        }
    }

    fn count(&self, count: u64, out: &mut Vec<u8>) {
        match self.version {
            3 => out.extend((count as u32).to_be_bytes()),
            _ => out.extend(count.to_be_bytes()),
        }
    }

    fn ordered<const N: usize>(&self, mut little: [u8; N]) -> [u8; N] {
        if !self.little {
            little.reverse();
        }
        little
    }

    fn u32(&self, value: u32) -> Tag {
        Tag::Value(vec![5], self.ordered(value.to_le_bytes()).to_vec())
    }

    fn f32(&self, value: f32) -> Tag {
        Tag::Value(vec![6], self.ordered(value.to_le_bytes()).to_vec())
    }

    fn u16s(&self, values: impl Iterator<Item = u16>) -> Tag {
        let values: Vec<[u8; 2]> = values.map(|value| self.ordered(value.to_le_bytes())).collect();
        Tag::Value(vec![20, 4, values.len() as u64], values.concat())
    }
}

fn group<const N: usize>(entries: [(&str, Tag); N]) -> Tag {
    Tag::Group(entries.into_iter().map(|(name, tag)| (name.to_owned(), tag)).collect())
}

/// A TIA series of u16 images; rows are given from the top and stored from the bottom.
pub struct Ser<'a> {
    pub wide: bool,
    pub width: usize,
    pub frames: &'a [Vec<u16>],
    pub times: &'a [u32],
    pub pixel_m: f64,
}

impl Ser<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        let count = self.frames.len() as u32;
        let mut file = vec![0x49, 0x49, 0x97, 0x01];
        file.extend(if self.wide { 0x220u16 } else { 0x210 }.to_le_bytes());
        for number in [0x4122, 0x4152, count, count] {
            file.extend(u32::to_le_bytes(number));
        }
        let offset = |value: usize| match self.wide {
            true => (value as u64).to_le_bytes().to_vec(),
            false => (value as u32).to_le_bytes().to_vec(),
        };
        let table_at = file.len() + offset(0).len() + 4;
        file.extend(offset(table_at));
        file.extend(0u32.to_le_bytes());
        let mut at = table_at + 2 * self.frames.len() * offset(0).len();
        for frame in self.frames {
            file.extend(offset(at));
            at += 50 + 2 * frame.len();
        }
        for place in 0..self.frames.len() {
            file.extend(offset(at + 8 * place));
        }
        for frame in self.frames {
            for _ in 0..2 {
                file.extend(0f64.to_le_bytes());
                file.extend(self.pixel_m.to_le_bytes());
                file.extend(0u32.to_le_bytes());
            }
            file.extend(2u16.to_le_bytes());
            file.extend((self.width as u32).to_le_bytes());
            file.extend(((frame.len() / self.width) as u32).to_le_bytes());
            for row in frame.chunks(self.width).rev() {
                row.iter().for_each(|pixel| file.extend(pixel.to_le_bytes()));
            }
        }
        for time in self.times {
            file.extend(0x4152u32.to_le_bytes());
            file.extend(time.to_le_bytes());
        }
        file
    }
}

/// The u16 samples of a frame that was read.
pub fn samples(frame: &[u8]) -> Vec<u16> {
    frame.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
}

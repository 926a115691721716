//! TIFF files of every kind, written by the book for the scenes that read them back.

/// What to write; [`Spec::grey`] gives the plainest.
#[derive(Clone, Debug)]
pub struct Spec {
    pub big_endian: bool,
    pub big_tiff: bool,
    pub width: usize,
    pub height: usize,
    pub bits: u16,
    /// 1 unsigned, 2 signed, 3 float.
    pub format: u16,
    pub samples: usize,
    pub planar: bool,
    pub photometric: u16,
    /// Rows of a strip, or width and height of a tile.
    pub chunk: Chunk,
    /// 1 none, 8 deflate.
    pub compression: u16,
    pub predictor: u16,
    /// Further tags of the first page: number, type, values in the file's order.
    pub extra: Vec<(u16, u16, u64, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug)]
pub enum Chunk {
    Strips(usize),
    Tiles(usize, usize),
}

impl Spec {
    /// One uncompressed strip of grey pixels, little-endian.
    pub fn grey(width: usize, height: usize, bits: u16, format: u16) -> Self {
        Spec {
            big_endian: false,
            big_tiff: false,
            width,
            height,
            bits,
            format,
            samples: 1,
            planar: false,
            photometric: 1,
            chunk: Chunk::Strips(height),
            compression: 1,
            predictor: 1,
            extra: Vec::new(),
        }
    }

    /// The same with a description.
    pub fn described(mut self, text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.extra.push((270, 2, bytes.len() as u64, bytes));
        self
    }

    /// A real number as a rational tag.
    pub fn rational(mut self, tag: u16, upper: u32, lower: u32) -> Self {
        let bytes = [self.int(u64::from(upper), 4), self.int(u64::from(lower), 4)].concat();
        self.extra.push((tag, 5, 1, bytes));
        self
    }

    fn int(&self, value: u64, size: usize) -> Vec<u8> {
        let mut bytes = value.to_le_bytes()[..size].to_vec();
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }

    /// A file of these pages; each is the samples in little-endian order, chunky, row-major.
    pub fn write(&self, pages: &[Vec<u8>]) -> Vec<u8> {
        let mut file = if self.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        let offset_size = if self.big_tiff { 8 } else { 4 };
        if self.big_tiff {
            file.extend([self.int(43, 2), self.int(8, 2), self.int(0, 2)].concat());
        } else {
            file.extend(self.int(42, 2));
        }
        let mut link = file.len();
        file.extend(self.int(0, offset_size));
        for (number, page) in pages.iter().enumerate() {
            let (offsets, counts) = self.write_chunks(&mut file, page);
            let mut tags = self.tags(&offsets, &counts);
            if number == 0 {
                tags.extend(self.extra.iter().cloned());
            }
            tags.sort_by_key(|tag| tag.0);
            let outside = self.write_long_values(&mut file, &tags, offset_size);
            let at = file.len();
            file[link..link + offset_size].copy_from_slice(&self.int(at as u64, offset_size));
            file.extend(self.int(tags.len() as u64, if self.big_tiff { 8 } else { 2 }));
            for ((tag, kind, count, bytes), outside) in tags.iter().zip(outside) {
                file.extend([self.int(u64::from(*tag), 2), self.int(u64::from(*kind), 2)].concat());
                file.extend(self.int(*count, offset_size));
                let mut value =
                    outside.map_or_else(|| bytes.clone(), |at| self.int(at, offset_size));
                value.resize(offset_size, 0);
                file.extend(value);
            }
            link = file.len();
            file.extend(self.int(0, offset_size));
        }
        file
    }

    /// A file of one page whose only strip is `strip`, already coded.
    pub fn write_coded(&self, strip: &[u8]) -> Vec<u8> {
        let mut file =
            Spec { compression: 1, ..self.clone() }.write(&[vec![0; self.width * self.height]]);
        let (strip_at, end) = (8, file.len());
        // The directory stands behind the strip, which is longer than what is put in its place.
        assert!(strip.len() <= self.width * self.height && strip_at + strip.len() < end);
        file[strip_at..strip_at + strip.len()].copy_from_slice(strip);
        for (tag, value) in [(259_u16, u32::from(self.compression)), (279, strip.len() as u32)] {
            let entry = file
                .windows(3)
                .rposition(|w| w[..2] == tag.to_le_bytes() && [3, 4].contains(&w[2]));
            let at = entry.unwrap() + 8;
            file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        file
    }

    fn tags(&self, offsets: &[u64], counts: &[u64]) -> Vec<(u16, u16, u64, Vec<u8>)> {
        let short = |tag, value: u64| (tag, 3_u16, 1_u64, self.int(value, 2));
        let long = |tag, value: usize| (tag, 4_u16, 1_u64, self.int(value as u64, 4));
        let kind = if self.big_tiff { 16 } else { 4 };
        let size = if self.big_tiff { 8 } else { 4 };
        let list = |tag, values: &[u64]| {
            let bytes = values.iter().flat_map(|v| self.int(*v, size)).collect();
            (tag, kind, values.len() as u64, bytes)
        };
        let mut tags = vec![
            long(256, self.width),
            long(257, self.height),
            (258, 3, self.samples as u64, self.int(u64::from(self.bits), 2).repeat(self.samples)),
            short(259, u64::from(self.compression)),
            short(262, u64::from(self.photometric)),
            short(277, self.samples as u64),
            short(284, if self.planar { 2 } else { 1 }),
            short(317, u64::from(self.predictor)),
            (339, 3, self.samples as u64, self.int(u64::from(self.format), 2).repeat(self.samples)),
        ];
        match self.chunk {
            Chunk::Strips(rows) => {
                tags.extend([long(278, rows), list(273, offsets), list(279, counts)]);
            }
            Chunk::Tiles(width, height) => {
                tags.extend([long(322, width), long(323, height)]);
                tags.extend([list(324, offsets), list(325, counts)]);
            }
        }
        tags
    }

    /// Values that do not fit into their entry go before the directory.
    fn write_long_values(
        &self,
        file: &mut Vec<u8>,
        tags: &[(u16, u16, u64, Vec<u8>)],
        offset_size: usize,
    ) -> Vec<Option<u64>> {
        tags.iter()
            .map(|(_, _, _, bytes)| {
                (bytes.len() > offset_size).then(|| {
                    let at = file.len() as u64;
                    file.extend(bytes);
                    at
                })
            })
            .collect()
    }

    fn write_chunks(&self, file: &mut Vec<u8>, page: &[u8]) -> (Vec<u64>, Vec<u64>) {
        let size = usize::from(self.bits) / 8;
        let (planes, cell) = if self.planar { (self.samples, 1) } else { (1, self.samples) };
        let (chunk_width, chunk_height, tiled) = match self.chunk {
            Chunk::Strips(rows) => (self.width, rows, false),
            Chunk::Tiles(width, height) => (width, height, true),
        };
        let sample = |x: usize, y: usize, s: usize| -> Vec<u8> {
            if x >= self.width || y >= self.height {
                return vec![0; size];
            }
            let at = ((y * self.width + x) * self.samples + s) * size;
            page[at..at + size].to_vec()
        };
        let (mut offsets, mut counts) = (Vec::new(), Vec::new());
        for plane in 0..planes {
            for y0 in (0..self.height).step_by(chunk_height) {
                for x0 in (0..self.width).step_by(chunk_width) {
                    let rows =
                        if tiled { chunk_height } else { chunk_height.min(self.height - y0) };
                    let mut data = Vec::new();
                    for y in y0..y0 + rows {
                        let row: Vec<Vec<u8>> = (x0..x0 + chunk_width)
                            .flat_map(|x| (0..cell).map(move |s| (x, s)))
                            .map(|(x, s)| sample(x, y, plane + s))
                            .collect();
                        data.extend(self.encode_row(row, cell));
                    }
                    if self.compression == 8 {
                        data = deflate(&data);
                    }
                    offsets.push(file.len() as u64);
                    counts.push(data.len() as u64);
                    file.extend(data);
                }
            }
        }
        (offsets, counts)
    }

    /// One row of little-endian samples in the file's order, with the predictor.
    fn encode_row(&self, mut row: Vec<Vec<u8>>, cell: usize) -> Vec<u8> {
        let size = usize::from(self.bits) / 8;
        let ordered = |mut sample: Vec<u8>| {
            if self.big_endian {
                sample.reverse();
            }
            sample
        };
        match self.predictor {
            2 => {
                for i in (cell..row.len()).rev() {
                    let number =
                        |s: &[u8]| s.iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
                    let difference = number(&row[i]).wrapping_sub(number(&row[i - cell]));
                    row[i] = difference.to_le_bytes()[..size].to_vec();
                }
                row.into_iter().flat_map(ordered).collect()
            }
            3 => {
                // Bytes by significance, highest first, then differences between neighbours.
                let mut bytes: Vec<u8> =
                    (0..size).rev().flat_map(|b| row.iter().map(move |s| s[b])).collect();
                for i in (cell..bytes.len()).rev() {
                    bytes[i] = bytes[i].wrapping_sub(bytes[i - cell]);
                }
                bytes
            }
            _ => row.into_iter().flat_map(ordered).collect(),
        }
    }
}

/// A TIFF of one grey JPEG strip, 16 × 16 pixels of 144, whose own header says `width`.
///
/// The JPEG has the shortest tables there are: one code for "no change", one for "4 bits of
/// change", and one for "end of block".
pub fn jpeg_tiff(width: u16) -> Vec<u8> {
    let [high, low] = width.to_be_bytes();
    let mut jpeg = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    jpeg.extend([16; 64]);
    jpeg.extend([0xff, 0xc0, 0, 11, 8, 0, 16, high, low, 1, 1, 0x11, 0]);
    jpeg.extend([0xff, 0xc4, 0, 21, 0x00, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4]);
    jpeg.extend([0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    jpeg.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]);
    // 10 1000 0: a change by 8 in the first block, its end; then 0 0 for each of three more.
    jpeg.extend([0b1010_0000, 0b0000_0111, 0xff, 0xd9]);
    Spec { compression: 7, ..Spec::grey(16, 16, 8, 1) }.write_coded(&jpeg)
}

fn deflate(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

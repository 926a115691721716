//! The tag tree of a DM file, flattened to paths such as `ImageList.1.ImageData.DataType`.
//! Unnamed children are counted. Arrays are remembered by their place and not read.

use std::collections::HashMap;

use crate::format::FormatError;
use crate::format::bytes::{Endian, FileBytes};

/// One value of the tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    Text(String),
    Array { offset: u64, bytes: u64 },
}

/// All tags of a file.
pub struct Tags {
    pub version: u32,
    pub endian: Endian,
    values: HashMap<String, Value>,
    children: HashMap<String, usize>,
}

const DEPTH_MOST: usize = 40;
const TAGS_MOST: usize = 1_000_000;
/// Longer arrays of 16-bit numbers are data and no text.
const TEXT_MOST: u64 = 4096;

struct Reader<'a> {
    file: &'a FileBytes,
    at: u64,
    wide: bool,
    tags: Tags,
    seen: usize,
}

impl Tags {
    /// Reads the tree.
    ///
    /// # Errors
    /// [`FormatError`] with the offset at which it makes no sense. What comes after the image
    /// data may be missing: a file that was cut short in its data still opens.
    pub fn read(file: &FileBytes) -> Result<Tags, FormatError> {
        let version = file.u32(0, Endian::Big, "the version")?;
        let wide = version == 4;
        if !wide && version != 3 {
            return Err(file.malformed(0, format!("DM version {version} is not known")));
        }
        let order_at = if wide { 12 } else { 8 };
        let little = file.u32(order_at, Endian::Big, "the byte order")? == 1;
        let tags = Tags {
            version,
            endian: if little { Endian::Little } else { Endian::Big },
            values: HashMap::new(),
            children: HashMap::new(),
        };
        let mut reader = Reader { file, at: order_at + 4, wide, tags, seen: 0 };
        let read = reader.group("", 0);
        let has_data = reader.tags.values.keys().any(|path| path.ends_with("ImageData.Data"));
        match read {
            Err(error) if !has_data => Err(error),
            _ => Ok(reader.tags),
        }
    }

    /// The value at a path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.values.get(path)
    }

    /// A number.
    pub fn number(&self, path: &str) -> Option<f64> {
        match self.get(path)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self, path: &str) -> Option<String> {
        match self.get(path)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// Unnamed children of a group.
    pub fn children(&self, path: &str) -> usize {
        self.children.get(path).copied().unwrap_or(0)
    }
}

impl Reader<'_> {
    /// A count or length: 4 bytes in DM3, 8 in DM4, always big-endian.
    fn size(&mut self, what: &str) -> Result<u64, FormatError> {
        let (value, bytes) = if self.wide {
            (self.file.u64(self.at, Endian::Big, what)?, 8)
        } else {
            (u64::from(self.file.u32(self.at, Endian::Big, what)?), 4)
        };
        self.at += bytes;
        Ok(value)
    }

    fn group(&mut self, path: &str, depth: usize) -> Result<(), FormatError> {
        if depth > DEPTH_MOST {
            return Err(self.file.malformed(self.at, "the tag groups are nested too deep"));
        }
        self.at += 2;
        let count = self.size("the number of tags")?;
        let mut unnamed = 0;
        for _ in 0..count {
            self.seen += 1;
            if self.seen > TAGS_MOST {
                return Err(self.file.malformed(self.at, "there are more than a million tags"));
            }
            let kind = self.file.u8(self.at, "a tag")?;
            let length = u64::from(self.file.u16(self.at + 1, Endian::Big, "a tag's name")?);
            let name = self.file.slice(self.at + 3, length, "a tag's name")?;
            let name = encoding_rs::WINDOWS_1252.decode(name).0.into_owned();
            self.at += 3 + length;
            if self.wide {
                self.size("a tag's length")?;
            }
            let name = if name.is_empty() {
                unnamed += 1;
                self.tags.children.insert(path.to_owned(), unnamed);
                (unnamed - 1).to_string()
            } else {
                name
            };
            let path = if path.is_empty() { name } else { format!("{path}.{name}") };
            match kind {
                20 => self.group(&path, depth + 1)?,
                21 => self.data(path)?,
                0 => return Ok(()),
                other => {
                    let what = format!("a tag of the unknown kind {other}");
                    return Err(self.file.malformed(self.at, what));
                }
            }
        }
        Ok(())
    }

    fn data(&mut self, path: String) -> Result<(), FormatError> {
        let mark = self.file.slice(self.at, 4, "a tag's mark")?;
        if mark != b"%%%%" {
            return Err(self.file.malformed(self.at, "a tag's data does not begin with %%%%"));
        }
        self.at += 4;
        let count = self.size("a tag's description")?;
        if count == 0 || count > 1000 {
            let what = format!("a tag's description of {count} words");
            return Err(self.file.malformed(self.at, what));
        }
        let mut words = Vec::new();
        for _ in 0..count {
            words.push(self.size("a tag's description")?);
        }
        let start = self.at;
        let is_pixels = path.ends_with("ImageData.Data");
        let (length, value) = self.value(&words, is_pixels)?;
        if let Some(value) = value {
            self.tags.values.insert(path, value);
        }
        // The place counts even where the data itself is missing.
        self.at = start
            .checked_add(length)
            .ok_or_else(|| self.file.malformed(start, "a tag longer than any file"))?;
        Ok(())
    }

    /// Length of the data and what it says.
    fn value(&self, words: &[u64], is_pixels: bool) -> Result<(u64, Option<Value>), FormatError> {
        let broken = || self.file.malformed(self.at, "a tag's description makes no sense");
        match words {
            [kind] => {
                let size = scalar_size(*kind).ok_or_else(broken)?;
                Ok((size, self.scalar(*kind)?.map(Value::Number)))
            }
            [18, length] => Ok((*length, None)),
            [15, rest @ ..] => Ok((struct_size(rest).ok_or_else(broken)?, None)),
            [20, 15, rest @ .., length] => {
                let each = struct_size(rest).ok_or_else(broken)?;
                let bytes = each.checked_mul(*length).ok_or_else(broken)?;
                Ok((bytes, Some(Value::Array { offset: self.at, bytes })))
            }
            [20, kind, length] => {
                let each = scalar_size(*kind).ok_or_else(broken)?;
                let bytes = each.checked_mul(*length).ok_or_else(broken)?;
                // Sixteen bits are text everywhere but in an image.
                let text = *kind == 4 && *length <= TEXT_MOST && !is_pixels;
                let value = match text.then(|| self.text(*length)) {
                    Some(text) => Value::Text(text?),
                    None => Value::Array { offset: self.at, bytes },
                };
                Ok((bytes, Some(value)))
            }
            _ => Err(broken()),
        }
    }

    fn scalar(&self, kind: u64) -> Result<Option<f64>, FormatError> {
        let (file, at, order, what) = (self.file, self.at, self.tags.endian, "a tag's value");
        Ok(Some(match kind {
            2 => f64::from(file.i16(at, order, what)?),
            3 => f64::from(file.i32(at, order, what)?),
            4 => f64::from(file.u16(at, order, what)?),
            5 => f64::from(file.u32(at, order, what)?),
            6 => f64::from(file.f32(at, order, what)?),
            7 => file.f64(at, order, what)?,
            8..=10 => f64::from(file.u8(at, what)?),
            11 => file.u64(at, order, what)? as i64 as f64,
            12 => file.u64(at, order, what)? as f64,
            _ => return Ok(None),
        }))
    }

    fn text(&self, length: u64) -> Result<String, FormatError> {
        let units: Result<Vec<u16>, FormatError> = (0..length)
            .map(|k| self.file.u16(self.at + 2 * k, self.tags.endian, "a tag's text"))
            .collect();
        Ok(String::from_utf16_lossy(&units?))
    }
}

fn scalar_size(kind: u64) -> Option<u64> {
    match kind {
        2 | 4 => Some(2),
        3 | 5 | 6 => Some(4),
        7 | 11 | 12 => Some(8),
        8..=10 => Some(1),
        _ => None,
    }
}

/// Words after the 15: length of the name, number of fields, and for each field the length of its
/// name and its kind.
fn struct_size(words: &[u64]) -> Option<u64> {
    let fields = words.get(2..)?;
    fields.chunks(2).try_fold(0u64, |sum, field| sum.checked_add(scalar_size(*field.get(1)?)?))
}

//! The tag tree of Gatan DM3 and DM4 files.
//!
//! The tree is big endian whatever the byte order of the values in it. A group counts its
//! entries; an entry has a type byte (20 group, 21 value), a name (entries of a list have none
//! and go by their place) and, in DM4, its length. A value is `%%%%`, a description of its type
//! as a list of integers, and its bytes. DM4 differs in 64-bit counts. Arrays are not read: the
//! tree keeps where they lie, so a recording of any size costs only its tags.
//!
//! Source: the layout published by Greg Jefferis and Chris Boothroyd, checked against files.

use std::path::Path;

use crate::format::FormatError;
use crate::format::cursor::{Cursor, Order};

/// So many numbers of a description that makes no sense are told.
const DESCRIPTION_SHOWN: usize = 8;
/// Groups within groups; files of the vendor stay under 20.
const MAX_DEPTH: usize = 64;
/// Tags of one file; files of the vendor stay under 100 000.
const MAX_TAGS: usize = 1_000_000;
/// Integers that describe one value (a structure has two for each field).
const MAX_DESCRIPTION: u64 = 4096;
/// Characters of a text that is read.
const MAX_TEXT: u64 = 4096;

const GROUP: u8 = 20;
const VALUE: u8 = 21;
const STRUCTURE: u64 = 15;
const STRING: u64 = 18;
const ARRAY: u64 = 20;

/// One value of the tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tag {
    Group(Vec<(String, Tag)>),
    Number(f64),
    Structure(Vec<f64>),
    Array(Array),
}

/// Where an array lies in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Array {
    pub(super) offset: u64,
    pub(super) count: u64,
    /// Bytes of one element.
    pub(super) element: u64,
    /// True for 16-bit unsigned elements, which are also how text is kept.
    pub(super) may_be_text: bool,
}

impl Tag {
    /// The entry that the names lead to.
    pub(super) fn at(&self, names: &[&str]) -> Option<&Tag> {
        names.iter().try_fold(self, |tag, name| {
            let Tag::Group(entries) = tag else { return None };
            entries.iter().find(|(key, _)| key == name).map(|(_, tag)| tag)
        })
    }

    /// The entries of a group, in the order of the file.
    pub(super) fn entries(&self) -> &[(String, Tag)] {
        match self {
            Tag::Group(entries) => entries,
            _ => &[],
        }
    }

    /// A number at the end of the path.
    pub(super) fn number(&self, names: &[&str]) -> Option<f64> {
        match self.at(names)? {
            Tag::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// A whole number that is not negative, at the end of the path.
    pub(super) fn index(&self, names: &[&str]) -> Option<u64> {
        let value = self.number(names)?;
        // 2^53: beyond it an f64 no longer counts one by one.
        (value >= 0.0 && value.fract() == 0.0 && value <= 9.007_199_254_740_992e15)
            .then_some(value as u64)
    }
}

/// The header and the tree of a file.
pub(super) struct TagFile {
    /// 3 or 4.
    pub(super) version: u32,
    /// Of the values, and so of the pixels.
    pub(super) order: Order,
    pub(super) root: Tag,
}

impl TagFile {
    /// The text that `tag` keeps in `bytes`, of which this is the tree.
    pub(super) fn text(&self, bytes: &[u8], tag: &Tag) -> Option<String> {
        let Tag::Array(array) = tag else { return None };
        if !array.may_be_text || array.count > MAX_TEXT {
            return None;
        }
        let start = usize::try_from(array.offset).ok()?;
        let raw = bytes.get(start..start.checked_add(2 * array.count as usize)?)?;
        let units = raw.chunks_exact(2).map(|pair| match (self.order, pair) {
            (Order::Little, &[low, high]) | (Order::Big, &[high, low]) => {
                u16::from_le_bytes([low, high])
            }
            _ => unreachable!("chunks_exact(2) gives pairs"),
        });
        let text: String = char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect();
        Some(text.trim_matches(['\0', ' ', '\n', '\r']).to_owned())
    }
}

/// Reads the whole tree of a mapped file.
///
/// # Errors
/// [`FormatError`] with the offset where the tree stops making sense or the file ends.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<TagFile, FormatError> {
    let mut cursor = Cursor::new(path, bytes, 0);
    let version = cursor.u32(Order::Big, "the version")?;
    if version != 3 && version != 4 {
        return Err(cursor.malformed(0, format!("expected version 3 or 4, found {version}")));
    }
    let wide = version == 4;
    count(&mut cursor, wide, "the length of the tree")?;
    let flag_at = cursor.offset();
    let order = match cursor.u32(Order::Big, "the byte order")? {
        0 => Order::Big,
        1 => Order::Little,
        other => {
            let what = format!("expected a byte order of 0 or 1, found {other}");
            return Err(cursor.malformed(flag_at, what));
        }
    };
    let mut tree = Tree { cursor, wide, order, tags: 0 };
    let root = tree.group(0)?;
    Ok(TagFile { version, order, root })
}

fn count(cursor: &mut Cursor<'_>, wide: bool, what: &str) -> Result<u64, FormatError> {
    if wide { cursor.u64(Order::Big, what) } else { cursor.u32(Order::Big, what).map(u64::from) }
}

struct Tree<'a> {
    cursor: Cursor<'a>,
    wide: bool,
    order: Order,
    tags: usize,
}

impl Tree<'_> {
    fn group(&mut self, depth: usize) -> Result<Tag, FormatError> {
        let start = self.cursor.offset();
        if depth > MAX_DEPTH {
            let what = format!("tags are nested deeper than {MAX_DEPTH}");
            return Err(self.cursor.malformed(start, what));
        }
        self.cursor.take(2, "a tag group")?;
        let announced = count(&mut self.cursor, self.wide, "the length of a tag group")?;
        // Each turn reads at least three bytes, so a false count ends with the file.
        let mut entries = Vec::new();
        for place in 0..announced {
            entries.push(self.entry(place, depth)?);
        }
        Ok(Tag::Group(entries))
    }

    fn entry(&mut self, place: u64, depth: usize) -> Result<(String, Tag), FormatError> {
        let start = self.cursor.offset();
        self.tags += 1;
        if self.tags > MAX_TAGS {
            return Err(self.cursor.malformed(start, format!("more than {MAX_TAGS} tags")));
        }
        let kind = self.cursor.u8("a tag")?;
        let length = self.cursor.u16(Order::Big, "a tag's name")?;
        let name = self.cursor.take(u64::from(length), "a tag's name")?;
        let name = match length {
            0 => place.to_string(),
            // Names are in the code page of the instrument; those read here are ASCII.
            _ => String::from_utf8_lossy(name).into_owned(),
        };
        if self.wide {
            self.cursor.u64(Order::Big, "a tag's length")?;
        }
        let tag = match kind {
            GROUP => self.group(depth + 1)?,
            VALUE => self.value()?,
            other => {
                let what = format!("expected a tag of type 20 or 21, found {other}");
                return Err(self.cursor.malformed(start, what));
            }
        };
        Ok((name, tag))
    }

    fn value(&mut self) -> Result<Tag, FormatError> {
        let start = self.cursor.offset();
        if self.cursor.take(4, "a value")? != b"%%%%" {
            return Err(self.cursor.malformed(start, "a value does not begin with %%%%"));
        }
        let length = count(&mut self.cursor, self.wide, "a value's description")?;
        if length == 0 || length > MAX_DESCRIPTION {
            let what = format!("a value is described by {length} numbers, which is not possible");
            return Err(self.cursor.malformed(start, what));
        }
        let mut description = Vec::new();
        for _ in 0..length {
            description.push(count(&mut self.cursor, self.wide, "a value's description")?);
        }
        match description.as_slice() {
            [STRUCTURE, fields @ ..] => self.structure(fields),
            [STRING, characters] => self.array(2, *characters, false),
            [ARRAY, STRUCTURE, fields @ .., elements] => {
                let mut element = 0u64;
                for kind in self.field_kinds(fields)? {
                    element += self.size_of(kind)?;
                }
                self.array(element, *elements, false)
            }
            [ARRAY, kind, elements] => {
                let element = self.size_of(*kind)?;
                self.array(element, *elements, *kind == 4)
            }
            [kind] => self.number(*kind).map(Tag::Number),
            other => {
                let shown = &other[..other.len().min(DESCRIPTION_SHOWN)];
                let what = match other.len() {
                    0..=DESCRIPTION_SHOWN => format!("a value of unknown description {shown:?}"),
                    all => format!("a value of unknown description, {all} numbers: {shown:?} …"),
                };
                Err(self.cursor.malformed(start, what))
            }
        }
    }

    /// `[name length, fields, (name length, type) …]` gives the types.
    fn field_kinds(&self, fields: &[u64]) -> Result<Vec<u64>, FormatError> {
        match fields {
            [_, counted, pairs @ ..] if counted.checked_mul(2) == Some(pairs.len() as u64) => {
                Ok(pairs.iter().skip(1).step_by(2).copied().collect())
            }
            _ => {
                let what = "a structure does not describe as many fields as it counts";
                Err(self.cursor.malformed(self.cursor.offset(), what))
            }
        }
    }

    fn structure(&mut self, fields: &[u64]) -> Result<Tag, FormatError> {
        let kinds = self.field_kinds(fields)?;
        let values = kinds.into_iter().map(|kind| self.number(kind)).collect::<Result<_, _>>()?;
        Ok(Tag::Structure(values))
    }

    fn array(&mut self, element: u64, count: u64, may_be_text: bool) -> Result<Tag, FormatError> {
        let offset = self.cursor.offset();
        self.cursor.take(element.saturating_mul(count), "an array of the tag tree")?;
        Ok(Tag::Array(Array { offset, count, element, may_be_text }))
    }

    fn number(&mut self, kind: u64) -> Result<f64, FormatError> {
        let (order, what) = (self.order, "a number");
        Ok(match kind {
            2 => f64::from(self.cursor.u16(order, what)?.cast_signed()),
            3 => f64::from(self.cursor.u32(order, what)?.cast_signed()),
            4 => f64::from(self.cursor.u16(order, what)?),
            5 => f64::from(self.cursor.u32(order, what)?),
            6 => f64::from(self.cursor.f32(order, what)?),
            7 => self.cursor.f64(order, what)?,
            8 | 10 => f64::from(self.cursor.u8(what)?),
            9 => f64::from(self.cursor.u8(what)?.cast_signed()),
            11 => self.cursor.u64(order, what)?.cast_signed() as f64,
            12 => self.cursor.u64(order, what)? as f64,
            _ => return Err(self.unknown(kind)),
        })
    }

    fn size_of(&self, kind: u64) -> Result<u64, FormatError> {
        match kind {
            8..=10 => Ok(1),
            2 | 4 => Ok(2),
            3 | 5 | 6 => Ok(4),
            7 | 11 | 12 => Ok(8),
            _ => Err(self.unknown(kind)),
        }
    }

    fn unknown(&self, kind: u64) -> FormatError {
        self.cursor.malformed(self.cursor.offset(), format!("a value of unknown type {kind}"))
    }
}

//! One record of the journal as bytes: header, checksum, payload.

/// Begins each record. Its first byte is no ASCII, so that no text of a payload looks like it.
pub const MARKER: [u8; 4] = [0xA7, b'L', b'W', 0xE5];
/// Bytes of a record before its payload.
pub const HEADER: usize = 24;
/// A longer payload is a damaged length: a row of a million lines has 16 MB.
pub const MAX_PAYLOAD: u32 = 64 << 20;

/// What a record holds. The numbers are those of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// What the run is; the journal begins with two, so that no single fault loses it.
    Plan = 1,
    /// A part of the cell's log.
    Cell = 2,
    /// One frame's row.
    Row = 3,
    /// An alarm event.
    Alarm = 4,
    /// The final ledger: the run was closed.
    Close = 5,
    /// Everything before this record is on the disk.
    Mark = 6,
    /// A change of what is left out to keep the budget.
    Shedding = 7,
}

impl Kind {
    fn from_code(code: u8) -> Option<Kind> {
        [Kind::Plan, Kind::Cell, Kind::Row, Kind::Alarm, Kind::Close, Kind::Mark, Kind::Shedding]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }
}

/// A record's header, checked against its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the payload.
    pub length: u32,
    /// Counts the records of the file from 0.
    pub sequence: u64,
    /// Nothing for a kind that only a later version knows.
    pub kind: Option<Kind>,
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    Record(Header),
    /// It may be a record, but needs this many bytes in all.
    Needs(usize),
    Damaged,
}

/// Appends a record to `out`.
pub fn frame(kind: Kind, sequence: u64, payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&[kind as u8, 0, 0, 0]);
    let sum = checksum(&out[start..], payload);
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(payload);
}

/// Reads the record at the beginning of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed {
    let known = bytes.len().min(MARKER.len());
    if bytes[..known] != MARKER[..known] {
        return Parsed::Damaged;
    }
    let Some((head, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Parsed::Needs(HEADER);
    };
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if length > MAX_PAYLOAD {
        return Parsed::Damaged;
    }
    let Some(payload) = rest.get(..length as usize) else {
        return Parsed::Needs(HEADER + length as usize);
    };
    let stored = u32::from_le_bytes([head[20], head[21], head[22], head[23]]);
    if checksum(&head[..20], payload) != stored {
        return Parsed::Damaged;
    }
    let mut sequence = [0; 8];
    sequence.copy_from_slice(&head[8..16]);
    let sequence = u64::from_le_bytes(sequence);
    Parsed::Record(Header { length, sequence, kind: Kind::from_code(head[16]) })
}

/// The next place at or after `from` where a record may begin; a marker that the end of the bytes
/// cuts off counts.
pub fn next_marker(bytes: &[u8], from: usize) -> usize {
    let mut at = from.min(bytes.len());
    while at < bytes.len() {
        let known = (bytes.len() - at).min(MARKER.len());
        if bytes[at..at + known] == MARKER[..known] {
            break;
        }
        at += 1;
    }
    at
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

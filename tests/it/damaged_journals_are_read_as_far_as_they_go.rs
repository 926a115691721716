//! Journals that were cut and whose bits were flipped: never a panic, never a record that was not
//! written, and every record that lies between two damaged places.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use liwatch::frame::Reason;
use liwatch::pipeline::Sink;
use liwatch::store::journal::{
    Content, Damage, Disk, End, FileDisk, Item, Kind, Pending, Reader, Writer, decode,
    encode_alarm, encode_left_out, encode_plan, encode_row,
};
use liwatch::store::{Outcome, Recorder, StoreOptions, journal, recover};
use proptest::prelude::*;

use crate::stored_runs::{alarm, contents, ledger, plan, row};

/// Memory that remembers what was written.
#[derive(Clone, Default)]
struct Memory(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Disk for Memory {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.lock().expect("no test thread panicked").extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, length: u64) -> std::io::Result<()> {
        self.0.lock().expect("no test thread panicked").truncate(length as usize);
        Ok(())
    }
}

const LINES: usize = 9;

/// A sound journal of 30 rows and some alarms.
fn sound() -> Vec<u8> {
    let memory = Memory::default();
    let mut writer = Writer::new(Box::new(memory.clone()));
    let payload = encode_plan(&plan(LINES)).expect("the plan has a text");
    writer.push(&Pending { kind: Kind::Plan, payload });
    for index in 0..30 {
        let payload = encode_row(&row(index, LINES, 1));
        writer.push(&Pending { kind: Kind::Row, payload });
        if index % 10 == 4 {
            writer.push(&Pending { kind: Kind::Alarm, payload: encode_alarm(&alarm(index)) });
            writer.write().and_then(|()| writer.sync()).expect("memory can be written");
        }
    }
    writer.write().and_then(|()| writer.sync()).expect("memory can be written");
    memory.0.lock().expect("no test thread panicked").clone()
}

/// Records by where they begin in the file, and damage.
type Found = (BTreeMap<u64, Vec<u8>>, Vec<Damage>);

/// Everything in a journal: records by where they begin, and damage. Nothing for one that names
/// another layout and holds no record.
fn try_read(bytes: &[u8]) -> Option<Found> {
    let mut reader =
        Reader::new(Cursor::new(bytes), Path::new("test"), End::Final).expect("memory can be read");
    let (mut records, mut damage) = (BTreeMap::new(), Vec::new());
    loop {
        match reader.next_item() {
            Ok(None) => return Some((records, damage)),
            Ok(Some(Item::Damage(found))) => damage.push(found),
            Ok(Some(Item::Record { payload, .. })) => {
                let payload = payload.to_vec();
                let start = reader.offset() - payload.len() as u64 - 24;
                records.insert(start, payload);
            }
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
                assert!(records.is_empty(), "{error}");
                return None;
            }
        }
    }
}

fn read(bytes: &[u8]) -> Found {
    try_read(bytes).expect("the layout is known")
}

/// What is done to a journal.
#[derive(Clone, Debug)]
enum Harm {
    Flip { at: prop::sample::Index, bit: u8 },
    Zero { at: prop::sample::Index, length: usize },
    Remove { at: prop::sample::Index, length: usize },
    Insert { at: prop::sample::Index, bytes: Vec<u8> },
    Cut { at: prop::sample::Index },
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        8 => (at(), 0..8u8).prop_map(|(at, bit)| Harm::Flip { at, bit }),
        2 => (at(), 1..600usize).prop_map(|(at, length)| Harm::Zero { at, length }),
        2 => (at(), 1..600usize).prop_map(|(at, length)| Harm::Remove { at, length }),
        2 => (at(), prop::collection::vec(any::<u8>(), 1..80))
            .prop_map(|(at, bytes)| Harm::Insert { at, bytes }),
        1 => at().prop_map(|at| Harm::Cut { at }),
    ]
}

fn apply(bytes: &mut Vec<u8>, harm: &Harm) {
    if bytes.is_empty() {
        return;
    }
    let size = bytes.len();
    match harm {
        Harm::Flip { at, bit } => bytes[at.index(size)] ^= 1 << bit,
        Harm::Zero { at, length } => {
            let at = at.index(size);
            bytes[at..size.min(at + length)].fill(0);
        }
        Harm::Remove { at, length } => {
            let at = at.index(size);
            bytes.drain(at..size.min(at + length));
        }
        Harm::Insert { at, bytes: more } => {
            let at = at.index(size);
            bytes.splice(at..at, more.iter().copied());
        }
        Harm::Cut { at } => bytes.truncate(at.index(size)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(400),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn only_what_was_written_is_read(harms in prop::collection::vec(harm(), 0..6)) {
        let sound = sound();
        let (written, none) = read(&sound);
        prop_assert!(none.is_empty());
        let mut bytes = sound.clone();
        harms.iter().for_each(|harm| apply(&mut bytes, harm));
        let Some((found, damage)) = try_read(&bytes) else { return Ok(()) };
        let originals: Vec<&Vec<u8>> = written.values().collect();
        let mut last = 0;
        for payload in found.values() {
            let place = originals.iter().skip(last).position(|original| *original == payload);
            prop_assert!(place.is_some(), "a record was read that was not written, or twice");
            last += place.unwrap_or(0) + 1;
        }
        // Every byte is in a record or told as damaged.
        let told: u64 = damage.iter().map(|damage| damage.bytes).sum();
        let records: u64 = found.values().map(|payload| payload.len() as u64 + 24).sum();
        let head = u64::from(bytes.len() >= 12 && bytes[..12] == sound[..12]) * 12;
        prop_assert!(told + records + head >= bytes.len() as u64,
            "{told} bytes told, {records} in records, of {}", bytes.len());
    }

    #[test]
    fn bit_flips_lose_the_records_they_hit_and_no_others(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..5)
    ) {
        let sound = sound();
        let (written, _) = read(&sound);
        let mut bytes = sound.clone();
        for (at, bit) in &flips {
            let at = 12 + at.index(sound.len() - 12);
            bytes[at] ^= 1 << bit;
        }
        let (found, damage) = read(&bytes);
        let mut lost = 0;
        for (start, payload) in &written {
            let place = *start as usize..*start as usize + payload.len() + 24;
            let whole = bytes[place.clone()] == sound[place];
            prop_assert_eq!(found.contains_key(start), whole, "the record at {}", start);
            lost += u64::from(!whole);
        }
        let at_end = damage.iter().any(|damage| damage.records.is_none());
        let told: u64 = damage.iter().filter_map(|damage| damage.records).sum();
        prop_assert!(told == lost || at_end && told < lost, "{told} told of {lost}");
    }

    #[test]
    fn payloads_that_do_not_fit_are_refused(kind in 1..7u8, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let kinds = [Kind::Plan, Kind::Cell, Kind::Row, Kind::Alarm, Kind::Close, Kind::Mark];
        // Whatever comes out, nothing panics and nothing takes memory without bound.
        let _ = decode(kinds[usize::from(kind) - 1], &bytes, Some(&plan(LINES)));
    }

    #[test]
    fn rows_come_back_bit_by_bit(index in any::<u64>(), seed in any::<u64>()) {
        let plan = plan(LINES);
        let payload = encode_row(&row(index % (1 << 50), LINES, seed));
        let Ok(Content::Row(back)) = decode(Kind::Row, &payload, Some(&plan)) else {
            return Err(TestCaseError::fail("the row cannot be read"));
        };
        prop_assert_eq!(encode_row(&back), payload);
    }
}

#[test]
fn rows_of_a_later_version_and_bare_stamps_are_read() {
    let plan = plan(LINES);
    let payload = encode_row(&row(3, LINES, 2));
    let mut later = payload.clone();
    later.extend([200, 3, 0, 0, 0, 9, 9, 9]);
    let Ok(Content::Row(read)) = decode(Kind::Row, &later, Some(&plan)) else {
        panic!("a row with a section more is refused");
    };
    assert!(encode_row(&read) == payload, "the section more changed the row");
    let stamp = row(8, LINES, 2).stamp;
    let bare = encode_left_out(&stamp);
    let Ok(Content::Row(read)) = decode(Kind::Row, &bare, Some(&plan)) else {
        panic!("a bare stamp is refused");
    };
    assert_eq!((read.stamp, read.reason), (stamp, Reason::StorageOverrun));
    assert!(read.drift.x.is_nan() && read.gauges[0].arrays[0].iter().all(|v| v.is_nan()));
    assert_eq!((read.gauges[0].arrays[0].len(), read.latency_ns.len()), (LINES, 5));
}

#[test]
fn a_later_layout_is_refused_and_a_damaged_header_is_not() {
    let sound = sound();
    let (written, _) = read(&sound);
    // The number of the layout and the first record, both damaged.
    let mut bytes = sound.clone();
    bytes[9] ^= 32;
    bytes[60] ^= 1;
    let (found, damage) = read(&bytes);
    assert_eq!(found.len(), written.len() - 1, "{damage:?}");
    // Another layout has no record that this program knows.
    bytes.truncate(12);
    bytes.extend([7; 500]);
    let mut reader = Reader::new(Cursor::new(&bytes), Path::new("x.journal"), End::Final)
        .expect("memory can be read");
    let told = reader.next_item().expect_err("the layout is unknown").to_string();
    assert!(told.contains("x.journal") && told.contains("layout 8193"), "{told}");
}

#[test]
fn a_run_with_a_damaged_journal_is_rebuilt_with_blank_rows_in_their_places() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let run = folder.path().join("run.h5");
    let plan = plan(LINES);
    let keep = StoreOptions { keep_journal: true, ..StoreOptions::default() };
    let mut recorder = Recorder::create(&run, &plan, false, keep).expect("the run can begin");
    for index in 0..100 {
        recorder.row(&row(index, LINES, 5)).expect("the row is taken");
    }
    recorder.alarm(&alarm(99)).expect("the alarm is taken");
    recorder.close(&ledger(100)).expect("the run can be closed");
    let whole = contents(&run);

    // The whole file again from the journal: the same bits in every dataset.
    std::fs::remove_file(&run).expect("the run file can be removed");
    let journal = journal::path_of(&run);
    assert!(!journal.exists(), "under its own name it would mean an unfinished run");
    let bytes = std::fs::read(journal::kept_path_of(&run)).expect("the journal is kept");
    std::fs::write(&journal, &bytes).expect("the journal can be written");
    let recovery = recover(&run).expect("the run can be recovered");
    assert_eq!(recovery.outcome, Outcome::Rebuilt);
    assert_eq!((recovery.frames.received, recovery.alarms, recovery.closed), (100, 1, true));
    assert!(contents(&run) == whole, "the rebuilt file differs from the first");
    assert!(!journal.exists(), "the journal is still there");
    let again = recover(&run).expect("a second time does no harm");
    assert_eq!(again.outcome, Outcome::NothingToDo);

    // A damaged first plan, and one damaged row.
    let mut bytes = bytes;
    bytes[100] ^= 4;
    let (records, _) = read(&bytes);
    let payload = encode_row(&row(40, LINES, 5));
    let at = records.iter().find(|(_, found)| **found == payload).expect("row 40 is there").0;
    bytes[*at as usize + 60] ^= 1;
    std::fs::write(&journal, &bytes).expect("the journal can be written");
    std::fs::remove_file(&run).expect("the run file can be removed");
    let recovery = recover(&run).expect("the run can be recovered");
    assert_eq!(recovery.frames.received, 100);
    assert_eq!(recovery.not_in_journal, 1);
    assert_eq!(recovery.damage.len(), 2, "{:?}", recovery.damage);
    assert_eq!(recovery.journal_kept.as_deref(), Some(&*journal::kept_path_of(&run)));
    let rebuilt = contents(&run);
    for ((name, shape, first), (other, other_shape, second)) in
        whole.iter().zip(rebuilt.iter().filter(|(name, ..)| !name.ends_with("/recovery")))
    {
        if name.starts_with("/entry/latency/histograms/") {
            // They count the rows that there are: one less, and so perhaps a bin less.
            assert_eq!(name, other);
            continue;
        }
        assert_eq!((name, shape), (other, other_shape));
        if shape.first() == Some(&100) {
            let row = first.len() / 100;
            for index in (0..100).filter(|index| *index != 40) {
                let place = index * row..(index + 1) * row;
                assert!(first[place.clone()] == second[place], "{name}, row {index}");
            }
        } else if !name.ends_with("_time") {
            assert!(first == second, "{name} differs");
        }
    }
    let file = hdf5::File::open(&run).expect("the run file opens");
    let reason = file.dataset("entry/frames/reason").and_then(|set| set.read_raw::<u16>());
    assert_eq!(reason.expect("reasons can be read")[40], 14, "not_in_journal");
}

/// A disk that flips a bit of what it is given, in the rows after the first mark.
struct Flipping(FileDisk, usize);

impl Disk for Flipping {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut bytes = bytes.to_vec();
        self.1 += 1;
        if self.1 == 4 {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 32;
        }
        self.0.append(&bytes)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.0.sync()
    }

    fn cut(&mut self, length: u64) -> std::io::Result<()> {
        self.0.cut(length)
    }
}

#[test]
fn a_disk_that_gives_other_bytes_back_is_told_at_the_close() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let run = folder.path().join("run.h5");
    let options = StoreOptions::default();
    let mut recorder =
        Recorder::create_on(&run, &plan(LINES), false, options, |disk| Box::new(Flipping(disk, 0)))
            .expect("the run can begin");
    for index in 0..20 {
        recorder.row(&row(index, LINES, 5)).expect("the row is taken");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let told = recorder.close(&ledger(20)).expect_err("a row is lost").to_string();
    assert!(told.contains("damaged on the disk") && told.contains("1 record lost"), "{told}");
    assert!(journal::path_of(&run).exists(), "the journal is gone");
    let file = hdf5::File::open(&run).expect("the run file opens");
    let reason = file.dataset("entry/frames/reason").and_then(|set| set.read_raw::<u16>());
    let reason = reason.expect("reasons can be read");
    assert_eq!(reason.len(), 20);
    assert_eq!(reason.iter().filter(|reason| **reason == 14).count(), 1, "{reason:?}");
}

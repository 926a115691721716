//! The journal on a simulated disk that refuses writes and fsyncs at random and then loses power:
//! what had not been brought to it by a successful fsync is cut, torn or garbled.

use std::io::{self, Cursor};
use std::path::Path;
use std::sync::{Arc, Mutex};

use liwatch::pipeline::RunPlan;
use liwatch::store::journal::{
    Content, Disk, End, Item, Kind, Pending, Reader, Writer, decode, encode_alarm, encode_plan,
    encode_row,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::stored_runs::{alarm, plan, row};

/// What the disk holds: the first `safe` bytes surely.
#[derive(Default)]
struct Platter {
    bytes: Vec<u8>,
    safe: usize,
}

/// A disk that fails with this probability.
struct Failing {
    platter: Arc<Mutex<Platter>>,
    random: ChaCha8Rng,
    failures: f64,
}

impl Disk for Failing {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut platter = self.platter.lock().expect("no test thread panicked");
        if self.random.random_bool(self.failures) {
            let part = self.random.random_range(0..=bytes.len());
            platter.bytes.extend_from_slice(&bytes[..part]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        platter.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut platter = self.platter.lock().expect("no test thread panicked");
        if self.random.random_bool(self.failures) {
            // The kernel threw the pages away, and the next fsync would say that all is well.
            let safe = platter.safe;
            let all = platter.bytes.len();
            if all > safe {
                let at = self.random.random_range(safe..all);
                platter.bytes[at..].fill(0);
            }
            return Err(io::Error::other("input/output error"));
        }
        platter.safe = platter.bytes.len();
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut platter = self.platter.lock().expect("no test thread panicked");
        assert!(length as usize >= platter.safe.min(platter.bytes.len()), "acknowledged bytes cut");
        platter.bytes.truncate(length as usize);
        platter.safe = platter.safe.min(platter.bytes.len());
        Ok(())
    }
}

/// The rows that a journal holds, as they were encoded.
fn rows(bytes: Vec<u8>, plan: &RunPlan) -> Vec<Vec<u8>> {
    let mut reader =
        Reader::new(Cursor::new(bytes), Path::new("test"), End::Final).expect("it is a journal");
    let mut rows = Vec::new();
    while let Some(item) = reader.next_item().expect("memory can be read") {
        if let Item::Record { header, payload } = item
            && header.kind == Some(Kind::Row)
        {
            let read = decode(Kind::Row, payload, Some(plan)).expect("the row is whole");
            let Content::Row(read) = read else { panic!("a row is no row") };
            rows.push(encode_row(&read));
        }
    }
    rows
}

#[test]
fn whatever_the_disk_does() {
    let lines = 40;
    let plan = plan(lines);
    let (mut acknowledged, mut failures_met) = (0, 0);
    for seed in 0..200 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let platter = Arc::new(Mutex::new(Platter::default()));
        let failures = [0.0, 0.02, 0.2][seed as usize % 3];
        let disk = Failing {
            platter: Arc::clone(&platter),
            random: ChaCha8Rng::seed_from_u64(seed + 1000),
            failures,
        };
        let mut writer = Writer::new(Box::new(disk));
        let description = encode_plan(&plan).expect("the plan has a text");
        writer.push(&Pending { kind: Kind::Plan, payload: description });
        let steps = random.random_range(10..300);
        let mut index = 0;
        for _ in 0..steps {
            let attempt = match random.random_range(0..10) {
                0..6 => {
                    let payload = encode_row(&row(index, lines, seed));
                    index += 1;
                    writer.push(&Pending { kind: Kind::Row, payload });
                    Ok(())
                }
                6 => {
                    let payload = encode_alarm(&alarm(index));
                    writer.push(&Pending { kind: Kind::Alarm, payload });
                    Ok(())
                }
                7 | 8 => writer.write(),
                _ => writer.write().and_then(|()| writer.sync()),
            };
            failures_met += usize::from(attempt.is_err());
        }
        // The power fails: what was not safe may be there in part, and not as it was written.
        let mut platter = platter.lock().expect("no test thread panicked");
        let safe = platter.safe;
        let kept = random.random_range(safe..=platter.bytes.len());
        let mut left = std::mem::take(&mut platter.bytes);
        left.truncate(kept);
        if kept > safe && random.random_bool(0.5) {
            let at = random.random_range(safe..kept);
            left[at..].iter_mut().for_each(|byte| *byte = random.random());
        }
        let found = rows(left, &plan);
        let promised = writer.acknowledged_rows() as usize;
        acknowledged += promised;
        assert!(
            found.len() >= promised,
            "seed {seed}: {promised} rows were acknowledged, {} are there",
            found.len()
        );
        for (index, found) in found.iter().enumerate() {
            let written = encode_row(&row(index as u64, lines, seed));
            assert!(*found == written, "seed {seed}: row {index} came back with other bits");
        }
    }
    assert!(acknowledged > 5000, "only {acknowledged} rows were acknowledged in all");
    assert!(failures_met > 300, "only {failures_met} failures were met in all");
}

//! The crack gauge against known truth: `cargo bench --bench crack`, or `-- widths`, `courses`,
//! `texture`, `growth`, `upsets`, `empty`, `curtains`, `speed` for one table; `only=TEXT` for the rows that
//! begin so or hold it, `seed=N` for other noise and other textures, `along` for where along its path
//! a still crack's errors are.
//!
//! All numbers are of single frames at single stations, in px. `bias` is the mean error; `rms/bound`
//! the scatter about it over the Cramér–Rao bound of one profile of 1 px (centre, level and opening
//! unknown) divided by the root of the stations that share a change, 2√π · 4.5, and, in brackets, over
//! the same with the station's depth unknown; `pull` the r.m.s. of
//! error over one sigma; `found` the share of the crack's length at which it is said to be open,
//! `false` the length said to be open where nothing is, as a share of the crack's.

#[allow(dead_code)] // of what the benches share, some is used here
#[path = "../common/mod.rs"]
mod common;
mod growth;
mod scenes;
mod score;
mod speed;
mod still;
mod upsets;

/// What the command line asks for.
pub struct Asked {
    tables: Vec<String>,
    only: Option<String>,
    /// Added to the seeds of all scenes.
    pub seed: u64,
    /// Whether errors are told by their place along the path, too.
    pub along: bool,
}

impl Asked {
    fn read() -> Asked {
        let mut asked = Asked { tables: Vec::new(), only: None, seed: 0, along: false };
        for argument in std::env::args().skip(1).filter(|a| !a.starts_with("--")) {
            match argument.split_once('=') {
                Some(("only", text)) => asked.only = Some(text.to_owned()),
                Some(("seed", number)) => asked.seed = 1000 * number.parse().unwrap_or(0),
                None if argument == "along" => asked.along = true,
                _ => asked.tables.push(argument),
            }
        }
        asked
    }

    fn table(&self, name: &str) -> bool {
        self.tables.is_empty() || self.tables.iter().any(|table| table == name)
    }

    /// Whether the row that begins so is asked for.
    pub fn row(&self, head: &str) -> bool {
        self.only.as_ref().is_none_or(|text| head.contains(text.as_str()))
    }
}

/// A table: its name, and what prints it.
type Table = (&'static str, fn(&Asked));

fn main() {
    let asked = Asked::read();
    let tables: [Table; 8] = [
        ("widths", still::widths),
        ("courses", still::courses),
        ("texture", still::texture),
        ("growth", growth::growth),
        ("upsets", upsets::upsets),
        ("empty", upsets::empty),
        ("curtains", upsets::curtains),
        ("speed", |_| speed::speed()),
    ];
    for (name, table) in tables {
        if asked.table(name) {
            table(&asked);
        }
    }
}

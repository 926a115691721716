//! The front gauge on simulated fronts with known truth: `cargo bench --bench front`, or
//! `-- wavy 100` for the scenes whose name begins so, at one dose; `-- folds` for one table (edges,
//! folds, derived, upsets, no-front, speed), `-- derived wavy`; `--seeds=1` for one seed of each scene.
//!
//! First table, one line for each scene and dose, over all seeds: lines with an edge; median error of
//! these over its bound (robust sigma over the posterior Cramér–Rao bound of lines joined by the
//! gauge's own prior, brightness and blur known, texture left out); share of gross errors (more than
//! 3 px) and the most frames for which one lasted; standard deviation of error over stated sigma
//! ("pull") of lines, mean position, tip and velocities; median error of position and tip in px. The
//! drift is the true one: what the registration adds is told elsewhere. Second table: area, perimeter
//! and tip of fronts that fold. Third: what follows from the contour. Fourth: what upsets do to the
//! gauge, and specimens without a front. Last: the time that 800 lines take.

#[allow(dead_code)]
#[path = "../common/mod.rs"]
mod common;
mod derived;
mod edges;
mod folds;
mod pulls;
mod run;
mod speed;
mod truth;
mod upsets;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seeds = arguments.iter().find_map(|a| a.strip_prefix("--seeds=")?.parse().ok());
    let seeds: u64 = seeds.unwrap_or(3);
    let words: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|a| !a.starts_with("--")).collect();
    let doses: Vec<f64> = words.iter().filter_map(|a| a.parse().ok()).collect();
    let doses = if doses.is_empty() { vec![2.0, 10.0, 100.0, 1000.0] } else { doses };
    let name: Vec<&str> = words.into_iter().filter(|a| a.parse::<f64>().is_err()).collect();
    let (table, name) = match name.split_first() {
        Some((
            &table @ ("edges" | "folds" | "derived" | "upsets" | "no-front" | "speed"),
            rest,
        )) => (Some(table), rest.join(" ")),
        _ => (None, name.join(" ")),
    };
    let wanted = |one: &str| table.is_none_or(|table| table == one);
    if wanted("edges") {
        edges::table(&name, &doses, seeds);
    }
    if wanted("folds") {
        folds::table(&name, &doses, seeds);
    }
    if wanted("derived") {
        derived::table(&name, &doses, seeds);
    }
    if wanted("upsets") {
        upsets::table(&name);
    }
    if wanted("no-front") && name.is_empty() {
        upsets::no_front(seeds);
    }
    if wanted("speed") && name.is_empty() {
        speed::table();
    }
}

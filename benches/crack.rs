//! The crack gauge against known truth: `cargo bench --bench crack`, or `-- widths`, `courses`,
//! `texture`, `growth`, `upsets`, `empty`, `speed` for one table.
//!
//! All numbers are of single frames at single stations, in px. `bias` is the mean error; `rms/bound`
//! the scatter about it over the Cramér–Rao bound of one profile of 1 px (centre, level and opening
//! unknown) divided by the root of the stations that share a change, 2√π · 4.5; `pull` the r.m.s. of
//! error over one sigma; `found` the share of the crack's length at which it is said to be open,
//! `false` the length said to be open where nothing is, as a share of the crack's.

#[allow(dead_code)] // of what the benches share, some is used here
mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use liwatch::config::Config;
use liwatch::frame::{Image, Stamp};
use liwatch::gauge::{AnyGauge, Measurement, Schema, View, registry};
use liwatch::noise::opening_bound;
use liwatch::register::{Drift, DriftObservation, Motion, Tracker};
use liwatch::simulate::{Disturbance, Event, Fissure, Scene, SceneConfig};

const SIZE: usize = 360;
const PSF: f64 = 1.2;
const DEPTH: f64 = 0.7;
/// Stations that share a change: 2√π times the default `smooth_stations`.
const SHARED: f64 = 15.95;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wants = |table: &str| asked.is_empty() || asked.iter().any(|a| a == table);
    if wants("widths") {
        widths();
    }
    if wants("courses") {
        courses();
    }
    if wants("texture") {
        texture();
    }
    if wants("growth") {
        growth();
    }
    if wants("upsets") {
        upsets();
    }
    if wants("empty") {
        empty();
    }
    if wants("speed") {
        speed();
    }
}

/// A course in the field: its name and its vertices.
type Course = (&'static str, Vec<(f64, f64)>);

/// A straight crack through the field's middle, `angle` degrees from the vertical.
fn straight(angle: f64) -> Vec<(f64, f64)> {
    let (middle, half) = (SIZE as f64 / 2.0 + 0.37, 0.34 * SIZE as f64);
    let (s, c) = angle.to_radians().sin_cos();
    vec![(middle - half * s, middle - half * c), (middle + half * s, middle + half * c)]
}

fn curve() -> Vec<(f64, f64)> {
    let (from, to) = (0.15 * SIZE as f64, 0.85 * SIZE as f64);
    (0..=120)
        .map(|k| {
            let share = f64::from(k) / 120.0;
            let y = from + share * (to - from);
            (0.5 * SIZE as f64 + 40.0 * (std::f64::consts::TAU * share).sin(), y)
        })
        .collect()
}

fn kinked() -> Vec<(f64, f64)> {
    [(0.2, 0.15), (0.55, 0.35), (0.45, 0.6), (0.8, 0.8)]
        .map(|(x, y)| (x * SIZE as f64, y * SIZE as f64))
        .to_vec()
}

fn all_courses() -> Vec<Course> {
    vec![
        ("vertical", straight(0.0)),
        ("25°", straight(25.0)),
        ("45°", straight(45.0)),
        ("70°", straight(70.0)),
        ("horizontal", straight(90.0)),
        ("curved", curve()),
        ("kinked", kinked()),
    ]
}

/// A scene with one fissure and nothing else, without drift of its own.
fn scene(fissure: Fissure, dose: f64, contrast: f64, seed: u64, frames: usize) -> Scene {
    Scene::new(SceneConfig {
        width: SIZE,
        height: SIZE,
        frames,
        seed,
        contrast,
        dose_counts_per_px: dose,
        psf_px: PSF,
        jumps: 0,
        front: false,
        crack: false,
        fissures: vec![fissure],
        ..SceneConfig::default()
    })
}

/// A gauge over all but the field's border.
fn gauge(size: usize, keys: &str) -> Arc<dyn AnyGauge> {
    let side = size - 24;
    let text = format!(
        "[[gauge]]\nkind = \"crack\"\nname = \"c\"\nregion = [12, 12, {side}, {side}]\n{keys}\n"
    );
    let config = match Config::parse(&text, std::path::Path::new("bench.toml")) {
        Ok(config) => config,
        Err(error) => fail(&error.to_string()),
    };
    let built = config.gauges.first().and_then(|entry| {
        let kind = registry::find(&entry.kind)?;
        Some((kind.build)(entry, 1))
    });
    match built {
        Some(Ok(gauge)) => gauge,
        Some(Err(error)) => fail(&error.to_string()),
        None => fail("no such gauge"),
    }
}

fn fail(what: &str) -> ! {
    eprintln!("{what}");
    std::process::exit(1);
}

/// Keys of a gauge that is told depth and point spread.
fn told(contrast: &str) -> String {
    format!("contrast = \"{contrast}\"\ndepth = {DEPTH}\npsf_px = {PSF}")
}

/// One frame as the gauge reported it.
struct Row {
    index: usize,
    out: Measurement,
    path: Vec<(f64, f64)>,
    /// Stations that are said to be open.
    open: Vec<bool>,
}

impl Row {
    fn value(&self, schema: &Schema, name: &str) -> (f64, f64) {
        let at = schema.fields.iter().position(|field| field.name == name);
        at.map_or((f64::NAN, f64::NAN), |k| (self.out.values[k], self.out.errors[k]))
    }

    fn width(&self, station: usize) -> (f64, f64) {
        (f64::from(self.out.arrays[0][station]), f64::from(self.out.array_errors[0][station]))
    }
}

/// The drift as a perfect registration would report it.
fn drift(scene: &Scene, index: usize) -> Drift {
    let (x, y) = scene.truth(index).drift;
    let anchor = Tracker::judge(&DriftObservation::ANCHOR, 1.0);
    Drift { x, y, motion: Motion::shift(x, y), ..anchor }
}

/// Runs a gauge over a scene; hints come one frame later.
fn run(gauge: &Arc<dyn AnyGauge>, scene: &Scene) -> Vec<Row> {
    let mut tracker = Arc::clone(gauge).tracker();
    let mut hints = gauge.first_hints();
    let mut image = Image::zeros_u16(0, 0);
    let mut path = Vec::new();
    (0..scene.config.frames)
        .map(|index| {
            scene.render(index, &mut image);
            let view = View::new(&image, drift(scene, index), scene.config.camera);
            let stamp = Stamp {
                index: index as u64,
                sequence: index as u64,
                time_s: index as f64 / scene.config.frame_rate_hz,
                unix_time_s: f64::NAN,
            };
            let mut out = Measurement::blank(gauge.schema());
            hints = tracker.track(&stamp, gauge.observe(&view, &hints), &mut out);
            for (place, values) in &out.constants {
                if gauge.schema().constants[*place].name == "path" {
                    path = values
                        .chunks_exact(2)
                        .map(|at| (f64::from(at[0]), f64::from(at[1])))
                        .collect();
                }
            }
            let listed = gauge.schema().arrays.iter().position(|array| array.name == "open");
            let open = listed.map_or(vec![], |k| out.arrays[k].iter().map(|o| *o > 0.5).collect());
            Row { index, out, path: path.clone(), open }
        })
        .collect()
}

/// Sums over stations and frames.
#[derive(Default)]
struct Sums {
    n: f64,
    error: f64,
    squared: f64,
    in_bounds: f64,
    pull: f64,
    centre: f64,
    truth: f64,
    found: f64,
    wrong: f64,
}

fn judge(scene: &Scene, rows: &[Row], from: usize, sums: &mut Sums) {
    let fissure = &scene.config.fissures[0];
    let camera = &scene.config.camera;
    let dose = scene.config.dose_counts_per_px;
    let signed = fissure.depth;
    for row in rows.iter().filter(|row| row.index >= from) {
        let time = row.index as f64 / scene.config.frames as f64;
        let length = fissure.length(time);
        let mut covered = vec![false; length.ceil() as usize + 1];
        for (k, at) in row.path.iter().enumerate() {
            let (distance, along) = fissure.nearest(*at);
            let truth = fissure.opening(along, time);
            if row.open[k] {
                if distance < 2.0 + 0.5 * truth && along <= length {
                    let here = along as usize;
                    let end = (here + 2).min(covered.len());
                    covered[here.saturating_sub(1)..end].fill(true);
                } else if distance > 3.0 + truth || along > length + 6.0 {
                    sums.wrong += 1.0;
                }
            }
            let (width, error) = row.width(k);
            if !(width.is_finite() && error.is_finite())
                || distance > 3.0
                || along < 15.0
                || along > length - 15.0
            {
                continue;
            }
            let miss = width - truth;
            let bound =
                opening_bound(camera.offset_counts + dose, signed, truth, PSF, 61, true, camera)
                    / SHARED.sqrt();
            sums.n += 1.0;
            sums.error += miss;
            sums.squared += miss * miss;
            sums.in_bounds += (miss / bound).powi(2);
            sums.pull += (miss / error).powi(2);
            sums.centre += distance * distance;
        }
        sums.truth += length;
        sums.found += covered.iter().filter(|c| **c).count() as f64;
    }
}

impl Sums {
    fn print(&self, head: &str) {
        let bias = self.error / self.n;
        println!(
            "| {head} | {bias:+.3} | {:.3} | {:.2} | {:.2} | {:.2} | {:.1} % | {:.1} % |",
            (self.squared / self.n - bias * bias).max(0.0).sqrt(),
            (self.in_bounds / self.n).sqrt(),
            (self.pull / self.n).sqrt(),
            (self.centre / self.n).sqrt(),
            (100.0 * self.found / self.truth).min(100.0),
            100.0 * self.wrong / self.truth
        );
    }
}

const COLUMNS: &str = "bias | scatter | rms/bound | pull | centre rms | found | false |";
const RULE: &str = "---|---|---|---|---|---|---|";

/// Every width at every dose, over all directions, on a smooth background.
fn widths() {
    println!("\nwidths and doses: all courses, smooth background, depth and point spread told");
    println!("| width px | counts/px | {COLUMNS}\n|---|---|{RULE}");
    for width in [0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0] {
        for dose in [5.0, 50.0, 1000.0] {
            let mut sums = Sums::default();
            for (k, (_, course)) in all_courses().into_iter().enumerate() {
                let fissure = Fissure::still(course, width);
                let scene = scene(fissure, dose, 0.0, 11 + k as u64, 16);
                let gauge = gauge(SIZE, &told("dark"));
                judge(&scene, &run(&gauge, &scene), 8, &mut sums);
            }
            sums.print(&format!("{width} | {dose}"));
        }
    }
}

/// Every course by itself, dark and bright, even and partly filled.
fn courses() {
    println!("\ncourses at 50 counts/px, smooth background; estimated: a tapered crack, 8 px wide");
    println!("| course | crack | {COLUMNS}\n|---|---|{RULE}");
    for (k, (name, course)) in all_courses().into_iter().enumerate() {
        for width in [0.5, 2.0, 8.0] {
            let mut sums = Sums::default();
            let scene = scene(Fissure::still(course.clone(), width), 50.0, 0.0, 31 + k as u64, 20);
            judge(&scene, &run(&gauge(SIZE, &told("dark")), &scene), 12, &mut sums);
            sums.print(&format!("{name} | {width} px, told"));
        }
        let tapered = Fissure { even: false, ..Fissure::still(course.clone(), 8.0) };
        let variants = [
            ("estimated", "dark", tapered.clone()),
            ("bright, estimated", "bright", Fissure { depth: -DEPTH, ..tapered.clone() }),
            (
                "half filled, estimated",
                "dark",
                Fissure { filled: Some((0.2, 0.5, 0.5)), ..tapered },
            ),
        ];
        for (what, contrast, fissure) in variants {
            let mut sums = Sums::default();
            let scene = scene(fissure, 50.0, 0.0, 51 + k as u64, 30);
            let gauge = gauge(SIZE, &format!("contrast = \"{contrast}\""));
            judge(&scene, &run(&gauge, &scene), 10, &mut sums);
            sums.print(&format!("{name} | {what}"));
        }
    }
}

/// On a textured specimen, where the texture errs and not the electrons.
fn texture() {
    println!("\ntextured specimen (12 % r.m.s.), all courses; bound: of the noise alone");
    println!("| crack | counts/px | {COLUMNS}\n|---|---|{RULE}");
    for (what, width, even) in
        [("0.5 px, told", 0.5, true), ("2 px, told", 2.0, true), ("8 px, tapered", 8.0, false)]
    {
        for dose in [20.0, 200.0] {
            let mut sums = Sums::default();
            for (k, (_, course)) in all_courses().into_iter().enumerate() {
                let fissure = Fissure { even, ..Fissure::still(course, width) };
                let scene = scene(fissure, dose, 0.12, 71 + k as u64, 16);
                let keys = if even { told("dark") } else { "contrast = \"dark\"".to_owned() };
                judge(&scene, &run(&gauge(SIZE, &keys), &scene), 6, &mut sums);
            }
            sums.print(&format!("{what} | {dose}"));
        }
    }
}

/// A crack that opens and propagates: tip, length and rates.
fn growth() {
    println!("\ngrowing cracks, 8 px at the end; tip and length: rms px (pull); rate: px/frame");
    println!(
        "| course | counts/px | tip | length | rate found | rate true | found | false | no number |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    let asked = ["vertical", "45°", "curved", "kinked"];
    for (k, (name, course)) in
        all_courses().into_iter().enumerate().filter(|(_, (name, _))| asked.contains(name))
    {
        for (dose, contrast) in [(50.0, 0.0), (50.0, 0.12)] {
            let fissure = Fissure {
                even: false,
                grown: 0.45,
                opened: 0.4,
                ..Fissure::still(course.clone(), 8.0)
            };
            let scene = scene(fissure.clone(), dose, contrast, 91 + k as u64, 80);
            let gauge = gauge(SIZE, "contrast = \"dark\"");
            let rows = run(&gauge, &scene);
            let mut sums = Sums::default();
            judge(&scene, &rows, 20, &mut sums);
            let (mut tip, mut tip_pull, mut long, mut long_pull, mut rate) = (0., 0., 0., 0., 0.);
            let (mut lost, mut rated) = (0, 0.0);
            let late: Vec<&Row> = rows
                .iter()
                .filter(|row| row.index >= 20)
                .filter(|row| {
                    let known = row.value(gauge.schema(), "tip_x").0.is_finite();
                    lost += usize::from(!known);
                    known
                })
                .collect();
            for row in &late {
                let time = row.index as f64 / scene.config.frames as f64;
                let truth = fissure.length(time);
                let at = fissure.point(truth);
                let ((x, ex), (y, ey)) =
                    (row.value(gauge.schema(), "tip_x"), row.value(gauge.schema(), "tip_y"));
                let miss = (x - at.0).hypot(y - at.1);
                tip += miss * miss;
                tip_pull += miss * miss / (ex * ex + ey * ey);
                let (found, error) = row.value(gauge.schema(), "length");
                long += (found - truth).powi(2);
                long_pull += ((found - truth) / error).powi(2);
                let now = row.value(gauge.schema(), "propagation_rate").0;
                if now.is_finite() {
                    rate += now;
                    rated += 1.0;
                }
            }
            let n = late.len() as f64;
            let texture = if contrast > 0.0 { " textured" } else { "" };
            println!(
                "| {name}{texture} | {dose} | {:.2} ({:.2}) | {:.2} ({:.2}) | {:.2} | {:.2} | {:.1} % | {:.1} % | {lost} |",
                (tip / n).sqrt(),
                (tip_pull / n).sqrt(),
                (long / n).sqrt(),
                (long_pull / n).sqrt(),
                rate / rated / scene.config.frame_rate_hz,
                fissure.path_length() * 0.55 / scene.config.frames as f64,
                100.0 * sums.found / sums.truth,
                100.0 * sums.wrong / sums.truth,
            );
        }
    }
}

/// What must not be read as growth: a crack that stands still, and something that goes wrong.
fn upsets() {
    const AT: usize = 48;
    let lasting = |frames: usize, disturbance| {
        vec![Event { from: AT, until: AT.saturating_add(frames), disturbance }]
    };
    let all: Vec<(&str, Vec<Event>)> = vec![
        ("nothing", vec![]),
        (
            "refocus, 2 px blur",
            lasting(usize::MAX, Disturbance::Refocus { blur_px: 2.0, magnification: 1.0 }),
        ),
        ("brightness doubled", lasting(usize::MAX, Disturbance::Brightness(2.0))),
        ("brightness halved", lasting(usize::MAX, Disturbance::Brightness(0.5))),
        ("contrast times 1.4", lasting(usize::MAX, Disturbance::Contrast(1.4))),
        ("contrast halved", lasting(usize::MAX, Disturbance::Contrast(0.5))),
        ("contamination", lasting(60, Disturbance::Contamination { per_frame: 0.004 })),
        ("charging flash", lasting(6, Disturbance::Flash)),
        ("shadow", lasting(40, Disturbance::Shadow)),
        ("drift jump", lasting(usize::MAX, Disturbance::Jump { x: 9.3, y: -6.6 })),
        ("blanked beam", lasting(10, Disturbance::Blanked)),
        ("scan-line noise", lasting(30, Disturbance::ScanNoise { jitter_px: 0.5, streak: 0.05 })),
    ];
    println!(
        "\na crack that stands still (6 px mouth, tapered, textured, 50 counts/px), upset at frame {AT}: \
         largest\nchange against the mean before, in px and in sigma; frames without a number; least \
         quality before, after"
    );
    println!(
        "| upset | width_mean px (sigma) | length px (sigma) | no number | quality |\n|---|---|---|---|---|"
    );
    for (name, events) in all {
        let fissure = Fissure { even: false, ..Fissure::still(curve(), 6.0) };
        let mut config = scene(fissure, 50.0, 0.12, 5, 104).config;
        config.events = events;
        let scene = Scene::new(config);
        let gauge = gauge(SIZE, "contrast = \"dark\"");
        let rows = run(&gauge, &scene);
        let (mut cells, mut lost) = (Vec::new(), 0);
        for field in ["width_mean", "length"] {
            let before: Vec<f64> = rows[24..AT]
                .iter()
                .map(|row| row.value(gauge.schema(), field).0)
                .filter(|v| v.is_finite())
                .collect();
            let mean = before.iter().sum::<f64>() / before.len() as f64;
            let (mut most, mut sigmas) = (0.0f64, 0.0f64);
            for row in &rows[AT..] {
                let (value, error) = row.value(gauge.schema(), field);
                if value.is_nan() {
                    lost += 1;
                    continue;
                }
                if (value - mean).abs() > most.abs() {
                    most = value - mean;
                }
                sigmas = sigmas.max(((value - mean) / error).abs());
            }
            cells.push(format!("{most:+.2} ({sigmas:.1})"));
        }
        let least = |part: &[Row]| part.iter().map(|row| row.out.quality).fold(1.0f32, f32::min);
        println!(
            "| {name} | {} | {} | {} | {:.2}, {:.2} |",
            cells[0],
            cells[1],
            lost / 2,
            least(&rows[24..AT]),
            least(&rows[AT..])
        );
    }
}

/// Scenes without a crack: the length that is reported.
fn empty() {
    println!("\nno crack: frames (of 24) that report one, mean length, largest length");
    println!(
        "| specimen | counts/px | contrast | frames | mean | largest |\n|---|---|---|---|---|---|"
    );
    for dose in [5.0, 50.0, 1000.0] {
        for texture in [0.0, 0.12] {
            for contrast in ["dark", "bright"] {
                let (mut with, mut sum, mut most) = (0, 0.0, 0.0f64);
                for seed in 0..3 {
                    let nothing = Fissure { widest_px: 0.0, ..Fissure::still(curve(), 0.0) };
                    let scene = scene(nothing, dose, texture, 400 + seed, 8);
                    let gauge = gauge(SIZE, &format!("contrast = \"{contrast}\""));
                    for row in run(&gauge, &scene) {
                        let length = row.value(gauge.schema(), "length").0;
                        if length > 0.0 {
                            with += 1;
                            sum += length;
                            most = most.max(length);
                        }
                    }
                }
                println!(
                    "| {} | {dose} | {contrast} | {with} | {:.1} | {most:.1} |",
                    if texture > 0.0 { "textured" } else { "smooth" },
                    sum / 24.0
                );
            }
        }
    }
}

/// Time of one frame in steady tracking, of a search, and of one read of the frame.
fn speed() {
    println!("\none thread, 1024², a 600 px long crack, 6 px at the mouth; ms a frame");
    println!("| path | observe, steady | track | first search | one read of the frame |");
    println!("|---|---|---|---|---|");
    let path = vec![(300.0, 240.0), (500.0, 480.0), (640.0, 720.0)];
    let fissure = Fissure { even: false, ..Fissure::still(path, 6.0) };
    let mut config = scene(fissure, 50.0, 0.0, 3, 12).config;
    (config.width, config.height) = (1024, 1024);
    let scene = Scene::new(config);
    let frames: Vec<Image> = (0..scene.config.frames)
        .map(|index| {
            let mut image = Image::zeros_u16(0, 0);
            scene.render(index, &mut image);
            image
        })
        .collect();
    let read = common::read_once(&frames[0]);
    for (what, keys) in
        [("free", "contrast = \"dark\""), ("along y", "contrast = \"dark\"\nalong = \"y\"")]
    {
        let gauge = gauge(1024, keys);
        let mut tracker = Arc::clone(&gauge).tracker();
        let mut hints = gauge.first_hints();
        let view =
            |index: usize| View::new(&frames[index], drift(&scene, index), scene.config.camera);
        let started = Instant::now();
        gauge.observe(&view(0), &hints);
        let first = started.elapsed();
        let (mut steady, mut tracked) = (Duration::ZERO, Duration::ZERO);
        for index in 0..frames.len() {
            let stamp = Stamp {
                index: index as u64,
                sequence: index as u64,
                time_s: index as f64 * 0.05,
                unix_time_s: f64::NAN,
            };
            let mut out = Measurement::blank(gauge.schema());
            let seen = gauge.observe(&view(index), &hints);
            let started = Instant::now();
            hints = tracker.track(&stamp, seen, &mut out);
            tracked = started.elapsed();
            if index + 1 == frames.len() {
                steady = common::median_time(Duration::from_millis(1500), || {
                    gauge.observe(&view(index), &hints);
                });
            }
        }
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "| {what} | {:.3} | {:.3} | {:.1} | {:.3} |",
            ms(steady),
            ms(tracked),
            ms(first),
            ms(read)
        );
    }
}

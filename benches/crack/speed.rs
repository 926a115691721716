//! Time of a frame, alone and with what the first ones search for, and of one read of the frame.

use std::sync::Arc;
use std::time::{Duration, Instant};

use liwatch::frame::{Image, Stamp};
use liwatch::gauge::{Sequence, View};
use liwatch::simulate::{Fissure, Scene};

use crate::common::{self, LAG};
use crate::scenes::{drift, gauge, scene};

/// Time of one frame in steady tracking, of a search, and of one read of the frame.
pub fn speed() {
    println!("\none thread, 1024², a 600 px long crack, 6 px at the mouth; ms a frame");
    println!(
        "| path | observe, steady | mean of the first 64 | track | first frame | a search beside it | one \
         read of the frame |"
    );
    println!("|---|---|---|---|---|---|---|");
    let path = vec![(300.0, 240.0), (500.0, 480.0), (640.0, 720.0)];
    let still = Fissure { even: false, ..Fissure::still(path, 6.0) };
    // Its tip goes 2 px a frame.
    let growing = Fissure { grown: 1.0 - 2.0 * 64.0 / still.path_length(), ..still.clone() };
    let recorded = |fissure: Fissure| {
        let mut config = scene(fissure, 50.0, 0.0, 3, 64).config;
        (config.width, config.height) = (1024, 1024);
        let scene = Scene::new(config);
        let frames: Vec<Image> = (0..scene.config.frames)
            .map(|index| {
                let mut image = Image::zeros_u16(0, 0);
                scene.render(index, &mut image);
                image
            })
            .collect();
        (scene, frames)
    };
    let (still, growing) = (recorded(still), recorded(growing));
    let read = common::read_once(&still.1[0]);
    let free = "contrast = \"dark\"";
    for (what, keys, (scene, frames)) in [
        ("free", free.to_owned(), &still),
        ("along y", format!("{free}\nalong = \"y\""), &still),
        ("free, growing", free.to_owned(), &growing),
    ] {
        let gauge = gauge(1024, &keys);
        let mut sequence = Sequence::new(Arc::clone(&gauge), LAG);
        let view =
            |index: usize| View::new(&frames[index], drift(scene, index), scene.config.camera);
        let started = Instant::now();
        gauge.observe(&view(0), &gauge.first_hints());
        let first = started.elapsed();
        let mut searches = Vec::new();
        let (mut steady, mut all, mut tracked) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        for index in 0..frames.len() {
            let stamp = Stamp {
                index: index as u64,
                sequence: index as u64,
                time_s: index as f64 * 0.05,
                unix_time_s: f64::NAN,
            };
            let hints = sequence.hints(index as u64);
            let started = Instant::now();
            let seen = gauge.observe(&view(index), &hints);
            all += started.elapsed();
            let started = Instant::now();
            let found = gauge.search(&view(index), &hints);
            if found.is_some() {
                searches.push(started.elapsed());
            }
            let started = Instant::now();
            sequence.take(&stamp, seen, found);
            tracked = started.elapsed();
            if index + 1 == frames.len() {
                steady = common::median_time(Duration::from_millis(1500), || {
                    gauge.observe(&view(index), &hints);
                });
            }
        }
        searches.sort();
        let search = searches.get(searches.len() / 2).copied().unwrap_or_default();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "| {what} | {:.3} | {:.3} | {:.3} | {:.1} | {:.1} | {:.3} |",
            ms(steady),
            ms(all / frames.len() as u32),
            ms(tracked),
            ms(first),
            ms(search),
            ms(read)
        );
    }
}

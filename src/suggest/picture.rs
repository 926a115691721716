//! The proposal as a picture: the regions over the last frames, and when each place was swept.

use std::path::Path;

use plotters::element::BitMapElement;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::front::Direction;
use super::grid::{Map, quantile};
use super::{Proposal, Shown};
use crate::frame::Region;

const FONT: &str = "liwatch";
const FONT_FILE: &[u8] = include_bytes!("../../assets/DejaVuSans.ttf");
const HEAD: u32 = 78;
const FOOT: u32 = 118;
const GAP: u32 = 24;
/// About the width of one of the two panels.
const PANEL: u32 = 820;
/// Colours that remain apart for colour-blind readers (M. Okabe and K. Ito, 2008).
const FRONT: RGBColor = RGBColor(86, 180, 233);
const LITHIUM: RGBColor = RGBColor(0, 158, 115);
const CRACK: RGBColor = RGBColor(230, 159, 0);
const DRAWN: RGBColor = RGBColor(204, 121, 167);

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;
type Error = Box<dyn std::error::Error>;

/// Draws the proposal to a PNG.
///
/// # Errors
/// What the file system says.
pub fn draw(proposal: &Proposal, name: &str, path: &Path) -> Result<(), String> {
    // A second registration of the same font is no error worth telling.
    let _ = register_font(FONT, FontStyle::Normal, FONT_FILE);
    let shown = &proposal.shown;
    let (width, height) = (shown.late.width as u32, shown.late.height as u32);
    let zoom = (PANEL / width).clamp(1, 8);
    let panel = (width * zoom, height * zoom);
    let size = (2 * panel.0 + 3 * GAP, panel.1 + HEAD + FOOT);
    let root = BitMapBackend::new(path, size).into_drawing_area();
    all(proposal, name, &root, zoom, panel)
        .and_then(|()| Ok(root.present()?))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn all(
    proposal: &Proposal,
    name: &str,
    root: &Area<'_>,
    zoom: u32,
    panel: (u32, u32),
) -> Result<(), Error> {
    root.fill(&WHITE)?;
    let shown = &proposal.shown;
    let grey = RGBColor(80, 80, 80);
    let write = |text: &str, size: u32, colour: &RGBColor, at: (i32, i32)| {
        root.draw_text(text, &(FONT, size).into_font().color(colour).into_text_style(root), at)
    };
    write(&format!("{name}: what liwatch suggest proposes"), 24, &BLACK, (GAP as i32, 10))?;
    let right = (2 * GAP + panel.0) as i32;
    write("mean of the last frames, drift taken out", 16, &grey, (GAP as i32, 48))?;
    write("frame of the one lasting change (early violet, late yellow)", 16, &grey, (right, 48))?;
    let left = (GAP as i32, HEAD as i32);
    picture(root, left, zoom, &shown.late, grey_of(&shown.late))?;
    picture(root, (right, HEAD as i32), zoom, &shown.late, arrival_of(shown))?;
    let scale = f64::from(zoom) / shown.factor as f64;
    for origin in [left, (right, HEAD as i32)] {
        let place = |x: f64, y: f64| {
            let pixel = |v: f64, from: i32| from + (v * scale).round() as i32;
            (pixel(x, origin.0), pixel(y, origin.1))
        };
        let outline = |region: Region, colour: &RGBColor, width: u32| {
            let Region { x, y, width: w, height: h } = region;
            let ends = [place(x as f64, y as f64), place((x + w) as f64, (y + h) as f64)];
            root.draw(&Rectangle::new(ends, colour.stroke_width(width)))
        };
        for overlay in &proposal.overlays {
            outline(overlay.region, &DRAWN, 3)?;
        }
        if let Some(front) = &proposal.front {
            for lithium in &front.lithium {
                outline(*lithium, &LITHIUM, 1)?;
            }
            outline(front.region, &FRONT, 3)?;
            arrow(root, front.region, front.grows, place)?;
        }
        if let Some(crack) = &proposal.crack {
            outline(crack.region, &CRACK, 3)?;
        }
    }
    let foot = (HEAD + panel.1) as i32;
    for (k, (colour, text)) in legend(proposal).iter().enumerate() {
        let y = foot + 8 + 26 * k as i32;
        let key = [(GAP as i32, y + 4), (GAP as i32 + 26, y + 16)];
        root.draw(&Rectangle::new(key, colour.filled()))?;
        write(text, 16, &BLACK, (GAP as i32 + 36, y))?;
    }
    Ok(())
}

fn legend(proposal: &Proposal) -> Vec<(RGBColor, String)> {
    let mut lines = Vec::new();
    match &proposal.front {
        Some(front) => {
            let text = format!(
                "front, {}: grows {}; it came {} px",
                front.sureness,
                front.grows.name(),
                front.length_px
            );
            lines.push((FRONT, text));
            lines.push((LITHIUM, "all that lithium may cover: not used for the drift".to_owned()));
        }
        None => lines.push((FRONT, format!("no front: {}", proposal.front_note))),
    }
    lines.push(match &proposal.crack {
        Some(crack) => (CRACK, format!("crack, {}: {} px long", crack.sureness, crack.length_px)),
        None => (CRACK, format!("no crack: {}", proposal.crack_note)),
    });
    if !proposal.overlays.is_empty() {
        lines.push((DRAWN, "drawn into the frames: its pixels never change".to_owned()));
    }
    lines
}

/// A map, each cell as `zoom` pixels a side.
fn picture(
    root: &Area<'_>,
    at: (i32, i32),
    zoom: u32,
    map: &Map,
    colour: impl Fn(usize) -> [u8; 3],
) -> Result<(), Error> {
    let zoom = zoom as usize;
    let mut pixels = Vec::with_capacity(3 * map.cells.len() * zoom * zoom);
    for y in 0..map.height * zoom {
        for x in 0..map.width * zoom {
            pixels.extend(colour(y / zoom * map.width + x / zoom));
        }
    }
    let size = ((map.width * zoom) as u32, (map.height * zoom) as u32);
    let element = BitMapElement::with_owned_buffer(at, size, pixels);
    root.draw(&element.ok_or("the picture's buffer has a wrong size")?)?;
    Ok(())
}

/// Grey from the hundredth to the 99 hundredths of the values.
fn grey_of(map: &Map) -> impl Fn(usize) -> [u8; 3] + '_ {
    let low = quantile(map.cells.iter().copied(), 0.005);
    let high = quantile(map.cells.iter().copied(), 0.995);
    let span = (high - low).max(f32::MIN_POSITIVE);
    move |cell| [(255.0 * ((map.cells[cell] - low) / span).clamp(0.0, 1.0)) as u8; 3]
}

/// The time of arrival in colour where a step is significant, else the dimmed picture.
fn arrival_of(shown: &Shown) -> impl Fn(usize) -> [u8; 3] + '_ {
    let grey = grey_of(&shown.late);
    let stepped = [-1.0, 1.0].map(|sign| shown.steps.stepped(sign));
    let swept = shown.swept.as_ref();
    move |cell| {
        let significant = stepped.iter().any(|mask| mask.cells[cell]);
        if !significant && !swept.is_some_and(|swept| swept.cells[cell]) {
            return grey(cell).map(|value| value / 3);
        }
        let share = f64::from(shown.steps.arrival[cell]) / shown.frames.max(1) as f64;
        time_colour(share)
    }
}

/// From violet over green to yellow, evenly for the eye: between five colours of the map viridis
/// (S. van der Walt and N. Smith, 2015, CC0).
fn time_colour(share: f64) -> [u8; 3] {
    const STOPS: [[f64; 3]; 5] = [
        [68.0, 1.0, 84.0],
        [59.0, 82.0, 139.0],
        [33.0, 145.0, 140.0],
        [94.0, 201.0, 98.0],
        [253.0, 231.0, 37.0],
    ];
    let at = share.clamp(0.0, 1.0) * 4.0;
    let stop = (at as usize).min(3);
    let part = at - stop as f64;
    std::array::from_fn(|k| (STOPS[stop][k] * (1.0 - part) + STOPS[stop + 1][k] * part) as u8)
}

/// An arrow along the growth, over the middle of the region.
fn arrow(
    root: &Area<'_>,
    region: Region,
    grows: Direction,
    place: impl Fn(f64, f64) -> (i32, i32),
) -> Result<(), Error> {
    let Region { x, y, width, height } = region;
    let (width, height) = (width as f64, height as f64);
    let (middle_x, middle_y) = (x as f64 + 0.5 * width, y as f64 + 0.5 * height);
    let (dx, dy) = match grows {
        Direction::Right => (1.0, 0.0),
        Direction::Left => (-1.0, 0.0),
        Direction::Down => (0.0, 1.0),
        Direction::Up => (0.0, -1.0),
    };
    let reach = 0.3 * if dx == 0.0 { height } else { width };
    let barb = 0.2 * reach;
    let tip = (middle_x + reach * dx, middle_y + reach * dy);
    let tail = (middle_x - reach * dx, middle_y - reach * dy);
    let side = |sign: f64| {
        (tip.0 - barb * dx + sign * 0.5 * barb * dy, tip.1 - barb * dy + sign * 0.5 * barb * dx)
    };
    let lines = [[tail, tip], [side(1.0), tip], [side(-1.0), tip]];
    for line in lines {
        let ends = line.map(|(x, y)| place(x, y));
        root.draw(&PathElement::new(ends, FRONT.stroke_width(4)))?;
    }
    Ok(())
}

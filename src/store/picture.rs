//! A run as one picture: panels over one time axis, with one-sigma bands and alarms.

use std::ops::Range;
use std::path::Path;

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::summary::{GaugeSummary, RunSummary, Series};

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("{path}: the picture could not be drawn: {what}")]
pub struct PictureError {
    path: String,
    what: String,
}

const WIDTH: u32 = 1600;
const PANEL_HEIGHT: u32 = 300;
const HEAD: u32 = 70;
/// Colours that remain apart for colour-blind readers (M. Okabe and K. Ito, 2008).
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
];
const ALARM: RGBColor = RGBColor(200, 0, 40);
const FONT: &str = "liwatch";
const FONT_FILE: &[u8] = include_bytes!("../../assets/DejaVuSans.ttf");
/// Points of a line, at most; more are drawn as minimum and maximum of each share.
const POINTS: usize = 1400;

/// One panel: a few series in one unit, perhaps a second unit on the right.
struct Panel<'a> {
    title: String,
    left: Vec<&'a Series>,
    right: Vec<&'a Series>,
}

/// Draws the run to a PNG.
///
/// # Errors
/// [`PictureError`] when the file cannot be written.
pub fn draw(run: &RunSummary, path: &Path) -> Result<(), PictureError> {
    // A second registration of the same font is no error worth telling.
    let _ = register_font(FONT, FontStyle::Normal, FONT_FILE);
    let panels = panels(run);
    let height = HEAD + PANEL_HEIGHT * panels.len() as u32;
    let root = BitMapBackend::new(path, (WIDTH, height)).into_drawing_area();
    draw_all(run, &panels, &root)
        .and_then(|()| root.present().map_err(|error| error.to_string()))
        .map_err(|what| PictureError { path: path.display().to_string(), what })
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

fn draw_all(run: &RunSummary, panels: &[Panel<'_>], root: &Area<'_>) -> Result<(), String> {
    let told = |error: DrawingAreaErrorKind<_>| error.to_string();
    root.fill(&WHITE).map_err(told)?;
    let (head, body) = root.split_vertically(HEAD);
    let ledger = &run.ledger;
    head.draw_text(
        &run.title,
        &(FONT, 26).into_font().color(&BLACK).into_text_style(root),
        (24, 12),
    )
    .map_err(told)?;
    let line = format!(
        "{} frames: {} measured, {} degraded, {} dropped, {} corrupt, {} missing   ·   bands: one \
         sigma   ·   reference: the first measured frame",
        ledger.received,
        ledger.measured,
        ledger.degraded,
        ledger.dropped,
        ledger.corrupt,
        ledger.missing
    );
    let grey = RGBColor(90, 90, 90);
    head.draw_text(&line, &(FONT, 16).into_font().color(&grey).into_text_style(root), (24, 44))
        .map_err(told)?;
    let time = time_range(run);
    let areas = body.split_evenly((panels.len(), 1));
    for (k, (panel, area)) in panels.iter().zip(&areas).enumerate() {
        let last = k + 1 == panels.len();
        draw_panel(run, panel, area, time.clone(), last, k == 0)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn panels(run: &RunSummary) -> Vec<Panel<'_>> {
    let mut out = Vec::new();
    for gauge in &run.gauges {
        let pick = |names: &[&str]| -> Vec<&Series> {
            names.iter().filter_map(|name| find(gauge, name)).filter(|s| is_known(s)).collect()
        };
        let (left, right) = match gauge.kind.as_str() {
            "front" => (pick(&["position", "tip", "gap"]), pick(&["velocity"])),
            "crack" => (pick(&["width_mean", "width_max"]), pick(&["length"])),
            _ => (gauge.series.iter().take(2).collect(), Vec::new()),
        };
        out.push(Panel { title: format!("{} {}", gauge.kind, gauge.name), left, right });
    }
    let cell: Vec<&Series> = run.cell.iter().filter(|series| is_known(series)).collect();
    if let Some((voltage, current)) = cell.split_first() {
        let title = "cell".to_owned();
        out.push(Panel { title, left: vec![*voltage], right: current.to_vec() });
    }
    out.push(Panel {
        title: "drift".to_owned(),
        left: run.drift.iter().collect(),
        right: Vec::new(),
    });
    out
}

fn find<'a>(gauge: &'a GaugeSummary, name: &str) -> Option<&'a Series> {
    gauge.series.iter().find(|series| series.name == name)
}

fn is_known(series: &Series) -> bool {
    series.values.iter().any(|value| value.is_finite())
}

type Error = Box<dyn std::error::Error>;

fn draw_panel(
    run: &RunSummary,
    panel: &Panel<'_>,
    area: &Area<'_>,
    time: Range<f64>,
    last: bool,
    first: bool,
) -> Result<(), Error> {
    let left = value_range(&panel.left);
    let right = value_range(&panel.right);
    let mut chart = ChartBuilder::on(area)
        .margin_left(10)
        .margin_right(if panel.right.is_empty() { 98 } else { 16 })
        .margin_top(6)
        .x_label_area_size(if last { 46 } else { 22 })
        .y_label_area_size(96)
        .right_y_label_area_size(if panel.right.is_empty() { 0 } else { 82 })
        .build_cartesian_2d(time.clone(), left.clone())?
        .set_secondary_coord(time.clone(), right.clone());
    let label = (FONT, 16).into_font();
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .axis_style(RGBColor(120, 120, 120))
        .x_desc(if last { "time since the first frame (s)" } else { "" })
        .y_desc(description(&panel.title, &panel.left))
        .axis_desc_style((FONT, 17))
        .label_style(label.clone())
        .y_labels(6)
        .x_labels(12)
        .y_label_formatter(&|value| tick(*value))
        .x_label_formatter(&|value| tick(*value))
        .draw()?;
    if !panel.right.is_empty() {
        chart
            .configure_secondary_axes()
            .y_desc(description("", &panel.right))
            .axis_desc_style((FONT, 17))
            .label_style(label.clone())
            .y_labels(6)
            .y_label_formatter(&|value| tick(*value))
            .draw()?;
    }
    mark_lost(run, &mut chart, &left)?;
    for alarm in run.alarms.iter().filter(|alarm| alarm.raised) {
        let ends = [(alarm.time_s, left.start), (alarm.time_s, left.end)];
        chart.draw_series(std::iter::once(PathElement::new(ends, ALARM.stroke_width(2))))?;
        if first {
            let style = (FONT, 16).into_font().color(&ALARM);
            let at = (alarm.time_s, left.end);
            let width = (time.end - time.start) * 0.005;
            let text = Text::new(format!("{} ", alarm.name), (at.0 + width, at.1), style);
            chart.draw_series(std::iter::once(text))?;
        }
    }
    let mut colours = COLOURS.iter().cycle();
    for series in &panel.left {
        let Some(colour) = colours.next() else { break };
        for run_of in pieces(&run.time_s, series) {
            let upper = run_of.iter().map(|p| (p.time, p.high));
            let lower = run_of.iter().rev().map(|p| (p.time, p.low));
            let band: Vec<(f64, f64)> = upper.chain(lower).collect();
            chart.draw_series(std::iter::once(Polygon::new(band, colour.mix(0.22))))?;
        }
        let mut labelled = false;
        for run_of in pieces(&run.time_s, series) {
            let line = run_of.iter().map(|p| (p.time, p.value));
            let drawn = chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
            if !labelled {
                labelled = true;
                let colour = *colour;
                drawn.label(series.name.replace('_', " ")).legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(3))
                });
            }
        }
    }
    for series in &panel.right {
        let Some(colour) = colours.next() else { break };
        let mut labelled = false;
        for run_of in pieces(&run.time_s, series) {
            let line = run_of.iter().map(|p| (p.time, p.value));
            let style = colour.mix(0.8).stroke_width(1);
            let drawn = chart.draw_secondary_series(LineSeries::new(line, style))?;
            if !labelled {
                labelled = true;
                let colour = *colour;
                drawn.label(format!("{} (right)", series.name.replace('_', " "))).legend(
                    move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(1)),
                );
            }
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .label_font((FONT, 16))
        .margin(8)
        .draw()?;
    Ok(())
}

type Chart<'a, 'b> = plotters::chart::DualCoordChartContext<
    'a,
    BitMapBackend<'b>,
    Cartesian2d<RangedCoordf64, RangedCoordf64>,
    Cartesian2d<RangedCoordf64, RangedCoordf64>,
>;

/// A tick at the lower border for each frame that was not wholly measured.
fn mark_lost(run: &RunSummary, chart: &mut Chart<'_, '_>, left: &Range<f64>) -> Result<(), Error> {
    let top = left.start + 0.04 * (left.end - left.start);
    let lost = run.fate.iter().zip(&run.time_s).filter(|(fate, _)| **fate != 0).take(5000);
    chart.draw_series(lost.map(|(fate, time)| {
        let colour = if *fate == 1 { RGBColor(230, 159, 0) } else { RGBColor(60, 60, 60) };
        PathElement::new([(*time, left.start), (*time, top)], colour.stroke_width(2))
    }))?;
    Ok(())
}

fn description(title: &str, series: &[&Series]) -> String {
    let units = series.first().map_or("", |series| series.units.as_str());
    let name = match (title, series) {
        ("", [only]) => only.name.split('_').next().unwrap_or_default().to_owned(),
        ("cell", _) => "voltage".to_owned(),
        _ => title.to_owned(),
    };
    if units.is_empty() { name } else { format!("{name} ({units})") }
}

struct Point {
    time: f64,
    value: f64,
    low: f64,
    high: f64,
}

/// The series without its gaps, thinned to what a picture can show: of each share of the time the
/// lowest and the highest value.
fn pieces(time: &[f64], series: &Series) -> Vec<Vec<Point>> {
    let step = time.len().div_ceil(POINTS).max(1);
    let mut out: Vec<Vec<Point>> = Vec::new();
    let mut open = false;
    for start in (0..series.values.len().min(time.len())).step_by(step) {
        let share = start..(start + step).min(series.values.len());
        let finite = || share.clone().filter(|k| series.values[*k].is_finite());
        let lowest = finite().min_by(|a, b| series.values[*a].total_cmp(&series.values[*b]));
        let highest = finite().max_by(|a, b| series.values[*a].total_cmp(&series.values[*b]));
        let (Some(lowest), Some(highest)) = (lowest, highest) else {
            open = false;
            continue;
        };
        let point = |k: usize| {
            let error = series.errors.get(k).copied().filter(|e| e.is_finite()).unwrap_or(0.0);
            let value = series.values[k];
            Point { time: time[k], value, low: value - error, high: value + error }
        };
        if !open {
            out.push(Vec::new());
            open = true;
        }
        if let Some(piece) = out.last_mut() {
            piece.push(point(lowest.min(highest)));
            if lowest != highest {
                piece.push(point(lowest.max(highest)));
            }
        }
    }
    out
}

fn time_range(run: &RunSummary) -> Range<f64> {
    let (first, last) = (run.time_s.first(), run.time_s.last());
    match (first, last) {
        (Some(first), Some(last)) if last > first => *first..*last,
        (Some(first), _) => *first - 0.5..*first + 0.5,
        _ => 0.0..1.0,
    }
}

/// The range of all values, with a margin; what single outliers do not stretch.
fn value_range(series: &[&Series]) -> Range<f64> {
    let mut all: Vec<f64> =
        series.iter().flat_map(|s| &s.values).copied().filter(|v| v.is_finite()).collect();
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all.get((share * all.len().saturating_sub(1) as f64) as usize).copied();
    let (Some(low), Some(high)) = (at(0.002), at(0.998)) else { return 0.0..1.0 };
    let margin = if high > low { 0.12 * (high - low) } else { low.abs().max(1.0) * 0.1 };
    low - margin..high + margin
}

fn tick(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let size = value.abs();
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

//! The ending summary of a run, for a person.

use std::fmt::Write;

use super::summary::{GaugeSummary, RunSummary, Series};
use crate::frame::Reason;

/// What a scientist wants to know first; several lines.
pub fn summary_text(run: &RunSummary) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_summary(run, &mut out);
    out
}

fn write_summary(run: &RunSummary, out: &mut String) -> std::fmt::Result {
    let ledger = &run.ledger;
    let duration = run.time_s.last().copied().unwrap_or(0.0) - run.time_s.first().unwrap_or(&0.0);
    writeln!(out, "{}", run.source)?;
    write!(out, "frames    {} over {}", ledger.received, seconds(duration))?;
    for (count, what) in [
        (ledger.measured, "measured"),
        (ledger.degraded, "degraded"),
        (ledger.dropped, "dropped"),
        (ledger.corrupt, "corrupt"),
        (ledger.missing, "missing"),
    ] {
        if count > 0 {
            write!(out, "  ·  {count} {what}")?;
        }
    }
    writeln!(out)?;
    if !run.closed {
        writeln!(out, "          this run was not closed: it goes on, or was cut off")?;
    }
    write_drift(run, out)?;
    for gauge in &run.gauges {
        write_gauge(gauge, out)?;
    }
    for cell in &run.cell {
        let seen = || cell.values.iter().copied().filter(|v| v.is_finite());
        if seen().next().is_some() {
            let (low, high) = range(seen());
            let name = cell.name.split('_').next().unwrap_or_default();
            writeln!(out, "{name:<9} {} to {} {}", short(low), short(high), cell.units)?;
        }
    }
    write_alarms(run, out)?;
    write_shedding(run, out)?;
    write_latency(run, out)
}

/// What was left out to keep the budget, and the reasons for which frames have no whole result.
fn write_shedding(run: &RunSummary, out: &mut String) -> std::fmt::Result {
    if run.shedding.is_empty() {
        return Ok(());
    }
    let count = |reason: Reason| run.reason.iter().filter(|code| **code == reason as u16).count();
    writeln!(
        out,
        "shedding  {} frames without some gauges, {} passed over, to keep the budget",
        count(Reason::GaugeShed),
        count(Reason::FrameShed)
    )?;
    for change in run.shedding.iter().take(8) {
        writeln!(
            out,
            "  {:>9}  frame {}: {}",
            seconds(change.time_s),
            change.frame,
            change.message
        )?;
    }
    if run.shedding.len() > 8 {
        writeln!(out, "  and {} more changes", run.shedding.len() - 8)?;
    }
    Ok(())
}

fn write_latency(run: &RunSummary, out: &mut String) -> std::fmt::Result {
    if run.latency.iter().all(|stage| stage.frames == 0) {
        return writeln!(out, "latency   no frame was measured");
    }
    writeln!(out, "latency ms     median      99 %    99.9 %     worst  frame")?;
    for stage in run.latency.iter().filter(|stage| stage.frames > 0) {
        writeln!(
            out,
            "  {:<9} {:>9.2} {:>9.2} {:>9.2} {:>9.2}  {}",
            stage.stage,
            stage.median_ms,
            stage.p99_ms,
            stage.p999_ms,
            stage.worst_ms,
            stage.worst_frame.unwrap_or(0)
        )?;
    }
    Ok(())
}

fn write_drift(run: &RunSummary, out: &mut String) -> std::fmt::Result {
    let locked = run.locked.iter().filter(|locked| **locked == 1).count();
    write!(out, "drift     locked in {locked} of {} frames", run.locked.len())?;
    for axis in &run.drift {
        let (low, high) = range(axis.values.iter().copied().filter(|v| v.is_finite()));
        write!(out, "  ·  {} {} to {} px", axis.name, short(low), short(high))?;
    }
    let errors = run.drift.iter().flat_map(|axis| &axis.errors).copied();
    writeln!(out, "  ·  one sigma {} px", short(median(errors)))
}

fn write_gauge(gauge: &GaugeSummary, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{} {}", gauge.kind, gauge.name)?;
    for series in &gauge.series {
        let first = ends(series).0;
        let Some(first) = first else { continue };
        let last = ends(series).1.unwrap_or(first);
        let at = |k: usize| {
            let error = series.errors.get(k).copied().unwrap_or(f64::NAN);
            let value = short(series.values[k]);
            if error.is_finite() { format!("{value} ± {}", short(error)) } else { value }
        };
        writeln!(
            out,
            "  {:<16} {} → {} {}",
            series.name.replace('_', " "),
            at(first),
            at(last),
            series.units
        )?;
    }
    Ok(())
}

/// The first and the last frame with a finite value.
fn ends(series: &Series) -> (Option<usize>, Option<usize>) {
    let finite = |k: &usize| series.values[*k].is_finite();
    let all = 0..series.values.len();
    (all.clone().find(finite), all.rev().find(finite))
}

fn write_alarms(run: &RunSummary, out: &mut String) -> std::fmt::Result {
    if run.alarms.is_empty() {
        return writeln!(out, "alarms    none");
    }
    writeln!(out, "alarms    {}", run.alarms.len())?;
    for alarm in run.alarms.iter().take(12) {
        let state = if alarm.raised { "RAISED" } else { "cleared" };
        writeln!(
            out,
            "  {:>9}  {state:<7} {}: {}{}{}",
            seconds(alarm.time_s),
            alarm.name,
            alarm.message,
            if alarm.action.is_empty() { "" } else { "  →  " },
            alarm.action
        )?;
    }
    if run.alarms.len() > 12 {
        writeln!(out, "  and {} more", run.alarms.len() - 12)?;
    }
    Ok(())
}

fn seconds(time_s: f64) -> String {
    if time_s.abs() < 600.0 {
        format!("{time_s:.2} s")
    } else if time_s.abs() < 36_000.0 {
        format!("{:.1} min", time_s / 60.0)
    } else {
        format!("{:.2} h", time_s / 3600.0)
    }
}

/// Four significant digits.
pub fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    if !(-3..=6).contains(&digits) {
        return format!("{value:.2e}");
    }
    format!("{value:.*}", digits.max(0) as usize)
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut finite: Vec<f64> = values.filter(|v| v.is_finite() && *v > 0.0).collect();
    finite.sort_by(f64::total_cmp);
    finite.get(finite.len() / 2).copied().unwrap_or(f64::NAN)
}

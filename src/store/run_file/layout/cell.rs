//! Bias and current, at their own rate and at the frames' times.

use super::super::attributes::{set_number, set_text, set_texts};
use super::super::column::{Column, Label};
use super::{data_group, group, link_time, real};
use crate::cell::{CellSample, CellSeries};

/// The cell at the frames' times.
pub struct AtFrames([Column<f64>; 4]);

impl AtFrames {
    pub const COLUMNS: usize = 4;

    /// Writes the log as it is, and creates what grows with the frames.
    pub fn create(entry: &hdf5::Group, series: &CellSeries) -> hdf5::Result<AtFrames> {
        let native = group(entry, "cell", "NXdata")?;
        set_text(&native, "signal", "voltage_volt")?;
        set_texts(&native, "auxiliary_signals", &["current_ampere"])?;
        set_texts(&native, "axes", &["test_time_second"])?;
        let mut columns = cell_columns(&native)?;
        let values =
            [&series.test_time_s, &series.unix_time_s, &series.voltage_v, &series.current_a];
        for (column, values) in columns.iter_mut().zip(values) {
            column.extend(values);
            column.flush()?;
        }
        let clock = group(&native, "clock", "NXcollection")?;
        set_number(&clock, "offset_s", series.clock.offset_s)?;
        set_number(&clock, "rate", series.clock.rate)?;
        set_number(&clock, "residual_s", series.clock.residual_s)?;
        set_text(&clock, "method", &series.clock.method)?;

        let at_frames = data_group(entry, "cell_at_frames", "voltage_volt", &["current_ampere"])?;
        link_time(&at_frames)?;
        Ok(AtFrames(cell_columns(&at_frames)?))
    }

    pub fn push(&mut self, cell: &CellSample) {
        let values = [cell.test_time_s, cell.unix_time_s, cell.voltage_v, cell.current_a];
        for (column, value) in self.0.iter_mut().zip(values) {
            column.push(value);
        }
    }

    pub fn flush(&mut self) -> hdf5::Result<()> {
        self.0.iter_mut().try_for_each(Column::flush)
    }
}

fn cell_columns(group: &hdf5::Group) -> hdf5::Result<[Column<f64>; 4]> {
    let create = |name, units, long_name| real(group, Label { name, units, long_name });
    Ok([
        create("test_time_second", "s", "time on the instrument's clock")?,
        create("unix_time_second", "s", "time since 1970-01-01 UTC")?,
        create("voltage_volt", "V", "voltage of the cell")?,
        create("current_ampere", "A", "current; positive charges the cell")?,
    ])
}

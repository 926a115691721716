//! One group for each gauge: its fields and arrays with their errors, and what is constant.

use super::super::attributes::{set_text, set_toml};
use super::super::column::{Column, Label};
use super::{data_group, link_time, real, single};
use crate::frame::Calibration;
use crate::gauge::Measurement;
use crate::pipeline::GaugePlan;

pub struct Gauge {
    values: Vec<Column<f64>>,
    errors: Vec<Column<f64>>,
    arrays: Vec<Column<f32>>,
    array_errors: Vec<Column<f32>>,
    quality: Column<f32>,
    constants: Vec<hdf5::Dataset>,
    /// New values of constants that wait to be written.
    changed: Vec<Option<Vec<f32>>>,
}

impl Gauge {
    pub fn create(
        entry: &hdf5::Group,
        plan: &GaugePlan,
        calibration: &Calibration,
    ) -> hdf5::Result<Gauge> {
        let schema = &plan.schema;
        let signal = schema.fields.first().map_or("quality", |field| field.name);
        let others: Vec<&str> = schema.fields.iter().skip(1).map(|field| field.name).collect();
        let group = data_group(entry, &plan.name, signal, &others)?;
        link_time(&group)?;
        for (key, value) in &plan.configuration {
            if key != "name" {
                set_toml(&group, key, value)?;
            }
        }
        let mut gauge = Gauge {
            values: Vec::new(),
            errors: Vec::new(),
            arrays: Vec::new(),
            array_errors: Vec::new(),
            quality: single(
                &group,
                Label {
                    name: "quality",
                    units: "",
                    long_name: "quality of the measurement, 0 to 1",
                },
            )?,
            constants: Vec::new(),
            changed: vec![None; schema.constants.len()],
        };
        for field in &schema.fields {
            let units = calibration.units(field.dimension);
            let errors = format!("{}_errors", field.name);
            let long_errors = format!("one sigma of {}", field.name);
            gauge
                .values
                .push(real(&group, Label { name: field.name, units, long_name: field.long_name })?);
            gauge
                .errors
                .push(real(&group, Label { name: &errors, units, long_name: &long_errors })?);
        }
        for array in &schema.arrays {
            let units = calibration.units(array.dimension);
            let errors = format!("{}_errors", array.name);
            let long_errors = format!("one sigma of {}", array.name);
            let create = |name, long_name| {
                let label = Label { name, units, long_name };
                Column::create(&group, label, Some(array.len), Some(f32::NAN.into()))
            };
            gauge.arrays.push(create(array.name, array.long_name)?);
            gauge.array_errors.push(create(&errors, &long_errors)?);
        }
        for constant in &schema.constants {
            let factor = calibration.factor(constant.dimension) as f32;
            let values: Vec<f32> = constant.values.iter().map(|v| v * factor).collect();
            let builder = group.new_dataset_builder().obj_track_times(false).empty::<f32>();
            let dataset = match constant.shape {
                (rows, 1) => builder.shape(rows).create(constant.name)?,
                shape => builder.shape(shape).create(constant.name)?,
            };
            dataset.write_raw(&values)?;
            set_text(&dataset, "units", calibration.units(constant.dimension))?;
            set_text(&dataset, "long_name", constant.long_name)?;
            gauge.constants.push(dataset);
        }
        Ok(gauge)
    }

    /// Datasets that grow.
    pub fn columns(&self) -> usize {
        2 * (self.values.len() + self.arrays.len()) + 1
    }

    pub fn push(&mut self, found: &Measurement) {
        let pairs = self.values.iter_mut().zip(&found.values);
        pairs.for_each(|(column, value)| column.push(*value));
        let pairs = self.errors.iter_mut().zip(&found.errors);
        pairs.for_each(|(column, value)| column.push(*value));
        let pairs = self.arrays.iter_mut().zip(&found.arrays);
        pairs.for_each(|(column, row)| column.extend(row));
        let pairs = self.array_errors.iter_mut().zip(&found.array_errors);
        pairs.for_each(|(column, row)| column.extend(row));
        self.quality.push(found.quality);
        for (place, values) in &found.constants {
            self.changed[*place] = Some(values.clone());
        }
    }

    pub fn flush(&mut self) -> hdf5::Result<()> {
        self.values.iter_mut().try_for_each(Column::flush)?;
        self.errors.iter_mut().try_for_each(Column::flush)?;
        self.arrays.iter_mut().try_for_each(Column::flush)?;
        self.array_errors.iter_mut().try_for_each(Column::flush)?;
        self.quality.flush()?;
        for (dataset, values) in self.constants.iter().zip(&mut self.changed) {
            if let Some(values) = values.take() {
                dataset.write_raw(&values)?;
            }
        }
        Ok(())
    }
}

//! What a gauge measures, as the run file and the alarms see it.

use crate::frame::Dimension;

/// One number per frame, with its error.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The dataset's name; the error's is `<name>_errors`.
    pub name: &'static str,
    /// One line for a person.
    pub long_name: &'static str,
    pub dimension: Dimension,
}

/// A fixed number of numbers per frame, with their errors.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayField {
    pub name: &'static str,
    pub long_name: &'static str,
    pub dimension: Dimension,
    /// Numbers per frame.
    pub len: usize,
    /// The constant that is the coordinate of the second axis, if there is one.
    pub axis: Option<&'static str>,
}

/// Numbers that belong to the gauge and not to a frame: coordinates of lines, the path of a
/// crack. Those not known at the start are NaN until a measurement brings them.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    pub name: &'static str,
    pub long_name: &'static str,
    pub dimension: Dimension,
    /// Rows and columns; one column for a plain list.
    pub shape: (usize, usize),
    /// Row-major.
    pub values: Vec<f32>,
}

/// All fields of a gauge.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    /// The first one is what a viewer shows by default.
    pub fields: Vec<Field>,
    pub arrays: Vec<ArrayField>,
    pub constants: Vec<Constant>,
}

/// One frame's numbers, in the order of the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// One for each field.
    pub values: Vec<f64>,
    /// One sigma for each field.
    pub errors: Vec<f64>,
    /// One list for each array field.
    pub arrays: Vec<Vec<f32>>,
    /// One sigma for each number of each array field.
    pub array_errors: Vec<Vec<f32>>,
    /// 0 (nothing measured) to 1 (everything as the noise model expects).
    pub quality: f32,
    /// New values of constants, by their place in the schema, when they have changed.
    pub constants: Vec<(usize, Vec<f32>)>,
}

impl Measurement {
    /// All NaN, quality 0.
    pub fn blank(schema: &Schema) -> Self {
        let lists: Vec<Vec<f32>> =
            schema.arrays.iter().map(|array| vec![f32::NAN; array.len]).collect();
        Measurement {
            values: vec![f64::NAN; schema.fields.len()],
            errors: vec![f64::NAN; schema.fields.len()],
            arrays: lists.clone(),
            array_errors: lists,
            quality: 0.0,
            constants: Vec::new(),
        }
    }
}

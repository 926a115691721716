//! A dataset that grows by rows.

use hdf5::H5Type;
use hdf5::plist::file_access::FileAccessBuilder;
use ndarray::{ArrayView1, ArrayView2, s};

use super::attributes::set_text;

/// About the size of a chunk in bytes.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Lets each dataset keep two chunks in memory, for rows are only appended: the one that is being
/// filled and the next. HDF5 keeps up to 8 MB for each by itself, and fills them.
pub fn little_cache(access: &mut FileAccessBuilder) -> &mut FileAccessBuilder {
    // A prime number of slots, as HDF5 advises; chunks that are full go first.
    access.chunk_cache(11, 2 * CHUNK_BYTES, 1.0)
}

/// What a dataset says of itself.
#[derive(Clone, Copy)]
pub struct Label<'a> {
    pub name: &'a str,
    pub units: &'a str,
    pub long_name: &'a str,
}

/// A dataset `[n]` or `[n, width]` with the rows that wait to be written.
pub struct Column<T: H5Type> {
    dataset: hdf5::Dataset,
    /// Values a row; nothing for one value in a dataset of one dimension.
    width: Option<usize>,
    rows: usize,
    waiting: Vec<T>,
}

impl<T: H5Type + Clone> Column<T> {
    /// Creates the dataset, empty. `fill` stands where nothing was written.
    pub fn create(
        group: &hdf5::Group,
        label: Label<'_>,
        width: Option<usize>,
        fill: Option<hdf5::types::OwnedDynValue>,
    ) -> hdf5::Result<Column<T>> {
        let row_bytes = std::mem::size_of::<T>() * width.unwrap_or(1);
        let chunk_rows = (CHUNK_BYTES / row_bytes.max(1)).clamp(1, 4096);
        let mut builder = group.new_dataset_builder();
        if let Some(fill) = fill {
            builder = builder.fill_value(fill);
        }
        let builder = builder.obj_track_times(false);
        let dataset = match width {
            None => builder
                .chunk(chunk_rows)
                .empty::<T>()
                .shape(hdf5::Extents::resizable(0.into()))
                .create(label.name)?,
            Some(width) => builder
                .chunk((chunk_rows, width.max(1)))
                .empty::<T>()
                .shape((0.., width))
                .create(label.name)?,
        };
        set_text(&dataset, "units", label.units)?;
        set_text(&dataset, "long_name", label.long_name)?;
        Ok(Column { dataset, width, rows: 0, waiting: Vec::new() })
    }

    /// Adds one value (of a row).
    pub fn push(&mut self, value: T) {
        self.waiting.push(value);
    }

    /// Adds a whole row.
    pub fn extend(&mut self, row: &[T]) {
        self.waiting.extend_from_slice(row);
    }

    /// Writes what waits.
    pub fn flush(&mut self) -> hdf5::Result<()> {
        let width = self.width.unwrap_or(1).max(1);
        let new = self.waiting.len() / width;
        if new == 0 {
            return Ok(());
        }
        let end = self.rows + new;
        match self.width {
            None => {
                self.dataset.resize(end)?;
                let view = ArrayView1::from(&self.waiting);
                self.dataset.write_slice(view, s![self.rows..end])?;
            }
            Some(width) => {
                self.dataset.resize((end, width))?;
                let Ok(view) = ArrayView2::from_shape((new, width), &self.waiting) else {
                    unreachable!("rows are pushed whole");
                };
                self.dataset.write_slice(view, s![self.rows..end, ..])?;
            }
        }
        self.rows = end;
        self.waiting.clear();
        // Readers that follow see the rows only after a flush.
        self.dataset.flush()
    }
}

//! The run file (HDF5, NeXus style) and the picture of a run.

//! Attributes of groups and datasets.

use hdf5::types::VarLenUnicode;

use super::texts::iso_time;

/// HDF5 text cannot hold a zero byte; what comes after one is left out.
pub fn unicode(text: &str) -> VarLenUnicode {
    let text = text.split('\0').next().unwrap_or_default();
    match text.parse() {
        Ok(text) => text,
        Err(_) => unreachable!("text without a zero byte is valid"),
    }
}

/// One text.
pub fn set_text(location: &hdf5::Location, name: &str, text: &str) -> hdf5::Result<()> {
    location.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&unicode(text))
}

/// What NeXus wants to know at the root of a file, with the time at which it was begun.
pub fn describe_root(file: &hdf5::File, unix_time_s: f64) -> hdf5::Result<()> {
    set_text(file, "NX_class", "NXroot")?;
    set_text(file, "default", "entry")?;
    set_text(file, "creator", "liwatch")?;
    set_text(file, "creator_version", env!("CARGO_PKG_VERSION"))?;
    let (major, minor, patch) = hdf5::library_version();
    set_text(file, "HDF5_Version", &format!("{major}.{minor}.{patch}"))?;
    set_text(file, "file_time", &iso_time(unix_time_s))
}

/// A list of texts.
pub fn set_texts(location: &hdf5::Location, name: &str, texts: &[&str]) -> hdf5::Result<()> {
    let texts: Vec<VarLenUnicode> = texts.iter().map(|text| unicode(text)).collect();
    location.new_attr::<VarLenUnicode>().shape(texts.len()).create(name)?.write_raw(&texts)
}

/// One number.
pub fn set_number<T: hdf5::H5Type>(
    location: &hdf5::Location,
    name: &str,
    value: T,
) -> hdf5::Result<()> {
    location.new_attr::<T>().create(name)?.write_scalar(&value)
}

/// A value of the configuration, whatever its type.
pub fn set_toml(location: &hdf5::Location, name: &str, value: &toml::Value) -> hdf5::Result<()> {
    match value {
        toml::Value::String(text) => set_text(location, name, text),
        toml::Value::Integer(number) => set_number(location, name, *number),
        toml::Value::Float(number) => set_number(location, name, *number),
        toml::Value::Boolean(on) => set_number(location, name, u8::from(*on)),
        toml::Value::Array(list) if list.iter().all(toml::Value::is_integer) => {
            let numbers: Vec<i64> = list.iter().filter_map(toml::Value::as_integer).collect();
            location.new_attr::<i64>().shape(numbers.len()).create(name)?.write_raw(&numbers)
        }
        other => set_text(location, name, &other.to_string()),
    }
}

//! Fates, reasons and alarm states as HDF5 enumerations, so that a reader sees their names.

use hdf5::types::{EnumMember, EnumType, IntSize, TypeDescriptor};

use crate::frame::Reason;

macro_rules! code {
    ($name:ident, $number:ty, $size:expr, $members:expr) => {
        /// A number whose HDF5 type names its values.
        #[derive(Clone, Copy, Debug)]
        #[repr(transparent)]
        pub struct $name(pub $number);

        // SAFETY: the type is a transparent wrapper of the integer that its descriptor names the
        // base of, so every bit pattern that HDF5 reads or writes is valid.
        unsafe impl hdf5::H5Type for $name {
            fn type_descriptor() -> TypeDescriptor {
                let members = $members
                    .into_iter()
                    .map(|(value, name): (u64, &str)| EnumMember { name: name.to_owned(), value })
                    .collect();
                TypeDescriptor::Enum(EnumType { size: $size, signed: false, members })
            }
        }
    };
}

code!(
    FateCode,
    u8,
    IntSize::U1,
    [(0, "measured"), (1, "degraded"), (2, "dropped"), (3, "corrupt"), (4, "missing")]
);
code!(
    ReasonCode,
    u16,
    IntSize::U2,
    Reason::ALL.map(|(reason, name)| (u64::from(reason as u16), name))
);
code!(StateCode, u8, IntSize::U1, [(0, "raised"), (1, "cleared"), (2, "acknowledged")]);

//! The schema language: one YAML file describes one log type (`content/schemas/<vendor>/<LogType>.yml`).

mod changes;
mod error;
mod mask;
mod names;
mod read;
mod set;
mod spec;
mod table;
mod validate;
mod yaml;

pub use changes::{ChangeKind, SchemaChange};
pub use error::SchemaError;
pub(crate) use mask::Mask;
pub(crate) use names::column_name;
pub use read::TestCase;
pub(crate) use read::{read_cases, read_field, read_samples};
pub use set::{Schema, SchemaSet};
pub use spec::Sample;
pub(crate) use spec::{FieldOrigin, FieldSpec, KindSpec, SchemaSpec, UdmSpec, ValueSpec};
pub use table::standard_columns;
pub(crate) use validate::Validate;

/// A YAML text as JSON, for tests of what is written.
#[cfg(test)]
pub(crate) fn load_yaml(text: &str) -> Result<serde_json::Value, String> {
    yaml::load(text).map(|root| root.to_json()).map_err(|error| error.message)
}

//! An inferred schema as the file that a person goes on with.

use serde_json::{Map, Value as Json, json};

use super::rows::RowFormat;
use super::types::{Inferred, InferredField};
use crate::yaml_text;

pub(super) fn schema_text(name: &str, fields: &[InferredField], rows: Option<&RowFormat>) -> String {
    let mut members = Map::new();
    members.insert("schema".to_owned(), name.into());
    if let Some(rows) = rows {
        members.insert("parser".to_owned(), rows.parser());
    }
    members.insert("fields".to_owned(), fields.iter().map(InferredField::spec).collect());
    let mut text = String::new();
    yaml_text::write_members(&mut text, &members, 0);
    text
}

impl InferredField {
    /// The field as a schema file says it.
    pub(crate) fn spec(&self) -> Json {
        let mut members = Map::new();
        members.insert("name".to_owned(), self.name.as_str().into());
        if self.required {
            members.insert("required".to_owned(), true.into());
        }
        self.value.write(&mut members);
        if self.is_event_time {
            members.insert("isEventTime".to_owned(), true.into());
        }
        members.into()
    }
}

impl Inferred {
    /// An optional field of the type, as a schema file says it.
    pub(crate) fn field(&self, name: &str) -> Json {
        InferredField { name: name.to_owned(), required: false, is_event_time: false, value: self.clone() }.spec()
    }

    fn write(&self, members: &mut Map<String, Json>) {
        let (name, more) = match self {
            Self::String(None) => ("string", None),
            Self::String(Some(indicator)) => ("string", Some(("indicators", json!([indicator])))),
            Self::BigInt => ("bigint", None),
            Self::Float => ("float", None),
            Self::Boolean => ("boolean", None),
            Self::Json => ("json", None),
            Self::Timestamp(format) => ("timestamp", Some(("timeFormats", json!([format])))),
            Self::Array(element) => {
                let mut inner = Map::new();
                element.write(&mut inner);
                ("array", Some(("element", inner.into())))
            }
            Self::Object(fields) => ("object", Some(("fields", fields.iter().map(InferredField::spec).collect()))),
        };
        members.insert("type".to_owned(), name.into());
        if let Some((key, value)) = more {
            members.insert(key.to_owned(), value);
        }
    }
}

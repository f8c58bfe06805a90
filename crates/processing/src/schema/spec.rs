//! What a schema file says, checked and with its `ref`s resolved: the tree that plans and tables are made from.

use std::sync::Arc;

use serde_json::Value as Json;
use uncia_model::LogType;

use super::mask::Mask;
use super::validate::Validate;
use crate::indicators::Scanner;
use crate::parsers::TextParser;
use crate::time::TimeFormat;

/// A schema as written.
#[derive(Clone, Debug)]
pub(crate) struct SchemaSpec {
    pub(crate) log_type: LogType,
    pub(crate) line: usize,
    pub(crate) description: String,
    pub(crate) reference: Option<String>,
    /// Unknown fields become columns.
    pub(crate) field_discovery: bool,
    pub(crate) fields: Vec<FieldSpec>,
    /// Absent: records are JSON.
    pub(crate) parser: Option<Arc<TextParser>>,
    /// Core fields, in `p_udm`.
    pub(crate) udm: Vec<UdmSpec>,
    pub(crate) samples: Vec<Sample>,
}

/// A core field and where the event has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UdmSpec {
    /// `source`, `ip`.
    pub(crate) name: Vec<String>,
    /// The first that leads to a value.
    pub(crate) paths: Vec<Vec<String>>,
}

/// A record of a log type with the event it must become, kept in the schema's own file.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    /// One record, as a source would send it.
    pub raw: String,
    /// The event's JSON; `p_row_id`, `p_parse_time` and the `p_source_…` fields are left out.
    pub expected: Json,
    /// Of the sample in its file, from 1.
    pub line: usize,
}

/// A field of the record or of an object in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldSpec {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) required: bool,
    pub(crate) description: Option<String>,
    pub(crate) origin: FieldOrigin,
    /// What is stored instead of the value.
    pub(crate) mask: Option<Mask>,
    pub(crate) value: ValueSpec,
    /// Guessed from events: a value that does not fit is kept as it is, and refuses no record.
    pub(crate) is_discovered: bool,
}

impl FieldSpec {
    /// The record's key that fills the field, if it is one.
    pub(crate) fn source(&self) -> Option<&str> {
        match &self.origin {
            FieldOrigin::Own => Some(&self.name),
            FieldOrigin::Rename(from) => Some(from),
            FieldOrigin::Copy(_) | FieldOrigin::Concat { .. } | FieldOrigin::Split { .. } => None,
        }
    }
}

/// Where a field's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FieldOrigin {
    /// The record's key of the same name.
    Own,
    /// A sibling key, which is consumed.
    Rename(String),
    /// A path from the record's root; the source stays.
    Copy(Vec<String>),
    /// The values of paths from the root, as one text.
    Concat { separator: String, paths: Vec<Vec<String>> },
    /// A piece of the text at a path from the root; negative places count from the end, none means all pieces.
    Split { from: Vec<String>, separator: String, index: Option<i64> },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValueSpec {
    pub(crate) kind: KindSpec,
    pub(crate) indicators: Vec<Scanner>,
    pub(crate) validate: Option<Validate>,
    pub(crate) is_embedded_json: bool,
    pub(crate) is_event_time: bool,
    /// Rows of a lookup table mean nothing after this instant.
    pub(crate) is_expiration: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KindSpec {
    String,
    SmallInt,
    Int,
    BigInt,
    Float,
    Boolean,
    Timestamp {
        formats: Vec<TimeFormat>,
        /// Seconds east of UTC of texts that name no zone.
        offset: i32,
    },
    Array(Box<ValueSpec>),
    Object(Vec<FieldSpec>),
    Json,
}

impl KindSpec {
    /// What schema files call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::String => "string",
            Self::SmallInt => "smallint",
            Self::Int => "int",
            Self::BigInt => "bigint",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Timestamp { .. } => "timestamp",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
            Self::Json => "json",
        }
    }
}

//! What a schema file says, checked and with its `ref`s resolved: the tree that plans and tables are made from.

use std::sync::Arc;

use serde_json::Value as Json;
use uncia_model::LogType;

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
    pub(crate) fields: Vec<FieldSpec>,
    /// Absent: records are JSON.
    pub(crate) parser: Option<Arc<TextParser>>,
    pub(crate) samples: Vec<Sample>,
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
    pub(crate) value: ValueSpec,
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
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValueSpec {
    pub(crate) kind: KindSpec,
    pub(crate) indicators: Vec<Scanner>,
    pub(crate) validate: Option<Validate>,
    pub(crate) is_embedded_json: bool,
    pub(crate) is_event_time: bool,
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

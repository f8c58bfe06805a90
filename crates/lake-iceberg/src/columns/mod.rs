//! Documents to columns: Arrow arrays filled straight from rows, and nothing of a row lost.
//!
//! A struct's members are looked for where the last row had them, then by name; so a run of rows of one kind costs one
//! comparison per field. Columns hold what fits their type exactly:
//!
//! | column | takes |
//! |---|---|
//! | `String` | strings, and instants as their text; other scalars as their JSON text, also kept in `p_extra` |
//! | `Json` | any value, as its JSON text |
//! | `Bool` | booleans |
//! | `Int`, `Long` | numbers that are an integer of that width, however written (`1e3`) |
//! | `Double` | all finite numbers, rounded; one that the rounded value does not stand for is also kept in `p_extra` |
//! | `Timestamp` | instants, rounded down to microseconds; finer ones are also kept in `p_extra` |
//! | `List` | arrays, item by item; empty ones stay empty lists |
//! | `Struct` | objects, member by member |
//!
//! # `p_extra`
//!
//! JSON text of an object, or null if the columns say all. It has the row's own shape, reduced to what the columns do not
//! hold: a member that is no column stands under its name, a value that does not fit its column stands there whole, both
//! inside the objects they come from. A list with an item that does not fit (an unknown member inside it is enough)
//! stands there whole, since a part of a list could not be told from a list; its column holds the items that fit.
//!
//! So the row is the columns with `p_extra` laid over them: objects merge, anything else replaces. A path asks for the
//! same thing in both: `userIdentity.newField` is `p_extra:userIdentity.newField`. What is not kept: a null is an absent
//! member, the order of members, and how a number was written beyond its value (`1.0`, `1`).
//!
//! A row's own member `p_extra` is one that is no column: it stands inside.

mod adapt;
mod builder;
mod extra;
mod number;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use uncia_document::{Document, Key, KeyId, Value};
use uncia_model::fields;

use crate::schema::JsonPaths;
pub(crate) use adapt::adapt;
use builder::StructBuilder;
use extra::Extra;

/// Why rows cannot become columns.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ColumnError {
    #[error("row {row} is no object")]
    NoObject { row: usize },
    #[error("row {row} has no p_event_time")]
    NoEventTime { row: usize },
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
}

/// Fills record batches of one table.
pub(crate) struct Columns {
    schema: SchemaRef,
    root: StructBuilder,
    extra: Extra,
    /// Of `p_event_time`, once it was met.
    event_time: KeyId,
}

impl Columns {
    /// The schema is the table's, with a `p_extra` column.
    pub(crate) fn new(schema: SchemaRef, json: &JsonPaths) -> Self {
        let root = StructBuilder::root(schema.fields(), json);
        Self { schema, root, extra: Extra::default(), event_time: KeyId::NONE }
    }

    /// Appends a row and returns its event time in microseconds; a row that cannot be appended changes nothing. `row`
    /// counts for the message.
    pub(crate) fn append(&mut self, row: usize, document: &Document) -> Result<i64, ColumnError> {
        let root = document.root();
        if !root.is_object() {
            return Err(ColumnError::NoObject { row });
        }
        let Some(time) = self.event_time(document) else {
            return Err(ColumnError::NoEventTime { row });
        };
        self.extra.start();
        self.root.append_row(root, &mut self.extra);
        Ok(time)
    }

    /// The row's `p_event_time` in microseconds. The standard fields stand last, so it is sought from the end.
    fn event_time(&mut self, row: &Document) -> Option<i64> {
        let members = row.members(row.root().value());
        let is_it = |key: Key| match key.id {
            id if id != KeyId::NONE && self.event_time != KeyId::NONE => id == self.event_time,
            _ => row.key(key) == fields::EVENT_TIME,
        };
        let time = members.iter().rev().find(|member| is_it(member.key))?;
        self.event_time = time.key.id;
        match time.value {
            Value::Timestamp(stamp) => Some(stamp.micros),
            _ => None,
        }
    }

    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ColumnError> {
        let arrays: Vec<ArrayRef> = self.root.finish_columns(self.schema.fields());
        Ok(RecordBatch::try_new(self.schema.clone(), arrays)?)
    }
}

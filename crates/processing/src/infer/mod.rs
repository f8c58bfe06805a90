//! Schemas from samples: what values have been at each place, and the narrowest types that take all of them.
//!
//! ```text
//! records ─▶ Shape (merged as they pass; memory bounded) ─resolve─▶ Inferred ─▶ schema file as text
//! ```
//!
//! Inference guesses, and a wrong guess costs data. So where a text could be read in two ways, the one that keeps it as
//! it is written wins: numbers with leading zeros, identifiers of digits and ambiguous dates stay strings, integers beyond
//! 64 bits become strings, and values of several kinds become `json`. Field discovery uses the same shapes.

mod rows;
mod shape;
mod text;
mod times;
mod types;
mod words;

use uncia_document::Ref;

pub use rows::RowFormat;
pub(crate) use shape::{Budget, Shape};
pub(crate) use types::{Guess, Inferred, Notes, resolve};

/// A table with more top-level columns than this is nobody's log.
const MAX_COLUMNS: usize = 1_000;

/// Learns from records what their schema could be.
#[derive(Default)]
pub struct Inference {
    root: Shape,
    budget: Budget,
}

/// A schema as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferredSchema {
    pub text: String,
    /// What the schema leaves out, and why.
    pub notes: Vec<String>,
}

/// Why there is no schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InferenceError {
    #[error("no record has a field with a value")]
    NoFields,
    #[error(
        "the records have {0} different top-level fields, more than {MAX_COLUMNS}: a `parser` must split them first"
    )]
    TooManyFields(usize),
}

impl Inference {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns from a record, which must be an object.
    pub fn add(&mut self, record: Ref<'_>) {
        self.root.add_root(record, &mut self.budget);
    }

    /// Learns from a row of texts. Empty ones are not there.
    pub fn add_row<'a>(&mut self, cells: impl Iterator<Item = (&'a str, &'a str)>) {
        self.root.add_row(cells, &mut self.budget);
    }

    /// The schema that takes all records so far.
    pub fn finish(&self, name: &str, rows: Option<&RowFormat>) -> Result<InferredSchema, InferenceError> {
        let mut notes = Notes::default();
        let fields = types::root_fields(&self.root, Guess::Strict, &mut notes);
        if fields.len() > MAX_COLUMNS {
            return Err(InferenceError::TooManyFields(fields.len()));
        }
        if fields.is_empty() {
            return Err(InferenceError::NoFields);
        }
        Ok(InferredSchema { text: text::schema_text(name, &fields, rows), notes: notes.into_lines() })
    }
}

#[cfg(test)]
mod tests;

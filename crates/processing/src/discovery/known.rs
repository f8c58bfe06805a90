//! The fields that a schema knows, by the names that its events have for them.

use ahash::{AHashMap, AHashSet};

use crate::schema::{FieldSpec, KindSpec, ValueSpec, column_name};

/// The members of an object.
#[derive(Debug)]
pub(super) struct KnownFields {
    fields: AHashMap<Box<str>, Known>,
    /// Names in lower case: columns differ by more than case.
    folded: AHashSet<Box<str>>,
}

#[derive(Debug)]
pub(super) enum Known {
    /// Nothing below it is a column.
    Opaque,
    /// An object, or a list of them.
    Fields(KnownFields),
}

impl KnownFields {
    pub(super) fn of(fields: &[FieldSpec]) -> Self {
        let names = || fields.iter().map(|field| column_name(&field.name));
        Self {
            fields: fields.iter().map(|field| (column_name(&field.name).into(), Known::of(&field.value))).collect(),
            folded: names().map(|name| name.to_ascii_lowercase().into()).collect(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Known> {
        self.fields.get(name)
    }

    /// Whether a column has the name but for case.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.folded.contains(name.to_ascii_lowercase().as_str())
    }
}

impl Known {
    fn of(value: &ValueSpec) -> Self {
        match &value.kind {
            KindSpec::Object(fields) => Self::Fields(KnownFields::of(fields)),
            KindSpec::Array(element) => Self::of(element),
            _ => Self::Opaque,
        }
    }
}

/// How many members an object of a schema has.
pub(super) fn members_at(fields: &[FieldSpec], path: &[String]) -> usize {
    let Some((name, rest)) = path.split_first() else { return fields.len() };
    let field = fields.iter().find(|field| column_name(&field.name) == *name);
    field.map_or(0, |field| members_of(&field.value, rest))
}

fn members_of(value: &ValueSpec, path: &[String]) -> usize {
    match &value.kind {
        KindSpec::Object(fields) => members_at(fields, path),
        KindSpec::Array(element) => members_of(element, path),
        _ => 0,
    }
}

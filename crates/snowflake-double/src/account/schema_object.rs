//! Objects that live in a schema, and shares: nothing here runs them, but they have owners, settings and a past.

use std::collections::BTreeMap;

/// A stage, task, procedure, table, policy of passwords or sessions, or a share.
#[derive(Clone, Debug)]
pub(crate) struct SchemaObject {
    pub(crate) id: u64,
    /// All parts, joined by dots.
    pub(crate) name: String,
    /// By upper-case name; lists are joined by commas.
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) owner: String,
    pub(crate) created: i64,
    pub(crate) altered: i64,
    pub(crate) dropped: Option<i64>,
}

impl SchemaObject {
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.property(name)?.parse().ok()
    }

    /// Database, schema and name; a share has a name alone.
    pub(crate) fn parts(&self) -> (Option<&str>, Option<&str>, &str) {
        let mut parts = self.name.splitn(3, '.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(database), Some(schema), Some(name)) => (Some(database), Some(schema), name),
            _ => (None, None, &self.name),
        }
    }
}

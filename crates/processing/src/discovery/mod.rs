//! Field discovery: members that no schema knows become columns, while data flows.
//!
//! ```text
//! events ─observe─▶ Observed (per thread) ─absorb─▶ Discovery ─due─▶ Revision ─▶ SchemaSet::revised
//! ```
//!
//! Until then, and whenever a value does not fit what was guessed, the value stays in `p_extra` under the same name; so a
//! wrong guess costs a column and never a value. A field is published once it has been seen often enough. What looks like
//! data in the place of names (ids as keys, hundreds of members) never becomes columns.

mod known;
mod names;

use std::collections::BTreeMap;

use ahash::AHashMap;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uncia_document::Ref;
use uncia_model::{Event, LogType};

use crate::infer::{Budget, Guess, Inferred, Notes, Shape, resolve};
use crate::schema::{FieldSpec, SchemaSet, read_field};

use known::{Known, KnownFields};
pub(crate) use names::is_data;

/// Sightings before a field is published: a team's own schema is expected to grow, a vendor's is not.
const SIGHTINGS_OF_CUSTOM: u64 = 1;
const SIGHTINGS_OF_MANAGED: u64 = 20;
/// Columns that discovery adds to one table.
const MAX_DISCOVERED: usize = 1_000;
/// Members of an object, beyond which it is no struct.
const MAX_MEMBERS: usize = 200;
/// Unknown places of one log type that are kept in mind.
const MAX_CANDIDATES: usize = 2_000;

/// What a schema gained at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    pub log_type: LogType,
    /// From 1, in the order of publication.
    pub number: u64,
    pub added: Vec<AddedField>,
}

/// A field, and the object that it was added to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddedField {
    /// Column names from the root; a list on the way stands for its items.
    pub path: Vec<String>,
    /// As a schema file says it.
    pub field: Json,
}

/// What is known of unknown fields.
#[derive(Debug, Default)]
pub struct Discovery {
    log_types: BTreeMap<LogType, Learning>,
}

#[derive(Debug)]
struct Learning {
    candidates: AHashMap<Box<str>, Candidate>,
    sightings: u64,
    revision: u64,
    discovered: usize,
}

/// An unknown member of a known object.
#[derive(Debug)]
struct Candidate {
    path: Vec<Box<str>>,
    /// As the record calls it, which its column may not be able to.
    original: Box<str>,
    shape: Shape,
}

/// Looks for unknown members; shared by all threads.
#[derive(Debug, Default)]
pub struct Observer {
    known: BTreeMap<LogType, KnownFields>,
}

/// What one thread saw.
#[derive(Debug, Default)]
pub struct Observed {
    log_types: BTreeMap<LogType, AHashMap<Box<str>, Candidate>>,
    budget: Budget,
    path: String,
}

impl Observer {
    /// Knows the fields of the schemas that discover.
    #[must_use]
    pub fn new(schemas: &SchemaSet) -> Self {
        let discovering = schemas.iter().filter(|schema| schema.spec().field_discovery);
        let known = discovering.map(|schema| (schema.log_type().clone(), KnownFields::of(&schema.spec().fields)));
        Self { known: known.collect() }
    }

    /// Nothing to look for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.known.is_empty()
    }

    /// Looks at an event and the record that it was made of.
    pub fn observe(&self, event: &Event, record: &[u8], seen: &mut Observed) {
        let Some(known) = self.known.get(&event.log_type) else { return };
        if !seen.log_types.contains_key(&event.log_type) {
            seen.log_types.insert(event.log_type.clone(), AHashMap::new());
        }
        let Some(candidates) = seen.log_types.get_mut(&event.log_type) else { return };
        seen.path.clear();
        let mut walk = Walk { candidates, budget: &mut seen.budget, path: &mut seen.path, record, original: None };
        walk.object(known, event.document.root(), true);
    }
}

/// One event's unknown members.
struct Walk<'a> {
    candidates: &'a mut AHashMap<Box<str>, Candidate>,
    budget: &'a mut Budget,
    /// Names to here, each followed by a NUL.
    path: &'a mut String,
    record: &'a [u8],
    /// The record, parsed once a new name is met.
    original: Option<Option<Json>>,
}

impl Walk<'_> {
    fn object(&mut self, known: &KnownFields, object: Ref<'_>, is_root: bool) {
        let length = self.path.len();
        for ((_, key), value) in object.members() {
            match known.get(key) {
                Some(Known::Opaque) => {}
                Some(Known::Fields(inner)) => {
                    self.path.push_str(key);
                    self.path.push('\0');
                    self.inside(inner, value);
                    self.path.truncate(length);
                }
                None if is_root && (key.starts_with("p_") || key.starts_with("_p_")) => {}
                None if known.is_taken(key) || names::is_data(key) => {}
                None => self.unknown(key, value),
            }
        }
    }

    /// An object, or those in a list.
    fn inside(&mut self, known: &KnownFields, value: Ref<'_>) {
        if value.is_array() {
            for item in value.items() {
                self.inside(known, item);
            }
        } else if value.is_object() {
            self.object(known, value, false);
        }
    }

    fn unknown(&mut self, key: &str, value: Ref<'_>) {
        let length = self.path.len();
        self.path.push_str(key);
        if !self.candidates.contains_key(self.path.as_str()) {
            self.begin(key, length);
        }
        if let Some(candidate) = self.candidates.get_mut(self.path.as_str()) {
            candidate.shape.add(value, key, 1, self.budget);
        }
        self.path.truncate(length);
    }

    /// A name that is new. It is remembered under the name that the record has for it: the column's is not always it.
    fn begin(&mut self, key: &str, length: usize) {
        if self.candidates.len() >= MAX_CANDIDATES {
            return;
        }
        let record = self.record;
        let parsed = self.original.get_or_insert_with(|| serde_json::from_slice(record).ok());
        let path: Vec<Box<str>> = self.path[..length].split_terminator('\0').map(Box::from).collect();
        let Some(original) = parsed.as_ref().and_then(|record| names::original(record, &path, key)) else { return };
        let candidate = Candidate { path, original, shape: Shape::default() };
        self.candidates.insert(self.path.as_str().into(), candidate);
    }
}

impl Discovery {
    /// Begins where earlier revisions ended.
    #[must_use]
    pub fn new(schemas: &SchemaSet, revisions: &[Revision]) -> Self {
        let discovering = schemas.iter().filter(|schema| schema.spec().field_discovery);
        let learning = discovering.map(|schema| {
            let log_type = schema.log_type().clone();
            let own = || revisions.iter().filter(|revision| revision.log_type == log_type);
            let sightings =
                if log_type.as_str().starts_with("Custom.") { SIGHTINGS_OF_CUSTOM } else { SIGHTINGS_OF_MANAGED };
            let learning = Learning {
                candidates: AHashMap::new(),
                sightings,
                revision: own().map(|revision| revision.number).max().unwrap_or(0),
                discovered: own().flat_map(|revision| &revision.added).map(|added| columns(&added.field)).sum(),
            };
            (log_type, learning)
        });
        Self { log_types: learning.collect() }
    }

    /// Adds what a thread saw.
    pub fn absorb(&mut self, observed: Observed) {
        for (log_type, candidates) in observed.log_types {
            let Some(learning) = self.log_types.get_mut(&log_type) else { continue };
            for (name, candidate) in candidates {
                if let Some(known) = learning.candidates.get_mut(&name) {
                    known.shape.merge(candidate.shape);
                } else if learning.candidates.len() < MAX_CANDIDATES {
                    learning.candidates.insert(name, candidate);
                }
            }
        }
    }

    /// The fields that have been seen often enough; they are forgotten here. `schemas` is what they would be added to.
    pub fn due(&mut self, schemas: &SchemaSet) -> Vec<Revision> {
        let mut revisions = Vec::new();
        for (log_type, learning) in &mut self.log_types {
            let Some(schema) = schemas.get(log_type) else { continue };
            let added = learning.due(&schema.spec().fields);
            if !added.is_empty() {
                learning.revision += 1;
                revisions.push(Revision { log_type: log_type.clone(), number: learning.revision, added });
            }
        }
        revisions
    }
}

impl Learning {
    fn due(&mut self, fields: &[FieldSpec]) -> Vec<AddedField> {
        if self.discovered >= MAX_DISCOVERED {
            self.candidates.clear();
            return Vec::new();
        }
        let is_due = |candidate: &Candidate| candidate.shape.seen >= self.sightings;
        let mut due: Vec<Box<str>> =
            self.candidates.iter().filter(|(_, candidate)| is_due(candidate)).map(|(name, _)| name.clone()).collect();
        due.sort();
        let mut added = Vec::new();
        // How many members each object gains, by its path.
        let mut gains: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        for name in due {
            let Some(candidate) = self.candidates.get(&name) else { continue };
            let Some(value) = candidate.value() else { continue };
            let field = value.field(&candidate.original);
            let path: Vec<String> = candidate.path.iter().map(|part| String::from(&**part)).collect();
            let gain = gains.entry(path.clone()).or_default();
            let is_full = !path.is_empty() && known::members_at(fields, &path) + *gain >= MAX_MEMBERS;
            let columns = columns(&field);
            self.candidates.remove(&name);
            if is_full || self.discovered + columns > MAX_DISCOVERED || read_field(&field).is_none() {
                continue;
            }
            *gain += 1;
            self.discovered += columns;
            added.push(AddedField { path, field });
        }
        added
    }
}

impl Candidate {
    fn value(&self) -> Option<Inferred> {
        resolve(&self.shape, &self.original, Guess::Careful, "", &mut Notes::default())
    }
}

/// Columns that a field makes, its members counted one by one.
fn columns(field: &Json) -> usize {
    let inner =
        |key: &str| field.get(key).and_then(Json::as_array).map_or(0, |fields| fields.iter().map(columns).sum());
    1 + inner("fields") + field.get("element").map_or(0, |element| columns(element) - 1)
}

#[cfg(test)]
mod tests;

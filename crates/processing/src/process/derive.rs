//! Fields made of others: `copy`, `concat` and `split`.
//!
//! Paths begin at the event's root and name fields as the schema does, so that a later transformation sees what an
//! earlier one made: renames come first, then copies, then concats, then splits. All of that is settled when the schema
//! is compiled; what is left at run time is to walk the record as it was parsed.

use uncia_document::{Document, Value};

use super::coerce::Coercion;
use crate::schema::{FieldOrigin, FieldSpec, KindSpec, ValueSpec, column_name};

/// Where a made field's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Derived {
    Path(Vec<Step>),
    /// Values as text with the separator between them; what is missing is left out.
    Concat {
        separator: Box<str>,
        parts: Vec<Derived>,
    },
    /// One piece of a text, from the end if negative; all pieces without an index.
    Split {
        from: Box<Derived>,
        separator: Box<str>,
        index: Option<i64>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// A key of the record, or a place in an array.
    key: Box<str>,
    /// The value may be JSON in a string.
    is_embedded: bool,
}

/// The order in which transformations are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Copy,
    Concat,
    Split,
}

impl Derived {
    /// What fills the field, if not a key of its own. `root`: the schema's fields.
    pub(super) fn of(origin: &FieldOrigin, root: &[FieldSpec]) -> Option<Self> {
        let (phase, compiled): (Phase, &dyn Fn(Phase) -> Self) = match origin {
            FieldOrigin::Own | FieldOrigin::Rename(_) => return None,
            FieldOrigin::Copy(path) => (Phase::Copy, &|phase| resolve(path, root, root, phase)),
            FieldOrigin::Concat { separator, paths } => (Phase::Concat, &|phase| Self::Concat {
                separator: separator.as_str().into(),
                parts: paths.iter().map(|path| resolve(path, root, root, phase)).collect(),
            }),
            FieldOrigin::Split { from, separator, index } => (Phase::Split, &|phase| Self::Split {
                from: Box::new(resolve(from, root, root, phase)),
                separator: separator.as_str().into(),
                index: *index,
            }),
        };
        Some(compiled(phase))
    }

    /// Whether the value is made of the record's key of that name and of nothing else.
    pub(super) fn is_of(&self, name: &str) -> bool {
        match self {
            Self::Path(steps) => matches!(&**steps, [step] if *step.key == *name),
            Self::Split { from, .. } => from.is_of(name),
            Self::Concat { .. } => false,
        }
    }

    /// The record's top-level keys that the value is made of.
    pub(super) fn top_level_keys<'a>(&'a self, out: &mut Vec<&'a str>) {
        match self {
            Self::Path(steps) => out.extend(steps.first().map(|step| &*step.key)),
            Self::Concat { parts, .. } => parts.iter().for_each(|part| part.top_level_keys(out)),
            Self::Split { from, .. } => from.top_level_keys(out),
        }
    }
}

/// A path as steps through the record, by the names that fields have before this phase.
fn resolve(path: &[String], fields: &[FieldSpec], root: &[FieldSpec], phase: Phase) -> Derived {
    let mut steps = Vec::new();
    let mut rest = path;
    let mut fields = fields;
    while let Some(first) = rest.first() {
        let Some((field, taken)) = named(rest, fields) else {
            steps.push(Step { key: first.as_str().into(), is_embedded: false });
            rest = &rest[1..];
            fields = &[];
            continue;
        };
        rest = &rest[taken..];
        let key = match &field.origin {
            FieldOrigin::Own => &field.name,
            FieldOrigin::Rename(from) => from,
            FieldOrigin::Copy(source) if phase > Phase::Copy => {
                // What lies below a copy is what lies below its source.
                let whole: Vec<String> = source.iter().chain(rest).cloned().collect();
                return resolve(&whole, root, root, Phase::Copy);
            }
            made @ FieldOrigin::Concat { .. } if phase > Phase::Concat && rest.is_empty() => {
                return Derived::of(made, root).expect("a concat is made of others");
            }
            _ => &field.name,
        };
        steps.push(Step { key: key.as_str().into(), is_embedded: field.value.is_embedded_json });
        fields = inner(&field.value);
    }
    Derived::Path(steps)
}

/// The field that a path begins with, and how many of its parts the field's name takes: names may hold dots.
fn named<'a>(path: &[String], fields: &'a [FieldSpec]) -> Option<(&'a FieldSpec, usize)> {
    (1..=path.len()).rev().find_map(|taken| {
        let name = path[..taken].join(".");
        let field = fields.iter().find(|field| field.name == name);
        field.or_else(|| fields.iter().find(|field| column_name(&field.name) == name)).map(|field| (field, taken))
    })
}

fn inner(value: &ValueSpec) -> &[FieldSpec] {
    match &value.kind {
        KindSpec::Object(fields) => fields,
        KindSpec::Array(element) => inner(element),
        _ => &[],
    }
}

impl Coercion<'_> {
    /// The value of a made field; none if what it is made of is missing.
    pub(super) fn derived(&mut self, derived: &Derived) -> Option<Value> {
        match derived {
            Derived::Path(steps) => self.follow(steps),
            Derived::Concat { separator, parts } => {
                let mut text = String::new();
                let mut count = 0;
                for part in parts {
                    let Some(value) = self.derived(part) else { continue };
                    if count > 0 {
                        text.push_str(separator);
                    }
                    count += 1;
                    self.write_text(value, &mut text);
                }
                (count > 0).then(|| self.document.push_string(&text))
            }
            Derived::Split { from, separator, index } => {
                let value = self.derived(from)?;
                let mut text = String::new();
                self.write_text(value, &mut text);
                let mut pieces = text.split(&**separator);
                let piece = match *index {
                    None => {
                        let from = self.scratch.items.len();
                        for piece in pieces {
                            let piece = self.document.push_string(piece);
                            self.scratch.items.push(piece);
                        }
                        return Some(self.document.close_array(self.scratch, from));
                    }
                    Some(index) if index < 0 => {
                        text.rsplit(&**separator).nth(usize::try_from(-(index + 1)).unwrap_or(usize::MAX))
                    }
                    Some(index) => pieces.nth(usize::try_from(index).unwrap_or(usize::MAX)),
                };
                piece.map(|piece| self.document.push_string(piece))
            }
        }
    }

    fn follow(&mut self, steps: &[Step]) -> Option<Value> {
        let mut value = self.root;
        for (place, step) in steps.iter().enumerate() {
            value = member(self.document, value, &step.key)?;
            let is_last = place + 1 == steps.len();
            if step.is_embedded
                && !is_last
                && let Value::String(text) = value
            {
                let parsed = self.parser.parse(self.document.text(text).as_bytes()).ok()?;
                value = self.document.import(parsed.root());
            }
        }
        (value != Value::Null).then_some(value)
    }

    /// A value as text: strings as they are, everything else as JSON.
    fn write_text(&self, value: Value, out: &mut String) {
        let value = self.document.at(value);
        match value.as_str() {
            Some(text) => out.push_str(text),
            None => out.push_str(&value.to_json()),
        }
    }
}

/// The value under a key, or at a place of an array.
pub(super) fn member(document: &Document, value: Value, key: &str) -> Option<Value> {
    match value {
        Value::Object(_) => document.at(value).get(key).map(|found| found.value()),
        Value::Array(_) => document.items(value).get(key.parse::<usize>().ok()?).copied(),
        _ => None,
    }
}

//! Fields: a name, where its value comes from, and the value.

use super::{Reader, entry, value::Place};
use crate::schema::error::nearest;
use crate::schema::mask::{Algorithm, Mask};
use crate::schema::names::column_name;
use crate::schema::spec::{FieldOrigin, FieldSpec, KindSpec, ValueSpec};
use crate::schema::yaml::Node;

/// Where a field's value may come from; in this order they are made.
const ORIGINS: [&str; 4] = ["rename", "copy", "concat", "split"];

impl<'a> Reader<'a> {
    /// A list of fields. `is_root`: they become the table's own columns.
    pub(super) fn fields(&mut self, node: &'a Node, is_root: bool) -> Option<Vec<FieldSpec>> {
        let nodes = self.sequence(node)?;
        if nodes.is_empty() {
            self.error(node.line, "a list of at least one field is needed");
            return None;
        }
        let mut fields: Vec<FieldSpec> = Vec::with_capacity(nodes.len());
        let mut all_good = true;
        for (place, node) in nodes.iter().enumerate() {
            let Some(field) = self.field(place, node) else {
                all_good = false;
                continue;
            };
            self.column_is_free(&field, &fields, is_root);
            fields.push(field);
        }
        all_good.then_some(fields)
    }

    fn field(&mut self, place: usize, node: &'a Node) -> Option<FieldSpec> {
        let pairs = self.within(&format!("[{place}]"), |r| r.mapping(node))?;
        // The error's path names the field as soon as its name is known.
        let part = match entry(pairs, "name").and_then(|(_, name)| name.text()) {
            Some(name) => name.to_owned(),
            None => format!("[{place}]"),
        };
        self.within(&part, |r| {
            let name = r.required_string(node, pairs, "name");
            let value = r.value(node, pairs, Place::Field);
            let required = match entry(pairs, "required") {
                Some((_, node)) => r.within("required", |r| r.boolean(node))?,
                None => false,
            };
            let description = entry(pairs, "description").and_then(|(_, node)| node.text());
            let name = name?;
            let origin = r.origin(pairs, &name, value.as_ref());
            let mask = r.mask(pairs, value.as_ref());
            Some(FieldSpec {
                name,
                line: node.line,
                required,
                description: description.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
                origin: origin?,
                mask: mask?,
                value: value?,
                is_discovered: false,
            })
        })
    }

    fn origin(&mut self, pairs: &'a [(Node, Node)], name: &str, value: Option<&ValueSpec>) -> Option<FieldOrigin> {
        let given: Vec<(&Node, &Node)> = ORIGINS.iter().filter_map(|key| entry(pairs, key)).collect();
        let (key, node) = match *given {
            [] => return Some(FieldOrigin::Own),
            [pair] => pair,
            [_, (second, _), ..] => {
                self.error(second.line, format!("a field has only one of {}", ORIGINS.join(", ")));
                return None;
            }
        };
        let kind = key.text().unwrap_or_default();
        self.within(kind, |r| {
            let settings = r.mapping(node)?;
            for (key, _) in settings {
                let known: &[&str] = match kind {
                    "concat" => &["separator", "paths"],
                    "split" => &["from", "separator", "index"],
                    _ => &["from"],
                };
                r.known_key(key, known);
            }
            match kind {
                "rename" => {
                    let from = r.required_string(node, settings, "from")?;
                    if from == name {
                        r.error(key.line, "renames the field to the name it has");
                        return None;
                    }
                    Some(FieldOrigin::Rename(from))
                }
                "copy" => Some(FieldOrigin::Copy(r.path(node, settings)?)),
                "concat" => r.concat(node, settings),
                _ => r.split(node, settings, value),
            }
        })
    }

    fn path(&mut self, node: &'a Node, settings: &'a [(Node, Node)]) -> Option<Vec<String>> {
        let from = self.required_string(node, settings, "from")?;
        self.path_of(node, &from)
    }

    pub(super) fn path_of(&mut self, node: &Node, text: &str) -> Option<Vec<String>> {
        let plain = text.strip_prefix("$.").unwrap_or(text);
        let path: Vec<String> = plain.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            self.error(node.line, format!("`{text}` is no path: keys with dots between them"));
            return None;
        }
        Some(path)
    }

    fn concat(&mut self, node: &'a Node, settings: &'a [(Node, Node)]) -> Option<FieldOrigin> {
        let separator = match entry(settings, "separator") {
            Some((_, node)) => node.text().unwrap_or_default().to_owned(),
            None => String::new(),
        };
        let Some((_, list)) = entry(settings, "paths") else { return self.missing(node, "paths") };
        let paths = self.within("paths", |r| {
            let mut paths = Vec::new();
            for node in r.sequence(list)? {
                let text = r.string(node)?;
                paths.push(r.path_of(node, &text)?);
            }
            Some(paths)
        })?;
        if paths.is_empty() {
            self.error(list.line, "paths: at least one path is needed");
            return None;
        }
        Some(FieldOrigin::Concat { separator, paths })
    }

    fn split(
        &mut self,
        node: &'a Node,
        settings: &'a [(Node, Node)],
        value: Option<&ValueSpec>,
    ) -> Option<FieldOrigin> {
        let from = self.path(node, settings)?;
        let separator = entry(settings, "separator").and_then(|(_, node)| node.text()).unwrap_or_default();
        if separator.is_empty() {
            self.error(node.line, "a `separator` of at least one character is needed");
            return None;
        }
        let index = match entry(settings, "index") {
            None => None,
            Some((key, node)) => match node.text().and_then(|text| text.parse::<i64>().ok()) {
                Some(index) => Some(index),
                None => {
                    self.error(key.line, "index: expected a whole number; the first piece is 0, the last -1");
                    return None;
                }
            },
        };
        if index.is_none() && value.is_some_and(|value| !matches!(value.kind, KindSpec::Array(_))) {
            self.error(node.line, "an `index` is needed, or the type `array`, which takes all pieces");
            return None;
        }
        Some(FieldOrigin::Split { from, separator: separator.to_owned(), index })
    }

    fn mask(&mut self, pairs: &'a [(Node, Node)], value: Option<&ValueSpec>) -> Option<Option<Mask>> {
        let Some((key, node)) = entry(pairs, "mask") else { return Some(None) };
        self.within("mask", |r| {
            let settings = r.mapping(node)?;
            for (key, _) in settings {
                r.known_key(key, &["type", "to", "salt"]);
            }
            let type_name = r.required_string(node, settings, "type")?;
            let text = |key: &str| entry(settings, key).and_then(|(_, node)| node.text());
            let mask = match Algorithm::parse(&type_name) {
                Some(algorithm) => Mask::Hash { algorithm, salt: text("salt").unwrap_or_default().into() },
                None if type_name == "redact" => Mask::Redact(text("to").unwrap_or(Mask::DEFAULT_TEXT).into()),
                None => {
                    let known = Some(format!("known are {}", Mask::TYPES.join(", ")));
                    r.report(
                        key.line,
                        format!("unknown mask `{type_name}`"),
                        nearest(&type_name, Mask::TYPES).or(known),
                    );
                    return None;
                }
            };
            if value.is_some_and(|value| !can_be_masked(value)) {
                r.error(key.line, "only strings, lists of strings and json can be masked");
                return None;
            }
            Some(Some(mask))
        })
    }

    /// Two columns must differ by more than case, and two fields must not read the same key.
    fn column_is_free(&mut self, field: &FieldSpec, earlier: &[FieldSpec], is_root: bool) {
        let column = column_name(&field.name);
        if is_root && column.to_ascii_lowercase().starts_with("p_") {
            self.error(field.line, format!("field `{}`: names that begin with `p_` are the product's own", field.name));
        }
        for other in earlier {
            let (name, line) = (&other.name, other.line);
            if column_name(name).eq_ignore_ascii_case(&column) {
                let why = if *name == field.name { "the same name" } else { "the same column but for case" };
                self.error(field.line, format!("field `{}` has {why} as `{name}` on line {line}", field.name));
            } else if other.source().is_some() && other.source() == field.source() {
                self.error(field.line, format!("field `{}` reads the same key as `{name}` on line {line}", field.name));
            }
        }
    }
}

fn can_be_masked(value: &ValueSpec) -> bool {
    match &value.kind {
        KindSpec::String | KindSpec::Json => true,
        KindSpec::Array(element) => can_be_masked(element),
        _ => false,
    }
}

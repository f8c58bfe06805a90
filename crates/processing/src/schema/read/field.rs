//! Fields: a name, where its value comes from, and the value.

use super::{Reader, entry, value::Place};
use crate::schema::names::column_name;
use crate::schema::spec::{FieldOrigin, FieldSpec};
use crate::schema::yaml::Node;

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
            let origin = r.origin(pairs, &name)?;
            Some(FieldSpec {
                name,
                line: node.line,
                required,
                description: description.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
                origin,
                value: value?,
            })
        })
    }

    fn origin(&mut self, pairs: &'a [(Node, Node)], name: &str) -> Option<FieldOrigin> {
        let rename = entry(pairs, "rename");
        let copy = entry(pairs, "copy");
        let (key, node) = match (rename, copy) {
            (None, None) => return Some(FieldOrigin::Own),
            (Some((key, _)), Some(_)) => {
                self.error(key.line, "a field has either `rename` or `copy`");
                return None;
            }
            (Some(pair), None) | (None, Some(pair)) => pair,
        };
        let is_rename = rename.is_some();
        self.within(if is_rename { "rename" } else { "copy" }, |r| {
            let pairs = r.mapping(node)?;
            for (key, _) in pairs {
                r.known_key(key, &["from"]);
            }
            let from = r.required_string(node, pairs, "from")?;
            if is_rename {
                if from == name {
                    r.error(key.line, "renames the field to the name it has");
                    return None;
                }
                return Some(FieldOrigin::Rename(from));
            }
            let path: Vec<String> = from.split('.').map(str::to_owned).collect();
            if path.iter().any(String::is_empty) {
                r.error(key.line, format!("`{from}` is no path: keys with dots between them"));
                return None;
            }
            Some(FieldOrigin::Copy(path))
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
            } else if source(other).is_some() && source(other) == source(field) {
                self.error(field.line, format!("field `{}` reads the same key as `{name}` on line {line}", field.name));
            }
        }
    }
}

fn source(field: &FieldSpec) -> Option<&str> {
    match &field.origin {
        FieldOrigin::Own => Some(&field.name),
        FieldOrigin::Rename(from) => Some(from),
        FieldOrigin::Copy(_) => None,
    }
}

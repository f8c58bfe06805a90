//! What a new version of a schema changes, and whether a table of the old one can go on with it.
//!
//! A table's columns stay: rows that are written are not written again. So fields may be added anywhere, and everything
//! about how a value is read may change, but no field may go or become another type.

use super::set::Schema;
use super::spec::{FieldSpec, KindSpec, SchemaSpec, ValueSpec};

/// What kind of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    AddField,
    DeleteField,
    /// `required`, `description`, transformations.
    UpdateFieldMeta,
    /// The type itself.
    UpdateValue,
    /// `indicators`, `timeFormats`, `isEventTime`, `validate` and the like.
    UpdateValueMeta,
    UpdateParser,
    /// `description`, `referenceURL`, `fieldDiscoveryEnabled`, `udm`.
    UpdateMeta,
}

/// One difference between two versions of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaChange {
    pub kind: ChangeKind,
    /// Where, such as `user.emails.*`; empty for the schema as a whole.
    pub path: String,
    /// Why a table cannot go on with it, and what to do instead.
    pub refused: Option<String>,
}

impl Schema {
    /// What this version changes in an older one, in the order of the fields. The table can go on if nothing is refused.
    #[must_use]
    pub fn changes_from(&self, old: &Self) -> Vec<SchemaChange> {
        let mut changes = Changes { changes: Vec::new(), path: Vec::new() };
        changes.schema(old.spec(), self.spec());
        changes.changes
    }
}

struct Changes {
    changes: Vec<SchemaChange>,
    path: Vec<String>,
}

impl Changes {
    fn schema(&mut self, old: &SchemaSpec, new: &SchemaSpec) {
        if old.log_type != new.log_type {
            let message = format!("the log type was {}; a log type keeps its name", old.log_type);
            self.add(ChangeKind::UpdateMeta, Some(message));
        }
        let meta = |spec: &SchemaSpec| {
            (spec.description.clone(), spec.reference.clone(), spec.field_discovery, spec.udm.clone())
        };
        if meta(old) != meta(new) {
            self.add(ChangeKind::UpdateMeta, None);
        }
        if old.parser != new.parser {
            self.add(ChangeKind::UpdateParser, None);
        }
        self.fields(&old.fields, &new.fields);
    }

    fn add(&mut self, kind: ChangeKind, refused: Option<String>) {
        self.changes.push(SchemaChange { kind, path: self.path.join("."), refused });
    }

    fn within(&mut self, part: &str, look: impl FnOnce(&mut Self)) {
        self.path.push(part.to_owned());
        look(self);
        self.path.pop();
    }

    fn fields(&mut self, old: &[FieldSpec], new: &[FieldSpec]) {
        for field in new {
            self.within(&field.name, |changes| match old.iter().find(|other| other.name == field.name) {
                Some(before) => changes.field(before, field),
                None => changes.add(ChangeKind::AddField, None),
            });
        }
        for field in old {
            if new.iter().any(|other| other.name == field.name) {
                continue;
            }
            let message =
                "the field is gone or has another name; its column holds rows, so keep it and add the new one";
            self.within(&field.name, |changes| changes.add(ChangeKind::DeleteField, Some(message.to_owned())));
        }
    }

    fn field(&mut self, old: &FieldSpec, new: &FieldSpec) {
        let meta =
            |field: &FieldSpec| (field.required, field.description.clone(), field.origin.clone(), field.mask.clone());
        if meta(old) != meta(new) {
            self.add(ChangeKind::UpdateFieldMeta, None);
        }
        self.value(&old.value, &new.value);
    }

    fn value(&mut self, old: &ValueSpec, new: &ValueSpec) {
        let meta = |value: &ValueSpec| {
            let flags = (value.is_embedded_json, value.is_event_time, value.is_expiration);
            (value.indicators.clone(), value.validate.clone(), flags)
        };
        let has_new_formats = match (&old.kind, &new.kind) {
            (KindSpec::Timestamp { .. }, KindSpec::Timestamp { .. }) => old.kind != new.kind,
            _ => false,
        };
        if meta(old) != meta(new) || has_new_formats {
            self.add(ChangeKind::UpdateValueMeta, None);
        }
        match (&old.kind, &new.kind) {
            (KindSpec::Object(old), KindSpec::Object(new)) => self.fields(old, new),
            (KindSpec::Array(old), KindSpec::Array(new)) => self.within("*", |changes| changes.value(old, new)),
            (old, new) if old.name() == new.name() => {}
            (old, new) => {
                let (old, new) = (old.name(), new.name());
                let message =
                    format!("the type was {old} and is {new}; add a field with another name, `copy` fills it");
                self.add(ChangeKind::UpdateValue, Some(message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SchemaSet;

    const OLD: &str = "
  - {name: a, type: string}
  - {name: t, type: timestamp, timeFormat: unix}
  - {name: o, type: object, fields: [{name: x, type: int}, {name: y, type: string}]}
  - {name: l, type: array, element: {type: object, fields: [{name: z, type: string}]}}
  - {name: m, type: array, element: {type: string}}
";

    fn schema(head: &str, fields: &str) -> std::sync::Arc<Schema> {
        let yaml = format!("schema: T.One\n{head}\nfields:{fields}");
        let (set, errors) = SchemaSet::load([("t.yml".to_owned(), yaml)]);
        assert!(errors.is_empty(), "{errors:?}");
        set.iter().next().unwrap().clone()
    }

    fn changes(head: &str, fields: &str) -> Vec<String> {
        let said = schema(head, fields).changes_from(&schema("", OLD));
        said.iter()
            .map(|change| {
                let refused = change.refused.as_ref().map(|why| format!(" refused: {why}")).unwrap_or_default();
                format!("{:?} {}{refused}", change.kind, change.path)
            })
            .collect()
    }

    #[test]
    fn nothing() {
        assert_eq!(changes("", OLD), Vec::<String>::new());
        // Definitions are resolved before versions are compared.
        let same = OLD.replace("{type: object, fields: [{name: z, type: string}]}", "{type: ref, target: Zz}");
        assert_eq!(
            changes("definitions: {Zz: {type: object, fields: [{name: z, type: string}]}}", &same),
            Vec::<String>::new()
        );
    }

    #[test]
    fn allowed() {
        let new = "
  - {name: a, type: string, required: true, indicators: [ip], validate: {ip: any}}
  - {name: t, type: timestamp, timeFormats: [unix_ms, unix], isEventTime: true}
  - {name: o, type: object, fields: [{name: x, type: int}, {name: y, type: string}, {name: n, type: json}]}
  - {name: l, type: array, element: {type: object, fields: [{name: z, type: string, description: d}, {name: w, type: int}]}}
  - {name: m, type: array, element: {type: string, indicators: [email]}}
  - {name: b, type: string}
";
        assert_eq!(
            changes("description: d\nparser: {csv: {hasHeader: true}}", new),
            [
                "UpdateMeta ",
                "UpdateParser ",
                "UpdateFieldMeta a",
                "UpdateValueMeta a",
                "UpdateValueMeta t",
                "AddField o.n",
                "UpdateFieldMeta l.*.z",
                "AddField l.*.w",
                "UpdateValueMeta m.*",
                "AddField b",
            ]
        );
    }

    #[test]
    fn refused() {
        let new = "
  - {name: A, type: string}
  - {name: t, type: string}
  - {name: o, type: object, fields: [{name: x, type: bigint}]}
  - {name: l, type: array, element: {type: json}}
  - {name: m, type: string}
";
        assert_eq!(
            changes("", new),
            [
                "AddField A",
                "UpdateValue t refused: the type was timestamp and is string; add a field with another name, `copy` fills it",
                "UpdateValue o.x refused: the type was int and is bigint; add a field with another name, `copy` fills it",
                "DeleteField o.y refused: the field is gone or has another name; its column holds rows, so keep it and add the new one",
                "UpdateValue l.* refused: the type was object and is json; add a field with another name, `copy` fills it",
                "UpdateValue m refused: the type was array and is string; add a field with another name, `copy` fills it",
                "DeleteField a refused: the field is gone or has another name; its column holds rows, so keep it and add the new one",
            ]
        );
    }
}

//! All known schemas. One bad file never hides the good ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use uncia_model::{LogType, TableSchema};

use super::error::SchemaError;
use super::names::column_name;
use super::read::{read, read_field};
use super::spec::{FieldSpec, KindSpec, Sample, SchemaSpec};
use super::table::table_schema;
use crate::discovery::{AddedField, Revision};

/// A log type: how its records are read, and the table they fill.
#[derive(Debug)]
pub struct Schema {
    spec: SchemaSpec,
    file: String,
    table: Arc<TableSchema>,
    revision: u32,
}

impl Schema {
    #[must_use]
    pub fn log_type(&self) -> &LogType {
        &self.spec.log_type
    }

    #[must_use]
    pub fn description(&self) -> &str {
        &self.spec.description
    }

    /// The file it was read from.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// All columns: the schema's, the standard ones, every `p_any_…` and `p_extra`.
    #[must_use]
    pub fn table_schema(&self) -> &Arc<TableSchema> {
        &self.table
    }

    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.spec.samples
    }

    /// How often the schema was edited; events carry it as `p_schema_version`. Bundled schemas have 0.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Whether fields that records have and the schema does not may be added to it.
    #[must_use]
    pub fn has_field_discovery(&self) -> bool {
        self.spec.field_discovery
    }

    /// The top-level field after whose instant a row of a lookup table means nothing any more.
    #[must_use]
    pub fn expiration(&self) -> Option<&str> {
        self.spec.fields.iter().find(|field| field.value.is_expiration).map(|field| &*field.name)
    }

    /// Whether its records are lines of a stream, and not JSON.
    #[must_use]
    pub fn reads_lines(&self) -> bool {
        self.spec.parser.as_ref().is_some_and(|parser| parser.reads_lines())
    }

    pub(crate) fn spec(&self) -> &SchemaSpec {
        &self.spec
    }
}

/// Every schema of this installation, by log type.
#[derive(Clone, Debug, Default)]
pub struct SchemaSet {
    schemas: BTreeMap<LogType, Arc<Schema>>,
}

impl SchemaSet {
    /// Reads schema files, given by name and text. Files with mistakes are left out and reported.
    pub fn load(files: impl IntoIterator<Item = (String, String)>) -> (Self, Vec<SchemaError>) {
        let mut set = Self::default();
        let mut errors = Vec::new();
        let mut tables: BTreeMap<String, LogType> = BTreeMap::new();
        for (file, text) in files {
            let spec = match read(&file, &text) {
                Ok(spec) => spec,
                Err(found) => {
                    errors.extend(found);
                    continue;
                }
            };
            if let Some(taken) = tables.get(&spec.log_type.table_name()) {
                let other = set.schemas.get(taken).map_or("another file", |schema| &schema.file);
                let message = format!("log type `{}` has the same table as `{taken}` of {other}", spec.log_type);
                errors.push(SchemaError { file, line: spec.line, path: "schema".to_owned(), message, hint: None });
                continue;
            }
            tables.insert(spec.log_type.table_name(), spec.log_type.clone());
            let table = Arc::new(table_schema(&spec));
            set.schemas.insert(spec.log_type.clone(), Arc::new(Schema { spec, file, table, revision: 0 }));
        }
        (set, errors)
    }

    /// The same schemas with the fields that were discovered. A field that has come into the file since then is the file's.
    #[must_use]
    pub fn revised(&self, revisions: &[Revision]) -> Self {
        let mut schemas = self.schemas.clone();
        for (log_type, schema) in &mut schemas {
            let own = || revisions.iter().filter(|revision| revision.log_type == *log_type);
            let Some(newest) = own().map(|revision| revision.number).max() else { continue };
            let mut spec = schema.spec.clone();
            for AddedField { path, field } in own().flat_map(|revision| &revision.added) {
                if let Some(field) = read_field(field) {
                    add_field(&mut spec.fields, path, field);
                }
            }
            let revision = schema.revision.max(u32::try_from(newest).unwrap_or(u32::MAX));
            let table = Arc::new(table_schema(&spec));
            *schema = Arc::new(Schema { spec, file: schema.file.clone(), table, revision });
        }
        Self { schemas }
    }

    /// Lays another set over this one: its schemas replace those of the same log type.
    pub fn overlay(&mut self, upper: Self) -> Vec<SchemaError> {
        let mut errors = Vec::new();
        for (log_type, schema) in upper.schemas {
            let table = log_type.table_name();
            let clash =
                self.schemas.values().find(|has| *has.log_type() != log_type && has.log_type().table_name() == table);
            if let Some(other) = clash {
                let message =
                    format!("log type `{log_type}` has the same table as `{}` of {}", other.log_type(), other.file);
                let (file, line) = (schema.file.clone(), schema.spec.line);
                errors.push(SchemaError { file, line, path: "schema".to_owned(), message, hint: None });
                continue;
            }
            self.schemas.insert(log_type, schema);
        }
        errors
    }

    #[must_use]
    pub fn get(&self, log_type: &LogType) -> Option<&Arc<Schema>> {
        self.schemas.get(log_type)
    }

    /// Says which revision of a schema this is; false if there is no such log type.
    pub fn set_revision(&mut self, log_type: &LogType, revision: u32) -> bool {
        let Some(schema) = self.schemas.get_mut(log_type) else { return false };
        let Schema { spec, file, table, .. } = &**schema;
        *schema = Arc::new(Schema { spec: spec.clone(), file: file.clone(), table: table.clone(), revision });
        true
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Schema>> {
        self.schemas.values()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.schemas.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.schemas.is_empty()
    }
}

/// Adds a field to the object at the path, if there is one without a column of that name.
fn add_field(fields: &mut Vec<FieldSpec>, path: &[String], added: FieldSpec) {
    let Some((name, rest)) = path.split_first() else {
        let column = column_name(&added.name);
        if !fields.iter().any(|field| column_name(&field.name).eq_ignore_ascii_case(&column)) {
            fields.push(added);
        }
        return;
    };
    let parent = fields.iter_mut().find(|field| column_name(&field.name) == *name);
    let mut value = parent.map(|field| &mut field.value);
    while let Some(inner) = value {
        match &mut inner.kind {
            KindSpec::Array(element) => value = Some(&mut **element),
            KindSpec::Object(fields) => return add_field(fields, rest, added),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use uncia_model::ColumnType;

    use super::*;

    #[test]
    fn a_table_has_the_schemas_columns_and_the_standard_ones() {
        let yaml = "schema: Acme.Audit\ndescription: d\nfields:\n  - {name: '@time', type: timestamp, timeFormat: rfc3339, description: When.}\n  \
                    - {name: who, type: object, fields: [{name: id.x, type: bigint}]}\n";
        let (set, errors) = SchemaSet::load([("a.yml".to_owned(), yaml.to_owned())]);
        assert!(errors.is_empty(), "{errors:?}");
        let schema = set.get(&"Acme.Audit".into()).unwrap();
        let columns = &schema.table_schema().columns;
        assert_eq!(columns.len(), 2 + 10 + 15 + 1);
        assert_eq!(columns[0].name, "at_sign_time");
        assert_eq!(columns[0].doc.as_deref(), Some("When. `@time` in the record."));
        let ColumnType::Struct(fields) = &columns[1].kind else { panic!() };
        assert_eq!((&*fields[0].name, &fields[0].kind), ("id_x", &ColumnType::Long));
        assert_eq!(columns.last().unwrap().name, "p_extra");
    }

    #[test]
    fn an_upper_layer_replaces() {
        let schema = |name: &str, field: &str| format!("schema: {name}\nfields: [{{name: {field}, type: string}}]\n");
        let set = |file: &str, text: String| SchemaSet::load([(file.to_owned(), text)]).0;
        let mut schemas = set("1.yml", schema("Acme.Audit", "a"));
        assert!(schemas.overlay(set("2.yml", schema("Acme.Audit", "b"))).is_empty());
        assert_eq!(schemas.get(&"Acme.Audit".into()).unwrap().file(), "2.yml");
        let errors = schemas.overlay(set("3.yml", schema("Acme.AUDIT", "c")));
        assert_eq!(
            errors[0].to_string(),
            "3.yml:1: schema: log type `Acme.AUDIT` has the same table as `Acme.Audit` of 2.yml"
        );
        assert_eq!(schemas.len(), 1);
    }

    #[test]
    fn bad_files_do_not_hide_good_ones() {
        let schema = |name: &str| format!("schema: {name}\nfields: [{{name: a, type: string}}]\n");
        let files = [("1.yml", schema("Acme.Audit")), ("2.yml", "x: [".to_owned()), ("3.yml", schema("Acme.AUDIT"))];
        let (set, errors) = SchemaSet::load(files.map(|(file, text)| (file.to_owned(), text)));
        assert_eq!(set.len(), 1);
        assert_eq!(errors.len(), 2);
        assert_eq!(
            errors[1].to_string(),
            "3.yml:1: schema: log type `Acme.AUDIT` has the same table as `Acme.Audit` of 1.yml"
        );
    }
}

//! Column types to Iceberg's and back, and how a table's columns grow.
//!
//! Tables only ever widen: columns and struct fields are added, `Int` becomes `Long`; nothing is renamed, dropped or
//! re-used, so every reader may match old files by name. A log schema that changes a column's type leaves the table's
//! column as it is; values that do not fit it go to `p_extra` (see `columns`), and so does a column whose name differs from
//! an existing one by case alone.
//!
//! Iceberg v2 has no JSON type: such columns are strings, and the table property [`JSON_COLUMNS`] lists their paths.
//! Every column but `p_event_time` is optional, since a log source may break any promise.

use std::collections::BTreeSet;
use std::sync::Arc;

use iceberg::spec::{ListType, NestedField, NestedFieldRef, PrimitiveType, Schema, StructType, TableMetadata, Type};
use uncia_model::{Column, ColumnType, TableSchema, fields};

/// Table property: a JSON array of the dotted paths of columns that hold JSON text; a list's items are `element`.
pub const JSON_COLUMNS: &str = "uncia.json-columns";
/// Table property that engines show as the table's description.
pub(crate) const COMMENT: &str = "comment";

/// Dotted paths of JSON text columns.
pub(crate) type JsonPaths = BTreeSet<String>;

pub(crate) fn json_paths(metadata: &TableMetadata) -> JsonPaths {
    let property = metadata.properties().get(JSON_COLUMNS);
    property.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

pub(crate) fn json_property(paths: &JsonPaths) -> String {
    serde_json::to_string(paths).expect("a set of strings is JSON")
}

/// The columns a table of this schema has: the schema's, and `p_extra` in any case.
pub(crate) fn with_extra(wanted: &TableSchema) -> Vec<Column> {
    let mut columns = wanted.columns.clone();
    if !columns.iter().any(|column| column.name == fields::EXTRA) {
        columns.push(Column::new(fields::EXTRA, ColumnType::Json));
    }
    columns
}

/// Adds what is missing to a table's columns.
pub(crate) struct Widening {
    pub(crate) json: JsonPaths,
    pub(crate) last_id: i32,
    pub(crate) changed: bool,
}

impl Widening {
    /// The columns with those of `wanted` that are missing; `path` is the struct's they belong to, empty or ending in a dot.
    pub(crate) fn widen(&mut self, has: &[NestedFieldRef], wanted: &[Column], path: &str) -> Vec<NestedFieldRef> {
        let mut widened = Vec::with_capacity(has.len().max(wanted.len()));
        for field in has {
            let same = wanted.iter().find(|column| column.name == field.name);
            let kind = same.and_then(|column| self.widen_type(&field.field_type, &column.kind, path, &field.name));
            match kind {
                Some(kind) => {
                    let mut field = NestedField::clone(field);
                    field.field_type = Box::new(kind);
                    widened.push(Arc::new(field));
                }
                None => widened.push(field.clone()),
            }
        }
        for column in wanted {
            let taken = |field: &NestedFieldRef| field.name.eq_ignore_ascii_case(&column.name);
            if widened.iter().any(taken) {
                continue;
            }
            self.changed = true;
            widened.push(self.new_field(column, path));
        }
        widened
    }

    /// `None` when the type stays.
    fn widen_type(&mut self, has: &Type, wanted: &ColumnType, path: &str, name: &str) -> Option<Type> {
        match (has, wanted) {
            (Type::Struct(has), ColumnType::Struct(wanted)) => {
                let fields = self.widen(has.fields(), wanted, &format!("{path}{name}."));
                Some(Type::Struct(StructType::new(fields)))
            }
            (Type::List(has), ColumnType::List(wanted)) => {
                let element = &has.element_field;
                let kind = self.widen_type(&element.field_type, wanted, &format!("{path}{name}."), &element.name)?;
                let element = NestedField::list_element(element.id, kind, element.required);
                Some(Type::List(ListType::new(element.into())))
            }
            (Type::Primitive(PrimitiveType::Int), ColumnType::Long) => {
                self.changed = true;
                Some(Type::Primitive(PrimitiveType::Long))
            }
            _ => None,
        }
    }

    fn new_field(&mut self, column: &Column, path: &str) -> NestedFieldRef {
        let id = self.next_id();
        let kind = self.new_type(&column.kind, &format!("{path}{}", column.name));
        let required = path.is_empty() && column.name == fields::EVENT_TIME;
        let mut field = NestedField::new(id, &column.name, kind, required);
        field.doc.clone_from(&column.doc);
        Arc::new(field)
    }

    fn new_type(&mut self, kind: &ColumnType, path: &str) -> Type {
        let primitive = match kind {
            // Parquet cannot hold a struct without fields.
            ColumnType::Struct(fields) if fields.is_empty() => self.json_text(path),
            ColumnType::Struct(columns) => {
                let inner = format!("{path}.");
                return Type::Struct(StructType::new(columns.iter().map(|c| self.new_field(c, &inner)).collect()));
            }
            ColumnType::List(item) => {
                let id = self.next_id();
                let kind = self.new_type(item, &format!("{path}.element"));
                return Type::List(ListType::new(NestedField::list_element(id, kind, false).into()));
            }
            ColumnType::Json => self.json_text(path),
            ColumnType::String => PrimitiveType::String,
            ColumnType::Bool => PrimitiveType::Boolean,
            ColumnType::Int => PrimitiveType::Int,
            ColumnType::Long => PrimitiveType::Long,
            ColumnType::Double => PrimitiveType::Double,
            ColumnType::Timestamp => PrimitiveType::Timestamptz,
        };
        Type::Primitive(primitive)
    }

    fn json_text(&mut self, path: &str) -> PrimitiveType {
        self.json.insert(path.to_owned());
        PrimitiveType::String
    }

    fn next_id(&mut self) -> i32 {
        self.last_id += 1;
        self.last_id
    }
}

/// A table's columns in the product's own terms. Types that only other engines write read as strings.
pub(crate) fn table_schema(metadata: &TableMetadata) -> TableSchema {
    let json = json_paths(metadata);
    let description = metadata.properties().get(COMMENT).cloned().unwrap_or_default();
    TableSchema { columns: columns(metadata.current_schema(), &json), description }
}

fn columns(schema: &Schema, json: &JsonPaths) -> Vec<Column> {
    schema.as_struct().fields().iter().map(|field| column(field, "", json)).collect()
}

fn column(field: &NestedField, path: &str, json: &JsonPaths) -> Column {
    let path = format!("{path}{}", field.name);
    Column {
        name: field.name.clone(),
        kind: column_type(&field.field_type, &path, json),
        required: field.required,
        doc: field.doc.clone(),
    }
}

fn column_type(kind: &Type, path: &str, json: &JsonPaths) -> ColumnType {
    match kind {
        Type::Struct(inner) => {
            let prefix = format!("{path}.");
            ColumnType::Struct(inner.fields().iter().map(|field| column(field, &prefix, json)).collect())
        }
        Type::List(list) => {
            let element = &list.element_field;
            let item = column_type(&element.field_type, &format!("{path}.element"), json);
            ColumnType::List(Box::new(item))
        }
        Type::Primitive(PrimitiveType::Boolean) => ColumnType::Bool,
        Type::Primitive(PrimitiveType::Int) => ColumnType::Int,
        Type::Primitive(PrimitiveType::Long) => ColumnType::Long,
        Type::Primitive(PrimitiveType::Float | PrimitiveType::Double) => ColumnType::Double,
        Type::Primitive(PrimitiveType::Timestamp | PrimitiveType::Timestamptz) => ColumnType::Timestamp,
        Type::Primitive(_) | Type::Map(_) if json.contains(path) => ColumnType::Json,
        Type::Primitive(_) | Type::Map(_) => ColumnType::String,
    }
}

//! A table's columns as Arrow fields, and back as words for people.
//!
//! Two schemas describe one scan. The *file* schema has the columns' own names, which is how Parquet files are matched
//! by name. The *table* schema, which SQL is planned against, has top-level names in lower case: identifiers are folded
//! before planning, so resolution without regard to case needs no further thought. Nested names keep their case.
//!
//! List children are called `item` although Iceberg files say `element`: that is Arrow's own name, and with any other
//! DataFusion wraps columns in casts that hide them from pruning.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use uncia_model::{Column, ColumnType, TableSchema};

/// Field metadata: the column's name in its own case.
pub(crate) const NAME: &str = "uncia.name";
/// Field metadata: how the text in this column is JSON, [`JSON_TEXT`] or [`JSON_LOOSE`].
pub(crate) const JSON: &str = "uncia.json";
/// Every value is the text of a JSON value.
pub(crate) const JSON_TEXT: &str = "text";
/// A value cut out of JSON: strings stand without quotes, objects and arrays as their text.
pub(crate) const JSON_LOOSE: &str = "loose";

pub(crate) fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
}

/// The columns under their own names, as the files have them.
pub(crate) fn file_schema(schema: &TableSchema) -> SchemaRef {
    Arc::new(Schema::new(schema.columns.iter().map(|column| top_level(column, &column.name)).collect::<Fields>()))
}

/// The columns under folded names, as SQL is planned against.
pub(crate) fn table_schema(schema: &TableSchema) -> SchemaRef {
    let folded = |column: &Column| top_level(column, &column.name.to_lowercase());
    Arc::new(Schema::new(schema.columns.iter().map(folded).collect::<Fields>()))
}

fn top_level(column: &Column, name: &str) -> FieldRef {
    let mut metadata = HashMap::from([(NAME.to_owned(), column.name.clone())]);
    if column.kind == ColumnType::Json {
        metadata.insert(JSON.to_owned(), JSON_TEXT.to_owned());
    }
    Arc::new(Field::new(name, data_type(&column.kind), true).with_metadata(metadata))
}

pub(crate) fn data_type(kind: &ColumnType) -> DataType {
    match kind {
        ColumnType::String | ColumnType::Json => DataType::Utf8,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Int => DataType::Int32,
        ColumnType::Long => DataType::Int64,
        ColumnType::Double => DataType::Float64,
        ColumnType::Timestamp => timestamp_type(),
        ColumnType::List(item) => DataType::List(child("item", item)),
        ColumnType::Struct(columns) => {
            DataType::Struct(columns.iter().map(|column| child(&column.name, &column.kind)).collect())
        }
    }
}

/// Nested fields carry metadata only where they must: every entry makes their type differ from the file's.
fn child(name: &str, kind: &ColumnType) -> FieldRef {
    let field = Field::new(name, data_type(kind), true);
    if *kind != ColumnType::Json {
        return Arc::new(field);
    }
    Arc::new(field.with_metadata(HashMap::from([(JSON.to_owned(), JSON_TEXT.to_owned())])))
}

/// The type in the words of Snowflake's documentation, for `DESCRIBE` and messages.
pub(crate) fn type_name(field: &Field) -> String {
    if field.metadata().contains_key(JSON) {
        return "variant".to_owned();
    }
    match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "int".to_owned(),
        DataType::Int64 | DataType::UInt64 | DataType::UInt32 => "bigint".to_owned(),
        DataType::Float32 | DataType::Float64 => "double".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::List(item) | DataType::LargeList(item) => format!("array({})", type_name(item)),
        DataType::Struct(fields) => {
            let inner: Vec<String> = fields.iter().map(|f| format!("{} {}", f.name(), type_name(f))).collect();
            format!("object({})", inner.join(", "))
        }
        DataType::Null => "null".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

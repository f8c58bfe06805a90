//! Schema to table: the columns that a log type's events fill.

use uncia_model::{Column, ColumnType, TableSchema, fields};

use super::names::column_name;
use super::spec::{FieldSpec, KindSpec, SchemaSpec, ValueSpec};

/// A log type's table: its fields, then the standard columns.
pub(crate) fn table_schema(spec: &SchemaSpec) -> TableSchema {
    let mut columns: Vec<Column> = spec.fields.iter().map(column).collect();
    columns.extend(standard_columns());
    let mut description = spec.description.clone();
    if let Some(reference) = &spec.reference {
        description = format!("{description} {reference}").trim().to_owned();
    }
    TableSchema { columns, description }
}

/// The columns that every table of events has.
#[must_use]
pub fn standard_columns() -> Vec<Column> {
    let column = |name: &str, kind, required, doc: &str| Column {
        name: name.to_owned(),
        kind,
        required,
        doc: Some(doc.to_owned()),
    };
    let mut columns = vec![
        column(fields::LOG_TYPE, ColumnType::String, true, "The log type."),
        column(
            fields::ROW_ID,
            ColumnType::String,
            true,
            "The row's identity, the same however often its bytes are read.",
        ),
        column(
            fields::EVENT_TIME,
            ColumnType::Timestamp,
            true,
            "When it happened; if the event does not say, when it was parsed.",
        ),
        column(fields::PARSE_TIME, ColumnType::Timestamp, true, "When it was parsed."),
        column(fields::SCHEMA_VERSION, ColumnType::Int, false, "Version of the schema it was parsed with."),
        column(fields::SOURCE_ID, ColumnType::String, false, "The source it came from."),
        column(fields::SOURCE_LABEL, ColumnType::String, false, "The source's name when it was parsed."),
        column(fields::SOURCE_FILE, ColumnType::Json, false, "Where in the source it came from."),
        column(fields::HEADER, ColumnType::Json, false, "What the record's envelope said of it."),
    ];
    columns.push(column(fields::UDM, ColumnType::Json, false, "Core fields, which mean the same in every log type."));
    let list = || ColumnType::List(Box::new(ColumnType::String));
    columns.extend(fields::ANY.iter().map(|name| Column::new(*name, list())));
    columns.push(column(fields::EXTRA, ColumnType::Json, false, "What the event holds beyond the columns."));
    columns
}

fn column(field: &FieldSpec) -> Column {
    let name = column_name(&field.name);
    let original = (name != field.name).then(|| format!("`{}` in the record.", field.name));
    let doc = [field.description.clone(), original].into_iter().flatten().collect::<Vec<_>>().join(" ");
    Column {
        name: name.into_owned(),
        kind: column_type(&field.value),
        // What is required today may be optional in the next version of a schema, and old rows must stay readable.
        required: false,
        doc: (!doc.is_empty()).then_some(doc),
    }
}

fn column_type(value: &ValueSpec) -> ColumnType {
    match &value.kind {
        KindSpec::String => ColumnType::String,
        KindSpec::SmallInt | KindSpec::Int => ColumnType::Int,
        KindSpec::BigInt => ColumnType::Long,
        KindSpec::Float => ColumnType::Double,
        KindSpec::Boolean => ColumnType::Bool,
        KindSpec::Timestamp { .. } => ColumnType::Timestamp,
        KindSpec::Array(element) => ColumnType::List(Box::new(column_type(element))),
        KindSpec::Object(fields) => ColumnType::Struct(fields.iter().map(column).collect()),
        KindSpec::Json => ColumnType::Json,
    }
}

//! Columns of one schema as columns of another: a table may have got wider between the time when rows were collected for
//! it and the time when they are written.
//!
//! Columns are matched by name at every depth, since ids may differ; what the other schema has besides is null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, RecordBatchOptions, StructArray, new_null_array};
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::error::ArrowError;

/// The rows under another schema. Values whose types differ are cast, or refused.
pub(crate) fn adapt(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns: Result<Vec<ArrayRef>, ArrowError> = schema
        .fields()
        .iter()
        .map(|field| match rows.column_by_name(field.name()) {
            Some(column) => adapted(column, field),
            None => Ok(new_null_array(field.data_type(), rows.num_rows())),
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns?, &options)
}

fn adapted(column: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == field.data_type() {
        return Ok(column.clone());
    }
    match (column.data_type(), field.data_type()) {
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let members = column.as_struct();
            let columns: Result<Vec<ArrayRef>, ArrowError> = fields
                .iter()
                .map(|field| match members.column_by_name(field.name()) {
                    Some(member) => adapted(member, field),
                    None => Ok(new_null_array(field.data_type(), members.len())),
                })
                .collect();
            let rows = members.len();
            let adapted = StructArray::try_new_with_length(fields.clone(), columns?, members.nulls().cloned(), rows)?;
            Ok(Arc::new(adapted))
        }
        (DataType::List(_), DataType::List(item)) => {
            let list = column.as_list::<i32>();
            let items = adapted(list.values(), item)?;
            Ok(Arc::new(ListArray::try_new(item.clone(), list.offsets().clone(), items, list.nulls().cloned())?))
        }
        (_, kind) => arrow::compute::cast(column, kind),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, StringArray};
    use arrow::datatypes::{Fields, Schema};

    use super::*;

    #[test]
    fn wider_schemas_get_nulls_and_wider_types_get_the_same_values() {
        let inner: Fields = vec![Field::new("a", DataType::Utf8, true)].into();
        let record = StructArray::new(inner.clone(), vec![Arc::new(StringArray::from(vec!["x", "y"]))], None);
        let narrow =
            Schema::new(vec![Field::new("n", DataType::Int32, true), Field::new("s", DataType::Struct(inner), true)]);
        let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![Some(1), None])), Arc::new(record)];
        let rows = RecordBatch::try_new(narrow.into(), columns).unwrap();

        let inner = vec![Field::new("b", DataType::Boolean, true), Field::new("a", DataType::Utf8, true)];
        let list = DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
        let wide: SchemaRef = Arc::new(Schema::new(vec![
            Field::new("s", DataType::Struct(inner.into()), true),
            Field::new("n", DataType::Int64, true),
            Field::new("l", list, true),
        ]));
        let adapted = adapt(&rows, &wide).unwrap();
        assert_eq!(adapted.schema(), wide);
        let shown = arrow::util::pretty::pretty_format_batches(&[adapted]).unwrap().to_string();
        insta::assert_snapshot!(shown, @r"
        +-------------+---+---+
        | s           | n | l |
        +-------------+---+---+
        | {b: , a: x} | 1 |   |
        | {b: , a: y} |   |   |
        +-------------+---+---+
        ");
    }
}

//! Rows as a stranger reads them: from the Parquet files alone, columns with `p_extra` laid over them.

use std::fs::File;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};
use uncia_document::Timestamp;
use uncia_model::{Column, ColumnType, TableSchema, fields};

/// All rows of the files, in file order.
pub(crate) fn rows(files: &[String], schema: &TableSchema) -> Vec<Value> {
    let mut rows = Vec::new();
    for batch in batches(files) {
        for n in 0..batch.num_rows() {
            rows.push(whole(columns(&batch, n, schema)));
        }
    }
    rows
}

pub(crate) fn batches(files: &[String]) -> Vec<RecordBatch> {
    let read = |path: &String| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
        reader.map(Result::unwrap).collect::<Vec<_>>()
    };
    files.iter().flat_map(read).collect()
}

/// One row's columns; a file that has not heard of a column has nothing in it.
pub(crate) fn columns(batch: &RecordBatch, row: usize, schema: &TableSchema) -> Map<String, Value> {
    let mut members = Map::new();
    for column in &schema.columns {
        let Some(array) = batch.column_by_name(&column.name) else { continue };
        if let Some(value) = value(array, row, &column.kind) {
            members.insert(column.name.clone(), value);
        }
    }
    members
}

/// The row that was written: `p_extra` laid over the columns.
fn whole(mut columns: Map<String, Value>) -> Value {
    let extra = columns.remove(fields::EXTRA);
    let mut row = Value::Object(columns);
    if let Some(extra) = extra {
        lay_over(&mut row, extra);
    }
    row
}

fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

fn value(array: &dyn Array, row: usize, kind: &ColumnType) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    Some(match kind {
        ColumnType::String => array.as_string::<i32>().value(row).into(),
        ColumnType::Json => serde_json::from_str(array.as_string::<i32>().value(row)).unwrap(),
        ColumnType::Bool => array.as_boolean().value(row).into(),
        ColumnType::Int => array.as_primitive::<Int32Type>().value(row).into(),
        ColumnType::Long => match array.as_primitive_opt::<Int64Type>() {
            Some(longs) => longs.value(row).into(),
            // The column was narrower when this file was written.
            None => array.as_primitive::<Int32Type>().value(row).into(),
        },
        ColumnType::Double => number(&format!("{:?}", array.as_primitive::<Float64Type>().value(row))),
        ColumnType::Timestamp => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            Timestamp::from_micros(micros).to_string().into()
        }
        ColumnType::List(item) => {
            let items = array.as_list::<i32>().value(row);
            (0..items.len()).map(|n| value(&items, n, item).unwrap_or(Value::Null)).collect::<Vec<_>>().into()
        }
        ColumnType::Struct(columns) => struct_value(array, row, columns),
    })
}

fn struct_value(array: &dyn Array, row: usize, columns: &[Column]) -> Value {
    let inner = array.as_struct();
    let member = |column: &Column| {
        let value = value(inner.column_by_name(&column.name)?, row, &column.kind)?;
        Some((column.name.clone(), value))
    };
    Value::Object(columns.iter().filter_map(member).collect())
}

fn number(literal: &str) -> Value {
    serde_json::from_str(literal).unwrap()
}

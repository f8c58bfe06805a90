//! Result columns to documents.
//!
//! Timestamps become instants, lists and structs nest, and JSON text columns are shown as the JSON they hold, so that
//! `select requestParameters` gives an object and not a string full of backslashes. Every column is a member of every
//! row, null or not; inside of structs nulls are left out, as structs are as wide as their schema. What JSON has no
//! type for (dates, decimals, binary) becomes text.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, LargeListArray, ListArray, RecordBatch, StructArray};
use arrow::datatypes::{
    DataType, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use uncia_document::{Document, Interner, Key, Member, Parser, Scratch, Timestamp, Value};
use uncia_lake::OutputColumn;

use super::schema::{JSON, JSON_TEXT, NAME, type_name};

/// The columns as they are shown, given how the statement spelled its own names (folded name to spelling).
pub(crate) fn columns(schema: &SchemaRef, spelled: &HashMap<String, String>) -> Vec<OutputColumn> {
    let mut columns: Vec<OutputColumn> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let own_name = field.metadata().get(NAME).filter(|name| name.to_lowercase() == *field.name());
        let shown = spelled.get(field.name()).or(own_name).unwrap_or(field.name());
        let mut name = shown.clone();
        let mut copies = 1;
        while columns.iter().any(|column| column.name == name) {
            copies += 1;
            name = format!("{shown}_{copies}");
        }
        columns.push(OutputColumn { name, kind: type_name(field) });
    }
    columns
}

/// Turns batches of one result into rows.
pub(crate) struct Rows {
    names: Vec<String>,
    cells: Cells,
}

impl Rows {
    pub(crate) fn new(columns: &[OutputColumn], interner: Arc<Interner>) -> Self {
        let names = columns.iter().map(|column| column.name.clone()).collect();
        Self { names, cells: Cells::new(interner) }
    }

    pub(crate) fn of(&mut self, batch: &RecordBatch) -> Vec<Document> {
        (0..batch.num_rows()).map(|row| self.row(batch, row)).collect()
    }

    fn row(&mut self, batch: &RecordBatch, row: usize) -> Document {
        let mut document = Document::new();
        let mut members = Vec::with_capacity(self.names.len());
        for ((name, column), field) in self.names.iter().zip(batch.columns()).zip(batch.schema_ref().fields()) {
            let key = document.push_key(self.cells.parser.interner(), name);
            let value = self.cells.value(&mut document, column, field, row);
            members.push(Member { key, value });
        }
        let root = document.close_object(&mut Scratch { members, items: Vec::new() }, 0);
        document.set_root(root);
        document
    }
}

/// Single values of arrays to values of a document.
pub(crate) struct Cells {
    parser: Parser,
}

impl Cells {
    pub(crate) fn new(interner: Arc<Interner>) -> Self {
        Self { parser: Parser::new(interner) }
    }

    pub(crate) fn value(&mut self, document: &mut Document, array: &ArrayRef, field: &Field, row: usize) -> Value {
        if array.is_null(row) {
            return Value::Null;
        }
        match array.data_type() {
            DataType::Null => Value::Null,
            DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
            DataType::Int8 => document.push_number(array.as_primitive::<Int8Type>().value(row)),
            DataType::Int16 => document.push_number(array.as_primitive::<Int16Type>().value(row)),
            DataType::Int32 => document.push_number(array.as_primitive::<Int32Type>().value(row)),
            DataType::Int64 => document.push_number(array.as_primitive::<Int64Type>().value(row)),
            DataType::UInt8 => document.push_number(array.as_primitive::<UInt8Type>().value(row)),
            DataType::UInt16 => document.push_number(array.as_primitive::<UInt16Type>().value(row)),
            DataType::UInt32 => document.push_number(array.as_primitive::<UInt32Type>().value(row)),
            DataType::UInt64 => document.push_number(array.as_primitive::<UInt64Type>().value(row)),
            DataType::Float32 => float(document, f64::from(array.as_primitive::<Float32Type>().value(row))),
            DataType::Float64 => float(document, array.as_primitive::<Float64Type>().value(row)),
            DataType::Utf8 => self.text(document, array.as_string::<i32>().value(row), field),
            DataType::LargeUtf8 => self.text(document, array.as_string::<i64>().value(row), field),
            DataType::Utf8View => self.text(document, array.as_string_view().value(row), field),
            DataType::Timestamp(unit, _) => Value::Timestamp(timestamp(array, *unit, row)),
            DataType::Struct(_) => self.object(document, array.as_struct(), row),
            DataType::List(item) => {
                let list: &ListArray = array.as_list();
                self.list(document, &list.value(row), item)
            }
            DataType::LargeList(item) => {
                let list: &LargeListArray = array.as_list();
                self.list(document, &list.value(row), item)
            }
            DataType::FixedSizeList(item, _) => {
                let list: &FixedSizeListArray = array.as_fixed_size_list();
                self.list(document, &list.value(row), item)
            }
            _ => formatted(document, array, row),
        }
    }

    fn text(&mut self, document: &mut Document, text: &str, field: &Field) -> Value {
        let Some(json) = field.metadata().get(JSON) else { return document.push_string(text) };
        let container = text.starts_with(['{', '[']);
        if json != JSON_TEXT && !container {
            return document.push_string(text);
        }
        match self.parser.parse(text.as_bytes()) {
            Ok(parsed) => document.import(parsed.root()),
            // Not JSON after all: better the text than nothing.
            Err(_) => document.push_string(text),
        }
    }

    fn object(&mut self, document: &mut Document, object: &StructArray, row: usize) -> Value {
        let mut members = Vec::new();
        for (field, column) in object.fields().iter().zip(object.columns()) {
            let value = self.value(document, column, field, row);
            if value == Value::Null {
                continue;
            }
            let key: Key = document.push_key(self.parser.interner(), field.name());
            members.push(Member { key, value });
        }
        document.close_object(&mut Scratch { members, items: Vec::new() }, 0)
    }

    fn list(&mut self, document: &mut Document, items: &ArrayRef, field: &Field) -> Value {
        let items = (0..items.len()).map(|row| self.value(document, items, field, row)).collect();
        document.close_array(&mut Scratch { members: Vec::new(), items }, 0)
    }
}

fn float(document: &mut Document, number: f64) -> Value {
    if number.is_finite() {
        // Debug keeps the shortest digits that read back the same, with an exponent where it is long.
        Value::Number(document.push_text(&format!("{number:?}")))
    } else {
        document.push_string(&number.to_string())
    }
}

fn timestamp(array: &ArrayRef, unit: TimeUnit, row: usize) -> Timestamp {
    match unit {
        TimeUnit::Second => Timestamp::from_seconds(array.as_primitive::<TimestampSecondType>().value(row), 0),
        TimeUnit::Millisecond => {
            Timestamp::from_micros(array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1_000))
        }
        TimeUnit::Microsecond => Timestamp::from_micros(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        TimeUnit::Nanosecond => {
            let nanos = array.as_primitive::<TimestampNanosecondType>().value(row);
            Timestamp { micros: nanos.div_euclid(1_000), nanos: nanos.rem_euclid(1_000) as u16 }
        }
    }
}

fn formatted(document: &mut Document, array: &ArrayRef, row: usize) -> Value {
    match ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default()) {
        Ok(formatter) => document.push_string(&formatter.value(row).to_string()),
        Err(_) => Value::Null,
    }
}

//! Growing arrays, one per column, nested as the columns are.
//!
//! `append` says whether the value is recoverable from the column alone; whoever called it keeps the value elsewhere if
//! not. Inside a list there is no elsewhere, and the answer goes up to the list's own owner.

use std::sync::Arc;

use ahash::AHashMap;
use arrow::array::NullBufferBuilder;
use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, ListArray, StringBuilder, StructArray,
    TimestampMicrosecondBuilder, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use uncia_document::{Document, Key, KeyId, Ref, Value};
use uncia_model::fields;

use super::extra::{Extra, write_json};
use super::number::{self, Double};
use crate::schema::JsonPaths;

pub(crate) enum ColumnBuilder {
    Text(StringBuilder),
    Json(StringBuilder, Vec<u8>),
    Bool(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Double(Float64Builder),
    Timestamp(TimestampMicrosecondBuilder),
    List(Box<ListBuilder>),
    Struct(Box<StructBuilder>),
    /// A type that only other engines write: always null here. Counts rows.
    Foreign(usize),
}

pub(crate) struct ListBuilder {
    item: ColumnBuilder,
    offsets: Vec<i32>,
    valid: NullBufferBuilder,
}

/// A struct, or the table's columns.
pub(crate) struct StructBuilder {
    fields: Vec<FieldBuilder>,
    by_name: AHashMap<Box<str>, usize>,
    /// `p_extra`'s place among the table's columns; it is not filled by name.
    extra: Option<usize>,
    /// The field that rows began with the last time.
    first: usize,
    rows: usize,
    valid: NullBufferBuilder,
}

/// A field's array, which ends with the last row that had the field: nulls behind it are filled in when they matter.
struct FieldBuilder {
    name: Box<str>,
    /// Of the name, once it was met: comparing numbers is cheaper.
    key: KeyId,
    column: ColumnBuilder,
    /// The field that followed this one the last time: rows of one kind have their members in one order.
    next: usize,
}

impl ColumnBuilder {
    fn new(field: &Field, path: &str, json: &JsonPaths) -> Self {
        match field.data_type() {
            DataType::Utf8 if json.contains(path) => Self::Json(StringBuilder::new(), Vec::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int32 => Self::Int(Int32Builder::new()),
            DataType::Int64 => Self::Long(Int64Builder::new()),
            DataType::Float64 => Self::Double(Float64Builder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone()))
            }
            DataType::List(item) => Self::List(Box::new(ListBuilder {
                item: Self::new(item, &format!("{path}.{}", item.name()), json),
                offsets: vec![0],
                valid: NullBufferBuilder::new(0),
            })),
            DataType::Struct(inner) => Self::Struct(Box::new(StructBuilder::new(inner, &format!("{path}."), json))),
            _ => Self::Foreign(0),
        }
    }

    fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        match self {
            Self::Text(builder) | Self::Json(builder, _) => builder.len(),
            Self::Bool(builder) => builder.len(),
            Self::Int(builder) => builder.len(),
            Self::Long(builder) => builder.len(),
            Self::Double(builder) => builder.len(),
            Self::Timestamp(builder) => builder.len(),
            Self::List(list) => list.offsets.len() - 1,
            Self::Struct(inner) => inner.rows,
            Self::Foreign(rows) => *rows,
        }
    }

    fn append_null(&mut self) {
        match self {
            Self::Text(builder) | Self::Json(builder, _) => builder.append_null(),
            Self::Bool(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::Long(builder) => builder.append_null(),
            Self::Double(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::List(list) => list.close(false),
            Self::Struct(inner) => inner.close(false),
            Self::Foreign(rows) => *rows += 1,
        }
    }

    /// Fills up with nulls.
    fn extend_to(&mut self, rows: usize) {
        let missing = rows - self.len();
        if missing == 0 {
            return;
        }
        match self {
            Self::Text(builder) | Self::Json(builder, _) => builder.append_nulls(missing),
            Self::Bool(builder) => builder.append_nulls(missing),
            Self::Int(builder) => builder.append_nulls(missing),
            Self::Long(builder) => builder.append_nulls(missing),
            Self::Double(builder) => builder.append_nulls(missing),
            Self::Timestamp(builder) => builder.append_nulls(missing),
            Self::List(list) => {
                let end = *list.offsets.last().expect("offsets begin with a zero");
                list.offsets.resize(rows + 1, end);
                list.valid.append_n_nulls(missing);
            }
            Self::Struct(inner) => {
                inner.rows = rows;
                inner.valid.append_n_nulls(missing);
            }
            Self::Foreign(count) => *count = rows,
        }
    }

    /// Appends one value. `extra` is there when the walk is outside of lists, and stands at this value's path.
    fn append(&mut self, value: Ref<'_>, extra: Option<&mut Extra>) -> bool {
        if value.is_null() {
            self.append_null();
            return true;
        }
        match self {
            Self::Text(builder) => append_text(builder, value),
            Self::Json(builder, scratch) => {
                scratch.clear();
                write_json(scratch, value);
                builder.append_value(std::str::from_utf8(scratch).expect("documents hold UTF-8 only"));
                true
            }
            Self::Bool(builder) => {
                builder.append_option(value.as_bool());
                value.as_bool().is_some()
            }
            Self::Int(builder) => {
                let number = value.literal().and_then(number::integer).and_then(|wide| i32::try_from(wide).ok());
                builder.append_option(number);
                number.is_some()
            }
            Self::Long(builder) => {
                let number = value.literal().and_then(number::integer);
                builder.append_option(number);
                number.is_some()
            }
            Self::Double(builder) => match value.literal().map_or(Double::Outside, number::double) {
                Double::Exact(number) => {
                    builder.append_value(number);
                    true
                }
                Double::Rounded(number) => {
                    builder.append_value(number);
                    false
                }
                Double::Outside => {
                    builder.append_null();
                    false
                }
            },
            Self::Timestamp(builder) => match value.value() {
                Value::Timestamp(stamp) => {
                    builder.append_value(stamp.micros);
                    stamp.nanos == 0
                }
                _ => {
                    builder.append_null();
                    false
                }
            },
            Self::List(list) => list.append(value),
            Self::Struct(inner) => inner.append(value, extra),
            Self::Foreign(rows) => {
                *rows += 1;
                false
            }
        }
    }

    /// The array. What comes next is taken to be about as large, and gets its memory at once.
    fn finish(&mut self, kind: &DataType) -> ArrayRef {
        let rows = self.len();
        match (self, kind) {
            (Self::Text(builder) | Self::Json(builder, _), _) => {
                let next = match builder.values_slice().len() {
                    0 => StringBuilder::new(),
                    bytes => StringBuilder::with_capacity(rows, bytes + bytes / 8),
                };
                Arc::new(std::mem::replace(builder, next).finish())
            }
            (Self::Bool(builder), _) => Arc::new(builder.finish()),
            (Self::Int(builder), _) => Arc::new(builder.finish()),
            (Self::Long(builder), _) => Arc::new(builder.finish()),
            (Self::Double(builder), _) => Arc::new(builder.finish()),
            (Self::Timestamp(builder), _) => Arc::new(builder.finish()),
            (Self::List(list), DataType::List(item)) => {
                let values = list.item.finish(item.data_type());
                let mut next = Vec::with_capacity(list.offsets.len());
                next.push(0);
                let offsets = std::mem::replace(&mut list.offsets, next);
                let offsets = OffsetBuffer::new(offsets.into());
                Arc::new(ListArray::new(item.clone(), offsets, values, list.valid.finish()))
            }
            (Self::Struct(inner), DataType::Struct(kinds)) => {
                let rows = inner.rows;
                let columns = inner.finish_columns(kinds);
                let valid = inner.valid.finish();
                Arc::new(
                    StructArray::try_new_with_length(kinds.clone(), columns, valid, rows)
                        .expect("the columns were made from these fields"),
                )
            }
            (Self::Foreign(rows), kind) => new_null_array(kind, std::mem::take(rows)),
            (Self::List(_) | Self::Struct(_), _) => unreachable!("builders are made from the types they finish as"),
        }
    }
}

fn append_text(builder: &mut StringBuilder, value: Ref<'_>) -> bool {
    match value.value() {
        Value::String(_) => {
            builder.append_value(value.as_str().unwrap_or_default());
            true
        }
        Value::Timestamp(stamp) => {
            builder.append_value(stamp.to_string());
            true
        }
        Value::Number(_) | Value::Bool(_) => {
            builder.append_value(value.to_json());
            false
        }
        _ => {
            builder.append_null();
            false
        }
    }
}

impl ListBuilder {
    fn append(&mut self, value: Ref<'_>) -> bool {
        let mut fits = value.is_array();
        for item in value.items() {
            fits &= self.item.append(item, None);
        }
        self.close(value.is_array());
        fits
    }

    fn close(&mut self, valid: bool) {
        // A batch is bounded far below 2^31 items: it is bounded by bytes.
        self.offsets.push(i32::try_from(self.item.len()).expect("a batch has fewer than 2^31 items"));
        self.valid.append(valid);
    }
}

impl StructBuilder {
    pub(crate) fn root(columns: &Fields, json: &JsonPaths) -> Self {
        let mut root = Self::new(columns, "", json);
        root.extra = root.by_name.remove(fields::EXTRA);
        root
    }

    fn new(columns: &Fields, path: &str, json: &JsonPaths) -> Self {
        let builder = |(place, field): (usize, &Arc<Field>)| FieldBuilder {
            name: field.name().as_str().into(),
            key: KeyId::NONE,
            column: ColumnBuilder::new(field, &format!("{path}{}", field.name()), json),
            next: place + 1,
        };
        let fields: Vec<FieldBuilder> = columns.iter().enumerate().map(builder).collect();
        let by_name = fields.iter().enumerate().map(|(place, field)| (field.name.clone(), place)).collect();
        Self { fields, by_name, extra: None, first: 0, rows: 0, valid: NullBufferBuilder::new(0) }
    }

    /// Appends a row of the table; what the columns cannot hold goes to the row's `p_extra`.
    pub(crate) fn append_row(&mut self, row: Ref<'_>, extra: &mut Extra) {
        self.append_members(row, Some(extra));
        if let (Some(place), Some(text)) = (self.extra, extra.finish()) {
            let column = &mut self.fields[place].column;
            column.extend_to(self.rows);
            if let ColumnBuilder::Text(builder) | ColumnBuilder::Json(builder, _) = column {
                builder.append_value(text);
            }
        }
        self.close(true);
    }

    fn append(&mut self, value: Ref<'_>, extra: Option<&mut Extra>) -> bool {
        let is_object = value.is_object();
        let fits = is_object && self.append_members(value, extra);
        self.close(is_object);
        fits
    }

    fn append_members(&mut self, object: Ref<'_>, mut extra: Option<&mut Extra>) -> bool {
        let mut fits = true;
        let mut last = None;
        let document = object.document();
        for member in document.members(object.value()) {
            let value = document.at(member.value);
            let found = self.find(last, member.key, document);
            let member_fits = match found {
                // A name met twice has its place taken.
                Some(place) if self.fields[place].column.len() <= self.rows => {
                    let column = &mut self.fields[place].column;
                    column.extend_to(self.rows);
                    if let (ColumnBuilder::Struct(_), Some(extra)) = (&*column, extra.as_deref_mut()) {
                        extra.enter(document.key(member.key));
                        let fits = column.append(value, Some(extra));
                        extra.leave();
                        fits
                    } else {
                        column.append(value, None)
                    }
                }
                _ => false,
            };
            last = found.or(last);
            if member_fits {
                continue;
            }
            match extra.as_deref_mut() {
                Some(extra) => extra.keep(document.key(member.key), value),
                None => fits = false,
            }
        }
        fits
    }

    /// The field of that name; the one that followed the last one the last time is compared first.
    fn find(&mut self, last: Option<usize>, key: Key, document: &Document) -> Option<usize> {
        let guess = last.map_or(self.first, |last| self.fields[last].next);
        if let Some(field) = self.fields.get(guess)
            && field.key == key.id
            && key.id != KeyId::NONE
        {
            return Some(guess);
        }
        let place = *self.by_name.get(document.key(key))?;
        self.fields[place].key = key.id;
        match last {
            Some(last) => self.fields[last].next = place,
            None => self.first = place,
        }
        Some(place)
    }

    /// Ends a row: fields that it did not have are null, which is filled in later.
    fn close(&mut self, valid: bool) {
        self.rows += 1;
        self.valid.append(valid);
    }

    /// The fields' arrays; the struct's own validity stays with the caller.
    pub(crate) fn finish_columns(&mut self, kinds: &Fields) -> Vec<ArrayRef> {
        let rows = std::mem::take(&mut self.rows);
        let finished = self.fields.iter_mut().zip(kinds).map(|(field, kind)| {
            field.column.extend_to(rows);
            field.column.finish(kind.data_type())
        });
        finished.collect()
    }
}

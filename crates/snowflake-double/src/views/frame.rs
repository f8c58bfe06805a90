//! Rows as Arrow columns, for the SQL engine.
//!
//! What Arrow has no type for (VARIANT and its kin, `TIMESTAMP_TZ`) travels as text under a mark in the field's metadata,
//! which the engine keeps as long as a column is passed on unchanged.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, StringBuilder,
    Time64NanosecondBuilder, TimestampNanosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::cell::Cell;
use crate::results::{Column, Kind};

pub(crate) const KIND_MARK: &str = "snowflake";

/// The Arrow schema of columns.
pub(crate) fn schema(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn field(column: &Column) -> Field {
    let field = Field::new(&column.name, data_type(column.kind), true);
    match column.kind {
        Kind::TimestampTz | Kind::Variant | Kind::Object | Kind::Array => {
            field.with_metadata(HashMap::from([(KIND_MARK.to_owned(), column.kind.name().to_owned())]))
        }
        _ => field,
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Fixed { precision, scale } => DataType::Decimal128(precision, scale),
        Kind::Real => DataType::Float64,
        Kind::Boolean => DataType::Boolean,
        Kind::Date => DataType::Date32,
        Kind::Time => DataType::Time64(TimeUnit::Nanosecond),
        Kind::TimestampLtz => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        Kind::TimestampNtz => DataType::Timestamp(TimeUnit::Nanosecond, None),
        Kind::Binary => DataType::Binary,
        Kind::Text | Kind::TimestampTz | Kind::Variant | Kind::Object | Kind::Array => DataType::Utf8,
    }
}

/// A column being filled.
pub(crate) enum Filling {
    Text(StringBuilder),
    Number(Decimal128Builder),
    Real(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Time(Time64NanosecondBuilder),
    Timestamp(TimestampNanosecondBuilder),
    Binary(BinaryBuilder),
}

impl Filling {
    pub(crate) fn new(kind: Kind) -> Self {
        let data_type = data_type(kind);
        match kind {
            Kind::Fixed { .. } => Self::Number(Decimal128Builder::new().with_data_type(data_type)),
            Kind::Real => Self::Real(Float64Builder::new()),
            Kind::Boolean => Self::Boolean(BooleanBuilder::new()),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::Time => Self::Time(Time64NanosecondBuilder::new()),
            Kind::TimestampLtz | Kind::TimestampNtz => {
                Self::Timestamp(TimestampNanosecondBuilder::new().with_data_type(data_type))
            }
            Kind::Binary => Self::Binary(BinaryBuilder::new()),
            Kind::Text | Kind::TimestampTz | Kind::Variant | Kind::Object | Kind::Array => {
                Self::Text(StringBuilder::new())
            }
        }
    }

    /// Takes a cell of its kind; [`Cell::of`] made it so.
    pub(crate) fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Number(builder), Cell::Number(number)) => builder.append_value(number),
            (Self::Number(builder), _) => builder.append_null(),
            (Self::Real(builder), Cell::Real(number)) => builder.append_value(number),
            (Self::Real(builder), _) => builder.append_null(),
            (Self::Boolean(builder), Cell::Boolean(value)) => builder.append_value(value),
            (Self::Boolean(builder), _) => builder.append_null(),
            (Self::Date(builder), Cell::Days(days)) => builder.append_value(days),
            (Self::Date(builder), _) => builder.append_null(),
            (Self::Time(builder), Cell::Nanos(nanos)) => builder.append_value(nanos),
            (Self::Time(builder), _) => builder.append_null(),
            (Self::Timestamp(builder), Cell::Nanos(nanos)) => builder.append_value(nanos),
            (Self::Timestamp(builder), _) => builder.append_null(),
            (Self::Binary(builder), Cell::Bytes(bytes)) => builder.append_value(bytes),
            (Self::Binary(builder), _) => builder.append_null(),
        }
    }

    pub(crate) fn push_nulls(&mut self, count: usize) {
        match self {
            Self::Text(builder) => builder.append_nulls(count),
            Self::Number(builder) => builder.append_nulls(count),
            Self::Real(builder) => builder.append_nulls(count),
            Self::Boolean(builder) => builder.append_nulls(count),
            Self::Date(builder) => builder.append_nulls(count),
            Self::Time(builder) => builder.append_nulls(count),
            Self::Timestamp(builder) => builder.append_nulls(count),
            Self::Binary(builder) => builder.append_nulls(count),
        }
    }

    pub(crate) fn finish(self) -> ArrayRef {
        match self {
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Number(mut builder) => Arc::new(builder.finish()),
            Self::Real(mut builder) => Arc::new(builder.finish()),
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Time(mut builder) => Arc::new(builder.finish()),
            Self::Timestamp(mut builder) => Arc::new(builder.finish()),
            Self::Binary(mut builder) => Arc::new(builder.finish()),
        }
    }
}

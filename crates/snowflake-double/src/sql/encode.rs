//! Arrow batches as jsonv2 cells.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    SchemaRef, Time64NanosecondType, TimeUnit, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use crate::failure::SqlFailure;
use crate::results::{Builder, Column, Kind, ResultSet};
use crate::views::cell::seconds;
use crate::views::frame::KIND_MARK;

/// Columns of a result, or what of it has no type in Snowflake.
pub(super) fn columns(schema: &SchemaRef) -> Result<Vec<Column>, SqlFailure> {
    schema
        .fields()
        .iter()
        .map(|field| Ok(Column { name: field.name().clone(), kind: kind(field)?, nullable: field.is_nullable() }))
        .collect()
}

fn kind(field: &Field) -> Result<Kind, SqlFailure> {
    let marked = field.metadata().get(KIND_MARK).map(String::as_str);
    Ok(match (marked, field.data_type()) {
        (Some("timestamp_tz"), DataType::Utf8) => Kind::TimestampTz,
        (Some("variant"), DataType::Utf8) => Kind::Variant,
        (Some("object"), DataType::Utf8) => Kind::Object,
        (Some("array"), DataType::Utf8) => Kind::Array,
        (_, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null) => Kind::Text,
        (_, DataType::Decimal128(precision, scale)) => Kind::Fixed { precision: *precision, scale: *scale },
        (_, whole) if whole.is_integer() => Kind::Fixed { precision: 18, scale: 0 },
        (_, DataType::Float64 | DataType::Float32) => Kind::Real,
        (_, DataType::Boolean) => Kind::Boolean,
        (_, DataType::Date32) => Kind::Date,
        (_, DataType::Time64(TimeUnit::Nanosecond)) => Kind::Time,
        (_, DataType::Timestamp(TimeUnit::Nanosecond, Some(_))) => Kind::TimestampLtz,
        (_, DataType::Timestamp(TimeUnit::Nanosecond, None)) => Kind::TimestampNtz,
        (_, DataType::Binary) => Kind::Binary,
        (_, other) => return Err(SqlFailure::unsupported_here(format!("results of type {other}"))),
    })
}

/// All rows, in partitions of at most so many.
pub(super) fn result(columns: Vec<Column>, batches: &[RecordBatch], limit: usize) -> Result<ResultSet, SqlFailure> {
    let mut builder = Builder::new(columns, limit);
    let mut text = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            for array in batch.columns() {
                cell(&mut builder, array.as_ref(), row, &mut text)?;
            }
            builder.end_row();
        }
    }
    Ok(builder.finish())
}

fn cell(builder: &mut Builder, array: &dyn Array, row: usize, text: &mut Vec<u8>) -> Result<(), SqlFailure> {
    use std::io::Write as _;
    if array.is_null(row) {
        builder.null();
        return Ok(());
    }
    text.clear();
    macro_rules! plain {
        ($kind:ty) => {
            write!(text, "{}", array.as_primitive::<$kind>().value(row))
        };
    }
    let written = match array.data_type() {
        DataType::Utf8 => {
            builder.cell(Some(array.as_string::<i32>().value(row)));
            return Ok(());
        }
        DataType::LargeUtf8 => {
            builder.cell(Some(array.as_string::<i64>().value(row)));
            return Ok(());
        }
        DataType::Utf8View => {
            builder.cell(Some(array.as_string_view().value(row)));
            return Ok(());
        }
        DataType::Null => {
            builder.null();
            return Ok(());
        }
        DataType::Decimal128(_, 0) => plain!(Decimal128Type),
        DataType::Decimal128(_, _) => write!(text, "{}", array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Int64 => plain!(Int64Type),
        DataType::Int32 => plain!(Int32Type),
        DataType::Int16 => plain!(Int16Type),
        DataType::Int8 => plain!(Int8Type),
        DataType::UInt64 => plain!(UInt64Type),
        DataType::UInt32 => plain!(UInt32Type),
        DataType::UInt16 => plain!(UInt16Type),
        DataType::UInt8 => plain!(UInt8Type),
        DataType::Float64 => real(text, array.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => real(text, f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Boolean => write!(text, "{}", array.as_boolean().value(row)),
        DataType::Date32 => plain!(Date32Type),
        DataType::Time64(_) => write!(text, "{}", seconds(array.as_primitive::<Time64NanosecondType>().value(row))),
        DataType::Timestamp(_, _) => {
            write!(text, "{}", seconds(array.as_primitive::<TimestampNanosecondType>().value(row)))
        }
        DataType::Binary => array.as_binary::<i32>().value(row).iter().try_for_each(|byte| write!(text, "{byte:02X}")),
        other => return Err(SqlFailure::unsupported_here(format!("results of type {other}"))),
    };
    written.expect("a vector takes everything");
    builder.plain(text);
    Ok(())
}

fn real(text: &mut Vec<u8>, number: f64) -> std::io::Result<()> {
    use std::io::Write as _;
    if number.is_nan() {
        write!(text, "NaN")
    } else if number.is_infinite() {
        write!(text, "{}", if number > 0.0 { "inf" } else { "-inf" })
    } else {
        write!(text, "{number}")
    }
}

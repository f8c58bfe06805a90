//! Conversions between scalars: `to_varchar`, `to_number` and their `try_` forms, which give null for what they cannot
//! convert where the others fail.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;

use super::json::json_texts;
use super::{BOOLEAN, FLOAT64, INT64, Pure, UTF8, at, texts, time};

pub(super) const FUNCTIONS: &[Pure] = &[
    Pure::new("to_varchar", (1, 2), UTF8, to_varchar).simplified(|args, info| same(args, info, &DataType::Utf8)),
    Pure::new("to_number", (1, 1), INT64, |args| to_number(args, false))
        .simplified(|args, info| same(args, info, &DataType::Int64)),
    Pure::new("try_to_number", (1, 1), INT64, |args| to_number(args, true))
        .simplified(|args, info| same(args, info, &DataType::Int64)),
    Pure::new("to_double", (1, 1), FLOAT64, |args| to_double(args, false))
        .simplified(|args, info| same(args, info, &DataType::Float64)),
    Pure::new("try_to_double", (1, 1), FLOAT64, |args| to_double(args, true))
        .simplified(|args, info| same(args, info, &DataType::Float64)),
    Pure::new("to_boolean", (1, 1), BOOLEAN, |args| to_boolean(args, false))
        .simplified(|args, info| same(args, info, &DataType::Boolean)),
    Pure::new("try_to_boolean", (1, 1), BOOLEAN, |args| to_boolean(args, true))
        .simplified(|args, info| same(args, info, &DataType::Boolean)),
];

/// The only argument itself, if it has the wanted type already.
pub(super) fn same(args: &[Expr], info: &SimplifyContext, wanted: &DataType) -> Result<Option<Expr>> {
    let [only] = args else { return Ok(None) };
    Ok((info.get_data_type(only)? == *wanted).then(|| only.clone()))
}

fn to_varchar(args: &[ArrayRef]) -> Result<ArrayRef> {
    let array = &args[0];
    let text = match array.data_type() {
        DataType::Timestamp(..) | DataType::Date32 => return time::formatted(array, args.get(1)),
        DataType::Struct(_) | DataType::List(_) | DataType::LargeList(_) => json_texts(array)?,
        DataType::Float32 | DataType::Float64 => {
            let numbers = cast(array, &DataType::Float64)?;
            numbers.as_primitive::<Float64Type>().iter().map(|number| number.map(|n| n.to_string())).collect()
        }
        _ => texts(array)?,
    };
    Ok(Arc::new(text))
}

/// Whole numbers; fractions are rounded away from zero at the half, as Snowflake's `number` does.
fn to_number(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let array = &args[0];
    let rounded = |number: f64| {
        let fits = number.is_finite() && number.abs() < 9.2e18;
        fits.then(|| number.round() as i64)
    };
    match array.data_type() {
        data_type if data_type.is_integer() || *data_type == DataType::Boolean => Ok(cast(array, &DataType::Int64)?),
        data_type if data_type.is_floating() => {
            let numbers = cast(array, &DataType::Float64)?;
            Ok(Arc::new(
                numbers.as_primitive::<Float64Type>().iter().map(|n| n.and_then(rounded)).collect::<Int64Array>(),
            ))
        }
        DataType::Timestamp(..) => {
            let micros = cast(&cast(array, &crate::query::schema::timestamp_type())?, &DataType::Int64)?;
            let micros = super::wholes(&micros)?;
            Ok(Arc::new(micros.iter().map(|n| n.map(|n| n.div_euclid(1_000_000))).collect::<Int64Array>()))
        }
        _ => {
            let number = |text: &str| text.parse::<i64>().ok().or_else(|| text.parse::<f64>().ok().and_then(rounded));
            Ok(Arc::new(Int64Array::from(read(array, lenient, number, ("to_number", "is no number"))?)))
        }
    }
}

/// What each text says, where there is one; `wrong` is the function's name and what is wrong with a text that says nothing.
fn read<T>(
    array: &ArrayRef,
    lenient: bool,
    said: impl Fn(&str) -> Option<T>,
    (function, wrong): (&str, &str),
) -> Result<Vec<Option<T>>> {
    let texts = texts(array)?;
    let mut values = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let Some(text) = at(&texts, row).map(str::trim) else {
            values.push(None);
            continue;
        };
        let value = said(text);
        if value.is_none() && !lenient {
            return exec_err!("{function}: {text:?} {wrong}; try_{function} gives null instead");
        }
        values.push(value);
    }
    Ok(values)
}

fn to_double(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let array = &args[0];
    if array.data_type().is_numeric() {
        return Ok(cast(array, &DataType::Float64)?);
    }
    let number = |text: &str| text.parse::<f64>().ok();
    Ok(Arc::new(Float64Array::from(read(array, lenient, number, ("to_double", "is no number"))?)))
}

fn to_boolean(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let array = &args[0];
    if array.data_type().is_numeric() {
        return Ok(cast(array, &DataType::Boolean)?);
    }
    let answer = |text: &str| match text.to_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    };
    Ok(Arc::new(BooleanArray::from(read(array, lenient, answer, ("to_boolean", "is neither true nor false"))?)))
}

//! The functions of Snowflake that DataFusion has in no form: timestamps of both sorts, DATEADD and DATEDIFF.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, TimestampNanosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampNanosecondType};
use datafusion::common::{DataFusionError, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::constant::unit_nanos;
use crate::views::cell::instant;

type Outcome<T> = Result<T, DataFusionError>;

pub(super) fn pack() -> Vec<Arc<ScalarUDF>> {
    let functions = [
        ("to_timestamp_ltz", Does::Timestamp { zoned: true }),
        ("to_timestamp_ntz", Does::Timestamp { zoned: false }),
        ("dateadd", Does::Add),
        ("datediff", Does::Difference),
    ];
    functions
        .into_iter()
        .map(|(name, does)| {
            let signature = Signature::variadic_any(Volatility::Immutable);
            Arc::new(ScalarUDF::new_from_impl(TimeFunction { name, does, signature }))
        })
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Does {
    Timestamp { zoned: bool },
    Add,
    Difference,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeFunction {
    name: &'static str,
    does: Does,
    signature: Signature,
}

fn timestamp(zoned: bool) -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, zoned.then(|| "UTC".into()))
}

impl ScalarUDFImpl for TimeFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Outcome<DataType> {
        let count = if matches!(self.does, Does::Timestamp { .. }) { 1 } else { 3 };
        if args.len() != count {
            return exec_err!("not enough or too many arguments for function [{}]", self.name.to_uppercase());
        }
        Ok(match self.does {
            Does::Timestamp { zoned } => timestamp(zoned),
            Does::Add => timestamp(matches!(&args[2], DataType::Timestamp(_, Some(_)))),
            Does::Difference => DataType::Int64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Outcome<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let array: ArrayRef = match self.does {
            Does::Timestamp { zoned } => convert(&arrays[0], zoned)?,
            Does::Add => {
                let zoned = matches!(arrays[2].data_type(), DataType::Timestamp(_, Some(_)));
                add(&part(&arrays[0])?, &arrays[1], &convert(&arrays[2], zoned)?, zoned)?
            }
            Does::Difference => {
                difference(&part(&arrays[0])?, &convert(&arrays[1], true)?, &convert(&arrays[2], true)?)?
            }
        };
        if scalar && array.len() == 1 {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

fn part(array: &ArrayRef) -> Outcome<String> {
    let texts = cast(array, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    if texts.is_empty() { Ok("second".to_owned()) } else { Ok(texts.value(0).to_owned()) }
}

fn convert(array: &ArrayRef, zoned: bool) -> Outcome<ArrayRef> {
    let target = timestamp(zoned);
    match array.data_type() {
        DataType::Timestamp(_, _) => {
            // UTC is the session's zone: the same instant, with or without a zone.
            let nanos = cast(array, &DataType::Timestamp(TimeUnit::Nanosecond, None))?;
            let nanos = if matches!(array.data_type(), DataType::Timestamp(_, Some(_))) {
                cast(&cast(array, &timestamp(true))?, &DataType::Int64)?
            } else {
                cast(&nanos, &DataType::Int64)?
            };
            Ok(cast(&nanos, &target)?)
        }
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
            let texts = cast(array, &DataType::Utf8)?;
            let mut nanos = Vec::with_capacity(texts.len());
            for text in texts.as_string::<i32>() {
                nanos.push(match text {
                    None => None,
                    Some(text) => match instant(text) {
                        Some(nanos) => Some(nanos),
                        None => return exec_err!("Timestamp '{text}' is not recognized"),
                    },
                });
            }
            let array: TimestampNanosecondArray = nanos.into_iter().collect();
            Ok(Arc::new(if zoned { array.with_timezone("UTC") } else { array }))
        }
        DataType::Null | DataType::Date32 => Ok(cast(array, &target)?),
        other => exec_err!("a timestamp is not made of {other}"),
    }
}

fn add(part: &str, counts: &ArrayRef, to: &ArrayRef, zoned: bool) -> Outcome<ArrayRef> {
    let counts = cast(counts, &DataType::Int64)?;
    let counts = counts.as_primitive::<Int64Type>();
    let to = to.as_primitive::<TimestampNanosecondType>();
    let mut sums = Vec::with_capacity(to.len());
    for row in 0..to.len() {
        if counts.is_null(row) || to.is_null(row) {
            sums.push(None);
            continue;
        }
        let (count, nanos) = (counts.value(row), to.value(row));
        let sum = match unit_nanos(part) {
            Some(unit) => count.checked_mul(unit).and_then(|add| nanos.checked_add(add)),
            None => add_months(
                nanos,
                count
                    * if part == "year" {
                        12
                    } else if part == "quarter" {
                        3
                    } else {
                        1
                    },
            ),
        };
        let Some(sum) = sum else { return exec_err!("Timestamp is out of range") };
        sums.push(Some(sum));
    }
    let array: TimestampNanosecondArray = sums.into_iter().collect();
    Ok(Arc::new(if zoned { array.with_timezone("UTC") } else { array }))
}

fn add_months(nanos: i64, months: i64) -> Option<i64> {
    let at = Timestamp::from_nanosecond(i128::from(nanos)).ok()?.to_zoned(TimeZone::UTC);
    let sum = at.checked_add(Span::new().try_months(months).ok()?).ok()?;
    i64::try_from(sum.timestamp().as_nanosecond()).ok()
}

/// How many boundaries of the part lie between the two.
fn difference(part: &str, from: &ArrayRef, to: &ArrayRef) -> Outcome<ArrayRef> {
    let from = from.as_primitive::<TimestampNanosecondType>();
    let to = to.as_primitive::<TimestampNanosecondType>();
    let mut counts = Vec::with_capacity(from.len());
    for (from, to) in from.iter().zip(to) {
        let (Some(from), Some(to)) = (from, to) else {
            counts.push(None);
            continue;
        };
        let (Some(one), Some(other)) = (number(part, from), number(part, to)) else {
            return exec_err!("Timestamp is out of range");
        };
        counts.push(Some(other - one));
    }
    Ok(Arc::new(Int64Array::from(counts)))
}

/// The number of the part that an instant lies in.
fn number(part: &str, nanos: i64) -> Option<i64> {
    const WEEK_STARTS: i64 = 4 * 86_400 * 1_000_000_000;
    if part == "week" {
        return Some((nanos - WEEK_STARTS).div_euclid(unit_nanos("week")?));
    }
    if let Some(unit) = unit_nanos(part) {
        return Some(nanos.div_euclid(unit));
    }
    let date = Timestamp::from_nanosecond(i128::from(nanos)).ok()?.to_zoned(TimeZone::UTC).date();
    let (year, month) = (i64::from(date.year()), i64::from(date.month()) - 1);
    Some(match part {
        "year" => year,
        "quarter" => year * 4 + month / 3,
        _ => year * 12 + month,
    })
}

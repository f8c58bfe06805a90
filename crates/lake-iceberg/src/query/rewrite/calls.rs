//! Calls of Snowflake's functions, by name.
//!
//! Three kinds: functions with another name here, functions that plain SQL can say, and functions whose arguments need a
//! word (bare date units, patterns that match whole texts). Everything else keeps its name and must exist.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, ObjectName, OrderByExpr, OrderByOptions,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::units::{canonical, unit, word};
use super::{build, casts, columns, folded, units};
use crate::query::fault::{did_you_mean, place};
use crate::query::names::nearest;

/// Snowflake's name, and what the same thing is called here.
const RENAMED: [(&str, &str); 44] = [
    ("any_value", "first_value"),
    ("approx_count_distinct", "approx_distinct"),
    ("array_cat", "array_concat"),
    ("array_construct", "make_array"),
    ("array_intersection", "array_intersect"),
    ("arrays_overlap", "array_has_any"),
    ("as_array", "parse_json"),
    ("as_object", "parse_json"),
    ("base64_decode_string", "base64_decode"),
    ("booland_agg", "bool_and"),
    ("boolor_agg", "bool_or"),
    ("char_length", "character_length"),
    ("endswith", "ends_with"),
    ("getdate", "current_timestamp"),
    ("hll", "approx_distinct"),
    ("ifnull", "nvl"),
    ("is_null_value", "json_is_null"),
    ("len", "character_length"),
    ("localtime", "current_time"),
    ("localtimestamp", "current_timestamp"),
    ("now", "current_timestamp"),
    ("p_current_timestamp", "current_timestamp"),
    ("parse_json_try", "try_parse_json"),
    ("sha1_hex", "sha1"),
    ("split", "string_to_array"),
    ("startswith", "starts_with"),
    ("strtok", "split_part"),
    ("sysdate", "current_timestamp"),
    ("systimestamp", "current_timestamp"),
    ("timestampadd", "dateadd"),
    ("timestampdiff", "datediff"),
    ("timeadd", "dateadd"),
    ("timediff", "datediff"),
    ("to_char", "to_varchar"),
    ("to_decimal", "to_number"),
    ("to_numeric", "to_number"),
    ("to_timestamp_ltz", "to_timestamp"),
    ("to_timestamp_ntz", "to_timestamp"),
    ("to_timestamp_tz", "to_timestamp"),
    ("try_base64_decode_string", "try_base64_decode"),
    ("try_to_decimal", "try_to_number"),
    ("try_to_numeric", "try_to_number"),
    ("try_to_timestamp_ltz", "try_to_timestamp"),
    ("try_to_timestamp_ntz", "try_to_timestamp"),
];

/// Functions that vanish into plain SQL below; listed for "did you mean".
const REWRITTEN: [&str; 35] = [
    "array_agg",
    "array_unique_agg",
    "array_slice",
    "as_varchar",
    "charindex",
    "concat",
    "count_if",
    "current_date",
    "date",
    "date_part",
    "date_trunc",
    "dateadd",
    "datediff",
    "day",
    "dayofweek",
    "dayofyear",
    "div0",
    "equal_null",
    "get",
    "get_path",
    "hour",
    "iff",
    "last_day",
    "listagg",
    "max_by",
    "min_by",
    "minute",
    "month",
    "nullifzero",
    "regexp_like",
    "seq4",
    "time_slice",
    "to_date",
    "year",
    "zeroifnull",
];

pub(super) fn call(mut function: Function, known: &HashSet<String>) -> Result<Expr, String> {
    let parts = folded(&function.name);
    let span = function.name.0.first().and_then(|part| part.as_ident()).map_or(Span::empty(), |ident| ident.span);
    let [written] = parts.as_slice() else { return Err(format!("unknown function {}{}", function.name, place(span))) };
    let name = RENAMED.iter().find(|(from, _)| from == written).map_or(written.as_str(), |(_, to)| to).to_owned();
    let arguments = plain_arguments(&function);
    let count = arguments.as_ref().map(Vec::len);
    if let Some(arguments) = arguments
        && let Some(expr) =
            plain_sql(&name, arguments, &mut function).map_err(|m| format!("{written}{}: {m}", place(span)))?
    {
        return Ok(expr);
    }
    if matches!(function.args, FunctionArguments::None) {
        function.args = build::arguments(Vec::new());
    }
    if !known.contains(&name) {
        let candidates = known.iter().cloned().chain(REWRITTEN.iter().map(|&name| name.to_owned()));
        let near = nearest(written, candidates.chain(RENAMED.iter().map(|(from, _)| (*from).to_owned())));
        return Err(format!("unknown function {written}{}{}", place(span), did_you_mean(&near)));
    }
    // `regexp_replace` replaces all there is, unless told otherwise.
    if name == "regexp_replace" && count == Some(3) {
        push_argument(&mut function, build::string("g"));
    }
    if name == "regexp_replace" && count == Some(2) {
        push_argument(&mut function, build::string(""));
        push_argument(&mut function, build::string("g"));
    }
    function.name = ObjectName::from(vec![Ident { value: name, quote_style: None, span }]);
    Ok(Expr::Function(function))
}

fn plain_arguments(function: &Function) -> Option<Vec<Expr>> {
    let list = match &function.args {
        FunctionArguments::None => return Some(Vec::new()),
        FunctionArguments::Subquery(_) => return None,
        FunctionArguments::List(list) => list,
    };
    let mut arguments = Vec::with_capacity(list.args.len());
    for arg in &list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else { return None };
        arguments.push(expr.clone());
    }
    Some(arguments)
}

/// Puts other arguments in place, keeping `OVER`, `FILTER` and the like.
fn with_arguments(function: &mut Function, name: &str, arguments: Vec<Expr>) -> Expr {
    let mut changed = function.clone();
    changed.name = ObjectName::from(vec![Ident::new(name)]);
    match (&mut changed.args, build::arguments(arguments)) {
        (FunctionArguments::List(list), FunctionArguments::List(new)) => list.args = new.args,
        (args, new) => *args = new,
    }
    Expr::Function(changed)
}

fn push_argument(function: &mut Function, argument: Expr) {
    if let FunctionArguments::List(list) = &mut function.args {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)));
    }
}

/// The call in other words, if there are any.
fn plain_sql(name: &str, arguments: Vec<Expr>, function: &mut Function) -> Result<Option<Expr>, String> {
    let count = arguments.len();
    let wants = |expected: usize| {
        if count == expected { Ok(()) } else { Err(format!("expected {expected} arguments, got {count}")) }
    };
    let mut given = arguments.into_iter();
    let mut next = || given.next().unwrap_or_else(build::null);
    Ok(Some(match name {
        "iff" => {
            wants(3)?;
            build::case(next(), next(), Some(next()))
        }
        "zeroifnull" => build::call("coalesce", vec![next(), build::number(0)]),
        "nullifzero" => build::call("nullif", vec![next(), build::number(0)]),
        "div0" | "div0null" => {
            wants(2)?;
            let (left, right) = (next(), next());
            let zero = build::binary(right.clone(), BinaryOperator::Eq, build::number(0));
            let quotient = build::binary(nested(left), BinaryOperator::Divide, nested(right));
            build::case(zero, build::number(0), Some(quotient))
        }
        "equal_null" => {
            wants(2)?;
            Expr::Nested(Box::new(Expr::IsNotDistinctFrom(Box::new(next()), Box::new(next()))))
        }
        "concat" if count > 0 => {
            let parts = (0..count).map(|_| build::call("to_varchar", vec![next()])).collect::<Vec<_>>();
            let joined =
                parts.into_iter().reduce(|left, right| build::binary(left, BinaryOperator::StringConcat, right));
            nested(joined.unwrap_or_else(build::null))
        }
        "count_if" | "countif" => {
            wants(1)?;
            with_arguments(function, "count", vec![build::case(next(), build::number(1), None)])
        }
        "array_unique_agg" | "array_union_agg" => {
            wants(1)?;
            distinct(function);
            collected(function, "array_agg", vec![next()])
        }
        "array_agg" | "arrayagg" => collected(function, "array_agg", vec![next()]),
        "listagg" | "string_agg" => {
            let text = build::call("to_varchar", vec![next()]);
            let separator = if count > 1 { next() } else { build::string("") };
            collected(function, "string_agg", vec![text, separator])
        }
        "min_by" | "max_by" if count == 2 => {
            let (value, by) = (next(), next());
            let order = OrderByExpr {
                expr: by,
                options: OrderByOptions { asc: Some(name == "min_by"), nulls_first: Some(false) },
                with_fill: None,
            };
            build::order_arguments(function, vec![order]);
            with_arguments(function, "first_value", vec![value])
        }
        "dateadd" | "datediff" | "date_trunc" | "date_part" | "last_day" | "time_slice" | "trunc" => {
            return time_call(name, &mut next, count, function);
        }
        "current_time" => build::cast(
            build::call("current_timestamp", Vec::new()),
            DataType::Time(None, datafusion::sql::sqlparser::ast::TimezoneInfo::None),
        ),
        // Each counts the rows of its select.
        "seq1" | "seq2" | "seq4" | "seq8" => row_count(),
        "current_date" => build::cast(build::call("current_timestamp", Vec::new()), DataType::Date),
        "to_date" | "date" if count == 1 => casts::date(next(), false),
        "to_date" | "date" if count == 2 => {
            build::cast(build::call("to_timestamp", vec![next(), next()]), DataType::Date)
        }
        "try_to_date" if count == 1 => casts::date(next(), true),
        "to_number" | "try_to_number" if count == 3 => {
            let (value, precision, scale) = (next(), whole(&next())?, whole(&next())?);
            if scale == 0 {
                build::call(name, vec![value])
            } else {
                casts::decimal(value, precision, scale as i64, name.starts_with("try"))
            }
        }
        "to_number" | "try_to_number" if count == 2 => build::call(name, vec![next()]),
        "year" | "month" | "day" | "hour" | "minute" | "second" | "quarter" | "week" | "dayofweek" | "dayofyear"
        | "dayofmonth" | "weekofyear" => {
            wants(1)?;
            part(name, next())
        }
        "as_varchar" | "as_char" => build::call("to_varchar", vec![next()]),
        "as_integer" | "as_number" | "as_decimal" => build::call("try_to_number", vec![next()]),
        "as_double" | "as_real" => build::call("try_to_double", vec![next()]),
        "as_boolean" => build::call("try_to_boolean", vec![next()]),
        "as_timestamp_ntz" | "as_timestamp_ltz" => build::call("try_to_timestamp", vec![next()]),
        "to_variant" | "to_object" | "to_array" | "strip_null_value" if count == 1 => next(),
        "get" | "get_path" | "get_ignore_case" => {
            wants(2)?;
            let value = next();
            columns::path_call(value, &next())
        }
        "array_slice" => {
            wants(3)?;
            // Snowflake counts from 0 and leaves the end out; DataFusion counts from 1 and takes it in.
            let (list, from, to) = (next(), next(), next());
            let from = build::binary(nested(from), BinaryOperator::Plus, build::number(1));
            build::call("array_slice", vec![list, from, to])
        }
        // Any argument may be a JSON array in text.
        "array_intersect" | "array_has_any" | "array_concat" | "array_except" | "array_distinct" => {
            let lists = (0..count).map(|_| build::call("to_list", vec![next()])).collect();
            build::call(name, lists)
        }
        "charindex" => {
            wants(2)?;
            let (part, text) = (next(), next());
            build::call("strpos", vec![text, part])
        }
        "regexp_like" | "rlike" => {
            let (text, pattern) = (next(), build::anchored(next()));
            let mut rest = vec![text, pattern];
            rest.extend((2..count).map(|_| next()));
            build::call("regexp_like", rest)
        }
        "sha2" | "sha2_hex" => build::call("encode", vec![build::call("sha256", vec![next()]), build::string("hex")]),
        "base64_encode" => build::call("encode", vec![next(), build::string("base64")]),
        "hex_encode" => build::call("encode", vec![next(), build::string("hex")]),
        "square" => {
            let value = nested(next());
            nested(build::binary(value.clone(), BinaryOperator::Multiply, value))
        }
        _ => return Ok(None),
    }))
}

/// How many rows came before this one.
fn row_count() -> Expr {
    let mut number = build::function("row_number", Vec::new());
    number.over = Some(build::window(Vec::new(), Vec::new(), None));
    let number = build::cast(Expr::Function(number), DataType::BigInt(None));
    nested(build::binary(number, BinaryOperator::Minus, build::number(1)))
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

fn whole(expr: &Expr) -> Result<u64, String> {
    expr.to_string().parse().map_err(|_| format!("{expr} must be a whole number"))
}

fn list(function: &mut Function) -> Option<&mut datafusion::sql::sqlparser::ast::FunctionArgumentList> {
    match &mut function.args {
        FunctionArguments::List(list) => Some(list),
        _ => None,
    }
}

fn distinct(function: &mut Function) {
    if let Some(list) = list(function) {
        list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
    }
}

/// An aggregate that gathers values: without nulls, ordered as `WITHIN GROUP` says.
fn collected(function: &mut Function, name: &str, arguments: Vec<Expr>) -> Expr {
    let within = std::mem::take(&mut function.within_group);
    if !within.is_empty() {
        build::order_arguments(function, within);
    }
    if function.filter.is_some() || function.over.is_none() {
        let is_there = Expr::IsNotNull(Box::new(arguments[0].clone()));
        let filter = match function.filter.take() {
            Some(filter) => build::binary(nested(*filter), BinaryOperator::And, is_there),
            None => is_there,
        };
        function.filter = Some(Box::new(filter));
    }
    with_arguments(function, name, arguments)
}

/// Functions with a unit of time among their arguments.
fn time_call(
    name: &str,
    next: &mut dyn FnMut() -> Expr,
    count: usize,
    function: &mut Function,
) -> Result<Option<Expr>, String> {
    let wants = |expected: usize| {
        if count == expected { Ok(()) } else { Err(format!("expected {expected} arguments, got {count}")) }
    };
    let instant = |expr: Expr| build::call("to_timestamp", vec![expr]);
    Ok(Some(match name {
        "dateadd" => {
            wants(3)?;
            let unit = unit(&next())?;
            build::call("dateadd", vec![build::string(unit), next(), instant(next())])
        }
        "datediff" => {
            wants(3)?;
            let unit = unit(&next())?;
            build::call("datediff", vec![build::string(unit), instant(next()), instant(next())])
        }
        "date_trunc" => {
            wants(2)?;
            // Either order is accepted, as in Snowflake.
            let (first, second) = (next(), next());
            let (unit, value) = match unit(&first) {
                Ok(unit) => (unit, second),
                Err(message) => (units::unit(&second).map_err(|_| message)?, first),
            };
            build::call("date_trunc", vec![build::string(unit), instant(value)])
        }
        "trunc" => {
            let (value, second) = (next(), next());
            match unit(&second) {
                Ok(unit) => build::call("date_trunc", vec![build::string(unit), instant(value)]),
                Err(_) => return Ok(None),
            }
        }
        "date_part" => {
            wants(2)?;
            let unit = word(&next()).ok_or("expected a part of a date first")?;
            part(&unit, next())
        }
        "last_day" => {
            let value = instant(next());
            let unit = if count > 1 { unit(&next())? } else { "month" };
            build::cast(build::call("last_day", vec![value, build::string(unit)]), DataType::Date)
        }
        _ => {
            let (value, length) = (instant(next()), next());
            let unit = unit(&next())?;
            let end = if count > 3 { next() } else { build::string("start") };
            with_arguments(function, "time_slice", vec![value, length, build::string(unit), end])
        }
    }))
}

fn part(name: &str, value: Expr) -> Expr {
    let part = match name {
        "dayofweek" | "dow" | "weekday" | "dw" => "dow",
        "dayofyear" | "doy" | "yearday" | "dy" => "doy",
        "dayofmonth" => "day",
        "weekofyear" | "weekiso" | "week_iso" => "week",
        "epoch_second" | "epoch" | "epoch_seconds" => "epoch",
        other => canonical(other).unwrap_or(other),
    };
    let value = build::call("to_timestamp", vec![value]);
    build::cast(build::call("date_part", vec![build::string(part), value]), DataType::BigInt(None))
}

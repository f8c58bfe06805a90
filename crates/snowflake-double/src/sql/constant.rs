//! Instants that a statement fixes by itself: literals, the current time, and sums of them.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
};

use crate::views::cell::instant;

/// Names that stand for instants: `(relation, column)` of common table expressions that are constants.
pub(super) type Constants = HashMap<(String, String), i64>;

/// Nanoseconds since 1970 of an expression that is an instant, if it is one.
pub(super) fn nanos(expr: &Expr, now: i64, constants: &Constants) -> Option<i64> {
    match expr {
        Expr::Nested(inner) => nanos(inner, now, constants),
        Expr::Cast { expr, data_type, .. } => {
            let target = data_type.to_string().to_uppercase();
            if target.starts_with("TIMESTAMP") { nanos(expr, now, constants) } else { None }
        }
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => instant(text),
            _ => None,
        },
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [relation, column] => constants.get(&(relation.value.clone(), column.value.clone())).copied(),
            _ => None,
        },
        Expr::Function(function) => call(function, now, constants),
        _ => None,
    }
}

fn call(function: &Function, now: i64, constants: &Constants) -> Option<i64> {
    let name = function.name.to_string().to_uppercase();
    let args = arguments(function);
    match (name.as_str(), args.as_slice()) {
        ("CURRENT_TIMESTAMP" | "LOCALTIMESTAMP" | "GETDATE" | "SYSTIMESTAMP", _) => now.checked_mul(1_000),
        ("TO_TIMESTAMP_LTZ" | "TO_TIMESTAMP" | "TO_TIMESTAMP_NTZ", [inner]) => nanos(inner, now, constants),
        ("DATEADD" | "TIMEADD" | "TIMESTAMPADD", [part, count, inner]) => {
            let unit = unit_nanos(&part_name(part)?)?;
            nanos(inner, now, constants)?.checked_add(whole(count)?.checked_mul(unit)?)
        }
        _ => None,
    }
}

pub(super) fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    list.args
        .iter()
        .filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}

/// `hour`, `'hour'`, `HOURS`: the name of a date part in lower case and singular.
pub(super) fn part_name(expr: &Expr) -> Option<String> {
    let text = match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            _ => return None,
        },
        _ => return None,
    };
    let lower = text.to_lowercase();
    let name = match lower.as_str() {
        "year" | "years" | "y" | "yy" | "yyyy" => "year",
        "quarter" | "quarters" | "q" => "quarter",
        "month" | "months" | "mm" | "mon" => "month",
        "week" | "weeks" | "w" | "wk" => "week",
        "day" | "days" | "d" | "dd" => "day",
        "hour" | "hours" | "h" | "hh" => "hour",
        "minute" | "minutes" | "m" | "mi" | "min" => "minute",
        "second" | "seconds" | "s" | "sec" => "second",
        "millisecond" | "milliseconds" | "ms" => "millisecond",
        _ => return None,
    };
    Some(name.to_owned())
}

/// Nanoseconds of a part that is always as long.
pub(super) fn unit_nanos(part: &str) -> Option<i64> {
    const SECOND: i64 = 1_000_000_000;
    Some(match part {
        "week" => 7 * 86_400 * SECOND,
        "day" => 86_400 * SECOND,
        "hour" => 3_600 * SECOND,
        "minute" => 60 * SECOND,
        "second" => SECOND,
        "millisecond" => 1_000_000,
        _ => return None,
    })
}

fn whole(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Nested(inner) => whole(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => whole(expr).map(|number| -number),
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

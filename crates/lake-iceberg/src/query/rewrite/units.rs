//! Units of time among arguments: `dateadd(day, …)`.
//!
//! A bare unit looks like a column. Before names are looked at it becomes a text, so that neither a column nor an alias called
//! `day` takes its place.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Statement as Ast, Value, VisitMut, VisitorMut,
};

use super::{build, folded};

/// Makes texts of the bare units of all calls.
pub(super) fn quote(statement: &mut Ast) {
    let _ = VisitMut::visit(statement, &mut Quotation);
}

struct Quotation;

impl VisitorMut for Quotation {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            quote_in(function);
        }
        ControlFlow::Continue(())
    }
}

fn quote_in(function: &mut Function) {
    let parts = folded(&function.name);
    let [name] = parts.as_slice() else { return };
    let place = match name.as_str() {
        "dateadd" | "datediff" | "timestampadd" | "timestampdiff" | "timeadd" | "timediff" | "date_part"
        | "date_trunc" => 0,
        "trunc" | "last_day" => 1,
        "time_slice" => 2,
        _ => return,
    };
    let FunctionArguments::List(list) = &mut function.args else { return };
    // `date_trunc` takes its arguments either way round.
    let is_unit_text = |arg: Option<&FunctionArg>| match arg {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr @ Expr::Value(_)))) => unit(expr).is_ok(),
        _ => false,
    };
    if name == "date_trunc" && is_unit_text(list.args.get(1)) {
        return;
    }
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))) = list.args.get_mut(place)
        && let Expr::Identifier(ident) = argument
        && ident.quote_style.is_none()
    {
        let word = ident.value.to_lowercase();
        let is_word_of_time = canonical(&word).is_some() || name == "date_part";
        if is_word_of_time {
            *argument = build::string(word);
        }
    }
}

/// A name, bare or as a text.
pub(super) fn word(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(ident.value.to_lowercase()),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.to_lowercase()),
            _ => None,
        },
        _ => None,
    }
}

/// A unit, bare or quoted, in its canonical spelling.
pub(super) fn unit(expr: &Expr) -> Result<&'static str, String> {
    let word = word(expr).ok_or_else(|| format!("expected a unit of time, got {expr}"))?;
    canonical(&word).ok_or_else(|| format!("{word} is no unit of time"))
}

pub(super) fn canonical(word: &str) -> Option<&'static str> {
    Some(match word {
        "year" | "years" | "y" | "yy" | "yyy" | "yyyy" | "yr" | "yrs" => "year",
        "quarter" | "quarters" | "q" | "qtr" | "qtrs" => "quarter",
        "month" | "months" | "mm" | "mon" | "mons" => "month",
        "week" | "weeks" | "w" | "wk" | "weekofyear" | "woy" | "wy" => "week",
        "day" | "days" | "d" | "dd" | "dayofmonth" => "day",
        "hour" | "hours" | "h" | "hh" | "hr" | "hrs" => "hour",
        "minute" | "minutes" | "m" | "mi" | "min" | "mins" => "minute",
        "second" | "seconds" | "s" | "sec" | "secs" => "second",
        "millisecond" | "milliseconds" | "ms" | "msec" => "millisecond",
        "microsecond" | "microseconds" | "us" | "usec" => "microsecond",
        "nanosecond" | "nanoseconds" | "ns" | "nsec" => "nanosecond",
        _ => return None,
    })
}

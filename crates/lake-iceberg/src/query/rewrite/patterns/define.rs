//! What `DEFINE` asks of a row, as a column: functions that look at other rows look over the whole partition.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Function, Ident, VisitMut, VisitorMut, WindowType};

use super::{Frame, build, folded, symbol_name};
use crate::query::rewrite::aggregates::is_aggregate;

/// The condition of one symbol among all of the pattern.
pub(super) fn condition(mut expr: Expr, symbol: &str, symbols: &[String], rows: &Frame) -> Result<Expr, String> {
    match VisitMut::visit(&mut expr, &mut Definition { symbol, symbols, rows }) {
        ControlFlow::Continue(()) => Ok(expr),
        ControlFlow::Break(message) => Err(format!("DEFINE {symbol}: {message}")),
    }
}

struct Definition<'a> {
    symbol: &'a str,
    symbols: &'a [String],
    rows: &'a Frame,
}

impl VisitorMut for Definition<'_> {
    type Break = String;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        let changed = match expr {
            Expr::CompoundIdentifier(parts) => self.column(parts),
            Expr::Function(function) => self.function(function),
            _ => Ok(None),
        };
        super::put(expr, changed)
    }
}

impl Definition<'_> {
    /// `up.price` within the definition of `up` is the row's own price.
    fn column(&self, parts: &[Ident]) -> Result<Option<Expr>, String> {
        let first = symbol_name(&parts[0].value, parts[0].quote_style.is_some());
        if first == self.symbol {
            return Ok(Some(match &parts[1..] {
                [only] => Expr::Identifier(only.clone()),
                more => Expr::CompoundIdentifier(more.to_vec()),
            }));
        }
        if self.symbols.contains(&first) {
            return Err(format!("the rows of {first} are not known before there is a match; leave `{first}.` out"));
        }
        Ok(None)
    }

    fn function(&self, function: &mut Function) -> Result<Option<Expr>, String> {
        let parts = folded(&function.name);
        let [name] = parts.as_slice() else { return Ok(None) };
        let renamed = match name.as_str() {
            "lag" | "prev" => "lag",
            "lead" | "next" => "lead",
            "first_value" | "last_value" => name,
            // The last row so far is this one.
            "last" => return Ok(super::measure::only_argument(function)),
            "first" => return Err("FIRST is not known before there is a match; write FIRST_VALUE".to_owned()),
            "match_number" | "match_sequence_number" | "classifier" => {
                return Err(format!("{name} is not known before there is a match"));
            }
            other if other.starts_with("final ") || other.starts_with("running ") => {
                return Err(format!("{other} is for MEASURES"));
            }
            other if function.over.is_none() && is_aggregate(other) => {
                return Err(format!("{other} needs its rows: write {other}(…) OVER (ROWS BETWEEN … AND …)"));
            }
            other => other,
        }
        .to_owned();
        let looks_around = matches!(renamed.as_str(), "lag" | "lead" | "first_value" | "last_value");
        match &mut function.over {
            None if !looks_around => return Ok(None),
            None => {
                let whole = renamed.ends_with("_value").then(|| build::rows_between(false));
                let (partition_by, order_by) = (self.rows.partition_by.clone(), self.rows.order_by.clone());
                function.over = Some(build::window(partition_by, order_by, whole));
            }
            Some(WindowType::WindowSpec(spec)) if spec.window_name.is_none() => {
                if spec.partition_by.is_empty() {
                    spec.partition_by.clone_from(&self.rows.partition_by);
                }
                if spec.order_by.is_empty() {
                    spec.order_by.clone_from(&self.rows.order_by);
                }
            }
            Some(_) => {}
        }
        if renamed != *name {
            function.name = super::ObjectName::from(vec![Ident::new(renamed)]);
        }
        Ok(None)
    }
}

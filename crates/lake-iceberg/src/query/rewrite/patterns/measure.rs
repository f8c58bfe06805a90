//! What `MEASURES` asks of a match, as SQL over its rows.
//!
//! Calls that look at the match are computed beside its rows or in its group, and the measure refers to them; what is left of
//! the expression is evaluated on them. `symbol.column` means the rows of the match that have the symbol.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, NullTreatment, ObjectName,
    Query, VisitMut, VisitorMut, WindowType,
};

use super::{Frame, NUMBER, SEQUENCE, SYMBOL, ascending, build, folded, identifier, symbol_name};
use crate::query::rewrite::aggregates::is_aggregate;
use crate::query::rewrite::columns;

/// The one field of a wrapped value.
const WRAPPED: &str = "value";

/// What the measures need to have computed: names of columns, and how they are made.
pub(super) struct Computed {
    symbols: Vec<String>,
    /// Rows of one match.
    rows: Frame,
    one_row: bool,
    /// A match may have no rows; the one that tells of it counts for nothing.
    can_be_empty: bool,
    pub(super) windows: Vec<(String, Expr)>,
    pub(super) aggregates: Vec<(String, Expr)>,
}

/// The one argument of a call.
pub(super) fn only_argument(function: &Function) -> Option<Expr> {
    match &function.args {
        FunctionArguments::List(list) => match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(Expr::Nested(Box::new(expr.clone()))),
            _ => None,
        },
        _ => None,
    }
}

impl Computed {
    pub(super) fn new(symbols: Vec<String>, rows: Frame, one_row: bool, can_be_empty: bool) -> Self {
        Self { symbols, rows, one_row, can_be_empty, windows: Vec::new(), aggregates: Vec::new() }
    }

    /// The measure in terms of what is computed.
    pub(super) fn measure(&mut self, mut expr: Expr) -> Result<Expr, String> {
        let text = expr.to_string();
        match VisitMut::visit(&mut expr, &mut Measured { computed: self }) {
            ControlFlow::Continue(()) => Ok(expr),
            ControlFlow::Break(message) => Err(format!("MEASURES {text}: {message}")),
        }
    }

    fn window(&mut self, expr: Expr) -> Expr {
        let name = format!("match window {}", self.windows.len() + 1);
        let column = identifier(&name);
        self.windows.push((name, expr));
        column
    }

    fn aggregate(&mut self, expr: Expr) -> Expr {
        let name = format!("match measure {}", self.aggregates.len() + 1);
        let column = identifier(&name);
        self.aggregates.push((name, expr));
        column
    }

    /// Which rows a call looks at.
    fn condition(&self, symbol: Option<&String>) -> Option<Expr> {
        match symbol {
            Some(symbol) => Some(build::binary(identifier(SYMBOL), BinaryOperator::Eq, build::string(symbol.as_str()))),
            None if self.can_be_empty => Some(Expr::IsNotNull(Box::new(identifier(SYMBOL)))),
            None => None,
        }
    }

    /// A call, or nothing if it looks at no rows.
    fn call(&mut self, function: &Function) -> Result<Option<Expr>, String> {
        let parts = folded(&function.name);
        let [written] = parts.as_slice() else { return Ok(None) };
        let (to_the_end, name) = match (written.strip_prefix("final "), written.strip_prefix("running ")) {
            (Some(name), _) => (true, name),
            (_, Some(name)) => (self.one_row, name),
            _ => (self.one_row, written.as_str()),
        };
        let is_prefixed = name != written;
        match name {
            "match_number" => return Ok(Some(identifier(NUMBER))),
            "match_sequence_number" if self.one_row => {
                return Ok(Some(self.aggregate(build::call("max", vec![identifier(SEQUENCE)]))));
            }
            "match_sequence_number" => return Ok(Some(identifier(SEQUENCE))),
            "classifier" => return Ok(Some(self.end(identifier(SYMBOL), None, false, to_the_end))),
            _ => {}
        }
        let mut function = function.clone();
        let symbol = self.symbol_of(&mut function)?;
        let of_symbol = |symbol: &Option<String>| match symbol {
            Some(symbol) => Err(format!("{name} cannot look at the rows of {symbol} alone; leave `{symbol}.` out")),
            None => Ok(()),
        };
        if function.over.is_some() {
            of_symbol(&symbol)?;
            let window = self.over_rows(function);
            return Ok(Some(self.beside(window)));
        }
        match name {
            "first" | "first_value" | "last" | "last_value" => {
                let argument = only_argument(&function).ok_or_else(|| format!("{name} takes one argument"))?;
                Ok(Some(self.end(argument, symbol.as_ref(), name.starts_with("first"), to_the_end)))
            }
            "prev" | "lag" | "next" | "lead" => {
                of_symbol(&symbol)?;
                let renamed = if matches!(name, "prev" | "lag") { "lag" } else { "lead" };
                function.name = ObjectName::from(vec![Ident::new(renamed)]);
                function.over = Some(build::window(self.rows.partition_by.clone(), self.rows.order_by.clone(), None));
                Ok(Some(self.beside(Expr::Function(function))))
            }
            _ if is_aggregate(name) => {
                function.name = ObjectName::from(vec![Ident::new(name)]);
                function.filter = self.condition(symbol.as_ref()).map(Box::new);
                if self.one_row {
                    return Ok(Some(self.aggregate(Expr::Function(function))));
                }
                function.over = Some(self.frame(!to_the_end));
                Ok(Some(self.window(Expr::Function(function))))
            }
            _ if is_prefixed => Err(format!("{name} does not look at rows; leave {written} out of it")),
            _ => Ok(None),
        }
    }

    fn frame(&self, running: bool) -> WindowType {
        let (partition_by, order_by) = (self.rows.partition_by.clone(), self.rows.order_by.clone());
        build::window(partition_by, order_by, Some(build::rows_between(running)))
    }

    /// A window of the author's own over the rows of the match.
    fn over_rows(&self, mut function: Function) -> Expr {
        if let Some(WindowType::WindowSpec(spec)) = &mut function.over {
            spec.partition_by.extend(self.rows.partition_by.iter().cloned());
            if spec.order_by.is_empty() {
                spec.order_by.clone_from(&self.rows.order_by);
            }
        }
        Expr::Function(function)
    }

    /// A value that each row has: with one row per match, that of the last.
    fn beside(&mut self, window: Expr) -> Expr {
        let column = self.window(window);
        if self.one_row { self.end(column, None, false, true) } else { column }
    }

    /// The value of the first or last row that has the symbol.
    fn end(&mut self, value: Expr, symbol: Option<&String>, first: bool, to_the_end: bool) -> Expr {
        let name = if first { "first_value" } else { "last_value" };
        if self.one_row {
            let mut call = build::function(name, vec![value]);
            build::order_arguments(&mut call, vec![ascending(identifier(SEQUENCE))]);
            call.filter = self.condition(symbol).map(Box::new);
            return self.aggregate(Expr::Function(call));
        }
        let condition = self.condition(symbol);
        // The last row so far is the row itself.
        if symbol.is_none() && !first && !to_the_end {
            return match condition {
                Some(condition) => build::case(condition, value, None),
                None => value,
            };
        }
        // A value that is null must not be passed over, so it is wrapped.
        let wrapped = build::call("named_struct", vec![build::string(WRAPPED), value]);
        let wrapped = match condition {
            Some(condition) => build::case(condition, wrapped, None),
            None => wrapped,
        };
        let mut call = build::function(name, vec![wrapped]);
        call.null_treatment = Some(NullTreatment::IgnoreNulls);
        call.over = Some(self.frame(!to_the_end));
        let column = self.window(Expr::Function(call));
        columns::member(column, WRAPPED)
    }

    /// A column outside of any call.
    fn column(&mut self, expr: &Expr) -> Option<Expr> {
        match expr {
            Expr::Identifier(ident) if is_classifier(ident) => {
                let to_the_end = self.one_row;
                Some(self.end(identifier(SYMBOL), None, false, to_the_end))
            }
            Expr::Identifier(_) if self.one_row => Some(self.end(expr.clone(), None, false, true)),
            Expr::CompoundIdentifier(parts) => match self.without_symbol(parts) {
                Some((symbol, column)) => Some(self.end(column, Some(&symbol), false, self.one_row)),
                None if self.one_row => Some(self.end(expr.clone(), None, false, true)),
                None => None,
            },
            _ => None,
        }
    }

    fn without_symbol(&self, parts: &[Ident]) -> Option<(String, Expr)> {
        let first = symbol_name(&parts[0].value, parts[0].quote_style.is_some());
        if !self.symbols.contains(&first) {
            return None;
        }
        let column = match &parts[1..] {
            [only] => Expr::Identifier(only.clone()),
            more => Expr::CompoundIdentifier(more.to_vec()),
        };
        Some((first, column))
    }

    /// Takes the symbol out of a call's arguments, which must be of one.
    fn symbol_of(&self, function: &mut Function) -> Result<Option<String>, String> {
        let mut arguments = Arguments { computed: self, found: Vec::new() };
        if let FunctionArguments::List(list) = &mut function.args {
            for argument in &mut list.args {
                let FunctionArg::Unnamed(argument) = argument else { continue };
                if let FunctionArgExpr::QualifiedWildcard(name) = argument {
                    let first = name.0.first().and_then(|part| part.as_ident());
                    if let Some(first) = first
                        && let symbol = symbol_name(&first.value, first.quote_style.is_some())
                        && self.symbols.contains(&symbol)
                    {
                        arguments.found.push(symbol);
                        *argument = FunctionArgExpr::Wildcard;
                    }
                }
                let _ = VisitMut::visit(argument, &mut arguments);
            }
        }
        let mut found = arguments.found;
        found.sort();
        found.dedup();
        match found.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only.clone())),
            [first, second, ..] => Err(format!("one call cannot look at the rows of {first} and of {second}")),
        }
    }
}

/// Snowflake takes it without parentheses, too.
fn is_classifier(ident: &Ident) -> bool {
    ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("classifier")
}

/// Columns and functions of the match within the arguments of a call.
struct Arguments<'a> {
    computed: &'a Computed,
    found: Vec<String>,
}

impl VisitorMut for Arguments<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundIdentifier(parts) => {
                if let Some((symbol, column)) = self.computed.without_symbol(parts) {
                    self.found.push(symbol);
                    *expr = column;
                }
            }
            Expr::Identifier(ident) if is_classifier(ident) => *expr = identifier(SYMBOL),
            Expr::Function(function) => match folded(&function.name).iter().map(String::as_str).collect::<Vec<_>>()[..]
            {
                ["classifier"] => *expr = identifier(SYMBOL),
                ["match_number"] => *expr = identifier(NUMBER),
                ["match_sequence_number"] => *expr = identifier(SEQUENCE),
                _ => {}
            },
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Goes through a measure from the outside in.
struct Measured<'a> {
    computed: &'a mut Computed,
}

impl VisitorMut for Measured<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<String> {
        ControlFlow::Break("a subquery cannot stand in a measure".to_owned())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        let changed = match expr {
            Expr::Function(function) => self.computed.call(function),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => Ok(self.computed.column(expr)),
            _ => Ok(None),
        };
        super::put(expr, changed)
    }
}

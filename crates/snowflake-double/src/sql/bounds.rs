//! What a statement says about the cursor of a view, found before the engine sees any row.
//!
//! Only conditions that every row must meet count: parts of the top AND of the WHERE beside the view, comparing the
//! cursor with a constant. What is not understood widens the bounds, never narrows them.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, Select, SelectItem, SetExpr, Statement, TableFactor, Visit, Visitor,
};

use super::constant::{self, Constants};
use crate::views::store::Bounds;

/// Finds the bounds of each relation, by its name as written; `cursor_of` gives a relation's cursor.
pub(super) fn find(
    statement: &Statement,
    now: i64,
    cursor_of: &dyn Fn(&str) -> Option<String>,
) -> HashMap<String, Bounds> {
    let mut finder = Finder { now, cursor_of, constants: Constants::new(), found: HashMap::new() };
    let _ = Visit::visit(statement, &mut finder);
    finder.found
}

struct Finder<'a> {
    now: i64,
    cursor_of: &'a dyn Fn(&str) -> Option<String>,
    constants: Constants,
    found: HashMap<String, Bounds>,
}

impl Visitor for Finder<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let SetExpr::Select(select) = &*cte.query.body else { continue };
            if !select.from.is_empty() || select.selection.is_some() || !cte.alias.columns.is_empty() {
                continue;
            }
            for item in &select.projection {
                let SelectItem::ExprWithAlias { expr, alias } = item else { continue };
                if let Some(nanos) = constant::nanos(expr, self.now, &self.constants) {
                    self.constants.insert((cte.alias.name.value.clone(), alias.value.clone()), nanos);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.aliases(select);
        for table in &select.from {
            // The far side of an outer join keeps rows that the WHERE does not speak of: joins are left whole.
            for factor in std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)) {
                let TableFactor::Table { name, alias, .. } = factor else { continue };
                let written = name.to_string();
                let Some(cursor) = (self.cursor_of)(&written) else { continue };
                let alone = table.joins.is_empty();
                let called = alias.as_ref().map(|alias| alias.name.value.clone());
                let called = called.or_else(|| name.0.last().map(ToString::to_string)).unwrap_or_default();
                let only = select.from.len() == 1;
                let bounds = match &select.selection {
                    Some(condition) if alone => self.bounds(condition, &called, &cursor, only),
                    _ => Bounds::ALL,
                };
                let widest = self.found.entry(written).or_insert(bounds);
                *widest = Bounds { from: widest.from.min(bounds.from), to: widest.to.max(bounds.to) };
            }
        }
        ControlFlow::Continue(())
    }
}

impl Finder<'_> {
    /// A constant expression may be called otherwise where it is used: `FROM view v, b AS x`.
    fn aliases(&mut self, select: &Select) {
        for table in &select.from {
            let TableFactor::Table { name, alias: Some(alias), .. } = &table.relation else { continue };
            let written = name.to_string();
            let renamed: Vec<((String, String), i64)> = self
                .constants
                .iter()
                .filter(|((relation, _), _)| *relation == written)
                .map(|((_, column), nanos)| ((alias.name.value.clone(), column.clone()), *nanos))
                .collect();
            self.constants.extend(renamed);
        }
    }

    fn bounds(&self, condition: &Expr, called: &str, cursor: &str, only: bool) -> Bounds {
        match condition {
            Expr::Nested(inner) => self.bounds(inner, called, cursor, only),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                let one = self.bounds(left, called, cursor, only);
                let other = self.bounds(right, called, cursor, only);
                Bounds { from: one.from.max(other.from), to: one.to.min(other.to) }
            }
            Expr::BinaryOp { left, op, right } => {
                if is_cursor(left, called, cursor, only) {
                    self.compared(op, right)
                } else if is_cursor(right, called, cursor, only) {
                    let turned = match op {
                        BinaryOperator::Lt => BinaryOperator::Gt,
                        BinaryOperator::LtEq => BinaryOperator::GtEq,
                        BinaryOperator::Gt => BinaryOperator::Lt,
                        BinaryOperator::GtEq => BinaryOperator::LtEq,
                        other => other.clone(),
                    };
                    self.compared(&turned, left)
                } else {
                    Bounds::ALL
                }
            }
            Expr::Between { expr, negated: false, low, high } if is_cursor(expr, called, cursor, only) => {
                let low = self.compared(&BinaryOperator::GtEq, low);
                let high = self.compared(&BinaryOperator::LtEq, high);
                Bounds { from: low.from, to: high.to }
            }
            _ => Bounds::ALL,
        }
    }

    fn compared(&self, op: &BinaryOperator, with: &Expr) -> Bounds {
        let Some(nanos) = constant::nanos(with, self.now, &self.constants) else { return Bounds::ALL };
        let micros = nanos.div_euclid(1_000);
        match op {
            BinaryOperator::Gt | BinaryOperator::GtEq => Bounds { from: micros, to: i64::MAX },
            BinaryOperator::Lt | BinaryOperator::LtEq => Bounds { from: i64::MIN + 1, to: micros.saturating_add(1) },
            BinaryOperator::Eq => Bounds { from: micros, to: micros.saturating_add(1) },
            _ => Bounds::ALL,
        }
    }
}

fn is_cursor(expr: &Expr, called: &str, cursor: &str, only: bool) -> bool {
    match expr {
        Expr::Nested(inner) => is_cursor(inner, called, cursor, only),
        Expr::Identifier(ident) => only && ident.value == cursor,
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [relation, column] => relation.value == called && column.value == cursor,
            _ => false,
        },
        _ => false,
    }
}

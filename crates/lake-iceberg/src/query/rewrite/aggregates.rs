//! Which functions gather rows, and a `HAVING` that has nothing gathered.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, GroupByExpr, Query, Select, SelectItem, Visit, Visitor,
};

use super::{build, folded};

/// Snowflake's names of aggregate functions.
const AGGREGATES: [&str; 46] = [
    "any_value",
    "approx_count_distinct",
    "approx_percentile",
    "array_agg",
    "array_union_agg",
    "array_unique_agg",
    "arrayagg",
    "avg",
    "bitand_agg",
    "bitor_agg",
    "bitxor_agg",
    "booland_agg",
    "boolor_agg",
    "corr",
    "count",
    "count_if",
    "countif",
    "covar_pop",
    "covar_samp",
    "hll",
    "kurtosis",
    "listagg",
    "max",
    "max_by",
    "median",
    "min",
    "min_by",
    "mode",
    "object_agg",
    "percentile_cont",
    "percentile_disc",
    "regr_slope",
    "skew",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
    "variance_pop",
    "variance_samp",
    "bool_and",
    "bool_or",
    "approx_distinct",
];

pub(super) fn is_aggregate(name: &str) -> bool {
    AGGREGATES.contains(&name)
}

/// `HAVING` over rows that nothing groups is another `WHERE`.
pub(super) fn having_as_where(select: &mut Select) {
    let is_grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(expressions, modifiers) => !expressions.is_empty() || !modifiers.is_empty(),
    };
    let gathers = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => has_aggregate(expr),
        _ => false,
    };
    let stays = is_grouped || select.projection.iter().any(gathers) || select.having.as_ref().is_none_or(has_aggregate);
    if stays {
        return;
    }
    let having = select.having.take();
    select.selection = match (select.selection.take(), having) {
        (Some(left), Some(right)) => {
            let nested = |expr| Expr::Nested(Box::new(expr));
            Some(build::binary(nested(left), BinaryOperator::And, nested(right)))
        }
        (left, right) => left.or(right),
    };
}

fn has_aggregate(expr: &Expr) -> bool {
    let mut search = Search { queries: 0 };
    expr.visit(&mut search).is_break()
}

struct Search {
    /// What subqueries gather is their own.
    queries: usize,
}

impl Visitor for Search {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(Function { name, over: None, .. }) if self.queries == 0 => match folded(name).as_slice() {
                [name] if is_aggregate(name) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            },
            _ => ControlFlow::Continue(()),
        }
    }
}

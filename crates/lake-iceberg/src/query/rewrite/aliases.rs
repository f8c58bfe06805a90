//! Aliases used where they are not yet defined: `select a + 1 as b, b * 2 as c … where b > 3`.
//!
//! Snowflake lets other columns of the same select, `WHERE`, `HAVING` and `QUALIFY` name an alias, unless a column of
//! the sources has that name. DataFusion does not, so the alias's expression is put there. `GROUP BY` and `ORDER BY` know
//! aliases by themselves. What the sources' columns are is followed through subqueries and common table expressions.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::{columns, flatten, folded};

/// Folded names of columns; more than there are does no harm, fewer would.
pub(super) type Names = HashSet<String>;

/// What is known of the sources of a select.
pub(super) struct Sources<'a> {
    /// Columns of every table of the lake that the statement mentions.
    pub(super) tables: &'a Names,
    /// Columns of each common table expression.
    pub(super) ctes: &'a HashMap<String, Names>,
}

impl Sources<'_> {
    /// The columns that a query gives.
    pub(super) fn query(&self, query: &Query) -> Names {
        let mut ctes = self.ctes.clone();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let mut names = Sources { tables: self.tables, ctes: &ctes }.query(&cte.query);
            names.extend(cte.alias.columns.iter().map(|column| column.name.value.to_lowercase()));
            ctes.insert(cte.alias.name.value.to_lowercase(), names);
        }
        Sources { tables: self.tables, ctes: &ctes }.body(&query.body)
    }

    fn body(&self, body: &SetExpr) -> Names {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, .. } => self.body(left),
            _ => Names::new(),
        }
    }

    fn select(&self, select: &Select) -> Names {
        let mut names = Names::new();
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => _ = names.insert(alias.value.to_lowercase()),
                SelectItem::UnnamedExpr(Expr::Identifier(ident)) => _ = names.insert(ident.value.to_lowercase()),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                    names.extend(parts.last().map(|part| part.value.to_lowercase()));
                }
                SelectItem::UnnamedExpr(expr) => _ = names.insert(expr.to_string().to_lowercase()),
                _ => names.extend(self.from(&select.from)),
            }
        }
        names
    }

    pub(super) fn from(&self, from: &[TableWithJoins]) -> Names {
        let factors = from
            .iter()
            .flat_map(|item| std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation)));
        factors.flat_map(|factor| self.factor(factor)).collect()
    }

    fn factor(&self, factor: &TableFactor) -> Names {
        match factor {
            other if flatten::is_flatten(other) => columns::FLATTENED.iter().map(|&name| name.to_owned()).collect(),
            TableFactor::Table { name, alias, .. } => {
                let mut names = match folded(name).as_slice() {
                    [only] if self.ctes.contains_key(only) => self.ctes[only].clone(),
                    _ => self.tables.clone(),
                };
                names.extend(alias.iter().flat_map(|alias| &alias.columns).map(|c| c.name.value.to_lowercase()));
                names
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let mut names = self.query(subquery);
                names.extend(alias.iter().flat_map(|alias| &alias.columns).map(|c| c.name.value.to_lowercase()));
                names
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.from(std::slice::from_ref(table_with_joins)),
            _ => self.tables.clone(),
        }
    }
}

/// Puts expressions in the place of aliases that no source column hides.
pub(super) fn inline(select: &mut Select, sources: &Names) {
    let mut known: HashMap<String, Expr> = HashMap::new();
    for item in &mut select.projection {
        let SelectItem::ExprWithAlias { expr, alias } = item else { continue };
        replace(expr, &known);
        let name = alias.value.to_lowercase();
        let itself = matches!(expr, Expr::Identifier(ident) if ident.value.to_lowercase() == name);
        if !sources.contains(&name) && !itself {
            known.insert(name, expr.clone());
        }
    }
    for place in [&mut select.selection, &mut select.having, &mut select.qualify].into_iter().flatten() {
        replace(place, &known);
    }
}

fn replace(expr: &mut Expr, known: &HashMap<String, Expr>) {
    if !known.is_empty() {
        let _ = VisitMut::visit(expr, &mut Replacement { known, queries: 0 });
    }
}

struct Replacement<'a> {
    known: &'a HashMap<String, Expr>,
    /// Subqueries have aliases of their own.
    queries: usize,
}

impl VisitorMut for Replacement<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.queries == 0
            && let Expr::Identifier(ident) = expr
            && let Some(meant) = self.known.get(&ident.value.to_lowercase())
        {
            *expr = match meant {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => meant.clone(),
                other => Expr::Nested(Box::new(other.clone())),
            };
        }
        ControlFlow::Continue(())
    }
}

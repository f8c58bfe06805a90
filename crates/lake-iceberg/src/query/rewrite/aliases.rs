//! Aliases used where they are not yet defined: `select a + 1 as b, b * 2 as c … where b > 3`.
//!
//! Snowflake lets other columns of the same select, `WHERE`, `HAVING` and `QUALIFY` name an alias, unless a column of
//! the sources has that name. DataFusion does not, so the alias's expression is put there. `GROUP BY` and `ORDER BY` know
//! aliases by themselves. What the sources' columns are is followed through subqueries and common table expressions.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, ObjectName, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr,
    TableFactor, TableWithJoins, VisitMut, VisitorMut,
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

/// Makes room for aliases that a `*` beside them has as columns, too; gives what the others are called meanwhile.
///
/// The standard columns (`p_event_time`) give way: views elsewhere do not have them, so `select start_time as p_event_time, *` means
/// one. A column of the log stays, and the alias gets a name that no log has until its rows are shown.
pub(super) fn beside_star(select: &mut Select, sources: &Names) -> Vec<(String, String)> {
    let is_wildcard = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    let mut hidden = Vec::new();
    if !select.projection.iter().any(is_wildcard) {
        return hidden;
    }
    let mut given_way = Vec::new();
    for item in &mut select.projection {
        let SelectItem::ExprWithAlias { alias, .. } = item else { continue };
        if !sources.contains(&alias.value) {
            continue;
        }
        if alias.value.starts_with("p_") {
            given_way.push(ObjectName::from(vec![Ident::with_quote('"', &alias.value)]));
        } else {
            let spelled = alias.value.clone();
            *alias = Ident::with_quote('"', beside(&spelled));
            hidden.push((alias.value.clone(), spelled));
        }
    }
    for item in &mut select.projection {
        if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) = item
            && !given_way.is_empty()
        {
            let before = match options.opt_exclude.take() {
                None => Vec::new(),
                Some(ExcludeSelectItem::Single(name)) => vec![name],
                Some(ExcludeSelectItem::Multiple(names)) => names,
            };
            let new = given_way.iter().filter(|name| !before.iter().any(|known| folded(known) == folded(name)));
            options.opt_exclude = Some(ExcludeSelectItem::Multiple(before.iter().chain(new).cloned().collect()));
        }
    }
    hidden
}

fn beside(alias: &str) -> String {
    format!("{alias} ")
}

/// `ORDER BY` means the select's own alias before a column.
pub(super) fn order_by(query: &mut Query) {
    let Query { body, order_by: Some(order), .. } = query else { return };
    let SetExpr::Select(select) = &**body else { return };
    let OrderByKind::Expressions(expressions) = &mut order.kind else { return };
    for OrderByExpr { expr, .. } in expressions {
        let Expr::Identifier(name) = expr else { continue };
        let hidden = beside(&name.value);
        let is_hidden =
            |item: &SelectItem| matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value == hidden);
        if select.projection.iter().any(is_hidden) {
            *name = Ident { value: hidden, quote_style: Some('"'), span: name.span };
        }
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

//! Aliases used where they are not yet defined: `select a + 1 as b, b * 2 as c … where b > 3`.
//!
//! Snowflake lets other columns of the same select, `WHERE`, `HAVING` and `QUALIFY` name an alias, unless a column of
//! the sources has that name. DataFusion does not, so the alias's expression is put there. `GROUP BY` and `ORDER BY` know
//! aliases by themselves. What the sources' columns are is followed through subqueries and common table expressions.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, ObjectName, OrderByExpr, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::{Scope, columns, flatten, folded};

/// Folded names of columns; more than there are does no harm, fewer would.
pub(super) type Names = HashSet<String>;

/// What is known of the sources of a select.
pub(super) struct Sources<'a> {
    pub(super) scope: &'a Scope<'a>,
    /// Columns of each common table expression.
    pub(super) ctes: &'a HashMap<String, Names>,
}

impl Sources<'_> {
    /// The columns that a query gives.
    pub(super) fn query(&self, query: &Query) -> Names {
        let mut ctes = self.ctes.clone();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let mut names = Sources { scope: self.scope, ctes: &ctes }.query(&cte.query);
            names.extend(cte.alias.columns.iter().map(|column| column.name.value.to_lowercase()));
            ctes.insert(cte.alias.name.value.to_lowercase(), names);
        }
        Sources { scope: self.scope, ctes: &ctes }.body(&query.body)
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
        factors(from).flat_map(|factor| self.factor(factor)).collect()
    }

    /// The columns that a wildcard stands for; none if the item is no wildcard.
    pub(super) fn star(&self, item: &SelectItem, from: &[TableWithJoins]) -> Option<Names> {
        let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item else {
            return matches!(item, SelectItem::Wildcard(_)).then(|| self.from(from));
        };
        let wanted = folded(name).pop()?;
        let found = factors(from).find(|factor| name_of(factor).as_ref() == Some(&wanted));
        Some(found.map_or_else(Names::new, |factor| self.factor(factor)))
    }

    fn table(&self, parts: &[String]) -> Names {
        match parts {
            [only] if self.ctes.contains_key(only) => self.ctes[only].clone(),
            _ => {
                let meant = self.scope.tables.get(parts).and_then(|table| self.scope.columns_of.get(table));
                meant.unwrap_or(self.scope.columns).clone()
            }
        }
    }

    fn factor(&self, factor: &TableFactor) -> Names {
        match factor {
            other if flatten::is_flatten(other) => columns::FLATTENED.iter().map(|&name| name.to_owned()).collect(),
            TableFactor::Table { name, alias, .. } => {
                let mut names = self.table(&folded(name));
                names.extend(alias.iter().flat_map(|alias| &alias.columns).map(|c| c.name.value.to_lowercase()));
                names
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let mut names = self.query(subquery);
                names.extend(alias.iter().flat_map(|alias| &alias.columns).map(|c| c.name.value.to_lowercase()));
                names
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.from(std::slice::from_ref(table_with_joins)),
            _ => self.scope.columns.clone(),
        }
    }
}

fn factors(from: &[TableWithJoins]) -> impl Iterator<Item = &TableFactor> {
    from.iter().flat_map(|item| std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation)))
}

/// How a qualifier names it.
fn name_of(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.value.to_lowercase())
        }
        TableFactor::Table { name, .. } => folded(name).pop(),
        _ => None,
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
///
/// `stars` are the columns of each wildcard, in their order.
pub(super) fn beside_star(select: &mut Select, stars: &[Names]) -> Vec<(String, String)> {
    let mut hidden = Vec::new();
    let mut given_way = Vec::new();
    for item in &mut select.projection {
        let SelectItem::ExprWithAlias { alias, .. } = item else { continue };
        if !stars.iter().any(|star| star.contains(&alias.value)) {
            continue;
        }
        if alias.value.starts_with("p_") {
            given_way.push(alias.value.clone());
        } else {
            let spelled = alias.value.clone();
            *alias = Ident::with_quote('"', beside(&spelled));
            hidden.push((alias.value.clone(), spelled));
        }
    }
    let wildcards = select.projection.iter_mut().filter_map(|item| match item {
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => Some(options),
        _ => None,
    });
    for (options, star) in wildcards.zip(stars) {
        let mut excluded = match options.opt_exclude.take() {
            None => Vec::new(),
            Some(ExcludeSelectItem::Single(name)) => vec![name],
            Some(ExcludeSelectItem::Multiple(names)) => names,
        };
        let before: Names = excluded.iter().filter_map(|name| folded(name).pop()).collect();
        let new = given_way.iter().filter(|name| star.contains(*name) && !before.contains(*name));
        excluded.extend(new.map(|name| ObjectName::from(vec![Ident::with_quote('"', name)])));
        options.opt_exclude = (!excluded.is_empty()).then_some(ExcludeSelectItem::Multiple(excluded));
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

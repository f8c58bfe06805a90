//! Snowflake's syntax tree to one that DataFusion plans to the same meaning.
//!
//! One pass over the tree, children before parents. What can be said in plain SQL is said in plain SQL (`iff` becomes
//! `CASE`); what depends on types becomes a call of one of our [functions](super::functions) or waits for the planner's
//! [path](super::path) step. Names in quotes are folded to lower case like all others: tables show their columns in
//! lower case, so nothing needs to know which scope a name belongs to.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, LimitClause, ObjectName, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Statement as Ast, TableAlias, TableFactor, TopQuantity, Visit, VisitMut,
    Visitor, VisitorMut, WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::fault::place;
use super::names;
use super::pattern::MatchRows;

mod aggregates;
mod aliases;
mod build;
mod calls;
mod casts;
mod columns;
mod flatten;
mod generator;
mod patterns;
mod units;

/// A table that a statement names, as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mention {
    pub(crate) parts: Vec<String>,
    pub(crate) place: String,
}

/// What the statement's names can mean.
pub(crate) struct Scope<'a> {
    /// For each mentioned table (its parts, folded) the schema and table it is registered as.
    pub(crate) tables: &'a HashMap<Vec<String>, (String, String)>,
    /// Folded names of the columns of all mentioned tables.
    pub(crate) columns: &'a HashSet<String>,
    /// The same of each table, under the schema and table it is registered as.
    pub(crate) columns_of: &'a HashMap<(String, String), HashSet<String>>,
    /// The logs' own names of columns that the lake spells otherwise, folded, and the columns.
    pub(crate) originals: &'a HashMap<String, String>,
    /// Names of all functions, folded.
    pub(crate) functions: &'a HashSet<String>,
}

/// Puts what only Snowflake writes into words that all else understands; gives the functions made for its patterns. This comes
/// before anything is asked of the statement.
pub(crate) fn prepare(statement: &mut Ast) -> Result<Vec<MatchRows>, String> {
    units::quote(statement);
    patterns::expand(statement)
}

/// The base tables a statement reads.
pub(crate) fn mentions(statement: &Ast) -> Vec<Mention> {
    let mut collected = Collected::default();
    let _ = Visit::visit(statement, &mut collected);
    let Collected { ctes, mut mentions, .. } = collected;
    mentions.retain(|mention| !(mention.parts.len() == 1 && ctes.contains(&mention.parts[0])));
    mentions
}

/// Rewrites in place; gives how the outermost select spells its columns (folded name to spelling).
pub(crate) fn rewrite(statement: &mut Ast, scope: &Scope<'_>) -> Result<HashMap<String, String>, String> {
    let mut collected = Collected::default();
    let _ = Visit::visit(&*statement, &mut collected);
    let mut rewriter =
        Rewriter { scope, collected, depth: 0, spelled: HashMap::new(), flattened: Vec::new(), ctes: HashMap::new() };
    match VisitMut::visit(statement, &mut rewriter) {
        ControlFlow::Continue(()) => Ok(rewriter.spelled),
        ControlFlow::Break(message) => Err(message),
    }
}

pub(crate) fn folded(name: &ObjectName) -> Vec<String> {
    name.0.iter().map(|part| part.as_ident().map(|ident| ident.value.to_lowercase()).unwrap_or_default()).collect()
}

fn fold(ident: &mut Ident) {
    ident.value = ident.value.to_lowercase();
}

/// Names that statements introduce, gathered before anything is rewritten.
#[derive(Default)]
struct Collected {
    ctes: HashSet<String>,
    /// Everything that can qualify a column: table names, aliases, names of common table expressions.
    relations: HashSet<String>,
    mentions: Vec<Mention>,
}

impl Visitor for Collected {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(cte.alias.name.value.to_lowercase());
            self.relations.insert(cte.alias.name.value.to_lowercase());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let alias = match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let parts = folded(name);
                self.relations.extend(parts.last().cloned());
                let span = name.0.first().and_then(|part| part.as_ident()).map_or(Span::empty(), |ident| ident.span);
                self.mentions.push(Mention { parts, place: place(span) });
                alias
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::NestedJoin { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::Pivot { alias, .. }
            | TableFactor::Unpivot { alias, .. } => alias,
            other if flatten::is_flatten(other) => return ControlFlow::Continue(()),
            TableFactor::Function { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Table { alias, .. } => alias,
            _ => return ControlFlow::Continue(()),
        };
        self.relations.extend(alias.iter().map(|alias| alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }
}

struct Rewriter<'a> {
    scope: &'a Scope<'a>,
    collected: Collected,
    /// How many queries we are in.
    depth: usize,
    spelled: HashMap<String, String>,
    /// Aliases of `lateral flatten`; they are columns after the rewrite.
    flattened: Vec<String>,
    /// Columns of the common table expressions met so far.
    ctes: HashMap<String, aliases::Names>,
}

impl Rewriter<'_> {
    fn query(&mut self, query: &mut Query) -> Result<(), String> {
        self.depth += 1;
        for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            fold_alias(&mut cte.alias);
            let mut names = aliases::Sources { scope: self.scope, ctes: &self.ctes }.query(&cte.query);
            names.extend(cte.alias.columns.iter().map(|column| column.name.value.clone()));
            self.ctes.insert(cte.alias.name.value.clone(), names);
        }
        if self.depth == 1 {
            self.spell(&query.body);
        }
        let SetExpr::Select(select) = &mut *query.body else { return Ok(()) };
        let Some(top) = select.top.take() else { return Ok(()) };
        let quantity = match top.quantity {
            Some(TopQuantity::Constant(count)) => build::number(count),
            Some(TopQuantity::Expr(count)) => count,
            None => return Err("TOP needs a number".to_owned()),
        };
        let limit = LimitClause::LimitOffset { limit: Some(quantity), offset: None, limit_by: Vec::new() };
        query.limit_clause.get_or_insert(limit);
        Ok(())
    }

    /// Notes how the first select of a (possibly combined) query writes its columns.
    fn spell(&mut self, body: &SetExpr) {
        match body {
            SetExpr::SetOperation { left, .. } => self.spell(left),
            SetExpr::Query(query) => self.spell(&query.body),
            SetExpr::Select(select) => {
                let mut note = |name: &str| self.spelled.insert(name.to_lowercase(), name.to_owned());
                for item in &select.projection {
                    match item {
                        SelectItem::ExprWithAlias { alias, .. } => _ = note(&alias.value),
                        SelectItem::UnnamedExpr(Expr::Identifier(_)) => {}
                        SelectItem::UnnamedExpr(expr) => _ = note(&expr.to_string()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn select(&mut self, select: &mut Select) -> Result<(), String> {
        let sources = aliases::Sources { scope: self.scope, ctes: &self.ctes };
        let stars: Vec<aliases::Names> =
            select.projection.iter().filter_map(|item| sources.star(item, &select.from)).collect();
        let sources = sources.from(&select.from);
        aggregates::having_as_where(select);
        flatten::unfold(select, &mut self.flattened)?;
        let mut names: HashSet<String> = HashSet::new();
        let mut columns: HashSet<String> = HashSet::new();
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    // The same column twice needs another name.
                    if self.names_itself(expr) && columns.insert(expr.to_string().to_lowercase()) {
                        continue;
                    }
                    // DataFusion would show its own spelling of the rewritten expression.
                    let text = match &*expr {
                        Expr::CompoundIdentifier(parts) if self.names_itself(expr) => {
                            parts.last().map(|part| part.value.to_lowercase()).unwrap_or_default()
                        }
                        _ => expr.to_string().to_lowercase(),
                    };
                    let mut name = text.clone();
                    let mut copies = 1;
                    while columns.contains(&name) || !names.insert(name.clone()) {
                        copies += 1;
                        name = format!("{text}_{copies}");
                    }
                    let alias = Ident::with_quote('"', name);
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
                SelectItem::ExprWithAlias { alias, .. } => {
                    fold(alias);
                    names.insert(alias.value.clone());
                }
                SelectItem::Wildcard(options) => fold_options(options),
                SelectItem::QualifiedWildcard(kind, options) => {
                    fold_options(options);
                    if let SelectItemQualifiedWildcardKind::ObjectName(name) = kind {
                        *name = self.qualifier(name);
                    }
                }
                SelectItem::ExprWithAliases { .. } => return Err("a column can have one alias only".to_owned()),
            }
        }
        aliases::inline(select, &sources);
        for (hidden, name) in aliases::beside_star(select, &stars) {
            let shown = if self.depth == 1 { self.spelled.remove(&name) } else { None };
            self.spelled.insert(hidden, shown.unwrap_or(name));
        }
        ungroup(&mut select.group_by);
        Ok(())
    }

    /// Plain columns are shown under their names without help.
    fn names_itself(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Identifier(_) => true,
            Expr::CompoundIdentifier(parts) => self.split(parts).1.is_empty(),
            _ => false,
        }
    }

    /// `panther_logs.public.t` as a qualifier becomes `t`.
    fn qualifier(&self, name: &ObjectName) -> ObjectName {
        let mut last = name.0.last().and_then(ObjectNamePart::as_ident).cloned();
        if let Some(last) = &mut last {
            fold(last);
        }
        last.map_or_else(|| name.clone(), |last| ObjectName::from(vec![last]))
    }

    fn table_factor(&mut self, factor: &mut TableFactor) -> Result<(), String> {
        generator::replace(factor)?;
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                if let Some((schema, table)) = self.scope.tables.get(&folded(name)) {
                    let span = name.0.first().and_then(|part| part.as_ident()).map_or(Span::empty(), |part| part.span);
                    let part = |value: &str| Ident { value: value.to_owned(), quote_style: Some('"'), span };
                    *name = ObjectName::from(vec![part(schema), part(table)]);
                } else if let [ObjectNamePart::Identifier(only)] = name.0.as_mut_slice() {
                    fold(only);
                }
                alias.iter_mut().for_each(fold_alias);
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::NestedJoin { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::Table { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. } => alias.iter_mut().for_each(fold_alias),
            TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } => {}
            other => return Err(format!("not supported in FROM: {other}")),
        }
        Ok(())
    }
}

/// `GROUP BY (a, b)` is `GROUP BY a, b`.
fn ungroup(group_by: &mut GroupByExpr) {
    let GroupByExpr::Expressions(expressions, _) = group_by else { return };
    let listed = std::mem::take(expressions).into_iter().flat_map(|expr| match expr {
        Expr::Tuple(parts) => parts,
        other => vec![other],
    });
    *expressions = listed.collect();
}

fn fold_alias(alias: &mut TableAlias) {
    fold(&mut alias.name);
    alias.columns.iter_mut().for_each(|column| fold(&mut column.name));
}

fn fold_options(options: &mut WildcardAdditionalOptions) {
    use datafusion::sql::sqlparser::ast::{ExcludeSelectItem, RenameSelectItem};
    let fold_name = |name: &mut ObjectName| {
        for part in &mut name.0 {
            if let ObjectNamePart::Identifier(ident) = part {
                fold(ident);
            }
        }
    };
    match &mut options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => fold_name(name),
        Some(ExcludeSelectItem::Multiple(names)) => names.iter_mut().for_each(fold_name),
        None => {}
    }
    match &mut options.opt_rename {
        Some(RenameSelectItem::Single(rename)) => {
            fold(&mut rename.ident);
            fold(&mut rename.alias);
        }
        Some(RenameSelectItem::Multiple(renames)) => renames.iter_mut().for_each(|rename| {
            fold(&mut rename.ident);
            fold(&mut rename.alias);
        }),
        None => {}
    }
}

fn flow(result: Result<(), String>) -> ControlFlow<String> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(message) => ControlFlow::Break(message),
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<String> {
        flow(self.query(query))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<String> {
        self.depth -= 1;
        aliases::order_by(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<String> {
        flow(self.select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<String> {
        flow(self.table_factor(factor))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        flow(self.expr(expr))
    }
}

impl Rewriter<'_> {
    fn expr(&mut self, expr: &mut Expr) -> Result<(), String> {
        let taken = std::mem::replace(expr, build::null());
        *expr = match taken {
            Expr::Identifier(ident) => self.column(ident),
            Expr::CompoundIdentifier(parts) => self.compound(parts),
            Expr::JsonAccess { value, path } => columns::json_access(*value, path),
            Expr::Cast { kind, expr, data_type, format, array } => casts::cast(kind, *expr, data_type, format, array)?,
            Expr::Like { negated, any: true, expr, pattern, escape_char } => {
                build::any_of(*pattern, negated, |pattern| Expr::Like {
                    negated: false,
                    any: false,
                    expr: expr.clone(),
                    pattern: Box::new(pattern),
                    escape_char: escape_char.clone(),
                })
            }
            Expr::ILike { negated, any: true, expr, pattern, escape_char } => {
                build::any_of(*pattern, negated, |pattern| Expr::ILike {
                    negated: false,
                    any: false,
                    expr: expr.clone(),
                    pattern: Box::new(pattern),
                    escape_char: escape_char.clone(),
                })
            }
            Expr::RLike { negated, expr, pattern, .. } => {
                let matched = build::call("regexp_like", vec![*expr, build::anchored(*pattern)]);
                if negated { build::not(matched) } else { matched }
            }
            Expr::Function(function) => calls::call(function, self.scope.functions)?,
            other => other,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests;

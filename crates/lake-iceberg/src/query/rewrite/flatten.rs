//! `lateral flatten(input => x) f`: a row for each element.
//!
//! `FROM t, LATERAL FLATTEN(input => t.x) f` becomes `FROM (SELECT *, unnest(flatten_entries(t.x)) AS "f flattened" FROM
//! t) t`: `f` turns into a struct column, so `f.value.a` is nested access and columns of `t` stay columns of `t`. That
//! works for a table or subquery that stands alone; a flatten after a join must go into a subquery of its own.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Select, SelectItem, SetExpr, Statement as Ast,
    TableAlias, TableFactor, TableWithJoins,
};
use datafusion::sql::sqlparser::dialect::SnowflakeDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::{build, folded};

struct Flatten {
    alias: String,
    /// Input, path, outer, in this order.
    arguments: Vec<Expr>,
}

pub(super) fn is_flatten(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Function { name, .. } | TableFactor::Table { name, args: Some(_), .. } => {
            folded(name) == ["flatten"]
        }
        TableFactor::TableFunction { expr: Expr::Function(function), .. } => folded(&function.name) == ["flatten"],
        _ => false,
    }
}

/// The column that stands for a flatten's alias. Its name is one that no log has, since columns may have the alias's.
pub(super) fn column(alias: &str) -> Ident {
    Ident::with_quote('"', format!("{alias} flattened"))
}

/// Moves every flatten of a `FROM` into the relation before it.
pub(super) fn unfold(select: &mut Select, aliases: &mut Vec<String>) -> Result<(), String> {
    let mut from: Vec<TableWithJoins> = Vec::with_capacity(select.from.len());
    for item in std::mem::take(&mut select.from) {
        let TableWithJoins { relation, joins } = item;
        let mut current = match parsed(&relation)? {
            None => TableWithJoins { relation, joins: Vec::new() },
            Some(flatten) => {
                let before = from.pop().ok_or("flatten needs a table before it in FROM")?;
                absorb(before, flatten, aliases)?
            }
        };
        for join in joins {
            match parsed(&join.relation)? {
                None => current.joins.push(join),
                Some(flatten) => current = absorb(current, flatten, aliases)?,
            }
        }
        from.push(current);
    }
    select.from = from;
    Ok(())
}

fn parsed(factor: &TableFactor) -> Result<Option<Flatten>, String> {
    if !is_flatten(factor) {
        return Ok(None);
    }
    let (args, alias) = match factor {
        TableFactor::Function { args, alias, .. } => (args.as_slice(), alias),
        TableFactor::Table { args: Some(args), alias, .. } => (args.args.as_slice(), alias),
        TableFactor::TableFunction { expr: Expr::Function(function), alias } => match &function.args {
            FunctionArguments::List(list) => (list.args.as_slice(), alias),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let mut input = None;
    let mut path = build::null();
    let mut outer = build::null();
    for arg in args {
        let (name, value) = match arg {
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => (name.value.to_lowercase(), value),
            FunctionArg::ExprNamed { name, arg: FunctionArgExpr::Expr(value), .. } => {
                (name.to_string().to_lowercase(), value)
            }
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => ("input".to_owned(), value),
            other => return Err(format!("flatten does not take {other}")),
        };
        match name.as_str() {
            "input" => input = Some(value.clone()),
            "path" => path = value.clone(),
            "outer" => outer = value.clone(),
            "mode" => {}
            "recursive" if value.to_string().eq_ignore_ascii_case("false") => {}
            _ => return Err(format!("flatten with {name} is not supported")),
        }
    }
    let input = input.ok_or("flatten needs input => expression")?;
    let alias = alias.as_ref().map_or_else(|| "flatten".to_owned(), |alias| alias.name.value.to_lowercase());
    Ok(Some(Flatten { alias, arguments: vec![input, path, outer] }))
}

fn absorb(before: TableWithJoins, flatten: Flatten, aliases: &mut Vec<String>) -> Result<TableWithJoins, String> {
    if !before.joins.is_empty() {
        return Err(format!(
            "flatten {} after a join is not supported: put the join into a WITH query and flatten that",
            flatten.alias
        ));
    }
    let name = match &before.relation {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            alias.name.value.clone()
        }
        TableFactor::Table { name, .. } => folded(name).pop().unwrap_or_default(),
        _ => "flattened".to_owned(),
    };
    let mut query = template()?;
    let SetExpr::Select(select) = &mut *query.body else { return Err("flatten template".to_owned()) };
    select.from = vec![before];
    let entries = build::call("flatten_entries", flatten.arguments);
    select
        .projection
        .push(SelectItem::ExprWithAlias { expr: build::call("unnest", vec![entries]), alias: column(&flatten.alias) });
    aliases.push(flatten.alias);
    let alias = TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None };
    let relation = TableFactor::Derived { lateral: false, subquery: query, alias: Some(alias), sample: None };
    Ok(TableWithJoins { relation, joins: Vec::new() })
}

/// A select to fill in.
pub(super) fn template() -> Result<Box<Query>, String> {
    let statements = Parser::parse_sql(&SnowflakeDialect {}, "SELECT * FROM t").map_err(|error| error.to_string())?;
    match statements.into_iter().next() {
        Some(Ast::Query(query)) => Ok(query),
        _ => Err("flatten template".to_owned()),
    }
}

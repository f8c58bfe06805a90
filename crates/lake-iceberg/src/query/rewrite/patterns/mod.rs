//! `FROM t MATCH_RECOGNIZE ( … )` to subqueries around a window function that finds the matches.
//!
//! ```text
//!  t ─▶ + a column for each DEFINE ─▶ + the matches of each row (a list) ─▶ a row for each ─▶ measures
//! ```
//!
//! What finds the matches is [`MatchRows`](crate::query::pattern::MatchRows), made for the one pattern; all else is SQL: with
//! `ONE ROW PER MATCH` measures are aggregates of a match's group, with `ALL ROWS PER MATCH` windows over its rows. All this comes
//! before the rest of the rewrite, in Snowflake's own words.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AfterMatchSkip, EmptyMatchesMode, ExcludeSelectItem, Expr, GroupByExpr, Ident, MatchRecognizePattern,
    MatchRecognizeSymbol, Measure, ObjectName, OrderByExpr, OrderByOptions, Query, RowsPerMatch, Select, SelectItem,
    SetExpr, Statement as Ast, SymbolDefinition, TableAlias, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use super::{build, flatten, folded};
use crate::query::pattern::{MatchRows, Program, Recogniser, Skip, parse, symbol_name};

mod define;
mod measure;

/// Columns that no log has.
const LIST: &str = "match list";
const ENTRY: &str = "match entry";
const NUMBER: &str = "match number";
const SEQUENCE: &str = "match sequence";
const SYMBOL: &str = "match symbol";
const SHOWN: &str = "match shown";

/// Replaces every such clause; gives the functions that the statement calls now.
pub(super) fn expand(statement: &mut Ast) -> Result<Vec<MatchRows>, String> {
    let mut expansion = Expansion { functions: Vec::new() };
    match VisitMut::visit(statement, &mut expansion) {
        ControlFlow::Continue(()) => Ok(expansion.functions),
        ControlFlow::Break(message) => Err(format!("match_recognize: {message}")),
    }
}

/// What a visitor does with an expression that may have become another.
fn put(expr: &mut Expr, changed: Result<Option<Expr>, String>) -> ControlFlow<String> {
    match changed {
        Ok(Some(changed)) => *expr = changed,
        Ok(None) => {}
        Err(message) => return ControlFlow::Break(message),
    }
    ControlFlow::Continue(())
}

struct Expansion {
    functions: Vec<MatchRows>,
}

impl VisitorMut for Expansion {
    type Break = String;

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<String> {
        let taken = match factor {
            TableFactor::MatchRecognize { .. } => factor.clone(),
            _ => return ControlFlow::Continue(()),
        };
        match self.expanded(taken) {
            Ok(expanded) => {
                *factor = expanded;
                ControlFlow::Continue(())
            }
            Err(message) => ControlFlow::Break(message),
        }
    }
}

/// How the rows of a match are told from those of others, and in which order they come.
struct Frame {
    partition_by: Vec<Expr>,
    order_by: Vec<OrderByExpr>,
}

impl Expansion {
    fn expanded(&mut self, factor: TableFactor) -> Result<TableFactor, String> {
        let TableFactor::MatchRecognize {
            table,
            partition_by,
            order_by,
            measures,
            rows_per_match,
            after_match_skip,
            pattern,
            symbols: definitions,
            alias,
        } = factor
        else {
            return Ok(factor);
        };
        let recogniser = recogniser(&pattern, &definitions, rows_per_match.as_ref(), after_match_skip.as_ref())?;
        let base = name_of(&table);
        let alias = alias.unwrap_or_else(|| named(&base));
        let names = recogniser.symbols.clone();
        let can_be_empty = recogniser.empty && recogniser.can_be_empty();
        let unmatched = recogniser.unmatched;
        let rows = Frame { partition_by: partition_by.clone(), order_by };
        let used = recogniser.defined.clone();

        // Whether each row has each symbol.
        let mut columns = vec![star()];
        let mut conditions = Vec::new();
        for (n, symbol) in used.iter().enumerate() {
            let definition = definitions.iter().find(|definition| name(&definition.symbol) == names[*symbol]);
            let Some(SymbolDefinition { definition, .. }) = definition else { continue };
            let column = format!("match condition {n}");
            columns.push(aliased(define::condition(definition.clone(), &names[*symbol], &names, &rows)?, &column));
            conditions.push(identifier(&column));
        }
        let mut helpers: Vec<String> = (0..used.len()).map(|n| format!("match condition {n}")).collect();
        let table = derived(select(*table, columns, None)?, &base);

        // The matches that each row is a row of.
        let function = format!("match rows {}", self.functions.len() + 1);
        self.functions.push(MatchRows::new(function.clone(), recogniser));
        let arguments = if conditions.is_empty() { vec![build::boolean(true)] } else { conditions };
        let mut call = build::function(&function, arguments);
        call.name = ObjectName::from(vec![Ident::with_quote('"', function)]);
        call.over = Some(build::window(rows.partition_by.clone(), rows.order_by.clone(), None));
        let table = derived(select(table, vec![star(), aliased(Expr::Function(call), LIST)], None)?, &base);
        let each = build::call("unnest", vec![identifier(LIST)]);
        let table = derived(select(table, vec![star(), aliased(each, ENTRY)], None)?, &base);
        let mut columns = vec![star()];
        for (column, field) in [(NUMBER, "number"), (SEQUENCE, "sequence"), (SYMBOL, "symbol"), (SHOWN, "shown")] {
            columns.push(aliased(super::columns::member(identifier(ENTRY), field), column));
        }
        let told = Expr::IsNotNull(Box::new(identifier(ENTRY)));
        let table = derived(select(table, columns, Some(told))?, &base);
        helpers.extend([LIST, ENTRY, NUMBER, SEQUENCE, SYMBOL, SHOWN].map(str::to_owned));

        let one_row = !matches!(rows_per_match, Some(RowsPerMatch::AllRows(_)));
        let of_match = Frame {
            partition_by: partition_by.iter().cloned().chain([identifier(NUMBER)]).collect(),
            order_by: vec![ascending(identifier(SEQUENCE))],
        };
        let mut computed = measure::Computed::new(names, of_match, one_row, can_be_empty);
        let mut shown = Vec::new();
        for Measure { expr, alias } in measures {
            let mut value = computed.measure(expr)?;
            if unmatched {
                value = build::case(Expr::IsNotNull(Box::new(identifier(NUMBER))), value, None);
            }
            shown.push(SelectItem::ExprWithAlias { expr: value, alias });
        }
        let query = if one_row {
            one_row_per_match(table, &base, partition_by, shown, computed)?
        } else {
            helpers.extend(computed.windows.iter().map(|(name, _)| name.clone()));
            let columns = computed.windows.into_iter().map(|(name, expr)| aliased(expr, &name));
            let table = derived(select(table, [star()].into_iter().chain(columns).collect(), None)?, &base);
            let excluded = helpers.iter().map(|name| ObjectName::from(vec![Ident::with_quote('"', name)])).collect();
            let options = WildcardAdditionalOptions {
                opt_exclude: Some(ExcludeSelectItem::Multiple(excluded)),
                ..WildcardAdditionalOptions::default()
            };
            let columns = [SelectItem::Wildcard(options)].into_iter().chain(shown).collect();
            select(table, columns, Some(identifier(SHOWN)))?
        };
        Ok(TableFactor::Derived { lateral: false, subquery: query, alias: Some(alias), sample: None })
    }
}

/// Groups of matches: the columns of the partition and the measures.
fn one_row_per_match(
    mut table: TableFactor,
    base: &str,
    partition_by: Vec<Expr>,
    measures: Vec<SelectItem>,
    computed: measure::Computed,
) -> Result<Box<Query>, String> {
    if partition_by.is_empty() && measures.is_empty() {
        return Err("ONE ROW PER MATCH without PARTITION BY and MEASURES has no columns".to_owned());
    }
    if !computed.windows.is_empty() {
        let columns = computed.windows.into_iter().map(|(name, expr)| aliased(expr, &name));
        table = derived(select(table, [star()].into_iter().chain(columns).collect(), None)?, base);
    }
    let mut columns = Vec::new();
    let mut shown = Vec::new();
    for expr in &partition_by {
        let ident = match expr {
            Expr::Identifier(ident) => ident.clone(),
            Expr::CompoundIdentifier(parts) => parts.last().cloned().unwrap_or_else(|| Ident::new("?")),
            other => Ident::with_quote('"', other.to_string()),
        };
        columns.push(SelectItem::ExprWithAlias { expr: expr.clone(), alias: ident.clone() });
        shown.push(SelectItem::UnnamedExpr(Expr::Identifier(ident)));
    }
    columns.push(aliased(identifier(NUMBER), NUMBER));
    columns.extend(computed.aggregates.into_iter().map(|(name, expr)| aliased(expr, &name)));
    let mut groups = select(table, columns, None)?;
    if let SetExpr::Select(select) = &mut *groups.body {
        let by = partition_by.into_iter().chain([identifier(NUMBER)]).collect();
        select.group_by = GroupByExpr::Expressions(by, Vec::new());
    }
    shown.extend(measures);
    select(derived(groups, base), shown, None)
}

fn recogniser(
    pattern: &MatchRecognizePattern,
    definitions: &[SymbolDefinition],
    rows_per_match: Option<&RowsPerMatch>,
    skip: Option<&AfterMatchSkip>,
) -> Result<Recogniser, String> {
    let MatchRecognizePattern::Symbol(MatchRecognizeSymbol::Named(text)) = pattern else {
        return Err("its pattern was not read".to_owned());
    };
    let (node, symbols) = parse(&text.value).map_err(|message| format!("PATTERN: {message}"))?;
    let program = Program::of(&node).map_err(|message| format!("PATTERN: {message}"))?;
    let place = |ident: &Ident| {
        let wanted = name(ident);
        let place = symbols.iter().position(|symbol| *symbol == wanted);
        place.ok_or_else(|| format!("AFTER MATCH SKIP TO {ident}: the pattern has no such symbol"))
    };
    let skip = match skip {
        None | Some(AfterMatchSkip::PastLastRow) => Skip::PastLastRow,
        Some(AfterMatchSkip::ToNextRow) => Skip::ToNextRow,
        Some(AfterMatchSkip::ToFirst(symbol)) => Skip::ToFirst(place(symbol)?),
        Some(AfterMatchSkip::ToLast(symbol)) => Skip::ToLast(place(symbol)?),
    };
    let is_defined = |symbol: &String| definitions.iter().any(|definition| name(&definition.symbol) == *symbol);
    let defined = (0..symbols.len()).filter(|&place| is_defined(&symbols[place])).collect();
    let mode = match rows_per_match {
        Some(RowsPerMatch::AllRows(mode)) => mode.as_ref(),
        _ => None,
    };
    let unmatched = matches!(mode, Some(EmptyMatchesMode::WithUnmatched));
    if unmatched && node.has_hidden() {
        return Err("WITH UNMATCHED ROWS cannot be told with a pattern that excludes rows".to_owned());
    }
    let empty = !matches!(mode, Some(EmptyMatchesMode::Omit));
    Ok(Recogniser { program, symbols, defined, skip, empty, unmatched })
}

/// A symbol's name.
fn name(ident: &Ident) -> String {
    symbol_name(&ident.value, ident.quote_style.is_some())
}

fn name_of(table: &TableFactor) -> String {
    match table {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            alias.name.value.clone()
        }
        TableFactor::Table { name, .. } => folded(name).pop().unwrap_or_default(),
        _ => "matched".to_owned(),
    }
}

fn named(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None }
}

fn derived(query: Box<Query>, alias: &str) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery: query, alias: Some(named(alias)), sample: None }
}

fn select(from: TableFactor, columns: Vec<SelectItem>, condition: Option<Expr>) -> Result<Box<Query>, String> {
    let mut query = flatten::template()?;
    let SetExpr::Select(select) = &mut *query.body else { return Err("its template is no select".to_owned()) };
    let select: &mut Select = select;
    select.from = vec![TableWithJoins { relation: from, joins: Vec::new() }];
    select.projection = columns;
    select.selection = condition;
    Ok(query)
}

fn star() -> SelectItem {
    SelectItem::Wildcard(WildcardAdditionalOptions::default())
}

fn identifier(name: &str) -> Expr {
    Expr::Identifier(Ident::with_quote('"', name))
}

fn aliased(expr: Expr, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) }
}

fn ascending(expr: Expr) -> OrderByExpr {
    OrderByExpr { expr, options: OrderByOptions::default(), with_fill: None }
}

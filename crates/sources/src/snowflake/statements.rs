//! The statements that a pull asks. No `SELECT *`: Snowflake says that the views change.

use std::time::Duration;

use uncia_snowflake::Statement;
use uncia_snowflake::decode::timestamp_text;
use uncia_snowflake::sql::identifier;
use uncia_snowflake::views::{AuditView, Key};

use super::SnowflakeSourceConfig;
use super::rows::query_tag;

/// What an account's copy of a view offers of what we want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// Select list.
    pub(super) list: Vec<String>,
    /// Columns that the view has and we know nothing of.
    pub(super) unknown: Vec<String>,
    /// Columns that rows are of no use without, and that the view lacks.
    pub(super) missing: Vec<&'static str>,
}

/// The wanted columns that are there, by the names that the view has.
#[must_use]
pub(super) fn selection(view: &AuditView, there: &[String]) -> Selection {
    let has = |name: &str| there.iter().any(|column| column.eq_ignore_ascii_case(name));
    let select = |name: &'static str| {
        let expression = view.expressions.iter().find(|(column, _)| *column == name);
        expression.map_or_else(|| name.to_owned(), |(_, expression)| format!("{expression} AS {name}"))
    };
    let mut list: Vec<String> = view.wanted().filter(|name| has(name)).map(select).collect();
    let added = view.added.iter().filter(|(name, _)| !has(name));
    list.extend(added.map(|(name, expression)| format!("{expression} AS {name}")));
    let known = |column: &&String| {
        view.wanted().any(|name| column.eq_ignore_ascii_case(name)) || column.eq_ignore_ascii_case("DELETED_ON")
    };
    Selection {
        list,
        unknown: there.iter().filter(|column| !known(column)).cloned().collect(),
        missing: view.required.split_whitespace().filter(|name| !has(name)).collect(),
    }
}

/// Asks for the view's columns, and for no row.
#[must_use]
pub(super) fn describe(config: &SnowflakeSourceConfig, view: &AuditView) -> Statement {
    ask(config, view, format!("SELECT * FROM {} LIMIT 0", table(config, view)), Vec::new())
}

/// Asks for the server's time.
#[must_use]
pub(super) fn time(config: &SnowflakeSourceConfig) -> Statement {
    Statement {
        query_tag: query_tag(&config.id, "time"),
        role: Some(config.role.clone()),
        warehouse: Some(config.warehouse.clone()),
        ..Statement::new("SELECT CURRENT_TIMESTAMP() AS NOW")
    }
}

/// Asks for the rows whose cursor lies in a window.
#[must_use]
pub(super) fn rows(config: &SnowflakeSourceConfig, view: &AuditView, list: &[String], window: (i64, i64)) -> Statement {
    let sql = format!("SELECT {} FROM {} WHERE {}", list.join(", "), table(config, view), condition(view));
    ask(config, view, sql, bounds(window))
}

/// Asks how many rows each hour of a window has.
#[must_use]
pub(super) fn counts(config: &SnowflakeSourceConfig, view: &AuditView, window: (i64, i64)) -> Statement {
    // COUNT(DISTINCT) of several columns passes over rows with nulls.
    let count = match view.key {
        Key::Columns([column]) => format!("COUNT(DISTINCT {column})"),
        _ => "COUNT(*)".to_owned(),
    };
    let sql = format!(
        "SELECT DATE_TRUNC('HOUR', {}) AS HOUR, {count} AS N FROM {} WHERE {} GROUP BY 1",
        view.cursor,
        table(config, view),
        condition(view)
    );
    ask(config, view, sql, bounds(window))
}

fn ask(config: &SnowflakeSourceConfig, view: &AuditView, sql: String, bindings: Vec<String>) -> Statement {
    Statement {
        bindings,
        role: Some(config.role.clone()),
        warehouse: Some(config.warehouse.clone()),
        timeout: Duration::from_secs(900),
        query_tag: query_tag(&config.id, &view.feed()),
        ..Statement::new(sql)
    }
}

fn table(config: &SnowflakeSourceConfig, view: &AuditView) -> String {
    let (database, schema) = config.place();
    format!("{}.{}.{}", identifier(database), identifier(schema), view.name)
}

/// Bounds are values and no sub-query, so that Snowflake can skip what lies outside them.
fn condition(view: &AuditView) -> String {
    let cursor = view.cursor;
    let window = format!("{cursor} >= ?::TIMESTAMP_LTZ AND {cursor} < ?::TIMESTAMP_LTZ");
    match view.condition {
        Some(condition) => format!("{window} AND {condition}"),
        None => window,
    }
}

fn bounds((from, to): (i64, i64)) -> Vec<String> {
    let text = |micros: i64| timestamp_text(i128::from(micros) * 1_000);
    [from, to].into_iter().map(|micros| text(micros).unwrap_or_else(|| "1970-01-01".to_owned())).collect()
}

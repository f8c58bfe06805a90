//! The statements that a pull asks. No `SELECT *`: Snowflake says that the views change.

use std::time::Duration;

use uncia_snowflake::Statement;
use uncia_snowflake::decode::timestamp_text;
use uncia_snowflake::sql::identifier;
use uncia_snowflake::views::{AuditView, Key, Revision};

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
    // An organisation's view has them itself.
    let add = |(name, expression): &(&str, &str)| match has(name) {
        true => (*name).to_owned(),
        false => format!("{expression} AS {name}"),
    };
    list.extend(view.added.iter().map(add));
    let known = |column: &&String| {
        let names = view.wanted().chain(view.added.iter().map(|(name, _)| *name)).chain(["DELETED_ON"]);
        names.into_iter().any(|name| column.eq_ignore_ascii_case(name))
    };
    Selection {
        list,
        unknown: there.iter().filter(|column| !known(column)).cloned().collect(),
        missing: missing(view.required, has),
    }
}

/// Asks for a view's columns, and for no row.
#[must_use]
pub(super) fn describe(config: &SnowflakeSourceConfig, view: &str, feed: &str) -> Statement {
    ask(config, feed, format!("SELECT * FROM {} LIMIT 0", place(config, view)), Vec::new())
}

/// Columns without which rows are of no use, and that are not there.
pub(super) fn missing(required: &'static str, has: impl Fn(&str) -> bool) -> Vec<&'static str> {
    required.split_whitespace().filter(|name| !has(name)).collect()
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
    let sql = format!("SELECT {} FROM {} WHERE {}", list.join(", "), place(config, view.name), condition(view));
    ask(config, &view.feed(), sql, bounds(window))
}

/// Asks how many rows each hour of a window has, and of how many the column is filled that makes them news again.
#[must_use]
pub(super) fn counts(
    config: &SnowflakeSourceConfig,
    view: &AuditView,
    list: &[String],
    window: (i64, i64),
) -> Statement {
    // COUNT(DISTINCT) of several columns passes over rows with nulls.
    let count = match view.key {
        Key::Columns([column]) => format!("COUNT(DISTINCT {column})"),
        _ => "COUNT(*)".to_owned(),
    };
    let filled = match view.revision {
        Some(Revision::Filled(column)) if list.iter().any(|there| there == column) => {
            format!("COUNT(NULLIF({column}, ''))")
        }
        _ => "0".to_owned(),
    };
    let sql = format!(
        "SELECT DATE_TRUNC('HOUR', {}) AS HOUR, {count} AS N, {filled} AS FILLED FROM {} WHERE {} GROUP BY 1",
        view.cursor,
        place(config, view.name),
        condition(view)
    );
    ask(config, &view.feed(), sql, bounds(window))
}

/// A statement in the name of a feed, which its tag says.
pub(super) fn ask(config: &SnowflakeSourceConfig, feed: &str, sql: String, bindings: Vec<String>) -> Statement {
    Statement {
        bindings,
        role: Some(config.role.clone()),
        warehouse: Some(config.warehouse.clone()),
        timeout: Duration::from_secs(900),
        query_tag: query_tag(&config.id, feed),
        ..Statement::new(sql)
    }
}

/// A view's full name.
#[must_use]
pub(super) fn place(config: &SnowflakeSourceConfig, view: &str) -> String {
    let (database, schema) = config.place();
    format!("{}.{}.{view}", identifier(database), identifier(schema))
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

#[cfg(test)]
mod tests {
    use uncia_snowflake::views::AUDIT_VIEWS;

    use super::*;

    fn view(name: &str, cursor: &str) -> &'static AuditView {
        AUDIT_VIEWS.iter().find(|view| view.name == name && view.cursor == cursor).unwrap()
    }

    fn config(text: &str) -> SnowflakeSourceConfig {
        toml::from_str(&format!("id = \"prod\"\naccount = \"acme-main\"\nwarehouse = \"WH\"\n{text}")).unwrap()
    }

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn only_what_is_there_is_asked_for() {
        let transfers = view("DATA_TRANSFER_HISTORY", "START_TIME");
        let there = names("START_TIME END_TIME SOURCE_CLOUD BYTES_TRANSFERRED REGION NEW_THING");
        let chosen = selection(transfers, &there);
        insta::assert_snapshot!(chosen.list.join("\n"), @r"
        START_TIME
        END_TIME
        SOURCE_CLOUD
        BYTES_TRANSFERRED::NUMBER AS BYTES_TRANSFERRED
        CURRENT_ORGANIZATION_NAME() AS ORGANIZATION_NAME
        CURRENT_ACCOUNT_NAME() AS ACCOUNT_NAME
        CURRENT_ACCOUNT() AS ACCOUNT_LOCATOR
        REGION
        START_TIME AS USAGE_DATE
        ");
        assert_eq!((chosen.missing.len(), chosen.unknown), (0, names("NEW_THING")));
        let lacking = selection(transfers, &names("START_TIME END_TIME"));
        assert_eq!(lacking.missing, ["BYTES_TRANSFERRED"]);
    }

    #[test]
    fn statements_bound_the_cursor() {
        let window = (1_700_000_000_000_000, 1_700_003_600_000_000);
        let asked = rows(&config(""), view("QUERY_HISTORY", "END_TIME"), &names("QUERY_ID END_TIME"), window);
        insta::assert_snapshot!(asked.sql, @"SELECT QUERY_ID, END_TIME FROM SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY WHERE END_TIME >= ?::TIMESTAMP_LTZ AND END_TIME < ?::TIMESTAMP_LTZ AND UPPER(EXECUTION_STATUS) <> 'RUNNING'");
        assert_eq!(asked.bindings, ["2023-11-14 22:13:20.000000000 +0000", "2023-11-14 23:13:20.000000000 +0000"]);
        assert_eq!(asked.query_tag, r#"{"app":"uncia","source":"prod","view":"QUERY_HISTORY"}"#);
        let custom = config("database = \"AUDIT\"\nschema = \"my views\"");
        let asked = counts(&custom, view("GRANTS_TO_USERS", "DELETED_ON"), &[], window);
        insta::assert_snapshot!(asked.sql, @r#"SELECT DATE_TRUNC('HOUR', DELETED_ON) AS HOUR, COUNT(*) AS N, 0 AS FILLED FROM AUDIT."my views".GRANTS_TO_USERS WHERE DELETED_ON >= ?::TIMESTAMP_LTZ AND DELETED_ON < ?::TIMESTAMP_LTZ GROUP BY 1"#);
        let asked = counts(&config(""), view("SESSIONS", "CREATED_ON"), &names("SESSION_ID CLOSED_REASON"), window);
        insta::assert_snapshot!(asked.sql, @"SELECT DATE_TRUNC('HOUR', CREATED_ON) AS HOUR, COUNT(DISTINCT SESSION_ID) AS N, COUNT(NULLIF(CLOSED_REASON, '')) AS FILLED FROM SNOWFLAKE.ACCOUNT_USAGE.SESSIONS WHERE CREATED_ON >= ?::TIMESTAMP_LTZ AND CREATED_ON < ?::TIMESTAMP_LTZ GROUP BY 1");
    }
}

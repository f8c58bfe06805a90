//! One read-only statement in Snowflake's dialect, from text to syntax tree.
//!
//! The lake is written by its ingest alone, so everything but reading is refused here, before any table is loaded.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ObjectName, Query, Select, SetExpr, ShowStatementFilter, ShowStatementFilterPosition, ShowStatementOptions,
    Statement as Ast, TableFactor, Visit, VisitMut, Visitor,
};
use datafusion::sql::sqlparser::dialect::SnowflakeDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::fault::one_line;

mod macros;
mod patterns;

/// Nesting of a statement; real ones stay far below, and the rewrite recurses.
const MAX_NESTING: usize = 96;

/// What the statement asks for.
#[derive(Debug)]
pub(crate) enum Statement {
    /// A query, or `EXPLAIN` of one.
    Query(Box<Ast>),
    ShowTables {
        database: Option<ObjectName>,
        like: Option<String>,
    },
    ShowDatabases,
    Describe(ObjectName),
}

/// Expands macros, parses, and refuses what does not only read. The error is a message for the author.
pub(crate) fn parse(sql: &str) -> Result<Statement, String> {
    let dialect = SnowflakeDialect {};
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location();
    let tokens = macros::expand(tokens.map_err(|error| syntax_message(&error.to_string()))?)?;
    let patterns::Folded { tokens, subqueries } = patterns::fold(tokens);
    let first_word = first_word(&tokens);
    let parser = Parser::new(&dialect).with_recursion_limit(MAX_NESTING).with_tokens_with_locations(tokens);
    let mut statements = parser_statements(parser).map_err(|error| {
        // A statement of another kind, half understood, is better answered with what is allowed.
        if refused_word(&first_word) { refusal(&first_word) } else { syntax_error(&error) }
    })?;
    let mut statement = statements.pop().ok_or("the statement is empty")?;
    if !statements.is_empty() {
        return Err("one statement at a time: found more after the first ;".to_owned());
    }
    if !subqueries.is_empty() {
        let parse_one = |tokens| {
            let parser = Parser::new(&dialect).with_recursion_limit(MAX_NESTING).with_tokens_with_locations(tokens);
            parser_query(parser).map_err(|error| syntax_error(&error))
        };
        let subqueries = subqueries.into_iter().map(parse_one).collect::<Result<_, String>>()?;
        let _ = VisitMut::visit(&mut statement, &mut patterns::Unfolding { subqueries });
    }
    match statement {
        Ast::Query(_) => {}
        Ast::Explain { ref statement, .. } if matches!(**statement, Ast::Query(_)) => {}
        Ast::ExplainTable { table_name, .. } => return Ok(Statement::Describe(table_name)),
        Ast::ShowTables { show_options, .. } | Ast::ShowViews { show_options, .. } => return Ok(show(show_options)),
        Ast::ShowDatabases { .. } | Ast::ShowSchemas { .. } => return Ok(Statement::ShowDatabases),
        Ast::ShowColumns { show_options, .. } => {
            let table = show_options.show_in.and_then(|show_in| show_in.parent_name);
            return table.map(Statement::Describe).ok_or("write SHOW COLUMNS IN database.table".to_owned());
        }
        _ => return Err(refusal(&first_word)),
    }
    let mut guard = Guard { first_word };
    match Visit::visit(&statement, &mut guard) {
        ControlFlow::Break(message) => Err(message),
        ControlFlow::Continue(()) => Ok(Statement::Query(Box::new(statement))),
    }
}

fn parser_statements(mut parser: Parser<'_>) -> Result<Vec<Ast>, ParserError> {
    parser.parse_statements()
}

/// A query in parentheses.
fn parser_query(mut parser: Parser<'_>) -> Result<Query, ParserError> {
    parser.parse_query().map(|query| *query)
}

fn show(options: ShowStatementOptions) -> Statement {
    let like = match options.filter_position {
        Some(
            ShowStatementFilterPosition::Infix(ShowStatementFilter::Like(text) | ShowStatementFilter::ILike(text))
            | ShowStatementFilterPosition::Suffix(ShowStatementFilter::Like(text) | ShowStatementFilter::ILike(text)),
        ) => Some(text),
        _ => None,
    };
    Statement::ShowTables { database: options.show_in.and_then(|show_in| show_in.parent_name), like }
}

fn first_word(tokens: &[TokenWithSpan]) -> String {
    let word = tokens.iter().find_map(|token| match &token.token {
        Token::Word(word) => Some(word.value.to_uppercase()),
        _ => None,
    });
    word.unwrap_or_default()
}

fn refused_word(word: &str) -> bool {
    !matches!(word, "SELECT" | "WITH" | "SHOW" | "DESC" | "DESCRIBE" | "EXPLAIN" | "VALUES" | "")
}

fn refusal(word: &str) -> String {
    format!("queries only read: SELECT, WITH, SHOW TABLES, DESCRIBE and EXPLAIN are allowed, {word} is not")
}

fn syntax_error(error: &ParserError) -> String {
    match error {
        ParserError::RecursionLimitExceeded => format!("the statement nests deeper than {MAX_NESTING} levels"),
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => syntax_message(message),
    }
}

fn syntax_message(message: &str) -> String {
    format!("syntax error: {}", one_line(message).replace(" at Line: ", " at line ").replace("Column: ", "column "))
}

/// Finds what would write or what has no meaning here, at any depth.
struct Guard {
    first_word: String,
}

impl Visitor for Guard {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        match &*query.body {
            SetExpr::Insert(_) => ControlFlow::Break(refusal("INSERT")),
            SetExpr::Update(_) => ControlFlow::Break(refusal("UPDATE")),
            SetExpr::Delete(_) => ControlFlow::Break(refusal("DELETE")),
            SetExpr::Merge(_) => ControlFlow::Break(refusal("MERGE")),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_statement(&mut self, statement: &Ast) -> ControlFlow<String> {
        match statement {
            Ast::Query(_) | Ast::Explain { .. } => ControlFlow::Continue(()),
            _ => ControlFlow::Break(refusal(&self.first_word)),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        if select.into.is_some() {
            return ControlFlow::Break(refusal("SELECT INTO"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        if let TableFactor::Table { version: Some(_), name, .. } = factor {
            return ControlFlow::Break(format!("{name}: reading an older version of a table is not supported"));
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sql: &str) -> String {
        match parse(sql) {
            Ok(Statement::Query(query)) => query.to_string(),
            Ok(other) => format!("{other:?}").chars().take(60).collect(),
            Err(message) => format!("error: {message}"),
        }
    }

    #[test]
    fn macros_become_conditions() {
        for (sql, expanded) in [
            ("p_occurs_since('1 day')", "(p_event_time >= dateadd('second', -86400, current_timestamp()))"),
            ("P_Occurs_Since(90m)", "(p_event_time >= dateadd('second', -5400, current_timestamp()))"),
            ("p_occurs_since( 3600 )", "(p_event_time >= dateadd('second', -3600, current_timestamp()))"),
            ("p_occurs_since(1 hour, ct)", "(ct.p_event_time >= dateadd('second', -3600, current_timestamp()))"),
            ("p_occurs_since('2 weeks', , t)", "(t >= dateadd('second', -1209600, current_timestamp()))"),
            (
                "p_occurs_between('2022-01-14','2022-03-22')",
                "(p_event_time BETWEEN to_timestamp('2022-01-14') AND to_timestamp('2022-03-22'))",
            ),
            (
                "p_occurs_between(axes.a, dateadd(day, 1, axes.b), d, t)",
                "(d.t BETWEEN to_timestamp(axes.a) AND to_timestamp(dateadd(day, 1, axes.b)))",
            ),
            (
                "p_occurs_around('2022-01-14 10:00', '10 m')",
                "(p_event_time BETWEEN dateadd('second', -600, to_timestamp('2022-01-14 10:00')) \
                 AND dateadd('second', 600, to_timestamp('2022-01-14 10:00')))",
            ),
            ("p_occurs_after('2022-01-14')", "(p_event_time > to_timestamp('2022-01-14'))"),
            ("p_occurs_before('2022-01-14')", "(p_event_time < to_timestamp('2022-01-14'))"),
        ] {
            assert_eq!(shown(&format!("SELECT 1 FROM t WHERE {sql}")), format!("SELECT 1 FROM t WHERE {expanded}"));
        }
    }

    #[test]
    fn only_reading_is_allowed() {
        for sql in [
            "insert into t values (1)",
            "delete from t",
            "update t set a = 1",
            "drop table t",
            "create table t as select 1",
            "copy into t from @stage",
            "set a = 1",
            "grant select on t to role r",
            "with x as (select 1) insert into t select * from x",
            "explain delete from t",
            "call f()",
            "truncate t",
            "alter session set a = 1",
        ] {
            let answer = shown(sql);
            assert!(answer.contains("queries only read"), "{sql}: {answer}");
        }
        insta::assert_snapshot!(shown("drop table t"), @"error: queries only read: SELECT, WITH, SHOW TABLES, DESCRIBE and EXPLAIN are allowed, DROP is not");
        insta::assert_snapshot!(shown("select 1; select 2"), @"error: one statement at a time: found more after the first ;");
        insta::assert_snapshot!(shown("  "), @"error: the statement is empty");
        insta::assert_snapshot!(shown("select 1;"), @"SELECT 1");
    }

    #[test]
    fn errors_say_where() {
        insta::assert_snapshot!(shown("select a\nfrom t\nwhere group by"), @"error: syntax error: expected: end of statement, found: by at line 3, column 13");
        insta::assert_snapshot!(shown("select 'abc"), @"error: syntax error: unterminated string literal at line 1, column 8");
        insta::assert_snapshot!(shown("select 1 where p_occurs_since('soon')"), @"error: p_occurs_since at line 1, column 16: 'soon' is no time offset; write '1 day', '90 minutes' or a number of seconds");
        insta::assert_snapshot!(shown("select 1 where p_occurs_between('2022-01-01')"), @"error: p_occurs_between at line 1, column 16: expected 2 arguments, then optionally a table alias and a column");
        insta::assert_snapshot!(shown("select 1 where\n  p_occurs_sinse('1 d')"), @"error: p_occurs_sinse at line 2, column 3: unknown macro; did you mean p_occurs_since?");
    }
}

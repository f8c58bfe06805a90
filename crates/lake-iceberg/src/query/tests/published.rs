//! The queries of a checkout of panther-analysis, if there is one.
//!
//! Each must parse once its macros are expanded. Each is also planned against tables that have whatever the query
//! names, as JSON columns; how many succeed is printed and must not fall.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use datafusion::sql::sqlparser::ast::{Expr, Query, Select, SelectItem, Statement as Ast, Visit, Visitor};
use uncia_model::{Column, ColumnType, Database, fields};

use super::fixture::Fixture;
use crate::query::statement::{self, Statement};
use crate::query::{names, rewrite};

/// Queries as (file, text).
fn queries(root: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.join("queries")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "yml") {
                let text = std::fs::read_to_string(&entry).expect("a file");
                found.extend(query_of(&text).map(|query| (entry, query)));
            }
        }
    }
    found.sort();
    found
}

/// The `Query:` or `SnowflakeQuery:` of a file; enough of YAML for block and one-line strings.
fn query_of(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let first = lines.find_map(|line| line.strip_prefix("SnowflakeQuery:").or_else(|| line.strip_prefix("Query:")))?;
    let first = first.trim();
    let block: Vec<&str> = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '\t'])).collect();
    let plain = first.trim_start_matches(['|', '>', '-', '+']).trim_matches('"');
    Some(format!("{plain}\n{}", block.join("\n")))
}

#[derive(Default)]
struct Words {
    used: BTreeSet<String>,
    /// Names that the query itself gives.
    own: BTreeSet<String>,
}

impl Visitor for Words {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> std::ops::ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.own.insert(cte.alias.name.value.to_lowercase());
            self.own.extend(cte.alias.columns.iter().map(|column| column.name.value.to_lowercase()));
        }
        std::ops::ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> std::ops::ControlFlow<()> {
        for item in &select.projection {
            // `a as a` still needs a column of the table.
            let SelectItem::ExprWithAlias { alias, expr } = item else { continue };
            let mut inner = Words::default();
            let _ = expr.visit(&mut inner);
            let name = alias.value.to_lowercase();
            if !inner.used.contains(&name) {
                self.own.insert(name);
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> std::ops::ControlFlow<()> {
        let idents = match expr {
            Expr::Identifier(ident) => std::slice::from_ref(ident),
            Expr::CompoundIdentifier(parts) => parts.as_slice(),
            _ => &[],
        };
        self.used.extend(idents.iter().map(|ident| ident.value.to_lowercase()));
        std::ops::ControlFlow::Continue(())
    }
}

/// A lake with the tables that the statement names; every word of it is a column.
fn lake_for(statement: &Ast) -> Fixture {
    let mut words = Words::default();
    let _ = statement.visit(&mut words);
    let mut columns = vec![Column::new(fields::EVENT_TIME, ColumnType::Timestamp)];
    columns.push(Column::new(fields::PARSE_TIME, ColumnType::Timestamp));
    for any in fields::ANY {
        columns.push(Column::new(*any, ColumnType::List(Box::new(ColumnType::String))));
    }
    for word in words.used.difference(&words.own) {
        if !columns.iter().any(|column| column.name == *word) {
            columns.push(Column::new(word, ColumnType::Json));
        }
    }
    let mut fixture = Fixture::new();
    let mut known = BTreeSet::new();
    for mention in rewrite::mentions(statement) {
        let database = mention.parts.first().and_then(|first| names::database(first)).and_then(Database::parse);
        let mut name = mention.parts.last().cloned().unwrap_or_default();
        if mention.parts.first().is_some_and(|first| first == "snowflake") {
            name = format!("snowflake_{}", name.replace('_', ""));
        }
        let database = database.unwrap_or(Database::Logs);
        if !name.starts_with("all_") && known.insert((database, name.clone())) {
            fixture.table(database, &name, &columns, &[]);
        }
    }
    fixture
}

#[tokio::test]
async fn published_queries_parse_and_plan() {
    let Some(root) = std::env::var_os("PANTHER_ANALYSIS_DIR") else {
        println!("skipped: PANTHER_ANALYSIS_DIR names no checkout of panther-analysis");
        return;
    };
    let (mut templated, mut parsed, mut planned, mut total) = (0, 0, 0, 0);
    for (file, query) in queries(Path::new(&root)) {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if query.contains("{{") || query.contains("{%") {
            templated += 1;
            continue;
        }
        total += 1;
        let statement = match statement::parse(&query) {
            Ok(Statement::Query(statement)) => statement,
            Ok(_) => continue,
            Err(message) => {
                println!("does not parse: {name}: {message}");
                continue;
            }
        };
        parsed += 1;
        match lake_for(&statement).engine().rows(&query).await {
            Ok(_) => planned += 1,
            Err(error) => println!("does not plan: {name}: {error}"),
        }
    }
    println!(
        "{total} queries ({templated} more are templates): {parsed} parse, {planned} plan and run on empty tables"
    );
    // One of them has WHERE before JOIN.
    assert!(parsed + 1 >= total, "{parsed} of {total} parse");
    assert!(planned * 10 >= total * 8, "{planned} of {total} plan");
}

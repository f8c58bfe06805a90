//! One query: names resolved and authorised, rows taken from the views as they can be seen now, DataFusion for the rest.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemTable, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider,
};
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as EngineStatement;
use datafusion::sql::sqlparser::ast::{
    Ident, LimitClause, ObjectName, Query, SelectItem, Statement, TableFactor, Visit, VisitMut, Visitor, VisitorMut,
};

use super::fold::{self, Bound};
use super::rewrite::{self, Context};
use super::{bounds, encode, functions};
use crate::failure::SqlFailure;
use crate::results::{Column, ResultSet};
use crate::views::store::Bounds;

/// Functions and options that all queries share.
pub(crate) struct Engine {
    base: SessionState,
}

/// What a query reads from: the account and its views, for one role at one time.
pub(crate) trait Relations {
    /// The three parts of the name and what the view is, if the role may read it.
    fn resolve(&self, parts: &[String]) -> Result<Resolved, SqlFailure>;
    fn scan(&self, relation: &Resolved, bounds: Bounds, columns: &[Column]) -> RecordBatch;
}

/// A relation that may be read.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) parts: [String; 3],
    /// Where its rows are kept.
    pub(crate) rows: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) cursor: Option<String>,
}

/// A result, and which views it was made of and how many of their rows were looked at.
pub(crate) struct Answer {
    pub(crate) result: ResultSet,
    pub(crate) views: BTreeMap<String, usize>,
}

/// A query that was understood and may be run; its rows are taken.
pub(crate) struct Prepared {
    state: SessionState,
    statement: Statement,
    views: BTreeMap<String, usize>,
}

impl Prepared {
    pub(crate) fn reads_views(&self) -> bool {
        !self.views.is_empty()
    }
}

impl Engine {
    pub(crate) fn new() -> Self {
        let mut session = SessionConfig::new()
            .with_target_partitions(1)
            .with_default_catalog_and_schema("NONE", "NONE")
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false);
        let options = session.options_mut();
        options.sql_parser.enable_ident_normalization = false;
        options.sql_parser.map_string_types_to_utf8view = false;
        options.sql_parser.parse_float_as_decimal = true;
        options.execution.time_zone = Some("UTC".to_owned());
        let mut builder = SessionStateBuilder::new().with_config(session).with_default_features();
        if let Some(scalars) = builder.scalar_functions() {
            scalars.extend(functions::pack());
        }
        Self { base: builder.build() }
    }

    /// Everything that needs the account and the views; no waiting in it.
    pub(crate) fn prepare(
        &self,
        sql: &str,
        bindings: &[Bound],
        context: &Context,
        relations: &dyn Relations,
    ) -> Result<Prepared, SqlFailure> {
        let folded = fold::parse(sql, bindings, context.utc)?;
        let mut statement = folded.statement;
        if !matches!(statement, Statement::Query(_)) {
            return Err(SqlFailure::unsupported_here("statements of this kind"));
        }
        let mentions = mentions(&statement)?;
        let mut resolved: HashMap<String, Resolved> = HashMap::new();
        for (written, parts) in &mentions.tables {
            resolved.insert(written.clone(), relations.resolve(parts)?);
        }
        let cursor_of = |written: &str| resolved.get(written).and_then(|relation| relation.cursor.clone());
        let mut found = bounds::find(&statement, context.now, &cursor_of);
        rewrite::rewrite(&mut statement, context)?;

        let nothing_wanted = wants_no_rows(&statement);
        let catalogs = MemoryCatalogProviderList::new();
        let mut views = BTreeMap::new();
        let mut by_name: BTreeMap<[String; 3], (Resolved, Bounds)> = BTreeMap::new();
        for (written, relation) in &resolved {
            let bounds = if nothing_wanted { Bounds::NONE } else { found.remove(written).unwrap_or(Bounds::ALL) };
            let entry = by_name.entry(relation.parts.clone()).or_insert_with(|| (relation.clone(), bounds));
            entry.1 = Bounds { from: entry.1.from.min(bounds.from), to: entry.1.to.max(bounds.to) };
        }
        for (parts, (relation, bounds)) in by_name {
            let mut columns: Vec<Column> = relation.columns.clone();
            if !mentions.wildcard {
                columns.retain(|column| folded.names.contains(&column.name));
            }
            if columns.is_empty() {
                columns.extend(relation.columns.first().cloned());
            }
            let batch = relations.scan(&relation, bounds, &columns);
            *views.entry(relation.rows.clone()).or_insert(0) += batch.num_rows();
            register(&catalogs, &parts, batch).map_err(|error| fault(&error))?;
        }
        let names: HashMap<String, [String; 3]> =
            resolved.into_iter().map(|(written, relation)| (written, relation.parts)).collect();
        let _ = VisitMut::visit(&mut statement, &mut Qualifier { names: &names });
        let state =
            SessionStateBuilder::new_from_existing(self.base.clone()).with_catalog_list(Arc::new(catalogs)).build();
        Ok(Prepared { state, statement, views })
    }

    pub(crate) async fn run(prepared: Prepared, rows_per_partition: usize) -> Result<Answer, SqlFailure> {
        let Prepared { state, statement, views } = prepared;
        let statement = EngineStatement::Statement(Box::new(statement));
        let plan = state.statement_to_plan(statement).await.map_err(|error| fault(&error))?;
        let schema = Arc::clone(plan.schema().inner());
        let columns = encode::columns(&schema)?;
        let plan = state.create_physical_plan(&plan).await.map_err(|error| fault(&error))?;
        let batches = collect(plan, state.task_ctx()).await.map_err(|error| fault(&error))?;
        let result = encode::result(columns, &batches, rows_per_partition)?;
        Ok(Answer { result, views })
    }
}

/// `LIMIT 0` asks for the columns alone.
fn wants_no_rows(statement: &Statement) -> bool {
    let Statement::Query(query) = statement else { return false };
    match &query.limit_clause {
        Some(LimitClause::LimitOffset { limit: Some(limit), .. }) => limit.to_string() == "0",
        _ => false,
    }
}

fn register(
    catalogs: &MemoryCatalogProviderList,
    parts: &[String; 3],
    batch: RecordBatch,
) -> Result<(), DataFusionError> {
    let [database, schema, name] = parts;
    let catalog = match catalogs.catalog(database) {
        Some(catalog) => catalog,
        None => {
            let catalog: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
            catalogs.register_catalog(database.clone(), Arc::clone(&catalog));
            catalog
        }
    };
    let held: Arc<dyn SchemaProvider> = match catalog.schema(schema) {
        Some(held) => held,
        None => {
            let held: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
            catalog.register_schema(schema, Arc::clone(&held))?;
            held
        }
    };
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
    held.register_table(name.clone(), Arc::new(table))?;
    Ok(())
}

#[derive(Default)]
struct Mentions {
    /// Base tables: as written, and in parts.
    tables: HashMap<String, Vec<String>>,
    ctes: HashSet<String>,
    wildcard: bool,
    fault: Option<SqlFailure>,
}

fn mentions(statement: &Statement) -> Result<Mentions, SqlFailure> {
    let mut mentions = Mentions::default();
    let _ = Visit::visit(statement, &mut mentions);
    if let Some(fault) = mentions.fault.take() {
        return Err(fault);
    }
    let ctes = std::mem::take(&mut mentions.ctes);
    mentions.tables.retain(|_, parts| !(parts.len() == 1 && ctes.contains(&parts[0])));
    Ok(mentions)
}

impl Visitor for Mentions {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.ctes.extend(ctes.map(|cte| cte.alias.name.value.clone()));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &datafusion::sql::sqlparser::ast::Select) -> ControlFlow<()> {
        self.wildcard |= select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(_, _)));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: None, .. } => {
                self.tables.insert(name.to_string(), parts(name));
            }
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => {}
            other => self.fault = Some(SqlFailure::unsupported_here(format!("'{other}' as a table"))),
        }
        ControlFlow::Continue(())
    }
}

fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().map(|part| part.as_ident().map(|ident| ident.value.clone()).unwrap_or_default()).collect()
}

/// Gives every base table its full name.
struct Qualifier<'a> {
    names: &'a HashMap<String, [String; 3]>,
}

impl VisitorMut for Qualifier<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, .. } = factor
            && let Some(parts) = self.names.get(&name.to_string())
        {
            *name = ObjectName::from(parts.iter().map(|part| Ident::with_quote('"', part)).collect::<Vec<_>>());
        }
        ControlFlow::Continue(())
    }
}

/// DataFusion's complaints in Snowflake's codes.
fn fault(error: &DataFusionError) -> SqlFailure {
    match error.find_root() {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, .. } => SqlFailure::invalid_identifier(&field.name),
            other => SqlFailure::syntax(other),
        },
        DataFusionError::ArrowError(error, _) => SqlFailure::cast(error),
        DataFusionError::Execution(message) => SqlFailure::cast(message),
        other => SqlFailure::syntax(other.strip_backtrace()),
    }
}

/// The names of the schema objects that a session's statement can leave out.
pub(crate) fn complete(parts: &[String], database: Option<&str>, schema: Option<&str>) -> Option<[String; 3]> {
    let owned = |text: &str| text.to_owned();
    match parts {
        [database, schema, name] => Some([database.clone(), schema.clone(), name.clone()]),
        [schema, name] => Some([owned(database?), schema.clone(), name.clone()]),
        [name] => Some([owned(database?), owned(schema?), name.clone()]),
        _ => None,
    }
}

/// The names that a statement's text mentions; for the log of statements.
pub(crate) fn first_word(sql: &str) -> String {
    sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_from_the_session() {
        let name = ["V".to_owned()];
        assert_eq!(complete(&name, Some("D"), Some("S")), Some(["D".into(), "S".into(), "V".into()]));
        assert_eq!(complete(&name, None, None), None);
        assert_eq!(first_word("  select 1"), "SELECT");
    }
}

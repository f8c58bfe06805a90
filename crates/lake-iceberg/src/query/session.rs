//! One query after another over the newest committed snapshots.
//!
//! What is costly to make (function registry, runtime with its memory pool and its cache of Parquet footers) is made
//! once; each query then gets a session of its own with just the tables it mentions, as they are committed at that
//! moment. So a query sees one state from its first row to its last, and never waits for another.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::common::DataFusionError;
use datafusion::config::Dialect;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{WindowUDF, WindowUDFImpl as _};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as EngineStatement;
use datafusion::sql::sqlparser::ast::{ObjectName, Statement as Ast};
use futures::{StreamExt, stream};
use uncia_document::{Document, Interner, Member, Scratch, Timestamp};
use uncia_lake::{LakeError, OutputColumn, QueryOutput};
use uncia_model::{Clock, Database, TableRef};

use super::fault::{self, Spelling};
use super::names::{self, Relation};
use super::output::{self, Rows};
use super::path::PathPlanner;
use super::provider::LakeTable;
use super::rewrite::{self, Scope};
use super::schema::{table_schema, type_name};
use super::snapshots::{Snapshot, Snapshots};
use super::statement::{self, Statement};
use super::{functions, views};

/// The catalog of every session; its schemas are the databases.
const CATALOG: &str = "lake";

type Committed = BTreeMap<TableRef, String>;

/// Bounds of the query engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryConfig {
    /// What all queries together may hold in memory; sorts and aggregations beyond their share spill to disk.
    pub(crate) memory_bytes: usize,
    /// How many cores one query may use.
    pub(crate) partitions: usize,
}

impl Default for QueryConfig {
    fn default() -> Self {
        let partitions = std::thread::available_parallelism().map_or(2, usize::from);
        Self { memory_bytes: 2 << 30, partitions }
    }
}

/// Answers SQL over the lake.
pub(crate) struct QueryEngine {
    snapshots: Arc<dyn Snapshots>,
    interner: Arc<Interner>,
    clock: Arc<dyn Clock>,
    /// Functions, planners, options and runtime of all sessions.
    common: SessionState,
    functions: HashSet<String>,
}

impl QueryEngine {
    pub(crate) fn new(
        snapshots: Arc<dyn Snapshots>,
        interner: Arc<Interner>,
        clock: Arc<dyn Clock>,
        config: QueryConfig,
    ) -> Result<Self, LakeError> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(config.memory_bytes)))
            .build_arc()
            .map_err(|error| LakeError::Engine(Box::new(error)))?;
        let common = common_state(config, runtime);
        let functions = function_names(&common);
        Ok(Self { snapshots, interner, clock, common, functions })
    }

    /// Runs one read-only statement, whose now is the clock's unless another is given.
    pub(crate) async fn query(&self, sql: &str, now: Option<Timestamp>) -> Result<QueryOutput, LakeError> {
        let now = now.unwrap_or_else(|| self.clock.now());
        match statement::parse(sql).map_err(LakeError::Sql)? {
            Statement::Query(statement) => self.select(*statement, now).await,
            Statement::ShowTables { database, like } => self.show_tables(database, like).await,
            Statement::ShowDatabases => {
                let mut names: Vec<&str> = Database::ALL.iter().map(|database| database.as_str()).collect();
                names.push("views");
                Ok(self.listing(&["name"], names.into_iter().map(|name| vec![name.to_owned()]).collect()))
            }
            Statement::Describe(table) => self.describe(&table).await,
        }
    }

    async fn select(&self, mut statement: Ast, now: Timestamp) -> Result<QueryOutput, LakeError> {
        let prepared = self.prepare(&mut statement, now).await?;
        let Prepared { state, spelled, spelling } = prepared;
        let (plan, schema) =
            physical(&state, statement).await.map_err(|error| fault::from_datafusion(error, &spelling))?;
        let batches =
            execute_stream(plan, state.task_ctx()).map_err(|error| fault::from_datafusion(error, &spelling))?;
        let columns = output::columns(&schema, &spelled);
        let mut rows = Rows::new(&columns, Arc::clone(&self.interner));
        let rows = batches
            .map(move |batch| match batch {
                Ok(batch) => stream::iter(rows.of(&batch).into_iter().map(Ok).collect::<Vec<_>>()),
                Err(error) => stream::iter(vec![Err(fault::from_datafusion(error, &spelling))]),
            })
            .flatten();
        Ok(QueryOutput { columns, rows: rows.boxed() })
    }

    /// Loads what the statement mentions and rewrites it for a session that holds just that.
    async fn prepare(&self, statement: &mut Ast, now: Timestamp) -> Result<Prepared, LakeError> {
        let patterns = rewrite::prepare(statement).map_err(LakeError::Sql)?;
        let committed = self.committed().await?;
        let names: Vec<TableRef> = committed.keys().cloned().collect();
        let mut tables: HashMap<Vec<String>, (String, String)> = HashMap::new();
        let mut relations: BTreeMap<(String, String), Relation> = BTreeMap::new();
        for mention in rewrite::mentions(statement) {
            let relation =
                names::resolve(&mention.parts, &names).map_err(|missing| unresolved(missing, &mention.place))?;
            let key = match &relation {
                Relation::Table(table) => (table.database.as_str().to_owned(), table.name.to_lowercase()),
                Relation::View(view) => ("views".to_owned(), view.name.clone()),
            };
            tables.insert(mention.parts, key.clone());
            relations.insert(key, relation);
        }
        let mut spelling = Spelling::new();
        let mut columns: HashSet<String> = HashSet::new();
        let mut originals: HashMap<String, String> = HashMap::new();
        let mut note = |snapshot: &Snapshot| {
            for column in &snapshot.schema.columns {
                if let Some(original) = column.doc.as_deref().and_then(names::original) {
                    originals.insert(original.to_lowercase(), column.name.to_lowercase());
                }
                columns.insert(column.name.to_lowercase());
                spelling.insert(column.name.to_lowercase(), column.name.clone());
            }
        };
        let mut columns_of: HashMap<(String, String), HashSet<String>> = HashMap::new();
        let catalog = MemoryCatalogProvider::new();
        for ((schema, name), relation) in relations {
            let provider = match relation {
                Relation::Table(table) => {
                    let snapshot = self.load(&committed, &table).await?;
                    note(&snapshot);
                    Arc::new(LakeTable::new(snapshot)) as Arc<dyn TableProvider>
                }
                Relation::View(view) => {
                    let mut snapshots = Vec::new();
                    for table in names.iter().filter(|table| view.databases.contains(&table.database)) {
                        let snapshot = self.load(&committed, table).await?;
                        note(&snapshot);
                        snapshots.push(snapshot);
                    }
                    views::union_of(snapshots).map_err(|error| fault::from_datafusion(error, &Spelling::new()))?
                }
            };
            let its = provider.schema().fields().iter().map(|field| field.name().to_lowercase()).collect();
            columns_of.insert((schema.clone(), name.clone()), its);
            let registered = self.register(&catalog, &schema, name, provider);
            registered.map_err(|error| fault::from_datafusion(error, &Spelling::new()))?;
        }
        let mut state = self.state(catalog, now).map_err(|error| fault::from_datafusion(error, &Spelling::new()))?;
        let mut functions = Cow::Borrowed(&self.functions);
        for pattern in patterns {
            functions.to_mut().insert(pattern.name().to_owned());
            let registered = state.register_udwf(Arc::new(WindowUDF::new_from_impl(pattern)));
            registered.map_err(|error| fault::from_datafusion(error, &Spelling::new()))?;
        }
        let scope = Scope {
            tables: &tables,
            columns: &columns,
            columns_of: &columns_of,
            originals: &originals,
            functions: &functions,
        };
        let spelled = rewrite::rewrite(statement, &scope).map_err(LakeError::Sql)?;
        Ok(Prepared { state, spelled, spelling })
    }

    fn register(
        &self,
        catalog: &MemoryCatalogProvider,
        schema: &str,
        name: String,
        provider: Arc<dyn TableProvider>,
    ) -> Result<(), DataFusionError> {
        let holder: Arc<dyn SchemaProvider> = match catalog.schema(schema) {
            Some(holder) => holder,
            None => {
                let holder: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                catalog.register_schema(schema, Arc::clone(&holder))?;
                holder
            }
        };
        holder.register_table(name, provider).map(|_| ())
    }

    /// Where each table's metadata stands now.
    async fn committed(&self) -> Result<Committed, LakeError> {
        Ok(self.snapshots.pointers().await?.into_iter().collect())
    }

    async fn load(&self, committed: &Committed, table: &TableRef) -> Result<Snapshot, LakeError> {
        let location = committed.get(table).expect("only committed tables are loaded");
        self.snapshots.load(table, location).await
    }

    /// A session for one statement: the common one with its own tables and its own now.
    fn state(&self, catalog: MemoryCatalogProvider, now: Timestamp) -> Result<SessionState, DataFusionError> {
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        let mut state = self.common.clone();
        state.register_catalog_list(Arc::new(catalogs));
        state.register_udf(Arc::new(functions::now(now.micros)))?;
        Ok(state)
    }

    async fn show_tables(&self, database: Option<ObjectName>, like: Option<String>) -> Result<QueryOutput, LakeError> {
        let wanted = match &database {
            None => None,
            Some(name) => {
                let written = rewrite::folded(name);
                let known = written.first().and_then(|first| names::database(first));
                Some(known.ok_or_else(|| LakeError::Sql(format!("unknown database {name}")))?)
            }
        };
        let pattern = like.map(|like| like.to_lowercase());
        let mut rows: Vec<Vec<String>> = Vec::new();
        let committed = self.committed().await?;
        let tables = committed.keys().map(|table| (table.database.as_str(), table.name.to_string()));
        let views = names::views().into_iter().map(|view| ("views", view.name));
        for (database, name) in tables.chain(views) {
            let listed = wanted.is_none_or(|wanted| wanted == database);
            let matches = pattern.as_ref().is_none_or(|pattern| is_like(&name.to_lowercase(), pattern));
            if listed && matches {
                rows.push(vec![database.to_owned(), name]);
            }
        }
        rows.sort();
        Ok(self.listing(&["database", "name"], rows))
    }

    async fn describe(&self, table: &ObjectName) -> Result<QueryOutput, LakeError> {
        let committed = self.committed().await?;
        let names: Vec<TableRef> = committed.keys().cloned().collect();
        let rows = match names::resolve(&rewrite::folded(table), &names).map_err(|missing| unresolved(missing, ""))? {
            Relation::Table(table) => {
                let snapshot = self.load(&committed, &table).await?;
                let arrow = table_schema(&snapshot.schema);
                let columns = snapshot.schema.columns.iter().zip(arrow.fields());
                columns
                    .map(|(column, field)| {
                        vec![column.name.clone(), type_name(field), column.doc.clone().unwrap_or_default()]
                    })
                    .collect()
            }
            Relation::View(view) => {
                let mut snapshots = Vec::new();
                for table in names.iter().filter(|table| view.databases.contains(&table.database)) {
                    snapshots.push(self.load(&committed, table).await?);
                }
                let view =
                    views::union_of(snapshots).map_err(|error| fault::from_datafusion(error, &Spelling::new()))?;
                view.schema()
                    .fields()
                    .iter()
                    .map(|field| vec![field.name().clone(), type_name(field), String::new()])
                    .collect()
            }
        };
        Ok(self.listing(&["name", "type", "comment"], rows))
    }

    /// Rows that need no engine.
    fn listing(&self, names: &[&str], rows: Vec<Vec<String>>) -> QueryOutput {
        let columns = names.iter().map(|name| OutputColumn { name: (*name).to_owned(), kind: "string".to_owned() });
        let documents: Vec<Result<Document, LakeError>> = rows
            .into_iter()
            .map(|row| {
                let mut document = Document::new();
                let mut scratch = Scratch::default();
                for (name, text) in names.iter().zip(row) {
                    let key = document.push_key(&self.interner, name);
                    let value = document.push_string(&text);
                    scratch.members.push(Member { key, value });
                }
                let root = document.close_object(&mut scratch, 0);
                document.set_root(root);
                Ok(document)
            })
            .collect();
        QueryOutput { columns: columns.collect(), rows: stream::iter(documents).boxed() }
    }
}

/// A statement ready to plan, with the session to plan it in.
struct Prepared {
    state: SessionState,
    /// How the statement spells its own columns.
    spelled: HashMap<String, String>,
    /// How the tables spell theirs.
    spelling: Spelling,
}

fn common_state(config: QueryConfig, runtime: Arc<RuntimeEnv>) -> SessionState {
    let mut session = SessionConfig::new()
        .with_target_partitions(config.partitions)
        .with_default_catalog_and_schema(CATALOG, Database::Logs.as_str())
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = session.options_mut();
    options.sql_parser.dialect = Dialect::Snowflake;
    options.sql_parser.collect_spans = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.time_zone = Some("+00:00".to_owned());
    // See the provider: predicates on structs must stay above the scan.
    options.execution.parquet.pushdown_filters = false;
    options.execution.parquet.reorder_filters = false;
    let mut builder = SessionStateBuilder::new().with_config(session).with_runtime_env(runtime).with_default_features();
    if let Some(planners) = builder.expr_planners() {
        planners.insert(0, Arc::new(PathPlanner));
    }
    if let Some(scalars) = builder.scalar_functions() {
        scalars.extend(functions::pack().into_iter().map(Arc::new));
    }
    builder.build()
}

async fn physical(
    state: &SessionState,
    statement: Ast,
) -> Result<(Arc<dyn ExecutionPlan>, SchemaRef), DataFusionError> {
    let plan = state.statement_to_plan(EngineStatement::Statement(Box::new(statement))).await?;
    let schema = Arc::clone(plan.schema().inner());
    let plan = state.create_physical_plan(&plan).await?;
    Ok((plan, schema))
}

fn function_names(state: &SessionState) -> HashSet<String> {
    let scalars = state.scalar_functions().keys();
    let aggregates = state.aggregate_functions().keys();
    let windows = state.window_functions().keys();
    let planned = ["unnest", "exists", "grouping", "current_timestamp"].into_iter().map(str::to_owned);
    scalars.chain(aggregates).chain(windows).cloned().chain(planned).collect()
}

fn unresolved(missing: names::Unresolved, place: &str) -> LakeError {
    let message = located(&missing.message, place);
    match missing.table {
        Some(table) => LakeError::NoTable { table, message },
        None => LakeError::Sql(message),
    }
}

fn located(message: &str, place: &str) -> String {
    match message.split_once(';') {
        Some((what, hint)) => format!("{what}{place};{hint}"),
        None => format!("{message}{place}"),
    }
}

/// SQL's `LIKE` over folded text.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut pattern_chars = pattern.chars();
    match pattern_chars.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = pattern_chars.as_str();
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| is_like(&text[at..], rest))
        }
        Some(wanted) => {
            let mut text_chars = text.chars();
            let fits = text_chars.next().is_some_and(|first| wanted == '_' || first == wanted);
            fits && is_like(text_chars.as_str(), pattern_chars.as_str())
        }
    }
}

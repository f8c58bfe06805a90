//! The parts of the product, put together as a command needs them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use uncia_alerting::destinations::Destinations;
use uncia_alerting::{Deduplicator, Facts, Routes, RuleFacts};
use uncia_detection::{Content, Engine, EngineConfig, KeyValue, KnownDestination, Program, Ward};
use uncia_document::Interner;
use uncia_lake_iceberg::IcebergLake;
use uncia_model::{Clock, LogType, SourceId};
use uncia_pipeline::alarm::Silence;
use uncia_pipeline::posture;
use uncia_pipeline::{Detections, Generation, Lookups, Parts, SourceFilters, StoreCache, Walk};
use uncia_processing::{FilterConfig, Filters, SchemaSet, Splitter};
use uncia_store::Store;

use crate::config::Config;
use crate::content;
use crate::data_dir::DataDir;
use crate::exit::ExitError;

/// What a command wants of the data directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Look at what is committed, beside a writer if there is one.
    Read,
    /// Change what is a person's (an alert's status), beside a writer if there is one: SQLite orders such single changes,
    /// and a batch's commit never writes them.
    Triage,
    /// Be the one writer, in the name of a command.
    Write(&'static str),
}

/// The store and the lake of a data directory.
pub(crate) struct Product {
    dir: DataDir,
    store: Arc<Store>,
    lake: Arc<IcebergLake>,
    /// Detections that are put aside stay so when content is loaded again.
    ward: Ward,
}

impl Product {
    pub(crate) async fn open(root: &Path, purpose: Purpose) -> Result<Self> {
        let dir = match purpose {
            Purpose::Read | Purpose::Triage => DataDir::for_reading(root)?,
            Purpose::Write(command) => DataDir::for_writing(root, command)?,
        };
        let store = match purpose {
            Purpose::Read => Store::open_to_read(&dir.store()).await,
            Purpose::Write(_) | Purpose::Triage => Store::open(&dir.store()).await,
        };
        let store = Arc::new(store.map_err(|error| ExitError::unavailable(error.to_string()))?);
        let lake = Arc::new(IcebergLake::open(&dir.lake(), store.clone())?);
        Ok(Self { dir, store, lake, ward: Ward::default() })
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(crate) fn lake(&self) -> &Arc<IcebergLake> {
        &self.lake
    }

    pub(crate) fn ward(&self) -> &Ward {
        &self.ward
    }

    pub(crate) fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// Puts the walk together. `notice` hears what is wrong with content, which stops nothing.
    pub(crate) async fn walk(
        &self,
        config: &Config,
        content: &Content,
        clock: Arc<dyn Clock>,
        notice: &(dyn Fn(String) + Sync),
    ) -> Result<Walk> {
        let (schemas, errors) = content::schemas(&config.schemas.folders)?;
        errors.iter().for_each(|error| notice(error.to_string()));
        content.problems.iter().for_each(|problem| notice(problem.to_string()));
        let generation = self.generation(config, content, 1).await?;
        for (id, error) in generation.detections.iter().flat_map(|detections| detections.engine.setup_errors()) {
            let file = content.rule(&id).map(|rule| rule.file.as_str()).unwrap_or_default();
            notice(format!("{file}: detection {id} does not load: {error}"));
        }
        let schemas = Arc::new(schemas);
        let walk = Walk::new(Parts {
            lake: self.lake.clone(),
            store: self.store.clone(),
            generation,
            schemas: schemas.clone(),
            discovered: uncia_pipeline::discovered(&self.store).await?,
            filters: Arc::new(filters(config)?),
            interner: Interner::new(),
            clock,
            blobs: self.dir.blobs(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        });
        self.load_lookups(walk.lookups(), config, content, &schemas, notice).await;
        Ok(walk)
    }

    /// Loads all that events are enriched with: the tables of content, and the newest snapshots.
    pub(crate) async fn load_lookups(
        &self,
        lookups: &Lookups,
        config: &Config,
        content: &Content,
        schemas: &SchemaSet,
        notice: &(dyn Fn(String) + Sync),
    ) {
        lookups.load_content(crate::lookups::tables(content, schemas, &|text| notice(text)));
        for source in &config.sources.snowflake {
            for view in source.snapshot_views() {
                if let Err(error) = lookups.load_state(&*self.lake, &source.id, source.label(), view).await {
                    notice(format!("events are not enriched with {} of {}: {error}", view.name, source.id));
                }
            }
        }
    }

    /// The detections of some content, with workers of their own.
    pub(crate) async fn generation(&self, config: &Config, content: &Content, number: u64) -> Result<Generation> {
        let (_, routes) = destinations(config)?;
        let controls = content::controls(config, &[])?;
        controls.problems.iter().for_each(|problem| tracing::error!("{problem}"));
        let mut facts = facts(content);
        facts.extend(controls.controls.iter().map(|control| {
            let facts = posture::facts_of(control);
            (facts.id.clone(), Arc::new(facts))
        }));
        let deduplicator = Deduplicator::new(facts, routes);
        let log_types = judged_log_types(content);
        let mut detections = None;
        if !log_types.is_empty() {
            let cache = Arc::new(StoreCache::new(self.store.clone()));
            let engine = EngineConfig { ward: self.ward.clone(), ..self.engine_config(config)? };
            let engine = Engine::start(program(config, content), engine, cache).await;
            let engine = Arc::new(engine.map_err(|error| ExitError::configuration(error.to_string()))?);
            detections = Some(Detections { engine, log_types });
        }
        Ok(Generation { number, detections, deduplicator, controls: controls.controls.into() })
    }

    /// How this data directory's workers are started: they may import what was installed for it.
    pub(crate) fn engine_config(&self, config: &Config) -> Result<EngineConfig> {
        let mut engine = engine_config(config)?;
        engine.python_path.extend(crate::commands::environment::packages_of(self.dir.root()));
        Ok(engine)
    }
}

/// The log types that some enabled rule judges; for scheduled rules the names of queries.
pub(crate) fn judged_log_types(content: &Content) -> HashSet<LogType> {
    content.rules.iter().filter(|rule| rule.enabled).flat_map(|rule| rule.log_types.clone()).collect()
}

/// Content as workers load it, with the destinations that rules may name.
pub(crate) fn program(config: &Config, content: &Content) -> Program {
    let known = config.destinations.iter().map(|destination| KnownDestination {
        id: destination.id.clone(),
        name: destination.name.clone().unwrap_or_else(|| destination.id.to_string()),
    });
    Program { destinations: known.collect(), ..Program::from(content) }
}

/// What cuts bytes into records, with what opens Parquet and Avro.
pub(crate) fn splitter() -> Splitter {
    Splitter::with_columnar(Arc::new(crate::columns::Files))
}

/// The configured destinations, ready to be told, and who is told of what.
pub(crate) fn destinations(config: &Config) -> Result<(Destinations, Routes)> {
    let resolve =
        |secret: &uncia_model::Secret| uncia_sources::secret::resolve(secret).map_err(|error| error.to_string());
    uncia_alerting::destinations::build(&config.destinations, &resolve)
        .map_err(|error| ExitError::configuration(error.to_string()))
}

/// The filters of all sources.
fn filters(config: &Config) -> Result<SourceFilters> {
    let mut filters = SourceFilters::new();
    for (source, of_source) in filter_configs(config) {
        let compiled = Filters::compile(of_source)
            .map_err(|error| ExitError::configuration(format!("source {source}: {error}")))?;
        if !compiled.is_empty() {
            filters.insert(source.clone(), compiled);
        }
    }
    Ok(filters)
}

fn filter_configs(config: &Config) -> impl Iterator<Item = (&SourceId, &FilterConfig)> {
    let http = config.sources.http.iter().map(|source| (&source.id, &source.filters));
    let watch = config.sources.watch.iter().map(|source| (&source.id, &source.filters));
    http.chain(watch).chain(config.sources.snowflake.iter().map(|source| (&source.id, &source.filters)))
}

/// How long each source may be silent.
pub(crate) fn silences(config: &Config) -> Vec<Silence> {
    let http = config.sources.http.iter().map(|source| (&source.id, source.no_data_minutes));
    let watch = config.sources.watch.iter().map(|source| (&source.id, source.no_data_minutes));
    let snowflake = config.sources.snowflake.iter().map(|source| (&source.id, source.no_data_minutes));
    let told = http
        .chain(watch)
        .chain(snowflake)
        .filter_map(|(source, minutes)| Some(Silence { source: source.clone(), allowed: minutes.allowed()? }));
    told.collect()
}

/// Starts the workers that run detections.
pub(crate) async fn start_engine(
    config: &Config,
    program: impl Into<Program>,
    cache: Arc<dyn KeyValue>,
) -> Result<Engine> {
    let engine = Engine::start(program, engine_config(config)?, cache).await;
    engine.map_err(|error| ExitError::configuration(error.to_string()))
}

fn engine_config(config: &Config) -> Result<EngineConfig> {
    let detections = &config.detections;
    let defaults = EngineConfig::default();
    Ok(EngineConfig {
        python: detections.python.clone(),
        python_path: detections.python_path.clone(),
        workers: detections.workers.unwrap_or(defaults.workers).max(1),
        soft_limit: seconds(detections.soft_limit_seconds, "detections.soft_limit_seconds")?,
        hard_limit: seconds(detections.hard_limit_seconds, "detections.hard_limit_seconds")?,
        memory_bytes: detections.memory_mib * 1024 * 1024,
        sandbox: detections.sandbox,
        quarantine_deaths: detections.quarantine_deaths,
        quarantine_time: Duration::from_secs(detections.quarantine_minutes.saturating_mul(60)),
        optimise: detections.optimise,
        shadow: detections.compare_one_in,
        ..defaults
    })
}

fn seconds(value: f64, name: &str) -> Result<Duration> {
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| ExitError::configuration(format!("{name} must be a positive number of seconds, not {value}")))
}

/// Everything about a configuration that can be wrong without a data directory.
pub(crate) fn check(config: &Config) -> Result<()> {
    destinations(config)?;
    seconds(config.detections.soft_limit_seconds, "detections.soft_limit_seconds")?;
    seconds(config.detections.hard_limit_seconds, "detections.hard_limit_seconds")?;
    let (schemas, errors) = content::schemas(&config.schemas.folders)?;
    if let Some(error) = errors.first() {
        return Err(ExitError::configuration(error.to_string()));
    }
    let http =
        config.sources.http.iter().flat_map(|source| source.log_types.iter().map(|log_type| (&source.id, log_type)));
    let watch =
        config.sources.watch.iter().flat_map(|source| source.log_types.iter().map(|log_type| (&source.id, log_type)));
    for source in &config.sources.snowflake {
        source.check().map_err(|error| ExitError::configuration(error.to_string()))?;
    }
    let filters = filters(config)?;
    let filtered = filters.iter().flat_map(|(id, filters)| filters.log_types().map(move |log_type| (id, log_type)));
    for (source, log_type) in http.chain(watch).chain(filtered) {
        if schemas.get(log_type).is_none() {
            return Err(ExitError::configuration(format!(
                "source {source}: there is no log type {log_type}; `uncia schema list` shows them"
            )));
        }
    }
    let controls = content::controls(config, &[])?;
    match content::detections(config, &[])?.invalid().next().or(controls.problems.first()) {
        Some(problem) => Err(ExitError::configuration(problem.to_string())),
        None => Ok(()),
    }
}

/// What alerting knows of the detections.
pub(crate) fn facts(content: &Content) -> Facts {
    let facts = content.rules.iter().map(|rule| {
        let facts = RuleFacts {
            id: rule.id.clone(),
            name: rule.name().to_owned(),
            kind: rule.alert_kind(),
            severity: rule.severity,
            dedup_period_minutes: rule.dedup_period_minutes,
            threshold: rule.threshold,
            create_alert: rule.create_alert,
            output_ids: rule.output_ids.clone(),
            description: rule.description.clone(),
            reference: rule.reference.clone(),
            runbook: rule.runbook.clone(),
            tags: rule.tags.clone(),
            reports: rule.reports.clone(),
        };
        (rule.id.clone(), Arc::new(facts))
    });
    facts.collect()
}

//! One batch's way from records to the commit, and batches one behind the other.
//!
//! The two stages overlap: while batch *n* is staged and committed, *n+1* is processed, judged and collected. Only the last
//! stage touches the store, so windows are always those of the batch before.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use uncia_alerting::{Admitted, Assigned, RuleFacts};
use uncia_document::{Document, Interner};
use uncia_lake::{Lake, LakeError, RowBatch, RowSink};
use uncia_model::{Alert, BatchId, Clock, Database, Failure, FailureReason, LogType, SourceId, TableRef, TableSchema};
use uncia_processing::{Revision, SchemaSet, failure_row, failure_table};
use uncia_store::{BatchCommit, CommitOutcome, Counter, Progress, PulledRow, Store, StoreError};

use crate::batch::RawBatch;
use crate::blob;
use crate::collect::{CollectedBatch, Collector, EventRows};
use crate::detect::JudgedEvents;
use crate::enrich::Lookups;
use crate::filter::{FilteredCounts, SourceFilters};
use crate::generation::{Generation, Generations};
use crate::input::End;
use crate::land::{AlertColumns, FoundTable, Rows, RuleColumns};
use crate::process::Processors;
use crate::replay;
use crate::schemas::GrowingSchemas;
use crate::state;
use crate::summary::Summary;

/// A batch that keeps meeting conflicts is given up after this many tries: somebody else writes to the tables.
const MAX_CONFLICTS: usize = 5;

/// Batches between the first stage and the commit: one in each. It bounds memory.
const MAX_IN_FLIGHT: usize = 2;

/// How the origin keys of parts of watched files begin.
const PART_OF_A_FILE: &str = "watch:";

/// What the walk is made of.
pub struct Parts {
    pub lake: Arc<dyn Lake>,
    pub store: Arc<Store>,
    /// The detections to begin with.
    pub generation: Generation,
    /// Those of the files.
    pub schemas: Arc<SchemaSet>,
    /// What discovery added to them before.
    pub discovered: Vec<Revision>,
    pub filters: Arc<SourceFilters>,
    pub interner: Arc<Interner>,
    pub clock: Arc<dyn Clock>,
    /// Where oversized records are kept.
    pub blobs: PathBuf,
    /// Threads that process records.
    pub threads: usize,
}

/// Takes batches through the walk.
pub struct Walk {
    lake: Arc<dyn Lake>,
    store: Arc<Store>,
    generation: Generations,
    interner: Arc<Interner>,
    clock: Arc<dyn Clock>,
    blobs: PathBuf,
    schemas: Arc<GrowingSchemas>,
    processors: Arc<Processors>,
    rows: Rows,
    lookups: Lookups,
}

/// Why a batch could not be committed. Its input is untouched and can be walked again.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot keep an oversized record in {path}")]
    Blob { path: PathBuf, source: std::io::Error },
    #[error("table {table} was changed by somebody else {MAX_CONFLICTS} times while a batch was being committed")]
    Conflict { table: TableRef },
    #[error("a thread that processes records ended abnormally")]
    Thread,
}

impl Walk {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { lake, store, generation, schemas, discovered, filters, interner, clock, blobs, threads } = parts;
        let schemas = Arc::new(GrowingSchemas::new(&schemas, &discovered));
        let processors = Arc::new(Processors::new(schemas.clone(), interner.clone(), filters, threads));
        let (rows, generation) = (Rows::new(interner.clone()), Generations::new(generation));
        let lookups = Lookups::default();
        Self { lake, store, generation, interner, clock, blobs, schemas, processors, rows, lookups }
    }

    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn lake(&self) -> &Arc<dyn Lake> {
        &self.lake
    }

    pub(crate) fn schemas(&self) -> Arc<SchemaSet> {
        self.schemas.in_force().schemas.clone()
    }

    /// What events are enriched with.
    #[must_use]
    pub const fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    pub(crate) fn interner(&self) -> &Arc<Interner> {
        &self.interner
    }

    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    pub(crate) fn blobs(&self) -> &std::path::Path {
        &self.blobs
    }

    /// The detections that the next batch is judged by.
    #[must_use]
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.get()
    }

    /// Has all further batches judged by another generation.
    pub fn switch(&self, generation: Generation) {
        self.generation.replace(generation);
    }

    /// What alerting knows of a detection.
    #[must_use]
    pub fn facts(&self, detection: &uncia_model::DetectionId) -> Option<Arc<RuleFacts>> {
        self.generation().deduplicator.facts(detection).cloned()
    }

    /// Takes batches through until the channel closes; `committed` hears of each one in order.
    pub async fn run(
        &self,
        mut batches: mpsc::Receiver<RawBatch>,
        mut committed: impl FnMut(&Summary, &RawBatch),
    ) -> Result<(), WalkError> {
        let room = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        let (collected_in, mut collected_out) = mpsc::channel(1);
        let collect = async move {
            loop {
                let place = room.clone().acquire_owned().await.expect("the semaphore is never closed");
                let Some(raw) = batches.recv().await else { return Ok(()) };
                let raw = Arc::new(raw);
                let collected = self.collect(&raw).await?;
                if collected_in.send((raw, collected, place)).await.is_err() {
                    return Ok(());
                }
            }
        };
        let land = async move {
            while let Some((raw, collected, place)) = collected_out.recv().await {
                let summary = self.land(&raw, collected).await?;
                committed(&summary, &raw);
                drop(place);
            }
            Ok(())
        };
        tokio::try_join!(collect, land).map(|_: ((), ())| ())
    }

    async fn collect(&self, raw: &Arc<RawBatch>) -> Result<CollectedBatch, WalkError> {
        let (in_force, parse_time) = (self.schemas.in_force(), self.clock.now());
        let generation = self.generation();
        let enricher = self.lookups.get();
        let collector = Collector {
            processors: &self.processors,
            in_force: &in_force,
            generation: &generation,
            lake: &*self.lake,
            enricher: &enricher,
            interner: &self.interner,
            parse_time,
        };
        let collected = collector.collect(raw).await?;
        // Between batches: the next one is processed by what this one has shown.
        self.schemas.grow(&self.store, parse_time.micros).await?;
        Ok(collected)
    }

    /// Stages and commits; on a conflict, collects the batch again, since its rows are used up.
    async fn land(&self, raw: &Arc<RawBatch>, mut collected: CollectedBatch) -> Result<Summary, WalkError> {
        let mut tries = 0;
        loop {
            let (outcome, summary) = self.commit(raw, collected).await?;
            match outcome {
                CommitOutcome::Committed | CommitOutcome::AlreadyCommitted => return Ok(summary),
                CommitOutcome::Conflict(table) if tries + 1 >= MAX_CONFLICTS => {
                    return Err(WalkError::Conflict { table });
                }
                CommitOutcome::Conflict(table) => {
                    tracing::warn!(batch.id = %raw.id, "table {table} was changed by somebody else; trying again");
                }
            }
            tries += 1;
            collected = self.collect(raw).await?;
        }
    }

    async fn commit(&self, raw: &RawBatch, collected: CollectedBatch) -> Result<(CommitOutcome, Summary), WalkError> {
        let sealed = self.clock.now();
        let CollectedBatch { rows, found, mut failures, filtered, generation } = collected;
        let admitted = self.admit(&generation, &found, sealed.micros).await?;
        let mut summary = summarise(raw, &rows, &found, &failures, &admitted, sealed.micros);
        summary.filtered = filtered.values().map(|count| count.records).sum();
        let settled = replay::settled(raw, &mut failures);
        let counters = counters(&rows, &failures, &filtered);
        blob::keep(&self.blobs, raw.id, &mut failures)?;
        let sinks = self.sinks(&generation, rows, &found, &failures, &admitted).await?;
        let mut moves = self.lake.stage_sinks(raw.id, sinks).await?;
        if !settled.is_empty() {
            moves.extend(self.lake.stage_removal(raw.id, &failure_table().0, &settled).await?);
        }
        let exchanges = state::exchanges_of(raw);
        moves.extend(state::stage_exchanges(&*self.lake, raw.id, &exchanges).await?);
        tracing::debug!(batch.id = %raw.id, records = raw.records, "staged");
        let mut pulled = pulled(raw);
        pulled.extend(exchanges.iter().flat_map(|exchange| exchange.columns.iter().cloned()));
        let commit = BatchCommit {
            moves,
            progress: progress(raw),
            wal: raw.wal.map(|position| (position.segment, position.offset)),
            windows: admitted.windows,
            alerts: admitted.alerts,
            deliveries: admitted.deliveries,
            counters,
            pulled,
            pulled_to: exchanges.iter().filter_map(|exchange| exchange.taken.clone()).collect(),
            ..BatchCommit::new(raw.id, sealed.micros)
        };
        let outcome = self.store.commit(&commit).await?;
        tracing::debug!(batch.id = %raw.id, records = raw.records, "committed: {outcome:?}");
        Ok((outcome, summary))
    }

    /// Commits what was found without records: signals, matches, errors and alerts, and how far that is done. All of it or
    /// nothing, and once for each batch id.
    pub(crate) async fn commit_found(
        &self,
        id: BatchId,
        (group, table): (JudgedEvents, FoundTable),
        generation: &Generation,
        progress: Option<Progress>,
    ) -> Result<Summary, WalkError> {
        let schema = table.schema();
        let groups = [group];
        for _ in 0..MAX_CONFLICTS {
            let sealed = self.clock.now();
            let admitted = self.admit(generation, &groups, sealed.micros).await?;
            let alerts = admitted.alerts.iter().map(|alert| (alert.id.as_str(), alert)).collect();
            let mut batches = Vec::new();
            for (group, assigned) in groups.iter().zip(&admitted.assigned) {
                for (database, rows) in self.found_rows(generation, group, assigned, &alerts) {
                    if !rows.is_empty() {
                        let table = self.rows.table(database, &group.log_type);
                        let schema = self.rows.schema(database, &group.log_type, &schema);
                        batches.push(RowBatch { table, schema, rows });
                    }
                }
            }
            let records = groups.iter().map(|group| group.events.len() as u64).sum();
            let mut summary = Summary { batches: 1, records, ..Summary::default() };
            count_found(&mut summary, &groups, &admitted, sealed.micros);
            let commit = BatchCommit {
                moves: self.lake.stage(id, batches).await?,
                progress: progress.iter().cloned().collect(),
                windows: admitted.windows,
                alerts: admitted.alerts,
                deliveries: admitted.deliveries,
                ..BatchCommit::new(id, sealed.micros)
            };
            match self.store.commit(&commit).await? {
                CommitOutcome::Committed => return Ok(summary),
                CommitOutcome::AlreadyCommitted => return Ok(Summary::default()),
                CommitOutcome::Conflict(table) => {
                    tracing::warn!(batch.id = %id, "table {table} was changed by somebody else; trying again");
                }
            }
        }
        Err(WalkError::Conflict { table: self.rows.table(Database::Signals, &groups[0].log_type) })
    }

    pub(crate) async fn admit(
        &self,
        generation: &Generation,
        groups: &[JudgedEvents],
        sealed_micros: i64,
    ) -> Result<Admitted, WalkError> {
        let judged: Vec<_> = groups.iter().map(JudgedEvents::judged).collect();
        let keys = generation.deduplicator.keys(&judged);
        let windows = self.store.windows(&keys).await?;
        let ids: Vec<_> = windows.values().map(|window| window.alert.clone()).collect();
        let alerts = self.store.alerts_by_id(&ids).await?;
        Ok(generation.deduplicator.admit(&judged, windows.into_values(), alerts, sealed_micros))
    }

    /// The rows of all tables that the batch touches.
    /// Whether a table is that of a log type with a schema, whose events may still come.
    #[must_use]
    pub fn is_known(&self, table: &TableRef) -> bool {
        let in_force = self.schemas.in_force();
        in_force.schemas.iter().any(|schema| schema.log_type().table_name() == *table.name)
    }

    async fn sinks(
        &self,
        generation: &Generation,
        rows: EventRows,
        found: &[JudgedEvents],
        failures: &[Failure],
        admitted: &Admitted,
    ) -> Result<Vec<Box<dyn RowSink>>, LakeError> {
        let alerts: BTreeMap<&str, &Alert> = admitted.alerts.iter().map(|alert| (alert.id.as_str(), alert)).collect();
        let in_force = self.schemas.in_force();
        let mut few = FewRows { lake: &*self.lake, sinks: BTreeMap::new() };
        for (group, assigned) in found.iter().zip(&admitted.assigned) {
            let Some(schema) = in_force.schemas.get(&group.log_type) else { continue };
            for (database, rows) in self.found_rows(generation, group, assigned, &alerts) {
                let table = self.rows.table(database, &group.log_type);
                let schema = self.rows.schema(database, &group.log_type, schema.table_schema());
                few.append(table, &schema, &rows).await?;
            }
        }
        let (table, schema) = failure_table();
        let failures: Vec<_> = failures.iter().map(|failure| failure_row(failure, &self.interner)).collect();
        few.append(table, &schema, &failures).await?;
        Ok(rows.sinks.into_values().chain(few.sinks.into_values()).collect())
    }

    /// Rows of the detection databases: every match is a signal; a match with an alert is a rule match too.
    fn found_rows(
        &self,
        generation: &Generation,
        group: &JudgedEvents,
        assigned: &Assigned,
        alerts: &BTreeMap<&str, &Alert>,
    ) -> [(Database, Vec<Document>); 3] {
        let columns = |id: &uncia_model::AlertId| {
            let alert = alerts.get(id.as_str())?;
            Some(AlertColumns { id: id.to_string(), created: alert.created(), updated: alert.updated() })
        };
        let (mut signals, mut matches, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for (found, alert) in group.matches.iter().zip(&assigned.matches) {
            let event = &group.events[found.event];
            let rule = rule_columns(generation, &found.detection, found.severity);
            signals.push(self.rows.matched(event, found, &rule, None));
            if let Some(id) = alert {
                matches.push(self.rows.matched(event, found, &rule, columns(id).as_ref()));
            }
        }
        for (error, id) in group.errors.iter().zip(&assigned.errors) {
            let rule = rule_columns(generation, &error.detection, uncia_model::Severity::Medium);
            errors.push(self.rows.failed(&group.events[error.event], error, &rule, columns(id).as_ref()));
        }
        [(Database::Signals, signals), (Database::RuleMatches, matches), (Database::RuleErrors, errors)]
    }
}

fn rule_columns(
    generation: &Generation,
    detection: &uncia_model::DetectionId,
    severity: uncia_model::Severity,
) -> RuleColumns {
    let Some(facts) = generation.deduplicator.facts(detection) else {
        return RuleColumns { severity, tags: Vec::new(), reports: "{}".to_owned() };
    };
    let reports = serde_json::to_string(&facts.reports).expect("maps of texts have a JSON form");
    RuleColumns { severity: facts.severity, tags: facts.tags.clone(), reports }
}

/// Rows beside the events, a few in each of several tables.
struct FewRows<'a> {
    lake: &'a dyn Lake,
    sinks: BTreeMap<TableRef, Box<dyn RowSink>>,
}

impl FewRows<'_> {
    async fn append(&mut self, table: TableRef, schema: &Arc<TableSchema>, rows: &[Document]) -> Result<(), LakeError> {
        if rows.is_empty() {
            return Ok(());
        }
        let sink = match self.sinks.entry(table) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let sink = self.lake.sink(entry.key(), schema).await?;
                entry.insert(sink)
            }
        };
        rows.iter().try_for_each(|row| sink.append(row))
    }
}

/// What the batch's commit says of its inputs. The log's position is noted apart.
fn progress(raw: &RawBatch) -> Vec<Progress> {
    // What is replayed was counted as done when it failed.
    if !raw.replayed.is_empty() {
        return Vec::new();
    }
    let mut latest: BTreeMap<(&SourceId, &str), Progress> = BTreeMap::new();
    for piece in &raw.pieces {
        let source = &piece.payload.origin.source;
        let note = |origin: &str, records, complete| Progress {
            source: source.clone(),
            origin: origin.to_owned(),
            records,
            complete,
        };
        match &piece.end {
            End::Log(_) if piece.complete => {}
            End::Rows { .. } => {}
            End::Mark { key, offset } if piece.complete => {
                latest.insert((source, key), note(key, *offset, false));
                let origin = &piece.payload.origin.key;
                // A part of a growing file needs only its mark; a whole file is known by its content from now on.
                if !origin.starts_with(PART_OF_A_FILE) && piece.done < u64::MAX {
                    latest.insert((source, origin), note(origin, piece.done, true));
                }
            }
            _ => {
                let key = &piece.payload.origin.key;
                latest.insert((source, key), note(key, piece.done, piece.complete));
            }
        }
    }
    latest.into_values().collect()
}

/// The rows of views that the batch's records are. A record that a filter drops, or that fails, is done too.
fn pulled(raw: &RawBatch) -> Vec<PulledRow> {
    let rows = raw.pieces.iter().filter_map(|piece| match &piece.end {
        End::Rows { rows, .. } => Some(piece.items.iter().filter_map(|item| {
            let ordinal = item.as_ref().map_or_else(|failure| failure.ordinal, |record| record.ordinal);
            usize::try_from(ordinal).ok().and_then(|place| rows.get(place)).cloned()
        })),
        _ => None,
    });
    rows.flatten().collect()
}

fn summarise(
    raw: &RawBatch,
    rows: &EventRows,
    found: &[JudgedEvents],
    failures: &[Failure],
    admitted: &Admitted,
    sealed_micros: i64,
) -> Summary {
    let mut summary =
        Summary { batches: 1, records: raw.records as u64, bytes: raw.bytes as u64, ..Summary::default() };
    for ((_, log_type), count) in &rows.counts {
        *summary.events.entry(log_type.clone()).or_default() += count.events;
    }
    for failure in failures {
        *summary.failures.entry(failure.reason.as_str().to_owned()).or_default() += 1;
    }
    count_found(&mut summary, found, admitted, sealed_micros);
    summary
}

/// Counts matches, errors, and the alerts that became visible.
pub(crate) fn count_found(summary: &mut Summary, groups: &[JudgedEvents], admitted: &Admitted, sealed_micros: i64) {
    for group in groups {
        summary.matches += group.matches.len() as u64;
        summary.detection_errors += group.errors.len() as u64;
    }
    for alert in &admitted.alerts {
        if alert.visible && alert.created_micros == sealed_micros {
            *summary.alerts.entry(alert.severity).or_default() += 1;
        }
    }
}

fn counters(rows: &EventRows, failures: &[Failure], filtered: &FilteredCounts) -> Vec<Counter> {
    let mut counters: BTreeMap<(SourceId, Option<LogType>), Counter> = BTreeMap::new();
    let mut at = |source: &SourceId, log_type: Option<&LogType>, change: &dyn Fn(&mut Counter)| {
        let counter = counters.entry((source.clone(), log_type.cloned())).or_insert_with(|| Counter {
            source: source.clone(),
            log_type: log_type.cloned(),
            events: 0,
            failures: 0,
            bytes: 0,
            oversized: 0,
            filtered: 0,
            filtered_bytes: 0,
        });
        change(counter);
    };
    for ((source, log_type), count) in &rows.counts {
        at(source, Some(log_type), &|counter| {
            counter.events += count.events;
            counter.bytes += count.bytes;
        });
    }
    for failure in failures {
        at(&failure.origin.source, None, &|counter| {
            counter.failures += 1;
            counter.bytes += failure.size;
            counter.oversized += u64::from(failure.reason == FailureReason::TooLarge);
        });
    }
    for ((source, log_type), count) in filtered {
        at(source, log_type.as_ref(), &|counter| {
            counter.filtered += count.records;
            counter.filtered_bytes += count.bytes;
        });
    }
    counters.into_values().collect()
}

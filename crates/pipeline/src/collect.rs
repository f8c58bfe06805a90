//! A batch's records, made into what can be landed: rows in the lake's sinks, and the few events that detections found.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use uncia_document::Interner;
use uncia_enrichment::Enricher;
use uncia_lake::{Lake, LakeError, RowSink};
use uncia_model::{Database, Failure, LogType, SourceId, TableRef};
use uncia_processing::Processed;

use crate::batch::RawBatch;
use crate::detect::{JudgedEvents, by_log_type};
use crate::enrich;
use crate::filter::{self, FilteredCounts};
use crate::generation::Generation;
use crate::process::{Chunk, Processors};
use crate::schemas::InForce;
use crate::walk::WalkError;

/// Chunks that workers judge at a time: enough that none of them waits for the next one.
const JUDGED_AT_ONCE: usize = 4;

/// A batch, ready to land.
pub(crate) struct CollectedBatch {
    pub(crate) rows: EventRows,
    /// Events with matches or errors.
    pub(crate) found: Vec<JudgedEvents>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) filtered: FilteredCounts,
    /// What judged it.
    pub(crate) generation: Arc<Generation>,
}

/// Rows of the log tables, counted.
#[derive(Default)]
pub(crate) struct EventRows {
    pub(crate) sinks: BTreeMap<LogType, Box<dyn RowSink>>,
    pub(crate) counts: BTreeMap<(SourceId, LogType), EventCount>,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct EventCount {
    pub(crate) events: u64,
    /// Of the records.
    pub(crate) bytes: u64,
}

/// What a batch is collected with.
pub(crate) struct Collector<'a> {
    pub(crate) processors: &'a Arc<Processors>,
    /// For the whole batch.
    pub(crate) in_force: &'a Arc<InForce>,
    /// For the whole batch.
    pub(crate) generation: &'a Arc<Generation>,
    pub(crate) lake: &'a dyn Lake,
    /// For the whole batch.
    pub(crate) enricher: &'a Arc<Enricher>,
    pub(crate) interner: &'a Arc<Interner>,
    pub(crate) parse_time: uncia_document::Timestamp,
}

/// A chunk whose events are judged.
struct JudgedChunk {
    source: SourceId,
    groups: Vec<JudgedEvents>,
    failures: Vec<Failure>,
    filtered: FilteredCounts,
}

impl Collector<'_> {
    pub(crate) async fn collect(&self, raw: &Arc<RawBatch>) -> Result<CollectedBatch, WalkError> {
        let chunks = self.processors.process(raw, self.in_force, self.parse_time);
        let judged =
            chunks.map(|chunk| async { Ok::<_, WalkError>(self.judged(chunk?).await) }).buffered(JUDGED_AT_ONCE);
        let mut judged = std::pin::pin!(judged);
        let mut collected = CollectedBatch {
            rows: EventRows::default(),
            found: Vec::new(),
            failures: Vec::new(),
            filtered: FilteredCounts::default(),
            generation: self.generation.clone(),
        };
        let mut begun = HashSet::new();
        while let Some(mut chunk) = judged.try_next().await? {
            for group in &mut chunk.groups {
                if begun.insert(group.log_type.clone()) {
                    self.begin(group, &mut collected.rows).await?;
                }
            }
            let (rows, groups) = self.append(collected.rows, chunk.source, chunk.groups).await?;
            collected.rows = rows;
            collected.found.extend(groups.into_iter().filter(|group| !group.events.is_empty()));
            collected.failures.extend(chunk.failures);
            filter::add(&mut collected.filtered, chunk.filtered);
        }
        Ok(collected)
    }

    async fn judged(&self, chunk: Chunk) -> JudgedChunk {
        let Chunk { source, quiet, processed: Processed { events, failures, .. }, filtered } = chunk;
        let mut groups = by_log_type(events);
        if let (Some(detections), false) = (&self.generation.detections, quiet) {
            detections.judge(&mut groups, self.enricher, &source).await;
        }
        JudgedChunk { source, groups, failures, filtered }
    }

    /// The first events of a log type: they need a place, and what holds for all of the batch's events is said of them.
    async fn begin(&self, group: &mut JudgedEvents, rows: &mut EventRows) -> Result<(), WalkError> {
        let detections = self.generation.detections.as_ref();
        let judges = detections.filter(|detections| detections.log_types.contains(&group.log_type));
        if let Some(detections) = judges {
            group.errors.splice(0..0, detections.engine.standing_errors(&group.log_type));
        }
        let Some(schema) = self.in_force.schemas.get(&group.log_type) else { return Ok(()) };
        let table = TableRef::new(Database::Logs, group.log_type.table_name());
        let sink = self.lake.sink(&table, schema.table_schema()).await?;
        rows.sinks.insert(group.log_type.clone(), sink);
        Ok(())
    }

    /// Appends the events to their sinks, off the threads that wait, and keeps of them what detections found.
    async fn append(
        &self,
        mut rows: EventRows,
        source: SourceId,
        mut groups: Vec<JudgedEvents>,
    ) -> Result<(EventRows, Vec<JudgedEvents>), WalkError> {
        let processors = self.processors.clone();
        let (enricher, interner) = (self.enricher.clone(), self.interner.clone());
        let work = move || -> Result<_, LakeError> {
            let mut spare = Vec::new();
            for group in &mut groups {
                rows.append(&source, group)?;
                group.keep_found(&mut spare);
                enrich::enrich_found(&enricher, &source, &mut group.events, &interner);
            }
            processors.recycle(spare);
            Ok((rows, groups))
        };
        Ok(tokio::task::spawn_blocking(work).await.map_err(|_| WalkError::Thread)??)
    }
}

impl EventRows {
    fn append(&mut self, source: &SourceId, group: &JudgedEvents) -> Result<(), LakeError> {
        let Some(sink) = self.sinks.get_mut(&group.log_type) else { return Ok(()) };
        let count = self.counts.entry((source.clone(), group.log_type.clone())).or_default();
        for event in &group.events {
            sink.append(&event.document)?;
            count.events += 1;
            count.bytes += event.raw_bytes as u64;
        }
        Ok(())
    }
}

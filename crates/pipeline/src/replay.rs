//! Failures taken through the walk once more, after a schema was mended.
//!
//! A failure's row keeps the record, so the record is processed again as if it had just come; its event carries the row id
//! of the failure. One transaction shows the event with its matches and alerts and takes the failure's row away: at every
//! moment the record is in exactly one of the two tables, whenever the process ends, and however often this is done. A
//! record that fails again keeps its row as it is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use uncia_document::{Document, Ref};
use uncia_lake::LakeError;
use uncia_model::sql::literal;
use uncia_model::{
    BatchId, Database, Failure, Head, LogType, Origin, Payload, Record, RowId, SourceId, TableRef, fields,
};

use crate::batch::{BatchLimits, Piece, RawBatch};
use crate::input::End;
use crate::summary::Summary;
use crate::walk::{Walk, WalkError};

/// Reasons that a mended schema can take away. The others are about bytes that never became records.
const REPLAYABLE: &str = "('no_schema_matched', 'not_json', 'invalid_utf8', 'parser_panic')";

/// Which failures are replayed; all conditions hold together.
#[derive(Clone, Debug, Default)]
pub struct FailureSelection {
    pub source: Option<String>,
    pub reason: Option<String>,
    /// Row ids, or beginnings of them.
    pub ids: Vec<String>,
    /// As what the records are tried; if empty, as what their source says.
    pub log_types: Vec<LogType>,
    /// The log types of sources that name some; others try all.
    pub of_sources: HashMap<SourceId, Vec<LogType>>,
}

/// Why failures could not be replayed. What was committed stays.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error("cannot read the failures")]
    Read(#[source] LakeError),
    #[error("a failure's row lacks its {0}")]
    Row(&'static str),
    #[error("cannot read the record of failure {id} in {path}")]
    Blob { id: RowId, path: String, source: std::io::Error },
}

impl FailureSelection {
    /// The condition in SQL.
    #[must_use]
    pub fn condition(&self) -> String {
        let mut conditions = Vec::new();
        if let Some(source) = &self.source {
            conditions.push(format!("p_source_id = {}", literal(source)));
        }
        if let Some(reason) = &self.reason {
            conditions.push(format!("reason = {}", literal(reason)));
        }
        if !self.ids.is_empty() {
            let begins = |id: &String| {
                let plain: String = id.chars().filter(char::is_ascii_hexdigit).collect();
                format!("p_row_id LIKE '{}%'", plain.to_ascii_lowercase())
            };
            conditions.push(format!("({})", self.ids.iter().map(begins).collect::<Vec<_>>().join(" OR ")));
        }
        if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") }
    }

    /// `heads`: whether the table says where the first lines of streams are; one that was made long ago does not.
    fn statement(&self, heads: bool) -> String {
        let heads = if heads { ", head_blob, head_start, head_size, head_ordinal" } else { "" };
        format!(
            "SELECT p_row_id, p_source_id, p_source_label, p_source_file:path::varchar AS place, record_ordinal, payload, \
             payload_blob{heads} FROM monitor.classification_failures WHERE reason IN {REPLAYABLE} AND {}",
            self.condition()
        )
    }
}

impl Walk {
    /// Replays the selected failures. Only the one writer of the data directory may do it.
    pub async fn replay(&self, selection: &FailureSelection, limits: BatchLimits) -> Result<Summary, ReplayError> {
        let mut total = Summary::default();
        let table = TableRef::new(Database::Monitor, "classification_failures");
        let tables = self.lake().tables().await.map_err(ReplayError::Read)?;
        let Some(info) = tables.iter().find(|info| info.table == table) else { return Ok(total) };
        let statement = selection.statement(info.schema.columns.iter().any(|column| column.name == "head_blob"));
        let (sender, receiver) = mpsc::channel(1);
        let feed = self.feed(&statement, selection, limits, sender);
        let walked = async { self.run(receiver, |summary, _| total.add(summary)).await.map_err(ReplayError::from) };
        let (fed, walked) = tokio::join!(feed, walked);
        walked?;
        fed?;
        Ok(total)
    }

    async fn feed(
        &self,
        statement: &str,
        selection: &FailureSelection,
        limits: BatchLimits,
        batches: mpsc::Sender<RawBatch>,
    ) -> Result<(), ReplayError> {
        let mut rows = self.lake().query(statement).await.map_err(ReplayError::Read)?.rows;
        let mut batch = ReplayBatch::default();
        let mut heads = Heads::default();
        while let Some(row) = rows.next().await {
            let row = row.map_err(ReplayError::Read)?;
            let (row_id, payload, record) = self.record(&row, selection, &mut heads)?;
            batch.add(row_id, payload, record);
            if batch.bytes >= limits.bytes || batch.replayed.len() >= limits.records {
                let full = std::mem::take(&mut batch).seal(self.clock().now().micros);
                if batches.send(full).await.is_err() {
                    return Ok(());
                }
            }
        }
        if !batch.replayed.is_empty() {
            // The walk ended early if nobody listens; it says why itself.
            let _ = batches.send(batch.seal(self.clock().now().micros)).await;
        }
        Ok(())
    }

    fn record(
        &self,
        row: &Document,
        selection: &FailureSelection,
        heads: &mut Heads,
    ) -> Result<(RowId, Payload, Record), ReplayError> {
        let root = row.root();
        let text = |name: &'static str| root.get(name).and_then(Ref::as_str);
        let row_id = text(fields::ROW_ID).and_then(RowId::parse).ok_or(ReplayError::Row("row id"))?;
        let source = text(fields::SOURCE_ID).ok_or(ReplayError::Row("source"))?;
        let bytes = match text("payload_blob") {
            None => Bytes::copy_from_slice(text("payload").unwrap_or_default().as_bytes()),
            Some(name) => self.blob(row_id, name)?,
        };
        let number = |name| root.get(name).and_then(Ref::as_i64).and_then(|n| u64::try_from(n).ok());
        let head = match text("head_blob") {
            None => None,
            Some(name) => {
                let wanted = (name.to_owned(), number("head_start"), number("head_size"), number("head_ordinal"));
                Some(heads.get(wanted, || self.blob(row_id, name))?)
            }
        };
        let origin = Origin {
            source: source.into(),
            source_label: text(fields::SOURCE_LABEL).unwrap_or(source).into(),
            key: format!("failure:{row_id}").into(),
            place: text("place").map(Arc::from),
        };
        let log_types = match &*selection.log_types {
            [] => selection.of_sources.get(&origin.source).cloned().unwrap_or_default(),
            chosen => chosen.to_vec(),
        };
        let payload = Payload { origin, bytes: bytes.clone(), received: self.clock().now(), log_types, head: None };
        let record = Record::alone(number("record_ordinal").unwrap_or_default(), bytes).known_as(row_id);
        Ok((row_id, payload, Record { head, ..record }))
    }

    /// What a failure's row has put aside.
    fn blob(&self, row_id: RowId, name: &str) -> Result<Bytes, ReplayError> {
        // The name is from a table that others can write to: it must stay within its folder.
        let name = RowId::parse(name).ok_or(ReplayError::Row("blob"))?.to_string();
        let path = self.blobs().join(name);
        let failed = |source| ReplayError::Blob { id: row_id, path: path.display().to_string(), source };
        Ok(std::fs::read(&path).map_err(failed)?.into())
    }
}

/// The head that was read last: the records of a stream come one after the other, and are to share it.
#[derive(Default)]
struct Heads(Option<(HeadWanted, Arc<Head>)>);

/// A blob, a start and a size in it, and the ordinal of the first line.
type HeadWanted = (String, Option<u64>, Option<u64>, Option<u64>);

impl Heads {
    fn get(
        &mut self,
        wanted: HeadWanted,
        blob: impl FnOnce() -> Result<Bytes, ReplayError>,
    ) -> Result<Arc<Head>, ReplayError> {
        if let Some((known, head)) = &self.0
            && *known == wanted
        {
            return Ok(head.clone());
        }
        let (_, start, size, first) = wanted;
        let blob = blob()?;
        let start = usize::try_from(start.unwrap_or(0)).unwrap_or(usize::MAX);
        let size = usize::try_from(size.unwrap_or(0)).unwrap_or(usize::MAX);
        let lines = start.checked_add(size).filter(|end| *end <= blob.len()).map(|end| blob.slice(start..end));
        let head = Arc::new(Head { lines: lines.ok_or(ReplayError::Row("head"))?, first });
        self.0 = Some((wanted, head.clone()));
        Ok(head)
    }
}

/// Records of failures, to be committed together.
#[derive(Default)]
struct ReplayBatch {
    pieces: Vec<Piece>,
    replayed: Vec<RowId>,
    bytes: usize,
}

impl ReplayBatch {
    fn add(&mut self, row_id: RowId, payload: Payload, record: Record) {
        self.bytes += record.bytes.len();
        self.replayed.push(row_id);
        self.pieces.push(Piece {
            payload: Arc::new(payload),
            items: vec![Ok(record)],
            done: 1,
            complete: true,
            end: End::Origin,
        });
    }

    /// The time is a part of the id: the same failures may be replayed again, after another change of a schema.
    fn seal(self, now_micros: i64) -> RawBatch {
        let Self { pieces, replayed, bytes } = self;
        let mut parts = vec!["replay".to_owned(), now_micros.to_string()];
        parts.extend(replayed.iter().map(ToString::to_string));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let records = pieces.len();
        RawBatch { id: BatchId::of(&parts), pieces, bytes, records, wal: None, replayed }
    }
}

/// The replayed records that are no failures any more. Those that failed again keep their rows and get no second ones.
pub(crate) fn settled(raw: &RawBatch, failures: &mut Vec<Failure>) -> HashSet<RowId> {
    if raw.replayed.is_empty() {
        return HashSet::new();
    }
    let mut settled: HashSet<RowId> = raw.replayed.iter().copied().collect();
    for failure in failures.drain(..) {
        settled.remove(&failure.row_id);
    }
    settled
}

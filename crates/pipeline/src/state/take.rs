//! Taking a snapshot: read, compare, hand on, and wait until it is committed.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use uncia_document::Document;
use uncia_lake::LakeError;
use uncia_model::sql::literal;
use uncia_model::{Database, LogType, Payload, Record, RowId, SourceId, TableRef, TableSchema, fields};
use uncia_processing::{Processed, Processor};
use uncia_snowflake::state::{STATE_CHANGE, StateView};
use uncia_sources::snowflake::{AccountPuller, PullError, StateAnswer};
use uncia_store::{Known, PullNote, PullPosition, PulledRow, PulledTo, RowKey, Store, StoreError};

use super::diff::{Change, Seen, StateRow, changes};
use super::exchange::Exchange;
use crate::input::Input;
use crate::walk::Walk;

/// The rows of a first snapshot go to the lake in parts of so many bytes.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// So many rows are asked for by their ids; more are found by reading all.
const IDS_PER_QUERY: usize = 500;
const MOST_IDS: usize = 2_000;
/// Columns are remembered as rows of an hour that is never forgotten.
const COLUMNS: i64 = i64::MAX - 1;

/// The rows of one view, as they come.
#[async_trait]
pub trait StateRows: Send {
    /// The columns that rows may have.
    fn columns(&self) -> Vec<String>;

    /// Some more rows, each known by its content; `None` after the last one.
    async fn next(&mut self) -> Result<Option<Vec<Record>>, PullError>;
}

#[async_trait]
impl StateRows for StateAnswer {
    fn columns(&self) -> Vec<String> {
        Self::columns(self).map(str::to_owned).collect()
    }

    async fn next(&mut self) -> Result<Option<Vec<Record>>, PullError> {
        Self::next(self).await
    }
}

/// What a snapshot came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Rows that are in force.
    pub rows: u64,
    /// Of these, rows that the one before did not have.
    pub added: u64,
    /// Rows that only the one before had.
    pub gone: u64,
    /// Events that tell of changes.
    pub changes: u64,
    /// Rows that do not fit their schema.
    pub unfit: u64,
    /// Why the account does not show the view.
    pub absent: Option<String>,
}

/// Why a snapshot was not taken. The one before stays.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error("there is no schema of {0}")]
    Schema(&'static str),
    #[error("the view is empty, which no account's is: nothing is changed by that")]
    Empty,
}

/// Which views are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// All of them.
    Now,
    /// Those whose last snapshot is old enough.
    Due,
}

/// Takes a snapshot of each view that is due. One that fails stops no other.
pub async fn take(
    walk: &Walk,
    puller: &AccountPuller,
    out: &mpsc::Sender<Input>,
    when: When,
) -> Result<Vec<(&'static StateView, Result<Snapshot, StateError>)>, StateError> {
    let mut views = puller.config().snapshot_views();
    if when == When::Due {
        let due = due(walk, puller).await?;
        views.retain(|view| due(&view.feed()));
    }
    if views.is_empty() {
        return Ok(Vec::new());
    }
    let now = puller.server_time().await?;
    let mut taken = Vec::new();
    for view in views {
        let snapshot = snapshot(walk, puller, view, now, out).await;
        if let Ok(Snapshot { added, gone, .. }) = &snapshot
            && added + gone > 0
        {
            walk.load_state(&puller.config().id, puller.config().label(), view).await?;
        }
        note(walk.store(), &puller.config().id, view, now, &snapshot).await?;
        if matches!(snapshot, Err(StateError::Pull(PullError::Ended))) {
            return Err(PullError::Ended.into());
        }
        taken.push((view, snapshot));
    }
    Ok(taken)
}

/// Rides along with pulls, so the time is rounded to theirs.
async fn due(walk: &Walk, puller: &AccountPuller) -> Result<impl Fn(&str) -> bool + use<>, StateError> {
    let config = puller.config();
    let minute = 60 * 1_000_000;
    let slack = i64::from(config.interval_minutes) * minute / 2;
    let latest = walk.clock().now().micros - i64::from(config.state_minutes) * minute + slack;
    let id = config.id.clone();
    let of_account = walk.store().pull_statuses().await?.into_iter().filter(move |status| status.source == id);
    let asked: HashMap<String, Option<i64>> = of_account.map(|status| (status.view, status.checked_micros)).collect();
    Ok(move |feed: &str| asked.get(feed).copied().flatten().is_none_or(|asked| asked <= latest))
}

async fn note(
    store: &Store,
    source: &SourceId,
    view: &StateView,
    now: i64,
    snapshot: &Result<Snapshot, StateError>,
) -> Result<(), StoreError> {
    let note = match snapshot {
        Ok(Snapshot { absent, unfit, .. }) => {
            PullNote { checked_micros: Some(now), cut_short: *unfit, problem: absent.clone(), ..PullNote::default() }
        }
        Err(error) => PullNote { problem: Some(error.to_string()), ..PullNote::default() },
    };
    store.note_pull(source, &view.feed(), &note).await
}

async fn snapshot(
    walk: &Walk,
    puller: &AccountPuller,
    view: &'static StateView,
    now: i64,
    out: &mpsc::Sender<Input>,
) -> Result<Snapshot, StateError> {
    let rows = match puller.state(view).await {
        Ok(rows) => rows,
        Err(PullError::Snowflake(error)) if error.is_not_authorised() => {
            return Ok(Snapshot { absent: Some(error.to_string()), ..Snapshot::default() });
        }
        Err(error) => return Err(error.into()),
    };
    let payload = |key, log_type: &str| puller.payload(view.name, key, log_type);
    walk.take_snapshot(view, &puller.config().id, rows, now, &payload, out).await
}

/// One snapshot in the making.
struct Taking<'a> {
    walk: &'a Walk,
    view: &'static StateView,
    source: &'a SourceId,
    feed: Arc<str>,
    table: TableRef,
    schema: Arc<TableSchema>,
    /// Of records by origin key and log type.
    payload: &'a (dyn Fn(String, &str) -> Payload + Sync),
    out: &'a mpsc::Sender<Input>,
    now: i64,
    before: Option<PullPosition>,
}

impl Walk {
    /// Takes a snapshot of one view of a source, whose rows come from anywhere. `now` is the time of the server that has
    /// them.
    pub async fn take_snapshot(
        &self,
        view: &'static StateView,
        source: &SourceId,
        rows: impl StateRows,
        now: i64,
        payload: &(dyn Fn(String, &str) -> Payload + Sync),
        out: &mpsc::Sender<Input>,
    ) -> Result<Snapshot, StateError> {
        let log_type = LogType::from(view.log_type);
        let schema = self.schema(&log_type).ok_or(StateError::Schema(view.log_type))?;
        let feed: Arc<str> = view.feed().into();
        let before = self.store().pull_position(source, &feed).await?;
        let table = TableRef::new(Database::Lookups, log_type.table_name());
        Taking { walk: self, view, source, feed, table, schema, payload, out, now, before }.run(rows).await
    }
}

impl Taking<'_> {
    async fn run(&self, mut rows: impl StateRows) -> Result<Snapshot, StateError> {
        let mut snapshot = Snapshot::default();
        let columns = rows.columns();
        // Whether each row of the lake, and each new one, is in the snapshot.
        let mut known: HashMap<RowId, bool> = self.ids_there().await?.into_iter().map(|id| (id, false)).collect();
        let there = known.len();
        let payload = (self.payload)(format!("snowflake:{}:{}", self.feed, self.now), self.view.log_type);
        let mut processor = self.walk.processor();
        let (mut added, mut bytes) = (Vec::new(), 0);
        while let Some(records) = rows.next().await? {
            for record in records {
                snapshot.rows += 1;
                let id = record.row_id(&payload.origin);
                if let Some(seen) = known.get_mut(&id) {
                    *seen = true;
                    continue;
                }
                known.insert(id, true);
                bytes += record.bytes.len();
                let mut processed = Processed::default();
                processor.process(record, &payload, self.walk.clock().now(), &mut processed);
                snapshot.unfit += processed.failures.len() as u64;
                if let Some(failure) = processed.failures.first() {
                    tracing::warn!("{}: a row does not fit its schema: {}", self.feed, failure.message);
                }
                added.extend(processed.events.into_iter().map(|event| (event.row_id, event.document)));
                // A partition may hold far more than a part.
                if self.before.is_none() && bytes >= PART_BYTES {
                    snapshot.added += added.len() as u64;
                    let part = self.exchange(std::mem::take(&mut added), HashSet::new());
                    self.hand_on(part, Vec::new(), None).await?;
                    bytes = 0;
                }
            }
        }
        if snapshot.rows == 0 && there > 0 && self.view.never_empty {
            return Err(StateError::Empty);
        }
        snapshot.added += added.len() as u64;
        let gone: HashSet<RowId> = known.into_iter().filter(|(_, seen)| !seen).map(|(id, _)| id).collect();
        snapshot.gone = gone.len() as u64;
        self.finish(&columns, added, gone, &mut snapshot).await?;
        Ok(snapshot)
    }

    async fn finish(
        &self,
        columns: &[String],
        added: Vec<(RowId, Document)>,
        gone: HashSet<RowId>,
        snapshot: &mut Snapshot,
    ) -> Result<(), StateError> {
        let position = PullPosition {
            watermark_micros: self.now,
            swept_micros: self.now,
            begun_micros: self.before.map_or(self.now, |before| before.begun_micros),
        };
        let remembered = self.walk.store().pulled_rows(self.source, &self.feed, COLUMNS..COLUMNS + 1).await?;
        let columns_now = self.columns(columns, &remembered);
        let mut changes = Vec::new();
        if let Some(before) = self.before {
            let was_there = |name: &&String| remembered.get(&column_key(name)).is_some_and(|known| known.state == 1);
            let compared: HashSet<String> = columns.iter().filter(was_there).cloned().collect();
            changes = self.changes(&added, &gone, &compared).await?;
            changes.sort_by_cached_key(|change| change.key(before.watermark_micros));
        }
        snapshot.changes = changes.len() as u64;
        if added.is_empty() && gone.is_empty() && columns_now.is_empty() {
            self.walk.store().set_pull_position(self.source, &self.feed, position).await?;
            return Ok(());
        }
        let taken = PulledTo { source: self.source.clone(), view: self.feed.clone(), position };
        let exchange = Exchange { columns: columns_now, taken: Some(taken), ..self.exchange(added, gone) };
        self.hand_on(exchange, changes, self.before).await?;
        let noted = self.walk.store().pull_position(self.source, &self.feed).await?;
        if noted != Some(position) {
            return Err(PullError::NotCommitted.into());
        }
        Ok(())
    }

    fn exchange(&self, added: Vec<(RowId, Document)>, gone: HashSet<RowId>) -> Exchange {
        Exchange {
            table: self.table.clone(),
            schema: self.schema.clone(),
            added: added.into_iter().map(|(_, document)| document).collect(),
            gone,
            columns: Vec::new(),
            taken: None,
        }
    }

    /// What the store has to learn of the columns: a column that is new must not look like a change of all rows.
    fn columns(&self, now: &[String], remembered: &HashMap<RowKey, Known>) -> Vec<PulledRow> {
        let now: HashSet<RowKey> = now.iter().map(|name| column_key(name)).collect();
        let of = |key: RowKey, state| PulledRow {
            source: self.source.clone(),
            view: self.feed.clone(),
            hour: COLUMNS,
            key,
            known: Known { state, revision: 0 },
        };
        let is_known = |key: &RowKey| remembered.get(key).is_some_and(|known| known.state == 1);
        let came = now.iter().filter(|key| !is_known(key)).map(|&key| of(key, 1));
        let left = remembered.keys().filter(|key| is_known(key) && !now.contains(*key)).map(|&key| of(key, 0));
        came.chain(left).collect()
    }

    async fn changes(
        &self,
        added: &[(RowId, Document)],
        gone: &HashSet<RowId>,
        compared: &HashSet<String>,
    ) -> Result<Vec<Change>, StateError> {
        let gone = self.rows_there(gone).await?;
        let added = added.iter().map(|(id, document)| StateRow::of(*id, document, &self.schema)).collect();
        Ok(changes(self.view, gone, added, compared))
    }

    /// Gives the walk the changes and the exchange, and waits until it has let go of them.
    async fn hand_on(
        &self,
        exchange: Exchange,
        changes: Vec<Change>,
        before: Option<PullPosition>,
    ) -> Result<(), PullError> {
        let mut records = Vec::new();
        if let Some(before) = before.map(|before| before.watermark_micros) {
            let seen = Seen { before, after: self.now };
            for (ordinal, change) in (0..).zip(&changes) {
                let key = format!("snowflake:{}:{}", self.feed, change.key(before));
                let row_id = RowId::of(self.source, &key, 0, 0);
                records.push(Record::alone(ordinal, change.record(self.view, seen).into()).known_as(row_id));
            }
        }
        let mut hasher = blake3::Hasher::new();
        // Another exchange makes another batch.
        let mut ids: Vec<RowId> = exchange.gone.iter().copied().collect();
        ids.sort_unstable();
        for id in ids {
            hasher.update(&id.hex());
        }
        for row in &exchange.added {
            hasher.update(row.root().get(fields::ROW_ID).and_then(|id| id.as_str()).unwrap_or_default().as_bytes());
        }
        hasher.update(&self.now.to_le_bytes());
        let key = format!("snowflake:{}:{}", self.feed, hasher.finalize().to_hex());
        let payload = (self.payload)(key, STATE_CHANGE);
        let (held, mut let_go) = mpsc::channel::<Infallible>(1);
        let input = Input::rows(payload, records, Arc::from([]), false, held).exchanging(Arc::new(exchange));
        self.out.send(input).await.map_err(|_| PullError::Ended)?;
        let none: Option<Infallible> = let_go.recv().await;
        debug_assert!(none.is_none());
        Ok(())
    }

    async fn ids_there(&self) -> Result<Vec<RowId>, StateError> {
        if !self.is_there().await? {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {} FROM {} WHERE {}", fields::ROW_ID, self.table, self.of_source());
        let mut answer = self.walk.lake().query(&sql).await?;
        let mut ids = Vec::new();
        while let Some(row) = answer.rows.next().await {
            ids.extend(row_id(&row?));
        }
        Ok(ids)
    }

    async fn rows_there(&self, ids: &HashSet<RowId>) -> Result<Vec<StateRow>, StateError> {
        let mut conditions = Vec::new();
        if ids.len() > MOST_IDS {
            conditions.push(String::new());
        } else {
            let all: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
            let some = all.chunks(IDS_PER_QUERY);
            conditions.extend(some.map(|some| format!(" AND {} IN ({})", fields::ROW_ID, some.join(", "))));
        }
        let mut found = Vec::with_capacity(ids.len());
        for condition in conditions {
            let sql = format!("SELECT * FROM {} WHERE {}{condition}", self.table, self.of_source());
            let mut answer = self.walk.lake().query(&sql).await?;
            while let Some(row) = answer.rows.next().await {
                let row = row?;
                if let Some(id) = row_id(&row).filter(|id| ids.contains(id)) {
                    found.push(StateRow::of(id, &row, &self.schema));
                }
            }
        }
        Ok(found)
    }

    async fn is_there(&self) -> Result<bool, LakeError> {
        Ok(self.walk.lake().tables().await?.iter().any(|info| info.table == self.table))
    }

    fn of_source(&self) -> String {
        format!("{} = {}", fields::SOURCE_ID, literal(self.source.as_str()))
    }
}

fn row_id(row: &Document) -> Option<RowId> {
    RowId::parse(row.root().get(fields::ROW_ID)?.as_str()?)
}

fn column_key(name: &str) -> RowKey {
    let mut key = RowKey::default();
    key.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..16]);
    key
}

impl Walk {
    fn schema(&self, log_type: &LogType) -> Option<Arc<TableSchema>> {
        self.schemas().get(log_type).map(|schema| schema.table_schema().clone())
    }

    fn processor(&self) -> Processor {
        // The view says what a row is; policies have their lists in one column or in another.
        Processor::relaxed(self.schemas(), self.interner().clone())
    }
}

//! The one transaction that makes a batch visible.
//!
//! Order matters only for speed: what can refuse (the batch row, the pointers) comes first. Whatever fails, the
//! transaction is dropped and nothing of the batch is there.

use sqlx::{QueryBuilder, Sqlite, Transaction};
use uncia_model::{Alert, BatchId, LogType, NewDelivery, PointerMove, SourceId, TableRef, Window};

use crate::posture::{self, Judgement};
use crate::pulls::{self, PulledRow, PulledTo};
use crate::{Store, StoreError, alerts, catalog, number, outbox, windows};

/// Rows per INSERT statement: far below SQLite's 32,766 variables, large enough that statements cost nothing.
pub(crate) const ROWS_PER_STATEMENT: usize = 200;

/// All that a sealed batch changes.
#[derive(Clone, Debug)]
pub struct BatchCommit {
    pub id: BatchId,
    /// When the batch was sealed, in microseconds since 1970.
    pub sealed_micros: i64,
    pub moves: Vec<PointerMove>,
    pub progress: Vec<Progress>,
    /// Segment and offset of the first entry of the write-ahead log that is not in a committed batch.
    pub wal: Option<(u64, u64)>,
    /// Written over the window of the same key.
    pub windows: Vec<Window>,
    /// Written over the alert of the same id, but for its status, which is the user's.
    pub alerts: Vec<Alert>,
    /// An alert that already has a delivery to the destination gets no second one.
    pub deliveries: Vec<NewDelivery>,
    /// Added to what the store holds.
    pub counters: Vec<Counter>,
    /// Written over what was known of the same row.
    pub pulled: Vec<PulledRow>,
    /// What controls found, compared with what is known of them.
    pub posture: Vec<Judgement>,
    /// Written over the positions of the same views.
    pub pulled_to: Vec<PulledTo>,
}

impl BatchCommit {
    /// A batch that changes nothing yet.
    #[must_use]
    pub const fn new(id: BatchId, sealed_micros: i64) -> Self {
        Self {
            id,
            sealed_micros,
            moves: Vec::new(),
            progress: Vec::new(),
            wal: None,
            windows: Vec::new(),
            alerts: Vec::new(),
            deliveries: Vec::new(),
            counters: Vec::new(),
            pulled: Vec::new(),
            posture: Vec::new(),
            pulled_to: Vec::new(),
        }
    }
}

/// How far an origin is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub source: SourceId,
    pub origin: String,
    /// Records of the origin in committed batches: the ordinal to go on from.
    pub records: u64,
    /// The origin was read to its end.
    pub complete: bool,
}

/// What a batch adds to a source's counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    pub source: SourceId,
    /// `None` for records that no log type claimed.
    pub log_type: Option<LogType>,
    pub events: u64,
    pub failures: u64,
    /// Raw bytes of the records.
    pub bytes: u64,
    pub oversized: u64,
    /// Records or events that a filter dropped; they count in none of the above.
    pub filtered: u64,
    pub filtered_bytes: u64,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a conflict means that nothing was committed"]
pub enum CommitOutcome {
    Committed,
    /// The batch was committed before; nothing was changed.
    AlreadyCommitted,
    /// The table's pointer is not where the move expected it; nothing was changed. Stage the batch again.
    Conflict(TableRef),
}

const ACTION: &str = "commit a batch";

impl Store {
    /// Applies the whole batch, or nothing of it. Durable when it returns.
    pub async fn commit(&self, batch: &BatchCommit) -> Result<CommitOutcome, StoreError> {
        let mut transaction = self.write(ACTION).await?;
        let outcome = apply(&mut transaction, batch).await.map_err(self.failed(ACTION))?;
        if outcome == CommitOutcome::Committed {
            transaction.commit().await.map_err(self.failed(ACTION))?;
        } else {
            transaction.rollback().await.map_err(self.failed(ACTION))?;
        }
        Ok(outcome)
    }

    /// Whether the batch is committed; how an uncertain commit is settled.
    pub async fn is_committed(&self, id: &BatchId) -> Result<bool, StoreError> {
        let action = "look up a batch";
        let mut snapshot = self.read(action).await?;
        let found: i64 = sqlx::query_scalar("SELECT count(*) FROM batches WHERE id = ?")
            .bind(id.to_string())
            .fetch_one(&mut *snapshot)
            .await
            .map_err(self.failed(action))?;
        Ok(found > 0)
    }

    /// Forgets batches sealed before the given time, but never the `keep` newest ones. Returns how many.
    ///
    /// A forgotten batch would be committed again if it were replayed, so keep what a restart can replay.
    pub async fn prune_batches(&self, sealed_before_micros: i64, keep: u64) -> Result<u64, StoreError> {
        let action = "forget old batches";
        let mut transaction = self.write(action).await?;
        let pruned = sqlx::query(
            "DELETE FROM batches WHERE sealed_micros < ? \
             AND id NOT IN (SELECT id FROM batches ORDER BY sealed_micros DESC, id LIMIT ?)",
        )
        .bind(sealed_before_micros)
        .bind(number::to_sql(keep))
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(action))?;
        transaction.commit().await.map_err(self.failed(action))?;
        Ok(pruned.rows_affected())
    }
}

async fn apply(
    transaction: &mut Transaction<'static, Sqlite>,
    batch: &BatchCommit,
) -> Result<CommitOutcome, sqlx::Error> {
    let fresh = sqlx::query("INSERT INTO batches (id, sealed_micros) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(batch.id.to_string())
        .bind(batch.sealed_micros)
        .execute(&mut **transaction)
        .await?;
    if fresh.rows_affected() == 0 {
        return Ok(CommitOutcome::AlreadyCommitted);
    }
    for step in &batch.moves {
        if !catalog::move_pointer(transaction, step).await? {
            return Ok(CommitOutcome::Conflict(step.table.clone()));
        }
    }
    write_progress(transaction, &batch.progress).await?;
    if let Some(position) = batch.wal {
        write_wal_position(transaction, position).await?;
    }
    alerts::write(transaction, &batch.alerts).await?;
    windows::write(transaction, &batch.windows).await?;
    outbox::write(transaction, &batch.deliveries, batch.sealed_micros).await?;
    add_counters(transaction, &batch.counters, batch.sealed_micros).await?;
    pulls::write(transaction, &batch.pulled).await?;
    posture::write(transaction, &batch.posture, batch.sealed_micros).await?;
    for to in &batch.pulled_to {
        pulls::write_position(transaction, to).await?;
    }
    Ok(CommitOutcome::Committed)
}

async fn write_progress(
    transaction: &mut Transaction<'static, Sqlite>,
    progress: &[Progress],
) -> Result<(), sqlx::Error> {
    for chunk in progress.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO progress (source, origin, records, complete) ");
        query.push_values(chunk, |mut row, progress| {
            row.push_bind(progress.source.as_str())
                .push_bind(&progress.origin)
                .push_bind(number::to_sql(progress.records))
                .push_bind(progress.complete);
        });
        query.push(
            " ON CONFLICT (source, origin) DO UPDATE SET records = excluded.records, complete = excluded.complete",
        );
        query.build().execute(&mut **transaction).await?;
    }
    Ok(())
}

/// The position never goes back: batches that end earlier in the log may be committed later.
async fn write_wal_position(
    transaction: &mut Transaction<'static, Sqlite>,
    (segment, offset): (u64, u64),
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO wal_position (id, segment_number, byte_offset) VALUES (1, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET segment_number = excluded.segment_number, byte_offset = excluded.byte_offset \
         WHERE (excluded.segment_number, excluded.byte_offset) \
             > (wal_position.segment_number, wal_position.byte_offset)",
    )
    .bind(number::to_sql(segment))
    .bind(number::to_sql(offset))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// One statement a row: a batch may name a source and log type twice, and both count.
async fn add_counters(
    transaction: &mut Transaction<'static, Sqlite>,
    counters: &[Counter],
    sealed_micros: i64,
) -> Result<(), sqlx::Error> {
    for counter in counters {
        sqlx::query(
            "INSERT INTO source_counters \
             (source, log_type, events, failures, bytes, oversized, filtered, filtered_bytes, last_micros) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, log_type) DO UPDATE SET \
             events = source_counters.events + excluded.events, \
             failures = source_counters.failures + excluded.failures, \
             bytes = source_counters.bytes + excluded.bytes, \
             oversized = source_counters.oversized + excluded.oversized, \
             filtered = source_counters.filtered + excluded.filtered, \
             filtered_bytes = source_counters.filtered_bytes + excluded.filtered_bytes, \
             last_micros = excluded.last_micros",
        )
        .bind(counter.source.as_str())
        .bind(counter.log_type.as_ref().map_or("", LogType::as_str))
        .bind(number::to_sql(counter.events))
        .bind(number::to_sql(counter.failures))
        .bind(number::to_sql(counter.bytes))
        .bind(number::to_sql(counter.oversized))
        .bind(number::to_sql(counter.filtered))
        .bind(number::to_sql(counter.filtered_bytes))
        .bind(sealed_micros)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}
